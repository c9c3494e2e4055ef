//! The job's artifacts in S3, reached with the job's own credentials and nothing else. Those live about 15 minutes; when
//! they have expired, CodePipeline gives fresh ones.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use thiserror::Error;
use tokio::sync::Mutex;

use super::codepipeline::CodePipeline;
use super::object::{self, Failed};
use super::{AwsError, Meaning, Patience, upload};
use crate::archive::source::ReadAt;
use crate::deadline::Deadline;
use crate::job::{Arrival, ArtifactCredentials, ArtifactLocation, Job, JobId};

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
    /// Another object is there than the one whose parts were read before.
    #[error("the object s3://{bucket}/{key} was replaced while it was read")]
    Changed {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
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
pub struct Artifacts {
    reach: Arc<Reach>,
    encryption_key: Option<String>,
    failed: Failed,
}

/// What reaching them takes: the credentials of the job, and where to get fresh ones.
pub(super) struct Reach {
    config: SdkConfig,
    pipeline: CodePipeline,
    path_style: bool,
    job: JobId,
    arrival: Arrival,
    client: Mutex<Option<Reached>>,
}

/// A client, and how many there were before it.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    client: Client,
    number: u32,
}

impl Deref for Reached {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Artifacts {
    /// The way to this job's objects, with the credentials that came with it.
    pub fn new(config: &SdkConfig, pipeline: &CodePipeline, job: &Job, path_style: bool) -> Self {
        let client = job.credentials.as_ref().map(|credentials| client(config, credentials, path_style));
        let reach = Reach {
            config: config.clone(),
            pipeline: pipeline.clone(),
            path_style,
            job: job.id.clone(),
            arrival: job.arrival,
            client: Mutex::new(client.map(|client| Reached { client, number: 0 })),
        };
        Self { reach: Arc::new(reach), encryption_key: job.encryption_key.clone(), failed: Failed::default() }
    }

    /// Opens the artifact's object. What is read of it is fetched then; a transfer that stands still ends by itself.
    pub async fn open(
        &self,
        artifact: &ArtifactLocation,
        deadline: Deadline,
    ) -> Result<Arc<dyn ReadAt>, ArtifactError> {
        Ok(Arc::new(object::open(&self.reach, artifact, deadline, &self.failed).await?))
    }

    /// Why a part of an object that was opened could not be fetched. Those who read know it as a failure to read only.
    /// With the artifact's name.
    pub fn failure(&self) -> Option<(String, ArtifactError)> {
        self.failed.take()
    }

    /// Stores an output artifact, encrypted as the pipeline wants it.
    pub async fn store(
        &self,
        artifact: &ArtifactLocation,
        bytes: &Arc<dyn ReadAt>,
        deadline: Deadline,
    ) -> Result<(), ArtifactError> {
        let mut tried = 0;
        loop {
            tried += 1;
            let key = self.encryption_key.clone();
            let client = self.reach.client(artifact).await?;
            let body = upload::body(bytes).map_err(ArtifactError::Report)?;
            match put(&client, artifact, body, key, deadline).await {
                Err(ArtifactError::S3 { bucket, key, source }) => {
                    let help = self.reach.help(source, tried, &client, deadline).await;
                    help.map_err(|source| ArtifactError::S3 { bucket, key, source })?;
                }
                outcome => return outcome,
            }
        }
    }
}

impl Reach {
    /// The client to use now.
    pub(super) async fn client(&self, artifact: &ArtifactLocation) -> Result<Reached, ArtifactError> {
        self.client.lock().await.clone().ok_or_else(|| ArtifactError::NoCredentials(artifact.name.clone()))
    }

    /// Does what lets the same call do better: gets fresh credentials, or waits a little. Where nothing helps, that is
    /// the error; of credentials that have expired, why there are no fresh ones. `used` is the client that failed, so
    /// that of several calls with the same credentials one gets fresh ones for all.
    pub(super) async fn help(
        &self,
        error: AwsError,
        tried: u32,
        used: &Reached,
        deadline: Deadline,
    ) -> Result<(), AwsError> {
        if tried >= TRIES {
            return Err(error);
        }
        match error.meaning {
            Meaning::Expired if self.arrival == Arrival::Invoked => {
                let message = format!("{} The job of an Invoke action gets no fresh credentials.", error.message);
                Err(AwsError { message, ..error })
            }
            Meaning::Expired => {
                let mut current = self.client.lock().await;
                if current.as_ref().is_some_and(|current| current.number > used.number) {
                    return Ok(());
                }
                match self.pipeline.details(&self.job, deadline).await? {
                    Some(Job { credentials: Some(credentials), .. }) => {
                        let client = client(&self.config, &credentials, self.path_style);
                        *current = Some(Reached { client, number: used.number + 1 });
                        Ok(())
                    }
                    Some(_) | None => Err(error),
                }
            }
            Meaning::Unavailable | Meaning::Throttled => {
                tokio::time::sleep(PAUSE * tried).await;
                Ok(())
            }
            Meaning::Denied | Meaning::NotFound | Meaning::Condition | Meaning::Invalid | Meaning::OutOfTime => {
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the objects of job {}", self.job)
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

async fn put(
    client: &Client,
    artifact: &ArtifactLocation,
    body: ByteStream,
    encryption_key: Option<String>,
    deadline: Deadline,
) -> Result<(), ArtifactError> {
    let (bucket, key) = place(artifact)?;
    let patience = Patience::of(deadline, STORE);
    client
        .put_object()
        .bucket(&bucket)
        .key(&key)
        .content_type("application/zip")
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .set_ssekms_key_id(encryption_key)
        .body(body)
        .customize()
        .config_override(Builder::new().timeout_config(patience.timeouts()))
        .send()
        .await
        .map(drop)
        .map_err(|error| ArtifactError::S3 { bucket, key, source: AwsError::of("PutObject", &error).within(patience) })
}
