//! Everything that one seed is about: the services, the jobs, what happens when, and what went wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use codepipeline_artifactory::deadline::LONGEST_INVOCATION;
use codepipeline_artifactory::hold::MAX_VAIN;
use codepipeline_artifactory::trigger::Trigger;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::draw::{Credential, Ending, Fate, MAVEN, PROPERTY, PYTHON, Rotation, Shape, Stray, Work};
use super::log::Log;
use super::slot::{Running, Wake};
use super::weather::{self, Weather};
use super::{Told, cover, lock, model, process};
use crate::stack::artifactory::{Artifactory, Repository, StoredFile, User};
use crate::stack::http::{Disturbance, Traffic};
use crate::stack::invariants::{self, Arrival, How, Ran, Verdict, Wall, Witness};
use crate::stack::pipeline::{ActionType, CodePipeline, JobId, JobResult, JobSpec};
use crate::stack::s3::{FUNCTION_SECRET_ACCESS_KEY, S3};
use crate::stack::secrets::{self, SecretsManager};
use crate::stack::vault::{self, Vault};
use crate::stack::{ARTIFACTS, JOURNAL, PASSWORD, REPOSITORY, SECRET, USER};

/// How many ticks of the schedule everything may take to be answered, once nothing goes wrong any more and the last
/// lease is over.
const TICKS: u32 = 12;
/// How many more there may be for each job of which CodePipeline takes no answer any more: it does not say so, and its
/// claim is kept for another offer as often as is worth while ([`MAX_VAIN`]), alone in its tick.
const TICKS_IN_VAIN: u32 = MAX_VAIN + 1;
/// How many more there may be until the last event of an Invoke action has come for the last time.
const TICKS_OF_EVENTS: u32 = 6;
/// The schedule's period.
const PERIOD: Duration = Duration::from_mins(1);
/// The moment at which every simulation begins, in seconds since 1970.
pub(super) const BEGINNING: u64 = 1_795_000_000;
/// The action type's versions that the function polls.
pub(super) const VERSIONS: &str = "1,2";
/// Each local repository, its type, and the key of the virtual one before it.
const REPOSITORIES: [(&str, &str, &str); 3] =
    [(REPOSITORY, "npm", "npm"), (PYTHON, "pypi", "pypi"), (MAVEN, "maven", "libs")];
const NEW_PASSWORD: &str = "a new password, as good as the old";

/// Everything that one seed is about.
pub(super) struct World {
    pub(super) fate: Fate,
    /// The token that the secret holds, where it holds one.
    pub(super) own_token: Option<String>,
    pub(super) log: Log,
    pub(super) start: Instant,
    pub(super) clock: vault::Clock,
    pub(super) traffic: Traffic,
    pub(super) vault: Vault,
    pub(super) pipeline: CodePipeline,
    pub(super) secrets: SecretsManager,
    pub(super) s3: S3,
    pub(super) artifactory: Artifactory,
    pub(super) before: Vec<StoredFile>,
    pub(super) jobs: Mutex<BTreeMap<usize, JobId>>,
    /// The events that bring jobs.
    pub(super) events: Mutex<BTreeMap<usize, Trigger>>,
    /// How many of their deliveries are still to come or under way.
    pub(super) deliveries: Mutex<usize>,
    pub(super) running: Mutex<BTreeMap<usize, Running>>,
    pub(super) ran: Mutex<Vec<Ran>>,
    /// The end of the last lease of a dead invocation.
    pub(super) last_lease: Mutex<Option<Instant>>,
    pub(super) notes: Mutex<Vec<(Instant, String)>>,
    spoiled: Mutex<Option<String>>,
    pub(super) processes: Mutex<usize>,
}

enum Act {
    Queue(usize),
    /// Somebody stops the job's action, or CodePipeline forgets it.
    End(usize),
    Event,
    /// The event that brings the job.
    Deliver(usize),
    Schedule,
    /// All processes at once.
    Herd,
    NewPassword,
    NewSecret,
    BreakSecret(secrets::Broken),
    MendSecret,
    RevokeTokens,
    Spoil,
}

