//! A version that is there already: the same files packed otherwise count as published, other files are named, and
//! nothing that is there is ever changed.

use std::io::{Cursor, Read as _, Write as _};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use hyper::Method;
use serde_json::json;

use crate::make::{Zip, tgz};
use crate::scene::{self, failure, manifest, numbers, package, path, put_claim, stack, tick, variables};
use crate::stack::http::Fault;
use crate::stack::pipeline::JobResult;
use crate::stack::{ARTIFACTS, REPOSITORY, Stack, artifactory};

const STORAGE: &str = "/api/storage/";

/// The same tar in a gzip of other bytes.
fn packed_otherwise(archive: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    GzDecoder::new(archive).read_to_end(&mut tar).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    gzip.write_all(&tar).unwrap();
    let bytes = gzip.finish().unwrap();
    assert_ne!(bytes, archive);
    bytes
}

/// Publishes this artifact and puts the same files, packed otherwise, in its place.
async fn with_other_bytes(stack: &Stack, artifact: Vec<u8>, stored: &str) {
    stack.publish(artifact).await;
    let ours = stack.artifactory.file(REPOSITORY, stored).unwrap();
    stack.artifactory.put_file(REPOSITORY, stored, packed_otherwise(&ours));
}

fn puts(stack: &Stack) -> usize {
    stack.traffic.count(artifactory::SERVICE, &Method::PUT, "")
}

fn gets(stack: &Stack, what: &str) -> usize {
    stack.traffic.count(artifactory::SERVICE, &Method::GET, what)
}

#[tokio::test]
async fn the_same_files_packed_otherwise_are_the_same_version() {
    let stack = stack().await;
    let ready = tgz(&[("package/package.json", &manifest("ready", "1.0.0")), ("package/a.js", "1")]);
    let ready = Zip::new().file("ready-1.0.0.tgz", ready).bytes();
    for (name, artifact) in [("@acme/left", package("@acme/left", "1.0.0")), ("ready", ready)] {
        let stored = path(name, "1.0.0");
        with_other_bytes(&stack, artifact.clone(), &stored).await;
        let before = stack.artifactory.stored_file(REPOSITORY, &stored).unwrap();
        let sent = puts(&stack);
        let action = stack.action(artifact).output("Report", ARTIFACTS, "web/Report/1");
        let (_, result) = stack.run(action).await;
        let JobResult::Succeeded { summary, revision, .. } = &result else { panic!("{result:#?}") };
        assert_eq!(
            scene::steady(&stack, summary.as_ref().unwrap()),
            format!(
                "{name}@1.0.0 (already there, its files packed otherwise): the same content is in npm-local at http://artifactory"
            )
        );
        // What is told is what is there.
        assert_eq!(variables(&result)["Sha256"], before.digests.sha256);
        assert_eq!(variables(&result)["SkippedCount"], "1");
        assert_eq!(revision.as_ref().unwrap().change_identifier, before.digests.sha256);
        let mut zip = zip::ZipArchive::new(Cursor::new(stack.s3.get(ARTIFACTS, "web/Report/1").unwrap())).unwrap();
        let report: serde_json::Value = serde_json::from_reader(zip.by_name("publish-report.json").unwrap()).unwrap();
        let file = &report["packages"][0]["files"][0];
        assert_eq!((&file["state"], &file["sha1"]), (&json!("skipped"), &json!(before.digests.sha1)));
        assert_eq!((&file["md5"], &file["size"]), (&json!(before.digests.md5), &json!(before.content.len())));

        let after = stack.artifactory.stored_file(REPOSITORY, &stored).unwrap();
        assert_eq!((after.content, after.properties), (before.content, before.properties));
        assert_eq!(puts(&stack), sent, "nothing is sent");
        assert!(stack.logs().await.contains("its archive has other bytes, and the same files in it"));
    }
}

