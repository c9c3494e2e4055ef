//! CodePipeline's job API: poll, acknowledge, details, and the two results.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::config::Builder;
use aws_sdk_codepipeline::config::http::HttpResponse;
use aws_sdk_codepipeline::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_codepipeline::types as raw;

use super::{AwsError, Meaning, Patience, was_never_sent};
use crate::deadline::Deadline;
use crate::guard::guarded_now;
use crate::job::{Job, JobId, Offer};
use crate::report::{FailureReport, SuccessReport};
use crate::settings::ActionType;

/// Longest wait for one call.
const CALL: Duration = Duration::from_secs(15);
/// How often an acknowledgement is tried.
const ACKNOWLEDGE_TRIES: u32 = 4;

/// A client of CodePipeline's job API.
#[derive(Debug, Clone)]
pub struct CodePipeline {
    client: Client,
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// The job is ours to answer.
    Ours,
    /// A newer dispatch or another worker has it; the text is CodePipeline's word for it.
    NotOurs(String),
    /// The job was answered, has timed out, or is unknown: nobody can answer it any more.
    Over(String),
}

/// What became of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// CodePipeline took it.
    Accepted,
    /// The job cannot be answered (any more): it was answered before, was never ours, or is gone.
    NotOpen,
}

impl CodePipeline {
    /// A client from the process's configuration.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    fn limited(deadline: Deadline) -> Builder {
        Builder::new().timeout_config(Patience::of(deadline, CALL).timeouts())
    }

    /// Asks for at most `most` jobs of one action type. Jobs that could never be answered are logged and left out.
    pub async fn poll(&self, of: &ActionType, most: usize, deadline: Deadline) -> Result<Vec<Offer>, AwsError> {
        let unusable = incomplete("PollForJobs");
        let action_type = raw::ActionTypeId::builder()
            .category(raw::ActionCategory::from(of.category.as_str()))
            .owner(raw::ActionOwner::Custom)
            .provider(&of.provider)
            .version(&of.version)
            .build()
            .map_err(unusable)?;
        let answer = self
            .client
            .poll_for_jobs()
            .action_type_id(action_type)
            .max_batch_size(i32::try_from(most).unwrap_or(1).max(1))
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await
            .map_err(|error| AwsError::of("PollForJobs", &error))?;
        let offers = answer.jobs.unwrap_or_default().into_iter().filter_map(|job| {
            let id = job.id.clone().unwrap_or_default();
            let offer = guarded_now(|| Offer::parse(job)).ok().flatten();
            if offer.is_none() {
                tracing::error!(job.id = %id, "a job came without a usable id or nonce and cannot be taken");
            }
            offer
        });
        Ok(offers.collect())
    }

    /// Takes the job. Retries are ours and not the SDK's: after a lost answer, `InvalidNonce` is our own
    /// acknowledgement coming back; on a first try, or after tries that never left the machine, it means that somebody
    /// else was faster.
    pub async fn acknowledge(&self, id: &JobId, nonce: &str, deadline: Deadline) -> Result<Acknowledged, AwsError> {
        let mut may_have_been_taken = false;
        let mut tried = 0;
        loop {
            tried += 1;
            let answer = self
                .client
                .acknowledge_job()
                .job_id(id.as_str())
                .nonce(nonce)
                .customize()
                .config_override(Self::limited(deadline).retry_config(RetryConfig::disabled()))
                .send()
                .await;
            let error = match answer {
                Ok(answer) => {
                    return Ok(acknowledged(answer.status.as_ref()));
                }
                Err(error) => error,
            };
            let code = error.code().map(str::to_owned);
            let sent = !was_never_sent(&error);
            let error = AwsError::of("AcknowledgeJob", &error);
            match (code.as_deref(), error.meaning) {
                (Some("InvalidNonceException"), _) if may_have_been_taken => return Ok(Acknowledged::Ours),
                (Some("InvalidNonceException"), _) => return Ok(Acknowledged::NotOurs(error.code)),
                (Some("JobNotFoundException"), _) => return Ok(Acknowledged::Over(error.code)),
                (_, Meaning::Unavailable) => may_have_been_taken |= sent,
                (_, Meaning::Throttled) => {}
                _ => return Err(error),
            }
            let pause = Duration::from_millis(100 * u64::from(2_u32.pow(tried)));
            if tried >= ACKNOWLEDGE_TRIES || deadline.left() < pause * 2 {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// The job as it is now, with fresh credentials; `None` where CodePipeline does not know it (any more).
    pub async fn details(&self, id: &JobId, deadline: Deadline) -> Result<Option<Job>, AwsError> {
        // Judged by what was left when the call began.
        let patience = Patience::of(deadline, CALL);
        let answer = self
            .client
            .get_job_details()
            .job_id(id.as_str())
            .customize()
            .config_override(Builder::new().timeout_config(patience.timeouts()))
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let details = answer.job_details.ok_or_else(|| AwsError::unusable("GetJobDetails", "it is empty"))?;
                Ok(Some(Job::parse(id.clone(), details.data)))
            }
            Err(error) if error.code() == Some("JobNotFoundException") => Ok(None),
            Err(error) => Err(AwsError::of("GetJobDetails", &error).within(patience)),
        }
    }

    /// Reports success. A report that the API refuses as invalid is sent again in its smallest form: a publish that
    /// happened must never look like a failure.
    pub async fn succeed(&self, id: &JobId, report: &SuccessReport, deadline: Deadline) -> Result<Answered, AwsError> {
        match as_told(self.put_success(id, report, deadline).await) {
            Some(told) => told,
            None => self.put_success(id, &report.smallest(), deadline).await,
        }
    }

    async fn put_success(&self, id: &JobId, report: &SuccessReport, deadline: Deadline) -> Result<Answered, AwsError> {
        let unusable = incomplete("PutJobSuccessResult");
        let revision = raw::CurrentRevision::builder()
            .revision(&report.revision)
            .change_identifier(&report.change_identifier)
            .build()
            .map_err(unusable)?;
        let details = raw::ExecutionDetails::builder()
            .summary(&report.summary)
            .external_execution_id(&report.external_execution_id)
            .percent_complete(100)
            .build();
        let variables = (!report.variables.is_empty()).then(|| report.variables.iter().cloned().collect());
        let answer = self
            .client
            .put_job_success_result()
            .job_id(id.as_str())
            .current_revision(revision)
            .execution_details(details)
            .set_output_variables(variables)
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await;
        answered("PutJobSuccessResult", answer.err())
    }

    /// Reports failure; in its smallest form where the API refuses it as invalid, or the action would hang for a day.
    pub async fn fail(&self, id: &JobId, report: &FailureReport, deadline: Deadline) -> Result<Answered, AwsError> {
        match as_told(self.put_failure(id, report, deadline).await) {
            Some(told) => told,
            None => self.put_failure(id, &report.smallest(), deadline).await,
        }
    }

    async fn put_failure(&self, id: &JobId, report: &FailureReport, deadline: Deadline) -> Result<Answered, AwsError> {
        let details = raw::FailureDetails::builder()
            .r#type(report.kind.clone())
            .message(&report.message)
            .external_execution_id(&report.external_execution_id)
            .build()
            .map_err(incomplete("PutJobFailureResult"))?;
        let answer = self
            .client
            .put_job_failure_result()
            .job_id(id.as_str())
            .failure_details(details)
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await;
        answered("PutJobFailureResult", answer.err())
    }
}

