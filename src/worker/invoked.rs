//! A job that comes in the event, of a Lambda Invoke action. Nobody ever tells of it again, so it has the invocation for
//! itself: nothing is gone on with and nothing polled beside it, whose death would be its own. The schedule does that.

use super::{Tick, TickError};
use crate::answer::{JobReport, Outcome, TickReport};
use crate::aws::ended::Standing;
use crate::aws::journal::{Claiming, Record};
use crate::deadline::Stopwatch;
use crate::invoke::Invoked;
use crate::job::PipelineRun;
use crate::log::chain;
use crate::run::Effort;

impl Tick<'_> {
    /// Claims the job, works on it, answers it. Lambda may bring an event twice: of two claims one is written, and what has
    /// ended is not begun again.
    pub(super) async fn take_invoked(mut self, invoked: &Invoked) -> Result<TickReport, TickError> {
        let (id, run, started) = (invoked.id(), PipelineRun::default(), Stopwatch::start());
        let journal = self.hand.journal;
        // As in every tick: a lease that ends by another clock is none.
        let clock_off = journal.clock_off(self.hand.deadline).await.map_err(TickError::Journal)?;
        self.hand.deadline = self.hand.deadline.set_by(clock_off);
        let record = Record::invoked(id.clone(), self.hand.run_id);
        let report = match journal.claim(record, self.hand.deadline).await.map_err(TickError::Journal)? {
            Claiming::Held => {
                tracing::info!(job.id = %id, "another invocation has the job");
                JobReport::of(id, &run, Outcome::Skipped, started)
            }
            Claiming::Ours(claim) => match (journal.standing(id, self.hand.deadline).await, invoked.clone()) {
                (Ok(Standing::Ended), _) => {
                    tracing::info!(job.id = %id, "the job has ended before; its event came again");
                    JobReport::of(id, &run, self.hand.give_up(claim, Outcome::Skipped).await, started)
                }
                (Ok(Standing::Open), Invoked::Job(job)) => Box::pin(self.hand.work(claim, *job, Effort::Publish)).await,
                (Ok(Standing::Open), Invoked::Unclear(id, error)) => {
                    Box::pin(self.hand.refuse(claim, id, error.into())).await
                }
                // Not done, since it may have been: the next tick ends it, unless it has ended.
                (Err(error), _) => {
                    tracing::error!(job.id = %id, error = chain(&error), "whether the job has ended cannot be read");
                    JobReport::of(id, &run, self.hand.give_up(claim, Outcome::Left).await, started)
                }
            },
        };
        self.report.add(report);
        Ok(self.report)
    }

    /// Leaves a job alone that nobody has allowed. Not even a failure is told: whoever made the event up could fail the
    /// jobs of others by it.
    pub(super) fn pass_over(&mut self, invoked: &Invoked) {
        tracing::warn!(
            job.id = %invoked.id(),
            "an event brings the job of an Invoke action, which ALLOW_INVOKE_ACTION does not allow; it is not answered"
        );
        let report = JobReport::of(invoked.id(), &PipelineRun::default(), Outcome::Skipped, Stopwatch::start());
        self.report.add(report);
    }
}
