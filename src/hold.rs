//! A claim in use: how far its job has come is written down through it, and it ends by being closed or handed over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::aws::AwsError;
use crate::aws::journal::{Acknowledgement, Before, Claim, Journal, Kept, Record};
use crate::deadline::{Deadline, Stopwatch};
use crate::report::FailureReport;
use crate::stamp::Stamp;

/// How often in a row a job's time may run out before it has come any further, or its claim may be kept in vain.
pub const MAX_VAIN: u32 = 5;
/// After so much work the journal is told how far it has come, in milliseconds: a write costs less than the work again.
const MARK_AFTER: u64 = 5_000;

/// Whether a job is still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Ours,
    /// Another worker has taken it over.
    Lost,
}

/// A claim in use.
#[derive(Debug)]
#[must_use = "a claim that is neither closed nor released is taken over as that of a dead worker"]
pub struct Hold<'a> {
    journal: &'a Journal,
    deadline: Deadline,
    claim: Claim,
    plan: Option<String>,
    done: usize,
    /// How many were begun.
    reached: Arc<AtomicUsize>,
    before: Option<Before>,
    stamp: Option<Stamp>,
    /// What was done when this attempt began.
    began_with: (Option<String>, usize),
    /// Whether this attempt began with the better part of an invocation before it.
    fair: bool,
    written: Stopwatch,
}

impl<'a> Hold<'a> {
    /// Begins to use a claim.
    pub fn new(journal: &'a Journal, claim: Claim, deadline: Deadline) -> Self {
        let Record { plan, done, reached, before, stamp, .. } = claim.record().clone();
        let (began_with, fair) = ((plan.clone(), done), !deadline.is_half_over());
        let (reached, written) = (Arc::new(AtomicUsize::new(reached)), Stopwatch::start());
        Self { journal, deadline, claim, plan, done, reached, before, stamp, began_with, fair, written }
    }

    /// Whether CodePipeline is known to have given us the job.
    pub fn is_confirmed(&self) -> bool {
        self.claim.record().acknowledgement == Acknowledgement::Confirmed
    }

    /// The failure that CodePipeline may have been told of this job.
    pub fn told(&self) -> Option<&FailureReport> {
        self.claim.record().told.as_ref()
    }

    /// Whether something is written down that would be lost with the claim. What only this attempt knows is not worth it:
    /// as long as the claim is there, an offer that comes to another worker is lost.
    pub fn is_worth_keeping(&self) -> bool {
        let Record { plan, vain, .. } = self.claim.record();
        plan.is_some() && *vain < MAX_VAIN
    }

    /// Whether an earlier attempt may have sent something.
    pub fn is_resumed(&self) -> bool {
        let record = self.claim.record();
        record.deaths() > 0 || record.follows_unreadable || self.plan.is_some()
    }

    /// How many steps of this plan an earlier attempt did after it had looked at all of them; `None` where it never
    /// came so far, or followed another plan.
    pub fn went_on_with(&self, plan: &str) -> Option<usize> {
        (self.plan.as_deref() == Some(plan)).then_some(self.done)
    }

    /// The stamp that the snapshots of this plan have already.
    pub fn stamp(&self, plan: &str) -> Option<Stamp> {
        self.went_on_with(plan).and(self.stamp.clone())
    }

    /// Decides which stamp the plan's snapshots have. It has to be written down before anything is sent.
    pub fn fix(&mut self, stamp: Option<Stamp>) {
        self.stamp = stamp;
    }

    /// Begins, or goes on with, a plan that nothing speaks against; what is written of another plan counts for nothing.
    /// `before` tells which of the plan's files are there now.
    pub fn follow(&mut self, plan: &str, before: Before) {
        if self.went_on_with(plan).is_none() {
            self.done = 0;
            self.reached.store(0, Ordering::Relaxed);
            self.before = Some(before);
        }
        self.plan = Some(plan.to_owned());
    }

