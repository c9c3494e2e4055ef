//! The crash matrix: a scenario is run once to count its requests; then, for each request and each side of it, the real
//! binary is killed there, a successor is started (and perhaps killed, too), and what must hold is checked.

mod binaries;
mod scenario;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::artifactory::StoredFile;
use super::http::{Fault, Moment};
use super::invariants::{self, Arrival, Duty, How, Ran, Verdict, Witness};
use super::lambda::InvocationError;
use super::pipeline::{JobId, JobResult, JobState};
use super::{DEADLINE, JOURNAL, REPOSITORY, Stack, wall};

pub(crate) use self::binaries::Binaries;
use self::scenario::End;
pub(crate) use self::scenario::{Brought, Scenario};

/// What kills a worker.
type Killer = Box<dyn Fn() + Send>;

/// The invocation that is killed: its lease, which the successor must wait for, is as short as this.
const DOOMED: Duration = Duration::from_secs(2);
/// The invocation before a scenario, which must come as far as its death on a busy machine, too.
const BEFORE: Duration = Duration::from_secs(6);
/// How many invocations a recovery may take, most of which find the lease not over yet.
const RECOVERIES: usize = 80;
/// How many ticks may begin after the last dead worker's lease: one that goes on with what was left, and, where the dead
/// had not acknowledged the job and polls offer it anew, as many as it takes until they do.
const TICKS: usize = 5;
/// After so many deaths a job is given up.
const MAX_DEATHS: usize = 3;
/// A request that is held until its sender is dead.
const HELD: Duration = Duration::from_mins(1);
/// A worker of a doomed invocation has twice this for its last words (a quarter of its reserve).
const STALL: Duration = Duration::from_millis(25);
/// What a dead worker has sent has arrived after this while.
const SETTLED: Duration = Duration::from_millis(20);
/// How often the successor looks for the lease to be over.
const TICK: Duration = Duration::from_millis(250);
/// How often Lambda brings an event again: so often at most after a failure; without one it may, too.
const AGAIN: usize = 2;
/// What wakes the successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// The action's event, delivered again; that of an Invoke action [`AGAIN`] times, and then the schedule.
    Event,
    /// The schedule. The event of an Invoke action is not brought again.
    Schedule,
    /// Both at once, in two processes; the event of an Invoke action for as often as it is brought again. Where the
    /// binaries are two, one of each, as during an upgrade.
    Both,
}

impl Recovery {
    /// All ways.
    pub(crate) const ALL: [Self; 3] = [Self::Event, Self::Schedule, Self::Both];
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
    /// How many workers were killed: jobs side by side do not always take the same number of requests, and a second
    /// worker may be done before its hour.
    pub(crate) died: usize,
    /// Whether as many were killed as the point says.
    pub(crate) whole: bool,
    /// How many ran into their deadline because the machine was too busy.
    pub(crate) stalled: usize,
    /// How many ticks began after the last dead worker's lease was over, until all was answered and nothing left.
    pub(crate) ticks: usize,
}

/// What becomes of a worker that is to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Killed,
    /// Its time ran out on a machine that was too busy.
    Stalled,
    /// It was done before.
    Done,
}

/// Looks for times in which this process had no processor: then the function's had none either.
struct Stalls {
    longest: Arc<Mutex<Duration>>,
    task: JoinHandle<()>,
}

impl Stalls {
    fn watch() -> Self {
        let longest = Arc::new(Mutex::default());
        let noted = Arc::clone(&longest);
        let task = tokio::spawn(async move {
            let nap = Duration::from_millis(5);
            loop {
                let before = Instant::now();
                tokio::time::sleep(nap).await;
                let late = before.elapsed().saturating_sub(nap);
                let mut longest = noted.lock().expect("nobody panics while holding this");
                *longest = late.max(*longest);
            }
        });
        Self { longest, task }
    }

