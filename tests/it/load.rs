//! Many jobs, several processes, doubled events. `make load` runs more of it and prints what it took.

use std::path::Path;

use crate::stack::load::bear;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_of_many_is_answered_once_and_stored_once() {
    let outcome = bear(Path::new(env!("CARGO_BIN_EXE_codepipeline-artifactory")), 40, 3).await;
    assert_eq!(outcome.invocations, 80);
}
