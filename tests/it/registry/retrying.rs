//! What is tried again and what never is, status by status, and for how long.

use codepipeline_artifactory::deadline::Stopwatch;
use codepipeline_artifactory::registry::Care;

use super::*;

const UPLOAD: &str = "/artifactory/npm-local/";
const STORAGE: &str = "/api/storage/";
const TOKEN: &str = "/api/security/token";

/// The final statuses whose request was sent again when it was answered so once.
async fn tried_again(server: &Scripted, method: &Verb, path: &str, ask: impl AsyncFn()) -> Vec<u16> {
    let mut again = Vec::new();
    for status in 200..=599 {
        server.script().files.clear();
        server.answer(method.clone(), path, 1, status, &[], "");
        let before = server.count(method, path);
        ask().await;
        match server.count(method, path) - before {
            1 => {}
            2 => again.push(status),
            times => panic!("{method} {path} was sent {times} times after {status}"),
        }
    }
    again
}

#[tokio::test]
async fn of_all_statuses_these_are_tried_again_and_no_others() {
    const WAITING_HELPS: [u16; 6] = [408, 429, 500, 502, 503, 504];
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let (repository, step) = (repository(), file(b"abc"));
    let look = async || drop(registry.look(&repository, &step, Care::Usual).await);
    assert_eq!(tried_again(&server, &Verb::GET, STORAGE, look).await, WAITING_HELPS);
    let send = async || drop(registry.send(&repository, &step, minute()).await);
    assert_eq!(tried_again(&server, &Verb::PUT, UPLOAD, send).await, WAITING_HELPS);
    let (http, base, credential) = (http(), server.base(), password());
    let connect = async || drop(Registry::connect(&http, &base, &credential, minute()).await);
    assert_eq!(tried_again(&server, &Verb::POST, TOKEN, connect).await, WAITING_HELPS);
}

#[tokio::test]
async fn a_pause_that_a_server_asks_for_is_kept_to_within_the_budget_in_every_form() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let started = Stopwatch::start();
    for (asked, attempts) in [
        ("0", 2),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 2),
        ("-5", 2),
        ("soon", 2),
        ("3600", 1),
        ("99999999999999999999999999", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1),
    ] {
        for status in [429, 503] {
            server.script().files.clear();
            server.answer(Verb::PUT, UPLOAD, 1, status, &[("retry-after", asked)], "");
            let before = server.count(&Verb::PUT, UPLOAD);
            let sent = registry.send(&repository(), &file(b"abc"), minute()).await;
            assert_eq!(server.count(&Verb::PUT, UPLOAD) - before, attempts, "{asked}: {sent:?}");
            assert_eq!(sent.is_ok(), attempts == 2, "{asked}");
        }
    }
    assert!(started.millis() < 30_000, "nobody waits for the year 9999");
}
