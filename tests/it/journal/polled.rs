//! The action type's versions: which are polled, and what becomes of jobs whose version no longer is.
#![expect(clippy::indexing_slicing, reason = "what an answer lacks fails the test")]

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::deaths::{HELD, dies_at, resumed};
use super::succeeded;
use crate::scene::{self, claim, claim_key, event, failure, numbers, package, stack};
use crate::stack::http::Fault;
use crate::stack::lambda::Worker;
use crate::stack::pipeline::{ActionType, JobId, JobSpec, JobState};
use crate::stack::{DEADLINE, JOURNAL, Stack, artifactory, pipeline};

/// Two versions of the type are declared, and these are polled.
async fn polling(versions: &str) -> Stack {
    let stack = stack().await;
    stack.pipeline.declare(version("2"));
    stack.pipeline.declare(version("3"));
    stack.set("ACTION_VERSION", versions);
    stack
}

fn version(version: &str) -> ActionType {
    ActionType { version: version.into(), ..ActionType::default() }
}

fn queued(stack: &Stack, of: &str, name: &str) -> JobId {
    stack.pipeline.queue(action(stack, of, name))
}

/// An action of this version, whose package must not be there yet.
fn action(stack: &Stack, of: &str, name: &str) -> JobSpec {
    stack.action(package(name, "1.0.0")).action_type(version(of)).configuration("Options", "existing=fail")
}

/// A process of the stack after an update, which polls these versions.
async fn updated(stack: &Stack, versions: &str) -> Worker {
    let mut environment = stack.environment();
    environment.retain(|(name, _)| name != "ACTION_VERSION");
    environment.push(("ACTION_VERSION".to_owned(), versions.to_owned()));
    stack.vault.role().follow("ACTION_VERSION", versions);
    Worker::spawn(scene::BINARY.as_ref(), &environment, &stack.lambda).await
}

async fn tick(stack: &Stack) -> Value {
    stack.lambda.invoke(event("schedule.json"), DEADLINE).await.unwrap()
}

/// Lets the claim be of so long ago.
fn age(stack: &Stack, job: &JobId, minutes: u64) {
    stack.s3.age(JOURNAL, &claim_key(job), Duration::from_mins(minutes));
}

#[tokio::test]
async fn jobs_of_all_versions_that_are_polled_are_answered_whosever_event_comes() {
    let stack = polling("2,1").await;
    for (woken_by, round) in [("1", "left"), ("2", "right")] {
        let jobs = ["1", "2"].map(|of| queued(&stack, of, &format!("{round}-{of}")));
        let [first, second] = &jobs;
        let woken = stack.pipeline.started_event(if woken_by == "1" { first } else { second });
        assert_eq!(woken["detail"]["type"]["version"], woken_by);
        assert_eq!(numbers(&stack.invoke(woken).await.unwrap()), [0, 2, 2, 0, 0, 0], "woken by {woken_by}");
        for job in &jobs {
            succeeded(&stack, job);
        }
    }
    assert_eq!(stack.stored().len(), 4);
}

#[tokio::test]
async fn the_event_of_a_version_that_is_not_polled_is_a_doorbell_and_its_job_is_left_alone() {
    let stack = polling("2,1").await;
    let others = queued(&stack, "3", "others");
    let ours = queued(&stack, "1", "ours");
    let woken = stack.pipeline.started_event(&others);
    assert_eq!(numbers(&stack.invoke(woken).await.unwrap()), [0, 1, 1, 0, 0, 0]);
    succeeded(&stack, &ours);
    assert_eq!(stack.pipeline.state(&others), JobState::Queued);
    assert!(claim(&stack, &others).is_none());
    stack.pipeline.forgive(&others);
}

/// Where a worker dies that leaves a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Died {
    /// CodePipeline has not heard of its acknowledgement.
    BeforeAcknowledging,
    /// It has, and nobody wrote that down.
    AfterAcknowledging,
    /// It has, and the claim says so.
    InTheMiddle,
}

impl Died {
    const ALL: [Self; 3] = [Self::BeforeAcknowledging, Self::AfterAcknowledging, Self::InTheMiddle];
}

/// A worker that polls two versions dies over a job of one of them.
async fn left_by_the_dead(stack: &Stack, of: &str, died: Died) -> JobId {
    let job = queued(stack, of, "left");
    let acknowledgement = (pipeline::SERVICE, Method::POST, "AcknowledgeJob");
    let ((service, method, what), fault) = match died {
        Died::BeforeAcknowledging => (acknowledgement, Fault::Delay(HELD)),
        Died::AfterAcknowledging => (acknowledgement, Fault::Late(HELD)),
        Died::InTheMiddle => ((artifactory::SERVICE, Method::PUT, "/api/npm/"), Fault::Delay(HELD)),
    };
    dies_at(stack, &job, service, &method, what, fault).await;
    assert_eq!(claim(stack, &job).unwrap()["action_type"]["version"], of);
    job
}

#[tokio::test]
async fn an_open_claim_of_a_version_that_is_no_longer_polled_is_ended_half_an_hour_later() {
    // The version before is given up; or the change to the next one is taken back.
    for (of, kept) in [("1", "2"), ("2", "1")] {
        for died in Died::ALL {
            let stack = polling("2,1").await;
            let job = left_by_the_dead(&stack, of, died).await;
            let update = updated(&stack, kept).await;
            age(&stack, &job, 29);
            assert_eq!(numbers(&tick(&stack).await), [0; 6], "whoever polls {of} may go on with it");
            let log = update.logs();
            let warned = log.lines().filter(|line| line.contains("WARN") && line.contains(job.as_str()));
            assert_eq!(warned.count(), 1, "{log}");
            assert!(log.contains("OldestClaim"), "the alarm hears of it: {log}");
            age(&stack, &job, 1);
            assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0], "{of}, {died:?}: {}", update.logs());
            succeeded(&stack, &job);
            assert_eq!(stack.stored().len(), 1);
        }
    }
}

#[tokio::test]
async fn an_open_claim_is_gone_on_with_at_once_where_its_version_is_polled_again() {
    let stack = polling("2,1").await;
    let job = left_by_the_dead(&stack, "2", Died::InTheMiddle).await;
    let back = updated(&stack, "1").await;
    age(&stack, &job, 10);
    assert_eq!(numbers(&tick(&stack).await), [0; 6]);
    back.kill().await;
    let _again = updated(&stack, "1,2").await;
    assert_eq!(numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn the_doctor_tells_of_claims_whose_version_is_not_polled_and_ends_one() {
    let stack = polling("2,1").await;
    let job = left_by_the_dead(&stack, "1", Died::InTheMiddle).await;
    let _update = updated(&stack, "2").await;
    // Until the invocation of the dead has ended for certain.
    let asked = |doctor: Value| stack.lambda.invoke(json!({ "doctor": doctor }), DEADLINE);
    while asked(json!(true)).await.unwrap()["claims"][0]["lease"] != 0 {}
    let answer = asked(json!(true)).await.unwrap();
    let finding = answer["doctor"].as_array().unwrap().iter().find(|it| it["check"] == "action version 1").unwrap();
    assert_eq!(finding["state"], "unknown");
    assert!(finding["do"].as_str().unwrap().contains("PreviousActionVersion"), "{finding}");
    assert_eq!(answer["claims"][0]["job"], job.as_str());
    let answer = asked(json!({ "fail": job.as_str() })).await.unwrap();
    assert_eq!(answer["doctor"][0]["state"], "ok", "{answer}");
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert!(kind == "JobFailed" && message.contains("ended by hand"), "{message}");
    assert!(claim(&stack, &job).is_none());
}
