//! Archives that no packer makes, or only a few do, written block by block.

use std::io::Write as _;

use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};

const MANIFEST: &[u8] = br#"{"name":"r","version":"1.0.0"}"#;
const OLD: &[u8] = br#"{"name":"r","version":"0.0.1"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// An entry whose path is written as it is.
fn entry(kind: u8, path: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path);
    if matches!(kind, b'1' | b'2') {
        header.set_link_name("package/x").unwrap();
    }
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    entry(b'0', path.as_bytes(), content)
}

/// A header with other bytes at a place, and its sum right or wrong.
fn patched(mut bytes: Vec<u8>, at: usize, patch: &[u8], right: bool) -> Vec<u8> {
    bytes[at..at + patch.len()].copy_from_slice(patch);
    if right {
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    bytes
}

/// An archive of a package as a packer makes it, from files as in `npm_pack`.
pub(super) fn of(manifest: &[u8], files: &[String]) -> Vec<u8> {
    let mut tar = file("package/package.json", manifest);
    for text in files {
        let (path, content) = text.split_once('=').unwrap_or((text, "x"));
        tar.extend(file(&format!("package/{path}"), content.as_bytes()));
    }
    tar.extend([0; 1024]);
    gzip(&tar)
}

/// What each is about, and its bytes.
#[expect(clippy::too_many_lines, reason = "a list")]
pub(super) fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let end = [0; 1024];
    let manifest = file("package/package.json", MANIFEST);
    let whole = [&manifest[..], &end].concat();
    let good = gzip(&whole);
    let behind = |bytes: &[u8]| [&good[..], bytes].concat();
    let flipped = |from_end: usize| {
        let mut bytes = good.clone();
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let header = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let before = |entries: &[u8]| gzip(&[entries, &whole].concat());
    let after = |entries: &[u8]| gzip(&[&manifest[..], entries, &end].concat());
    let alone = |entries: Vec<u8>| gzip(&[&entries[..], &end].concat());
    let at = |path: &str| alone(file(path, MANIFEST));
    let pax = |records: &str| entry(b'x', b"PaxHeader/x", records.as_bytes());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&whole).unwrap();
    let mut named =
        GzBuilder::new().filename("x.tar").comment("c").extra(b"ab".to_vec()).write(Vec::new(), Compression::best());
    named.write_all(&whole).unwrap();
    vec![
        ("an ordinary one", good.clone()),
        ("another checksum", flipped(7)),
        ("another length", flipped(3)),
        ("text behind", behind(b"more")),
        ("zeros behind", behind(&[0; 512])),
        ("one zero behind", behind(&[0])),
        ("many zeros behind", behind(&[0; 200_000])),
        ("zeros and text behind", behind(b"\0\0more")),
        ("the beginning of a gzip behind", behind(&[0x1f, 0x8b])),
        ("an empty member behind", behind(&gzip(b""))),
        ("one byte short", good[..good.len() - 1].to_vec()),
        ("its checksum short", good[..good.len() - 9].to_vec()),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("nothing", Vec::new()),
        ("zlib", zlib.finish().unwrap()),
        ("not compressed", whole.clone()),
        ("of nothing", gzip(b"")),
        ("of zeros", gzip(&end)),
        ("of text", gzip(b"hello world")),
        ("cut in the manifest", gzip(&whole[..520])),
        ("cut in the padding", gzip(&whole[..600])),
        ("two members", [gzip(&whole[..700]), gzip(&whole[700..])].concat()),
        ("two members and zeros", [gzip(&whole[..700]), gzip(&whole[700..]), vec![0; 9]].concat()),
        ("names in the gzip", named.finish().unwrap()),
        ("unknown flags", header(3, 0x80)),
        ("an unknown method", header(2, 7)),
        ("rubbish behind the end", gzip(&[&whole[..], &b"garbage".repeat(200)].concat())),
        ("no end", gzip(&manifest)),
        ("half an end", gzip(&[&manifest[..], &[0; 512]].concat())),
        ("a second archive behind the end", gzip(&[&whole[..], &file("package/package.json", OLD), &end].concat())),
        ("a wrong sum first", gzip(&[&patched(manifest.clone(), 3, b"X", false)[..], &end].concat())),
        ("a wrong sum later", after(&patched(file("package/x", b"1"), 8, b"y", false))),
        ("a type of version 7", alone(patched(manifest.clone(), 156, b"\0", true))),
        ("the sign of GNU", alone(patched(manifest.clone(), 257, b"ustar  \0", true))),
        ("a contiguous file", alone(entry(b'7', b"package/package.json", MANIFEST))),
        ("an unknown type", after(&entry(b'Q', b"package/x", b"1"))),
        ("a manifest of unknown type", alone(entry(b'Q', b"package/package.json", MANIFEST))),
        ("a size in bytes", alone(patched(manifest.clone(), 124, &[&[0x80][..], &[0; 10], &[30]].concat(), true))),
        ("a blank size", alone(patched(manifest.clone(), 124, b"            ", true))),
        ("a size with a blank behind", alone(patched(manifest.clone(), 124, b"36 \0\0\0\0\0\0\0\0\0", true))),
        ("an extended path", alone([pax("29 path=package/package.json\n"), file("cut", MANIFEST)].concat())),
        ("an extended size", before(&pax("11 size=30\n"))),
        ("another extended size", before(&pax("9 size=1\n"))),
        ("an extended header of nonsense", before(&pax("nonsense"))),
        ("an extended header too long", before(&pax("99 path=a\n"))),
        ("an extended time", before(&pax("13 mtime=1.5\n"))),
        ("a global comment", before(&entry(b'g', b"pax_global_header", b"15 comment=abc\n"))),
        (
            "a global path",
            alone([entry(b'g', b"g", b"29 path=package/package.json\n"), file("t/x", MANIFEST)].concat()),
        ),
        ("an extended path of a link", before(&[pax("14 linkpath=q\n"), entry(b'2', b"package/l", b"")].concat())),
        (
            "a long name of GNU",
            alone([entry(b'L', b"././@LongLink", b"package/package.json\0"), file("cut", MANIFEST)].concat()),
        ),
        (
            "one without its zero",
            alone([entry(b'L', b"././@LongLink", b"package/package.json"), file("cut", MANIFEST)].concat()),
        ),
        (
            "a long link of GNU",
            before(&[entry(b'K', b"././@LongLink", b"x\0"), entry(b'2', b"package/l", b"")].concat()),
        ),
        (
            "a long name of an older GNU",
            alone([entry(b'N', b"x", b"package/package.json\0"), file("cut", MANIFEST)].concat()),
        ),
        ("a prefix", alone(patched(file("package.json", MANIFEST), 345, b"package", true))),
        ("a folder", before(&entry(b'5', b"package/", b""))),
        ("a folder by its slash", before(&file("package/", b""))),
        ("a path that leads out", before(&file("package/../x", b"1"))),
        ("a manifest that leads out", at("package/../package.json")),
        ("a manifest that comes back", at("package/a/../package.json")),
        ("an absolute path", at("/package/package.json")),
        ("an absolute file", at("/package.json")),
        ("the current folder", at("./package.json")),
        ("a folder in the current one", at("./package/package.json")),
        ("a doubled slash", at("package//package.json")),
        ("a dot between", at("package/./package.json")),
        ("no folder", at("package.json")),
        ("another folder", at("foo/package.json")),
        ("upper case", at("package/Package.json")),
        ("a slash behind a manifest", at("package/package.json/")),
        ("a backslash", at("package\\package.json")),
        ("a drive", at("c:/package.json")),
        ("two top folders", alone([file("a/package.json", OLD), file("b/package.json", MANIFEST)].concat())),
        ("the same path twice", before(&file("package/package.json", OLD))),
        ("then a link", after(&entry(b'2', b"package/package.json", b""))),
        ("then a hard link", after(&[file("package/x", b"1"), entry(b'1', b"package/package.json", b"")].concat())),
        ("then a folder", after(&entry(b'5', b"package/package.json/", b""))),
        ("then a file below it", after(&file("package/package.json/x", b"1"))),
        ("a file below it and then itself", before(&file("package/package.json/x", b"1"))),
        ("a link to a folder", before(&[entry(b'2', b"package/d", b""), file("package/d/x", b"1")].concat())),
        ("a backslash in a name", before(&file("package/a\\b", b"1"))),
        ("a drive in a name", before(&file("package/c:x", b"1"))),
        ("a name that is no UTF-8", before(&entry(b'0', b"package/\xe9", b"1"))),
        ("no name", before(&file("", b"1"))),
        ("devices and pipes", before(&[entry(b'3', b"package/d", b""), entry(b'6', b"package/f", b"")].concat())),
        ("a file in place of the folder", before(&file("package", b"1"))),
        (
            "a manifest in a comment",
            alone(file("package/index.js", b"/**package {\"name\":\"r\",\"version\":\"1.0.0\"} **/\n")),
        ),
        ("no manifest", alone(file("package/a", b"1"))),
        ("an empty manifest", alone(file("package/package.json", b""))),
        (
            "a specifier of a workspace",
            alone(file(
                "package/package.json",
                br#"{"name":"r","version":"1.0.0","dependencies":{"a":"workspace:*"}}"#,
            )),
        ),
        ("a size beyond its end", gzip(&patched(manifest.clone(), 124, b"03641100\0\0\0\0", true))),
    ]
}
