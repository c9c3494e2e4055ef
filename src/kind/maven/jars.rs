//! Jars without a POM beside them that hold one: in the outermost folders that have any, or the artifact itself.

use std::collections::{BTreeMap, HashSet};

use super::super::PackageError;
use super::found::{File, Folders, Found, PomFile, Sorted, split};
use super::gav::Gav;
use super::inside::{Descriptor, Jar, kept};
use super::names::is_archive;
use super::pom::Pom;
use super::project::{Project, folder_of};
use super::refused;
use crate::archive::{Archive, Entry, EntryKind, Selection};

const REMEDY: &str = "hand over its POM with it, or leave it out with Files";

/// A POM inside a jar.
struct Inner {
    gav: Gav,
    pom: Pom,
    /// Jar and path.
    path: String,
    bytes: Vec<u8>,
}

/// Whether the artifact is a jar itself (JAR File Specification: the manifest is at this path).
pub(super) fn is_one(archive: &Archive) -> bool {
    archive.find("META-INF/MANIFEST.MF").is_some_and(|entry| entry.kind() == EntryKind::File)
}

/// Jars as packages.
pub(super) fn find(archive: &Archive, files: &Selection) -> Result<Vec<Found>, PackageError> {
    let is_jar =
        |entry: &Entry| entry.kind() != EntryKind::Directory && is_archive(entry.path()) && files.matches(entry.path());
    let folders: HashSet<String> =
        archive.entries().filter(is_jar).map(|entry| folder_of(entry.path()).to_owned()).collect();
    let is_outermost = |folder: &&String| {
        let mut above = folder.match_indices('/').filter_map(|(at, _)| folder.get(..at));
        !above.any(|above| folders.contains(above)) && (folder.is_empty() || !folders.contains(""))
    };
    let mut outermost: Vec<String> = folders.iter().filter(is_outermost).cloned().collect();
    outermost.sort();
    let listed = Folders::list(archive, files, outermost.iter().cloned().collect());
    let mut found = Vec::new();
    for folder in outermost {
        found.extend(in_folder(listed.of(&folder))?);
    }
    Ok(found)
}

/// The packages of a folder: each jar that holds its POM, with the files that are called like it.
fn in_folder(files: &[Entry]) -> Result<Vec<Found>, PackageError> {
    let mut mains = BTreeMap::new();
    for entry in files.iter().filter(|entry| is_archive(entry.path())) {
        if entry.kind() != EntryKind::File {
            return Err(refused(entry.path(), "is a symbolic link, which is never followed", REMEDY));
        }
        let jar = Jar::open(entry)?;
        if let Some(inner) = own(entry, &jar)? {
            let file = File { digests: Some(jar.digests), ..File::new(entry.clone(), extension(entry)) };
            mains.insert(stem(entry).to_owned(), packed(inner, file)?);
        }
    }
    let Sorted { files: mut attached, others } = Sorted::by_stem(files, &mains.keys().cloned().collect());
    if let Some(stray) = others.iter().find(|entry| is_archive(entry.path())) {
        let problem = "has no POM beside it, and none inside that is called like it";
        return Err(refused(stray.path(), problem, REMEDY));
    }
    let with_attached = |(stem, mut package): (String, Found)| {
        let mains: Vec<String> = package.files.iter().map(|file| file.rest.clone()).collect();
        let attached = attached.remove(&stem).unwrap_or_default().into_iter();
        package.files.extend(attached.filter(|file| !mains.contains(&file.rest)));
        package
    };
    Ok(mains.into_iter().map(with_attached).collect())
}

/// Which of the POMs inside a jar is its own: the one that its name is of.
fn own(entry: &Entry, jar: &Jar) -> Result<Option<Inner>, PackageError> {
    let (_, name) = split(entry.path());
    let stem = stem(entry);
    let mut only = None;
    let folders = jar.descriptors();
    for folder in &folders {
        // The artifact's id is the folder's name.
        let (_, artifact) = split(folder);
        if folders.len() > 1 && !stem.starts_with(artifact) {
            continue;
        }
        let Some(read) = read(entry, jar, folder)? else { continue };
        let Inner { gav, pom, .. } = &read;
        let final_name = Project::alone("", pom.clone()).final_name(gav);
        let own = [gav.stem(), gav.artifact().to_owned(), final_name].iter().any(|own| own == stem);
        if own
            || gav
                .split(name)
                .is_some_and(|(own, rest)| own.len() + rest.len() == name.len() && rest == extension(entry))
        {
            return Ok(Some(read));
        }
        only = Some(read);
    }
    match only {
        // A classifier's jar may hold the same POM as the main one.
        Some(Inner { gav, .. }) if folders.len() == 1 && gav.split(name).is_none() => Err(refused(
            entry.path(),
            &format!("holds the POM of {gav}, whose file would be called {}{}", gav.stem(), extension(entry)),
            "give it the name that its build gives it, or hand over its POM with it",
        )),
        _ => Ok(None),
    }
}

/// The package of a jar that is the artifact itself.
pub(super) fn alone(archive: &Archive) -> Result<Found, PackageError> {
    let (entry, jar) = (archive.whole(), Jar::whole(archive)?);
    let folders = jar.descriptors();
    let unknown = |problem: &str| {
        Err(refused(entry.path(), problem, "hand over an artifact with the jar and, beside it, its POM"))
    };
    let [folder] = folders.as_slice() else {
        return match folders.len() {
            0 => unknown("is a jar that does not hold its POM"),
            count => unknown(&format!("is a jar that holds {count} POMs, so that nobody can tell which is its own")),
        };
    };
    let Some(inner) = read(&entry, &jar, folder)? else {
        return unknown("is a jar that does not hold its POM");
    };
    // What the object in S3 is called says nothing.
    let extension = match inner.pom.packaging() {
        packaging @ ("war" | "ear" | "rar" | "aar") => packaging,
        _ => "jar",
    };
    let file = File { digests: Some(jar.digests), ..File::new(entry, format!(".{extension}")) };
    packed(inner, file)
}

fn read(entry: &Entry, jar: &Jar, folder: &str) -> Result<Option<Inner>, PackageError> {
    let Some(Descriptor { pom: bytes, named }) = jar.descriptor(folder, entry.path())? else { return Ok(None) };
    let path = format!("{}:{folder}/pom.xml", entry.path());
    let pom = Pom::parse(&bytes, &path)?;
    let project = Project::alone(&path, pom.clone());
    let gav = pom.gav(&path, |text| project.resolve(text))?;
    if let Some(named) = named
        && (named.group.as_str(), named.artifact.as_str(), named.version.as_str())
            != (gav.group(), gav.artifact(), gav.version())
    {
        let problem = format!(
            "says that it is {gav}, but pom.properties beside it says {}:{}:{}",
            named.group, named.artifact, named.version
        );
        return Err(refused(&path, &problem, "build the jar anew"));
    }
    Ok(Some(Inner { gav, pom, path, bytes }))
}

fn packed(inner: Inner, file: File) -> Result<Found, PackageError> {
    let Inner { gav, pom, path, bytes } = inner;
    let bytes = kept(&bytes, &path)?;
    let packaging = pom.packaging().to_owned();
    Ok(Found { gav, packaging, pom: PomFile::Inside { path, bytes }, files: vec![file], warnings: Vec::new() })
}

/// An archive's name without its end.
fn stem(entry: &Entry) -> &str {
    let (_, name) = split(entry.path());
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The end of an archive's name, with its dot.
fn extension(entry: &Entry) -> String {
    entry.path().rsplit_once('.').map_or_else(String::new, |(_, extension)| format!(".{extension}"))
}
