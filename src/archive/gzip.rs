//! A gzip writer that uses all processors: the bytes are compressed in blocks of a fixed size, each with what came before
//! it as its dictionary, so that the result depends on nothing but the bytes (RFC 1951, RFC 1952).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Chosen by measurement, see `make bench`: the least at which archives are no more than two in a hundred larger than
/// those of the strongest level of the reference implementation.
pub const LEVEL: u32 = 6;
/// What is one block alone is compressed as well as can be: it takes some milliseconds.
const LEVEL_OF_LITTLE: u32 = 9;
/// Size of a block. The larger, the fewer bytes are spent on boundaries; the smaller, the sooner all processors work.
const BLOCK: usize = 256 << 10;
/// How far back deflate can refer.
const WINDOW: usize = 32 << 10;
/// Most threads that compress for one writer.
const MOST_THREADS: usize = 4;
/// No time, no name, "slowest compression", unknown system: what npm writes.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];

/// What compressing a block came to.
type Compressed = io::Result<Vec<u8>>;

/// A block on its way, and where its outcome goes.
struct Work {
    block: Block,
    done: Sender<Compressed>,
}

/// A block and the bytes before it.
struct Block {
    bytes: Vec<u8>,
    /// Where the block's own bytes begin.
    start: usize,
    last: bool,
}

/// Compresses what is written to it.
pub struct Gzip<W> {
    sink: W,
    block: Block,
    crc: Crc,
    /// Blocks on their way, in order.
    ahead: VecDeque<Receiver<Compressed>>,
    team: Option<SyncSender<Work>>,
    threads: usize,
}

impl<W: Write> Gzip<W> {
    /// A stream that goes to `sink`.
    pub fn new(mut sink: W) -> io::Result<Self> {
        sink.write_all(&HEADER)?;
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
        let block = Block { bytes: Vec::new(), start: 0, last: false };
        Ok(Self { sink, block, crc: Crc::new(), ahead: VecDeque::new(), team: None, threads })
    }

    /// Ends the stream and gives the sink back.
    pub fn finish(mut self) -> io::Result<W> {
        self.block.last = true;
        let last = std::mem::replace(&mut self.block, Block { bytes: Vec::new(), start: 0, last: true });
        if self.team.is_some() {
            self.hand_out(last)?;
        } else {
            // All of it is one block.
            self.sink.write_all(&last.compressed(LEVEL_OF_LITTLE)?)?;
        }
        while !self.ahead.is_empty() {
            self.take_in()?;
        }
        self.sink.write_all(&self.crc.sum().to_le_bytes())?;
        self.sink.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.sink)
    }

    /// Gives a block to whoever is free, and takes in what is done where there is enough on its way.
    fn hand_out(&mut self, block: Block) -> io::Result<()> {
        let threads = self.threads;
        let team = self.team.get_or_insert_with(|| team(threads));
        let (done, outcome) = channel();
        team.send(Work { block, done }).map_err(io::Error::other)?;
        self.ahead.push_back(outcome);
        if self.ahead.len() > 2 * self.threads {
            self.take_in()?;
        }
        Ok(())
    }

    /// Writes the first of the blocks that are on their way.
    fn take_in(&mut self) -> io::Result<()> {
        let Some(outcome) = self.ahead.pop_front() else { return Ok(()) };
        self.sink.write_all(&outcome.recv().map_err(io::Error::other)??)
    }
}

/// Threads that compress blocks until nobody has one for them.
fn team(threads: usize) -> SyncSender<Work> {
    let (give, take) = sync_channel::<Work>(threads);
    let take = Arc::new(Mutex::new(take));
    for _ in 0..threads {
        let take = Arc::clone(&take);
        thread::spawn(move || {
            loop {
                let work = take.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(Work { block, done }) = work else { return };
                // Nobody waits for it where the writer is gone.
                let _ = done.send(block.compressed(LEVEL));
            }
        });
    }
    give
}

impl Block {
    /// The block as a part of a raw deflate stream that ends on a byte.
    fn compressed(&self, level: u32) -> Compressed {
        let (before, own) = self.bytes.split_at_checked(self.start).unwrap_or_default();
        let mut compress = Compress::new(Compression::new(level), false);
        if !before.is_empty() {
            compress.set_dictionary(before)?;
        }
        let mut out = Vec::with_capacity(own.len() / 2 + 1024);
        let flush = if self.last { FlushCompress::Finish } else { FlushCompress::Sync };
        loop {
            let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
            let status = compress.compress_vec(own.get(taken..).unwrap_or_default(), &mut out, flush)?;
            // As long as the output fills what room there was, there may be more.
            let full = out.len() == out.capacity();
            if status == Status::StreamEnd || (!self.last && !full && compress.total_in() == own.len() as u64) {
                return Ok(out);
            }
            out.reserve(64 << 10);
        }
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.block.bytes.len() - self.block.start == BLOCK {
            let keep = self.block.bytes.len().saturating_sub(WINDOW);
            let window = self.block.bytes.get(keep..).unwrap_or_default();
            let mut bytes = Vec::with_capacity(WINDOW + BLOCK);
            bytes.extend_from_slice(window);
            let next = Block { start: bytes.len(), bytes, last: false };
            let full = std::mem::replace(&mut self.block, next);
            self.hand_out(full)?;
        }
        let room = (self.block.start + BLOCK).saturating_sub(self.block.bytes.len());
        let taken = data.get(..room).unwrap_or(data);
        self.block.bytes.extend_from_slice(taken);
        self.crc.update(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::bufread::GzDecoder;

    use super::*;

    fn text(length: usize) -> Vec<u8> {
        let mut dice = fastrand::Rng::with_seed(length as u64);
        let mut text = Vec::new();
        while text.len() < length {
            let word = format!("word{} ", dice.u16(..3000));
            text.extend_from_slice(word.as_bytes());
        }
        text.truncate(length);
        text
    }

    fn gzip(bytes: &[u8], threads: usize, piece: usize) -> Vec<u8> {
        let mut gzip = Gzip { threads, ..Gzip::new(Vec::new()).unwrap() };
        for piece in bytes.chunks(piece) {
            gzip.write_all(piece).unwrap();
        }
        gzip.finish().unwrap()
    }

    #[test]
    fn what_is_compressed_is_inflated_again_around_every_boundary() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 9 * BLOCK + 77] {
            let bytes = text(length);
            let gzipped = gzip(&bytes, 2, 60_000);
            let mut decoder = GzDecoder::new(&gzipped[..]);
            let mut back = Vec::new();
            decoder.read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{length}");
            assert!(decoder.into_inner().is_empty(), "{length}: one member and nothing behind it");
            assert_eq!(gzipped[..10], HEADER);
        }
    }

    #[test]
    fn neither_the_number_of_threads_nor_the_size_of_the_pieces_makes_a_difference() {
        let bytes = text(7 * BLOCK + 5);
        let one = gzip(&bytes, 1, bytes.len());
        assert!(gzip(&bytes, 4, 1000) == one);
        assert!(gzip(&bytes, 3, BLOCK + 1) == one);
    }

    #[test]
    fn boundaries_cost_next_to_nothing() {
        let bytes = text(12 * BLOCK);
        let mut whole = flate2::write::GzEncoder::new(Vec::new(), Compression::new(LEVEL));
        whole.write_all(&bytes).unwrap();
        let (whole, ours) = (whole.finish().unwrap().len(), gzip(&bytes, 2, BLOCK).len());
        assert!(ours < whole + whole / 200, "{ours} and {whole}");
    }
}
