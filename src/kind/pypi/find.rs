//! Which distributions an artifact holds: every wheel and source distribution in it, or the artifact itself where that
//! is one. `Files` narrows what is looked at. What is installed in it is not the build's, and never looked at.

use std::collections::BTreeMap;

use super::super::PackageError;
use super::filename::{FileName, Form, Packing};
use super::inside::Inside;
use super::metadata::Metadata;
use super::refused;
use crate::archive::{Archive, Entry, EntryKind, Selection};
use crate::package::Digests;

/// Folders into which packages are installed.
const INSTALLED: [&str; 3] = ["site-packages", "dist-packages", "node_modules"];
/// Most bytes of metadata that the distributions of an artifact may have together: all of it is in the plan.
const MAX_TOGETHER: u64 = 16 << 20;
/// What a distribution counts at least.
const LEAST: u64 = 4 << 10;

/// A distribution to publish.
#[derive(Debug)]
pub(super) struct Distribution {
    /// Where it is.
    pub(super) entry: Entry,
    /// The file's name.
    pub(super) file: String,
    /// What it is.
    pub(super) form: Form,
    /// Where its metadata is, for messages.
    pub(super) at: String,
    /// Its metadata.
    pub(super) metadata: Metadata,
    /// Its digests.
    pub(super) digests: Digests,
}

/// All distributions of the artifact, or why there is none.
pub(super) fn find(archive: &Archive, files: &Selection) -> Result<Vec<Distribution>, PackageError> {
    let mut candidates: Vec<(Entry, Packing)> = archive.entries().filter_map(|entry| candidate(entry, files)).collect();
    if candidates.is_empty() && is_wheel(archive) {
        let whole = archive.whole();
        candidates.extend(files.matches(whole.path()).then_some((whole, Packing::Wheel)));
    }
    let mut found: BTreeMap<String, Distribution> = BTreeMap::new();
    let mut without = Vec::new();
    let mut together = 0_u64;
    for (entry, packing) in candidates {
        if entry.kind() == EntryKind::Symlink {
            return Err(refused(
                entry.path(),
                "is a symbolic link, which is not followed",
                "put the file itself into the artifact",
            ));
        }
        entry.archive().expect([&entry]);
        let Some(inside) = Inside::read(&entry, packing)? else {
            // Asked for by name, it was meant to be one; otherwise it is somebody's data.
            if !files.is_everything() || entry.is_whole() {
                return Err(refused(
                    entry.path(),
                    "is no source distribution: there is no PKG-INFO in its folder",
                    "leave it out with Files",
                ));
            }
            without.push(entry.path().to_owned());
            continue;
        };
        let distribution = Distribution::new(entry, inside)?;
        let size: usize = distribution.metadata.fields.iter().map(|(_, value)| value.len()).sum();
        together = together.saturating_add((size as u64).max(LEAST));
        if together > MAX_TOGETHER {
            return Err(refused(
                &distribution.at,
                &format!("is too much: the metadata of all distributions together may have {MAX_TOGETHER} bytes"),
                "publish fewer of them in one action, with Files",
            ));
        }
        match found.get(&distribution.file) {
            Some(other) if other.digests.sha256 == distribution.digests.sha256 => {}
            Some(other) => {
                let problem = format!("is called as {}, and has other content", other.entry.path());
                return Err(refused(distribution.entry.path(), &problem, "leave one of them out with Files"));
            }
            None => drop(found.insert(distribution.file.clone(), distribution)),
        }
    }
    if found.is_empty() {
        return Err(nothing(archive, &without));
    }
    Ok(found.into_values().collect())
}

impl Distribution {
    fn new(entry: Entry, inside: Inside) -> Result<Self, PackageError> {
        let Inside { at, metadata, digests, proper_name } = inside;
        let given = basename(entry.path());
        let (file, parsed) = match FileName::parse(given) {
            // The key of an artifact says nothing: where the artifact is the file, that has the name which it should.
            Err(_) if entry.is_whole() => (proper_name.clone(), FileName::parse(&proper_name)),
            parsed => (given.to_owned(), parsed),
        };
        let parsed = parsed.map_err(|problem| {
            refused(entry.path(), &problem, &format!("call it {proper_name}, or leave it out with Files"))
        })?;
        if !parsed.is_of(&metadata.name, &metadata.version) {
            return Err(refused(
                entry.path(),
                &format!(
                    "is not called after what its metadata says it is: Name {}, Version {}",
                    metadata.name, metadata.spelled
                ),
                &format!("build it again, or call it {proper_name}"),
            ));
        }
        Ok(Self { entry, file, form: parsed.form, at, metadata, digests })
    }
}

fn candidate(entry: Entry, files: &Selection) -> Option<(Entry, Packing)> {
    let path = entry.path();
    if entry.kind() == EntryKind::Directory || !files.matches(path) {
        return None;
    }
    if entry.is_whole() {
        return Some((entry, Packing::TarGz));
    }
    let is_hidden = |folder: &str| INSTALLED.contains(&folder) || (files.is_everything() && folder.starts_with('.'));
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let packing = Packing::of(name)?;
    // A tar or zip that is called like data is data, unless it is asked for.
    let is_meant = packing == Packing::Wheel || !files.is_everything() || FileName::parse(name).is_ok();
    (is_meant && !folders.split('/').any(is_hidden)).then_some((entry, packing))
}

/// Whether the artifact is itself a wheel, and not a folder into which one was installed.
fn is_wheel(archive: &Archive) -> bool {
    let mut folders = archive.entries().filter_map(|entry| {
        let (folder, file) = entry.path().split_once('/')?;
        (folder.ends_with(".dist-info") && file == "METADATA").then(|| folder.to_owned())
    });
    let (Some(folder), None) = (folders.next(), folders.next()) else { return false };
    let has = |file: &str| archive.find(&format!("{folder}/{file}")).is_some();
    has("WHEEL") && has("RECORD") && !has("INSTALLER")
}

fn nothing(archive: &Archive, without: &[String]) -> PackageError {
    let mut looked_for = "no wheel (*.whl) and no source distribution (name-version.tar.gz)".to_owned();
    if let Some(first) = without.first() {
        let more = match without.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        looked_for = format!("{looked_for}; without a PKG-INFO, and so none: {first}{more}");
    }
    let source = ["pyproject.toml", "setup.py", "setup.cfg"].into_iter().find(|file| archive.find(file).is_some());
    if let Some(file) = source {
        looked_for = format!("{looked_for}; there is a {file}, so let the build make them (python -m build)");
    }
    PackageError::NothingFound { kind: "pypi", looked_for }
}

fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
