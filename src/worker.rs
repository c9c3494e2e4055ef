//! One tick: go on with jobs that were left, poll for new ones, claim, acknowledge, run, report, close.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde::Serialize;
use thiserror::Error;
use tracing::Instrument as _;

use crate::aws::AwsError;
use crate::aws::codepipeline::{Acknowledged, Answered};
use crate::aws::journal::{Acknowledgement, Claim, Claiming, Journal, OpenClaim, Record};
use crate::deadline::{Deadline, Stopwatch};
use crate::failure::{Failure, Progress};
use crate::job::{Job, JobId, Offer, PipelineRun};
use crate::log::chain;
use crate::package::Coordinates;
use crate::report::FailureReport;
use crate::run::{Effort, Ended, Hold, Services, run};
use crate::settings::ActionType;
use crate::trigger::Trigger;

/// How many workers may die on a job before it is only looked at and then given up.
const MAX_ATTEMPTS: u32 = 3;
/// When an empty queue is asked again after an event that promised a job: the event can precede it.
const ASK_AGAIN: [Duration; 4] =
    [Duration::from_millis(300), Duration::from_millis(700), Duration::from_millis(1500), Duration::from_millis(2500)];

/// The worker of a process.
#[derive(Debug)]
pub struct Worker {
    services: Services,
    journal: Journal,
}

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

/// What a tick did: the invocation's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TickReport {
    /// Jobs that an earlier invocation had left.
    pub resumed: usize,
    /// Jobs that were offered.
    pub polled: usize,
    /// Jobs by outcome.
    pub succeeded: usize,
    /// Jobs by outcome.
    pub failed: usize,
    /// Jobs by outcome.
    pub skipped: usize,
    /// Jobs by outcome.
    pub left: usize,
    /// The jobs themselves.
    pub jobs: Vec<JobReport>,
}

impl TickReport {
    fn add(&mut self, job: JobReport) {
        match job.outcome {
            Outcome::Succeeded => self.succeeded += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Left => self.left += 1,
        }
        self.jobs.push(job);
    }
}

/// What breaks a tick. It is logged once and alarms us; jobs are not answered by it.
#[derive(Debug, Error)]
pub enum TickError {
    /// Without the journal no job can be claimed.
    #[error("the journal cannot be used: check the bucket in JOURNAL_BUCKET and the function's rights on it")]
    Journal(#[source] AwsError),
    /// The queue cannot be asked.
    #[error(
        "the queue of {provider} {version} cannot be polled: check that the action type exists in this region, and the function's rights"
    )]
    Poll {
        /// The action type's provider.
        provider: String,
        /// The action type's version.
        version: String,
        /// The call's error.
        #[source]
        source: AwsError,
    },
}

impl From<TickError> for lambda_runtime::Diagnostic {
    /// What Lambda shows of a failed invocation.
    fn from(error: TickError) -> Self {
        let error_type = match &error {
            TickError::Journal(_) => "JournalUnusable",
            TickError::Poll { .. } => "QueueUnreachable",
        };
        Self { error_type: error_type.to_owned(), error_message: chain(&error) }
    }
}

impl Worker {
    /// A worker from the process's services.
    pub fn new(services: Services) -> Self {
        let journal = Journal::new(&services.aws, &services.settings.journal_bucket, services.settings.s3_path_style);
        Self { services, journal }
    }

    /// Runs one tick. `run_id` leads to the log of this invocation.
    pub async fn tick(&self, trigger: &Trigger, deadline: Deadline, run_id: &str) -> Result<TickReport, TickError> {
        match trigger {
            Trigger::Unknown(what) => tracing::warn!("{what}; polling all the same"),
            known => tracing::debug!(trigger = ?known, "woken"),
        }
        let tick = Tick {
            worker: self,
            journal: self.journal.renewed(),
            deadline,
            run_id,
            report: TickReport::default(),
            seen: BTreeSet::new(),
            offers: VecDeque::new(),
        };
        tick.run(trigger).await
    }
}

struct Tick<'a> {
    worker: &'a Worker,
    journal: Journal,
    deadline: Deadline,
    run_id: &'a str,
    report: TickReport,
    seen: BTreeSet<JobId>,
    offers: VecDeque<(ActionType, Offer)>,
}

/// Work that this tick has begun.
type Running<'t> = FuturesUnordered<BoxFuture<'t, JobReport>>;

