//! One tick: go on with jobs that were left, poll for new ones, and have each taken in hand.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use thiserror::Error;

use crate::answer::{Answer, JobReport, TickReport};
use crate::aws::AwsError;
use crate::aws::journal::{Journal, OpenClaim};
use crate::deadline::{Clock, Deadline};
use crate::doctor;
use crate::hand::Hand;
use crate::job::{JobId, Offer};
use crate::log::chain;
use crate::run::Services;
use crate::settings::ActionType;
use crate::trigger::Trigger;

mod invoked;
mod resume;

/// When an empty queue is asked again after an event that promised a job: the event can precede it. About 0.3, 1, 2.5
/// and 5 s after the first time.
const ASK_AGAIN: [Duration; 4] =
    [Duration::from_millis(300), Duration::from_millis(700), Duration::from_millis(1500), Duration::from_millis(2500)];

/// The worker of a process.
#[derive(Debug)]
pub struct Worker {
    services: Services,
    journal: Journal,
}

/// What Lambda says of one invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What leads to its log.
    pub request_id: String,
    /// The account that the function is in, where the function's ARN tells it.
    pub account: Option<String>,
    /// The function's name, where its ARN tells it.
    pub function: Option<String>,
    /// When it ends.
    pub deadline: Deadline,
}

impl Invocation {
    /// Reads what Lambda tells: request id, the invoked function's ARN, and the deadline header.
    pub fn new(request_id: &str, function_arn: &str, deadline_millis: u64) -> Self {
        let part = |at| function_arn.split(':').nth(at).filter(|part| !part.is_empty()).map(str::to_owned);
        Self {
            request_id: request_id.to_owned(),
            account: part(4),
            function: part(6),
            deadline: Deadline::of_invocation(deadline_millis, Clock::System),
        }
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

    /// Answers an invocation: a question of a person's, or with a tick.
    pub async fn answer(&self, trigger: &Trigger, invocation: &Invocation) -> Result<Answer, TickError> {
        let Trigger::Doctor(question) = trigger else {
            return self.tick(trigger, invocation).await.map(Answer::Tick);
        };
        let journal = self.journal.renewed(invocation.account.clone());
        let hand = self.hand(&journal, trigger, invocation);
        Ok(Answer::Doctor(Box::pin(doctor::answer(hand, question)).await))
    }

    fn hand<'t>(&'t self, journal: &'t Journal, trigger: &'t Trigger, invocation: &'t Invocation) -> Hand<'t> {
        let Invocation { request_id, deadline, .. } = invocation;
        Hand { services: &self.services, journal, deadline: *deadline, run_id: request_id, started: trigger.started() }
    }

    /// Runs one tick.
    pub async fn tick(&self, trigger: &Trigger, invocation: &Invocation) -> Result<TickReport, TickError> {
        match trigger {
            Trigger::Unknown(what) => tracing::warn!("{what}; polling all the same"),
            known => tracing::debug!(trigger = ?known, "woken"),
        }
        let journal = self.journal.renewed(invocation.account.clone());
        let hand = self.hand(&journal, trigger, invocation);
        let tick = Tick {
            hand,
            report: TickReport::default(),
            seen: BTreeSet::new(),
            handed_over: VecDeque::new(),
            strays: Vec::new(),
            offers: VecDeque::new(),
            broken: Vec::new(),
        };
        tick.run(trigger).await
    }
}

struct Tick<'t> {
    hand: Hand<'t>,
    report: TickReport,
    /// Jobs that were begun, or found to be another's.
    seen: BTreeSet<JobId>,
    /// Claims that earlier invocations handed over.
    handed_over: VecDeque<OpenClaim>,
    /// Keys in the journal that are no job's.
    strays: Vec<String>,
    offers: VecDeque<(ActionType, Offer)>,
    /// Action types that cannot be polled, and why. The others are served all the same.
    broken: Vec<(ActionType, AwsError)>,
}

/// Work that this tick has begun.
type Running<'t> = FuturesUnordered<BoxFuture<'t, JobReport>>;

