//! A POM, as far as it says what is published and where its values come from (Maven's POM Reference).

use std::collections::BTreeMap;

use super::super::PackageError;
use super::gav::Gav;
use super::refused;
use crate::archive::{Entry, EntryKind, MAX_MANIFEST};
use crate::xml::{self, XmlError};

/// Most that is kept of one POM, in bytes of text: several are held at once.
const MAX_KEPT: usize = 512 << 10;

/// What is read of a POM; texts as they stand there, with their `${…}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pom {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    pub(super) packaging: Option<String>,
    pub(super) parent: Option<Parent>,
    pub(super) properties: BTreeMap<String, String>,
    /// Folders or POMs of modules, those of profiles among them.
    pub(super) modules: Vec<String>,
    pub(super) final_name: Option<String>,
}

/// The POM that another one inherits from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    pub(super) relative_path: Option<String>,
}

/// Whether something was kept.
enum Taken {
    Yes,
    No,
}

impl Pom {
    /// Reads the POM that is this entry.
    pub(super) fn read(entry: &Entry) -> Result<Self, PackageError> {
        if entry.kind() != EntryKind::File {
            return Err(refused(
                entry.path(),
                "is a symbolic link, which is never followed",
                "hand over the POM itself",
            ));
        }
        Self::parse(&entry.read_to_memory(MAX_MANIFEST)?, entry.path())
    }

    /// Reads a POM that lies at `path`.
    pub(super) fn parse(bytes: &[u8], path: &str) -> Result<Self, PackageError> {
        let mut pom = Self::default();
        let mut root = None;
        let mut kept = 0;
        let read = xml::leaves(bytes, |path, text| {
            root.get_or_insert_with(|| path.split('/').next().unwrap_or_default().to_owned());
            match pom.take(path, text)? {
                Taken::Yes => kept += path.len() + text.len(),
                Taken::No => {}
            }
            if kept > MAX_KEPT {
                return Err(XmlError::TooMuch(format!(
                    "has more than {MAX_KEPT} bytes of coordinates, properties and modules"
                )));
            }
            Ok(())
        });
        let remedy = "hand over the POM that the build made";
        read.map_err(|error| refused(path, &error.to_string(), remedy))?;
        match root.as_deref() {
            Some("project") => Ok(pom),
            other => {
                let other = other.unwrap_or_default();
                Err(refused(path, &format!("is no POM: its element is <{other}> and not <project>"), remedy))
            }
        }
    }

    fn take(&mut self, path: &str, text: &str) -> Result<Taken, XmlError> {
        let Some(path) = path.strip_prefix("project/") else { return Ok(Taken::No) };
        if let Some(name) = path.strip_prefix("properties/").filter(|name| !name.contains('/')) {
            // Of two, Maven takes the later.
            self.properties.insert(name.to_owned(), text.to_owned());
            return Ok(Taken::Yes);
        }
        let parent = Parent::default;
        let place = match path {
            "groupId" => &mut self.group,
            "artifactId" => &mut self.artifact,
            "version" => &mut self.version,
            "packaging" => &mut self.packaging,
            "build/finalName" => &mut self.final_name,
            "parent/groupId" => &mut self.parent.get_or_insert_with(parent).group,
            "parent/artifactId" => &mut self.parent.get_or_insert_with(parent).artifact,
            "parent/version" => &mut self.parent.get_or_insert_with(parent).version,
            "parent/relativePath" => &mut self.parent.get_or_insert_with(parent).relative_path,
            "modules/module" | "profiles/profile/modules/module" | "subprojects/subproject" => {
                self.modules.push(text.to_owned());
                return Ok(Taken::Yes);
            }
            _ => return Ok(Taken::No),
        };
        match place.replace(text.to_owned()) {
            None => Ok(Taken::Yes),
            Some(_) => Err(XmlError::Malformed(format!("it has <{path}> twice"))),
        }
    }

    /// Group, artifact and version as they stand there; group and version may be the parent's.
    pub(super) fn raw(&self) -> [(&'static str, Option<&str>); 3] {
        let parent = self.parent.as_ref();
        let group = given(self.group.as_ref()).or_else(|| given(parent?.group.as_ref()));
        let version = given(self.version.as_ref()).or_else(|| given(parent?.version.as_ref()));
        [("groupId", group), ("artifactId", given(self.artifact.as_ref())), ("version", version)]
    }

    /// The packaging; `jar` where none is said.
    pub(super) fn packaging(&self) -> &str {
        given(self.packaging.as_ref()).unwrap_or("jar")
    }

    /// The coordinates, which whoever reads the POM in a repository must find in it as they are. `resolve` fills in
    /// `${…}`, so that the refusal can say what was meant.
    pub(super) fn gav(&self, path: &str, resolve: impl Fn(&str) -> String) -> Result<Gav, PackageError> {
        let mut values = Vec::new();
        let parent = self.parent.iter().flat_map(|parent| {
            [
                ("parent's groupId", &parent.group),
                ("parent's artifactId", &parent.artifact),
                ("parent's version", &parent.version),
            ]
        });
        let parent = parent.map(|(name, value)| (name, given(value.as_ref())));
        for (name, value) in self.raw() {
            let Some(value) = value else {
                let inherits = if name == "artifactId" { "" } else { ", and no parent that it could be from" };
                return Err(refused(path, &format!("has no {name}{inherits}"), "complete the POM"));
            };
            values.push((name, value));
        }
        for (name, value) in values.iter().copied().chain(parent.filter_map(|(name, value)| Some((name, value?)))) {
            if value.contains("${") {
                let resolved = resolve(value);
                let meant = if resolved.contains("${") {
                    "of which the artifact does not say what it stands for".to_owned()
                } else {
                    format!("which stands for {resolved}")
                };
                return Err(refused(
                    path,
                    &format!("has the {name} {value}, {meant}: published like this, nobody could resolve it"),
                    "let the build write the POM with its values, with the flatten-maven-plugin (resolveCiFriendliesOnly), and hand over .flattened-pom.xml beside pom.xml",
                ));
            }
        }
        let [(_, group), (_, artifact), (_, version)] = values.as_slice() else {
            return Err(refused(path, "has no coordinates", "complete the POM"));
        };
        Gav::new(group, artifact, version).map_err(|problem| refused(path, &problem, "correct the POM"))
    }
}

/// A value that is there and says something.
pub(super) fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.is_empty())
}
