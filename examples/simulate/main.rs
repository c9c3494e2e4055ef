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

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use stack::simulate::run;

fn main() -> ExitCode {
    let seeds = std::env::args().nth(1).expect("usage: simulate FROM..TO");
    let (from, to) = seeds.split_once("..").expect("SEEDS is FROM..TO");
    let (from, to): (u64, u64) = (from.parse().expect("a number"), to.parse().expect("a number"));
    let begun = Instant::now();
    let next = AtomicU64::new(from);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let sum = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| some_of(&next, to))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a simulation does not panic"))
            .fold(Sum::default(), Sum::add)
    });
    let rate = f64::from(u32::try_from(sum.seeds).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    println!(
        "{} seeds, {} violations, {rate:.0} seeds a second; {} requests, {} deaths; from the end of the last dead \
         invocation's lease to the last answer at most {} ticks (seed {})",
        sum.seeds, sum.violations, sum.requests, sum.deaths, sum.slowest.0, sum.slowest.1
    );
    if sum.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
}

impl Sum {
    fn add(self, other: Self) -> Self {
        Self {
            seeds: self.seeds + other.seeds,
            violations: self.violations + other.violations,
            requests: self.requests + other.requests,
            deaths: self.deaths + other.deaths,
            slowest: self.slowest.max(other.slowest),
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
        });
    }
}
