//! The simulation: a seed decides on jobs, packages, services' switches, faults, deaths and clocks; all of it runs in
//! this process, in a time that jumps, and a short model says what must hold at the end. The same seed runs the same
//! way again.

pub(crate) mod draw;
mod model;
mod process;
mod time;
mod weather;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use codepipeline_artifactory::deadline::{Clock, Deadline};
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trigger::Trigger;
use codepipeline_artifactory::worker::Worker;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use self::draw::{Fate, Work};
use self::process::Doors;
use self::weather::Weather;
use super::artifactory::{Artifactory, Permission, Repository, StoredFile, User};
use super::http::{Disturbance, Fault, Traffic};
use super::pipeline::{CodePipeline, JobId, JobResult};
use super::s3::{FUNCTION_SECRET_ACCESS_KEY, S3};
use super::secrets::SecretsManager;
use super::vault::{self, Vault};
use super::{ARTIFACTS, JOURNAL, PASSWORD, REPOSITORY, SECRET, USER, artifactory};

/// How many ticks of the schedule everything may take to be answered, once nothing goes wrong any more and the last
/// lease is over.
pub(crate) const TICKS: u32 = 12;
/// The schedule's period.
const PERIOD: Duration = Duration::from_mins(1);
/// The moment at which every simulation begins, in seconds since 1970.
const BEGINNING: u64 = 1_795_000_000;
const NEW_PASSWORD: &str = "a new password, as good as the old";

/// What one seed came to.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) requests: usize,
    pub(crate) deaths: usize,
    /// Ticks of the schedule from the end of the last dead invocation's lease to the last answer.
    pub(crate) ticks: u32,
    /// What happened, line by line, where that was asked for or an invariant is broken.
    pub(crate) story: String,
    pub(crate) verdict: Result<(), String>,
}

/// Runs one seed.
pub(crate) fn run(seed: u64) -> Told {
    // The library's own dice: owners of claims, jitter of pauses.
    fastrand::seed(seed);
    let traffic = Traffic::default();
    time::run(traffic.movement(), async {
        let world = World::begin(Fate::of(seed), traffic).await;
        let lived = world.live().await;
        let verdict = lived.and_then(|()| model::judge(&world));
        let told = world.tell(verdict);
        world.end();
        told
    })
}

/// What went wrong so far.
#[derive(Debug, Default, Clone, Copy)]
struct Troubles {
    faults: bool,
    faults_in_journal: usize,
    denials: bool,
    deaths: usize,
    /// Invocations that ran into their deadline although their clock was right.
    ran_out: usize,
    /// The end of the last lease of a dead invocation.
    lease: Option<Instant>,
}

/// An invocation that is running: how to kill it, and when it ends by itself.
struct Running {
    killed: Arc<Notify>,
    ends: Instant,
}

/// Everything that one seed is about.
struct World {
    fate: Fate,
    start: Instant,
    clock: vault::Clock,
    traffic: Traffic,
    vault: Vault,
    pipeline: CodePipeline,
    secrets: SecretsManager,
    s3: S3,
    artifactory: Artifactory,
    before: Vec<StoredFile>,
    jobs: Mutex<BTreeMap<usize, JobId>>,
    running: Mutex<BTreeMap<usize, Running>>,
    troubles: Mutex<Troubles>,
    notes: Mutex<Vec<(Instant, String)>>,
    processes: Mutex<usize>,
}

enum Act {
    Queue(usize),
    Event,
    Schedule,
    NewPassword,
    NewSecret,
    RevokeTokens,
}

