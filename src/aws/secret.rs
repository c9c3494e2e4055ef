//! Secrets Manager: the credential's text, read at run time and kept in memory for a short while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::Builder;
use thiserror::Error;

use super::{AwsError, Patience};
use crate::credential::SecretText;
use crate::deadline::Deadline;
use crate::settings::CaCertificates;

/// How long a value is used before it is read again, in milliseconds of the wall clock, which goes on while the process
/// is frozen; a rotated secret is noticed earlier by its 401.
const FRESH_MILLIS: u64 = 60_000;

/// Longest wait for a value.
const CALL: Duration = Duration::from_secs(10);

/// Longest wait for certificates when the process starts; Lambda gives it 10 s in all.
const CERTIFICATES: Duration = Duration::from_secs(8);

/// A reader of secrets.
#[derive(Debug)]
pub struct Secrets {
    client: Client,
    cache: Mutex<HashMap<String, (u64, SecretText)>>,
}

/// The secret of the additional certificates was not given to us, so the function cannot start.
#[derive(Debug, Error)]
#[error("the secret that CA_CERTIFICATES names, {arn}, could not be read")]
pub struct CertificatesError {
    arn: String,
    source: AwsError,
}

/// Whether a value that was read a moment ago will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It will.
    Cached,
    /// It was refused: read it again.
    Reread,
}

impl Secrets {
    /// A reader from the process's configuration.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), cache: Mutex::default() }
    }

    /// The current value of the secret with this name or ARN.
    pub async fn value(&self, id: &str, freshness: Freshness, deadline: Deadline) -> Result<SecretText, AwsError> {
        if freshness == Freshness::Cached
            && let Some(value) = self.cached(id, deadline.now_millis())
        {
            return Ok(value);
        }
        let patience = Patience::of(deadline, CALL);
        let answer = self
            .client
            .get_secret_value()
            .secret_id(id)
            .customize()
            .config_override(Builder::new().timeout_config(patience.timeouts()))
            .send()
            .await
            .map_err(|error| AwsError::of("GetSecretValue", &error).within(patience))?;
        let text = answer.secret_string.ok_or_else(|| AwsError {
            meaning: super::Meaning::Invalid,
            ..AwsError::unusable("GetSecretValue", "the secret is binary, not text")
        })?;
        let value = SecretText::new(text);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(id.to_owned(), (deadline.now_millis(), value.clone()));
        drop(cache);
        Ok(value)
    }

    /// The additional certificates, wherever they are kept, as PEM. A private key may be among them.
    pub async fn certificates(&self, from: Option<&CaCertificates>) -> Result<Option<SecretText>, CertificatesError> {
        match from {
            None => Ok(None),
            Some(CaCertificates::Pem(pem)) => Ok(Some(SecretText::new(pem))),
            Some(CaCertificates::Secret(arn)) => {
                let value = self.value(arn, Freshness::Cached, Deadline::after(CERTIFICATES)).await;
                value.map(Some).map_err(|source| CertificatesError { arn: arn.clone(), source })
            }
        }
    }

    fn cached(&self, id: &str, now_millis: u64) -> Option<SecretText> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(id).filter(|(read, _)| now_millis.abs_diff(*read) < FRESH_MILLIS).map(|(_, value)| value.clone())
    }
}
