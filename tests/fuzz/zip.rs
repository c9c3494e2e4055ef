//! Artifacts: opened and read to the end of each entry.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use codepipeline_artifactory::apart::apart;
use codepipeline_artifactory::archive::mirror::{Mirror, Room};
use codepipeline_artifactory::archive::source::ReadAt;
use codepipeline_artifactory::archive::{Archive, Entry, EntryKind, MAX_ENTRIES};

use super::source::{Counted, Far};

/// An entry and what could be read of it, or why that is not all.
type Seen = (String, EntryKind, Option<u32>, u64, Result<Vec<u8>, String>);

/// Opens the bytes as an artifact and reads all entries. No more is read than there is, no more comes out than was
/// said; `zip` reads the same; and the same comes out where the object is far away.
pub(crate) fn zip(bytes: &[u8]) {
    let size = bytes.len() as u64;
    let source = Counted::new(bytes);
    let opened = Archive::open(Arc::<Counted>::clone(&source), "BuildOutput", "alone.tgz");
    // The end is looked for three times, the directory is read once.
    let taken = source.taken();
    assert!(taken <= 4 * size + 300, "{taken} bytes of {size} were read to open it");
    let seen = opened.map_err(|error| error.to_string()).map(|archive| {
        assert!(archive.len() <= MAX_ENTRIES);
        let entries: Vec<Entry> = archive.entries().collect();
        assert!(entries.windows(2).all(|pair| pair[0].path() < pair[1].path()), "the paths are in order, each once");
        for entry in &entries {
            assert!(archive.find(entry.path()).is_some_and(|found| found.path() == entry.path()));
        }
        archive.expect(&entries);
        entries.iter().map(read).collect::<Vec<Seen>>()
    });
    // Entries do not lie over each other.
    let taken = source.taken();
    assert!(taken <= size, "{taken} bytes of {size} were read for all entries");
    if let Ok(seen) = &seen {
        compare(seen, bytes);
    }
    if size.is_multiple_of(4) {
        assert_eq!(from_afar(bytes), seen, "from afar the same is read");
    }
}

fn read(entry: &Entry) -> Seen {
    let outcome = entry.open().map_err(|error| error.to_string()).and_then(|mut reader| {
        let mut content = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let count = reader.read(&mut buffer).map_err(|error| error.to_string())?;
            content.extend_from_slice(&buffer[..count]);
            assert!(content.len() as u64 <= entry.size(), "more came out than was said");
            if count == 0 {
                assert_eq!(content.len() as u64, entry.size(), "less came out than was said");
                return Ok(content);
            }
        }
    });
    (entry.path().to_owned(), entry.kind(), entry.mode(), entry.size(), outcome)
}

/// The same by a mirror of an object in another place.
fn from_afar(bytes: &[u8]) -> Result<Vec<Seen>, String> {
    let remote = Arc::new(Far(Bytes::copy_from_slice(bytes)));
    let reading = apart(move || {
        let mirror: Arc<dyn ReadAt> = Arc::new(Mirror::new(remote, Room::OfFolder).unwrap());
        let archive = Archive::open(mirror, "BuildOutput", "alone.tgz").map_err(|error| error.to_string())?;
        let entries: Vec<Entry> = archive.entries().collect();
        archive.expect(&entries);
        Ok(entries.iter().map(read).collect())
    });
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(reading).unwrap()
}

/// What another reader says: where both read an entry, the same bytes with the same mode, and no other entries.
fn compare(seen: &[Seen], bytes: &[u8]) {
    let Ok(mut other) = zip::ZipArchive::new(Cursor::new(bytes)) else { return };
    let mut theirs = BTreeMap::new();
    for at in 0..other.len() {
        let Ok(mut file) = other.by_index(at) else {
            // Encrypted, or with a local header that is none: its name is there all the same.
            let name = other.name_for_index(at).and_then(|name| name.ok().map(std::borrow::Cow::into_owned));
            theirs.insert(plain(name.as_deref().unwrap_or_default()), None);
            continue;
        };
        let path = plain(&file.name().expect("all names can be decoded"));
        let mut content = Vec::new();
        // No more than this reader was told, too.
        let read = file.by_ref().take(bytes.len() as u64 * 1100).read_to_end(&mut content);
        let whole = read.is_ok() && content.len() as u64 == file.size();
        theirs.insert(path, whole.then(|| (content, file.unix_mode().map(|mode| mode & 0o777))));
    }
    theirs.remove("");
    let ours: Vec<&str> = seen.iter().map(|(path, ..)| path.as_str()).collect();
    // A bare gzip is an artifact, too.
    if ours != ["alone.tgz"] {
        assert_eq!(ours, theirs.keys().map(String::as_str).collect::<Vec<_>>(), "the same entries");
    }
    for (path, _, mode, _, content) in seen {
        if let (Ok(content), Some(Some((other, other_mode)))) = (content, theirs.get(path)) {
            assert!(content == other, "{path} is read alike");
            assert_eq!(mode, other_mode, "{path}");
        }
    }
}

fn plain(name: &str) -> String {
    name.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect::<Vec<_>>().join("/")
}
