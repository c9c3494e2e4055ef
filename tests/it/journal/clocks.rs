//! A machine whose clock is wrong. Leases are measured by S3's clock, which all workers have in common: by its own a
//! worker would be dead to the others while it works, or would take the jobs of those who work.

use std::time::Duration;

use codepipeline_artifactory::deadline::epoch_millis;
use hyper::Method;
use serde_json::json;

use super::succeeded;
use crate::scene::{claim, numbers, package, put_claim, stack, tick};
use crate::stack::http::Fault;
use crate::stack::{Stack, secrets};

/// How far the machine's clock is behind.
const BEHIND: Duration = Duration::from_mins(5);

/// A stack whose S3 is ahead of the machine, and now by S3's clock, in milliseconds since 1970.
async fn ahead() -> (Stack, impl Fn() -> u64) {
    let stack = stack().await;
    stack.s3.run_ahead(BEHIND);
    (stack, || epoch_millis() + 300_000)
}

#[tokio::test]
async fn a_worker_whose_clock_is_behind_is_not_dead_to_the_others() {
    let (stack, now) = ahead().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.traffic.fault(secrets::SERVICE, None, "GetSecretValue", 0, 1, Fault::Delay(Duration::from_millis(1_200)));
    let worker = stack.worker().await;
    let looking = async {
        stack.traffic.wait_for(secrets::SERVICE, &Method::POST, "GetSecretValue", 1).await;
        let lease = claim(&stack, &job).unwrap()["lease_until"].as_u64().unwrap();
        assert!((now() + 50_000..now() + 61_500).contains(&lease), "{lease} at {}", now());
    };
    tokio::join!(tick(&stack), looking);
    worker.wait_for_log("this machine's clock is not S3's", crate::stack::DEADLINE).await;
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_lease_has_ended_when_it_has_by_s3s_clock() {
    let (stack, now) = ahead().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    put_claim(&stack, &job, "1", &json!({ "lease_until": now() + 30_000 }));
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 0, 0, 1, 0], "its owner lives");
    put_claim(&stack, &job, "1", &json!({ "lease_until": now() - 30_000 }));
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0], "by the machine's clock it would live for minutes");
    succeeded(&stack, &job);
}

#[tokio::test]
async fn the_doctor_tells_of_a_wrong_clock_and_writes_its_own_claim_by_s3s() {
    let (stack, now) = ahead().await;
    let answer = stack.invoke(json!({ "doctor": true })).await.unwrap();
    let clock = answer["doctor"].as_array().unwrap().iter().find(|finding| finding["check"] == "clock").unwrap();
    assert!(clock["state"] == "unknown" && clock["found"].as_str().unwrap().contains("is ahead of it by"), "{clock}");
    let written = stack.traffic.seen().into_iter().find(|seen| seen.request.method == Method::PUT).unwrap();
    assert!(written.request.json()["lease_until"].as_u64().unwrap() > now(), "it would be a dead worker's");
}
