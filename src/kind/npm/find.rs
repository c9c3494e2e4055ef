//! Which packages an artifact holds. A `package.json` at its root is the package, with its public workspace members;
//! else the ready archives are; else the outermost folders with a `package.json`. `Files` narrows which of these
//! files are looked at, never what goes into a package. Nothing under a `node_modules` is ever looked at.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::super::PackageError;
use super::js;
use super::manifest::{self, refused};
use super::pnpm;
use super::ready::Ready;
use super::workspaces::Globs;
use crate::archive::{Archive, Entry, EntryKind, MAX_MANIFEST, Selection};

/// How many files are fetched before anybody has asked for them.
const FEW: usize = 200;

/// A package to publish.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder to pack: its path (empty for the root), its manifest as it is in the file, and, where npm's
    /// `workspaces` are in that, the paths of their members below it, private ones too.
    Folder(String, Map<String, Value>, Vec<String>),
    /// A ready archive.
    Ready(Entry, Box<Ready>),
}

/// All packages of the artifact, or why there is none.
pub(super) fn find(archive: &Archive, files: &Selection) -> Result<Vec<Found>, PackageError> {
    let manifests: Vec<Entry> =
        candidates(archive, files).filter(|entry| js::basename(entry.path()) == "package.json").collect();
    let mut found = Vec::new();
    if let Some(root) = manifests.iter().find(|entry| entry.path() == "package.json") {
        expand(archive, root, &manifests, &mut found)?;
    } else {
        let mut without = Vec::new();
        for entry in candidates(archive, files).filter(|entry| is_ready(archive, entry)) {
            refuse_symlink(&entry)?;
            archive.expect([&entry]);
            match Ready::read(&entry)? {
                Some(ready) => found.push(Found::Ready(entry, Box::new(ready))),
                // Asked for by name, it was meant to be a package; otherwise it is somebody's data.
                None if !files.is_everything() => {
                    return Err(refused(
                        entry.path(),
                        "holds no package: no */package.json in it",
                        "leave it out with Files",
                    ));
                }
                None => without.push(entry.path().to_owned()),
            }
        }
        if found.is_empty() {
            // A set, because a test suite may hold a hundred thousand manifests.
            let folders: HashSet<&str> = manifests.iter().map(folder_of).collect();
            let mut outermost: Vec<&str> = Vec::new();
            for entry in &manifests {
                let folder = folder_of(entry);
                let inner = folder
                    .match_indices('/')
                    .any(|(at, _)| folder.get(..at).is_some_and(|outer| folders.contains(outer)));
                if !inner {
                    outermost.push(folder);
                    expand(archive, entry, &manifests, &mut found)?;
                }
            }
            if outermost.is_empty() {
                // A tar is a package for npm; among other things it is rather data.
                let tars = candidates(archive, files).filter(|entry| {
                    entry.kind() == EntryKind::File && entry.path().to_ascii_lowercase().ends_with(".tar")
                });
                for entry in tars {
                    if let Some(ready) = Ready::read(&entry)? {
                        found.push(Found::Ready(entry, Box::new(ready)));
                    }
                }
                if found.is_empty() {
                    return Err(nothing(archive, files, &without));
                }
            }
        }
    }
    if found.is_empty() {
        return Err(PackageError::NothingFound {
            kind: "npm",
            looked_for: "the package.json is private, and none of its workspace members is public".to_owned(),
        });
    }
    Ok(found)
}

/// The files that say what there is and what goes into a package, as far as they are few.
pub(super) fn small(archive: &Archive) -> Vec<Entry> {
    const TELLING: [&str; 4] = ["package.json", ".npmignore", ".gitignore", "README.md"];
    let telling = |entry: &Entry| TELLING.contains(&js::basename(entry.path()));
    let all = Selection::default();
    let mut small: Vec<Entry> = candidates(archive, &all).filter(telling).collect();
    small.sort_by_key(|entry| entry.path().matches('/').count());
    small.truncate(FEW);
    small
}

/// What may be looked at, in the order of the paths' bytes.
fn candidates<'a>(archive: &'a Archive, files: &'a Selection) -> impl Iterator<Item = Entry> + 'a {
    archive.entries().filter(|entry| {
        let path = entry.path();
        entry.kind() != EntryKind::Directory
            && !path.split('/').any(|name| name == "node_modules")
            && files.matches(path)
    })
}

/// How the names of ready archives end.
pub(super) const ENDINGS: [&str; 2] = [".tgz", ".tar.gz"];

/// Whether the entry is an archive by its name, or, where it is the whole artifact, by its first bytes.
fn is_ready(archive: &Archive, entry: &Entry) -> bool {
    let name = js::basename(entry.path()).to_ascii_lowercase();
    let named = ENDINGS.iter().any(|suffix| name.ends_with(suffix));
    named || (archive.len() == 1 && entry.kind() == EntryKind::File && begins_like_gzip(entry))
}

fn begins_like_gzip(entry: &Entry) -> bool {
    let mut magic = [0; 2];
    entry
        .open()
        .is_ok_and(|mut reader| std::io::Read::read_exact(&mut reader, &mut magic).is_ok() && magic == [0x1f, 0x8b])
}

