//! Files that are no packages: from an action's artifacts to what the repository holds.

mod existing;
mod many;
mod sending;

use std::collections::BTreeMap;

use serde_json::json;

use crate::make::Zip;
use crate::scene::{failure, variables};
use crate::stack::artifactory::{Permission, Repository, StoredFile};
use crate::stack::http::Seen;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::{ARTIFACTS, PASSWORD, Stack, USER, artifactory};
use crate::{scene, stack};

/// The repository for plain files.
const FILES: &str = "files-local";

/// The local stack with a repository for plain files, in which the user may read and deploy.
async fn stack() -> Stack {
    let stack = scene::stack().await;
    stack.artifactory.repository(Repository::local(FILES, "generic"));
    permit(&stack, &[Permission::Read, Permission::Deploy]);
    stack
}

fn permit(stack: &Stack, permissions: &[Permission]) {
    stack.artifactory.permit(USER, FILES, permissions);
}

/// The action as a pipeline configures it for plain files.
fn action(stack: &Stack, artifact: impl Into<bytes::Bytes>, more: &[(&str, &str)]) -> JobSpec {
    let action = stack.action(artifact).configuration("TypeOfArtifact", "generic").configuration("RepoKey", FILES);
    more.iter().fold(action, |action, (name, value)| action.configuration(name, value))
}

/// Runs it to a success.
async fn publish(stack: &Stack, artifact: impl Into<bytes::Bytes>, more: &[(&str, &str)]) -> JobResult {
    let (_, result) = stack.run(action(stack, artifact, more)).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
    result
}

fn stored(stack: &Stack) -> Vec<String> {
    stack.artifactory.files(FILES).into_iter().map(|file| file.path).collect()
}

fn file(stack: &Stack, path: &str) -> StoredFile {
    stack.artifactory.stored_file(FILES, path).unwrap_or_else(|| panic!("{path} is not among {:?}", stored(stack)))
}

/// Every request that put something to a path of the repository.
fn puts(stack: &Stack) -> Vec<Seen> {
    let below = format!("/artifactory/{FILES}/");
    let ours = |seen: &Seen| {
        seen.service == artifactory::SERVICE && seen.request.method == "PUT" && seen.request.path.starts_with(&below)
    };
    stack.traffic.seen().into_iter().filter(ours).collect()
}

fn by_checksum(seen: &Seen) -> bool {
    seen.request.header("x-checksum-deploy") == "true"
}

/// A small build.
fn build() -> Vec<u8> {
    Zip::new()
        .file("README.md", "read me\n")
        .file("dist/app.bin", vec![7; 20 << 10])
        .file("dist/sub dir/a+b;c=d%20 ü.txt", "odd name\n")
        .file("dist/empty", "")
        .bytes()
}

#[tokio::test]
async fn files_go_under_the_target_path_byte_by_byte() {
    let stack = stack().await;
    let more = [("Files", "dist/**;README.md"), ("TargetPath", "web/{execution}/")];
    let result = publish(&stack, build(), &more).await;
    let variables = variables(&result);
    let folder = variables["PackageName"].rsplit_once('/').unwrap().0.to_owned();
    assert!(folder.starts_with("web/") && folder.len() > 20, "{folder}");
    let place = |name: &str| format!("{folder}/{name}");
    let names = ["README.md", "app.bin", "empty", "sub dir/a+b;c=d%20 ü.txt"];
    assert_eq!(stored(&stack), names.map(place));
    assert_eq!(file(&stack, &place("app.bin")).content, vec![7; 20 << 10]);
    assert_eq!(file(&stack, &place("sub dir/a+b;c=d%20 ü.txt")).content, "odd name\n");
    assert!(file(&stack, &place("empty")).content.is_empty());
    assert_eq!((variables["PackageCount"].as_str(), variables["PackageVersion"].as_str()), ("4", "-"));
    let JobResult::Succeeded { summary: Some(summary), .. } = &result else { panic!("{result:#?}") };
    assert!(summary.starts_with("Published 4 of 4 files to files-local at "), "{summary}");
}

#[tokio::test]
async fn all_files_of_several_artifacts_are_taken_where_nothing_else_is_said() {
    let stack = stack().await;
    let other = Zip::new().file("docs/index.html", "<html>").file("README.md", "read me\n").bytes();
    stack.s3.put(ARTIFACTS, "web/Docs/1", other);
    let action = action(&stack, build(), &[]).input("Docs", ARTIFACTS, "web/Docs/1");
    let (_, result) = stack.run(action).await;
    // The same file in both counts once.
    assert_eq!(variables(&result)["PackageCount"], "5");
    assert!(stored(&stack).contains(&"docs/index.html".to_owned()), "{:?}", stored(&stack));
}

