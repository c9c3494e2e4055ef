//! Results on their way to CodePipeline: refused, delayed, too late, or of no use any more; and what else the job API
//! does to a worker that means well.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::{aws_error, succeeded};
use crate::scene::{self, claim, event, numbers, package, put_claim, stack, tick};
use crate::stack::http::Fault;
use crate::stack::lambda::InvocationError;
use crate::stack::pipeline::{EarlyResult, JobResult, JobState};
use crate::stack::{ARTIFACTS, artifactory, pipeline, s3, secrets};

#[tokio::test]
async fn a_result_that_cannot_be_reported_is_left_to_the_next_tick() {
    let page = Fault::Answer { status: 503, headers: Vec::new(), body: "<html>busy</html>".into() };
    for (fault, times) in [
        (aws_error(400, "AccessDeniedException"), 1),
        (aws_error(500, "InternalFailure"), 3),
        (page, 3),
        (Fault::DropBefore, 3),
        (Fault::DropAfter, 3),
    ] {
        // What was heard and never confirmed is an earlier answer to the next tick, of whatever kind.
        let heard = u64::from(matches!(fault, Fault::DropAfter));
        let stack = stack().await;
        stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, times, fault.clone());
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 0, 1], "{fault:?}");
        assert_eq!(claim(&stack, &job).unwrap()["lease_until"], 0);
        assert_eq!(numbers(&tick(&stack).await), [1, 0, 1 - heard, 0, heard, 0], "{fault:?}");
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }) && claim(&stack, &job).is_none());
        assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, ""), 1, "nothing is sent twice");
    }
}

#[tokio::test]
async fn a_success_that_is_refused_in_every_form_is_never_turned_into_a_failure() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 4, aws_error(400, "ValidationException"));
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    for resumed in [0, 1] {
        let answer = tick(&stack).await;
        assert_eq!(numbers(&answer), [resumed, 1 - resumed, 0, 0, 0, 1], "{answer}");
    }
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!(stack.traffic.count(pipeline::SERVICE, &Method::POST, "PutJobFailureResult"), 0);
}

#[tokio::test]
async fn an_action_that_has_timed_out_is_let_go() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let dead = scene::other_worker(&stack);
    let (_, nonce) = scene::poll(&dead).await.remove(0);
    dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
    put_claim(&stack, &job, &nonce, &json!({ "acknowledgement": "confirmed" }));
    stack.pipeline.advance(Duration::from_hours(25));
    assert_eq!(stack.pipeline.state(&job), JobState::TimedOut);
    assert_eq!(numbers(&tick(&stack).await)[..1], [1]);
    assert!(claim(&stack, &job).is_none() && stack.pipeline.results_given(&job) == 0);
    stack.pipeline.forgive(&job);
    assert_eq!(numbers(&tick(&stack).await), [0; 6], "it is begun no more");

    // Before its acknowledgement is confirmed, CodePipeline says so at once.
    put_claim(&stack, &job, &nonce, &json!({}));
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 0, 1, 0]);
    assert!(claim(&stack, &job).is_none());
}

#[tokio::test]
async fn an_abandoned_execution_is_answered_like_any_other() {
    let stack = stack().await;
    let pause = Fault::Delay(Duration::from_millis(1_200));
    stack.traffic.fault(secrets::SERVICE, None, "GetSecretValue", 0, 1, pause);
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.worker().await;
    let abandoning = async {
        stack.traffic.wait_for(secrets::SERVICE, &Method::POST, "GetSecretValue", 1).await;
        stack.pipeline.abandon(&job);
    };
    let (answer, ()) = tokio::join!(tick(&stack), abandoning);
    assert_eq!(numbers(&answer), [0, 1, 1, 0, 0, 0], "the job API does not tell: {answer}");
    assert!(claim(&stack, &job).is_none());
}

#[tokio::test]
async fn a_job_that_is_forgotten_in_the_middle_is_let_go() {
    for (service, what) in [(s3::SERVICE, "jobs/"), (secrets::SERVICE, "GetSecretValue")] {
        let stack = stack().await;
        // Held before the acknowledgement, or before the result.
        stack.traffic.fault(service, None, what, 0, 1, Fault::Delay(Duration::from_millis(1_200)));
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        stack.worker().await;
        let method = if service == s3::SERVICE { Method::PUT } else { Method::POST };
        let forgetting = async {
            stack.traffic.wait_for(service, &method, what, 1).await;
            stack.pipeline.forget(&job);
        };
        let (answer, ()) = tokio::join!(tick(&stack), forgetting);
        assert_eq!((&answer["polled"], &answer["left"]), (&json!(1), &json!(0)), "{answer}");
        assert!(claim(&stack, &job).is_none(), "{what}");
        assert_eq!(numbers(&tick(&stack).await), [0; 6]);
    }
}