impl World {
    async fn begin(fate: Fate, traffic: Traffic) -> Arc<Self> {
        let clock = vault::Clock::of_runtime(UNIX_EPOCH + Duration::from_secs(BEGINNING));
        let vault = Vault::new(clock.clone());
        vault.live_for(fate.credentials_live);
        let artifactory = Artifactory::start(traffic.clone(), clock.clone()).await;
        artifactory.repository(Repository::local(REPOSITORY, "npm"));
        artifactory.user(User::new(USER, PASSWORD).may(REPOSITORY, &[Permission::Read, Permission::Deploy]));
        for (path, content) in fate.jobs.iter().filter_map(Work::existing) {
            artifactory.put_file(REPOSITORY, &path, content);
        }
        // Only now: what was there before is in every index.
        artifactory.switch(|switches| *switches = fate.artifactory.clone());
        let s3 = S3::start(traffic.clone(), vault.clone(), JOURNAL).await;
        s3.create_bucket(ARTIFACTS);
        s3.switch(|behaviour| {
            behaviour.conflicts = fate.conflicts;
            behaviour.delete_of_missing = fate.delete_of_missing;
        });
        let secrets = SecretsManager::start(traffic.clone(), vault.clone()).await;
        secrets.put(SECRET, &secret(PASSWORD));
        let world = Arc::new(Self {
            pipeline: CodePipeline::start_with(traffic.clone(), vault.clone(), fate.pipeline.clone()).await,
            before: artifactory.files(REPOSITORY),
            fate,
            start: Instant::now(),
            clock,
            traffic,
            vault,
            secrets,
            s3,
            artifactory,
            jobs: Mutex::default(),
            running: Mutex::default(),
            troubles: Mutex::default(),
            notes: Mutex::default(),
            processes: Mutex::default(),
        });
        let mut weather = Weather::of(&world);
        world.traffic.disturb(move |service, request| weather.meet(service, request));
        world
    }

    /// Lets everything happen, until all is answered or the time for it is over.
    async fn live(self: &Arc<Self>) -> Result<(), String> {
        let (wake, woken) = mpsc::unbounded_channel();
        let woken = Arc::new(tokio::sync::Mutex::new(woken));
        let slots: Vec<_> = (0..self.fate.processes)
            .map(|slot| tokio::spawn(Arc::clone(self).slot(slot, Arc::clone(&woken))))
            .collect();
        let mut ended = false;
        for (at, act) in self.agenda() {
            tokio::time::sleep_until(self.start + at).await;
            match act {
                Act::Queue(number) => self.queue(number),
                Act::Event => drop(wake.send(Trigger::ActionStarted { pipeline: None })),
                Act::Schedule => {
                    if self.is_over() {
                        ended = true;
                        break;
                    }
                    drop(wake.send(Trigger::Schedule));
                }
                Act::NewPassword => {
                    let may = [Permission::Read, Permission::Deploy];
                    self.artifactory.user(User::new(USER, NEW_PASSWORD).may(REPOSITORY, &may));
                    self.note("Artifactory wants the new password".to_owned());
                }
                Act::NewSecret => {
                    self.secrets.put(SECRET, &secret(NEW_PASSWORD));
                    self.note("the secret holds the new password".to_owned());
                }
                Act::RevokeTokens => {
                    self.artifactory.revoke_all_tokens();
                    self.note("all tokens are revoked".to_owned());
                }
            }
        }
        slots.iter().for_each(tokio::task::JoinHandle::abort);
        if ended { Ok(()) } else { Err(format!("I1, I5: not all is answered {TICKS} ticks after the last trouble")) }
    }

    fn agenda(&self) -> Vec<(Duration, Act)> {
        let fate = &self.fate;
        let mut agenda = Vec::new();
        for (number, work) in fate.jobs.iter().enumerate() {
            agenda.push((work.queued, Act::Queue(number)));
            agenda.extend(work.events.iter().map(|at| (*at, Act::Event)));
        }
        if let Some(rotation) = fate.rotation {
            agenda.push((rotation.at, Act::NewPassword));
            agenda.push((rotation.at + rotation.lag, Act::NewSecret));
        }
        agenda.extend(fate.tokens_revoked.map(|at| (at, Act::RevokeTokens)));
        // The last job comes after two minutes at most; an invocation whose clock is off may believe in a minute more.
        let trouble = fate.trouble_ends.max(PERIOD * 2) + fate.deadline.max(PERIOD) + PERIOD * TICKS;
        let schedule = (0..).map(|tick| fate.first_schedule + PERIOD * tick).take_while(|at| *at <= trouble);
        agenda.extend(schedule.map(|at| (at, Act::Schedule)));
        agenda.sort_by_key(|(at, _)| *at);
        agenda
    }

