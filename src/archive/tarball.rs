//! The entries of a gzipped tar, in one pass and under the limits of artifacts. Extended headers are read here rather
//! than by the library, which would take one of any size into memory.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use tar::EntryType;

use super::MAX_ENTRIES;

/// Largest extended header; all that counts in it is a path.
const MAX_EXTENDED: u64 = 1 << 20;
/// Sizes from here on are told in extended headers alone, which no reader agrees on.
const LARGE: u64 = 8 << 30;

/// An entry that stands for something: extended headers are part of what they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path, as it stands in the tar.
    pub path: String,
    /// What it is.
    pub kind: MemberKind,
    /// Its permissions, set-id and sticky bits.
    pub mode: u32,
    /// Its length in bytes.
    pub size: u64,
}

/// What an entry of a tar is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a device, whatever else: its type flag and what it points to.
    Other(u8, Vec<u8>),
}

/// Goes through a gzipped tar to its end: behind the last entry there must be nothing but the checksum, and perhaps
/// zeros, with which some tools fill their blocks. It may inflate to `most` bytes.
pub fn walk(
    gzipped: impl BufRead,
    most: u64,
    mut visit: impl FnMut(&Member, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let reader = Gunzip { member: Some(GzDecoder::new(gzipped)) };
    let mut archive = tar::Archive::new(Bounded { reader, most, left: most });
    members(&mut archive, &mut visit)?;
    io::copy(&mut archive.into_inner(), &mut io::sink()).map(drop)
}

fn members(
    archive: &mut tar::Archive<impl Read>,
    visit: &mut impl FnMut(&Member, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut long_path: Option<Vec<u8>> = None;
    let mut long_size: Option<u64> = None;
    for (count, entry) in archive.entries()?.raw(true).enumerate() {
        let mut entry = entry?;
        if count >= MAX_ENTRIES {
            return Err(damaged(&format!("it has more than {MAX_ENTRIES} entries")));
        }
        let size = entry.size();
        let flag = entry.header().entry_type();
        match flag {
            EntryType::GNULongName => {
                let mut name = take(&mut entry, size, MAX_EXTENDED)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_path = Some(name);
            }
            EntryType::XHeader => {
                let Extended { path, size } = Extended::parse(&take(&mut entry, size, MAX_EXTENDED)?)?;
                long_path = path.or(long_path);
                long_size = size.or(long_size);
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            _ => {
                if long_size.take().is_some_and(|told| told != size) {
                    return Err(damaged("an extended header gives a file another size than its own header does"));
                }
                let path = match long_path.take() {
                    Some(path) => path,
                    None => entry.header().path_bytes().into_owned(),
                };
                let path = String::from_utf8_lossy(&path).into_owned();
                let kind = match flag {
                    EntryType::Directory => MemberKind::Folder,
                    EntryType::Regular | EntryType::Continuous if path.ends_with('/') => MemberKind::Folder,
                    EntryType::Regular | EntryType::Continuous => MemberKind::File,
                    other => {
                        let link = entry.header().link_name_bytes().map(std::borrow::Cow::into_owned);
                        MemberKind::Other(other.as_byte(), link.unwrap_or_default())
                    }
                };
                let mode = entry.header().mode().unwrap_or_default() & 0o7777;
                visit(&Member { path, kind, mode, size }, &mut entry)?;
            }
        }
    }
    Ok(())
}

/// What the members of a gzip stream hold, one after the other.
struct Gunzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut behind) = self.member.take().map(GzDecoder::into_inner) else { break };
            if !only_zeros(&mut behind)? {
                self.member = Some(GzDecoder::new(behind));
            }
        }
        Ok(0)
    }
}

/// Skips zeros; whether nothing is behind them.
fn only_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut skipped = false;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if zeros < bytes.len() {
            return if zeros == 0 && !skipped {
                Ok(false)
            } else {
                Err(damaged("there is more behind the gzip stream"))
            };
        }
        skipped = true;
        reader.consume(zeros);
    }
}

/// A reader that fails where there is more than is allowed.
struct Bounded<R> {
    reader: R,
    most: u64,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| damaged(&format!("it inflates to more than {} bytes", self.most)))?;
        Ok(count)
    }
}

/// An error about what the bytes say, not about their arrival.
pub fn damaged(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Reads an entry whole that may have so many bytes.
pub fn take(from: &mut (impl Read + ?Sized), size: u64, limit: u64) -> io::Result<Vec<u8>> {
    if size > limit {
        return Err(damaged(&format!(
            "a file in it that would have to be read has {size} bytes, the limit is {limit}"
        )));
    }
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What counts in an extended header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extended {
    fn parse(mut records: &[u8]) -> io::Result<Self> {
        let mut extended = Self::default();
        while !records.is_empty() {
            let (record, rest) = split_record(records).ok_or_else(|| damaged("an extended header is malformed"))?;
            let equals = record.iter().position(|byte| *byte == b'=').unwrap_or(record.len());
            let (key, value) = record.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            match key {
                b"path" => extended.path = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|size| size.parse::<u64>().ok());
                    let size = size.filter(|size| *size < LARGE);
                    extended.size = Some(size.ok_or_else(|| damaged("a file in it has 8 GiB or more"))?);
                }
                _ => {}
            }
            records = rest;
        }
        Ok(extended)
    }
}

/// The first record without its length and line end, and what follows it.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(records.get(..blank)?).ok()?.parse().ok()?;
    let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
    Some((record, records.get(length..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_an_extended_header_are_taken_apart_or_refused() {
        let parse = |text: &[u8]| Extended::parse(text).map_err(|error| error.to_string());
        for malformed in [&b"11 path=a\n"[..], b"path=a\n", b"9 path=a", b"8 path=a\n", b"x path=a\n", b"9 path=a\n9"] {
            assert!(parse(malformed).unwrap_err().contains("malformed"), "{malformed:?}");
        }
        assert_eq!(parse(b"9 path=a\n9 path=d\n13 other=a=b\n").unwrap().path.as_deref(), Some(&b"d"[..]));
        assert_eq!(parse(b"9 path=a\n").unwrap().path.as_deref(), Some(&b"a"[..]));
        assert_eq!(parse(b"11 size=12\n").unwrap().size, Some(12));
        for huge in [&b"19 size=8589934592\n"[..], b"11 size=-1\n", b"9 size=x\n"] {
            assert!(parse(huge).unwrap_err().contains("8 GiB"), "{huge:?}");
        }
    }

    fn empty_files(count: usize) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_path("package/a").unwrap();
        header.set_size(0);
        header.set_cksum();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        (0..count).for_each(|_| std::io::Write::write_all(&mut gzip, header.as_bytes()).unwrap());
        gzip.finish().unwrap()
    }

    #[test]
    fn entries_are_limited() {
        for (count, passes) in [(MAX_ENTRIES - 1, true), (MAX_ENTRIES, true), (MAX_ENTRIES + 1, false)] {
            let mut seen = 0;
            let walked = walk(&empty_files(count)[..], u64::MAX, |_, _| {
                seen += 1;
                Ok(())
            });
            assert_eq!((walked.is_ok(), seen), (passes, count.min(MAX_ENTRIES)));
        }
    }

    #[test]
    fn what_is_inflated_is_limited() {
        let gzipped = empty_files(7);
        for (more, passes) in [(-1, false), (0, true), (1, true)] {
            let most = (7 * 512_u64).checked_add_signed(more).unwrap();
            assert_eq!(walk(&gzipped[..], most, |_, _| Ok(())).is_ok(), passes, "{more}");
        }
    }
}
