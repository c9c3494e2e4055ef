//! Package types. A type is one file that implements [`Kind`] and one line in [`KINDS`]; it describes requests and
//! never sends any.

pub mod generic;
pub mod maven;
pub mod npm;
pub mod pypi;

use std::fmt;

use thiserror::Error;

use crate::archive::{Archive, ArchiveError};
use crate::package::Target;
use crate::plan::{PackagePlan, Planned};

/// Every package type that the action's `TypeOfArtifact` can name.
pub static KINDS: &[&dyn Kind] = &[&npm::Npm, &generic::Generic, &pypi::Pypi, &maven::Maven];

/// The type with this name, letter case aside.
pub fn by_name(name: &str) -> Option<&'static dyn Kind> {
    KINDS.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name))
}

/// Whether a file of this name is a package by itself, of whatever type.
pub fn is_package(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    KINDS.iter().flat_map(|kind| kind.endings()).any(|ending| name.ends_with(ending))
}

/// A package type: finds its packages in an artifact and says how each is published. No network, no clock.
pub trait Kind: Sync {
    /// The value of `TypeOfArtifact`, lower case.
    fn name(&self) -> &'static str;

    /// The entries of `Options` that only this type understands.
    fn options(&self) -> &'static [&'static str] {
        &[]
    }

    /// How the names of files end, in lower case, that are packages of this type by themselves and nothing else.
    fn endings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a repository of this `packageType` (as Artifactory spells it) takes packages of this type.
    fn fits(&self, package_type: &str) -> bool {
        package_type.eq_ignore_ascii_case(self.name())
    }

    /// Whether the type tells snapshots, of which there may be many builds, from releases.
    fn tells_snapshots(&self) -> bool {
        false
    }

    /// Finds what is this type's in the artifact, reads names and versions inside the files, and plans the requests.
    fn plan(&self, archive: &Archive, target: &Target) -> Result<Vec<PackagePlan>, PackageError>;

    /// The same, for a job. A type of single files, of which there may be a hundred thousand, has them planned as such.
    fn planned(&self, archive: &Archive, target: &Target) -> Result<Vec<Planned>, PackageError> {
        Ok(self.plan(archive, target)?.into_iter().map(Planned::from).collect())
    }
}

/// Files that tell what an artifact is, by their names or how these end; what that is; and the type that publishes it.
const TELLING: [(&str, &str, &str); 19] = [
    ("package.json", "an npm package", "npm"),
    ("pom.xml", "a Maven project", "maven"),
    (".pom", "a Maven project", "maven"),
    (".jar", "a Maven project", "maven"),
    ("build.gradle", "a Gradle project", "maven"),
    ("build.gradle.kts", "a Gradle project", "maven"),
    (".whl", "a Python package", "pypi"),
    ("PKG-INFO", "a Python package", "pypi"),
    ("pyproject.toml", "a Python project", "pypi"),
    ("setup.py", "a Python project", "pypi"),
    ("Cargo.toml", "a Rust crate", "cargo"),
    (".crate", "a Rust crate", "cargo"),
    ("go.mod", "a Go module", "go"),
    ("Chart.yaml", "a Helm chart", "helm"),
    ("composer.json", "a Composer package", "composer"),
    (".gem", "a Ruby gem", "gems"),
    (".nupkg", "a NuGet package", "nuget"),
    (".deb", "a Debian package", "debian"),
    (".rpm", "an RPM package", "rpm"),
];

/// What an artifact looks like in which nothing of a type was found, as the end of a sentence: perhaps the action names
/// the wrong type. Empty where it looks like nothing else.
pub fn likeness(archive: &Archive, than: &dyn Kind) -> String {
    let tells = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_it = |(telling, ..): &&(&str, &str, &str)| {
            *telling == name || (telling.starts_with('.') && name.ends_with(telling))
        };
        let (_, what, _) = TELLING.iter().find(is_it).filter(|(_, _, kind)| *kind != than.name())?;
        // What is installed beside a package says nothing of it.
        let is_installed = path.split('/').any(|name| matches!(name, "node_modules" | "site-packages"));
        (!is_installed).then(|| (path.matches('/').count(), *what))
    };
    let outermost = archive.entries().filter_map(|entry| tells(entry.path())).min_by_key(|(depth, _)| *depth);
    match outermost {
        Some((_, what)) => format!("; this looks like {what}, but TypeOfArtifact is {}", than.name()),
        None => String::new(),
    }
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why the packages of an artifact cannot be published.
#[derive(Debug, Error)]
pub enum PackageError {
    /// Nothing of the type in the artifact.
    #[error("no {kind} package found: {looked_for}")]
    NothingFound {
        /// The type's name.
        kind: &'static str,
        /// What was looked for and what is there instead, as a sentence without its end.
        looked_for: String,
    },
    /// A package that must not or cannot be published as it is.
    #[error("{path} {problem}")]
    Refused {
        /// Where in the artifact.
        path: String,
        /// What is wrong, with the value at fault.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// An option whose value the type cannot use.
    #[error("option {name}={value} {problem}")]
    Option {
        /// The option's name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// The artifact's own bytes are at fault, or do not arrive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The temporary folder is full or not writable.
    #[error("temporary space: packing {path} failed; give the function more ephemeral storage")]
    Spool {
        /// Where in the artifact.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_unique_and_found_in_any_case() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert_eq!(kind.name(), kind.name().to_lowercase());
            assert!(
                KINDS.iter().skip(at + 1).all(|other| other.name() != kind.name()),
                "{} is there twice",
                kind.name()
            );
            assert_eq!(by_name(&kind.name().to_uppercase()).unwrap().name(), kind.name());
        }
        assert!(by_name("floppy").is_none());
    }

    #[test]
    fn an_artifact_of_another_type_is_known_by_its_outermost_manifest() {
        use std::sync::Arc;
        let likeness = |paths: &[&str], than: &dyn Kind| {
            let zip = paths.iter().fold(crate::make::Zip::new(), |zip, path| zip.file(path, "x")).bytes();
            let archive = Archive::open(Arc::new(crate::archive::source::Memory(zip.into())), "Build", "x").unwrap();
            super::likeness(&archive, than)
        };
        for (paths, than, expected) in [
            (
                &["app/package.json", "dist/a-1.0-py3-none-any.whl", "x/y/pom.xml"][..],
                &npm::Npm as &dyn Kind,
                "a Python package",
            ),
            (&["app/package.json", "a/b/pom.xml", "PKG-INFO"], &pypi::Pypi, "an npm package"),
            (&["src/main.py", "target/pom.xml"], &pypi::Pypi, "a Maven project"),
            (&["pom.xml", "src/main.java"], &npm::Npm, "a Maven project"),
        ] {
            let expected = format!("; this looks like {expected}, but TypeOfArtifact is {}", than.name());
            assert_eq!(likeness(paths, than), expected, "{paths:?}");
        }
        assert_eq!(likeness(&["node_modules/a/package.json", "README.md"], &pypi::Pypi), "");
        assert_eq!(likeness(&["package.json"], &npm::Npm), "");
    }

    #[test]
    fn every_file_of_this_folder_is_in_the_list() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kind");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|stem| stem != "mod")
            .collect();
        files.sort();
        files.dedup();
        let mut kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
        kinds.sort_unstable();
        assert_eq!(files, kinds);
    }
}
