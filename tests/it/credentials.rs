//! The secret, line by line of its contract: what is sent to Artifactory and what never is, rotation, the forms of
//! a secret, who may use it, and where it may go.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::make::Zip;
use crate::scene::{self, failure, package, path, stack, tick};
use crate::stack::artifactory::{Artifactory, Endpoint, Permission, Repository, User};
use crate::stack::http::Fault;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::{PASSWORD, REPOSITORY, SECRET, Stack, USER, artifactory};

const ROTATED: &str = "a new horse without a battery";

fn password(password: &str) -> String {
    json!({ "username": USER, "password": password }).to_string()
}

/// Artifactory's user gets another password.
fn change_password(stack: &Stack, password: &str) {
    let may = [Permission::Read, Permission::Deploy];
    stack.artifactory.user(User::new(USER, password).may(REPOSITORY, &may));
}

/// A token as an administrator would make it for the secret.
async fn token(stack: &Stack, password: &str) -> String {
    let url = format!("{}/api/security/token", stack.artifactory.url());
    let request = reqwest::Client::new().post(url).basic_auth(USER, Some(password));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(format!("username={USER}"));
    let answer: Value = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    answer.get("access_token").and_then(Value::as_str).unwrap().to_owned()
}

async fn succeeds(stack: &Stack, action: JobSpec) {
    let (_, result) = stack.run(action).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
}

/// What the requests to Artifactory were authorized by: `METHOD path scheme`, in order, without repetition.
fn schemes(stack: &Stack) -> Vec<String> {
    let of = |header: &str| header.split(' ').next().unwrap_or_default().to_owned();
    let mut lines: Vec<String> = Vec::new();
    for seen in stack.traffic.seen().iter().filter(|seen| seen.service == artifactory::SERVICE) {
        let line = format!("{} {}", of(seen.request.header("authorization")), scene::line(seen));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_short_token_and_never_sent_again() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    insta::assert_snapshot!(schemes(&stack).join("\n"), @r"
    Basic POST /artifactory/api/security/token
    Bearer DELETE /access/api/v1/tokens/me
    Bearer GET /artifactory/api/npm/npm-local/-/package/left/dist-tags
    Bearer GET /artifactory/api/npm/npm-local/left
    Bearer GET /artifactory/api/repositories/npm-local
    Bearer GET /artifactory/api/storage/npm-local/left/-/left-1.0.0.tgz
    Bearer POST /artifactory/api/security/token/revoke
    Bearer PUT /artifactory/api/npm/npm-local/left
    ");
    assert_eq!(stack.artifactory.password_seen(), ["POST /artifactory/api/security/token"]);
    let seen = stack.traffic.seen();
    let asked = seen.iter().find(|seen| seen.request.path.ends_with("/security/token")).unwrap();
    let form = String::from_utf8_lossy(&asked.request.body).into_owned();
    assert!(!form.contains("scope"), "without a scope the token has the user's own rights: {form}");
    for token in stack.artifactory.tokens_live() {
        assert!(token.seconds.is_some_and(|seconds| (60..=120).contains(&seconds)), "{token:?}");
    }
}

#[tokio::test]
async fn where_the_old_endpoint_is_gone_the_access_service_exchanges_it() {
    for status in [404, 405] {
        let stack = stack().await;
        stack.artifactory.switch(|switches| switches.legacy_token = Endpoint::Answers(status));
        stack.publish(package("left", "1.0.0")).await;
        assert!(stack.artifactory.password_seen().iter().any(|line| line == "POST /access/api/v1/tokens"));
        assert!(stack.artifactory.tokens_live().is_empty(), "the token is revoked at the end");
    }
}

#[tokio::test]
async fn without_any_exchange_it_is_basic_authentication_and_a_warning() {
    let stack = stack().await;
    stack.forgive_passwords();
    stack.artifactory.switch(|switches| switches.legacy_token = Endpoint::Answers(404));
    stack.artifactory.switch(|switches| switches.access_token = Endpoint::Answers(403));
    stack.publish(package("left", "1.0.0")).await;
    assert!(schemes(&stack).contains(&"Basic PUT /artifactory/api/npm/npm-local/left".to_owned()));
    let logs = stack.logs().await;
    let warning = logs.lines().find(|line| line.contains("exchanges no password")).unwrap();
    assert!(warning.contains("\"level\":\"WARN\""), "{warning}");
}

#[tokio::test]
async fn a_refused_exchange_is_no_reason_to_send_the_password_with_each_request() {
    let stack = stack().await;
    for (status, kind) in [(401, "PermissionError"), (403, "PermissionError"), (501, "SystemUnavailable")] {
        stack.artifactory.switch(|switches| switches.legacy_token = Endpoint::Answers(status));
        let (refused, message) = stack.refuse(stack.action(package("left", "1.0.0"))).await;
        assert_eq!(refused, kind, "{message}");
        assert!(message.contains(&status.to_string()), "{message}");
    }
    assert!(stack.stored().is_empty());
    assert_eq!(stack.artifactory.tokens_live(), []);
}

#[tokio::test]
async fn a_rotated_password_is_noticed_while_the_old_one_is_cached() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    stack.publish(package("left", "1.0.1")).await;
    assert_eq!(stack.secrets.reads(SECRET), 1, "the secret is cached for a moment");

    change_password(&stack, ROTATED);
    stack.secrets.put(SECRET, &password(ROTATED));
    stack.publish(package("left", "1.0.2")).await;
    assert_eq!(stack.secrets.reads(SECRET), 2);
}

#[tokio::test]
async fn a_wrong_password_is_read_again_and_not_tried_again() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    change_password(&stack, ROTATED);
    let (kind, message) = stack.refuse(stack.action(package("left", "1.0.1"))).await;
    assert_eq!(kind, "PermissionError", "{message}");
    assert_eq!(stack.secrets.reads(SECRET), 2);
    assert_eq!(stack.artifactory.failed_logins(USER), 1, "or Artifactory locks the user");

    // Rotated a moment later, and the stage retried.
    stack.secrets.put(SECRET, &password(ROTATED));
    stack.publish(package("left", "1.0.1")).await;
}

