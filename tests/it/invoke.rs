//! The function as CodePipeline's Lambda Invoke action: the job comes in the event, once, and nobody tells of it again.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use hyper::Method;
use serde_json::{Value, json};

use crate::scene::{
    another_process, claim, claim_key, event, failure, numbers, other_worker, package, path, poll, put_claim, requests,
    stack, tick, variables,
};
use crate::stack::artifactory::Repository;
use crate::stack::built::Build;
use crate::stack::http::{Fault, Moment};
use crate::stack::lambda::InvocationError;
use crate::stack::pipeline::{JobId, JobResult, JobSpec, JobState};
use crate::stack::{
    ARTIFACTS, DEADLINE, JOURNAL, PASSWORD, REPOSITORY, SECRET, Stack, USER, artifactory, pipeline, s3,
};

/// The stack with Invoke actions allowed, and a secret that is marked for them.
async fn allowed() -> Stack {
    let stack = stack().await;
    stack.set("ALLOW_INVOKE_ACTION", "true");
    secret_for(&stack, &["(invoke)"]);
    stack
}

fn secret_for(stack: &Stack, pipelines: &[&str]) {
    let secret = json!({ "username": USER, "password": PASSWORD, "pipelines": pipelines });
    stack.secrets.put(SECRET, &secret.to_string());
}

fn left(stack: &Stack) -> JobSpec {
    stack.action(package("left", "1.0.0"))
}

/// An Invoke action whose `UserParameters` are this.
fn with_parameters(stack: &Stack, parameters: Value) -> (JobId, Value) {
    let (job, mut event) = stack.pipeline.invoke(left(stack));
    let place = "/CodePipeline.job/data/actionConfiguration/configuration/UserParameters";
    *event.pointer_mut(place).unwrap() = parameters;
    (job, event)
}

/// Calls of the job API, whichever job they are for.
fn calls(stack: &Stack) -> Vec<String> {
    requests(stack, pipeline::SERVICE)
}

#[tokio::test]
async fn the_job_of_an_invoke_action_is_published_and_answered_without_a_poll() {
    let stack = allowed().await;
    let waiting = stack.pipeline.queue(stack.action(package("right", "1.0.0")));
    let spec = left(&stack).output("Report", ARTIFACTS, "web/ReportArti/0");
    let (job, event) = stack.pipeline.invoke(spec.encryption_key("alias/pipeline"));
    let answer = stack.invoke(event).await.unwrap();
    assert_eq!(numbers(&answer), [0, 0, 1, 0, 0, 0], "{answer}");
    assert_eq!((&answer["jobs"][0]["id"], &answer["jobs"][0]["pipeline"]), (&job.as_str().into(), &Value::Null));
    assert_eq!(answer["jobs"][0]["packages"], json!(["left@1.0.0"]));
    let result = stack.pipeline.result(&job);
    assert_eq!(variables(&result)["PackageName"], "left");
    let JobResult::Succeeded { external_execution_id: Some(_), summary: Some(_), revision: Some(_), .. } = result
    else {
        panic!("{result:?}");
    };
    assert_eq!(stack.stored(), [path("left", "1.0.0")]);
    assert!(stack.s3.get(ARTIFACTS, "web/ReportArti/0").is_some(), "its output artifact");
    assert_eq!(calls(&stack), ["PutJobSuccessResult"], "nothing is polled, acknowledged, asked for");
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
    assert_eq!(stack.pipeline.state(&waiting), JobState::Queued, "it has the invocation for itself");
    tick(&stack).await;
    assert!(matches!(stack.pipeline.result(&waiting), JobResult::Failed { .. }), "the secret is not for its pipeline");
}

#[tokio::test]
async fn the_job_api_knows_nothing_of_an_invoked_job_but_its_result() {
    let stack = stack().await;
    let (job, _) = stack.pipeline.invoke(left(&stack));
    let other = other_worker(&stack);
    assert!(poll(&other).await.is_empty());
    let details = other.get_job_details().job_id(job.as_str()).send().await.unwrap_err();
    assert!(details.into_service_error().is_job_not_found_exception());
    let acknowledged = other.acknowledge_job().job_id(job.as_str()).nonce("1").send().await.unwrap_err();
    assert!(acknowledged.into_service_error().is_job_not_found_exception());
    other.put_job_success_result().job_id(job.as_str()).send().await.unwrap();
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
}

