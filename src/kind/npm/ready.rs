//! A package that is already an archive (`npm pack` and its like made it): its bytes are published as they are, and
//! its manifest is read from inside, in one pass that also takes the digests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read};

use serde_json::{Map, Value};

use super::super::PackageError;
use super::beside::Beside;
use super::git;
use super::js;
use super::manifest::{self, refused};
use super::readme;
use crate::archive::tarball::{self, MemberKind, damaged, take};
use crate::archive::watched::Watched;
use crate::archive::{Entry, MAX_DIRECTORY, MAX_INFLATED, MAX_MANIFEST};
use crate::package::Digests;

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
    /// Small files of a repository inside.
    repository: BTreeMap<String, Vec<u8>>,
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
        let mut reader = BufReader::with_capacity(64 << 10, Watched::open(entry)?);
        if reader.fill_buf().is_ok_and(|head| head.get(257..262) == Some(b"ustar")) {
            // npm would send it as it is, and others could not install it.
            return Err(refused(
                entry.path(),
                "is a tar that is not compressed, which not every package manager can install",
                "compress it with gzip, or let npm pack make it",
            ));
        }
        let mut contents = Contents::default();
        let walked = tarball::walk(&mut reader, MAX_INFLATED, |member, content| match member.kind {
            MemberKind::File => contents.add(&member.path, content, member.size),
            MemberKind::Folder | MemberKind::Other(..) => Ok(()),
        });
        let digests = reader.into_inner().finish()?;
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
            digests,
            contents,
        }))
    }
}

