//! Claims in trouble: what is none, what nobody can read, whose death counts, and jobs that are never done.
#![allow(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::make::Zip;
use crate::stack::artifactory::Permission;
use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::http::Fault;
use crate::stack::lambda::{InvocationError, Worker};
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::{JOURNAL, REPOSITORY, Stack, USER, artifactory, pipeline, s3};

const BINARY: &str = env!("CARGO_BIN_EXE_codepipeline-artifactory");
const QUARTER_OF_AN_HOUR: Duration = Duration::from_mins(15);

async fn stack() -> Stack {
    Stack::start(BINARY).await
}

fn package(text: &str) -> Vec<u8> {
    Zip::new().file("package.json", r#"{"name":"left","version":"1.0.0"}"#).file("index.js", text).bytes()
}

fn schedule() -> Value {
    json!({ "source": "aws.events", "detail-type": "Scheduled Event", "detail": {} })
}

/// Resumed, succeeded, failed, skipped, left.
async fn tick(stack: &Stack) -> [u64; 5] {
    let answer = stack.invoke(schedule()).await.unwrap();
    ["resumed", "succeeded", "failed", "skipped", "left"].map(|name| answer[name].as_u64().unwrap())
}

fn key(job: &JobId) -> String {
    format!("jobs/{job}.json")
}

fn claim(stack: &Stack, job: &JobId) -> Value {
    serde_json::from_slice(&stack.s3.get(JOURNAL, &key(job)).unwrap()).unwrap()
}

/// A job that is waiting, and the claim of a worker that died on it before its acknowledgement.
fn died(stack: &Stack, artifact: Vec<u8>, attempt: u32) -> JobId {
    let job = stack.pipeline.queue(stack.action(artifact));
    let claim = json!({
        "format": 1, "job": job.as_str(), "owner": "dead", "account": ACCOUNT, "region": REGION,
        "action_type": { "category": "Deploy", "provider": "Artifactory", "version": "1" }, "nonce": "0",
        "acknowledgement": "unconfirmed", "attempt": attempt, "lease_until": 1, "external_execution_id": "run",
        "plan": null, "done": 0,
    });
    stack.s3.put(JOURNAL, &key(&job), claim.to_string());
    job
}

/// Ticks of another process until there is no claim left: a lease that was not handed over runs to its end first.
async fn go_on(stack: &Stack) -> [u64; 5] {
    let _next = another_process(stack).await;
    let mut sum = [0; 5];
    while !stack.s3.keys(JOURNAL, "jobs/").is_empty() {
        sum.iter_mut().zip(tick(stack).await).for_each(|(sum, more)| *sum += more);
    }
    sum
}

async fn another_process(stack: &Stack) -> Worker {
    Worker::spawn(BINARY.as_ref(), &stack.environment(), &stack.lambda).await
}

fn failure(stack: &Stack, job: &JobId) -> String {
    match stack.pipeline.result(job) {
        JobResult::Failed { r#type, message, .. } => format!("{type}: {message}"),
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_claim_is_moved_to_the_quarantine_and_told() {
    let stack = stack().await;
    let upper = "jobs/11111111-ABCD-1111-abcd-111111abcdef.json";
    for name in ["jobs/readme.txt", "jobs/sub/x.json", upper, "jobs/"] {
        stack.s3.put(JOURNAL, name, format!("content of {name}"));
    }
    assert_eq!(tick(&stack).await, [0; 5]);
    stack.s3.put(JOURNAL, "jobs/readme.txt", "other content");
    assert_eq!(tick(&stack).await, [0; 5]);
    assert_eq!(stack.s3.keys(JOURNAL, "jobs/"), ["jobs/"], "a folder's marker is nobody's");
    let moved = stack.s3.keys(JOURNAL, "quarantine/");
    assert_eq!(moved.len(), 4, "nothing is lost: {moved:?}");
    assert_eq!(stack.s3.get(JOURNAL, "quarantine/readme.txt").unwrap(), "content of jobs/readme.txt");
    assert!(stack.s3.get(JOURNAL, "quarantine/sub/x.json").is_some());
    let logs = stack.logs().await;
    let lines: Vec<Value> = logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let counted: Vec<&Value> = lines.iter().filter(|line| line["Quarantined"] == 1).collect();
    assert_eq!(counted.len(), 4);
    assert!(counted.iter().all(|line| line["level"] == "WARN" && line["_aws"]["CloudWatchMetrics"].is_array()));
    stack.s3.remove(JOURNAL, "jobs/");
}

#[tokio::test]
async fn what_is_no_claim_waits_until_the_jobs_are_done() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("1")));
    stack.s3.put(JOURNAL, "jobs/readme.txt", "text");
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), "jobs/readme", 0, 1, Fault::Delay(Duration::from_mins(1)));
    stack.worker().await;
    let answer = stack.lambda.invoke(schedule(), Duration::from_secs(3)).await.unwrap();
    assert_eq!(answer["succeeded"], 1, "{answer}");
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    assert_eq!(stack.s3.keys(JOURNAL, "jobs/").len(), 1, "there was no time for it");
    tick(&stack).await;
}

