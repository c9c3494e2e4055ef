//! `make figures`: how large the function is, and how long it takes from its start to its first request for work.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where it cannot measure"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use stack::Stack;
use stack::lambda::Worker;

/// How many starts are measured.
const STARTS: usize = 21;

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: figures PATH-OF-THE-LAMBDA-BINARY");
    let (size, deflated) = sizes(&binary);
    println!("binary               {:.2} MB", megabytes(size));
    println!("deflated, as in zip  {:.2} MB", megabytes(deflated));

    let stack = Stack::start(&binary).await;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let worker = Worker::spawn(&binary, &stack.environment(), &stack.lambda).await;
        starts.push(worker.ready(Duration::from_secs(30)).await);
        worker.kill().await;
    }
    starts.sort();
    let millis = |at: usize| starts.get(at).copied().unwrap_or_default().as_secs_f64() * 1000.0;
    println!(
        "process start to the first request for work, {STARTS} starts: median {:.1} ms, least {:.1} ms, most {:.1} ms",
        millis(STARTS / 2),
        millis(0),
        millis(STARTS - 1),
    );
}

fn sizes(binary: &Path) -> (usize, usize) {
    let bytes = std::fs::read(binary).expect("the binary can be read");
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&bytes).expect("memory can be written to");
    (bytes.len(), deflate.finish().expect("memory can be written to").len())
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
