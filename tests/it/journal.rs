//! The claims: written before a job is acknowledged, gone after it is answered, handed over where an invocation
//! cannot finish, and never a reason for a second answer or for none.

mod acknowledging;
mod answers;
mod clocks;
mod conflicts;
pub(crate) mod deaths;
mod golden;
mod moments;
mod polled;
mod told;
mod unconfirmed;
mod versions;

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::scene::{self, claim, event, numbers, package, put_claim, stack, tick, variables};
use crate::stack::http::Fault;
use crate::stack::lambda::InvocationError;
use crate::stack::pipeline::{JobResult, JobState};
use crate::stack::{ARTIFACTS, Stack, artifactory, pipeline, s3, secrets};

/// An error of an AWS JSON service.
fn aws_error(status: u16, code: &str) -> Fault {
    let body = json!({ "__type": code, "message": "no" }).to_string();
    Fault::Answer { status, headers: vec![("content-type".into(), "application/x-amz-json-1.1".into())], body }
}

fn s3_error(status: u16, code: &str) -> Fault {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    Fault::Answer { status, headers: vec![("content-type".into(), "application/xml".into())], body }
}

pub(crate) fn succeeded(stack: &Stack, job: &pipeline::JobId) {
    let result = stack.pipeline.result(job);
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}");
    assert_eq!(stack.pipeline.results_given(job), 1, "one answer");
    assert!(claim(stack, job).is_none(), "the claim is gone");
}

#[tokio::test]
async fn the_claim_is_there_before_the_acknowledgement_and_gone_after_the_answer() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    let job = stack.pipeline.jobs().remove(0);
    let seen = stack.traffic.seen();
    let of_the_job = |line: &String| {
        line.contains(job.as_str()) || ["AcknowledgeJob", "PutJobSuccessResult"].contains(&line.as_str())
    };
    let lines: Vec<String> = seen.iter().map(scene::line).filter(of_the_job).collect();
    insta::assert_snapshot!(scene::steady(&stack, &lines.join("\n")), @r"
    PUT /journal/jobs/JOB-0.json
    AcknowledgeJob
    PutJobSuccessResult
    DELETE /journal/jobs/JOB-0.json
    ");
    let written = seen.iter().find(|seen| seen.service == s3::SERVICE && seen.request.method == Method::PUT).unwrap();
    assert_eq!(written.request.header("if-none-match"), "*");
    let removed =
        seen.iter().find(|seen| seen.service == s3::SERVICE && seen.request.method == Method::DELETE).unwrap();
    assert!(!removed.request.header("if-match").is_empty());
}

#[tokio::test]
async fn a_claim_says_who_has_the_job_until_when_and_nothing_secret() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.traffic.fault(secrets::SERVICE, None, "GetSecretValue", 0, 1, Fault::Delay(Duration::from_millis(1_200)));
    stack.worker().await;
    let looking = async {
        stack.traffic.wait_for(secrets::SERVICE, &Method::POST, "GetSecretValue", 1).await;
        let mut claim = claim(&stack, &job).unwrap();
        let lease = claim["lease_until"].as_f64().unwrap() / 1000.0 - stack.vault.clock().seconds();
        assert!((50.0..60.5).contains(&lease), "the lease is the invocation's own deadline: {lease}");
        let age = stack.vault.clock().seconds() - claim["since"].as_f64().unwrap() / 1000.0;
        assert!((0.0..10.0).contains(&age), "it was claimed just now: {age}");
        (claim["since"], claim["lease_until"]) = (json!(0), json!(0));
        serde_json::to_string_pretty(&claim).unwrap()
    };
    let (_, written) = tokio::join!(tick(&stack), looking);
    insta::assert_snapshot!(scene::steady(&stack, &written), @r#"
    {
      "format": 1,
      "job": "JOB-0",
      "owner": "DIGEST",
      "account": "111122223333",
      "region": "us-east-1",
      "action_type": {
        "category": "Deploy",
        "provider": "Artifactory",
        "version": "1"
      },
      "nonce": "1",
      "acknowledgement": "unconfirmed",
      "attempt": 1,
      "since": 0,
      "lease_until": 0,
      "external_execution_id": "RUN",
      "plan": null,
      "done": 0
    }
    "#);
}

#[tokio::test]
async fn a_live_claim_of_another_worker_is_not_touched() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let in_the_year_2100 = 4_102_444_800_000_u64;
    put_claim(&stack, &job, "1", &json!({ "lease_until": in_the_year_2100 }));
    let before = claim(&stack, &job);
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 1, 0]);
    assert_eq!(claim(&stack, &job), before);
    assert_eq!(stack.pipeline.state(&job), JobState::Dispatched, "nobody acknowledged it");
    assert!(stack.stored().is_empty());
    stack.forgive_claim(&job);
}

#[tokio::test]
async fn without_a_journal_no_job_is_taken() {
    let stack = stack().await;
    stack.set("JOURNAL_BUCKET", "no-such-bucket");
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let Err(InvocationError::Handler { error_type, message }) = stack.invoke(event("schedule.json")).await else {
        panic!("the invocation did not fail");
    };
    assert_eq!(error_type, "JournalUnusable");
    assert!(message.contains("JOURNAL_BUCKET"), "{message}");
    assert_eq!(stack.pipeline.state(&job), JobState::Queued, "it waits for a worker that can claim it");
    stack.forgive_refusals();
}

