//! The crash matrix: a scenario is run once to count its requests; then, for each request and each side of it, the real
//! binary is killed there, a successor is started (and perhaps killed, too), and what must hold is checked.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Method;
use serde_json::Value;

use super::http::{Fault, Moment};
use super::invariants::{self, Verdict};
use super::lambda::InvocationError;
use super::pipeline::{self, JobId, JobResult};
use super::planned::{Holds, Planned, tarball};
use super::{ARTIFACTS, DEADLINE, JOURNAL, Stack, project};

/// The invocation that is killed: its lease, which the successor must wait for, is as short as this.
const DOOMED: Duration = Duration::from_secs(2);
/// How many invocations a recovery may take, most of which find the lease not over yet.
const RECOVERIES: usize = 80;
/// A request that is held until its sender is dead.
const HELD: Duration = Duration::from_mins(1);
/// How often the successor looks for the lease to be over.
const TICK: Duration = Duration::from_millis(250);
/// Where the report of [`Scenario::Output`] goes.
const REPORT: &str = "web/Report/0000001";

/// What wakes the successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// The action's event, delivered again.
    Event,
    /// The schedule.
    Schedule,
    /// Both at once, in two processes.
    Both,
}

impl Recovery {
    /// All ways.
    pub(crate) const ALL: [Self; 3] = [Self::Event, Self::Schedule, Self::Both];
}

/// What is going on when the worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One npm package in a folder.
    Folder,
    /// A ready archive.
    Ready,
    /// Three workspace members.
    Workspaces,
    /// One package, with an output artifact to write.
    Output,
    /// Two jobs with the same package.
    Again,
    /// Two jobs with different versions.
    TwoJobs,
    /// One npm package whose first worker has died already, when the package was stored and its answer not given.
    Resumed,
}

impl Scenario {
    /// All scenarios.
    pub(crate) const ALL: [Self; 7] =
        [Self::Folder, Self::Ready, Self::Workspaces, Self::Output, Self::Again, Self::TwoJobs, Self::Resumed];

    fn jobs(self, stack: &Stack) -> Vec<JobId> {
        let one = || stack.action(project::zipped("1.0.0", ""));
        let actions = match self {
            Self::Folder | Self::Resumed => vec![one()],
            Self::Ready => vec![stack.action(project::ready("node_example", "1.0.0"))],
            Self::Workspaces => vec![stack.action(project::workspaces(&["one", "two", "three"]))],
            Self::Output => vec![one().output("Report", ARTIFACTS, REPORT)],
            Self::Again => vec![one(), one()],
            Self::TwoJobs => vec![one(), stack.action(project::ready("other", "1.0.1"))],
        };
        actions.into_iter().map(|action| stack.pipeline.queue(action)).collect()
    }

    /// What each job promises.
    fn planned(self) -> Vec<Vec<Planned>> {
        let packed = |name: &str, version: &str| Planned {
            path: tarball(name, version),
            holds: Holds::Package { name: name.to_owned(), version: version.to_owned() },
        };
        let one = || vec![packed(project::NAME, "1.0.0")];
        match self {
            Self::Folder | Self::Output | Self::Resumed => vec![one()],
            Self::Ready => {
                let holds = Holds::Bytes(project::archive(project::NAME, "1.0.0", ""));
                vec![vec![Planned { path: tarball(project::NAME, "1.0.0"), holds }]]
            }
            Self::Again => vec![one(), one()],
            Self::Workspaces => vec![["one", "two", "three"].map(|name| packed(name, "1.0.0")).into()],
            Self::TwoJobs => vec![one(), vec![packed("other", "1.0.1")]],
        }
    }
}

/// When a worker dies: at its request with this number, from 0, on this side of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) request: usize,
    pub(crate) moment: Moment,
}

/// One point of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) scenario: Scenario,
    /// The worker's death, and perhaps that of its successor.
    pub(crate) deaths: Vec<Death>,
    pub(crate) recovery: Recovery,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, woken by {:?}", self.scenario, self.recovery)?;
        self.deaths.iter().try_for_each(|death| write!(f, ", killed {:?} request {}", death.moment, death.request))
    }
}

