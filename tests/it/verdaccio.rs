//! What the function publishes, given to a real npm registry and installed by the real npm: nothing between the two is
//! ours but the prefix that the registry stands behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

mod existing;
mod process;
mod same_as_npm;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use sha1::Digest;

use crate::make::Zip;
use crate::npm_client::NpmClient;
use crate::stack::http::{Fault, Traffic};
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::prefix::{self, Prefix};
use crate::stack::{PASSWORD, REPOSITORY, SECRET, Stack, USER, project};
use process::Verdaccio;

const BINARY: &str = env!("CARGO_BIN_EXE_codepipeline-artifactory");

/// A registry behind its prefix.
struct Registry {
    traffic: Traffic,
    prefix: Prefix,
    verdaccio: Verdaccio,
}

impl Registry {
    async fn start() -> Self {
        let verdaccio = Verdaccio::start(&prefix::address(REPOSITORY), USER, PASSWORD);
        let traffic = Traffic::default();
        let prefix = Prefix::start(traffic.clone(), verdaccio.address()).await;
        Self { traffic, prefix, verdaccio }
    }

    /// An npm that is signed in.
    fn npm(&self) -> NpmClient {
        let npm = NpmClient::new(&self.prefix.npm_registry(REPOSITORY));
        npm.log_in_with_password(USER, PASSWORD);
        npm
    }

    async fn get(&self, url: &str) -> Bytes {
        let answer = reqwest::Client::new().get(url).basic_auth(USER, Some(PASSWORD)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        answer.bytes().await.unwrap()
    }

    /// The whole document of a package.
    async fn document(&self, name: &str) -> Value {
        let name = name.replace('/', "%2f");
        let text = self.get(&format!("{}{name}", self.prefix.npm_registry(REPOSITORY))).await;
        serde_json::from_slice(&text).unwrap()
    }

    /// The archive of a version, from where its document says, and what the document says of its digests.
    async fn archive(&self, name: &str, version: &str) -> Bytes {
        let dist = self.document(name).await["versions"][version]["dist"].clone();
        let url = dist["tarball"].as_str().unwrap();
        assert!(url.starts_with(&self.prefix.npm_registry(REPOSITORY)), "{url}");
        let bytes = self.get(url).await;
        assert_eq!(dist["shasum"], hex(&sha1::Sha1::digest(&bytes)));
        assert_eq!(dist["integrity"], format!("sha512-{}", STANDARD.encode(sha2::Sha512::digest(&bytes))));
        bytes
    }

    /// The versions that are there.
    async fn versions(&self, name: &str) -> Vec<String> {
        self.document(name).await["versions"].as_object().unwrap().keys().cloned().collect()
    }

    /// Answers the next reading of a package as if it were not there.
    fn hide_once(&self) {
        let answer = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
        self.traffic.fault(prefix::SERVICE, Some(Method::GET), "/api/npm/", 0, 1, answer);
    }

    /// What every request was authorized by.
    fn authorizations(&self) -> Vec<String> {
        self.traffic.seen().iter().map(|seen| seen.request.header("authorization").to_owned()).collect()
    }
}

/// The function and a registry that it publishes to; the function's stack ends first.
struct World {
    stack: Stack,
    registry: Registry,
}

impl World {
    /// The function has a user and password.
    async fn start() -> Self {
        Self::around(Registry::start().await, json!({ "username": USER, "password": PASSWORD })).await
    }

    /// The function has a token of the registry's.
    async fn with_token() -> Self {
        let registry = Registry::start().await;
        let token = registry.verdaccio.token(USER, PASSWORD).await;
        let world = Self::around(registry, json!({ "access_token": token })).await;
        world.stack.keep_secret(&token);
        world
    }

    async fn around(registry: Registry, mut secret: Value) -> Self {
        let stack = Stack::start(BINARY).await;
        secret["url"] = json!(registry.prefix.platform_url());
        stack.secrets.put(SECRET, &secret.to_string());
        Self { stack, registry }
    }

    fn action(&self, artifact: impl Into<Bytes>) -> JobSpec {
        self.stack.action(artifact).configuration("ArtifactoryHost", &self.registry.prefix.platform_url())
    }

