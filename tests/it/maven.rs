//! Maven packages: from an action's artifact to what the repository holds, and what Maven finds there.

mod resolver;
mod snapshots;

use hyper::Method;

use crate::journal::deaths::{HELD, dies_at, resumed};
use crate::journal::succeeded;
use crate::make::{Zip, jar, pom};
use crate::scene;
use crate::scene::{failure, variables};
use crate::stack::artifactory::{Handles, Permission, Repository};
use crate::stack::http::Fault;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::{Stack, USER, artifactory};

/// The repository for releases and snapshots.
const LIBS: &str = "libs-local";

/// The local stack with a repository of Maven's layout, in which the user may read and deploy.
async fn stack() -> Stack {
    let stack = scene::stack().await;
    stack.artifactory.repository(Repository::local(LIBS, "maven"));
    permit(&stack, &[Permission::Read, Permission::Deploy]);
    stack
}

fn permit(stack: &Stack, permissions: &[Permission]) {
    stack.artifactory.permit(USER, LIBS, permissions);
}

/// The action as a pipeline configures it for Maven.
fn action(stack: &Stack, artifact: impl Into<bytes::Bytes>, more: &[(&str, &str)]) -> JobSpec {
    let action = stack.action(artifact).configuration("TypeOfArtifact", "maven").configuration("RepoKey", LIBS);
    more.iter().fold(action, |action, (name, value)| action.configuration(name, value))
}

/// Runs it to a success.
async fn publish(stack: &Stack, artifact: impl Into<bytes::Bytes>) -> JobResult {
    let (_, result) = stack.run(action(stack, artifact, &[])).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
    result
}

fn stored(stack: &Stack) -> Vec<String> {
    stack.artifactory.files(LIBS).into_iter().map(|file| file.path).collect()
}

/// Paths in the repository that something was put to, in order.
fn put(stack: &Stack) -> Vec<String> {
    let below = format!("PUT /artifactory/{LIBS}/");
    let ours = scene::requests(stack, artifactory::SERVICE);
    ours.iter().filter_map(|line| line.strip_prefix(&below)).map(str::to_owned).collect()
}

/// A build of one library: its jar, sources, javadoc and POM.
fn library(version: &str) -> Zip {
    Zip::new()
        .file("pom.xml", pom("org.acme", "lib", version, ""))
        .file(&format!("target/lib-{version}.jar"), jar("org.acme", "lib", version))
        .file(&format!("target/lib-{version}-sources.jar"), format!("sources of {version}"))
        .file(&format!("target/lib-{version}-javadoc.jar"), format!("javadoc of {version}"))
}

fn below(folder: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{folder}/{name}")).collect()
}

const FILES: [&str; 4] = ["lib-1.0.jar", "lib-1.0-javadoc.jar", "lib-1.0-sources.jar", "lib-1.0.pom"];

#[tokio::test]
async fn a_build_is_published_with_its_pom_last() {
    let stack = stack().await;
    let result = publish(&stack, library("1.0").bytes()).await;
    assert_eq!(put(&stack), below("org/acme/lib/1.0", &FILES));
    let variables = variables(&result);
    assert_eq!((variables["PackageName"].as_str(), variables["PackageVersion"].as_str()), ("org.acme:lib", "1.0"));
    let pom_file = stack.artifactory.file(LIBS, "org/acme/lib/1.0/lib-1.0.pom").unwrap();
    assert_eq!(pom_file, pom("org.acme", "lib", "1.0", ""));
}

#[tokio::test]
async fn properties_are_on_every_file() {
    let stack = stack().await;
    let more = [("Properties", "team={pipeline};of={name}:{version}:{file}")];
    let (_, result) = stack.run(action(&stack, library("1.0").bytes(), &more)).await;
    assert_eq!(variables(&result)["PackageCount"], "1");
    for name in FILES {
        let properties = stack.artifactory.properties(LIBS, &format!("org/acme/lib/1.0/{name}"));
        assert_eq!(
            (&properties["team"], &properties["of"]),
            (&vec!["web".into()], &vec![format!("org.acme:lib:1.0:{name}")])
        );
    }
}

#[tokio::test]
async fn a_retried_stage_leaves_what_is_there_as_it_is() {
    let stack = stack().await;
    publish(&stack, library("1.0").bytes()).await;
    let sent = put(&stack).len();
    let result = publish(&stack, library("1.0").bytes()).await;
    assert_eq!((put(&stack).len(), variables(&result)["SkippedCount"].as_str()), (sent, "1"));
}

