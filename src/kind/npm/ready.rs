//! A package that is already an archive (`npm pack` and its like made it): its bytes are published as they are, and
//! its manifest is read from inside, in one pass that also takes the digests.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};

use serde_json::{Map, Value};

use super::super::PackageError;
use super::beside::Beside;
use super::manifest::{self, refused};
use super::readme;
use crate::archive::tarball::{self, MemberKind, damaged, take};
use crate::archive::{ArchiveError, Entry, EntryReader, MAX_DIRECTORY, MAX_INFLATED, MAX_MANIFEST};
use crate::package::{Digester, Digests};

/// Most that the read-me files and `AUTHORS` of an archive may have together.
const MAX_TEXTS: u64 = 2 * MAX_MANIFEST;

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
        let mut reader = BufReader::with_capacity(64 << 10, reader);
        let mut contents = Contents::default();
        let walked = tarball::walk(&mut reader, MAX_INFLATED, |member, content| match member.kind {
            MemberKind::File => contents.add(&member.path, content, member.size),
            MemberKind::Folder | MemberKind::Other(..) => Ok(()),
        });
        let watched = reader.into_inner();
        if let Some(source) = watched.failed {
            let entry = entry.path().to_owned();
            return Err(PackageError::Archive(ArchiveError::Read { entry, source }));
        }
        walked.map_err(|error| {
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

impl Contents {
    fn add(&mut self, path: &str, entry: &mut dyn Read, size: u64) -> io::Result<()> {
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