impl Tick<'_> {
    async fn run(mut self, trigger: &Trigger) -> Result<TickReport, TickError> {
        let (journal, deadline, worker, run_id) = (self.journal.clone(), self.deadline, self.worker, self.run_id);
        let hand = Hand { worker, journal: &journal, deadline, run_id };
        let types = &worker.services.settings.action_types;
        let mut running: Running<'_> = FuturesUnordered::new();
        for left in self.left_claims(&hand, types).await? {
            match left {
                // Its neighbours would die with it.
                Resumed::AfterDeath(work) => self.report.add(work.await),
                Resumed::HandedOver(work) => running.push(work),
                Resumed::Done(report) => self.report.add(report),
            }
        }
        let mut asks = match trigger {
            Trigger::ActionStarted { .. } => ASK_AGAIN.iter(),
            _ => [].iter(),
        };
        let mut broken = None;
        loop {
            if broken.is_none() {
                broken = self.fill(&hand, types, &mut running).await.err();
            }
            if let Some(report) = OptionFuture::from((!running.is_empty()).then(|| running.next())).await.flatten() {
                self.report.add(report);
                continue;
            }
            match asks.next() {
                Some(pause) if self.report.polled == 0 && broken.is_none() && deadline.left() > *pause => {
                    tokio::time::sleep(*pause).await;
                }
                _ => break,
            }
        }
        broken.map_or(Ok(self.report), Err)
    }

    /// Begins as many offered jobs as there is room for; polls where no offer waits.
    async fn fill<'t>(
        &mut self,
        hand: &Hand<'t>,
        types: &[ActionType],
        running: &mut Running<'t>,
    ) -> Result<(), TickError> {
        let most = self.worker.services.settings.jobs_in_flight;
        while running.len() < most && self.deadline.has_room() {
            if self.offers.is_empty() && !self.poll(types, most - running.len()).await? {
                break;
            }
            let Some((action_type, offer)) = self.offers.pop_front() else { break };
            running.push(hand.take(action_type, offer).boxed());
        }
        Ok(())
    }

    /// Polls each action type once, until one offers something new.
    async fn poll(&mut self, types: &[ActionType], most: usize) -> Result<bool, TickError> {
        for action_type in types {
            let offered = self.worker.services.pipeline.poll(action_type, most, self.deadline).await;
            let offered = offered.map_err(|source| TickError::Poll {
                provider: action_type.provider.clone(),
                version: action_type.version.clone(),
                source,
            })?;
            for offer in offered {
                if self.seen.insert(offer.job.id.clone()) {
                    self.report.polled += 1;
                    self.offers.push_back((action_type.clone(), offer));
                }
            }
            if !self.offers.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes over the claims whose owner's time is up.
    async fn left_claims<'t>(&mut self, hand: &Hand<'t>, types: &[ActionType]) -> Result<Vec<Resumed<'t>>, TickError> {
        let open = hand.journal.open_claims(types, self.deadline).await.map_err(TickError::Journal)?;
        let now = self.worker.services.clock.epoch_millis();
        let mut resumed = Vec::new();
        for claim in open.into_iter().filter(|claim| claim.record.lease_until <= now) {
            if !self.deadline.has_room() {
                break;
            }
            let Some(owned) = hand.take_over(claim).await.map_err(TickError::Journal)? else { continue };
            self.report.resumed += 1;
            self.seen.insert(owned.record().job.clone());
            resumed.push(self.resume(hand, owned).await);
        }
        Ok(resumed)
    }

    /// Finds out whether a job that was taken over is ours to answer, and begins it.
    async fn resume<'t>(&mut self, hand: &Hand<'t>, claim: Claim) -> Resumed<'t> {
        let record = claim.record().clone();
        tracing::info!(job.id = %record.job, attempt = record.attempt, "going on with a job that was left");
        let started = Stopwatch::start();
        let claim = match (record.acknowledgement, claim) {
            (Acknowledgement::Confirmed, claim) => claim,
            (Acknowledgement::Unconfirmed, claim) => match self.acknowledge_again(hand, &record).await {
                Taken::Ours => claim.confirmed(),
                Taken::Probably => claim,
                Taken::No(outcome) => {
                    let outcome = hand.give_up(claim, outcome).await;
                    return Resumed::Done(JobReport::of(&record.job, &PipelineRun::default(), outcome, started));
                }
            },
        };
        let job = match hand.worker.services.pipeline.details(&record.job, hand.deadline).await {
            Ok(Some(job)) => job,
            Ok(None) => {
                tracing::warn!(job.id = %record.job, "CodePipeline does not know the job any more");
                let outcome = hand.give_up(claim, Outcome::Skipped).await;
                return Resumed::Done(JobReport::of(&record.job, &PipelineRun::default(), outcome, started));
            }
            Err(error) => {
                tracing::warn!(job.id = %record.job, error = &error as &dyn std::error::Error, "the job is left to the next tick");
                let outcome = hand.give_up(claim, Outcome::Left).await;
                return Resumed::Done(JobReport::of(&record.job, &PipelineRun::default(), outcome, started));
            }
        };
        let deaths = record.attempt.saturating_sub(1);
        let effort = if deaths >= MAX_ATTEMPTS { Effort::LookOnly { deaths } } else { Effort::Publish };
        let work = hand.work(claim, job, effort).boxed();
        if deaths > 0 { Resumed::AfterDeath(work) } else { Resumed::HandedOver(work) }
    }

    /// The predecessor may have died before, during or after its acknowledgement.
    async fn acknowledge_again(&mut self, hand: &Hand<'_>, record: &Record) -> Taken {
        let pipeline = &hand.worker.services.pipeline;
        match pipeline.acknowledge(&record.job, &record.nonce, self.deadline).await {
            Ok(Acknowledged::Ours) => return Taken::Ours,
            Ok(Acknowledged::NotOurs(why)) => tracing::info!(job.id = %record.job, why, "the old nonce is not taken"),
            Err(error) => {
                tracing::warn!(job.id = %record.job, error = &error as &dyn std::error::Error, "the acknowledgement failed");
                return Taken::No(Outcome::Left);
            }
        }
        // The same question about another claim may have brought the offer already: then it is not made again so soon.
        let brought = self.offers.iter().position(|(_, offer)| offer.job.id == record.job);
        let mut again = brought.and_then(|at| self.offers.remove(at)).map(|(_, offer)| offer.nonce);
        if again.is_none() {
            let most = self.worker.services.settings.jobs_in_flight;
            let offered = match pipeline.poll(&record.action_type, most, self.deadline).await {
                Ok(offered) => offered,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the queue cannot be asked");
                    return Taken::No(Outcome::Left);
                }
            };
            for offer in offered {
                if offer.job.id == record.job {
                    again = Some(offer.nonce);
                } else if self.seen.insert(offer.job.id.clone()) {
                    self.report.polled += 1;
                    self.offers.push_back((record.action_type.clone(), offer));
                }
            }
        }
        // Offered again: nobody has it. Not offered: the predecessor's acknowledgement went through.
        let Some(nonce) = again else { return Taken::Probably };
        match pipeline.acknowledge(&record.job, &nonce, self.deadline).await {
            Ok(Acknowledged::Ours) => Taken::Ours,
            Ok(Acknowledged::NotOurs(_)) => Taken::No(Outcome::Skipped),
            Err(_) => Taken::No(Outcome::Left),
        }
    }
}

