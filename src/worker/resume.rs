//! Going on with jobs that an earlier invocation left: taken over one by one, found out whether they are ours to answer,
//! and run. A job with an earlier death runs alone, because its neighbours would die with it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Tick, TickError};
use crate::answer::{JobReport, Outcome};
use crate::aws::codepipeline::Acknowledged;
use crate::aws::journal::{Acknowledgement, Claim, Claiming, DamagedClaim, OpenClaim, Record};
use crate::aws::survey::Survey;
use crate::deadline::Stopwatch;
use crate::failure::Failure;
use crate::guard::{Panicked, guarded};
use crate::hold::MAX_VAIN;
use crate::job::{Job, JobId, PipelineRun};
use crate::log::chain;
use crate::metric::{Metric, Numbers};
use crate::run::Effort;
use crate::settings::ActionType;

/// After how many deaths a job is only looked at and then given up.
const MAX_ATTEMPTS: u32 = 3;

/// How many objects one tick moves to the quarantine.
const STRAYS: usize = 10;

/// Whether a job that an earlier worker claimed is ours now.
enum Taken {
    /// CodePipeline says so.
    Ours,
    /// It follows from what CodePipeline does not say.
    Probably,
    /// It was offered, and to somebody else since: it waits for its next offer, if nobody takes it.
    Waiting,
    /// It is not, or nobody can tell yet.
    No(Outcome),
}

impl<'t> Tick<'t> {
    /// Sees what lies in the journal; ends what died before anything else is begun, and notes what was handed over.
    pub(super) async fn resume_what_died(&mut self) -> Result<(), TickError> {
        let types = self.hand.services.settings.claimed_types();
        let survey = self.hand.journal.survey(&types, self.hand.deadline).await;
        let Survey { left, unpolled, damaged, strays, clock_off, seen } = survey.map_err(TickError::Journal)?;
        if let Some(age) = seen.iter().map(|claim| claim.age_millis).max() {
            let metrics = Numbers::default().and(Metric::OLDEST_CLAIM, age / 1_000).text();
            tracing::info!(metrics, "jobs are in hand, or were left");
        }
        for OpenClaim { record, .. } in &unpolled {
            let Record { job, action_type: ActionType { version, .. }, .. } = &**record;
            tracing::warn!(job.id = %job, version, "a claim was left of an action version that is not polled; unless somebody does, it is gone on with half an hour after its last change");
        }
        if clock_off != 0 {
            tracing::warn!(millis = clock_off, "this machine's clock is not S3's; leases are measured by S3's");
        }
        // By a clock of its own a worker would be dead to the others while it works, or alive when it is dead.
        self.hand.deadline = self.hand.deadline.set_by(clock_off);
        self.strays = strays;
        let (died, handed_over): (Vec<_>, Vec<_>) = left.into_iter().partition(|claim| claim.record.must_run_alone());
        self.handed_over = handed_over.into();
        for claim in died {
            if !self.hand.deadline.has_room() {
                return Ok(());
            }
            if let Some(work) = self.resume(claim).await {
                let report = work.await;
                self.report.add(report);
            }
        }
        for claim in damaged {
            if !self.hand.deadline.has_room() {
                return Ok(());
            }
            if let Some(work) = self.resume_damaged(claim).await {
                let report = work.await;
                self.report.add(report);
            }
        }
        Ok(())
    }

    /// Moves what is no claim to the quarantine, once the jobs are done: it is in nobody's way. A few at a time, drawn by
    /// lot, so that those that cannot be moved do not keep the rest from it.
    pub(super) async fn clear_away(&mut self) {
        let mut strays = std::mem::take(&mut self.strays);
        fastrand::shuffle(&mut strays);
        for stray in strays.iter().take(STRAYS) {
            if !self.hand.deadline.has_room() {
                return;
            }
            self.quarantine(stray, "it is no job's").await;
        }
    }

    async fn quarantine(&self, key: &str, why: &str) {
        let metrics = Numbers::one(Metric::QUARANTINED).text();
        match self.hand.journal.quarantine(key, self.hand.deadline).await {
            Ok(()) => {
                tracing::warn!(metrics, key, why, "an object of the journal was moved to quarantine/");
            }
            Err(error) => {
                tracing::warn!(metrics, key, why, error = chain(&error), "an object cannot be moved to quarantine/");
            }
        }
    }

