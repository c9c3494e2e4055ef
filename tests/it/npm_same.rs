//! The same content gives the same archive, whatever made the zip that it came in and in whatever order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::make::Zip;
use crate::npm_compare::{archive_of, nowhere, plans};

/// A package whose files are of all kinds: an executable, an empty one, a large one, a long and a foreign name.
fn files() -> Vec<(String, u32, Vec<u8>)> {
    let manifest =
        r#"{"name":"same","version":"1.0.0","bin":"bin/cli.js","dependencies":{"b":"1"},"bundleDependencies":["b"]}"#;
    let noise: Vec<u8> = (0..70_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let long = format!("{}/{}.js", "long".repeat(30), "name".repeat(30));
    let files = [
        ("package.json", 0o644, manifest.as_bytes().to_vec()),
        ("README.md", 0o644, b"# same\n".to_vec()),
        ("bin/cli.js", 0o755, b"#!/usr/bin/env node\n".to_vec()),
        ("lib/a.js", 0o644, b"a".to_vec()),
        ("lib/B.js", 0o644, b"b".to_vec()),
        ("lib/deep/er/c.js", 0o644, Vec::new()),
        ("noise.bin", 0o644, noise),
        (long.as_str(), 0o644, b"x".repeat(5_000)),
        ("node_modules/b/package.json", 0o644, b"{}".to_vec()),
        ("node_modules/stray/package.json", 0o644, b"{}".to_vec()),
    ];
    files.into_iter().map(|(path, mode, bytes)| (path.to_owned(), mode, bytes)).collect()
}

fn ours(files: &[(String, u32, Vec<u8>)], mut zip: Zip) -> Vec<u8> {
    for (path, mode, bytes) in files {
        zip = zip.mode(path, bytes, *mode);
    }
    zip.bytes()
}

fn packed(zip: Vec<u8>) -> Vec<u8> {
    archive_of(&plans(zip, &nowhere()).unwrap()[0])
}

#[test]
fn any_order_time_and_compression_gives_the_same_bytes() {
    let mut files = files();
    let expected = packed(ours(&files, Zip::new()));
    assert_eq!(packed(ours(&files, Zip::new())), expected);
    // A fixed sequence of shuffles: what fails once fails always.
    let mut state = 1_u32;
    for round in 0..40 {
        for at in (1..files.len()).rev() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            files.swap(at, (state >> 8) as usize % (at + 1));
        }
        let zip = if round % 2 == 0 { Zip::new() } else { Zip::new().stored() };
        let zip = if round % 3 == 0 { zip.folder("lib").folder("empty") } else { zip };
        assert!(packed(ours(&files, zip)) == expected, "round {round}: {:?}", files.iter().map(|file| &file.0));
    }
    files.iter_mut().find(|file| file.0 == "lib/a.js").unwrap().2 = b"A".to_vec();
    assert!(packed(ours(&files, Zip::new())) != expected);
}

/// Runs a tool in the folder; whether it is there at all.
#[expect(clippy::disallowed_methods, reason = "the zips of builds are made by such tools")]
fn made(folder: &Path, tool: &str, arguments: &[&str]) -> bool {
    match Command::new(tool).args(arguments).current_dir(folder).output() {
        Ok(output) => {
            assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => panic!("{tool}: {error}"),
    }
}

#[test]
fn any_tool_gives_the_same_bytes() {
    let files = files();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("package");
    for (path, mode, bytes) in &files {
        let place = folder.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, bytes).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(*mode)).unwrap();
    }
    let expected = packed(ours(&files, Zip::new()));
    let python = "import shutil; shutil.make_archive('../python', 'zip', '.')";
    let tools: [(&str, &str, &[&str]); 5] = [
        ("python", "python3", &["-c", python]),
        ("zip", "zip", &["-q", "-r", "../zip.zip", "."]),
        ("zip-9-without-folders", "zip", &["-q", "-9", "-D", "-X", "-r", "../zip-9-without-folders.zip", "."]),
        ("zip-stored", "zip", &["-q", "-0", "-r", "../zip-stored.zip", "."]),
        ("jar", "jar", &["-c", "-M", "-f", "../jar.zip", "."]),
    ];
    for (name, tool, arguments) in tools {
        let there = made(&folder, tool, arguments);
        // The tests need Python anyway; the others are taken where they are.
        assert!(there || tool != "python3", "python3 is needed");
        if there {
            let zip = fs::read(home.path().join(format!("{name}.zip"))).unwrap();
            assert!(packed(zip) == expected, "{name}");
        }
    }
}
