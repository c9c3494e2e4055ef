//! The Artifactory emulator itself, over plain HTTP and under the real npm client: what these tests hold
//! it to is what all others rely on.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::npm_client::NpmClient;
use crate::stack::artifactory::{
    Anonymous, Artifactory, Digests, Endpoint, Handles, Permission, PomChecks, Repository, Snapshots, Unauthorized,
    User,
};
use crate::stack::http::Traffic;
use crate::stack::vault::Clock;

const PASSWORD: &str = "correct horse battery";

struct Fixture {
    artifactory: Artifactory,
    traffic: Traffic,
    clock: Clock,
    client: Client,
}

impl Fixture {
    /// Two npm repositories behind a virtual one, a generic one, and three users.
    async fn new() -> Self {
        let (traffic, clock) = (Traffic::default(), Clock::default());
        let artifactory = Artifactory::start(traffic.clone(), clock.clone()).await;
        artifactory.repository(Repository::local("npm-local", "npm"));
        artifactory.repository(Repository::remote("npm-remote", "npm"));
        artifactory.repository(Repository::virtual_of("npm", "npm", &["npm-local", "npm-remote"], Some("npm-local")));
        artifactory.repository(Repository::virtual_of("npm-read", "npm", &["npm-local"], None));
        artifactory.repository(Repository::local("files", "generic"));
        artifactory.user(User::admin("admin", "admin password"));
        artifactory.user(User::new("deployer", PASSWORD).may("*", &[Permission::Read, Permission::Deploy]));
        artifactory.user(User::new("reader", "reader password").may("files", &[Permission::Read]));
        let client =
            Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client can be built");
        Self { artifactory, traffic, clock, client }
    }

    /// A request without credentials to a path below `/artifactory/`.
    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{path}", self.artifactory.url()))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).basic_auth("deployer", Some(PASSWORD))
    }

    fn admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).basic_auth("admin", Some("admin password"))
    }

    async fn put(&self, path: &str, content: &'static str) -> Response {
        self.request(Method::PUT, path).body(content).send().await.expect("it answers")
    }

    /// A token of the legacy endpoint for the deployer.
    async fn token(&self, more: &str) -> (u16, Value) {
        let request = self
            .request(Method::POST, "api/security/token")
            .header("content-type", "application/x-www-form-urlencoded");
        answer(request.body(format!("username=deployer{more}"))).await
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.expect("it answers").status().as_u16()
}

