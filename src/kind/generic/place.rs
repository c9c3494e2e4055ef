//! Where in the repository a file goes.

use super::PackageError;
use crate::registry::url::RepoPath;
use crate::template::{FileFacts, Template};

/// What Artifactory takes in no name, besides slashes, backslashes and control characters (its answer is 400, "not a valid
/// name character"): better refused before anything is sent.
const NOT_IN_NAMES: &[char] = &[':', '*', '?', '"', '<', '>', '|'];

/// The place of the file at `path`: under `TargetPath`, which is a folder, whatever it ends with.
pub(super) fn under_target_path(folder: Option<&Template>, path: &str, rest: &str) -> Result<RepoPath, PackageError> {
    let (dir, file) = path.rsplit_once('/').unwrap_or(("", path));
    let facts = FileFacts { name: None, version: None, file, dir: Some(dir) };
    let folder = folder.map(|folder| folder.for_file(&facts)).transpose();
    let folder = folder.map_err(|source| {
        let remedy = "use {file}, {dir} and what is known of the run in TargetPath";
        refused(path, &format!("cannot be published: TargetPath {source}"), remedy)
    })?;
    // The folder of a file at the artifact's root is no segment.
    let folder = folder.iter().flat_map(|folder| folder.split('/')).filter(|segment| !segment.is_empty());
    safe(path, &folder.chain([rest]).collect::<Vec<_>>().join("/"))
}

/// The place as one that cannot be wrong.
pub(super) fn safe(path: &str, place: &str) -> Result<RepoPath, PackageError> {
    let cannot = |why: &str| {
        refused(
            path,
            &format!("cannot be stored at {place:?}: {why}"),
            "let the build give it another name, or publish it to another path",
        )
    };
    if let Some(bad) = place.chars().find(|character| NOT_IN_NAMES.contains(character)) {
        return Err(cannot(&format!("Artifactory takes no {bad} in a name")));
    }
    RepoPath::parse(place).ok_or_else(|| {
        cannot("a path has no empty segment, none that is '.' or '..', no backslash and no control character")
    })
}

pub(super) fn refused(path: &str, problem: &str, remedy: &str) -> PackageError {
    PackageError::Refused { path: path.to_owned(), problem: problem.to_owned(), remedy: remedy.to_owned() }
}