/// What a point came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Survived {
    /// How many workers died: jobs side by side do not always take the same number of requests, and a second worker
    /// may be done before its hour.
    pub(crate) died: usize,
    /// How many ticks began after the last dead worker's lease was over, until all was answered and nothing left.
    pub(crate) ticks: usize,
}

/// How many requests the scenario takes when nothing goes wrong (any more).
pub(crate) async fn requests(binary: &Path, scenario: Scenario) -> usize {
    let stack = Stack::start(binary).await;
    let jobs = scenario.jobs(&stack);
    let event = stack.pipeline.started_event(&jobs[0]);
    drop(begin(&stack, scenario, &event).await);
    let before = stack.traffic.total();
    stack.invoke(event).await.expect("nothing goes wrong");
    check(&stack, scenario, &jobs, "undisturbed").await;
    stack.traffic.total() - before
}

/// Brings the stack to where the scenario begins; returns what kills the worker that goes on from there.
async fn begin(stack: &Stack, scenario: Scenario, event: &Value) -> Box<dyn Fn() + Send> {
    let killer: Box<dyn Fn() + Send> = Box::new(stack.worker().await.killer());
    if scenario != Scenario::Resumed {
        return killer;
    }
    let report = "PutJobSuccessResult";
    stack.traffic.fault(pipeline::SERVICE, Some(Method::POST), report, 0, 1, Fault::Delay(HELD));
    let killing = async move {
        stack.traffic.wait_for(pipeline::SERVICE, &Method::POST, report, 1).await;
        killer();
    };
    let (died, ()) = tokio::join!(stack.lambda.invoke(event.clone(), DOOMED), killing);
    died.expect_err("the first worker is killed");
    while !lease_is_over(stack) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Box::new(stack.succeed().await)
}

/// Every place where a worker that sends so many requests can die.
pub(crate) fn deaths(requests: usize) -> impl Iterator<Item = Death> {
    (0..requests).flat_map(|request| [Moment::Before, Moment::After].map(|moment| Death { request, moment }))
}

/// All points with one death.
pub(crate) fn points(scenario: Scenario, requests: usize) -> Vec<Point> {
    let recoveries = |death| Recovery::ALL.map(|recovery| Point { scenario, deaths: vec![death], recovery });
    deaths(requests).flat_map(recoveries).collect()
}

/// All points where the successor dies as well. It sends no more requests than the first worker and a few.
pub(crate) fn pairs(scenario: Scenario, requests: usize) -> Vec<Point> {
    let second = |first| deaths(requests + 4).map(move |second| vec![first, second]);
    let recovery = |(at, deaths)| Point { scenario, deaths, recovery: Recovery::ALL[at % Recovery::ALL.len()] };
    deaths(requests).flat_map(second).enumerate().map(recovery).collect()
}

/// Kills the worker at this point and sees that all ends as if nothing had happened.
pub(crate) async fn survive(binary: &Path, point: &Point) -> Survived {
    let stack = Stack::start(binary).await;
    let jobs = point.scenario.jobs(&stack);
    let event = stack.pipeline.started_event(&jobs[0]);
    let mut killer = begin(&stack, point.scenario, &event).await;
    let mut survived = Survived::default();
    for death in &point.deaths {
        stack.traffic.strike(stack.traffic.total() + death.request, death.moment, killer);
        survived.died += usize::from(until_death(&stack, point, &jobs, &event, survived.died == 0).await);
        killer = Box::new(stack.succeed().await);
    }
    // Where a worker was done before its hour, nobody else is to die in its place.
    stack.traffic.spare();
    if point.recovery == Recovery::Both {
        drop(stack.succeed().await);
    }
    let mut invoked = 0;
    while !ended(&stack, &jobs) {
        assert!(invoked < RECOVERIES, "{point}: not answered after {invoked} invocations\n{}", stack.logs().await);
        invoked += 1;
        survived.ticks += usize::from(lease_is_over(&stack));
        wake(&stack, point, &event, DEADLINE).await.unwrap_or_else(|error| panic!("{point}: {error:?}"));
    }
    check(&stack, point.scenario, &jobs, &point.to_string()).await;
    survived
}

