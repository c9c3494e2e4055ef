//! Zips written byte by byte, sound and otherwise: what is read of their entries, and where the limits are.

mod directory;

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use super::source::Memory;
use super::{Archive, ArchiveError, EntryKind};
use crate::make::{Zip, tgz};

/// An entry of a [`raw`] zip. The sizes and the checksum are what its headers say.
#[derive(Clone)]
struct Raw<'a> {
    name: &'a [u8],
    stored: &'a [u8],
    method: u16,
    flags: u16,
    crc32: u32,
    size: u32,
    mode: u32,
    extra: Vec<u8>,
    /// More of it, in the directory alone.
    central: Vec<u8>,
    comment: usize,
}

impl<'a> Raw<'a> {
    /// A stored regular file.
    fn file(name: &'a str, content: &'a [u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Self {
            name: name.as_bytes(),
            stored: content,
            method: 0,
            // The name is UTF-8.
            flags: 1 << 11,
            crc32: crc.sum(),
            size: u32::try_from(content.len()).unwrap(),
            mode: 0o100_644,
            extra: Vec::new(),
            central: Vec::new(),
            comment: 0,
        }
    }

    fn header(&self, more: usize) -> Vec<u8> {
        let stored = u32::try_from(self.stored.len()).unwrap();
        let short = |value: u16| value.to_le_bytes();
        [
            &short(self.flags)[..],
            &short(self.method),
            &[0; 4],
            &self.crc32.to_le_bytes(),
            &if self.extra.is_empty() { stored } else { u32::MAX }.to_le_bytes(),
            &if self.extra.is_empty() { self.size } else { u32::MAX }.to_le_bytes(),
            &short(u16::try_from(self.name.len()).unwrap()),
            &short(u16::try_from(self.extra.len() + more).unwrap()),
        ]
        .concat()
    }
}

/// A zip of these entries, each local header followed by `between`.
fn raw<'a>(entries: impl IntoIterator<Item = Raw<'a>>, between: &[u8]) -> Vec<u8> {
    let (mut zip, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u64);
    for entry in entries {
        let offset = u32::try_from(zip.len()).unwrap();
        let comment = u16::try_from(entry.comment).unwrap();
        zip.extend(
            [&b"PK\x03\x04\x14\0"[..], &entry.header(0), entry.name, &entry.extra, entry.stored, between].concat(),
        );
        directory.extend([&b"PK\x01\x02\x14\x03\x14\0"[..], &entry.header(entry.central.len())].concat());
        directory.extend([&comment.to_le_bytes()[..], &[0; 4], &(entry.mode << 16).to_le_bytes()].concat());
        directory.extend([&offset.to_le_bytes()[..], entry.name, &entry.extra, &entry.central].concat());
        directory.resize(directory.len() + entry.comment, b' ');
        count += 1;
    }
    let (start, length) = (zip.len() as u64, directory.len() as u64);
    zip.extend(directory);
    let end64 = zip.len() as u64;
    if count > 65_534 {
        zip.extend([&b"PK\x06\x06"[..], &44_u64.to_le_bytes(), &[45, 3, 45, 0], &[0; 8]].concat());
        zip.extend([count, count, length, start].map(u64::to_le_bytes).concat());
        zip.extend([&b"PK\x06\x07\0\0\0\0"[..], &end64.to_le_bytes(), &1_u32.to_le_bytes()].concat());
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    zip.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count].concat());
    zip.extend([length, start].map(|value| u32::try_from(value).unwrap().to_le_bytes()).concat());
    zip.extend([0; 2]);
    zip
}

fn open(bytes: impl Into<Bytes>) -> Result<Archive, ArchiveError> {
    Archive::open(Arc::new(Memory(bytes.into())), "BuildOutput", "alone.tgz")
}

