//! One job in hand: claimed, acknowledged, run, reported, its claim closed or handed over.

use std::borrow::Cow;

use aws_sdk_codepipeline::types::FailureType;
use tracing::Instrument as _;

use crate::answer::{JobReport, Outcome};
use crate::aws::AwsError;
use crate::aws::codepipeline::{Acknowledged, Answered};
use crate::aws::journal::{Claim, Claiming, Journal, Record};
use crate::deadline::{Deadline, Stopwatch};
use crate::failure::{Failure, Progress};
use crate::guard::{Panicked, guarded, guarded_now};
use crate::hold::{Hold, Standing};
use crate::job::{Job, JobId, Offer, PipelineRun};
use crate::log::chain;
use crate::metric::{Metric, Numbers};
use crate::package::Coordinates;
use crate::registry::Stats;
use crate::report::{FailureReport, SuccessReport};
use crate::run::{Effort, Ended, Facts, Services, refuse, run};
use crate::settings::ActionType;
use crate::trigger::Started;

/// How many bytes of names a job has in the invocation's answer, of which Lambda takes 6 MB.
const NAMES: usize = 64 << 10;
/// How many packages the line of the log that ends a job names.
const SHOWN: usize = 20;

/// What one job needs of the tick; cheap to copy into each job's future.
#[derive(Debug, Clone, Copy)]
pub struct Hand<'t> {
    /// What every job needs of the process.
    pub services: &'t Services,
    /// The journal, in this invocation's name.
    pub journal: &'t Journal,
    /// When the invocation ends.
    pub deadline: Deadline,
    /// What leads to the log of this invocation.
    pub run_id: &'t str,
    /// The action whose start woke it.
    pub started: Option<&'t Started>,
}

/// How a job ended in this invocation.
#[derive(Debug)]
struct Ending {
    outcome: Outcome,
    /// What CodePipeline was told of a failure.
    failure: Option<FailureType>,
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, failure: None }
    }
}

/// What is done about a job.
enum Task {
    Run(Box<Job>, Effort),
    Refuse(Failure),
}

impl<'t> Hand<'t> {
    /// Claims an offered job, acknowledges it, and works on it.
    pub async fn take(self, action_type: ActionType, offer: Offer) -> JobReport {
        let (id, run) = (offer.job.id.clone(), offer.job.run.clone());
        left_if_it_panics(id, run, self.claim_and_work(action_type, offer)).await
    }

    async fn claim_and_work(self, action_type: ActionType, offer: Offer) -> JobReport {
        let Offer { job, nonce } = offer;
        let (id, run) = (job.id.clone(), job.run.clone());
        let started = Stopwatch::start();
        let record = Record::first(id.clone(), action_type, nonce.clone(), self.run_id);
        let claim = match self.journal.claim(record, self.deadline).await {
            Ok(Claiming::Ours(claim)) => claim,
            Ok(Claiming::Held) => {
                tracing::info!(job.id = %id, "another invocation has the job");
                return JobReport::of(&id, &run, Outcome::Skipped, started);
            }
            Err(error) => {
                // Not acknowledged, so CodePipeline offers it again.
                tracing::error!(job.id = %id, error = chain(&error), "the job could not be claimed");
                return JobReport::of(&id, &run, Outcome::Left, started);
            }
        };
        let acknowledging = self.services.pipeline.acknowledge(&id, &nonce, self.deadline);
        let outcome = match Box::pin(guarded(acknowledging)).await {
            Ok(Ok(Acknowledged::Ours)) => {
                if let Some(millis) = self.started.and_then(|it| it.waited(&run, self.deadline.now_millis())) {
                    let metrics = Numbers::default().and(Metric::WAIT, millis).text();
                    let pipeline = run.pipeline.as_deref().unwrap_or_default();
                    tracing::info!(metrics, job.id = %id, pipeline, "the job was acknowledged");
                }
                return Box::pin(self.work(claim.confirmed(), job, Effort::Publish)).await;
            }
            Ok(Ok(Acknowledged::NotOurs(why) | Acknowledged::Over(why))) => {
                tracing::info!(job.id = %id, why, "the job is not ours");
                self.give_up(claim, Outcome::Skipped).await
            }
            Ok(Err(error)) => {
                tracing::error!(job.id = %id, error = chain(&error), "the acknowledgement failed; the next tick finds out");
                self.give_up(claim, Outcome::Left).await
            }
            Err(Panicked) => self.give_up(claim, Outcome::Left).await,
        };
        JobReport::of(&id, &run, outcome, started)
    }

    /// Ends the use of a claim without an answer of ours: closed where the job is not ours, else handed over.
    pub async fn give_up(&self, claim: Claim, outcome: Outcome) -> Outcome {
        let hold = Hold::new(self.journal, claim, self.deadline);
        settled(if outcome == Outcome::Left { hold.hand_over().await } else { hold.close().await });
        outcome
    }

