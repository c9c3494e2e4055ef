//! `make bench`: what the function takes, against a worker as the origin had it, against the bare work, against a
//! registry that is far away, and against a function that does nothing. Medians of runs in turns, on this machine.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where it cannot measure"
)]

mod baseline;
mod contents;
mod floor;
mod jobs;
mod many;
mod memory;
mod plot;
mod process;
mod registry;
mod sample;
mod scene;
#[path = "../../tests/stack/mod.rs"]
mod stack;
mod start;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use table::Table;

const USAGE: &str = "usage: bench FUNCTION HELLO-WORLD PYTHON [jobs|memory|files|many|start]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [floor::MODE, artifact, platform, token] => {
            floor::run(Path::new(artifact), platform, token);
            ExitCode::SUCCESS
        }
        [function, hello, python] => bench(&[function, hello, python].map(PathBuf::from), "all"),
        [function, hello, python, theme] => bench(&[function, hello, python].map(PathBuf::from), theme),
        _ => panic!("{USAGE}"),
    }
}

/// Fails where a bound is broken.
fn bench([function, hello, python]: &[PathBuf; 3], theme: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    println!("{}", process::machine());
    let wanted = |name| theme == name || theme == "all";
    let mut hold = true;
    let mut show = |table: Table| {
        print!("{table}");
        hold &= table.holds();
    };
    if wanted("jobs") {
        runtime.block_on(jobs::run(function, python)).into_iter().for_each(&mut show);
    }
    if wanted("memory") {
        show(runtime.block_on(memory::run(function)));
    }
    if wanted("files") {
        show(runtime.block_on(memory::files(function)));
    }
    if wanted("many") {
        show(runtime.block_on(many::run(function)));
    }
    if wanted("start") {
        show(runtime.block_on(start::run(function, hello)));
    }
    println!("\n{}", process::machine());
    if hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
