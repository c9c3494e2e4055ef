//! Mutual TLS: a server that lets nobody in but those with a certificate of its own authority's.

use super::{behind_tls, published, refused};
use crate::scene::stack;
use crate::stack::Stack;
use crate::stack::lambda::InvocationError;
use crate::stack::tls::{Authority, Certified, Clients, Offered, Validity};

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
