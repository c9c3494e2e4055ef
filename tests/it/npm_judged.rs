//! Many small packages that npm's own libraries judge in one process: what they refuse we refuse, and of what they take
//! we send the same manifest and the same files.
#![allow(clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod archives;
mod texts;

use std::collections::BTreeSet;
use std::fs;

use codepipeline_artifactory::plan::PackagePlan;
use serde_json::{Value, json};

use crate::make::Zip;
use crate::npm_cases::CASES;
use crate::npm_compare::judge::{Question, judge, npm_12, npms_own};
use crate::npm_compare::{Differences, Seen, archive_of, manifest_of, nowhere, plans, tree};
use crate::npm_pack::{self, build};
use texts::{
    ADDRESSES, BESIDE, BUGS, DEPENDENCIES, FOLDERS, HOMEPAGES, KEYWORDS, MEMBERS, NAMES, PATHS, PEOPLE, PERSONS, RAW,
    READ_MES, SCRIPTS, TEXTS, VALUES, VERSIONS,
};

/// What it is about, the bytes of its `package.json`, its other files as in `npm_pack`.
struct Case {
    story: String,
    manifest: Vec<u8>,
    files: Vec<String>,
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// A manifest with these members besides name and version.
    fn with(&mut self, members: &Value, files: &[&str]) {
        let mut manifest = json!({ "name": format!("case{}", self.0.len()), "version": "1.0.0" });
        manifest.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.raw(manifest.to_string(), files);
    }