    /// Ends the use of a claim whose job somebody has seen since it was offered to us.
    pub async fn let_go(&self, claim: Claim) -> Outcome {
        let_go(Hold::new(self.journal, claim, self.deadline)).await
    }

    /// Hands over a claim whose job was not even begun, because of a bug of ours. How often is counted: a bug that comes
    /// each time must not keep the pipeline waiting for ever.
    pub async fn leave(&self, claim: Claim) -> Outcome {
        settled(Hold::new(self.journal, claim, self.deadline).hand_over_in_vain().await);
        Outcome::Left
    }

    /// Runs a job that is ours, reports it, closes its claim.
    pub fn work(self, claim: Claim, job: Job, effort: Effort) -> impl Future<Output = JobReport> + Send + 't {
        self.end(claim, job.id.clone(), job.run.clone(), Task::Run(Box::new(job), effort))
    }

    /// Ends a job that is ours and is not run with this failure, closes its claim.
    pub fn refuse(self, claim: Claim, job: JobId, failure: Failure) -> impl Future<Output = JobReport> + Send + 't {
        self.end(claim, job, PipelineRun::default(), Task::Refuse(failure))
    }

    fn end(
        self,
        claim: Claim,
        id: JobId,
        run_facts: PipelineRun,
        task: Task,
    ) -> impl Future<Output = JobReport> + Send + 't {
        let span = tracing::error_span!(
            "job",
            job.id = %id,
            pipeline = run_facts.pipeline.as_deref().unwrap_or_default(),
            execution = run_facts.execution.as_deref().unwrap_or_default(),
            stage = run_facts.stage.as_deref().unwrap_or_default(),
            action = run_facts.action.as_deref().unwrap_or_default(),
        );
        let (own_id, own_facts) = (id.clone(), run_facts.clone());
        let working = async move {
            let started = Stopwatch::start();
            let mut hold = Hold::new(self.journal, claim, self.deadline);
            let is_resumed = hold.is_resumed();
            let running = async {
                match task {
                    Task::Run(job, effort) => run(self.services, *job, effort, &mut hold, self.deadline).await,
                    Task::Refuse(failure) => refuse(failure, &hold),
                }
            };
            // A panic is a bug of ours, but the pipeline must not hang for it.
            let (ended, facts) = Box::pin(guarded(running)).await.unwrap_or_else(|Panicked| {
                (Ended::Failed(Box::new(Failure::Panicked), Progress::unknown(true)), Facts::default())
            });
            let packages = published(&ended);
            let Ending { outcome, failure } = self.answer(&id, ended, hold).await;
            let report = JobReport { packages, ..JobReport::of(&id, &run_facts, outcome, started) };
            log(&report, failure.as_ref(), &facts, is_resumed);
            report
        };
        left_if_it_panics(own_id, own_facts, working).instrument(span)
    }

    /// Reports how the job ended, and closes its claim; or hands it over.
    async fn answer(&self, id: &JobId, ended: Ended, mut hold: Hold<'_>) -> Ending {
        if self.deadline.has_passed() {
            return too_late(hold).await.into();
        }
        let pipeline = &self.services.pipeline;
        let report = match ended {
            Ended::Lost => return lost().into(),
            Ended::Unfinished => {
                tracing::info!("time is short; the next tick goes on");
                settled(hold.hand_over_unfinished().await);
                return Outcome::Left.into();
            }
            Ended::Published(published) => {
                let report = guarded_now(|| published.report(self.run_id));
                let report = report.unwrap_or_else(|Panicked| SuccessReport::least(self.run_id));
                tracing::info!(summary = report.summary, "published");
                Report::Success(report)
            }
            Ended::Failed(failure, progress) => {
                let report = guarded_now(|| {
                    let message = failure.message(&progress, self.run_id);
                    tracing::error!(kind = %failure.kind(), "{message}");
                    FailureReport::new(failure.kind(), &message, self.run_id)
                });
                Report::Failure(report.unwrap_or_else(|Panicked| FailureReport::panicked(self.run_id)))
            }
            Ended::Told(report) => {
                tracing::warn!(kind = %report.kind, "the job has failed before, which may have been told; told again");
                Report::Failure(report)
            }
        };
        let (answered, outcome) = match &report {
            Report::Success(report) => {
                let telling = pipeline.succeed(id, report, self.deadline);
                (Box::pin(guarded(telling)).await, Outcome::Succeeded)
            }
            Report::Failure(report) => {
                // Written down first: if its answer is lost, nobody must run the job again and publish after all.
                match hold.tell(report).await {
                    Ok(Standing::Ours) if self.deadline.has_passed() => return too_late(hold).await.into(),
                    Ok(Standing::Ours) => {
                        let telling = pipeline.fail(id, report, self.deadline);
                        (Box::pin(guarded(telling)).await, Outcome::Failed)
                    }
                    Ok(Standing::Lost) => return lost().into(),
                    Err(error) => (Ok(Err(error)), Outcome::Left),
                }
            }
        };
        match answered {
            Ok(Ok(Answered::Accepted)) => {
                settled(hold.close().await);
                let failure = match report {
                    Report::Success(_) => None,
                    Report::Failure(report) => Some(report.kind),
                };
                Ending { outcome, failure }
            }
            Ok(Ok(Answered::NotOpen)) => {
                tracing::warn!("CodePipeline takes no result of the job (any more)");
                let_go(hold).await.into()
            }
            Ok(Err(error)) => {
                tracing::error!(error = chain(&error), "the result could not be reported; the next tick tries again");
                settled(hold.hand_over().await);
                Outcome::Left.into()
            }
            Err(Panicked) => {
                settled(hold.hand_over().await);
                Outcome::Left.into()
            }
        }
    }
}

