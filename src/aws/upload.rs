//! The body of an object that is stored: one piece of memory where it is short, else read piece by piece, and again for
//! each try.

use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::archive::source::{Cursor, ReadAt};

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// The bytes as a body.
pub(super) fn body(bytes: &Arc<dyn ReadAt>) -> io::Result<ByteStream> {
    if bytes.size() <= PIECE as u64 {
        let mut all = Vec::new();
        Cursor::new(Arc::clone(bytes), 0).read_to_end(&mut all)?;
        return Ok(ByteStream::from(all));
    }
    let bytes = Arc::clone(bytes);
    Ok(ByteStream::new(SdkBody::retryable(move || {
        SdkBody::from_body_1_x(Pieces { from: Cursor::new(Arc::clone(&bytes), 0), left: bytes.size() })
    })))
}

/// What is left of the bytes. They were written a moment ago, so that reading them does not wait for a disk.
struct Pieces {
    from: Cursor,
    left: u64,
}

impl Pieces {
    fn next(&mut self) -> io::Result<Bytes> {
        let length = usize::try_from(self.left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = vec![0; length];
        self.from.read_exact(&mut piece)?;
        self.left -= length as u64;
        Ok(piece.into())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready((self.left > 0).then(|| self.next().map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