    fn queue(&self, number: usize) {
        let work = &self.fate.jobs[number];
        let spec = super::pipeline::JobSpec::new("web")
            .configuration("TypeOfArtifact", "npm")
            .configuration("RepoKey", REPOSITORY)
            .configuration("ArtifactoryHost", &self.artifactory.platform_url());
        let key = format!("web/BuildOutpu/{number:07x}");
        self.s3.put(ARTIFACTS, &key, work.artifact());
        let mut spec = spec.input("BuildOutput", ARTIFACTS, &key);
        if work.output {
            spec = spec.output("Report", ARTIFACTS, &format!("web/Report/{number:07x}"));
        }
        let id = self.pipeline.queue(spec);
        self.note(format!("{id} is queued: {work:?}"));
        lock(&self.jobs).insert(number, id);
    }

    fn is_over(&self) -> bool {
        let jobs = self.jobs();
        self.elapsed() >= self.fate.trouble_ends
            && jobs.len() == self.fate.jobs.len()
            && jobs
                .iter()
                .all(|(work, job)| work.seized || !matches!(self.pipeline.result(job), JobResult::Pending { .. }))
            && lock(&self.running).is_empty()
            && self.s3.keys(JOURNAL, "").is_empty()
    }

    /// A place for one process at a time: takes invocations, and a new process after each death.
    async fn slot(self: Arc<Self>, slot: usize, woken: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Trigger>>>) {
        let clock = self.clock_of(slot);
        let mut warm: Option<(usize, Worker)> = None;
        loop {
            let Some(trigger) = woken.lock().await.recv().await else { return };
            let (number, worker) = warm.take().unwrap_or_else(|| self.process(&clock));
            let ends = Instant::now() + self.fate.deadline;
            let deadline = Deadline::of_invocation(self.epoch_millis(self.fate.deadline), &clock);
            let killed = Arc::new(Notify::new());
            lock(&self.running).insert(number, Running { killed: Arc::clone(&killed), ends });
            self.note(format!("process {number} is woken: {trigger:?}"));
            let run_id = format!("run-{number}-{}", self.elapsed().as_millis());
            tokio::select! {
                biased;
                () = killed.notified() => self.died(ends, false),
                () = tokio::time::sleep_until(ends) => {
                    self.note(format!("process {number} runs into its deadline"));
                    self.died(ends, self.fate.clocks[slot] == 0);
                }
                ended = worker.tick(&trigger, deadline, &run_id) => {
                    self.note(format!("process {number} is done: {ended:?}"));
                    warm = Some((number, worker));
                }
            }
            lock(&self.running).remove(&number);
        }
    }

