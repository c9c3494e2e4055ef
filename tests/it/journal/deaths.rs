//! Workers that die: at every point of a job's life, once or again and again, and two that want to inherit.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::succeeded;
use crate::make::Zip;
use crate::scene::{self, another_process, claim, event, failure, numbers, package, put_claim, stack, tick};
use crate::stack::http::Fault;
use crate::stack::lambda::InvocationError;
use crate::stack::pipeline::{JobId, JobResult, Switches};
use crate::stack::{DEADLINE, REPOSITORY, Stack, artifactory, pipeline, s3};

/// How long the invocations are that die: their leases must end within the test.
pub(super) const SHORT: Duration = Duration::from_millis(1_500);
/// A request that is held until its sender is dead.
pub(crate) const HELD: Duration = Duration::from_mins(1);

/// Starts an invocation with this job and kills its process when `what` has reached `service`.
pub(crate) async fn dies_at(
    stack: &Stack,
    job: &JobId,
    service: &'static str,
    method: &Method,
    what: &str,
    fault: Fault,
) {
    stack.traffic.fault(service, Some(method.clone()), what, 0, 1, fault);
    let worker = stack.worker().await;
    let killing = async {
        stack.traffic.wait_for(service, method, what, 1).await;
        worker.kill().await;
    };
    let (answer, ()) = tokio::join!(stack.lambda.invoke(stack.pipeline.started_event(job), SHORT), killing);
    assert!(matches!(answer, Err(InvocationError::Exited { .. })), "{answer:?}");
    assert!(claim(stack, job).is_some(), "it leaves a claim");
}

/// Ticks until the dead worker's lease is over and somebody goes on with its job: what that tick answered.
pub(crate) async fn resumed(stack: &Stack) -> Value {
    loop {
        let answer = stack.lambda.invoke(event("schedule.json"), DEADLINE).await.unwrap();
        let [resumed, .., left] = numbers(&answer);
        if resumed != 0 {
            return answer;
        }
        assert_eq!(left, 0, "{answer}");
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_of_publishing_is_succeeded() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    dies_at(&stack, &job, artifactory::SERVICE, &Method::PUT, "/api/npm/", Fault::Delay(HELD)).await;
    assert!(stack.stored().is_empty());
    let successor = another_process(&stack).await;
    let answer = resumed(&stack).await;
    assert_eq!(numbers(&answer), [1, 0, 1, 0, 0, 0], "{answer}\n{}", successor.logs());
    succeeded(&stack, &job);
    assert!(stack.traffic.count(pipeline::SERVICE, &Method::POST, "GetJobDetails") >= 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_after_publishing_and_before_its_answer_is_succeeded() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    dies_at(&stack, &job, pipeline::SERVICE, &Method::POST, "PutJobSuccessResult", Fault::Delay(HELD)).await;
    assert_eq!(stack.stored().len(), 1);
    let _successor = another_process(&stack).await;
    assert_eq!(numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, ""), 1, "nothing is sent twice");
}

#[tokio::test]
async fn what_a_dead_worker_stored_gets_its_properties_and_what_was_there_before_does_not() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    let both = Zip::new().file("a/package.json", scene::manifest("left", "1.0.0"));
    let both =
        both.file("a/index.js", "module.exports = 1;\n").file("b/package.json", scene::manifest("right", "1.0.0"));
    let job = stack.pipeline.queue(stack.action(both.bytes()).configuration("Properties", "team=a"));
    dies_at(&stack, &job, artifactory::SERVICE, &Method::PUT, "/api/storage/", Fault::Delay(HELD)).await;
    let team = |name| stack.artifactory.properties(REPOSITORY, &scene::path(name, "1.0.0")).remove("team");
    assert_eq!((stack.stored().len(), team("right")), (2, None));
    let _successor = another_process(&stack).await;
    assert_eq!(numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!((team("left"), team("right")), (None, Some(vec!["a".to_owned()])));
    assert_eq!(scene::variables(&stack.pipeline.result(&job))["SkippedCount"], "1", "its own is not skipped");
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/api/npm/npm-local/right"), 1, "stored once");
}

#[tokio::test]
async fn what_a_dead_worker_stored_and_nobody_sees_yet_is_no_existing_version() {
    let stack = stack().await;
    let action = stack.action(package("left", "1.0.0"));
    let action = action.configuration("Options", "existing=fail").configuration("Properties", "team=a");
    let job = stack.pipeline.queue(action);
    dies_at(&stack, &job, artifactory::SERVICE, &Method::PUT, "/api/storage/", Fault::Delay(HELD)).await;
    assert_eq!(stack.stored().len(), 1);
    let nothing = || Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "/api/storage/", 0, 1, nothing());
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "/api/npm/npm-local/left", 0, 1, nothing());
    let _successor = another_process(&stack).await;
    assert_eq!(numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!(scene::variables(&stack.pipeline.result(&job))["SkippedCount"], "0", "its own is not skipped");
    let properties = stack.artifactory.properties(REPOSITORY, &scene::path("left", "1.0.0"));
    assert_eq!(properties["team"], ["a"]);
}