/// Whether no claim is held any more, as the journal's records tell.
#[expect(clippy::disallowed_methods, reason = "the real binary's leases end by the real clock")]
fn lease_is_over(stack: &Stack) -> bool {
    let keys = stack.s3.keys(JOURNAL, "jobs/");
    let records = keys.iter().filter_map(|key| stack.s3.get(JOURNAL, key));
    let leases =
        records.map(|json| serde_json::from_slice::<Value>(&json).expect("a claim is JSON")["lease_until"].as_u64());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    leases.max().flatten().is_none_or(|lease| u128::from(lease) <= now)
}

/// Invokes the function until it dies, or until there is nothing left to do for it.
async fn until_death(stack: &Stack, point: &Point, jobs: &[JobId], event: &Value, first: bool) -> bool {
    if first {
        return stack.lambda.invoke(event.clone(), DOOMED).await.is_err();
    }
    for _ in 0..RECOVERIES {
        if ended(stack, jobs) {
            return false;
        }
        if wake(stack, &Point { recovery: Recovery::Schedule, ..point.clone() }, event, DOOMED).await.is_err() {
            return true;
        }
    }
    panic!("{point}: neither dead nor done\n{}", stack.logs().await);
}

async fn wake(stack: &Stack, point: &Point, event: &Value, deadline: Duration) -> Result<(), InvocationError> {
    // A job that was offered and not taken is offered again after a while.
    stack.pipeline.advance(Duration::from_secs(15));
    let invoke = |event: Value| stack.lambda.invoke(event, deadline);
    match point.recovery {
        Recovery::Event => drop(invoke(event.clone()).await?),
        Recovery::Schedule => drop(invoke(schedule()).await?),
        Recovery::Both => {
            let (event, schedule) = tokio::join!(invoke(event.clone()), invoke(schedule()));
            event.and(schedule)?;
        }
    }
    tokio::time::sleep(TICK).await;
    Ok(())
}

fn ended(stack: &Stack, jobs: &[JobId]) -> bool {
    let answered = |job| !matches!(stack.pipeline.result(job), JobResult::Pending { .. });
    jobs.iter().all(answered) && stack.s3.keys(JOURNAL, "jobs/").is_empty()
}

/// Everything is answered well; everything is stored as it was planned; nothing is left.
async fn check(stack: &Stack, scenario: Scenario, jobs: &[JobId], what: &str) {
    if let Err(why) = judge(stack, scenario, jobs) {
        panic!("{what}: {why}\n{}", stack.logs().await);
    }
}

fn judge(stack: &Stack, scenario: Scenario, jobs: &[JobId]) -> Verdict {
    let witness = &stack.witness();
    let planned = scenario.planned();
    for (job, planned) in jobs.iter().zip(&planned) {
        let result = stack.pipeline.result(job);
        if !matches!(result, JobResult::Succeeded { .. }) {
            return Err(format!("{result:?}"));
        }
        invariants::i1_one_answer(witness, job)?;
        invariants::i1_no_answer_before_the_acknowledgement(witness, job)?;
        invariants::i2_true_success(witness, job, planned)?;
    }
    invariants::i3_nothing_is_stored_twice(witness)?;
    invariants::i3_nothing_unplanned_is_stored(witness, &[], planned.iter().flatten())?;
    invariants::i5_the_journal_is_empty(witness)?;
    invariants::i6_nothing_else_is_asked_for(witness)?;
    if scenario == Scenario::Output && stack.s3.get(ARTIFACTS, REPORT).is_none() {
        return Err("no report".to_owned());
    }
    Ok(())
}

fn schedule() -> Value {
    serde_json::from_str(include_str!("../../events/schedule.json")).expect("the sample events are JSON")
}
