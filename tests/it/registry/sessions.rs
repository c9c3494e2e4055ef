//! Tokens: how one is got, where the password goes, and how a session ends.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codepipeline_artifactory::registry::{Care, Class, Sent};

use super::*;

const LEGACY: &str = "/artifactory/api/security/token";
const ACCESS: &str = "/access/api/v1/tokens";

#[tokio::test]
async fn a_password_becomes_a_token_that_is_revoked_at_the_end() {
    let server = Scripted::start().await;
    let registry = server.connect().await.unwrap();
    registry.send(&repository(), &file(b"abc"), minute()).await.unwrap();
    registry.disconnect().await;
    assert_eq!(
        server.log(),
        [
            "POST /artifactory/api/security/token Basic",
            "PUT /artifactory/npm-local/left/-/left-1.0.0.tgz Bearer",
            "GET /artifactory/api/storage/npm-local/left/-/left-1.0.0.tgz Bearer",
            "POST /artifactory/api/security/token/revoke Bearer",
        ]
    );
    let requests = server.requests(LEGACY);
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    assert_eq!(requests[0].header("authorization"), basic);
    assert_eq!(requests[0].header("content-type"), "application/x-www-form-urlencoded");
    // A minute is left, and half a minute is added; no scope, so that it means the user's own rights.
    assert_eq!(requests[0].body, "username=ci&expires_in=89");
    assert_eq!(requests[1].header("authorization"), "Bearer legacy-1");
    assert_eq!(requests[1].body, "token=legacy-1");
    assert!(requests[0].header("user-agent").starts_with("codepipeline-artifactory/"));
}

#[tokio::test]
async fn the_platform_is_asked_where_the_old_endpoint_is_gone() {
    for status in [404, 405] {
        let server = Scripted::start().await;
        server.script().legacy = status;
        let registry = server.connect().await.unwrap();
        registry.send(&repository(), &file(b"abc"), minute()).await.unwrap();
        registry.disconnect().await;
        let log = server.log();
        assert_eq!(log[1], "POST /access/api/v1/tokens Basic");
        assert_eq!(log[2], "PUT /artifactory/npm-local/left/-/left-1.0.0.tgz Bearer");
        assert_eq!(log.last().unwrap(), "DELETE /access/api/v1/tokens/me Bearer");
        assert_eq!(server.requests(ACCESS)[0].body, "grant_type=client_credentials&expires_in=89");
    }
}

#[tokio::test]
async fn the_password_itself_is_used_only_where_there_is_no_exchange() {
    for status in [403, 404, 405] {
        let server = Scripted::start().await;
        server.script().legacy = 404;
        server.script().access = status;
        let registry = server.connect().await.unwrap();
        assert_eq!(registry.send(&repository(), &file(b"abc"), minute()).await.unwrap(), Sent::Stored);
        registry.disconnect().await;
        let log = server.log();
        assert_eq!(log[2], "PUT /artifactory/npm-local/left/-/left-1.0.0.tgz Basic");
        assert!(!log.iter().any(|line| line.contains("revoke") || line.starts_with("DELETE")), "nothing to revoke");
    }
}

