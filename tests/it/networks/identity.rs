//! Mutual TLS: a server that lets nobody in but those with a certificate of its own authority's.

use super::{SHORT, behind_tls, left, published, refused};
use crate::scene::{failure, stack, steady};
use crate::stack::http::Fault;
use crate::stack::lambda::InvocationError;
use crate::stack::tls::{Authority, Certified, Clients, Offered, Validity};
use crate::stack::{SECRET, Stack, USER, artifactory};

/// The secret that `CA_CERTIFICATES` names, with a key in it; none of its lines may be seen anywhere.
fn give(stack: &Stack, root: &Authority, own: &Certified) {
    let key = own.key_pem();
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        stack.keep_secret(line);
    }
    let arn = stack.secrets.put("corp/tls", &format!("{}{key}{}", root.pem(), own.pem));
    stack.set("CA_CERTIFICATES", &arn);
    stack.set("AWS_LAMBDA_LOG_LEVEL", "TRACE");
}

#[tokio::test]
async fn a_key_and_its_chain_behind_the_roots_are_shown_to_a_server_that_asks() {
    for offered in [Offered::One, Offered::OneAndTwo] {
        let stack = stack().await;
        let (root, people) = (Authority::new("Corp root"), Authority::new("Corp machines"));
        let front = behind_tls(&stack, &root, Clients::Of(&people), offered).await;
        give(&stack, &root, &people.below("Corp builds").certify(&["publisher.corp"], Validity::Now));
        published(&stack).await;
        let handshakes = front.handshakes();
        assert!(!handshakes.is_empty() && handshakes.iter().all(|seen| seen.certificates == 2), "{handshakes:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_in_vain() {
    for offered in [Offered::One, Offered::OneAndTwo] {
        let stack = stack().await;
        let (root, people) = (Authority::new("Corp root"), Authority::new("Corp machines"));
        let _front = behind_tls(&stack, &root, Clients::Of(&people), offered).await;
        stack.set("CA_CERTIFICATES", &root.pem());
        is_told(&refused(&stack).await, "localhost:PORT asks for a client certificate and was shown none");
    }
}

/// What nginx does: it agrees on the connection, and answers each request with 400. The same status, when it is
/// Artifactory's own, is about something else.
#[tokio::test]
async fn a_server_that_asks_in_vain_and_answers_all_the_same() {
    let page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
    let json = r#"{"errors":[{"status":400,"message":"no"}]}"#;
    for (kind, body) in [("text/html", page), ("application/json;charset=utf-8", json)] {
        let stack = stack().await;
        let (root, people) = (Authority::new("Corp root"), Authority::new("Corp machines"));
        let _front = behind_tls(&stack, &root, Clients::PerhapsOf(&people), Offered::OneAndTwo).await;
        stack.set("CA_CERTIFICATES", &root.pem());
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let answer = Fault::Answer { status: 400, headers, body: body.to_owned() };
        stack.traffic.fault(artifactory::SERVICE, None, "", 0, usize::MAX, answer);
        let job = stack.pipeline.queue(left(&stack));
        stack.worker().await;
        stack.lambda.invoke(stack.pipeline.started_event(&job), SHORT).await.unwrap();
        let (kind_of_failure, message) = failure(stack.pipeline.result(&job));
        assert_eq!(kind_of_failure, "ConfigurationError", "{message}");
        assert_eq!(crate::scene::requests(&stack, artifactory::SERVICE).len(), 1, "once is enough");
        let port = stack.artifactory.platform_url().rsplit(':').next().unwrap_or_default().to_owned();
        let message = steady(&stack, &message.replace(&format!("localhost:{port}"), "localhost:PORT"));
        if body == page {
            insta::assert_snapshot!(message, @r#"
            Asking for a short-lived token: POST api/security/token was answered with 400; the server said: an HTML page, "400 No required SSL certificate was sent"; it asks for a client certificate and was shown none.
            Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
            Nothing was published; not published: left@1.0.0.
            What to do: Put a private key and its certificate, one that the server takes, behind the root certificates in the secret that the stack's CaCertificates names (README, Networks).
            Log: request id RUN.
            "#);
        } else {
            insta::assert_snapshot!(message, @r"
            Asking for a short-lived token: POST api/security/token was answered with 400; the server said: no.
            Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
            Nothing was published; not published: left@1.0.0.
            What to do: Check ArtifactoryHost, its scheme and port too, and the user in the secret: nothing of the package was sent yet.
            Log: request id RUN.
            ");
        }
    }
}

/// With a token there is no request for one: what meets the first look at the repository is told.
#[tokio::test]
async fn a_server_that_asks_in_vain_and_answers_all_the_same_where_the_secret_is_a_token() {
    let stack = stack().await;
    let (root, people) = (Authority::new("Corp root"), Authority::new("Corp machines"));
    let _front = behind_tls(&stack, &root, Clients::PerhapsOf(&people), Offered::OneAndTwo).await;
    stack.set("CA_CERTIFICATES", &root.pem());
    let token = stack.artifactory.token_of(USER);
    stack.secrets.put(SECRET, &serde_json::json!({ "access_token": token }).to_string());
    let answer = Fault::Answer { status: 400, headers: Vec::new(), body: "<html><title>400</title>".to_owned() };
    stack.traffic.fault(artifactory::SERVICE, None, "", 0, usize::MAX, answer);
    let (kind, message) = stack.refuse(left(&stack)).await;
    is_told(&format!("{kind}\n{message}"), "it asks for a client certificate and was shown none");
}

/// A proxy that asks for a certificate and does without one: Artifactory's refusals stay what they are.
#[tokio::test]
async fn a_server_that_asks_in_vain_and_lets_everybody_in() {
    let stack = stack().await;
    let (root, people) = (Authority::new("Corp root"), Authority::new("Corp machines"));
    let _front = behind_tls(&stack, &root, Clients::PerhapsOf(&people), Offered::OneAndTwo).await;
    stack.set("CA_CERTIFICATES", &root.pem());
    let page = "<html><head><title>400 Bad Request</title></head></html>".to_owned();
    let answer = Fault::Answer { status: 400, headers: Vec::new(), body: page };
    stack.traffic.fault(artifactory::SERVICE, Some(hyper::Method::PUT), "/left", 0, usize::MAX, answer);
    let (_, message) = stack.refuse(left(&stack)).await;
    assert!(!message.contains("certificate") && message.contains("What to do: Change what"), "{message}");
}

/// Whether the server's reason comes in time to be seen is chance; what is said and what to do do not depend on it.
#[track_caller]
fn is_told(refusal: &str, problem: &str) {
    assert!(refusal.starts_with("ConfigurationError\n") && refusal.contains(problem), "{refusal}");
    assert!(refusal.contains("What to do: Put a private key and its certificate"), "{refusal}");
    assert!(refusal.contains("Nothing was published"), "{refusal}");
}

#[tokio::test]
async fn a_certificate_that_the_server_does_not_take() {
    let stack = stack().await;
    let (root, people) = (Authority::new("Corp root"), Authority::new("Corp machines"));
    let _front = behind_tls(&stack, &root, Clients::Of(&people), Offered::OneAndTwo).await;
    give(&stack, &root, &Authority::new("Other machines").certify(&["publisher.corp"], Validity::Now));
    is_told(&refused(&stack).await, "localhost:PORT asks for a client certificate and was shown ours, and ");
}

#[tokio::test]
async fn a_private_key_in_the_environment_is_refused_unseen() {
    let stack = stack().await;
    let root = Authority::new("Corp root");
    let own = root.certify(&["publisher.corp"], Validity::Now);
    for line in own.key_pem().lines().filter(|line| !line.starts_with('-')) {
        stack.keep_secret(line);
    }
    stack.set("CA_CERTIFICATES", &format!("{}{}{}", root.pem(), own.key_pem(), own.pem));
    let answer = stack.invoke(crate::scene::event("schedule.json")).await;
    assert!(matches!(answer, Err(InvocationError::Exited { .. } | InvocationError::Init { .. })), "{answer:?}");
    let logs = stack.logs().await;
    assert!(logs.contains("CA_CERTIFICATES holds a private key") && logs.contains("put it into a secret"), "{logs}");
}
