//! Distributions from artifact to plan: what is found, what belongs together, what is sent.

mod bad_input;

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;

use super::super::{Kind, PackageError};
use super::Pypi;
use crate::archive::source::Memory;
use crate::archive::{Archive, Selection};
use crate::make::{Zip, python_metadata, sdist, wheel};
use crate::package::{Digests, Target, hex};
use crate::plan::{PackagePlan, Plan};
use crate::registry::url::{Base, RepoKey};
use crate::step::{Lists, Method, Segment, Step};

const WHEEL: &str = "left_pad-1.0-py3-none-any.whl";
const SDIST: &str = "left_pad-1.0.tar.gz";

fn archive(bytes: Vec<u8>, object: &str) -> Archive {
    Archive::open(Arc::new(Memory(Bytes::from(bytes))), "Build", object).unwrap()
}

fn target(files: &str) -> Target {
    Target {
        base: Base::parse("https://acme.example", false).unwrap(),
        repository: RepoKey::parse("pypi-local").unwrap(),
        path: None,
        files: if files.is_empty() { Selection::default() } else { Selection::parse(files).unwrap() },
        properties: Vec::new(),
        options: BTreeMap::new(),
        email: None,
    }
}

fn plans(zip: Zip, files: &str) -> Result<Vec<PackagePlan>, PackageError> {
    Pypi.plan(&archive(zip.bytes(), "x.tgz"), &target(files))
}

/// The paths of all that would be stored, by release.
fn stored(zip: Zip, files: &str) -> Vec<String> {
    let plans = plans(zip, files).unwrap();
    let paths =
        |plan: &PackagePlan| plan.steps.iter().map(|step| step.file.path.to_string()).collect::<Vec<_>>().join(" ");
    plans.iter().map(|plan| format!("{}: {}", plan.of, paths(plan))).collect()
}

fn error(zip: Zip, files: &str) -> String {
    plans(zip, files).unwrap_err().to_string()
}

fn metadata() -> String {
    python_metadata("left-pad", "1.0", "")
}

fn our_wheel() -> Vec<u8> {
    wheel("left_pad-1.0", &metadata())
}

/// The request's body as it goes over the wire.
fn sent(step: &Step) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in &step.body.0 {
        match segment {
            Segment::Bytes(own) => bytes.extend(own),
            Segment::Raw(content) => drop(content.open().unwrap().read_to_end(&mut bytes).unwrap()),
            Segment::Base64(_) => panic!("nothing is in base64"),
        }
    }
    assert_eq!(bytes.len() as u64, step.body.size());
    bytes
}

/// Name and value of each part, the file's content apart.
fn parts(step: &Step) -> (Vec<(String, String)>, Vec<u8>) {
    let [(name, content_type)] = &step.headers[..] else { panic!("{:?}", step.headers) };
    assert_eq!(*name, "content-type");
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = sent(step);
    let file = step.body.file().unwrap().size();
    let tail = format!("\r\n--{boundary}--\r\n");
    let (head, behind) = body.split_at(body.len() - tail.len() - usize::try_from(file).unwrap());
    let (content, end) = behind.split_at(behind.len() - tail.len());
    assert_eq!(end, tail.as_bytes());
    let head = std::str::from_utf8(head).unwrap();
    let part = |part: &str| {
        let (headers, value) = part.split_once("\r\n\r\n").unwrap();
        let name = headers.strip_prefix("Content-Disposition: form-data; name=\"").unwrap();
        (name.split('"').next().unwrap().to_owned(), value.strip_suffix("\r\n").unwrap_or(value).to_owned())
    };
    let parts = head.split(&format!("--{boundary}\r\n")).skip(1).map(part).collect();
    (parts, content.to_vec())
}

