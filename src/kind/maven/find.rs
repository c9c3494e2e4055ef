//! What of an artifact are Maven's packages. The first of these ways that finds any is the one: a repository's layout;
//! modules as Maven builds them; publications as Gradle
//! builds them; POMs beside their files; jars that hold their POM. An artifact that is a jar is a package by itself.

use std::collections::{BTreeMap, HashSet};

use super::super::PackageError;
use super::found::{Folders, Found, Sorted, left_out, some, split, take};
use super::gav::Gav;
use super::names::extension;
use super::pom::Pom;
use super::project::{Project, folder_of, pom_at};
use super::{jars, refused};
use crate::archive::{Archive, Entry, EntryKind, MAX_MANIFEST, Selection};

/// Where Gradle's `maven-publish` writes the POM of a publication.
const PUBLICATION: &str = "/build/publications/";

/// Everything that is to be published.
pub(super) fn find(archive: &Archive, files: &Selection) -> Result<Vec<Found>, PackageError> {
    if jars::is_one(archive) {
        return jars::alone(archive).map(|found| vec![found]);
    }
    let (laid_out, beside) = poms(archive, files)?;
    if !laid_out.is_empty() {
        return in_layout(archive, files, laid_out);
    }
    for way in [modules, publications] {
        let found = way(archive, files)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if !beside.is_empty() {
        return beside_files(archive, files, beside);
    }
    jars::find(archive, files)
}

/// A POM under its own name, e.g. `lib-1.0.pom`.
struct Named {
    entry: Entry,
    packaging: String,
    gav: Gav,
    /// What its name begins with.
    stem: String,
}

/// POMs under their own names: those that lie where a repository has them, and the others.
fn poms(archive: &Archive, files: &Selection) -> Result<(Vec<Named>, Vec<Named>), PackageError> {
    let (mut laid_out, mut beside) = (Vec::new(), Vec::new());
    let is_pom = |entry: &Entry| entry.kind() != EntryKind::Directory && extension(entry.path()) == "pom";
    for entry in archive.entries().filter(is_pom).filter(|entry| files.matches(entry.path())) {
        let (folder, name) = split(entry.path());
        if is_fetched(archive, folder, name)? {
            continue;
        }
        let pom = Pom::read(&entry)?;
        let packaging = pom.packaging().to_owned();
        let gav = alone(entry.path(), pom)?;
        let Some((stem, ".pom")) = gav.split(name) else {
            let problem = format!("says that it is {gav}, whose POM is called {}.pom", gav.stem());
            return Err(refused(entry.path(), &problem, "give it the name of what it says, or correct what it says"));
        };
        let stem = stem.to_owned();
        let is_laid_out = format!("/{folder}").ends_with(&format!("/{}", gav.folder()));
        // As a repository has it, but for the group: a layout it is, and a wrong one.
        if !is_laid_out && format!("/{folder}").ends_with(&format!("/{}/{}", gav.artifact(), gav.version())) {
            let problem = format!("lies in {folder}, but says that it is {gav}, whose place is {}", gav.folder());
            return Err(refused(
                entry.path(),
                &problem,
                "let the build deploy it to that folder, or correct what it says",
            ));
        }
        let list = if is_laid_out { &mut laid_out } else { &mut beside };
        list.push(Named { entry, packaging, gav, stem });
    }
    Ok((laid_out, beside))
}

/// Whether a local repository says of a file that it was fetched from elsewhere: a dependency, no product of the build.
/// Its `_remote.repositories` has lines such as `lib-1.0.pom>central=`, without a name for what was installed
/// (Maven Resolver, "Enhanced Local Repository").
fn is_fetched(archive: &Archive, folder: &str, name: &str) -> Result<bool, PackageError> {
    let Some(list) = archive.find(&format!("{folder}/_remote.repositories")) else { return Ok(false) };
    if list.kind() != EntryKind::File {
        return Ok(false);
    }
    let list = list.read_to_memory(MAX_MANIFEST)?;
    let list = String::from_utf8_lossy(&list);
    let mut origins = list.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('>'));
    Ok(origins.next().is_some_and(|origin| origin != "="))
}

