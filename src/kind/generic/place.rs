//! Where in the repository a file goes.

use super::PackageError;
use crate::archive::MAX_ENTRIES;
use crate::registry::url::{Place, Places, RepoPath};
use crate::template::{FileFacts, Template};

/// What Artifactory takes in no name, besides slashes, backslashes and control characters (its answer is 400, "not a valid
/// name character"): better refused before anything is sent.
const NOT_IN_NAMES: &[char] = &[':', '*', '?', '"', '<', '>', '|'];

/// What to do about too many.
const TOO_MANY: &str = "publish the files in several actions, or as one archive";

/// Most bytes that the places of a job's files may have besides the files' own paths: they are all kept, and a file spec
/// can make any number of them.
const MAX_BYTES: usize = 8 << 20;

/// The place as it is kept among those of all files.
pub(super) fn kept(places: &mut Places, place: &RepoPath, path: &str) -> Result<Place, PackageError> {
    let kept = places.place(place, path);
    if places.bytes() > MAX_BYTES {
        let problem =
            format!("is one file too many that goes to another folder or name: the limit is {MAX_BYTES} bytes of them");
        return Err(refused(path, &problem, TOO_MANY));
    }
    Ok(kept)
}

/// Refuses more files than an artifact can have, which a spec can make of few.
pub(super) fn count(chosen: usize, path: &str) -> Result<(), PackageError> {
    if chosen < MAX_ENTRIES {
        return Ok(());
    }
    Err(refused(path, &format!("is one file too many: the limit is {MAX_ENTRIES} in one job"), TOO_MANY))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_kept_of_places_and_no_more() {
        for (length, allowed) in [(MAX_BYTES - 1, true), (MAX_BYTES, true), (MAX_BYTES + 1, false)] {
            let path = RepoPath::parse(&"x".repeat(length)).unwrap();
            let mut places = Places::default();
            let once = kept(&mut places, &path, "a").is_ok();
            assert_eq!(
                (once, kept(&mut places, &path, "b").is_ok()),
                (allowed, allowed),
                "{length}: equal ones count once"
            );
            assert!(!allowed || kept(&mut places, &RepoPath::parse("yyyy").unwrap(), "a").is_err());
        }
        for (chosen, allowed) in [(MAX_ENTRIES - 1, true), (MAX_ENTRIES, false), (MAX_ENTRIES + 1, false)] {
            assert_eq!(count(chosen, "a").is_ok(), allowed, "after {chosen}");
        }
        let message = count(MAX_ENTRIES, "dist/a").unwrap_err().to_string();
        assert_eq!(message, "dist/a is one file too many: the limit is 100000 in one job");
    }
}