    fn process(&self, clock: &Clock) -> (usize, Worker) {
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
                "AWS_ENDPOINT_URL" => "http://aws.simulated",
                _ => return None,
            };
            Some(value.to_owned())
        });
        let settings = settings.expect("these settings are right");
        let region = format!("simulated-{}", self.fate.seed);
        (number, process::start(number, &region, doors, clock.clone(), settings))
    }

    fn clock_of(self: &Arc<Self>, slot: usize) -> Clock {
        let (start, off, until) = (self.start, self.fate.clocks[slot], self.fate.trouble_ends);
        let beginning = BEGINNING * 1_000;
        Clock::new(move || {
            let elapsed = start.elapsed();
            let millis = beginning + u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            if elapsed < until { millis.saturating_add_signed(off) } else { millis }
        })
    }

    fn epoch_millis(&self, from_now: Duration) -> u64 {
        let since: Duration = (self.clock.now() + from_now).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn note(&self, text: String) {
        lock(&self.notes).push((Instant::now(), text));
    }

    /// Who dies: the sender of a request, or, where it is not known, whoever has run longest.
    fn running(&self, sender: &str) -> Option<usize> {
        let running = lock(&self.running);
        match sender.parse() {
            Ok(number) => running.contains_key(&number).then_some(number),
            Err(_) => running.keys().next().copied(),
        }
    }

    fn kill(&self, number: usize) {
        if let Some(running) = lock(&self.running).get(&number) {
            running.killed.notify_one();
        }
    }

    fn died(&self, ends: Instant, in_vain: bool) {
        let mut troubles = lock(&self.troubles);
        troubles.deaths += 1;
        troubles.ran_out += usize::from(in_vain);
        troubles.lease = troubles.lease.max(Some(ends));
    }

    fn struck(&self, service: &str, fault: &Fault) {
        let mut troubles = lock(&self.troubles);
        troubles.faults = true;
        troubles.faults_in_journal += usize::from(service == super::s3::SERVICE);
        let denied = matches!(fault, Fault::Answer { status: 401 | 403, .. });
        troubles.denials |= denied && service == artifactory::SERVICE;
    }

    fn troubles(&self) -> Troubles {
        *lock(&self.troubles)
    }

    fn before(&self) -> &[StoredFile] {
        &self.before
    }

    fn jobs(&self) -> Vec<(Work, JobId)> {
        lock(&self.jobs).iter().map(|(number, id)| (self.fate.jobs[*number].clone(), id.clone())).collect()
    }

    fn seizable(&self, id: &str) -> Option<JobId> {
        let found = self.jobs().into_iter().find(|(work, job)| work.seized && job.as_str() == id);
        found.map(|(_, job)| job)
    }

    /// Whether another job has other content under the same name and version.
    fn rivals(&self, work: &Work) -> bool {
        self.fate.jobs.iter().any(|other| other.name == work.name && other.variant != work.variant)
    }

    fn kept_secret(&self) -> Vec<String> {
        let sessions = self.vault.sessions().into_iter().flat_map(|it| [it.secret_access_key, it.session_token]);
        let own = [PASSWORD, NEW_PASSWORD, FUNCTION_SECRET_ACCESS_KEY].map(str::to_owned);
        self.artifactory.token_values().into_iter().chain(sessions).chain(own).collect()
    }

    fn tell(&self, verdict: Result<(), String>) -> Told {
        let troubles = self.troubles();
        let last = self.jobs().iter().flat_map(|(_, job)| model::answers(self, job)).map(|seen| seen.at).max();
        let ticks = match (troubles.lease, last) {
            (Some(lease), Some(last)) => {
                let waited = last.saturating_duration_since(lease);
                u32::try_from(waited.as_millis().div_ceil(PERIOD.as_millis())).unwrap_or(u32::MAX)
            }
            _ => 0,
        };
        let story = if verdict.is_err() { self.story() } else { String::new() };
        Told { requests: self.traffic.total(), deaths: troubles.deaths, ticks, story, verdict }
    }

    fn story(&self) -> String {
        let mut lines = vec![(self.start, format!("{:#?}", self.fate))];
        lines.extend(lock(&self.notes).iter().cloned());
        lines.extend(self.traffic.seen().into_iter().map(|seen| {
            let process = seen.request.header(process::PROCESS);
            let status = seen.status.map_or_else(|| "not handled".to_owned(), |status| status.to_string());
            (seen.at, format!("  {process:>2} {} {} -> {status}", seen.service, weather::name(&seen.request)))
        }));
        lines.sort_by_key(|(at, _)| *at);
        let line = |(at, text): (Instant, String)| format!("{:>8} {text}\n", (at - self.start).as_millis());
        lines.into_iter().map(line).collect()
    }

    /// Takes the world apart: the traffic holds what holds it.
    fn end(&self) {
        self.traffic.disturb(|_, _| Disturbance::default());
        for job in self.pipeline.jobs() {
            self.pipeline.forgive(&job);
        }
    }
}

fn secret(password: &str) -> String {
    serde_json::json!({ "username": USER, "password": password }).to_string()
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("nobody panics while holding this")
}
