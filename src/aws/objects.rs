//! Small objects of one bucket, written and removed under conditions.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::server_clock::ServerClock;
use super::{AwsError, Meaning, Patience};
use crate::deadline::Deadline;

/// Longest wait for one call.
const CALL: Duration = Duration::from_secs(10);

/// A bucket of small objects.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    client: Client,
    bucket: String,
}

/// An object as it was fetched.
pub(super) struct Fetched {
    /// By which it is told from its later self.
    pub(super) etag: String,
    /// When it was last written, in milliseconds since 1970.
    pub(super) changed_millis: u64,
    /// Its bytes; `None`: it is larger than was asked for.
    pub(super) body: Option<Bytes>,
}

impl Objects {
    /// The objects in `bucket`.
    pub(super) fn new(config: &SdkConfig, bucket: &str, path_style: bool) -> Self {
        let s3 = Builder::from(config).force_path_style(path_style).build();
        Self { client: Client::from_conf(s3), bucket: bucket.to_owned() }
    }

    fn limited(deadline: Deadline) -> Builder {
        Builder::new().timeout_config(Patience::of(deadline, CALL).timeouts())
    }

    /// All keys that begin with `prefix`, and by how many milliseconds S3's clock is ahead of the invocation's.
    pub(super) async fn keys(&self, prefix: &str, deadline: Deadline) -> Result<(Vec<String>, i64), AwsError> {
        let clock = ServerClock::new(deadline);
        let mut keys = Vec::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_continuation_token(token)
                .customize()
                .config_override(Self::limited(deadline))
                .interceptor(clock.clone())
                .send()
                .await
                .map_err(|error| AwsError::of("ListObjectsV2", &error))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
            token = page.next_continuation_token.filter(|_| page.is_truncated == Some(true));
            if token.is_none() {
                return Ok((keys, clock.off()));
            }
        }
    }

    /// Writes an object under a condition: that it is still the one with this tag, or that there is none yet.
    pub(super) async fn put(
        &self,
        key: &str,
        body: Bytes,
        etag: Option<&str>,
        deadline: Deadline,
    ) -> Result<String, AwsError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key);
        let put = match etag {
            None => put.if_none_match("*"),
            Some(etag) => put.if_match(etag),
        };
        let answer = put
            .content_type("application/json")
            .body(ByteStream::from(body))
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await
            .map_err(|error| AwsError::of("PutObject", &error))?;
        answer.e_tag.ok_or_else(|| AwsError::unusable("PutObject", "it has no ETag"))
    }

    /// Removes an object, if it is still the one with this tag.
    pub(super) async fn remove(&self, key: &str, etag: &str, deadline: Deadline) -> Result<(), AwsError> {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .if_match(etag)
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await
            .map(drop)
            .map_err(|error| AwsError::of("DeleteObject", &error))
    }

    /// Fetches an object of at most `most` bytes; `None` where there is none.
    pub(super) async fn fetch(&self, key: &str, most: u64, deadline: Deadline) -> Result<Option<Fetched>, AwsError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .customize()
            .config_override(Self::limited(deadline))
            .send()
            .await;
        let answer = match answer.map_err(|error| AwsError::of("GetObject", &error)) {
            Ok(answer) => answer,
            Err(error) if error.meaning == Meaning::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let unusable = |problem: &str| AwsError::unusable("GetObject", problem);
        let etag = answer.e_tag.ok_or_else(|| unusable("it has no ETag"))?;
        let changed_millis = answer.last_modified.and_then(|changed| changed.to_millis().ok());
        let changed_millis = changed_millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or(u64::MAX);
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let body = if length.is_some_and(|length| length <= most) {
            let collected = tokio::time::timeout(CALL.min(deadline.left_for_closing()), answer.body.collect()).await;
            let collected = collected.map_err(|_| unusable("it does not arrive"))?;
            Some(collected.map_err(|error| unusable(&error.to_string()))?.into_bytes())
        } else {
            None
        };
        Ok(Some(Fetched { etag, changed_millis, body }))
    }
}
