//! What is sent, as data: a [`Step`] is one request whose body is a list of [`Segment`]s, the file that Artifactory
//! holds afterwards, and where to look for it. Every native publish protocol is "some bytes, the file, some bytes".

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;

use crate::apart;
use crate::archive::source::{Cursor, ReadAt};
use crate::archive::{ArchiveError, Entry};
use crate::package::{Digests, hex};
use crate::registry::url::RepoPath;
use crate::stamp::{Stamp, Stamped};

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

/// How a step's file gets to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the type's own API, which knows where to put it; properties are set in a request of their own.
    Api,
    /// By a `PUT` to its own path ("Deploy Artifact" of Artifactory's REST API): its digests and properties go along, and
    /// where the server has such content already no body is sent ("Deploy Artifact by Checksum").
    Plain,
}

/// One request that publishes one file.
#[derive(Debug, Clone)]
pub struct Step {
    /// How the file gets to its place.
    pub way: Way,
    /// The request's method.
    pub method: Method,
    /// Path below Artifactory's root, already encoded: `api/npm/npm-local/left`; of a plain step the repository's.
    pub path: Arc<str>,
    /// Headers of the type's protocol, authorization and length apart.
    pub headers: Vec<(&'static str, String)>,
    /// The body, of exactly known length.
    pub body: Body,
    /// What is in the repository once the step is done.
    pub file: PlannedFile,
    /// Where else, besides the file's own path, the type's protocol tells of an existing version.
    pub listing: Option<Box<Listing>>,
    /// The movable name that the version is published under.
    pub tag: Option<Box<Tag>>,
}

impl Step {
    /// Puts a file to its own path in the repository, whose key all steps share.
    pub fn plain(repository: &Arc<str>, file: PlannedFile, content: Content) -> Self {
        Self {
            way: Way::Plain,
            method: Method::Put,
            path: Arc::clone(repository),
            headers: Vec::new(),
            body: Body(vec![Segment::Raw(content)]),
            file,
            listing: None,
            tag: None,
        }
    }

    /// Where the request goes: a path below Artifactory's root, already encoded.
    pub fn address(&self) -> String {
        match self.way {
            Way::Api => self.path.to_string(),
            Way::Plain => format!("{}/{}", self.path, self.file.path.encoded()),
        }
    }

    /// The step as it is sent for one build, where it depends on that.
    #[must_use]
    pub fn of_build(&self, stamp: &Stamp) -> Self {
        let mut step = self.clone();
        if let Some(Stamped { at, .. }) = self.file.stamped.as_deref() {
            step.file.path = self.file.path.stamped(*at, stamp);
        }
        step
    }
}

/// A file as it will be in the repository.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    /// Its path inside the repository.
    pub path: RepoPath,
    /// Its digests, which whatever is told of the file shares.
    pub digests: Arc<Digests>,
    /// Properties to set on it: key, then its values. The plan fills them in; kinds leave them empty.
    pub properties: Vec<(String, Vec<String>)>,
    /// By what a file in the repository is known to be this one.
    pub same_by: SameBy,
    /// Of a file of a Maven snapshot: where in its path the stamp of its build will be, which is not in the artifact.
    pub stamped: Option<Box<Stamped>>,
    /// When it is sent among the files of its package.
    pub order: Order,
}

/// When a file is sent among those of its package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Where the kind has put it.
    AsPlanned,
    /// Behind all others, whichever artifact they come with.
    Last,
}

/// By what a file in the repository is known to be the planned one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SameBy {
    /// Its bytes alone.
    Bytes,
    /// Its bytes, or else what is inside: both are gzipped tars that hold the same files.
    Files {
        /// Paths of commands. Whether these may be executed is decided by whoever packs or installs, so that it makes
        /// no other file.
        commands: Arc<BTreeSet<String>>,
    },
}

impl PlannedFile {
    /// A file without properties.
    pub fn new(path: RepoPath, digests: Digests) -> Self {
        let digests = Arc::new(digests);
        Self { path, digests, properties: Vec::new(), same_by: SameBy::Bytes, stamped: None, order: Order::AsPlanned }
    }

    /// The file by which the others of its package are found.
    #[must_use]
    pub fn last(self) -> Self {
        Self { order: Order::Last, ..self }
    }

    /// A file of a Maven snapshot.
    #[must_use]
    pub fn stamped(self, stamped: Stamped) -> Self {
        Self { stamped: Some(Box::new(stamped)), ..self }
    }

    /// A gzipped tar, which another archive of the same files is as good as.
    #[must_use]
    pub fn same_by_files(self) -> Self {
        Self { same_by: SameBy::Files { commands: Arc::default() }, ..self }
    }

