//! What is sent, as data: a [`Step`] is one request whose body is a list of [`Segment`]s, the file that Artifactory
//! holds afterwards, and where to look for it. Every native publish protocol is "some bytes, the file, some bytes".

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use crate::archive::source::{Cursor, ReadAt};
use crate::archive::{ArchiveError, Entry};
use crate::package::{Digests, hex};
use crate::registry::url::RepoPath;

/// How a step's request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `PUT`
    Put,
    /// `POST`
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Put => "PUT",
            Self::Post => "POST",
        })
    }
}

/// One request that publishes one file.
#[derive(Debug, Clone)]
pub struct Step {
    /// The request's method.
    pub method: Method,
    /// Path below Artifactory's root, already encoded: `api/npm/npm-local/left`.
    pub path: String,
    /// Headers of the type's protocol, authorization and length apart.
    pub headers: Vec<(&'static str, String)>,
    /// The body, of exactly known length.
    pub body: Body,
    /// What is in the repository once the step is done.
    pub file: PlannedFile,
    /// Where else, besides the file's own path, the type's protocol tells of an existing version.
    pub listing: Option<Listing>,
}

/// A file as it will be in the repository.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    /// Its path inside the repository.
    pub path: RepoPath,
    /// Its digests.
    pub digests: Digests,
    /// Properties to set on it: key, then its values. The plan fills them in; kinds leave them empty.
    pub properties: Vec<(String, Vec<String>)>,
}

impl PlannedFile {
    /// A file without properties.
    pub fn new(path: RepoPath, digests: Digests) -> Self {
        Self { path, digests, properties: Vec::new() }
    }
}

/// A JSON document of the type's API that lists a package's versions, e.g. npm's package document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Path below Artifactory's root, already encoded.
    pub path: String,
    /// The `Accept` header to ask with.
    pub accept: &'static str,
    /// Member names from the document's root to the object that describes this version. That object has
    /// `shasum` (hexadecimal SHA-1) and, from newer servers, `integrity` (`sha512-` and base64).
    pub pointer: Vec<String>,
}

/// A request body.
#[derive(Debug, Clone, Default)]
pub struct Body(pub Vec<Segment>);

/// A part of a body.
#[derive(Debug, Clone)]
pub enum Segment {
    /// These bytes.
    Bytes(Bytes),
    /// A file as it is.
    Raw(Content),
    /// A file in base64 (RFC 4648, padded).
    Base64(Content),
}

/// A file's bytes, read when they are sent and again when they are sent again.
#[derive(Debug, Clone)]
pub enum Content {
    /// An entry of the artifact, inflated.
    Entry(Entry),
    /// Bytes that we made, e.g. a package packed from a directory.
    Spooled(Arc<dyn ReadAt>),
}

impl Content {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.size(),
            Self::Spooled(spool) => spool.size(),
        }
    }

    /// Begins reading.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, ArchiveError> {
        Ok(match self {
            Self::Entry(entry) => Box::new(entry.open()?),
            Self::Spooled(spool) => Box::new(Cursor::new(Arc::clone(spool), 0)),
        })
    }
}

impl Segment {
    /// Length on the wire, in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Raw(content) => content.size(),
            Self::Base64(content) => content.size().div_ceil(3).saturating_mul(4),
        }
    }
}

impl Body {
    /// Length on the wire, in bytes: the `Content-Length`.
    pub fn size(&self) -> u64 {
        self.0.iter().map(Segment::size).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Step {
    /// The step as a printed plan shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {} ({} bytes)", self.method, self.path, self.body.size())?;
        for (name, value) in &self.headers {
            writeln!(f, "    {name}: {value}")?;
        }
        let Digests { size, sha1, sha256, .. } = &self.file.digests;
        writeln!(f, "    stores {} ({size} bytes)", self.file.path)?;
        writeln!(f, "    sha256 {}", hex(sha256))?;
        writeln!(f, "    sha1   {}", hex(sha1))?;
        for (key, values) in &self.file.properties {
            writeln!(f, "    property {key} = {}", values.join(", "))?;
        }
        Ok(())
    }
}