#[tokio::test]
async fn existing_fail_and_a_dry_run_see_the_same_files() {
    let stack = stack().await;
    with_other_bytes(&stack, package("left", "1.0.0"), &path("left", "1.0.0")).await;
    let refused = stack.action(package("left", "1.0.0")).configuration("Options", "existing=fail");
    assert!(stack.refuse(refused).await.1.contains("with the same content"));
    let dry = stack.action(package("left", "1.0.0")).configuration("Options", "dry-run=true");
    assert_eq!(variables(&stack.run(dry).await.1)["SkippedCount"], "1");
}

#[tokio::test]
async fn a_job_that_goes_on_after_a_death_finds_the_same_files() {
    let stack = stack().await;
    with_other_bytes(&stack, package("left", "1.0.0"), &path("left", "1.0.0")).await;
    // Also where nothing more may be done than to look.
    for attempt in [1, 3] {
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        let dead = scene::other_worker(&stack);
        let (_, nonce) = scene::poll(&dead).await.remove(0);
        dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
        put_claim(&stack, &job, &nonce, &json!({ "acknowledgement": "confirmed", "attempt": attempt }));
        assert_eq!(numbers(&tick(&stack).await), [1, 0, 1, 0, 0, 0], "{}", stack.logs().await);
        assert_eq!(variables(&stack.pipeline.result(&job))["SkippedCount"], "1");
    }
}

#[tokio::test]
async fn another_writer_of_the_same_files_may_come_first() {
    let stack = stack().await;
    with_other_bytes(&stack, package("left", "1.0.0"), &path("left", "1.0.0")).await;
    // It is not there when we look, and it is when we write.
    let nothing = || Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), STORAGE, 0, 1, nothing());
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "/api/npm/npm-local/left", 0, 1, nothing());
    let before = puts(&stack);
    let (_, result) = stack.run(stack.action(package("left", "1.0.0"))).await;
    assert_eq!(variables(&result)["SkippedCount"], "1", "{result:?}");
    let stored = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    assert_eq!(variables(&result)["Sha256"], stored.digests.sha256);
    assert_eq!(puts(&stack), before + 1);
}

#[tokio::test]
async fn a_version_that_comes_between_the_look_and_the_write_exists_all_the_same() {
    for alike in [false, true] {
        let stack = stack().await;
        stack.publish(package("left", "1.0.0")).await;
        if alike {
            let ours = stack.artifactory.file(REPOSITORY, &path("left", "1.0.0")).unwrap();
            stack.artifactory.put_file(REPOSITORY, &path("left", "1.0.0"), packed_otherwise(&ours));
        }
        let nothing = || Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
        stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), STORAGE, 0, 1, nothing());
        stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "/api/npm/npm-local/left", 0, 1, nothing());
        let sent = puts(&stack);
        let action = stack.action(package("left", "1.0.0")).configuration("Options", "existing=fail");
        let (kind, message) = stack.refuse(action).await;
        assert!(kind == "JobFailed" && message.contains("existing=fail: left@1.0.0"), "{alike} {message}");
        assert_eq!(puts(&stack), sent + 1, "it was sent, and refused");
    }
}

