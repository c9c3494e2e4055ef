//! A place for processes of the function, one after the other: each takes invocations until it dies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use codepipeline_artifactory::deadline::{Clock, Deadline};
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trigger::Trigger;
use codepipeline_artifactory::worker::{Invocation, Worker};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::lock;
use super::process::{self, Doors};
use super::world::{BEGINNING, VERSIONS, World};
use crate::stack::aws::ACCOUNT;
use crate::stack::invariants::{Duty, How, Ran};
use crate::stack::{JOURNAL, SECRET};

/// After which whiles Lambda brings the event of a failed invocation again.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// What wakes a process.
#[derive(Debug, Clone)]
pub(super) enum Wake {
    /// Schedule or event: there may be something to do.
    Bell(Trigger),
    /// The event of an Invoke action, with the job of this number, after so many failed invocations.
    Job { number: usize, before: usize },
}

/// An invocation that is running: how to kill it, and when it ends by itself.
pub(super) struct Running {
    killed: Arc<Notify>,
    ends: Instant,
}

impl World {
    /// A place for one process at a time: takes invocations, and a new process after each death.
    pub(super) async fn slot(
        self: Arc<Self>,
        slot: usize,
        wake: mpsc::UnboundedSender<Wake>,
        woken: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Wake>>>,
    ) {
        let clock = self.clock_of(slot);
        let mut warm: Option<(usize, Worker)> = None;
        loop {
            let Some(woken_by) = woken.lock().await.recv().await else { return };
            let (trigger, duty) = self.event(&woken_by);
            let (number, worker) = warm.take().unwrap_or_else(|| self.process(clock));
            let ends = Instant::now() + self.fate.deadline;
            let invocation = Invocation {
                request_id: format!("run-{number}-{}", self.elapsed().as_millis()),
                account: Some(ACCOUNT.to_owned()),
                function: None,
                deadline: Deadline::of_invocation(self.deadline_header(), clock),
            };
            let killed = Arc::new(Notify::new());
            lock(&self.running).insert(number, Running { killed: Arc::clone(&killed), ends });
            self.note(format!("process {number} is woken: {trigger:?}"));
            let began = self.traffic.stamp();
            let how = tokio::select! {
                biased;
                () = killed.notified() => How::Killed,
                () = tokio::time::sleep_until(ends) => How::RanOut,
                ended = worker.tick(&trigger, &invocation) => match ended {
                    Ok(report) => {
                        let answer = serde_json::to_string(&report).expect("a report is JSON");
                        self.note(format!("process {number} is done: {answer}"));
                        self.log.say(&answer);
                        warm = Some((number, worker));
                        How::Well
                    }
                    Err(error) => {
                        warm = Some((number, worker));
                        How::Broken(format!("{error:?}"))
                    }
                },
            };
            if how != How::Well {
                self.note(format!("process {number}: {how:?}"));
            }
            if matches!(how, How::Killed | How::RanOut) {
                self.died(ends);
            }
            lock(&self.ran).push(Ran {
                process: number.to_string(),
                duty,
                began,
                ended: self.traffic.stamp(),
                deadline: self.fate.deadline,
                right: self.fate.clocks[slot] == 0,
                how: how.clone(),
            });
            lock(&self.running).remove(&number);
            self.delivered(&woken_by, &how, &wake);
        }
    }

    /// The event, and what an invocation with it is there for.
    fn event(&self, woken_by: &Wake) -> (Trigger, Duty) {
        match woken_by {
            Wake::Bell(trigger) => (trigger.clone(), Duty::Tick),
            Wake::Job { number, .. } => {
                let event = lock(&self.events)[number].clone();
                (event, Duty::Job(lock(&self.jobs)[number].clone()))
            }
        }
    }

    /// Has an event brought again whose invocation has failed, as often as Lambda does that.
    fn delivered(&self, woken_by: &Wake, how: &How, wake: &mpsc::UnboundedSender<Wake>) {
        let Wake::Job { number, before } = *woken_by else { return };
        match AGAIN_AFTER.get(before).filter(|_| before < self.fate.retries && *how != How::Well) {
            None => *lock(&self.deliveries) -= 1,
            Some(after) => {
                let (wake, after) = (wake.clone(), *after);
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    drop(wake.send(Wake::Job { number, before: before + 1 }));
                });
            }
        }
    }

    fn process(&self, clock: Clock) -> (usize, Worker) {
        let number = {
            let mut processes = lock(&self.processes);
            *processes += 1;
            *processes
        };
        let doors = Doors { pipeline: self.pipeline.door(), secrets: self.secrets.door(), s3: self.s3.door() };
        let jobs_in_flight = self.fate.jobs_in_flight.to_string();
        let platform = self.artifactory.platform_url();
        let settings = Settings::read(|name| {
            let value = match name {
                "JOURNAL_BUCKET" => JOURNAL,
                "DEFAULT_SECRET_ID" => SECRET,
                "ARTIFACTORY_URL" => &platform,
                "ALLOW_HTTP" => "true",
                "JOBS_IN_FLIGHT" => &jobs_in_flight,
                "ACTION_VERSION" => VERSIONS,
                "AWS_ENDPOINT_URL" => "http://aws.simulated",
                "ALLOW_INVOKE_ACTION" if self.fate.has_invoke_actions() => "true",
                _ => return None,
            };
            Some(value.to_owned())
        });
        let settings = settings.expect("these settings are right");
        let region = format!("simulated-{}", self.fate.seed);
        (number, process::start(number, &region, doors, settings, clock))
    }

    /// A clock that may be off as long as there is trouble, and is set right with its end or before.
    fn clock_of(&self, slot: usize) -> Clock {
        let set_right = u32::try_from(self.fate.set_right[slot].as_millis()).unwrap_or(u32::MAX);
        Clock::Runtime { millis: BEGINNING * 1_000, since: self.start, off: self.fate.clocks[slot], set_right }
    }

    fn deadline_header(&self) -> u64 {
        let ends = (self.clock.now() + self.fate.deadline).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let told = if self.fate.bare_deadline { self.fate.deadline } else { ends };
        u64::try_from(told.as_millis()).unwrap_or(u64::MAX)
    }

    /// Who dies: the sender of a request, or, where it is not known, whoever has run longest.
    pub(super) fn running(&self, sender: &str) -> Option<usize> {
        let running = lock(&self.running);
        match sender.parse() {
            Ok(number) => running.contains_key(&number).then_some(number),
            Err(_) => running.keys().next().copied(),
        }
    }

    pub(super) fn kill(&self, number: usize) {
        if let Some(running) = lock(&self.running).get(&number) {
            running.killed.notify_one();
        }
    }

    fn died(&self, ends: Instant) {
        let mut lease = lock(&self.last_lease);
        *lease = (*lease).max(Some(ends));
    }
}
