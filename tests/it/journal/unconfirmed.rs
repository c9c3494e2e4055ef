//! Jobs whose worker died before its acknowledgement, and that wait with another nonce than its claim knows: who comes
//! next concludes wrongly that they are in progress, and what it did for them must not be lost.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::succeeded;
use crate::scene::{self, claim, numbers, package, path, put_claim, stack, tick, variables};
use crate::stack::http::Fault;
use crate::stack::pipeline::{JobId, JobState};
use crate::stack::{REPOSITORY, Stack, artifactory, pipeline};

/// Longer than a job that was offered waits for its next offer.
const NEXT_OFFER: Duration = Duration::from_secs(46);

/// Such a job, which may not exist yet, with these members in its claim.
async fn waiting(stack: &Stack, members: &Value) -> JobId {
    let action = stack.action(package("left", "1.0.0"));
    let action = action.configuration("Options", "existing=fail").configuration("Properties", "team=a");
    let job = stack.pipeline.queue(action);
    let dead = scene::other_worker(stack);
    let (_, nonce) = scene::poll(&dead).await.remove(0);
    put_claim(stack, &job, &nonce, members);
    // Polls of others see it while the dead worker's lease runs.
    stack.pipeline.advance(NEXT_OFFER);
    assert_eq!(scene::poll(&dead).await.len(), 1);
    job
}

#[tokio::test]
async fn what_was_published_before_any_acknowledgement_is_the_jobs_own_work_at_its_next_offer() {
    let stack = stack().await;
    let job = waiting(&stack, &json!({})).await;
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 0, 0, 1], "the result is refused");
    let left = claim(&stack, &job).unwrap();
    assert!(left["plan"].is_string() && left["before"].is_string(), "what is its own work is known: {left}");
    assert_eq!((stack.stored().len(), stack.pipeline.state(&job)), (1, JobState::Dispatched));
    stack.pipeline.advance(NEXT_OFFER);
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0], "{}", stack.logs().await);
    succeeded(&stack, &job);
    assert_eq!(variables(&stack.pipeline.result(&job))["SkippedCount"], "0", "it is its own");
    let properties = stack.artifactory.properties(REPOSITORY, &path("left", "1.0.0"));
    assert_eq!(properties["team"], ["a"]);
}

#[tokio::test]
async fn a_failure_that_nobody_took_is_not_what_the_next_offer_is_answered_with() {
    let stack = stack().await;
    let job = waiting(&stack, &json!({})).await;
    let refused = Fault::Answer { status: 400, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/", 0, 1, refused);
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 0, 0, 1]);
    assert!(claim(&stack, &job).unwrap()["told"].is_null(), "CodePipeline has refused it");
    stack.pipeline.advance(NEXT_OFFER);
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0], "{}", stack.logs().await);
    succeeded(&stack, &job);
}

#[tokio::test]
async fn a_job_that_is_not_offered_again_is_not_waited_for_for_ever() {
    let stack = stack().await;
    let job = waiting(&stack, &json!({})).await;
    for vain in 1..=5 {
        assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 0, 0, 1]);
        assert_eq!(claim(&stack, &job).unwrap()["vain"], vain);
    }
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 0, 1, 0]);
    assert!(claim(&stack, &job).is_none());
    assert_eq!(stack.pipeline.results_given(&job), 0);
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::PUT, "/api/npm/"), 1, "nothing is sent twice");
}

#[tokio::test]
async fn an_offer_that_others_saw_meanwhile_costs_no_progress() {
    for (members, kept) in [(json!({ "plan": "of another version", "done": 7 }), true), (json!({}), false)] {
        let stack = stack().await;
        let job = waiting(&stack, &members).await;
        stack.pipeline.configure(|settings| settings.redispatch_after = Duration::ZERO);
        stack.pipeline.advance(NEXT_OFFER);
        // Another poll between the offer and its acknowledgement.
        let pause = Fault::Delay(Duration::from_millis(1_200));
        stack.traffic.fault(pipeline::SERVICE, None, "AcknowledgeJob", 1, 1, pause);
        stack.worker().await;
        let polling = async {
            stack.traffic.wait_for(pipeline::SERVICE, &Method::POST, "AcknowledgeJob", 2).await;
            scene::poll(&scene::other_worker(&stack)).await;
        };
        let (answer, ()) = tokio::join!(tick(&stack), polling);
        let [skipped, left] = if kept { [0, 1] } else { [1, 0] };
        assert_eq!(numbers(&answer), [1, 0, 0, 0, skipped, left], "{members}");
        assert_eq!(claim(&stack, &job).is_some(), kept);
        stack.pipeline.configure(|settings| settings.redispatch_after = NEXT_OFFER);
        let [resumed, polled] = if kept { [1, 0] } else { [0, 1] };
        assert_eq!(numbers(&tick(&stack).await), [resumed, polled, 1, 0, 0, 0], "{members}");
        succeeded(&stack, &job);
    }
}
