//! Writes of ours to the journal that meet another writer, or of which nobody hears what became; and workers that were
//! halted beyond the end of their invocation and go on when somebody else has their job.

use std::time::Duration;

use codepipeline_artifactory::deadline::epoch_millis;
use hyper::Method;
use serde_json::json;

use super::{aws_error, s3_error, succeeded};
use crate::scene::{self, another_process, claim, claim_key, event, numbers, package, put_claim, stack, tick};
use crate::stack::http::Fault;
use crate::stack::lambda::{Invocation, Worker};
use crate::stack::pipeline::{self, JobId};
use crate::stack::s3::MissingDelete;
use crate::stack::{DEADLINE, JOURNAL, Stack, artifactory, s3};

/// A request that is held for as long as the test lasts.
const HELD: Duration = Duration::from_mins(1);

/// The writes of a claim's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    First,
    TakeOver,
    Update,
    HandOver,
    Close,
}

impl Write {
    const ALL: [Self; 5] = [Self::First, Self::TakeOver, Self::Update, Self::HandOver, Self::Close];

    /// The request that it is: method, and how many of the kind come before it.
    fn request(self) -> (Method, usize) {
        match self {
            Self::First | Self::TakeOver => (Method::PUT, 0),
            Self::Update => (Method::PUT, 1),
            Self::HandOver => (Method::PUT, 2),
            Self::Close => (Method::DELETE, 0),
        }
    }
}

/// What becomes of a write, and how often in a row: as often as the SDK tries where it tries again.
fn troubles() -> [(&'static str, Fault, usize); 6] {
    [
        ("two writers met", s3_error(409, "ConditionalRequestConflict"), 1),
        ("the condition fails", s3_error(412, "PreconditionFailed"), 1),
        ("S3 fails", s3_error(500, "InternalError"), 3),
        ("S3 is busy", s3_error(503, "SlowDown"), 1),
        ("it never arrives", Fault::DropBefore, 3),
        ("its answer is lost", Fault::DropAfter, 3),
    ]
}

/// A job that is acknowledged and handed over, as far as the journal tells.
async fn handed_over(stack: &Stack, job: &JobId) {
    let other = scene::other_worker(stack);
    let (_, nonce) = scene::poll(&other).await.remove(0);
    other.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
    put_claim(stack, job, &nonce, &json!({ "acknowledgement": "confirmed", "lease_until": 0 }));
}

#[tokio::test]
async fn whatever_becomes_of_a_write_to_the_journal_the_job_is_answered_once() {
    for write in Write::ALL {
        let stack = stack().await;
        stack.set("JOBS_IN_FLIGHT", "6");
        let mut jobs = Vec::new();
        for (number, (what, fault, times)) in troubles().into_iter().enumerate() {
            let action = stack.action(package(&format!("left-{number}"), "1.0.0"));
            // Under this option the plan is written down before anything is sent.
            let job = stack.pipeline.queue(action.configuration("Options", "existing=fail"));
            if write == Write::TakeOver {
                handed_over(&stack, &job).await;
            }
            let (method, skip) = write.request();
            stack.traffic.fault(s3::SERVICE, Some(method), &claim_key(&job), skip, times, fault);
            jobs.push((what, job));
        }
        if write == Write::HandOver {
            let throttled = aws_error(400, "ThrottlingException");
            stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 3 * jobs.len(), throttled);
        }
        // Where the claim seemed to be another's, the next tick finds out that it is not.
        let answers = [tick(&stack).await, tick(&stack).await, tick(&stack).await];
        for (what, job) in jobs {
            let result = stack.pipeline.result(&job);
            let told = matches!(result, pipeline::JobResult::Succeeded { .. });
            assert!(told && claim(&stack, &job).is_none(), "{write:?}, {what}: {result:?} {answers:?}");
            assert_eq!(stack.pipeline.results_given(&job), 1, "{write:?}, {what}");
        }
        assert_eq!(stack.stored().len(), 6);
        assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/api/npm/"), 6, "{write:?}");
    }
}

