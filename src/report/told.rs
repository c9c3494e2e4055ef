//! What `publish-report.json` says, written without being put together first: there may be a hundred thousand files.

use std::borrow::Cow;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::{Published, PublishedFile};
use crate::package::{Coordinates, Digests, hex};
use crate::plan::PackagePlan;
use crate::step::Step;

/// Something that a job published, as a part of what is told of all.
pub(super) struct Told<'a, T>(pub(super) &'a Published, pub(super) T);

/// All packages.
struct Packages;

impl Serialize for Told<'_, ()> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Published { base, repository, plan: _, files: _, remarks: _ } = self.0;
        let mut told = to.serialize_struct("Report", 3)?;
        told.serialize_field("repository", repository)?;
        told.serialize_field("artifactory", &base.to_string())?;
        told.serialize_field("packages", &Told(self.0, Packages))?;
        told.end()
    }
}

impl Serialize for Told<'_, Packages> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let packages = self.0.packages().map(|(planned, files)| (self.0.plan.package(planned), files));
        to.collect_seq(packages.map(|told| Told(self.0, told)))
    }
}

impl Serialize for Told<'_, (Cow<'_, PackagePlan>, &[PublishedFile])> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (package, files) = &self.1;
        let PackagePlan { of: Coordinates { name, version }, steps, needs: _, warnings: _ } = &**package;
        let mut told = to.serialize_struct("Package", 3)?;
        told.serialize_field("name", name)?;
        told.serialize_field("version", version)?;
        told.serialize_field("files", &Told(self.0, (steps.as_slice(), *files)))?;
        told.end()
    }
}

impl Serialize for Told<'_, (&[Step], &[PublishedFile])> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (steps, files) = self.1;
        to.collect_seq(steps.iter().zip(files).map(|file| Told(self.0, file)))
    }
}

impl Serialize for Told<'_, (&Step, &PublishedFile)> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (step, file) = self.1;
        let path = &step.file.path;
        let Digests { size, sha1, sha256, md5, sha512: _ } = file.digests(step);
        let mut told = to.serialize_struct("File", 7)?;
        told.serialize_field("path", path)?;
        told.serialize_field("url", &self.0.url(path))?;
        told.serialize_field("size", size)?;
        told.serialize_field("sha1", &hex(sha1))?;
        told.serialize_field("sha256", &hex(sha256))?;
        told.serialize_field("md5", &hex(md5))?;
        told.serialize_field("state", &file.state)?;
        told.end()
    }
}