impl World {
    pub(super) async fn begin(fate: Fate, traffic: Traffic, log: Log) -> Arc<Self> {
        let clock = vault::Clock::of_runtime(UNIX_EPOCH + Duration::from_secs(BEGINNING));
        let vault = Vault::new(clock.clone());
        vault.live_for(fate.credentials_live);
        vault.role().follow("ACTION_VERSION", VERSIONS);
        let artifactory = Artifactory::start(traffic.clone(), clock.clone()).await;
        for (local, kind, front) in REPOSITORIES {
            artifactory.repository(Repository::local(local, kind).naming(fate.snapshots));
            artifactory.repository(Repository::virtual_of(front, kind, &[local], Some(local)));
        }
        artifactory.user(user(&fate, PASSWORD));
        for (repository, path, content) in fate.jobs.iter().flat_map(Work::existing) {
            artifactory.put_file(repository, &path, content);
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
        let own_token = (fate.credential == Credential::AccessToken).then(|| artifactory.token_of(USER));
        secrets.put(SECRET, &secret(&fate, PASSWORD, own_token.as_deref()));
        for stray in &fate.strays {
            s3.put(JOURNAL, stray.key(), text_of(*stray));
        }
        let invoked = fate.jobs.iter().filter(|work| work.arrival == Arrival::Invoked);
        let deliveries = invoked.map(|work| work.events.len()).sum();
        let world = Arc::new(Self {
            pipeline: CodePipeline::start_with(traffic.clone(), vault.clone(), fate.pipeline.clone()).await,
            before: artifactory.all_files(),
            fate,
            own_token,
            log,
            start: Instant::now(),
            clock,
            traffic,
            vault,
            secrets,
            s3,
            artifactory,
            jobs: Mutex::default(),
            events: Mutex::default(),
            deliveries: Mutex::new(deliveries),
            running: Mutex::default(),
            ran: Mutex::default(),
            last_lease: Mutex::default(),
            notes: Mutex::default(),
            spoiled: Mutex::default(),
            processes: Mutex::default(),
        });
        world.pipeline.declare(ActionType { version: "2".to_owned(), ..ActionType::default() });
        let mut weather = Weather::of(&world);
        world.traffic.disturb(move |service, request| weather.meet(service, request));
        world
    }

    /// Lets everything happen, until all is answered or the time for it is over.
    pub(super) async fn live(self: &Arc<Self>) -> Result<(), String> {
        let (wake, woken) = mpsc::unbounded_channel();
        let woken = Arc::new(tokio::sync::Mutex::new(woken));
        let slots: Vec<_> = (0..self.fate.processes)
            .map(|slot| tokio::spawn(Arc::clone(self).slot(slot, wake.clone(), Arc::clone(&woken))))
            .collect();
        let mut ended = false;
        for (at, act) in self.agenda() {
            tokio::time::sleep_until(self.start + at).await;
            match act {
                Act::Queue(number) => self.queue(number),
                Act::End(number) => self.end_early(number),
                Act::Herd => {
                    for _ in 0..self.fate.processes {
                        drop(wake.send(Wake::Bell(Trigger::Schedule)));
                    }
                }
                Act::Event => drop(wake.send(Wake::Bell(Trigger::ActionStarted { pipeline: None, started: None }))),
                Act::Deliver(number) => drop(wake.send(Wake::Job { number, before: 0 })),
                Act::Schedule => {
                    if self.is_over() {
                        ended = true;
                        break;
                    }
                    drop(wake.send(Wake::Bell(Trigger::Schedule)));
                }
                Act::NewPassword => {
                    self.artifactory.user(user(&self.fate, NEW_PASSWORD));
                    self.note("Artifactory wants the new password".to_owned());
                }
                Act::NewSecret => {
                    self.secrets.put(SECRET, &secret(&self.fate, NEW_PASSWORD, None));
                    self.note("the secret holds the new password".to_owned());
                }
                Act::BreakSecret(why) => {
                    self.secrets.break_with(SECRET, why);
                    self.note(format!("the secret cannot be read: {why:?}"));
                }
                Act::MendSecret => {
                    self.secrets.mend(SECRET);
                    self.note("the secret can be read".to_owned());
                }
                Act::Spoil => self.spoil(),
                Act::RevokeTokens => {
                    self.artifactory.revoke_all_tokens();
                    self.note("all tokens are revoked".to_owned());
                }
            }
        }
        slots.iter().for_each(tokio::task::JoinHandle::abort);
        if ended {
            Ok(())
        } else {
            Err(format!("I1, I5: not all is answered {TICKS} ticks and more after the last trouble"))
        }
    }

    fn agenda(&self) -> Vec<(Duration, Act)> {
        let fate = &self.fate;
        let mut agenda = Vec::new();
        for (number, work) in fate.jobs.iter().enumerate() {
            agenda.push((work.queued, Act::Queue(number)));
            agenda.extend(work.events.iter().map(|at| match work.arrival {
                Arrival::Polled => (*at, Act::Event),
                Arrival::Invoked => (*at, Act::Deliver(number)),
            }));
            if let Ending::Abandoned(at) | Ending::Forgotten(at) = work.ending {
                agenda.push((at, Act::End(number)));
            }
        }
        if let Some(rotation) = fate.rotation {
            agenda.push((rotation.at, Act::NewPassword));
            agenda.push((rotation.at + rotation.lag, Act::NewSecret));
        }
        agenda.extend(fate.spoiled.map(|at| (at, Act::Spoil)));
        agenda.extend(fate.tokens_revoked.map(|at| (at, Act::RevokeTokens)));
        // The last job comes after two minutes at most; an invocation whose clock is off may believe in a minute more.
        let trouble = fate.trouble_ends.max(PERIOD * 2) + fate.deadline.max(PERIOD) + PERIOD * TICKS;
        let in_vain = if fate.pipeline.action_timeout < LONGEST_INVOCATION { fate.jobs.len() } else { 0 };
        let trouble = trouble + PERIOD * TICKS_IN_VAIN * u32::try_from(in_vain).unwrap_or(u32::MAX);
        // A claim that nobody can read is left alone for longer than any invocation lives.
        let trouble = trouble + fate.spoiled.map_or(Duration::ZERO, |at| at + LONGEST_INVOCATION);
        let trouble = trouble + if fate.has_invoke_actions() { PERIOD * TICKS_OF_EVENTS } else { Duration::ZERO };
        let schedule = (0..).map(|tick| fate.first_schedule + PERIOD * tick).take_while(|at| *at <= trouble);
        let dice = &mut fastrand::Rng::with_seed(fate.seed);
        let (lost, doubled) = fate.irregular;
        for at in schedule {
            let times = match dice.u8(..10) {
                _ if at >= fate.trouble_ends => 1,
                number if number < lost => 0,
                number if number < lost + doubled => 2,
                _ => 1,
            };
            agenda.extend((0..times).map(|_| (at, Act::Schedule)));
        }
        agenda.extend(fate.herd.map(|at| (at, Act::Herd)));
        if let Some((from, to, why)) = fate.broken {
            agenda.extend([(from, Act::BreakSecret(why)), (to, Act::MendSecret)]);
        }
        agenda.sort_by_key(|(at, _)| *at);
        agenda
    }

    fn queue(&self, number: usize) {
        let work = &self.fate.jobs[number];
        let spec = JobSpec::new("web")
            .configuration("TypeOfArtifact", work.shape.kind())
            .configuration("RepoKey", self.repository_of(work))
            .configuration("ArtifactoryHost", &self.artifactory.platform_url());
        let key = input(number);
        self.s3.put(ARTIFACTS, &key, work.artifact());
        let mut spec = spec.input("BuildOutput", ARTIFACTS, &key);
        let options = work.option_text();
        if !options.is_empty() {
            spec = spec.configuration("Options", &options);
        }
        if work.options.annotated {
            let (key, value) = PROPERTY;
            spec = spec.configuration("Properties", &format!("{key}={value}"));
        }
        if let Some(member) = work.omitted {
            spec = spec.without(member);
        }
        let version = work.action_version.to_owned();
        spec = spec.action_type(ActionType { version, ..ActionType::default() });
        if work.output {
            spec = spec.output("Report", ARTIFACTS, &output(number));
        }
        let id = match work.arrival {
            Arrival::Polled => self.pipeline.queue(spec),
            Arrival::Invoked => {
                let (id, event) = self.pipeline.invoke(spec);
                lock(&self.events).insert(number, Trigger::of(&event));
                id
            }
        };
        self.note(format!("{id} is queued: {work:?}"));
        lock(&self.jobs).insert(number, id);
    }

    fn repository_of(&self, work: &Work) -> &'static str {
        let own = work.shape.repository();
        match work.shape {
            Shape::Homeless => "npm-nowhere",
            _ if self.fate.is_virtual => {
                REPOSITORIES.iter().find(|(local, ..)| *local == own).map_or(own, |(_, _, front)| *front)
            }
            _ => own,
        }
    }

