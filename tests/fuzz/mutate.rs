//! Makes other inputs out of given ones: with an eye to what they mean, and blindly.

use fastrand::Rng;
use serde_json::{Value, json};

use super::seeds::gzip;

/// Longest input that is made.
const MOST: usize = 1 << 16;

/// What a record begins with, and the places and widths of its numbers.
type Record = (&'static [u8], &'static [(usize, usize)]);

/// The records of a zip.
const RECORDS: [Record; 6] = [
    (b"PK\x03\x04", &[(6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)]),
    (
        b"PK\x01\x02",
        &[(4, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (38, 4), (42, 4)],
    ),
    (b"PK\x05\x06", &[(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)]),
    (b"PK\x06\x06", &[(4, 8), (16, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 8)]),
    (b"PK\x06\x07", &[(4, 4), (8, 8), (16, 4)]),
    (b"PK\x07\x08", &[(4, 4), (8, 4), (12, 4)]),
];

/// A zip with other numbers in it, parts twice, in another place or not at all.
pub(crate) fn zip(dice: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..dice.usize(1..4) {
        match dice.u8(..8) {
            0..4 => number(dice, bytes),
            4 => entry_again(dice, bytes),
            5 => {
                // With something before it or behind it, perhaps another zip.
                let more = if dice.bool() { bytes.clone() } else { vec![dice.u8(..); dice.usize(1..40)] };
                let (one, other) = if dice.bool() { (&more, &*bytes) } else { (&*bytes, &more) };
                *bytes = [one.as_slice(), other].concat();
            }
            _ => blindly(dice, bytes),
        }
    }
    bytes.truncate(MOST);
}

fn places(bytes: &[u8], magic: &[u8]) -> Vec<usize> {
    bytes.windows(magic.len()).enumerate().filter(|(_, window)| *window == magic).map(|(at, _)| at).collect()
}

/// Another number in a record.
fn number(dice: &mut Rng, bytes: &mut [u8]) {
    let (magic, fields) = RECORDS[dice.usize(..RECORDS.len())];
    let places = places(bytes, magic);
    if places.is_empty() {
        return;
    }
    let (at, width) = fields[dice.usize(..fields.len())];
    let at = places[dice.usize(..places.len())] + at;
    let length = bytes.len() as u64;
    let Some(field) = bytes.get_mut(at..at + width) else { return };
    let mut old = [0; 8];
    old[..width].copy_from_slice(field);
    let old = u64::from_le_bytes(old);
    let new = match dice.u8(..10) {
        0 => 0,
        1 => 1,
        2 => u64::MAX,
        3 => u64::MAX >> 1,
        4 => old.wrapping_add(1),
        5 => old.wrapping_sub(1),
        6 => length,
        7 => dice.u64(..=length),
        8 => old ^ (1 << dice.u32(..64)),
        _ => dice.u64(..),
    };
    field.copy_from_slice(&new.to_le_bytes()[..width]);
}

/// An entry of the directory a second time, and counted.
fn entry_again(dice: &mut Rng, bytes: &mut Vec<u8>) {
    let (headers, ends) = (places(bytes, b"PK\x01\x02"), places(bytes, b"PK\x05\x06"));
    let (Some(end), false) = (ends.last().copied(), headers.is_empty()) else { return };
    let at = headers[dice.usize(..headers.len())];
    let next = headers.iter().copied().find(|next| *next > at).unwrap_or(end);
    let mut header = bytes[at..next.max(at)].to_vec();
    if dice.bool() && header.len() > 50 {
        // By another name.
        header[46 + dice.usize(..4)] ^= 1;
    }
    let more = header.len() as u32;
    bytes.splice(at..at, header);
    let end = end + more as usize;
    for (place, more) in [(8, 1), (10, 1)] {
        if let Some(field) = bytes.get_mut(end + place..end + place + 2) {
            let count = u16::from_le_bytes([field[0], field[1]]).wrapping_add(more);
            field.copy_from_slice(&count.to_le_bytes());
        }
    }
    if let Some(field) = bytes.get_mut(end + 12..end + 16) {
        let length = u32::from_le_bytes(field.try_into().unwrap()).wrapping_add(more);
        field.copy_from_slice(&length.to_le_bytes());
    }
}

/// Out of a tar, one that is compressed: with other fields in its headers, whose checksums are right, or with other
/// bytes in any place.
pub(crate) fn tgz(dice: &mut Rng, tar: &mut Vec<u8>) {
    for _ in 0..dice.usize(1..4) {
        if dice.u8(..4) == 0 {
            blindly(dice, tar);
            continue;
        }
        let block = dice.usize(..(tar.len() / 512).max(1)) * 512;
        let Some(header) = tar.get_mut(block..block + 512) else { continue };
        match dice.u8(..6) {
            0 => header[156] = b"0123456789gxLKSVN\0"[dice.usize(..18)],
            1 => {
                let sizes = [0, 1, 511, 512, 513, 8 << 30, (8 << 30) - 1, dice.u64(..4096)];
                let size = format!("{:011o}\0", sizes[dice.usize(..sizes.len())]);
                header[124..136].copy_from_slice(&size.as_bytes()[size.len() - 12..]);
            }
            // A number in base 256.
            2 => header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, dice.u8(..), 0, 0, 0, dice.u8(..)]),
            3 => header[dice.usize(..100)] = b"./\\\0aA\xff"[dice.usize(..7)],
            4 => header[345 + dice.usize(..100)] = b"./\0a"[dice.usize(..4)],
            _ => header[dice.usize(..512)] = dice.u8(..),
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    tar.truncate(MOST);
    *tar = gzip(tar);
    if dice.u8(..5) == 0 {
        blindly(dice, tar);
    }
}

/// A manifest with other values, or other bytes.
pub(crate) fn manifest(dice: &mut Rng, bytes: &mut Vec<u8>) {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(mut value) if dice.u8(..4) > 0 => {
            for _ in 0..dice.usize(1..4) {
                change(dice, &mut value, 6);
            }
            *bytes = value.to_string().into_bytes();
        }
        _ => blindly(dice, bytes),
    }
    bytes.truncate(MOST);
}

