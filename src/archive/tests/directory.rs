//! A zip's directory and its end: what they may say, and how long they may be.

use std::sync::Arc;

use super::{Raw, open, raw, read, refused, told};
use crate::archive::source;
use crate::archive::{Archive, ArchiveError, MAX_DIRECTORY, MAX_ENTRIES};

#[test]
fn entries_and_the_directory_are_limited() {
    let names: Vec<String> = (0..=MAX_ENTRIES).map(|number| format!("{number:06}")).collect();
    for (count, passes) in [(MAX_ENTRIES - 1, true), (MAX_ENTRIES, true), (MAX_ENTRIES + 1, false)] {
        let opened = open(raw(names.iter().take(count).map(|name| Raw::file(name, b"")), b""));
        match opened {
            Ok(archive) => assert!(passes && archive.len() == count),
            Err(error) => assert!(!passes && error.to_string().contains("100001 entries"), "{error}"),
        }
    }
    for (more, passes) in [(-1, true), (0, true), (1, false)] {
        // Each header is 46 bytes, a name of six, and a comment.
        let full = usize::try_from(MAX_DIRECTORY).unwrap() / 60_000;
        let rest = usize::try_from(MAX_DIRECTORY).unwrap() - full * 60_000;
        let sizes = (0..full).map(|_| 60_000).chain([rest.checked_add_signed(more).unwrap()]);
        let entries = names.iter().zip(sizes).map(|(name, size)| Raw { comment: size - 52, ..Raw::file(name, b"") });
        let opened = open(raw(entries, b""));
        assert_eq!(opened.is_ok(), passes, "{more}: {opened:?}");
    }
}

#[test]
fn entries_that_lie_over_each_other_or_over_the_directory_are_refused_with_their_name() {
    let zip = || raw([Raw::file("a", b"hello"), Raw::file("b", b"hello")], b"");
    assert_eq!(read(&open(zip()).unwrap(), "b").unwrap(), b"hello");
    let [header, end] = [b"PK\x01\x02", b"PK\x05\x06"];
    // Both at the same place; one begins within the other; the second reaches into the directory, or begins there.
    for (offset, entry) in [(0_u32, "a"), (10, "a"), (40, "b"), (72, "b"), (u32::MAX - 1, "b")] {
        let said = refused(told(&zip(), header, 42, &offset.to_le_bytes()));
        let one_of = |name: &str| said.contains(&format!("entry \"{name}\" that overlaps another entry"));
        assert!(one_of(entry) || offset == 0 && one_of("b"), "{offset}: {said}");
    }
    let said = refused(told(&zip(), header, 20, &7_u32.to_le_bytes()));
    assert!(said.contains("\"b\" that overlaps"), "one byte more than there is room for, its name aside: {said}");
    // Only the local header says how long its name is.
    let longer = told(&zip(), b"PK\x03\x04", 28, &2_u16.to_le_bytes());
    let said = read(&open(longer).unwrap(), "b").unwrap_err();
    assert!(said.contains("\"b\""), "{said}");
    assert!(open(told(&zip(), end, 20, &0_u16.to_le_bytes())).is_ok());
}

#[test]
fn a_directory_that_is_not_where_the_end_says_or_not_of_its_length_is_refused() {
    let zip = raw([Raw::file("a", b"hello"), Raw::file("b", b"x")], b"");
    let end = b"PK\x05\x06";
    let directory = u32::try_from(zip.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap()).unwrap();
    for (at, number, problem) in [
        (16, directory + 1, "not where its end says"),
        (16, u32::MAX, "not where its end says"),
        (12, 93, "an entry's header is missing"),
        (12, 95, "not where its end says"),
        (12, 47, "more entries than it has room for"),
        (12, u32::MAX, "not where its end says"),
        (8, 0x0001_0001, "longer than its entries"),
        (8, 0x0002_0001, "in several parts"),
        (8, 0xffff_ffff, "more entries than it has room for"),
        (4, 1, "in several parts"),
    ] {
        let said = refused(told(&zip, end, at, &number.to_le_bytes()));
        assert!(said.contains("its directory is damaged") && said.contains(problem), "{at} {number}: {said}");
    }
    // A name of 200 bytes in a directory that has no room for it.
    let said = refused(told(&zip, b"PK\x01\x02", 28, &200_u16.to_le_bytes()));
    assert!(said.contains("ends within an entry's header"), "{said}");
    // Bytes before the zip move everything; before the directory alone they move it away from the entries.
    let before = [b"#!/bin/sh\n".as_slice(), &zip].concat();
    assert_eq!(read(&open(before).unwrap(), "b").unwrap(), b"x");
    let mut between = zip.clone();
    let at = usize::try_from(directory).unwrap();
    between.splice(at..at, [7; 5]);
    assert!(read(&open(between).unwrap(), "a").is_err(), "there is no local header");
    let behind = [zip.as_slice(), b"and so on"].concat();
    assert_eq!(read(&open(behind).unwrap(), "b").unwrap(), b"x");
}

