//! Lambda: the Runtime API as a runtime uses it, and workers as processes that run, fail, hang and are killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::stack::http::Traffic;
use crate::stack::lambda::{Invocation, InvocationError, RuntimeApi, Worker};
use crate::stack::vault::Clock;

const SOON: Duration = Duration::from_secs(20);

/// A function in shell: `MODE` says what it does with an event.
fn function() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/services/function.sh")
}

fn mode(mode: &str) -> Vec<(String, String)> {
    vec![("MODE".into(), mode.into())]
}

/// The raw exchange: what a runtime sends, by an ordinary HTTP client.
struct Raw {
    base: String,
    client: reqwest::Client,
}

impl Raw {
    fn new(runtime: &RuntimeApi) -> Self {
        Self { base: format!("http://{}/2018-06-01/runtime", runtime.address()), client: reqwest::Client::new() }
    }

    async fn next(&self) -> reqwest::Response {
        self.client.get(format!("{}/invocation/next", self.base)).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &'static str) -> u16 {
        let request = self.client.post(format!("{}/{path}", self.base)).body(body);
        request.header("lambda-runtime-function-error-type", "Unhandled").send().await.unwrap().status().as_u16()
    }
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn an_event_goes_out_with_its_headers_and_the_answer_comes_back() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let raw = Raw::new(&runtime);
    let invoking = runtime.invoke(json!({ "source": "aws.events" }), SOON);
    let answering = async {
        let next = raw.next().await;
        let id = header(&next, "lambda-runtime-aws-request-id").to_owned();
        let deadline: u128 = header(&next, "lambda-runtime-deadline-ms").parse().unwrap();
        let now = Clock::default().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert!((1..=SOON.as_millis()).contains(&(deadline - now)), "{deadline} {now}");
        assert_eq!(
            header(&next, "lambda-runtime-invoked-function-arn"),
            "arn:aws:lambda:us-east-1:111122223333:function:codepipeline-artifactory"
        );
        assert!(header(&next, "lambda-runtime-trace-id").starts_with("Root=1-"));
        assert_eq!(next.text().await.unwrap(), r#"{"source":"aws.events"}"#);
        assert_eq!(raw.next().await.status(), 403, "one event at a time");
        assert_eq!(raw.post("invocation/unknown/response", "{}").await, 400);
        assert_eq!(raw.post(&format!("invocation/{id}/response"), r#"{"polled":0}"#).await, 202);
        assert_eq!(raw.post(&format!("invocation/{id}/response"), "{}").await, 400, "one answer only");
    };
    let (answer, ()) = tokio::join!(invoking, answering);
    assert_eq!(answer, Ok(json!({ "polled": 0 })));
}

#[tokio::test]
async fn a_runtime_waits_for_its_event_as_long_as_it_takes() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let raw = Raw::new(&runtime);
    let waiting = tokio::spawn(async move {
        let next = raw.next().await;
        let id = header(&next, "lambda-runtime-aws-request-id").to_owned();
        let deadline = header(&next, "lambda-runtime-deadline-ms").to_owned();
        raw.post(&format!("invocation/{id}/error"), r#"{"errorType":"Boom","errorMessage":"it broke"}"#).await;
        deadline
    });
    let invocation = Invocation::new(json!(1), SOON).deadline_header("600000");
    let failed = runtime.send(invocation).await.unwrap_err();
    assert_eq!(failed, InvocationError::Handler { error_type: "Boom".into(), message: "it broke".into() });
    assert_eq!(waiting.await.unwrap(), "600000");
}

#[tokio::test]
async fn a_failed_start_fails_the_next_invocation() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let raw = Raw::new(&runtime);
    assert_eq!(raw.post("init/error", r#"{"errorMessage":"no JOURNAL_BUCKET"}"#).await, 202);
    let failed = runtime.invoke(json!({}), SOON).await.unwrap_err();
    assert_eq!(failed, InvocationError::Init { error_type: "Unhandled".into(), message: "no JOURNAL_BUCKET".into() });
}

#[tokio::test]
async fn a_worker_answers_and_its_lines_are_kept() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let worker = Worker::spawn(&function(), &mode("echo"), &runtime).await;
    let ready = worker.ready(SOON).await;
    assert_eq!(worker.first_next(), Some(ready));
    for number in 0..3 {
        assert_eq!(runtime.invoke(json!({ "number": number }), SOON).await, Ok(json!({ "number": number })));
    }
    worker.wait_for_log(r#"event {"number":2}"#, SOON).await;
    worker.wait_for_log("started in codepipeline-artifactory", SOON).await;
    assert!(!worker.logs().contains("HOME="), "nothing of the machine's environment reaches a worker");
}

#[tokio::test]
async fn a_killed_worker_fails_what_it_had_in_hand_and_the_next_one_goes_on() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let worker = Worker::spawn(&function(), &mode("hang"), &runtime).await;
    let killing = async {
        worker.wait_for_log("event", SOON).await;
        worker.kill().await
    };
    let (answer, status) = tokio::join!(runtime.invoke(json!({}), SOON), killing);
    assert!(matches!(&answer, Err(InvocationError::Exited { logs }) if logs.contains("event {}")), "{answer:?}");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert_eq!(worker.id(), None);

    let successor = Worker::spawn(&function(), &mode("echo"), &runtime).await;
    assert_eq!(runtime.invoke(json!(7), SOON).await, Ok(json!(7)));
    drop(successor);
}

#[tokio::test]
async fn a_worker_that_ends_by_itself_fails_the_invocation() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let worker = Worker::spawn(&function(), &mode("exit"), &runtime).await;
    let failed = runtime.invoke(json!({}), SOON).await.unwrap_err();
    assert!(matches!(&failed, InvocationError::Exited { logs } if logs.contains("cannot go on")), "{failed:?}");
    assert_eq!(worker.exited().await.code(), Some(3));
}

#[tokio::test]
async fn at_the_deadline_the_process_is_killed() {
    let runtime = RuntimeApi::start(Traffic::default()).await;
    let worker = Worker::spawn(&function(), &mode("hang"), &runtime).await;
    let deadline = Duration::from_millis(300);
    let failed = runtime.invoke(json!({}), deadline).await.unwrap_err();
    assert_eq!(failed, InvocationError::TimedOut { after: deadline });
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&worker.exited().await), Some(9));
}