    /// Somebody writes into a claim.
    fn spoil(&self) {
        let ids: Vec<String> = lock(&self.jobs).values().map(ToString::to_string).collect();
        let keys = self.s3.keys(JOURNAL, "jobs/");
        let Some(key) = keys.into_iter().find(|key| ids.iter().any(|id| key.contains(id))) else { return };
        self.note(format!("{key} is spoiled"));
        self.s3.put(JOURNAL, &key, "spoiled");
        *lock(&self.spoiled) = Some(key);
    }

    /// The pipeline does not wait for the job any more.
    fn end_early(&self, number: usize) {
        let Some(id) = lock(&self.jobs).get(&number).cloned() else { return };
        match self.fate.jobs[number].ending {
            Ending::Ordinary => {}
            Ending::Abandoned(_) => self.pipeline.abandon(&id),
            Ending::Forgotten(_) => self.pipeline.forget(&id),
        }
        self.note(format!("{id} is {:?}", self.fate.jobs[number].ending));
    }

    fn is_over(&self) -> bool {
        let jobs = self.jobs();
        let answered = |job: &JobId| !matches!(self.pipeline.result(job), JobResult::Pending { .. });
        let mut left = self.s3.keys(JOURNAL, "");
        left.retain(|key| !self.kept().contains(key));
        self.elapsed() >= self.fate.trouble_ends
            && jobs.len() == self.fate.jobs.len()
            && jobs.iter().all(|(work, job)| {
                // Of a job that nobody knows of, since all died that had its event, nobody will ever know.
                work.seized || work.ending != Ending::Ordinary || work.arrival == Arrival::Invoked || answered(job)
            })
            && *lock(&self.deliveries) == 0
            && lock(&self.running).is_empty()
            && left.is_empty()
    }

