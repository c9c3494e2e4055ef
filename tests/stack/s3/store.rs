//! The objects, in memory, every change of one object being atomic under one lock; and the operations of
//! S3 on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use aws_smithy_types::date_time::{DateTime, Format};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
    ServerSideEncryption, Timestamp,
};
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::content::Content;
use super::{Behaviour, MissingDelete};
use crate::stack::vault::Clock;

/// One object.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) content: Content,
    pub(super) etag: String,
    modified: SystemTime,
    content_type: Option<String>,
    metadata: Option<std::collections::HashMap<String, String>>,
    encryption: Option<String>,
    kms_key: Option<String>,
    pub(super) served: u64,
}

/// How far the time of a signature may be off.
const SKEW: Duration = Duration::from_mins(15);

/// `20261123T100000Z`, as signatures have it, in the form with separators.
fn extended(date: &str) -> Option<String> {
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(|part| date.get(part).unwrap_or_default());
    (date.len() == 16).then(|| format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    clock: Clock,
    /// How far its clock is ahead of the machine's.
    ahead: Mutex<Duration>,
}

#[derive(Debug, Default)]
struct Inner {
    buckets: BTreeSet<String>,
    objects: BTreeMap<(String, String), Stored>,
    behaviour: Behaviour,
    writes: u64,
}

impl Store {
    pub(super) fn new(clock: Clock) -> Self {
        Self { inner: Mutex::default(), clock, ahead: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no test panics while it holds this")
    }

    /// Now by S3's own clock.
    fn now(&self) -> SystemTime {
        self.clock.now() + self.ahead()
    }

    /// What the `Date` of its answers says. Where a test lets time pass for leases and offers, the function's process knows
    /// nothing of that: to it, S3's clock is right.
    pub(super) fn date(&self) -> SystemTime {
        self.clock.of_the_machine() + self.ahead()
    }

    pub(super) fn run_ahead(&self, by: Duration) {
        *self.ahead.lock().expect("no test panics while it holds this") = by;
    }

    fn ahead(&self) -> Duration {
        *self.ahead.lock().expect("no test panics while it holds this")
    }

    /// Whether a request was signed at this time or a quarter of an hour around it.
    pub(super) fn is_now(&self, signed: Option<&str>) -> bool {
        let Some(signed) = signed.and_then(|date| DateTime::from_str(&extended(date)?, Format::DateTime).ok()) else {
            return false;
        };
        let Ok(signed) = SystemTime::try_from(signed) else { return false };
        let apart = |now: SystemTime| now.duration_since(signed).unwrap_or_else(|early| early.duration());
        apart(self.date()) <= SKEW
    }

    pub(super) fn behaviour(&self) -> Behaviour {
        self.lock().behaviour.clone()
    }

    pub(super) fn switch(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.lock().behaviour);
    }

    pub(super) fn create_bucket(&self, bucket: &str) {
        self.lock().buckets.insert(bucket.to_owned());
    }

    pub(super) fn age(&self, bucket: &str, key: &str, by: Duration) {
        if let Some(stored) = self.lock().objects.get_mut(&(bucket.to_owned(), key.to_owned())) {
            stored.modified -= by;
        }
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<Stored> {
        self.lock().objects.get(&(bucket.to_owned(), key.to_owned())).cloned()
    }

    pub(super) fn put(&self, bucket: &str, key: &str, content: Bytes) {
        let etag = hex(&Md5::digest(&content));
        self.keep(bucket, key, Content::Memory(content), etag);
    }

    /// Puts an object there that stays on disk. Its etag is no digest, as with an upload in parts.
    pub(super) fn put_file(&self, bucket: &str, key: &str, file: File) {
        let content = Content::of_file(file);
        let etag = format!("{}-1", hex(&Md5::digest(format!("{key}/{}", content.size()))));
        self.keep(bucket, key, content, etag);
    }

    fn keep(&self, bucket: &str, key: &str, content: Content, etag: String) {
        let mut inner = self.lock();
        inner.buckets.insert(bucket.to_owned());
        let stored = Stored {
            etag,
            content,
            modified: self.now(),
            content_type: None,
            metadata: None,
            encryption: None,
            kms_key: None,
            served: 0,
        };
        inner.objects.insert((bucket.to_owned(), key.to_owned()), stored);
    }

    pub(super) fn remove(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.lock().objects.remove(&(bucket.to_owned(), key.to_owned())).map(|stored| stored.content.bytes())
    }

    pub(super) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let inner = self.lock();
        let inside = inner.objects.keys().filter(|(place, key)| place == bucket && key.starts_with(prefix));
        inside.map(|(_, key)| key.clone()).collect()
    }

    /// The object that a read asks for, its conditions met.
    fn read(
        &self,
        bucket: &str,
        key: &str,
        if_match: Option<&ETagCondition>,
        if_none_match: Option<&ETagCondition>,
    ) -> S3Result<Stored> {
        let inner = self.lock();
        inner.require_bucket(bucket)?;
        let stored = inner.objects.get(&(bucket.to_owned(), key.to_owned())).cloned();
        let stored = stored.ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?;
        if if_match.is_some_and(|condition| !condition_holds(condition, &stored.etag)) {
            return Err(precondition_failed());
        }
        if if_none_match.is_some_and(|condition| condition_holds(condition, &stored.etag)) {
            return Err(s3_error!(NotModified));
        }
        Ok(stored)
    }
}

impl Inner {
    fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.buckets.contains(bucket) {
            Ok(())
        } else {
            Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
        }
    }
}

