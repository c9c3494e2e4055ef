//! Every way in which a job is refused: one failure result of the right type, nothing published, nothing left behind,
//! and a message for the person whose stage went red: what failed, where, what the server said, what to do.

mod artifactory;
mod artifacts;

use std::time::Duration;

use crate::scene::{self, failure, numbers, package, stack};
use crate::stack::pipeline::JobSpec;
use crate::stack::secrets::Broken;
use crate::stack::{DEADLINE, PASSWORD, SECRET, Stack, USER};

/// The job is answered once, with a failure, and publishes nothing: its type and message.
async fn refused(stack: &Stack, action: JobSpec) -> String {
    refused_within(stack, action, DEADLINE).await
}

/// As [`refused`], in an invocation of this length.
async fn refused_within(stack: &Stack, action: JobSpec, deadline: Duration) -> String {
    let before = stack.stored();
    let job = stack.pipeline.queue(action);
    stack.worker().await;
    let answer = stack.lambda.invoke(stack.pipeline.started_event(&job), deadline).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 0, 1, 0, 0], "{answer}\n{}", stack.logs().await);
    assert_eq!(stack.pipeline.results_given(&job), 1);
    assert_eq!(stack.stored(), before, "nothing is published");
    let (kind, message) = failure(stack.pipeline.result(&job));
    scene::steady(stack, &format!("{kind}\n{message}"))
}

async fn configured(property: &str, value: &str) -> String {
    let stack = stack().await;
    let refusal = refused(&stack, stack.action(package("left", "1.0.0")).configuration(property, value)).await;
    assert!(scene::requests(&stack, "artifactory").is_empty(), "nothing is asked of Artifactory");
    refusal
}