#[tokio::test]
async fn a_job_keeps_its_id_until_it_is_answered() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/left", 0, 1, Fault::Delay(Duration::from_secs(30)));
    stack.worker().await;
    stack.lambda.invoke(event("schedule.json"), Duration::from_secs(2)).await.unwrap();
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    assert_eq!(stack.pipeline.jobs(), [job], "no other job goes on with the action");
    let bodies = stack.traffic.seen().into_iter().map(|seen| seen.request.body);
    assert!(bodies.into_iter().all(|body| !String::from_utf8_lossy(&body).contains("continuationToken")));
}

#[tokio::test]
async fn these_calls_of_aws_are_made_and_no_others() {
    let stack = stack().await;
    let output = stack.action(package("left", "1.0.0")).output("Report", ARTIFACTS, "web/Report/1");
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 3, aws_error(400, "ThrottlingException"));
    let job = stack.pipeline.queue(output);
    tick(&stack).await;
    tick(&stack).await;
    succeeded(&stack, &job);
    stack.refuse(stack.action("not a zip")).await;
    let mut calls = BTreeSet::new();
    for service in [pipeline::SERVICE, secrets::SERVICE, s3::SERVICE] {
        calls.extend(scene::requests(&stack, service).iter().map(|line| scene::steady(&stack, line)));
    }
    let calls: Vec<String> = calls.into_iter().collect();
    insta::assert_snapshot!(calls.join("\n"), @r"
    AcknowledgeJob
    DELETE /journal/jobs/JOB-0.json
    DELETE /journal/jobs/JOB-1.json
    GET /codepipeline-eu-west-1-artifacts/web/BuildOutpu/0000000
    GET /codepipeline-eu-west-1-artifacts/web/BuildOutpu/0000002
    GET /journal/
    GET /journal/jobs/JOB-0.json
    GetJobDetails
    GetSecretValue
    PUT /codepipeline-eu-west-1-artifacts/web/Report/1
    PUT /journal/jobs/JOB-0.json
    PUT /journal/jobs/JOB-1.json
    PollForJobs
    PutJobFailureResult
    PutJobSuccessResult
    ");
}

#[tokio::test]
async fn a_queue_that_throttles_is_asked_again_and_breaks_the_tick_only_where_it_goes_on() {
    let stack = stack().await;
    stack.traffic.fault(pipeline::SERVICE, None, "PollForJobs", 0, 2, aws_error(400, "ThrottlingException"));
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    stack.traffic.fault(pipeline::SERVICE, None, "PollForJobs", 0, 3, aws_error(400, "ThrottlingException"));
    let Err(InvocationError::Handler { error_type, .. }) = stack.invoke(event("schedule.json")).await else {
        panic!("nobody would hear of it");
    };
    assert_eq!(error_type, "QueueUnreachable");
}

#[tokio::test]
async fn another_job_that_the_question_about_a_claim_brings_is_not_lost() {
    for early_result in [EarlyResult::InvalidJobState, EarlyResult::Accepted] {
        let stack = stack().await;
        stack.set("JOBS_IN_FLIGHT", "1");
        stack.pipeline.configure(|settings| settings.switches.early_result = early_result);
        // It is first in the queue, and the only one that a poll for one job brings.
        let other = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        let job = stack.pipeline.queue(stack.action(package("right", "1.0.0")));
        let dead = scene::other_worker(&stack);
        let polled = scene::poll(&dead).await;
        let (_, nonce) = polled.iter().find(|(id, _)| id == job.as_str()).unwrap();
        put_claim(&stack, &job, nonce, &json!({}));
        // The nonce of the claim is stale: polled and forgotten by somebody else, both are offered anew.
        stack.pipeline.advance(Duration::from_secs(46));
        scene::poll(&dead).await;
        stack.pipeline.advance(Duration::from_secs(46));
        let mut answers = vec![tick(&stack).await];
        stack.pipeline.advance(Duration::from_secs(46));
        answers.push(tick(&stack).await);
        for job in [&other, &job] {
            let result = stack.pipeline.result(job);
            assert!(matches!(result, JobResult::Succeeded { .. }), "{early_result:?} {result:?} {answers:?}");
            assert_eq!(stack.pipeline.results_given(job), 1, "{early_result:?} {answers:?}");
            assert!(claim(&stack, job).is_none());
        }
        assert_eq!(stack.stored().len(), 2);
    }
}
