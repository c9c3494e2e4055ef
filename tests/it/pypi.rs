//! Python packages through the real binary: what is stored where, what counts as there already, and what is refused
//! before anything is sent.

use hyper::Method;
use serde_json::{Value, json};

use crate::make::{Zip, python_metadata, sdist, wheel};
use crate::scene::{self, failure, package, variables};
use crate::stack::artifactory::{Endpoint, Permission, Repository, SimpleIndex, Unauthorized};
use crate::stack::http::Fault;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::{ARTIFACTS, Stack, USER, artifactory};

pub(crate) const REPOSITORY: &str = "pypi-local";
const WHEEL: &str = "left_pad-1.0-py3-none-any.whl";
const SDIST: &str = "left_pad-1.0.tar.gz";

/// The local stack with a Python repository.
pub(crate) async fn stack() -> Stack {
    let stack = scene::stack().await;
    stack.artifactory.repository(Repository::local(REPOSITORY, "pypi"));
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read, Permission::Deploy]);
    stack
}

/// The action that publishes this artifact.
pub(crate) fn action(stack: &Stack, artifact: impl Into<bytes::Bytes>) -> JobSpec {
    python(stack.action(artifact))
}

fn python(action: JobSpec) -> JobSpec {
    action.configuration("TypeOfArtifact", "pypi").configuration("RepoKey", REPOSITORY)
}

fn our_wheel(more: &str) -> Vec<u8> {
    wheel("left_pad-1.0", &python_metadata("left-pad", "1.0", more))
}

fn our_sdist() -> Vec<u8> {
    sdist("left_pad-1.0", &python_metadata("left-pad", "1.0", ""))
}

/// A build's output: both distributions, and what lies around them.
fn built() -> Vec<u8> {
    Zip::new()
        .file("pyproject.toml", "[project]\n")
        .file("src/left_pad/__init__.py", "ANSWER = 42\n")
        .file(&format!("dist/{SDIST}"), our_sdist())
        .file(&format!("dist/{WHEEL}"), our_wheel(""))
        .bytes()
}

fn stored(stack: &Stack) -> Vec<String> {
    stack.artifactory.files(REPOSITORY).into_iter().map(|file| file.path).collect()
}

fn both() -> [String; 2] {
    [WHEEL, SDIST].map(place)
}

fn place(file: &str) -> String {
    format!("left-pad/1.0/{file}")
}

/// How many uploads there were.
fn posts(stack: &Stack) -> usize {
    stack.traffic.count(artifactory::SERVICE, &Method::POST, "/api/pypi/")
}

#[track_caller]
fn succeeded(result: &JobResult) -> String {
    let JobResult::Succeeded { summary, .. } = result else { panic!("{result:#?}") };
    summary.clone().unwrap_or_default()
}

#[tokio::test]
async fn all_files_of_a_release_are_published_as_they_are() {
    let stack = stack().await;
    let action = action(&stack, built()).configuration("Properties", "team={name}").output("Report", ARTIFACTS, "r/1");
    let (answer, result) = stack.run(action).await;
    assert_eq!(answer["jobs"][0]["packages"], json!(["left-pad@1.0"]));
    assert_eq!(stored(&stack), both());
    assert_eq!(stack.artifactory.file(REPOSITORY, &place(WHEEL)).unwrap(), our_wheel(""));
    assert_eq!(stack.artifactory.file(REPOSITORY, &place(SDIST)).unwrap(), our_sdist());
    assert_eq!(stack.artifactory.properties(REPOSITORY, &place(SDIST))["team"], ["left-pad"]);
    let variables = variables(&result);
    assert_eq!((variables["PackageName"].as_str(), variables["PackageVersion"].as_str()), ("left-pad", "1.0"));
    assert!(variables["ArtifactUrl"].ends_with(&format!("/artifactory/pypi-local/{}", place(WHEEL))), "{variables:?}");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(stack.s3.get(ARTIFACTS, "r/1").unwrap())).unwrap();
    let report: Value = serde_json::from_reader(zip.by_name("publish-report.json").unwrap()).unwrap();
    let files = report["packages"][0]["files"].as_array().unwrap();
    let states: Vec<_> =
        files.iter().map(|file| (file["path"].as_str().unwrap(), file["state"].as_str().unwrap())).collect();
    assert_eq!(states, [(place(WHEEL).as_str(), "stored"), (place(SDIST).as_str(), "stored")]);
    // Wheels first; each file is looked for in the storage API and in the index, sent, and seen.
    let own: Vec<String> = scene::requests(&stack, artifactory::SERVICE)
        .into_iter()
        .filter(|line| line.starts_with("POST /artifactory/api/pypi"))
        .collect();
    assert_eq!(own, vec!["POST /artifactory/api/pypi/pypi-local/"; 2]);
}

