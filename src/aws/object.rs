//! An input artifact's object, read in parts: its end first, because there a zip has its directory, and small objects are
//! whole in it; then what is asked for. All parts are of the same version of the object.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use futures_util::future::BoxFuture;

use super::artifact::{ArtifactError, Reach};
use super::{AwsError, Meaning, Patience};
use crate::archive::mirror::{Mirror, Remote, Room, Take};
use crate::deadline::Deadline;
use crate::job::ArtifactLocation;
use crate::log::chain;

/// How much of an object's end is asked for first, in bytes: little enough to be there as soon as the answer begins, and
/// enough for all of a small artifact, or for the directory of thousands of entries.
const TAIL: u64 = 512 << 10;

/// Why a part of an artifact that somebody needed could not be fetched. To whoever reads it is a failure to read; here it
/// is kept as what it is, with the artifact's name.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed(Arc<Mutex<Option<(String, ArtifactError)>>>);

impl Failed {
    fn keep(&self, artifact: &str, error: ArtifactError) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert((artifact.to_owned(), error));
    }

    /// The first error that was kept.
    pub(super) fn take(&self) -> Option<(String, ArtifactError)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One version of an object.
struct Object {
    reach: Arc<Reach>,
    artifact: ArtifactLocation,
    bucket: String,
    key: String,
    size: u64,
    /// By which this version is told from a later one.
    etag: Option<String>,
    deadline: Deadline,
    failed: Failed,
}

/// What of an object came as the answer to the first request.
struct Beginning {
    offset: u64,
    size: u64,
    etag: Option<String>,
    body: ByteStream,
}

/// Opens an artifact's object: what comes with the first answer is in the mirror, the rest is fetched where it is read.
pub(super) async fn open(
    reach: &Arc<Reach>,
    artifact: &ArtifactLocation,
    deadline: Deadline,
    failed: &Failed,
) -> Result<Mirror, ArtifactError> {
    let (bucket, key) = artifact.object.clone().ok_or_else(|| ArtifactError::NoPlace(artifact.name.clone()))?;
    let place = Place { bucket: &bucket, key: &key };
    let mut tried = 0;
    loop {
        tried += 1;
        let client = reach.client(artifact).await?;
        let error = match first(&client, &place, deadline).await {
            Ok(Some(Beginning { offset, size, etag, body })) => {
                let object = Object {
                    reach: Arc::clone(reach),
                    artifact: artifact.clone(),
                    bucket: bucket.clone(),
                    key: key.clone(),
                    size,
                    etag,
                    deadline,
                    failed: failed.clone(),
                };
                let full = |source| ArtifactError::Spool { bucket: bucket.clone(), key: key.clone(), source };
                let mirror = Mirror::new(Arc::new(object), Room::OfFolder).map_err(full)?;
                let mut at = offset;
                match receive(body, &mut at, size, &|offset, bytes| mirror.put(offset, bytes)).await {
                    Ok(()) => return Ok(mirror),
                    Err(Broken::Here(error)) => return Err(full(error)),
                    Err(Broken::There(problem)) => AwsError::unusable("GetObject", &problem),
                }
            }
            Ok(None) => return Err(ArtifactError::Empty { bucket, key }),
            Err(error) => error,
        };
        let help = reach.help(error, tried, &client, deadline).await;
        help.map_err(|source| place.failed(source))?;
    }
}

/// The end of an object, at least a byte; `None`: it has none.
async fn first(client: &Client, place: &Place<'_>, deadline: Deadline) -> Result<Option<Beginning>, AwsError> {
    let answer = match get(client, place, &format!("bytes=-{TAIL}"), None, deadline).await {
        // No part of an empty object can be had.
        Err(error) if error.code == "InvalidRange" => return Ok(None),
        answer => answer?,
    };
    let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
    let etag = answer.e_tag.clone();
    let (range, size) = match (&answer.content_range, length) {
        (Some(header), _) => content_range(header)?,
        (None, Some(length)) => (0..length, length),
        (None, None) => return Err(AwsError::unusable("GetObject", "it does not say how long the object is")),
    };
    if range.end != size {
        return Err(AwsError::unusable("GetObject", "it is not the object's end that came"));
    }
    Ok((size > 0).then_some(Beginning { offset: range.start, size, etag, body: answer.body }))
}

/// Part and length of the whole, out of `bytes 0-9/100` (RFC 9110, 14.4).
fn content_range(header: &str) -> Result<(Range<u64>, u64), AwsError> {
    let parse = || {
        let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, size) = (first.parse().ok()?, last.parse::<u64>().ok()?, size.parse().ok()?);
        let end = last.checked_add(1)?;
        (first < end && end <= size).then_some((first..end, size))
    };
    parse().ok_or_else(|| AwsError::unusable("GetObject", &format!("it says that {header:?} came")))
}

