//! `make crash-matrix`: every scenario, every request, both sides of it, every way to wake the successor; then the same
//! with two deaths. `make upgrade-matrix`: one death, and the worker that dies and its successors are of two versions, once
//! the older first, once the newer. A point whose invariants are broken is named, and the command fails.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where it cannot measure"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;
mod sum;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};
use stack::crash::{Binaries, Point, Scenario, pairs, points, requests, survive};
use sum::Sum;

/// How many stacks run side by side: most of the time each waits for a lease to end.
const SIDE_BY_SIDE: usize = 64;
/// The same where binaries are those that a commit's check-out builds, unoptimised: what is not served in time dies of it.
const OF_TWO_VERSIONS: usize = 12;

/// What is asked for.
struct Question {
    binary: PathBuf,
    /// Of so many points one is run: of two versions of all, of one version of the pairs, which are some twenty thousand.
    step: usize,
    /// The one scenario; else all.
    only: Option<String>,
    /// The other version.
    old: Option<PathBuf>,
}

impl Question {
    fn read() -> Self {
        let mut arguments: Vec<String> = std::env::args().skip(1).collect();
        let old = arguments.iter().position(|argument| argument == "--old").map(|at| {
            let mut option = arguments.drain(at..(at + 2).min(arguments.len())).skip(1);
            option.next().map(PathBuf::from).expect("--old BINARY")
        });
        let mut arguments = arguments.into_iter();
        let binary = arguments.next().map(PathBuf::from);
        Self {
            binary: binary.expect("usage: crash_matrix BINARY [STEP [SCENARIO]] [--old BINARY]"),
            step: arguments.next().map_or(1, |text| text.parse().expect("STEP is a number")),
            only: arguments.next(),
            old,
        }
    }

    fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        let chosen = |scenario: &Scenario| self.only.as_ref().is_none_or(|only| *only == format!("{scenario:?}"));
        Scenario::ALL.into_iter().filter(chosen)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let question = Question::read();
    let begun = clock();
    let all = match &question.old {
        None => of_one_version(&question).await,
        Some(old) => of_two_versions(&question, old).await,
    };
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let rate = f64::from(u32::try_from(all.points).unwrap_or(u32::MAX)) / minutes;
    println!("in all: {all}; {minutes:.1} minutes, {rate:.0} points a minute");
    if all.violations == all.of_one_alone { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn of_one_version(question: &Question) -> Sum {
    let binaries = Binaries::alone(&question.binary);
    let mut all = Sum::default();
    for scenario in question.scenarios() {
        let requests = requests(&question.binary, scenario).await;
        for (what, points, step) in
            [("one death", points(scenario, requests), 1), ("two deaths", pairs(scenario, requests), question.step)]
        {
            let possible = points.len();
            let sum = run(&binaries, points, step, SIDE_BY_SIDE).await;
            println!("{scenario:<14?} {requests:>3} requests, {what:<10} ({possible:>5} possible): {sum}");
            all = all.and(sum);
        }
    }
    all
}

async fn of_two_versions(question: &Question, old: &Path) -> Sum {
    let new = &question.binary;
    let mut all = Sum::default();
    for (what, binaries) in [("upgrade", Binaries::mixed(old, new)), ("roll-back", Binaries::mixed(new, old))] {
        let mut both_ways = Sum::default();
        for scenario in question.scenarios() {
            let requests = requests(&binaries.victim, scenario).await;
            let points = points(scenario, requests);
            let possible = points.len();
            let sum = run(&binaries, points, question.step, OF_TWO_VERSIONS).await;
            println!("{scenario:<14?} {requests:>3} requests, {what:<10} ({possible:>5} possible): {sum}");
            both_ways = both_ways.and(sum);
        }
        println!("{what}: {both_ways}");
        all = all.and(both_ways);
    }
    all
}

/// Runs every `step`th of these points.
async fn run(binaries: &Binaries, points: Vec<Point>, step: usize, side_by_side: usize) -> Sum {
    let runs = points.into_iter().step_by(step).map(|point| survived(binaries.clone(), point));
    stream::iter(runs).buffer_unordered(side_by_side).fold(Sum::default(), async |sum, one| sum.and(one)).await
}

/// Runs one point. What is broken there has been told by a panic, as in any test. Where two versions meet, each of them is
/// asked the same by itself: a fault that one of them has alone is none of the meeting.
async fn survived(binaries: Binaries, point: Point) -> Sum {
    if let Some(sum) = tried(&binaries, &point).await {
        return sum;
    }
    let Binaries { victim, successor } = &binaries;
    let (mut also, mut of_one_alone) = (String::new(), false);
    if victim != successor {
        for (who, binary) in [("whose worker dies", victim), ("that goes on", successor)] {
            if tried(&Binaries::alone(binary), &point).await.is_none() {
                also = also + ", also by the version " + who + " alone";
                of_one_alone = true;
            }
        }
    }
    println!("broken: {point}{also}");
    Sum::broken(of_one_alone)
}

/// What a point came to; `None` where it is broken.
async fn tried(binaries: &Binaries, point: &Point) -> Option<Sum> {
    let (binaries, point) = (binaries.clone(), point.clone());
    let surviving = tokio::spawn(async move { survive(&binaries, &point).await });
    surviving.await.ok().map(Sum::of)
}

#[expect(clippy::disallowed_methods, reason = "the matrix says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
