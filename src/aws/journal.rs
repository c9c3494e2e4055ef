//! The journal: one record in S3 for each job that is being worked on, written before the acknowledgement and removed
//! after the answer. Every write after the first is conditional, so that of two workers only one can own a job.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};

use super::{AwsError, Meaning, patience, timeouts};
use crate::deadline::Deadline;
use crate::job::JobId;
use crate::settings::ActionType;

/// Longest wait for one call.
const CALL: Duration = Duration::from_secs(10);
/// Where the claims are.
const PREFIX: &str = "jobs/";
/// A claim is a small thing; whatever is larger is not one.
const MAX_RECORD: usize = 64 << 10;
/// The format that this version writes and reads.
const FORMAT: u32 = 1;

/// What is known of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledgement {
    /// The claim was written before it; whether it was sent, and with what outcome, nobody wrote down.
    Unconfirmed,
    /// CodePipeline said that the job is ours.
    Confirmed,
}

/// What the journal keeps of a job. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// The job.
    pub job: JobId,
    /// A random text of the invocation that owns the claim.
    pub owner: String,
    /// The account that the job belongs to, where CodePipeline told it.
    pub account: Option<String>,
    /// The region that the job belongs to.
    pub region: String,
    /// The action type that the job was polled for.
    pub action_type: ActionType,
    /// The nonce that the job was offered with.
    pub nonce: String,
    /// Whether the job is known to be ours.
    pub acknowledgement: Acknowledgement,
    /// How many invocations have worked on the job, this one included; a handing over is not counted.
    pub attempt: u32,
    /// End of the owner's invocation, in milliseconds since 1970. 0: handed over.
    pub lease_until: u64,
    /// What leads to the log of the run.
    pub external_execution_id: String,
    /// Digest of the plan, once there is one.
    pub plan: Option<String>,
    /// How many of the plan's steps are done.
    pub done: usize,
}

impl Record {
    /// The first record of a job.
    pub fn first(job: JobId, action_type: ActionType, nonce: String) -> Self {
        Self {
            format: FORMAT,
            job,
            owner: String::new(),
            account: None,
            region: String::new(),
            action_type,
            nonce,
            acknowledgement: Acknowledgement::Unconfirmed,
            attempt: 1,
            lease_until: 0,
            external_execution_id: String::new(),
            plan: None,
            done: 0,
        }
    }
}

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

/// What became of trying to own a job.
#[derive(Debug)]
pub enum Claiming {
    /// It is ours.
    Ours(Claim),
    /// It is another worker's.
    Held,
}

/// What became of a write to a claim of ours.
#[derive(Debug)]
pub enum Kept {
    /// It is still ours.
    Ours(Claim),
    /// Another worker has taken it over: stop at once and report nothing.
    Lost,
}

/// The journal of one invocation.
#[derive(Debug, Clone)]
pub struct Journal {
    client: Client,
    bucket: String,
    owner: String,
    region: String,
}

impl Journal {
    /// The journal in `bucket`, written in the name of a new random owner.
    pub fn new(config: &SdkConfig, bucket: &str, path_style: bool) -> Self {
        let s3 = Builder::from(config).force_path_style(path_style).build();
        Self {
            client: Client::from_conf(s3),
            bucket: bucket.to_owned(),
            owner: format!("{:032x}", fastrand::u128(..)),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// The same journal for a new invocation: a new owner.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self { owner: format!("{:032x}", fastrand::u128(..)), ..self.clone() }
    }

    fn limited(deadline: Deadline) -> Builder {
        Builder::new().timeout_config(timeouts(deadline, CALL))
    }

    /// All readable claims of this region and of these action types, whoever owns them.
    pub async fn open_claims(&self, types: &[ActionType], deadline: Deadline) -> Result<Vec<OpenClaim>, AwsError> {
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(PREFIX)
                .set_continuation_token(token)
                .customize()
                .config_override(Self::limited(deadline))
                .send()
                .await
                .map_err(|error| AwsError::of("ListObjectsV2", &error))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
            token = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
            if token.is_none() {
                break;
            }
        }
        let mut claims = Vec::new();
        for key in keys {
            let named = key.strip_prefix(PREFIX).and_then(|name| name.strip_suffix(".json")).and_then(JobId::parse);
            let Some(id) = named else {
                tracing::warn!(key, "an object in the journal is not a claim; it is left alone");
                continue;
            };
            match self.read(&id, deadline).await? {
                Read::Claim(claim)
                    if claim.record.region == self.region && types.contains(&claim.record.action_type) =>
                {
                    claims.push(claim);
                }
                Read::Claim(_) | Read::Absent => {}
                Read::Unreadable(problem) => {
                    tracing::warn!(job.id = %id, problem, "a claim cannot be read; it is left alone");
                }
            }
        }
        Ok(claims)
    }

    /// Writes the first claim of a job, before its acknowledgement.
    pub async fn claim(&self, mut record: Record, deadline: Deadline) -> Result<Claiming, AwsError> {
        self.sign(&mut record, deadline);
        self.settle(Box::new(record), None, deadline).await
    }

