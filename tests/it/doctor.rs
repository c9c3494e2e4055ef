//! The doctor: what a person is told who asks how everything is, and how a stuck job is ended.
#![expect(clippy::indexing_slicing, reason = "what an answer lacks fails the test")]

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::scene::{claim, event, failure, numbers, package, put_claim, stack, tick};
use crate::stack::artifactory::{self, Endpoint, Permission, Repository, User};
use crate::stack::pipeline::{JobResult, JobState};
use crate::stack::{JOURNAL, PASSWORD, REPOSITORY, SECRET, Stack, USER, pipeline};

/// What the doctor answers, each finding as `state check`.
async fn examined(stack: &Stack, question: Value) -> (Vec<String>, Value) {
    let answer = stack.invoke(json!({ "doctor": question })).await.unwrap();
    let findings = answer["doctor"].as_array().unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    for finding in findings {
        assert!(!text(finding, "found").is_empty(), "{finding}");
        assert!(text(finding, "state") != "wrong" || !text(finding, "do").is_empty(), "what is to be done? {finding}");
        assert!(!finding.to_string().contains(PASSWORD), "{finding}");
    }
    (findings.iter().map(|it| format!("{} {}", text(it, "state"), text(it, "check"))).collect(), answer)
}

fn configuration(stack: &Stack) -> Value {
    json!({ "TypeOfArtifact": "npm", "RepoKey": "npm-local", "ArtifactoryHost": stack.artifactory.platform_url() })
}

const WELL: [&str; 5] =
    ["ok journal", "ok clock", "ok action type Deploy/Artifactory/1", "ok secret", "ok Artifactory"];

#[tokio::test]
async fn of_a_stack_that_is_well_everything_is_and_nothing_is_published() {
    let stack = stack().await;
    let answer = stack.invoke(event("doctor.json")).await.unwrap();
    let well = |finding: &Value| finding["state"] == "ok" && finding["do"] == "";
    let findings = answer["doctor"].as_array().unwrap();
    assert!(findings.len() == WELL.len() && findings.iter().all(well), "{answer}");
    assert_eq!(answer["claims"], json!([]));
    let asked = json!({ "configuration": configuration(&stack), "pipeline": "web" });
    let (findings, _) = examined(&stack, asked).await;
    let with_its_own = ["ok configuration", "ok secret", "ok Artifactory", "ok repository npm-local"];
    assert_eq!(findings, [&WELL[..3], &with_its_own[..]].concat());
    assert!(stack.stored().is_empty() && stack.s3.keys(JOURNAL, "").is_empty());
    // A token that was had is given back.
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::DELETE, "/access/api/v1/tokens/me"), 2);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_do() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::local("libs", "maven"));
    let may = [Permission::Read, Permission::Deploy];
    stack.artifactory.user(User::new(USER, PASSWORD).may(REPOSITORY, &may).may("libs", &may));
    let with = |name: &str, value: &str| {
        let mut configuration = configuration(&stack);
        configuration[name] = json!(value);
        json!({ "configuration": configuration })
    };
    for (asked, wrong, found) in [
        (with("TypeOfArtifact", "cobol"), "configuration", "cobol"),
        (with("Password", "hunter2"), "configuration", "Password"),
        (with("SecretId", "nobody"), "secret", "nobody"),
        (with("ArtifactoryHost", "http://elsewhere.example.com"), "secret", "belongs to"),
        (with("RepoKey", "libs"), "repository libs", "is of type maven, but TypeOfArtifact is npm"),
        (json!({ "fail": "it" }), "question", "UUID"),
        (json!("please"), "question", "true or an object"),
    ] {
        let (findings, answer) = examined(&stack, asked).await;
        let last = answer["doctor"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["state"], &last["check"]), (&json!("wrong"), &json!(wrong)), "{findings:?}");
        assert!(last["found"].as_str().unwrap().contains(found) && !last.to_string().contains("hunter2"), "{last}");
    }
    stack.secrets.put(SECRET, &json!({ "username": "ci-publisher", "password": "an old one" }).to_string());
    let (findings, answer) = examined(&stack, json!(true)).await;
    assert_eq!(findings[..4], WELL[..4]);
    assert_eq!(findings[4], "wrong Artifactory", "{answer}");
}