/// Status and JSON body, `Null` where the body is none.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("it answers");
    let status = response.status().as_u16();
    let body = response.bytes().await.expect("the body arrives");
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_npm_publishes_and_installs() {
    let fixture = Fixture::new().await;
    let artifactory = &fixture.artifactory;
    let (_, token) = fixture.token("&expires_in=600").await;
    let npm = NpmClient::new(&artifactory.npm_registry("npm"));
    npm.log_in_with_password("deployer", PASSWORD);
    npm.package(
        "plain",
        &json!({ "name": "node_example", "version": "v1.0.3", "main": "index.js" }),
        &[("index.js", "exports.hello = () => 'hello from node_example'")],
    );
    let published = npm.run("plain", &["publish"]).await;
    assert!(published.status.success(), "{published:?}");
    assert_eq!(
        artifactory.properties("npm-local", "node_example/-/node_example-1.0.3.tgz"),
        BTreeMap::from([
            ("npm.disttag".to_owned(), vec!["latest".to_owned()]),
            ("npm.name".to_owned(), vec!["node_example".to_owned()]),
            ("npm.version".to_owned(), vec!["1.0.3".to_owned()]),
        ])
    );

    npm.log_in_with_token(text(&token, "/access_token"));
    let manifest = json!({
        "name": "@scope/tool", "version": "2.0.0-beta.1", "bin": "cli.js", "dependencies": { "node_example": "^1.0.0" },
    });
    let code = "#!/usr/bin/env node\nconsole.log(require('node_example').hello())\n";
    npm.package("scoped", &manifest, &[("cli.js", code)]);
    let published = npm.run("scoped", &["publish", "--tag", "beta"]).await;
    assert!(published.status.success(), "{published:?}");
    assert!(artifactory.file("npm-local", "@scope/tool/-/@scope/tool-2.0.0-beta.1.tgz").is_some());
    // npm looks for released versions only before it sends, so this one is refused by the server.
    let again = npm.run("scoped", &["publish", "--tag", "beta"]).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("403"), "{again:?}");

    let tagged = npm.run("scoped", &["dist-tag", "add", "@scope/tool@2.0.0-beta.1", "next"]).await;
    assert!(tagged.status.success(), "{tagged:?}");
    let viewed = npm.run("scoped", &["view", "@scope/tool", "dist-tags", "--json"]).await;
    let tags: Value = serde_json::from_slice(&viewed.stdout).expect("npm view prints JSON");
    assert_eq!(tags, json!({ "beta": "2.0.0-beta.1", "latest": "2.0.0-beta.1", "next": "2.0.0-beta.1" }));

    npm.package("consumer", &json!({ "name": "consumer", "version": "1.0.0" }), &[]);
    let installed = npm.run("consumer", &["install", "@scope/tool@next"]).await;
    assert!(installed.status.success(), "{installed:?}");
    let ran = npm.node("consumer", "require('@scope/tool/cli.js')").await;
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "hello from node_example\n", "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_is_taken_apart_strictly() {
    let fixture = Fixture::new().await;
    let npm = NpmClient::new(&fixture.artifactory.npm_registry("npm-local"));
    npm.log_in_with_password("deployer", PASSWORD);
    npm.package("p", &json!({ "name": "strict", "version": "1.0.0" }), &[("index.js", "1")]);
    assert!(npm.run("p", &["publish"]).await.status.success());
    let sent = fixture.traffic.seen().into_iter().find(|seen| seen.request.method == Method::PUT).expect("npm sent it");
    let sent = sent.request.json();
    let publish = |document: &Value, name: &str| {
        let request = fixture.request(Method::PUT, &format!("api/npm/npm-local/{name}"));
        answer(request.header("content-type", "application/json").body(document.to_string()))
    };
    assert_eq!(publish(&sent, "strict").await.0, 403, "the version exists");
    fixture.artifactory.remove_file("npm-local", "strict/-/strict-1.0.0.tgz");
    assert_eq!(publish(&sent, "strict").await.0, 201, "what npm sent is good");
    fixture.artifactory.remove_file("npm-local", "strict/-/strict-1.0.0.tgz");

    let broken: [(&str, Value); 14] = [
        ("/_id", json!("other")),
        ("/name", json!("other")),
        ("/dist-tags/latest", json!("1.0.1")),
        ("/dist-tags", json!({ "latest": "1.0.0", "next": "1.0.0" })),
        ("/versions", json!({})),
        ("/versions/1.0.0/version", json!("1.0.1")),
        ("/versions/1.0.0/_id", json!("strict@1.0.1")),
        ("/versions/1.0.0/dist/shasum", json!("0000")),
        ("/versions/1.0.0/dist/integrity", json!("sha512-AAAA")),
        ("/versions/1.0.0/dist", json!({})),
        ("/_attachments/strict-1.0.0.tgz/length", json!(3)),
        ("/_attachments/strict-1.0.0.tgz/data", json!("%%%")),
        ("/_attachments/strict-1.0.0.tgz/content_type", json!("text/plain")),
        ("/_attachments", json!({})),
    ];
    for (pointer, value) in broken {
        let mut document = sent.clone();
        *document.pointer_mut(pointer).expect("npm sends this member") = value;
        let (status, body) = publish(&document, "strict").await;
        assert_eq!(status, 400, "{pointer}");
        assert!(!text(&body, "/error").is_empty(), "{pointer}: {body}");
    }
    let renamed: Value = serde_json::from_str(&sent.to_string().replace("strict", "loose")).expect("still JSON");
    let (status, body) = publish(&renamed, "loose").await;
    assert_eq!((status, text(&body, "/error")), (400, "the archive is of 'strict', not of 'loose'"));
    assert!(fixture.artifactory.files("npm-local").is_empty());
}

