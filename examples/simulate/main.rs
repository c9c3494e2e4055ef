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
use std::time::Instant;

use stack::simulate::run;

fn main() -> ExitCode {
    let seeds = std::env::args().nth(1).expect("usage: simulate FROM..TO");
    let (from, to) = seeds.split_once("..").expect("SEEDS is FROM..TO");
    let (from, to): (u64, u64) = (from.parse().expect("a number"), to.parse().expect("a number"));
    let begun = Instant::now();
    let (mut violations, mut requests, mut deaths, mut ticks) = (0, 0, 0, (0, from));
    for seed in from..to {
        let told = run(seed);
        requests += told.requests;
        deaths += told.deaths;
        ticks = ticks.max((told.ticks, seed));
        if let Err(why) = told.verdict {
            violations += 1;
            println!("{}{why}\nmake simulate SEEDS={seed}..{}", told.story, seed + 1);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let count = to.saturating_sub(from);
    println!(
        "{count} seeds, {violations} violations, {requests} requests, {deaths} deaths, {:.0} seeds a second; \
         longest from a crash's lease to the last answer: {} ticks (seed {})",
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds,
        ticks.0,
        ticks.1
    );
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