    /// Takes over a claim and begins its job; `None` where there is nothing to wait for.
    pub(super) async fn resume(&mut self, claim: OpenClaim) -> Option<BoxFuture<'t, JobReport>> {
        let (job, started) = (claim.record.job.clone(), Stopwatch::start());
        let begun = Box::pin(guarded(self.take_over(claim))).await;
        begun.unwrap_or_else(|Panicked| self.left(&job, started))
    }

    async fn take_over(&mut self, claim: OpenClaim) -> Option<BoxFuture<'t, JobReport>> {
        let job = claim.record.job.clone();
        let claiming = self.hand.journal.take_over(claim, self.hand.run_id, self.hand.deadline).await;
        let claim = self.taken_over(&job, claiming)?;
        if claim.record().was_invoked() {
            return Some(self.hand.refuse(claim, job, Failure::InvokedLeft).boxed());
        }
        let started = Stopwatch::start();
        let ready = self.find_out(claim, None).await;
        self.begin(&job, ready, started)
    }

    /// Takes over a claim that nobody can read. What the job is of, CodePipeline must tell.
    async fn resume_damaged(&mut self, damaged: DamagedClaim) -> Option<BoxFuture<'t, JobReport>> {
        let (job, started) = (damaged.job.clone(), Stopwatch::start());
        let begun = Box::pin(guarded(self.take_over_damaged(damaged))).await;
        begun.unwrap_or_else(|Panicked| self.left(&job, started))
    }

    async fn take_over_damaged(&mut self, damaged: DamagedClaim) -> Option<BoxFuture<'t, JobReport>> {
        let (job, problem, started) = (damaged.job.clone(), damaged.problem.clone(), Stopwatch::start());
        if damaged.was_invoked() {
            tracing::warn!(job.id = %job, problem, "a claim cannot be read; its job is ended");
            let journal = self.hand.journal;
            let invoke = ActionType::lambda_invoke();
            let claiming = journal.replace(damaged, invoke, self.hand.run_id, self.hand.deadline).await;
            let claim = self.taken_over(&job, claiming)?.confirmed();
            return Some(self.hand.refuse(claim, job, Failure::InvokedLeft).boxed());
        }
        tracing::warn!(job.id = %job, problem, "a claim cannot be read; its job is begun anew");
        let types = &self.hand.services.settings.action_types;
        let details = match self.hand.services.pipeline.details(&job, self.hand.deadline).await {
            Ok(Some(details)) => details,
            Ok(None) => {
                self.quarantine(&format!("jobs/{job}.json"), "nobody can read it or knows its job").await;
                return None;
            }
            Err(error) => {
                tracing::warn!(job.id = %job, error = chain(&error), "the job is left to the next tick");
                return None;
            }
        };
        let action_type = match &details.action_type {
            Some(own) if types.contains(own) => own.clone(),
            Some(_) => return None,
            None => types.first()?.clone(),
        };
        let journal = self.hand.journal;
        let claiming = journal.replace(damaged, action_type, self.hand.run_id, self.hand.deadline).await;
        let claim = self.taken_over(&job, claiming)?;
        let ready = self.find_out(claim, Some(details)).await;
        self.begin(&job, ready, started)
    }

    /// The claim, if this worker has it now.
    fn taken_over(&mut self, job: &JobId, claiming: Result<Claiming, crate::aws::AwsError>) -> Option<Claim> {
        match claiming {
            Ok(Claiming::Ours(claim)) => {
                let record = claim.record();
                tracing::info!(job.id = %job, attempt = record.attempt, done = record.done, "going on with a job that was left");
                self.report.resumed += 1;
                self.seen.insert(job.clone());
                Some(claim)
            }
            Ok(Claiming::Held) => {
                tracing::info!(job.id = %job, "another invocation goes on with the job");
                None
            }
            Err(error) => {
                tracing::error!(job.id = %job, error = chain(&error), "the job could not be taken over; the next tick tries again");
                None
            }
        }
    }

    fn begin(
        &mut self,
        job: &JobId,
        ready: Result<(Claim, Job), Outcome>,
        started: Stopwatch,
    ) -> Option<BoxFuture<'t, JobReport>> {
        match ready {
            Ok((claim, job)) => {
                let Record { vain, .. } = *claim.record();
                let effort = effort(claim.record().deaths(), vain);
                Some(self.hand.work(claim, job, effort).boxed())
            }
            Err(outcome) => {
                self.report.add(JobReport::of(job, &PipelineRun::default(), outcome, started));
                None
            }
        }
    }

    /// A job that panicked before it was begun: its claim is taken over again once its lease is over.
    fn left(&mut self, job: &JobId, started: Stopwatch) -> Option<BoxFuture<'t, JobReport>> {
        self.report.add(JobReport::of(job, &PipelineRun::default(), Outcome::Left, started));
        None
    }

    /// Finds out whether a job that was taken over is ours to answer, and gets it with fresh credentials.
    async fn find_out(&mut self, claim: Claim, details: Option<Job>) -> Result<(Claim, Job), Outcome> {
        let record = claim.record().clone();
        let taken = match record.acknowledgement {
            Acknowledgement::Confirmed => Ok(Taken::Ours),
            Acknowledgement::Unconfirmed => Box::pin(guarded(self.acknowledge_again(&record))).await,
        };
        let claim = match taken {
            Ok(Taken::Ours) => claim.confirmed(),
            Ok(Taken::Probably) => claim,
            Ok(Taken::Waiting) => return Err(self.hand.let_go(claim).await),
            Ok(Taken::No(outcome)) => return Err(self.hand.give_up(claim, outcome).await),
            Err(Panicked) => return Err(self.hand.leave(claim).await),
        };
        let details = match details {
            Some(details) => Ok(Ok(Some(details))),
            None => Box::pin(guarded(self.hand.services.pipeline.details(&record.job, self.hand.deadline))).await,
        };
        let details = match (details, effort(record.deaths(), record.vain)) {
            (Ok(details), _) => details,
            // To give it up, no more is needed of it than its id.
            (Err(Panicked), Effort::GiveUp { .. }) => Ok(Some(Job::parse(record.job.clone(), None))),
            (Err(Panicked), _) => return Err(self.hand.leave(claim).await),
        };
        match details {
            Ok(Some(job)) => Ok((claim, job)),
            Ok(None) => {
                tracing::warn!(job.id = %record.job, "CodePipeline does not know the job any more");
                Err(self.hand.give_up(claim, Outcome::Skipped).await)
            }
            Err(error) => {
                tracing::warn!(job.id = %record.job, error = chain(&error), "the job is left to the next tick");
                Err(self.hand.give_up(claim, Outcome::Left).await)
            }
        }
    }

    /// The predecessor may have died before, during or after its acknowledgement.
    async fn acknowledge_again(&mut self, record: &Record) -> Taken {
        let (pipeline, deadline) = (&self.hand.services.pipeline, self.hand.deadline);
        if !record.nonce.is_empty() {
            match pipeline.acknowledge(&record.job, &record.nonce, deadline).await {
                Ok(Acknowledged::Ours) => return Taken::Ours,
                Ok(Acknowledged::Over(why)) => {
                    tracing::info!(job.id = %record.job, why, "the job was answered before");
                    return Taken::No(Outcome::Skipped);
                }
                Ok(Acknowledged::NotOurs(why)) => {
                    tracing::info!(job.id = %record.job, why, "the old nonce is not taken");
                }
                Err(error) => {
                    tracing::warn!(job.id = %record.job, error = chain(&error), "the acknowledgement failed");
                    return Taken::No(Outcome::Left);
                }
            }
        }
        // A queue that is not polled any more cannot be asked, or there is no right to.
        if !self.hand.services.settings.action_types.contains(&record.action_type) {
            return Taken::Probably;
        }
        // The same question about another claim may have brought the offer already: then it is not made again so soon.
        let brought = self.offers.iter().position(|(_, offer)| offer.job.id == record.job);
        let mut again = brought.and_then(|at| self.offers.remove(at)).map(|(_, offer)| offer);
        if again.is_none() {
            let most = self.hand.services.settings.jobs_in_flight;
            let offered = match pipeline.poll(&record.action_type, most, deadline).await {
                Ok(offered) => offered,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the queue cannot be asked");
                    return Taken::No(Outcome::Left);
                }
            };
            let (own, others): (Vec<_>, Vec<_>) = offered.into_iter().partition(|offer| offer.job.id == record.job);
            self.accept(&record.action_type, others);
            again = own.into_iter().next();
        }
        // Offered again: nobody has it. Not offered: the predecessor's acknowledgement went through, or the job waits
        // where polls do not see it just now. To take the first for the second would leave it unanswered for ever; in the
        // second case its result is refused.
        let Some(offer) = again else { return Taken::Probably };
        match pipeline.acknowledge(&record.job, &offer.nonce, deadline).await {
            Ok(Acknowledged::Ours) => Taken::Ours,
            Ok(Acknowledged::NotOurs(_)) => Taken::Waiting,
            Ok(Acknowledged::Over(_)) => Taken::No(Outcome::Skipped),
            Err(error) => {
                tracing::warn!(job.id = %record.job, error = chain(&error), "the acknowledgement failed");
                Taken::No(Outcome::Left)
            }
        }
    }
}

/// What is still tried for a job after so many deaths and vain attempts.
fn effort(deaths: u32, vain: u32) -> Effort {
    let attempts = deaths.saturating_add(vain);
    match (deaths, vain) {
        (..MAX_ATTEMPTS, ..MAX_VAIN) => Effort::Publish,
        (..=MAX_ATTEMPTS, ..=MAX_VAIN) => Effort::LookOnly { attempts },
        _ => Effort::GiveUp { attempts },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_kills_its_workers_ends_even_where_the_look_kills_them_too() {
        let efforts: Vec<Effort> = (0..=5).map(|deaths| effort(deaths, 0)).collect();
        assert_eq!(efforts[..3], [Effort::Publish; 3]);
        assert_eq!(efforts[3], Effort::LookOnly { attempts: 3 });
        assert_eq!(efforts[4..], [Effort::GiveUp { attempts: 4 }, Effort::GiveUp { attempts: 5 }]);
    }

    #[test]
    fn a_job_that_never_has_time_enough_ends_as_well() {
        assert_eq!(effort(2, 4), Effort::Publish);
        assert_eq!(effort(2, 5), Effort::LookOnly { attempts: 7 });
        assert_eq!(effort(0, 6), Effort::GiveUp { attempts: 6 });
    }
}