#[tokio::test]
async fn what_was_published_is_what_curl_and_sha256sum_find() {
    let stack = stack().await;
    publish(&stack, build(), &[("Files", "dist/**")]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut sums = Vec::new();
    for StoredFile { path, digests, .. } in stack.artifactory.files(FILES) {
        let encoded = percent_encoding::utf8_percent_encode(&path, percent_encoding::NON_ALPHANUMERIC).to_string();
        let url = format!("{}/{FILES}/{}", stack.artifactory.url(), encoded.replace("%2F", "/"));
        let name = path.replace('/', "_");
        let curl = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--fail", "--user", &format!("{USER}:{PASSWORD}"), "--output"])
            .args([folder.path().join(&name).as_os_str(), url.as_ref()])
            .output();
        let curl = curl.await.unwrap();
        assert!(curl.status.success(), "{curl:?}");
        sums.push(format!("{}  {name}\n", digests.sha256));
    }
    std::fs::write(folder.path().join("SHA256SUMS"), sums.concat()).unwrap();
    let check = tokio::process::Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(folder.path())
        .output();
    let check = check.await.unwrap();
    assert!(check.status.success(), "{check:?}");
    assert_eq!(String::from_utf8_lossy(&check.stdout).lines().count(), 3);
    // It was we who sent the password.
    stack.forgive_passwords();
}

#[tokio::test]
async fn properties_arrive_with_the_file_and_exactly_as_they_were_meant() {
    let stack = stack().await;
    let properties = r"team={pipeline};os=linux,mac os;note=a+b/c=d|e\f %41 ü;from={dir}:{file}";
    publish(&stack, build(), &[("Files", "dist/app.bin;README.md"), ("Properties", properties)]).await;
    let expected: BTreeMap<String, Vec<String>> = [
        ("from", vec!["dist:app.bin"]),
        ("note", vec![r"a+b/c=d|e\f %41 ü"]),
        ("os", vec!["linux", "mac os"]),
        ("team", vec!["web"]),
    ]
    .map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()))
    .into();
    assert_eq!(stack.artifactory.properties(FILES, "app.bin"), expected);
    assert_eq!(stack.artifactory.properties(FILES, "README.md")["from"], [":README.md"]);
    let set_later = stack.traffic.count(artifactory::SERVICE, &hyper::Method::PUT, "/api/storage/");
    assert_eq!(set_later, 0, "they go along with the file");
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_sends_nothing() {
    let stack = stack().await;
    let result = publish(&stack, build(), &[("Files", "dist/*"), ("Options", "dry-run=true")]).await;
    assert!(stored(&stack).is_empty() && puts(&stack).is_empty());
    let JobResult::Succeeded { summary: Some(summary), .. } = result else { panic!("{result:#?}") };
    assert!(summary.starts_with("Dry run, nothing was sent. Would publish to files-local"), "{summary}");
    assert!(summary.ends_with(": app.bin, empty"), "{summary}");
}

#[tokio::test]
async fn what_no_pattern_matches_is_a_failure_that_names_patterns_and_files() {
    let stack = stack().await;
    let (kind, message) = stack.refuse(action(&stack, build(), &[("Files", "dist;*.jar")])).await;
    assert_eq!(kind, "JobFailed");
    let message = scene::steady(&stack, &message);
    insta::assert_snapshot!(message, @r"
    Input artifact BuildOutput: no generic package found: no file of the artifact matches dist, *.jar (dist is a folder: for what is in it, write dist/**); it holds README.md, dist/app.bin, dist/empty, dist/sub dir/a+b;c=d%20 ü.txt.
    Target: files-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Check the build's artifacts (base-directory and files in its buildspec), the action's TypeOfArtifact and Files.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn two_files_for_one_place_are_refused_before_anything_is_sent() {
    let stack = stack().await;
    let build = Zip::new().file("a/app", "1").file("b/app", "2").file("c", "3").bytes();
    let (kind, message) = stack.refuse(action(&stack, build, &[("Files", "a/*;b/*;c")])).await;
    assert_eq!(kind, "JobFailed");
    assert!(message.contains("BuildOutput:a/app and BuildOutput:b/app are different files"), "{message}");
    assert!(puts(&stack).is_empty());
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_a_matter_of_configuration() {
    let stack = stack().await;
    let (kind, message) = stack.refuse(action(&stack, build(), &[("RepoKey", "nowhere")])).await;
    assert_eq!(kind, "ConfigurationError", "{message}");
    assert!(message.contains("Check RepoKey"), "{message}");
}

#[tokio::test]
async fn plain_files_may_go_to_a_repository_of_packages_or_a_virtual_one() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::virtual_of("files", "generic", &[FILES], Some(FILES)));
    let may = [Permission::Read, Permission::Deploy];
    stack.artifactory.permit(USER, stack::REPOSITORY, &may);
    for repository in [stack::REPOSITORY, "files"] {
        let (_, result) = stack.run(action(&stack, build(), &[("RepoKey", repository), ("Files", "README.md")])).await;
        assert_eq!(variables(&result)["PackageCount"], "1");
    }
    assert_eq!(stack.stored(), ["README.md"]);
    assert_eq!(stored(&stack), ["README.md"]);
}

#[tokio::test]
async fn a_file_spec_in_the_artifact_says_what_goes_where() {
    let stack = stack().await;
    let spec = json!({ "files": [
        { "pattern": "dist/(*).bin", "target": "${repository}/{1}/", "targetProps": "kind=bin;note=a\\,b" },
        { "pattern": "README.md", "target": "files-local/docs/READ ME" },
        { "pattern": "*.exe", "target": "files-local/" },
    ] });
    let zip = Zip::new().file("README.md", "read me\n").file("dist/app.bin", "app").file("spec.json", spec.to_string());
    let options = ("Options", "file-spec=spec.json;spec-vars=repository=files-local");
    publish(&stack, zip.bytes(), &[options, ("Properties", "team=web;kind=other")]).await;
    assert_eq!(stored(&stack), ["app/app.bin", "docs/READ ME"]);
    let properties = stack.artifactory.properties(FILES, "app/app.bin");
    assert_eq!((properties["kind"].join("|"), properties["note"].join("|")), ("bin".to_owned(), "a,b".to_owned()));
    assert_eq!(properties["team"], ["web"]);
    assert!(stack.logs().await.contains("no file matches *.exe of spec.json"), "{}", stack.logs().await);
}
