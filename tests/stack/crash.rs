//! The crash matrix: a scenario is run once to count its requests; then, for each request and each side of it, the real
//! binary is killed there, a successor is started, and what must hold is checked (design, invariants I1 to I3).

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::http::Moment;
use super::pipeline::{JobId, JobResult};
use super::{DEADLINE, JOURNAL, REPOSITORY, Stack, project};

/// The invocation that is killed: its lease, which the successor must wait for, is as short as this.
const DOOMED: Duration = Duration::from_secs(2);
/// How many invocations a recovery may take.
const RECOVERIES: usize = 6;
/// How often the successor looks for the lease to be over.
const TICK: Duration = Duration::from_millis(250);

/// What wakes the successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// The action's event, delivered again.
    Event,
    /// The schedule.
    Schedule,
}

/// What is going on when the worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One npm package in a folder.
    Folder,
    /// The same, with an output artifact to write.
    Output,
    /// The package is there already.
    Again,
    /// Two jobs in the queue.
    TwoJobs,
}

impl Scenario {
    /// All scenarios.
    pub(crate) const ALL: [Self; 4] = [Self::Folder, Self::Output, Self::Again, Self::TwoJobs];

    fn jobs(self, stack: &Stack) -> Vec<JobId> {
        let first = stack.action(project::zipped("1.0.0", ""));
        match self {
            Self::Folder => vec![stack.pipeline.queue(first)],
            Self::Output => {
                vec![stack.pipeline.queue(first.output("Report", super::ARTIFACTS, "web/Report/0000001"))]
            }
            Self::Again => {
                let again = stack.action(project::zipped("1.0.0", ""));
                vec![stack.pipeline.queue(first), stack.pipeline.queue(again)]
            }
            Self::TwoJobs => {
                let second = stack.action(project::zipped("1.0.1", ""));
                vec![stack.pipeline.queue(first), stack.pipeline.queue(second)]
            }
        }
    }

    fn stored(self) -> &'static [&'static str] {
        match self {
            Self::Folder | Self::Output | Self::Again => &["node_example/-/node_example-1.0.0.tgz"],
            Self::TwoJobs => &["node_example/-/node_example-1.0.0.tgz", "node_example/-/node_example-1.0.1.tgz"],
        }
    }
}

/// One point of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) scenario: Scenario,
    /// The request at which the worker dies, from 0.
    pub(crate) request: usize,
    pub(crate) moment: Moment,
    pub(crate) recovery: Recovery,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}, killed {:?} request {}, woken by {:?}",
            self.scenario, self.moment, self.request, self.recovery
        )
    }
}

/// How many requests the scenario takes when nothing goes wrong.
pub(crate) async fn requests(binary: &Path, scenario: Scenario) -> usize {
    let stack = Stack::start(binary).await;
    let jobs = scenario.jobs(&stack);
    stack.invoke(stack.pipeline.started_event(&jobs[0])).await.expect("nothing goes wrong");
    check(&stack, scenario, &jobs, "undisturbed").await;
    stack.traffic.total()
}

/// All points of a scenario with so many requests.
pub(crate) fn points(scenario: Scenario, requests: usize) -> Vec<Point> {
    let mut points = Vec::new();
    for request in 0..requests {
        for moment in [Moment::Before, Moment::After] {
            for recovery in [Recovery::Event, Recovery::Schedule] {
                points.push(Point { scenario, request, moment, recovery });
            }
        }
    }
    points
}

/// Kills the worker at this point and sees that all ends as if nothing had happened.
pub(crate) async fn survive(binary: &Path, point: Point) {
    let stack = Stack::start(binary).await;
    let jobs = point.scenario.jobs(&stack);
    let event = stack.pipeline.started_event(&jobs[0]);
    stack.traffic.strike(point.request, point.moment, stack.worker().await.killer());
    let died = stack.lambda.invoke(event.clone(), DOOMED).await.is_err();
    let wake = match point.recovery {
        Recovery::Event => event,
        Recovery::Schedule => schedule(),
    };
    let mut invoked = 0;
    while !answered(&stack, &jobs) || !stack.s3.keys(JOURNAL, "jobs/").is_empty() {
        assert!(invoked < RECOVERIES * 10, "{point}: not answered after {invoked} invocations\n{}", stack.logs().await);
        invoked += 1;
        // A job that was offered and not taken is offered again after a while.
        stack.pipeline.advance(Duration::from_secs(15));
        let answer = stack.reinvoke(wake.clone(), DEADLINE).await;
        assert!(answer.is_ok(), "{point}: {answer:?}");
        tokio::time::sleep(TICK).await;
    }
    assert!(died, "{point}: the worker was not killed");
    check(&stack, point.scenario, &jobs, &point.to_string()).await;
}

fn answered(stack: &Stack, jobs: &[JobId]) -> bool {
    jobs.iter().all(|job| !matches!(stack.pipeline.result(job), JobResult::Pending { .. }))
}

/// Everything is answered well, once; everything is stored, once; nothing is left.
async fn check(stack: &Stack, scenario: Scenario, jobs: &[JobId], what: &str) {
    for job in jobs {
        let result = stack.pipeline.result(job);
        assert!(matches!(result, JobResult::Succeeded { .. }), "{what}: {result:?}\n{}", stack.logs().await);
    }
    assert_eq!(stack.stored(), scenario.stored(), "{what}");
    assert_eq!(stack.s3.keys(JOURNAL, ""), Vec::<String>::new(), "{what}");
    if scenario == Scenario::Output {
        assert!(stack.s3.get(super::ARTIFACTS, "web/Report/0000001").is_some(), "{what}: no report");
    }
    for file in stack.artifactory.files(REPOSITORY) {
        assert_eq!(file.created_by, super::USER, "{what}");
    }
}

fn schedule() -> Value {
    serde_json::from_str(include_str!("../../events/schedule.json")).expect("the sample events are JSON")
}