/// Versions of a repository: each folder of a version, or of a snapshot its newest build.
fn in_layout(archive: &Archive, files: &Selection, poms: Vec<Named>) -> Result<Vec<Found>, PackageError> {
    let mut builds: BTreeMap<String, Vec<Named>> = BTreeMap::new();
    for named in poms {
        builds.entry(folder_of(named.entry.path()).to_owned()).or_default().push(named);
    }
    let folders = Folders::list(archive, files, builds.keys().cloned().collect());
    let mut found = Vec::new();
    for (folder, mut builds) in builds {
        builds.sort_by_key(build);
        let Some(Named { entry, packaging, gav, stem }) = builds.pop() else { continue };
        let older: Vec<&str> = builds.iter().map(|named| named.stem.as_str()).collect();
        let mut warnings = Vec::new();
        if !older.is_empty() {
            warnings.push(format!("left out, because {stem} is a newer build: {}", some(&older)));
        }
        let is_of_older = |entry: &&Entry| gav.split(split(entry.path()).1).is_some_and(|(own, _)| own != stem);
        let there: Vec<Entry> = folders.of(&folder).iter().filter(|entry| !is_of_older(entry)).cloned().collect();
        let files = take(&there, &mut warnings, |name| {
            let (own, rest) = gav.split(name)?;
            (own == stem && rest != ".pom").then(|| rest.to_owned())
        });
        found.push(Found::new(gav, packaging, entry, files, warnings).complete(&folders, &folder, &stem)?);
    }
    Ok(found)
}

/// Which build of a snapshot a POM is from: when, and the number of how many. One without a stamp is older than any.
fn build(named: &Named) -> (String, u64) {
    let stamp = named.gav.base().and_then(|base| named.stem.strip_prefix(named.gav.artifact())?.get(base.len() + 2..));
    let Some((when, number)) = stamp.and_then(|stamp| stamp.split_once('-')) else { return (String::new(), 0) };
    (when.to_owned(), number.parse().unwrap_or_default())
}

/// POMs in whatever folder, each with the files beside it that are called like it.
fn beside_files(archive: &Archive, files: &Selection, poms: Vec<Named>) -> Result<Vec<Found>, PackageError> {
    let mut by_folder: BTreeMap<String, Vec<Named>> = BTreeMap::new();
    for named in poms {
        by_folder.entry(folder_of(named.entry.path()).to_owned()).or_default().push(named);
    }
    let folders = Folders::list(archive, files, by_folder.keys().cloned().collect());
    let mut found = Vec::new();
    for (folder, poms) in by_folder {
        let stems = poms.iter().map(|named| named.stem.clone()).collect();
        let Sorted { mut files, others } = Sorted::by_stem(folders.of(&folder), &stems);
        let mut warnings: Vec<String> = left_out(&others).into_iter().collect();
        for Named { entry, packaging, gav, stem } in poms {
            let mut files = files.remove(&stem).unwrap_or_default();
            files.retain(|file| file.rest != ".pom");
            let version = Found::new(gav, packaging, entry, files, std::mem::take(&mut warnings));
            found.push(version.complete(&folders, &folder, &stem)?);
        }
    }
    Ok(found)
}

/// Modules as Maven builds them: the outermost `pom.xml`s and the modules that they name, each with what its `target`
/// holds.
fn modules(archive: &Archive, files: &Selection) -> Result<Vec<Found>, PackageError> {
    let is_pom = |entry: &Entry| entry.kind() != EntryKind::Directory && split(entry.path()).1 == "pom.xml";
    let all = archive.entries().filter(is_pom).filter(|entry| files.matches(entry.path()));
    let mut all: Vec<Entry> = all.collect();
    all.sort_by_key(|entry| entry.path().matches('/').count());
    let roots: HashSet<String> = all.iter().map(|entry| folder_of(entry.path()).to_owned()).collect();
    let is_outermost = |entry: &Entry| {
        let folder = folder_of(entry.path());
        let mut above = folder.match_indices('/').filter_map(|(at, _)| folder.get(..at));
        !above.any(|above| roots.contains(above)) && (folder.is_empty() || !roots.contains(""))
    };
    // The last comes first.
    let mut waiting: Vec<Entry> = all.into_iter().filter(|entry| is_outermost(entry)).rev().collect();
    let mut seen: HashSet<String> = HashSet::new();
    let mut projects = Vec::new();
    while let Some(entry) = waiting.pop() {
        if !seen.insert(entry.path().to_owned()) {
            continue;
        }
        let pom = Pom::read(&entry)?;
        let folder = folder_of(entry.path());
        let inner = pom.modules.iter().filter_map(|module| pom_at(archive, folder, module));
        waiting.extend(inner.filter(|entry| files.matches(entry.path())).collect::<Vec<_>>().into_iter().rev());
        projects.push(entry);
    }
    let targets = projects.iter().map(|entry| inside(folder_of(entry.path()), "target")).collect();
    let folders = Folders::list(archive, files, targets);
    let modules = projects.iter().filter_map(|entry| module(archive, &folders, entry).transpose());
    modules.collect()
}

