//! What `CloudWatch` counts: numbers in a line of the log, in its embedded metric format ("Embedded metric format
//! specification" of the `CloudWatch` guide). Whoever does not log at INFO counts nothing of jobs.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The namespace of our metrics.
const NAMESPACE: &str = "codepipeline-artifactory";
/// Members of a line by which its numbers are told apart; a set of which the line lacks a member is left out. The function
/// is part of each, because there may be several stacks.
const BY_PIPELINE: &[&[&str]] = &[&["function"], &["function", "pipeline"]];
const BY_OUTCOME: &[&[&str]] = &[&["function", "outcome"], &["function", "pipeline", "outcome"]];
const BY_FAILURE: &[&[&str]] = &[&["function", "failure"], &["function", "pipeline", "failure"]];
const BY_FUNCTION: &[&[&str]] = &[&["function"]];

/// What a number is of, as `CloudWatch` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A count.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
        }
    }
}

/// A metric: its name, its unit, and by what it is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    unit: Unit,
    by: &'static [&'static [&'static str]],
}

impl Metric {
    /// Jobs that ended in an invocation, by how.
    pub const JOBS: Self = Self { name: "Jobs", unit: Unit::Count, by: BY_OUTCOME };
    /// Jobs that failed, by CodePipeline's type of failure.
    pub const FAILURES: Self = Self { name: "Failures", unit: Unit::Count, by: BY_FAILURE };
    /// How long a job was in hand.
    pub const DURATION: Self = Self { name: "JobDuration", unit: Unit::Milliseconds, by: BY_PIPELINE };
    /// From the event that an action had started to the acknowledgement of its job.
    pub const WAIT: Self = Self { name: "JobWait", unit: Unit::Milliseconds, by: BY_PIPELINE };
    /// Bytes of request bodies that a job sent to Artifactory.
    pub const BYTES: Self = Self { name: "BytesSent", unit: Unit::Bytes, by: BY_PIPELINE };
    /// Requests to Artifactory that a job had to repeat.
    pub const RETRIES: Self = Self { name: "RegistryRetries", unit: Unit::Count, by: BY_PIPELINE };
    /// Jobs that an earlier invocation had begun.
    pub const RESUMED: Self = Self { name: "ResumedJobs", unit: Unit::Count, by: BY_PIPELINE };
    /// Age of the oldest claim in the journal, where there is any.
    pub const OLDEST_CLAIM: Self = Self { name: "OldestClaim", unit: Unit::Seconds, by: BY_FUNCTION };
    /// Objects of the journal that were moved to the quarantine, or could not be.
    pub const QUARANTINED: Self = Self { name: "Quarantined", unit: Unit::Count, by: BY_FUNCTION };

    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::JOBS,
        Self::FAILURES,
        Self::DURATION,
        Self::WAIT,
        Self::BYTES,
        Self::RETRIES,
        Self::RESUMED,
        Self::OLDEST_CLAIM,
        Self::QUARANTINED,
    ];
}

/// The numbers of one line.
#[derive(Debug, Clone, Default)]
pub struct Numbers(Vec<(Metric, u64)>);

impl Numbers {
    /// One more of something.
    pub fn one(metric: Metric) -> Self {
        Self::default().and(metric, 1)
    }

    /// With another number.
    #[must_use]
    pub fn and(mut self, metric: Metric, number: u64) -> Self {
        self.0.push((metric, number));
        self
    }

    /// For the field `metrics` of an event, which takes text; [`merge`] reads it.
    pub fn text(&self) -> String {
        self.0.iter().map(|(metric, number)| (metric.name, *number)).collect::<Value>().to_string()
    }
}

/// Adds the numbers of the field `metrics` to a line whose other members are there already.
pub fn merge(line: &mut Map<String, Value>, metrics: &str, now_millis: u64) {
    let Ok(numbers) = serde_json::from_str::<BTreeMap<String, u64>>(metrics) else { return };
    let numbers: Vec<(Metric, u64)> =
        Metric::ALL.into_iter().filter_map(|metric| Some((metric, *numbers.get(metric.name)?))).collect();
    // An empty value makes CloudWatch pass over the whole line.
    let has = |member: &&str| line.get(*member).and_then(Value::as_str).is_some_and(|value| !value.is_empty());
    let mut groups: Vec<Value> = Vec::new();
    for of_one_kind in numbers.chunk_by(|(one, _), (next, _)| one.by == next.by) {
        let by = of_one_kind.first().map(|(metric, _)| metric.by).unwrap_or_default();
        let by: Vec<_> = by.iter().filter(|set| set.iter().all(has)).collect();
        let metrics =
            of_one_kind.iter().map(|(Metric { name, unit, .. }, _)| json!({ "Name": name, "Unit": unit.name() }));
        let metrics = metrics.collect::<Value>();
        if !by.is_empty() {
            groups.push(json!({ "Namespace": NAMESPACE, "Dimensions": by, "Metrics": metrics }));
        }
    }
    if !groups.is_empty() {
        line.insert("_aws".to_owned(), json!({ "Timestamp": now_millis, "CloudWatchMetrics": groups }));
    }
    line.extend(numbers.into_iter().map(|(metric, number)| (metric.name.to_owned(), Value::from(number))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(members: &Value, numbers: &Numbers) -> Value {
        let mut line = members.as_object().unwrap().clone();
        merge(&mut line, &numbers.text(), 17);
        Value::Object(line)
    }

    #[test]
    fn numbers_stand_in_the_line_with_what_tells_them_apart() {
        let members = json!({ "function": "publisher", "pipeline": "web", "outcome": "succeeded" });
        let line = merged(&members, &Numbers::one(Metric::JOBS).and(Metric::DURATION, 412));
        assert_eq!(
            (&line["Jobs"], &line["JobDuration"], &line["_aws"]["Timestamp"]),
            (&json!(1), &json!(412), &json!(17))
        );
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"],
            json!([
                {
                    "Namespace": "codepipeline-artifactory",
                    "Dimensions": [["function", "outcome"], ["function", "pipeline", "outcome"]],
                    "Metrics": [{ "Name": "Jobs", "Unit": "Count" }]
                },
                {
                    "Namespace": "codepipeline-artifactory",
                    "Dimensions": [["function"], ["function", "pipeline"]],
                    "Metrics": [{ "Name": "JobDuration", "Unit": "Milliseconds" }]
                }
            ])
        );
    }

    #[test]
    fn what_a_line_does_not_say_tells_nothing_apart() {
        let nameless = json!({ "function": "publisher", "pipeline": "", "outcome": "failed" });
        let line = merged(&nameless, &Numbers::one(Metric::JOBS).and(Metric::FAILURES, 1));
        assert_eq!(line["_aws"]["CloudWatchMetrics"].as_array().unwrap().len(), 1);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["function", "outcome"]]));
        let local = merged(&json!({}), &Numbers::one(Metric::QUARANTINED));
        assert_eq!((&local["Quarantined"], &local["_aws"]), (&json!(1), &Value::Null));
    }

    #[test]
    fn no_two_metrics_have_one_name() {
        let mut names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
    }
}