#[tokio::test]
async fn a_worker_that_is_killed_after_its_answer_leaves_nothing_to_answer() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let answered = Fault::Late(HELD);
    dies_at(&stack, &job, pipeline::SERVICE, &Method::POST, "PutJobSuccessResult", answered).await;
    stack.pipeline.wait_for_result(&job, DEADLINE).await;
    let _successor = another_process(&stack).await;
    let answer = resumed(&stack).await;
    assert_eq!([&answer["failed"], &answer["left"]], [0, 0], "{answer}");
    succeeded(&stack, &job);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Died {
    /// The claim was written, the acknowledgement never sent.
    BeforeAcknowledging,
    /// As before, and the queue has offered the job anew.
    BeforeAcknowledgingLongAgo,
    /// As before, and another poll has just seen the job.
    BeforeAcknowledgingSeenByAnother,
    /// It was acknowledged, and nobody wrote that down.
    AfterAcknowledging,
    /// It was acknowledged, and the claim says so.
    InTheMiddle,
    /// It was answered, and the claim was not removed.
    AfterAnswering,
}

impl Died {
    /// The undocumented behaviours that this death can meet; all others as they are by default.
    fn meets(self, all: Switches) -> Switches {
        let default = Switches::default();
        let Switches { repeated_acknowledgement, stale_nonce, early_result, .. } = all;
        let Switches { finished_acknowledgement, nonce_on_redispatch, .. } = all;
        match self {
            Self::BeforeAcknowledging | Self::InTheMiddle => default,
            Self::BeforeAcknowledgingLongAgo | Self::BeforeAcknowledgingSeenByAnother => {
                Switches { stale_nonce, early_result, nonce_on_redispatch, ..default }
            }
            Self::AfterAcknowledging => Switches { repeated_acknowledgement, ..default },
            Self::AfterAnswering => Switches { repeated_acknowledgement, finished_acknowledgement, ..default },
        }
    }
}

#[tokio::test]
async fn whatever_codepipeline_does_each_job_of_a_dead_worker_is_answered_once() {
    use Died::*;
    let stack = stack().await;
    let dead = scene::other_worker(&stack);
    // A job that is soon done with: what matters is who answers it.
    let action = stack.action_on("web/BuildOutpu/1").configuration("RepoKey", "");
    let mut done = Vec::new();
    for all in Switches::all() {
        for died in [
            BeforeAcknowledging,
            BeforeAcknowledgingLongAgo,
            BeforeAcknowledgingSeenByAnother,
            AfterAcknowledging,
            InTheMiddle,
            AfterAnswering,
        ] {
            let switches = died.meets(all);
            if done.contains(&(died, switches)) {
                continue;
            }
            done.push((died, switches));
            stack.pipeline.configure(|settings| settings.switches = switches);
            let job = stack.pipeline.queue(action.clone());
            let (_, nonce) = scene::poll(&dead).await.remove(0);
            let confirmed = if matches!(died, InTheMiddle) { "confirmed" } else { "unconfirmed" };
            put_claim(&stack, &job, &nonce, &json!({ "acknowledgement": confirmed }));
            match died {
                BeforeAcknowledging => {}
                BeforeAcknowledgingLongAgo => stack.pipeline.advance(Duration::from_secs(46)),
                BeforeAcknowledgingSeenByAnother => {
                    stack.pipeline.advance(Duration::from_secs(46));
                    assert_eq!(scene::poll(&dead).await.len(), 1);
                }
                AfterAcknowledging | InTheMiddle | AfterAnswering => {
                    dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
                }
            }
            if matches!(died, AfterAnswering) {
                dead.put_job_success_result().job_id(job.as_str()).send().await.unwrap();
            }
            let first = tick(&stack).await;
            assert_eq!([&first["resumed"], &first["left"]], [1, 0], "{died:?} {switches:?}");
            stack.pipeline.advance(Duration::from_secs(46));
            let second = tick(&stack).await;
            assert_eq!(second["resumed"], 0, "{died:?} {switches:?}");
            let result = stack.pipeline.result(&job);
            let told = matches!((died, &result), (AfterAnswering, JobResult::Succeeded { .. }))
                || matches!(result, JobResult::Failed { .. });
            assert!(told, "{died:?} {switches:?} {result:?} {first} {second}");
            assert_eq!(stack.pipeline.results_given(&job), 1, "{died:?} {switches:?}");
            assert!(claim(&stack, &job).is_none(), "{died:?} {switches:?}");
        }
    }
}