#[tokio::test]
async fn npm_lists_plain_deploys_and_lets_its_index_lag() {
    let fixture = Fixture::new().await;
    let archive = tgz(r#"{"name":"lagging","version":"1.0.0","description":"slow"}"#);
    fixture.artifactory.switch(|switches| switches.npm_index_reads = 2);
    let deploy =
        fixture.request(Method::PUT, "npm-local/lagging/-/lagging-1.0.0.tgz;npm.disttag=next").body(archive.clone());
    assert_eq!(status(deploy).await, 201);
    let read = || {
        answer(
            fixture.request(Method::GET, "api/npm/npm/lagging").header("accept", "application/vnd.npm.install-v1+json"),
        )
    };
    assert_eq!(read().await.0, 404);
    assert_eq!(read().await.0, 404);
    let (status_code, document) = read().await;
    assert_eq!(status_code, 200);
    assert_eq!(document["dist-tags"], json!({ "latest": "1.0.0", "next": "1.0.0" }));
    let version = &document["versions"]["1.0.0"];
    assert!(version.get("description").is_none(), "an installer gets the short form");
    let tarball = fixture.client.get(text(version, "/dist/tarball")).basic_auth("deployer", Some(PASSWORD));
    let served = tarball.send().await.expect("it answers").bytes().await.expect("the body arrives");
    assert_eq!(served, archive);
    assert_eq!(text(version, "/dist/shasum"), Digests::of(&archive).sha1);
    fixture.artifactory.remove_file("npm-local", "lagging/-/lagging-1.0.0.tgz");
    assert_eq!(read().await.0, 404);
}

#[tokio::test]
async fn legacy_tokens_are_of_their_user_and_their_time() {
    let fixture = Fixture::new().await;
    let (status_code, token) = fixture.token("&expires_in=600").await;
    assert_eq!((status_code, &token["expires_in"], text(&token, "/token_type")), (200, &json!(600), "Bearer"));
    let bearer = text(&token, "/access_token");
    assert_eq!(bearer.split('.').count(), 3);
    let ping = || status(fixture.bare(Method::GET, "api/system/ping").bearer_auth(bearer));
    assert_eq!(ping().await, 200);
    let as_password = fixture.bare(Method::GET, "api/system/ping").basic_auth("", Some(bearer));
    assert_eq!(status(as_password).await, 200, "a token stands for a password, without a name too");
    assert_eq!(status(fixture.bare(Method::GET, "api/system/ping").basic_auth("reader", Some(bearer))).await, 401);
    assert_eq!(status(fixture.bare(Method::GET, "api/system/ping").header("x-jfrog-art-api", bearer)).await, 200);
    fixture.clock.advance(Duration::from_secs(601));
    assert_eq!(ping().await, 401);
    assert!(fixture.artifactory.tokens_live().is_empty());

    assert_eq!(fixture.token("&expires_in=3601").await.0, 403, "too long for one who is no administrator");
    assert_eq!(fixture.token("&expires_in=soon").await.0, 400);
    let json =
        fixture.request(Method::POST, "api/security/token").header("content-type", "application/json").body("{}");
    assert_eq!(status(json).await, 415);
    let other =
        fixture.request(Method::POST, "api/security/token").header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(status(other.body("username=admin")).await, 403);

    let (_, token) = fixture.token("").await;
    let revoke = |by: RequestBuilder| {
        by.header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={}", text(&token, "/access_token")))
    };
    assert_eq!(status(revoke(fixture.request(Method::POST, "api/security/token/revoke"))).await, 403);
    assert_eq!(fixture.artifactory.tokens_live().len(), 1);
    assert_eq!(status(revoke(fixture.admin(Method::POST, "api/security/token/revoke"))).await, 200);
    assert!(fixture.artifactory.tokens_live().is_empty());

    fixture.artifactory.switch(|switches| switches.legacy_token = Endpoint::Answers(404));
    assert_eq!(fixture.token("").await.0, 404);
}

#[tokio::test]
async fn a_token_of_groups_has_no_rights_of_its_user() {
    let fixture = Fixture::new().await;
    let (_, token) = fixture.token("&scope=member-of-groups%3A*").await;
    assert_eq!(text(&token, "/scope"), "member-of-groups:* api:*");
    let put = fixture.bare(Method::PUT, "files/a.txt").bearer_auth(text(&token, "/access_token")).body("a");
    let (status_code, body) = answer(put).await;
    assert_eq!((status_code, &body["errors"][0]["status"]), (403, &json!(403)));
}

#[tokio::test]
async fn platform_tokens_revoke_themselves() {
    let fixture = Fixture::new().await;
    let address = format!("{}/access/api/v1/tokens", fixture.artifactory.platform_url());
    let create = |body: Value| {
        let request = fixture.client.post(&address).basic_auth("deployer", Some(PASSWORD));
        answer(request.header("content-type", "application/json").body(body.to_string()))
    };
    let (status_code, token) = create(json!({ "expires_in": 60, "include_reference_token": true })).await;
    assert_eq!((status_code, text(&token, "/scope")), (200, "applied-permissions/user"));
    let reference = text(&token, "/reference_token");
    assert_eq!(reference.len(), 64);
    let revoke = || status(fixture.client.delete(format!("{address}/me")).bearer_auth(reference));
    assert_eq!(revoke().await, 200);
    assert_eq!(revoke().await, 401, "it is good for nothing any more");
    assert!(fixture.artifactory.tokens_live().is_empty());
    let (status_code, body) = create(json!({ "expires_in": 3601 })).await;
    assert_eq!((status_code, text(&body, "/errors/0/code")), (403, "FORBIDDEN"));
    fixture.artifactory.switch(|switches| switches.access_token = Endpoint::Answers(403));
    assert_eq!(create(json!({})).await.0, 403);
}

#[tokio::test]
async fn passwords_are_noticed_and_wrong_ones_lock() {
    let fixture = Fixture::new().await;
    let (_, token) = fixture.token("").await;
    let deploy = fixture.bare(Method::PUT, "files/a.txt").bearer_auth(text(&token, "/access_token")).body("a");
    assert_eq!(status(deploy).await, 201);
    assert_eq!(fixture.artifactory.password_seen(), ["POST /artifactory/api/security/token"]);
    assert_eq!(status(fixture.bare(Method::GET, "api/system/ping?p=correct+horse+battery")).await, 401);
    assert_eq!(fixture.artifactory.password_seen().len(), 2);

    fixture.artifactory.switch(|switches| switches.lock_after = Some(2));
    let ping = |password: &'static str| {
        status(fixture.bare(Method::GET, "api/system/ping").basic_auth("deployer", Some(password)))
    };
    assert_eq!([ping("x").await, ping("y").await, ping(PASSWORD).await], [401, 401, 401]);
    assert_eq!(fixture.artifactory.failed_logins("deployer"), 2);
}

