//! What a tick did: the invocation's answer, whose members others rely on.

use serde::Serialize;

use crate::deadline::Stopwatch;
use crate::doctor::DoctorReport;
use crate::job::{JobId, PipelineRun};

/// What became of a job in this tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Published and reported.
    Succeeded,
    /// Failed and reported.
    Failed,
    /// Not ours, or answered before.
    Skipped,
    /// Left to the next tick.
    Left,
}

/// One job of a tick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobReport {
    /// Its id.
    pub id: JobId,
    /// Its pipeline.
    pub pipeline: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// Packages that are published, as `name@version`.
    pub packages: Vec<String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

impl Outcome {
    /// The word for it, in the answer and in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Left => "left",
        }
    }
}

impl JobReport {
    /// The report of a job of which nothing was published.
    pub fn of(id: &JobId, run: &PipelineRun, outcome: Outcome, started: Stopwatch) -> Self {
        Self { id: id.clone(), pipeline: run.pipeline.clone(), outcome, packages: Vec::new(), millis: started.millis() }
    }
}

/// What an invocation answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// What was done.
    Tick(TickReport),
    /// What the doctor found.
    Doctor(DoctorReport),
}

/// What a tick did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TickReport {
    /// Jobs that an earlier invocation had left.
    pub resumed: usize,
    /// Jobs that were offered.
    pub polled: usize,
    /// Jobs that were published.
    pub succeeded: usize,
    /// Jobs that failed.
    pub failed: usize,
    /// Jobs that are not ours, or were answered before.
    pub skipped: usize,
    /// Jobs that are left to the next tick.
    pub left: usize,
    /// The jobs themselves.
    pub jobs: Vec<JobReport>,
}

impl TickReport {
    /// Adds a job that has ended for this tick.
    pub fn add(&mut self, job: JobReport) {
        match job.outcome {
            Outcome::Succeeded => self.succeeded += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Left => self.left += 1,
        }
        self.jobs.push(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_these_members_and_no_others() {
        let mut report = TickReport { resumed: 1, polled: 3, ..TickReport::default() };
        let job = JobReport {
            id: JobId::parse("11111111-abcd-1111-abcd-111111abcdef").unwrap(),
            pipeline: Some("web".to_owned()),
            outcome: Outcome::Succeeded,
            packages: vec!["node_example@1.0.3".to_owned()],
            millis: 412,
        };
        for outcome in [Outcome::Failed, Outcome::Skipped, Outcome::Left] {
            report.add(JobReport { outcome, ..job.clone() });
        }
        report.jobs.clear();
        report.add(job);
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"resumed":1,"polled":3,"succeeded":1,"failed":1,"skipped":1,"left":1,"jobs":[{"#,
                r#""id":"11111111-abcd-1111-abcd-111111abcdef","pipeline":"web","outcome":"succeeded","#,
                r#""packages":["node_example@1.0.3"],"millis":412}]}"#
            )
        );
    }
}
