//! A [`step::Body`] on its way: a blocking thread reads the segments, a bounded channel hands chunks to the
//! connection, the length is known exactly, and memory stays the same for any size.

use std::io::{self, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use thiserror::Error;
use tokio::sync::{Notify, mpsc};

use crate::apart;
use crate::archive::ArchiveError;
use crate::step::{self, Content, Segment};

/// Size of the chunks that go out.
const CHUNK: usize = 128 << 10;
/// Chunks that may wait for the connection.
const WAITING: usize = 2;
/// What is read at once: a multiple of 3, so that its base64 has no padding but at the very end.
const READ: usize = 3 << 15;

/// What is known from outside about a body on its way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    sent: AtomicU64,
    /// Whether the connection waits for the artifact's bytes, not the other way round.
    starved: AtomicBool,
    failure: Mutex<Option<ArchiveError>>,
    pub(super) moved: Notify,
}

impl Progress {
    /// Bytes handed to the connection so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whether it is our own source that keeps the connection waiting.
    pub(super) fn is_starved(&self) -> bool {
        self.starved.load(Ordering::Relaxed)
    }

    /// Why our own bytes could not be read, where that is what ended the request.
    pub(super) fn take_failure(&self) -> Option<ArchiveError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Begins to read `body` for one attempt. `path` names the file in errors.
pub(super) fn start(body: &step::Body, path: &str) -> (reqwest::Body, Arc<Progress>) {
    let progress = Arc::new(Progress::default());
    let (sender, receiver) = mpsc::channel(WAITING);
    let stream = Stream { receiver, left: body.size(), progress: Arc::clone(&progress) };
    let (body, path, failed) = (body.clone(), path.to_owned(), Arc::clone(&progress));
    drop(apart::begin(move || {
        // A connection that is gone ends the reading; whoever waits for the answer says why.
        let emit = |chunk| sender.blocking_send(Ok(chunk)).is_ok();
        if let Err(error) = pump(&body, &path, emit) {
            *failed.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            let _ = sender.blocking_send(Err(SourceFailed));
        }
    }));
    (reqwest::Body::wrap(stream), progress)
}

/// Ends the request; the reason is in [`Progress`].
#[derive(Debug, Error)]
#[error("the artifact's bytes could not be read")]
struct SourceFailed;

struct Stream {
    receiver: mpsc::Receiver<Result<Bytes, SourceFailed>>,
    left: u64,
    progress: Arc<Progress>,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = self.receiver.poll_recv(context);
        self.progress.starved.store(polled.is_pending() && self.left > 0, Ordering::Relaxed);
        self.progress.moved.notify_one();
        polled.map(|chunk| match chunk {
            Some(Ok(chunk)) => {
                let length = chunk.len() as u64;
                self.left = self.left.saturating_sub(length);
                self.progress.sent.fetch_add(length, Ordering::Relaxed);
                Some(Ok(Frame::data(chunk)))
            }
            Some(Err(error)) => Some(Err(error.into())),
            // The reading thread went away without a word.
            None if self.left > 0 => Some(Err(SourceFailed.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Reads all segments and emits them in chunks, until `emit` says that nobody wants more. A chunk goes out only
/// when more follows or all of the body was read and found sound, so that a file whose checksum turns out wrong
/// at its end is never sent completely.
pub fn pump(body: &step::Body, path: &str, emit: impl FnMut(Bytes) -> bool) -> Result<(), ArchiveError> {
    let mut chunks = Chunks { pending: BytesMut::with_capacity(CHUNK), emit, wanted: true };
    for segment in &body.0 {
        match segment {
            Segment::Bytes(bytes) => chunks.push(bytes),
            Segment::Raw(content) => each_block(content, path, |block| {
                chunks.push(block);
                chunks.wanted
            })?,
            Segment::Base64(content) => {
                let mut text = vec![0; READ / 3 * 4];
                each_block(content, path, |block| {
                    let length = STANDARD.encode_slice(block, &mut text).unwrap_or_default();
                    chunks.push(text.get(..length).unwrap_or_default());
                    chunks.wanted
                })?;
            }
        }
        if !chunks.wanted {
            return Ok(());
        }
    }
    chunks.flush();
    Ok(())
}

/// Hands over the content in blocks of [`READ`] bytes, the last one shorter, while `more` wants them, and makes
/// sure that it is as long as it was declared.
fn each_block(content: &Content, path: &str, mut more: impl FnMut(&[u8]) -> bool) -> Result<(), ArchiveError> {
    let name = || match content {
        Content::Entry(entry) => entry.path().to_owned(),
        Content::Spooled(_) | Content::Made { .. } => path.to_owned(),
    };
    let failed = |source| ArchiveError::Read { entry: name(), source };
    let mut reader = content.open()?;
    let mut block = vec![0; READ];
    let mut left = content.size();
    loop {
        let filled = fill(&mut reader, &mut block).map_err(failed)?;
        let Some(rest) = left.checked_sub(filled as u64) else {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is longer than it was")));
        };
        left = rest;
        let read = block.get(..filled).unwrap_or_default();
        if !read.is_empty() && !more(read) {
            return Ok(());
        }
        if filled < READ {
            break;
        }
    }
    if left > 0 {
        return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than it was")));
    }
    Ok(())
}

/// Reads until `block` is full or the end is reached.
fn fill(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

struct Chunks<F> {
    pending: BytesMut,
    emit: F,
    wanted: bool,
}

impl<F: FnMut(Bytes) -> bool> Chunks<F> {
    fn push(&mut self, mut bytes: &[u8]) {
        while self.wanted && !bytes.is_empty() {
            if self.pending.len() >= CHUNK {
                self.flush();
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK.saturating_sub(self.pending.len())));
            self.pending.extend_from_slice(now);
            bytes = later;
        }
    }

    fn flush(&mut self) {
        if self.wanted && !self.pending.is_empty() {
            let chunk = std::mem::replace(&mut self.pending, BytesMut::with_capacity(CHUNK));
            self.wanted = (self.emit)(chunk.freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::source::{Memory, ReadAt};

    fn pattern(size: usize) -> Bytes {
        (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
    }

    fn spooled(bytes: Bytes) -> Content {
        Content::Spooled(Arc::new(Memory(bytes)))
    }

    fn chunks(body: &step::Body) -> Result<Vec<Bytes>, ArchiveError> {
        let mut chunks = Vec::new();
        pump(body, "a/b.tgz", |chunk| {
            chunks.push(chunk);
            true
        })?;
        Ok(chunks)
    }

    #[test]
    fn all_segments_arrive_whole_around_every_boundary() {
        let sizes = (0..9).chain([READ - 1, READ, READ + 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * READ + 2, 3 * CHUNK]);
        for size in sizes {
            let file = pattern(size);
            let body = step::Body(vec![
                Segment::Bytes(Bytes::from_static(b"{\"data\":\"")),
                Segment::Base64(spooled(file.clone())),
                Segment::Bytes(Bytes::from_static(b"\"}")),
                Segment::Raw(spooled(file.clone())),
            ]);
            let sent = chunks(&body).unwrap();
            assert!(sent.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK), "{size}");
            let sent = sent.concat();
            assert_eq!(sent.len() as u64, body.size(), "{size}");
            let expected = [b"{\"data\":\"", STANDARD.encode(&file).as_bytes(), b"\"}", &file].concat();
            assert!(sent == expected, "{size}");
        }
        assert!(chunks(&step::Body::default()).unwrap().is_empty());
    }

    /// Gives `real` bytes and says that they are `declared`, and fails at `fails`.
    #[derive(Debug)]
    struct Liar {
        real: Memory,
        declared: u64,
        fails: Option<u64>,
    }

    impl ReadAt for Liar {
        fn size(&self) -> u64 {
            self.declared
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            if self.fails.is_some_and(|at| offset >= at) {
                return Err(io::Error::other("the network is gone"));
            }
            self.real.read_at(offset, buffer)
        }
    }

    fn lie(real: usize, declared: usize, fails: Option<u64>) -> step::Body {
        let real = Memory(pattern(real));
        step::Body(vec![Segment::Raw(Content::Spooled(Arc::new(Liar { real, declared: declared as u64, fails })))])
    }

    #[test]
    fn a_body_that_proves_wrong_is_never_emitted_to_its_end() {
        for (body, cause) in [
            (lie(10, 11, None), "it is shorter than it was"),
            (lie(11, 10, None), "it is longer than it was"),
            (lie(2 * CHUNK, 2 * CHUNK, Some(2 * CHUNK as u64)), "the network is gone"),
        ] {
            let mut sent = 0;
            let error = pump(&body, "a/b.tgz", |chunk| {
                sent += chunk.len() as u64;
                true
            })
            .unwrap_err();
            assert!(sent < body.size());
            let ArchiveError::Read { entry, source } = error else { panic!("{error}") };
            assert_eq!((entry.as_str(), source.to_string().as_str()), ("a/b.tgz", cause));
        }
    }

    #[test]
    fn reading_ends_when_nobody_wants_more() {
        let body = lie(8 * CHUNK, 8 * CHUNK, Some(4 * CHUNK as u64));
        let mut emitted = 0;
        pump(&body, "a/b.tgz", |_| {
            emitted += 1;
            false
        })
        .unwrap();
        assert_eq!(emitted, 1);
    }
}