/// A module, or nothing where the build is told not to deploy it.
fn module(archive: &Archive, folders: &Folders, entry: &Entry) -> Result<Option<Found>, PackageError> {
    let project = Project::read(archive, entry)?;
    if project.is_skipped() {
        return Ok(None);
    }
    let folder = folder_of(entry.path());
    let (entry, pom) = deployed(archive, folder, entry, &project)?;
    let gav = pom.gav(entry.path(), |text| project.resolve(text))?;
    let (target, name) = (inside(folder, "target"), project.final_name(&gav));
    let rest = |file: &str| file.strip_prefix(&name).filter(|rest| rest.starts_with(['.', '-'])).map(str::to_owned);
    let mut warnings = Vec::new();
    let mut files = take(folders.of(&target), &mut warnings, rest);
    // Whoever signs puts a copy of the POM beside the signature.
    files.retain(|file| file.rest != ".pom");
    Found::new(gav, pom.packaging().to_owned(), entry, files, warnings).complete(folders, &target, &name).map(Some)
}

/// The POM that the build deploys: the one that the flatten-maven-plugin wrote, where it did. What others inherit from it
/// leaves as it is by default, so that such a POM is taken only where the plain one cannot be.
fn deployed(archive: &Archive, folder: &str, entry: &Entry, project: &Project) -> Result<(Entry, Pom), PackageError> {
    let flattened = archive.find(&inside(folder, ".flattened-pom.xml"));
    let is_literal = project.pom.raw().into_iter().filter_map(|(_, value)| value).all(|value| !value.contains("${"));
    match flattened {
        Some(flattened) if project.pom.packaging() != "pom" || !is_literal => {
            let pom = Pom::read(&flattened)?;
            Ok((flattened, pom))
        }
        _ => Ok((entry.clone(), project.pom.clone())),
    }
}

/// Publications as Gradle's `maven-publish` writes them, each with what its project has in `build/libs`.
fn publications(archive: &Archive, files: &Selection) -> Result<Vec<Found>, PackageError> {
    let is_pom = |entry: &Entry| {
        let path = format!("/{}", entry.path());
        let name = path.rsplit_once(PUBLICATION).and_then(|(_, rest)| rest.strip_suffix("/pom-default.xml"));
        entry.kind() != EntryKind::Directory && name.is_some_and(|name| !name.contains('/'))
    };
    let poms: Vec<Entry> = archive.entries().filter(is_pom).filter(|entry| files.matches(entry.path())).collect();
    let libs = |entry: &Entry| {
        let path = format!("/{}", entry.path());
        let project = path.rsplit_once(PUBLICATION).map_or("", |(project, _)| project);
        inside(project.trim_start_matches('/'), "build/libs")
    };
    let folders = poms.iter().flat_map(|entry| [libs(entry), folder_of(entry.path()).to_owned()]).collect();
    let folders = Folders::list(archive, files, folders);
    let versions = poms.iter().map(|entry| {
        let pom = Pom::read(entry)?;
        let packaging = pom.packaging().to_owned();
        let gav = alone(entry.path(), pom)?;
        let mut warnings = Vec::new();
        let libs = libs(entry);
        let rest = |name: &str| gav.split(name).map(|(_, rest)| rest.to_owned());
        let taken = if packaging == "pom" { Vec::new() } else { take(folders.of(&libs), &mut warnings, rest) };
        let own = |name: &str| match name {
            "module.json" => Some(".module".to_owned()),
            "module.json.asc" => Some(".module.asc".to_owned()),
            "pom-default.xml.asc" => Some(".pom.asc".to_owned()),
            _ => None,
        };
        let found = Found::new(gav, packaging, entry.clone(), taken, warnings);
        let begin = found.gav.stem();
        let mut found = found.complete(&folders, &libs, &begin)?;
        found.files.extend(take(folders.of(folder_of(entry.path())), &mut Vec::new(), own));
        Ok(found)
    });
    versions.collect()
}

/// The coordinates of a POM of which no parent is at hand.
fn alone(path: &str, pom: Pom) -> Result<Gav, PackageError> {
    let project = Project::alone(path, pom);
    project.pom.gav(path, |text| project.resolve(text))
}

/// A folder or file below another one.
fn inside(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