#[tokio::test]
async fn a_plan_that_must_be_known_is_written_down_before_anything_is_sent() {
    let stack = stack().await;
    let action = stack.action(package("left", "1.0.0")).configuration("Options", "existing=fail");
    let job = stack.pipeline.queue(action);
    // All tries of one write.
    let fails = s3_error(500, "InternalError");
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), &claim_key(&job), 1, 9, fails);
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 0, 1]);
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, ""), 0, "nobody would know whose work it is");
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_write_that_has_arrived_though_s3_is_busy_when_it_is_repeated_is_read_back() {
    for write in [Write::First, Write::Close] {
        let stack = stack().await;
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        let (method, skip) = write.request();
        stack.traffic.fault(s3::SERVICE, Some(method.clone()), &claim_key(&job), skip, 1, Fault::DropAfter);
        let busy = s3_error(503, "SlowDown");
        stack.traffic.fault(s3::SERVICE, Some(method), &claim_key(&job), skip, 2, busy);
        assert_eq!(numbers(&tick(&stack).await), [0, 1, 1, 0, 0, 0], "{write:?}");
        succeeded(&stack, &job);
        let logs = stack.logs().await;
        assert!(!logs.contains("could not be"), "{write:?}: it is no trouble: {logs}");
    }
}

#[tokio::test]
async fn a_job_whose_claim_is_gone_is_not_answered_by_whoever_lost_it() {
    let stack = stack().await;
    let action = stack.action(package("left", "1.0.0")).configuration("Options", "existing=fail");
    let job = stack.pipeline.queue(action);
    let pause = Fault::Delay(Duration::from_millis(1_200));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "/api/storage/", 0, 1, pause);
    stack.worker().await;
    let removing = async {
        stack.traffic.wait_for(artifactory::SERVICE, &Method::GET, "/api/storage/", 1).await;
        stack.s3.remove(JOURNAL, &claim_key(&job)).unwrap();
    };
    let (answer, ()) = tokio::join!(tick(&stack), removing);
    assert_eq!(numbers(&answer), [0, 1, 0, 0, 1, 0], "{answer}");
    assert_eq!(stack.pipeline.results_given(&job), 0, "somebody else may have closed the claim, and answers");
    assert!(stack.stored().is_empty());
    stack.pipeline.forgive(&job);
}

#[tokio::test]
async fn a_claim_that_is_gone_when_it_is_closed_is_as_good_as_closed() {
    for missing in [MissingDelete::NoSuchKey, MissingDelete::NoContent] {
        let stack = stack().await;
        stack.s3.switch(|behaviour| behaviour.delete_of_missing = missing);
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        let pause = Fault::Delay(Duration::from_millis(1_200));
        stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 1, pause);
        stack.worker().await;
        let removing = async {
            stack.traffic.wait_for(pipeline::SERVICE, &Method::POST, "PutJobSuccessResult", 1).await;
            stack.s3.remove(JOURNAL, &claim_key(&job)).unwrap();
        };
        let (answer, ()) = tokio::join!(tick(&stack), removing);
        assert_eq!(numbers(&answer), [0, 1, 1, 0, 0, 0], "{missing:?}");
        succeeded(&stack, &job);
        let warnings = stack.logs().await.lines().filter(|line| line.contains("WARN")).count();
        assert_eq!(warnings, 0, "{missing:?}: it is no trouble");
    }
}

#[tokio::test]
async fn a_claim_that_is_gone_when_it_is_taken_over_is_not_made_anew() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    handed_over(&stack, &job).await;
    let pause = Fault::Delay(Duration::from_millis(1_200));
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), &claim_key(&job), 0, 1, pause);
    stack.worker().await;
    let removing = async {
        stack.traffic.wait_for(s3::SERVICE, &Method::PUT, &claim_key(&job), 1).await;
        stack.s3.remove(JOURNAL, &claim_key(&job)).unwrap();
    };
    let (answer, ()) = tokio::join!(tick(&stack), removing);
    assert_eq!(numbers(&answer), [0; 6], "whoever removed it has answered: {answer}");
    assert!(claim(&stack, &job).is_none() && stack.pipeline.results_given(&job) == 0);
    stack.pipeline.forgive(&job);
}

