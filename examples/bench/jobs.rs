//! Job to result, against the baseline, and against the floor.

use std::path::Path;

use crate::baseline::{Baseline, Resident};
use crate::contents::{Contents, NAME};
use crate::floor;
use crate::process;
use crate::sample::Sample;
use crate::scene::{Measured, Scene};
use crate::stack::planned::tarball;
use crate::stack::{ARTIFACTS, REPOSITORY};
use crate::table::Table;

/// An artifact, and how often each publishes it.
struct Case {
    name: &'static str,
    rounds: usize,
    contents: Contents,
    /// Whether the floor is measured as well. Where the waiting is for services and not for work, it says nothing.
    floor: bool,
}

/// What the rounds of one publisher came to.
#[derive(Default)]
struct Series {
    wall: Sample,
    /// Without the time that Artifactory had the requests in hand, which is the same for all.
    own: Sample,
    cpu: Sample,
    peak: f64,
    read: f64,
    archive: f64,
}

/// Who publishes, in the order of each round.
const PUBLISHERS: [&str; 4] = ["ours", "baseline, resident", "baseline, new process", "floor"];

/// Made one after the other, since the largest is not small.
const CASES: [fn() -> Case; 4] = [
    || Case { name: "tiny package", rounds: 21, contents: Contents::tiny(), floor: false },
    || Case { name: "10 MB package", rounds: 9, contents: Contents::sources(10_000_000), floor: true },
    || Case { name: "50 MB package", rounds: 5, contents: Contents::sources(50_000_000), floor: true },
    || Case { name: "small in 200 MB", rounds: 5, contents: Contents::buried(200_000_000), floor: false },
];

/// How to read the table.
const NOTES: [&str; 3] = [
    "wall: median (least–most), from the hand-over of the invocation, or the order to the baseline, until CodePipeline \
     has taken the result; a new process of the baseline is measured from its start, ours is warm",
    "faster: the ratios round for round; in the second column without the time that Artifactory has requests in hand, \
     which is the same for all",
    "CPU: mean, npm's included; peak: the largest process of each",
];

/// Runs all cases.
pub(crate) async fn run(function: &Path, python: &Path) -> [Table; 2] {
    let head = [
        "artifact",
        "publisher",
        "wall ms",
        "ours is faster ×",
        "but for Artifactory ×",
        "CPU ms",
        "peak MiB",
        "read from S3 kB",
        "archive kB",
    ];
    let mut jobs = Table::new("Job to result", head);
    let head = ["package", "ours ms", "floor ms", "ours / floor", "CPU ours ms", "CPU floor ms", "CPU ours / floor"];
    let mut floors = Table::new("The floor", head);
    let baseline = Baseline::new(python);
    for case in CASES {
        let case = case();
        eprintln!("bench: {}, {} rounds", case.name, case.rounds);
        let series = measure(function, &baseline, &case).await;
        let [ours, .., floor] = &series;
        for (publisher, series) in PUBLISHERS.into_iter().zip(&series).take(3) {
            jobs.row([
                case.name.to_owned(),
                publisher.to_owned(),
                series.wall.times(1e3).shown(1),
                faster(publisher, &series.wall, &ours.wall),
                faster(publisher, &series.own, &ours.own),
                format!("{:.0}", series.cpu.mean() * 1e3),
                format!("{:.0}", series.peak),
                format!("{:.1}", series.read / 1e3),
                format!("{:.1}", series.archive / 1e3),
            ]);
        }
        if case.floor {
            floors.row([
                case.name.to_owned(),
                ours.own.times(1e3).shown(0),
                floor.own.times(1e3).shown(0),
                ours.own.by(&floor.own).shown(2),
                format!("{:.0}", ours.cpu.mean() * 1e3),
                format!("{:.0}", floor.cpu.mean() * 1e3),
                format!("{:.2}", ours.cpu.mean() / floor.cpu.mean()),
            ]);
            floors.note(format!(
                "{}: {} rounds; our archive has {:.1} kB, the floor's {:.1} kB (much apart, and the two do not \
                 compress alike)",
                case.name,
                case.rounds,
                ours.archive / 1e3,
                floor.archive / 1e3
            ));
        }
        let [_, npms, ..] = &series;
        let larger = (ours.archive / npms.archive - 1.0) * 100.0;
        jobs.note(format!("{}: {} rounds; our archive is {larger:+.2} % of npm's", case.name, case.rounds));
    }
    for note in NOTES {
        jobs.note(note);
    }
    floors.note(
        "ms without the time that Artifactory has the requests in hand, which is the same for both; the floor reads its \
         artifact from disk, ours from S3",
    );
    [jobs, floors]
}

fn faster(publisher: &str, theirs: &Sample, ours: &Sample) -> String {
    if publisher == PUBLISHERS[0] { "–".to_owned() } else { theirs.by(ours).shown(1) }
}

async fn measure(function: &Path, baseline: &Baseline, case: &Case) -> [Series; 4] {
    let scene = Scene::start(function).await;
    let mut resident = baseline.start(&scene.stack);
    resident.ready().await;
    let token = floor::token(&scene).await;
    let mut series: [Series; 4] = Default::default();
    let warm = Contents::tiny();
    let mut publication = Publication { scene: &scene, baseline, resident: &mut resident, token: &token };
    for publisher in 0..2 {
        publication.publish(publisher, &warm, &format!("0.{publisher}.0")).await;
    }
    for round in 0..case.rounds {
        for (publisher, series) in series.iter_mut().enumerate().take(if case.floor { 4 } else { 3 }) {
            let version = format!("1.{round}.{publisher}");
            let (measured, peak, archive) = publication.publish(publisher, &case.contents, &version).await;
            series.wall.add(measured.wall);
            series.own.add(measured.wall - measured.registry);
            series.cpu.add(measured.cpu);
            series.peak = series.peak.max(peak);
            series.read = measured.read;
            series.archive = archive;
        }
    }
    series
}

struct Publication<'a> {
    scene: &'a Scene,
    baseline: &'a Baseline,
    resident: &'a mut Resident,
    token: &'a str,
}

impl Publication<'_> {
    /// One of [`PUBLISHERS`] publishes this version: what it took, the most memory so far, and the archive's size.
    /// Nothing of it is left.
    #[expect(clippy::cast_precision_loss, reason = "no archive is that large")]
    async fn publish(&mut self, publisher: usize, contents: &Contents, version: &str) -> (Measured, f64, f64) {
        let scene = self.scene;
        let artifact = contents.artifact(version);
        let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        let key = if PUBLISHERS[publisher] == "floor" {
            std::fs::write(file.path(), &artifact).expect("there is room for the artifact");
            scene.key()
        } else {
            scene.artifact(artifact)
        };
        let (measured, peak) = match publisher {
            0 => {
                let measured = scene.ours(&key).await.unwrap_or_else(|why| panic!("our job failed: {why}"));
                (measured, process::peak(scene.process().await).expect("the function runs"))
            }
            1 => (scene.resident(&key, self.resident).await, self.resident.peak()),
            2 => scene.fresh(&key, self.baseline).await,
            _ => (floor::measure(scene, file.path(), self.token).await, 0.0),
        };
        let path = tarball(NAME, version);
        let archive = scene.stack.artifactory.file(REPOSITORY, &path).expect("what was published is there").len();
        scene.stack.artifactory.remove_file(REPOSITORY, &path);
        scene.stack.s3.remove(ARTIFACTS, &key);
        (measured, peak, archive as f64)
    }
}