fn condition_holds(condition: &ETagCondition, etag: &str) -> bool {
    condition.is_any() || condition.as_etag().and_then(ETag::as_strong) == Some(etag)
}

fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

fn length(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// The operations, as s3s calls them.
#[derive(Debug, Clone)]
pub(super) struct Operations(pub(super) Arc<Store>);

#[async_trait::async_trait]
impl S3 for Operations {
    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let stored = self.0.read(&input.bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let total = stored.content.size();
        let (part, content_range) = match input.range {
            None => (0..total, None),
            Some(range) => {
                if total == 0 {
                    return Err(s3_error!(InvalidRange, "The requested range is not satisfiable"));
                }
                let range = range.check(total)?;
                let header = format!("bytes {}-{}/{total}", range.start, range.end - 1);
                (range, Some(header))
            }
        };
        let size = part.end - part.start;
        if let Some(object) = self.0.lock().objects.get_mut(&(input.bucket.clone(), input.key.clone())) {
            object.served += size;
        }
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(size),
            content_range,
            content_type: stored.content_type,
            e_tag: Some(ETag::Strong(stored.etag)),
            last_modified: Some(Timestamp::from(stored.modified)),
            metadata: stored.metadata,
            server_side_encryption: stored.encryption.map(ServerSideEncryption::from),
            ssekms_key_id: stored.kms_key,
            body: Some(stored.content.body(part)),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let stored = self.0.read(&input.bucket, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: length(stored.content.size()),
            content_type: stored.content_type,
            e_tag: Some(ETag::Strong(stored.etag)),
            last_modified: Some(Timestamp::from(stored.modified)),
            metadata: stored.metadata,
            server_side_encryption: stored.encryption.map(ServerSideEncryption::from),
            ssekms_key_id: stored.kms_key,
            ..HeadObjectOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let trailers = request.trailing_headers.clone();
        let mut input = request.input;
        let content = match input.body.take() {
            None => Bytes::new(),
            // The whole request is in memory already.
            Some(body) => {
                let whole = Body::from(body).store_all_limited(usize::MAX).await;
                whole.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?
            }
        };
        // Checksums of a streamed upload come behind its body.
        let trailer = |name: &str| {
            let trailers = trailers.as_ref()?;
            trailers
                .read(|headers| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned))
                .flatten()
        };
        check_content(&input, &content, trailer)?;
        let mut inner = self.0.lock();
        inner.require_bucket(&input.bucket)?;
        let place = (input.bucket.clone(), input.key.clone());
        let conditional = input.if_match.is_some() || input.if_none_match.is_some();
        if conditional && inner.behaviour.conflicts > 0 {
            inner.behaviour.conflicts -= 1;
            return Err(conflict());
        }
        let present = inner.objects.get(&place);
        match (&input.if_none_match, &input.if_match, present) {
            (Some(condition), _, _) if !condition.is_any() => {
                return Err(s3_error!(
                    NotImplemented,
                    "A header you provided implies functionality that is not implemented"
                ));
            }
            (Some(_), _, Some(_)) => return Err(precondition_failed()),
            (None, Some(_), None) => return Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
            (None, Some(condition), Some(present)) if !condition_holds(condition, &present.etag) => {
                return Err(precondition_failed());
            }
            _ => {}
        }
        inner.writes += 1;
        // With a KMS key the etag is no digest of the content, so nobody may take it for one.
        let encryption = input.server_side_encryption.as_ref().map(|kind| kind.as_str().to_owned());
        let etag = match encryption.as_deref() {
            Some("aws:kms" | "aws:kms:dsse") => hex(&Md5::digest(format!("{}/{:?}", inner.writes, input.key))),
            _ => hex(&Md5::digest(&content)),
        };
        let output = PutObjectOutput {
            e_tag: Some(ETag::Strong(etag.clone())),
            server_side_encryption: input.server_side_encryption.clone(),
            ssekms_key_id: input.ssekms_key_id.clone(),
            ..PutObjectOutput::default()
        };
        let stored = Stored {
            content: Content::Memory(content),
            etag,
            modified: self.0.now(),
            content_type: input.content_type,
            metadata: input.metadata,
            encryption,
            kms_key: input.ssekms_key_id,
            served: 0,
        };
        inner.objects.insert(place, stored);
        Ok(S3Response::new(output))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let mut inner = self.0.lock();
        inner.require_bucket(&input.bucket)?;
        let place = (input.bucket, input.key);
        if let Some(condition) = &input.if_match {
            if inner.behaviour.conflicts > 0 {
                inner.behaviour.conflicts -= 1;
                return Err(conflict());
            }
            match inner.objects.get(&place) {
                Some(present) if !condition_holds(condition, &present.etag) => return Err(precondition_failed()),
                None if inner.behaviour.delete_of_missing == MissingDelete::NoSuchKey => {
                    return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
                }
                Some(_) | None => {}
            }
        }
        inner.objects.remove(&place);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let inner = self.0.lock();
        inner.require_bucket(&input.bucket)?;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "delimiter"));
        }
        let prefix = input.prefix.clone().unwrap_or_default();
        let limit = input.max_keys.unwrap_or(1000).clamp(0, 1000);
        // The token is opaque to clients: here the last key that was listed, encoded.
        let after = match &input.continuation_token {
            Some(token) => {
                let key = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                Some(key.ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?)
            }
            None => input.start_after.clone(),
        };
        let from = (input.bucket.clone(), after.unwrap_or_default());
        let inside = inner.objects.range((Bound::Excluded(from), Bound::Unbounded));
        let mut matching = inside.filter(|((bucket, key), _)| *bucket == input.bucket && key.starts_with(&prefix));
        let page: Vec<_> = matching.by_ref().take(usize::try_from(limit).unwrap_or(0)).collect();
        let next = matching.next().and(page.last()).map(|((_, key), _)| STANDARD.encode(key));
        let contents = page.iter().map(|((_, key), stored)| Object {
            key: Some(key.clone()),
            e_tag: Some(ETag::Strong(stored.etag.clone())),
            last_modified: Some(Timestamp::from(stored.modified)),
            size: length(stored.content.size()),
            ..Object::default()
        });
        let output = ListObjectsV2Output {
            name: Some(input.bucket.clone()),
            prefix: Some(prefix),
            max_keys: Some(limit),
            key_count: i32::try_from(page.len()).ok(),
            contents: Some(contents.collect()),
            continuation_token: input.continuation_token,
            is_truncated: Some(next.is_some()),
            next_continuation_token: next,
            ..ListObjectsV2Output::default()
        };
        Ok(S3Response::new(output))
    }
}