#[tokio::test]
async fn a_deploy_is_described_and_verified() {
    let fixture = Fixture::new().await;
    let digests = Digests::of(b"content");
    let deploy = |sha256: &str| {
        fixture
            .request(Method::PUT, "files/a/b%20c%3Bd.jar;k=v1;k=v%2C2;other=x+y/z")
            .header("x-checksum-sha256", sha256)
            .body("content")
    };
    let (status_code, body) = answer(deploy(&Digests::of(b"other").sha256)).await;
    assert_eq!(status_code, 409);
    assert!(text(&body, "/errors/0/message").contains("LocalRepoChecksumPolicy: CLIENT"), "{body}");
    let (status_code, item) = answer(deploy(&digests.sha256)).await;
    assert_eq!((status_code, text(&item, "/path"), text(&item, "/size")), (201, "/a/b c;d.jar", "7"));
    assert_eq!(text(&item, "/checksums/sha1"), digests.sha1);
    assert_eq!(item["originalChecksums"], json!({ "sha256": digests.sha256 }));
    assert!(text(&item, "/downloadUri").ends_with("/artifactory/files/a/b%20c%3Bd.jar"), "{item}");
    let properties = fixture.artifactory.properties("files", "a/b c;d.jar");
    assert_eq!(properties["k"], ["v1", "v", "2"]);
    assert_eq!(properties["other"], ["x y/z"]);

    let head = fixture.request(Method::HEAD, "files/a/b%20c%3Bd.jar").send().await.expect("it answers");
    assert_eq!(head.headers()["x-checksum-md5"], digests.md5.as_str());
    assert_eq!(head.headers()["etag"], digests.sha1.as_str());
    assert_eq!(head.headers()["content-length"], "7");
    let sidecar = |kind: &str| fixture.request(Method::GET, &format!("files/a/b%20c%3Bd.jar.{kind}"));
    assert_eq!(status(sidecar("sha1")).await, 404, "the client sent none");
    assert_eq!(sidecar("sha256").send().await.expect("it answers").text().await.expect("text"), digests.sha256);

    let (_, info) = answer(fixture.request(Method::GET, "api/storage/files/a/b%20c%3Bd.jar")).await;
    assert_eq!((text(&info, "/checksums/sha256"), text(&info, "/size")), (digests.sha256.as_str(), "7"));
    let (_, folder) = answer(fixture.request(Method::GET, "api/storage/files/a")).await;
    assert_eq!(folder["children"], json!([{ "uri": "/b c;d.jar", "folder": false }]));
    let set = fixture.request(Method::PUT, "api/storage/files/a/b%20c%3Bd.jar?properties=k=a%5C,b;z=1");
    assert_eq!(status(set).await, 204);
    let (_, body) = answer(fixture.request(Method::GET, "api/storage/files/a/b%20c%3Bd.jar?properties")).await;
    assert_eq!(body["properties"], json!({ "k": ["a,b"], "other": ["x y/z"], "z": ["1"] }));
}

