//! The job's artifacts in S3, reached with the job's own credentials and nothing else.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use thiserror::Error;

use super::{AwsError, timeouts};
use crate::archive::source::ReadAt;
use crate::archive::spool::Spool;
use crate::deadline::Deadline;
use crate::job::{ArtifactCredentials, ArtifactLocation};

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

/// A client that can reach the objects of one job.
#[derive(Debug, Clone)]
pub struct Artifacts {
    client: Client,
}

impl Artifacts {
    /// A client with the job's credentials.
    pub fn new(config: &SdkConfig, credentials: &ArtifactCredentials, path_style: bool) -> Self {
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
        Self { client: Client::from_conf(config) }
    }

    /// Fetches the artifact's object, into memory while it is small, else into temporary space.
    pub async fn fetch(
        &self,
        artifact: &ArtifactLocation,
        deadline: Deadline,
    ) -> Result<Arc<dyn ReadAt>, ArtifactError> {
        let (bucket, key) = artifact.object.clone().ok_or_else(|| ArtifactError::NoPlace(artifact.name.clone()))?;
        let failed = |source| ArtifactError::S3 { bucket: bucket.clone(), key: key.clone(), source };
        let answer = self
            .client
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
        loop {
            let next = tokio::time::timeout_at(deadline.work_ends(), body.next()).await;
            let chunk = match next {
                Ok(None) => break,
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Err(failed(AwsError::unusable("GetObject", &error.to_string()))),
                Err(_) => return Err(failed(AwsError::unusable("GetObject", "the time of this invocation is over"))),
            };
            spool.write_all(&chunk).map_err(full)?;
        }
        let source = spool.finish().map_err(full)?;
        if source.size() == 0 {
            return Err(ArtifactError::Empty { bucket, key });
        }
        Ok(source)
    }

    /// Stores an output artifact, encrypted as the pipeline wants it.
    pub async fn store(
        &self,
        artifact: &ArtifactLocation,
        bytes: Vec<u8>,
        encryption_key: Option<&str>,
        deadline: Deadline,
    ) -> Result<(), ArtifactError> {
        let (bucket, key) = artifact.object.clone().ok_or_else(|| ArtifactError::NoPlace(artifact.name.clone()))?;
        self.client
            .put_object()
            .bucket(&bucket)
            .key(&key)
            .content_type("application/zip")
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .set_ssekms_key_id(encryption_key.map(str::to_owned))
            .body(ByteStream::from(bytes))
            .customize()
            .config_override(
                Builder::new().timeout_config(timeouts(deadline, Duration::from_secs(30).min(deadline.left()))),
            )
            .send()
            .await
            .map(|_| ())
            .map_err(|error| ArtifactError::S3 { bucket, key, source: AwsError::of("PutObject", &error) })
    }
}
