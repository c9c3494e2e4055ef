//! Peak memory against the artifact's size: one package of files that do not compress, in a new process each. And against
//! the number of its entries: as many as may be, whose paths and comments fill the directory.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write};
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::{FullFileOptions, SimpleFileOptions};
use zip::{CompressionMethod, ZipWriter};

use crate::plot::{self, Point};
use crate::process;
use crate::registry::Registry;
use crate::scene::{Measured, Scene};
use crate::stack::pipeline::JobSpec;
use crate::stack::{ARTIFACTS, Stack};
use crate::table::Table;

/// Sizes of the artifacts, in MiB.
const SIZES: [u64; 6] = [1, 16, 64, 256, 1024, 2048];
/// The largest file of a package, in MiB.
const FILE: u64 = 256;
/// Where the curve goes.
const DRAWING: &str = "docs/memory.svg";
const MIB: usize = 1 << 20;
/// By then a process that has asked for work does nothing any more.
const IDLE: Duration = Duration::from_millis(300);

/// How many entries an artifact may have, and how many bytes of the directory each may take on average.
const ENTRIES: usize = 100_000;
const HEADER: usize = (32 << 20) / ENTRIES;
/// Length of a long path.
const PATH: usize = 200;

/// Plain files: how many, how long their paths are, and what is said of that. The long ones fill a directory of 32 MiB.
const FILES: [(usize, usize, &str); 4] =
    [(1_000, SHORT, ""), (10_000, SHORT, ""), (ENTRIES, SHORT, ""), (ENTRIES, HEADER - 46, " with long paths")];
/// What so few files take is a job's own.
const SMALLEST: usize = 1_000;
/// Length of a short path.
const SHORT: usize = 24;

const MANIFEST: &[u8] = b"{\"name\":\"bench-crowd\",\"version\":\"1.0.0\"}";

/// Where the many entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// What a build leaves beside the package.
    Beside,
    /// In the package.
    Inside,
    /// Beside a ready package, which has as many.
    Around,
}

/// What was measured of one artifact.
struct Run {
    idle: f64,
    /// Of a process that was killed nobody knows it.
    peak: Option<f64>,
    outcome: Result<Measured, String>,
}

impl Run {
    /// How much more than the idle process it took.
    fn above(&self) -> Option<f64> {
        self.peak.map(|peak| peak - self.idle)
    }
}

/// Says which bound a case breaks. What was not published, or not measured, holds none.
fn judge(table: &mut Table, artifact: &str, run: &Run) {
    match (run.above(), &run.outcome) {
        (Some(above), Ok(_)) if above <= plot::BOUND => {}
        (Some(above), Ok(_)) => table.breaks(format!("{artifact}: {above:.1} MiB above idle")),
        (_, outcome) => {
            table.breaks(format!("{artifact}: {}", outcome.as_ref().err().map_or("not measured", String::as_str)));
        }
    }
}

/// Runs the theme, and draws it.
pub(crate) async fn run(function: &Path) -> Table {
    let head = ["artifact", "files", "idle MiB", "peak MiB", "above idle MiB", "seconds", "result"];
    let mut table = Table::new("Peak memory against the artifact's size and the number of its entries", head);
    let mut points = Vec::new();
    for size in SIZES {
        eprintln!("bench: artifact of {size} MiB");
        let run = publish(function, || artifact(size)).await;
        points.push(Point { size, above: run.above(), published: run.outcome.is_ok() });
        row(&mut table, format!("{size} MiB"), format!("{}", size.div_ceil(FILE)), &run);
    }
    let crowds = [
        (Place::Beside, 2, "beside the package"),
        (Place::Inside, ENTRIES - 1, "in the package"),
        (Place::Around, ENTRIES - 1, "beside a ready package"),
    ];
    for (place, files, told) in crowds {
        eprintln!("bench: artifact of {ENTRIES} entries, {place:?}");
        let run = publish(function, || crowd(place)).await;
        row(&mut table, format!("{ENTRIES} entries {told}"), files.to_string(), &run);
    }
    plot::draw(&Path::new(env!("CARGO_MANIFEST_DIR")).join(DRAWING), &points);
    table.note("one run each, in a process that has had no job before; peak and idle as Linux counts resident memory");
    table.note(format!(
        "\"files\" are the package's; the paths of many entries have {PATH} bytes, and with their comments \
        fill a directory of 32 MiB"
    ));
    table.note(format!("the bound is {} MiB above idle; the curve is in {DRAWING}", plot::BOUND));
    table
}

