//! Files that are no packages: any files of the artifact, put under `TargetPath` as they are, or where a file spec in the
//! artifact says.

mod pattern;
mod place;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Kind, PackageError};
use crate::archive::{Archive, ArchiveError, Entry, EntryKind, Selection};
use crate::package::{Digests, Target};
use crate::plan::{FilePlan, PackagePlan, Planned, Properties};
use crate::registry::url::{Place, Places};
use spec::Spec;

/// Longest list of what an artifact holds instead of what was looked for, in files.
const SHOWN: usize = 10;

/// The option that names a file spec in the artifact.
const SPEC: &str = "file-spec";

/// The option with the values of its variables.
const VARIABLES: &str = "spec-vars";

/// The generic type.
pub struct Generic;

impl Kind for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    /// Every repository takes plain files; whether they mean something to it is for whoever puts them there to know.
    fn fits(&self, _package_type: &str) -> bool {
        true
    }

    fn options(&self) -> &'static [&'static str] {
        &[SPEC, VARIABLES]
    }

    fn plan(&self, archive: &Archive, target: &Target) -> Result<Vec<PackagePlan>, PackageError> {
        let repository = target.repository.as_str().into();
        let package = |planned| match planned {
            Planned::Package(package) => *package,
            Planned::File(file) => file.package(&repository),
        };
        Ok(self.planned(archive, target)?.into_iter().map(package).collect())
    }

    fn planned(&self, archive: &Archive, target: &Target) -> Result<Vec<Planned>, PackageError> {
        if let Some(path) = target.options.get(SPEC) {
            return by_spec(archive, target, path);
        }
        if let Some(value) = target.options.get(VARIABLES) {
            return Err(option(VARIABLES, value, "is of no use without file-spec"));
        }
        // Everything is refused that can be before the first file is read. What is found out on the way is not kept: it
        // would take more than half as much memory as the plan.
        let mut places = Places::default();
        let entries = || archive.entries().filter(|entry| entry.kind() != EntryKind::Directory);
        let mut count = 0;
        for entry in entries() {
            count += usize::from(chosen(target, &entry, &mut places)?.is_some());
        }
        if count == 0 {
            return Err(nothing_found(archive, &target.files));
        }
        archive.expect(entries().filter(|entry| target.files.rest(entry.path()).is_some()));
        let properties = Arc::default();
        let mut plans = Vec::with_capacity(count);
        for entry in entries() {
            if let Some(place) = chosen(target, &entry, &mut places)? {
                plans.push(planned(Chosen { entry, place, properties: Arc::clone(&properties) })?);
            }
        }
        Ok(plans)
    }
}

/// Where a file goes, where it is one of those that `Files` names.
fn chosen(target: &Target, entry: &Entry, places: &mut Places) -> Result<Option<Place>, PackageError> {
    let Some(rest) = target.files.rest(entry.path()) else { return Ok(None) };
    refuse_link(entry)?;
    let place = place::under_target_path(target.path.as_ref(), entry.path(), rest)?;
    place::kept(places, &place, entry.path()).map(Some)
}

/// The files that a file spec in the artifact names. Of several artifacts each goes by its own.
fn by_spec(archive: &Archive, target: &Target, path: &str) -> Result<Vec<Planned>, PackageError> {
    let path = path.strip_prefix("./").unwrap_or(path);
    if target.path.is_some() || !target.files.is_everything() {
        return Err(option(SPEC, path, "says which files go where: leave out Files and TargetPath"));
    }
    let variables = target.options.get(VARIABLES).map(|text| variables(text)).transpose()?.unwrap_or_default();
    let Some(spec) = Spec::read(archive, path, &variables, &target.repository)? else {
        let looked_for = format!("the artifact holds no file spec {path}");
        return Err(PackageError::NothingFound { kind: "generic", looked_for });
    };
    let (chosen, warnings) = spec.choose(archive)?;
    archive.expect(chosen.iter().map(|chosen| &chosen.entry));
    let mut plans = Vec::with_capacity(chosen.len());
    for chosen in chosen {
        plans.push(planned(chosen)?);
    }
    if let (Some(Planned::File(first)), false) = (plans.first(), warnings.is_empty()) {
        let first = PackagePlan { warnings, ..first.package(&target.repository.as_str().into()) };
        plans.splice(..1, [first.into()]);
    }
    Ok(plans)
}

/// `name=value,name=value`.
fn variables(text: &str) -> Result<BTreeMap<String, String>, PackageError> {
    let mut variables = BTreeMap::new();
    for pair in text.split(',') {
        let pair = pair.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = pair.filter(|(name, _)| !name.is_empty()) else {
            return Err(option(VARIABLES, text, "is not of the form name=value,name2=value2"));
        };
        if variables.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(option(VARIABLES, text, "gives a variable twice"));
        }
    }
    Ok(variables)
}

fn option(name: &'static str, value: &str, problem: &str) -> PackageError {
    PackageError::Option { name, value: value.to_owned(), problem: problem.to_owned() }
}

/// A file of the artifact that is to be published.
#[derive(Debug)]
struct Chosen {
    entry: Entry,
    place: Place,
    /// Properties of its own, besides those of all.
    properties: Arc<Properties>,
}

/// The plan of a file, its digests taken while it is read.
fn planned(Chosen { entry, place, properties }: Chosen) -> Result<Planned, PackageError> {
    let failed = |source| ArchiveError::Read { entry: entry.path().to_owned(), source };
    let digests = Digests::of_plain(entry.open()?).map_err(failed)?;
    Ok(Planned::File(FilePlan::new(entry, place, properties, &digests)))
}

/// A link is never followed, and a copy of it would be another file: left out unasked it would be missed.
fn refuse_link(entry: &Entry) -> Result<(), PackageError> {
    if entry.kind() != EntryKind::Symlink {
        return Ok(());
    }
    Err(PackageError::Refused {
        path: entry.path().to_owned(),
        problem: "is a symbolic link, which is neither followed nor published".to_owned(),
        remedy: format!(
            "let the build put the file itself there, or leave the link out with Files (!{})",
            entry.path()
        ),
    })
}

/// That no file was chosen, what would have been, and what there is.
fn nothing_found(archive: &Archive, files: &Selection) -> PackageError {
    let there: Vec<Entry> = archive.entries().filter(|entry| entry.kind() != EntryKind::Directory).collect();
    let looked_for = match (there.as_slice(), files.included()) {
        ([], _) => "the artifact holds no file".to_owned(),
        (there, []) => format!("Files excludes all {} files of the artifact: {}", there.len(), names(there)),
        (there, patterns) => {
            let folders: Vec<&str> = patterns.iter().map(String::as_str).filter(|it| is_folder(archive, it)).collect();
            let hint = match folders.as_slice() {
                [] => String::new(),
                [folder, ..] => {
                    let folder = folder.trim_end_matches('/');
                    format!(" ({folder} is a folder: for what is in it, write {folder}/**)")
                }
            };
            let patterns = patterns.join(", ");
            format!("no file of the artifact matches {patterns}{hint}; it holds {}", names(there))
        }
    };
    PackageError::NothingFound { kind: "generic", looked_for }
}

fn is_folder(archive: &Archive, pattern: &str) -> bool {
    archive.below(pattern.trim_end_matches('/')).next().is_some()
}

fn names(entries: &[Entry]) -> String {
    let shown: Vec<&str> = entries.iter().take(SHOWN).map(Entry::path).collect();
    match entries.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