impl Contents {
    /// The commit of a repository in the archive.
    pub(super) fn commit(&self) -> Option<String> {
        let open = |path: &str| -> io::Result<git::File<'_>> {
            Ok(self.repository.get(path).map(|bytes| -> Box<dyn Read> { Box::new(bytes.as_slice()) }))
        };
        // Memory can always be read.
        git::head(open).unwrap_or_default()
    }

    fn add(&mut self, path: &str, entry: &mut dyn Read, size: u64) -> io::Result<()> {
        // Whatever the first folder is called, it is the package's.
        let Some((_, inner)) = path.split_once('/') else {
            return Ok(());
        };
        if inner.split('/').any(|name| name == "..") {
            return Ok(());
        }
        let inner = js::segments(inner).join("/");
        let inner = inner.as_str();
        if inner.is_empty() {
            return Ok(());
        }
        self.paths = self.paths.saturating_add(path.len() as u64);
        if self.paths > MAX_DIRECTORY {
            return Err(damaged(&format!("its paths are longer than {MAX_DIRECTORY} bytes together")));
        }
        if inner == "package.json" {
            self.manifest = Some(take(entry, size, MAX_MANIFEST)?);
        } else if let Some(path) = inner.strip_prefix(".git/") {
            let counts = matches!(path, "HEAD" | "packed-refs") || path.starts_with("refs/");
            if counts && size <= git::MAX_REFERENCE && self.taken.saturating_add(size) <= MAX_TEXTS {
                self.taken = self.taken.saturating_add(size);
                self.repository.insert(path.to_owned(), take(entry, size, git::MAX_REFERENCE)?);
            }
        } else if readme::is_readme(inner) || inner == "AUTHORS" {
            let bytes = take(entry, size, MAX_TEXTS.saturating_sub(self.taken))?;
            self.taken = self.taken.saturating_add(size);
            self.texts.push((inner.to_owned(), String::from_utf8_lossy(&bytes).into_owned()));
        }
        self.files.insert(inner.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use bytes::Bytes;
    use flate2::{Compression, write::GzEncoder};
    use tar::{EntryType, Header};

    use super::*;
    use crate::archive::Archive;
    use crate::archive::source::Memory;
    use crate::make::Zip;

    const MANIFEST: &[u8] = br#"{"name":"a","version":"1.0.0"}"#;

    /// The version in the manifest that is found, or why none is; empty where there is none.
    fn read(bytes: Vec<u8>) -> String {
        let zip = Zip::new().file("dir/x.tgz", bytes).bytes();
        let archive = Archive::open(Arc::new(Memory(Bytes::from(zip))), "Build", "x").unwrap();
        match Ready::read(&archive.find("dir/x.tgz").unwrap()) {
            Ok(Some(ready)) => ready.manifest["version"].as_str().unwrap().to_owned(),
            Ok(None) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn header(kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size as u64);
        header
    }

    /// An entry as it stands in a tar, its path written without any help: `..` and the like as well.
    fn entry(kind: EntryType, path: &str, content: &[u8]) -> Vec<u8> {
        let mut header = header(kind, content.len());
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("package/other.json").unwrap();
        }
        header.set_cksum();
        let mut bytes = [header.as_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn file(path: &str, content: &[u8]) -> Vec<u8> {
        entry(EntryType::Regular, path, content)
    }

    fn end() -> Vec<u8> {
        vec![0; 1024]
    }

    #[test]
    fn whatever_npm_takes_is_taken() {
        let manifest = || file("package/package.json", MANIFEST);
        let whole = [manifest(), end()].concat();
        let gnu = entry(EntryType::GNULongName, "././@LongLink", b"package/package.json\0");
        let pax = entry(EntryType::XHeader, "PaxHeader/p", b"29 path=package/package.json\n");
        let old = b"{\"version\":\"0.0.1\"}";
        for (tar, what) in [
            (whole.clone(), "an ordinary one"),
            (manifest(), "no end"),
            ([manifest(), vec![0; 512]].concat(), "half an end"),
            ([whole.clone(), vec![0; 9 * 512]].concat(), "ten kilobytes of end"),
            ([entry(EntryType::Directory, "package/", b""), whole.clone()].concat(), "a folder"),
            (
                [entry(EntryType::XGlobalHeader, "pax_global_header", b"17 comment=abcde\n"), whole.clone()].concat(),
                "a global header",
            ),
            ([pax, file("truncated", MANIFEST), end()].concat(), "a path in an extended header"),
            ([gnu, file("truncated", MANIFEST), end()].concat(), "a long name of GNU's"),
            ([file("package/../x", b""), whole.clone()].concat(), "a path that leads out"),
            ([file("foo/package.json", MANIFEST), end()].concat(), "another top folder"),
            ([file("./package.json", MANIFEST), end()].concat(), "the top folder is the current one"),
            ([file("package//package.json", MANIFEST), end()].concat(), "a doubled slash"),
            ([file("package/./package.json", MANIFEST), end()].concat(), "a dot between"),
            ([file("a/package.json", old), file("b/package.json", MANIFEST), end()].concat(), "the later counts"),
            (
                [manifest(), entry(EntryType::Symlink, "package/package.json", b""), end()].concat(),
                "a link counts for nothing",
            ),
        ] {
            assert_eq!(read(gzip(&tar)), "1.0.0", "{what}");
        }
        let (first, second) = whole.split_at(700);
        assert_eq!(read([gzip(first), gzip(second)].concat()), "1.0.0", "two members");
        for zeros in [1, 512, 100_000] {
            assert_eq!(read([gzip(&whole), vec![0; zeros]].concat()), "1.0.0", "{zeros} zeros behind the stream");
        }
    }

    #[test]
    fn what_holds_no_manifest_for_npm_holds_no_package() {
        for tar in [
            end(),
            [file("package.json", MANIFEST), end()].concat(),
            [file("./package/package.json", MANIFEST), end()].concat(),
            [file("/package/package.json", MANIFEST), end()].concat(),
            [file("package/Package.json", MANIFEST), end()].concat(),
            [file("package/../package.json", MANIFEST), end()].concat(),
            [file("package/other.json", MANIFEST), entry(EntryType::Symlink, "package/package.json", b""), end()]
                .concat(),
            [file("package/other.json", MANIFEST), entry(EntryType::Link, "package/package.json", b""), end()].concat(),
        ] {
            assert_eq!(read(gzip(&tar)), "");
        }
    }

    #[test]
    fn what_npm_refuses_is_refused_with_its_reason() {
        let whole = [file("package/package.json", MANIFEST), end()].concat();
        let good = gzip(&whole);
        let mut checksum = good.clone();
        let at = checksum.len() - 6;
        checksum[at] ^= 1;
        let mut tar_checksum = whole.clone();
        tar_checksum[3] ^= 1;
        let size = entry(EntryType::XHeader, "PaxHeader/p", b"9 size=1\n");
        for (bytes, reason) in [
            (checksum, "corrupt"),
            ([&good[..], b"more"].concat(), "gzip"),
            ([&good[..], &[0; 512], b"more"].concat(), "gzip"),
            (good[..good.len() - 9].to_vec(), ""),
            (good[..10].to_vec(), ""),
            (Vec::new(), ""),
            (b"\x78\x9c\x03\x00".to_vec(), "gzip"),
            (gzip(&tar_checksum), "checksum"),
            (gzip(&whole[..600]), ""),
            (gzip(&[size, whole.clone()].concat()), "another size"),
        ] {
            let said = read(bytes);
            assert!(said.starts_with("dir/x.tgz is not a sound gzipped tar: ") && said.contains(reason), "{said}");
        }
        assert!(read(whole).starts_with("dir/x.tgz is a tar that is not compressed"));
    }
}
