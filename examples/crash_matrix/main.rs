//! `make crash-matrix`: every scenario, every request, both sides of it, both ways to wake the successor.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where it cannot measure"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::path::PathBuf;
use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};
use stack::crash::{Scenario, pairs, points, requests, survive};

/// How many stacks run side by side: most of the time each waits for a lease to end.
const SIDE_BY_SIDE: usize = 32;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let binary = arguments.next().map(PathBuf::from).expect("usage: crash_matrix PATH-OF-THE-LAMBDA-BINARY [STEP]");
    // Of the pairs, every STEPth is run: there are some ten thousand.
    let step = arguments.next().map_or(1, |text| text.to_string_lossy().parse().expect("STEP is a number"));
    let (mut all, begun) = (0, clock());
    for scenario in Scenario::ALL {
        let requests = requests(&binary, scenario).await;
        for (what, points) in [("one death", points(scenario, requests)), ("two deaths", pairs(scenario, requests))] {
            let possible = points.len();
            let step = if what == "one death" { 1 } else { step };
            let runs: Vec<_> = points.iter().step_by(step).map(|point| survive(&binary, point)).collect();
            let run = runs.len();
            let died: usize =
                stream::iter(runs).buffer_unordered(SIDE_BY_SIDE).fold(0, async |sum, died| sum + died).await;
            println!(
                "{scenario:<10?} {requests:>3} requests, {what:<10}: {run:>5} of {possible:>5} points survived, {died:>5} kills"
            );
            all += run;
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let rate = f64::from(u32::try_from(all).unwrap_or(u32::MAX)) / minutes;
    println!("{all} points, 0 violations, {minutes:.1} minutes, {rate:.0} points a minute");
}

#[expect(clippy::disallowed_methods, reason = "the matrix says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