    /// Keys in the journal that may stay there.
    pub(super) fn kept(&self) -> Vec<String> {
        let mut keys = self.s3.keys(JOURNAL, "");
        // A claim that nobody can read and whose job is over is kept in quarantine.
        let moved = self.spoiled().pop().map(|key| key.replace("jobs/", "quarantine/"));
        let kept = |key: &String| moved.as_ref().is_some_and(|moved| key.starts_with(moved.as_str()));
        let marks: Vec<String> = self.jobs().iter().map(|(_, job)| invariants::mark(job)).collect();
        keys.retain(|key| kept(key) || marks.contains(key) || self.fate.strays.iter().any(|stray| stray.may_be(key)));
        keys
    }

    /// What is not ours in the journal is as it was: a claim of another account where it was, all else there or in quarantine.
    pub(super) fn strays_are_kept(&self) -> Verdict {
        let keys = self.s3.keys(JOURNAL, "");
        for stray in &self.fate.strays {
            let mut found = keys.iter().filter(|key| stray.may_be(key)).peekable();
            let same = |key: &String| self.s3.get(JOURNAL, key).is_some_and(|content| content == text_of(*stray));
            if found.peek().is_none() || !found.all(same) {
                return Err(format!("{stray:?} is gone or changed: {keys:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(super) fn note(&self, text: String) {
        lock(&self.notes).push((Instant::now(), text));
    }

    /// The claims that somebody has spoiled.
    pub(super) fn spoiled(&self) -> Vec<String> {
        lock(&self.spoiled).iter().cloned().collect()
    }

    /// Whether this job's claim is one of them.
    pub(super) fn is_spoiled(&self, job: &JobId) -> bool {
        self.spoiled().iter().any(|key| key.contains(job.as_str()))
    }

    /// How many invocations died, or ran into their deadline.
    pub(super) fn deaths(&self) -> usize {
        lock(&self.ran).iter().filter(|ran| matches!(ran.how, How::Killed | How::RanOut)).count()
    }

    /// Whether Artifactory wants a password at this moment that the secret does not hold yet.
    pub(super) fn is_behind(&self, at: Instant) -> bool {
        let behind = |rotation: Rotation| rotation.at..=rotation.at + rotation.lag;
        self.fate.rotation.is_some_and(|rotation| behind(rotation).contains(&(at - self.start)))
    }

    /// The ends of the keys of a job's artifacts.
    pub(super) fn artifacts_of(&self, job: &JobId) -> Vec<String> {
        let jobs = lock(&self.jobs);
        let number = jobs.iter().find_map(|(number, id)| (id == job).then_some(*number));
        number.map(|number| [input(number), output(number)].into()).unwrap_or_default()
    }

    /// Bucket and key of a job's output, where it has one.
    pub(super) fn output_of(&self, work: &Work, job: &JobId) -> Option<(String, String)> {
        let key = self.artifacts_of(job).pop().filter(|_| work.output)?;
        Some((ARTIFACTS.to_owned(), key))
    }

    pub(super) fn before(&self) -> &[StoredFile] {
        &self.before
    }

    pub(super) fn jobs(&self) -> Vec<(Work, JobId)> {
        lock(&self.jobs).iter().map(|(number, id)| (self.fate.jobs[*number].clone(), id.clone())).collect()
    }

    pub(super) fn seizable(&self, id: &str) -> Option<JobId> {
        let found = self.jobs().into_iter().find(|(work, job)| work.seized && job.as_str() == id);
        found.map(|(_, job)| job)
    }

    /// Whether another job that publishes fits this description.
    pub(super) fn another(&self, job: &JobId, fits: impl Fn(&Work) -> bool) -> bool {
        self.jobs().iter().any(|(work, id)| id != job && !work.options.dry_run && fits(work))
    }

    pub(super) fn witness(&self) -> Witness<'_> {
        let seen = self.traffic.seen();
        let agree = self.fate.clocks.iter().all(|off| *off == 0);
        Witness {
            allowed: model::allowed(self, &seen),
            seen,
            pipeline: &self.pipeline,
            s3: &self.s3,
            journal: JOURNAL.to_owned(),
            artifactory: &self.artifactory,
            role: self.vault.role(),
            secrets: self.kept_secret(),
            logs: vec![self.log.text()],
            wall: agree.then_some(Wall { millis: BEGINNING * 1_000, since: self.start, travel: Duration::ZERO }),
            invocations: lock(&self.ran).clone(),
        }
    }

    fn kept_secret(&self) -> Vec<String> {
        let sessions = self.vault.sessions().into_iter().flat_map(|it| [it.secret_access_key, it.session_token]);
        let own = [PASSWORD, NEW_PASSWORD, FUNCTION_SECRET_ACCESS_KEY].map(str::to_owned);
        let basic = [PASSWORD, NEW_PASSWORD].map(|password| invariants::basic(USER, password));
        self.artifactory.token_values().into_iter().chain(sessions).chain(own).chain(basic).collect()
    }

    pub(super) fn tell(&self, witness: &Witness, verdict: Verdict, always: bool) -> Told {
        let lease = *lock(&self.last_lease);
        let last = self.jobs().iter().filter_map(|(_, job)| witness.answers(job).map(|seen| seen.at).max()).max();
        let ticks = match (lease, last) {
            (Some(lease), Some(last)) => {
                let waited = last.saturating_duration_since(lease);
                u32::try_from(waited.as_millis().div_ceil(PERIOD.as_millis())).unwrap_or(u32::MAX)
            }
            _ => 0,
        };
        let story = if always || verdict.is_err() { self.story(witness) } else { String::new() };
        let covered = cover::covered(self, witness);
        Told { requests: self.traffic.total(), deaths: self.deaths(), ticks, covered, story, verdict }
    }

    fn story(&self, witness: &Witness) -> String {
        let mut lines = vec![(self.start, format!("{:#?}", self.fate))];
        lines.extend(lock(&self.notes).iter().cloned());
        lines.extend(witness.seen.iter().map(|seen| {
            let process = seen.request.header(process::PROCESS);
            let status = seen.status.map_or_else(|| "not handled".to_owned(), |status| status.to_string());
            (seen.at, format!("  {process:>2} {} {} -> {status}", seen.service, weather::name(&seen.request)))
        }));
        lines.sort_by_key(|(at, _)| *at);
        let line = |(at, text): (Instant, String)| format!("{:>8} {text}\n", (at - self.start).as_millis());
        let mut story: String = lines.into_iter().map(line).collect();
        // What is not the same in every run.
        for token in self.artifactory.token_values() {
            story = story.replace(&token, "[token]");
        }
        story.replace(&self.artifactory.platform_url(), "http://artifactory")
    }

    /// Takes the world apart: the traffic holds what holds it.
    pub(super) fn end(&self) {
        self.traffic.disturb(|_, _| Disturbance::default());
        for job in self.pipeline.jobs() {
            self.pipeline.forgive(&job);
        }
    }
}

fn input(number: usize) -> String {
    format!("web/BuildOutpu/{number:07x}")
}

fn output(number: usize) -> String {
    format!("web/Report/{number:07x}")
}

fn user(fate: &Fate, password: &str) -> User {
    let may = |user: User, (local, _, front): &(&str, _, &str)| user.may(local, &fate.may).may(front, &fate.may);
    REPOSITORIES.iter().fold(User::new(USER, password), may)
}

/// What a stray is, as text.
fn text_of(stray: Stray) -> String {
    match stray {
        Stray::Note => "somebody's notes".to_owned(),
        Stray::Damaged => "{ \"format\": 1,".to_owned(),
        Stray::Foreign => serde_json::json!({
            "format": 1, "job": "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "owner": "another", "account": "999999999999",
            "region": "us-east-1", "action_type": { "category": "Deploy", "provider": "Artifactory", "version": "1" },
            "nonce": "1", "acknowledgement": "confirmed", "attempt": 1, "lease_until": 1,
            "external_execution_id": "RUN", "plan": null, "done": 0,
        })
        .to_string(),
    }
}

/// What the secret holds: a token, or else the password.
fn secret(fate: &Fate, password: &str, token: Option<&str>) -> String {
    let mut secret = match token {
        Some(token) => serde_json::json!({ "access_token": token }),
        None => serde_json::json!({ "username": USER, "password": password }),
    };
    if fate.has_invoke_actions() {
        secret["pipelines"] = serde_json::json!(["*", "(invoke)"]);
    }
    secret.to_string()
}