#[tokio::test]
async fn bad_paths_and_properties_are_refused() {
    let fixture = Fixture::new().await;
    for path in [
        "files/a%2Fb.txt",
        "files/a%5Cb.txt",
        "files/a.txt;k=",
        "files/a.txt;k",
        "files/a.txt;a%2Fb=c",
        "files/a%zz.txt",
        "files/a%3Ab",
    ] {
        assert_eq!(fixture.put(path, "x").await.status(), 400, "{path}");
    }
    assert_eq!(fixture.put("nowhere/a.txt", "x").await.status(), 404);
    assert_eq!(fixture.put("npm-remote/a.txt", "x").await.status(), 405);
    assert_eq!(fixture.put("npm-read/a.txt", "x").await.status(), 405);
    assert_eq!(fixture.put("npm/a.txt", "x").await.status(), 201);
    assert!(fixture.artifactory.file("npm-local", "a.txt").is_some(), "a virtual repository passes it on");
    assert_eq!(fixture.put("npm/a.txt/b.txt", "x").await.status(), 409, "a file is no folder");
}

#[tokio::test]
async fn overwriting_needs_the_right_to_delete() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.put("files/a.txt", "one").await.status(), 201);
    let (status_code, body) = answer(fixture.request(Method::PUT, "files/a.txt").body("one")).await;
    assert_eq!(status_code, 403, "the same bytes are an overwrite too");
    assert!(text(&body, "/errors/0/message").contains("delete/overwrite"), "{body}");
    fixture.artifactory.switch(|switches| switches.unauthorized = Unauthorized::Hidden);
    assert_eq!(fixture.put("files/a.txt", "two").await.status(), 404);
    assert_eq!(fixture.artifactory.file("files", "a.txt").as_deref(), Some(b"one".as_slice()));
    fixture.artifactory.permit("deployer", "files", &[Permission::Read, Permission::Deploy, Permission::Delete]);
    assert_eq!(fixture.put("files/a.txt", "two").await.status(), 201);
    assert_eq!(status(fixture.request(Method::DELETE, "files/a.txt")).await, 204);
    assert_eq!(status(fixture.request(Method::DELETE, "files/a.txt")).await, 404);
}

#[tokio::test]
async fn a_known_content_is_deployed_by_its_checksum() {
    let fixture = Fixture::new().await;
    let digests = Digests::of(b"known");
    let deploy = |path: &str| {
        let request = fixture.request(Method::PUT, path).header("x-checksum-deploy", "true");
        status(request.header("x-checksum-sha1", &digests.sha1).header("x-checksum-sha256", &digests.sha256))
    };
    assert_eq!(deploy("files/copy.bin").await, 404);
    fixture.artifactory.put_file("files", "original.bin", "known");
    assert_eq!(deploy("files/copy.bin").await, 201);
    assert_eq!(fixture.artifactory.file("files", "copy.bin").as_deref(), Some(b"known".as_slice()));
    fixture.artifactory.permit("deployer", "*", &[Permission::Deploy]);
    assert_eq!(deploy("files/another.bin").await, 404, "content that the caller may not read is as unknown");
}

