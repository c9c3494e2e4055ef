//! The same folders packed by the real npm (if it is the generation whose rules we follow) and by us: equal entries,
//! equal modes, equal bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::make::Zip;
use crate::npm_cases::CASES;
use crate::npm_compare::{Tree, archive_of, differences, nowhere, npm_pack, npms_tree, plans, tree};

/// All that is not as npm has it: the folder, the path, how it differs, and why.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("bins by name", "bin/a.js", "mode 644 of npm, 755 of ours", COMMANDS),
    ("a folder of bins", "cmd/x/b.js", "mode 644 of npm, 755 of ours", COMMANDS),
    ("a command in an ignored folder", "out/cli.js", "mode 644 of npm, 755 of ours", COMMANDS),
    ("commands in a list", "bin/b.js", "mode 644 of npm, 755 of ours", COMMANDS),
    ("a file that is called like a command", "other/cli.js", "mode 755 of npm, 644 of ours", COMMANDS),
    ("hard links", "b.js", "type 1 to package/a.js of npm", "an installer drops a link; a zip has none, and we write the file"),
];
/// npm cuts the first folder off a path before it looks whether that is a command: one in a folder stays as it is,
/// and a file that has its name in a folder is taken for it. Installers set the mode anyway.
const COMMANDS: &str = "commands are executable wherever they are, and nothing else is";

#[test]
fn archives_are_npms_entry_by_entry() {
    let home = tempfile::tempdir().unwrap();
    let folders: Vec<String> = (0..CASES.len()).map(|number| number.to_string()).collect();
    let ours: Vec<_> = CASES
        .iter()
        .zip(&folders)
        .map(|((story, members, files), folder)| {
            let manifest = manifest(folder, members);
            let plans = plans(build(&home.path().join(folder), &manifest, files), &nowhere());
            tree(&archive_of(&plans.unwrap_or_else(|error| panic!("{story}: {error}"))[0])[..])
        })
        .collect();
    let out = home.path().join("out");
    let report = npm_pack(home.path(), &folders, &out);
    let mut found = Vec::new();
    for (number, ((story, ..), ours)) in CASES.iter().zip(ours).enumerate() {
        assert_eq!(report[number]["version"], format!("1.0.{number}"));
        let differences = differences(&npms_tree(&report[number], &out), &ours);
        found.extend(differences.into_iter().map(|(path, how)| format!("{story} | {path} | {how}")));
    }
    found.sort();
    let mut listed: Vec<String> =
        DIFFERENCES.iter().map(|(story, path, how, _)| format!("{story} | {path} | {how}")).collect();
    listed.sort();
    assert_eq!(found, listed);
}

fn manifest(number: &str, members: &str) -> String {
    let (mark, members) = members.strip_prefix('\u{feff}').map_or(("", members), |members| ("\u{feff}", members));
    format!(r#"{mark}{{"name":"@acme/case","version":"1.0.{number}"{members}}}"#)
}

/// Writes the files below `package` and into a zip.
pub(crate) fn build(package: &Path, manifest: &str, files: &[&str]) -> Vec<u8> {
    fs::create_dir_all(package).unwrap();
    fs::write(package.join("package.json"), manifest).unwrap();
    let mut zip = Zip::new().file("package.json", manifest);
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

/// Where npm 12 packs something else: the folder, what it leaves out, what it takes in.
#[rustfmt::skip]
const TWELVE: &[(&str, &str, &str)] = &[
    ("lock files", "npm-shrinkwrap.json", ""),
    ("files as patterns", "lib/a.js", ""),
    ("a dotted negation does nothing", "lib/a.js", ""),
    ("everything by a slash", "a.js lib/b.js", ""),
    ("a named file", "lib/a.js", ""),
    ("a named file without its case", "index.js", ""),
    ("files and a negated folder", "", "lib/test/c.js"),
    ("a folder pattern opens no folder", "", "dist-a/x.js"),
    ("names that only look like litter", "bun.lock", ""),
    ("litter named in files", "lib/._x", ""),
    ("files with an empty text", "a.js lib/b.js", ""),
    ("files with a slash", "a.js lib/b.js", ""),
    ("files with a slash behind a file", "", "a.js"),
    ("negations of names in files", "", "lib/a.js lib/b.css lib/x/a.js"),
    ("a file listed and then negated", "a.js", ""),
    ("a file negated and then listed", "", "a.js lib/b.js"),
    ("a listed file beats the ignore file beside it", "lib/a.js", ""),
    ("files with dots in the way", "", "x/b.js"),
    ("files with blanks", "a.js", ""),
    ("what npm 12 alone leaves out", ".npm-extension.cjs patches/x.patch", ""),
];

/// Every list was compared with that of npm 12.2.0, by hand since it needs a later Node than these tests.
#[test]
fn files_have_the_meaning_of_npm_12_where_the_option_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for (number, (story, members, files)) in CASES.iter().enumerate() {
        let number = number.to_string();
        let zip = build(&home.path().join(&number), &manifest(&number, members), files);
        let packed = |generation: &str| {
            let mut target = nowhere();
            target.options.insert("npm-files".to_owned(), generation.to_owned());
            tree(&archive_of(&plans(zip.clone(), &target).unwrap()[0])[..])
        };
        let (eleven, twelve) = (packed("11"), packed("12"));
        let only = |one: &Tree, other: &Tree| {
            one.keys().filter(|path| !other.contains_key(*path)).cloned().collect::<Vec<_>>().join(" ")
        };
        if eleven != twelve {
            found.push(((*story).to_owned(), only(&eleven, &twelve), only(&twelve, &eleven)));
        }
    }
    let listed = TWELVE.iter().map(|(story, out, into)| ((*story).to_owned(), (*out).to_owned(), (*into).to_owned()));
    assert_eq!(found, listed.collect::<Vec<_>>());
}