#[tokio::test]
async fn what_is_missing_of_a_version_is_sent_and_nothing_else() {
    let stack = stack().await;
    stack.artifactory.put_file(LIBS, "org/acme/lib/1.0/lib-1.0.jar", jar("org.acme", "lib", "1.0"));
    stack.artifactory.put_file(LIBS, "org/acme/lib/1.0/lib-1.0-sources.jar", "sources of 1.0");
    publish(&stack, library("1.0").bytes()).await;
    assert_eq!(put(&stack), below("org/acme/lib/1.0", &["lib-1.0-javadoc.jar", "lib-1.0.pom"]));
}

#[tokio::test]
async fn a_release_with_other_content_is_a_conflict_and_nothing_is_sent() {
    let stack = stack().await;
    permit(&stack, &[Permission::Read, Permission::Deploy, Permission::Delete]);
    stack.artifactory.put_file(LIBS, "org/acme/lib/1.0/lib-1.0-sources.jar", "theirs");
    let (kind, message) = stack.refuse(action(&stack, library("1.0").bytes(), &[])).await;
    assert_eq!(kind, "JobFailed");
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    This version is in the repository with other content: org.acme:lib@1.0 (org/acme/lib/1.0/lib-1.0-sources.jar: there sha256 DIGEST, here sha256 DIGEST).
    Target: libs-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: org.acme:lib@1.0.
    What to do: A published version is never changed. Raise the version and release again; or, if what is there is wrong, delete it in Artifactory and retry the stage.
    Log: request id RUN.
    ");
    assert!(put(&stack).is_empty());
}

#[tokio::test]
async fn modules_are_published_together() {
    let stack = stack().await;
    let child = |artifact: &str, more: &str| {
        format!(
            "<project><parent><groupId>org.acme</groupId><artifactId>all</artifactId><version>2.1</version></parent>\
             <artifactId>{artifact}</artifactId>{more}</project>"
        )
    };
    let modules = "<packaging>pom</packaging><modules><module>core</module><module>web</module></modules>";
    let zip = Zip::new()
        .file("pom.xml", pom("org.acme", "all", "2.1", modules))
        .file("core/pom.xml", child("core", ""))
        .file("core/target/core-2.1.jar", jar("org.acme", "core", "2.1"))
        .file("web/pom.xml", child("web", "<packaging>war</packaging>"))
        .file("web/target/web-2.1.war", jar("org.acme", "web", "2.1"));
    let result = publish(&stack, zip.bytes()).await;
    assert_eq!(variables(&result)["PackageCount"], "3");
    assert_eq!(
        stored(&stack),
        below(
            "org/acme",
            &[
                "all/2.1/all-2.1.pom",
                "core/2.1/core-2.1.jar",
                "core/2.1/core-2.1.pom",
                "web/2.1/web-2.1.pom",
                "web/2.1/web-2.1.war"
            ]
        )
    );
}

#[tokio::test]
async fn a_worker_that_dies_between_jar_and_pom_is_succeeded_by_one_that_sends_the_rest() {
    let stack = stack().await;
    let job = stack.pipeline.queue(action(&stack, library("1.0").bytes(), &[]));
    dies_at(&stack, &job, artifactory::SERVICE, &Method::PUT, "-javadoc.jar", Fault::Delay(HELD)).await;
    assert_eq!(stored(&stack), below("org/acme/lib/1.0", &["lib-1.0.jar"]), "nobody finds half a version");
    let _successor = scene::another_process(&stack).await;
    assert_eq!(scene::numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    let mut files = below("org/acme/lib/1.0", &FILES);
    files.sort();
    assert_eq!(stored(&stack), files);
    let jars = put(&stack).into_iter().filter(|path| path.ends_with("lib-1.0.jar"));
    assert_eq!(jars.count(), 1, "what is stored is not sent again");
}

#[tokio::test]
async fn a_library_of_which_not_all_is_stored_is_told_to_be_published_in_part() {
    let stack = stack().await;
    let refusal = Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), ".pom", 0, usize::MAX, refusal);
    let (kind, message) = stack.refuse(action(&stack, library("1.0").bytes(), &[])).await;
    assert_eq!(kind, "PermissionError", "{message}");
    assert!(message.contains("\nPublished in part, not all files: org.acme:lib@1.0.\n"), "{message}");
    assert!(!stored(&stack).is_empty());
}