/// Whether a job that a dead worker claimed is ours now.
enum Taken {
    /// CodePipeline says so.
    Ours,
    /// It follows from what CodePipeline does not say.
    Probably,
    /// It is not, or nobody can tell yet.
    No(Outcome),
}

/// A claim that was taken over, and what is to be done about it.
enum Resumed<'t> {
    AfterDeath(BoxFuture<'t, JobReport>),
    HandedOver(BoxFuture<'t, JobReport>),
    Done(JobReport),
}

/// What one job needs of the tick; cheap to copy into each job's future.
#[derive(Clone, Copy)]
struct Hand<'t> {
    worker: &'t Worker,
    journal: &'t Journal,
    deadline: Deadline,
    run_id: &'t str,
}

impl<'t> Hand<'t> {
    async fn take_over(&self, open: OpenClaim) -> Result<Option<Claim>, AwsError> {
        Ok(match self.journal.take_over(open, self.run_id, self.deadline).await? {
            Claiming::Ours(claim) => Some(claim),
            Claiming::Held => None,
        })
    }

    /// Claims an offered job, acknowledges it, and works on it.
    async fn take(self, action_type: ActionType, offer: Offer) -> JobReport {
        let Offer { job, nonce, account } = offer;
        let (id, run) = (job.id.clone(), job.run.clone());
        let started = Stopwatch::start();
        let mut record = Record::first(id.clone(), action_type, nonce.clone());
        record.account = account;
        record.external_execution_id = self.run_id.to_owned();
        let claim = match self.journal.claim(record, self.deadline).await {
            Ok(Claiming::Ours(claim)) => claim,
            Ok(Claiming::Held) => {
                tracing::info!(job.id = %id, "another invocation has the job");
                return JobReport::of(&id, &run, Outcome::Skipped, started);
            }
            Err(error) => {
                // Not acknowledged, so CodePipeline offers it again.
                tracing::error!(job.id = %id, error = &error as &dyn std::error::Error, "the job could not be claimed");
                return JobReport::of(&id, &run, Outcome::Left, started);
            }
        };
        match self.worker.services.pipeline.acknowledge(&id, &nonce, self.deadline).await {
            Ok(Acknowledged::Ours) => Box::pin(self.work(claim.confirmed(), job, Effort::Publish)).await,
            Ok(Acknowledged::NotOurs(why)) => {
                tracing::info!(job.id = %id, why, "the job is another worker's");
                let outcome = self.give_up(claim, Outcome::Skipped).await;
                JobReport::of(&id, &run, outcome, started)
            }
            Err(error) => {
                tracing::warn!(job.id = %id, error = &error as &dyn std::error::Error, "the acknowledgement failed; the next tick finds out");
                let outcome = self.give_up(claim, Outcome::Left).await;
                JobReport::of(&id, &run, outcome, started)
            }
        }
    }

