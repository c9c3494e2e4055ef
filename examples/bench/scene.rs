//! One job, measured: from the invocation that is handed to the process, or from the order that the baseline is given,
//! until `CodePipeline` has taken the result.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::baseline::{Baseline, Resident};
use crate::process;
use crate::stack::pipeline::{JobId, JobResult, JobSpec};
use crate::stack::{ARTIFACTS, Stack, artifactory};

/// Longer than any job here takes.
pub(crate) const DEADLINE: Duration = Duration::from_mins(15);
/// What is left of one job, such as revoking a token, does not run into the next.
const SETTLE: Duration = Duration::from_millis(50);

/// A stack with one warm process of the function.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) stack: Stack,
    artifacts: AtomicUsize,
}

/// What one job took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Seconds.
    pub(crate) wall: f64,
    /// Those of them in which requests were in Artifactory's hands; of several at once each counts.
    pub(crate) registry: f64,
    /// Requests to Artifactory.
    pub(crate) requests: usize,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Bytes of the artifact that S3 has served.
    pub(crate) read: f64,
}

impl Scene {
    /// The function has asked for work, and has not had any.
    pub(crate) async fn start(function: &Path) -> Self {
        let stack = Stack::start(function).await;
        Self::of(stack).await
    }

    /// As [`Scene::start`], on a stack that was prepared.
    pub(crate) async fn of(stack: Stack) -> Self {
        stack.worker().await.ready(Duration::from_secs(30)).await;
        Self { stack, artifacts: AtomicUsize::new(0) }
    }

    /// The function's process.
    pub(crate) async fn process(&self) -> u32 {
        self.stack.worker().await.id().expect("the function runs")
    }

    /// Puts an artifact into its bucket.
    pub(crate) fn artifact(&self, artifact: Bytes) -> String {
        let key = self.key();
        self.stack.s3.put(ARTIFACTS, &key, artifact);
        key
    }

    /// A key that no artifact has had.
    pub(crate) fn key(&self) -> String {
        format!("web/BuildOutpu/{:07x}", self.artifacts.fetch_add(1, Ordering::Relaxed))
    }

    /// By the function; an error says why the job did not succeed.
    pub(crate) async fn ours(&self, key: &str) -> Result<Measured, String> {
        self.ours_as(key, |action| action).await
    }

    /// As [`Scene::ours`], with another configuration of the action.
    pub(crate) async fn ours_as(
        &self,
        key: &str,
        configured: impl FnOnce(JobSpec) -> JobSpec,
    ) -> Result<Measured, String> {
        let (job, seen) = self.queue(key, configured).await;
        let process = self.process().await;
        let cpu = process::cpu(process);
        let begun = Instant::now();
        let invocation = self.stack.lambda.invoke(self.stack.pipeline.started_event(&job), DEADLINE);
        let mut invocation = std::pin::pin!(invocation);
        let mut answer = None;
        let result = tokio::select! {
            result = self.stack.pipeline.wait_for_result(&job, DEADLINE) => result,
            ended = &mut invocation => {
                answer = Some(ended);
                self.stack.pipeline.result(&job)
            }
        };
        let wall = begun.elapsed().as_secs_f64();
        let answer = match answer {
            Some(answer) => answer,
            None => invocation.await,
        };
        match (result, answer) {
            (JobResult::Succeeded { .. }, Ok(_)) => Ok(self.measured(key, seen, wall, process::cpu(process) - cpu)),
            (JobResult::Failed { message, .. }, _) => Err(message),
            (_, Err(error)) => Err(format!("{error:?}")),
            (other, Ok(answer)) => Err(format!("{other:?}, {answer}")),
        }
    }

    /// A tick of the schedule that finds nothing to do: seconds.
    pub(crate) async fn idle(&self) -> f64 {
        sleep(SETTLE).await;
        let event = serde_json::from_str(include_str!("../../events/schedule.json")).expect("it is JSON");
        let begun = Instant::now();
        let answer = self.stack.lambda.invoke(event, DEADLINE).await.expect("a tick with nothing to do ends well");
        assert_eq!(answer["polled"], 0);
        begun.elapsed().as_secs_f64()
    }

    /// By a worker that has imported what it needs.
    pub(crate) async fn resident(&self, key: &str, worker: &mut Resident) -> Measured {
        let (job, seen) = self.queue(key, |action| action).await;
        let cpu = worker.cpu();
        let begun = Instant::now();
        worker.order().await;
        let wall = self.taken(&job, begun).await;
        worker.done().await;
        self.measured(key, seen, wall, worker.cpu() - cpu)
    }

    /// By a worker that is started for it; and the most memory that it held.
    pub(crate) async fn fresh(&self, key: &str, baseline: &Baseline) -> (Measured, f64) {
        let (job, seen) = self.queue(key, |action| action).await;
        let begun = Instant::now();
        let mut worker = baseline.start(&self.stack);
        worker.order().await;
        let wall = self.taken(&job, begun).await;
        worker.ready().await;
        worker.done().await;
        (self.measured(key, seen, wall, worker.cpu()), worker.peak())
    }

    /// A job for this artifact, and how many requests there were before it.
    async fn queue(&self, key: &str, configured: impl FnOnce(JobSpec) -> JobSpec) -> (JobId, usize) {
        sleep(SETTLE).await;
        let job = self.stack.pipeline.queue(configured(self.stack.action_on(key)));
        (job, self.stack.traffic.seen().len())
    }

    async fn taken(&self, job: &JobId, begun: Instant) -> f64 {
        let result = self.stack.pipeline.wait_for_result(job, DEADLINE).await;
        assert!(matches!(result, JobResult::Succeeded { .. }), "the baseline failed: {result:?}");
        begun.elapsed().as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "no artifact is that large")]
    fn measured(&self, key: &str, seen: usize, wall: f64, cpu: f64) -> Measured {
        let (requests, registry) = self.registry_since(seen);
        let read = self.stack.s3.bytes_served(ARTIFACTS, key) as f64;
        Measured { wall, registry, requests, cpu, read }
    }

    /// Requests to Artifactory since there were so many in all, and how many seconds it had them in hand.
    pub(crate) fn registry_since(&self, seen: usize) -> (usize, f64) {
        let seen = self.stack.traffic.seen().into_iter().skip(seen);
        let took: Vec<f64> = seen
            .filter(|seen| seen.service == artifactory::SERVICE)
            .map(|seen| seen.took().unwrap_or_default().as_secs_f64())
            .collect();
        (took.len(), took.iter().sum())
    }
}
