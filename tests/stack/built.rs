//! What builds of other types than npm hand over: plain files, a Python release, a Maven library or snapshot; and what
//! of it must be where in the repository.

use super::planned::{Files, Holds, Planned};
use super::project::{of_files, tgz};

/// A kind of build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Three files, one of them large enough to be offered by its checksums first.
    Plain,
    /// Two distributions of one release.
    Python,
    /// Two jars and their POM.
    Maven,
    /// A parent's POM, and a module's jar and POM, in a version that is not final.
    Snapshot,
}

impl Build {
    /// The action's `TypeOfArtifact`, and the type of the repository.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Plain => "generic",
            Self::Python => "pypi",
            Self::Maven | Self::Snapshot => "maven",
        }
    }

    /// How many packages it is to the action.
    pub(crate) fn packages(self) -> usize {
        match self {
            Self::Plain => self.files_of("any", "1.0", "text").len(),
            Self::Python | Self::Maven => 1,
            Self::Snapshot => 2,
        }
    }

    /// The artifact: name and version set it apart from other builds, `text` from others of its version.
    pub(crate) fn artifact(self, name: &str, version: &str, text: &str) -> Vec<u8> {
        let files = self.files_of(name, version, text).into_iter().map(|(built, _, content)| (built, content));
        of_files(&files.collect::<Files>())
    }

    /// What a success promises to be in this repository.
    pub(crate) fn planned(self, repository: &'static str, name: &str, version: &str, text: &str) -> Vec<Planned> {
        let file = |(_, path, content)| Planned { repository, path, holds: Holds::Bytes(content) };
        self.files_of(name, version, text).into_iter().map(file).collect()
    }

    /// Each file: its path in the artifact, its path in the repository, and what is in it.
    fn files_of(self, name: &str, version: &str, text: &str) -> Vec<(String, String, Vec<u8>)> {
        match self {
            Self::Plain => [("a.txt", 3), ("docs/b.md", 100), ("c.bin", 20_000)]
                .map(|(file, size)| {
                    let path = format!("{name}/{file}");
                    (path.clone(), path, text.bytes().cycle().take(size).collect())
                })
                .into(),
            Self::Python => release(name, &version.replace("-rc.", "rc"), text),
            Self::Maven => {
                let folder = format!("org/acme/{name}/{version}/{name}-{version}");
                let file =
                    |end: &str, content| (format!("target/{name}-{version}{end}"), format!("{folder}{end}"), content);
                let sources = of_files(&[("org/acme/Lib.java".to_owned(), text.into())]);
                vec![
                    file(".jar", jar(name, version, text)),
                    file("-sources.jar", sources),
                    ("pom.xml".to_owned(), format!("{folder}.pom"), pom(name, version, text, "").into_bytes()),
                ]
            }
            Self::Snapshot => {
                let (version, module) = (&format!("{version}-SNAPSHOT"), &format!("{name}-core"));
                let at = |name: &str| format!("org/acme/{name}/{version}/{name}-{version}");
                let modules = "<packaging>pom</packaging><modules><module>core</module></modules>";
                vec![
                    (
                        format!("core/target/{module}-{version}.jar"),
                        format!("{}.jar", at(module)),
                        jar(module, version, text),
                    ),
                    (
                        "core/pom.xml".to_owned(),
                        format!("{}.pom", at(module)),
                        pom(module, version, text, "").into_bytes(),
                    ),
                    ("pom.xml".to_owned(), format!("{}.pom", at(name)), pom(name, version, text, modules).into_bytes()),
                ]
            }
        }
    }
}

/// A wheel and a source distribution.
fn release(name: &str, version: &str, text: &str) -> Vec<(String, String, Vec<u8>)> {
    let stem = format!("{}-{version}", name.replace('-', "_"));
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n{text}\n");
    let file = |file: String, content| (format!("dist/{file}"), format!("{name}/{version}/{file}"), content);
    let info = format!("{stem}.dist-info");
    let wheel = of_files(&[
        (format!("{info}/METADATA"), metadata.clone().into_bytes()),
        (format!("{info}/WHEEL"), b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec()),
        (format!("{info}/RECORD"), Vec::new()),
    ]);
    let source = tgz(&format!("{stem}/PKG-INFO"), &metadata);
    vec![file(format!("{stem}-py3-none-any.whl"), wheel), file(format!("{stem}.tar.gz"), source)]
}

/// A jar that says of itself what it is.
fn jar(name: &str, version: &str, text: &str) -> Vec<u8> {
    let properties = format!("groupId=org.acme\nartifactId={name}\nversion={version}\n");
    of_files(&[
        (format!("META-INF/maven/org.acme/{name}/pom.properties"), properties.into_bytes()),
        ("org/acme/Lib.class".to_owned(), text.into()),
    ])
}

fn pom(name: &str, version: &str, text: &str, more: &str) -> String {
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>org.acme</groupId><artifactId>{name}</artifactId>\
         <version>{version}</version><description>{text}</description>{more}</project>"
    )
}