#[tokio::test]
async fn what_cannot_be_moved_does_not_keep_the_rest_from_it() {
    let stack = stack().await;
    let denied = Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), "jobs/a-stuck", 0, usize::MAX, denied);
    let unmovable: Vec<String> = (0..12).map(|number| format!("jobs/a-stuck-{number}")).collect();
    for key in unmovable.iter().chain(&["jobs/readme.txt".to_owned()]) {
        stack.s3.put(JOURNAL, key, "text");
    }
    for _ in 0..40 {
        if stack.s3.get(JOURNAL, "quarantine/readme.txt").is_some() {
            break;
        }
        tick(&stack).await;
    }
    assert_eq!(stack.s3.keys(JOURNAL, "quarantine/"), ["quarantine/readme.txt"]);
    for key in unmovable {
        stack.s3.remove(JOURNAL, &key);
    }
}

#[tokio::test]
async fn a_claim_that_nobody_can_read_is_a_claim_until_a_quarter_of_an_hour_has_passed() {
    let stack = stack().await;
    let newer = json!({ "format": 2, "everything": "else" }).to_string();
    let waiting = stack.pipeline.queue(stack.action(package("1")));
    for garbage in ["", "{", &newer, &"x".repeat(100_000)] {
        stack.s3.put(JOURNAL, &key(&waiting), garbage.to_owned());
        stack.s3.age(JOURNAL, &key(&waiting), Duration::from_secs(14 * 60 + 40));
        assert_eq!(tick(&stack).await[..3], [0, 0, 0], "its owner may live yet");
        assert_eq!(stack.s3.get(JOURNAL, &key(&waiting)).unwrap().len(), garbage.len());
    }
    stack.s3.age(JOURNAL, &key(&waiting), Duration::from_secs(21));
    stack.pipeline.advance(Duration::from_mins(5));
    assert_eq!(tick(&stack).await, [1, 1, 0, 0, 0], "begun anew, acknowledged with the nonce that is offered now");

    // One that its predecessor had acknowledged goes on.
    let job = stack.pipeline.queue(stack.action(package("1")));
    stack.traffic.fault(
        pipeline::SERVICE,
        None,
        "PutJobSuccessResult",
        0,
        3,
        Fault::Answer { status: 500, headers: Vec::new(), body: String::new() },
    );
    assert_eq!(tick(&stack).await, [0, 0, 0, 0, 1]);
    stack.s3.put(JOURNAL, &key(&job), newer);
    stack.s3.age(JOURNAL, &key(&job), 2 * QUARTER_OF_AN_HOUR);
    assert_eq!(tick(&stack).await, [1, 1, 0, 0, 0]);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));

    // Whose work it is that is there, nobody knows any more; and nobody says that it was not this job's.
    let strict = stack.action(package("1")).configuration("Options", "existing=fail");
    let job = stack.pipeline.queue(strict);
    stack.s3.put(JOURNAL, &key(&job), "garbage");
    stack.s3.age(JOURNAL, &key(&job), 2 * QUARTER_OF_AN_HOUR);
    assert_eq!(tick(&stack).await, [1, 0, 1, 0, 0]);
    let message = failure(&stack, &job);
    assert!(message.contains("Published all the same: left@1.0.0") && !message.contains("Nothing was"), "{message}");

    // Nobody knows the job: there is nothing to answer, and nothing is thrown away.
    let unknown = "jobs/12121212-1212-1212-1212-121212121212.json";
    stack.s3.put(JOURNAL, unknown, "garbage");
    stack.s3.age(JOURNAL, unknown, 2 * QUARTER_OF_AN_HOUR);
    assert_eq!(tick(&stack).await, [0; 5]);
    assert_eq!(stack.s3.keys(JOURNAL, "quarantine/").len(), 1);
}

#[tokio::test]
async fn a_job_that_kills_its_worker_costs_its_neighbours_nothing() {
    let stack = stack().await;
    let mut jobs = [0, 1].map(|number| (died(&stack, package("1"), 1), format!("/BuildOutpu/{number:07x}")));
    jobs.sort_by_key(|(job, _)| key(job));
    let [(deadly, artifact), (neighbour, _)] = jobs;
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &artifact, 0, 1, Fault::Delay(Duration::from_mins(1)));
    // Nor can it hand the job over: the write after the taking over does not arrive.
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), &key(&deadly), 1, 3, Fault::Delay(Duration::from_mins(1)));
    stack.worker().await;
    let answer = stack.lambda.invoke(schedule(), Duration::from_millis(1500)).await;
    assert!(matches!(answer, Err(InvocationError::TimedOut { .. }) | Ok(_)), "{answer:?}");
    assert_eq!(claim(&stack, &deadly)["attempt"], 2);
    assert_eq!(claim(&stack, &neighbour)["attempt"], 1, "it was not even begun");
    stack.pipeline.advance(Duration::from_mins(5));
    assert_eq!(go_on(&stack).await, [2, 2, 0, 0, 0]);
}

