//! The commit that a package was published from, `gitHead` of its manifest: what `HEAD` of the repository around it
//! names. Nothing but that and the one reference is read.

use std::io::{self, BufRead, BufReader, Read};

use super::super::PackageError;
use super::js;
use super::surroundings::within;
use crate::archive::{Archive, ArchiveError, EntryKind};

/// Largest file of a single reference.
pub(super) const MAX_REFERENCE: u64 = 4 << 10;
/// Largest list of references that is searched.
const MAX_PACKED: u64 = 64 << 20;

/// A file of the repository, by its path in there.
pub(super) type File<'f> = Option<Box<dyn Read + 'f>>;

/// The commit, if the files of the repository name one.
pub(super) fn head<'f>(open: impl Fn(&str) -> io::Result<File<'f>>) -> io::Result<Option<String>> {
    let text = |path: &str| match open(path)? {
        Some(file) => text(file),
        None => Ok(String::new()),
    };
    let head = text("HEAD")?;
    let Some(reference) = head.strip_prefix("ref: ").map(js::trim) else {
        return Ok(named(&head));
    };
    // One that would lead out of the repository is none.
    if reference.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return Ok(None);
    }
    let own = text(reference)?;
    match (named(own.strip_prefix("ref: ").unwrap_or(&own)), open("packed-refs")?) {
        (None, Some(packed)) => listed(packed, reference),
        (own, _) => Ok(own),
    }
}

/// The commit that the repository nearest to a folder of the artifact is at; a `.git` that is no folder ends the search
/// as well, without one.
pub(super) fn head_of(archive: &Archive, repository: &str) -> Result<Option<String>, PackageError> {
    let open = |path: &str| -> io::Result<File<'static>> {
        let entry = archive.find(&format!("{repository}/{path}"));
        let most = if path == "packed-refs" { MAX_PACKED } else { MAX_REFERENCE };
        let Some(entry) = entry.filter(|entry| entry.kind() == EntryKind::File && entry.size() <= most) else {
            return Ok(None);
        };
        Ok(Some(Box::new(entry.open().map_err(io::Error::other)?)))
    };
    head(open).map_err(|source| PackageError::Archive(ArchiveError::Read { entry: repository.to_owned(), source }))
}

/// Where the repository around a folder of the artifact would be.
pub(super) fn around(archive: &Archive, folder: &str) -> Option<String> {
    let mut outer = Some(folder);
    while let Some(path) = outer {
        let place = within(path, ".git");
        if archive.find(&place).is_some() || archive.below(&place).next().is_some() {
            return Some(place);
        }
        outer = path.rsplit_once('/').map(|(outer, _)| outer).or((!path.is_empty()).then_some(""));
    }
    None
}

fn named(text: &str) -> Option<String> {
    let text = js::trim(text);
    (!text.is_empty()).then(|| text.to_owned())
}

fn text(file: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MAX_REFERENCE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The commit of a reference in a list of them, a line each.
fn listed(packed: impl Read, reference: &str) -> io::Result<Option<String>> {
    let mut packed = BufReader::new(packed);
    let mut line = Vec::new();
    let mut whole = true;
    loop {
        line.clear();
        if packed.by_ref().take(MAX_REFERENCE).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let begins = std::mem::replace(&mut whole, line.last() == Some(&b'\n'));
        let text = std::str::from_utf8(&line).ok().filter(|_| begins);
        if let Some((commit, name)) = text.and_then(|line| line.strip_suffix('\n').unwrap_or(line).split_once(' '))
            && commit.len() == 40
            && commit.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            && !name.ends_with('\r')
            && js::trim(name) == reference
        {
            return Ok(Some(commit.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn at(files: &[(&str, &str)]) -> Option<String> {
        let open = |path: &str| -> io::Result<File<'_>> {
            let found = files.iter().find(|(name, _)| *name == path);
            Ok(found.map(|(_, text)| -> Box<dyn Read> { Box::new(text.as_bytes()) }))
        };
        head(open).unwrap()
    }

    #[test]
    fn the_commit_is_what_head_names() {
        let long = format!("# {}{ONE} refs/heads/a\n{TWO} refs/heads/a\n", "x".repeat(4094));
        let packed = format!("# pack-refs\n{ONE} refs/heads/aa\n{TWO} refs/heads/a\n^{ONE}\n");
        for (files, expected) in [
            (&[("HEAD", ONE)][..], Some(ONE)),
            (
                &[("HEAD", "ref: refs/heads/a\n"), ("refs/heads/a", "2222222222222222222222222222222222222222\n")],
                Some(TWO),
            ),
            (&[("HEAD", "ref: refs/heads/a\n"), ("packed-refs", &packed)], Some(TWO)),
            (&[("HEAD", "ref: refs/heads/a\n"), ("refs/heads/a", "\n"), ("packed-refs", &packed)], Some(TWO)),
            (&[("HEAD", "ref: refs/heads/a\n"), ("packed-refs", &long)], Some(TWO)),
            (&[("HEAD", "ref: refs/heads/b\n"), ("packed-refs", &packed)], None),
            (&[("HEAD", "ref: refs/heads/a\n")], None),
            (&[("HEAD", "\n")], None),
            (&[("HEAD", "ref: ../../secret\n"), ("../../secret", "s")], None),
            (&[("HEAD", "ref: /secret\n"), ("/secret", "s")], None),
            (&[("refs/heads/a", ONE)], None),
        ] {
            assert_eq!(at(files).as_deref(), expected, "{files:?}");
        }
    }
}