#[tokio::test]
async fn without_the_switch_an_event_with_a_job_is_a_doorbell_and_no_more() {
    let stack = stack().await;
    secret_for(&stack, &["(invoke)", "*"]);
    let waiting = stack.pipeline.queue(stack.action(package("right", "1.0.0")));
    let (job, event) = stack.pipeline.invoke(left(&stack));
    let answer = stack.invoke(event).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 1, 0, 1, 0], "{answer}");
    assert_eq!(stack.pipeline.state(&job), JobState::InProgress);
    assert!(matches!(stack.pipeline.result(&waiting), JobResult::Succeeded { .. }));
    assert_eq!(stack.stored(), [path("right", "1.0.0")]);
    let logs = stack.logs().await;
    let warned = logs.lines().filter(|line| line.contains("ALLOW_INVOKE_ACTION") && line.contains("WARN"));
    assert_eq!(warned.filter(|line| line.contains(job.as_str())).count(), 1, "{logs}");
    stack.pipeline.forgive(&job);
}

#[tokio::test]
async fn a_forged_event_without_the_switch_answers_nobodys_job() {
    let stack = stack().await;
    let others = stack.pipeline.queue(left(&stack));
    let other = other_worker(&stack);
    let [(id, nonce)] = &poll(&other).await[..] else { panic!("one job waits") };
    other.acknowledge_job().job_id(id).nonce(nonce).send().await.unwrap();
    for parameters in [json!(null), json!("{}"), json!("{\"TypeOfArtifact\":\"npm\"}")] {
        let (made_up, mut event) = with_parameters(&stack, parameters);
        event["CodePipeline.job"]["id"] = json!(others.as_str());
        assert_eq!(numbers(&stack.invoke(event).await.unwrap()), [0, 0, 0, 0, 1, 0]);
        stack.pipeline.forgive(&made_up);
    }
    assert_eq!(stack.pipeline.state(&others), JobState::InProgress);
    assert!(calls(&stack).iter().all(|call| !call.starts_with("PutJob")));
    stack.pipeline.forgive(&others);
}

#[tokio::test]
async fn only_a_secret_that_is_marked_is_used() {
    let unmarked = json!({ "username": USER, "password": PASSWORD });
    let open = json!({ "username": USER, "password": PASSWORD, "pipelines": ["*", "(invoke"] });
    for secret in [unmarked, open] {
        let stack = allowed().await;
        stack.secrets.put(SECRET, &secret.to_string());
        let (job, event) = stack.pipeline.invoke(left(&stack));
        assert_eq!(numbers(&stack.invoke(event).await.unwrap()), [0, 0, 0, 1, 0, 0]);
        let (kind, message) = failure(stack.pipeline.result(&job));
        assert_eq!(kind, "ConfigurationError");
        let told = "may not be used by an Invoke action: its \"pipelines\" do not hold \"(invoke)\"";
        assert!(message.contains(told), "{message}");
        assert!(requests(&stack, artifactory::SERVICE).is_empty(), "Artifactory was not even asked");
    }
}

