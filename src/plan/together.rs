//! Packages of several artifacts, put together: those with the same coordinates become one, and no two are stored at the
//! same path. Sorted, not hashed: there may be a hundred thousand, and few are there twice.

use std::collections::{HashMap, HashSet};

use super::{PackagePlan, Plan, PlanError, Planned};
use crate::package::Noun;
use crate::registry::url::{Parts, RepoPath};
use crate::step::Content;

impl Planned {
    /// Name, whose parts are kept apart, and version. A file is called by its path.
    fn key(&self) -> (Parts<'_>, &str) {
        match self {
            Self::Package(package) => (Parts(&package.of.name, ""), &package.of.version),
            Self::File(file) => (file.parts(), ""),
        }
    }

    /// Where one of its files is stored.
    fn parts(&self, file: usize) -> Option<Parts<'_>> {
        match self {
            Self::Package(package) => Some(Parts(package.steps.get(file)?.file.path.as_str(), "")),
            Self::File(file) => Some(file.parts()),
        }
    }
}

impl Plan {
    /// Makes one of the packages with the same coordinates: a file that is in several of them counts once, and must be
    /// the same.
    pub(super) fn join(&mut self) -> Result<(), PlanError> {
        let mut into: Vec<Option<usize>> = vec![None; self.packages.len()];
        let mut wrong: Option<(usize, usize)> = None;
        let mut sorted: Vec<usize> = (0..self.packages.len()).collect();
        let key = |at: &usize| self.packages.get(*at).map(Planned::key);
        sorted.sort_by(|one, other| key(one).cmp(&key(other)));
        for same in sorted.chunk_by(|one, other| key(one) == key(other)).filter(|same| same.len() > 1) {
            let Some((first, others)) = same.split_first() else { continue };
            let files = |at: &usize| self.packages.get(*at).map(|planned| files(&self.package(planned)));
            let files = |at: &usize| files(at).into_iter().flatten();
            let mut there: HashMap<RepoPath, [u8; 32]> = files(first).collect();
            for at in others {
                // Every file is noted, whatever the one before it was.
                let differing =
                    files(at).filter(|(path, digest)| there.entry(path.clone()).or_insert(*digest) != digest).count();
                if differing > 0 {
                    wrong = wrong.filter(|(_, before)| before < at).or(Some((*first, *at)));
                }
                if let Some(into) = into.get_mut(*at) {
                    *into = Some(*first);
                }
            }
        }
        if let Some((Some(one), Some(other))) =
            wrong.map(|(one, other)| (self.packages.get(one), self.packages.get(other)))
        {
            return Err(twice(&self.package(one), &self.package(other)));
        }
        for (at, first) in into.iter().enumerate().filter_map(|(at, first)| Some((at, (*first)?))) {
            // A file at the same path is the same file.
            let Some(Planned::Package(package)) = self.packages.get_mut(at) else { continue };
            let (steps, warnings) = (std::mem::take(&mut package.steps), std::mem::take(&mut package.warnings));
            let Some(Planned::Package(first)) = self.packages.get_mut(first) else { continue };
            let there: HashSet<RepoPath> = first.steps.iter().map(|step| step.file.path.clone()).collect();
            let before = first.steps.len();
            first.steps.extend(steps.into_iter().filter(|step| !there.contains(&step.file.path)));
            if first.steps.len() > before {
                first.steps.sort_by_key(|step| step.file.order);
                first.warnings.extend(warnings);
            }
        }
        let mut into = into.into_iter();
        self.packages.retain(|_| into.next().flatten().is_none());
        Ok(())
    }

    /// Refuses two packages with a file at the same path.
    pub(super) fn one_path_each(&self) -> Result<(), PlanError> {
        let mut sorted: Vec<(usize, usize)> = Vec::with_capacity(self.packages.iter().map(Planned::files).sum());
        for (at, planned) in self.packages.iter().enumerate() {
            sorted.extend((0..planned.files()).map(|file| (at, file)));
        }
        let path = |(at, file): &(usize, usize)| self.packages.get(*at)?.parts(*file);
        sorted.sort_unstable_by(|one, other| path(one).cmp(&path(other)).then(one.cmp(other)));
        let pairs = sorted.iter().zip(sorted.iter().skip(1));
        let same = pairs.filter(|(one, other)| path(one) == path(other)).min_by_key(|(_, (at, _))| *at);
        let Some((first @ (one, _), (other, _))) = same else { return Ok(()) };
        let of = |at: &usize| self.packages.get(*at).map(|planned| planned.of().into_owned());
        match (of(one), of(other), path(first)) {
            (Some(one), Some(other), Some(path)) => Err(PlanError::SamePath { one, other, path: path.whole() }),
            // The numbers are the packages' own.
            _ => Ok(()),
        }
    }
}

fn files(package: &PackagePlan) -> Vec<(RepoPath, [u8; 32])> {
    package.steps.iter().map(|step| (step.file.path.clone(), step.file.digests.sha256)).collect()
}

/// Why the same coordinates are not taken twice.
fn twice(one: &PackagePlan, other: &PackagePlan) -> PlanError {
    let (of, Some(step)) = (&other.of, other.steps.first()) else { return PlanError::Twice(other.of.clone()) };
    let source = |package: &PackagePlan| match package.steps.first().and_then(|step| step.body.file()) {
        Some(Content::Entry(entry)) => format!("{entry:?}"),
        _ => package.of.to_string(),
    };
    match of.noun() {
        Noun::Package => PlanError::Twice(of.clone()),
        Noun::File => PlanError::SamePlace { one: source(one), other: source(other), path: step.file.path.clone() },
    }
}