#[tokio::test]
async fn a_conflict_names_the_first_files_that_differ_and_how() {
    let stack = stack().await;
    let zip = |files: &[(&str, u32, &str)]| {
        let zip = Zip::new().file("package.json", manifest("left", "1.0.0"));
        files.iter().fold(zip, |zip, (path, mode, text)| zip.mode(path, text, *mode)).bytes()
    };
    stack
        .publish(zip(&[("a.js", 0o644, "1"), ("run.sh", 0o644, ""), ("same.js", 0o644, ""), ("old.js", 0o644, "")]))
        .await;
    let changed = zip(&[("a.js", 0o644, "2"), ("run.sh", 0o755, ""), ("same.js", 0o644, ""), ("new.js", 0o644, "")]);
    let (kind, message) = stack.refuse(stack.action(changed)).await;
    assert_eq!(kind, "JobFailed");
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    This version is in the repository with other content: left@1.0.0 (left/-/left-1.0.0.tgz: there sha256 DIGEST, here sha256 DIGEST; a.js has other bytes, new.js is only here, old.js is only there, run.sh has mode 644 there and 755 here).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: A published version is never changed. Raise the version and release again; or, if what is there is wrong, delete it in Artifactory and retry the stage.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn prereleases_and_deprecated_versions_that_exist_are_versions_like_any_other() {
    let stack = stack().await;
    // npm leaves both out of its look at what is there, and the registry has to refuse them.
    let cases = [
        ("pre", "1.0.0-rc.1", json!({ "publishConfig": { "tag": "next" } })),
        ("@acme/old", "1.0.0", json!({ "deprecated": "use another" })),
    ];
    for (name, version, members) in cases {
        let artifact = |text: &str| {
            let mut manifest = json!({ "name": name, "version": version });
            manifest.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            Zip::new().file("package.json", manifest.to_string()).file("index.js", text).bytes()
        };
        stack.publish(artifact("1")).await;
        let (stored, sent) = (path(name, version), puts(&stack));
        assert_eq!(variables(&stack.run(stack.action(artifact("1"))).await.1)["SkippedCount"], "1", "the same bytes");
        let ours = stack.artifactory.file(REPOSITORY, &stored).unwrap();
        stack.artifactory.put_file(REPOSITORY, &stored, packed_otherwise(&ours));
        assert_eq!(variables(&stack.run(stack.action(artifact("1"))).await.1)["SkippedCount"], "1", "the same files");
        let (kind, message) = stack.refuse(stack.action(artifact("2"))).await;
        assert!(kind == "JobFailed" && message.contains("index.js has other bytes"), "{message}");
        assert_eq!(puts(&stack), sent, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_compared_stays_a_conflict() {
    let stack = stack().await;
    let stored = path("left", "1.0.0");
    let refused = async || {
        let (kind, message) = stack.refuse(stack.action(package("left", "1.0.0"))).await;
        assert_eq!(kind, "JobFailed");
        assert!(message.contains("there sha256 ") && !message.contains("only there"), "{message}");
    };
    // No archive at all; cut short; much too long to be the same.
    with_other_bytes(&stack, package("left", "1.0.0"), &stored).await;
    let alike = stack.artifactory.file(REPOSITORY, &stored).unwrap();
    for other in [b"<html>".to_vec(), alike[..alike.len() - 4].to_vec(), vec![0x1f; 8 << 20]] {
        stack.artifactory.put_file(REPOSITORY, &stored, other);
        refused().await;
    }
    // What comes is not what the server says it has.
    stack.artifactory.put_file(REPOSITORY, &stored, package("other", "1.0.0"));
    let lie = Fault::Answer { status: 200, headers: Vec::new(), body: String::from_utf8_lossy(b"\x1f").into_owned() };
    stack.traffic.fault(
        artifactory::SERVICE,
        Some(Method::GET),
        &format!("/artifactory/npm-local/{stored}"),
        0,
        1,
        lie,
    );
    refused().await;
    assert!(stack.logs().await.contains("not what the server says it has"));
}

#[tokio::test]
async fn a_file_that_the_user_may_not_read_is_looked_for_where_the_listing_has_it() {
    let stack = stack().await;
    let (stored, plain) = (path("@acme/left", "1.0.0"), "/artifactory/npm-local/@acme/left/-/");
    with_other_bytes(&stack, package("@acme/left", "1.0.0"), &stored).await;
    let hidden = |times| {
        let answer = Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
        stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), plain, 0, times, answer);
    };
    hidden(1);
    let (_, result) = stack.run(stack.action(package("@acme/left", "1.0.0"))).await;
    assert_eq!(variables(&result)["SkippedCount"], "1", "{result:?}");
    assert_eq!(gets(&stack, "/api/npm/npm-local/@acme/left/-/"), 1);

    hidden(1);
    let answer = Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
    let listed = "/api/npm/npm-local/@acme/left/-/";
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), listed, 0, 1, answer);
    let message = stack.refuse(stack.action(package("@acme/left", "1.0.0"))).await.1;
    assert!(message.contains("there sha256 "), "{message}");
}

