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
use stack::crash::{Scenario, points, requests, survive};

/// How many stacks run side by side: most of the time each waits for a lease to end.
const SIDE_BY_SIDE: usize = 32;

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: crash_matrix PATH-OF-THE-LAMBDA-BINARY");
    let mut all = 0;
    let begun = clock();
    for scenario in Scenario::ALL {
        let requests = requests(&binary, scenario).await;
        let points = points(scenario, requests);
        let count = points.len();
        let runs: Vec<_> = points.into_iter().map(|point| survive(&binary, point)).collect();
        stream::iter(runs).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<()>>().await;
        println!("{scenario:<10?} {requests:>3} requests {count:>5} points survived");
        all += count;
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    println!(
        "{all} points survived in {minutes:.1} minutes, {:.0} a minute",
        f64::from(u32::try_from(all).unwrap_or(0)) / minutes
    );
}

#[expect(clippy::disallowed_methods, reason = "the matrix says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
