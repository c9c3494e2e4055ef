//! Sending: exact bytes, lost and odd answers, versions that exist, and success only for what was seen.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codepipeline_artifactory::archive::source::ReadAt;
use codepipeline_artifactory::deadline::Stopwatch;
use codepipeline_artifactory::registry::{Care, Class, Found, Seen, Sent};

use super::*;

const UPLOAD: &str = "/artifactory/npm-local/";
const STORAGE: &str = "/api/storage/";

#[tokio::test]
async fn the_length_is_exact_on_the_wire_and_every_byte_arrives() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    for size in [0, 1, (1 << 20) + 1, 5 << 20] {
        server.script().files.clear();
        let bytes: Bytes = (0..size).map(|at| u8::try_from(at % 253).unwrap()).collect();
        let body = Body(vec![
            Segment::Bytes(Bytes::from_static(b"{\"data\":\"")),
            Segment::Base64(spooled(bytes.clone())),
            Segment::Bytes(Bytes::from_static(b"\"}")),
        ]);
        let expected = format!("{{\"data\":\"{}\"}}", STANDARD.encode(&bytes));
        let step = step(body, &digests(expected.as_bytes()));
        assert_eq!(registry.send(&repository(), &step, minute()).await.unwrap(), Sent::Stored);
        let request = server.requests(UPLOAD).pop().unwrap();
        assert!(request.body == expected, "{size}");
        assert_eq!(request.header("content-length"), expected.len().to_string());
        assert!(!request.headers.contains_key("transfer-encoding"));
        assert_eq!(request.header("x-checksum-sha256"), hex(&step.file.digests.sha256));
    }
    let sent: usize = server.requests(UPLOAD).iter().map(|request| request.body.len()).sum();
    assert_eq!(registry.stats().bytes_sent, sent as u64);
}

#[tokio::test]
async fn an_answer_lost_after_the_file_was_stored_is_a_success_without_a_second_upload() {
    for fault in [Fault::DropAfter, Fault::Truncate(1)] {
        let server = Scripted::start().await;
        let registry = server.with_token().await;
        server.fault(Verb::PUT, UPLOAD, 1, fault);
        assert_eq!(registry.send(&repository(), &file(b"abc"), minute()).await.unwrap(), Sent::Stored);
        assert_eq!(server.count(&Verb::PUT, UPLOAD), 1);
    }
}

