//! The S3 emulator itself, under the real SDK: conditions, rights, sessions, ranges.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use codepipeline_artifactory::aws::connections::Connections;
use codepipeline_artifactory::trust::Trust;
use futures_util::future::join_all;

use crate::stack::http::{Fault, Traffic};
use crate::stack::s3::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY, Missing, MissingDelete, S3};
use crate::stack::vault::{Clock, LIFETIME, Session, Vault};

struct Fixture {
    s3: S3,
    vault: Vault,
    traffic: Traffic,
}

impl Fixture {
    async fn new() -> Self {
        let (traffic, vault) = (Traffic::default(), Vault::new(Clock::default()));
        let s3 = S3::start(traffic.clone(), vault.clone(), "journal").await;
        s3.put("artifacts", "p/in.zip", "0123456789");
        Self { s3, vault, traffic }
    }

    fn client(&self, key: &str, secret: &str, token: Option<&str>) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Connections::new(Trust::system()))
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new(key, secret, token.map(str::to_owned), None, "test"))
            .endpoint_url(self.s3.url())
            .force_path_style(true)
            .retry_config(RetryConfig::disabled());
        Client::from_conf(config.build())
    }

    fn function(&self) -> Client {
        self.client(FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY, None)
    }

    fn session(&self) -> Session {
        let place = |key: &str| ("artifacts".to_owned(), key.to_owned());
        self.vault.issue(vec![place("p/in.zip"), place("p/gone.zip")], vec![place("p/out.zip")])
    }

    fn job(&self, session: &Session) -> Client {
        self.client(&session.access_key_id, &session.secret_access_key, Some(&session.session_token))
    }
}