/// Sends a signal to the function's process.
async fn signal(worker: &Worker, name: &str) {
    let id = worker.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill").args([name, &id]).status().await.unwrap();
    assert!(sent.success());
}

/// An invocation whose lease ends in a second and a half, while nobody kills the process then: so it is where a process
/// is frozen, or its clock stands still.
fn soon_over(stack: &Stack) -> impl Future<Output = serde_json::Value> {
    let header = (epoch_millis() + 1_500).to_string();
    let sent = stack.lambda.send(Invocation::new(event("schedule.json"), DEADLINE).deadline_header(&header));
    async { sent.await.unwrap() }
}

/// Ticks of another process until it goes on with the job that the halted one holds: what that tick answered.
async fn successor(stack: &Stack) -> serde_json::Value {
    loop {
        let answer = stack.lambda.invoke(event("schedule.json"), DEADLINE).await.unwrap();
        if numbers(&answer)[0] == 1 {
            return answer;
        }
    }
}

#[tokio::test]
async fn the_late_write_of_a_worker_that_was_halted_does_not_touch_its_successors_claim() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let artifact = format!("/BuildOutpu/{:07x}", 0);
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &artifact, 0, 1, Fault::Delay(HELD));
    let slow = Fault::Delay(Duration::from_secs(3));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/", 0, 1, slow);
    let zombie = stack.worker().await;
    zombie.ready(DEADLINE).await;
    let haunting = async {
        stack.traffic.wait_for(s3::SERVICE, &Method::GET, &artifact, 1).await;
        signal(zombie, "-STOP").await;
        let _other = another_process(&stack).await;
        let waking = async {
            stack.traffic.wait_for(artifactory::SERVICE, &Method::PUT, "/api/npm/", 1).await;
            let owned = claim(&stack, &job).unwrap();
            assert_eq!(owned["attempt"], 2);
            signal(zombie, "-CONT").await;
            // The successor's own first write is the second that was ever made.
            stack.traffic.wait_for(s3::SERVICE, &Method::PUT, &claim_key(&job), 3).await;
            zombie.wait_for_log("the next tick goes on", DEADLINE).await;
            assert_eq!(claim(&stack, &job).unwrap_or(owned.clone()), owned, "nothing of the successor's is touched");
        };
        tokio::join!(successor(&stack), waking).0
    };
    let (late, answer) = tokio::join!(soon_over(&stack), haunting);
    assert_eq!(numbers(&late), [0, 1, 0, 0, 0, 1], "{late}");
    assert_eq!(numbers(&answer), [1, 0, 1, 0, 0, 0], "{answer}");
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_worker_whose_time_is_over_keeps_its_result_to_itself() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    // The very last request before the result.
    let pause = Fault::Delay(Duration::from_millis(100));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::DELETE), "/access/api/v1/tokens/me", 0, 1, pause);
    let zombie = stack.worker().await;
    zombie.ready(DEADLINE).await;
    let haunting = async {
        stack.traffic.wait_for(artifactory::SERVICE, &Method::DELETE, "/access/api/v1/tokens/me", 1).await;
        signal(zombie, "-STOP").await;
        assert_eq!(stack.stored().len(), 1);
        let _other = another_process(&stack).await;
        let answer = successor(&stack).await;
        signal(zombie, "-CONT").await;
        answer
    };
    let (late, answer) = tokio::join!(soon_over(&stack), haunting);
    assert_eq!(numbers(&answer), [1, 0, 1, 0, 0, 0], "{answer}");
    succeeded(&stack, &job);
    assert_eq!(numbers(&late), [0, 1, 0, 0, 0, 1], "{late}");
    let results = stack.traffic.count(pipeline::SERVICE, &Method::POST, "PutJobSuccessResult");
    assert_eq!(results, 1, "the successor's");
}