impl<'t> Tick<'t> {
    async fn run(mut self, trigger: &Trigger) -> Result<TickReport, TickError> {
        if let Trigger::InvokeAction(invoked) = trigger {
            if self.hand.services.settings.allow_invoke_action {
                return self.take_invoked(invoked).await;
            }
            self.pass_over(invoked);
        }
        self.resume_what_died().await?;
        let mut asks = match trigger {
            Trigger::ActionStarted { .. } => ASK_AGAIN.iter(),
            _ => [].iter(),
        };
        let mut running: Running<'t> = FuturesUnordered::new();
        loop {
            self.fill(&mut running).await;
            if let Some(report) = OptionFuture::from((!running.is_empty()).then(|| running.next())).await.flatten() {
                self.report.add(report);
                continue;
            }
            match asks.next() {
                Some(pause)
                    if self.report.polled == 0
                        && self.broken.is_empty()
                        && self.hand.deadline.has_room_after(*pause) =>
                {
                    tokio::time::sleep(*pause).await;
                }
                _ => break,
            }
        }
        self.clear_away().await;
        match self.broken.into_iter().next() {
            None => Ok(self.report),
            Some((ActionType { provider, version, .. }, source)) => Err(TickError::Poll { provider, version, source }),
        }
    }

    /// Begins as many jobs as there is room for: first those that were handed over, then those that are offered; polls
    /// where no offer waits.
    async fn fill(&mut self, running: &mut Running<'t>) {
        let most = self.hand.services.settings.jobs_in_flight;
        let mut ended = Vec::new();
        while running.len() < most && self.hand.deadline.has_room() {
            if let Some(claim) = self.handed_over.pop_front() {
                let work = alongside(running, &mut ended, self.resume(claim)).await;
                running.extend(work);
                continue;
            }
            if self.offers.is_empty() {
                let room = most - running.len();
                alongside(running, &mut ended, self.poll(room)).await;
            }
            let Some((action_type, offer)) = self.offers.pop_front() else { break };
            running.push(self.hand.take(action_type, offer).boxed());
        }
        for report in ended {
            self.report.add(report);
        }
    }

    /// Polls each action type once, until one offers something new.
    async fn poll(&mut self, most: usize) {
        let services = self.hand.services;
        for action_type in &services.settings.action_types {
            if self.broken.iter().any(|(broken, _)| broken == action_type) {
                continue;
            }
            match services.pipeline.poll(action_type, most, self.hand.deadline).await {
                Ok(offered) => self.accept(action_type, offered),
                Err(error) => self.broken.push((action_type.clone(), error)),
            }
            if !self.offers.is_empty() {
                return;
            }
        }
    }

    /// Puts offers in line that this tick has not seen yet.
    fn accept(&mut self, action_type: &ActionType, offered: Vec<Offer>) {
        for offer in offered {
            if self.seen.insert(offer.job.id.clone()) {
                self.report.polled += 1;
                self.offers.push_back((action_type.clone(), offer));
            }
        }
    }
}

/// Waits for `work` while the jobs in hand go on.
async fn alongside<T>(running: &mut Running<'_>, ended: &mut Vec<JobReport>, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            Some(report) = running.next() => ended.push(report),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_and_name_are_the_functions_own() {
        let account = |arn| Invocation::new("run", arn, 60_000).account;
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:publisher:live";
        assert_eq!(account(arn).as_deref(), Some("111122223333"));
        assert_eq!(Invocation::new("run", arn, 60_000).function.as_deref(), Some("publisher"));
        for arn in ["", "publisher", "arn:aws:lambda:eu-west-1::function:x"] {
            assert_eq!(account(arn), None, "{arn}");
        }
    }

    #[test]
    fn an_empty_queue_is_asked_again_for_five_seconds() {
        let times = ASK_AGAIN.iter().scan(Duration::ZERO, |time, pause| {
            *time += *pause;
            Some(time.as_millis())
        });
        assert_eq!(times.collect::<Vec<_>>(), [300, 1000, 2500, 5000]);
    }
}
