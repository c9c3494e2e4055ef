//! A version on its way into the plan: its files are looked into, digested and put into the order in which they are sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::PackageError;
use super::found::{Found, PomFile};
use super::gav::Gav;
use super::inside::Jar;
use super::module;
use super::names::{is_archive, is_main, place};
use super::refused;
use crate::archive::{ArchiveError, Entry, EntryKind};
use crate::package::{Coordinates, Digests, Target};
use crate::plan::PackagePlan;
use crate::registry::url::RepoPath;
use crate::stamp::Stamped;
use crate::step::{Content, PlannedFile, Step};

/// Characters that would mean something else in a path, or that Artifactory takes in no name.
const NOT_IN_NAMES: &[char] = &[':', '*', '?', '"', '<', '>', '|', '\\', ';', '{', '}'];

/// The plan of a version.
pub(super) fn planned(found: Found, target: &Target) -> Result<PackagePlan, PackageError> {
    let Found { gav, packaging: _, pom, files, mut warnings } = found;
    let path = pom.path().to_owned();
    let mut sent: BTreeMap<String, (Content, Digests, String)> = BTreeMap::new();
    for file in files {
        let origin = file.entry.path().to_owned();
        if file.entry.kind() != EntryKind::File {
            let problem = "is a symbolic link, which is neither followed nor published";
            return Err(refused(
                &origin,
                problem,
                "let the build put the file itself there, or leave it out with Files",
            ));
        }
        if file.rest == ".module" {
            module::check(&file.entry, &gav, &path)?;
        }
        let digests = match file.digests {
            Some(digests) => digests,
            None if is_main(&file.rest) && is_archive(&file.rest) => {
                let jar = Jar::open(&file.entry)?;
                warnings.extend(jar.check(&origin, &gav, &path)?);
                jar.digests
            }
            None => digests(&file.entry)?,
        };
        if let Some((_, _, other)) = sent.insert(file.rest, (Content::Entry(file.entry), digests, origin.clone())) {
            let problem = format!("and {other} would both be the same file of {gav}");
            return Err(refused(&origin, &problem, "take one of them with Files"));
        }
    }
    let (content, digests) = match pom {
        PomFile::Entry(entry) => {
            let digests = digests(&entry)?;
            (Content::Entry(entry), digests)
        }
        PomFile::Inside { path, bytes } => {
            let failed = |source| PackageError::Spool { path, source };
            let content = Content::Spooled(bytes);
            let digests = Digests::of(content.open()?).map_err(failed)?;
            (content, digests)
        }
    };
    sent.insert(".pom".to_owned(), (content, digests, path));
    let mut sent: Vec<_> = sent.into_iter().collect();
    sent.sort_by_key(|(rest, _)| place(rest));
    let repository: Arc<str> = target.repository.as_str().into();
    let steps = sent.into_iter().map(|(rest, (content, digests, origin))| {
        let place = in_repository(&gav, &rest, &origin)?;
        let file = of_snapshot(&gav, PlannedFile::new(place, digests));
        let file = if rest == ".pom" { file.last() } else { file };
        Ok(Step::plain(&repository, file, content))
    });
    let steps = steps.collect::<Result<_, PackageError>>()?;
    let of = Coordinates { name: gav.name(), version: gav.version().to_owned() };
    Ok(PackagePlan { of, steps, needs: Vec::new(), warnings })
}

/// The file as one of a snapshot, where it is one.
fn of_snapshot(gav: &Gav, file: PlannedFile) -> PlannedFile {
    let Some(base) = gav.base() else { return file };
    let folder = gav.folder();
    let at = folder.len() + "/".len() + gav.artifact().len() + "-".len() + base.len() + "-".len();
    match RepoPath::parse(&format!("{folder}/maven-metadata.xml")) {
        Some(metadata) => file.stamped(Stamped { metadata, at }),
        None => file,
    }
}

/// The place of a file (Maven 2 repository layout).
fn in_repository(gav: &Gav, rest: &str, origin: &str) -> Result<RepoPath, PackageError> {
    let plain = |c: char| c.is_ascii_graphic() && !NOT_IN_NAMES.contains(&c);
    let path = format!("{}/{}{rest}", gav.folder(), gav.stem());
    RepoPath::parse(&path).filter(|_| rest.chars().all(plain) && !rest.contains('/')).ok_or_else(|| {
        let problem = format!("would be stored as {path:?}, which has characters that such a name never has");
        refused(origin, &problem, "let the build give it another classifier, or leave it out with Files")
    })
}

fn digests(entry: &Entry) -> Result<Digests, PackageError> {
    let failed = |source| ArchiveError::Read { entry: entry.path().to_owned(), source };
    Ok(Digests::of(entry.open()?).map_err(failed)?)
}
