//! The moments of a job at which a claim is left, each reached by the real function, and how its job must end.
#![expect(clippy::indexing_slicing, reason = "what a record lacks fails the test")]

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::aws_error;
use super::deaths::HELD;
use crate::make::{Zip, pom};
use crate::scene::{another_process, claim, claim_key, event, failure, other_worker, poll, tick, variables};
use crate::stack::artifactory::{Permission, Repository};
use crate::stack::http::Fault;
use crate::stack::lambda::{InvocationError, Worker};
use crate::stack::pipeline::{JobId, JobSpec};
use crate::stack::{ARTIFACTS, DEADLINE, JOURNAL, PASSWORD, SECRET, Stack, USER, artifactory, pipeline, secrets};

/// The repository for plain files, whose digests no compression changes.
const FILES: &str = "files-local";
/// The repository for snapshots.
const LIBS: &str = "libs-snapshot-local";
/// An invocation whose time runs out.
const TOO_SHORT: Duration = Duration::from_secs(2);

/// When a claim is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The worker died before its acknowledgement.
    Claimed,
    /// It died after its acknowledgement, which is not written down.
    Acknowledged,
    /// It died when the plan was written down and the first file stored, and had not heard so.
    Planned,
    /// Its time ran out when one file was stored, and the second, and it had not heard of the second.
    HalfDone,
    /// The same happened twice before a single file was done.
    InVain,
    /// Its successor died as well.
    DiedTwice,
    /// It died before the first file of a snapshot.
    Snapshot,
    /// It could not tell a failure.
    Told,
    /// It could not tell its success.
    HandedOver,
    /// It followed a claim that nobody could read, and died.
    Anew,
    /// It died over the job of an Invoke action.
    Invoked,
}

impl Moment {
    pub(super) const ALL: [Self; 11] = [
        Self::Claimed,
        Self::Acknowledged,
        Self::Planned,
        Self::HalfDone,
        Self::InVain,
        Self::DiedTwice,
        Self::Snapshot,
        Self::Told,
        Self::HandedOver,
        Self::Anew,
        Self::Invoked,
    ];

