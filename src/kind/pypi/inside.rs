//! What is inside a distribution: its metadata and its digests, in one pass over its bytes. Nothing of it is unpacked.

use std::collections::BTreeSet;
use std::io::{self, BufReader};

use super::super::PackageError;
use super::filename::{FileName, Packing, normalised};
use super::metadata::Metadata;
use super::refused;
use crate::archive::nested::Inside as Zipped;
use crate::archive::tarball::{self, MemberKind, damaged, take};
use crate::archive::watched::Watched;
use crate::archive::{Archive, Entry, EntryKind, MAX_INFLATED, MAX_MANIFEST};
use crate::package::Digests;

const REBUILD: &str = "build it again, or leave it out with Files";

/// A distribution that was looked into.
#[derive(Debug)]
pub(super) struct Inside {
    /// Where its metadata is, for messages.
    pub(super) at: String,
    /// Its metadata.
    pub(super) metadata: Metadata,
    /// The file's digests.
    pub(super) digests: Digests,
    /// The name that its format gives it, in case nobody else does.
    pub(super) proper_name: String,
}

impl Inside {
    /// Reads a distribution to its end. `None`: it is sound, but no source distribution.
    pub(super) fn read(entry: &Entry, packing: Packing) -> Result<Option<Self>, PackageError> {
        match packing {
            Packing::Wheel => wheel(entry).map(Some),
            Packing::TarGz => source_tar(entry),
            Packing::Zip => source_zip(entry),
        }
    }
}

fn wheel(entry: &Entry) -> Result<Inside, PackageError> {
    let unsound = |problem: &str| refused(entry.path(), problem, REBUILD);
    let Zipped { digests, archive } = Zipped::of(entry)?;
    let archive = archive.map_err(|error| unsound(&format!("is not a sound wheel: it {error}")))?;
    let mut folders = BTreeSet::new();
    for inner in archive.entries() {
        if let Some((folder, "METADATA")) = inner.path().split_once('/')
            && folder.ends_with(".dist-info")
        {
            folders.insert(folder.to_owned());
        }
    }
    let mut folders = folders.into_iter();
    let folder = match (folders.next(), folders.next()) {
        (Some(folder), None) => folder,
        (None, _) => return Err(unsound("is not a wheel: there is no *.dist-info/METADATA in it")),
        (Some(one), Some(other)) => {
            return Err(unsound(&format!("has metadata twice, in {one} and in {other}")));
        }
    };
    let (at, bytes) = read(entry, &archive, &format!("{folder}/METADATA"))?;
    let metadata = parse(&at, &bytes)?;
    let stem = folder.strip_suffix(".dist-info").unwrap_or(&folder);
    // A name of a source distribution is one of the same two parts.
    let agrees =
        FileName::parse(&format!("{stem}.tar.gz")).is_ok_and(|own| own.is_of(&metadata.name, &metadata.version));
    if !agrees {
        return Err(refused(
            &at,
            &format!(
                "says that this is {} {}, and not what its folder is called after",
                metadata.name, metadata.spelled
            ),
            "build the wheel again",
        ));
    }
    let (wheel_at, bytes) = read(entry, &archive, &format!("{folder}/WHEEL"))?;
    let proper_name = wheel_name(stem, &String::from_utf8_lossy(&bytes)).ok_or_else(|| {
        refused(&wheel_at, "does not say for which Python the wheel is (Tag)", "build the wheel again")
    })?;
    Ok(Inside { at, metadata, digests, proper_name })
}

/// The file name of a wheel by its own `WHEEL` file: tags that are spread out there stand together in the name.
fn wheel_name(stem: &str, wheel: &str) -> Option<String> {
    let values = |name: &'static str| {
        wheel
            .lines()
            .filter_map(move |line| line.split_once(':').filter(|(own, _)| own.trim() == name))
            .map(|(_, value)| value.trim())
    };
    let mut parts: [Vec<&str>; 3] = Default::default();
    for tag in values("Tag") {
        let mut own = tag.splitn(3, '-');
        for part in &mut parts {
            let one = own.next().filter(|one| !one.is_empty())?;
            if !part.contains(&one) {
                part.push(one);
            }
        }
    }
    let [python, abi, platform] = parts.map(|part| part.join("."));
    let build = values("Build").next().map(|build| format!("-{build}")).unwrap_or_default();
    (!python.is_empty()).then(|| format!("{stem}{build}-{python}-{abi}-{platform}.whl"))
}

fn source_zip(entry: &Entry) -> Result<Option<Inside>, PackageError> {
    let unsound = |problem: &str| refused(entry.path(), problem, REBUILD);
    let Zipped { digests, archive } = Zipped::of(entry)?;
    let archive = archive.map_err(|error| unsound(&format!("is not a sound zip: it {error}")))?;
    let mut top = Top::default();
    for inner in archive.entries() {
        top.see(inner.path()).map_err(|problem| unsound(&problem))?;
    }
    let Some(path) = archive.entries().map(|inner| inner.path().to_owned()).find(|path| is_metadata(path)) else {
        return Ok(None);
    };
    top.alone().map_err(|problem| unsound(&problem))?;
    let (at, bytes) = read(entry, &archive, &path)?;
    let metadata = parse(&at, &bytes)?;
    let proper_name = source_name(&metadata, ".zip");
    Ok(Some(Inside { at, metadata, digests, proper_name }))
}

