//! The emulators of the local stack, looked at with the clients that real programs use: what they say here is
//! what the tests of the worker stand on.

mod jobs;
mod jobs_refused;
mod runtime;
mod secrets;
mod wire;

use aws_sdk_codepipeline::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_codepipeline::error::{ProvideErrorMetadata, SdkError};
use codepipeline_artifactory::aws::connections::Connections;
use codepipeline_artifactory::trust::Trust;

/// Long-lived credentials of a worker, with rights of their own: the template's role is that of the function alone.
pub(crate) fn function_credentials() -> Credentials {
    Credentials::new("AKIAFUNCTION", "secret of the function", None, None, "test")
}

/// A client for the job API that tries once.
pub(crate) fn codepipeline(url: &str, credentials: Credentials) -> aws_sdk_codepipeline::Client {
    let config = aws_sdk_codepipeline::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(Connections::new(Trust::system()))
        .credentials_provider(credentials)
        .retry_config(aws_sdk_codepipeline::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_codepipeline::Client::from_conf(config)
}

/// What the function has of AWS, with every service at this address.
pub(crate) fn configuration(url: &str) -> aws_config::SdkConfig {
    aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(Connections::new(Trust::system()))
        .credentials_provider(SharedCredentialsProvider::new(function_credentials()))
        .build()
}

/// A client for secrets that tries once.
fn secretsmanager(url: &str, credentials: Credentials) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .http_client(Connections::new(Trust::system()))
        .credentials_provider(credentials)
        .retry_config(aws_sdk_secretsmanager::config::retry::RetryConfig::disabled())
        .build();
    aws_sdk_secretsmanager::Client::from_conf(config)
}

/// The exception's name and text that the service answered with.
fn refusal<T: std::fmt::Debug, E>(outcome: Result<T, SdkError<E>>) -> (String, String)
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    match outcome {
        Err(SdkError::ServiceError(error)) => {
            let meta = error.err();
            (meta.code().unwrap_or_default().to_owned(), meta.message().unwrap_or_default().to_owned())
        }
        other => panic!("no refusal of the service, but {other:?}"),
    }
}
