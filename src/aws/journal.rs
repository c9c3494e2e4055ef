//! The journal: one record in S3 for each job that is being worked on, written before the acknowledgement and removed
//! after the answer. Every write after the first is conditional, so that of two workers only one can own a job.

use aws_config::SdkConfig;
use bytes::Bytes;

use super::ended;
use super::objects::{Fetched, Objects};
pub use super::record::{Acknowledgement, Before, Record};
use super::record::{MAX_RECORD, Origin};
use super::{AwsError, Meaning};
use crate::deadline::Deadline;
use crate::job::JobId;
use crate::settings::ActionType;

/// How often one write is tried while nobody else has the record.
const WRITES: u32 = 3;
/// Where the claims are.
pub(super) const PREFIX: &str = "jobs/";
/// Where objects are moved that are no claims.
const QUARANTINE: &str = "quarantine/";
/// Largest object that is moved; a larger one stays where it is.
const MAX_STRAY: u64 = 4 << 20;

/// A job that is ours, as far as the journal goes: it must be closed or released.
#[derive(Debug)]
#[must_use = "a claim that is neither closed nor released is taken over as that of a dead worker"]
pub struct Claim {
    record: Box<Record>,
    etag: String,
}

impl Claim {
    /// What is written about the job.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Notes that CodePipeline said the job is ours. It is written down with the next write: a successor that does not
    /// find it asks CodePipeline itself.
    pub fn confirmed(mut self) -> Self {
        self.record.acknowledgement = Acknowledgement::Confirmed;
        self
    }
}

/// A claim as it lies in the journal, somebody's.
#[derive(Debug, Clone)]
pub struct OpenClaim {
    /// What is written about the job.
    pub record: Box<Record>,
    etag: String,
}

/// A claim that cannot be read, left by someone who is gone.
#[derive(Debug, Clone)]
pub struct DamagedClaim {
    /// The job, by the object's name.
    pub job: JobId,
    /// Why it cannot be read.
    pub problem: String,
    pub(super) origin: Origin,
    etag: String,
}

impl DamagedClaim {
    /// As [`Record::was_invoked`], as far as that can be read all the same.
    pub fn was_invoked(&self) -> bool {
        self.origin.action_type.as_ref() == Some(&ActionType::lambda_invoke())
    }
}

/// What became of trying to own a job.
#[derive(Debug)]
pub enum Claiming {
    /// It is ours.
    Ours(Claim),
    /// It is another worker's.
    Held,
}

/// What became of a write to a claim of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is still ours.
    Ours,
    /// Another worker has taken it over: stop at once and report nothing.
    Lost,
}

/// The journal of one invocation.
#[derive(Debug, Clone)]
pub struct Journal {
    pub(super) objects: Objects,
    owner: String,
    pub(super) account: Option<String>,
    pub(super) region: String,
}