/// Puts something else somewhere into a value.
fn change(dice: &mut Rng, value: &mut Value, depth: usize) {
    let inner = match value {
        Value::Object(members) if !members.is_empty() => {
            let at = dice.usize(..members.len());
            members.values_mut().nth(at)
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.usize(..items.len());
            items.get_mut(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) if depth > 0 && dice.u8(..8) > 0 => change(dice, inner, depth - 1),
        _ => *value = any(dice, value),
    }
}

fn any(dice: &mut Rng, old: &Value) -> Value {
    let texts = [
        "",
        ".",
        "..",
        "../x",
        "/",
        "./index.js",
        "lib",
        "a\u{0}b",
        "\u{feff}x",
        "\u{1f600}",
        "1.0.0",
        "^1",
        "*",
        "workspace:^",
        "catalog:",
        "link:../x",
        "file:lib",
        "npm:b@1",
        "https://u:p@h/x#y",
        "git@github.com:a/b.git",
        "bitbucket:a/b",
        "A <b> (c)",
        "**/{a,b}",
        "!x",
        "true",
        "%00",
        "bin/cli.js",
        "node_modules/left",
    ];
    match dice.u8(..10) {
        0 => Value::Null,
        1 => json!(dice.bool()),
        2 => json!(dice.i64(..)),
        3 => json!(1e308),
        4 => json!([old, old]),
        5 => json!({texts[dice.usize(..texts.len())]: old, "url": "x", "name": "y", "type": "git"}),
        6 => (0..dice.usize(1..140)).fold(Value::Null, |inner, _| json!([inner])),
        7 => json!("x/".repeat(dice.usize(1..600))),
        _ => json!(texts[dice.usize(..texts.len())]),
    }
}

/// A text of patterns with other signs in it.
pub(crate) fn patterns(dice: &mut Rng, bytes: &mut Vec<u8>) {
    const SIGNS: [&str; 44] = [
        "*",
        "**",
        "?",
        "[",
        "]",
        "[!",
        "[^",
        "{",
        "}",
        ",",
        "..",
        "!",
        "!(",
        "@(",
        "+(",
        "*(",
        "?(",
        ")",
        "|",
        "/",
        "//",
        "\\",
        ".",
        "-",
        "#",
        "\n",
        "\r\n",
        " ",
        "\0",
        "\0\0\0",
        "a",
        "lib",
        "JS",
        "\u{e4}",
        "\u{1f600}",
        "[:alpha:]",
        "{1..9}",
        "{a,b}",
        "- ",
        ": ",
        "'",
        "\"",
        "&",
        ";",
    ];
    for _ in 0..dice.usize(1..6) {
        if dice.u8(..5) == 0 {
            blindly(dice, bytes);
            continue;
        }
        let sign = SIGNS[dice.usize(..SIGNS.len())].repeat(if dice.u8(..8) == 0 { dice.usize(1..300) } else { 1 });
        let at = dice.usize(..=bytes.len());
        let end = (at + dice.usize(..3)).min(bytes.len());
        bytes.splice(at..end, sign.into_bytes());
    }
    bytes.truncate(4096);
}

/// Other bytes in any place.
pub(crate) fn blindly(dice: &mut Rng, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    if length == 0 {
        bytes.push(dice.u8(..));
        return;
    }
    let at = dice.usize(..length);
    let end = (at + 1 + dice.usize(..64)).min(length);
    match dice.u8(..8) {
        0 => bytes[at] ^= 1 << dice.u8(..8),
        1 => bytes[at] = dice.u8(..),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        4 => {
            let piece = bytes[at..end].to_vec();
            let to = dice.usize(..=length);
            bytes.splice(to..to, piece);
        }
        5 => bytes.truncate(at),
        6 => bytes[at..end].fill([0, 0xff, b' '][dice.usize(..3)]),
        _ => bytes[at..end].reverse(),
    }
}

/// Metadata of Python distributions: lines again, elsewhere, with other ends, or anything at all.
pub(crate) fn metadata(dice: &mut Rng, bytes: &mut Vec<u8>) {
    const LINES: [&str; 12] = [
        "Name: other",
        "name : left-pad",
        "Version: 1.0.0",
        "Version: 1.0+x",
        "Metadata-Version: 2.9",
        "Metadata-Version: 3.0",
        "Summary: a\"; filename=\"x",
        "Content-Type: multipart/form-data; boundary=x",
        "License-File: x",
        "\t folded: x",
        "--x--",
        "",
    ];
    insert(dice, bytes, b'\n', |dice| {
        let end = ["\n", "\r\n", "\r", "\n\r"][dice.usize(..4)];
        format!("{}{end}", LINES[dice.usize(..LINES.len())])
    });
}

/// A POM in which an element, an entity or a value comes in somewhere, or is there twice.
pub(crate) fn pom(dice: &mut Rng, bytes: &mut Vec<u8>) {
    const PIECES: [&str; 16] = [
        "<version>2.0</version>",
        "<version>${revision}</version>",
        "<groupId>..</groupId>",
        "<artifactId>a/b</artifactId>",
        "<packaging>pom</packaging>",
        "<parent><relativePath>core</relativePath></parent>",
        "<modules><module>core</module><module>../..</module></modules>",
        "<properties><revision>${revision}</revision></properties>",
        "<build><finalName>${project.artifactId}-1.0</finalName></build>",
        "<!DOCTYPE project [<!ENTITY x 'y'>]>",
        "<![CDATA[1.0]]>",
        "&amp;&#46;&#x2e;&unknown;",
        "<!-- -->",
        "<?p i?>",
        "-SNAPSHOT",
        "</project>",
    ];
    insert(dice, bytes, b'>', |dice| PIECES[dice.usize(..PIECES.len())].to_owned());
}

/// Puts up to three pieces behind some of these bytes, or changes anything at all.
fn insert(dice: &mut Rng, bytes: &mut Vec<u8>, behind: u8, piece: impl Fn(&mut Rng) -> String) {
    for _ in 0..dice.usize(1..4) {
        if dice.u8(..3) == 0 {
            blindly(dice, bytes);
            continue;
        }
        let places: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == behind).map(|(at, _)| at + 1).collect();
        let at = dice.choice(&places).copied().unwrap_or(0);
        let piece = piece(dice);
        bytes.splice(at..at, piece.into_bytes());
    }
    bytes.truncate(MOST);
}