/// Whether the job's state after an acknowledgement makes it ours.
fn acknowledged(status: Option<&raw::JobStatus>) -> Acknowledged {
    let named = || status.map_or_else(|| "no state".to_owned(), ToString::to_string);
    match status {
        Some(raw::JobStatus::InProgress) => Acknowledged::Ours,
        Some(raw::JobStatus::Succeeded | raw::JobStatus::Failed | raw::JobStatus::TimedOut) => {
            Acknowledged::Over(named())
        }
        _ => Acknowledged::NotOurs(named()),
    }
}

/// A request that lacks a member which the API requires.
fn incomplete(operation: &'static str) -> impl Fn(BuildError) -> AwsError {
    move |error| AwsError::unusable(operation, &error.to_string())
}

/// What became of a result; `None` where the API refuses it as invalid, and its smallest form is still to be tried.
fn as_told(answered: Result<Answered, AwsError>) -> Option<Result<Answered, AwsError>> {
    match answered {
        Err(error) if error.meaning == Meaning::Invalid => {
            tracing::warn!(error = %error, "the result was refused as invalid; sending its smallest form");
            None
        }
        told => Some(told),
    }
}

fn answered<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: Option<SdkError<E, HttpResponse>>,
) -> Result<Answered, AwsError> {
    match error {
        None => Ok(Answered::Accepted),
        Some(error) => match error.code() {
            Some("InvalidJobStateException" | "JobNotFoundException") => Ok(Answered::NotOpen),
            _ => Err(AwsError::of(operation, &error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_job_in_progress_is_ours() {
        assert_eq!(acknowledged(Some(&raw::JobStatus::InProgress)), Acknowledged::Ours);
        for status in ["Succeeded", "Failed", "TimedOut"] {
            assert_eq!(acknowledged(Some(&status.into())), Acknowledged::Over(status.to_owned()));
        }
        for status in ["Created", "Queued", "Dispatched", "SomethingNew"] {
            assert_eq!(acknowledged(Some(&status.into())), Acknowledged::NotOurs(status.to_owned()));
        }
        assert!(matches!(acknowledged(None), Acknowledged::NotOurs(_)));
    }
}
