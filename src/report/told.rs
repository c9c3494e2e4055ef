//! What `publish-report.json` says, written without being put together first: there may be a hundred thousand files.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::{Published, PublishedFile, PublishedPackage};
use crate::package::{Coordinates, Digests, hex};

/// Something that a job published, as a part of what is told of all.
pub(super) struct Told<'a, T>(pub(super) &'a Published, pub(super) T);

impl Serialize for Told<'_, ()> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Published { base, repository, packages } = self.0;
        let mut told = to.serialize_struct("Report", 3)?;
        told.serialize_field("repository", repository)?;
        told.serialize_field("artifactory", &base.to_string())?;
        told.serialize_field("packages", &Told(self.0, packages.as_slice()))?;
        told.end()
    }
}

impl Serialize for Told<'_, &[PublishedPackage]> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.1.iter().map(|package| Told(self.0, package)))
    }
}

impl Serialize for Told<'_, &PublishedPackage> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let PublishedPackage { of: Coordinates { name, version }, files, remark: _ } = self.1;
        let mut told = to.serialize_struct("Package", 3)?;
        told.serialize_field("name", name)?;
        told.serialize_field("version", version)?;
        told.serialize_field("files", &Told(self.0, files.as_slice()))?;
        told.end()
    }
}

impl Serialize for Told<'_, &[PublishedFile]> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.1.iter().map(|file| Told(self.0, file)))
    }
}

impl Serialize for Told<'_, &PublishedFile> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let PublishedFile { path, digests, state } = self.1;
        let Digests { size, sha1, sha256, md5, sha512: _ } = &**digests;
        let mut told = to.serialize_struct("File", 7)?;
        told.serialize_field("path", path)?;
        told.serialize_field("url", &self.0.url(self.1))?;
        told.serialize_field("size", size)?;
        told.serialize_field("sha1", &hex(sha1))?;
        told.serialize_field("sha256", &hex(sha256))?;
        told.serialize_field("md5", &hex(md5))?;
        told.serialize_field("state", state)?;
        told.end()
    }
}
