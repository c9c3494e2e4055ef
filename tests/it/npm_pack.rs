//! The same folders packed by the real npm (if it is the generation whose rules we follow) and by us: equal entries,
//! equal modes, equal bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::make::Zip;
use crate::npm_cases::CASES;
use crate::npm_compare::{Differences, archive_of, commands_of, nowhere, npm_pack, npms_tree, plans, tree};

/// What is not as npm has it, and on purpose: the folder, and by its name in the list what is meant.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &str)] = &[
    ("bins by name", "commands are executable"),
    ("a folder of bins", "commands are executable"),
    ("a command in an ignored folder", "commands are executable"),
    ("commands in a list", "commands are executable"),
    ("a file that is called like a command", "nothing but commands is made executable"),
    ("hard links", "hard links are files"),
];

#[test]
fn archives_are_npms_entry_by_entry() {
    let home = tempfile::tempdir().unwrap();
    let folders: Vec<String> = (0..CASES.len()).map(|number| number.to_string()).collect();
    let ours: Vec<_> = CASES
        .iter()
        .zip(&folders)
        .map(|((story, members, files), folder)| {
            let plans = plans(build(&home.path().join(folder), manifest(folder, members), files), &nowhere());
            let plan = plans.unwrap_or_else(|error| panic!("{story}: {error}")).remove(0);
            (tree(&archive_of(&plan)[..]), commands_of(&plan))
        })
        .collect();
    let out = home.path().join("out");
    let report = npm_pack(home.path(), &folders, &out);
    let mut found = Vec::new();
    for (number, ((story, ..), (ours, commands))) in CASES.iter().zip(ours).enumerate() {
        assert_eq!(report[number]["version"], format!("1.0.{number}"));
        let mut differences = Differences::default();
        differences.of_archives(&npms_tree(&report[number], &out), &ours, &commands);
        assert!(differences.others.is_empty(), "{story}: {}", differences.others.join("\n"));
        found.extend(differences.meant.into_iter().map(|what| (*story, what)));
    }
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), DIFFERENCES.iter().copied().collect());
}

/// The manifest of a case.
pub(crate) fn manifest(number: &str, members: &str) -> String {
    let (mark, members) = members.strip_prefix('\u{feff}').map_or(("", members), |members| ("\u{feff}", members));
    format!(r#"{mark}{{"name":"@acme/case","version":"1.0.{number}"{members}}}"#)
}

/// Writes the files below `package` and into a zip.
pub(crate) fn build(package: &Path, manifest: impl AsRef<[u8]>, files: &[&str]) -> Vec<u8> {
    fs::create_dir_all(package).unwrap();
    fs::write(package.join("package.json"), &manifest).unwrap();
    let mut zip = Zip::new().file("package.json", &manifest);
    for file in files {
        if let Some((path, to)) = file.split_once("=>") {
            fs::hard_link(package.join(to), package.join(path)).unwrap();
            zip = zip.file(path, fs::read(package.join(to)).unwrap());
            continue;
        }
        let (path, to) = match file.split_once("->") {
            Some((path, to)) => (path, Some(to)),
            None => (*file, None),
        };
        let (path, content) = path.split_once('=').unwrap_or((path, "x"));
        let (path, mode) = match path.rsplit_once('+') {
            Some((path, "x")) => (path, 0o775),
            Some((path, octal)) if octal.starts_with('0') => (path, u32::from_str_radix(octal, 8).unwrap()),
            _ => (path, 0o644),
        };
        let place = package.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        if let Some(to) = to {
            symlink(to, &place).unwrap();
            zip = zip.symlink(path, to);
        } else {
            fs::write(&place, content).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            zip = zip.mode(path, content, mode);
        }
    }
    zip.bytes()
}
