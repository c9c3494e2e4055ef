//! `make npm-corpus`: real packages, installed by the real npm at pinned versions, packed by it and by us.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, takes the time, and stops where it cannot measure"
)]

#[path = "../../tests/make.rs"]
mod make;
#[path = "../../tests/npm_compare.rs"]
mod npm_compare;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use make::Zip;
use npm_compare::{Item, Tree, archive_of, differences, nowhere, npm_pack, npms_tree, plans, tree};

/// Folders that one process of npm packs.
const AT_ONCE: usize = 100;

fn main() {
    let usage = "usage: npm_corpus FOLDER-WITH-NODE_MODULES";
    let home = std::env::args_os().nth(1).map(PathBuf::from).expect(usage);
    let home = home.canonicalize().expect(usage);
    let begun = Instant::now();
    let mut folders = Vec::new();
    packages(&home, Path::new("node_modules"), &mut folders);
    folders.sort();
    let out = home.join("packed");
    let mut agreeing = 0;
    let mut differing = Vec::new();
    let mut commands = 0;
    let (mut bundling, mut nested, mut files) = (0, 0, 0);
    for some in folders.chunks(AT_ONCE) {
        let _ = fs::remove_dir_all(&out);
        let reports = npm_pack(&home, some, &out);
        for (folder, report) in some.iter().zip(&reports) {
            let npms = npms_tree(report, &out);
            files += npms.len();
            bundling += usize::from(npms.keys().any(|path| path.starts_with("node_modules/")));
            nested += usize::from(npms.keys().any(|path| path.ends_with("/package.json")));
            match packed(&home.join(folder)) {
                Err(refusal) => differing.push(format!("{folder}: {refusal}")),
                Ok(ours) => {
                    let (accepted, others): (Vec<_>, Vec<_>) = differences(&npms, &ours)
                        .into_iter()
                        .partition(|(path, _)| only_executable(&npms, &ours, path));
                    commands += usize::from(!accepted.is_empty());
                    agreeing += usize::from(others.is_empty());
                    differing.extend(others.iter().map(|(path, how)| format!("{folder}: {path}: {how}")));
                }
            }
        }
    }
    for difference in &differing {
        println!("{difference}");
    }
    println!("agreeing                            {agreeing} of {} packages, {files} files", folders.len());
    println!("with bundled dependencies           {bundling}");
    println!("with package.json files further in  {nested}");
    println!("with commands that npm leaves 0644  {commands}");
    println!("seconds                             {:.1}", begun.elapsed().as_secs_f64());
    if !differing.is_empty() {
        std::process::exit(1);
    }
}

/// A command that npm does not make executable, since it looks for commands at the package's root alone.
fn only_executable(npms: &Tree, ours: &Tree, path: &str) -> bool {
    match (npms.get(path), ours.get(path)) {
        (Some(Item::File(npms, theirs)), Some(Item::File(mode, bytes))) => {
            theirs == bytes && (npms | 0o111 == *mode || mode | 0o111 == *npms)
        }
        _ => false,
    }
}

/// The packages of a `node_modules` and of those inside them, seen from `home`.
fn packages(home: &Path, modules: &Path, found: &mut Vec<String>) {
    for inner in folders(&home.join(modules)) {
        let place = modules.join(&inner);
        if inner.starts_with('@') {
            for name in folders(&home.join(&place)) {
                package(home, &place.join(name), found);
            }
        } else {
            package(home, &place, found);
        }
    }
}

fn package(home: &Path, place: &Path, found: &mut Vec<String>) {
    let manifest = fs::read(home.join(place).join("package.json")).ok();
    let manifest: Option<serde_json::Value> = manifest.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if manifest.is_some_and(|manifest| manifest.get("version").is_some() && manifest.get("private").is_none()) {
        found.push(place.to_str().expect("paths of packages are text").to_owned());
    }
    packages(home, &place.join("node_modules"), found);
}

fn folders(place: &Path) -> Vec<String> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.starts_with('.')).collect()
}

/// What we make of a folder: put into a zip as a build would, then packed.
fn packed(folder: &Path) -> Result<Tree, String> {
    let zip = zipped(Zip::new().stored(), folder, "").bytes();
    // A prerelease needs a tag, and which one is not what is compared.
    let mut target = nowhere();
    target.options.insert("tag".to_owned(), "corpus".to_owned());
    let plans = plans(zip, &target)?;
    let plan = plans.first().ok_or("no package in it")?;
    Ok(tree(&archive_of(plan)[..]))
}

fn zipped(mut zip: Zip, folder: &Path, inner: &str) -> Zip {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("a package's folder can be read").flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string().expect("names of files are text");
        let path = format!("{inner}{name}");
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_symlink() {
            let to = fs::read_link(entry.path()).expect("a link can be read");
            zip = zip.symlink(&path, to.to_str().expect("links are text"));
        } else if kind.is_dir() {
            zip = zipped(zip, &entry.path(), &format!("{path}/"));
        } else {
            let mode = entry.metadata().expect("a file has a mode").permissions().mode() & 0o7777;
            zip = zip.mode(&path, fs::read(entry.path()).expect("a package's file can be read"), mode);
        }
    }
    zip
}