    /// Whether a file of the plan that is there now was stored by this job in an earlier attempt, which did `done` steps:
    /// it was not there before, and the attempt came as far as that. How far one came that died, nobody knows.
    pub fn is_own(&self, file: usize, done: Option<usize>) -> bool {
        let Record { reached, .. } = self.claim.record();
        let reached = done.is_some_and(|done| file <= done || file < *reached || self.claim.record().deaths() > 0);
        reached && self.before.as_ref().is_some_and(|before| !before.holds(file))
    }

    /// Where whoever sends notes how many steps were begun, in whatever order; an invocation may end in the middle.
    pub fn reached(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.reached)
    }

    /// Notes that so many steps are done, and writes it down where enough work was done to be worth a write.
    pub async fn advance(&mut self, done: usize) -> Standing {
        self.done = self.done.max(done);
        if self.written.millis() < MARK_AFTER {
            return Standing::Ours;
        }
        self.mark().await.unwrap_or_else(|error| {
            // Nobody can take the job over before its lease ends; all that is lost is the mark.
            tracing::warn!(error = &error as &dyn std::error::Error, "progress could not be written down");
            Standing::Ours
        })
    }

    /// Writes down how far the job has come.
    pub async fn mark(&mut self) -> Result<Standing, AwsError> {
        self.write(|_| ()).await
    }

    /// Writes down the failure that CodePipeline is about to be told.
    pub async fn tell(&mut self, report: &FailureReport) -> Result<Standing, AwsError> {
        if self.told() == Some(report) {
            return Ok(Standing::Ours);
        }
        self.write(|record| record.told = Some(report.clone())).await
    }

    /// Writes the record with what is done, and this change.
    async fn write(&mut self, change: impl FnOnce(&mut Record)) -> Result<Standing, AwsError> {
        self.written = Stopwatch::start();
        let (plan, done, before) = (self.plan.clone(), self.done, self.before.clone());
        let stamp = self.stamp.clone();
        let reached = self.reached.load(Ordering::Relaxed);
        let change = |record: &mut Record| {
            record.plan = plan;
            record.done = done;
            record.reached = reached;
            record.before = before;
            record.stamp = stamp;
            change(record);
        };
        Ok(match self.journal.update(&mut self.claim, change, self.deadline).await? {
            Kept::Ours => Standing::Ours,
            Kept::Lost => Standing::Lost,
        })
    }

    /// Removes the claim: the job is answered, or not ours.
    pub async fn close(self) -> Result<(), AwsError> {
        self.journal.close(self.claim, self.deadline).await
    }

    /// Hands the job over to the next tick, with what is done written down.
    pub async fn hand_over(mut self) -> Result<(), AwsError> {
        self.write(release).await.map(drop)
    }

    /// Hands over a job whose time was too short. Of one that had the better part of an invocation and came no further
    /// it is counted how often, or it would be begun for ever.
    pub async fn hand_over_unfinished(mut self) -> Result<(), AwsError> {
        let (plan, done) = &self.began_with;
        let (came_further, fair) = (self.plan != *plan || self.done > *done, self.fair);
        let change = |record: &mut Record| {
            release(record);
            record.vain = match (came_further, fair) {
                (true, _) => 0,
                (false, true) => record.vain.saturating_add(1),
                (false, false) => record.vain,
            };
        };
        self.write(change).await.map(drop)
    }

    /// Hands over a claim whose job could not be begun; how often is counted.
    pub async fn hand_over_in_vain(mut self) -> Result<(), AwsError> {
        self.write(release_in_vain).await.map(drop)
    }

    /// Hands over a claim whose job is not ours yet, for what it says of the job; how often is counted. A failure that
    /// CodePipeline has not taken is forgotten.
    pub async fn hand_over_to_the_next_offer(mut self) -> Result<(), AwsError> {
        let change = |record: &mut Record| {
            release_in_vain(record);
            record.told = None;
        };
        self.write(change).await.map(drop)
    }
}

fn release(record: &mut Record) {
    record.lease_until = 0;
}

fn release_in_vain(record: &mut Record) {
    release(record);
    record.vain = record.vain.saturating_add(1);
}