#[tokio::test]
async fn a_refused_password_is_tried_once_and_never_shown() {
    for (legacy, access, class) in [
        (401, 200, Class::Permission),
        (403, 200, Class::Permission),
        (404, 401, Class::Permission),
        (400, 200, Class::Configuration),
    ] {
        let server = Scripted::start().await;
        server.script().legacy = legacy;
        server.script().access = access;
        let error = server.connect().await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        assert_eq!(server.log().len(), if legacy == 404 { 2 } else { 1 });
        assert!(error.to_string().contains("the server said: no token"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_within_the_budget() {
    let server = Scripted::start().await;
    server.answer(Verb::POST, LEGACY, 2, 503, &[], "");
    let registry = server.connect().await.unwrap();
    assert_eq!(registry.stats().retries, 2);
    assert_eq!(server.count(&Verb::POST, LEGACY), 3);

    let server = Scripted::start().await;
    server.answer(Verb::POST, LEGACY, usize::MAX, 429, &[], "");
    let error = server.connect().await.unwrap_err();
    assert_eq!((error.class(), error.status()), (Class::Unavailable, Some(429)));
    assert_eq!(server.count(&Verb::POST, ACCESS), 0, "a busy endpoint is no missing one");
}

#[tokio::test]
async fn an_answer_without_a_usable_token_is_an_error_that_shows_nothing_of_it() {
    for body in [
        r#"{"access_token":"leaky\u0007leaky"}"#,
        r#"{"access_token":["leaky"]}"#,
        r#"{"token":"leaky"}"#,
        "<html>leaky",
    ] {
        let server = Scripted::start().await;
        server.answer(Verb::POST, LEGACY, 1, 200, &[], body);
        let error = server.connect().await.unwrap_err();
        assert_eq!(error.class(), Class::Configuration);
        assert!(!shown(&error).contains("leaky"), "{}", shown(&error));
    }
}

#[tokio::test]
async fn no_redirect_is_followed_with_a_password_or_a_body() {
    let elsewhere = Scripted::start().await;
    let there = format!("{}/artifactory/x?token=secret", elsewhere.server.url());
    for status in [301, 302, 307, 308] {
        let server = Scripted::start().await;
        server.answer(Verb::POST, LEGACY, 1, status, &[("location", &there)], "");
        let error = server.connect().await.unwrap_err();
        assert_eq!(error.class(), Class::Configuration);
        assert!(error.to_string().contains("/artifactory/x") && !shown(&error).contains("secret"), "{error}");

        let registry = server.connect().await.unwrap();
        server.answer(Verb::PUT, "left", 1, status, &[("location", &there)], "");
        let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Redirected(_)), "{error}");
    }
    assert!(elsewhere.log().is_empty(), "{:?}", elsewhere.log());
}

#[tokio::test]
async fn a_minted_token_that_ends_in_mid_job_is_renewed_once() {
    let server = Scripted::start().await;
    let registry = server.connect().await.unwrap();
    server.script().expired = vec!["legacy-1".to_owned()];
    assert_eq!(registry.send(&repository(), &file(b"abc"), minute()).await.unwrap(), Sent::Stored);
    assert_eq!(server.count(&Verb::POST, LEGACY), 2);
    assert_eq!(server.requests("npm-local").last().unwrap().header("authorization"), "Bearer legacy-2");

    server.script().expired.push("legacy-2".to_owned());
    let error = registry.look(&repository(), &file(b"abc"), Care::Usual).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized(_)), "{error}");
    assert_eq!(server.count(&Verb::POST, LEGACY), 2);
    registry.disconnect().await;
    assert_eq!(server.requests("revoke")[0].body, "token=legacy-2");
}

#[tokio::test]
async fn a_given_token_is_neither_renewed_nor_revoked() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.script().expired = vec!["given".to_owned()];
    let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
    assert_eq!(error.class(), Class::Permission);
    registry.disconnect().await;
    assert_eq!(server.log(), ["PUT /artifactory/npm-local/left/-/left-1.0.0.tgz Bearer"]);
}

#[tokio::test]
async fn what_a_server_echoes_is_scrubbed_and_bounded() {
    let server = Scripted::start().await;
    let registry = server.connect().await.unwrap();
    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let echo = json!({"errors": [{"message": format!("{PASSWORD}\nlegacy-1 Basic {basic} {}", "x".repeat(99_999))}]});
    server.answer(Verb::PUT, "left", 1, 413, &[], &echo.to_string());
    let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
    let text = shown(&error);
    for secret in [PASSWORD, "legacy-1", &basic, "hunter2"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("[secret]") && text.len() < 1_500, "{text}");
}

#[tokio::test]
async fn revoking_that_fails_or_hangs_is_nobodys_problem() {
    let server = Scripted::start().await;
    server.answer(Verb::POST, "revoke", 1, 403, &[], "");
    server.connect().await.unwrap().disconnect().await;
    assert_eq!(server.count(&Verb::POST, "revoke"), 1);
    server.fault(Verb::POST, "revoke", 1, Fault::Delay(Duration::from_mins(1)));
    server.connect().await.unwrap().disconnect().await;
    assert_eq!(server.count(&Verb::POST, "revoke"), 2);
}
