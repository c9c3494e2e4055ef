//! A package that is already an archive (`npm pack` and its like made it): its bytes are published as they are, and
//! its manifest is read from inside, in one pass that also takes the digests.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use serde_json::{Map, Value};
use tar::EntryType;

use super::super::PackageError;
use super::beside::Beside;
use super::manifest::{self, refused};
use super::readme;
use crate::archive::{ArchiveError, Entry, EntryReader, MAX_DIRECTORY, MAX_ENTRIES, MAX_INFLATED, MAX_MANIFEST};
use crate::package::{Digester, Digests};

/// Most that the read-me files and `AUTHORS` of an archive may have together.
const MAX_TEXTS: u64 = 2 * MAX_MANIFEST;
/// Largest extended header; all that counts in it is a path.
const MAX_EXTENDED: u64 = 1 << 20;

/// What a ready archive holds.
#[derive(Debug)]
pub(super) struct Ready {
    /// Its `package.json`.
    pub(super) manifest: Map<String, Value>,
    /// The archive's digests.
    pub(super) digests: Digests,
    /// What else is in it.
    pub(super) contents: Contents,
}

/// The files of a ready archive, by their paths in the package.
#[derive(Debug, Default)]
pub(super) struct Contents {
    files: BTreeSet<String>,
    texts: Vec<(String, String)>,
    manifest: Option<Vec<u8>>,
    paths: u64,
    taken: u64,
}

impl Beside for Contents {
    fn files(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.files.iter().map(String::as_str))
    }

    fn has(&self, path: &str) -> bool {
        let below = format!("{path}/");
        self.files.contains(path)
            || self.files.range(below.clone()..).next().is_some_and(|file| file.starts_with(&below))
    }

    fn text(&self, path: &str) -> Result<Option<String>, PackageError> {
        let found = self.texts.iter().rev().find(|(name, _)| name == path);
        Ok(found.map(|(_, text)| text.clone()))
    }
}

impl Ready {
    /// Reads the archive to its end. `None`: it is sound, but holds no package.
    pub(super) fn read(entry: &Entry) -> Result<Option<Self>, PackageError> {
        let reader = Watched { reader: entry.open()?, digester: Digester::new(io::sink()), failed: None };
        let inflated =
            Bounded { reader: MultiGzDecoder::new(BufReader::with_capacity(64 << 10, reader)), left: MAX_INFLATED };
        let mut archive = tar::Archive::new(inflated);
        let listed = list(&mut archive);
        let mut inflated = archive.into_inner();
        // To the end, also behind the last entry: the checksum is there, and anything else must not be.
        let contents = listed.and_then(|contents| io::copy(&mut inflated, &mut io::sink()).map(|_| contents));
        let watched = inflated.reader.into_inner().into_inner();
        if let Some(source) = watched.failed {
            let entry = entry.path().to_owned();
            return Err(PackageError::Archive(ArchiveError::Read { entry, source }));
        }
        let mut contents = contents.map_err(|error| {
            refused(
                entry.path(),
                &format!("is not a sound gzipped tar: {error}"),
                "build it again, or leave it out with Files",
            )
        })?;
        let Some(bytes) = contents.manifest.take() else {
            return Ok(None);
        };
        Ok(Some(Self {
            manifest: manifest::parse(&bytes, &format!("{}:package.json", entry.path()))?,
            digests: watched.digester.finish().1,
            contents,
        }))
    }
}

/// Where the entry's bytes pass: digested, and a failure of theirs kept apart from one of what they say.
struct Watched {
    reader: EntryReader,
    digester: Digester<io::Sink>,
    failed: Option<io::Error>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer).inspect_err(|error| {
            self.failed = Some(io::Error::new(error.kind(), error.to_string()));
        })?;
        io::Write::write_all(&mut self.digester, buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}

/// A reader that fails where there is more than is allowed.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| damaged(&format!("it inflates to more than {MAX_INFLATED} bytes")))?;
        Ok(count)
    }
}

fn damaged(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Goes through the tar. Extended headers are read here rather than by the library, which would take one of any size
/// into memory.
fn list(archive: &mut tar::Archive<impl Read>) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut long_path: Option<Vec<u8>> = None;
    for (count, entry) in archive.entries()?.raw(true).enumerate() {
        let mut entry = entry?;
        if count >= MAX_ENTRIES {
            return Err(damaged(&format!("it has more than {MAX_ENTRIES} entries")));
        }
        let size = entry.size();
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let mut name = take(&mut entry, size, MAX_EXTENDED)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_path = Some(name);
            }
            EntryType::XHeader => {
                let records = take(&mut entry, size, MAX_EXTENDED)?;
                if let Some(path) = extended_path(&records)? {
                    long_path = Some(path);
                }
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => {}
            kind => {
                let path = match long_path.take() {
                    Some(path) => path,
                    None => entry.header().path_bytes().into_owned(),
                };
                let path = String::from_utf8_lossy(&path).into_owned();
                if matches!(kind, EntryType::Regular | EntryType::Continuous) && !path.ends_with('/') {
                    contents.add(&path, &mut entry, size)?;
                }
            }
        }
    }
    Ok(contents)
}

impl Contents {
    fn add(&mut self, path: &str, entry: &mut impl Read, size: u64) -> io::Result<()> {
        // Whatever the first folder is called, it is the package's.
        let Some((_, inner)) = path.split_once('/') else {
            return Ok(());
        };
        if inner.is_empty() || inner.split('/').any(|name| name == "..") {
            return Ok(());
        }
        self.paths = self.paths.saturating_add(path.len() as u64);
        if self.paths > MAX_DIRECTORY {
            return Err(damaged(&format!("its paths are longer than {MAX_DIRECTORY} bytes together")));
        }
        if inner == "package.json" {
            self.manifest = Some(take(entry, size, MAX_MANIFEST)?);
        } else if readme::is_readme(inner) || inner == "AUTHORS" {
            let bytes = take(entry, size, MAX_TEXTS.saturating_sub(self.taken))?;
            self.taken = self.taken.saturating_add(size);
            self.texts.push((inner.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
        }
        self.files.insert(inner.to_owned());
        Ok(())
    }
}

fn take(from: &mut impl Read, size: u64, limit: u64) -> io::Result<Vec<u8>> {
    if size > limit {
        return Err(damaged(&format!(
            "a file in it that would have to be read has {size} bytes, the limit is {limit}"
        )));
    }
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The path in the records of an extended header. A size there would move everything behind it: not supported, as it
/// stands only with files of more than 8 GiB.
fn extended_path(mut records: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut path = None;
    while !records.is_empty() {
        let (record, rest) = split_record(records).ok_or_else(|| damaged("an extended header is malformed"))?;
        let equals = record.iter().position(|byte| *byte == b'=').unwrap_or(record.len());
        let (key, value) = record.split_at(equals);
        match key {
            b"path" => path = Some(value.get(1..).unwrap_or_default().to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value.get(1..).unwrap_or_default()).ok();
                if size.and_then(|size| size.parse::<u64>().ok()).is_none_or(|size| size >= 8 << 30) {
                    return Err(damaged("a file in it has 8 GiB or more"));
                }
            }
            _ => {}
        }
        records = rest;
    }
    Ok(path)
}

/// The first record without its length and line end, and what follows it.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(records.get(..blank)?).ok()?.parse().ok()?;
    let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
    Some((record, records.get(length..)?))
}