fn refuse_symlink(entry: &Entry) -> Result<(), PackageError> {
    match entry.kind() {
        EntryKind::Symlink => Err(refused(
            entry.path(),
            "is a symbolic link, which is not followed",
            "put the file itself into the artifact",
        )),
        _ => Ok(()),
    }
}

fn read(entry: &Entry) -> Result<Map<String, Value>, PackageError> {
    refuse_symlink(entry)?;
    manifest::parse(&entry.read_to_memory(MAX_MANIFEST)?, entry.path())
}

/// The path of the folder that the manifest is in.
fn folder_of(entry: &Entry) -> &str {
    entry.path().rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The package of a manifest and, where it declares workspaces, its members. A private one with workspaces, and a
/// private member, is left out.
fn expand(archive: &Archive, entry: &Entry, all: &[Entry], found: &mut Vec<Found>) -> Result<(), PackageError> {
    let own = read(entry)?;
    let folder = folder_of(entry).to_owned();
    let npms = Globs::of(&own, entry.path())?;
    let is_npms = npms.is_some();
    let globs = match npms {
        None => pnpm::globs(archive, &folder)?,
        globs => globs,
    };
    let Some(globs) = globs else {
        found.push(Found::Folder(folder, own, Vec::new()));
        return Ok(());
    };
    let (inside, skip) = below(all, &folder);
    let inner = |member: &Entry| folder_of(member).get(skip..).unwrap_or_default().to_owned();
    let mut members = Vec::new();
    for member in inside {
        if globs.take(&inner(member)) {
            members.push(member);
        }
        globs.within_bounds(|| entry.path().to_owned())?;
    }
    if !manifest::is_private(&own) {
        let paths = if is_npms { members.iter().map(|member| inner(member)).collect() } else { Vec::new() };
        found.push(Found::Folder(folder, own, paths));
    }
    let mut named: HashMap<String, &str> = HashMap::new();
    for member in members {
        let manifest = read(member)?;
        if let Some(name) = manifest.get("name").and_then(Value::as_str).filter(|_| is_npms)
            && let Some(other) = named.insert(name.to_owned(), folder_of(member))
        {
            return Err(refused(
                member.path(),
                &format!("has the name {name:?}, as {other}/package.json has, and both are members of one workspace"),
                "give one of them another name, or leave it out of the workspace",
            ));
        }
        if !manifest::is_private(&manifest) {
            found.push(Found::Folder(folder_of(member).to_owned(), manifest, Vec::new()));
        }
    }
    Ok(())
}

/// Those of the entries, which are in the order of their paths' bytes, that lie below the folder, and how many bytes
/// of their paths are the folder's.
fn below<'e>(all: &'e [Entry], folder: &str) -> (&'e [Entry], usize) {
    if folder.is_empty() {
        return (all, 0);
    }
    let begin = format!("{folder}/");
    let from = all.partition_point(|entry| *entry.path() < *begin);
    let rest = all.get(from..).unwrap_or_default();
    let count = rest.partition_point(|entry| entry.path().starts_with(&begin));
    (rest.get(..count).unwrap_or_default(), begin.len())
}

/// The error for an artifact without a package: what was looked for, what is there, what it looks like.
fn nothing(archive: &Archive, files: &Selection, without: &[String]) -> PackageError {
    let mut sentence = "looked for a package.json, or .tgz files that hold one".to_owned();
    if !files.is_everything() {
        sentence.push_str(", among the files that Files selects");
    }
    if !without.is_empty() {
        let names: Vec<&str> = without.iter().map(String::as_str).take(5).collect();
        sentence = format!("{sentence}; without a package in it: {}", names.join(", "));
    }
    let mut top: Vec<String> = Vec::new();
    for entry in archive.entries() {
        let path = entry.path();
        let name = match path.split_once('/') {
            Some((folder, _)) => format!("{folder}/"),
            None if entry.kind() == EntryKind::Directory => format!("{path}/"),
            None => path.to_owned(),
        };
        if !top.contains(&name) {
            top.push(name);
            if top.len() > 5 {
                break;
            }
        }
    }
    let there = match top.as_slice() {
        [] => "nothing at all".to_owned(),
        [first @ .., _] if first.len() == 5 => format!("{}, …", first.join(", ")),
        all => all.join(", "),
    };
    PackageError::NothingFound { kind: "npm", looked_for: format!("{sentence}; in the artifact: {there}") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::source::Memory;
    use crate::make::Zip;

    #[test]
    fn each_manifest_is_looked_at_once_however_many_workspaces_there_are() {
        let roots = 300;
        let zip = (0..roots).fold(Zip::new().file("r/package.json", "{}"), |zip, root| {
            let own = format!("r{root}");
            zip.file(&format!("{own}/package.json"), "{}").file(&format!("{own}/m/package.json"), "{}")
        });
        let archive = Archive::open(Arc::new(Memory(zip.bytes().into())), "Build", "x").unwrap();
        let all: Vec<Entry> = archive.entries().collect();
        let looked: usize = (0..roots).map(|root| below(&all, &format!("r{root}")).0.len()).sum();
        assert_eq!(looked, 2 * roots);
        assert_eq!(below(&all, "").0.len(), all.len());
        let (inside, skip) = below(&all, "r1");
        let paths: Vec<&str> = inside.iter().map(|entry| entry.path().get(skip..).unwrap()).collect();
        assert_eq!(paths, ["m/package.json", "package.json"]);
    }
}
