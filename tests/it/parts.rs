//! An artifact is read in parts: no more of it than what is published, and never the bytes of another one.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::Method;

use crate::make::Zip;
use crate::npm_compare::{Item, tree};
use crate::scene::{failure, manifest, numbers, package, stack, tick};
use crate::stack::http::Fault;
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::{ARTIFACTS, Stack, pipeline, project, s3};

/// Bytes that do not compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// A small package and much that nobody needs, which lies before and behind it in the zip.
fn buried(before: usize, behind: usize) -> Vec<u8> {
    let mut zip = Zip::new().stored();
    for at in 0..before {
        zip = zip.file(&format!("node_modules/dependency/{at}.bin"), noise(at as u64, 1 << 20));
    }
    zip = zip.file("package.json", manifest("left", "1.0.0")).file("index.js", "module.exports = 1;\n");
    for at in 0..behind {
        zip = zip.file(&format!("node_modules/other/{at}.bin"), noise(at as u64, 1 << 20));
    }
    zip.bytes()
}

/// A package whose own files are large: it is read in several parts.
fn large() -> Vec<u8> {
    let zip = Zip::new().stored().file("package.json", manifest("left", "1.0.0"));
    (0..5).fold(zip, |zip, at| zip.file(&format!("{at}.bin"), noise(at, 3 << 20))).bytes()
}

fn parts(stack: &Stack) -> Vec<String> {
    let seen = stack.traffic.seen().into_iter();
    let parts =
        seen.filter(|seen| seen.service == s3::SERVICE && seen.request.path.starts_with(&format!("/{ARTIFACTS}/")));
    parts.map(|seen| seen.request.header("range").to_owned()).collect()
}

async fn published(stack: &Stack, artifact: Vec<u8>) {
    stack.publish(artifact).await;
    let files = stack.stored();
    assert_eq!(files, ["left/-/left-1.0.0.tgz"]);
}

#[tokio::test]
async fn a_small_artifact_is_read_by_one_request() {
    let stack = stack().await;
    published(&stack, package("left", "1.0.0")).await;
    assert_eq!(parts(&stack), ["bytes=-524288"]);
}

#[tokio::test]
async fn of_a_large_artifact_with_a_small_package_little_is_read() {
    let stack = stack().await;
    let artifact = buried(50, 50);
    let size = artifact.len() as u64;
    published(&stack, artifact).await;
    assert_eq!(parts(&stack).len(), 2, "{:?}", parts(&stack));
    let key = &stack.s3.keys(ARTIFACTS, "")[0];
    let served = stack.s3.bytes_served(ARTIFACTS, key);
    assert!(served * 50 < size, "{served} of {size}");
}

#[tokio::test]
async fn a_large_package_is_read_once_and_all_of_it_arrives() {
    let stack = stack().await;
    let artifact = large();
    let size = artifact.len() as u64;
    published(&stack, artifact).await;
    let key = &stack.s3.keys(ARTIFACTS, "")[0];
    let served = stack.s3.bytes_served(ARTIFACTS, key);
    assert!(served < size + (600 << 10), "{served} of {size}");
    let tgz = stack.artifactory.file(crate::stack::REPOSITORY, "left/-/left-1.0.0.tgz").unwrap();
    let inside = tree(&tgz[..]);
    for at in 0..5 {
        let Item::File(_, bytes) = &inside[&format!("{at}.bin")] else { panic!("{at}.bin is a file") };
        assert!(*bytes == noise(at, 3 << 20), "{at}.bin");
    }
}

/// Runs a job with a large artifact whose third request, for its first large part, meets this.
async fn troubled(fault: Fault, times: usize) -> (Stack, JobId) {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(large()));
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &format!("/{ARTIFACTS}/"), 2, times, fault);
    tick(&stack).await;
    (stack, job)
}

#[tokio::test]
async fn a_part_that_breaks_off_is_gone_on_with_where_it_was() {
    for fault in [Fault::Truncate(1_000_000), Fault::DropBefore, Fault::DropAfter, Fault::Truncate(0)] {
        let (stack, job) = troubled(fault.clone(), 1).await;
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }), "{fault:?}");
        if matches!(fault, Fault::Truncate(1_000_000)) {
            let parts = parts(&stack);
            assert_eq!(parts.iter().collect::<BTreeSet<_>>().len(), 5, "no part is asked for twice: {parts:?}");
        }
    }
}

#[tokio::test]
async fn another_part_than_was_asked_for_is_never_taken() {
    let part = |range: &str, body: &str| Fault::Answer {
        status: 206,
        headers: vec![("content-range".to_owned(), range.to_owned())],
        body: body.to_owned(),
    };
    for fault in [part("bytes 7-11/15730000", "wrong"), part("", "wrong"), part("bytes 0-4/5", "wrong")] {
        let (stack, job) = troubled(fault, 100).await;
        let (kind, message) = failure(stack.pipeline.result(&job));
        assert_eq!(kind, "SystemUnavailable", "{message}");
        assert!(
            message.contains("BuildOutput") && message.contains("another part") || message.contains("it says that"),
            "{message}"
        );
        assert!(stack.stored().is_empty());
    }
    // Once is no trouble.
    let (stack, job) = troubled(part("bytes 7-11/15730000", "wrong"), 1).await;
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_is_refused() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(large()));
    let held = Fault::Delay(Duration::from_millis(500));
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &format!("/{ARTIFACTS}/"), 1, 100, held);
    stack.worker().await;
    let replacing = async {
        stack.traffic.wait_for(s3::SERVICE, &Method::GET, &format!("/{ARTIFACTS}/"), 2).await;
        let key = &stack.s3.keys(ARTIFACTS, "")[0];
        stack.s3.put(ARTIFACTS, key, package("left", "1.0.0"));
    };
    tokio::join!(tick(&stack), replacing);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert_eq!(kind, "RevisionUnavailable", "{message}");
    assert!(message.contains("was replaced while it was read"), "{message}");
    assert!(stack.stored().is_empty());
}

#[tokio::test]
async fn credentials_that_expire_between_two_parts_are_replaced_once_for_all() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(large()));
    let held = Fault::Delay(Duration::from_millis(300));
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), &format!("/{ARTIFACTS}/"), 1, 2, held);
    stack.worker().await;
    let ageing = async {
        stack.traffic.wait_for(s3::SERVICE, &Method::GET, &format!("/{ARTIFACTS}/"), 2).await;
        stack.pipeline.advance(Duration::from_mins(16));
    };
    let (answer, ()) = tokio::join!(tick(&stack), ageing);
    assert_eq!(numbers(&answer), [0, 1, 1, 0, 0, 0], "{}", stack.logs().await);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    assert_eq!(stack.traffic.count(pipeline::SERVICE, &Method::POST, "GetJobDetails"), 1);
}

#[tokio::test]
async fn a_project_of_the_demo_is_read_by_one_request_too() {
    let stack = stack().await;
    stack.publish(project::zipped("1.0.0", "")).await;
    assert_eq!(parts(&stack).len(), 1);
}
