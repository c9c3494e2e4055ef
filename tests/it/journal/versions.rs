//! Claims that this version of the worker did not write, or that are none of its business: a newer and an older version
//! of ours, other accounts, regions and action types, and leases that nobody can have.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::succeeded;
use crate::scene::{self, another_process, claim, claim_key, numbers, package, put_claim, stack, tick};
use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::http::Fault;
use crate::stack::pipeline::{ActionType, JobId, JobSpec};
use crate::stack::{JOURNAL, Stack, s3};

/// A job that another worker has acknowledged, and its claim with these members.
async fn claimed(stack: &Stack, action: JobSpec, members: &Value) -> JobId {
    let job = stack.pipeline.queue(action);
    let dead = scene::other_worker(stack);
    let (_, nonce) = scene::poll(&dead).await.remove(0);
    dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
    put_claim(stack, &job, &nonce, &json!({ "acknowledgement": "confirmed" }));
    put_claim(stack, &job, &nonce, members);
    job
}

#[tokio::test]
async fn claims_of_the_version_before_and_of_the_one_after_are_gone_on_with() {
    let stack = stack().await;
    // As a newer version may write it, and as the first one did, which knew neither `vain` nor `before`.
    let newer = json!({ "colour": "blue", "steps": [{ "done": true }], "vain": 1, "before": "0", "lease_until": 0 });
    for (number, members) in [newer, json!({}), json!({ "plan": "of another version", "done": 7 })].iter().enumerate() {
        let action = stack.action(package("left", &format!("1.0.{number}")));
        let job = claimed(&stack, action, members).await;
        assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0], "{members}");
        succeeded(&stack, &job);
    }
}

#[tokio::test]
async fn claims_of_other_accounts_regions_and_action_types_are_left_alone() {
    let stack = stack().await;
    let of_another = json!({ "category": "Deploy", "provider": "Artifactory", "version": "7" });
    for members in [
        json!({ "account": "999999999999" }),
        json!({ "account": null }),
        json!({ "region": "eu-west-1" }),
        json!({ "action_type": of_another }),
    ] {
        let job = claimed(&stack, stack.action(package("left", "1.0.0")), &members).await;
        let before = claim(&stack, &job);
        assert_eq!(numbers(&tick(&stack).await), [0; 6], "{members}");
        assert_eq!(claim(&stack, &job), before);
        assert_eq!(stack.pipeline.results_given(&job), 0, "somebody else answers it");
        stack.pipeline.forgive(&job);
        stack.forgive_claim(&job);
    }
}

#[tokio::test]
async fn what_nobody_here_can_read_and_is_of_others_is_left_alone() {
    let stack = stack().await;
    let of_another = json!({ "category": "Deploy", "provider": "Artifactory", "version": "7" });
    // A job that this region's CodePipeline knows nothing of, in a format to come.
    let key = "jobs/12121212-1212-1212-1212-121212121212.json";
    for members in [
        json!({ "account": "999999999999", "region": REGION }),
        json!({ "account": ACCOUNT, "region": "eu-west-1" }),
        json!({ "account": ACCOUNT, "region": REGION, "action_type": of_another }),
    ] {
        let mut newer = json!({ "format": 2, "everything": "else" });
        newer.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        stack.s3.put(JOURNAL, key, newer.to_string());
        stack.s3.age(JOURNAL, key, Duration::from_mins(30));
        assert_eq!(numbers(&tick(&stack).await), [0; 6], "{members}");
        assert_eq!(stack.s3.get(JOURNAL, key).unwrap(), newer.to_string());
    }
    assert!(stack.s3.keys(JOURNAL, "quarantine/").is_empty());
    // One that is ours by all that it says is moved.
    stack.s3.put(JOURNAL, key, json!({ "format": 2, "account": ACCOUNT, "region": REGION }).to_string());
    stack.s3.age(JOURNAL, key, Duration::from_mins(30));
    tick(&stack).await;
    assert_eq!(stack.s3.keys(JOURNAL, "quarantine/").len(), 1);
}

#[tokio::test]
async fn a_claim_of_an_older_action_version_is_gone_on_with_for_as_long_as_that_version_is_polled() {
    let stack = stack().await;
    stack.set("ACTION_VERSION", "2,1");
    stack.pipeline.declare(ActionType { version: "2".into(), ..ActionType::default() });
    let job = claimed(&stack, stack.action(package("left", "1.0.0")), &json!({})).await;
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_lease_that_no_invocation_can_have_ends_all_the_same() {
    let stack = stack().await;
    let in_the_year_2100 = json!({ "lease_until": 4_102_444_800_000_u64 });
    let job = claimed(&stack, stack.action(package("left", "1.0.0")), &in_the_year_2100).await;
    stack.s3.age(JOURNAL, &claim_key(&job), Duration::from_secs(15 * 60 + 30));
    assert_eq!(numbers(&tick(&stack).await), [0; 6], "the clocks may be apart");
    stack.s3.age(JOURNAL, &claim_key(&job), Duration::from_secs(31));
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn of_two_workers_that_move_the_same_stray_one_leaves_a_copy() {
    let stack = stack().await;
    let stray = "jobs/readme.txt";
    stack.s3.put(JOURNAL, stray, "text");
    // The first has made its copy, and is slow to take the object away.
    stack.traffic.fault(s3::SERVICE, Some(Method::DELETE), stray, 0, 1, Fault::Delay(Duration::from_secs(1)));
    stack.worker().await;
    let second = async {
        stack.traffic.wait_for(s3::SERVICE, &Method::DELETE, stray, 1).await;
        let _other = another_process(&stack).await;
        tick(&stack).await;
    };
    tokio::join!(tick(&stack), second);
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty());
    assert_eq!(stack.s3.keys(JOURNAL, "quarantine/"), ["quarantine/readme.txt"]);
}