#[test]
fn the_plan_of_a_wheel_and_its_source() {
    let zip = Zip::new()
        .file("README.md", "# left-pad\n")
        .file(&format!("dist/{SDIST}"), sdist("left_pad-1.0", &metadata()))
        .file(&format!("dist/{WHEEL}"), our_wheel());
    let plan = Plan::new(plans(zip, "").unwrap(), &target("")).unwrap();
    insta::assert_snapshot!(plan, @r"
    left-pad@1.0
      POST api/pypi/pypi-local/ (2269 bytes)
        content-type: multipart/form-data; boundary=1f7a85cc5aa3ed884d4365773f4c2715065087fd02e3f744
        stores left-pad/1.0/left_pad-1.0-py3-none-any.whl (811 bytes)
        sha256 160c207a185933b7c2c453484a1bb7073221313c9e514dbe57058ef6bbd18d1e
        sha1   a9a8a19fa774051f0fdbc32894f36179d41cdd82
      POST api/pypi/pypi-local/ (1765 bytes)
        content-type: multipart/form-data; boundary=10a5e7436baac2efa7ea7c1d9c3569ddef11601ee560c33d
        stores left-pad/1.0/left_pad-1.0.tar.gz (320 bytes)
        sha256 4b4ae6454f9c2b046c73177e92f2a755389444ee54aa874da06164318c7c6626
        sha1   0cc77354bb90ac93d3bbc6c68c2ef1240f87961a
    ");
}

#[test]
fn the_form_has_every_field_of_the_metadata_and_the_file_at_its_end() {
    let metadata = "Metadata-Version: 2.4\nName: Left_Pad\nVersion: 1.0\nSummary: Pads\nClassifier: A :: B\nClassifier: C\n\
                    Requires-Dist: x (>=1)\nProject-URL: Home,https://a.example\nLicense-File: LICENSE\n\n# Left\r\n\nüben\n";
    let bytes = wheel("left_pad-1.0", metadata);
    let plans = plans(Zip::new().file(&format!("dist/{WHEEL}"), &bytes), "").unwrap();
    let [step] = &plans[0].steps[..] else { panic!("{plans:?}") };
    assert_eq!((step.method, &*step.path), (Method::Post, "api/pypi/pypi-local/"));
    assert_eq!(step.file.path.as_str(), "Left-Pad/1.0/left_pad-1.0-py3-none-any.whl");
    let listing = step.listing.as_ref().unwrap();
    assert_eq!(listing.path, "api/pypi/pypi-local/simple/left-pad/");
    assert!(matches!(&listing.lists, Lists::Files { file } if file == WHEEL));
    let (parts, content) = parts(step);
    assert_eq!(content, bytes);
    let digests = Digests::of(bytes.as_slice()).unwrap();
    let (md5, sha256) = (hex(&digests.md5), hex(&digests.sha256));
    let parts: Vec<(&str, &str)> = parts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        parts,
        [
            (":action", "file_upload"),
            ("protocol_version", "1"),
            ("metadata_version", "2.4"),
            ("name", "Left-Pad"),
            ("version", "1.0"),
            ("summary", "Pads"),
            ("classifiers", "A :: B"),
            ("classifiers", "C"),
            ("requires_dist", "x (>=1)"),
            ("project_urls", "Home, https://a.example"),
            ("license_file", "LICENSE"),
            ("description", "# Left\r\n\nüben\n"),
            ("filetype", "bdist_wheel"),
            ("pyversion", "py3"),
            ("md5_digest", &md5),
            ("sha256_digest", &sha256),
            ("content", ""),
        ]
    );
}

#[test]
fn the_same_artifact_gives_the_same_plan() {
    let plan = |zip: Zip| Plan::new(plans(zip, "").unwrap(), &target("")).unwrap().digest();
    let one = plan(Zip::new().file(WHEEL, our_wheel()).file("a", "a"));
    assert_eq!(one, plan(Zip::new().stored().file("b", "b").file(WHEEL, our_wheel())));
    let other = wheel("left_pad-1.0", &python_metadata("left-pad", "1.0", "Summary: x\n"));
    assert_ne!(one, plan(Zip::new().file(WHEEL, other)));
}

#[test]
fn distributions_of_one_version_are_one_release() {
    let named = |name: &str, version: &str| python_metadata(name, version, "");
    let zip = Zip::new()
        .file("b/left_pad-1.0.0.tar.gz", sdist("left_pad-1.0.0", &named("left_pad", "1.0.0")))
        .file("b/left_pad-1.0-cp312-abi3-win_amd64.whl", wheel("left_pad-1.0", &named("Left.Pad", "1.0")))
        .file("b/left_pad-1.0-py3-none-any.whl", our_wheel())
        .file("a/right-2.0-py3-none-any.whl", wheel("right-2.0", &named("right", "2.0")))
        .file("a/left_pad-1.1-py3-none-any.whl", wheel("left_pad-1.1", &named("left-pad", "1.1")));
    let plans = plans(zip, "").unwrap();
    let releases: Vec<String> = plans.iter().map(|plan| plan.of.to_string()).collect();
    assert_eq!(releases, ["Left.Pad@1.0", "left-pad@1.1", "right@2.0"]);
    let paths: Vec<&str> = plans[0].steps.iter().map(|step| step.file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "Left.Pad/1.0/left_pad-1.0-cp312-abi3-win_amd64.whl",
            "Left.Pad/1.0/left_pad-1.0-py3-none-any.whl",
            "Left.Pad/1.0/left_pad-1.0.0.tar.gz"
        ]
    );
    assert_eq!(plans[0].warnings.len(), 2, "{:?}", plans[0].warnings);
    for step in &plans[0].steps {
        let (parts, _) = parts(step);
        assert!(parts.contains(&("name".to_owned(), "Left.Pad".to_owned())));
        assert!(parts.contains(&("version".to_owned(), "1.0".to_owned())));
    }
}