#[tokio::test]
async fn repositories_describe_themselves() {
    let fixture = Fixture::new().await;
    let (_, body) = answer(fixture.request(Method::GET, "api/repositories/npm")).await;
    assert_eq!(body, json!({ "key": "npm", "rclass": "virtual", "packageType": "npm", "description": "" }));
    let (_, body) = answer(fixture.admin(Method::GET, "api/repositories/npm")).await;
    assert_eq!(text(&body, "/defaultDeploymentRepo"), "npm-local");
    let (status_code, body) = answer(fixture.request(Method::GET, "api/repositories/nowhere")).await;
    assert_eq!((status_code, &body["errors"][0]["status"]), (400, &json!(400)));
    fixture.artifactory.switch(|switches| switches.missing_repository = 404);
    assert_eq!(status(fixture.request(Method::GET, "api/repositories/nowhere")).await, 404);
    let version = answer(fixture.request(Method::GET, "api/system/version")).await.1;
    assert!(text(&version, "/version").starts_with("7."), "{version}");
}

#[tokio::test]
async fn releases_and_snapshots_keep_apart() {
    let fixture = Fixture::new().await;
    fixture.artifactory.repository(Repository::local("releases", "maven").handling(Handles::Releases));
    assert_eq!(fixture.put("releases/g/a/1.0/a-1.0.jar", "x").await.status(), 201);
    assert_eq!(fixture.put("releases/g/a/1.1-SNAPSHOT/a-1.1-SNAPSHOT.jar", "x").await.status(), 409);
}

#[tokio::test]
async fn installations_differ() {
    let fixture = Fixture::new().await;
    fixture.artifactory.put_file("files", "a.txt", "a");
    assert_eq!(status(fixture.bare(Method::GET, "files/a.txt")).await, 401);
    fixture.artifactory.switch(|switches| switches.anonymous = Anonymous::Reads);
    assert_eq!(status(fixture.bare(Method::GET, "files/a.txt")).await, 200);
    assert_eq!(status(fixture.bare(Method::PUT, "files/b.txt").body("b")).await, 401);

    fixture.artifactory.switch(|switches| switches.reads_redirect_to = Some("http://other.test".to_owned()));
    let redirected = fixture.request(Method::GET, "api/storage/files/a.txt").send().await.expect("it answers");
    assert_eq!(redirected.status(), 302);
    assert_eq!(redirected.headers()["location"], "http://other.test/artifactory/api/storage/files/a.txt");
    fixture.artifactory.switch(|switches| {
        switches.reads_redirect_to = None;
        switches.storage_api = Endpoint::Answers(404);
        switches.bad_gateway = 1;
    });
    let page = fixture.request(Method::GET, "files/a.txt").send().await.expect("it answers");
    assert_eq!(
        (page.status().as_u16(), page.headers()["content-type"].to_str().unwrap_or_default()),
        (502, "text/html")
    );
    assert_eq!(status(fixture.request(Method::GET, "api/storage/files/a.txt")).await, 404);
    assert_eq!(status(fixture.request(Method::GET, "files/a.txt")).await, 200);

    fixture.artifactory.switch(|switches| switches.context = "/tools".to_owned());
    assert!(fixture.artifactory.url().ends_with("/tools/artifactory"));
    assert_eq!(status(fixture.request(Method::GET, "api/system/ping")).await, 200);
}

/// An archive with this `package.json` and nothing else.
fn tgz(manifest: &str) -> bytes::Bytes {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    let mut header = tar::Header::new_ustar();
    header.set_size(manifest.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "package/package.json", manifest.as_bytes()).expect("memory takes it");
    tar.into_inner().and_then(flate2::write::GzEncoder::finish).expect("memory takes it").into()
}

