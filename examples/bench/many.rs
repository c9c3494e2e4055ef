//! Many files in one artifact, to a registry that is far away, against one request at a time.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::Duration;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::contents::Contents;
use crate::sample::Sample;
use crate::scene::{Measured, Scene};
use crate::stack::http::Disturbance;
use crate::stack::{artifactory, project};
use crate::table::Table;

/// How long a request to Artifactory and its answer are on their way. What a connection costs to open is not in it.
const ROUND_TRIP: Duration = Duration::from_millis(50);
const ROUNDS: usize = 3;

/// So many files of one kind, as an artifact. A round's names are its own: nothing of it is there already.
struct Load {
    name: &'static str,
    /// `TypeOfArtifact`.
    kind: &'static str,
    artifact: fn(round: &str) -> Vec<u8>,
}

const LOADS: [Load; 2] = [
    Load { name: "100 npm packages", kind: "npm", artifact: packages },
    Load { name: "1,000 generic files", kind: "generic", artifact: files },
];

fn packages(round: &str) -> Vec<u8> {
    let names: Vec<String> = (0..100).map(|number| format!("bench-{round}-{number}")).collect();
    project::workspaces(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn files(round: &str) -> Vec<u8> {
    let room = "there is room for the artifact";
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..1_000 {
        let path = format!("{round}/{}/file-{number}.txt", number % 10);
        zip.start_file(path, SimpleFileOptions::default()).expect(room);
        zip.write_all(format!("{round} {number}\n").as_bytes()).expect(room);
    }
    zip.finish().expect(room).into_inner()
}

/// Runs the theme.
pub(crate) async fn run(function: &Path) -> Table {
    let head = ["artifact", "requests", "ms at 50 ms", "ms at 0 ms", "one at a time, ms", "ours / one at a time"];
    let mut table = Table::new("Many files, registry 50 ms away", head);
    let seconds = ROUND_TRIP.as_secs_f64();
    for load in &LOADS {
        eprintln!("bench: {}, {ROUNDS} rounds", load.name);
        let scene = Scene::start(function).await;
        warm(&scene).await;
        let (mut near, mut far, mut requests, mut serial) =
            (Sample::default(), Sample::default(), Sample::default(), Sample::default());
        for round in 0..ROUNDS {
            let at_once = publish(&scene, load, &format!("near-{round}"), Duration::ZERO).await;
            let away = publish(&scene, load, &format!("far-{round}"), ROUND_TRIP).await;
            near.add(at_once.wall);
            far.add(away.wall);
            requests.add(count(away.requests));
            serial.add(at_once.wall + count(away.requests) * seconds);
        }
        table.row([
            load.name.to_owned(),
            requests.shown(0),
            far.times(1e3).shown(0),
            near.times(1e3).shown(0),
            serial.times(1e3).shown(0),
            far.by(&serial).shown(3),
        ]);
    }
    table.note(format!(
        "{ROUNDS} rounds: median (least–most); one at a time is computed: the same job with the registry at hand, and a \
         round trip for each request to it"
    ));
    table
}

async fn warm(scene: &Scene) {
    let key = scene.artifact(Contents::tiny().artifact("1.0.0"));
    scene.ours(&key).await.unwrap_or_else(|why| panic!("our job failed: {why}"));
}

async fn publish(scene: &Scene, load: &Load, round: &str, away: Duration) -> Measured {
    scene.stack.traffic.disturb(move |service, _| Disturbance {
        delay: if service == artifactory::SERVICE { away } else { Duration::ZERO },
        ..Disturbance::default()
    });
    let key = scene.artifact((load.artifact)(round).into());
    let job = scene.ours_as(&key, |action| action.configuration("TypeOfArtifact", load.kind)).await;
    job.unwrap_or_else(|why| panic!("our job failed: {why}"))
}

#[expect(clippy::cast_precision_loss, reason = "there are hundreds")]
fn count(requests: usize) -> f64 {
    requests as f64
}
