//! What a package is called and what its bytes are: [`Coordinates`], [`Digests`], and the [`Target`] that
//! an action names for it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;
use sha1::Digest as _;

use crate::registry::url::{Base, RepoKey, RepoPath};
use crate::template::Template;

/// Name and version of a package, as its registry knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Coordinates {
    /// Name with its scope or group, e.g. `@acme/left` (npm) or `org.acme:left` (Maven); of a file that is no package, its
    /// path in the repository.
    pub name: String,
    /// Version as it is published, already cleaned by the type's rules; empty for a file that is no package.
    pub version: String,
}

/// What is published under some coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A package, which has a version.
    Package,
    /// A file, which has none.
    File,
}

impl Coordinates {
    /// Those of a file that is no package.
    pub fn file(path: &RepoPath) -> Self {
        Self { name: path.to_string(), version: String::new() }
    }

    /// What it is.
    pub fn noun(&self) -> Noun {
        if self.version.is_empty() { Noun::File } else { Noun::Package }
    }
}

impl Noun {
    /// The word for one of them.
    pub fn one(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::File => "file",
        }
    }

    /// What of it is never changed once it is published.
    pub fn fixed(self) -> &'static str {
        match self {
            Self::Package => "version",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.noun() {
            Noun::Package => write!(f, "{}@{}", self.name, self.version),
            Noun::File => f.write_str(&self.name),
        }
    }
}

/// Size and the four digests that Artifactory and the package managers speak of, taken in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Length in bytes.
    pub size: u64,
    /// SHA-1, what npm calls `shasum`.
    pub sha1: [u8; 20],
    /// SHA-256, by which "the same file" is decided.
    pub sha256: [u8; 32],
    /// SHA-512, what npm calls `integrity`; `None` where nobody asks for it.
    pub sha512: Option<[u8; 64]>,
    /// MD5, only because Artifactory shows it and old clients ask for it.
    pub md5: [u8; 16],
}

impl Digests {
    /// Reads `from` to its end and returns the digests of what came.
    pub fn of(mut from: impl Read) -> io::Result<Self> {
        let mut digester = Digester::new(io::sink());
        io::copy(&mut from, &mut digester)?;
        Ok(digester.finish().1)
    }

    /// Those of a plain file, of which nobody asks for the longest.
    pub fn of_plain(mut from: impl Read) -> io::Result<Self> {
        let mut digester = Digester { sha512: None, ..Digester::new(io::sink()) };
        io::copy(&mut from, &mut digester)?;
        Ok(digester.finish().1)
    }
}

/// Characters that Artifactory forbids in property keys.
const NOT_IN_KEYS: &str = ")(}{][*+^$\\/~`!@#%&<>;=,±§ ";

/// Whether Artifactory takes this as the key of a property.
pub fn is_property_key(key: &str) -> bool {
    !key.is_empty() && !key.chars().any(|c| c.is_control() || NOT_IN_KEYS.contains(c))
}

/// Lower-case hexadecimal, the form in which digests are sent and shown.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A writer that digests what it passes on.
pub struct Digester<W> {
    to: W,
    size: u64,
    sha1: sha1::Sha1,
    sha256: sha2::Sha256,
    sha512: Option<sha2::Sha512>,
    md5: md5::Md5,
}

impl<W: Write> Digester<W> {
    /// Digests everything that is written to `to` through it.
    pub fn new(to: W) -> Self {
        Self {
            to,
            size: 0,
            sha1: sha1::Sha1::new(),
            sha256: sha2::Sha256::new(),
            sha512: Some(sha2::Sha512::new()),
            md5: md5::Md5::new(),
        }
    }

    /// The inner writer and the digests of all that went to it.
    pub fn finish(self) -> (W, Digests) {
        let digests = Digests {
            size: self.size,
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finalize().into(),
            sha512: self.sha512.map(|sha512| sha512.finalize().into()),
            md5: self.md5.finalize().into(),
        };
        (self.to, digests)
    }
}

impl<W: Write> Write for Digester<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let written = self.to.write(data)?;
        let data = data.get(..written).unwrap_or(data);
        self.sha1.update(data);
        self.sha256.update(data);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(data);
        }
        self.md5.update(data);
        self.size += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What the action says about the destination, without the package type: all that a kind may know of it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The Artifactory that the repository is in, for protocols whose documents hold addresses.
    pub base: Base,
    /// The repository that everything goes to.
    pub repository: RepoKey,
    /// `TargetPath`, its placeholders for the run already filled in: a folder of the repository, for types without
    /// a layout of their own.
    pub path: Option<Template>,
    /// Which files of the artifact are looked at.
    pub files: crate::archive::Selection,
    /// Properties to set on everything that is published: key, then its values.
    pub properties: Vec<(String, Vec<Template>)>,
    /// The entries of `Options` that belong to the type (`tag` and the like), by name.
    pub options: BTreeMap<String, String>,
    /// E-mail of the publisher, for registries that record one.
    pub email: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_abc_are_the_published_test_vectors() {
        let digests = Digests::of(&b"abc"[..]).unwrap();
        assert_eq!(digests.size, 3);
        assert_eq!(hex(&digests.sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&digests.sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(hex(&digests.sha512.unwrap()).starts_with("ddaf35a193617abacc417349ae204131"));
        assert_eq!(hex(&digests.md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(Digests::of_plain(&b"abc"[..]).unwrap(), Digests { sha512: None, ..digests });
    }
}