/// A job in progress whose worker has died, for the `attempt`th time.
async fn orphan(stack: &Stack, artifact: Vec<u8>, attempt: u32) -> JobId {
    let job = stack.pipeline.queue(stack.action(artifact));
    let dead = scene::other_worker(stack);
    let (_, nonce) = scene::poll(&dead).await.remove(0);
    dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
    put_claim(stack, &job, &nonce, &json!({ "acknowledgement": "confirmed", "attempt": attempt }));
    job
}

#[tokio::test]
async fn a_job_that_three_workers_died_on_is_not_tried_again() {
    let stack = stack().await;
    let job = orphan(&stack, package("left", "1.0.0"), 3).await;
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    insta::assert_snapshot!(scene::steady(&stack, &format!("{kind}\n{message}")), @r"
    JobFailed
    3 attempts at this job came to no end: a worker died, or its time ran out and nothing more was done.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Not published, unless by an earlier attempt: left@1.0.0.
    What to do: Look into the log of the runs; if the function ran out of memory or time, raise them, then retry the stage.
    Log: request id RUN.
    ");
    assert!(stack.stored().is_empty() && claim(&stack, &job).is_none());

    // Where everything is there, the third had done its work.
    stack.publish(package("left", "1.0.0")).await;
    let job = orphan(&stack, package("left", "1.0.0"), 3).await;
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_job_that_kills_every_worker_is_reported() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let artifact = format!("/BuildOutpu/{:07x}", 0);
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &artifact, 0, usize::MAX, Fault::Delay(HELD));
    // Three attempts, and the last look.
    for death in 1..=4 {
        let worker = another_process(&stack).await;
        let killing = async {
            stack.traffic.wait_for(s3::SERVICE, &Method::GET, &artifact, death).await;
            worker.kill().await;
        };
        let until_it_is_killed = async { while stack.lambda.invoke(event("schedule.json"), SHORT).await.is_ok() {} };
        tokio::join!(until_it_is_killed, killing);
        assert_eq!(claim(&stack, &job).unwrap()["attempt"], death, "it leaves a claim");
    }
    let _survivor = another_process(&stack).await;
    assert_eq!(numbers(&resumed(&stack).await), [1, 0, 0, 1, 0, 0]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert!(kind == "JobFailed" && message.starts_with("4 attempts"), "{message}");
    assert!(claim(&stack, &job).is_none());
    assert_eq!(stack.traffic.count(s3::SERVICE, &Method::GET, &artifact), 4, "the survivor does not touch it");
}

#[tokio::test]
async fn of_two_heirs_one_goes_on() {
    let stack = stack().await;
    let mut jobs = Vec::new();
    for number in 0..3 {
        jobs.push(orphan(&stack, package(&format!("left-{number}"), "1.0.0"), 1).await);
    }
    stack.worker().await.ready(DEADLINE).await;
    let other = another_process(&stack).await;
    other.ready(DEADLINE).await;
    let (one, two) = tokio::join!(tick(&stack), tick(&stack));
    assert_eq!(numbers(&one)[2] + numbers(&two)[2], 3, "{one} {two}");
    for job in &jobs {
        succeeded(&stack, job);
    }
}
