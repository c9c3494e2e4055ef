//! What wakes the function, and which jobs it then takes: all triggers, broken ones too, several jobs, several
//! versions of the action type, other workers in between.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::make::Zip;
use crate::scene::{self, event, numbers, package, package_with, path, stack, tick};
use crate::stack::http::Fault;
use crate::stack::lambda::Invocation;
use crate::stack::pipeline::{ActionType, JobResult, JobState, NonceOnRedispatch};
use crate::stack::{DEADLINE, REPOSITORY, artifactory, pipeline, s3};

/// What the start of a process takes at the very most.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn every_event_wakes_the_function_whatever_it_says() {
    let stack = stack().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let samples = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // A question of the doctor's is answered, see there.
    let samples = samples.filter(|name| !["README.md", "doctor.json"].contains(&name.as_str()));
    let mut events: Vec<(String, Value)> = samples.map(|name| (name.clone(), event(&name))).collect();
    assert_eq!(events.len(), 6, "a sample event came or went: {events:?}");
    for broken in [json!("text"), json!([]), json!(17), json!(null), json!(true), json!({ "source": 1 })] {
        events.push((broken.to_string(), broken));
    }
    events.push(("a foreign one".into(), json!({ "source": "aws.ec2", "detail-type": "x", "detail": {} })));
    for (number, (name, event)) in events.into_iter().enumerate() {
        let job = stack.pipeline.queue(stack.action(package("left", &format!("1.0.{number}"))));
        let answer = stack.invoke(event).await.unwrap();
        // The job in it is nobody's that was allowed.
        let skipped = u64::from(name == "codepipeline-job.json");
        assert_eq!(numbers(&answer), [0, 1, 1, 0, skipped, 0], "{name}: {answer}");
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }), "{name}");
    }
    let warnings = stack.logs().await.lines().filter(|line| line.contains("polling all the same")).count();
    assert_eq!(warnings, 7, "each broken event is logged once");
}

#[tokio::test]
async fn an_event_that_comes_before_its_job_is_waited_for() {
    let stack = stack().await;
    stack.worker().await;
    let polled = async {
        stack.traffic.wait_for(pipeline::SERVICE, &Method::POST, "PollForJobs", 2).await;
        stack.pipeline.queue(stack.action(package("left", "1.0.0")))
    };
    let (answer, job) = tokio::join!(stack.invoke(event("action-started.json")), polled);
    assert_eq!(numbers(&answer.unwrap()), [0, 1, 1, 0, 0, 0]);
    assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
}

#[tokio::test]
async fn an_event_whose_job_never_comes_holds_the_function_for_seconds_only() {
    let stack = stack().await;
    stack.worker().await;
    let soon = Duration::from_secs(8);
    let answer = tokio::time::timeout(soon, stack.invoke(event("action-started.json"))).await.unwrap().unwrap();
    assert_eq!(numbers(&answer), [0; 6]);
    assert_eq!(scene::requests(&stack, pipeline::SERVICE), ["PollForJobs"; 5]);
}