/// Runs the theme of plain files: each takes its part of the memory, and of the time.
pub(crate) async fn files(function: &Path) -> Table {
    let head =
        ["artifact", "idle MiB", "peak MiB", "above idle MiB", "bytes a file", "seconds", "processor s", "result"];
    let mut table = Table::new("Peak memory and time against the number of plain files", head);
    let mut before = None;
    for (count, length, told) in FILES {
        eprintln!("bench: {count} plain files{told}");
        let run = publish_as(function, || plain_files(count, length), plain).await;
        judge(&mut table, &format!("{count} files{told}"), &run);
        let above = run.above();
        let each = above.zip(before.filter(|_| count > SMALLEST)).map(|(above, base)| each(above - base, count));
        before = before.or(above);
        let shown =
            |number: Option<f64>, digits| number.map_or("–".to_owned(), |number| format!("{number:.digits$}"));
        table.row([
            format!("{count} files{told}"),
            format!("{:.1}", run.idle),
            shown(run.peak, 1),
            shown(above, 1),
            shown(each, 0),
            shown(run.outcome.as_ref().ok().map(|job| job.wall), 1),
            shown(run.outcome.as_ref().ok().map(|job| job.cpu), 2),
            run.outcome.as_ref().map_or_else(
                |why| format!("FAILED: {}", why.lines().next().unwrap_or_default()),
                |_| "published".to_owned(),
            ),
        ]);
    }
    table.note(format!(
        "one run each, in a process that has had no job before; paths have {SHORT} bytes, or fill a directory of 32 MiB; \
        with two properties, and a report in an output artifact"
    ));
    table.note(format!("the bound is {} MiB above idle; bytes a file are those beyond the first row's", plot::BOUND));
    table
}

/// How many bytes of so many MiB each of so many files has.
#[expect(clippy::cast_precision_loss, reason = "there are a hundred thousand at most")]
fn each(mib: f64, files: usize) -> f64 {
    mib * MIB as f64 / files as f64
}

fn row(table: &mut Table, artifact: String, files: String, run: &Run) {
    judge(table, &artifact, run);
    let shown = |memory: Option<f64>| memory.map_or("–".to_owned(), |memory| format!("{memory:.1}"));
    let seconds = run.outcome.as_ref().map_or("–".to_owned(), |job| format!("{:.1}", job.wall));
    let result = run
        .outcome
        .as_ref()
        .map_or_else(|why| format!("FAILED: {}", why.lines().next().unwrap_or_default()), |_| "published".to_owned());
    table.row([artifact, files, format!("{:.1}", run.idle), shown(run.peak), shown(run.above()), seconds, result]);
}

/// As a job of plain files that asks for all that there is.
fn plain(action: JobSpec) -> JobSpec {
    action
        .configuration("TypeOfArtifact", "generic")
        .configuration("TargetPath", "releases/2024")
        .configuration("Properties", "team=web;from={dir}")
        .output("Report", ARTIFACTS, "web/Report/memory")
}

/// So many small files, whose paths have this length.
fn plain_files(count: usize, length: usize) -> File {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    let mut zip = ZipWriter::new(BufWriter::with_capacity(MIB, file));
    let room = "there is room for the artifact";
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    for number in 0..count {
        let name = format!("{:02}/{:02}/file-{number}.txt", number % 89, number % 97);
        let middle = "a-folder-with-a-long-name/".repeat(length / 26 + 1);
        let (middle, _) = middle.split_at(length.saturating_sub(name.len() + 1));
        let path = if middle.is_empty() { name } else { format!("{}/{name}", middle.trim_end_matches('/')) };
        zip.start_file(path, options).expect(room);
        zip.write_all(format!("{number}\n").as_bytes()).expect(room);
    }
    let mut file = zip.finish().expect(room).into_inner().expect(room);
    file.rewind().expect(room);
    file
}