#[tokio::test]
async fn a_job_whose_last_look_died_too_is_given_up_unread() {
    let stack = stack().await;
    let job = died(&stack, package("1"), 4);
    assert_eq!(tick(&stack).await, [1, 0, 1, 0, 0]);
    let message = failure(&stack, &job);
    assert!(message.starts_with("JobFailed: 4 attempts") && message.contains("may have published"), "{message}");
    assert_eq!(stack.s3.bytes_served(crate::stack::ARTIFACTS, &format!("web/BuildOutpu/{:07x}", 0)), 0);
}

#[tokio::test]
async fn a_job_that_never_comes_further_is_not_begun_for_ever() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("1")));
    let artifact = format!("/BuildOutpu/{:07x}", 0);
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &artifact, 0, 99, Fault::Delay(Duration::from_mins(1)));
    stack.worker().await;
    let mut ticks = 0;
    while matches!(stack.pipeline.result(&job), JobResult::Pending { .. }) {
        ticks += 1;
        assert!(ticks < 9, "it is begun for ever");
        let answer = stack.lambda.invoke(schedule(), Duration::from_millis(1200)).await;
        let answer = answer.expect("time that runs out is no reason to be killed");
        assert!(answer["left"] == 1 || answer["failed"] == 1, "{answer}");
    }
    assert_eq!(ticks, 7, "five attempts, one last look, the end");
    assert!(failure(&stack, &job).contains("came to no end"));
}

#[tokio::test]
async fn a_small_job_starts_and_ends_within_three_seconds() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("1")));
    let event = stack.pipeline.started_event(&job);
    stack.worker().await;
    let answer = stack.lambda.invoke(event, Duration::from_secs(3)).await.unwrap();
    assert_eq!(answer["succeeded"], 1, "{answer}");
    assert!(stack.artifactory.tokens_live().is_empty(), "the token is revoked");
}

#[tokio::test]
async fn what_a_dead_predecessor_stored_is_no_existing_version() {
    let stack = stack().await;
    let action = stack.action(package("1")).configuration("Options", "existing=fail");
    let job = stack.pipeline.queue(action.clone());
    // It dies while it makes sure that the file has arrived, and cannot hand the job over.
    let slow = || Fault::Delay(Duration::from_mins(1));
    for look in ["/api/storage/", "/api/npm/"] {
        stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), look, 1, 1, slow());
    }
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), &key(&job), 2, 3, slow());
    stack.worker().await;
    let _ = stack.lambda.invoke(schedule(), Duration::from_millis(1500)).await;
    assert_eq!(stack.stored().len(), 1);
    assert_ne!(claim(&stack, &job)["lease_until"], 0, "it is left as it was");
    assert!(!claim(&stack, &job)["plan"].is_null(), "what was begun is known");
    assert_eq!(go_on(&stack).await, [1, 1, 0, 0, 0]);
    // For anybody else it exists.
    let other = stack.pipeline.queue(action);
    let _next = another_process(&stack).await;
    assert_eq!(tick(&stack).await, [0, 0, 1, 0, 0]);
    assert!(failure(&stack, &other).contains("existing="));
}

#[tokio::test]
async fn of_two_jobs_with_one_version_nobody_overwrites_the_other_even_where_the_user_could() {
    let stack = stack().await;
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read, Permission::Deploy, Permission::Delete]);
    let jobs = ["1", "2"].map(|text| stack.pipeline.queue(stack.action(package(text))));
    let [_, succeeded, failed, ..] = tick(&stack).await;
    assert_eq!((succeeded, failed), (1, 1));
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/left"), 1, "one of them was never sent");
    let lost = jobs.iter().find(|job| matches!(stack.pipeline.result(job), JobResult::Failed { .. })).unwrap();
    assert!(failure(&stack, lost).contains("other content"));
}

#[tokio::test]
async fn a_write_to_the_journal_that_is_lost_is_written_again() {
    for fault in [Fault::DropBefore, Fault::DropAfter] {
        let stack = stack().await;
        let action = stack.action(package("1")).configuration("Options", "existing=fail");
        let job = stack.pipeline.queue(action);
        // Longer than the SDK's own patience.
        stack.traffic.fault(s3::SERVICE, Some(Method::PUT), &key(&job), 1, 3, fault.clone());
        stack.traffic.fault(s3::SERVICE, Some(Method::DELETE), &key(&job), 0, 3, fault);
        assert_eq!(tick(&stack).await, [0, 1, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_type_that_cannot_be_polled_breaks_the_tick_and_holds_up_no_other() {
    for versions in ["9,1", "1,9"] {
        let stack = stack().await;
        stack.set("ACTION_VERSION", versions);
        let job = stack.pipeline.queue(stack.action(package("1")));
        let Err(InvocationError::Handler { error_type, message }) = stack.invoke(schedule()).await else {
            panic!("nobody would hear of it");
        };
        assert!(error_type == "QueueUnreachable" && message.contains("Artifactory 9"), "{error_type} {message}");
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    }
}