fn source_tar(entry: &Entry) -> Result<Option<Inside>, PackageError> {
    let unsound = |problem: &str| refused(entry.path(), problem, REBUILD);
    let mut reader = BufReader::with_capacity(64 << 10, Watched::open(entry)?);
    let mut top = Top::default();
    let mut found: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    let mut escapes = None;
    let walked = tarball::walk(&mut reader, MAX_INFLATED, |member, content| {
        if let Err(problem) = top.see(&member.path) {
            escapes.get_or_insert(problem);
        }
        if is_metadata(&member.path) {
            let bytes = match member.kind {
                MemberKind::File => Some(take(content, member.size, MAX_MANIFEST)?),
                MemberKind::Folder | MemberKind::Other(..) => None,
            };
            if found.len() > 1 {
                return Err(damaged("it has its PKG-INFO several times"));
            }
            found.push((member.path.clone(), bytes));
        }
        Ok(())
    });
    let digests = reader.into_inner().finish()?;
    walked.map_err(|error: io::Error| unsound(&format!("is not a sound gzipped tar: {error}")))?;
    let mut found = found.into_iter();
    let (path, bytes) = match (found.next(), found.next()) {
        (Some(one), None) => one,
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err(unsound("has its PKG-INFO twice")),
    };
    if let Some(problem) = escapes {
        return Err(unsound(&problem));
    }
    top.alone().map_err(|problem| unsound(&problem))?;
    let at = format!("{}:{path}", entry.path());
    let bytes = bytes.ok_or_else(|| refused(&at, "is not a regular file", REBUILD))?;
    let metadata = parse(&at, &bytes)?;
    let proper_name = source_name(&metadata, ".tar.gz");
    Ok(Some(Inside { at, metadata, digests, proper_name }))
}

/// The file name of a source distribution (PEP 625).
fn source_name(metadata: &Metadata, end: &str) -> String {
    format!("{}-{}{end}", normalised(&metadata.name).replace('-', "_"), metadata.version.normal())
}

/// Whether this is the metadata of the source distribution itself, not of something inside it.
fn is_metadata(path: &str) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.split_once('/').is_some_and(|(_, file)| file == "PKG-INFO")
}

/// What stands at the top of a source distribution: one folder, with the metadata in it.
#[derive(Debug, Default)]
struct Top {
    names: BTreeSet<String>,
}

impl Top {
    /// Notes a path, or says how it leads out.
    fn see(&mut self, path: &str) -> Result<(), String> {
        let inner = path.strip_prefix("./").unwrap_or(path);
        if inner.starts_with('/') || inner.split('/').any(|name| name == "..") {
            return Err(format!("has a path in it that leads out: {path:?}"));
        }
        let first = inner.split('/').next().unwrap_or_default();
        // Two are as many too many as a thousand.
        if self.names.len() < 2 && !matches!(first, "" | ".") {
            self.names.insert(first.to_owned());
        }
        Ok(())
    }

    /// Refuses more than one.
    fn alone(&self) -> Result<(), String> {
        let mut names = self.names.iter();
        match (names.next(), names.next()) {
            (Some(one), Some(other)) => {
                Err(format!("has more than one folder at its top ({one:?}, {other:?}), so that nothing can install it"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a file of a zip that is an entry, and says where it is.
fn read(entry: &Entry, archive: &Archive, path: &str) -> Result<(String, Vec<u8>), PackageError> {
    let at = format!("{}:{path}", entry.path());
    let Some(inner) = archive.find(path) else {
        return Err(refused(&at, "is missing", REBUILD));
    };
    if inner.kind() != EntryKind::File {
        return Err(refused(&at, "is not a regular file", REBUILD));
    }
    match inner.read_to_memory(MAX_MANIFEST) {
        Ok(bytes) => Ok((at, bytes)),
        Err(error) => Err(refused(&at, &format!("cannot be read: {}", crate::log::chain(&error)), REBUILD)),
    }
}

fn parse(at: &str, bytes: &[u8]) -> Result<Metadata, PackageError> {
    Metadata::parse(bytes)
        .map_err(|problem| refused(at, &problem, "correct the project's metadata, and build it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_knows_its_own_name() {
        let name = |wheel: &str| wheel_name("left-1.0", wheel).unwrap_or_default();
        assert_eq!(name("Wheel-Version: 1.0\nTag: py2-none-any\nTag: py3-none-any\n"), "left-1.0-py2.py3-none-any.whl");
        assert_eq!(
            name("Build: 2b\r\nTag: cp312-cp312-manylinux_2_17_x86_64\r\nTag: cp312-cp312-manylinux2014_x86_64\r\n"),
            "left-1.0-2b-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
        );
        for broken in ["", "Tag: py3-none\n", "Tag: \n"] {
            assert_eq!(name(broken), "", "{broken:?}");
        }
    }
}
