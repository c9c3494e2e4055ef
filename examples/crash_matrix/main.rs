//! `make crash-matrix`: every scenario, every request, both sides of it, every way to wake the successor; then the same
//! with two deaths. A point whose invariants are broken is named, and the command fails.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where it cannot measure"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};
use stack::crash::{Point, Scenario, Survived, pairs, points, requests, survive};

/// How many stacks run side by side: most of the time each waits for a lease to end.
const SIDE_BY_SIDE: usize = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let binary = arguments.next().map(PathBuf::from).expect("usage: crash_matrix BINARY [STEP [SCENARIO]]");
    // Of the pairs, every STEPth is run: there are some twenty thousand.
    let step = arguments.next().map_or(1, |text| text.parse().expect("STEP is a number"));
    let only = arguments.next();
    let chosen = |scenario: &Scenario| only.as_ref().is_none_or(|only| *only == format!("{scenario:?}"));
    let (mut all, begun) = (Sum::default(), clock());
    for scenario in Scenario::ALL.into_iter().filter(chosen) {
        let requests = requests(&binary, scenario).await;
        for (what, points, step) in
            [("one death", points(scenario, requests), 1), ("two deaths", pairs(scenario, requests), step)]
        {
            let possible = points.len();
            let runs = points.into_iter().step_by(step).map(|point| survived(binary.clone(), point));
            let sum = stream::iter(runs)
                .buffer_unordered(SIDE_BY_SIDE)
                .fold(Sum::default(), async |sum, one| sum.and(one))
                .await;
            println!("{scenario:<14?} {requests:>3} requests, {what:<10} ({possible:>5} possible): {sum}");
            all = all.and(sum);
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let rate = f64::from(u32::try_from(all.points).unwrap_or(u32::MAX)) / minutes;
    println!("in all: {all}; {minutes:.1} minutes, {rate:.0} points a minute");
    if all.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What points came to. Ticks are counted from the end of the last dead worker's lease to the last answer.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    points: usize,
    violations: usize,
    kills: usize,
    /// Points in which as many died as were to die.
    whole: usize,
    stalled: usize,
    ticks: usize,
}

impl Sum {
    fn and(self, other: Self) -> Self {
        Self {
            points: self.points + other.points,
            violations: self.violations + other.violations,
            kills: self.kills + other.kills,
            whole: self.whole + other.whole,
            stalled: self.stalled + other.stalled,
            ticks: self.ticks.max(other.ticks),
        }
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { points, violations, kills, whole, stalled, ticks } = self;
        write!(
            f,
            "{points:>5} points, {violations} violations, {kills:>5} kills, all that were to die in {whole:>5} points, \
             {stalled} ran out on a busy machine, answered after at most {ticks} ticks"
        )
    }
}

/// Runs one point. What is broken there has been told by a panic, as in any test.
async fn survived(binary: PathBuf, point: Point) -> Sum {
    let name = point.to_string();
    let surviving = tokio::spawn(async move { survive(&binary, &point).await });
    if let Ok(Survived { died, whole, stalled, ticks }) = surviving.await {
        return Sum { points: 1, violations: 0, kills: died, whole: usize::from(whole), stalled, ticks };
    }
    println!("broken: {name}");
    Sum { points: 1, violations: 1, ..Sum::default() }
}

#[expect(clippy::disallowed_methods, reason = "the matrix says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
