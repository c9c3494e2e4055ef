//! The AWS services, each in a file of its own, and what a failed call means.

pub mod artifact;
pub mod codepipeline;
pub mod journal;
pub mod secret;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use thiserror::Error;

use crate::deadline::Deadline;

/// What a failed call means for us, by status and error code, never by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Credentials that have expired.
    Expired,
    /// We may not.
    Denied,
    /// The thing that was named is not there.
    NotFound,
    /// A condition of ours did not hold (412), or two writers met (409).
    Condition,
    /// The request itself is refused as invalid.
    Invalid,
    /// Too many requests.
    Throttled,
    /// The service or the way to it failed; nobody knows whether the call took effect.
    Unavailable,
}

/// A failed call to an AWS service.
#[derive(Debug, Clone, Error)]
#[error("{operation} failed: {code}{}{message}", if message.is_empty() { "" } else { ": " })]
pub struct AwsError {
    /// The operation, as the API names it.
    pub operation: &'static str,
    /// The service's error code, or what stands for it.
    pub code: String,
    /// The service's own words, bounded.
    pub message: String,
    /// What it means.
    pub meaning: Meaning,
}

impl AwsError {
    /// Reads an SDK's error.
    pub fn of<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let metadata = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = metadata.and_then(|meta| meta.code()).map_or_else(
            || match (error, status) {
                (_, Some(status)) => format!("HTTP {status}"),
                (SdkError::TimeoutError(_), _) => "timeout".to_owned(),
                (SdkError::ConstructionFailure(_), _) => "request could not be built".to_owned(),
                _ => "no connection".to_owned(),
            },
            bounded,
        );
        let message = metadata.and_then(|meta| meta.message()).map(bounded).unwrap_or_default();
        let meaning = meaning(&code, status);
        Self { operation, code, message, meaning }
    }

    /// An answer that came but cannot be used.
    pub fn unusable(operation: &'static str, problem: &str) -> Self {
        Self { operation, code: "unusable answer".to_owned(), message: bounded(problem), meaning: Meaning::Unavailable }
    }
}

fn meaning(code: &str, status: Option<u16>) -> Meaning {
    match (code, status) {
        ("ExpiredToken" | "ExpiredTokenException" | "RequestExpired", _) => Meaning::Expired,
        (
            "AccessDenied"
            | "AccessDeniedException"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "DecryptionFailure"
            | "KMS.AccessDeniedException"
            | "InvalidToken",
            _,
        ) => Meaning::Denied,
        (
            "NoSuchKey"
            | "NoSuchBucket"
            | "NotFound"
            | "ResourceNotFoundException"
            | "JobNotFoundException"
            | "ActionTypeNotFoundException",
            _,
        ) => Meaning::NotFound,
        ("PreconditionFailed" | "ConditionalRequestConflict", _) | (_, Some(409 | 412)) => Meaning::Condition,
        (
            "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "SlowDown" | "RequestLimitExceeded",
            _,
        )
        | (_, Some(429)) => Meaning::Throttled,
        (_, Some(401 | 403)) => Meaning::Denied,
        (_, Some(404)) => Meaning::NotFound,
        (_, Some(400..=499)) => Meaning::Invalid,
        _ => Meaning::Unavailable,
    }
}

/// A text out of a service's answer, fit to be shown: no control characters, at most 300 characters.
fn bounded(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect::<String>().trim().to_owned()
}

/// How long one call may take: of what is left of the invocation three quarters at most, so that after a call that
/// hangs there is time for the next one, which leaves the claim in order.
pub fn patience(deadline: Deadline, whole: Duration) -> Duration {
    whole.min(deadline.left_with_reserve() * 3 / 4).max(Duration::from_millis(1))
}

/// Time-outs for one call: the SDK itself sets none for reads. Everything ends within the invocation.
pub fn timeouts(deadline: Deadline, whole: Duration) -> TimeoutConfig {
    let whole = patience(deadline, whole);
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3).min(whole))
        .read_timeout(Duration::from_secs(10).min(whole))
        .operation_timeout(whole)
        .build()
}

/// The process's AWS configuration: region, endpoints and credentials from where the SDK takes them.
pub async fn configuration() -> SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .app_name_opt()
        .load()
        .await
}

/// Names this crate in the SDK's `User-Agent`.
trait NamedLoader {
    fn app_name_opt(self) -> Self;
}

impl NamedLoader for aws_config::ConfigLoader {
    fn app_name_opt(self) -> Self {
        match aws_config::AppName::new(concat!("codepipeline-artifactory-", env!("CARGO_PKG_VERSION"))) {
            Ok(name) => self.app_name(name),
            Err(_) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_win_over_statuses_and_every_failing_status_means_something() {
        assert_eq!(meaning("ExpiredToken", Some(400)), Meaning::Expired);
        assert_eq!(meaning("AccessDeniedException", Some(400)), Meaning::Denied);
        assert_eq!(meaning("ThrottlingException", Some(400)), Meaning::Throttled);
        assert_eq!(meaning("JobNotFoundException", Some(400)), Meaning::NotFound);
        assert_eq!(meaning("InvalidNonceException", Some(400)), Meaning::Invalid);
        for (status, expected) in [
            (401, Meaning::Denied),
            (403, Meaning::Denied),
            (404, Meaning::NotFound),
            (409, Meaning::Condition),
            (412, Meaning::Condition),
            (429, Meaning::Throttled),
            (500, Meaning::Unavailable),
            (503, Meaning::Unavailable),
        ] {
            assert_eq!(meaning("x", Some(status)), expected, "{status}");
        }
        assert_eq!(meaning("no connection", None), Meaning::Unavailable);
    }
}
