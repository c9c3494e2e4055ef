//! The same folders packed by the real npm (if it is the generation whose rules we follow) and by us: equal file
//! lists, equal modes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::archive::{Archive, Selection};
use codepipeline_artifactory::kind;
use codepipeline_artifactory::package::Target;
use codepipeline_artifactory::registry::url::{Base, RepoKey};
use codepipeline_artifactory::step::Segment;

use crate::make::Zip;

/// What it is about, the members of its manifest besides name and version, its files.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// A folder each. A path may have `=content`, `->target` (a link) or `+x` behind it.
#[rustfmt::skip]
const CASES: &[Case] = &[
    ("everything but litter", "", &["a.js", "lib/b.js", ".npmrc", ".DS_Store", "x.orig", "lib/._x", ".env", ".git/HEAD", "CVS/Root", "lib/CVS/Root", ".a.swp", "npm-debug.log", "core", ".vscode/s.json"]),
    ("lock files", "", &["package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lockb", "lib/package-lock.json", "npm-shrinkwrap.json=\"{}\""]),
    ("node_modules at the root and below", "", &["node_modules/x/i.js", "lib/node_modules/y/i.js", "a.js"]),
    ("files as folders", r#","files":["lib","dist/"]"#, &["lib/a.js", "lib/sub/b.js", "dist/c.js", "src/d.ts", "index.js", "README.md", "LICENSE", "licence.txt", "CHANGELOG.md", "readme~", "README-zh.md"]),
    ("files as patterns", r#","files":["*.js","lib/*.css","**/*.d.ts"]"#, &["a.js", "b.ts", "lib/a.js", "lib/a.css", "lib/x/a.css", "t/u/v.d.ts"]),
    ("a star behind a folder is deep", r#","files":["lib/*"]"#, &["lib/a.js", "lib/x/y.js", "z.js"]),
    ("negations in files", r#","files":["lib","!lib/a.js","!**/*.test.js"]"#, &["lib/a.js", "lib/b.js", "lib/b.test.js", "lib/x/c.test.js"]),
    ("a dotted negation does nothing", r#","files":["lib","!./lib/a.js"]"#, &["lib/a.js", "lib/b.js"]),
    ("no files at all", r#","files":[]"#, &["a.js", "README", "copying.md", "package.json.bak"]),
    ("odd files", r#","files":["."]"#, &["a.js", "lib/b.js"]),
    ("everything by files", r#","files":["**"]"#, &["a.js", "lib/b.js", ".npmignore=a.js", "lib/.npmignore=b.js", ".npmrc", "lib/.DS_Store"]),
    ("everything by a slash", r#","files":["./"]"#, &["a.js", "lib/b.js"]),
    ("a named file", r#","files":["./lib/a.js","/b.js",".DS_Store"]"#, &["lib/a.js", "lib/c.js", "b.js", "x/b.js", ".DS_Store", "lib/.npmignore=*"]),
    ("a named file without its case", r#","files":["Index.JS","LIB"]"#, &["index.js", "lib/a.js"]),
    ("npmignore before gitignore", "", &[".npmignore=a.js", ".gitignore=b.js", "a.js", "b.js"]),
    ("gitignore alone", "", &[".gitignore=# c\r\n/dist\r\n*.log\r\n!keep.log", "dist/a.js", "x.log", "lib/y.log", "keep.log", "lib/dist/z.js"]),
    ("nested ignore files", "", &["lib/.gitignore=*.map\n!b.map", "lib/a.map", "lib/b.map", "lib/x/c.map", "d.map"]),
    ("nested ignore files count with files too", r#","files":["lib"]"#, &["lib/.npmignore=*.map", "lib/a.map", "lib/b.js", ".npmignore=lib/b.js"]),
    ("the folder that a negation opens again", "", &[".npmignore=build\n!build/keep.js", "build/keep.js", "build/drop.js", "build/x/y.js"]),
    ("the folder whose content is left out", "", &[".npmignore=build/**\n!build/keep.js", "build/keep.js", "build/drop.js", "build/x/y.js"]),
    ("a star and a nested negation", "", &[".npmignore=soft/*", "soft/.npmignore=!keep.js", "soft/keep.js", "soft/drop.js"]),
    ("an ignored folder stays closed", "", &[".npmignore=hard", "hard/.npmignore=!keep.js", "hard/keep.js"]),
    ("main brings its folder back", r#","main":"dist/index.js""#, &[".npmignore=dist", "dist/index.js", "dist/other.js", "src/a.ts"]),
    ("main with files", r#","main":"index.js","files":["lib"]"#, &["index.js", "lib/a.js", "other.js"]),
    ("a dotted main adds nothing", r#","main":"./index.js","files":["lib"]"#, &["index.js", "lib/a.js"]),
    ("main under its own ignore file", r#","main":"dist/index.js","files":["dist"]"#, &["dist/.gitignore=*", "dist/index.js", "dist/a.js"]),
    ("bins by text and object", r#","bin":"./bin/cli.js","files":["lib"]"#, &["bin/cli.js+x", "bin/other.js", "lib/a.js"]),
    ("bins by name", r#","bin":{"a":"bin/a.js","b":"./b.js"},"files":[]"#, &["bin/a.js", "b.js", "c.js"]),
    ("a folder of bins", r#","directories":{"bin":"cmd"},"files":[]"#, &["cmd/a.js+x", "cmd/x/b.js", "lib/c.js"]),
    ("browser as a text", r#","browser":"b.js","files":[]"#, &["b.js", "c.js"]),
    ("browser as an object", r#","browser":{"a":"b"},"files":[]"#, &["o", "b", "z", "lib/o"]),
    ("letter case of rules", "", &[".npmignore=LIB\n*.LOG", "lib/a.js", "x.log", "src/a.js"]),
    ("braces, classes, extended forms", "", &[".npmignore=*.{map,tmp}\n[ab].txt\n?(x)y.js\n!(keep|read)me.css\n+(ab).z", "a.map", "b.tmp", "a.txt", "c.txt", "y.js", "xy.js", "zy.js", "keepme.css", "dropme.css", "abab.z", "ba.z"]),
    ("a slash behind, before, between", "", &[".npmignore=logs/\n/top.js\na/b\n./never.js", "logs/x", "x/logs/y", "logsx", "top.js", "lib/top.js", "a/b/c.js", "x/a/b/c.js", "never.js"]),
    ("globstars", "", &[".npmignore=**/tmp/**\nsrc/**/*.ts\ndocs/**", "tmp/a", "x/tmp/b", "src/a.ts", "src/x/y.ts", "src/x/y.js", "docs/a", "xdocs/docs/a"]),
    ("a leading blank and a BOM", "", &[".npmignore=\u{feff} a.js \n\t b.js\n!\n", "a.js", "b.js", "c.js"]),
    ("links are left out", r#","main":"l.js""#, &["a.js", "l.js->a.js", "lib->x", "x/y.js"]),
    ("names with a star", "", &["a*b.js", "c.js", "d*/e.js"]),
    ("foreign and long names", "", &["ä/日本.js", "😀.js", "d123456789/d123456789/d123456789/d123456789/d123456789/d123456789/d123456789/d123456789/d123456789/d123456789/file.js"]),
    ("modes", "", &["run.sh+x", "plain.txt"]),
    ("a leading slash is asked of every folder", "", &["build/config.gypi", "lib/build/config.gypi", "lib/archived-packages/x", "archived-packages/y", ".lock-wscript", "lib/.wafpickle-9"]),
    ("nested packages", "", &["sub/package.json={\"files\":[]}", "sub/a.js", "sub/.npmignore=b.js", "sub/b.js"]),
    ("a workspace root", r#","workspaces":["packages/*"]"#, &["packages/a/package.json={\"name\":\"wa\",\"version\":\"1.0.0\"}", "packages/a/.npmignore=x.js", "packages/a/x.js", "other/.npmignore=y.js", "other/y.js"]),
    ("escaped signs", "", &[".npmignore=\\#a\n\\!b\n\\[c\\]", "#a", "!b", "[c]", "c"]),
    ("a question mark is a unit", "", &[".npmignore=?.js\n??.css", "a.js", "😀.js", "😀.css", "ab.css", "a.css"]),
    ("dot files of a listed folder", r#","files":["lib"]"#, &["lib/.hidden/a.js", "lib/.x", "lib/.gitkeep", "lib/x.orig"]),
    ("files and a negated folder", r#","files":["**/*.js","!test","!lib/x/"]"#, &["a.js", "test/b.js", "lib/test/c.js", "lib/x/d.js", "lib/e.js"]),
    ("a folder pattern opens no folder", r#","files":["dist-*"]"#, &["dist-a/x.js", "dist-b.js"]),
];

/// Where our mode is not npm's on purpose: npm makes a command executable only at the package's root.
const EXECUTABLE: &[(&str, &str)] = &[("bins by name", "bin/a.js"), ("a folder of bins", "cmd/x/b.js")];

#[test]
fn file_lists_and_modes_are_npms() {
    let folder = tempfile::tempdir().unwrap();
    let version = npm(folder.path(), &["--version".to_owned()]);
    assert!(version.starts_with("11."), "these are not the rules of npm {version}");
    let mut arguments: Vec<String> = ["pack", "--dry-run", "--json", "--ignore-scripts"].map(str::to_owned).to_vec();
    let mut ours = Vec::new();
    for (number, (_, members, files)) in CASES.iter().enumerate() {
        let manifest = format!(r#"{{"name":"@acme/case","version":"1.0.{number}"{members}}}"#);
        ours.push(our_list(build(&folder.path().join(number.to_string()), &manifest, files)));
        arguments.push(format!("./{number}"));
    }
    let report: serde_json::Value = serde_json::from_str(&npm(folder.path(), &arguments)).unwrap();
    let mut differences = Vec::new();
    for (number, ((story, ..), ours)) in CASES.iter().zip(ours).enumerate() {
        assert_eq!(report[number]["version"], format!("1.0.{number}"));
        let mut theirs = npm_list(&report[number]);
        for (_, path) in EXECUTABLE.iter().filter(|(bins, _)| bins == story) {
            *theirs.get_mut(*path).unwrap() |= 0o111;
        }
        if theirs != ours {
            differences.push(format!("{story}\n  npm  {theirs:?}\n  ours {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Writes the files below `package` and into a zip.
pub(crate) fn build(package: &Path, manifest: &str, files: &[&str]) -> Vec<u8> {
    fs::create_dir_all(package).unwrap();
    fs::write(package.join("package.json"), manifest).unwrap();
    let mut zip = Zip::new().file("package.json", manifest);
    for file in files {
        let (path, to) = match file.split_once("->") {
            Some((path, to)) => (path, Some(to)),
            None => (*file, None),
        };
        let (path, content) = path.split_once('=').unwrap_or((path, "x"));
        let (path, mode) = path.strip_suffix("+x").map_or((path, 0o644), |path| (path, 0o775));
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

/// Runs the real npm in a folder that is also its home.
#[expect(clippy::disallowed_methods, reason = "the real npm is what we are compared with")]
pub(crate) fn npm(folder: &Path, arguments: &[String]) -> String {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("npm_config_userconfig", folder.join(".npmrc"))
        .env("npm_config_cache", folder.join("cache"))
        .env("npm_config_update_notifier", "false")
        .output()
        .unwrap_or_else(|error| panic!("npm cannot be started ({error}): the tests need Node 20 or later with npm"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn npm_list(report: &serde_json::Value) -> BTreeMap<String, u32> {
    let files = report["files"].as_array().unwrap().iter().map(|file| {
        let mode = file["mode"].as_u64().unwrap();
        (file["path"].as_str().unwrap().to_owned(), u32::try_from(mode).unwrap())
    });
    files.collect()
}

fn our_list(zip: Vec<u8>) -> BTreeMap<String, u32> {
    let archive = Archive::open(Arc::new(Memory(Bytes::from(zip))), "Build", "package.tgz").unwrap();
    let target = target(Base::parse("https://acme.example", false).unwrap());
    let plans = kind::by_name("npm").unwrap().plan(&archive, &target).unwrap();
    let content = plans[0].steps[0]
        .body
        .0
        .iter()
        .find_map(|segment| match segment {
            Segment::Base64(content) => Some(content),
            _ => None,
        })
        .unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(content.open().unwrap()));
    let mut list = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().strip_prefix("package").unwrap().to_str().unwrap().to_owned();
        let mode = entry.header().mode().unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        list.insert(path, mode);
    }
    list
}

/// Files that are not workspace members: the root alone, even where it has workspaces.
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
