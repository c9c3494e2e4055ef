//! Refusals by Artifactory, or for what is there already.

use std::time::Duration;

use hyper::Method;

use super::{refused, refused_within};
use crate::make::Zip;
use crate::scene::{failure, manifest, package, package_with, path, stack, steady};
use crate::stack::artifactory::{self, Permission, Repository, Unauthorized, User};
use crate::stack::http::Fault;
use crate::stack::{PASSWORD, REPOSITORY, Stack, USER};

fn left(stack: &Stack) -> crate::stack::pipeline::JobSpec {
    stack.action(package("left", "1.0.0"))
}

#[tokio::test]
async fn a_repository_that_does_not_exist() {
    let stack = stack().await;
    insta::assert_snapshot!(refused(&stack, left(&stack).configuration("RepoKey", "npm-lokal")).await, @r"
    ConfigurationError
    Package left@1.0.0: publishing: PUT api/npm/npm-lokal/left was answered with 404; the server said: Could not find repository 'npm-lokal'.
    Target: npm-lokal at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check RepoKey and ArtifactoryHost; Artifactory also answers 404 to users who may not see a repository.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_repository_that_is_hidden_from_the_user() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::local("npm-secret", "npm"));
    stack.artifactory.switch(|switches| switches.unauthorized = Unauthorized::Hidden);
    insta::assert_snapshot!(refused(&stack, left(&stack).configuration("RepoKey", "npm-secret")).await, @r"
    ConfigurationError
    Package left@1.0.0: publishing: PUT api/npm/npm-secret/left was answered with 404; the server said: File not found.
    Target: npm-secret at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check RepoKey and ArtifactoryHost; Artifactory also answers 404 to users who may not see a repository.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_repository_of_another_type() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::local("maven-local", "maven"));
    stack.artifactory.permit(USER, "maven-local", &[Permission::Read, Permission::Deploy]);
    insta::assert_snapshot!(refused(&stack, left(&stack).configuration("RepoKey", "maven-local")).await, @r"
    ConfigurationError
    The repository maven-local is of type maven, but TypeOfArtifact is npm.
    Target: maven-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Correct RepoKey or TypeOfArtifact; publish to a local repository, or to a virtual one with a default deployment repository.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_remote_repository() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::remote("npm-remote", "npm"));
    stack.artifactory.permit(USER, "npm-remote", &[Permission::Read, Permission::Deploy]);
    insta::assert_snapshot!(refused(&stack, left(&stack).configuration("RepoKey", "npm-remote")).await, @r"
    ConfigurationError
    The repository npm-remote is a remote repository, which nobody can deploy to.
    Target: npm-remote at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Correct RepoKey or TypeOfArtifact; publish to a local repository, or to a virtual one with a default deployment repository.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_virtual_repository_without_a_place_to_deploy_to() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::virtual_of("npm", "npm", &[REPOSITORY], None));
    insta::assert_snapshot!(refused(&stack, left(&stack).configuration("RepoKey", "npm")).await, @r"
    ConfigurationError
    Package left@1.0.0: publishing: PUT api/npm/npm/left was answered with 405; the server said: No default deployment repository is configured for the virtual repository 'npm'.
    Target: npm at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Publish to a local repository of the package's type, or a virtual one with a default deployment repository; a proxy that decodes %2f causes this too.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_user_who_may_not_deploy() {
    let stack = stack().await;
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read]);
    insta::assert_snapshot!(refused(&stack, left(&stack)).await, @r"
    PermissionError
    Package left@1.0.0: publishing: PUT api/npm/npm-local/left was answered with 403; the server said: User ci-publisher is not permitted to deploy 'npm-local:left'.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Give the secret's user the right to deploy to this repository; a naming or layout rule of the repository can be the reason as well.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_user_who_may_not_even_look() {
    let stack = stack().await;
    stack.artifactory.permit(USER, REPOSITORY, &[]);
    insta::assert_snapshot!(refused(&stack, left(&stack)).await, @r"
    PermissionError
    The user may not see in the repository npm-local whether a version exists already: left/-/left-1.0.0.tgz: looking for the file: GET api/storage/npm-local/left/-/left-1.0.0.tgz was answered with 403; the server said: User ci-publisher is not permitted to download 'npm-local:left/-/left-1.0.0.tgz'.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Give the secret's user the right to read the repository: a version that exists must never be overwritten unseen.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_wrong_password() {
    let stack = stack().await;
    stack.artifactory.user(User::new(USER, "another password than the secret's"));
    insta::assert_snapshot!(refused(&stack, left(&stack)).await, @r"
    PermissionError
    Asking for a short-lived token: POST api/security/token was answered with 401; the server said: Bad credentials.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check the user and password in the secret; Artifactory locks a user after repeated wrong passwords.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_version_that_exists_with_other_bytes() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    let before = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    let two = Zip::new()
        .file("a/package.json", manifest("left", "1.0.0"))
        .file("a/changed.js", "changed")
        .file("b/package.json", manifest("right", "1.0.0"));
    insta::assert_snapshot!(refused(&stack, stack.action(two.bytes())).await, @r"
    JobFailed
    This version is in the repository with other content: left@1.0.0 (left/-/left-1.0.0.tgz: there sha256 DIGEST, here sha256 DIGEST; changed.js is only here, index.js is only there).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0, right@1.0.0.
    What to do: A published version is never changed. Raise the version and release again; or, if what is there is wrong, delete it in Artifactory and retry the stage.
    Log: request id RUN.
    ");
    let after = stack.artifactory.stored_file(REPOSITORY, &path("left", "1.0.0")).unwrap();
    assert_eq!((after.content, after.properties), (before.content, before.properties));
}

#[tokio::test]
async fn a_conflict_with_a_digest_that_nobody_can_compare() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    stack.artifactory.switch(|switches| switches.storage_api = artifactory::Endpoint::Answers(403));
    // Nor does the file's own path tell.
    let closed = Fault::Answer { status: 403, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::HEAD), "/left-1.0.0.tgz", 0, 9, closed);
    insta::assert_snapshot!(refused(&stack, stack.action(package_with("left", "1.0.0", "other"))).await, @r"
    JobFailed
    This version is in the repository with other content: left@1.0.0 (left/-/left-1.0.0.tgz: there sha512 mtQ0Yx5qHD3MAk9bNUcFHW7hpW93GMM0VyuZjIudCJcWzpm1F5LGya3uf/GZF54wpQJKLHl+Vg8Cg1xXzAMfzg==, here sha512 EHGXtdB1ak2kbuMLXpB1mrqQQimnH1hPofV+3Uda+oXvXeRqbuuPupsLiXrHQ/1W/rq+6CxzMf0wFUUyyX5BxQ==; index.js has other bytes).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: A published version is never changed. Raise the version and release again; or, if what is there is wrong, delete it in Artifactory and retry the stage.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn an_artifactory_that_is_down() {
    let stack = stack().await;
    let down = Fault::Answer {
        status: 503,
        headers: vec![("content-type".into(), "text/html".into())],
        body: "<html><title>503 Service Unavailable</title></html>".into(),
    };
    stack.traffic.fault(artifactory::SERVICE, None, "", 0, 1000, down);
    let message = refused_within(&stack, left(&stack), Duration::from_secs(5)).await;
    insta::assert_snapshot!(attempts_aside(&message), @r#"
    SystemUnavailable
    Asking for a short-lived token: POST api/security/token was answered with 503; the server said: an HTML page, "503 Service Unavailable" (N attempts).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Retry the stage when Artifactory is healthy again; what is stored already counts as published.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn an_artifactory_that_breaks_in_the_middle() {
    let stack = stack().await;
    let two = Zip::new().file("a/package.json", manifest("left", "1.0.0"));
    let two = two.file("b/package.json", manifest("right", "1.0.0")).bytes();
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/right", 0, 1000, Fault::DropBefore);
    let job = stack.pipeline.queue(stack.action(two));
    stack.worker().await;
    let event = stack.pipeline.started_event(&job);
    stack.lambda.invoke(event, Duration::from_secs(8)).await.unwrap();
    let (kind, message) = failure(stack.pipeline.result(&job));
    let message = steady(&stack, &format!("{kind}\n{message}"));
    insta::assert_snapshot!(attempts_aside(&message), @r"
    SystemUnavailable
    Package right@1.0.0: publishing: PUT api/npm/npm-local/right got no answer (N attempts): the connection broke: error sending request: client error (SendRequest): connection closed before message completed.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Published all the same: left@1.0.0. May be stored nevertheless: right@1.0.0.
    What to do: Retry the stage when Artifactory is healthy again; what is stored already counts as published.
    Log: request id RUN.
    ");
    assert_eq!(stack.stored(), [path("left", "1.0.0")]);
}

#[tokio::test]
async fn properties_that_cannot_be_set() {
    let stack = stack().await;
    let body = r#"{"errors":[{"status":403,"message":"Not enough permissions to annotate"}]}"#.to_owned();
    let denied = Fault::Answer { status: 403, headers: Vec::new(), body };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/storage/", 0, 1, denied);
    let (kind, message) = stack.refuse(left(&stack).configuration("Properties", "team=a")).await;
    insta::assert_snapshot!(steady(&stack, &format!("{kind}\n{message}")), @r"
    PermissionError
    Package left@1.0.0: the file is stored, but setting its properties: PUT api/storage/npm-local/left/-/left-1.0.0.tgz was answered with 403; the server said: Not enough permissions to annotate.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    May be stored nevertheless: left@1.0.0.
    What to do: Give the secret's user the right to annotate. Retrying the stage leaves a stored version as it is: set its properties by hand, or delete it before you retry.
    Log: request id RUN.
    ");
    assert_eq!(stack.stored(), [path("left", "1.0.0")]);
}

#[tokio::test]
async fn a_server_that_is_no_artifactory() {
    let stack = stack().await;
    let page = Fault::Answer { status: 200, headers: Vec::new(), body: "<html><title>Sign in</title></html>".into() };
    stack.traffic.fault(artifactory::SERVICE, None, "", 0, 1000, page);
    insta::assert_snapshot!(refused(&stack, left(&stack)).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token was answered with 200; there is no usable token in the answer.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check ArtifactoryHost: what answers there is not Artifactory.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_connection_that_nobody_takes() {
    let stack = stack().await;
    // Bound, so that nobody else gets the port, but not listened on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = socket.local_addr().unwrap();
    stack.set("ARTIFACTORY_URL", &format!("http://{gone}"));
    let action = left(&stack).configuration("ArtifactoryHost", &format!("http://{gone}"));
    let message = refused_within(&stack, action, Duration::from_secs(5)).await;
    insta::assert_snapshot!(attempts_aside(&message.replace(&gone.to_string(), "GONE")), @r"
    SystemUnavailable
    Asking for a short-lived token: POST api/security/token got no answer (N attempts): no connection could be made to GONE: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111).
    Target: npm-local at http://GONE, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check that ArtifactoryHost is right and that the function can reach it (DNS, network, proxy); if it can, retry the stage later.
    Log: request id RUN.
    ");
    assert!(!message.contains(PASSWORD));
}

/// The number of attempts is the dice's.
fn attempts_aside(message: &str) -> String {
    let (before, after) = message.split_once(" attempts)").unwrap();
    let (before, count) = before.rsplit_once('(').unwrap();
    assert!(count.parse::<u32>().is_ok_and(|count| count > 1), "{message}");
    format!("{before}(N attempts){after}")
}