async fn get(
    client: &Client,
    Place { bucket, key }: &Place<'_>,
    range: &str,
    etag: Option<String>,
    deadline: Deadline,
) -> Result<GetObjectOutput, AwsError> {
    let patience = Patience::of(deadline, deadline.left_with_reserve());
    client
        .get_object()
        .bucket(*bucket)
        .key(*key)
        .range(range)
        .set_if_match(etag)
        .customize()
        .config_override(Builder::new().timeout_config(patience.timeouts()))
        .send()
        .await
        .map_err(|error| AwsError::of("GetObject", &error).within(patience))
}

/// Why a body was not received to its end.
enum Broken {
    /// The copy cannot be written.
    Here(io::Error),
    /// The connection broke, or brought something else.
    There(String),
}

/// Takes in a body that begins at `at` and must end at `end`; `at` goes along with it.
async fn receive(mut body: ByteStream, at: &mut u64, end: u64, take: &Take<'_>) -> Result<(), Broken> {
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Broken::There(chain(&error)))?;
        if end.saturating_sub(*at) < piece.len() as u64 {
            return Err(Broken::There("more came than was asked for".to_owned()));
        }
        take(*at, &piece).map_err(Broken::Here)?;
        *at += piece.len() as u64;
    }
    if *at < end { Err(Broken::There("less came than was asked for".to_owned())) } else { Ok(()) }
}

impl Object {
    /// Fetches a part; after a failure it goes on where it was.
    async fn part(&self, range: Range<u64>, take: &Take<'_>) -> Result<(), ArtifactError> {
        let place = Place { bucket: &self.bucket, key: &self.key };
        let mut at = range.start;
        let mut tried = 0;
        loop {
            tried += 1;
            let before = at;
            let client = self.reach.client(&self.artifact).await?;
            let asked = format!("bytes={at}-{}", range.end.saturating_sub(1));
            let error = match get(&client, &place, &asked, self.etag.clone(), self.deadline).await {
                Ok(answer) => match self.check(&answer, at..range.end) {
                    Ok(()) => match receive(answer.body, &mut at, range.end, take).await {
                        Ok(()) => return Ok(()),
                        Err(Broken::Here(source)) => {
                            let (bucket, key) = (self.bucket.clone(), self.key.clone());
                            return Err(ArtifactError::Spool { bucket, key, source });
                        }
                        Err(Broken::There(problem)) => AwsError::unusable("GetObject", &problem),
                    },
                    Err(error) => error,
                },
                Err(AwsError { meaning: Meaning::Condition, .. }) => {
                    return Err(ArtifactError::Changed { bucket: self.bucket.clone(), key: self.key.clone() });
                }
                Err(error) => error,
            };
            // A part that comes further is not in vain.
            if at > before {
                tried = 1;
            }
            let help = self.reach.help(error, tried, &client, self.deadline).await;
            help.map_err(|source| place.failed(source))?;
        }
    }

    /// Whether that is the part that was asked for, of the object that was opened.
    fn check(&self, answer: &GetObjectOutput, asked: Range<u64>) -> Result<(), AwsError> {
        let header = answer.content_range.as_deref().unwrap_or_default();
        if content_range(header)? == (asked, self.size) {
            return Ok(());
        }
        Err(AwsError::unusable("GetObject", &format!("another part came than was asked for: {header:?}")))
    }
}

impl Remote for Object {
    fn size(&self) -> u64 {
        self.size
    }

    fn fetch<'a>(&'a self, range: Range<u64>, take: &'a Take<'a>) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async move { self.part(range, take).await.map_err(io::Error::other) })
    }

    fn unread(&self, error: io::Error) -> io::Error {
        match error.downcast::<ArtifactError>() {
            Ok(error) => {
                let told = io::Error::other(chain(&error));
                self.failed.keep(&self.artifact.name, error);
                told
            }
            // The copy, not the object.
            Err(error) => error,
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of s3://{}/{}", self.size, self.bucket, self.key)
    }
}

/// Where an object is.
struct Place<'a> {
    bucket: &'a str,
    key: &'a str,
}

impl Place<'_> {
    fn failed(&self, source: AwsError) -> ArtifactError {
        ArtifactError::S3 { bucket: self.bucket.to_owned(), key: self.key.to_owned(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_a_part_of_a_whole() {
        assert_eq!(content_range("bytes 0-9/100").unwrap(), (0..10, 100));
        assert_eq!(content_range("bytes 99-99/100").unwrap(), (99..100, 100));
        for header in ["", "bytes */100", "bytes 0-9/*", "bytes 9-0/100", "bytes 0-100/100", "0-9/100", "bytes 0-9"] {
            assert!(content_range(header).is_err(), "{header}");
        }
        let most = format!("bytes 0-{}/{}", u64::MAX, u64::MAX);
        assert!(content_range(&most).is_err());
    }
}