#[tokio::test]
async fn an_empty_tick_asks_once_and_does_nothing_else() {
    let stack = stack().await;
    let answer = tick(&stack).await;
    insta::assert_snapshot!(answer.to_string(), @r#"{"resumed":0,"polled":0,"succeeded":0,"failed":0,"skipped":0,"left":0,"jobs":[]}"#);
    assert_eq!(scene::requests(&stack, pipeline::SERVICE), ["PollForJobs"]);
    assert_eq!(scene::requests(&stack, s3::SERVICE), ["GET /journal/"]);
    assert!(scene::requests(&stack, "artifactory").is_empty() && scene::requests(&stack, "secretsmanager").is_empty());
}

#[tokio::test]
async fn the_answer_says_what_became_of_each_job() {
    let stack = stack().await;
    let two = Zip::new().file("a/package.json", scene::manifest("left", "1.0.0"));
    let two = two.file("b/package.json", scene::manifest("@acme/right", "2.0.0")).bytes();
    stack.pipeline.queue(stack.action(two));
    stack.pipeline.queue(stack.action(package("left", "1.0.0")).configuration("Repository", "x"));
    let mut answer = tick(&stack).await;
    for job in answer["jobs"].as_array_mut().unwrap() {
        assert!(job["millis"].as_u64().is_some_and(|millis| millis < 60_000), "{job}");
        job["millis"] = json!(0);
    }
    answer["jobs"].as_array_mut().unwrap().sort_by_key(|job| job["outcome"].to_string());
    let answer = serde_json::to_string_pretty(&answer).unwrap();
    insta::assert_snapshot!(scene::steady(&stack, &answer), @r#"
    {
      "resumed": 0,
      "polled": 2,
      "succeeded": 1,
      "failed": 1,
      "skipped": 0,
      "left": 0,
      "jobs": [
        {
          "id": "JOB-1",
          "pipeline": "web",
          "outcome": "failed",
          "packages": [],
          "millis": 0
        },
        {
          "id": "JOB-0",
          "pipeline": "web",
          "outcome": "succeeded",
          "packages": [
            "left@1.0.0",
            "@acme/right@2.0.0"
          ],
          "millis": 0
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_tick_takes_more_jobs_than_it_has_in_flight() {
    let stack = stack().await;
    stack.set("JOBS_IN_FLIGHT", "2");
    let jobs: Vec<_> = (0..7)
        .map(|n| stack.pipeline.queue(stack.action(package(&format!("left-{n}"), &format!("1.0.{n}")))))
        .collect();
    let answer = tick(&stack).await;
    assert_eq!(numbers(&answer), [0, 7, 7, 0, 0, 0]);
    for (number, job) in jobs.iter().enumerate() {
        assert_eq!(scene::variables(&stack.pipeline.result(job))["PackageVersion"], format!("1.0.{number}"));
        assert_eq!(stack.pipeline.results_given(job), 1);
    }
    assert_eq!(stack.stored().len(), 7);
    for seen in stack.traffic.seen() {
        if seen.request.header("x-amz-target").ends_with("PollForJobs") {
            let most = seen.request.json()["maxBatchSize"].as_u64().unwrap();
            assert!((1..=2).contains(&most), "a poll took {most} jobs");
        }
    }
}

#[tokio::test]
async fn parallel_executions_of_one_action_publish_the_same_version_once() {
    let stack = stack().await;
    let one = stack.action(package("left", "1.0.0")).at("Publish", "Npm");
    let jobs: Vec<_> = (0..3).map(|_| stack.pipeline.queue(one.clone())).collect();
    let other = stack.pipeline.queue(stack.action(package("right", "1.0.1")).at("Publish", "Npm"));
    let answer = tick(&stack).await;
    assert_eq!(numbers(&answer), [0, 4, 4, 0, 0, 0], "{}", stack.logs().await);
    for job in jobs.iter().chain([&other]) {
        assert_eq!(stack.pipeline.results_given(job), 1);
        assert!(matches!(stack.pipeline.result(job), JobResult::Succeeded { .. }));
    }
    assert_eq!(stack.stored(), [path("left", "1.0.0"), path("right", "1.0.1")]);
}

#[tokio::test]
async fn of_parallel_jobs_with_one_version_and_two_contents_exactly_one_publishes() {
    let stack = stack().await;
    let contents = ["one", "two"];
    let jobs = contents.map(|text| stack.pipeline.queue(stack.action(package_with("left", "1.0.0", text))));
    assert_eq!(numbers(&tick(&stack).await), [0, 2, 1, 1, 0, 0]);
    let stored = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    for job in &jobs {
        match stack.pipeline.result(job) {
            JobResult::Failed { r#type, message, .. } => {
                assert_eq!(r#type, "JobFailed");
                assert!(message.contains("left@1.0.0") && message.contains(&stored.digests.sha256), "{message}");
            }
            result => assert_eq!(scene::variables(&result)["Sha256"], stored.digests.sha256),
        }
    }
}

#[tokio::test]
async fn all_versions_of_the_action_type_are_polled() {
    let stack = stack().await;
    stack.set("ACTION_VERSION", "1,2");
    let second = ActionType { version: "2".into(), ..ActionType::default() };
    stack.pipeline.declare(second.clone());
    let old = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let new = stack.pipeline.queue(stack.action(package("right", "1.0.1")).action_type(second));
    assert_eq!(numbers(&tick(&stack).await), [0, 2, 2, 0, 0, 0]);
    for job in [old, new] {
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
    }
}

#[tokio::test]
async fn a_job_that_another_worker_acknowledges_first_is_skipped_and_not_answered() {
    let stack = stack().await;
    stack.pipeline.configure(|settings| settings.redispatch_after = Duration::ZERO);
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    // Between the claim and the acknowledgement, another worker is faster.
    let pause = Fault::Delay(Duration::from_millis(2_500));
    stack.traffic.fault(s3::SERVICE, Some(Method::PUT), "jobs/", 0, 1, pause);
    stack.worker().await;
    let other = scene::other_worker(&stack);
    let taking = async {
        stack.traffic.wait_for(s3::SERVICE, &Method::PUT, "jobs/", 1).await;
        let (_, nonce) = &scene::poll(&other).await[0];
        other.acknowledge_job().job_id(job.as_str()).nonce(nonce).send().await.unwrap();
    };
    let (answer, ()) = tokio::join!(tick(&stack), taking);
    assert_eq!(numbers(&answer), [0, 1, 0, 0, 1, 0]);
    assert_eq!(stack.pipeline.state(&job), JobState::InProgress);
    assert_eq!(stack.pipeline.results_given(&job), 0);
    assert!(stack.stored().is_empty() && scene::claim(&stack, &job).is_none());

    assert_eq!(numbers(&tick(&stack).await), [0; 6], "the job is the other worker's for good");
    other.put_job_success_result().job_id(job.as_str()).send().await.unwrap();
    assert_eq!(stack.pipeline.results_given(&job), 1);
}

#[tokio::test]
async fn doubled_events_and_two_functions_give_one_answer_each() {
    for nonce in [NonceOnRedispatch::Kept, NonceOnRedispatch::Changed] {
        let stack = stack().await;
        // Both functions are offered every job, as two polls at the same moment may be.
        stack.pipeline.configure(|settings| settings.redispatch_after = Duration::ZERO);
        stack.pipeline.configure(|settings| settings.switches.nonce_on_redispatch = nonce);
        let one = stack.worker().await;
        let two = scene::another_process(&stack).await;
        tokio::join!(one.ready(SOON), two.ready(SOON));
        let mut jobs = Vec::new();
        for round in 0..3 {
            let versions = (0..3).map(|number| package(&format!("left-{round}-{number}"), "1.0.0"));
            jobs.extend(versions.map(|package| stack.pipeline.queue(stack.action(package))));
            let event = stack.pipeline.started_event(jobs.last().unwrap());
            let (a, b) = tokio::join!(stack.invoke(event.clone()), stack.invoke(event));
            let (a, b) = (numbers(&a.unwrap()), numbers(&b.unwrap()));
            assert_eq!([a[3] + b[3], a[5] + b[5]], [0, 0], "{a:?} {b:?}");
        }
        // Where each has made the other's nonce stale, both leave the job; the schedule finds it.
        stack.pipeline.configure(|settings| settings.redispatch_after = Duration::from_secs(45));
        tick(&stack).await;
        for job in &jobs {
            assert_eq!(stack.pipeline.results_given(job), 1, "{nonce:?} {job}");
            assert!(matches!(stack.pipeline.result(job), JobResult::Succeeded { .. }));
        }
        assert_eq!(stack.stored().len(), jobs.len());
        let puts = stack.traffic.count(artifactory::SERVICE, &Method::PUT, "");
        assert_eq!(puts, jobs.len(), "nothing is sent twice");
    }
}

#[tokio::test]
async fn a_deadline_that_is_a_duration_is_one() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.worker().await;
    let before = stack.vault.clock().seconds();
    let invocation = Invocation::new(event("manual.json"), DEADLINE).deadline_header("600000");
    let answer = stack.lambda.send(invocation).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 1, 0, 0, 0]);
    let seen = stack.traffic.seen();
    let claimed = seen.iter().find(|seen| seen.service == s3::SERVICE && seen.request.method == Method::PUT).unwrap();
    assert!(claimed.request.path.contains(job.as_str()));
    let text = String::from_utf8_lossy(&claimed.request.body).into_owned();
    let lease = text.split("\"lease_until\":").nth(1).unwrap().split(',').next().unwrap().parse::<f64>().unwrap();
    let from_now = lease / 1000.0 - before;
    assert!((595.0..=610.0).contains(&from_now), "the lease ends {from_now} s from the start");
}