#[tokio::test]
async fn an_upload_that_never_arrived_is_sent_again() {
    for fault in [
        Fault::DropBefore,
        Fault::Answer { status: 500, headers: Vec::new(), body: String::new() },
        Fault::Answer { status: 408, headers: Vec::new(), body: String::new() },
    ] {
        let server = Scripted::start().await;
        let registry = server.with_token().await;
        server.fault(Verb::PUT, UPLOAD, 2, fault);
        assert_eq!(registry.send(&repository(), &file(b"abc"), minute()).await.unwrap(), Sent::Stored);
        assert_eq!(server.count(&Verb::PUT, UPLOAD), 3);
        assert_eq!(server.stored().unwrap(), "abc");
        assert_eq!(registry.stats().retries, 2);
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_and_asked_again() {
    let impatient = Pacing { idle: Duration::from_millis(200), budget: Duration::from_secs(20), ..quick() };
    let server = Scripted::start().await;
    let registry = server.with_token_and(&Http::new(Trust::system()).with_pacing(impatient)).await;
    server.fault(Verb::PUT, UPLOAD, 1, Fault::Delay(Duration::from_mins(1)));
    server.fault(Verb::GET, STORAGE, 1, Fault::Delay(Duration::from_mins(1)));
    assert_eq!(registry.send(&repository(), &file(b"abc"), minute()).await.unwrap(), Sent::Stored);
    assert!(registry.stats().retries >= 2);
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it_within_the_budget() {
    let server = Scripted::start().await;
    let registry = server.with_token_and(&Http::new(Trust::system())).await;
    server.answer(Verb::PUT, UPLOAD, 1, 429, &[("retry-after", "1")], "");
    let started = Stopwatch::start();
    assert_eq!(registry.send(&repository(), &file(b"abc"), minute()).await.unwrap(), Sent::Stored);
    assert!(started.millis() >= 1_000);
    assert_eq!(server.count(&Verb::GET, STORAGE), 1, "a server that is busy is not looked at as well");

    server.script().files.clear();
    server.answer(Verb::PUT, UPLOAD, 1, 429, &[("retry-after", "3600")], "");
    let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert!(started.millis() < 20_000);
}

#[tokio::test]
async fn a_version_that_exists_is_ours_or_a_conflict_by_its_digest_alone() {
    for status in [400, 403, 404, 409, 500] {
        let server = Scripted::start().await;
        let registry = server.with_token().await;
        server.script().put = status;
        server.store(b"abc");
        let sent = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap();
        assert_eq!(sent, if status == 500 { Sent::Stored } else { Sent::AlreadySame });
        server.store(b"other");
        let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
        assert!(matches!(error, RegistryError::Conflict { .. }), "{status}: {error}");
        assert_eq!(error.class(), Class::Package);
        assert_eq!(server.stored().unwrap(), "other");
        assert_eq!(server.count(&Verb::PUT, UPLOAD), 2, "one each");
    }
}

#[tokio::test]
async fn a_refusal_for_another_reason_is_told_once_and_not_repeated() {
    for (status, class) in [
        (400, Class::Package),
        (403, Class::Permission),
        (404, Class::Configuration),
        (405, Class::Configuration),
        (409, Class::Package),
        (413, Class::Package),
        (415, Class::Configuration),
    ] {
        let server = Scripted::start().await;
        let registry = server.with_token().await;
        server.script().put = status;
        let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
        assert_eq!((error.class(), error.status()), (class, Some(status)));
        assert_eq!(server.count(&Verb::PUT, UPLOAD), 1);
        assert!(error.to_string().contains("refused") && !error.hint().is_empty(), "{error}");
    }
}

#[tokio::test]
async fn a_proxys_error_page_is_told_by_its_title() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.answer(Verb::PUT, UPLOAD, usize::MAX, 502, &[("content-type", "text/html")], "<title>Bad\nGateway</title>");
    let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert!(error.to_string().contains("an HTML page, \"Bad Gateway\""), "{error}");
    assert!(server.stored().is_none());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    drop(server);
    let gone = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
    assert_eq!(gone.class(), Class::Unavailable, "{gone}");
    assert!(registry.stats().retries > 0);
}

#[tokio::test]
async fn success_is_reported_only_for_what_was_seen() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.script().spoils = true;
    let error = registry.send(&repository(), &file(b"abc"), minute()).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotStored { seen: Seen::Other(_), .. }), "{error}");

    // A user who may not read: the answer's own digests count, their absence does not.
    for (tells, spoils, storage, stored) in [
        (true, false, 403, true),
        (true, false, 404, true),
        (false, false, 403, false),
        (false, false, 404, false),
        (true, true, 403, false),
    ] {
        *server.script() = Script { tells, spoils, storage, reads: storage, files: BTreeMap::new(), ..fresh() };
        let outcome = registry.send(&repository(), &file(b"abc"), minute()).await;
        assert_eq!(outcome.is_ok(), stored, "{outcome:?}");
        if let Err(error) = outcome {
            let class = if storage == 403 { Class::Permission } else { Class::Unavailable };
            assert_eq!(error.class(), class, "{error}");
        }
    }
}

#[tokio::test]
async fn a_listing_that_lags_is_waited_for() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.script().storage = 403;
    server.script().reads = 403;
    server.answer(Verb::GET, "/api/npm/", 3, 200, &[], r#"{"versions":{}}"#);
    assert_eq!(registry.send(&repository(), &listed(file(b"abc")), minute()).await.unwrap(), Sent::Stored);
    assert_eq!(server.count(&Verb::GET, "/api/npm/"), 4);
}