#[tokio::test]
async fn an_archive_that_breaks_off_on_its_way_is_fetched_again() {
    let stack = stack().await;
    let stored = path("left", "1.0.0");
    with_other_bytes(&stack, package("left", "1.0.0"), &stored).await;
    let place = format!("/artifactory/npm-local/{stored}");
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), &place, 0, 1, Fault::Truncate(100));
    let (_, result) = stack.run(stack.action(package("left", "1.0.0"))).await;
    assert_eq!(variables(&result)["SkippedCount"], "1", "{result:?}");
    assert_eq!(gets(&stack, &place), 2);
}

#[tokio::test]
async fn of_five_packages_the_third_is_refused_and_a_retry_publishes_the_rest() {
    let stack = stack().await;
    let five = ["a", "b", "c", "d", "e"]
        .iter()
        .fold(Zip::new(), |zip, name| zip.file(&format!("{name}/package.json"), manifest(name, "1.0.0")))
        .bytes();
    let body = r#"{"error":"the storage quota is used up"}"#.to_owned();
    let full = Fault::Answer { status: 413, headers: Vec::new(), body };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/npm-local/c", 0, 1, full);
    let (_, result) = stack.run(stack.action(five.clone())).await;
    let (kind, message) = failure(result);
    assert_eq!(kind, "JobFailed");
    // What was under way with the third comes to its end: on a busy machine that can be the last two.
    let stored = stack.stored();
    let (published, missing): (Vec<&str>, Vec<&str>) =
        ["a", "b", "c", "d", "e"].into_iter().partition(|name| stored.contains(&path(name, "1.0.0")));
    assert!(published.starts_with(&["a", "b"]) && missing.contains(&"c"), "{stored:?}");
    let [published_names, missing_names] = [&published, &missing]
        .map(|names| names.iter().map(|name| format!("{name}@1.0.0")).collect::<Vec<_>>().join(", "));
    let expected = format!(
        "Package c@1.0.0: publishing: PUT api/npm/npm-local/c was answered with 413; the server said: the storage quota is used up.\n\
         Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.\n\
         Published all the same: {published_names}. Not published: {missing_names}.\n\
         What to do: Raise the upload limit of Artifactory or of the proxy before it.\n\
         Log: request id RUN."
    );
    assert_eq!(scene::steady(&stack, &message), expected);

    let before = puts(&stack);
    let (_, result) = stack.run(stack.action(five)).await;
    assert_eq!(variables(&result)["PackageCount"], "5");
    assert_eq!(variables(&result)["SkippedCount"], published.len().to_string());
    assert_eq!(stack.stored(), ["a", "b", "c", "d", "e"].map(|name| path(name, "1.0.0")));
    assert_eq!(puts(&stack), before + missing.len());
}

#[tokio::test]
async fn a_conflict_of_one_of_several_packages_stops_all_before_anything_is_sent() {
    let stack = stack().await;
    stack.publish(package("right", "1.0.0")).await;
    let before = puts(&stack);
    let several = ["left", "right", "up"].iter().fold(Zip::new(), |zip, name| {
        zip.file(&format!("{name}/package.json"), manifest(name, "1.0.0")).file(&format!("{name}/more.js"), "more")
    });
    let (_, message) = stack.refuse(stack.action(several.bytes())).await;
    assert!(message.contains("right@1.0.0 (") && message.contains("more.js is only here"), "{message}");
    assert!(message.contains("not published: left@1.0.0, right@1.0.0, up@1.0.0"), "{message}");
    assert_eq!(puts(&stack), before);
}
