//! What an object holds: bytes in memory, or a file on disk where memory is not to be filled with it.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use s3s::Body;
use s3s::dto::StreamingBlob;

/// How much of a file is read at once.
const PIECE: u64 = 1 << 18;

/// Clones share what they hold.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Memory(Bytes),
    /// The file and its size.
    Disk(Arc<File>, u64),
}

impl Content {
    pub(super) fn of_file(file: File) -> Self {
        let size = file.metadata().expect("an open file has a size").len();
        Self::Disk(Arc::new(file), size)
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk(_, size) => *size,
        }
    }

    /// All of it, in memory.
    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Memory(bytes) => bytes.clone(),
            Self::Disk(file, size) => piece(file, 0..*size).expect("the test's own file can be read"),
        }
    }

    /// This part of it, which is within its size; from disk piece by piece.
    pub(super) fn body(&self, part: Range<u64>) -> StreamingBlob {
        match self {
            Self::Memory(bytes) => {
                let at = |position: u64| usize::try_from(position).expect("what is in memory can be counted");
                StreamingBlob::from(Body::from(bytes.slice(at(part.start)..at(part.end))))
            }
            Self::Disk(file, _) => {
                let (file, end) = (Arc::clone(file), part.end);
                let starts = (part.start..end).step_by(usize::try_from(PIECE).expect("it is small"));
                StreamingBlob::wrap(stream::iter(starts.map(move |start| piece(&file, start..end.min(start + PIECE)))))
            }
        }
    }
}

fn piece(file: &File, part: Range<u64>) -> io::Result<Bytes> {
    let size = usize::try_from(part.end - part.start).expect("a part of a file that is read fits into memory");
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, part.start)?;
    Ok(bytes.into())
}