#[tokio::test]
async fn a_service_that_is_closed_is_told_and_the_rest_is_looked_at_all_the_same() {
    let stack = stack().await;
    stack.artifactory.switch(|switches| switches.repositories_api = Endpoint::Answers(403));
    stack.set("ACTION_VERSION", "1,7");
    let (findings, _) = examined(&stack, json!({ "configuration": configuration(&stack) })).await;
    assert!(findings.contains(&"wrong action type Deploy/Artifactory/7".to_owned()), "{findings:?}");
    assert_eq!(findings.last().unwrap(), "unknown repository npm-local");
    stack.forgive_refusals();
}

#[tokio::test]
async fn a_journal_that_is_not_there_is_told_first() {
    let stack = stack().await;
    stack.set("JOURNAL_BUCKET", "nowhere");
    let (findings, _) = examined(&stack, json!(true)).await;
    assert_eq!(findings[0], "wrong journal");
    assert!(findings.contains(&"ok Artifactory".to_owned()), "{findings:?}");
    stack.forgive_refusals();
}

#[tokio::test]
async fn a_job_that_waits_is_not_taken_and_not_lost() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let (_, answer) = examined(&stack, json!(true)).await;
    assert!(answer["doctor"][2]["found"].as_str().unwrap().contains("a job waits"), "{answer}");
    assert!(matches!(stack.pipeline.state(&job), JobState::Dispatched));
    stack.pipeline.advance(Duration::from_mins(1));
    assert_eq!(numbers(&tick(&stack).await), [0, 1, 1, 0, 0, 0]);
}

#[tokio::test]
async fn a_stuck_job_is_ended_by_hand_and_one_in_hand_is_not() {
    let stack = stack().await;
    let now = codepipeline_artifactory::deadline::epoch_millis();
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let dead = crate::scene::other_worker(&stack);
    let (_, nonce) = crate::scene::poll(&dead).await.remove(0);
    dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
    let members = json!({ "acknowledgement": "confirmed", "since": now - 3_600_000, "attempt": 2 });
    put_claim(&stack, &job, &nonce, &members);
    let alive = json!({ "acknowledgement": "confirmed", "since": now - 3_600_000, "lease_until": now + 30_000 });
    put_claim(&stack, &job, &nonce, &alive);
    let (findings, answer) = examined(&stack, json!({ "fail": job.as_str() })).await;
    assert_eq!(findings, [format!("wrong job {job}")]);
    let listed = &answer["claims"][0];
    assert_eq!((&listed["job"], &listed["attempt"]), (&json!(job.as_str()), &json!(1)));
    assert!((3_600..3_660).contains(&listed["age"].as_u64().unwrap()), "{listed}");
    assert!((1..=30).contains(&listed["lease"].as_u64().unwrap()), "{listed}");
    assert!(matches!(stack.pipeline.result(&job), JobResult::Pending { .. }));

    put_claim(&stack, &job, &nonce, &members);
    let (findings, _) = examined(&stack, json!({ "fail": job.as_str() })).await;
    assert_eq!(findings, [format!("ok job {job}")]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert!(
        kind == "JobFailed" && message.contains("ended by hand") && message.contains("Retry the stage"),
        "{message}"
    );
    assert!(claim(&stack, &job).is_none() && stack.pipeline.results_given(&job) == 1);
    let (findings, _) = examined(&stack, json!({ "fail": job.as_str() })).await;
    assert_eq!(findings, [format!("wrong job {job}")], "there is no claim of it any more");
    assert_eq!(stack.traffic.count(pipeline::SERVICE, &Method::POST, "PutJobFailureResult"), 1);
}
