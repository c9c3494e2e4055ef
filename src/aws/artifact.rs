//! The job's artifacts in S3, reached with the job's own credentials and nothing else. Those live about 15 minutes; when
//! they have expired, CodePipeline gives fresh ones.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use thiserror::Error;

use super::codepipeline::CodePipeline;
use super::{AwsError, Meaning, timeouts};
use crate::archive::source::ReadAt;
use crate::archive::spool::Spool;
use crate::deadline::Deadline;
use crate::job::{ArtifactCredentials, ArtifactLocation, Job, JobId};
use crate::log::chain;

/// How often a call is tried before S3 counts as unavailable, each time with the SDK's own retries.
const TRIES: u32 = 3;
/// The pause before the second try; it grows with each.
const PAUSE: Duration = Duration::from_millis(300);
/// Longest wait for an output artifact to be stored, once.
const STORE: Duration = Duration::from_secs(30);

/// What keeps an artifact from being read or written.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// CodePipeline named no S3 object for it.
    #[error("CodePipeline gave no place in S3 for the artifact {0}")]
    NoPlace(String),
    /// CodePipeline gave no credentials to reach it with.
    #[error("CodePipeline gave no credentials for the artifact {0}")]
    NoCredentials(String),
    /// An object without a byte.
    #[error("the object s3://{bucket}/{key} is empty")]
    Empty {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
    /// S3 refused or failed.
    #[error("s3://{bucket}/{key}")]
    S3 {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// The call's error.
        #[source]
        source: AwsError,
    },
    /// The report that goes into it.
    #[error("the report for it could not be packed")]
    Report(#[source] std::io::Error),
    /// Temporary space.
    #[error("the temporary folder of the function has no room for s3://{bucket}/{key}")]
    Spool {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// The way to the objects of one job.
#[derive(Debug)]
pub struct Artifacts<'a> {
    config: &'a SdkConfig,
    pipeline: &'a CodePipeline,
    path_style: bool,
    job: JobId,
    encryption_key: Option<String>,
    client: Option<Client>,
}

impl<'a> Artifacts<'a> {
    /// The way to this job's objects, with the credentials that came with it.
    pub fn new(config: &'a SdkConfig, pipeline: &'a CodePipeline, job: &Job, path_style: bool) -> Self {
        let client = job.credentials.as_ref().map(|credentials| client(config, credentials, path_style));
        Self { config, pipeline, path_style, job: job.id.clone(), encryption_key: job.encryption_key.clone(), client }
    }

    /// Fetches the artifact's object, into memory while it is small, else into temporary space. Whoever waits for it
    /// ends it with the invocation; a transfer that stands still ends by itself.
    pub async fn fetch(
        &mut self,
        artifact: &ArtifactLocation,
        deadline: Deadline,
    ) -> Result<Arc<dyn ReadAt>, ArtifactError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match get(self.client(artifact)?, artifact, deadline).await {
                Err(ArtifactError::S3 { bucket, key, source }) if tried < TRIES => {
                    let help = self.help(source, tried, deadline).await;
                    help.map_err(|source| ArtifactError::S3 { bucket, key, source })?;
                }
                outcome => return outcome,
            }
        }
    }

    /// Stores an output artifact, encrypted as the pipeline wants it.
    pub async fn store(
        &mut self,
        artifact: &ArtifactLocation,
        bytes: Bytes,
        deadline: Deadline,
    ) -> Result<(), ArtifactError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let key = self.encryption_key.clone();
            match put(self.client(artifact)?, artifact, bytes.clone(), key, deadline).await {
                Err(ArtifactError::S3 { bucket, key, source }) if tried < TRIES => {
                    let help = self.help(source, tried, deadline).await;
                    help.map_err(|source| ArtifactError::S3 { bucket, key, source })?;
                }
                outcome => return outcome,
            }
        }
    }

    fn client(&self, artifact: &ArtifactLocation) -> Result<&Client, ArtifactError> {
        self.client.as_ref().ok_or_else(|| ArtifactError::NoCredentials(artifact.name.clone()))
    }

    /// Does what lets the same call do better: gets fresh credentials, or waits a little. Where nothing helps, that is
    /// the error; of credentials that have expired, why there are no fresh ones.
    async fn help(&mut self, error: AwsError, tried: u32, deadline: Deadline) -> Result<(), AwsError> {
        match error.meaning {
            Meaning::Expired => match self.pipeline.details(&self.job, deadline).await? {
                Some(Job { credentials: Some(credentials), .. }) => {
                    self.client = Some(client(self.config, &credentials, self.path_style));
                    Ok(())
                }
                Some(_) | None => Err(error),
            },
            Meaning::Unavailable | Meaning::Throttled => {
                tokio::time::sleep(PAUSE * tried).await;
                Ok(())
            }
            Meaning::Denied | Meaning::NotFound | Meaning::Condition | Meaning::Invalid => Err(error),
        }
    }
}

fn client(config: &SdkConfig, credentials: &ArtifactCredentials, path_style: bool) -> Client {
    let credentials = Credentials::new(
        &credentials.access_key_id,
        credentials.secret_access_key.expose(),
        Some(credentials.session_token.expose().to_owned()),
        None,
        "CodePipelineJob",
    );
    let region = config.region().cloned().unwrap_or_else(|| Region::from_static("us-east-1"));
    let config =
        Builder::from(config).region(region).credentials_provider(credentials).force_path_style(path_style).build();
    Client::from_conf(config)
}

fn place(artifact: &ArtifactLocation) -> Result<(String, String), ArtifactError> {
    artifact.object.clone().ok_or_else(|| ArtifactError::NoPlace(artifact.name.clone()))
}

async fn get(
    client: &Client,
    artifact: &ArtifactLocation,
    deadline: Deadline,
) -> Result<Arc<dyn ReadAt>, ArtifactError> {
    let (bucket, key) = place(artifact)?;
    let failed = |source| ArtifactError::S3 { bucket: bucket.clone(), key: key.clone(), source };
    let answer = client
        .get_object()
        .bucket(&bucket)
        .key(&key)
        .customize()
        .config_override(Builder::new().timeout_config(timeouts(deadline, deadline.left())))
        .send()
        .await
        .map_err(|error| failed(AwsError::of("GetObject", &error)))?;
    let full = |source| ArtifactError::Spool { bucket: bucket.clone(), key: key.clone(), source };
    let mut body = answer.body;
    let mut spool = Spool::default();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| failed(AwsError::unusable("GetObject", &chain(&error))))?;
        spool.write_all(&chunk).map_err(full)?;
    }
    let source = spool.finish().map_err(full)?;
    if source.size() == 0 {
        return Err(ArtifactError::Empty { bucket, key });
    }
    Ok(source)
}

async fn put(
    client: &Client,
    artifact: &ArtifactLocation,
    bytes: Bytes,
    encryption_key: Option<String>,
    deadline: Deadline,
) -> Result<(), ArtifactError> {
    let (bucket, key) = place(artifact)?;
    client
        .put_object()
        .bucket(&bucket)
        .key(&key)
        .content_type("application/zip")
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .set_ssekms_key_id(encryption_key)
        .body(ByteStream::from(bytes))
        .customize()
        .config_override(Builder::new().timeout_config(timeouts(deadline, STORE)))
        .send()
        .await
        .map(drop)
        .map_err(|error| ArtifactError::S3 { bucket, key, source: AwsError::of("PutObject", &error) })
}
