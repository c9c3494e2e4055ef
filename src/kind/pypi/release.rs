//! A release: all distributions of one version of a project, published together. Wheels come before the source
//! distribution, so that nobody builds from source what is about to be there ready.

use std::collections::BTreeMap;

use super::super::PackageError;
use super::filename::{Form, normalised, sent};
use super::find::Distribution;
use super::form::form;
use super::refused;
use crate::archive::Archive;
use crate::package::{Coordinates, Target};
use crate::plan::PackagePlan;
use crate::registry::url::RepoPath;
use crate::step::{Listing, Lists, Method, PlannedFile, Step, Way};

/// How the index is asked for (PEP 691): JSON where the server has it, else HTML.
const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.2, text/html; q=0.01";
/// What may stand beside a distribution and is not sent.
const BESIDE: [&str; 3] = [".asc", ".sig", ".publish.attestation"];

/// How a release's name and version are written.
#[derive(Debug)]
pub(super) struct Spelling {
    /// As twine sends it.
    pub(super) name: String,
    /// As it stands in the metadata.
    pub(super) version: String,
}

/// One version of a project.
#[derive(Debug)]
pub(super) struct Release {
    spelling: Spelling,
    distributions: Vec<Distribution>,
}

/// Puts distributions together that are of the same version of the same project, whatever their spelling.
pub(super) fn releases(distributions: Vec<Distribution>) -> Vec<Release> {
    let mut by_version: BTreeMap<(String, String), Vec<Distribution>> = BTreeMap::new();
    for distribution in distributions {
        let metadata = &distribution.metadata;
        let key = (normalised(&metadata.name), metadata.version.key().to_owned());
        by_version.entry(key).or_default().push(distribution);
    }
    by_version.into_values().filter_map(Release::of).collect()
}

impl Release {
    fn of(mut distributions: Vec<Distribution>) -> Option<Self> {
        distributions.sort_by_key(|one| (one.form == Form::Source, one.file.clone()));
        let first = &distributions.first()?.metadata;
        let spelling = Spelling { name: sent(&first.name), version: first.spelled.clone() };
        Some(Self { spelling, distributions })
    }

    /// The plan that publishes it.
    pub(super) fn plan(self, archive: &Archive, target: &Target) -> Result<PackagePlan, PackageError> {
        let warnings = self.warnings(archive);
        let Self { spelling, distributions } = self;
        let steps = distributions.iter().map(|one| step(one, &spelling, target)).collect::<Result<_, _>>()?;
        let of = Coordinates { name: spelling.name, version: spelling.version };
        Ok(PackagePlan { of, steps, needs: Vec::new(), warnings })
    }

    fn warnings(&self, archive: &Archive) -> Vec<String> {
        let Spelling { name, version } = &self.spelling;
        let mut warnings = Vec::new();
        let mut beside = Vec::new();
        for Distribution { entry, file, metadata, .. } in &self.distributions {
            warnings.extend(metadata.warnings.iter().map(|warning| format!("{file}: {warning}")));
            if sent(&metadata.name) != *name || metadata.spelled != *version {
                warnings.push(format!("{file}: its metadata says {} {}", metadata.name, metadata.spelled));
            }
            let paths = BESIDE.iter().map(|end| format!("{}{end}", entry.path()));
            beside.extend(paths.filter(|path| archive.find(path).is_some()));
        }
        if !beside.is_empty() {
            warnings.push(format!("signatures and attestations are not sent: {}", beside.join(", ")));
        }
        warnings
    }
}

fn step(distribution: &Distribution, spelling: &Spelling, target: &Target) -> Result<Step, PackageError> {
    let Distribution { file, at, metadata, digests, .. } = distribution;
    // Where Artifactory puts what is uploaded to it.
    let stored = format!("{}/{}/{file}", spelling.name, spelling.version);
    let place = RepoPath::parse(&stored)
        .ok_or_else(|| refused(at, &format!("cannot be stored at {stored:?}"), "correct its name and version"))?;
    let (body, content_type) = form(distribution, spelling);
    let repository = format!("api/pypi/{}", target.repository);
    Ok(Step {
        way: Way::Api,
        method: Method::Post,
        path: format!("{repository}/").into(),
        headers: vec![("content-type", content_type)],
        body,
        file: PlannedFile::new(place, digests.clone()),
        listing: Some(Box::new(Listing {
            path: format!("{repository}/simple/{}/", normalised(&metadata.name)),
            accept: ACCEPT,
            lists: Lists::Files { file: file.clone() },
        })),
        tag: None,
    })
}