    /// The name of its file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Acknowledged => "acknowledged",
            Self::Planned => "planned",
            Self::HalfDone => "half-done",
            Self::InVain => "in-vain",
            Self::DiedTwice => "died-twice",
            Self::Snapshot => "snapshot",
            Self::Told => "told",
            Self::HandedOver => "handed-over",
            Self::Anew => "anew",
            Self::Invoked => "invoked",
        }
    }

    pub(super) async fn stack(self) -> Stack {
        let stack = crate::scene::stack().await;
        for (repository, kind) in [(FILES, "generic"), (LIBS, "maven")] {
            stack.artifactory.repository(Repository::local(repository, kind));
            stack.artifactory.permit(USER, repository, &[Permission::Read, Permission::Deploy]);
        }
        if self == Self::Invoked {
            stack.set("ALLOW_INVOKE_ACTION", "true");
            let secret = json!({ "username": USER, "password": PASSWORD, "pipelines": ["(invoke)"] });
            stack.secrets.put(SECRET, &secret.to_string());
        }
        stack
    }

    /// Two files neither of which may be there yet; one alone where nothing has to be remembered of them.
    fn action(self, stack: &Stack) -> JobSpec {
        let artifact = Zip::new().stored().file("a.txt", "one");
        let artifact = match self {
            Self::Told => b"not a zip".to_vec(),
            Self::Snapshot => Zip::new()
                .stored()
                .file("pom.xml", pom("org.acme", "lib", "1.0-SNAPSHOT", "<packaging>pom</packaging>"))
                .bytes(),
            Self::HalfDone | Self::InVain => artifact.file("b.txt", "two").bytes(),
            _ => artifact.bytes(),
        };
        let action = stack.action(artifact);
        if self == Self::Snapshot {
            return action.configuration("TypeOfArtifact", "maven").configuration("RepoKey", LIBS);
        }
        let action = action.configuration("TypeOfArtifact", "generic").configuration("RepoKey", FILES);
        action.configuration("Options", "existing=fail")
    }

    /// Has today's function leave the claim.
    pub(super) async fn leave(self, stack: &Stack) -> JobId {
        let action = self.action(stack);
        if self == Self::Invoked {
            let (job, event) = stack.pipeline.invoke(action);
            let worker = stack.worker().await;
            dies(stack, worker, event, secrets::SERVICE, &Method::POST, "GetSecretValue", Fault::Delay(HELD)).await;
            return job;
        }
        let job = stack.pipeline.queue(action);
        let worker = stack.worker().await;
        let event = event("schedule.json");
        let held = || Fault::Delay(HELD);
        let (codepipeline, post, put) = (pipeline::SERVICE, &Method::POST, &Method::PUT);
        match self {
            Self::Claimed => dies(stack, worker, event, codepipeline, post, "AcknowledgeJob", held()).await,
            Self::Acknowledged => dies(stack, worker, event, secrets::SERVICE, post, "GetSecretValue", held()).await,
            Self::Planned => {
                dies(stack, worker, event, artifactory::SERVICE, put, "/a.txt", Fault::Late(HELD)).await;
                stored(stack, 1).await;
            }
            Self::Snapshot => dies(stack, worker, event, artifactory::SERVICE, put, ".pom", held()).await,
            Self::HalfDone => {
                stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/b.txt", 0, 1, Fault::Late(HELD));
                stack.lambda.invoke(event, TOO_SHORT).await.unwrap();
                assert_eq!(stack.artifactory.files(FILES).len(), 2);
            }
            Self::InVain => {
                stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/a.txt", 0, 2, held());
                for _ in 0..2 {
                    stack.lambda.invoke(event.clone(), TOO_SHORT).await.unwrap();
                }
            }
            Self::DiedTwice => {
                dies(stack, worker, event.clone(), secrets::SERVICE, post, "GetSecretValue", held()).await;
                let mut left = claim(stack, &job).unwrap();
                left["lease_until"] = json!(1);
                stack.s3.put(JOURNAL, &claim_key(&job), left.to_string());
                let successor = another_process(stack).await;
                dies(stack, &successor, event, artifactory::SERVICE, put, "/a.txt", held()).await;
            }
            Self::Told | Self::HandedOver => {
                let throttled = aws_error(400, "ThrottlingException");
                let result = if self == Self::Told { "PutJobFailureResult" } else { "PutJobSuccessResult" };
                stack.traffic.fault(codepipeline, None, result, 0, 3, throttled);
                tick(stack).await;
            }
            Self::Anew => {
                let other = other_worker(stack);
                let (_, nonce) = poll(&other).await.remove(0);
                other.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
                stack.s3.put(JOURNAL, &claim_key(&job), "{");
                stack.s3.age(JOURNAL, &claim_key(&job), Duration::from_mins(16));
                dies(stack, worker, event, secrets::SERVICE, post, "GetSecretValue", held()).await;
            }
            Self::Invoked => unreachable!("it has an event of its own"),
        }
        job
    }

    /// What the next tick answers: resumed, polled, succeeded, failed, skipped, left.
    pub(super) fn numbers(self) -> [u64; 6] {
        match self {
            Self::Told | Self::Invoked => [1, 0, 0, 1, 0, 0],
            _ => [1, 0, 1, 0, 0, 0],
        }
    }

    /// Sees that the job that was gone on with from this record has ended as it must.
    pub(super) fn ended(self, stack: &Stack, job: &JobId, record: &Value) {
        assert_eq!(stack.pipeline.results_given(job), 1, "{self:?}: one answer");
        assert!(claim(stack, job).is_none(), "{self:?}: the claim is gone");
        let files: Vec<String> = stack.artifactory.files(FILES).into_iter().map(|file| file.path).collect();
        let result = stack.pipeline.result(job);
        match self {
            Self::Told => {
                let (kind, message) = failure(result);
                let told = &record["told"];
                assert_eq!((json!(kind), files.len()), (told["kind"].clone(), 0));
                let told =
                    told["message"].as_str().unwrap().replace("{artifactory}", &stack.artifactory.platform_url());
                let (up_to_the_run, _) = told.split_once("{run}").unwrap();
                assert!(message.starts_with(up_to_the_run), "{message}");
            }
            Self::Invoked => {
                let (kind, message) = failure(result);
                assert_eq!((kind.as_str(), files.len()), ("SystemUnavailable", 0), "{message}");
            }
            Self::Snapshot => {
                let stamp = record["stamp"].as_str().unwrap();
                let path = format!("org/acme/lib/1.0-SNAPSHOT/lib-1.0-{stamp}.pom");
                assert!(stack.artifactory.stored_file(LIBS, &path).is_some(), "under the stamp that was written down");
                assert_eq!(variables(&result)["PackageCount"], "1");
            }
            _ => {
                let all: &[&str] =
                    if matches!(self, Self::HalfDone | Self::InVain) { &["a.txt", "b.txt"] } else { &["a.txt"] };
                assert_eq!(files, all, "{self:?}");
                let variables = variables(&result);
                // What was stored before is the job's own work, by what is written down of it.
                assert_eq!(
                    [&variables["PackageCount"], &variables["SkippedCount"]],
                    [&all.len().to_string(), "0"],
                    "{self:?}"
                );
                let sent = stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/files-local/");
                let heard_of_none = usize::from(self == Self::InVain) * 2 + usize::from(self == Self::DiedTwice);
                assert_eq!(sent, all.len() + heard_of_none, "{self:?}: nothing is sent twice");
            }
        }
        assert!(stack.s3.keys(ARTIFACTS, "").len() == 1);
    }
}

/// Invokes the function and kills this process of it when `what` has reached `service`.
async fn dies(
    stack: &Stack,
    worker: &Worker,
    event: Value,
    service: &'static str,
    method: &Method,
    what: &str,
    fault: Fault,
) {
    stack.traffic.fault(service, Some(method.clone()), what, 0, 1, fault);
    let seen = stack.traffic.count(service, method, what);
    let killing = async {
        stack.traffic.wait_for(service, method, what, seen + 1).await;
        worker.kill().await;
    };
    let (answer, ()) = tokio::join!(stack.lambda.invoke(event, DEADLINE), killing);
    assert!(matches!(answer, Err(InvocationError::Exited { .. })), "{answer:?}");
}

/// Waits until the repository holds so many files, whoever has heard of it.
async fn stored(stack: &Stack, files: usize) {
    while stack.artifactory.files(FILES).len() < files {
        tokio::task::yield_now().await;
    }
}
