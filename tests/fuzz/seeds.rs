//! Sound inputs, from which others are made.

use std::io::{Cursor, Write as _};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use tar::{EntryType, Header};
use zip::write::{FullFileOptions, SimpleFileOptions};
use zip::{CompressionMethod, ZipWriter};

/// Zips: stored, deflated, with folders, links, comments, data descriptors, long sizes, bytes before them.
pub(crate) fn zips() -> Vec<Vec<u8>> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o644);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o755);
    let mut plain = ZipWriter::new(Cursor::new(Vec::new()));
    plain.start_file("package.json", stored).unwrap();
    plain.write_all(br#"{"name":"a","version":"1.0.0"}"#).unwrap();
    plain.add_directory("lib", stored).unwrap();
    plain.start_file("lib/index.js", deflated).unwrap();
    plain.write_all(&b"module.exports = 1;\n".repeat(20)).unwrap();
    plain.add_symlink("link", "lib/index.js", stored).unwrap();
    plain.start_file("\u{e4}/\u{65e5}.js", deflated).unwrap();
    plain.start_file("empty", stored).unwrap();
    let plain = plain.finish().unwrap().into_inner();

    let mut long = ZipWriter::new(Cursor::new(Vec::new()));
    let options = FullFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
    long.start_file("large", options.clone().with_file_comment("a comment")).unwrap();
    long.write_all(&[7; 3000]).unwrap();
    long.set_comment("of the zip").unwrap();
    let long = long.finish().unwrap().into_inner();

    // Written as to a pipe: sizes behind the data.
    let mut streamed = ZipWriter::new_stream(Vec::new());
    streamed.start_file("streamed", deflated).unwrap();
    streamed.write_all(&b"again and ".repeat(30)).unwrap();
    streamed.start_file("second", deflated).unwrap();
    streamed.write_all(b"2").unwrap();
    let streamed = streamed.finish().unwrap().into_inner();

    let before = [b"#!/bin/sh\nexit\n".as_slice(), &plain].concat();
    let empty = ZipWriter::new(Cursor::new(Vec::new())).finish().unwrap().into_inner();
    vec![long_end(&plain), long_end(&before), plain, long, streamed, before, empty, tgzs().remove(0)]
}

/// The same zip with a long end.
fn long_end(zip: &[u8]) -> Vec<u8> {
    let (body, end) = zip.split_at(zip.len() - 22);
    let number = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    let count = u64::from(u16::from_le_bytes(end[10..12].try_into().unwrap()));
    let (length, offset) = (number(12), number(16));
    let numbers = [count, count, length, offset].map(u64::to_le_bytes).concat();
    let long = [b"PK\x06\x06".as_slice(), &44_u64.to_le_bytes(), &[45, 0, 45, 0], &[0; 8], &numbers].concat();
    let locator = [b"PK\x06\x07\0\0\0\0".as_slice(), &(offset + length).to_le_bytes(), &[1, 0, 0, 0]].concat();
    [body, &long, &locator, b"PK\x05\x06\0\0\0\0", &[0xff; 12], &[0; 2]].concat()
}

/// Tars, not compressed: short and long paths of both forms, a folder, a link.
pub(crate) fn tars() -> Vec<Vec<u8>> {
    let manifest = br#"{"name":"a","version":"1.0.0","main":"index.js"}"#;
    let long = format!("package/{}", "d/".repeat(90));
    let mut plain = tar::Builder::new(Vec::new());
    let mut gnu = tar::Builder::new(Vec::new());
    for (path, content) in
        [("package/package.json", &manifest[..]), ("package/index.js", b"1;\n"), (&format!("{long}x"), b"deep")]
    {
        for (tar, mut header) in [(&mut plain, Header::new_ustar()), (&mut gnu, Header::new_gnu())] {
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, content).unwrap();
        }
    }
    let mut folder = Header::new_ustar();
    folder.set_entry_type(EntryType::Directory);
    folder.set_size(0);
    plain.append_data(&mut folder, "package/lib", std::io::empty()).unwrap();
    let mut link = Header::new_ustar();
    link.set_entry_type(EntryType::Symlink);
    link.set_size(0);
    plain.append_link(&mut link, "package/link", "index.js").unwrap();
    let mut extended = tar::Builder::new(Vec::new());
    extended.append_pax_extensions([("path", &b"package/package.json"[..]), ("mtime", b"1.5")]).unwrap();
    let mut header = Header::new_ustar();
    header.set_size(manifest.len() as u64);
    extended.append_data(&mut header, "short", &manifest[..]).unwrap();
    vec![plain.into_inner().unwrap(), gnu.into_inner().unwrap(), extended.into_inner().unwrap()]
}

/// The same, compressed.
pub(crate) fn tgzs() -> Vec<Vec<u8>> {
    tars().iter().map(|tar| gzip(tar)).collect()
}

