//! Start-up: to the first request for work, against a function that does nothing; what is deployed; the first job.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::Duration;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::contents::Contents;
use crate::sample::Sample;
use crate::scene::Scene;
use crate::stack::Stack;
use crate::stack::lambda::Worker;
use crate::table::Table;

/// How often each is started.
const STARTS: usize = 41;
/// How many processes have a first and a second job.
const PAIRS: usize = 11;
/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What Lambda is given, and how large it may be.
const ZIP: &str = "zip to deploy, MB";
const MOST_TO_DEPLOY: f64 = 5.0;

/// Runs the theme.
pub(crate) async fn run(function: &Path, hello: &Path) -> Table {
    let mut table = Table::new("Start", ["what", "ours", "hello world", "ours / hello world"]);
    eprintln!("bench: {STARTS} starts");
    let [ours, hellos] = starts(function, hello).await;
    let ratio = ours.by(&hellos).shown(2);
    table.row(["process start to first request for work, ms".to_owned(), ours.shown(1), hellos.shown(1), ratio]);
    for (what, sizes) in [
        ("binary, MB", [function, hello].map(|binary| std::fs::metadata(binary).map_or(0, |it| it.len()))),
        (ZIP, [function, hello].map(zipped)),
    ] {
        let [ours, hello] = sizes.map(megabytes);
        if what == ZIP && ours > MOST_TO_DEPLOY {
            table.breaks(format!("{what}: {ours:.2}, the bound is {MOST_TO_DEPLOY:.2}"));
        }
        table.row([what.to_owned(), format!("{ours:.2}"), format!("{hello:.2}"), format!("{:.1}", ours / hello)]);
    }
    eprintln!("bench: {PAIRS} cold and warm jobs");
    let ([first, second], idle) = first_jobs(function).await;
    table.row(["first job of a process (cold), ms".to_owned(), first.times(1e3).shown(1)]);
    table.row(["second job of the same process (warm), ms".to_owned(), second.times(1e3).shown(1)]);
    table.row(["cold / warm".to_owned(), first.by(&second).shown(2)]);
    table.row(["a tick of the schedule with nothing to do, ms".to_owned(), idle.times(1e3).shown(1)]);
    table.note(format!("{STARTS} starts of each in turns, {PAIRS} processes with two jobs: median (least–most)"));
    table.note("the job publishes a tiny package; it is measured from the hand-over, so the start is not in it");
    table
}

async fn starts(function: &Path, hello: &Path) -> [Sample; 2] {
    let stack = Stack::start(function).await;
    let environment = stack.environment();
    let mut samples = [Sample::default(), Sample::default()];
    for _ in 0..STARTS {
        for (binary, sample) in [function, hello].into_iter().zip(&mut samples) {
            let worker = Worker::spawn(binary, &environment, &stack.lambda).await;
            sample.add(worker.ready(PATIENCE).await.as_secs_f64() * 1e3);
            worker.kill().await;
        }
    }
    samples
}

/// The first and the second job of a process, and a tick after them.
async fn first_jobs(function: &Path) -> ([Sample; 2], Sample) {
    let tiny = Contents::tiny();
    let mut samples = [Sample::default(), Sample::default()];
    let mut idle = Sample::default();
    for _ in 0..PAIRS {
        let scene = Scene::start(function).await;
        for (number, sample) in samples.iter_mut().enumerate() {
            let key = scene.artifact(tiny.artifact(&format!("1.{number}.0")));
            sample.add(scene.ours(&key).await.unwrap_or_else(|why| panic!("our job failed: {why}")).wall);
        }
        idle.add(scene.idle().await);
    }
    (samples, idle)
}

/// The size of what Lambda is given.
fn zipped(binary: &Path) -> u64 {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_level(Some(9)).unix_permissions(0o755);
    zip.start_file("bootstrap", options).expect("it is in memory");
    zip.write_all(&std::fs::read(binary).expect("the binary can be read")).expect("it is in memory");
    zip.finish().expect("it is in memory").into_inner().len() as u64
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
