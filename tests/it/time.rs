//! Time: deadlines that cannot be, jobs that need several invocations, and none that is begun too late.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::make::Zip;
use crate::scene::{claim, event, failure, numbers, package, stack, tick, variables};
use crate::stack::artifactory::Endpoint;
use crate::stack::http::Fault;
use crate::stack::lambda::Invocation;
use crate::stack::pipeline::{JobResult, JobState};
use crate::stack::{ARTIFACTS, DEADLINE, REPOSITORY, artifactory, s3, secrets};

#[tokio::test]
async fn a_deadline_that_cannot_be_is_no_reason_to_do_nothing_or_to_keep_a_job_for_ever() {
    // Passed long ago; a moment ago; no number of this world; the year 2100; microseconds; months as a duration.
    for (header, lease) in [
        ("1600000000000", 60.0),
        ("10000000001", 60.0),
        ("0", 60.0),
        ("18446744073709551615", 900.0),
        ("4102444800000", 900.0),
        ("1795000000000000", 900.0),
        ("9999999999", 900.0),
    ] {
        let stack = stack().await;
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        stack.worker().await;
        let before = stack.vault.clock().seconds();
        let answer = stack.lambda.send(Invocation::new(event("schedule.json"), DEADLINE).deadline_header(header)).await;
        assert_eq!(numbers(&answer.unwrap()), [0, 1, 1, 0, 0, 0], "{header}");
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }));
        let seen = stack.traffic.seen().into_iter().map(|seen| seen.request);
        let claimed = seen.filter(|request| request.method == Method::PUT).find(|it| it.path.contains(job.as_str()));
        let claimed: Value = serde_json::from_slice(&claimed.unwrap().body).unwrap();
        let from_now = claimed["lease_until"].as_f64().unwrap() / 1000.0 - before;
        assert!((lease - 1.0..=lease + 10.0).contains(&from_now), "{header}: the lease ends in {from_now} s");
    }
}

#[tokio::test]
async fn a_job_that_is_too_large_for_one_invocation_gets_through_in_several() {
    let stack = stack().await;
    let names = ["a", "b", "c", "d", "e", "f"];
    // Each needs the one before, so that they go one after the other.
    let zip = names.iter().zip(["none", "a", "b", "c", "d", "e"]).fold(Zip::new(), |zip, (name, needs)| {
        let needs = json!({ format!("part-{needs}"): "1.0.0" });
        let manifest = json!({ "name": format!("part-{name}"), "version": "1.0.0", "dependencies": needs });
        zip.file(&format!("{name}/package.json"), manifest.to_string())
    });
    for name in names {
        let slow = Fault::Delay(Duration::from_millis(700));
        let path = format!("/api/npm/npm-local/part-{name}");
        stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), &path, 0, 99, slow);
    }
    let job = stack.pipeline.queue(stack.action(zip.bytes()));
    stack.worker().await;
    let mut done = vec![0];
    while matches!(stack.pipeline.result(&job), JobResult::Pending { .. }) {
        assert!(done.len() < 12, "it comes no further: {done:?}");
        let answer = stack.lambda.invoke(event("schedule.json"), Duration::from_secs(2)).await.unwrap();
        assert_eq!((&answer["failed"], &answer["skipped"]), (&0.into(), &0.into()), "{answer}");
        if let Some(claim) = claim(&stack, &job) {
            done.push(claim["done"].as_u64().unwrap());
            assert_eq!((&claim["lease_until"], &claim["attempt"]), (&0.into(), &1.into()), "handed over, and no death");
        }
    }
    assert!(done.len() > 2 && done.is_sorted(), "each goes on where the one before stopped: {done:?}");
    assert_eq!(variables(&stack.pipeline.result(&job))["PackageCount"], "6");
    assert_eq!((stack.stored().len(), stack.pipeline.results_given(&job)), (6, 1));
    let sent = |name: &str| stack.traffic.count(artifactory::SERVICE, &Method::PUT, &format!("part-{name}"));
    assert!(names.iter().all(|name| sent(name) <= 2), "only what was under way is sent again");
}

#[tokio::test]
async fn no_job_is_begun_that_has_no_time_to_end() {
    let stack = stack().await;
    stack.set("JOBS_IN_FLIGHT", "1");
    let jobs = [0, 1].map(|number| stack.pipeline.queue(stack.action(package("left", &format!("1.0.{number}")))));
    // The first takes nearly all the time there is.
    let slow = Fault::Delay(Duration::from_millis(1_400));
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), "/BuildOutpu/", 0, 1, slow);
    stack.worker().await.ready(DEADLINE).await;
    let answer = stack.lambda.invoke(event("schedule.json"), Duration::from_secs(2)).await.unwrap();
    assert_eq!(numbers(&answer)[1], 1, "{answer}");
    assert_eq!(stack.pipeline.state(&jobs[1]), JobState::Queued, "it was not even asked for");
    while jobs.iter().any(|job| matches!(stack.pipeline.result(job), JobResult::Pending { .. })) {
        tick(&stack).await;
    }
    assert_eq!(stack.stored().len(), 2);
}

#[tokio::test]
async fn what_one_invocation_had_no_time_for_the_next_does() {
    let late = async |service, method, what: &str| {
        let stack = stack().await;
        let spec = stack.action(package("left", "1.0.0")).output("Report", ARTIFACTS, "web/ReportArti/0");
        let job = stack.pipeline.queue(spec);
        stack.traffic.fault(service, Some(method), what, 0, 1, Fault::Delay(Duration::from_mins(1)));
        stack.worker().await.ready(DEADLINE).await;
        let answer = stack.lambda.invoke(event("schedule.json"), Duration::from_secs(4)).await.unwrap();
        assert_eq!((&answer["failed"], &answer["left"]), (&0.into(), &1.into()), "{service} {what}: {answer}");
        let claim = claim(&stack, &job).unwrap();
        assert_eq!((&claim["lease_until"], &claim["attempt"]), (&0.into(), &1.into()), "handed over, and no death");
        tick(&stack).await;
        assert!(matches!(stack.pipeline.result(&job), JobResult::Succeeded { .. }), "{service} {what}");
        assert_eq!(stack.stored().len(), 1);
    };
    tokio::join!(
        late(secrets::SERVICE, Method::POST, "/"),
        late(s3::SERVICE, Method::GET, "/BuildOutpu/"),
        late(s3::SERVICE, Method::PUT, "/ReportArti/"),
    );
}

#[tokio::test]
async fn a_refusal_is_told_by_the_shortest_invocation_too() {
    for (repository, status, kind) in [("npm-nowhere", 404, "ConfigurationError"), (REPOSITORY, 403, "PermissionError")]
    {
        let stack = stack().await;
        // Only the publish itself shows it.
        stack.artifactory.switch(|switches| switches.repositories_api = Endpoint::Answers(403));
        let refused = Fault::Answer { status, headers: Vec::new(), body: r#"{"error":"not here"}"#.to_owned() };
        stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/left", 0, 9, refused);
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")).configuration("RepoKey", repository));
        stack.worker().await.ready(DEADLINE).await;
        let answer = stack.lambda.invoke(event("schedule.json"), Duration::from_secs(3)).await.unwrap();
        assert_eq!((&answer["failed"], &answer["left"]), (&1.into(), &0.into()), "{answer}");
        let (told, message) = failure(stack.pipeline.result(&job));
        assert!(told == kind && message.contains("the server said: not here"), "{told}: {message}");
    }
}
