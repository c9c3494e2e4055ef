//! What the stories of the worker's tests have in common: the stack with the real binary in it, small packages, the
//! doorbell of the schedule, and texts made the same for every run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use aws_sdk_codepipeline::types::ActionTypeId;

use crate::make::Zip;
use crate::services;
use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::http::Seen;
use crate::stack::lambda::Worker;
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::{JOURNAL, Stack};

/// The function.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_codepipeline-artifactory");

/// The local stack around the real binary.
pub(crate) async fn stack() -> Stack {
    Stack::start(BINARY).await
}

/// A `package.json` with no more than it needs.
pub(crate) fn manifest(name: &str, version: &str) -> String {
    json!({ "name": name, "version": version }).to_string()
}

/// An artifact that is one package: its manifest and an `index.js` with this text.
pub(crate) fn package_with(name: &str, version: &str, text: &str) -> Vec<u8> {
    Zip::new().file("package.json", manifest(name, version)).file("index.js", text).bytes()
}

/// An artifact that is one package.
pub(crate) fn package(name: &str, version: &str) -> Vec<u8> {
    package_with(name, version, "module.exports = 1;\n")
}

/// Path of an npm package in its repository.
pub(crate) fn path(name: &str, version: &str) -> String {
    format!("{name}/-/{name}-{version}.tgz")
}

/// One of the sample events.
pub(crate) fn event(file: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The schedule wakes the function, which must answer.
pub(crate) async fn tick(stack: &Stack) -> Value {
    let answer = stack.invoke(event("schedule.json")).await;
    answer.unwrap_or_else(|error| panic!("the invocation failed: {error:?}"))
}

/// The numbers of an invocation's answer: resumed, polled, succeeded, failed, skipped, left.
pub(crate) fn numbers(answer: &Value) -> [u64; 6] {
    ["resumed", "polled", "succeeded", "failed", "skipped", "left"].map(|name| answer[name].as_u64().unwrap())
}

/// The output variables of a success.
#[track_caller]
pub(crate) fn variables(result: &JobResult) -> BTreeMap<String, String> {
    let JobResult::Succeeded { variables, .. } = result else { panic!("it did not succeed: {result:#?}") };
    variables.clone()
}

/// Type and message of a failure.
#[track_caller]
pub(crate) fn failure(result: JobResult) -> (String, String) {
    let JobResult::Failed { r#type, message, .. } = result else { panic!("it did not fail: {result:#?}") };
    (r#type, message)
}

/// Key of a job's claim.
pub(crate) fn claim_key(job: &JobId) -> String {
    format!("jobs/{job}.json")
}

/// A job's claim as it lies in the journal.
pub(crate) fn claim(stack: &Stack, job: &JobId) -> Option<Value> {
    stack.s3.get(JOURNAL, &claim_key(job)).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

/// Puts a claim there as another worker wrote it: owner, lease and how often a worker has begun.
pub(crate) fn put_claim(stack: &Stack, job: &JobId, nonce: &str, members: &Value) {
    let mut claim = json!({
        "format": 1, "job": job.as_str(), "owner": "another", "account": ACCOUNT, "region": REGION,
        "action_type": { "category": "Deploy", "provider": "Artifactory", "version": "1" },
        "nonce": nonce, "acknowledgement": "unconfirmed", "attempt": 1, "lease_until": 1,
        "external_execution_id": "RUN", "plan": null, "done": 0,
    });
    if let (Some(claim), Some(members)) = (claim.as_object_mut(), members.as_object()) {
        claim.extend(members.clone());
    }
    stack.s3.put(JOURNAL, &claim_key(job), claim.to_string());
}

/// Another worker: what it is offered, as job and nonce.
pub(crate) async fn poll(other: &aws_sdk_codepipeline::Client) -> Vec<(String, String)> {
    let of = ActionTypeId::builder().category("Deploy".into()).owner("Custom".into());
    let of = of.provider("Artifactory").version("1").build().unwrap();
    let offered = other.poll_for_jobs().action_type_id(of).max_batch_size(10).send().await.unwrap();
    let pair = |job: &aws_sdk_codepipeline::types::Job| (job.id().unwrap().into(), job.nonce().unwrap().into());
    offered.jobs().iter().map(pair).collect()
}

/// Another worker that the journal knows nothing of.
pub(crate) fn other_worker(stack: &Stack) -> aws_sdk_codepipeline::Client {
    services::codepipeline(&stack.pipeline.url(), services::function_credentials())
}

/// A further process of the function.
pub(crate) async fn another_process(stack: &Stack) -> Worker {
    Worker::spawn(BINARY.as_ref(), &stack.environment(), &stack.lambda).await
}

/// Every request of one service, as `METHOD path` (of AWS's JSON services, the operation).
pub(crate) fn requests(stack: &Stack, service: &str) -> Vec<String> {
    stack.traffic.seen().iter().filter(|seen| seen.service == service).map(line).collect()
}

/// One request in one line.
pub(crate) fn line(seen: &Seen) -> String {
    match seen.request.header("x-amz-target").rsplit_once('.') {
        Some((_, operation)) => operation.to_owned(),
        None => format!("{} {}", seen.request.method, seen.request.path),
    }
}

/// A text without what differs from run to run: ports, ids, digests, durations.
pub(crate) fn steady(stack: &Stack, text: &str) -> String {
    let mut text = text.to_owned();
    for (url, name) in [(stack.artifactory.platform_url(), "http://artifactory"), (stack.s3.url(), "http://s3")] {
        text = text.replace(&url, name);
    }
    for (at, job) in stack.pipeline.jobs().iter().enumerate() {
        text = text.replace(job.as_str(), &format!("JOB-{at}"));
    }
    let mut steady = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != '-') {
        let id = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        let rest = word.strip_prefix(id).unwrap_or_default();
        let _ = match id.len() {
            36 if id.starts_with("00000000-0000-4000-8000-") => write!(steady, "RUN{rest}"),
            32 | 40 | 64 => write!(steady, "DIGEST{rest}"),
            _ => write!(steady, "{word}"),
        };
    }
    steady
}