/// The line of the log that ends a job: what became of it, what it was about, and what it took.
fn log(report: &JobReport, failure: Option<&FailureType>, facts: &Facts, is_resumed: bool) {
    let Facts { kind, repository, base, stats } = facts;
    let Stats { bytes_sent, retries } = *stats;
    let packages = report.packages.get(..SHOWN).unwrap_or(&report.packages).join(", ");
    let mut numbers = Numbers::one(Metric::JOBS)
        .and(Metric::DURATION, report.millis)
        .and(Metric::BYTES, bytes_sent)
        .and(Metric::RETRIES, retries.into())
        .and(Metric::RESUMED, is_resumed.into());
    if failure.is_some() {
        numbers = numbers.and(Metric::FAILURES, 1);
    }
    tracing::info!(
        metrics = numbers.text(),
        outcome = report.outcome.name(),
        failure = failure.map(FailureType::as_str).unwrap_or_default(),
        packages,
        r#type = kind,
        repository,
        artifactory = base,
        bytes_sent,
        registry_retries = retries,
        is_resumed,
        millis = report.millis,
        "job ended"
    );
}

/// Ends the use of a claim whose job CodePipeline says is not ours to answer. A confirmed one was answered before, by a
/// predecessor that died over closing the claim, or its time is over; whatever it was told, it was not this. One that
/// nobody confirmed may wait for an offer: what its claim tells of the job's own work is kept for that, or the job would
/// find it there and take it for another's.
async fn let_go(hold: Hold<'_>) -> Outcome {
    if hold.is_confirmed() || !hold.is_worth_keeping() {
        settled(hold.close().await);
        Outcome::Skipped
    } else {
        settled(hold.hand_over_to_the_next_offer().await);
        Outcome::Left
    }
}

/// Work on a job whose last guard this is: a job that panics beyond all others is left to the next tick, which takes its
/// claim over once its lease is over.
async fn left_if_it_panics(id: JobId, run: PipelineRun, work: impl Future<Output = JobReport>) -> JobReport {
    let started = Stopwatch::start();
    let ended = Box::pin(guarded(work)).await;
    ended.unwrap_or_else(|Panicked| JobReport::of(&id, &run, Outcome::Left, started))
}

/// What CodePipeline is told.
enum Report {
    Success(SuccessReport),
    Failure(FailureReport),
}

fn lost() -> Outcome {
    tracing::warn!("another worker has taken the job over; it reports, not this one");
    Outcome::Skipped
}

/// Whoever comes next may own the job already, and a result asks nobody for a nonce.
async fn too_late(hold: Hold<'_>) -> Outcome {
    tracing::error!("the invocation's time is over, and with it the right to answer; the next tick goes on");
    // Written only if nobody else has it yet.
    settled(hold.hand_over().await);
    Outcome::Left
}

/// Logs a claim that could neither be closed nor handed over. The next tick finds it once its lease has run out.
fn settled(ended: Result<(), AwsError>) {
    if let Err(error) = ended {
        tracing::warn!(error = chain(&error), "the claim could not be given up; its lease runs out by itself");
    }
}

fn published(ended: &Ended) -> Vec<String> {
    match ended {
        Ended::Published(published) => named(published.in_repository()),
        Ended::Failed(_, progress) => named(progress.published()),
        Ended::Told(_) | Ended::Unfinished | Ended::Lost => Vec::new(),
    }
}

/// The names of packages, as many as an answer has room for, and how many there are more.
fn named<'p>(packages: impl Iterator<Item = Cow<'p, Coordinates>> + Clone) -> Vec<String> {
    let mut names = Vec::new();
    let mut room = NAMES;
    for package in packages.clone() {
        let name = package.to_string();
        let Some(rest) = room.checked_sub(name.len()) else {
            names.push(format!("and {} more", packages.count() - names.len()));
            break;
        };
        room = rest;
        names.push(name);
    }
    names
}
