//! `make bench-inner`: the loops in which a job's time goes, each by itself and in memory. What a whole job takes is
//! measured by `make bench`.
#![expect(clippy::expect_used, reason = "a measurement stops where it cannot measure")]

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::archive::{Archive, Selection};
use codepipeline_artifactory::kind;
use codepipeline_artifactory::package::{Digests, Target};
use codepipeline_artifactory::plan::PackagePlan;
use codepipeline_artifactory::registry::body;
use codepipeline_artifactory::registry::url::{Base, RepoKey};
use codepipeline_artifactory::step::{Body, Content, Segment};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastrand::Rng;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const WORDS: [&str; 16] = [
    "const ", "value", " = ", "require", "('", "');\n", "return ", "  if (", ") {\n", "}\n", "module", ".exports",
    "items", ".map(", " => ", "/** The ",
];

/// Text that compresses like source code.
fn source(dice: &mut Rng, length: usize) -> String {
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(dice.choice(WORDS).unwrap_or_default());
        if dice.u8(..4) == 0 {
            text.extend(char::from_digit(dice.u32(..16), 16).into_iter().chain(char::from_digit(dice.u32(..16), 16)));
        }
    }
    text
}

/// A zip of these files.
fn zipped(files: impl IntoIterator<Item = (String, String)>) -> Bytes {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        zip.start_file(path, SimpleFileOptions::default()).expect("it is in memory");
        zip.write_all(content.as_bytes()).expect("it is in memory");
    }
    zip.finish().expect("it is in memory").into_inner().into()
}

fn manifest(files: &str) -> (String, String) {
    ("package.json".to_owned(), format!("{{\"name\":\"a\",\"version\":\"1.0.0\",\"files\":[{files}]}}"))
}

fn open(zip: &Bytes) -> Archive {
    Archive::open(Arc::new(Memory(zip.clone())), "BuildOutput", "a.tgz").expect("we made this zip")
}

fn plan(archive: &Archive) -> Vec<PackagePlan> {
    let target = Target {
        base: Base::parse("https://acme.example", false).expect("it is a URL"),
        repository: RepoKey::parse("npm-local").expect("it is a key"),
        path: None,
        files: Selection::default(),
        properties: Vec::new(),
        options: BTreeMap::new(),
        email: None,
    };
    kind::by_name("npm").and_then(|npm| npm.plan(archive, &target).ok()).expect("there is a package")
}

fn packing(criterion: &mut Criterion) {
    const SIZE: usize = 25_000;
    let mut dice = Rng::with_seed(1);
    let files: Vec<_> = (0..400).map(|at| (format!("lib/{at}.js"), source(&mut dice, SIZE))).collect();
    let archive = open(&zipped([manifest("\"lib\"")].into_iter().chain(files)));
    let mut group = criterion.benchmark_group("packing");
    group.sample_size(10).throughput(Throughput::Bytes(400 * SIZE as u64));
    group.bench_function("10 MB in 400 files", |bencher| bencher.iter(|| plan(&archive)));
    group.finish();
}

fn digesting(criterion: &mut Criterion) {
    let bytes = source(&mut Rng::with_seed(2), 10_000_000);
    let mut group = criterion.benchmark_group("digesting");
    group.sample_size(20).throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("sha1, sha256, sha512, md5 of 10 MB", |bencher| {
        bencher.iter(|| Digests::of(bytes.as_bytes()).expect("it is in memory"));
    });
    group.finish();
}

fn encoding(criterion: &mut Criterion) {
    let bytes = Bytes::from(source(&mut Rng::with_seed(3), 10_000_000));
    let mut group = criterion.benchmark_group("body");
    group.sample_size(50).throughput(Throughput::Bytes(bytes.len() as u64));
    let body = Body(vec![Segment::Base64(Content::Spooled(Arc::new(Memory(bytes))))]);
    group.bench_function("base64 of 10 MB", |bencher| {
        bencher.iter(|| {
            let mut sent = 0;
            let emit = |chunk: Bytes| {
                sent += chunk.len() as u64;
                true
            };
            body::pump(&body, "a.tgz", emit).expect("it is in memory");
            assert_eq!(sent, body.size());
        });
    });
    group.finish();
}

fn listing(criterion: &mut Criterion) {
    let files = (0..10_000).map(|at| (format!("node_modules/part-{}/lib/module-{at}.js", at % 97), String::new()));
    let zip = zipped(files);
    criterion.bench_function("zip directory of 10,000 entries", |bencher| bencher.iter(|| open(&zip)));
}

fn choosing(criterion: &mut Criterion) {
    // All files are asked about, two are packed.
    let files = (0..5_000).map(|at| (format!("src/part-{}/module-{at}.js", at % 97), String::new()));
    let rest = [manifest("\"**/index.mjs\", \"!**/*.test.js\""), ("index.mjs".to_owned(), String::new())];
    let archive = open(&zipped(rest.into_iter().chain(files)));
    criterion.bench_function("npm file list of 5,000 files", |bencher| bencher.iter(|| plan(&archive)));
    let files = (0..5_000).map(|at| (format!("lib/part-{}/module-{at}.js", at % 97), String::new()));
    let archive = open(&zipped([manifest("\"lib/**/*.js\"")].into_iter().chain(files)));
    criterion
        .bench_function("npm file list of 5,000 files, and packing them", |bencher| bencher.iter(|| plan(&archive)));
}

criterion_group! {
    name = inner;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    targets = packing, digesting, encoding, listing, choosing
}
criterion_main!(inner);
