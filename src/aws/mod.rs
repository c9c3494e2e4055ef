//! The AWS services, each in a file of its own, and what a failed call means.

pub mod artifact;
pub mod codepipeline;
pub mod connections;
pub mod journal;
mod object;
mod objects;
mod record;
pub mod secret;

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use thiserror::Error;

use self::connections::{Connections, READ};
use crate::deadline::Deadline;
use crate::trust::Trust;

/// What a call is given at the very end of an invocation: enough to hand a job over.
const SHORTEST: Duration = Duration::from_millis(50);

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
    pub fn of<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
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
        let message = match (metadata, status) {
            (Some(metadata), _) => metadata.message().map(bounded).unwrap_or_default(),
            (None, None) => bounded(&causes(error)),
            (None, Some(_)) => String::new(),
        };
        let meaning = meaning(&code, status);
        Self { operation, code, message, meaning }
    }

    /// An answer that came but cannot be used.
    pub fn unusable(operation: &'static str, problem: &str) -> Self {
        Self { operation, code: "unusable answer".to_owned(), message: bounded(problem), meaning: Meaning::Unavailable }
    }
}

/// Whether the service cannot have seen the request: it was never built, or no connection was made for it.
fn was_never_sent<E>(error: &SdkError<E, HttpResponse>) -> bool {
    let failure = match error {
        SdkError::ConstructionFailure(_) => return true,
        SdkError::DispatchFailure(failure) => failure.as_connector_error(),
        _ => None,
    };
    let outermost = failure.map(|failure| failure as &(dyn std::error::Error + 'static));
    std::iter::successors(outermost, |error| error.source())
        .filter_map(|error| error.downcast_ref::<reqwest::Error>())
        .any(reqwest::Error::is_connect)
}

/// Why there is no answer, from the outermost cause to the innermost.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map(crate::log::chain).unwrap_or_default()
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
        // The service waited in vain for the rest of the request.
        ("RequestTimeout" | "RequestTimeoutException", _) | (_, Some(408)) => Meaning::Unavailable,
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

/// Time-outs for one call, its retries included: the SDK itself sets none for reads. Of what is left of the invocation
/// a call takes three quarters at most, so that after one that hangs there is time for the next, which leaves the claim
/// in order.
pub fn timeouts(deadline: Deadline, whole: Duration) -> TimeoutConfig {
    let whole = whole.min(deadline.left_for_closing() * 3 / 4).max(SHORTEST);
    TimeoutConfig::builder().read_timeout(READ).operation_timeout(whole).build()
}

/// The process's AWS configuration: region, endpoints and credentials from where the SDK takes them.
pub async fn configuration(trust: Trust) -> SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .http_client(Connections::new(trust))
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
    fn codes_win_over_statuses() {
        assert_eq!(meaning("ExpiredToken", Some(400)), Meaning::Expired);
        assert_eq!(meaning("AccessDeniedException", Some(400)), Meaning::Denied);
        assert_eq!(meaning("ThrottlingException", Some(400)), Meaning::Throttled);
        assert_eq!(meaning("JobNotFoundException", Some(400)), Meaning::NotFound);
        assert_eq!(meaning("InvalidNonceException", Some(400)), Meaning::Invalid);
        assert_eq!(meaning("RequestTimeout", Some(400)), Meaning::Unavailable);
        assert_eq!(meaning("no connection", None), Meaning::Unavailable);
    }

    #[test]
    fn every_status_means_something_and_only_what_may_pass_by_waiting_is_tried_again() {
        let mut ranges: Vec<(u16, u16, Meaning)> = Vec::new();
        for status in 100..=599 {
            let meaning = meaning("x", Some(status));
            match ranges.last_mut() {
                Some((_, to, last)) if *last == meaning => *to = status,
                _ => ranges.push((status, status, meaning)),
            }
        }
        let table: Vec<String> = ranges.iter().map(|(from, to, meaning)| format!("{from}-{to} {meaning:?}")).collect();
        assert_eq!(
            table,
            [
                "100-399 Unavailable",
                "400-400 Invalid",
                "401-401 Denied",
                "402-402 Invalid",
                "403-403 Denied",
                "404-404 NotFound",
                "405-407 Invalid",
                "408-408 Unavailable",
                "409-409 Condition",
                "410-411 Invalid",
                "412-412 Condition",
                "413-428 Invalid",
                "429-429 Throttled",
                "430-499 Invalid",
                "500-599 Unavailable",
            ]
        );
    }
}
