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

const USAGE: &str = "usage: bench FUNCTION HELLO-WORLD PYTHON [jobs|memory|files|many|start]";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [floor::MODE, artifact, platform, token] => floor::run(Path::new(artifact), platform, token),
        [function, hello, python] => bench(&[function, hello, python].map(PathBuf::from), "all"),
        [function, hello, python, theme] => bench(&[function, hello, python].map(PathBuf::from), theme),
        _ => panic!("{USAGE}"),
    }
}

fn bench([function, hello, python]: &[PathBuf; 3], theme: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    println!("{}", process::machine());
    let wanted = |name| theme == name || theme == "all";
    if wanted("jobs") {
        runtime.block_on(jobs::run(function, python)).iter().for_each(|table| print!("{table}"));
    }
    if wanted("memory") {
        print!("{}", runtime.block_on(memory::run(function)));
    }
    if wanted("files") {
        print!("{}", runtime.block_on(memory::files(function)));
    }
    if wanted("many") {
        print!("{}", runtime.block_on(many::run(function)));
    }
    if wanted("start") {
        print!("{}", runtime.block_on(start::run(function, hello)));
    }
    println!("\n{}", process::machine());
}
