//! What `CloudWatch` counts: numbers in the lines of the log, valid in the embedded metric format, and right.

#![expect(clippy::indexing_slicing, reason = "what a line lacks fails the test")]

use std::collections::BTreeSet;

use aws_smithy_types::date_time::{DateTime, Format};
use codepipeline_artifactory::deadline::epoch_millis;
use serde_json::{Value, json};

use crate::scene::{claim_key, package, put_claim, stack, tick};
use crate::stack::http::Fault;
use crate::stack::{JOURNAL, Stack, artifactory};

/// The lines that count, each of which must be in the format.
async fn counted(stack: &Stack) -> Vec<Value> {
    let logs = stack.logs().await;
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<Value> = lines.filter(|line| line.get("_aws").is_some()).collect();
    lines.iter().for_each(in_the_format);
    lines
}

/// As the embedded metric format's specification wants it: a time, and for each metric a namespace, up to thirty
/// dimensions that are texts in the line, a unit that it knows, and a number in the line.
fn in_the_format(line: &Value) {
    assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert!(!directives.is_empty(), "{line}");
    for directive in directives {
        assert_eq!(directive["Namespace"], "codepipeline-artifactory");
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!((1..=30).contains(&set.len()), "{line}");
            for dimension in set {
                let value = line[dimension.as_str().unwrap()].as_str();
                assert!(value.is_some_and(|value| (1..=1024).contains(&value.len())), "{dimension}: {line}");
            }
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{line}");
            let unit = metric["Unit"].as_str().unwrap();
            assert!(["Count", "Milliseconds", "Seconds", "Bytes"].contains(&unit), "{line}");
        }
    }
}

/// By what a metric is told apart in a line.
fn dimensions<'l>(line: &'l Value, metric: &str) -> BTreeSet<Vec<&'l str>> {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    let names = |directive: &Value| directive["Metrics"].as_array().unwrap().iter().any(|it| it["Name"] == metric);
    let of_it = directives.iter().filter(|directive| names(directive));
    let sets = of_it.flat_map(|directive| directive["Dimensions"].as_array().unwrap());
    sets.map(|set| set.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()).collect()
}

#[tokio::test]
async fn each_job_is_counted_by_outcome_failure_and_pipeline() {
    let stack = stack().await;
    let busy = Fault::Answer { status: 503, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, None, "/api/npm/npm-local/left", 0, 1, busy);
    stack.publish(package("left", "1.0.0")).await;
    stack.refuse(stack.action("not a zip")).await;
    let counted = counted(&stack).await;
    let ended: Vec<&Value> = counted.iter().filter(|line| line["message"] == "job ended").collect();
    let [published, refused] = ended[..] else { panic!("{ended:#?}") };

    for (name, expected) in
        [("Jobs", json!(1)), ("RegistryRetries", json!(1)), ("ResumedJobs", json!(0)), ("Failures", Value::Null)]
    {
        assert_eq!(published[name], expected, "{name}");
    }
    assert_eq!([&published["outcome"], &published["pipeline"]], ["succeeded", "web"]);
    assert!(published["BytesSent"].as_u64().unwrap() > 300 && published["JobDuration"] == published["millis"]);
    let by_pipeline = BTreeSet::from([vec!["function"], vec!["function", "pipeline"]]);
    assert_eq!(dimensions(published, "JobDuration"), by_pipeline);
    let by_outcome = BTreeSet::from([vec!["function", "outcome"], vec!["function", "pipeline", "outcome"]]);
    assert_eq!(dimensions(published, "Jobs"), by_outcome);

    assert_eq!([&refused["outcome"], &refused["failure"]], ["failed", "JobFailed"]);
    assert_eq!((&refused["Failures"], &refused["BytesSent"]), (&json!(1), &json!(0)));
    let by_failure = BTreeSet::from([vec!["function", "failure"], vec!["function", "pipeline", "failure"]]);
    assert_eq!(dimensions(refused, "Failures"), by_failure);
}

#[tokio::test]
async fn a_job_whose_start_woke_the_function_tells_how_long_it_waited() {
    let stack = stack().await;
    let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let mut started = stack.pipeline.started_event(&job);
    started["detail"]["start-time"] = json!(time(epoch_millis() - 7_000));
    stack.invoke(started.clone()).await.unwrap();
    // Of another job's start nothing follows for this one.
    stack.pipeline.queue(stack.action(package("left", "1.0.1")));
    stack.invoke(started).await.unwrap();
    let counted = counted(&stack).await;
    let waited: Vec<u64> = counted.iter().filter_map(|line| line["JobWait"].as_u64()).collect();
    assert!(waited.len() == 1 && (7_000..60_000).contains(&waited[0]), "{waited:?}");
}

/// A time as events have it.
fn time(millis: u64) -> String {
    DateTime::from_millis(i64::try_from(millis).unwrap()).fmt(Format::DateTime).unwrap()
}

#[tokio::test]
async fn the_age_of_the_oldest_claim_is_told_where_there_is_one() {
    let stack = stack().await;
    tick(&stack).await;
    assert!(counted(&stack).await.is_empty(), "an empty journal costs no line");
    let [old, young] = [0, 1].map(|_| stack.pipeline.queue(stack.action(package("left", "1.0.0"))));
    let now = epoch_millis();
    put_claim(&stack, &old, "1", &json!({ "lease_until": now + 60_000, "since": now - 1_000_000 }));
    // One that an older version wrote tells it by its object's time.
    put_claim(&stack, &young, "1", &json!({ "lease_until": now + 60_000 }));
    tick(&stack).await;
    stack.s3.remove(JOURNAL, &claim_key(&old));
    tick(&stack).await;
    let ages: Vec<u64> = counted(&stack).await.iter().filter_map(|line| line["OldestClaim"].as_u64()).collect();
    assert!((1_000..1_060).contains(&ages[0]) && ages[1] < 60, "{ages:?}");
    stack.s3.remove(JOURNAL, &claim_key(&young));
}
