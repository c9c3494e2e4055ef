//! `make simulate SEEDS=from..to`: runs these seeds, and says what they came to. A seed that breaks an invariant tells
//! its story and the one line that runs it again.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, says how long it took, and stops where it cannot measure"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::ops::Range;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use stack::simulate::{COVERED, Covered, run};

/// So many seeds one process runs: what libraries keep for ever of each, some 20 kB, goes with it.
const BATCH: u64 = 10_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().expect("usage: simulate FROM..TO");
    let (from, to) = seeds.split_once("..").expect("SEEDS is FROM..TO");
    let seeds: Range<u64> = from.parse().expect("a number")..to.parse().expect("a number");
    if arguments.next().is_some() {
        println!("{}", batch(seeds).line());
        return ExitCode::SUCCESS;
    }
    let begun = Instant::now();
    let starts = seeds.clone().step_by(usize::try_from(BATCH).expect("a batch is small"));
    let sum = starts.map(|start| in_a_process(start..seeds.end.min(start + BATCH))).fold(Sum::default(), Sum::add);
    let rate = f64::from(u32::try_from(sum.seeds).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    println!(
        "{} seeds, {} violations, {rate:.0} seeds a second; {} requests, {} deaths; from the end of the last dead \
         invocation's lease to the last answer at most {} ticks (seed {})",
        sum.seeds, sum.violations, sum.requests, sum.deaths, sum.slowest.0, sum.slowest.1
    );
    for (what, seeds) in COVERED.iter().zip(sum.covered.0) {
        println!("{seeds:>9} seeds with: {what}");
    }
    if sum.violations == 0 && sum.seeds == seeds.end.saturating_sub(seeds.start) {
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Runs seeds in a process of their own; its last line is what they came to, whatever else it says is passed on.
fn in_a_process(seeds: Range<u64>) -> Sum {
    let this = std::env::current_exe().expect("the system knows this program");
    let range = format!("{}..{}", seeds.start, seeds.end);
    let child = Command::new(this).args([&range, "batch"]).output().expect("this program can be started again");
    let said = String::from_utf8_lossy(&child.stdout);
    let (story, last) = said.trim_end().rsplit_once('\n').unwrap_or(("", said.trim_end()));
    if !story.is_empty() {
        println!("{story}");
    }
    let sum = Sum::parse(last).unwrap_or_else(|| {
        println!("{last}\n{}the seeds {range} did not come to an end", String::from_utf8_lossy(&child.stderr));
        Sum::default()
    });
    println!("{range}: {} violations", sum.violations);
    sum
}

/// Runs seeds on all processors.
fn batch(seeds: Range<u64>) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| some_of(&next, seeds.end))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a simulation does not panic"))
            .fold(Sum::default(), Sum::add)
    })
}

/// What many seeds came to.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    seeds: u64,
    violations: u64,
    requests: usize,
    deaths: usize,
    /// Ticks, and the seed that took so many.
    slowest: (u32, u64),
    covered: Covered,
}

impl Sum {
    /// As a process tells it to the one that has started it.
    fn line(self) -> String {
        let Self { seeds, violations, requests, deaths, slowest: (ticks, slowest), covered } = self;
        let covered = covered.0.map(|count| format!(" {count}")).concat();
        format!("{seeds} {violations} {requests} {deaths} {ticks} {slowest}{covered}")
    }

    fn parse(line: &str) -> Option<Self> {
        let numbers: Option<Vec<u64>> = line.split(' ').map(|number| number.parse().ok()).collect();
        let mut numbers = numbers.filter(|numbers| numbers.len() > 6)?;
        let covered = numbers.split_off(6).into_iter().map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let covered = Covered(covered.collect::<Vec<_>>().try_into().ok()?);
        let [seeds, violations, requests, deaths, ticks, slowest] = numbers.try_into().ok()?;
        let slowest = (u32::try_from(ticks).ok()?, slowest);
        let [requests, deaths] = [requests, deaths].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        Some(Self { seeds, violations, requests, deaths, slowest, covered })
    }

    fn add(self, other: Self) -> Self {
        Self {
            seeds: self.seeds + other.seeds,
            violations: self.violations + other.violations,
            requests: self.requests + other.requests,
            deaths: self.deaths + other.deaths,
            slowest: self.slowest.max(other.slowest),
            covered: self.covered.add(other.covered),
        }
    }
}

/// Runs seeds, as long as there are some that no other thread has taken.
fn some_of(next: &AtomicU64, to: u64) -> Sum {
    let mut sum = Sum::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= to {
            return sum;
        }
        let told = run(seed);
        let violated = told.verdict.is_err();
        if let Err(why) = told.verdict {
            println!("{}{why}\nmake simulate SEEDS={seed}..{}", told.story, seed + 1);
        }
        sum = sum.add(Sum {
            seeds: 1,
            violations: u64::from(violated),
            requests: told.requests,
            deaths: told.deaths,
            slowest: (told.ticks, seed),
            covered: told.covered,
        });
    }
}
