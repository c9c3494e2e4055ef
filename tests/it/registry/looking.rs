//! Looking: at repositories, files and listings, with everything that keeps a server from telling.

use codepipeline_artifactory::registry::{
    Care, Class, Deployment, Found, Other, Policy, RepositoryClass, RepositoryFacts,
};

use super::*;

const STORAGE: &str = "/api/storage/";
const LISTING: &str = "/api/npm/";

#[tokio::test]
async fn a_repository_is_known_or_unknown_but_a_probe_never_fails_the_job() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let path = "/api/repositories/npm-local";
    server.answer(Verb::GET, path, 1, 200, &[], r#"{"rclass":"local","packageType":"npm"}"#);
    let known = RepositoryFacts::Known {
        class: RepositoryClass::Local,
        package_type: "npm".into(),
        deployment: Deployment::Untold,
        policy: Policy::default(),
    };
    assert_eq!(registry.repository(&repository()).await.unwrap(), known);
    for (status, body) in [(400, ""), (401, ""), (403, ""), (404, ""), (200, "<html>"), (302, ""), (405, "")] {
        server.answer(Verb::GET, path, 1, status, &[("location", "ftp://x/")], body);
        assert_eq!(registry.repository(&repository()).await.unwrap(), RepositoryFacts::Unknown, "{status}");
    }
    server.answer(Verb::GET, path, usize::MAX, 502, &[], "<html><title>502 Bad Gateway</title></html>");
    let error = registry.repository(&repository()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert!(error.to_string().contains("an HTML page, \"502 Bad Gateway\""), "{error}");
}

#[tokio::test]
async fn the_same_bytes_are_the_same_and_others_are_not() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    for step in [file(b"abc"), listed(file(b"abc"))] {
        server.script().files.clear();
        assert_eq!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Absent);
        server.store(b"abc");
        assert_eq!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Same);
        server.store(b"abd");
        let found = registry.look(&repository(), &step, Care::Usual).await.unwrap();
        let (ours, theirs) = [b"abc", b"abd"].map(|bytes| format!("sha256 {}", hex(&digests(bytes).sha256))).into();
        assert_eq!(found, Found::Other(Box::new(Other { theirs, ours, differences: String::new() })));
    }
}

#[tokio::test]
async fn the_listing_tells_where_storage_does_not() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let step = listed(file(b"abc"));
    for status in [403, 404] {
        server.script().storage = status;
        server.store(b"abc");
        assert!(matches!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Same));
        server.store(b"abd");
        assert!(matches!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Other(_)));
    }
    server.script().storage = 403;
    server.script().reads = 403;
    server.answer(Verb::GET, LISTING, 1, 403, &[], "");
    assert_eq!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Unknown);
    server.answer(Verb::GET, LISTING, 1, 200, &[], "<html>sign in");
    assert_eq!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Unknown);
    server.script().storage = 200;
    server.answer(Verb::GET, LISTING, usize::MAX, 503, &[], "");
    assert!(
        matches!(registry.look(&repository(), &step, Care::Usual).await.unwrap(), Found::Other(_)),
        "storage is enough"
    );
}

#[tokio::test]
async fn what_only_the_file_itself_tells_is_asked_of_it_where_ours_may_be_there() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let step = listed(file(b"abc"));
    let look = async |care| registry.look(&repository(), &step, care).await.unwrap();
    server.script().listed = false;
    for (status, usual) in [(403, Found::Same), (404, Found::Absent), (302, Found::Same)] {
        server.script().storage = status;
        server.script().files.clear();
        assert_eq!(look(Care::OursMayBeThere).await, Found::Absent, "{status}");
        server.store(b"abc");
        assert_eq!(look(Care::OursMayBeThere).await, Found::Same, "{status}");
        assert_eq!(look(Care::Usual).await, usual, "{status}");
        server.store(b"abd");
        assert!(matches!(look(Care::OursMayBeThere).await, Found::Other(_)), "{status}");
    }
    // Whoever answers without checksums has no file of ours.
    for (status, headers) in [(200, vec![]), (200, vec![("x-checksum-sha256", "")]), (403, vec![]), (405, vec![])] {
        server.answer(Verb::HEAD, "/npm-local/", 1, status, &headers, "");
        assert_eq!(look(Care::OursMayBeThere).await, Found::Absent, "{status}");
    }
    server.script().storage = 200;
    let before = server.traffic.seen().len();
    assert!(matches!(look(Care::OursMayBeThere).await, Found::Other(_)));
    assert_eq!(server.traffic.seen().len(), before + 2, "where storage tells, nothing more is asked");
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_again_and_is_no_absence() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.store(b"abc");
    server.fault(Verb::GET, STORAGE, 1, Fault::Truncate(20));
    assert!(matches!(registry.look(&repository(), &file(b"abc"), Care::Usual).await.unwrap(), Found::Same));
    assert_eq!(server.count(&Verb::GET, STORAGE), 2);

    server.script().storage = 403;
    server.fault(Verb::GET, LISTING, 1, Fault::Truncate(20));
    assert!(matches!(registry.look(&repository(), &listed(file(b"abc")), Care::Usual).await.unwrap(), Found::Same));
    assert_eq!(server.count(&Verb::GET, LISTING), 2);
}

