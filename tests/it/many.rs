//! Many packages in one artifact: several are sent at once, none before what it needs, and after a failure no more.

use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::make::Zip;
use crate::scene::{failure, manifest, stack};
use crate::stack::http::Fault;
use crate::stack::pipeline::JobResult;
use crate::stack::{Stack, artifactory};

/// An artifact of packages, each with what it needs.
fn packages(packages: &[(&str, &[&str])]) -> Vec<u8> {
    let zip = packages.iter().fold(Zip::new(), |zip, (name, needs)| {
        let needs: serde_json::Map<_, _> = needs.iter().map(|need| ((*need).to_owned(), json!("1.0.0"))).collect();
        let manifest = json!({ "name": name, "version": "1.0.0", "dependencies": needs });
        zip.file(&format!("{name}/package.json"), manifest.to_string())
    });
    zip.bytes()
}

/// So many packages that need nothing.
fn strangers(count: usize) -> Vec<u8> {
    let zip = (0..count).fold(Zip::new(), |zip, at| {
        zip.file(&format!("{at:02}/package.json"), manifest(&format!("part-{at:02}"), "1.0.0"))
    });
    zip.bytes()
}

/// Every publish takes a while.
fn slowly(stack: &Stack) {
    let slow = Fault::Delay(Duration::from_millis(150));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/", 0, 1000, slow);
}

/// When each publish began and ended, in seconds since the first began.
fn publishes(stack: &Stack) -> Vec<(String, f64, f64)> {
    let seen: Vec<_> = stack.traffic.seen().into_iter().filter(|seen| seen.request.method == Method::PUT).collect();
    let seen = seen.iter().filter(|seen| seen.request.path.contains("/api/npm/"));
    let begun = seen.clone().next().unwrap().at;
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    seen.map(|seen| {
        let at = (seen.at - begun).as_secs_f64();
        (name(&seen.request.path), at, at + seen.took().map_or(0.0, |took| took.as_secs_f64()))
    })
    .collect()
}

fn most_at_once(publishes: &[(String, f64, f64)]) -> usize {
    let at_once = |at: f64| publishes.iter().filter(|(_, begun, ended)| *begun <= at && at < *ended).count();
    publishes.iter().map(|(_, begun, _)| at_once(*begun)).max().unwrap()
}

#[tokio::test]
async fn several_packages_are_sent_at_once_and_not_too_many() {
    let stack = stack().await;
    slowly(&stack);
    stack.publish(strangers(40)).await;
    assert_eq!(stack.stored().len(), 40);
    let most = most_at_once(&publishes(&stack));
    assert!((6..=12).contains(&most), "{most}");
}

#[tokio::test]
async fn a_package_is_sent_after_what_it_needs_and_nothing_else_waits() {
    let stack = stack().await;
    slowly(&stack);
    let artifact = packages(&[("top", &["middle", "left"]), ("middle", &["bottom"]), ("left", &[]), ("bottom", &[])]);
    stack.publish(artifact).await;
    let publishes = publishes(&stack);
    let of = |name: &str| publishes.iter().find(|(other, ..)| other == name).unwrap().clone();
    let [top, middle, left, bottom] = ["top", "middle", "left", "bottom"].map(of);
    assert!(bottom.2 <= middle.1 && middle.2 <= top.1 && left.2 <= top.1, "{publishes:?}");
    assert!(left.1 < middle.1, "left waits for nobody: {publishes:?}");
}

#[tokio::test]
async fn after_a_failure_nothing_is_begun_and_what_is_under_way_comes_to_its_end() {
    let stack = stack().await;
    let refused = Fault::Answer { status: 400, headers: Vec::new(), body: "no such thing".to_owned() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/npm-local/part-01", 0, 1000, refused);
    slowly(&stack);
    let (_, result) = stack.run(stack.action(strangers(40))).await;
    let (kind, message) = failure(result);
    assert_eq!(kind, "JobFailed", "{message}");
    let stored = stack.stored();
    assert!((1..20).contains(&stored.len()), "{stored:?}");
    // What the message says is what is there.
    for at in 0..40 {
        let name = format!("part-{at:02}");
        let there = stored.iter().any(|path| path.starts_with(&name));
        let (published, unpublished) = message.split_once("Not published").unwrap();
        let said = if there { published } else { unpublished };
        let more = message.contains(" more");
        assert!(said.contains(&name) || (more && !there), "{name} is {there}: {message}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_fewer_at_once() {
    let stack = stack().await;
    let busy =
        Fault::Answer { status: 429, headers: vec![("retry-after".to_owned(), "0".to_owned())], body: String::new() };
    for at in 0..10 {
        let path = format!("/api/npm/npm-local/part-{at:02}");
        stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), &path, 0, 1, busy.clone());
    }
    slowly(&stack);
    let (_, result) = stack.run(stack.action(strangers(24))).await;
    assert!(matches!(result, JobResult::Succeeded { .. }));
    let publishes = publishes(&stack);
    let begun = publishes.iter().filter(|(name, ..)| name.as_str() > "part-03" && name.as_str() < "part-10").cloned();
    let most = most_at_once(&begun.collect::<Vec<_>>());
    assert!(most <= 3, "{most} at once while the server was busy: {publishes:?}");
}