/// Names of what is in a repository.
fn names(fixture: &Fixture, repository: &str) -> Vec<String> {
    let files = fixture.artifactory.files(repository).into_iter();
    files.map(|file| file.path.rsplit('/').next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_pom_lies_where_it_says_unless_nobody_looks() {
    const POM: &str =
        "<project><parent><groupId>g.h</groupId><version>1</version></parent><artifactId>a</artifactId></project>";
    let fixture = Fixture::new().await;
    let libs = Repository::local("libs", "maven");
    fixture.artifactory.repository(libs.clone());
    for (path, status) in [("g/h/a/1/a-1.pom", 201), ("g/a/1/a-1.pom", 409), ("g/h/a/2/a-2.pom", 409)] {
        assert_eq!(fixture.put(&format!("libs/{path}"), POM).await.status(), status, "{path}");
    }
    assert_eq!(fixture.put("libs/g/h/a/3/a-3.pom", "no POM").await.status(), 409);
    fixture.artifactory.repository(Repository { pom_checks: PomChecks::Suppressed, ..libs });
    assert_eq!(fixture.put("libs/g/h/a/2/a-2.pom", POM).await.status(), 201);
}

#[tokio::test]
async fn snapshots_are_named_as_the_repository_behaves() {
    const POM: &str = "<project><groupId>g</groupId><artifactId>a</artifactId><version>1-SNAPSHOT</version></project>";
    const STAMPED: &str = "a-1-20240229.120000-7.jar";
    let fixture = Fixture::new().await;
    for (key, snapshots) in
        [("unique", Snapshots::Unique), ("one", Snapshots::NonUnique), ("deployer", Snapshots::Deployer)]
    {
        fixture.artifactory.repository(Repository::local(key, "maven").naming(snapshots));
        fixture.put(&format!("{key}/g/a/1-SNAPSHOT/{STAMPED}"), "jar").await;
    }
    assert_eq!(names(&fixture, "unique"), [STAMPED]);
    assert_eq!(names(&fixture, "one"), ["a-1-SNAPSHOT.jar"]);
    fixture.put("deployer/g/a/1-SNAPSHOT/a-1-SNAPSHOT.pom", POM).await;
    assert_eq!(names(&fixture, "deployer"), [STAMPED, "a-1-SNAPSHOT.pom"]);
    // The POM completes the build of the jar; whatever follows on it begins another one.
    fixture.put("unique/g/a/1-SNAPSHOT/a-1-SNAPSHOT.pom", POM).await;
    fixture.put("unique/g/a/1-SNAPSHOT/a-1-SNAPSHOT.jar", "other").await;
    let [new, jar, pom] = names(&fixture, "unique").try_into().expect("three files");
    let mut all = [jar.as_str(), pom.as_str(), new.as_str()];
    all.sort_unstable();
    assert!(all.contains(&STAMPED) && all.contains(&"a-1-20240229.120000-7.pom"), "{all:?}");
    assert!(all.iter().any(|name| name.ends_with("-8.jar")), "{all:?}");
}

#[tokio::test]
async fn metadata_of_maven_is_calculated_when_it_is_read() {
    let fixture = Fixture::new().await;
    fixture.artifactory.repository(Repository::local("libs", "maven"));
    let metadata = async |path: &str| {
        let answer = fixture.request(Method::GET, &format!("libs/{path}")).send().await.expect("it answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("it is text"))
    };
    assert_eq!(metadata("g/a/maven-metadata.xml").await.0, 404);
    fixture.put("libs/g/a/1.0/a-1.0.jar", "jar").await;
    fixture.put("libs/g/a/1.1-SNAPSHOT/a-1.1-20240229.120000-7-sources.jar", "jar").await;
    // What a client sends is not what others get.
    fixture.put("libs/g/a/maven-metadata.xml", "<metadata/>").await;
    let (_, of_artifact) = metadata("g/a/maven-metadata.xml").await;
    for part in ["<version>1.0</version><version>1.1-SNAPSHOT</version>", "<release>1.0</release>"] {
        assert!(of_artifact.contains(part), "{of_artifact}");
    }
    let (_, of_snapshot) = metadata("g/a/1.1-SNAPSHOT/maven-metadata.xml").await;
    for part in [
        "<timestamp>20240229.120000</timestamp><buildNumber>7</buildNumber>",
        "<classifier>sources</classifier><extension>jar</extension><value>1.1-20240229.120000-7</value>",
    ] {
        assert!(of_snapshot.contains(part), "{of_snapshot}");
    }
    let (_, sum) = metadata("g/a/1.1-SNAPSHOT/maven-metadata.xml.sha1").await;
    assert_eq!(sum, Digests::of(of_snapshot.as_bytes()).sha1);
    let unread = fixture.bare(Method::GET, "libs/g/a/maven-metadata.xml").send().await.expect("it answers");
    assert_eq!(unread.status(), 401);
}
