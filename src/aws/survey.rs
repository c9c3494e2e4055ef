//! A look at everything in the journal: which claims are left by their owners, which cannot be read, and what is none.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use super::AwsError;
use super::journal::{DamagedClaim, Journal, OpenClaim, PREFIX, Read, Record};
use super::record::Origin;
use crate::deadline::{Deadline, LONGEST_INVOCATION};
use crate::job::JobId;
use crate::settings::ActionType;

/// How many records are read at once.
const READS_AT_ONCE: usize = 8;
/// How far the clocks of S3 and of an owner may be apart.
const SKEW: Duration = Duration::from_mins(1);
/// How long after the last moment of its owner's life a claim of a version that is not polled here is left to whoever
/// polls it: that many ticks have passed it by, so nobody does.
const NEGLECTED: Duration = Duration::from_mins(15);

/// What lies in the journal.
#[derive(Debug, Default)]
pub struct Survey {
    /// Claims of this account and region and of the action types that were asked for, whose owners' time is up; and those
    /// of other versions of these types that nobody has gone on with for long.
    pub left: Vec<OpenClaim>,
    /// Claims of other versions of these types, whose owners' time is up: they may yet be gone on with by others.
    pub unpolled: Vec<OpenClaim>,
    /// Claims that cannot be read, and have not changed for longer than any invocation lives.
    pub damaged: Vec<DamagedClaim>,
    /// Keys that are no job's.
    pub strays: Vec<String>,
    /// By how many milliseconds S3's clock is ahead of the invocation's.
    pub clock_off: i64,
    /// All claims of ours, whoever has them in hand, of whatever version of the types, and those that cannot be read.
    pub seen: Vec<Seen>,
}

/// A claim, as one sees it who does not want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The job.
    pub job: JobId,
    /// The action type that it was polled for, where that can be read.
    pub action_type: Option<ActionType>,
    /// For how long it has been claimed, in milliseconds.
    pub age_millis: u64,
    /// How much longer its owner has, in milliseconds.
    pub lease_millis: u64,
    /// How many workers have had it; 0 where that cannot be read.
    pub attempt: u32,
}

impl Journal {
    /// By how many milliseconds S3's clock is ahead of the invocation's.
    pub async fn clock_off(&self, deadline: Deadline) -> Result<i64, AwsError> {
        Ok(self.objects.keys(PREFIX, deadline).await?.1)
    }

    /// Looks at everything in the journal, by S3's clock. A record that cannot be fetched just now is left to the next
    /// tick.
    pub async fn survey(&self, types: &[ActionType], deadline: Deadline) -> Result<Survey, AwsError> {
        let (keys, clock_off) = self.objects.keys(PREFIX, deadline).await?;
        let deadline = deadline.set_by(clock_off);
        let now = deadline.now_millis();
        let mut survey = Survey { clock_off, ..Survey::default() };
        let mut jobs = Vec::new();
        for key in keys {
            match key.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(".json")).and_then(JobId::parse) {
                Some(job) => jobs.push(job),
                // What the console makes of a folder.
                None if key == PREFIX => {}
                None => survey.strays.push(key),
            }
        }
        let reads = jobs.into_iter().map(|job| async move {
            let read = self.read(&job, deadline).await;
            (job, read)
        });
        // Collected, because a stream that holds the closure is not `Send` in the compiler's eyes.
        let reads: Vec<_> = reads.collect();
        let mut reads = stream::iter(reads).buffered(READS_AT_ONCE);
        while let Some((job, read)) = reads.next().await {
            match read {
                Ok(Read::Claim(claim, changed_millis)) => {
                    let Record { account, region, action_type, lease_until, since, attempt, .. } = &*claim.record;
                    let is_polled = types.contains(action_type);
                    let ours = *account == self.account
                        && *region == self.region
                        && (is_polled || action_type.is_another_version_of(types));
                    // A lease that no invocation can have would keep its job for ever.
                    let lease_until = (*lease_until).min(gone_at(changed_millis, SKEW));
                    if ours {
                        let since = if *since == 0 { changed_millis } else { *since };
                        survey.seen.push(Seen {
                            job,
                            action_type: Some(action_type.clone()),
                            age_millis: now.saturating_sub(since),
                            lease_millis: lease_until.saturating_sub(now),
                            attempt: *attempt,
                        });
                    }
                    if ours && lease_until <= now {
                        // A stack that no longer polls a version is the last that knows of its jobs.
                        let is_left = is_polled || gone_at(changed_millis, NEGLECTED) <= now;
                        if is_left { &mut survey.left } else { &mut survey.unpolled }.push(claim);
                    }
                }
                Ok(Read::Absent) => {}
                Ok(Read::Damaged(claim, _)) if self.is_anothers(&claim.origin, types) => {}
                Ok(Read::Damaged(claim, changed_millis)) => {
                    let gone_at = gone_at(changed_millis, Duration::ZERO);
                    survey.seen.push(Seen {
                        job: job.clone(),
                        action_type: None,
                        age_millis: now.saturating_sub(changed_millis),
                        lease_millis: gone_at.saturating_sub(now),
                        attempt: 0,
                    });
                    if gone_at <= now {
                        survey.damaged.push(claim);
                    } else {
                        tracing::warn!(job.id = %job, problem = claim.problem, "a claim cannot be read; its owner may live yet");
                    }
                }
                Err(error) => {
                    tracing::error!(job.id = %job, error = &error as &dyn std::error::Error, "a claim cannot be fetched; it is left to the next tick");
                }
            }
        }
        Ok(survey)
    }

    /// Whether a record that cannot be read is of another account, region or action type by what it says all the same.
    /// CodePipeline knows nothing of such a job here, and that is no reason to take its claim away.
    fn is_anothers(&self, origin: &Origin, types: &[ActionType]) -> bool {
        let Origin { account, region, action_type } = origin;
        account.is_some() && *account != self.account
            || region.as_ref().is_some_and(|region| *region != self.region)
            || action_type.as_ref().is_some_and(|action_type| !types.contains(action_type))
    }
}

/// When whoever wrote something at this time is gone for certain.
fn gone_at(changed_millis: u64, grace: Duration) -> u64 {
    let longest = u64::try_from((LONGEST_INVOCATION + grace).as_millis()).unwrap_or(u64::MAX);
    changed_millis.saturating_add(longest)
}