/// Compresses.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip: GzEncoder<Vec<u8>> = GzBuilder::new().write(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Manifests.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"name":"a","version":"1.0.0"}"#,
        r#"{"name":"@s/a","version":"v01.2.3-beta.1+build","description":"d","keywords":["k"],"main":"./index",
            "bin":{"a":"./bin/cli.js"},"files":["lib/**","!lib/deep"],"license":"MIT","author":"A <a@b.c> (http://d)",
            "contributors":["B",{"name":"C"}],"repository":"github:a/b","bugs":{"url":"http://e"},"homepage":"f",
            "scripts":{"prepack":"tsc","start":"node ."},"exports":{".":{"import":"./index.js"},"./x":null},
            "dependencies":{"left":"^1.0.0","x":"workspace:*"},"bundleDependencies":["left"],"engines":{"node":">=18"},
            "publishConfig":{"tag":"next","access":"public"},"optionalDependencies":{"y":"1"},"directories":{"bin":"bin"}}"#,
        r#"{"name":"root","version":"1.0.0","private":true,"workspaces":["packages/*"]}"#,
        r#"{"name":"b","version":"1.0.0","bundleDependencies":true,"dependencies":{"left":"catalog:"},"bin":"bin/cli.js",
            "man":["./a.1"],"typings":"x.d.ts","os":["linux"],"files":["index.js"],"browser":"b.js","type":"module"}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Texts of patterns.
pub(crate) fn patterns() -> Vec<Vec<u8>> {
    let texts = [
        "*.js\n!index.js\n# comment\nlib/**/*.test.js\nbuild/",
        "\0lib/*.{js,ts}\n!lib/deep\n/index.js",
        "\0\0packages/*\n!packages/two\n./apps/**",
        "\0\0\0packages:\n  - 'packages/*'\n  - \"!x\" # no\ncatalog:\n  left: ^1.0.0\ncatalogs:\n  old: {a: 1, 'b': 2}\n",
        "\0\0\0\0packages/*/package.json; **/*.tgz ;!lib/{a,b}/[!c]?",
        "@(a|b)\n+(x|!(y))*\n[[:alpha:]-z]\n{1..3}{a,b{c,d}}\n\\*\n?(lib)/**/.*\n**/a/../b//c/",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Metadata of Python distributions.
pub(crate) fn metadata() -> Vec<Vec<u8>> {
    const HEAD: &str = "Name: left-pad\nVersion: 1.0\n";
    [
        "Metadata-Version: 2.4\nSummary: Pads\nKeywords: a,b\nClassifier: A :: B\nRequires-Dist: x (>=1)\nProject-URL: Home, https://a.example\nLicense-File: LICENSE\n\n# Left\r\n\r\n--x: y\r\n",
        "Metadata-Version: 1.1\r\nLicense: MIT\r\n        more\r\nDescription: # Old\r\n        |text\r\nPlatform: any\r\n",
        "Metadata-Version: 2.1\nAuthor: \u{dc}ber\nno field\nrest\n",
    ]
    .map(|more| format!("{HEAD}{more}").into_bytes())
    .to_vec()
}

/// Wheels with such metadata.
pub(crate) fn wheels() -> Vec<Vec<u8>> {
    let wheel = |metadata: &Vec<u8>| {
        super::planned::zipped(&[
            ("left_pad/__init__.py", b"ANSWER = 42\n"),
            ("left_pad-1.0.dist-info/METADATA", metadata),
            ("left_pad-1.0.dist-info/WHEEL", b"Tag: py3-none-any\n"),
            ("left_pad-1.0.dist-info/RECORD", b""),
        ])
    };
    metadata().iter().map(wheel).collect()
}

/// POMs of the library that the files beside them are of.
pub(crate) fn poms() -> Vec<Vec<u8>> {
    const OWN: &str = "<artifactId>lib</artifactId>";
    const REST: &str = "<groupId>org.acme</groupId><version>1.0</version>";
    [
        format!("<?xml version=\"1.0\"?>\n<project xmlns=\"x\">{OWN}{REST}</project>\n"),
        format!("<project><parent><artifactId>all</artifactId>{REST}</parent>{OWN}</project>"),
        format!("<project>{OWN}{REST}<properties><a>1</a></properties><modules><module>core</module></modules></project>"),
        format!("<project>{OWN}{REST}<build><finalName>${{project.artifactId}}-${{a}}</finalName></build><properties><a>1.0</a></properties></project>"),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Jars that say what they are, and one that does not.
pub(crate) fn jars() -> Vec<Vec<u8>> {
    const POM: &[u8] =
        b"<project><groupId>org.acme</groupId><artifactId>lib</artifactId><version>1.0</version></project>";
    const SAID: &[u8] = b"groupId=org.acme\nartifactId=lib\nversion=1.0\n";
    let own = "META-INF/maven/org.acme/lib";
    let (pom, said) = (format!("{own}/pom.xml"), format!("{own}/pom.properties"));
    let manifest: (&str, &[u8]) = ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n");
    [vec![manifest, (&pom, POM), (&said, SAID)], vec![manifest, (&pom, POM)], vec![manifest, ("a/B.class", b"x")]]
        .map(|files| super::planned::zipped(&files))
        .to_vec()
}
