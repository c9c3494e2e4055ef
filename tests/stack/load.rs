//! Load: many jobs in the queue, several processes of the function, every event delivered twice. Each job is answered
//! once, each package stored once, nothing is left.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use hyper::Method;

use super::invariants::{self, Promise, Verdict};
use super::pipeline::{JobId, JobResult};
use super::planned::{Holds, Planned, tarball};
use super::{DEADLINE, Stack, artifactory, project};

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
    let queue = |at| stack.pipeline.queue(stack.action(project::ready(&name(at), "1.0.0")));
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
    judge(&stack, &queued).unwrap_or_else(|why| panic!("{why}"));
    Outcome { took, invocations: count, peak_memory: stack.peak_memory().await }
}

/// Every job is answered once and well, every package stored once, and nothing else.
fn judge(stack: &Stack, queued: &[JobId]) -> Verdict {
    let witness = &stack.witness();
    let planned: Vec<_> = (0..queued.len()).map(planned).collect();
    for job in queued {
        let result = stack.pipeline.result(job);
        if !matches!(result, JobResult::Succeeded { .. }) {
            return Err(format!("{job}: {result:?}"));
        }
        if stack.pipeline.results_given(job) > 1 {
            return Err(format!("{job} was answered more than once, although nothing was lost"));
        }
    }
    let promises = queued.iter().zip(&planned).map(|(job, planned)| Promise::of(job, std::slice::from_ref(planned)));
    invariants::all(witness, &promises.collect::<Vec<_>>(), &[])?;
    let puts = stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/api/npm/");
    if puts > queued.len() {
        return Err(format!("{puts} packages were sent, although nobody raced for any"));
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("package-{number}")
}

fn planned(number: usize) -> Planned {
    let archive = project::archive(&name(number), "1.0.0", "");
    Planned::npm(tarball(&name(number), "1.0.0"), Holds::Bytes(archive))
}

#[expect(clippy::disallowed_methods, reason = "the load says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