    /// Ends the use of a claim without an answer of ours: closed where the job is not ours, else handed over.
    async fn give_up(&self, claim: Claim, outcome: Outcome) -> Outcome {
        let hold = Hold::new(self.journal, claim, self.deadline);
        let ended = if outcome == Outcome::Left { hold.release().await } else { hold.close().await };
        if let Err(error) = ended {
            // The lease runs out by itself.
            tracing::warn!(error = &error as &dyn std::error::Error, "the claim could not be given up");
        }
        outcome
    }

    /// Runs a job that is ours, reports it, closes its claim.
    fn work(self, claim: Claim, job: Job, effort: Effort) -> impl Future<Output = JobReport> + Send + 't {
        let span = tracing::error_span!(
            "job",
            job.id = %job.id,
            pipeline = job.run.pipeline.as_deref().unwrap_or_default(),
            execution = job.run.execution.as_deref().unwrap_or_default(),
        );
        async move {
            let started = Stopwatch::start();
            let (id, run_facts) = (job.id.clone(), job.run.clone());
            let mut hold = Hold::new(self.journal, claim, self.deadline);
            let running = run(&self.worker.services, job, effort, &mut hold, self.deadline);
            // A panic is a bug of ours, but the pipeline must not hang for it.
            let ended = Box::pin(AssertUnwindSafe(running).catch_unwind()).await;
            let ended = ended.unwrap_or_else(|_| Ended::Failed(Box::new(Failure::Panicked), Progress::default()));
            let packages = published(&ended).iter().map(ToString::to_string).collect::<Vec<_>>();
            let outcome = self.answer(&id, ended, hold).await;
            let report = JobReport { packages, ..JobReport::of(&id, &run_facts, outcome, started) };
            tracing::info!(outcome = ?report.outcome, millis = report.millis, packages = ?report.packages, "job ended");
            report
        }
        .instrument(span)
    }

    async fn answer(&self, id: &JobId, ended: Ended, hold: Hold<'_>) -> Outcome {
        let pipeline = &self.worker.services.pipeline;
        let (answered, outcome) = match ended {
            Ended::Lost => {
                tracing::warn!("another worker has taken the job over; it reports, not this one");
                return Outcome::Skipped;
            }
            Ended::Unfinished => {
                tracing::info!("time is short; the next tick goes on");
                return self.let_go(hold).await;
            }
            Ended::Published(published) => {
                let report = published.report(self.run_id);
                tracing::info!(summary = report.summary, "published");
                (pipeline.succeed(id, &report, self.deadline).await, Outcome::Succeeded)
            }
            Ended::Failed(failure, progress) => {
                let message = failure.message(&progress, self.run_id);
                tracing::error!(kind = %failure.kind(), "{message}");
                let report = FailureReport::new(failure.kind(), &message, self.run_id);
                (pipeline.fail(id, &report, self.deadline).await, Outcome::Failed)
            }
        };
        let outcome = match answered {
            Ok(Answered::Accepted) => outcome,
            Ok(Answered::NotOpen) if hold.is_confirmed() => outcome,
            Ok(Answered::NotOpen) => Outcome::Skipped,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the result could not be reported; the next tick tries again"
                );
                return self.let_go(hold).await;
            }
        };
        if let Err(error) = hold.close().await {
            // The next tick finds the claim, and CodePipeline's word that the job was answered.
            tracing::warn!(error = &error as &dyn std::error::Error, "the claim could not be removed");
        }
        outcome
    }

    async fn let_go(&self, hold: Hold<'_>) -> Outcome {
        if let Err(error) = hold.release().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the claim could not be handed over; its lease runs out by itself"
            );
        }
        Outcome::Left
    }
}

impl JobReport {
    fn of(id: &JobId, run: &PipelineRun, outcome: Outcome, started: Stopwatch) -> Self {
        Self { id: id.clone(), pipeline: run.pipeline.clone(), outcome, packages: Vec::new(), millis: started.millis() }
    }
}

fn published(ended: &Ended) -> Vec<&Coordinates> {
    match ended {
        Ended::Published(published) => published.packages.iter().map(|package| &package.of).collect(),
        Ended::Failed(_, progress) => progress.published.iter().collect(),
        Ended::Unfinished | Ended::Lost => Vec::new(),
    }
}

impl fmt::Debug for Tick<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.report)
    }
}