#[tokio::test]
async fn a_wrong_password_is_not_tried_for_each_file_where_no_token_is_to_be_had() {
    let stack = stack().await;
    stack.forgive_passwords();
    stack.artifactory.switch(|switches| {
        switches.legacy_token = Endpoint::Answers(404);
        switches.access_token = Endpoint::Answers(404);
        switches.lock_after = Some(5);
        // Somebody in between, who knows no password, keeps the repository's configuration to himself.
        switches.repositories_api = Endpoint::Answers(403);
    });
    stack.publish(package("left", "1.0.0")).await;
    change_password(&stack, ROTATED);
    stack.secrets.put(SECRET, &password(ROTATED));
    let names = ["a", "b", "c", "d", "e", "f"];
    let many = |version: &str| {
        let zip = names
            .iter()
            .fold(Zip::new(), |zip, name| zip.file(&format!("{name}/package.json"), scene::manifest(name, version)));
        zip.bytes()
    };
    // The old one is cached.
    stack.publish(many("1.0.0")).await;
    assert_eq!(stack.artifactory.failed_logins(USER), 0, "a right one came after it");
    change_password(&stack, "another");
    let (kind, message) = stack.refuse(stack.action(many("2.0.0"))).await;
    assert_eq!(kind, "PermissionError", "{message}");
    assert_eq!(stack.artifactory.failed_logins(USER), 1, "or Artifactory locks the user");
}

#[tokio::test]
async fn a_token_that_is_revoked_in_mid_job_is_asked_for_again() {
    let stack = stack().await;
    let pause = Fault::Delay(Duration::from_millis(1_200));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/", 0, 1, pause);
    stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    let revoking = async {
        stack.traffic.wait_for(artifactory::SERVICE, &Method::PUT, "/api/npm/", 1).await;
        stack.artifactory.revoke_all_tokens();
    };
    let (answer, ()) = tokio::join!(tick(&stack), revoking);
    assert_eq!(scene::numbers(&answer), [0, 1, 1, 0, 0, 0], "{}", stack.logs().await);
    assert_eq!(stack.stored(), [path("left", "1.0.0")]);
    assert_eq!(stack.artifactory.token_values().len(), 2);
}