fn conflict() -> S3Error {
    s3_error!(
        ConditionalRequestConflict,
        "The conditional request cannot succeed due to a conflicting operation against this resource."
    )
}

/// The checksums that came with an upload, against what arrived.
fn check_content(input: &PutObjectInput, content: &[u8], trailer: impl Fn(&str) -> Option<String>) -> S3Result<()> {
    let mut hasher = ChecksumHasher {
        crc32: Some(Crc32::new()),
        crc32c: Some(Crc32c::new()),
        sha1: Some(Sha1::new()),
        sha256: Some(Sha256::new()),
        crc64nvme: Some(Crc64Nvme::new()),
    };
    hasher.update(content);
    let actual = hasher.finalize();
    let sent = [
        ("x-amz-checksum-crc32", &input.checksum_crc32, actual.checksum_crc32),
        ("x-amz-checksum-crc32c", &input.checksum_crc32c, actual.checksum_crc32c),
        ("x-amz-checksum-sha1", &input.checksum_sha1, actual.checksum_sha1),
        ("x-amz-checksum-sha256", &input.checksum_sha256, actual.checksum_sha256),
        ("x-amz-checksum-crc64nvme", &input.checksum_crc64nvme, actual.checksum_crc64nvme),
        ("content-md5", &input.content_md5, Some(STANDARD.encode(Md5::digest(content)))),
    ];
    for (name, header, actual) in sent {
        let sent = header.clone().or_else(|| trailer(name));
        if sent.is_some() && sent != actual {
            return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
        }
    }
    Ok(())
}