    /// A gzipped tar as [`PlannedFile::same_by_files`], in which these are commands.
    #[must_use]
    pub fn same_by_files_with(self, commands: BTreeSet<String>) -> Self {
        Self { same_by: SameBy::Files { commands: Arc::new(commands) }, ..self }
    }
}

/// A document of the type's API that lists what there is of a package.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Path below Artifactory's root, already encoded.
    pub path: String,
    /// The `Accept` header to ask with.
    pub accept: &'static str,
    /// What it lists.
    pub lists: Lists,
}

/// What a listing lists, and so where the planned file is in it.
#[derive(Debug, Clone)]
pub enum Lists {
    /// Versions, in JSON, e.g. npm's package document.
    Versions {
        /// Member names from the document's root to the object that describes this version. That object has
        /// `shasum` (hexadecimal SHA-1) and, from newer servers, `integrity` (`sha512-` and base64).
        pointer: Vec<String>,
        /// Which other versions in it speak against publishing this one.
        rivals: Option<Rivals>,
    },
    /// Files, as Python's simple repository API lists them: in JSON (PEP 691) or HTML (PEP 503).
    Files {
        /// The file's name.
        file: String,
    },
}

impl Listing {
    /// Which other versions in it speak against publishing this one.
    pub fn rivals(&self) -> Option<&Rivals> {
        match &self.lists {
            Lists::Versions { rivals, .. } => rivals.as_ref(),
            Lists::Files { .. } => None,
        }
    }
}

/// Versions before which this one must not be published. They are members of the object that the first name of a
/// [`Listing`]'s pointer leads to; those that are `deprecated` do not count.
#[derive(Debug, Clone)]
pub struct Rivals {
    /// The version that is to be published.
    pub version: String,
    /// Whether the first version speaks against the second.
    pub outranks: fn(&str, &str) -> bool,
}

/// A movable name for one version of a package, e.g. npm's dist-tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The name.
    pub name: String,
    /// The version that it is for.
    pub version: String,
    /// Who wants it.
    pub wanted: Wanted,
    /// Where all names are, as a JSON object of name and version: a path below Artifactory's root, already encoded.
    pub all: String,
    /// Where a version, as a JSON string, is put to give it the name.
    pub one: String,
}

/// Who wants a version to have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The action, so that it is moved even to a version that is there already.
    ByAction,
    /// The package; or nobody, and it is the default.
    ByPackage,
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
    /// Bytes that we make whenever they are read, because there was no room for them.
    Made {
        /// How many there are.
        size: u64,
        /// By what.
        by: Arc<dyn Make>,
    },
}

/// What makes the same bytes again and again.
pub trait Make: fmt::Debug + Send + Sync {
    /// Writes them all.
    fn make(&self, to: &mut dyn Write) -> io::Result<()>;
}

impl Content {
    /// Length in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Entry(entry) => entry.size(),
            Self::Spooled(spool) => spool.size(),
            Self::Made { size, .. } => *size,
        }
    }

    /// Begins reading.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, ArchiveError> {
        Ok(match self {
            Self::Entry(entry) => Box::new(entry.open()?),
            Self::Spooled(spool) => Box::new(Cursor::new(Arc::clone(spool), 0)),
            Self::Made { by, .. } => {
                let failed = |source| ArchiveError::Read { entry: format!("{by:?}"), source };
                let (reader, mut writer) = io::pipe().map_err(failed)?;
                let by = Arc::clone(by);
                // Who reads sees what is missing; that nobody reads on is no failure.
                let make = move || drop(by.make(&mut writer));
                apart::beside(make).map_err(failed)?;
                Box::new(reader)
            }
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
    /// The file in it.
    pub fn file(&self) -> Option<&Content> {
        self.0.iter().find_map(|segment| match segment {
            Segment::Raw(content) | Segment::Base64(content) => Some(content),
            Segment::Bytes(_) => None,
        })
    }

    /// Length on the wire, in bytes: the `Content-Length`.
    pub fn size(&self) -> u64 {
        self.0.iter().map(Segment::size).fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Step {
    /// The step as a printed plan shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} {} ({} bytes)", self.method, self.address(), self.body.size())?;
        for (name, value) in &self.headers {
            writeln!(f, "    {name}: {value}")?;
        }
        let Digests { size, sha1, sha256, .. } = &*self.file.digests;
        writeln!(f, "    stores {} ({size} bytes)", self.file.path)?;
        if self.file.stamped.is_some() {
            writeln!(f, "    under the stamp of its build in place of SNAPSHOT")?;
        }
        writeln!(f, "    sha256 {}", hex(sha256))?;
        writeln!(f, "    sha1   {}", hex(sha1))?;
        if let Some(tag) = &self.tag {
            writeln!(f, "    tag    {}", tag.name)?;
        }
        for (key, values) in &self.file.properties {
            writeln!(f, "    property {key} = {}", values.join(", "))?;
        }
        Ok(())
    }
}