#[tokio::test]
async fn a_refusal_is_looked_into_until_the_listing_shows_the_file() {
    // Closed, and closed in such a way that it seems that nothing is there.
    for storage in [403, 404] {
        let server = Scripted::start().await;
        let registry = server.with_token().await;
        server.script().storage = storage;
        server.script().reads = storage;
        server.script().put = 409;
        server.store(b"abc");
        server.answer(Verb::GET, "/api/npm/", 2, 200, &[], r#"{"versions":{}}"#);
        let sent = registry.send(&repository(), &listed(file(b"abc")), minute()).await;
        assert_eq!(sent.unwrap(), Sent::AlreadySame);
        assert_eq!(server.count(&Verb::GET, "/api/npm/"), 3);
        assert_eq!(server.count(&Verb::PUT, UPLOAD), 1);
    }
}

/// A source that breaks in the middle.
#[derive(Debug)]
struct Breaking;

impl ReadAt for Breaking {
    fn size(&self) -> u64 {
        1 << 20
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset > 1 << 19 { Err(io::Error::other("the bucket is gone")) } else { Ok(buffer.len()) }
    }
}

#[tokio::test]
async fn our_own_bytes_that_break_are_no_fault_of_the_server_and_nothing_is_stored() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    let body = Body(vec![Segment::Raw(Content::Spooled(Arc::new(Breaking)))]);
    let error = registry.send(&repository(), &step(body, &digests(b"")), minute()).await.unwrap_err();
    assert!(matches!(error, RegistryError::Body(_)), "{error}");
    assert!(shown(&error).contains("the bucket is gone"));
    assert!(server.log().is_empty(), "no whole request arrived");
    assert_eq!(registry.stats().retries, 0);
}

#[tokio::test]
async fn many_steps_go_over_one_connection_at_once() {
    let server = Scripted::start().await;
    let registry = server.connect().await.unwrap();
    let steps = ["a", "b", "c", "d"].map(|name| {
        let mut step = file(b"abc");
        step.path = format!("npm-local/{name}").into();
        step.file.path = RepoPath::parse(name).unwrap();
        step
    });
    let (registry, repository) = (&registry, &repository());
    let sent = futures_util::future::join_all(steps.iter().map(|step| registry.send(repository, step, minute()))).await;
    assert!(sent.iter().all(|sent| matches!(sent, Ok(Sent::Stored))), "{sent:?}");
    assert!(matches!(registry.look(repository, &steps[0], Care::Usual).await.unwrap(), Found::Same));
}

#[tokio::test]
async fn a_job_can_be_moved_to_another_thread() {
    let server = Scripted::start().await;
    let registry = server.connect().await.unwrap();
    let sent = tokio::spawn(async move {
        let sent = registry.send(&repository(), &listed(file(b"abc")), minute()).await;
        registry.disconnect().await;
        sent
    });
    assert_eq!(sent.await.unwrap().unwrap(), Sent::Stored);
}

#[tokio::test]
async fn a_refusal_that_comes_before_all_was_sent_is_heard() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = Base::parse(&format!("http://{}", listener.local_addr().unwrap()), true).unwrap();
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_exact(&mut [0; 1_000]).await.unwrap();
        let refusal = "HTTP/1.1 413 Too Large\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big";
        socket.write_all(refusal.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        // What still comes is read and forgotten, as servers do so that the answer is not lost.
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        rest.len()
    });
    let credential = Credential::Token { token: SecretText::new("given") };
    let registry = Registry::connect(&http(), &base, &credential, minute()).await.unwrap();
    let bytes = Bytes::from(vec![7; 32 << 20]);
    let body = Body(vec![Segment::Raw(spooled(bytes))]);
    let error = registry.send(&repository(), &step(body, &digests(b"")), minute()).await.unwrap_err();
    assert!(error.to_string().contains("was answered with 413; the server said: too big"), "{error}");
    assert!(serving.await.unwrap() < 32 << 20, "sending stops when the answer is there");
}
