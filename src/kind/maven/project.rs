//! A POM where the build has it: with its parents, as far as they are in the artifact, and what they make of its values.

use super::super::PackageError;
use super::gav::Gav;
use super::pom::{Pom, given};
use crate::archive::{Archive, Entry, EntryKind};

/// Most parents that are followed.
const MAX_PARENTS: usize = 8;
/// Most replacements in one value, and its greatest length: a value may stand for many of another.
const MAX_REPLACED: usize = 64;
const MAX_LENGTH: usize = 4096;

/// A POM with its parents.
#[derive(Debug)]
pub(super) struct Project {
    /// Where it lies.
    pub(super) path: String,
    /// The POM itself.
    pub(super) pom: Pom,
    /// Its parent, that one's parent, and so on.
    parents: Vec<Pom>,
}

impl Project {
    /// Reads the POM, and its parents from where it says that they are.
    pub(super) fn read(archive: &Archive, entry: &Entry) -> Result<Self, PackageError> {
        let mut project = Self::alone(entry.path(), Pom::read(entry)?);
        let mut path = project.path.clone();
        while project.parents.len() < MAX_PARENTS {
            let child = project.parents.last().unwrap_or(&project.pom);
            let Some(entry) = parent(archive, &path, child) else { break };
            let pom = Pom::read(&entry)?;
            if !is_parent(child, &pom) {
                break;
            }
            entry.path().clone_into(&mut path);
            project.parents.push(pom);
        }
        Ok(project)
    }

    /// A POM of which no parent is at hand.
    pub(super) fn alone(path: &str, pom: Pom) -> Self {
        Self { path: path.to_owned(), pom, parents: Vec::new() }
    }

    /// The POM, then its parents.
    fn line(&self) -> impl Iterator<Item = &Pom> {
        [&self.pom].into_iter().chain(&self.parents)
    }

    /// What names of the files that the build makes begin with (POM Reference, `finalName`).
    pub(super) fn final_name(&self, gav: &Gav) -> String {
        let Some(named) = self.line().find_map(|pom| given(pom.final_name.as_ref())) else { return gav.stem() };
        // What was given on the command line is in the coordinates only.
        let named = named.replace("${project.version}", gav.version());
        self.resolve(&named.replace("${project.artifactId}", gav.artifact()))
    }

    /// Whether the build is told not to deploy it (`maven-deploy-plugin`, parameter `skip`).
    pub(super) fn is_skipped(&self) -> bool {
        self.property("maven.deploy.skip").is_some_and(|value| self.resolve(value) == "true")
    }

    /// The text with what the POM and its parents say for `${…}`. What nobody says stays as it is.
    pub(super) fn resolve(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut from = 0;
        for _ in 0..MAX_REPLACED {
            let Some(begin) = text.get(from..).and_then(|rest| rest.find("${")).map(|at| from + at) else { break };
            let Some(end) = text.get(begin..).and_then(|rest| rest.find('}')).map(|at| begin + at) else { break };
            let name = text.get(begin + 2..end).unwrap_or_default();
            match self.value(name) {
                Some(value) if text.len().saturating_add(value.len()) <= MAX_LENGTH => {
                    let value = value.to_owned();
                    text.replace_range(begin..=end, &value);
                }
                _ => from = end,
            }
        }
        text
    }

    fn value(&self, name: &str) -> Option<&str> {
        let pom = &self.pom;
        let [group, artifact, version] = pom.raw().map(|(_, value)| value);
        let parent = |of: fn(&super::pom::Parent) -> &Option<String>| given(of(pom.parent.as_ref()?).as_ref());
        let own = match name.strip_prefix("project.").or_else(|| name.strip_prefix("pom.")).unwrap_or_default() {
            "groupId" => group,
            "artifactId" => artifact,
            "version" => version,
            "packaging" => Some(pom.packaging()),
            "parent.groupId" => parent(|parent| &parent.group),
            "parent.artifactId" => parent(|parent| &parent.artifact),
            "parent.version" => parent(|parent| &parent.version),
            _ => None,
        };
        own.or_else(|| self.property(name))
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.line().find_map(|pom| pom.properties.get(name)).map(String::as_str)
    }
}

/// Where a POM says that its parent is; `../pom.xml` where it says nothing (POM Reference, Inheritance).
fn parent(archive: &Archive, path: &str, pom: &Pom) -> Option<Entry> {
    let relative = match &pom.parent.as_ref()?.relative_path {
        Some(none) if none.is_empty() => return None,
        Some(relative) => relative.as_str(),
        None => "../pom.xml",
    };
    pom_at(archive, folder_of(path), relative)
}

/// The POM at a path that may be that of its folder.
pub(super) fn pom_at(archive: &Archive, folder: &str, relative: &str) -> Option<Entry> {
    let path = joined(folder, relative)?;
    let inside = if path.is_empty() { "pom.xml".to_owned() } else { format!("{path}/pom.xml") };
    archive.find(&path).filter(|entry| entry.kind() == EntryKind::File).or_else(|| archive.find(&inside))
}

/// Whether the second POM is the one that the first inherits from; Maven looks on elsewhere for any other.
fn is_parent(child: &Pom, pom: &Pom) -> bool {
    let Some(parent) = &child.parent else { return false };
    let [(_, group), (_, artifact), _] = pom.raw();
    group == given(parent.group.as_ref()) && artifact == given(parent.artifact.as_ref())
}

/// The folder that a path lies in; empty for the artifact's root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A path from a folder on; `None` where it leads out of the artifact.
fn joined(folder: &str, relative: &str) -> Option<String> {
    let mut segments: Vec<&str> = folder.split('/').filter(|segment| !segment.is_empty()).collect();
    for segment in relative.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            name => segments.push(name),
        }
    }
    Some(segments.join("/"))
}
