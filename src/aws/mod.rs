//! The AWS services, each in a file of its own, and what a failed call means.

pub mod artifact;
pub mod codepipeline;
pub mod connections;
pub mod ended;
pub mod environment;
pub mod journal;
mod object;
mod objects;
mod record;
pub mod secret;
mod server_clock;
pub mod survey;
mod upload;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use thiserror::Error;

use self::connections::READ;
use crate::deadline::Deadline;

/// The code of a call that was not answered in the time that it was given.
const TIMEOUT: &str = "timeout";
/// What a call is given near the end of an invocation: enough to hand a job over.
const SHORTEST: Duration = Duration::from_millis(50);
/// The least that a call can be given in the SDK's terms.
const NONE: Duration = Duration::from_millis(1);

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
    /// The invocation had less time left than the call is given, and that was too short; nobody knows whether it took
    /// effect.
    OutOfTime,
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
                (SdkError::TimeoutError(_), _) => TIMEOUT.to_owned(),
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

    /// The same of a call that was given this much: a service is not to blame for what it was not left time for.
    fn within(self, patience: Patience) -> Self {
        let cut = patience.is_cut && self.code == TIMEOUT;
        Self { meaning: if cut { Meaning::OutOfTime } else { self.meaning }, ..self }
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
        // The service waited in vain for the rest of the request; or the machine's clock is wrong, which says nothing of
        // rights: the SDK goes by the service's from then on.
        ("RequestTimeout" | "RequestTimeoutException" | "RequestTimeTooSkewed", _) | (_, Some(408)) => {
            Meaning::Unavailable
        }
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

/// How long one call may take, its retries included.
#[derive(Debug, Clone, Copy)]
struct Patience {
    whole: Duration,
    /// Whether that is less than such a call is given where there is time.
    is_cut: bool,
}

impl Patience {
    /// What a call that is worth waiting for this long gets. Of what is left of the invocation it takes three quarters at
    /// most, so that after one that hangs there is time for the next, which leaves the claim in order; at the very end
    /// half, so that however many hang one after the other, the invocation ends in time.
    fn of(deadline: Deadline, wanted: Duration) -> Self {
        let left = deadline.left_with_reserve();
        // When it has ended all the same, the process was halted: what it hands over then cannot make it later.
        let shortest = if left.is_zero() { SHORTEST } else { SHORTEST.min(left / 2).max(NONE) };
        let most = (deadline.left_for_closing() * 3 / 4).max(shortest);
        Self { whole: wanted.min(most), is_cut: most < wanted }
    }

    /// As the SDK takes it, which by itself sets no time-out for reads.
    fn timeouts(self) -> TimeoutConfig {
        TimeoutConfig::builder().read_timeout(READ).operation_timeout(self.whole).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_that_hang_one_after_the_other_do_not_outlast_the_invocation() {
        let deadline = Deadline::after(Duration::from_secs(3));
        for _ in 0..10 {
            tokio::time::advance(Patience::of(deadline, Duration::from_secs(10)).whole).await;
        }
        let left = deadline.left_with_reserve();
        assert!(left > Duration::ZERO && left < Duration::from_millis(75), "{left:?}");
    }

    #[test]
    fn codes_win_over_statuses() {
        assert_eq!(meaning("ExpiredToken", Some(400)), Meaning::Expired);
        assert_eq!(meaning("AccessDeniedException", Some(400)), Meaning::Denied);
        assert_eq!(meaning("ThrottlingException", Some(400)), Meaning::Throttled);
        assert_eq!(meaning("JobNotFoundException", Some(400)), Meaning::NotFound);
        assert_eq!(meaning("InvalidNonceException", Some(400)), Meaning::Invalid);
        assert_eq!(meaning("RequestTimeout", Some(400)), Meaning::Unavailable);
        assert_eq!(meaning("RequestTimeTooSkewed", Some(403)), Meaning::Unavailable);
        assert_eq!(meaning("no connection", None), Meaning::Unavailable);
    }

    #[test]
    fn only_a_call_that_was_left_less_time_than_it_is_given_ran_out_of_it() {
        let error = |code: &str| AwsError { code: code.to_owned(), ..AwsError::unusable("GetSecretValue", "") };
        let meaning = |code, left, wanted| {
            let patience = Patience::of(Deadline::after(Duration::from_secs(left)), Duration::from_secs(wanted));
            error(code).within(patience).meaning
        };
        assert_eq!(meaning(TIMEOUT, 60, 10), Meaning::Unavailable);
        assert_eq!(meaning(TIMEOUT, 5, 10), Meaning::OutOfTime);
        assert_eq!(meaning("no connection", 5, 10), Meaning::Unavailable);
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
