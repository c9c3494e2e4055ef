//! Which packages an artifact holds. A `package.json` at its root is the package, with its public workspace members;
//! else the ready archives are; else the outermost folders with a `package.json`. `Files` narrows which of these
//! files are looked at, never what goes into a package. Nothing under a `node_modules` is ever looked at.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::PackageError;
use super::glob::Glob;
use super::js;
use super::manifest::{self, refused};
use super::ready::Ready;
use super::segment::Case;
use crate::archive::{Archive, Entry, EntryKind, MAX_MANIFEST, Selection};

/// A package to publish.
#[derive(Debug)]
pub(super) enum Found {
    /// A folder to pack: its path (empty for the root) and its manifest as it is in the file.
    Folder(String, Map<String, Value>),
    /// A ready archive.
    Ready(Entry, Box<Ready>),
}

/// All packages of the artifact, or why there is none.
pub(super) fn find(archive: &Archive, files: &Selection) -> Result<Vec<Found>, PackageError> {
    let manifests: Vec<Entry> =
        candidates(archive, files).filter(|entry| js::basename(entry.path()) == "package.json").collect();
    let mut found = Vec::new();
    if let Some(root) = manifests.iter().find(|entry| entry.path() == "package.json") {
        expand(root, &manifests, &mut found)?;
    } else {
        let mut without = Vec::new();
        for entry in candidates(archive, files).filter(|entry| is_ready(archive, entry)) {
            refuse_symlink(&entry)?;
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
                    expand(entry, &manifests, &mut found)?;
                }
            }
            if outermost.is_empty() {
                return Err(nothing(archive, files, &without));
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

/// What may be looked at, in the order of the paths' bytes.
fn candidates<'a>(archive: &'a Archive, files: &'a Selection) -> impl Iterator<Item = Entry> + 'a {
    archive.entries().filter(|entry| {
        let path = entry.path();
        entry.kind() != EntryKind::Directory
            && !path.split('/').any(|name| name == "node_modules")
            && files.matches(path)
    })
}

/// Whether the entry is an archive by its name, or, where it is the whole artifact, by its first bytes.
fn is_ready(archive: &Archive, entry: &Entry) -> bool {
    let name = js::basename(entry.path()).to_ascii_lowercase();
    let named = [".tgz", ".tar.gz"].iter().any(|suffix| name.ends_with(suffix));
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
fn expand(entry: &Entry, all: &[Entry], found: &mut Vec<Found>) -> Result<(), PackageError> {
    let own = read(entry)?;
    let folder = folder_of(entry).to_owned();
    let Some(patterns) = workspaces(&own, entry.path())? else {
        found.push(Found::Folder(folder, own));
        return Ok(());
    };
    if !manifest::is_private(&own) {
        found.push(Found::Folder(folder.clone(), own));
    }
    for member in all.iter().filter(|member| folder_of(member) != folder) {
        let path = folder_of(member);
        let Some(inner) = path.strip_prefix(folder.as_str()) else {
            continue;
        };
        let inner = if folder.is_empty() { inner } else { inner.strip_prefix('/').unwrap_or_default() };
        let is_member = !inner.is_empty()
            && patterns.iter().fold(
                false,
                |is_member, (glob, takes)| {
                    if fits(glob, inner) { *takes } else { is_member }
                },
            );
        if is_member {
            let manifest = read(member)?;
            if !manifest::is_private(&manifest) {
                found.push(Found::Folder(path.to_owned(), manifest));
            }
        }
    }
    Ok(())
}

/// Whether the glob takes the folder. Names with a leading dot are not meant by a wildcard.
fn fits(glob: &(String, Glob), folder: &str) -> bool {
    let (text, glob) = glob;
    let hidden = folder.split('/').find(|name| name.starts_with('.'));
    glob.matches_path(&format!("/{folder}"), Case::Exact)
        && hidden.is_none_or(|name| text.split('/').any(|part| part == name))
}

type Pattern = ((String, Glob), bool);

/// The globs of `workspaces`, each with whether it takes or leaves out; `None` where there are none.
fn workspaces(manifest: &Map<String, Value>, path: &str) -> Result<Option<Vec<Pattern>>, PackageError> {
    let unusable =
        |problem: &str| refused(path, &format!("has \"workspaces\" that {problem}"), "make it a list of globs");
    let items = match manifest.get("workspaces") {
        workspaces if !js::truthy(workspaces) => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(Value::Object(members)) => match members.get("packages") {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => return Ok(None),
            Some(_) => return Err(unusable("have \"packages\" that are no list")),
        },
        _ => return Err(unusable("are no list")),
    };
    let patterns = items.iter().map(|item| {
        let text = item.as_str().ok_or_else(|| unusable("hold something other than texts"))?;
        let plain = text.trim_start_matches('!');
        let takes = (text.len() - plain.len()) % 2 == 0;
        let plain = plain.trim_start_matches("./").trim_matches('/');
        // A bare name means the folder at the root, not one of that name anywhere.
        let glob = Glob::new(&format!("/{plain}"), Case::Exact).map_err(|_| unusable("stand for too much"))?;
        Ok(((plain.to_owned(), glob), takes))
    });
    patterns.collect::<Result<Vec<_>, _>>().map(Some)
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
    let hint = archive.entries().find_map(|entry| kind_of(entry.path()));
    let hint = hint.map(|kind| format!("; this looks like {kind}, but TypeOfArtifact is npm")).unwrap_or_default();
    PackageError::NothingFound { kind: "npm", looked_for: format!("{sentence}; in the artifact: {there}{hint}") }
}

/// What a file at the top of an artifact tells about it.
fn kind_of(path: &str) -> Option<&'static str> {
    let suffixes = [
        (".whl", "a Python package"),
        (".jar", "a Maven project"),
        (".gem", "a Ruby gem"),
        (".nupkg", "a NuGet package"),
        (".crate", "a Rust crate"),
        (".deb", "a Debian package"),
        (".rpm", "an RPM package"),
    ];
    match path {
        "pom.xml" => Some("a Maven project"),
        "build.gradle" | "build.gradle.kts" => Some("a Gradle project"),
        "pyproject.toml" | "setup.py" => Some("a Python project"),
        "Cargo.toml" => Some("a Rust crate"),
        "go.mod" => Some("a Go module"),
        "Chart.yaml" => Some("a Helm chart"),
        "composer.json" => Some("a Composer package"),
        _ if path.matches('/').count() > 1 => None,
        _ => suffixes.iter().find(|(suffix, _)| path.ends_with(suffix)).map(|(_, kind)| *kind),
    }
}
