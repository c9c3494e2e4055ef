//! The archive of a package: its files as a gzipped tar that depends on nothing but their paths, bytes and modes.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use tar::{EntryType, Header};

use super::super::PackageError;
use super::folder::Folder;
use super::js;
use crate::archive::gzip::Gzip;
use crate::archive::source::ReadAt;
use crate::archive::spool::Spool;
use crate::archive::{ArchiveError, Entry};
use crate::package::{Digester, Digests};

/// When npm says that every file was changed: 1985-10-26T08:15:00Z.
const MODIFIED: u64 = 499_162_500;
/// Sizes from here on do not fit into the header's twelve octal digits.
const LARGE: u64 = 8 << 30;

/// A package that we packed.
#[derive(Debug)]
pub(super) struct Packed {
    /// The archive's bytes.
    pub(super) bytes: Arc<dyn ReadAt>,
    /// Its digests.
    pub(super) digests: Digests,
}

/// Packs the files, `package.json` first, then in the order of their paths' bytes. `bins` are made executable;
/// `manifest` takes the place of what is in `package.json`.
pub(super) fn pack(
    folder: &Folder,
    files: &[Entry],
    bins: &[String],
    manifest: Option<&[u8]>,
) -> Result<Packed, PackageError> {
    let bins: HashSet<String> = bins.iter().map(|bin| js::segments(bin).join("/")).collect();
    let full = |source| PackageError::Spool { path: folder.path().to_owned(), source };
    let mut sink = Gzip::new(Digester::new(Spool::default())).map_err(full)?;
    let (first, others): (Vec<&Entry>, Vec<&Entry>) =
        files.iter().partition(|entry| folder.inner(entry) == "package.json");
    for entry in first.into_iter().chain(others) {
        let path = folder.inner(entry);
        let replaced = manifest.filter(|_| path == "package.json");
        let size = replaced.map_or(entry.size(), |bytes| bytes.len() as u64);
        for block in headers(path, size, mode(entry.mode(), bins.contains(path))) {
            sink.write_all(&block).map_err(full)?;
        }
        match replaced {
            Some(bytes) => sink.write_all(bytes).map_err(full)?,
            None => copy(entry, &mut sink).map_err(|error| match error {
                CopyError::From(error) => PackageError::Archive(error),
                CopyError::To(error) => full(error),
            })?,
        }
        sink.write_all(padding(size)).map_err(full)?;
    }
    sink.write_all(&[0; 1024]).map_err(full)?;
    let (spool, digests) = sink.finish().map_err(full)?.finish();
    let bytes = spool.finish().map_err(full)?;
    Ok(Packed { bytes, digests })
}

/// The mode that npm records: the owner may read and write, nobody else may write.
fn mode(recorded: Option<u32>, executable: bool) -> u32 {
    let mode = (recorded.unwrap_or(0o644) & 0o7777 | 0o600) & !0o022;
    if executable { mode | 0o111 } else { mode }
}

/// The zeros that fill the last block of a file.
fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; 512] = [0; 512];
    let length = usize::try_from(size.wrapping_neg() % 512).unwrap_or(0);
    ZEROS.get(..length).unwrap_or_default()
}

/// The header of a file, with an extended one before it where path or size need that.
fn headers(path: &str, size: u64, mode: u32) -> Vec<Vec<u8>> {
    let path = format!("package/{path}");
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mtime(MODIFIED);
    header.set_mode(mode);
    header.set_size(if size < LARGE { size } else { 0 });
    let mut records = String::new();
    if !path.is_ascii() || !name(&mut header, &path) {
        records.push_str(&record("path", &path));
        let short: String = path.chars().filter(char::is_ascii).take(99).collect();
        name(&mut header, &short);
    }
    if size >= LARGE {
        records.push_str(&record("size", &size.to_string()));
    }
    let mut blocks = Vec::new();
    if !records.is_empty() {
        let mut extended = Header::new_ustar();
        extended.set_entry_type(EntryType::XHeader);
        extended.set_mtime(MODIFIED);
        extended.set_mode(0o644);
        extended.set_size(records.len() as u64);
        let basename: String = js::basename(&path).chars().filter(char::is_ascii).take(88).collect();
        name(&mut extended, &format!("PaxHeader/{basename}"));
        extended.set_cksum();
        let padding = padding(records.len() as u64);
        blocks.push([&extended.as_bytes()[..], records.as_bytes(), padding].concat());
    }
    header.set_cksum();
    blocks.push(header.as_bytes().to_vec());
    blocks
}

/// Writes the path into the header's name, split at a slash into prefix and name where it is too long for one.
fn name(header: &mut Header, path: &str) -> bool {
    let Some(ustar) = header.as_ustar_mut() else {
        return false;
    };
    let (prefix, name) = if path.len() <= 100 {
        ("", path)
    } else {
        let split = path
            .match_indices('/')
            .filter_map(|(at, _)| Some((path.get(..at)?, path.get(at + 1..)?)))
            .find(|(prefix, name)| prefix.len() <= 155 && (1..=100).contains(&name.len()));
        match split {
            Some(split) => split,
            None => return false,
        }
    };
    for (field, text) in [(&mut ustar.name[..], name), (&mut ustar.prefix[..], prefix)] {
        for (place, byte) in field.iter_mut().zip(text.bytes().chain(std::iter::repeat(0))) {
            *place = byte;
        }
    }
    true
}

/// A record of an extended header: its own length in decimal, then `key=value`.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

enum CopyError {
    From(ArchiveError),
    To(io::Error),
}

fn copy(entry: &Entry, to: &mut impl Write) -> Result<(), CopyError> {
    let mut reader = entry.open().map_err(CopyError::From)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let entry = entry.path().to_owned();
                return Err(CopyError::From(ArchiveError::Read { entry, source }));
            }
        };
        to.write_all(buffer.get(..count).unwrap_or_default()).map_err(CopyError::To)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_npms() {
        for (recorded, executable, expected) in [
            (None, false, 0o644),
            (None, true, 0o755),
            (Some(0o664), false, 0o644),
            (Some(0o777), false, 0o755),
            (Some(0o640), false, 0o640),
            (Some(0o400), false, 0o600),
            (Some(0o4755), false, 0o4755),
            (Some(0o600), true, 0o711),
        ] {
            assert_eq!(mode(recorded, executable), expected, "{recorded:?}");
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for length in [1, 88, 89, 90, 91, 986, 987, 988, 989, 990] {
            let record = record("path", &"x".repeat(length));
            let (number, _) = record.split_once(' ').unwrap();
            assert_eq!(number.parse::<usize>().unwrap(), record.len(), "{length}");
        }
    }

    #[test]
    fn long_and_foreign_paths_survive() {
        let deep = format!("{}/{}", "d".repeat(120), "n".repeat(90));
        let long = "l".repeat(200);
        for path in ["a.js", deep.as_str(), long.as_str(), "ä/日本.js"] {
            let mut bytes = headers(path, 3, 0o644).concat();
            bytes.extend(b"abc");
            bytes.extend(padding(3));
            bytes.extend([0; 1024]);
            let mut archive = tar::Archive::new(&bytes[..]);
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(entry.path().unwrap().to_str().unwrap(), format!("package/{path}"));
            assert_eq!(entry.header().mtime().unwrap(), MODIFIED);
            assert_eq!(entry.header().as_bytes()[156], b'0');
        }
    }
}
