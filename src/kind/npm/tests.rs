//! Packages from zip to plan: what is found, what is refused, and what is sent.

mod bad_input;
mod bundles;
mod workspaces;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::{Kind, PackageError};
use super::Npm;
use crate::archive::source::Memory;
use crate::archive::{Archive, Selection};
use crate::make::{Zip, tgz};
use crate::package::{Digests, Target, hex};
use crate::plan::{PackagePlan, Plan};
use crate::registry::url::{Base, RepoKey};
use crate::step::{Content, Lists, Segment};

fn archive(bytes: Vec<u8>) -> Archive {
    Archive::open(Arc::new(Memory(Bytes::from(bytes))), "Build", "package.tgz").unwrap()
}

fn target(files: &str, tag: Option<&str>) -> Target {
    Target {
        base: Base::parse("https://acme.example", false).unwrap(),
        repository: RepoKey::parse("npm-local").unwrap(),
        path: None,
        files: if files.is_empty() { Selection::default() } else { Selection::parse(files).unwrap() },
        properties: Vec::new(),
        options: tag.map(|tag| ("tag".to_owned(), tag.to_owned())).into_iter().collect(),
        email: None,
    }
}

fn plans(zip: Zip, files: &str) -> Result<Vec<PackagePlan>, PackageError> {
    Npm.plan(&archive(zip.bytes()), &target(files, None))
}

fn names(zip: Zip, files: &str) -> String {
    let plans = plans(zip, files).unwrap();
    let names: Vec<String> = plans.iter().map(|plan| plan.of.to_string()).collect();
    names.join(" ")
}

fn error(zip: Zip, files: &str) -> String {
    plans(zip, files).unwrap_err().to_string()
}

fn only(zip: Zip) -> PackagePlan {
    let mut plans = plans(zip, "").unwrap();
    assert_eq!(plans.len(), 1);
    plans.remove(0)
}

/// The request's body as it goes over the wire.
fn sent(plan: &PackagePlan) -> Vec<u8> {
    use base64::Engine as _;
    let body = &plan.steps[0].body;
    let mut bytes = Vec::new();
    for segment in &body.0 {
        match segment {
            Segment::Bytes(own) => bytes.extend(own),
            Segment::Raw(content) | Segment::Base64(content) => {
                let mut file = Vec::new();
                content.open().unwrap().read_to_end(&mut file).unwrap();
                bytes.extend(base64::engine::general_purpose::STANDARD.encode(file).as_bytes());
            }
        }
    }
    assert_eq!(bytes.len() as u64, body.size());
    bytes
}

fn document(plan: &PackagePlan) -> Value {
    serde_json::from_slice(&sent(plan)).unwrap()
}

fn manifest(plan: &PackagePlan) -> Value {
    document(plan)["versions"][&plan.of.version].clone()
}

/// Path, mode and content of every file in the packed archive.
fn packed(plan: &PackagePlan) -> BTreeMap<String, (u32, String)> {
    let Segment::Base64(content) = &plan.steps[0].body.0[1] else { panic!("no archive") };
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(content.open().unwrap()));
    let mut files = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        files.insert(path, (entry.header().mode().unwrap(), text));
    }
    files
}

fn package(name: &str) -> String {
    json!({"name": name, "version": "1.0.0"}).to_string()
}