    /// The variables of a job that ends well.
    async fn publish(&self, action: JobSpec) -> BTreeMap<String, String> {
        match self.stack.run(action).await.1 {
            JobResult::Succeeded { variables, .. } => variables,
            other => panic!("{other:#?}\n{}", self.stack.logs().await),
        }
    }
}

#[tokio::test]
async fn a_package_is_accepted_installed_and_run() {
    let world = World::start().await;
    let artifact = project::zipped("1.0.3", "");
    let variables = world.publish(world.action(artifact.clone())).await;

    let archive = world.registry.archive(project::NAME, "1.0.3").await;
    assert_eq!(variables["Sha256"], hex(&sha2::Sha256::digest(&archive)));
    assert_eq!(
        variables["ArtifactUrl"],
        format!("{}/artifactory/npm-local/node_example/-/node_example-1.0.3.tgz", world.registry.prefix.platform_url())
    );

    let npm = world.registry.npm();
    npm.package("app", &json!({ "name": "app" }), &[]);
    let seen: Value = serde_json::from_str(&good(&npm.run("app", &["view", project::NAME, "--json"]).await)).unwrap();
    assert_eq!((&seen["version"], &seen["dist-tags"]), (&json!("1.0.3"), &json!({ "latest": "1.0.3" })));
    good(&npm.run("app", &["install", project::NAME]).await);
    let said = good(&npm.node("app", "console.log(require('node_example').ago(0, 60_000))").await);
    assert_eq!(said.trim(), "1 minute ago");
    let said = good(&npm.execute("node_modules/.bin/node_example", "app", &["1970-01-01T00:00:00Z"]).await);
    assert!(said.contains("days ago"), "{said}");

    let published = ["package.json", "README.md", "index.js", "bin/node_example.js"];
    let installed = files(&npm.folder("app/node_modules/node_example"));
    assert_eq!(installed, picked(&artifact, "", &published));
}

#[tokio::test]
async fn without_tokens_the_password_goes_along() {
    let world = World::start().await;
    world.publish(world.action(project::zipped("1.0.3", ""))).await;
    let seen = world.registry.traffic.seen();
    let first: Vec<&str> = seen.iter().take(2).map(|seen| seen.request.path.as_str()).collect();
    assert_eq!(first, ["/artifactory/api/security/token", "/access/api/v1/tokens"]);
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    assert!(world.registry.authorizations().iter().all(|authorization| *authorization == basic));
    assert!(world.stack.logs().await.contains("the password goes with each request"));

    // The real registry's refusal of a wrong one.
    let url = world.registry.prefix.platform_url();
    world.stack.secrets.put("wrong", &json!({ "username": USER, "password": "wrong", "url": url }).to_string());
    let other = world.action(project::zipped("1.0.4", "")).configuration("SecretId", "wrong");
    let (r#type, message) = world.stack.refuse(other).await;
    assert_eq!(r#type, "PermissionError", "{message}");
    assert_eq!(world.registry.versions(project::NAME).await, ["1.0.3"]);
}

#[tokio::test]
async fn the_members_of_a_workspace_come_with_one_job_and_a_token() {
    let world = World::with_token().await;
    let artifact = Zip::new()
        .file("package.json", r#"{"name":"acme","version":"1.0.0","private":true,"workspaces":["packages/*"]}"#)
        .file(
            "packages/greeting/package.json",
            r#"{"name":"@acme/greeting","version":"2.1.0","exports":"./lib/index.js","files":["lib"]}"#,
        )
        .file("packages/greeting/lib/index.js", "module.exports = (name) => `hello, ${name}`;\n")
        .file("packages/greeting/test.js", "")
        .file(
            "packages/cli/package.json",
            r#"{"name":"@acme/cli","version":"1.0.0","bin":{"greet":"bin/greet.js"},"dependencies":{"@acme/greeting":"^2.0.0"}}"#,
        )
        // A build that unpacks and zips again has lost the right to execute.
        .file("packages/cli/bin/greet.js", "#!/usr/bin/env node\nconsole.log(require('@acme/greeting')(process.argv[2]));\n")
        .file("packages/internal/package.json", r#"{"name":"@acme/internal","version":"1.0.0","private":true}"#)
        .symlink("node_modules/@acme/cli", "../../packages/cli")
        .bytes();
    let variables = world.publish(world.action(artifact.clone())).await;
    assert_eq!(variables["PackageCount"], "2");
    let puts = world.registry.traffic.count(prefix::SERVICE, &Method::PUT, "/npm-local/@acme%2f");
    assert_eq!(puts, 2, "a scoped name is one part of the path");
    assert!(world.registry.authorizations().iter().all(|authorization| authorization.starts_with("Bearer ")));
    assert_eq!(world.registry.traffic.count(prefix::SERVICE, &Method::POST, ""), 0, "a token is used as it is");

    let npm = world.registry.npm();
    npm.package("app", &json!({ "name": "app" }), &[]);
    good(&npm.run("app", &["install", "@acme/cli"]).await);
    let said = good(&npm.execute("node_modules/.bin/greet", "app", &["world"]).await);
    assert_eq!(said.trim(), "hello, world");
    let installed = files(&npm.folder("app/node_modules/@acme/greeting"));
    assert_eq!(installed, picked(&artifact, "packages/greeting/", &["package.json", "lib/index.js"]));
    let installed = files(&npm.folder("app/node_modules/@acme/cli"));
    assert_eq!(installed, picked(&artifact, "packages/cli/", &["package.json", "bin/greet.js"]));
}

#[tokio::test]
async fn an_archive_of_npms_own_is_stored_byte_for_byte_under_its_tag() {
    let world = World::with_token().await;
    let npm = world.registry.npm();
    let manifest = json!({ "name": "@acme/ready", "version": "2.0.0-rc.1", "main": "main.js" });
    npm.package("ready", &manifest, &[("main.js", "module.exports = 42;\n"), ("README.md", "# Ready\n\nSteady.\n")]);
    good(&npm.run("ready", &["pack"]).await);
    let name = "acme-ready-2.0.0-rc.1.tgz";
    let archive = std::fs::read(npm.folder("ready").join(name)).unwrap();

    let artifact = Zip::new().file(&format!("dist/{name}"), &archive).bytes();
    let variables = world.publish(world.action(artifact).configuration("Options", "tag=next")).await;
    assert_eq!(world.registry.archive("@acme/ready", "2.0.0-rc.1").await, archive);
    assert_eq!(variables["Sha256"], hex(&sha2::Sha256::digest(&archive)));
    // A first version is the latest one as well, says the registry.
    let tags = world.registry.document("@acme/ready").await["dist-tags"].clone();
    assert_eq!(tags["next"], "2.0.0-rc.1");

    npm.package("app", &json!({ "name": "app" }), &[]);
    good(&npm.run("app", &["install", "@acme/ready@next"]).await);
    assert_eq!(good(&npm.node("app", "console.log(require('@acme/ready'))").await).trim(), "42");
}

#[tokio::test]
async fn a_version_is_published_once() {
    let world = World::with_token().await;
    let (ours, changed) = (project::zipped("1.0.3", ""), project::zipped("1.0.3", "// changed\n"));
    world.publish(world.action(ours.clone())).await;
    let archive = world.registry.archive(project::NAME, "1.0.3").await;
    let document = world.registry.document(project::NAME).await;
    let puts = || world.registry.traffic.count(prefix::SERVICE, &Method::PUT, "");

    let variables = world.publish(world.action(ours.clone())).await;
    assert_eq!((variables["SkippedCount"].as_str(), puts()), ("1", 1));
    assert_eq!(variables["Sha256"], hex(&sha2::Sha256::digest(&archive)));
    let (r#type, message) = world.stack.refuse(world.action(changed.clone())).await;
    assert_eq!((r#type.as_str(), puts()), ("JobFailed", 1), "{message}");

    // Another writer is first: it is not there when we look, and it is when we write. The registry's word is 409.
    world.registry.hide_once();
    let variables = world.publish(world.action(ours)).await;
    assert_eq!((variables["SkippedCount"].as_str(), puts()), ("1", 2));
    world.registry.hide_once();
    let (r#type, message) = world.stack.refuse(world.action(changed)).await;
    assert_eq!((r#type.as_str(), puts()), ("JobFailed", 3), "{message}");
    assert!(message.contains("other content"), "{message}");

    assert_eq!(world.registry.document(project::NAME).await, document);
    assert_eq!(world.registry.archive(project::NAME, "1.0.3").await, archive);
}

#[tokio::test]
async fn a_lost_answer_is_no_second_version() {
    let world = World::with_token().await;
    world.registry.traffic.fault(prefix::SERVICE, Some(Method::PUT), project::NAME, 0, 1, Fault::DropAfter);
    let variables = world.publish(world.action(project::zipped("1.0.3", ""))).await;
    assert_eq!(world.registry.traffic.count(prefix::SERVICE, &Method::PUT, ""), 1);
    assert_eq!(variables["SkippedCount"], "0");
    assert_eq!(world.registry.versions(project::NAME).await, ["1.0.3"]);
    let archive = world.registry.archive(project::NAME, "1.0.3").await;
    assert_eq!(variables["Sha256"], hex(&sha2::Sha256::digest(&archive)));
}

#[tokio::test]
async fn nothing_listens_after_a_panic() {
    let (tell, told) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let verdaccio = Verdaccio::start("/", USER, PASSWORD);
        tell.send(verdaccio.address()).unwrap();
        std::net::TcpStream::connect(verdaccio.address()).unwrap();
        std::panic::resume_unwind(Box::new("a test fails"));
    });
    assert!(panicked.join().is_err());
    let refused = std::net::TcpStream::connect(told.recv().expect("verdaccio has started"));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

/// What a program that ended well has printed.
fn good(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, content)| (format!("{name}/{below}"), content)));
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

/// These files of a zip, by their paths below `folder`.
fn picked(zip: &[u8], folder: &str, paths: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let read = paths.iter().map(|path| {
        let mut content = Vec::new();
        zip.by_name(&format!("{folder}{path}")).unwrap().read_to_end(&mut content).unwrap();
        ((*path).to_owned(), content)
    });
    read.collect()
}