#[tokio::test]
async fn a_property_that_nobody_knows() {
    insta::assert_snapshot!(configured("Repository", "npm-local").await, @r"
    ConfigurationError
    The action's configuration has unknown properties: Repository; known are TypeOfArtifact, RepoKey, ArtifactoryHost, SecretId, UserName, EmailAddress, Files, TargetPath, Properties, Options.
    Nothing was published.
    What to do: Correct the action's configuration in the pipeline, then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_required_property_that_is_missing() {
    insta::assert_snapshot!(configured("RepoKey", "").await, @r"
    ConfigurationError
    The action's configuration lacks RepoKey.
    Nothing was published.
    What to do: Correct the action's configuration in the pipeline, then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_password_in_the_pipeline() {
    let refusal = configured("Password", PASSWORD).await;
    insta::assert_snapshot!(refusal, @r"
    ConfigurationError
    The action's configuration has a Password; passwords do not belong into a pipeline, where everybody who can read it sees them, but into the secret that SecretId names.
    Nothing was published.
    What to do: Put user and password into a secret in Secrets Manager, name it in SecretId, remove Password from the action, and change the password.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_type_that_nobody_knows() {
    insta::assert_snapshot!(configured("TypeOfArtifact", "floppy").await, @r#"
    ConfigurationError
    TypeOfArtifact "floppy" is not a known package type; known are npm, generic, pypi, maven.
    Nothing was published.
    What to do: Correct the action's configuration in the pipeline, then release the change again.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn an_option_that_nobody_knows() {
    insta::assert_snapshot!(configured("Options", "overwrite=true").await, @r#"
    ConfigurationError
    Options has an unknown option "overwrite"; npm knows existing, dry-run, tag, npm-files.
    Nothing was published.
    What to do: Correct the action's configuration in the pipeline, then release the change again.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn a_host_with_a_password_in_it() {
    insta::assert_snapshot!(configured("ArtifactoryHost", "https://ci:hunter2@acme.jfrog.io").await, @r"
    ConfigurationError
    ArtifactoryHost must not contain user information; the credential belongs into Secrets Manager.
    Nothing was published.
    What to do: Correct the action's configuration in the pipeline, then release the change again.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_secret_that_does_not_exist() {
    insta::assert_snapshot!(configured("SecretId", "no-such-secret").await, @r"
    ConfigurationError
    The secret no-such-secret could not be read: GetSecretValue failed: ResourceNotFoundException: Secrets Manager can't find the specified secret.
    Target: npm-local at http://artifactory, with the secret no-such-secret.
    Nothing was published.
    What to do: Create the secret in this region and account, or correct SecretId.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn no_secret_at_all() {
    let stack = stack().await;
    stack.set("DEFAULT_SECRET_ID", "");
    insta::assert_snapshot!(refused(&stack, stack.action(package("left", "1.0.0"))).await, @r"
    ConfigurationError
    No secret is named: the action has no SecretId and the stack has no default secret.
    Target: npm-local at http://artifactory.
    Nothing was published.
    What to do: Name a secret in the action's SecretId, or set the stack's parameter for a default secret.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read() {
    let stack = stack().await;
    let mut refusals = Vec::new();
    for broken in [Broken::AccessDenied, Broken::KeyDenied, Broken::DecryptionFailure, Broken::MarkedForDeletion] {
        stack.secrets.break_with(SECRET, broken);
        refusals.push(refused(&stack, stack.action(package("left", "1.0.0"))).await);
    }
    stack.secrets.mend(SECRET);
    stack.secrets.put_binary(SECRET, b"\x00\x01");
    refusals.push(refused(&stack, stack.action(package("left", "1.0.0"))).await);
    insta::assert_snapshot!(refusals.join("\n\n"), @r"
    PermissionError
    The secret codepipeline-artifactory/default could not be read: GetSecretValue failed: AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/function/function is not authorized to perform: secretsmanager:GetSecretValue on resource: codepipeline-artifactory/default because no identity-based policy allows the secretsmanager:GetSecretValue action.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: The function's role reads only secrets that carry the tag codepipeline-artifactory: tag the secret, and allow kms:Decrypt where it has a key of its own.
    Log: request id RUN.

    PermissionError
    The secret codepipeline-artifactory/default could not be read: GetSecretValue failed: AccessDeniedException: Access to KMS is not allowed.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: The function's role reads only secrets that carry the tag codepipeline-artifactory: tag the secret, and allow kms:Decrypt where it has a key of its own.
    Log: request id RUN.

    PermissionError
    The secret codepipeline-artifactory/default could not be read: GetSecretValue failed: DecryptionFailure: Secrets Manager can't decrypt the protected secret text using the provided KMS key.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: The function's role reads only secrets that carry the tag codepipeline-artifactory: tag the secret, and allow kms:Decrypt where it has a key of its own.
    Log: request id RUN.

    ConfigurationError
    The secret codepipeline-artifactory/default could not be read: GetSecretValue failed: InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Store the credential as text (SecretString) in a secret that is not being deleted.
    Log: request id RUN.

    ConfigurationError
    The secret codepipeline-artifactory/default could not be read: GetSecretValue failed: unusable answer: the secret is binary, not text.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Store the credential as text (SecretString) in a secret that is not being deleted.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_secret_of_another_product() {
    let stack = stack().await;
    let value = serde_json::json!({ "username": USER, "password": PASSWORD, "engine": "postgres", "port": 5432 });
    stack.secrets.put(SECRET, &value.to_string());
    insta::assert_snapshot!(refused(&stack, stack.action(package("left", "1.0.0"))).await, @r#"
    ConfigurationError
    The secret codepipeline-artifactory/default has a member "engine" that is not known here (known: username, password, access_token, url, pipelines, repositories); is it another product's secret?
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Correct the secret's value; the README lists its members.
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn a_secret_that_belongs_to_another_artifactory() {
    let stack = stack().await;
    let value =
        serde_json::json!({ "username": USER, "password": PASSWORD, "url": "https://acme.jfrog.io/artifactory" });
    stack.secrets.put(SECRET, &value.to_string());
    insta::assert_snapshot!(refused(&stack, stack.action(package("left", "1.0.0"))).await, @r"
    ConfigurationError
    ArtifactoryHost is http://artifactory, but the secret codepipeline-artifactory/default belongs to https://acme.jfrog.io; the secret was not sent.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Correct ArtifactoryHost, or use a secret that belongs to that Artifactory.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_secret_of_another_team() {
    let stack = stack().await;
    let value = serde_json::json!({ "username": USER, "password": PASSWORD, "pipelines": ["team-a-*"] });
    stack.secrets.put(SECRET, &value.to_string());
    insta::assert_snapshot!(refused(&stack, stack.action(package("left", "1.0.0"))).await, @r#"
    ConfigurationError
    The secret codepipeline-artifactory/default may not be used by the pipeline "web".
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Use a secret that is meant for this pipeline and repository, or extend this one's "pipelines" or "repositories".
    Log: request id RUN.
    "#);
}

#[tokio::test]
async fn an_unbound_secret() {
    let stack = stack().await;
    stack.set("ARTIFACTORY_URL", "");
    insta::assert_snapshot!(refused(&stack, stack.action(package("left", "1.0.0"))).await, @r#"
    ConfigurationError
    The secret codepipeline-artifactory/default is not bound to an Artifactory, so it was sent nowhere.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published.
    What to do: Put "url" into the secret, or set the stack's ArtifactoryUrl.
    Log: request id RUN.
    "#);
}