#[test]
fn the_plan_of_an_ordinary_scoped_package() {
    let zip = Zip::new()
        .file("package.json", r#"{"name":"@acme/left","version":"v1.0.0","bin":"cli.js"}"#)
        .file("cli.js", "#!/usr/bin/env node\n")
        .file("README.md", "# left\n\nPads.\n")
        .file("node_modules/x/package.json", "{}");
    let plan = Plan::new(plans(zip, "").unwrap(), &target("", None)).unwrap();
    insta::assert_snapshot!(plan, @r"
    @acme/left@1.0.0
      PUT api/npm/npm-local/@acme%2fleft (983 bytes)
        content-type: application/json
        stores @acme/left/-/@acme/left-1.0.0.tgz (232 bytes)
        sha256 c1a151a8fe74854a884f900ed752f3067f8964866a1a89dbec5a5669cd4f5b91
        sha1   de9e54a1056fa10838efdf86add443bcb6806bbf
        tag    latest
    ");
}

#[test]
fn the_document_is_npms() {
    let zip = Zip::new().file("package.json", r#"{"name":"@acme/left","version":"1.0.0+b","_x":1,"description":"d"}"#);
    let plan = only(zip);
    let step = &plan.steps[0];
    assert_eq!(&*step.path, "api/npm/npm-local/@acme%2fleft");
    assert_eq!(step.headers, [("content-type", "application/json".to_owned())]);
    assert_eq!(step.file.path.as_str(), "@acme/left/-/@acme/left-1.0.0.tgz");
    let document = document(&plan);
    let members: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(members, ["_id", "name", "description", "dist-tags", "versions", "access", "_attachments"]);
    assert_eq!(document["dist-tags"], json!({"latest": "1.0.0"}));
    assert_eq!(document["access"], Value::Null);
    let attachment = &document["_attachments"]["@acme/left-1.0.0.tgz"];
    assert_eq!(attachment["length"], step.file.digests.size);
    assert_eq!(
        document["versions"]["1.0.0"],
        json!({
            "name": "@acme/left",
            "version": "1.0.0",
            "description": "d",
            "_id": "@acme/left@1.0.0",
            "readme": "ERROR: No README data found!",
            "dist": {
                "integrity": document["versions"]["1.0.0"]["dist"]["integrity"],
                "shasum": hex(&step.file.digests.sha1),
                "tarball": "http://acme.example/artifactory/api/npm/npm-local/@acme/left/-/@acme/left-1.0.0.tgz",
            },
        })
    );
    let listing = step.listing.as_ref().unwrap();
    let Lists::Versions { pointer, .. } = &listing.lists else { panic!("it lists versions") };
    assert_eq!(*pointer, ["versions", "1.0.0", "dist"]);
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let manifest = package("left");
    let one = only(Zip::new().file("package.json", &manifest).mode("b.sh", "b", 0o775).file("a/c.js", "c"));
    let two = only(Zip::new().stored().folder("a").file("a/c.js", "c").mode("b.sh", "b", 0o755).folder("empty").mode(
        "package.json",
        &manifest,
        0o600 | 0o044,
    ));
    assert_eq!(one.steps[0].file.digests, two.steps[0].file.digests);
    assert_eq!(sent(&one), sent(&two));
    let Segment::Base64(Content::Spooled(bytes)) = &one.steps[0].body.0[1] else { panic!("not packed") };
    let mut header = [0; 10];
    bytes.read_at(0, &mut header).unwrap();
    assert_eq!(header, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
}

#[test]
fn bins_are_executable_and_content_is_untouched() {
    let zip = Zip::new()
        .file("package.json", r#"{"name":"left","version":"1.0.0","bin":{"left":"./bin/cli.js"}}"#)
        .file("bin/cli.js", "a\r\n")
        .mode("lib.js", "b", 0o666);
    let files = packed(&only(zip));
    assert_eq!(files["package/bin/cli.js"], (0o755, "a\r\n".to_owned()));
    assert_eq!(files["package/lib.js"], (0o644, "b".to_owned()));
}

#[test]
fn the_root_is_the_package_and_its_public_members_are_too() {
    let zip = || {
        Zip::new()
            .file("package.json", r#"{"private":true,"workspaces":["packages/*","!packages/no","tools/**"]}"#)
            .file("packages/a/package.json", package("a"))
            .file("packages/b/package.json", r#"{"private":true}"#)
            .file("packages/no/package.json", package("no"))
            .file("packages/.hidden/package.json", package("hidden"))
            .file("packages/a/node_modules/x/package.json", package("x"))
            .file("tools/x/y/package.json", package("y"))
            .file("other/package.json", package("other"))
    };
    assert_eq!(names(zip(), ""), "a@1.0.0 y@1.0.0");
    assert_eq!(names(zip(), "package.json;packages/**"), "a@1.0.0");
    assert_eq!(names(zip(), "other/package.json"), "other@1.0.0");
    let public = Zip::new()
        .file("package.json", r#"{"name":"root","version":"2.0.0","workspaces":{"packages":["./p"]}}"#)
        .file("p/package.json", package("p"))
        .file("q/p/package.json", package("q"));
    assert_eq!(names(public, ""), "root@2.0.0 p@1.0.0");
    let all_private = Zip::new().file("package.json", r#"{"private":true,"workspaces":["p"]}"#);
    assert!(error(all_private, "").contains("none of its workspace members is public"));
}

#[test]
fn ready_archives_go_before_folders_and_the_outermost_folders_count() {
    let ready = tgz(&[("package/package.json", &package("ready"))]);
    let zip = || {
        Zip::new()
            .file("out/ready.tgz", &ready)
            .file("data.tgz", tgz(&[("data/x", "y")]))
            .file("node_modules/z.tgz", "not even a tgz")
            .file("a/package.json", package("a"))
            .file("a/example/package.json", package("example"))
            .file("b/package.json", package("b"))
    };
    assert_eq!(names(zip(), ""), "ready@1.0.0");
    assert_eq!(names(zip(), "*/package.json"), "a@1.0.0 b@1.0.0");
    assert!(error(zip(), "*.tgz").contains("data.tgz holds no package"));
    let folders = Zip::new().file("a/package.json", package("a")).file("a/example/package.json", package("example"));
    assert_eq!(names(folders, ""), "a@1.0.0");
}

#[test]
fn a_ready_archive_is_sent_as_it_is() {
    let bytes = tgz(&[
        ("anything/package.json", r#"{"name":"old","version":"0.0.1"}"#),
        ("anything/README.md", "# ready\n\nGo."),
        (
            "other/package.json",
            r#"{"name":"ready","version":"1.0.0","bundleDependencies":false,"scripts":{"prepack":"x"}}"#,
        ),
        ("other/index.js", ""),
        ("other/index.d.ts", ""),
    ]);
    for (zipped, plan) in [
        (true, only(Zip::new().file("ready.tgz", &bytes))),
        (false, Npm.plan(&archive(bytes.clone()), &target("", None)).unwrap().remove(0)),
    ] {
        assert_eq!(plan.of.to_string(), "ready@1.0.0", "{zipped}");
        assert_eq!(plan.warnings, Vec::<String>::new());
        assert_eq!(*plan.steps[0].file.digests, Digests::of(&bytes[..]).unwrap());
        assert!(matches!(&plan.steps[0].body.0[1], Segment::Base64(Content::Entry(_))));
        let manifest = manifest(&plan);
        assert_eq!(manifest["readme"], "# ready\n\nGo.");
        assert_eq!(manifest["description"], "Go.");
        assert_eq!(manifest["types"], "./index.d.ts");
        for leak in ["_resolved", "_from", "_integrity", "bundleDependencies"] {
            assert!(manifest.get(leak).is_none(), "{leak}");
        }
    }
}

#[test]
fn a_tar_is_looked_into_only_where_nothing_else_is_a_package() {
    let mut tar = Vec::new();
    let ready = tgz(&[("package/package.json", &package("ready"))]);
    flate2::read::GzDecoder::new(&ready[..]).read_to_end(&mut tar).unwrap();
    let zip = || Zip::new().file("data.tar", &tar);
    assert!(error(zip(), "").starts_with("data.tar is a tar that is not compressed"));
    assert!(error(zip().file("x.js", ""), "*.tar").starts_with("data.tar is a tar that is not compressed"));
    assert_eq!(names(zip().file("a/package.json", package("a")), ""), "a@1.0.0");
    assert_eq!(names(Zip::new().file("gzipped.tar", &ready), ""), "ready@1.0.0");
}

#[test]
fn damaged_archives_are_refused_by_name() {
    let good = tgz(&[("package/package.json", &package("a"))]);
    let cut = good[..good.len() - 9].to_vec();
    let trailing = [&good[..], b"more"].concat();
    let mut checksum = good.clone();
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    let two = [&good[..], &good[..0]].concat();
    assert_eq!(names(Zip::new().file("x.tgz", two), ""), "a@1.0.0");
    for bad in [cut, trailing, checksum, Vec::new(), b"\x78\x9c\x03\x00".to_vec()] {
        let error = error(Zip::new().file("dir/x.tgz", bad), "");
        assert!(error.contains("dir/x.tgz is not a sound gzipped tar"), "{error}");
    }
    let rootless = Zip::new().file("x.tgz", tgz(&[("package.json", &package("a"))]));
    assert!(error(rootless, "").contains("without a package in it: x.tgz"));
    let nested = tgz(&[("package/package.json", &format!("{{\"a\":{}}}", "[".repeat(200)))]);
    assert!(error(Zip::new().file("x.tgz", nested), "").contains("x.tgz:package.json is not JSON"));
}

#[test]
fn nothing_found_says_what_was_looked_for_and_what_is_there() {
    let zip = Zip::new().file("pom.xml", "<project/>").file("src/A.java", "").file("node_modules/x/package.json", "{}");
    assert_eq!(
        error(zip, ""),
        "no npm package found: looked for a package.json, or .tgz files that hold one; in the artifact: \
         node_modules/, pom.xml, src/"
    );
    let many = (0..9).fold(Zip::new(), |zip, number| zip.file(&number.to_string(), ""));
    assert!(error(many, "x").ends_with("among the files that Files selects; in the artifact: 0, 1, 2, 3, 4, …"));
    assert!(error(Zip::new().folder("a"), "").ends_with("in the artifact: a/"));
}

#[test]
fn what_must_not_be_published_is_refused_by_name() {
    let root = |json: &str| Zip::new().file("package.json", json);
    for (zip, problem) in vec![
        (root(r#"{"name":"a","version":"1.0.0","private":true}"#), "package.json is marked private"),
        (root(r#"{"name":"a","version":"1.0.0","private":"no"}"#), "is marked private"),
        (root(r#"{"name":"a","version":"one"}"#), "\"one\""),
        (root(r#"{"name":"A B","version":"1.0.0"}"#), "\"A B\""),
        (root(r#"{"name":"a","version":"1.0.0-rc.1"}"#), "prerelease 1.0.0-rc.1"),
        (root(r#"{"name":"a","version":"1.0.0","publishConfig":{"tag":"1.x"}}"#), "dist-tag \"1.x\""),
        (root(r#"{"name":"a","version":"1.0.0","tag":"a b"}"#), "dist-tag \"a b\""),
        (root(r#"{"name":"a","version":"1.0.0","publishConfig":{"access":"restricted"}}"#), "only a scoped package"),
        (root(r#"{"name":"a","version":"1.0.0","dependencies":{"b":"workspace:^"}}"#), "b: \"workspace:^\""),
        (root(r#"{"name":"a","version":"1.0.0","files":{}}"#), "\"files\" that are no list"),
        (Zip::new().symlink("package.json", "/etc/passwd"), "package.json is a symbolic link"),
        (Zip::new().symlink("a.tgz", "b"), "a.tgz is a symbolic link"),
        (root(&package("a")).symlink(".npmignore", "b"), ".npmignore is a symbolic link"),
        (root(&package("a")).file(".npmignore", "{1..9999}"), ".npmignore has a pattern"),
    ] {
        let error = error(zip, "");
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn depth_of_folders_is_limited() {
    for (folders, fits) in [(126, true), (127, true), (128, false)] {
        let deep = format!("{}x", "d/".repeat(folders));
        let zip = Zip::new().file("package.json", package("a")).file(&deep, "");
        assert_eq!(plans(zip, "").is_ok(), fits, "{folders}");
    }
}

#[test]
fn the_dist_tag_is_the_option_else_the_manifests() {
    let tag = |json: &str, option: Option<&str>| {
        let zip = Zip::new().file("package.json", json);
        let plans = Npm.plan(&archive(zip.bytes()), &target("", option)).map_err(|error| error.to_string())?;
        Ok::<_, String>(document(&plans[0])["dist-tags"].as_object().unwrap().keys().next().unwrap().clone())
    };
    let configured = r#"{"name":"a","version":"1.0.0-rc.1","publishConfig":{"tag":"next"}}"#;
    let own = r#"{"name":"a","version":"1.0.0-rc.1","tag":"own","publishConfig":{"tag":"next"}}"#;
    assert_eq!(tag(configured, None).unwrap(), "next");
    assert_eq!(tag(own, None).unwrap(), "own");
    assert_eq!(tag(own, Some("beta")).unwrap(), "beta");
    assert_eq!(tag(&package("a"), None).unwrap(), "latest");
    assert_eq!(
        tag(configured, Some("v1")).unwrap_err(),
        "option tag=v1 is a range of versions, which no dist-tag may be"
    );
}

#[test]
fn warnings_name_what_is_ignored_and_what_is_not_run() {
    let plan = only(Zip::new().file(
        "package.json",
        r#"{"name":"a","version":"1.0.0","scripts":{"prepare":"x","prepack":"y"},"publishConfig":{"registry":"https://r.example/","provenance":true}}"#,
    ));
    assert_eq!(
        plan.warnings,
        [
            "publishConfig.provenance is ignored: a statement of provenance can be made only where the package is built",
            "publishConfig.registry (https://r.example/) is ignored: RepoKey and ArtifactoryHost say where to publish",
            "scripts are never run here, so prepack, prepare must have run in the build",
        ]
    );
}
