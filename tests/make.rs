//! Packages and artifacts built in code, so that no binary fixture is in the repository.
#![allow(dead_code, reason = "each of the binaries that share it uses a part of it")]
#![allow(clippy::unwrap_used, reason = "what is built here is always in memory and well formed")]

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// A zip in the making.
pub(crate) struct Zip {
    writer: ZipWriter<Cursor<Vec<u8>>>,
    options: SimpleFileOptions,
}

impl Zip {
    /// An empty zip of deflated entries.
    pub(crate) fn new() -> Self {
        Self {
            writer: ZipWriter::new(Cursor::new(Vec::new())),
            options: SimpleFileOptions::default().compression_method(CompressionMethod::Deflated),
        }
    }

    /// What follows is stored, not deflated, and dated in 2024.
    pub(crate) fn stored(mut self) -> Self {
        let dated = DateTime::from_date_and_time(2024, 2, 29, 12, 30, 0).unwrap();
        self.options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).last_modified_time(dated);
        self
    }

    /// Adds a file with mode 0644.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.mode(path, content, 0o644)
    }

    /// Adds a file with these permission bits.
    pub(crate) fn mode(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.writer.start_file(path, self.options.unix_permissions(mode)).unwrap();
        self.writer.write_all(content.as_ref()).unwrap();
        self
    }

    /// Adds a symbolic link.
    pub(crate) fn symlink(mut self, path: &str, to: &str) -> Self {
        self.writer.add_symlink(path, to, self.options).unwrap();
        self
    }

    /// Adds a folder as an entry of its own.
    pub(crate) fn folder(mut self, path: &str) -> Self {
        self.writer.add_directory(path, self.options).unwrap();
        self
    }

    /// The zip's bytes.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.writer.finish().unwrap().into_inner()
    }
}

/// A gzipped tar of these files, their paths as they are.
pub(crate) fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A POM with these coordinates, and more in it.
pub(crate) fn pom(group: &str, artifact: &str, version: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\
         <modelVersion>4.0.0</modelVersion><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
         <version>{version}</version>{more}</project>\n"
    )
}

/// A jar that says of itself what it is, as Maven's archiver makes it.
pub(crate) fn jar(group: &str, artifact: &str, version: &str) -> Vec<u8> {
    let zip = Zip::new().stored().file("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n");
    described(zip, group, artifact, version).file("org/acme/Lib.class", "bytes").bytes()
}

/// A zip with Maven's descriptors of these coordinates in it.
pub(crate) fn described(zip: Zip, group: &str, artifact: &str, version: &str) -> Zip {
    let folder = format!("META-INF/maven/{group}/{artifact}");
    let properties = format!("#Generated\ngroupId={group}\nartifactId={artifact}\nversion={version}\n");
    zip.file(&format!("{folder}/pom.xml"), pom(group, artifact, version, ""))
        .file(&format!("{folder}/pom.properties"), properties)
}

/// Core metadata of this project, with these lines more and a description.
pub(crate) fn python_metadata(name: &str, version: &str, more: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\n# {name}\n")
}

/// A wheel for every Python 3 with one module, called as the project is; `stem` is its name and version.
pub(crate) fn wheel(stem: &str, metadata: &str) -> Vec<u8> {
    let module = stem.split('-').next().unwrap();
    let info = format!("{stem}.dist-info");
    let files = [
        (format!("{module}/__init__.py"), "ANSWER = 42\n"),
        (format!("{info}/METADATA"), metadata),
        (format!("{info}/WHEEL"), "Wheel-Version: 1.0\nGenerator: make\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ];
    let record: Vec<String> = files.iter().map(|(path, _)| format!("{path},,\n")).collect();
    let zip = files.iter().fold(Zip::new().stored(), |zip, (path, content)| zip.file(path, content));
    zip.file(&format!("{info}/RECORD"), record.concat() + &format!("{info}/RECORD,,\n")).bytes()
}

/// A source distribution with one module that setuptools can build.
pub(crate) fn sdist(stem: &str, metadata: &str) -> Vec<u8> {
    let (module, version) = stem.rsplit_once('-').unwrap();
    let project = format!(
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
         [project]\nname = \"{module}\"\nversion = \"{version}\"\n[tool.setuptools]\npackages = [\"{module}\"]\n"
    );
    tgz(&[
        (&format!("{stem}/PKG-INFO"), metadata),
        (&format!("{stem}/pyproject.toml"), &project),
        (&format!("{stem}/{module}/__init__.py"), "ANSWER = 42\n"),
    ])
}