    fn raw(&mut self, manifest: impl AsRef<[u8]>, files: &[&str]) {
        let manifest = manifest.as_ref().to_vec();
        let story = format!("{} {files:?}", String::from_utf8_lossy(&manifest));
        self.0.push(Case { story, manifest, files: files.iter().map(|file| (*file).to_owned()).collect() });
    }
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

fn members() -> Cases {
    let mut cases = Cases::default();
    for address in ADDRESSES {
        cases.with(&json!({ "repository": address, "devDependencies": { "q": address } }), &[]);
        cases.with(&json!({ "repository": { "type": "git", "url": address, "directory": "d" } }), &[]);
    }
    for name in READ_MES {
        cases.with(&json!({}), &[&format!("{name}=# T\n\nhello\nworld\n\nmore")]);
    }
    let long = "x".repeat(70_000);
    for text in TEXTS.iter().chain([&long.as_str()]) {
        cases.with(&json!({}), &[&format!("README.md={text}")]);
        cases.with(&json!({ "readme": text }), &[]);
    }
    for person in PEOPLE {
        let object = json!({ "name": person, "email": person });
        cases.with(&json!({}), &[&format!("AUTHORS={person}")]);
        cases.with(&json!({ "author": person, "contributors": [person], "maintainers": [person, object] }), &[]);
    }
    for person in PERSONS.iter().map(|person| value(person)) {
        cases.with(&json!({ "author": person, "contributors": [person] }), &[]);
    }
    for (members, files) in BESIDE {
        cases.with(&value(members), files);
    }
    for script in SCRIPTS {
        cases.with(&json!({ "scripts": { "a": script } }), &[]);
    }
    for bugs in BUGS.iter().map(|bugs| value(bugs)) {
        cases.with(&json!({ "bugs": bugs }), &[]);
        cases.with(&json!({ "bugs": bugs, "repository": "a/b" }), &[]);
    }
    for page in HOMEPAGES {
        cases.with(&json!({ "homepage": page }), &[]);
    }
    for keywords in KEYWORDS {
        cases.with(&json!({ "keywords": value(keywords) }), &[]);
    }
    for dependencies in DEPENDENCIES {
        cases.with(&json!({ "devDependencies": [dependencies], "dependencies": dependencies }), &[]);
    }
    for path in PATHS {
        for (bin, man) in [
            (json!(path), json!(path)),
            (json!({ *path: "x" }), json!([path, "x"])),
            (json!({ "k": path }), json!(null)),
        ] {
            cases.with(&json!({ "bin": bin, "man": man }), &[]);
        }
        cases.with(&json!({ "bin": [path] }), &[]);
    }
    for bin in [json!({ "../b": "x", "b": "y" }), json!({ "b": "y", "../b": "x" }), json!({ "a/b": "x", "c/b": "y" })] {
        cases.with(&json!({ "bin": bin }), &[]);
    }
    let commands = ["bin/a.js", "bin/sub/b.js", "bin/.x", "bin/.h/c", "bin/sub/.d", "z.js", "bin/dots/.e"];
    let manuals = ["bin/a.1", "bin/a.10", "bin/.x.1", "z.1"];
    for folder in FOLDERS {
        cases.with(&json!({ "directories": { "bin": folder } }), &commands);
        cases.with(&json!({ "directories": { "man": folder } }), &manuals);
    }
    cases.with(&json!({ "bin": "x.js", "directories": { "bin": "bin" } }), &commands);
    cases
}

fn files_as_they_stand() -> Cases {
    let mut cases = Cases::default();
    for raw in RAW {
        let number = cases.0.len();
        cases.raw(format!(r#"{{"name":"raw{number}","version":"1.0.0",{raw}}}"#), &[]);
    }
    let named = r#"{"name":"a","version":"1.0.0"#;
    for manifest in [
        &b"{\"name\":\"a\",\"version\":\"1.0.0\",\"x\":\"\xff \xf0\x9f\x98 \xed\xa0\x80\"}"[..],
        format!("{named}\"}}\0").as_bytes(),
        format!("{named}\"}}\u{a0}").as_bytes(),
        format!("{named}\"}}\u{b}").as_bytes(),
        format!("\u{feff}{named}\"}}").as_bytes(),
        format!("\u{feff}\u{feff}{named}\"}}").as_bytes(),
        format!("{named}\",\"x\":\"a\tb\"}}").as_bytes(),
        format!("{named}\",\n<<<<<<< HEAD\n\"x\":1\n=======\n\"x\":2\n>>>>>>> o\n}}").as_bytes(),
        format!("{named}\",\"x\":{}{}}}", "[".repeat(200), "]".repeat(200)).as_bytes(),
        b"",
        b"[]",
        b"null",
    ] {
        cases.raw(manifest, &[]);
    }
    for name in NAMES {
        cases.raw(json!({ "name": name, "version": "1.0.0" }).to_string(), &[]);
    }
    for name in ["a".repeat(215), format!("@{}/x", "s".repeat(214))] {
        cases.raw(json!({ "name": name, "version": "1.0.0" }).to_string(), &[]);
    }
    for version in VERSIONS {
        cases.raw(json!({ "name": "a", "version": version }).to_string(), &[]);
    }
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let (head, packed) =
        (".git/HEAD=ref: refs/heads/main\n", format!(".git/packed-refs=# p\n{commit} refs/heads/main\n"));
    for files in [
        &[head, &format!(".git/refs/heads/main={commit}\n")][..],
        &[head, &packed],
        &[head],
        &[&format!(".git/HEAD={commit}\n")],
        &[".git/HEAD="],
        &[".git=gitdir: ../x\n"],
        &[&format!("lib/.git/HEAD={commit}\n")],
    ] {
        cases.with(&json!({}), files);
        cases.with(&json!({ "gitHead": "own" }), files);
    }
    cases
}

fn shapes() -> Cases {
    let mut cases = Cases::default();
    for member in MEMBERS {
        for shape in VALUES {
            cases.with(&json!({ *member: value(shape) }), &[]);
        }
    }
    cases.with(&json!({ "readme": 7, "description": "own" }), &[]);
    cases.with(&json!({ "overrides": { "x": { "y": null } } }), &[]);
    cases.with(&json!({ "workspaces": { "packages": null } }), &[]);
    cases.with(&json!({ "workspaces": { "packages": [] } }), &[]);
    cases.with(&json!({ "publishConfig": { "access": "odd" } }), &[]);
    cases.with(&json!({}), &["ignored=a.js", ".npmignore->ignored", "a.js"]);
    cases
}

/// A prerelease needs a tag, and which one is not what is compared.
fn only(zip: Vec<u8>) -> Result<PackagePlan, String> {
    let mut target = nowhere();
    target.options.insert("tag".to_owned(), "judged".to_owned());
    plans(zip, &target).map(|mut plans| plans.remove(0))
}

/// Adds how a package differs, its archive apart. `ours` is what we make of it, `answer` what npm does.
fn held(differences: &mut Differences, story: &str, answer: &Value, ours: &Result<PackagePlan, String>) {
    let story = || story.chars().take(300).collect::<String>();
    match (answer["error"].as_str(), ours) {
        (Some(_), Err(_)) => {}
        (None, Err(ours)) => differences.add(Seen::Refused(ours), || format!("{}: only we refuse: {ours}", story())),
        (Some(npms), Ok(_)) => differences.add(Seen::Taken(npms), || format!("{}: only npm refuses: {npms}", story())),
        (None, Ok(plan)) => {
            let mut manifest = manifest_of(plan);
            for digest in ["integrity", "shasum", "tarball"] {
                manifest["dist"].as_object_mut().unwrap().remove(digest);
            }
            let before = differences.others.len();
            differences.of_manifests(&answer["manifest"], &manifest);
            if differences.others.len() > before {
                differences.others.push(format!("… of {}", story()));
            }
        }
    }
}

fn judged(cases: &Cases) -> Differences {
    let home = tempfile::tempdir().unwrap();
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    for (number, Case { manifest, files, .. }) in cases.0.iter().enumerate() {
        let folder = home.path().join(number.to_string());
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        ours.push(only(build(&folder, manifest, &files)));
        questions.push(Question::Folder(folder));
    }
    let answers = judge(&npms_own(), &home.path().join("cache"), &questions);
    let mut differences = Differences::default();
    for ((Case { story, .. }, answer), ours) in cases.0.iter().zip(&answers).zip(&ours) {
        held(&mut differences, story, answer, ours);
        if let (Some(npms), Ok(plan)) = (answer["files"].as_array(), ours) {
            let npms: BTreeSet<&str> = npms.iter().filter_map(Value::as_str).collect();
            let packed = tree(&archive_of(plan)[..]);
            if !npms.iter().copied().eq(packed.keys().map(String::as_str)) {
                differences.others.push(format!("{story}: files {npms:?} of npm, {:?} of ours", packed.keys()));
            }
        }
    }
    differences
}

fn assert_meant(differences: &Differences, meant: &[&str]) {
    assert!(differences.others.is_empty(), "{}", differences.others.join("\n"));
    assert_eq!(differences.meant.iter().copied().collect::<Vec<_>>(), meant);
}

#[test]
fn members_of_all_forms_are_sent_as_npm_sends_them() {
    assert_meant(&judged(&members()), &["manuals are listed in the order of their paths"]);
}

#[test]
fn manifests_are_read_as_npm_reads_them() {
    assert_meant(&judged(&files_as_they_stand()), &["JSON that we do not read", "whole numbers keep their digits"]);
}

#[test]
fn values_of_any_type_are_borne_or_refused_as_npm_does_it() {
    let meant = ["links in place of files that decide", "tags and access of publishConfig are checked"];
    assert_meant(&judged(&shapes()), &meant);
}

#[test]
fn what_is_in_an_archive_is_read_as_npm_reads_it() {
    let home = tempfile::tempdir().unwrap();
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    let mut stories = Vec::new();
    let mut ask = |story: String, archive: Vec<u8>| {
        let path = home.path().join(format!("{}.tgz", stories.len()));
        fs::write(&path, &archive).unwrap();
        // Beside something else, so that its bytes alone are not the artifact.
        ours.push(only(Zip::new().stored().folder("empty").file("x.tgz", &archive).bytes()));
        questions.push(Question::Archive(path));
        stories.push(story);
    };
    for (story, archive) in archives::odd() {
        ask(story.to_owned(), archive);
    }
    // Unpacking takes npm its time: some of what the other tests go through.
    let some = members().0.into_iter().step_by(4).chain(shapes().0.into_iter().step_by(5));
    for Case { story, manifest, files } in some.chain(files_as_they_stand().0.into_iter().take(RAW.len())) {
        ask(story, archives::of(&manifest, &files));
    }
    let answers = judge(&npms_own(), &home.path().join("cache"), &questions);
    let mut differences = Differences::default();
    for ((story, answer), ours) in stories.iter().zip(&answers).zip(&ours) {
        held(&mut differences, story, answer, ours);
    }
    assert_meant(
        &differences,
        &[
            "JSON that we do not read",
            "a file with the path of a folder",
            "archives that are not compressed",
            "archives that readers see differently",
            "manifests where nobody writes them",
            "places on the publisher's machine",
            "specifiers that nobody can resolve",
            "whole numbers keep their digits",
        ],
    );
}

#[test]
fn files_have_the_meaning_of_npm_12_where_the_option_says_so() {
    let home = tempfile::tempdir().unwrap();
    let mut questions = Vec::new();
    let mut ours = Vec::new();
    let mut eleven_differs = 0;
    let deep = [
        (r#","files":["dist/**"]"#, &["dist/[id].js", "dist/(g)/a.js", "dist/b.js"][..]),
        (r#","files":["dist/**/*"]"#, &["dist/[id].js", "dist/(g)/a.js", "dist/b.js"]),
        (r#","files":["a.js/**","{b,c}/**"]"#, &["a.js", "b/[x].js", "c", "d.js"]),
        (r#","files":["*.js/**","[e]/**"]"#, &["a.js", "b.js/[x].ts", "e", "f"]),
        (r#","files":["/Lib/**"]"#, &["Lib/a.js", "lib/b.js", "x/Lib/c.js"]),
        (r#","files":["lib","!lib/x/**"]"#, &["lib/a.js", "lib/x/[b].js", "lib/x/y/c.js"]),
        (r#","files":["**/x/**"]"#, &["a/x/[b].js", "x/y/c.js", "x.js"]),
    ];
    let cases = CASES.iter().map(|(_, members, files)| (*members, *files)).chain(deep);
    for (number, (members, files)) in cases.enumerate() {
        let folder = home.path().join(number.to_string());
        let zip = build(&folder, npm_pack::manifest(&number.to_string(), members), files);
        let packed = |generation: &str| {
            let mut target = nowhere();
            target.options.insert("npm-files".to_owned(), generation.to_owned());
            tree(&archive_of(&plans(zip.clone(), &target).unwrap()[0])[..])
        };
        let paths: BTreeSet<String> = packed("12").into_keys().collect();
        eleven_differs += usize::from(!packed("11").keys().eq(paths.iter()));
        ours.push((members, paths));
        questions.push(Question::Files(folder));
    }
    let answers = judge(&npm_12(), &home.path().join("cache"), &questions);
    for ((members, ours), answer) in ours.iter().zip(&answers) {
        assert_eq!(answer["error"], Value::Null, "{members}");
        let npms: BTreeSet<String> =
            answer["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned()).collect();
        assert_eq!(&npms, ours, "{members}");
    }
    assert!(eleven_differs >= 20, "{eleven_differs}: the two generations differ in more than that");
}
