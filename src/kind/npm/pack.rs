//! The archive of a package: its files as a gzipped tar that depends on nothing but their paths, bytes and modes.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use tar::{EntryType, Header};

use super::super::PackageError;
use super::folder::Folder;
use super::js;
use crate::archive::gzip::Gzip;
use crate::archive::spool::{Keep, Spool};
use crate::archive::{ArchiveError, Entry};
use crate::package::{Digester, Digests};
use crate::step::{Content, Make};

/// When npm says that every file was changed: 1985-10-26T08:15:00Z.
const MODIFIED: u64 = 499_162_500;
/// Sizes from here on do not fit into the header's twelve octal digits.
const LARGE: u64 = 8 << 30;

/// A package that we packed.
#[derive(Debug)]
pub(super) struct Packed {
    /// The archive's bytes, kept where there is room for them, else made again whenever they are read.
    pub(super) content: Content,
    /// Its digests.
    pub(super) digests: Digests,
}

/// The files of a package, in the order in which they are packed. There may be a hundred thousand: their paths are those
/// of their entries.
struct Files {
    /// How many bytes of an entry's path are the folder's own.
    prefix: usize,
    /// What takes the place of what is in `package.json`.
    manifest: Option<Box<[u8]>>,
    list: Vec<File>,
}

struct File {
    entry: Entry,
    mode: u32,
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
    let (first, others): (Vec<&Entry>, Vec<&Entry>) =
        files.iter().partition(|entry| folder.inner(entry) == "package.json");
    let file = |entry: &Entry| {
        let mode = mode(entry.mode(), bins.contains(folder.inner(entry)));
        File { entry: entry.clone(), mode }
    };
    let list = first.into_iter().chain(others).map(file).collect();
    let files = Files { prefix: folder.prefix(), manifest: manifest.map(Box::from), list };
    packed(files, Spool::default(), folder.path())
}

fn packed(files: Files, spool: Spool, path: &str) -> Result<Packed, PackageError> {
    let failed = |error| match error {
        PackError::From(error) => PackageError::Archive(error),
        PackError::To(source) => PackageError::Spool { path: path.to_owned(), source },
    };
    let full = |error| failed(PackError::To(error));
    let mut digester = Digester::new(Keep::new(spool));
    files.write(&mut digester).map_err(failed)?;
    let (keep, digests) = digester.finish();
    let content = match keep.finish().map_err(full)? {
        Some(bytes) => Content::Spooled(bytes),
        None => Content::Made { size: digests.size, by: Arc::new(files) },
    };
    Ok(Packed { content, digests })
}

impl Files {
    fn write(&self, to: impl Write) -> Result<(), PackError> {
        let mut sink = Gzip::new(to)?;
        for File { entry, mode } in &self.list {
            let path = entry.path().get(self.prefix..).unwrap_or_default();
            let manifest = self.manifest.as_deref().filter(|_| path == "package.json");
            let size = manifest.map_or_else(|| entry.size(), |manifest| manifest.len() as u64);
            for block in headers(path, size, *mode) {
                sink.write_all(&block)?;
            }
            match manifest {
                Some(manifest) => sink.write_all(manifest)?,
                None => copy(entry, &mut sink)?,
            }
            sink.write_all(padding(size))?;
        }
        sink.write_all(&[0; 1024])?;
        sink.finish()?.flush()?;
        Ok(())
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a package of {} files", self.list.len())
    }
}

impl Make for Files {
    fn make(&self, to: &mut dyn Write) -> io::Result<()> {
        self.write(to).map_err(|error| match error {
            PackError::To(error) => error,
            PackError::From(error) => io::Error::other(error),
        })
    }
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

enum PackError {
    From(ArchiveError),
    To(io::Error),
}

impl From<io::Error> for PackError {
    fn from(error: io::Error) -> Self {
        Self::To(error)
    }
}

fn copy(entry: &Entry, to: &mut impl Write) -> Result<(), PackError> {
    let mut reader = entry.open().map_err(PackError::From)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let entry = entry.path().to_owned();
                return Err(PackError::From(ArchiveError::Read { entry, source }));
            }
        };
        to.write_all(buffer.get(..count).unwrap_or_default()).map_err(PackError::To)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Archive;
    use crate::archive::source::Memory;
    use crate::make::Zip;

    #[tokio::test]
    async fn what_there_is_no_room_for_is_made_again_with_the_same_bytes() {
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(700_000).collect();
        let zip = Zip::new().file("package.json", "{}").file("noise.bin", &noise).file("a.js", "1").bytes();
        let archive = Archive::open(Arc::new(Memory(zip.into())), "Build", "x").unwrap();
        let files = || {
            let list = archive.entries().map(|entry| File { entry, mode: 0o644 }).collect();
            Files { prefix: 0, manifest: None, list }
        };
        let kept = packed(files(), Spool::default(), "").unwrap();
        let made = packed(files(), Spool::with_room(1000, 300_000), "").unwrap();
        assert!(matches!((&kept.content, &made.content), (Content::Spooled(_), Content::Made { .. })));
        assert_eq!(made.digests, kept.digests);
        let read = |content: Content| {
            let mut bytes = Vec::new();
            content.open().unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        for _ in 0..2 {
            let (made, kept) = (made.content.clone(), kept.content.clone());
            assert_eq!((made.size(), kept.size()), (kept.size(), made.size()));
            let equal = crate::apart::apart(move || read(made) == read(kept)).await.unwrap();
            assert!(equal);
        }
    }

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
