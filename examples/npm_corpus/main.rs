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

use codepipeline_artifactory::archive::Selection;
use codepipeline_artifactory::plan::PackagePlan;
use make::Zip;
use npm_compare::judge::{Question, judge, npms_own};
use npm_compare::{
    Differences, Tree, archive_of, commands_of, manifest_of, nowhere, npm_in, npm_pack, npms_tree, plans, tree,
};
use serde_json::Value;

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
    let mut count = Count::default();
    for some in folders.chunks(AT_ONCE) {
        count.packages(&home, some);
    }
    for (name, is_in) in MONOREPOS {
        let members: Vec<&String> = folders.iter().filter(|folder| is_in(folder)).collect();
        count.monorepo(&home, name, &members);
    }
    for difference in &count.differences.others {
        println!("{difference}");
    }
    println!(
        "agreeing                            {} of {} packages, {} files",
        count.agreeing,
        folders.len(),
        count.files
    );
    println!("the same manifests are sent         {} of {}", count.manifests, folders.len());
    println!(
        "members of monorepos, agreeing      {} of {} in {}",
        count.agreeing_members,
        count.members,
        MONOREPOS.len()
    );
    println!("with bundled dependencies           {}", count.bundling);
    println!("with package.json files further in  {}", count.nested);
    for what in &count.differences.meant {
        println!("meant to differ                     {what}");
    }
    println!("seconds                             {:.1}", begun.elapsed().as_secs_f64());
    if !count.differences.others.is_empty() {
        std::process::exit(1);
    }
}

type Monorepo = (&'static str, fn(&str) -> bool);

/// Packages of the corpus put together as the members of one workspace, with ignore files around them.
const MONOREPOS: [Monorepo; 3] = [
    ("of one scope", |folder| folder.starts_with("node_modules/@babel/")),
    ("of other scopes", |folder| {
        folder.starts_with("node_modules/@")
            && !folder.starts_with("node_modules/@babel/")
            && folder.matches('/').count() == 2
    }),
    ("of bare names", |folder| {
        folder.strip_prefix("node_modules/").is_some_and(|name| !name.contains(['/', '@']) && name < "f")
    }),
];

#[derive(Default)]
struct Count {
    agreeing: usize,
    manifests: usize,
    agreeing_members: usize,
    members: usize,
    bundling: usize,
    nested: usize,
    files: usize,
    differences: Differences,
}

impl Count {
    /// Holds what npm and we make of a package's files against each other; whether they agree.
    fn archive(&mut self, story: &str, npms: &Tree, plan: &PackagePlan) -> bool {
        let before = self.differences.others.len();
        self.differences.of_archives(npms, &tree(&archive_of(plan)[..]), &commands_of(plan));
        self.same(story, before)
    }

    /// Whether nothing was added; else says to what that belongs.
    fn same(&mut self, story: &str, before: usize) -> bool {
        let same = self.differences.others.len() == before;
        if !same {
            self.differences.others.push(format!("… of {story}"));
        }
        same
    }

    fn packages(&mut self, home: &Path, folders: &[String]) {
        let out = home.join("packed");
        let _ = fs::remove_dir_all(&out);
        let reports = npm_pack(home, folders, &out);
        let questions: Vec<Question> = folders.iter().map(|folder| Question::Folder(home.join(folder))).collect();
        let answers = judge(&npms_own(), &home.join("cache"), &questions);
        for ((folder, report), answer) in folders.iter().zip(&reports).zip(&answers) {
            let npms = npms_tree(report, &out);
            self.files += npms.len();
            self.bundling += usize::from(npms.keys().any(|path| path.starts_with("node_modules/")));
            self.nested += usize::from(npms.keys().any(|path| path.ends_with("/package.json")));
            match packed(&home.join(folder), "package.json").map(|mut plans| plans.pop()) {
                Ok(Some(plan)) => {
                    self.agreeing += usize::from(self.archive(folder, &npms, &plan));
                    let before = self.differences.others.len();
                    if let Some(error) = answer["error"].as_str() {
                        self.differences.others.push(error.to_owned());
                    } else {
                        let mut manifest = manifest_of(&plan);
                        let dist = manifest.get_mut("dist").and_then(Value::as_object_mut);
                        let dist = dist.expect("there is always one");
                        dist.retain(|name, _| !matches!(name.as_str(), "integrity" | "shasum" | "tarball"));
                        self.differences.of_manifests(&answer["manifest"], &manifest);
                    }
                    self.manifests += usize::from(self.same(folder, before));
                }
                other => self.differences.others.push(format!("{folder}: {other:?}")),
            }
        }
    }

    fn monorepo(&mut self, home: &Path, name: &str, folders: &[&String]) {
        let root = home.join("monorepo");
        let out = home.join("packed");
        let _ = fs::remove_dir_all(&root);
        let _ = fs::remove_dir_all(&out);
        for folder in [&root.join("packages/some"), &root.join("packages/more"), &out] {
            fs::create_dir_all(folder).expect("the folder is ours");
        }
        let write = |path: &str, text: &str| fs::write(root.join(path), text).expect("the folder is ours");
        write("package.json", r#"{"name":"the-root","version":"1.0.0","workspaces":["packages/*/*"]}"#);
        write(".gitignore", "*.map\n/esm\n.github\n*.md\n");
        write("packages/.npmignore", "docs\n*.ts\n!index.d.ts\n");
        for (number, folder) in folders.iter().enumerate() {
            let some = if number % 2 == 0 { "some" } else { "more" };
            copy(&home.join(folder), &root.join(format!("packages/{some}/{number}")));
        }
        let arguments =
            ["pack", "--json", "--ignore-scripts", "--workspaces", "--include-workspace-root", "--pack-destination"];
        let arguments = arguments.into_iter().map(str::to_owned).chain([out.to_str().expect("it is text").to_owned()]);
        let reports: Value =
            serde_json::from_str(&npm_in(home, &root, &arguments.collect::<Vec<_>>())).expect("a report");
        let plans = packed(&root, "").expect(name);
        for plan in &plans {
            let report = reports.as_array().into_iter().flatten().find(|report| report["name"] == *plan.of.name);
            let npms = npms_tree(report.expect("npm packs all of them"), &out);
            self.members += 1;
            let agrees = self.archive(&format!("{} in the monorepo {name}", plan.of), &npms, plan);
            self.agreeing_members += usize::from(agrees);
        }
        assert_eq!(plans.len(), folders.len() + 1, "{name}");
        let _ = fs::remove_dir_all(&root);
    }
}

/// Copies a package without what it has installed.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is ours");
    for entry in fs::read_dir(from).expect("a package's folder can be read").flatten() {
        let kind = entry.file_type().expect("an entry has a type");
        if kind.is_dir() && entry.file_name() != "node_modules" {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("the folder is ours");
        }
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
fn packed(folder: &Path, files: &str) -> Result<Vec<PackagePlan>, String> {
    let zip = zipped(Zip::new().stored(), folder, "").bytes();
    // A prerelease needs a tag, and which one is not what is compared.
    let mut target = nowhere();
    target.options.insert("tag".to_owned(), "corpus".to_owned());
    target.files = if files.is_empty() { Selection::default() } else { target.files };
    plans(zip, &target)
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
