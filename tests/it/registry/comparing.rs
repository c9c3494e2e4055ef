//! A stored archive of other bytes, fetched and held against ours: from wherever the server sends us, never with the
//! credential to another origin, and believed only by the digest that the server itself tells.

use std::time::Duration;

use bytes::Bytes;
use codepipeline_artifactory::package::hex;
use codepipeline_artifactory::registry::{Care, Class, Found};
use codepipeline_artifactory::step::{Body, Segment, Step};
use hyper::Method as Verb;

use super::{FILE, Scripted, digests, repository, spooled, step};
use crate::make::tgz;
use crate::stack::http::Fault;

const PLAIN: &str = "/npm-local/left/-/left-1.0.0.tgz";

fn ours() -> Vec<u8> {
    tgz(&[("package/a.js", "1"), ("package/package.json", "{}")])
}

/// The same files in another order.
fn alike() -> Vec<u8> {
    tgz(&[("package/package.json", "{}"), ("package/a.js", "1")])
}

fn archive() -> Step {
    let step = step(Body(vec![Segment::Raw(spooled(ours()))]), &digests(&ours()));
    Step { file: step.file.clone().same_by_files(), ..step }
}

fn hold(server: &Scripted, bytes: Vec<u8>) {
    server.script().files.insert(FILE.to_owned(), Bytes::from(bytes));
}

#[tokio::test]
async fn the_same_files_are_alike_and_only_where_files_decide() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    hold(&server, alike());
    let found = registry.look(&repository(), &archive(), Care::Usual).await.unwrap();
    assert_eq!(found, Found::Alike(Box::new(digests(&alike()))));
    let bytes_alone = step(Body(vec![Segment::Raw(spooled(ours()))]), &digests(&ours()));
    let found = registry.look(&repository(), &bytes_alone, Care::Usual).await.unwrap();
    assert!(matches!(found, Found::Other(_)), "{found:?}");
    assert_eq!(server.count(&Verb::GET, &format!("/artifactory{PLAIN}")), 1, "nothing is fetched for nothing");
}

#[tokio::test]
async fn an_archive_is_fetched_through_a_redirect_without_the_credential() {
    let elsewhere = Scripted::start().await;
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    hold(&server, alike());
    hold(&elsewhere, alike());
    let there = format!("{}/public", elsewhere.server.url());
    let redirect =
        |times| server.answer(Verb::GET, &format!("/artifactory{PLAIN}"), times, 302, &[("location", &there)], "");
    redirect(1);
    let found = registry.look(&repository(), &archive(), Care::Usual).await.unwrap();
    assert!(matches!(found, Found::Alike(_)), "{found:?}");

    // Ours itself, given out by somebody for what the server has: the server says otherwise.
    hold(&server, tgz(&[("package/package.json", "{\"changed\":1}"), ("package/a.js", "1")]));
    for given in [ours(), alike()] {
        hold(&elsewhere, given);
        redirect(1);
        let found = registry.look(&repository(), &archive(), Care::Usual).await.unwrap();
        let Found::Other(other) = found else { panic!("{found:?}") };
        assert_eq!(other.differences, "");
    }
    assert_eq!(elsewhere.log(), ["GET /public ", "GET /public ", "GET /public "]);
    let found = registry.look(&repository(), &archive(), Care::Usual).await.unwrap();
    let Found::Other(other) = found else { panic!("{found:?}") };
    assert_eq!(other.differences, "package.json has other bytes");
    let theirs_is = hex(&digests(&server.stored().unwrap()).sha256);
    assert_eq!(other.theirs, format!("sha256 {theirs_is}"));
}

#[tokio::test]
async fn what_is_too_long_to_be_the_same_is_not_fetched_to_its_end() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    hold(&server, vec![0x1f; 16 << 20]);
    // Its length is told before it comes, and it would not come for a minute.
    let slow = Fault::Stall { after: 100, pause: Duration::from_mins(1) };
    server.fault(Verb::GET, &format!("/artifactory{PLAIN}"), 1, slow);
    let (repository, archive) = (repository(), archive());
    let look = tokio::time::timeout(Duration::from_secs(20), registry.look(&repository, &archive, Care::Usual));
    let found = look.await.expect("nobody waits for it").unwrap();
    assert!(matches!(found, Found::Other(other) if other.differences.is_empty()));
}

#[tokio::test]
async fn a_server_that_fails_at_the_comparison_is_no_conflict() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    hold(&server, alike());
    server.answer(Verb::GET, &format!("/artifactory{PLAIN}"), usize::MAX, 503, &[], "");
    let error = registry.look(&repository(), &archive(), Care::Usual).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "a retry may find the same files: {error}");
}