fn read(archive: &Archive, path: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut reader = archive.find(path).unwrap().open().map_err(|error| error.to_string())?;
    reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[test]
fn entries_are_found_in_the_order_of_their_paths_and_read_whole() {
    let zip = Zip::new()
        .folder("b")
        .mode("b/x.sh", "run", 0o755)
        .file("a", "1")
        .symlink("l", "a")
        .stored()
        .file("./c/d", "22");
    let archive = open(zip.bytes()).unwrap();
    let entries: Vec<_> =
        archive.entries().map(|entry| (entry.path().to_owned(), entry.kind(), entry.size())).collect();
    let entry = |path: &str, kind, size| (path.to_owned(), kind, size);
    assert_eq!(
        entries,
        [
            entry("a", EntryKind::File, 1),
            entry("b", EntryKind::Directory, 0),
            entry("b/x.sh", EntryKind::File, 3),
            entry("c/d", EntryKind::File, 2),
            entry("l", EntryKind::Symlink, 1),
        ]
    );
    assert_eq!(archive.find("b/x.sh").unwrap().mode(), Some(0o755));
    assert_eq!(archive.below("b").map(|entry| entry.path().to_owned()).collect::<Vec<_>>(), ["b/x.sh"]);
    assert_eq!((read(&archive, "a").unwrap(), read(&archive, "c/d").unwrap()), (b"1".to_vec(), b"22".to_vec()));
    assert!(archive.find("b/").is_none() && archive.find("x").is_none());
}

#[test]
fn an_artifact_is_known_by_its_first_bytes() {
    assert_eq!(open(Zip::new().bytes()).unwrap().len(), 0);
    let alone = open(tgz(&[("package/package.json", "{}")])).unwrap();
    assert_eq!(alone.entries().map(|entry| entry.path().to_owned()).collect::<Vec<_>>(), ["alone.tgz"]);
    assert!(read(&alone, "alone.tgz").unwrap().starts_with(&[0x1f, 0x8b]));
    for bytes in [&b""[..], b"P", b"hello", b"PK\x03\x04", b"PK\x05\x06", b"PK\x03\x04 and no directory behind it"] {
        assert!(matches!(open(bytes.to_vec()), Err(ArchiveError::NotAZip(_))), "{bytes:?}");
    }
    let mut cut = Zip::new().file("a", "1").bytes();
    cut.truncate(cut.len() - 5);
    assert!(matches!(open(cut), Err(ArchiveError::NotAZip(_))));
}

#[test]
fn a_name_that_could_lead_out_of_the_artifact_is_refused_with_the_name() {
    for (name, problem) in [
        ("/etc/passwd", "absolute"),
        ("../x", ".."),
        ("a/../../x", ".."),
        ("a/..", ".."),
        ("C:/x", "drive"),
        ("c:x", "drive"),
        ("a\\b", "backslash"),
        ("a\0b", "NUL"),
    ] {
        let error = open(raw([Raw::file("ok", b""), Raw::file(name, b"")], b"")).unwrap_err();
        let ArchiveError::Name { entry, problem: told } = &error else { panic!("{name}: {error}") };
        assert!(entry == name && told.contains(problem), "{error}");
    }
    for name in ["a..b", "..a", "a/.b/...", "ä/ö", "ab:c"] {
        assert!(open(raw([Raw::file(name, b"")], b"")).is_ok(), "{name}");
    }
}

#[test]
fn a_path_that_is_there_twice_is_refused_however_it_is_spelled() {
    for names in [["a", "a"], ["a/b", "a//b"], ["./a", "a"], ["a/", "a"], ["a", "a/b"], ["a/./b", "a/b/c"]] {
        let error = open(raw(names.map(|name| Raw::file(name, b"")), b"")).unwrap_err();
        assert!(matches!(error, ArchiveError::Name { .. }), "{names:?}: {error}");
    }
    let link = Raw { mode: 0o120_777, ..Raw::file("a", b"/etc") };
    assert!(open(raw([link, Raw::file("a/passwd", b"")], b"")).is_err(), "behind a symbolic link");
}

#[test]
fn what_the_directory_says_of_an_entry_is_held_against_its_bytes() {
    let sound = Raw::file("a", b"hello");
    assert_eq!(read(&open(raw([sound.clone()], b"")).unwrap(), "a").unwrap(), b"hello");
    for (entry, problem) in [
        (Raw { size: 4, ..sound.clone() }, "longer"),
        (Raw { size: 6, ..sound.clone() }, "shorter"),
        (Raw { crc32: 0, ..sound.clone() }, "checksum"),
        (Raw { flags: 1, ..sound.clone() }, "encrypted"),
        (Raw { method: 12, ..sound.clone() }, "compression method"),
    ] {
        let error = read(&open(raw([entry], b"")).unwrap(), "a").unwrap_err();
        assert!(error.contains(problem), "{problem}: {error}");
    }
    let mut moved = raw([sound], b"");
    moved[0..4].copy_from_slice(b"PK\0\0");
    assert!(read(&open(moved).unwrap(), "a").is_err(), "there is no local header");
}

#[test]
fn a_bomb_inflates_no_further_than_it_says_and_not_at_all_beyond_what_is_wanted() {
    let zeros = vec![0; 10 << 20];
    let bomb = Zip::new().file("bomb", &zeros).bytes();
    let archive = open(bomb.clone()).unwrap();
    let entry = archive.find("bomb").unwrap();
    assert!(matches!(entry.read_to_memory(entry.size() - 1), Err(ArchiveError::TooLarge { .. })));
    assert_eq!(entry.read_to_memory(entry.size()).unwrap().len(), zeros.len());
    // The size stands in the local header at 22 and in the directory's at 24.
    let mut liar = bomb;
    let directory = liar.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    for at in [22, directory + 24] {
        liar[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    let archive = open(liar).unwrap();
    assert_eq!(archive.find("bomb").unwrap().size(), 1000);
    assert!(read(&archive, "bomb").unwrap_err().contains("longer"));
}

#[test]
fn data_descriptors_and_long_sizes_are_understood() {
    // Streaming writers put checksum and sizes behind the data.
    let streamed = Raw { flags: 1 << 3 | 1 << 11, ..Raw::file("a", b"hello") };
    let archive = open(raw([streamed, Raw::file("b", b"x")], b"PK\x07\x08descriptor..")).unwrap();
    assert_eq!((read(&archive, "a").unwrap(), read(&archive, "b").unwrap()), (b"hello".to_vec(), b"x".to_vec()));
    // Zip64: the sizes are in an extra field.
    let extra = [&1_u16.to_le_bytes()[..], &16_u16.to_le_bytes(), &[5_u64; 2].map(u64::to_le_bytes).concat()].concat();
    let archive = open(raw([Raw { extra, ..Raw::file("a", b"hello") }], b"")).unwrap();
    assert_eq!(read(&archive, "a").unwrap(), b"hello");
}

#[test]
fn what_is_read_of_an_artifact_has_a_limit_in_all_and_counts_once() {
    // 16 GiB and a byte, declared by one entry; nothing of it is read.
    let extra = |size: u64| {
        [&1_u16.to_le_bytes()[..], &16_u16.to_le_bytes(), &size.to_le_bytes(), &5_u64.to_le_bytes()].concat()
    };
    let entry = |name, size| Raw { extra: extra(size), ..Raw::file(name, b"hello") };
    let archive = open(raw([entry("a", super::MAX_INFLATED - 1), entry("b", 1), entry("c", 1)], b"")).unwrap();
    for (name, passes) in [("a", true), ("b", true), ("a", true), ("b", true), ("c", false)] {
        assert_eq!(archive.find(name).unwrap().open().is_ok(), passes, "{name}");
    }
}

/// What an artifact of these bytes is refused for.
fn refused(bytes: impl Into<Bytes>) -> String {
    open(bytes).unwrap_err().to_string()
}

/// The bytes with this number in another place than it was, `at` bytes behind the last such signature.
fn told(zip: &[u8], signature: &[u8], at: usize, number: &[u8]) -> Vec<u8> {
    let mut zip = zip.to_vec();
    let record = zip.windows(4).rposition(|bytes| bytes == signature).unwrap();
    zip[record + at..record + at + number.len()].copy_from_slice(number);
    zip
}

#[test]
fn names_and_modes_are_read_as_they_were_meant() {
    let plain = Raw { flags: 0, ..Raw::file("", b"") };
    let mut crc = flate2::Crc::new();
    crc.update(b"?");
    let unicode = [b"\x75\x70\x07\0\x01".as_slice(), &crc.sum().to_le_bytes(), "ß".as_bytes()].concat();
    for (entry, name) in [
        (Raw { name: "ß".as_bytes(), ..plain.clone() }, "ß"),
        (Raw { name: b"\xe1\x80", ..plain.clone() }, "ßÇ"),
        (Raw { name: b"?", central: unicode.clone(), ..plain.clone() }, "ß"),
        (Raw { name: b"!", central: unicode, ..plain.clone() }, "!"),
        (Raw { name: b"x", central: b"\x01\0\xff\0".to_vec(), ..plain.clone() }, "x"),
    ] {
        let paths: Vec<String> =
            open(raw([entry], b"")).unwrap().entries().map(|entry| entry.path().to_owned()).collect();
        assert_eq!(paths, [name]);
    }
    let mode = |system: u8, attributes: u32| {
        let zip = told(&raw([Raw::file("a", b"")], b""), b"PK\x01\x02", 5, &[system]);
        let entry = open(told(&zip, b"PK\x01\x02", 38, &attributes.to_le_bytes())).unwrap().find("a").unwrap();
        (entry.kind(), entry.mode())
    };
    assert_eq!(mode(3, 0o100_755 << 16), (EntryKind::File, Some(0o755)));
    assert_eq!(mode(3, 0o106_755 << 16), (EntryKind::File, Some(0o755)), "nobody gets a set-user-id bit");
    assert_eq!(mode(3, 0o120_777 << 16), (EntryKind::Symlink, Some(0o777)));
    assert_eq!(mode(19, 0o120_777 << 16), (EntryKind::Symlink, Some(0o777)), "of another system");
    assert_eq!(mode(19, 0x20), (EntryKind::File, None));
    assert_eq!(mode(3, 0), (EntryKind::File, None));
    assert_eq!(mode(0, 0x20), (EntryKind::File, Some(0o664)));
    assert_eq!(mode(0, 0x21), (EntryKind::File, Some(0o444)));
}

#[test]
fn an_entry_may_be_read_into_memory_up_to_the_limit_of_a_manifest() {
    let limit = usize::try_from(super::MAX_MANIFEST).unwrap();
    for (size, passes) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let archive = open(Zip::new().file("package.json", vec![b' '; size]).bytes()).unwrap();
        let outcome = archive.find("package.json").unwrap().read_to_memory(super::MAX_MANIFEST);
        match outcome {
            Ok(bytes) => assert!(passes && bytes.len() == size),
            Err(error) => assert!(!passes && matches!(error, ArchiveError::TooLarge { .. }), "{error}"),
        }
    }
}

#[test]
fn inflating_has_a_limit_in_all() {
    let declared = |size: u64| {
        [&1_u16.to_le_bytes()[..], &16_u16.to_le_bytes(), &size.to_le_bytes(), &5_u64.to_le_bytes()].concat()
    };
    for (more, passes) in [(-1, true), (0, true), (1, false)] {
        let size = super::MAX_INFLATED.checked_add_signed(more).unwrap();
        let archive = open(raw([Raw { extra: declared(size), ..Raw::file("a", b"hello") }], b"")).unwrap();
        assert_eq!(archive.find("a").unwrap().open().is_ok(), passes, "{more}");
    }
}