#[tokio::test]
async fn a_long_listing_is_read_to_the_version_that_counts() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.script().storage = 403;
    let readme = "x".repeat(3 << 20);
    let shasum = hex(&digests(b"abc").sha1);
    let listing = json!({"readme": readme, "versions": {
        "0.9.0": {"readme": readme, "dist": {"shasum": "no"}},
        "1.0.0": {"readme": readme, "dist": {"shasum": shasum}},
    }});
    server.answer(Verb::GET, LISTING, 1, 200, &[], &listing.to_string());
    assert!(matches!(registry.look(&repository(), &listed(file(b"abc")), Care::Usual).await.unwrap(), Found::Same));
}

#[tokio::test]
async fn a_read_follows_one_redirect_without_the_credential() {
    let elsewhere = Scripted::start().await;
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let there = format!("{}/there", elsewhere.server.url());
    let sha256 = hex(&digests(b"abc").sha256);
    server.answer(Verb::GET, STORAGE, 3, 302, &[("location", &there)], "");
    elsewhere.answer(Verb::GET, "/there", 1, 200, &[], &json!({"checksums": {"sha256": sha256}}).to_string());
    assert!(matches!(registry.look(&repository(), &file(b"abc"), Care::Usual).await.unwrap(), Found::Same));
    // What is said elsewhere, where nobody knows us, is no absence and no wrong password.
    for status in [302, 401] {
        elsewhere.answer(Verb::GET, "/there", 1, status, &[("location", &there)], "");
        assert_eq!(registry.look(&repository(), &file(b"abc"), Care::Usual).await.unwrap(), Found::Unknown);
    }
    assert_eq!(elsewhere.log(), ["GET /there ", "GET /there ", "GET /there "]);
}

#[tokio::test]
async fn only_what_hides_a_file_is_told_as_the_reason_that_it_cannot_be_seen() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    for (status, told) in [(403, true), (302, true), (404, false), (200, false), (413, true)] {
        server.script().storage = status;
        let refusal = registry.refusal(&repository(), &file(b"abc")).await;
        assert_eq!(refusal.is_some(), told, "{status}: {refusal:?}");
    }
}

#[tokio::test]
async fn without_time_nothing_is_asked_and_it_is_no_failure_of_the_job() {
    let server = Scripted::start().await;
    let token = Credential::Token { token: SecretText::new("given") };
    let over = Deadline::after(Duration::ZERO);
    let registry = Registry::connect(&http(), &server.base(), &token, over).await.unwrap();
    let error = registry.look(&repository(), &file(b"abc"), Care::Usual).await.unwrap_err();
    assert_eq!(error.class(), Class::OutOfTime);
    let error = registry.send(&repository(), &file(b"abc"), over).await.unwrap_err();
    assert_eq!(error.class(), Class::OutOfTime);
    assert!(server.log().is_empty());

    server.fault(Verb::GET, STORAGE, 1, Fault::Delay(Duration::from_mins(1)));
    let soon = Deadline::after(Duration::from_millis(100));
    let registry = Registry::connect(&http(), &server.base(), &token, soon).await.unwrap();
    let error = registry.look(&repository(), &file(b"abc"), Care::Usual).await.unwrap_err();
    assert_eq!(error.class(), Class::OutOfTime);
}
