//! The worker is killed at every request of a job, on either side of it, and its successor ends the job as if nothing
//! had happened. Here one scenario whole; `make crash-matrix` runs all of them.

use std::path::Path;

use futures_util::stream::{self, StreamExt as _};

use crate::stack::crash::{Recovery, Scenario, Survived, points, requests, survive};

/// How many stacks run side by side: most of the time each waits for a lease to end.
const SIDE_BY_SIDE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_the_death_of_its_worker_at_every_request() {
    let binary = Path::new(env!("CARGO_BIN_EXE_codepipeline-artifactory"));
    let points = points(Scenario::Folder, requests(binary, Scenario::Folder).await);
    assert!(points.len() >= 80, "a job takes more requests than {} points tell", points.len());
    // An event that finds nothing asks again for five seconds; the schedule is quicker.
    let sample = points.iter().filter(|point| point.recovery == Recovery::Schedule);
    let runs: Vec<_> = sample.map(|point| survive(binary, point)).collect();
    let died = stream::iter(runs).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<Survived>>().await;
    assert!(died.iter().all(|survived| survived.died == 1), "at some points the worker was not killed: {died:?}");
}