#[tokio::test]
async fn what_the_repository_does_not_take_is_refused_before_anything_is_sent() {
    for (handles, version, expected) in [
        (
            Handles::Releases,
            "1.0-SNAPSHOT",
            "takes no snapshots (handleSnapshots), and org.acme:lib@1.0-SNAPSHOT is one",
        ),
        (Handles::Snapshots, "1.0", "takes no releases (handleReleases), and org.acme:lib@1.0 is one"),
    ] {
        let stack = stack().await;
        stack.artifactory.repository(Repository::local(LIBS, "maven").handling(handles));
        // Only who manages a repository is told.
        permit(&stack, &[Permission::Read, Permission::Deploy, Permission::Manage]);
        let (kind, message) = stack.refuse(action(&stack, library(version).bytes(), &[])).await;
        assert!(kind == "ConfigurationError" && message.contains(expected), "{kind}: {message}");
        assert!(put(&stack).is_empty());
        // To others the server says it, and everything before the POM is not there either.
        permit(&stack, &[Permission::Read, Permission::Deploy]);
        let (kind, message) = failure(stack.run(action(&stack, library(version).bytes(), &[])).await.1);
        assert!(kind == "JobFailed" && message.contains("snapshot/release handling policy"), "{kind}: {message}");
        assert!(stored(&stack).is_empty());
    }
}

#[tokio::test]
async fn a_virtual_repository_is_refused_for_what_it_deploys_to_where_it_tells() {
    use crate::stack::artifactory::Handles::{Everything, Releases, Snapshots};
    // Whether the server tells, what it deploys to and that one's type and policy, the version; how the job is refused.
    let may_manage = [Permission::Read, Permission::Deploy, Permission::Manage];
    for (may, into, kind, handles, version, expected) in [
        (&may_manage[..], Some(LIBS), "maven", Everything, "1.0", None),
        (&may_manage, Some(LIBS), "maven", Snapshots, "1.0", Some("which takes no releases")),
        (&may_manage, Some(LIBS), "maven", Releases, "1.0-SNAPSHOT", Some("which takes no snapshots")),
        (&may_manage, Some(LIBS), "npm", Everything, "1.0", Some("which is of type npm")),
        (&may_manage, None, "maven", Everything, "1.0", Some("without one to deploy to")),
        // Only the answer to the first file tells these.
        (&may_manage[..2], Some(LIBS), "maven", Snapshots, "1.0", Some("snapshot/release handling policy")),
        (&may_manage[..2], None, "maven", Everything, "1.0", Some("No default deployment repository")),
    ] {
        let stack = stack().await;
        stack.artifactory.repository(Repository::local(LIBS, kind).handling(handles));
        stack.artifactory.repository(Repository::virtual_of("libs", "maven", &[LIBS], into));
        permit(&stack, may);
        stack.artifactory.permit(USER, "libs", may);
        let (_, result) = stack.run(action(&stack, library(version).bytes(), &[("RepoKey", "libs")])).await;
        let Some(expected) = expected else {
            assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}");
            continue;
        };
        let (kind, message) = failure(result);
        assert!(message.contains(expected) && message.contains("libs"), "{kind}: {message}");
        assert!(stored(&stack).is_empty(), "{message}");
        let puts = stack.traffic.count(artifactory::SERVICE, &Method::PUT, "");
        let is_told = may.contains(&Permission::Manage);
        assert_eq!(puts, usize::from(!is_told), "{message}");
    }
}

#[tokio::test]
async fn what_is_no_package_of_maven_is_refused_by_name() {
    let stack = stack().await;
    let zip = library("1.0").file("other/pom.xml", "<project/>").file("README.md", "x");
    let mismatch = Zip::new().file("pom.xml", pom("org.acme", "lib", "${revision}", "")).bytes();
    let (kind, message) = stack.refuse(action(&stack, mismatch, &[])).await;
    assert_eq!(kind, "JobFailed");
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    Input artifact BuildOutput: pom.xml has the version ${revision}, of which the artifact does not say what it stands for: published like this, nobody could resolve it.
    Target: libs-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Let the build write the POM with its values, with the flatten-maven-plugin (resolveCiFriendliesOnly), and hand over .flattened-pom.xml beside pom.xml.
    Log: request id RUN.
    ");
    let (kind, message) = stack.refuse(action(&stack, Zip::new().file("README.md", "x").bytes(), &[])).await;
    assert!(kind == "JobFailed" && message.contains("no maven package found"), "{message}");
    publish(&stack, zip.bytes()).await;
    assert_eq!(stored(&stack).len(), 4);
}
