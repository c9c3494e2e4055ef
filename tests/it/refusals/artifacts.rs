//! Refusals for what the build handed over: the object in S3, the zip, the packages in it.

use hyper::Method;
use serde_json::json;

use super::{refused, refused_within};
use crate::make::Zip;
use crate::scene::{self, manifest, package, stack};
use crate::stack::http::Fault;
use crate::stack::s3::{self, Missing};
use crate::stack::{ARTIFACTS, DEADLINE};

/// What a job with this artifact is told.
async fn refusal(artifact: impl Into<bytes::Bytes>) -> String {
    let stack = stack().await;
    let refusal = refused(&stack, stack.action(artifact)).await;
    let sent = scene::requests(&stack, "artifactory");
    assert!(sent.is_empty(), "nothing is asked of Artifactory: {sent:?}");
    refusal
}

#[tokio::test]
async fn an_object_that_is_gone() {
    let stack = stack().await;
    let mut refusals = vec![refused(&stack, stack.action_on("web/BuildOutpu/gone")).await];
    // As S3 answers those who may not list the bucket.
    stack.s3.switch(|behaviour| behaviour.missing_for_jobs = Missing::AccessDenied);
    refusals.push(refused(&stack, stack.action_on("web/BuildOutpu/gone")).await);
    insta::assert_snapshot!(refusals.join("\n\n"), @r"
    RevisionUnavailable
    The input artifact BuildOutput could not be read: s3://codepipeline-eu-west-1-artifacts/web/BuildOutpu/gone: GetObject failed: NoSuchKey: The specified key does not exist.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: The object is gone (artifact stores expire): release the change again instead of retrying the stage.
    Log: request id RUN.

    PermissionError
    The input artifact BuildOutput could not be read: s3://codepipeline-eu-west-1-artifacts/web/BuildOutpu/gone: GetObject failed: AccessDenied: Access Denied.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Rights on artifacts belong to the pipeline's role: check its policy, the bucket's policy and the KMS key. S3 gives the same answer for an object that is gone: then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn an_object_whose_key_the_job_may_not_use() {
    let stack = stack().await;
    let said = "User: arn:aws:sts::111122223333:assumed-role/pipeline/job is not authorized to perform: kms:Decrypt";
    let body = format!("<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>");
    let denied = Fault::Answer { status: 403, headers: Vec::new(), body };
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), ARTIFACTS, 0, 100, denied);
    insta::assert_snapshot!(refused(&stack, stack.action(package("left", "1.0.0"))).await, @r"
    PermissionError
    The input artifact BuildOutput could not be read: s3://codepipeline-eu-west-1-artifacts/web/BuildOutpu/0000000: GetObject failed: AccessDenied: User: arn:aws:sts::111122223333:assumed-role/pipeline/job is not authorized to perform: kms:Decrypt.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Rights on artifacts belong to the pipeline's role: check its policy, the bucket's policy and the KMS key. S3 gives the same answer for an object that is gone: then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_storage_that_fails() {
    let stack = stack().await;
    let body = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";
    let failing = Fault::Answer { status: 500, headers: Vec::new(), body: body.into() };
    stack.traffic.fault(s3::SERVICE, Some(Method::GET), ARTIFACTS, 0, 100, failing);
    insta::assert_snapshot!(refused_within(&stack, stack.action(package("left", "1.0.0")), DEADLINE).await, @r"
    SystemUnavailable
    The input artifact BuildOutput could not be read: s3://codepipeline-eu-west-1-artifacts/web/BuildOutpu/0000000: GetObject failed: InternalError: We encountered an internal error.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Retry the stage.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn an_object_without_a_byte() {
    insta::assert_snapshot!(refusal("").await, @r"
    RevisionUnavailable
    The input artifact BuildOutput could not be read: the object s3://codepipeline-eu-west-1-artifacts/web/BuildOutpu/0000000 is empty.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Check the build's artifacts: it handed over an empty file.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn no_input_artifact_at_all() {
    let stack = stack().await;
    let mut action = stack.action(package("left", "1.0.0"));
    action.inputs.clear();
    insta::assert_snapshot!(refused(&stack, action).await, @r"
    ConfigurationError
    The job has no input artifact.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Give the action an input artifact: the output of the build.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn an_object_that_is_no_zip() {
    insta::assert_snapshot!(refusal("this is not a zip").await, @r"
    JobFailed
    The input artifact BuildOutput is not a zip: 17 bytes that begin with 74 68 69 73.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Change what the build hands over, then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn an_archive_that_is_cut_short() {
    let whole = package("left", "1.0.0");
    let cut = whole[..whole.len() - 30].to_vec();
    insta::assert_snapshot!(refusal(cut).await, @r"
    JobFailed
    The input artifact BuildOutput is not a zip: its directory is damaged (its end is missing).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Change what the build hands over, then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_name_that_leads_out_of_the_artifact() {
    let zip = Zip::new().file("package.json", manifest("left", "1.0.0")).file("../../etc/passwd", "x");
    insta::assert_snapshot!(refusal(zip.bytes()).await, @r#"
    JobFailed
    The input artifact BuildOutput has an entry "../../etc/passwd" that leads out of the artifact ('..').
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Change what the build hands over, then release the change again.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn a_name_that_is_there_twice() {
    let zip =
        Zip::new().file("package.json", manifest("left", "1.0.0")).file("package.jsoN", manifest("left", "2.0.0"));
    let mut bytes = zip.bytes();
    for at in 0..bytes.len() - 12 {
        if &bytes[at..at + 12] == b"package.jsoN" {
            bytes[at + 11] = b'n';
        }
    }
    insta::assert_snapshot!(refusal(bytes).await, @r#"
    JobFailed
    The input artifact BuildOutput has an entry "package.json" that is in the artifact twice.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Change what the build hands over, then release the change again.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn an_artifact_without_a_package() {
    let zip = Zip::new().file("index.html", "<p>").file("assets/a.css", "p {}");
    insta::assert_snapshot!(refusal(zip.bytes()).await, @r"
    JobFailed
    Input artifact BuildOutput: no npm package found: looked for a package.json, or .tgz files that hold one; in the artifact: assets/, index.html.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Check the build's artifacts (base-directory and files in its buildspec), the action's TypeOfArtifact and Files.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn an_artifact_of_another_type() {
    let zip = Zip::new().file("pom.xml", "<project/>").file("target/a.jar", "x");
    insta::assert_snapshot!(refusal(zip.bytes()).await, @r"
    JobFailed
    Input artifact BuildOutput: no npm package found: looked for a package.json, or .tgz files that hold one; in the artifact: pom.xml, target/; this looks like a Maven project, but TypeOfArtifact is npm.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Check the build's artifacts (base-directory and files in its buildspec), the action's TypeOfArtifact and Files.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn files_that_select_nothing() {
    let stack = stack().await;
    let action = stack.action(package("left", "1.0.0")).configuration("Files", "dist/**");
    insta::assert_snapshot!(refused(&stack, action).await, @r"
    JobFailed
    Input artifact BuildOutput: no npm package found: looked for a package.json, or .tgz files that hold one, among the files that Files selects; in the artifact: index.js, package.json.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Check the build's artifacts (base-directory and files in its buildspec), the action's TypeOfArtifact and Files.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_manifest_that_is_broken() {
    insta::assert_snapshot!(refusal(Zip::new().file("package.json", "{\n  \"name\": left,\n}").bytes()).await, @r"
    JobFailed
    Input artifact BuildOutput: package.json is not JSON: expected value at line 2 column 11.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Correct the file, or what writes it in the build.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_package_that_is_private() {
    let private = json!({ "name": "left", "version": "1.0.0", "private": true }).to_string();
    insta::assert_snapshot!(refusal(Zip::new().file("package.json", private).bytes()).await, @r#"
    JobFailed
    Input artifact BuildOutput: package.json is marked private (true).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Remove "private" from it, or leave it out with Files.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn a_package_without_a_version() {
    let zip = Zip::new().file("web/package.json", r#"{"name":"left"}"#);
    insta::assert_snapshot!(refusal(zip.bytes()).await, @r#"
    JobFailed
    Input artifact BuildOutput: web/package.json has no version.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Add "version".
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn a_prerelease_that_would_become_the_latest() {
    insta::assert_snapshot!(refusal(package("left", "1.0.0-beta.1")).await, @r#"
    JobFailed
    Input artifact BuildOutput: package.json has the prerelease 1.0.0-beta.1 and no dist-tag, and "latest" must not point to it.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Name one with Options: tag=next, or with publishConfig.tag.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn two_contents_of_one_version() {
    let zip = Zip::new()
        .file("a/package.json", manifest("left", "1.0.0"))
        .file("b/package.json", manifest("left", "1.0.0"))
        .file("b/more.js", "more");
    insta::assert_snapshot!(refusal(zip.bytes()).await, @r"
    JobFailed
    The package left@1.0.0 is in the artifacts twice with different content.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Hand over each package once; narrow what is published with Files.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn texts_that_are_too_long_are_cut_and_taken() {
    let name = format!("left {}", "x".repeat(9_000));
    let message = refusal(Zip::new().file("package.json", manifest(&name, "1.0.0")).bytes()).await;
    assert!(message.contains("\nWhat to do: Choose another name."), "the end is not what is cut");
}
