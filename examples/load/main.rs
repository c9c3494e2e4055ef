//! `make load`: two hundred jobs, four processes of the function, every event delivered twice.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where it cannot measure"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::path::PathBuf;

use stack::load::bear;

const JOBS: usize = 200;
const PROCESSES: usize = 4;

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: load PATH-OF-THE-LAMBDA-BINARY");
    let outcome = bear(&binary, JOBS, PROCESSES).await;
    println!("{JOBS} jobs answered once and stored once by {PROCESSES} processes, every event delivered twice");
    println!("from the first event to the last answer  {:.2} s", outcome.took.as_secs_f64());
    println!("invocations                              {}", outcome.invocations);
    println!("peak memory of a process                 {} kB", outcome.peak_memory);
}