#[tokio::test]
async fn an_access_token_is_sent_as_it_is_and_its_rotation_is_noticed() {
    let stack = stack().await;
    let first = token(&stack, PASSWORD).await;
    stack.secrets.put(SECRET, &json!({ "access_token": first }).to_string());
    stack.publish(package("left", "1.0.0")).await;
    assert_eq!(stack.artifactory.token_values().len(), 1, "no other token is made");
    assert_eq!(stack.artifactory.tokens_live().len(), 1, "and this one is not ours to revoke");

    stack.artifactory.revoke_all_tokens();
    let second = token(&stack, PASSWORD).await;
    stack.secrets.put(SECRET, &json!({ "access_token": second, "username": USER }).to_string());
    stack.publish(package("left", "1.0.1")).await;
    assert_eq!(stack.secrets.reads(SECRET), 2);

    stack.artifactory.revoke_all_tokens();
    let (kind, message) = stack.refuse(stack.action(package("left", "1.0.2"))).await;
    assert_eq!(kind, "PermissionError", "{message}");
    assert_eq!(stack.secrets.reads(SECRET), 3, "read once more, and no more than once");
}

#[tokio::test]
async fn an_access_token_that_is_replaced_in_mid_job_is_read_again() {
    let stack = stack().await;
    let first = token(&stack, PASSWORD).await;
    stack.secrets.put(SECRET, &json!({ "access_token": first }).to_string());
    let pause = Fault::Delay(Duration::from_millis(500));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/api/npm/", 0, 1, pause);
    stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.worker().await;
    let rotating = async {
        stack.traffic.wait_for(artifactory::SERVICE, &Method::PUT, "/api/npm/", 1).await;
        stack.artifactory.revoke_all_tokens();
        let second = token(&stack, PASSWORD).await;
        stack.secrets.put(SECRET, &json!({ "access_token": second }).to_string());
    };
    let (answer, ()) = tokio::join!(tick(&stack), rotating);
    assert_eq!(scene::numbers(&answer), [0, 1, 1, 0, 0, 0], "{}", stack.logs().await);
}

#[tokio::test]
async fn the_forms_of_a_secret() {
    let stack = stack().await;
    let url = stack.artifactory.platform_url();
    stack.secrets.put("plain", &format!("{PASSWORD}\n"));
    stack.secrets.put("nameless", &json!({ "password": PASSWORD }).to_string());
    stack.secrets.put("same", &password(PASSWORD));
    stack.secrets.put("bound", &json!({ "username": USER, "password": PASSWORD, "url": url }).to_string());
    let listed = json!({
        "username": USER, "password": PASSWORD, "pipelines": ["team-a-*", "we?"], "repositories": ["npm-*"],
    });
    stack.secrets.put("listed", &listed.to_string());
    let secrets = [("plain", USER), ("nameless", USER), ("same", USER), ("bound", ""), ("listed", "")];
    for (number, (secret, user)) in secrets.into_iter().enumerate() {
        let action = stack.action(package("left", &format!("1.0.{number}")));
        succeeds(&stack, action.configuration("SecretId", secret).configuration("UserName", user)).await;
    }
    let arn = stack.secrets.put("by-arn", &password(PASSWORD));
    succeeds(&stack, stack.action(package("left", "2.0.0")).configuration("SecretId", &arn)).await;
}