#[test]
fn releases_of_several_artifacts_come_together() {
    let plan = |file: &str, bytes: Vec<u8>| plans(Zip::new().file(file, bytes), "").unwrap();
    let source = || sdist("left_pad-1.0", &metadata());
    let all = [plan(WHEEL, our_wheel()), plan(SDIST, source()), plan(WHEEL, our_wheel())].concat();
    let together = Plan::new(all, &target("")).unwrap();
    assert_eq!(together.len(), 1, "{together}");
    let release = together.packages().next().unwrap();
    let paths: Vec<&str> = release.steps.iter().map(|step| step.file.path.as_str()).collect();
    assert_eq!(paths, [format!("left-pad/1.0/{WHEEL}"), format!("left-pad/1.0/{SDIST}")]);
    let other = wheel("left_pad-1.0", &python_metadata("left-pad", "1.0", "Summary: x\n"));
    let twice = Plan::new([plan(WHEEL, our_wheel()), plan(WHEEL, other)].concat(), &target("")).unwrap_err();
    assert_eq!(twice.to_string(), "the package left-pad@1.0 is in the artifacts twice with different content");
}

#[test]
fn what_is_installed_hidden_or_data_is_not_published() {
    let zip = || {
        Zip::new()
            .file(&format!("dist/{WHEEL}"), our_wheel())
            .file("build/left_pad-1.0-py3-none-any.whl", our_wheel())
            .file("dist/left_pad-1.0-py3-none-any.whl.asc", "signature")
            .file("dist/left_pad-1.0-py3-none-any.whl.publish.attestation", "{}")
            .file("venv/lib/python3.12/site-packages/x/right-1.0-py3-none-any.whl", "no wheel")
            .file(".tox/right-1.0-py3-none-any.whl", "no wheel")
            .file("data-2024.tar.gz", crate::make::tgz(&[("data/x", "")]))
            .file("data.tar.gz", "no tar")
            .file("data.zip", "no zip")
            .symlink("latest.tar.gz", "dist")
    };
    assert_eq!(stored(zip(), ""), [format!("left-pad@1.0: left-pad/1.0/{WHEEL}")]);
    let plans = plans(zip(), "dist/*").unwrap();
    assert_eq!(
        plans[0].warnings,
        ["signatures and attestations are not sent: dist/left_pad-1.0-py3-none-any.whl.asc, \
          dist/left_pad-1.0-py3-none-any.whl.publish.attestation"]
    );
    assert!(error(zip(), "data-*").starts_with("data-2024.tar.gz is no source distribution"));
    assert!(error(zip(), "data.tar.gz").starts_with("data.tar.gz is not a sound gzipped tar"));
    assert!(error(zip(), "latest.*").contains("symbolic link"));
}

#[test]
fn an_artifact_that_is_itself_a_distribution_is_published_under_its_proper_name() {
    let plan = |bytes: Vec<u8>, object: &str| {
        let plans = Pypi.plan(&archive(bytes.clone(), object), &target("")).unwrap();
        let step = &plans[0].steps[0];
        assert_eq!(parts(step).1, bytes);
        step.file.path.to_string()
    };
    assert_eq!(plan(our_wheel(), WHEEL), format!("left-pad/1.0/{WHEEL}"));
    assert_eq!(plan(our_wheel(), "AbCdE1F.tgz"), format!("left-pad/1.0/{WHEEL}"));
    let source = || sdist("left_pad-1.0", &metadata());
    assert_eq!(plan(source(), SDIST), format!("left-pad/1.0/{SDIST}"));
    assert_eq!(plan(source(), "AbCdE1F.tgz"), format!("left-pad/1.0/{SDIST}"));
    // Another build than the default one says so in the name only.
    let platform = "left_pad-1.0-2-py3-none-any.whl";
    assert_eq!(plan(our_wheel(), platform), format!("left-pad/1.0/{platform}"));
    let installed =
        Zip::new().file("left_pad-1.0.dist-info/METADATA", metadata()).file("left_pad-1.0.dist-info/WHEEL", "");
    let installed =
        installed.file("left_pad-1.0.dist-info/RECORD", "").file("left_pad-1.0.dist-info/INSTALLER", "pip\n");
    assert!(error(installed, "").starts_with("no pypi package found: no wheel (*.whl)"));
}

#[test]
fn source_distributions_may_be_zips() {
    let zip = Zip::new().file("left-pad-1.0/PKG-INFO", metadata()).file("left-pad-1.0/setup.py", "").bytes();
    assert_eq!(stored(Zip::new().file("left-pad-1.0.zip", zip), ""), ["left-pad@1.0: left-pad/1.0/left-pad-1.0.zip"]);
}
