//! Peak memory against the artifact's size: one package of files that do not compress, in a new process each.

use std::fs::File;
use std::io::{BufWriter, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::plot::{self, Point};
use crate::process;
use crate::registry::Registry;
use crate::scene::Scene;
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

/// Runs the theme, and draws it.
pub(crate) async fn run(function: &Path) -> Table {
    let head = ["artifact", "files", "idle MiB", "peak MiB", "above idle MiB", "seconds", "result"];
    let mut table = Table::new("Peak memory against the artifact's size", head);
    let mut points = Vec::new();
    for size in SIZES {
        eprintln!("bench: artifact of {size} MiB");
        let registry = Registry::start().await;
        let stack = Stack::start(function).await;
        stack.set("ARTIFACTORY_URL", registry.platform_url());
        let scene = Scene::of(stack).await;
        tokio::time::sleep(IDLE).await;
        let process = scene.process().await;
        let idle = process::resident(process).expect("the function waits for work");
        let key = scene.key();
        scene.stack.s3.put_file(ARTIFACTS, &key, artifact(size));
        let outcome = scene.ours_to(&key, registry.platform_url()).await;
        // Of a process that was killed nobody knows it.
        let peak = process::peak(process);
        let above = peak.map(|peak| peak - idle);
        let shown = |memory: Option<f64>| memory.map_or("–".to_owned(), |memory| format!("{memory:.1}"));
        let seconds = outcome.as_ref().map_or("–".to_owned(), |job| format!("{:.1}", job.wall));
        let result = outcome.as_ref().map_or_else(|why| format!("FAILED: {why}"), |_| "published".to_owned());
        table.row([
            format!("{size} MiB"),
            format!("{}", size.div_ceil(FILE)),
            format!("{idle:.1}"),
            shown(peak),
            shown(above),
            seconds,
            result,
        ]);
        points.push(Point { size, above, published: outcome.is_ok() });
        if outcome.is_err() {
            scene.stack.abandon();
        }
    }
    plot::draw(&Path::new(env!("CARGO_MANIFEST_DIR")).join(DRAWING), &points);
    table.note("one run each, in a process that has had no job before; peak and idle as Linux counts resident memory");
    table.note(format!("the bound is {} MiB above idle; the curve is in {DRAWING}", plot::BOUND));
    table
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
