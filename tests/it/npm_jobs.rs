//! npm packages through the whole function: what is found in an artifact, what Artifactory holds afterwards, what
//! CodePipeline is told, and what happens to what is there already.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};

use hyper::Method;
use serde_json::{Value, json};

use crate::make::{Zip, tgz};
use crate::scene::{self, failure, manifest, package, package_with, path, stack, variables};
use crate::stack::http::Seen;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::{ARTIFACTS, REPOSITORY, Stack, artifactory, project, s3};

/// Runs a job that must end well, and gives its result.
async fn publish(stack: &Stack, action: JobSpec) -> JobResult {
    let (_, result) = stack.run(action).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
    result
}

fn property(stack: &Stack, path: &str, name: &str) -> Vec<String> {
    stack.artifactory.properties(REPOSITORY, path).remove(name).unwrap_or_default()
}

/// Paths inside a package in the repository.
fn inside(stack: &Stack, path: &str) -> BTreeSet<String> {
    let file = stack.artifactory.file(REPOSITORY, path).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(Cursor::new(file)));
    tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

fn puts(stack: &Stack) -> usize {
    stack.traffic.count(artifactory::SERVICE, &Method::PUT, "")
}

#[tokio::test]
async fn a_build_with_its_node_modules_is_one_package() {
    let stack = stack().await;
    let result = publish(&stack, stack.action(project::zipped("1.0.3", ""))).await;
    let stored = path(project::NAME, "1.0.3");
    assert_eq!(stack.stored(), std::slice::from_ref(&stored));
    assert_eq!(
        inside(&stack, &stored).into_iter().collect::<Vec<_>>(),
        ["README.md", "bin/node_example.js", "index.js", "package.json"].map(|file| format!("package/{file}"))
    );
    let file = stack.artifactory.stored_file(REPOSITORY, &stored).unwrap();
    assert_eq!(file.created_by, crate::stack::USER);
    let JobResult::Succeeded { summary, external_execution_id, percent, revision, variables } = result else {
        unreachable!("it succeeded")
    };
    insta::assert_snapshot!(scene::steady(&stack, &summary.unwrap()), @"Published node_example@1.0.3 to npm-local at http://artifactory");
    insta::assert_snapshot!(scene::steady(&stack, &external_execution_id.unwrap()), @"RUN");
    assert_eq!(percent, Some(100));
    let revision = revision.unwrap();
    assert_eq!((revision.revision, revision.change_identifier), ("1.0.3".to_owned(), file.digests.sha256.clone()));
    assert_eq!(variables["Sha256"], file.digests.sha256);
    insta::assert_snapshot!(scene::steady(&stack, &serde_json::to_string_pretty(&variables).unwrap()), @r#"
    {
      "ArtifactUrl": "http://artifactory/artifactory/npm-local/node_example/-/node_example-1.0.3.tgz",
      "PackageCount": "1",
      "PackageName": "node_example",
      "PackageVersion": "1.0.3",
      "Sha256": "DIGEST",
      "SkippedCount": "0"
    }
    "#);
}

#[tokio::test]
async fn a_scoped_package_and_its_dist_tag() {
    let stack = stack().await;
    let action = stack.action(package("@acme/right", "2.0.0-rc.1")).configuration("Options", "tag=next");
    let result = publish(&stack, action).await;
    let stored = path("@acme/right", "2.0.0-rc.1");
    assert_eq!(stack.stored(), std::slice::from_ref(&stored));
    assert_eq!(property(&stack, &stored, "npm.disttag"), ["next"]);
    let url = &variables(&result)["ArtifactUrl"];
    assert_eq!(scene::steady(&stack, url), format!("http://artifactory/artifactory/npm-local/{stored}"));
    let answer = reqwest::Client::new().get(url).basic_auth(crate::stack::USER, Some(crate::stack::PASSWORD));
    stack.forgive_passwords();
    assert_eq!(answer.send().await.unwrap().status(), 200, "the address leads to the file");
}

#[tokio::test]
async fn ready_archives_are_sent_byte_for_byte() {
    let stack = stack().await;
    let ready = |name: &str| tgz(&[("package/package.json", &manifest(name, "1.0.0")), ("package/a.js", "1")]);
    let zip = Zip::new().file("dist/left-1.0.0.tgz", ready("left")).file("notes.txt", "hello").bytes();
    publish(&stack, stack.action(zip)).await;
    assert_eq!(stack.artifactory.file(REPOSITORY, &path("left", "1.0.0")).unwrap(), ready("left"));

    // The object itself is the package, whatever its key is called.
    for (key, name) in [("web/right-1.0.0.tgz", "right"), ("web/Source/AbC123x", "up")] {
        stack.s3.put(ARTIFACTS, key, ready(name));
        publish(&stack, stack.action_on(key)).await;
        assert_eq!(stack.artifactory.file(REPOSITORY, &path(name, "1.0.0")).unwrap(), ready(name));
    }
}

#[tokio::test]
async fn several_packages_and_only_those_that_files_selects() {
    let stack = stack().await;
    let zip = ["left", "right", "@acme/up"]
        .iter()
        .fold(Zip::new(), |zip, name| zip.file(&format!("packages/{name}/package.json"), manifest(name, "1.0.0")));
    let zip = zip.bytes();
    let action = stack.action(zip.clone()).configuration("Files", "packages/**;!packages/right/**");
    let result = publish(&stack, action).await;
    assert_eq!(stack.stored(), [path("@acme/up", "1.0.0"), path("left", "1.0.0")]);
    assert_eq!(variables(&result)["PackageCount"], "2");

    let result = publish(&stack, stack.action(zip)).await;
    assert_eq!(stack.stored().len(), 3);
    let JobResult::Succeeded { summary, .. } = &result else { unreachable!("it succeeded") };
    insta::assert_snapshot!(scene::steady(&stack, summary.as_ref().unwrap()), @"Published 1 of 3 packages to npm-local at http://artifactory, 2 already there: @acme/up@1.0.0 (already there), left@1.0.0 (already there), right@1.0.0");
    assert_eq!([&variables(&result)["PackageCount"], &variables(&result)["SkippedCount"]], ["3", "2"]);
}

#[tokio::test]
async fn the_public_members_of_a_workspace() {
    let stack = stack().await;
    let root = json!({ "name": "root", "version": "0.0.0", "private": true, "workspaces": ["packages/*"] });
    let private = json!({ "name": "inner", "version": "1.0.0", "private": true });
    let zip = Zip::new()
        .file("package.json", root.to_string())
        .file("packages/left/package.json", manifest("left", "1.0.0"))
        .file("packages/right/package.json", manifest("right", "1.1.0"))
        .file("packages/inner/package.json", private.to_string())
        .file("examples/demo/package.json", manifest("demo", "1.0.0"))
        .file("node_modules/left/package.json", manifest("left", "0.9.0"))
        .bytes();
    publish(&stack, stack.action(zip)).await;
    assert_eq!(stack.stored(), [path("left", "1.0.0"), path("right", "1.1.0")]);
}

#[tokio::test]
async fn all_input_artifacts_are_read_and_one_may_hold_no_package() {
    let stack = stack().await;
    stack.s3.put(ARTIFACTS, "web/Docs/1", Zip::new().file("index.html", "<p>").bytes());
    stack.s3.put(ARTIFACTS, "web/Other/2", package("right", "1.0.0"));
    let action = stack.action(package("left", "1.0.0"));
    let action = action.input("Docs", ARTIFACTS, "web/Docs/1").input("Other", ARTIFACTS, "web/Other/2");
    let result = publish(&stack, action).await;
    assert_eq!(stack.stored(), [path("left", "1.0.0"), path("right", "1.0.0")]);
    assert_eq!(variables(&result)["PackageName"], "left");
}

#[tokio::test]
async fn properties_with_their_placeholders_are_on_the_file() {
    let stack = stack().await;
    let action = stack.action(package("@acme/up", "1.2.3")).at("Release", "Npm");
    let action = action.configuration("Properties", "from={pipeline}/{stage}/{action};is={name},{version};f={file};");
    publish(&stack, action).await;
    let stored = path("@acme/up", "1.2.3");
    assert_eq!(property(&stack, &stored, "from"), ["web/Release/Npm"]);
    assert_eq!(property(&stack, &stored, "is"), ["@acme/up", "1.2.3"]);
    assert_eq!(property(&stack, &stored, "f"), ["up-1.2.3.tgz"]);
    assert_eq!(property(&stack, &stored, "npm.disttag"), ["latest"]);
}

#[tokio::test]
async fn a_retried_stage_leaves_what_is_there_as_it_is() {
    let stack = stack().await;
    let build = package("left", "1.0.0");
    publish(&stack, stack.action(build.clone()).configuration("Properties", "team=a")).await;
    let before = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    let sent = puts(&stack);

    let again = stack.action(build).configuration("Properties", "team=b;more=1");
    let result = publish(&stack, again).await;
    let after = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    assert_eq!((after.content, after.properties), (before.content, before.properties));
    assert_eq!(puts(&stack), sent, "nothing is sent");
    assert_eq!(variables(&result)["SkippedCount"], "1");
    assert_eq!(variables(&result)["Sha256"], before.digests.sha256);
    let JobResult::Succeeded { summary, .. } = result else { unreachable!("it succeeded") };
    insta::assert_snapshot!(scene::steady(&stack, &summary.unwrap()), @"left@1.0.0 (already there): the same content is in npm-local at http://artifactory");
}

#[tokio::test]
async fn existing_fail_refuses_even_the_same_content() {
    let stack = stack().await;
    let build = package("left", "1.0.0");
    publish(&stack, stack.action(build.clone()).configuration("Options", "existing=fail")).await;
    let (_, result) = stack.run(stack.action(build).configuration("Options", "existing=fail")).await;
    let (kind, message) = failure(result);
    assert_eq!(kind, "JobFailed");
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    In the repository already, with the same content, while Options say existing=fail: left@1.0.0.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Raise the version, or let identical versions pass with existing=skip-identical.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_sends_nothing() {
    let stack = stack().await;
    let dry = |artifact| stack.action(artifact).configuration("Options", "dry-run=true");
    let (answer, result) = stack.run(dry(package("left", "1.0.0"))).await;
    assert_eq!(puts(&stack), 0);
    assert_eq!([&answer["succeeded"], &answer["jobs"][0]["packages"]], [&json!(1), &json!([])], "nothing is published");
    let JobResult::Succeeded { summary, .. } = result else { unreachable!("it succeeded") };
    insta::assert_snapshot!(scene::steady(&stack, &summary.unwrap()), @"Dry run, nothing was sent. Would publish to npm-local at http://artifactory: left@1.0.0");
    let writes = scene::requests(&stack, artifactory::SERVICE);
    let writes: BTreeSet<_> = writes.iter().filter(|line| !line.starts_with("GET")).collect();
    assert!(writes.iter().all(|line| line.contains("token")), "{writes:?}");

    publish(&stack, stack.action(package("left", "1.0.0"))).await;
    let sent = puts(&stack);
    let (answer, _) = stack.run(dry(package("left", "1.0.0"))).await;
    assert_eq!(answer["jobs"][0]["packages"], json!(["left@1.0.0"]), "what is there is published");
    let (_, result) = stack.run(dry(package_with("left", "1.0.0", "other"))).await;
    assert_eq!(failure(result).0, "JobFailed", "a dry run sees the conflict");
    assert_eq!(puts(&stack), sent);
}

#[tokio::test]
async fn output_artifacts_hold_the_report_under_the_pipelines_key() {
    let stack = stack().await;
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1234";
    publish(
        &stack,
        stack.action(package("left", "1.0.0")).output("Report", ARTIFACTS, "web/Report/1").encryption_key(key),
    )
    .await;
    publish(&stack, stack.action(package("left", "1.0.0")).output("Report", ARTIFACTS, "web/Report/2")).await;

    let seen = stack.traffic.seen();
    let stored = |of: &str| -> Vec<Seen> {
        let is_it = |seen: &&Seen| seen.request.method == Method::PUT && seen.request.path.ends_with(of);
        seen.iter().filter(|seen| seen.service == s3::SERVICE).filter(is_it).cloned().collect()
    };
    let (with, without) = (stored("web/Report/1"), stored("web/Report/2"));
    assert_eq!((with.len(), without.len()), (1, 1));
    for request in [&with[0].request, &without[0].request] {
        assert_eq!(request.header("x-amz-server-side-encryption"), "aws:kms");
        assert!(request.header("authorization").contains("ASIAEXAMPLE"), "with the job's own credentials");
    }
    assert_eq!(with[0].request.header("x-amz-server-side-encryption-aws-kms-key-id"), key);
    assert_eq!(without[0].request.header("x-amz-server-side-encryption-aws-kms-key-id"), "");

    let read = |key: &str| -> Value {
        let mut zip = zip::ZipArchive::new(Cursor::new(stack.s3.get(ARTIFACTS, key).unwrap())).unwrap();
        let mut text = String::new();
        zip.by_name("publish-report.json").unwrap().read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let report = read("web/Report/1");
    let file = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    let reported = &report["packages"][0]["files"][0];
    assert_eq!(reported["sha256"], file.digests.sha256);
    assert_eq!((&reported["sha1"], &reported["md5"]), (&json!(file.digests.sha1), &json!(file.digests.md5)));
    assert_eq!(reported["size"], file.content.len());
    insta::assert_snapshot!(scene::steady(&stack, &serde_json::to_string_pretty(&report).unwrap()), @r#"
    {
      "repository": "npm-local",
      "artifactory": "http://artifactory",
      "packages": [
        {
          "name": "left",
          "version": "1.0.0",
          "files": [
            {
              "path": "left/-/left-1.0.0.tgz",
              "url": "http://artifactory/artifactory/npm-local/left/-/left-1.0.0.tgz",
              "size": 173,
              "sha1": "DIGEST",
              "sha256": "DIGEST",
              "md5": "DIGEST",
              "state": "stored"
            }
          ]
        }
      ]
    }
    "#);
    assert_eq!(read("web/Report/2")["packages"][0]["files"][0]["state"], "skipped");
}