/// Publishes an artifact by a process that has had no job before.
async fn publish(function: &Path, artifact: impl FnOnce() -> File) -> Run {
    publish_as(function, artifact, |action| action).await
}

/// As [`publish`], with another configuration of the action.
async fn publish_as(
    function: &Path,
    artifact: impl FnOnce() -> File,
    configured: impl FnOnce(JobSpec) -> JobSpec,
) -> Run {
    let registry = Registry::start().await;
    let stack = Stack::start(function).await;
    stack.set("ARTIFACTORY_URL", registry.platform_url());
    let scene = Scene::of(stack).await;
    tokio::time::sleep(IDLE).await;
    let process = scene.process().await;
    let idle = process::resident(process).expect("the function waits for work");
    let key = scene.key();
    scene.stack.s3.put_file(ARTIFACTS, &key, artifact());
    let host = registry.platform_url();
    let job = scene.ours_as(&key, |action| configured(action.configuration("ArtifactoryHost", host))).await;
    let peak = process::peak(process);
    if job.is_err() {
        scene.stack.abandon();
    }
    Run { idle, peak, outcome: job }
}

/// A zip of so many entries as there may be, two of which are files of the package, or all.
fn crowd(place: Place) -> File {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    let mut zip = ZipWriter::new(BufWriter::with_capacity(MIB, file));
    let room = "there is room for the artifact";
    let options = FullFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    if place == Place::Around {
        zip.start_file("bench-crowd.tgz", options.clone()).expect(room);
        ready(&mut zip);
    } else {
        zip.start_file("package.json", options.clone()).expect(room);
        zip.write_all(MANIFEST).expect(room);
    }
    zip.start_file("index.js", options.clone()).expect(room);
    zip.write_all(b"module.exports = 1;\n").expect(room);
    let comment = "c".repeat(HEADER - 46 - PATH);
    let folder = if place == Place::Inside { "lib" } else { "node_modules" };
    for number in 2..ENTRIES {
        let path = path(folder, number);
        zip.start_file(path, options.clone().with_file_comment(comment.as_str())).expect(room);
        zip.write_all(b"1;\n").expect(room);
    }
    let mut file = zip.finish().expect(room).into_inner().expect(room);
    file.rewind().expect(room);
    file
}

/// A long path, another for each number.
fn path(folder: &str, number: usize) -> String {
    let begin = format!("{folder}/{:02}/{:02}/", number % 89, number % 97);
    let end = format!("/module-{number}.js");
    let middle = "a-folder-with-a-long-name/".repeat(PATH / 26 + 1);
    let (middle, _) = middle.split_at(PATH - begin.len() - end.len());
    format!("{begin}{}{end}", middle.trim_end_matches('/'))
}

/// Writes a ready package of as many files as there may be.
fn ready(to: impl Write) {
    let mut tar = tar::Builder::new(GzEncoder::new(to, Compression::fast()));
    let room = "there is room for the artifact";
    let manifest = [("package/package.json".to_owned(), MANIFEST)];
    let files = (2..ENTRIES).map(|number| (path("package", number), b"1;\n".as_slice()));
    for (path, content) in manifest.into_iter().chain(files) {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content).expect(room);
    }
    tar.into_inner().expect(room).finish().expect(room);
}

/// A zip of this size in a file that has no name.
fn artifact(size: u64) -> File {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    let mut zip = ZipWriter::new(BufWriter::with_capacity(MIB, file));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    let mut random = Rng::with_seed(size);
    let mut piece = vec![0; MIB];
    let room = "there is room for the artifact";
    zip.start_file("package.json", options).expect(room);
    zip.write_all(format!("{{\"name\":\"bench-{size}\",\"version\":\"1.0.0\"}}").as_bytes()).expect(room);
    for number in 0..size {
        if number % FILE == 0 {
            zip.start_file(format!("data/part-{}.bin", number / FILE), options).expect(room);
        }
        random.fill(&mut piece);
        zip.write_all(&piece).expect(room);
    }
    let mut file = zip.finish().expect(room).into_inner().expect(room);
    file.rewind().expect(room);
    file
}
