//! Which jobs of Invoke actions have ended. Lambda may bring their event again, and CodePipeline tells nobody what became of
//! such a job before it takes a result. A mark, written before the claim is removed, keeps whoever gets the event later from
//! doing the job once more. The bucket forgets it after a while.

use bytes::Bytes;

use super::journal::{Journal, Record};
use super::objects::Objects;
use super::{AwsError, Meaning};
use crate::deadline::Deadline;
use crate::job::JobId;

/// Where the marks are.
const PREFIX: &str = "ended/";
/// How often a mark is tried to be written beside others that write the same.
const WRITES: u32 = 3;
/// A mark is a line.
const MAX_MARK: u64 = 4 << 10;

/// How a job stands, as far as the journal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has ended it.
    Open,
    /// Its result was told, or nobody waits for one.
    Ended,
}

impl Journal {
    /// Whether the job has ended. Only who has its claim knows: a mark is there before the claim of the one before is gone.
    pub async fn standing(&self, job: &JobId, deadline: Deadline) -> Result<Standing, AwsError> {
        let mark = self.objects.fetch(&key(job), MAX_MARK, deadline).await?;
        Ok(if mark.is_some() { Standing::Ended } else { Standing::Open })
    }
}

/// Writes down that the job of this record has ended.
pub(super) async fn mark(objects: &Objects, record: &Record, deadline: Deadline) -> Result<(), AwsError> {
    let key = key(&record.job);
    // For whoever looks for the log.
    let text = serde_json::json!({ "job": record.job, "external_execution_id": record.external_execution_id });
    let mut tried = 0;
    loop {
        tried += 1;
        match objects.put(&key, Bytes::from(text.to_string()), None, deadline).await {
            Ok(_) => return Ok(()),
            // It is there, or another worker writes it at this moment.
            Err(error) if error.meaning == Meaning::Condition => {
                if objects.fetch(&key, MAX_MARK, deadline).await?.is_some() {
                    return Ok(());
                }
                if tried >= WRITES {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn key(job: &JobId) -> String {
    format!("{PREFIX}{job}.json")
}