#[tokio::test]
async fn what_is_there_with_the_same_content_is_left_as_it_is() {
    let stack = stack().await;
    stack.artifactory.put_file(REPOSITORY, &place(WHEEL), our_wheel(""));
    let (_, result) = stack.run(action(&stack, built())).await;
    assert_eq!((posts(&stack), variables(&result)["SkippedCount"].as_str()), (1, "0"), "the source is new");
    let (_, result) = stack.run(action(&stack, built())).await;
    assert_eq!((posts(&stack), variables(&result)["SkippedCount"].as_str()), (1, "1"));
    let fail = action(&stack, built()).configuration("Options", "existing=fail");
    let (r#type, message) = stack.refuse(fail).await;
    assert!(r#type == "JobFailed" && message.contains("left-pad@1.0"), "{message}");
    assert_eq!(stack.artifactory.stored_file(REPOSITORY, &place(WHEEL)).unwrap().created_by, "somebody-else");
}

#[tokio::test]
async fn other_content_is_never_changed_and_nothing_else_is_sent() {
    let stack = stack().await;
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read, Permission::Deploy, Permission::Delete]);
    stack.artifactory.put_file(REPOSITORY, &place(SDIST), "somebody else's");
    let (r#type, message) = stack.refuse(action(&stack, built())).await;
    assert_eq!(r#type, "JobFailed");
    assert!(message.contains("other content") && message.contains(&place(SDIST)), "{message}");
    assert_eq!((posts(&stack), stored(&stack)), (0, vec![place(SDIST)]));
}

#[tokio::test]
async fn a_file_in_another_spellings_folder_is_found_in_the_index() {
    for json in [SimpleIndex::Html, SimpleIndex::Json] {
        let stack = stack().await;
        stack.artifactory.switch(|switches| switches.simple_index = json);
        let other = format!("Left_Pad/1.0/{WHEEL}");
        stack.artifactory.put_file(REPOSITORY, &other, our_wheel("Summary: another one\n"));
        let (r#type, message) = stack.refuse(action(&stack, built())).await;
        assert!(r#type == "JobFailed" && message.contains("other content"), "{message}");
        stack.artifactory.put_file(REPOSITORY, &other, our_wheel(""));
        let (_, result) = stack.run(action(&stack, built())).await;
        succeeded(&result);
        assert_eq!(stored(&stack), [other, place(SDIST)]);
    }
}

#[tokio::test]
async fn without_the_storage_api_the_index_tells() {
    for (index, status) in [(SimpleIndex::Html, 403), (SimpleIndex::Json, 404)] {
        let stack = stack().await;
        stack.artifactory.switch(|switches| {
            switches.simple_index = index;
            switches.storage_api = Endpoint::Answers(status);
        });
        succeeded(&stack.run(action(&stack, built())).await.1);
        assert_eq!((posts(&stack), stored(&stack)), (2, both().to_vec()));
        let (_, result) = stack.run(action(&stack, built())).await;
        assert_eq!((posts(&stack), variables(&result)["SkippedCount"].as_str()), (2, "1"));
        let changed = Zip::new().file(WHEEL, our_wheel("Summary: x\n")).bytes();
        let (r#type, message) = stack.refuse(action(&stack, changed)).await;
        assert!(r#type == "JobFailed" && message.contains("other content"), "{message}");
    }
}

#[tokio::test]
async fn an_upload_whose_answer_is_lost_is_looked_for_before_it_is_sent_again() {
    let stack = stack().await;
    let upload = |fault| stack.traffic.fault(artifactory::SERVICE, Some(Method::POST), "/api/pypi/", 0, 1, fault);
    upload(Fault::DropAfter);
    let (_, result) = stack.run(action(&stack, built())).await;
    assert_eq!((posts(&stack), variables(&result)["SkippedCount"].as_str()), (2, "0"), "one for each file");

    let next = wheel("left_pad-1.1", &python_metadata("left-pad", "1.1", ""));
    upload(Fault::DropBefore);
    let artifact = Zip::new().file("left_pad-1.1-py3-none-any.whl", next).bytes();
    let (_, result) = stack.run(action(&stack, artifact)).await;
    assert_eq!((posts(&stack), variables(&result)["SkippedCount"].as_str()), (4, "0"), "it had not arrived");
}

#[tokio::test]
async fn another_writer_may_come_first() {
    for (more, fails) in [("", false), ("Summary: another one\n", true)] {
        let stack = stack().await;
        stack.artifactory.put_file(REPOSITORY, &place(WHEEL), our_wheel(more));
        // It is not there when we look, and it is when we write.
        for path in ["/api/storage/", "/simple/"] {
            let hidden = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
            stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), path, 0, 1, hidden);
        }
        let artifact = Zip::new().file(WHEEL, our_wheel("")).bytes();
        let result = stack.run(action(&stack, artifact)).await.1;
        assert_eq!(posts(&stack), 1);
        if fails {
            let (r#type, message) = failure(result);
            assert!(r#type == "JobFailed" && message.contains("other content"), "{message}");
        } else {
            assert_eq!(variables(&result)["SkippedCount"], "1");
        }
        assert_eq!(stack.artifactory.file(REPOSITORY, &place(WHEEL)).unwrap(), our_wheel(more));
    }
}

#[tokio::test]
async fn a_user_who_may_not_look_overwrites_nothing() {
    let stack = stack().await;
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Deploy]);
    let (r#type, message) = stack.refuse(action(&stack, built())).await;
    assert_eq!((r#type.as_str(), posts(&stack)), ("PermissionError", 0), "{message}");
    // Where existence is hidden as well, only the server can tell.
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read]);
    stack.artifactory.switch(|switches| switches.unauthorized = Unauthorized::Hidden);
    let (r#type, message) = stack.refuse(action(&stack, built())).await;
    assert_eq!((r#type.as_str(), posts(&stack)), ("ConfigurationError", 1), "{message}");
    assert!(stored(&stack).is_empty());
}

#[tokio::test]
async fn wheels_and_source_may_come_with_several_artifacts() {
    let stack = stack().await;
    let windows = "left_pad-1.0-cp312-abi3-win_amd64.whl";
    let artifacts = [(windows, our_wheel("")), (WHEEL, our_wheel("")), (SDIST, our_sdist())];
    let mut action = action(&stack, Zip::new().file("README.md", "").bytes());
    for (number, (file, bytes)) in artifacts.into_iter().enumerate() {
        let key = format!("web/Wheels{number}/1");
        stack.s3.put(ARTIFACTS, &key, Zip::new().file(&format!("dist/{file}"), bytes).bytes());
        action = action.input(&format!("Wheels{number}"), ARTIFACTS, &key);
    }
    let (answer, result) = stack.run(action).await;
    succeeded(&result);
    assert_eq!(answer["jobs"][0]["packages"], json!(["left-pad@1.0"]));
    assert_eq!(stored(&stack), [place(windows), place(WHEEL), place(SDIST)]);
}

#[tokio::test]
async fn an_artifact_may_be_a_distribution_itself() {
    let stack = stack().await;
    for (key, bytes, file) in [
        ("releases/left_pad-1.0-py3-none-any.whl", our_wheel(""), WHEEL),
        ("web/SourceArti/AbCdE1F", our_sdist(), SDIST),
    ] {
        stack.s3.put(ARTIFACTS, key, bytes.clone());
        succeeded(&stack.run(python(stack.action_on(key))).await.1);
        assert_eq!(stack.artifactory.file(REPOSITORY, &place(file)).unwrap(), bytes);
    }
    stack.s3.put(ARTIFACTS, "web/SourceArti/Gh1JkLm", our_wheel(""));
    let (_, result) = stack.run(python(stack.action_on("web/SourceArti/Gh1JkLm"))).await;
    assert_eq!(variables(&result)["SkippedCount"], "1");
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let stack = stack().await;
    let (_, result) = stack.run(action(&stack, built()).configuration("Options", "dry-run=true")).await;
    assert!(succeeded(&result).contains("Would publish to pypi-local"));
    assert_eq!((posts(&stack), stored(&stack).len()), (0, 0));
}

#[tokio::test]
async fn an_artifact_or_a_repository_of_another_type_is_told() {
    let stack = stack().await;
    let (r#type, message) = stack.refuse(action(&stack, package("left", "1.0.0"))).await;
    assert_eq!(r#type, "JobFailed");
    assert!(message.contains("this looks like an npm package, but TypeOfArtifact is pypi"), "{message}");
    let (_, message) = stack.refuse(stack.action(built())).await;
    assert!(message.contains("this looks like a Python project, but TypeOfArtifact is npm"), "{message}");
    let wrong = action(&stack, built()).configuration("RepoKey", "npm-local");
    let (r#type, message) = stack.refuse(wrong).await;
    assert!(r#type == "ConfigurationError" && message.contains("is of type npm"), "{message}");
    assert_eq!(posts(&stack), 0);
}

#[tokio::test]
async fn a_distribution_that_is_not_what_it_is_called_is_refused_with_what_to_do() {
    let stack = stack().await;
    let artifact = Zip::new().file("dist/left_pad-1.1-py3-none-any.whl", our_wheel("")).bytes();
    let (r#type, message) = stack.refuse(action(&stack, artifact)).await;
    assert_eq!((r#type.as_str(), posts(&stack)), ("JobFailed", 0));
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    Input artifact BuildOutput: dist/left_pad-1.1-py3-none-any.whl is not called after what its metadata says it is: Name left-pad, Version 1.0.
    Target: pypi-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Build it again, or call it left_pad-1.0-py3-none-any.whl.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn epochs_and_local_versions_have_their_folders() {
    let stack = stack().await;
    let file = "left_pad-1!1.0+cu12.1-py3-none-any.whl";
    let bytes = wheel("left_pad-1!1.0+cu12.1", &python_metadata("left-pad", "1!1.0+cu12.1", ""));
    let artifact = Zip::new().file(&format!("dist/{file}"), &bytes).bytes();
    for skipped in ["0", "1"] {
        let (_, result) = stack.run(action(&stack, artifact.clone())).await;
        assert_eq!(variables(&result)["SkippedCount"], skipped);
        assert_eq!(stack.artifactory.file(REPOSITORY, &format!("left-pad/1!1.0+cu12.1/{file}")).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_large_wheel_takes_no_more_memory_than_a_small_one() {
    const LARGE: usize = 48 << 20;
    let stack = stack().await;
    succeeded(&stack.run(action(&stack, built())).await.1);
    let before = stack.peak_memory().await;
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(LARGE).collect();
    // Its metadata is at the beginning, where it is not kept.
    let large = Zip::new()
        .stored()
        .file("large-1.0.dist-info/METADATA", python_metadata("large", "1.0", ""))
        .file("large-1.0.dist-info/WHEEL", "Tag: py3-none-any\n")
        .file("large/noise", noise)
        .bytes();
    let artifact = Zip::new().file("dist/large-1.0-py3-none-any.whl", &large).bytes();
    succeeded(&stack.run(action(&stack, artifact)).await.1);
    assert_eq!(stack.artifactory.file(REPOSITORY, "large/1.0/large-1.0-py3-none-any.whl").unwrap(), large);
    let grown = stack.peak_memory().await - before;
    assert!(grown < 24 << 10, "{grown} kB");
}
