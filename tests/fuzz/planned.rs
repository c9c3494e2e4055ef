//! Plans of artifacts that are built in memory, and what would be published.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::archive::{Archive, Selection};
use codepipeline_artifactory::kind;
use codepipeline_artifactory::package::{Digests, Target};
use codepipeline_artifactory::plan::PackagePlan;
use codepipeline_artifactory::registry::url::{Base, RepoKey};
use flate2::read::MultiGzDecoder;

/// Files of an artifact: path and bytes.
pub(super) type Files<'f> = [(&'f str, &'f [u8])];

/// A zip of these files, stored.
pub(super) fn zipped(files: &Files) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (path, content) in files {
        zip.start_file(*path, options).unwrap();
        std::io::Write::write_all(&mut zip, content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// What npm packages are in an artifact; the refusals are told from each other by their text.
pub(super) fn plan(artifact: Vec<u8>, files: Selection) -> Result<Vec<PackagePlan>, String> {
    plan_of("npm", artifact, files)
}

/// What packages of a type are in an artifact.
pub(super) fn plan_of(kind: &str, artifact: Vec<u8>, files: Selection) -> Result<Vec<PackagePlan>, String> {
    let source = Arc::new(Memory(Bytes::from(artifact)));
    let archive = Archive::open(source, "BuildOutput", "alone.tgz").map_err(|error| error.to_string())?;
    let target = Target {
        base: Base::parse("https://acme.example", false).unwrap(),
        repository: RepoKey::parse("npm-local").unwrap(),
        path: None,
        files,
        properties: Vec::new(),
        options: BTreeMap::new(),
        email: None,
    };
    kind::by_name(kind).unwrap().plan(&archive, &target).map_err(|error| error.to_string())
}

/// The archive that a plan would publish, whose digests are those in the plan.
pub(super) fn archive(plan: &PackagePlan) -> Vec<u8> {
    let [step] = plan.steps.as_slice() else { panic!("{} steps", plan.steps.len()) };
    let mut bytes = Vec::new();
    step.body.file().unwrap().open().unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(Digests::of(&bytes[..]).unwrap(), *step.file.digests);
    bytes
}

/// The regular files of a gzipped tar, by another reader.
pub(super) fn files(tgz: &[u8]) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut tar = tar::Archive::new(MultiGzDecoder::new(tgz));
    let mut files = Vec::new();
    for entry in tar.entries()? {
        let mut entry = entry?;
        // A path ends before a NUL, as npm has it.
        let path = entry.path_bytes().split(|byte| *byte == 0).next().map(<[u8]>::to_vec).unwrap_or_default();
        let path = String::from_utf8_lossy(&path).into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let kind = entry.header().entry_type();
        if kind.is_pax_local_extensions() || kind.is_gnu_longname() {
            return Err(std::io::Error::other("this reader does not know it for an extended header; npm does"));
        }
        if kind.is_pax_global_extensions() {
            return Err(std::io::Error::other("this reader gives it what an extended header says of the next file"));
        }
        if (kind.is_file() || kind.is_contiguous()) && !path.ends_with('/') {
            files.push((path, content));
        }
    }
    Ok(files)
}

/// Every file of the packages is one of the artifact's, with the same bytes, but for a `package.json` that may have been
/// written anew; and the same artifact gives the same plan.
pub(super) fn holds(artifact: &Files, selection: &Selection) -> Result<Vec<PackagePlan>, String> {
    let bytes = zipped(artifact);
    let plans = plan(bytes.clone(), selection.clone())?;
    for plan in &plans {
        let inside = files(&archive(plan)).expect("what was packed can be read");
        assert!(inside.iter().any(|(path, _)| path == "package/package.json"), "it has its manifest");
        for (path, content) in inside {
            let inner = path.strip_prefix("package/").expect("all files are in the folder");
            let is_file = |path: &str| path == inner || path.ends_with(&format!("/{inner}"));
            let mut same = artifact.iter().filter(|(path, _)| is_file(path));
            assert!(inner == "package.json" || same.any(|(_, own)| *own == content), "{inner} is as in the artifact");
        }
    }
    let again = super::planned::plan(bytes, selection.clone()).expect("it could be planned before");
    let text =
        |plans: &[PackagePlan]| plans.iter().flat_map(|plan| &plan.steps).map(ToString::to_string).collect::<String>();
    assert_eq!(text(&plans), text(&again), "the same plan");
    Ok(plans)
}