    /// Takes over the claim of a dead worker, or one that was handed over.
    pub async fn take_over(&self, open: OpenClaim, run_id: &str, deadline: Deadline) -> Result<Claiming, AwsError> {
        let OpenClaim { mut record, etag } = open;
        if record.lease_until > 0 {
            record.attempt = record.attempt.saturating_add(1);
        }
        run_id.clone_into(&mut record.external_execution_id);
        self.sign(&mut record, deadline);
        self.settle(record, Some(etag), deadline).await
    }

    /// Writes down how far a job of ours has come.
    pub async fn update(
        &self,
        claim: Claim,
        change: impl FnOnce(&mut Record),
        deadline: Deadline,
    ) -> Result<Kept, AwsError> {
        let Claim { mut record, etag } = claim;
        change(&mut record);
        Ok(match self.settle(record, Some(etag), deadline).await? {
            Claiming::Ours(claim) => Kept::Ours(claim),
            Claiming::Held => Kept::Lost,
        })
    }

    /// Removes the claim of a job that is done with.
    pub async fn close(&self, claim: Claim, deadline: Deadline) -> Result<(), AwsError> {
        let answer = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(key(&claim.record.job))
            .if_match(&claim.etag)
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await;
        match answer.map_err(|error| AwsError::of("DeleteObject", &error)) {
            // Gone or another's: either way nothing of ours is left.
            Err(error) if matches!(error.meaning, Meaning::Condition | Meaning::NotFound) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    fn sign(&self, record: &mut Record, deadline: Deadline) {
        record.format = FORMAT;
        record.owner.clone_from(&self.owner);
        record.region.clone_from(&self.region);
        record.lease_until = deadline.epoch_millis();
    }

    /// Writes a record under its condition. Where the outcome is in doubt (a failed condition may be the echo of our
    /// own write whose answer was lost) the record is read back, and its owner decides.
    async fn settle(
        &self,
        record: Box<Record>,
        etag: Option<String>,
        deadline: Deadline,
    ) -> Result<Claiming, AwsError> {
        let body = serde_json::to_vec(&record).map_err(|error| AwsError::unusable("PutObject", &error.to_string()))?;
        let condition = self.client.put_object().bucket(&self.bucket).key(key(&record.job));
        let conditional = match etag {
            None => condition.if_none_match("*"),
            Some(etag) => condition.if_match(etag),
        };
        let answer = conditional
            .content_type("application/json")
            .body(ByteStream::from(body))
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await;
        let doubt = match answer {
            Ok(answer) => match answer.e_tag {
                Some(etag) => return Ok(Claiming::Ours(Claim { record, etag })),
                None => AwsError::unusable("PutObject", "it has no ETag"),
            },
            Err(error) => AwsError::of("PutObject", &error),
        };
        if !matches!(doubt.meaning, Meaning::Condition | Meaning::NotFound | Meaning::Unavailable) {
            return Err(doubt);
        }
        match self.read(&record.job, deadline).await? {
            Read::Claim(OpenClaim { record: found, etag }) if found == record => {
                Ok(Claiming::Ours(Claim { record, etag }))
            }
            Read::Absent if doubt.meaning == Meaning::Unavailable => Err(doubt),
            // Another's, or closed meanwhile by whoever had it.
            Read::Claim(_) | Read::Unreadable(_) | Read::Absent => Ok(Claiming::Held),
        }
    }

    async fn read(&self, id: &JobId, deadline: Deadline) -> Result<Read, AwsError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key(id))
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await;
        let answer = match answer.map_err(|error| AwsError::of("GetObject", &error)) {
            Ok(answer) => answer,
            Err(error) if error.meaning == Meaning::NotFound => return Ok(Read::Absent),
            Err(error) => return Err(error),
        };
        let etag = answer.e_tag.unwrap_or_default();
        if answer
            .content_length
            .and_then(|length| usize::try_from(length).ok())
            .is_none_or(|length| length > MAX_RECORD)
        {
            return Ok(Read::Unreadable("it is too large".to_owned()));
        }
        // The SDK's time-outs end with the answer's head.
        let body = tokio::time::timeout(patience(deadline, CALL), answer.body.collect()).await;
        let body = body.map_err(|_| AwsError::unusable("GetObject", "its body came too slowly"))?;
        let body = body.map_err(|error| AwsError::unusable("GetObject", &error.to_string()))?;
        Ok(match serde_json::from_slice::<Box<Record>>(&body.into_bytes()) {
            Ok(record) if record.format == FORMAT && record.job == *id => Read::Claim(OpenClaim { record, etag }),
            Ok(record) => Read::Unreadable(format!("it is of format {} for job {}", record.format, record.job)),
            Err(error) => Read::Unreadable(error.to_string()),
        })
    }
}

enum Read {
    Claim(OpenClaim),
    Absent,
    Unreadable(String),
}

fn key(id: &JobId) -> String {
    format!("{PREFIX}{id}.json")
}
