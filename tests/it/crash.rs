//! The worker is killed at every request of a job, on either side of it, and its successor ends the job as if nothing
//! had happened, or, where nobody can go on with it, as a failure. Here three scenarios whole and a sample of the pairs;
//! `make crash-matrix` runs all of them.

use std::path::PathBuf;

use futures_util::stream::{self, StreamExt as _};

use crate::stack::crash::{Binaries, Brought, Point, Recovery, Scenario, Survived, pairs, points, requests, survive};

/// How many stacks run side by side: most of the time each waits for a lease to end.
const SIDE_BY_SIDE: usize = 8;

/// Of the pairs of deaths, every so manyth.
const PAIRS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_the_death_of_its_worker_at_every_request() {
    let sample = points(Scenario::Folder, requests(&binary(), Scenario::Folder).await);
    assert!(sample.len() >= 80, "a job takes more requests than {} points tell", sample.len());
    // An event that finds nothing asks again for five seconds; the schedule is quicker.
    all_survive(sample.into_iter().filter(|point| point.recovery == Recovery::Schedule)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_the_death_of_a_worker_that_goes_on_with_it() {
    let sample = points(Scenario::Resumed, requests(&binary(), Scenario::Resumed).await);
    all_survive(sample.into_iter().filter(|point| point.recovery == Recovery::Schedule)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_an_event_brought_has_one_true_answer_wherever_its_worker_dies() {
    let scenario = Scenario::Invoked(Brought::Package);
    let sample = points(scenario, requests(&binary(), scenario).await);
    all_survive(sample.into_iter().filter(|point| point.recovery == Recovery::Event)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_survives_two_deaths() {
    let sample = pairs(Scenario::Folder, requests(&binary(), Scenario::Folder).await);
    let sample = sample.into_iter().step_by(PAIRS).map(|point| Point { recovery: Recovery::Schedule, ..point });
    let whole = survivors(sample).await.iter().filter(|survived| survived.whole).count();
    assert!(whole >= 10, "both workers died at {whole} points only");
}

async fn all_survive(points: impl Iterator<Item = Point>) {
    let survived = survivors(points).await;
    let whole = survived.iter().filter(|survived| survived.whole).count();
    // Requests that go side by side are not always as many.
    assert!(whole * 10 >= survived.len() * 9, "at some points the worker was not killed: {survived:?}");
}

async fn survivors(points: impl Iterator<Item = Point>) -> Vec<Survived> {
    let runs: Vec<_> = points.map(async |point| survive(&Binaries::alone(&binary()), &point).await).collect();
    stream::iter(runs).buffer_unordered(SIDE_BY_SIDE).collect().await
}

fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_codepipeline-artifactory").into()
}