    fn longest(&self) -> Duration {
        *self.longest.lock().expect("nobody panics while holding this")
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A scenario that runs.
struct Scene {
    stack: Stack,
    scenario: Scenario,
    jobs: Vec<JobId>,
    before: Vec<StoredFile>,
    event: Value,
    /// How often the event of an Invoke action may still be brought.
    again: AtomicUsize,
    ran: Mutex<Vec<Ran>>,
    /// Whether the worker in line was killed.
    struck: Arc<AtomicBool>,
    stalls: Stalls,
}

/// How many requests the scenario takes when nothing goes wrong (any more).
pub(crate) async fn requests(binary: &Path, scenario: Scenario) -> usize {
    let scene = Scene::set(binary, scenario).await;
    drop(scene.begin().await);
    let before = scene.stack.traffic.total();
    scene.invoke(scene.wakes(), DEADLINE).await.expect("nothing goes wrong");
    scene.check("undisturbed").await;
    scene.stack.traffic.total() - before
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
pub(crate) async fn survive(binaries: &Binaries, point: &Point) -> Survived {
    let Binaries { victim, successor } = binaries;
    let scene = Scene::set(victim, point.scenario).await;
    if point.scenario.arrival() == Arrival::Invoked && point.recovery != Recovery::Schedule {
        scene.again.store(AGAIN, Ordering::SeqCst);
    }
    let mut killer = scene.begin().await;
    let mut survived = Survived::default();
    for death in &point.deaths {
        let traffic = &scene.stack.traffic;
        traffic.strike(traffic.total() + death.request, death.moment, scene.noting(killer));
        let fate = scene.until_death(point, survived == Survived::default()).await;
        survived.died += usize::from(fate == Fate::Killed);
        survived.stalled += usize::from(fate == Fate::Stalled);
        if fate != Fate::Done {
            // What the dead has sent is not to be the death of its successor.
            scene.stack.all_gone().await;
            tokio::time::sleep(SETTLED).await;
        }
        killer = Box::new(scene.stack.succeed_by(successor).await);
    }
    survived.whole = survived.died == point.deaths.len();
    // Where a worker was done before its hour, nobody else is to die in its place.
    scene.stack.traffic.spare();
    if point.recovery == Recovery::Both {
        drop(scene.stack.succeed_by(victim).await);
    }
    let mut invoked = 0;
    while !scene.ended() {
        if invoked == RECOVERIES || survived.ticks > TICKS {
            scene
                .fail(&format!("{point}: I5: not answered after {invoked} invocations, {} ticks", survived.ticks))
                .await;
        }
        invoked += 1;
        let woken_by = scene.next(point.recovery);
        let due = scene.due().filter(|_| scene.is_tick(woken_by));
        survived.ticks += usize::from(due.is_some());
        if let Err(error) = scene.wake(woken_by, DEADLINE).await {
            scene.fail(&format!("{point}: {error:?}")).await;
        }
        // Two at once may take each other's acknowledgement for that of the dead.
        let due = due.unwrap_or_default();
        if woken_by != Recovery::Both
            && let Err(why) = invariants::i5_is_answered_at_the_first_tick(&scene.witness(), &due)
        {
            scene.fail(&format!("{point}: {why}")).await;
        }
    }
    scene.check(&point.to_string()).await;
    // An event may come when its job has ended.
    while scene.next(Recovery::Event) == Recovery::Event && point.scenario.arrival() == Arrival::Invoked {
        if let Err(error) = scene.wake(Recovery::Event, DEADLINE).await {
            scene.fail(&format!("{point}: {error:?}")).await;
        }
        scene.check(&format!("{point}, its event once more")).await;
    }
    survived
}

impl Scene {
    async fn set(binary: &Path, scenario: Scenario) -> Self {
        let stack = Stack::start(binary).await;
        let (jobs, event) = scenario.start(&stack);
        let before = stack.artifactory.files(REPOSITORY);
        Self {
            stack,
            scenario,
            jobs,
            before,
            event,
            again: AtomicUsize::new(0),
            ran: Mutex::default(),
            struck: Arc::default(),
            stalls: Stalls::watch(),
        }
    }

    /// Brings the stack to where the scenario begins; returns what kills the worker that goes on from there.
    async fn begin(&self) -> Killer {
        let Self { stack, scenario, event, .. } = self;
        let killer: Killer = Box::new(stack.worker().await.killer());
        let Some((service, method, what, before)) = scenario.first_death() else { return killer };
        stack.traffic.fault(service, Some(method.clone()), what, before, 1, Fault::Delay(HELD));
        let killer = self.noting(killer);
        let killing = async move {
            stack.traffic.wait_for(service, &method, what, before + 1).await;
            killer();
        };
        let (died, ()) = tokio::join!(self.invoke(event.clone(), BEFORE), killing);
        died.expect_err("the first worker is killed");
        while self.due().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Box::new(stack.succeed().await)
    }

    /// What wakes the worker that is to die. Where the job is in the journal already its event would find an empty queue,
    /// and ask again as long as there is time: how often, differs.
    fn wakes(&self) -> Value {
        if self.scenario.first_death().is_some() { schedule() } else { self.event.clone() }
    }

    /// The same killer, which notes that it has killed.
    fn noting(&self, killer: Killer) -> Killer {
        let struck = Arc::clone(&self.struck);
        struck.store(false, Ordering::SeqCst);
        Box::new(move || {
            struck.store(true, Ordering::SeqCst);
            killer();
        })
    }

    /// Invokes the function until it dies, or until there is nothing left to do for it. Whatever else ends an invocation
    /// breaks the point.
    async fn until_death(&self, point: &Point, first: bool) -> Fate {
        for invocation in 0..RECOVERIES {
            let invoked = if first && invocation == 0 {
                self.invoke(self.wakes(), DOOMED).await
            } else if self.ended() {
                return Fate::Done;
            } else {
                let woken_by = match (self.scenario.arrival(), point.recovery) {
                    (Arrival::Invoked, Recovery::Event) => self.next(Recovery::Event),
                    _ => Recovery::Schedule,
                };
                self.wake(woken_by, DOOMED).await
            };
            match invoked {
                Ok(()) => {}
                // One that had ended its invocation sooner than the blow came is dead before it takes another.
                Err(InvocationError::Exited { .. } | InvocationError::NeverTaken)
                    if self.struck.load(Ordering::SeqCst) =>
                {
                    return Fate::Killed;
                }
                // Its process is dead as well. Who had no processor for a while cannot keep to its time.
                Err(InvocationError::TimedOut { .. }) if self.stalls.longest() > STALL => return Fate::Stalled,
                Err(error) => self.fail(&format!("{point}: nobody was killed, and it ended with {error:?}")).await,
            }
        }
        self.fail(&format!("{point}: neither dead nor done")).await
    }

    /// What wakes the function next. The event of an Invoke action comes a few times only: at once, when the dead worker's
    /// lease holds, and again where nobody has the job or when it has ended; or beside a tick that finds the lease over.
    fn next(&self, recovery: Recovery) -> Recovery {
        let again = self.again.load(Ordering::SeqCst);
        let is_due = |due: Option<Vec<JobId>>| match recovery {
            Recovery::Event => again == AGAIN || due.is_some_and(|due| due.is_empty()),
            Recovery::Schedule | Recovery::Both => due.is_some(),
        };
        match self.scenario.arrival() {
            Arrival::Invoked if again == 0 || !is_due(self.due()) => Recovery::Schedule,
            Arrival::Invoked | Arrival::Polled => recovery,
        }
    }

    /// Whether this goes on with what was left: the event of an Invoke action is for its own job.
    fn is_tick(&self, woken_by: Recovery) -> bool {
        self.scenario.arrival() == Arrival::Polled || woken_by == Recovery::Schedule
    }

    async fn wake(&self, recovery: Recovery, deadline: Duration) -> Result<(), InvocationError> {
        match self.scenario.arrival() {
            // A job that was offered and not taken is offered again after a while.
            Arrival::Polled => self.stack.pipeline.advance(Duration::from_secs(15)),
            Arrival::Invoked if recovery == Recovery::Schedule => {}
            Arrival::Invoked => drop(self.again.fetch_sub(1, Ordering::SeqCst)),
        }
        match recovery {
            Recovery::Event => self.invoke(self.event.clone(), deadline).await?,
            Recovery::Schedule => self.invoke(schedule(), deadline).await?,
            Recovery::Both => {
                let (event, schedule) =
                    tokio::join!(self.invoke(self.event.clone(), deadline), self.invoke(schedule(), deadline));
                event.and(schedule)?;
            }
        }
        tokio::time::sleep(TICK).await;
        Ok(())
    }

    async fn invoke(&self, event: Value, deadline: Duration) -> Result<(), InvocationError> {
        let began = self.stack.traffic.stamp();
        let duty = match self.scenario.arrival() {
            Arrival::Invoked if event == self.event => Duty::Job(self.jobs[0].clone()),
            Arrival::Invoked | Arrival::Polled => Duty::Tick,
        };
        let ended = self.stack.lambda.invoke(event, deadline).await.map(drop);
        let how = match &ended {
            Ok(()) => How::Well,
            Err(InvocationError::Exited { .. }) => How::Killed,
            Err(InvocationError::TimedOut { .. }) if self.stalls.longest() > STALL => How::Killed,
            Err(InvocationError::TimedOut { .. }) => How::RanOut,
            // Nothing has run.
            Err(InvocationError::NeverTaken) if self.struck.load(Ordering::SeqCst) => return ended,
            Err(other) => How::Broken(format!("{other:?}")),
        };
        let ended_at = self.stack.traffic.stamp();
        let ran = Ran { process: String::new(), duty, began, ended: ended_at, deadline, right: true, how };
        self.ran.lock().expect("no test panics while it holds this").push(ran);
        ended
    }

    /// The jobs that were acknowledged and whose claims' leases are over; `None` while a lease holds.
    fn due(&self) -> Option<Vec<JobId>> {
        let Stack { s3, pipeline, .. } = &self.stack;
        let now = wall().millis;
        let mut due = Vec::new();
        for job in &self.jobs {
            let Some(json) = s3.get(JOURNAL, &format!("jobs/{job}.json")) else { continue };
            let record: Value = serde_json::from_slice(&json).expect("a claim is JSON");
            if record["lease_until"].as_u64().is_none_or(|lease| lease > now) {
                return None;
            }
            if pipeline.state(job) == JobState::InProgress {
                due.push(job.clone());
            }
        }
        Some(due)
    }

    fn ended(&self) -> bool {
        let Stack { s3, pipeline, .. } = &self.stack;
        let answered = |job| !matches!(pipeline.result(job), JobResult::Pending { .. });
        // Whether nobody tells of the job any more, and nobody knows of it, is seen when its claims are looked at.
        let unknown = self.scenario.arrival() == Arrival::Invoked && self.again.load(Ordering::SeqCst) == 0;
        (unknown || self.jobs.iter().all(answered)) && s3.keys(JOURNAL, "jobs/").is_empty()
    }

    fn witness(&self) -> Witness<'_> {
        let invocations = self.ran.lock().expect("no test panics while it holds this").clone();
        Witness { invocations, ..self.stack.witness() }
    }

    /// Everything is answered as it should be; everything is stored as it was planned; nothing is left.
    async fn check(&self, what: &str) {
        if let Err(why) = self.judge() {
            self.fail(&format!("{what}: {why}")).await;
        }
    }

    fn judge(&self) -> Verdict {
        for job in &self.jobs {
            let result = self.stack.pipeline.result(job);
            let invoked = self.scenario.arrival() == Arrival::Invoked;
            let as_it_should = match (&result, self.scenario.end()) {
                (JobResult::Failed { r#type, message, .. }, _)
                    if invoked && message.contains("cannot be gone on with") =>
                {
                    // Who had no processor for a while hands over for want of time.
                    r#type == "SystemUnavailable" && (self.deaths() > 0 || self.stalls.longest() > STALL)
                }
                // Nobody had a claim of it: the invariants see to that.
                (JobResult::Pending { .. }, _) if invoked => {
                    self.stack.pipeline.forgive(job);
                    true
                }
                (JobResult::Succeeded { .. }, End::Success) => true,
                // After so many deaths it is given up where not all is stored (design, section 4).
                (JobResult::Failed { message, .. }, End::Success) if self.deaths() >= MAX_DEATHS => {
                    message.contains("came to no end")
                }
                (JobResult::Failed { r#type, .. }, End::Failure(kind)) => r#type == kind,
                _ => false,
            };
            if !as_it_should {
                return Err(format!("{result:?}"));
            }
        }
        invariants::all(&self.witness(), &self.scenario.promises(&self.jobs), &self.before)
    }

    fn deaths(&self) -> usize {
        let ran = self.ran.lock().expect("no test panics while it holds this");
        ran.iter().filter(|ran| ran.how == How::Killed).count()
    }

    async fn fail(&self, why: &str) -> ! {
        panic!("{why}\n{}", self.stack.logs().await)
    }
}

fn schedule() -> Value {
    serde_json::from_str(include_str!("../../events/schedule.json")).expect("the sample events are JSON")
}