#[tokio::test]
async fn a_success_that_is_refused_as_invalid_is_told_in_its_smallest_form() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 1, aws_error(400, "ValidationException"));
    stack.publish(package("left", "1.0.0")).await;
    let job = stack.pipeline.jobs().remove(0);
    succeeded(&stack, &job);
    let JobResult::Succeeded { summary, variables, revision, .. } = stack.pipeline.result(&job) else {
        unreachable!("it succeeded")
    };
    assert!(variables.is_empty());
    assert_eq!(revision.unwrap().revision, "1.0.0");
    assert!(summary.unwrap().starts_with("Published left@1.0.0"));
}

#[tokio::test]
async fn a_failure_that_is_refused_as_invalid_is_told_in_its_smallest_form() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobFailureResult", 0, 1, aws_error(400, "ValidationException"));
    let (kind, message) = stack.refuse(stack.action("not a zip")).await;
    assert_eq!(kind, "JobFailed");
    assert!(message.starts_with("The input artifact BuildOutput is not a zip"), "{message}");
    assert!(message.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{message}");
}

#[tokio::test]
async fn a_result_that_is_throttled_for_long_is_reported_by_the_next_tick() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 3, aws_error(400, "ThrottlingException"));
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 0, 1]);
    let left = claim(&stack, &job).unwrap();
    assert_eq!((&left["lease_until"], &left["done"]), (&json!(0), &json!(1)), "handed over, with what is done");
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, ""), 1, "nothing is sent twice");
}

#[tokio::test]
async fn a_lost_answer_to_a_result_is_no_second_result() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 1, Fault::DropAfter);
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 1, 0, 0, 0]);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    assert!(claim(&stack, &job).is_none());
}

#[tokio::test]
async fn a_lost_answer_to_the_acknowledgement_does_not_lose_the_job() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "AcknowledgeJob", 0, 1, Fault::DropAfter);
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 1, 0, 0, 0]);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_job_that_codepipeline_has_forgotten_is_given_up() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    put_claim(&stack, &job, "1", &json!({ "acknowledgement": "confirmed" }));
    stack.pipeline.forget(&job);
    let answer = tick(&stack).await;
    assert_eq!(numbers(&answer), [1, 0, 0, 0, 1, 0], "{answer}");
    assert!(claim(&stack, &job).is_none() && stack.stored().is_empty());
}

#[tokio::test]
async fn expired_credentials_of_a_job_are_replaced() {
    let stack = stack().await;
    let pause = Fault::Delay(Duration::from_millis(1_200));
    stack.traffic.fault(secrets::SERVICE, None, "GetSecretValue", 0, 1, pause.clone());
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/", 0, 1, pause);
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")).output("Report", ARTIFACTS, "web/Report/1"));
    stack.worker().await;
    let ageing = async {
        // Once before the artifact is read, once before the report is written.
        stack.traffic.wait_for(secrets::SERVICE, &Method::POST, "GetSecretValue", 1).await;
        stack.pipeline.advance(Duration::from_mins(16));
        stack.traffic.wait_for(artifactory::SERVICE, &Method::PUT, "/api/npm/", 1).await;
        stack.pipeline.advance(Duration::from_mins(16));
    };
    let (answer, ()) = tokio::join!(tick(&stack), ageing);
    assert_eq!(numbers(&answer), [0, 1, 1, 0, 0, 0], "{}", stack.logs().await);
    succeeded(&stack, &job);
    assert_eq!(stack.traffic.count(pipeline::SERVICE, &Method::POST, "GetJobDetails"), 2);
    assert!(stack.s3.get(ARTIFACTS, "web/Report/1").is_some());
}

#[tokio::test]
async fn credentials_that_cannot_be_renewed_just_now_are_no_question_of_rights() {
    let stack = stack().await;
    let pause = Fault::Delay(Duration::from_millis(1_200));
    stack.traffic.fault(secrets::SERVICE, None, "GetSecretValue", 0, 1, pause);
    stack.traffic.fault(pipeline::SERVICE, None, "GetJobDetails", 0, 3, aws_error(500, "InternalFailure"));
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.worker().await;
    let ageing = async {
        stack.traffic.wait_for(secrets::SERVICE, &Method::POST, "GetSecretValue", 1).await;
        stack.pipeline.advance(Duration::from_mins(16));
    };
    let (answer, ()) = tokio::join!(tick(&stack), ageing);
    assert_eq!(numbers(&answer), [0, 1, 0, 1, 0, 0], "{}", stack.logs().await);
    let JobResult::Failed { r#type: kind, message, .. } = stack.pipeline.result(&job) else { panic!("{job} fails") };
    assert_eq!(kind, "SystemUnavailable", "{message}");
    assert!(message.contains("GetJobDetails failed: InternalFailure"), "{message}");
}

#[tokio::test]
async fn a_job_that_does_not_fit_into_an_invocation_goes_on_in_the_next() {
    let stack = stack().await;
    let pause = Fault::Delay(Duration::from_secs(30));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/right", 0, 1, pause);
    let two = crate::make::Zip::new().file("a/package.json", scene::manifest("left", "1.0.0"));
    let two = two.file("b/package.json", scene::manifest("right", "1.0.0")).bytes();
    let job = stack.pipeline.queue(stack.action(two));
    stack.worker().await;
    let answer = stack.lambda.invoke(event("schedule.json"), Duration::from_secs(2)).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 0, 0, 0, 1], "it answers in time: {answer}");
    let left = claim(&stack, &job).unwrap();
    assert_eq!((&left["lease_until"], &left["done"], &left["attempt"]), (&json!(0), &json!(1), &json!(1)));
    assert!(left["plan"].is_string());
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!(variables(&stack.pipeline.result(&job))["PackageCount"], "2");
}