#[tokio::test]
async fn a_secret_that_is_not_for_this_job_is_sent_nowhere() {
    let stack = stack().await;
    // A second Artifactory: whoever can edit a pipeline could point it there.
    let other = Artifactory::start(stack.traffic.clone(), stack.vault.clock().clone()).await;
    other.user(User::new(USER, PASSWORD).may(REPOSITORY, &[Permission::Read, Permission::Deploy]));
    other.repository(Repository::local(REPOSITORY, "npm"));
    let elsewhere = other.platform_url();
    let with = |members: Value| {
        let mut secret = json!({ "username": USER, "password": PASSWORD });
        secret.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        secret.to_string()
    };
    let secrets = [
        ("engine", with(json!({ "engine": "postgres" }))),
        ("both", with(json!({ "access_token": "x" }))),
        ("elsewhere", with(json!({ "url": elsewhere }))),
        ("path", with(json!({ "url": format!("{}/other", stack.artifactory.platform_url()) }))),
        ("badurl", with(json!({ "url": "https://user@acme.example" }))),
        ("pipelines", with(json!({ "pipelines": ["team-a-*"] }))),
        ("nobody", with(json!({ "pipelines": [] }))),
        ("repositories", with(json!({ "repositories": ["maven-*"] }))),
        ("json", format!("{{\"password\": \"{PASSWORD}\"")),
        ("nouser", PASSWORD.to_owned()),
        ("named", with(json!({}))),
    ];
    for (id, value) in &secrets {
        stack.secrets.put(id, value);
        let mut action = stack.action(package("left", "1.0.0")).configuration("SecretId", id);
        if *id == "named" {
            action = action.configuration("UserName", "somebody-else");
        }
        let (kind, message) = stack.refuse(action).await;
        assert_eq!(kind, "ConfigurationError", "{id}: {message}");
        assert!(message.contains(&format!("secret {id} ")), "{message}");
    }
    stack.secrets.put("any", &with(json!({ "pipelines": ["*"] })));
    let without = stack.action(package("left", "1.0.0")).configuration("SecretId", "any").without("pipelineContext");
    assert_eq!(stack.refuse(without).await.0, "ConfigurationError", "a job without a pipeline matches nothing");

    let misled = stack.action(package("left", "1.0.0")).configuration("ArtifactoryHost", &elsewhere);
    assert_eq!(stack.refuse(misled).await.0, "ConfigurationError");
    assert!(scene::requests(&stack, artifactory::SERVICE).is_empty(), "nothing reaches any Artifactory");
}

#[tokio::test]
async fn an_unbound_secret_is_sent_nowhere() {
    let stack = stack().await;
    stack.set("ARTIFACTORY_URL", "");
    let (kind, message) = stack.refuse(stack.action(package("left", "1.0.0"))).await;
    assert_eq!(kind, "ConfigurationError");
    assert!(message.contains("not bound"), "{message}");
    assert!(scene::requests(&stack, artifactory::SERVICE).is_empty());
}

#[tokio::test]
async fn spellings_of_the_same_artifactory_are_the_same() {
    let stack = stack().await;
    let port = stack.artifactory.platform_url().rsplit_once(':').unwrap().1.to_owned();
    stack.set("ARTIFACTORY_URL", &format!("http://localhost:{port}/artifactory"));
    let spellings = [
        "http://localhost:PORT",
        "http://localhost:PORT/",
        "HTTP://LocalHost:PORT/artifactory/",
        "http://localhost:PORT/artifactory",
        "http://LOCALHOST:PORT/ui/repos",
    ];
    for (number, spelling) in spellings.into_iter().enumerate() {
        let action = stack.action(package("left", &format!("1.0.{number}")));
        succeeds(&stack, action.configuration("ArtifactoryHost", &spelling.replace("PORT", &port))).await;
    }
    assert_eq!(stack.stored().len(), spellings.len());

    // Every other port, scheme or path is another Artifactory.
    let others = ["http://localhost", "https://localhost:PORT", "http://localhost:PORT/x", "http://127.0.0.1:PORT"];
    let before = scene::requests(&stack, artifactory::SERVICE).len();
    for other in others {
        let action =
            stack.action(package("left", "2.0.0")).configuration("ArtifactoryHost", &other.replace("PORT", &port));
        let (kind, message) = failure(stack.run(action).await.1);
        assert_eq!(kind, "ConfigurationError", "{other}: {message}");
    }
    assert_eq!(scene::requests(&stack, artifactory::SERVICE).len(), before);
}
