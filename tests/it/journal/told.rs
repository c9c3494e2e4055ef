//! What CodePipeline was told of a failure stays told: whoever goes on with the job says the same and does not run it,
//! though the cause may be gone by then.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::deaths::{HELD, SHORT, dies_at, resumed};
use super::{aws_error, s3_error};
use crate::scene::{another_process, claim, claim_key, event, failure, numbers, package, stack, tick};
use crate::stack::http::Fault;
use crate::stack::invariants;
use crate::stack::pipeline::{self, JobId};
use crate::stack::{ARTIFACTS, DEADLINE, Stack, s3};

/// A job whose artifact nobody can read, so far.
fn unreadable(stack: &Stack) -> JobId {
    stack.pipeline.queue(stack.action("not a zip"))
}

/// The cause of the failure goes away.
fn mend(stack: &Stack) {
    stack.s3.put(ARTIFACTS, &format!("web/BuildOutpu/{:07x}", 0), package("left", "1.0.0"));
}

/// It was told once, and nothing else: nothing is published.
fn failed(stack: &Stack, job: &JobId) {
    let (kind, message) = failure(stack.pipeline.result(job));
    assert!(kind == "JobFailed" && message.starts_with("The input artifact BuildOutput is not a zip"), "{message}");
    invariants::i1_one_answer(&stack.witness(), job).unwrap();
    assert!(stack.stored().is_empty() && claim(stack, job).is_none());
}

#[tokio::test]
async fn a_failure_that_may_have_been_told_is_told_again_and_its_job_is_not_run() {
    for fault in [Fault::DropAfter, Fault::DropBefore, aws_error(400, "ThrottlingException")] {
        let stack = stack().await;
        stack.traffic.fault(pipeline::SERVICE, None, "PutJobFailureResult", 0, 3, fault.clone());
        let job = unreadable(&stack);
        assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 0, 1], "{fault:?}");
        let left = claim(&stack, &job).unwrap();
        assert_eq!((&left["lease_until"], &left["told"]["kind"]), (&json!(0), &json!("JobFailed")), "{left}");
        mend(&stack);
        assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0], "{fault:?}");
        failed(&stack, &job);
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_over_its_failure_is_repeated() {
    // It never arrived, or it was taken and nobody heard so.
    for fault in [Fault::Delay(HELD), Fault::Late(HELD)] {
        let stack = stack().await;
        let job = unreadable(&stack);
        dies_at(&stack, &job, pipeline::SERVICE, &Method::POST, "PutJobFailureResult", fault.clone()).await;
        if matches!(fault, Fault::Late(_)) {
            stack.pipeline.wait_for_result(&job, DEADLINE).await;
        }
        mend(&stack);
        let _successor = another_process(&stack).await;
        assert_eq!(numbers(&resumed(&stack).await), [1, 0, 0, 1, 0, 0], "{fault:?}");
        failed(&stack, &job);
    }
}

#[tokio::test]
async fn a_failed_job_whose_claim_cannot_be_removed_is_not_begun_anew() {
    let stack = stack().await;
    let job = unreadable(&stack);
    let denied = s3_error(403, "AccessDenied");
    stack.traffic.fault(s3::SERVICE, Some(Method::DELETE), &claim_key(&job), 0, 1, denied);
    stack.worker().await;
    let answer = stack.lambda.invoke(event("schedule.json"), SHORT).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 0, 1, 0, 0]);
    assert!(claim(&stack, &job).is_some());
    mend(&stack);
    assert_eq!(numbers(&resumed(&stack).await), [1, 0, 0, 1, 0, 0]);
    failed(&stack, &job);
}

#[tokio::test]
async fn a_failure_that_cannot_be_written_down_is_not_told() {
    let stack = stack().await;
    let job = unreadable(&stack);
    // All tries of the write that comes before the result.
    let busy = s3_error(500, "InternalError");
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), &claim_key(&job), 1, 9, busy);
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 0, 1]);
    assert_eq!(stack.pipeline.results_given(&job), 0, "a successor would know nothing of it");
    assert_eq!(stack.traffic.count(pipeline::SERVICE, &Method::POST, "PutJobFailureResult"), 0);
    stack.pipeline.advance(Duration::from_mins(1));
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    failed(&stack, &job);
}