#[tokio::test]
async fn user_parameters_are_the_actions_properties_and_refused_by_name() {
    let stack = allowed().await;
    for (parameters, refusal) in [
        (json!(null), "no UserParameters"),
        (json!("TypeOfArtifact=npm"), "not valid JSON"),
        (json!(r#"["npm"]"#), "not an object of texts"),
        (
            json!(r#"{"TypeOfArtifact":"npm","Options":{"tag":"x"}}"#),
            "Options in the action's UserParameters is not a text",
        ),
        (json!(r#"{"TypeOfArtifact":"npm","Colour":"blue"}"#), "unknown properties: Colour"),
        (json!(r#"{"TypeOfArtifact":"npm"}"#), "lacks RepoKey"),
        (json!(r#"{"Password":"hunter2"}"#), "Password"),
    ] {
        let (job, event) = with_parameters(&stack, parameters.clone());
        assert_eq!(numbers(&stack.invoke(event).await.unwrap()), [0, 0, 0, 1, 0, 0], "{parameters}");
        let (kind, message) = failure(stack.pipeline.result(&job));
        assert_eq!(kind, "ConfigurationError", "{message}");
        assert!(message.contains(refusal) && message.contains("Nothing was published"), "{parameters}: {message}");
        assert!(!message.contains("hunter2"));
    }
    assert!(!stack.logs().await.contains("hunter2"));
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
}

#[tokio::test]
async fn an_event_that_comes_twice_is_done_once() {
    let stack = allowed().await;
    let (job, event) = stack.pipeline.invoke(left(&stack));
    let slow = Fault::Delay(Duration::from_millis(500));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/left", 0, 1, slow);
    let _beside = another_process(&stack).await;
    let (one, other) = tokio::join!(stack.invoke(event.clone()), stack.invoke(event.clone()));
    let mut both = [numbers(&one.unwrap()), numbers(&other.unwrap())];
    both.sort_unstable();
    assert_eq!(both, [[0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 0]]);
    assert_eq!(stack.pipeline.results_given(&job), 1);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/left"), 1, "it was sent once");
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
}

#[tokio::test]
async fn an_event_that_comes_after_its_jobs_end_does_nothing() {
    let stack = allowed().await;
    stack.artifactory.repository(Repository::local(REPOSITORY, "maven"));
    let snapshot =
        stack.action(Build::Snapshot.artifact("left", "1.0", "text")).configuration("TypeOfArtifact", "maven");
    let spec = snapshot.output("Report", ARTIFACTS, "web/ReportArti/0");
    let (job, event) = stack.pipeline.invoke(spec);
    assert_eq!(numbers(&stack.invoke(event.clone()).await.unwrap()), [0, 0, 1, 0, 0, 0]);
    let (stored, calls_before) = (stack.stored(), calls(&stack));
    let report = stack.s3.get(ARTIFACTS, "web/ReportArti/0");
    for _ in 0..2 {
        assert_eq!(numbers(&stack.invoke(event.clone()).await.unwrap()), [0, 0, 0, 0, 1, 0]);
    }
    assert_eq!(stack.stored(), stored, "no second build");
    assert_eq!(stack.s3.get(ARTIFACTS, "web/ReportArti/0"), report, "the next action may be reading it");
    assert_eq!(calls(&stack), calls_before, "no second result");
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
}

#[tokio::test]
async fn what_was_told_to_have_failed_is_not_published_by_an_event_that_comes_later() {
    let stack = allowed().await;
    let (job, event) = stack.pipeline.invoke(left(&stack));
    // A dead worker's claim, which a tick has made a failure of.
    let of = json!({ "category": "Invoke", "provider": "Lambda", "version": "1" });
    put_claim(&stack, &job, "", &json!({ "action_type": of, "acknowledgement": "confirmed" }));
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    assert_eq!(numbers(&stack.invoke(event).await.unwrap()), [0, 0, 0, 0, 1, 0]);
    assert_eq!(failure(stack.pipeline.result(&job)).0, "SystemUnavailable");
    assert!(stack.stored().is_empty());
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
}

#[tokio::test]
async fn an_end_that_cannot_be_written_down_keeps_the_claim_until_it_is() {
    let stack = allowed().await;
    let (job, event) = stack.pipeline.invoke(left(&stack));
    let busy = || Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), "/ended/", 0, 1, busy());
    stack.worker().await.ready(DEADLINE).await;
    let answer = stack.lambda.invoke(event.clone(), Duration::from_secs(2)).await.unwrap();
    assert_eq!(numbers(&answer), [0, 0, 1, 0, 0, 0]);
    assert_eq!(numbers(&stack.invoke(event.clone()).await.unwrap()), [0, 0, 0, 0, 1, 0], "the claim is there");
    while claim(&stack, &job).is_some() {
        tick(&stack).await;
    }
    assert_eq!(numbers(&stack.invoke(event).await.unwrap()), [0, 0, 0, 0, 1, 0], "the mark is there");
    assert_eq!(stack.pipeline.results_given(&job), 1);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
}

#[tokio::test]
async fn a_job_of_which_nobody_can_tell_whether_it_has_ended_is_not_begun() {
    let stack = allowed().await;
    let (job, event) = stack.pipeline.invoke(left(&stack));
    let denied = Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), "/ended/", 0, 1, denied);
    assert_eq!(numbers(&stack.invoke(event).await.unwrap()), [0, 0, 0, 0, 0, 1]);
    assert!(stack.stored().is_empty());
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert!(kind == "SystemUnavailable" && message.contains("Nothing was published"), "{message}");
}

#[tokio::test]
async fn a_worker_that_is_killed_leaves_a_failure_that_the_next_tick_tells_once() {
    let stack = allowed().await;
    let (job, event_of_job) = stack.pipeline.invoke(left(&stack));
    let slow = Fault::Delay(Duration::from_mins(1));
    stack.traffic.fault(pipeline::SERVICE, None, "PutJobSuccessResult", 0, 1, slow);
    let killing = async {
        stack.traffic.wait_for(pipeline::SERVICE, &Method::POST, "PutJobSuccessResult", 1).await;
        stack.worker().await.kill().await;
    };
    stack.worker().await;
    let (answer, ()) = tokio::join!(stack.lambda.invoke(event_of_job, Duration::from_secs(3)), killing);
    assert!(matches!(answer, Err(InvocationError::Exited { .. })), "{answer:?}");
    assert_eq!(stack.stored(), [path("left", "1.0.0")]);
    let record = claim(&stack, &job).unwrap();
    assert_eq!(record["action_type"], json!({ "category": "Invoke", "provider": "Lambda", "version": "1" }));
    assert_eq!(record["acknowledgement"], "confirmed");

    let _heirs = [another_process(&stack).await, another_process(&stack).await];
    let mut sum = [0; 6];
    while claim(&stack, &job).is_some() {
        let (one, other) = tokio::join!(tick(&stack), tick(&stack));
        for answer in [one, other] {
            sum.iter_mut().zip(numbers(&answer)).for_each(|(sum, more)| *sum += more);
        }
    }
    assert_eq!(sum, [1, 0, 0, 1, 0, 0], "one tick takes it over");
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert_eq!((kind.as_str(), stack.pipeline.results_given(&job)), ("SystemUnavailable", 1));
    assert!(message.contains("may have published") && message.contains("Retry the stage"), "{message}");
    assert!(!calls(&stack).contains(&"GetJobDetails".to_owned()), "there is nothing to ask for");

    // The retry finds what is there.
    let (retried, event_of_retry) = stack.pipeline.invoke(left(&stack));
    assert_eq!(numbers(&stack.invoke(event_of_retry).await.unwrap()), [0, 0, 1, 0, 0, 0]);
    assert_eq!(variables(&stack.pipeline.result(&retried))["SkippedCount"], "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_worker_is_killed_its_job_has_one_answer_or_was_never_claimed() {
    let undisturbed = allowed().await;
    let (_, event_of_job) = undisturbed.pipeline.invoke(left(&undisturbed));
    undisturbed.worker().await.ready(DEADLINE).await;
    let before = undisturbed.traffic.total();
    undisturbed.invoke(event_of_job).await.unwrap();
    let requests = undisturbed.traffic.total() - before;
    assert!(requests >= 10, "a job takes more than {requests} requests");
    let points = (0..requests).flat_map(|at| [(at, Moment::Before), (at, Moment::After)]);
    let runs: Vec<_> = points.map(|(at, moment)| killed_at(at, moment)).collect();
    let ends: Vec<&str> = stream::iter(runs).buffer_unordered(8).collect().await;
    for end in ["unclaimed", "SystemUnavailable", "succeeded"] {
        assert!(ends.contains(&end), "no death at {requests} requests ended as {end}: {ends:?}");
    }
    let unclaimed = ends.iter().filter(|end| **end == "unclaimed").count();
    assert_eq!(unclaimed, 3, "before and after the look at S3's clock, and before the claim: {ends:?}");
}

/// How a job ends whose worker is killed at this request.
async fn killed_at(at: usize, moment: Moment) -> &'static str {
    let stack = allowed().await;
    let (job, event_of_job) = stack.pipeline.invoke(left(&stack));
    stack.worker().await.ready(DEADLINE).await;
    stack.traffic.strike(stack.traffic.total() + at, moment, stack.worker().await.killer());
    let died = stack.lambda.invoke(event_of_job, Duration::from_secs(2)).await;
    assert!(matches!(died, Err(InvocationError::Exited { .. }) | Ok(_)), "{at} {moment:?}: {died:?}");
    stack.traffic.spare();
    let _heir = another_process(&stack).await;
    while claim(&stack, &job).is_some() {
        tick(&stack).await;
    }
    let answers = stack.pipeline.results_given(&job);
    match stack.pipeline.result(&job) {
        JobResult::Succeeded { .. } if answers == 1 => "succeeded",
        JobResult::Failed { r#type, .. } if answers == 1 && r#type == "SystemUnavailable" => "SystemUnavailable",
        JobResult::Pending { .. } if stack.stored().is_empty() => {
            stack.pipeline.forgive(&job);
            "unclaimed"
        }
        other => panic!("{at} {moment:?}: {answers} answers, {other:?}"),
    }
}

#[tokio::test]
async fn a_claim_is_ended_also_where_invoke_actions_are_no_longer_allowed() {
    let stack = stack().await;
    let (job, _) = stack.pipeline.invoke(left(&stack));
    let of = json!({ "category": "Invoke", "provider": "Lambda", "version": "1" });
    let claimed = json!({ "action_type": of, "acknowledgement": "confirmed" });
    put_claim(&stack, &job, "", &claimed);
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    assert_eq!(failure(stack.pipeline.result(&job)).0, "SystemUnavailable");
    // One that nobody can read, but for the action type.
    let (unread, _) = stack.pipeline.invoke(left(&stack));
    put_claim(&stack, &unread, "", &json!({ "format": 2, "action_type": of }));
    stack.s3.age(JOURNAL, &claim_key(&unread), Duration::from_mins(16));
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    assert_eq!(failure(stack.pipeline.result(&unread)).0, "SystemUnavailable");
    // A worker may have died between its answer and the closing of its claim.
    put_claim(&stack, &job, "", &claimed);
    assert_eq!(numbers(&tick(&stack).await)[2..], [0, 0, 1, 0]);
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
}

#[tokio::test]
async fn a_job_whose_time_runs_out_is_failed_by_the_next_tick() {
    let stack = allowed().await;
    let (job, event_of_job) = stack.pipeline.invoke(left(&stack));
    let slow = Fault::Delay(Duration::from_mins(1));
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), "/BuildOutpu/", 0, 1, slow);
    stack.worker().await.ready(DEADLINE).await;
    let answer = stack.lambda.invoke(event_of_job, Duration::from_secs(2)).await.unwrap();
    assert_eq!(numbers(&answer), [0, 0, 0, 0, 0, 1], "{answer}");
    assert_eq!(claim(&stack, &job).unwrap()["lease_until"], 0, "handed over");
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert_eq!((kind.as_str(), stack.pipeline.results_given(&job)), ("SystemUnavailable", 1));
    assert!(message.contains("its time ran out") && message.contains("Nothing was published"), "{message}");
}

#[tokio::test]
async fn expired_credentials_of_an_invoked_job_are_its_failure() {
    let stack = allowed().await;
    let (job, event_of_job) = stack.pipeline.invoke(left(&stack));
    stack.pipeline.advance(Duration::from_mins(16));
    assert_eq!(numbers(&stack.invoke(event_of_job).await.unwrap()), [0, 0, 0, 1, 0, 0]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert_eq!(kind, "PermissionError");
    assert!(message.contains("The job of an Invoke action gets no fresh credentials"), "{message}");
    assert!(message.contains("What to do: Retry the stage"), "{message}");
    assert_eq!(calls(&stack), ["PutJobFailureResult"]);
}

#[tokio::test]
async fn without_a_journal_the_job_is_neither_done_nor_answered() {
    let stack = allowed().await;
    stack.set("JOURNAL_BUCKET", "no-such-bucket");
    let (job, event_of_job) = stack.pipeline.invoke(left(&stack));
    let Err(InvocationError::Handler { error_type, .. }) = stack.invoke(event_of_job).await else {
        panic!("nobody would hear of it");
    };
    assert_eq!((error_type.as_str(), stack.pipeline.state(&job)), ("JournalUnusable", JobState::InProgress));
    assert!(stack.stored().is_empty());
    stack.forgive_refusals();
    stack.pipeline.forgive(&job);
}

#[tokio::test]
async fn an_event_that_has_no_usable_job_wakes_the_function_all_the_same() {
    let stack = allowed().await;
    secret_for(&stack, &["web"]);
    let job = stack.pipeline.queue(left(&stack));
    let mut broken = event("codepipeline-job.json");
    broken["CodePipeline.job"]["id"] = json!("../x");
    assert_eq!(numbers(&stack.invoke(broken).await.unwrap()), [0, 1, 1, 0, 0, 0]);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    assert!(!stack.logs().await.contains("secret-access-key-of-the-job"));
}
