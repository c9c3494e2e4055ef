//! Files that are no packages, as a plan keeps them: a hundred thousand in a small part of what as many packages would
//! take. What is sent of one is put together whenever it is asked for.

use std::sync::Arc;

use super::PackagePlan;
use crate::archive::{Archive, Entry};
use crate::package::{Coordinates, Digests};
use crate::registry::url::{Parts, Place, RepoPath};
use crate::step::{Content, PlannedFile, Step};

/// Properties of a file: key, then its values.
pub type Properties = Vec<(String, Vec<String>)>;

/// A file of the artifact that goes to its own path in the repository.
#[derive(Debug, Clone)]
pub struct FilePlan {
    // The fields of an [`Entry`] and of a [`Place`]: as they are they would take more room.
    archive: Archive,
    number: u32,
    before: Arc<String>,
    from: u32,
    /// Its own ones, besides those of all.
    properties: Arc<Properties>,
    sha1: [u8; 20],
    sha256: [u8; 32],
    md5: [u8; 16],
}

impl FilePlan {
    /// Puts an entry with these digests to its place.
    pub fn new(entry: Entry, place: Place, properties: Arc<Properties>, digests: &Digests) -> Self {
        // Its size is the entry's, or it could not have been digested; no protocol asks for the longest digest.
        let Digests { size: _, sha1, sha256, md5, sha512: _ } = digests;
        let ((archive, number), Place { before, from }) = (entry.into_parts(), place);
        Self { archive, number, before, from, properties, sha1: *sha1, sha256: *sha256, md5: *md5 }
    }

    /// Its path in the repository.
    pub fn path(&self) -> RepoPath {
        self.parts().whole()
    }

    /// The path in the parts in which it is kept.
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts::of(&self.before, self.from, self.archive.path_at(self.number))
    }

    /// The file as a package of its own, in the repository whose key all steps share.
    pub fn package(&self, repository: &Arc<str>) -> PackagePlan {
        let Self { archive, number, before: _, from: _, properties, sha1, sha256, md5 } = self;
        let (entry, path) = (archive.at(*number), self.path());
        let of = Coordinates::file(&path);
        let digests = Digests { size: entry.size(), sha1: *sha1, sha256: *sha256, sha512: None, md5: *md5 };
        let file = PlannedFile { properties: properties.to_vec(), ..PlannedFile::new(path, digests) };
        let steps = vec![Step::plain(repository, file, Content::Entry(entry))];
        PackagePlan { of, steps, needs: Vec::new(), warnings: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;
    use crate::plan::Planned;
    use crate::registry::Found;
    use crate::report::PublishedFile;

    /// Of 64 MiB a hundred thousand files have 671 bytes each. The directory of the artifact takes some 60 of them besides
    /// the path, which may have 290 where it fills the directory; a report in an output artifact a hundred.
    #[test]
    fn what_a_job_keeps_of_a_file_is_little() {
        assert!(size_of::<Planned>() <= 104, "{} bytes of the plan", size_of::<Planned>());
        assert!(size_of::<FilePlan>() <= size_of::<Planned>(), "a file is no more than a package");
        assert!(size_of::<Found>() <= 24, "{} bytes of what was found", size_of::<Found>());
        assert!(size_of::<PublishedFile>() <= 16, "{} bytes of what was done", size_of::<PublishedFile>());
    }
}
