//! Load: many jobs in the queue, several processes of the function, every event delivered twice. Each job is answered
//! once, each package stored once, nothing is left.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};

use super::pipeline::JobResult;
use super::{DEADLINE, JOURNAL, Stack, project};

/// What a run of it came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the first event to the last answer.
    pub(crate) took: Duration,
    /// Invocations, most of which found other work than what their event was about.
    pub(crate) invocations: usize,
    /// The most memory that any of the processes held, in kB.
    pub(crate) peak_memory: u64,
}

/// Queues so many jobs for so many processes.
pub(crate) async fn bear(binary: &Path, jobs: usize, processes: usize) -> Outcome {
    let stack = Stack::start(binary).await;
    let queue = |at| stack.pipeline.queue(stack.action(project::ready(&format!("package-{at}"), "1.0.0")));
    let queued: Vec<_> = (0..jobs).map(queue).collect();
    stack.worker().await;
    for _ in 1..processes {
        drop(stack.succeed().await);
    }
    let begun = clock();
    // Two wake-ups a job. They are the stage's events, which do not promise a job: an action's event that finds an
    // empty queue asks again for five seconds, and most of these find it empty.
    let event: serde_json::Value =
        serde_json::from_str(include_str!("../../events/stage-started.json")).expect("the sample events are JSON");
    let invocations: Vec<_> = (0..2 * jobs).map(|_| stack.lambda.invoke(event.clone(), DEADLINE)).collect();
    let count = invocations.len();
    let answers: Vec<_> = stream::iter(invocations).buffer_unordered(processes).collect().await;
    for answer in answers {
        answer.unwrap_or_else(|error| panic!("an invocation failed: {error:?}"));
    }
    let took = begun.elapsed();
    for job in &queued {
        let result = stack.pipeline.result(job);
        assert!(matches!(result, JobResult::Succeeded { .. }), "{result:?}");
        assert_eq!(stack.pipeline.results_given(job), 1, "{job} was answered more than once");
    }
    let expected: BTreeSet<String> = (0..jobs).map(|at| format!("package-{at}/-/package-{at}-1.0.0.tgz")).collect();
    assert_eq!(stack.stored().into_iter().collect::<BTreeSet<_>>(), expected);
    let puts = stack.traffic.count(super::artifactory::SERVICE, &hyper::Method::PUT, "/api/npm/");
    assert_eq!(puts, jobs, "a package was sent more than once");
    assert_eq!(stack.s3.keys(JOURNAL, ""), Vec::<String>::new());
    Outcome { took, invocations: count, peak_memory: stack.peak_memory().await }
}

#[expect(clippy::disallowed_methods, reason = "the load says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
