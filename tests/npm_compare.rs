//! What the real npm packs and what we pack, held against each other: entry by entry, mode by mode, byte by byte.
#![allow(dead_code, reason = "each of the binaries that share it uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

#[path = "npm_compare/deliberate.rs"]
mod deliberate;
#[path = "npm_compare/judge.rs"]
pub(crate) mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::archive::{Archive, Selection};
use codepipeline_artifactory::kind;
use codepipeline_artifactory::package::Target;
use codepipeline_artifactory::plan::PackagePlan;
use codepipeline_artifactory::registry::url::{Base, RepoKey};
use codepipeline_artifactory::step::{SameBy, Segment};
use serde_json::Value;

pub(crate) use deliberate::{Seen, explained};

/// An entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A file: its mode and what is in it.
    File(u32, Vec<u8>),
    /// Something that is no file: its type in the tar, and where it leads.
    Other(u8, String),
}

/// The entries of an archive, by their paths in the package.
pub(crate) type Tree = BTreeMap<String, Item>;

/// Runs the real npm in a folder that is also its home, and returns what it printed.
pub(crate) fn npm(folder: &Path, arguments: &[String]) -> String {
    npm_in(folder, folder, arguments)
}

/// Runs the real npm in a folder below its home.
#[expect(clippy::disallowed_methods, reason = "the real npm is what we are compared with")]
pub(crate) fn npm_in(home: &Path, folder: &Path, arguments: &[String]) -> String {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .env("HOME", home)
        .env("npm_config_userconfig", home.join(".npmrc"))
        .env("npm_config_cache", home.join("cache"))
        .env("npm_config_update_notifier", "false")
        .output()
        .unwrap_or_else(|error| panic!("npm cannot be started ({error}): the tests need Node 20 or later with npm"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Has the real npm pack the folders, which are below `home`, all in one process, into `out`; npm's report about each.
pub(crate) fn npm_pack(home: &Path, folders: &[String], out: &Path) -> Vec<Value> {
    let version = npm(home, &["--version".to_owned()]);
    assert!(version.starts_with("11."), "these are not the rules of npm {version}");
    std::fs::create_dir_all(out).unwrap();
    let mut arguments: Vec<String> =
        ["pack", "--json", "--ignore-scripts", "--pack-destination"].map(str::to_owned).to_vec();
    arguments.push(out.to_str().unwrap().to_owned());
    arguments.extend(folders.iter().map(|folder| format!("./{folder}")));
    let report: Value = serde_json::from_str(&npm(home, &arguments)).unwrap();
    let report = report.as_array().unwrap().clone();
    assert_eq!(report.len(), folders.len());
    report
}

/// The entries of the archive that npm reports to have packed into `out`.
pub(crate) fn npms_tree(report: &Value, out: &Path) -> Tree {
    let bytes = std::fs::read(out.join(report["filename"].as_str().unwrap())).unwrap();
    tree(&bytes[..])
}

/// The entries of a gzipped tar.
pub(crate) fn tree(gzipped: impl Read) -> Tree {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(gzipped));
    let mut tree = Tree::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let path = path.strip_prefix("package/").expect("everything is in the folder of the package").to_owned();
        let item = match entry.header().entry_type() {
            tar::EntryType::Regular => {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                Item::File(entry.header().mode().unwrap(), bytes)
            }
            other => {
                let to = entry.link_name_bytes().map(|to| String::from_utf8_lossy(&to).into_owned());
                Item::Other(other.as_byte(), to.unwrap_or_default())
            }
        };
        assert_eq!(tree.insert(path.clone(), item), None, "{path} is there twice");
    }
    tree
}

/// What we would publish of an artifact.
pub(crate) fn plans(zip: Vec<u8>, target: &Target) -> Result<Vec<PackagePlan>, String> {
    let archive = Archive::open(Arc::new(Memory(Bytes::from(zip))), "Build", "package.tgz");
    let archive = archive.map_err(|error| format!("the artifact {error}"))?;
    kind::by_name("npm").unwrap().plan(&archive, target).map_err(|error| error.to_string())
}

/// The archive of a plan's only request.
pub(crate) fn archive_of(plan: &PackagePlan) -> Vec<u8> {
    let content = plan.steps[0].body.0.iter().find_map(|segment| match segment {
        Segment::Base64(content) => Some(content),
        _ => None,
    });
    let mut bytes = Vec::new();
    content.unwrap().open().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The root of an artifact alone, even where it has workspaces.
pub(crate) fn target(base: Base) -> Target {
    Target {
        base,
        repository: RepoKey::parse("npm-local").unwrap(),
        path: None,
        files: Selection::parse("package.json;*.tgz").unwrap(),
        properties: Vec::new(),
        options: BTreeMap::new(),
        email: None,
    }
}

/// A target at no server.
pub(crate) fn nowhere() -> Target {
    target(Base::parse("https://acme.example", false).unwrap())
}

/// The body of a plan's only request.
pub(crate) fn body_of(plan: &PackagePlan) -> Value {
    use base64::Engine as _;
    let mut body = Vec::new();
    for segment in &plan.steps[0].body.0 {
        match segment {
            Segment::Bytes(bytes) => body.extend(bytes),
            Segment::Raw(content) | Segment::Base64(content) => {
                let mut bytes = Vec::new();
                content.open().unwrap().read_to_end(&mut bytes).unwrap();
                body.extend(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
            }
        }
    }
    serde_json::from_slice(&body).unwrap()
}

/// The manifest that the plan sends.
pub(crate) fn manifest_of(plan: &PackagePlan) -> Value {
    body_of(plan)["versions"][&plan.of.version].take()
}

/// The paths of the plan's commands.
pub(crate) fn commands_of(plan: &PackagePlan) -> Vec<String> {
    match &plan.steps[0].file.same_by {
        SameBy::Files { commands } => commands.iter().cloned().collect(),
        SameBy::Bytes => Vec::new(),
    }
}

/// How a package is not as npm has it: what is meant, by its name in the list, and what is not, in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) meant: BTreeSet<&'static str>,
    pub(crate) others: Vec<String>,
}

impl Differences {
    pub(crate) fn add(&mut self, seen: Seen<'_>, words: impl FnOnce() -> String) {
        match explained(seen) {
            Some(deliberate) => {
                self.meant.insert(deliberate.what);
            }
            None => self.others.push(words()),
        }
    }

    /// Holds two archives against each other.
    pub(crate) fn of_archives(&mut self, npms: &Tree, ours: &Tree, commands: &[String]) {
        for (path, how) in differences(npms, ours) {
            self.add(Seen::Entry { path: &path, npms, ours, commands }, || format!("{path}: {how}"));
        }
    }

    /// Holds two manifests against each other, member by member.
    pub(crate) fn of_manifests(&mut self, npms: &Value, ours: &Value) {
        let (npms, ours) = (npms.as_object().unwrap(), ours.as_object().unwrap());
        for name in npms.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
            let (npms, ours) = (npms.get(name), ours.get(name));
            if npms != ours {
                let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
                self.add(Seen::Member { name, npms, ours }, || {
                    format!("{name}: {} of npm, {} of ours", shown(npms), shown(ours))
                });
            }
        }
    }
}

/// How two trees differ, a line for each entry.
pub(crate) fn differences(npms: &Tree, ours: &Tree) -> Vec<(String, String)> {
    let paths: BTreeSet<&String> = npms.keys().chain(ours.keys()).collect();
    let differing = paths.into_iter().filter_map(|path| {
        let problem = match (npms.get(path), ours.get(path)) {
            (Some(npms), Some(ours)) if npms == ours => return None,
            (Some(Item::File(npms, theirs)), Some(Item::File(mode, bytes))) if theirs == bytes => {
                format!("mode {npms:o} of npm, {mode:o} of ours")
            }
            (Some(Item::File(..)), Some(Item::File(..))) => "other bytes".to_owned(),
            (Some(Item::Other(kind, to)), Some(_)) => format!("type {} to {to} of npm", char::from(*kind)),
            (Some(_), Some(_)) => "another type".to_owned(),
            (Some(_), None) => "only npm packs it".to_owned(),
            (None, _) => "only we pack it".to_owned(),
        };
        Some((path.clone(), problem))
    });
    differing.collect()
}