impl Journal {
    /// The journal in `bucket`, written in the name of a new random owner.
    pub fn new(config: &SdkConfig, bucket: &str, path_style: bool) -> Self {
        Self {
            objects: Objects::new(config, bucket, path_style),
            owner: random(),
            account: None,
            region: config.region().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The same journal for a new invocation: a new owner, in this account.
    #[must_use]
    pub fn renewed(&self, account: Option<String>) -> Self {
        Self { owner: random(), account, ..self.clone() }
    }

    /// Writes the first claim of a job, before its acknowledgement.
    pub async fn claim(&self, record: Record, deadline: Deadline) -> Result<Claiming, AwsError> {
        self.settle(self.signed(record, deadline), None, deadline).await
    }

    /// Takes over the claim of a dead worker, or one that was handed over.
    pub async fn take_over(&self, open: OpenClaim, run_id: &str, deadline: Deadline) -> Result<Claiming, AwsError> {
        let OpenClaim { mut record, etag } = open;
        record.taken_over(run_id);
        self.settle(self.signed(*record, deadline), Some(etag), deadline).await
    }

    /// Takes over a claim that cannot be read: its job begins anew.
    pub async fn replace(
        &self,
        damaged: DamagedClaim,
        action_type: ActionType,
        run_id: &str,
        deadline: Deadline,
    ) -> Result<Claiming, AwsError> {
        let record = Record::anew(damaged.job, action_type, run_id);
        self.settle(self.signed(record, deadline), Some(damaged.etag), deadline).await
    }

    /// Writes down how far a job of ours has come. After an error the claim is as it was: nobody else can have it
    /// before its lease ends.
    pub async fn update(
        &self,
        claim: &mut Claim,
        change: impl FnOnce(&mut Record),
        deadline: Deadline,
    ) -> Result<Kept, AwsError> {
        let mut record = claim.record.clone();
        change(&mut record);
        Ok(match self.settle(record, Some(claim.etag.clone()), deadline).await? {
            Claiming::Ours(written) => {
                *claim = written;
                Kept::Ours
            }
            Claiming::Held => Kept::Lost,
        })
    }

    /// Removes the claim of a job that is done with. That of an Invoke action is remembered.
    pub async fn close(&self, claim: Claim, deadline: Deadline) -> Result<(), AwsError> {
        let Claim { record, mut etag } = claim;
        if record.was_invoked() {
            ended::mark(&self.objects, &record, deadline).await?;
        }
        let mut tried = 0;
        loop {
            tried += 1;
            let doubt = match self.objects.remove(&key(&record.job), &etag, deadline).await {
                Ok(()) => return Ok(()),
                Err(error) if error.meaning == Meaning::NotFound => return Ok(()),
                Err(error) => error,
            };
            if tried >= WRITES || !may_be_done(doubt.meaning) {
                return Err(doubt);
            }
            match self.read(&record.job, deadline).await? {
                Read::Claim(found, _) if found.record.owner == self.owner => etag = found.etag,
                // Gone or another's: either way nothing of ours is left.
                Read::Claim(..) | Read::Damaged(..) | Read::Absent => return Ok(()),
            }
        }
    }

    /// Moves an object that is no claim to the quarantine, where it bothers nobody and nothing of it is lost.
    pub async fn quarantine(&self, stray: &str, deadline: Deadline) -> Result<(), AwsError> {
        let Some(Fetched { etag, body, .. }) = self.objects.fetch(stray, MAX_STRAY, deadline).await? else {
            return Ok(());
        };
        let body = body.ok_or_else(|| AwsError::unusable("GetObject", "it is too large to be moved"))?;
        let name = stray.strip_prefix(PREFIX).unwrap_or(stray);
        // Of two objects of one name the second is told apart by its bytes.
        let names = [format!("{QUARANTINE}{name}"), format!("{QUARANTINE}{name}.{}", etag.trim_matches('"'))];
        let mut kept = Err(AwsError::unusable("PutObject", "its copy could not be written"));
        for key in names {
            kept = self.objects.put(&key, body.clone(), None, deadline).await.map(drop);
            if let Err(error) = &kept
                && error.meaning == Meaning::Condition
            {
                // Another worker may have moved the very same object a moment ago: one copy is enough.
                let there = self.objects.fetch(&key, MAX_STRAY, deadline).await?;
                if there.is_some_and(|there| there.body.as_ref() == Some(&body)) {
                    kept = Ok(());
                }
            }
            match &kept {
                Err(error) if error.meaning == Meaning::Condition => {}
                _ => break,
            }
        }
        // Without a copy of it nothing is removed.
        kept?;
        match self.objects.remove(stray, &etag, deadline).await {
            Err(error) if error.meaning == Meaning::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    fn signed(&self, mut record: Record, deadline: Deadline) -> Box<Record> {
        record.owner.clone_from(&self.owner);
        record.account.clone_from(&self.account);
        record.region.clone_from(&self.region);
        record.lease_until = deadline.epoch_millis();
        if record.since == 0 {
            record.since = deadline.now_millis();
        }
        Box::new(record)
    }

    /// Writes a record under its condition. Where the outcome is in doubt (a failed condition may be the echo of our
    /// own write whose answer was lost) the record is read back, and its owner decides.
    async fn settle(
        &self,
        record: Box<Record>,
        mut etag: Option<String>,
        deadline: Deadline,
    ) -> Result<Claiming, AwsError> {
        let json = serde_json::to_vec(&record).map_err(|error| AwsError::unusable("PutObject", &error.to_string()))?;
        let json = Bytes::from(json);
        let mut tried = 0;
        loop {
            tried += 1;
            let doubt = match self.objects.put(&key(&record.job), json.clone(), etag.as_deref(), deadline).await {
                Ok(etag) => return Ok(Claiming::Ours(Claim { record, etag })),
                Err(error) => error,
            };
            if doubt.meaning != Meaning::NotFound && !may_be_done(doubt.meaning) {
                return Err(doubt);
            }
            match self.read(&record.job, deadline).await? {
                Read::Claim(OpenClaim { record: found, etag }, _) if found == record => {
                    return Ok(Claiming::Ours(Claim { record, etag }));
                }
                // What we wrote before: this write has not happened.
                Read::Claim(found, _) if found.record.owner == self.owner => etag = Some(found.etag),
                Read::Absent if etag.is_none() => {}
                // Another's, or closed meanwhile by whoever had it.
                Read::Claim(..) | Read::Damaged(..) | Read::Absent => return Ok(Claiming::Held),
            }
            if tried >= WRITES {
                return Err(doubt);
            }
        }
    }

    pub(super) async fn read(&self, job: &JobId, deadline: Deadline) -> Result<Read, AwsError> {
        let Some(Fetched { etag, changed_millis, body }) = self.objects.fetch(&key(job), MAX_RECORD, deadline).await?
        else {
            return Ok(Read::Absent);
        };
        let record = match &body {
            Some(body) => Record::parse(body, job),
            None => Err("it is too large".to_owned()),
        };
        Ok(match record {
            Ok(record) => Read::Claim(OpenClaim { record, etag }, changed_millis),
            Err(problem) => {
                let origin = body.map(|body| Origin::parse(&body)).unwrap_or_default();
                Read::Damaged(DamagedClaim { job: job.clone(), problem, origin, etag }, changed_millis)
            }
        })
    }
}

/// What is at a job's place.
pub(super) enum Read {
    /// A claim, and when it was last written.
    Claim(OpenClaim, u64),
    /// What nobody can read, and when it was last written.
    Damaged(DamagedClaim, u64),
    /// Nothing.
    Absent,
}

/// Whether a conditional write that failed like this may have been done all the same. Of the SDK's tries the error is the
/// last one's: a try before it may have arrived, and its answer been lost, also where S3 was only too busy in the end.
fn may_be_done(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Condition | Meaning::Unavailable | Meaning::Throttled | Meaning::OutOfTime => true,
        Meaning::Expired | Meaning::Denied | Meaning::NotFound | Meaning::Invalid => false,
    }
}

fn key(job: &JobId) -> String {
    format!("{PREFIX}{job}.json")
}

fn random() -> String {
    format!("{:032x}", fastrand::u128(..))
}