#[test]
fn two_ends_must_say_the_same() {
    let names: Vec<String> = (0..65_535).map(|number| format!("{number:x}")).collect();
    let zip = raw(names.iter().map(|name| Raw::file(name, b"")), b"");
    let locator = zip.windows(4).rposition(|bytes| bytes == b"PK\x06\x07").unwrap();
    assert_eq!(open(zip.clone()).unwrap().len(), names.len());
    let before = [b"before".as_slice(), &zip].concat();
    assert_eq!(open(before).unwrap().len(), names.len());
    let (short, long) = (b"PK\x05\x06", b"PK\x06\x06");
    for (bytes, problem) in [
        (told(&zip, short, 8, &7_u16.to_le_bytes()), "do not say the same"),
        (told(&zip, short, 12, &7_u32.to_le_bytes()), "do not say the same"),
        (told(&zip, long, 4, &45_u64.to_le_bytes()), "end is not where"),
        (told(&zip, long, 40, &u64::MAX.to_le_bytes()), "do not say the same"),
        (told(&zip, long, 16, &1_u32.to_le_bytes()), "do not say the same"),
        (told(&zip, b"PK\x06\x07", 8, &u64::MAX.to_le_bytes()), "end is not where"),
        (told(&zip, b"PK\x06\x07", 16, &2_u32.to_le_bytes()), "do not say the same"),
        (zip[locator..].to_vec(), "end is not where"),
    ] {
        let said = refused(bytes);
        assert!(said.contains(problem), "{problem}: {said}");
    }
    // As many as can be told, in a long end alone.
    let absurd = told(&told(&zip, long, 24, &[0xff; 16]), short, 8, &[0xff; 4]);
    assert!(refused(absurd).contains("18446744073709551615 entries"));
}

#[test]
fn nothing_is_searched_for_but_the_end() {
    // Were the directory searched for, each of these would be a place where it might be.
    let mut zip = b"PK\x01\x02".repeat(1 << 20);
    zip.extend([b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &46_u32.to_le_bytes(), &[0; 6]].concat());
    let source = Arc::new(source::tests::Counted::new(zip));
    assert!(Archive::open(Arc::<source::tests::Counted>::clone(&source), "BuildOutput", "").is_err());
    assert!(source.read() < 300_000, "{} bytes were read", source.read());
}

#[test]
fn sizes_that_are_said_to_be_elsewhere_must_be_there() {
    let long = |numbers: &[u64]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let length = u16::try_from(numbers.len()).unwrap();
        [&1_u16.to_le_bytes()[..], &length.to_le_bytes(), &numbers].concat()
    };
    let entry = |extra| Raw { extra, ..Raw::file("a", b"hello") };
    for extra in [long(&[]), long(&[5]), vec![9, 0, 0, 0], vec![1, 0, 16, 0, 5]] {
        let said = refused(raw([entry(extra)], b""));
        assert!(said.contains("is nowhere"), "{said}");
    }
    // Absurd ones: nothing of them is believed before it is there.
    let said = refused(raw([entry(long(&[5, u64::MAX]))], b""));
    assert!(said.contains("overlaps"), "{said}");
    let archive = open(raw([entry(long(&[u64::MAX, 5]))], b"")).unwrap();
    assert!(matches!(archive.find("a").unwrap().open(), Err(ArchiveError::Inflated)));
    // More numbers than are needed say nothing.
    assert_eq!(read(&open(raw([entry(long(&[5, 5, u64::MAX]))], b"")).unwrap(), "a").unwrap(), b"hello");
}
