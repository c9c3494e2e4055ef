//! What builds of other types than npm hand over: plain files, a Python release, a Maven library; and what of it must be
//! where in the repository.

use super::planned::{Files, Holds, Planned};
use super::project::of_files;

/// A kind of build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// Three files, one of them large enough to be offered by its checksums first.
    Plain,
    /// Two wheels of one release.
    Python,
    /// A jar and its POM.
    Maven,
}

impl Build {
    /// The action's `TypeOfArtifact`, and the type of the repository.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Plain => "generic",
            Self::Python => "pypi",
            Self::Maven => "maven",
        }
    }

    /// How many packages it is to the action.
    pub(crate) fn packages(self) -> usize {
        match self {
            Self::Plain => self.files_of("any", "text").len(),
            Self::Python | Self::Maven => 1,
        }
    }

    /// The artifact: `name` sets it apart from other builds, `text` from others of its name.
    pub(crate) fn artifact(self, name: &str, text: &str) -> Vec<u8> {
        let files = self.files_of(name, text).into_iter().map(|(built, _, content)| (built, content));
        of_files(&files.collect::<Files>())
    }

    /// What a success promises.
    pub(crate) fn planned(self, name: &str, text: &str) -> Vec<Planned> {
        let file = |(_, path, content)| Planned { path, holds: Holds::Bytes(content) };
        self.files_of(name, text).into_iter().map(file).collect()
    }

    /// Each file: its path in the artifact, its path in the repository, and what is in it.
    fn files_of(self, name: &str, text: &str) -> Vec<(String, String, Vec<u8>)> {
        match self {
            Self::Plain => [("a.txt", 3), ("docs/b.md", 100), ("c.bin", 20_000)]
                .map(|(file, size)| {
                    let path = format!("{name}/{file}");
                    (path.clone(), path, text.bytes().cycle().take(size).collect())
                })
                .into(),
            Self::Python => ["py3-none-any", "cp313-cp313-linux_x86_64"]
                .map(|tag| {
                    let file = format!("{}-1.0-{tag}.whl", name.replace('-', "_"));
                    (format!("dist/{file}"), format!("{name}/1.0/{file}"), wheel(name, tag, text))
                })
                .into(),
            Self::Maven => {
                let folder = format!("org/acme/{name}/1.0/{name}-1.0");
                let jar = of_files(&[(
                    format!("META-INF/maven/org.acme/{name}/pom.properties"),
                    format!("groupId=org.acme\nartifactId={name}\nversion=1.0\n").into_bytes(),
                )]);
                let pom = format!(
                    "<project><modelVersion>4.0.0</modelVersion><groupId>org.acme</groupId>\
                     <artifactId>{name}</artifactId><version>1.0</version>\
                     <description>{text}</description></project>"
                );
                vec![
                    (format!("target/{name}-1.0.jar"), format!("{folder}.jar"), jar),
                    ("pom.xml".to_owned(), format!("{folder}.pom"), pom.into_bytes()),
                ]
            }
        }
    }
}

fn wheel(name: &str, tag: &str, text: &str) -> Vec<u8> {
    let module = name.replace('-', "_");
    let info = format!("{module}-1.0.dist-info");
    of_files(&[
        (format!("{module}.py"), format!("BUILT_FOR = \"{tag}\"\n").into_bytes()),
        (
            format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n{text}\n").into_bytes(),
        ),
        (format!("{info}/WHEEL"), format!("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n").into_bytes()),
        (format!("{info}/RECORD"), Vec::new()),
    ])
}