/// Status and code of a failure.
fn failure<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> (u16, String) {
    let error = result.err().expect("this is refused");
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

fn body(text: &'static str) -> ByteStream {
    ByteStream::from_static(text.as_bytes())
}

#[tokio::test]
async fn conditions_hold_against_every_writer() {
    let fixture = Fixture::new().await;
    let client = fixture.function();
    let create = || client.put_object().bucket("journal").key("jobs/1").if_none_match("*").body(body("claim")).send();
    let racers = join_all((0..8).map(|_| create())).await;
    assert_eq!(racers.iter().filter(|result| result.is_ok()).count(), 1, "one writer wins");
    assert_eq!(failure(create().await), (412, "PreconditionFailed".to_owned()));

    let etag =
        client.head_object().bucket("journal").key("jobs/1").send().await.expect("it is there").e_tag.expect("an etag");
    assert_eq!(etag, format!("\"{}\"", fixture.s3.etag("journal", "jobs/1").expect("it is there")));
    let update =
        |key: &str, etag: &str| client.put_object().bucket("journal").key(key).if_match(etag).body(body("more")).send();
    assert_eq!(failure(update("jobs/2", &etag).await), (404, "NoSuchKey".to_owned()));
    update("jobs/1", &etag).await.expect("the etag is current");
    assert_eq!(failure(update("jobs/1", &etag).await), (412, "PreconditionFailed".to_owned()));

    let delete = |etag: &str| client.delete_object().bucket("journal").key("jobs/1").if_match(etag).send();
    assert_eq!(failure(delete(&etag).await), (412, "PreconditionFailed".to_owned()));
    let etag = fixture.s3.etag("journal", "jobs/1").expect("it is there");
    fixture.s3.switch(|behaviour| behaviour.conflicts = 2);
    assert_eq!(failure(delete(&etag).await), (409, "ConditionalRequestConflict".to_owned()));
    assert_eq!(failure(create().await), (409, "ConditionalRequestConflict".to_owned()));
    assert_eq!(fixture.s3.get("journal", "jobs/1").as_deref(), Some(b"more".as_slice()), "nothing was done");
    delete(&etag).await.expect("the etag is current");
    assert_eq!(failure(delete(&etag).await), (404, "NoSuchKey".to_owned()));
    fixture.s3.switch(|behaviour| behaviour.delete_of_missing = MissingDelete::NoContent);
    delete(&etag).await.expect("it is as if deleted");
}

#[tokio::test]
async fn listing_goes_page_by_page() {
    let fixture = Fixture::new().await;
    for number in 0..5 {
        fixture.s3.put("journal", &format!("jobs/{number}"), "x");
    }
    fixture.s3.put("journal", "quarantine/odd key+é", "x");
    let client = fixture.function();
    let mut pages = client.list_objects_v2().bucket("journal").prefix("jobs/").max_keys(2).into_paginator().send();
    let mut sizes = Vec::new();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        sizes.push(page.contents().len());
        keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(keys, fixture.s3.keys("journal", "jobs/"));
    let all = client.list_objects_v2().bucket("journal").send().await.expect("a page");
    assert_eq!((all.contents().len(), all.is_truncated()), (6, Some(false)));
    assert!(all.contents().iter().any(|object| object.key() == Some("quarantine/odd key+é")));
}

#[tokio::test]
async fn the_function_itself_reaches_its_journal_only() {
    let fixture = Fixture::new().await;
    let client = fixture.function();
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(failure(client.get_object().bucket("artifacts").key("p/in.zip").send().await), denied);
    assert_eq!(failure(client.put_object().bucket("artifacts").key("p/x").body(body("x")).send().await), denied);
    assert_eq!(failure(client.list_objects_v2().bucket("artifacts").send().await), denied);
    assert_eq!(failure(client.list_buckets().send().await), denied);
    assert_eq!(failure(client.create_multipart_upload().bucket("journal").key("x").send().await), denied);
    assert_eq!(failure(client.get_object().bucket("journal").key("x").send().await), denied);
    assert_eq!(failure(client.delete_object().bucket("journal").key("quarantine/x").send().await), denied);
    let missing = client.get_object().bucket("journal").key("jobs/x").send().await;
    assert_eq!(failure(missing), (404, "NoSuchKey".to_owned()));
    let wrong = fixture.client(FUNCTION_ACCESS_KEY_ID, "another secret", None);
    let listed = wrong.list_objects_v2().bucket("journal").send().await;
    assert_eq!(failure(listed), (403, "SignatureDoesNotMatch".to_owned()));
    let unknown = fixture.client("AKIAUNKNOWN000000000", "secret", None);
    let listed = unknown.list_objects_v2().bucket("journal").send().await;
    assert_eq!(failure(listed), (403, "InvalidAccessKeyId".to_owned()));
}

#[tokio::test]
async fn a_session_reaches_its_own_objects_while_it_lives() {
    let fixture = Fixture::new().await;
    let session = fixture.session();
    let client = fixture.job(&session);
    let get = |key: &'static str| client.get_object().bucket("artifacts").key(key).send();
    get("p/in.zip").await.expect("its input");
    let put = |key: &'static str| client.put_object().bucket("artifacts").key(key).body(body("report")).send();
    put("p/out.zip").await.expect("its output");
    let denied = (403, "AccessDenied".to_owned());
    assert_eq!(failure(put("p/in.zip").await), denied);
    assert_eq!(failure(get("p/out.zip").await), denied);
    assert_eq!(failure(client.get_object().bucket("journal").key("jobs/1").send().await), denied);
    assert_eq!(failure(client.list_objects_v2().bucket("artifacts").send().await), denied);
    assert_eq!(failure(client.get_bucket_location().bucket("artifacts").send().await), denied);
    assert_eq!(failure(client.head_bucket().bucket("artifacts").send().await).0, 403);

    assert_eq!(failure(get("p/gone.zip").await), (404, "NoSuchKey".to_owned()));
    fixture.s3.switch(|behaviour| behaviour.missing_for_jobs = Missing::AccessDenied);
    assert_eq!(failure(get("p/gone.zip").await), denied);

    let without = fixture.client(&session.access_key_id, &session.secret_access_key, None);
    let read = without.get_object().bucket("artifacts").key("p/in.zip").send().await;
    assert_eq!(failure(read), (403, "InvalidAccessKeyId".to_owned()));
    let foreign = fixture.client(&session.access_key_id, &session.secret_access_key, Some("other"));
    let read = foreign.get_object().bucket("artifacts").key("p/in.zip").send().await;
    assert_eq!(failure(read), (400, "InvalidToken".to_owned()));
    fixture.vault.clock().advance(LIFETIME + Duration::from_secs(1));
    assert_eq!(failure(get("p/in.zip").await), (400, "ExpiredToken".to_owned()));
}

#[tokio::test]
async fn ranges_are_served_and_counted() {
    let fixture = Fixture::new().await;
    let client = fixture.job(&fixture.session());
    let read = async |range: &str| {
        let request = client.get_object().bucket("artifacts").key("p/in.zip").range(range);
        let reply = request.send().await.expect("a range of it");
        let content_range = reply.content_range().unwrap_or_default().to_owned();
        (content_range, reply.body.collect().await.expect("the body arrives").into_bytes())
    };
    assert_eq!(read("bytes=2-4").await, ("bytes 2-4/10".to_owned(), "234".into()));
    assert_eq!(read("bytes=-3").await, ("bytes 7-9/10".to_owned(), "789".into()));
    assert_eq!(read("bytes=8-99").await, ("bytes 8-9/10".to_owned(), "89".into()));
    assert_eq!(fixture.s3.bytes_served("artifacts", "p/in.zip"), 8);
    let beyond = client.get_object().bucket("artifacts").key("p/in.zip").range("bytes=10-").send().await;
    assert_eq!(failure(beyond), (416, "InvalidRange".to_owned()));
    let changed = client.get_object().bucket("artifacts").key("p/in.zip").if_match("\"0\"").send().await;
    assert_eq!(failure(changed), (412, "PreconditionFailed".to_owned()));
    fixture.traffic.fault("s3", None, "in.zip", 0, 1, Fault::Truncate(4));
    let cut = client.get_object().bucket("artifacts").key("p/in.zip").send().await.expect("it begins");
    assert!(cut.body.collect().await.is_err(), "the end of the body never arrives");
}

#[tokio::test]
async fn an_upload_is_verified_and_its_encryption_kept() {
    let fixture = Fixture::new().await;
    let client = fixture.job(&fixture.session());
    let put = || client.put_object().bucket("artifacts").key("p/out.zip").body(body("report"));
    // The digest of nothing, not of what is sent.
    let wrong = put().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").send().await;
    assert_eq!(failure(wrong), (400, "BadDigest".to_owned()));
    assert!(fixture.s3.get("artifacts", "p/out.zip").is_none());
    let key = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-0000-0000-000000000001";
    let stored =
        put().server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(key).send().await.expect("stored");
    assert_eq!(
        (stored.server_side_encryption(), stored.ssekms_key_id()),
        (Some(&ServerSideEncryption::AwsKms), Some(key))
    );
    assert_eq!(fixture.s3.get("artifacts", "p/out.zip").as_deref(), Some(b"report".as_slice()));
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), "x".repeat(200_000)).expect("the file is ours");
    let streamed = ByteStream::from_path(file.path()).await.expect("the file is there");
    client.put_object().bucket("artifacts").key("p/out.zip").body(streamed).send().await.expect("chunks and a trailer");
    assert_eq!(fixture.s3.get("artifacts", "p/out.zip").map(|content| content.len()), Some(200_000));
}
