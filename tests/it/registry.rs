//! The connection to Artifactory against a small scripted server: what it answers is set by each test, what it
//! holds afterwards and what went over the wire is what the tests look at.

mod comparing;
mod cutting;
mod looking;
mod retrying;
mod sending;
mod sessions;
mod tagging;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::credential::{Credential, SecretText};
use codepipeline_artifactory::deadline::Deadline;
use codepipeline_artifactory::package::{Digests, hex};
use codepipeline_artifactory::registry::url::{Base, RepoKey, RepoPath};
use codepipeline_artifactory::registry::{Http, Pacing, Registry, RegistryError};
use codepipeline_artifactory::step::{Body, Content, Listing, Lists, Method, PlannedFile, Segment, Step, Way};
use codepipeline_artifactory::trust::Trust;
use hyper::Method as Verb;
use serde_json::json;

use crate::stack::http::{Fault, Reply, Request, Server, Traffic, json as json_reply, reply};

const SERVICE: &str = "registry";
const USER: &str = "ci";
const PASSWORD: &str = "hunter2 & more";
const FILE: &str = "left/-/left-1.0.0.tgz";

/// What the server does; everything is allowed at first.
#[derive(Debug)]
struct Script {
    /// Answers of the token endpoints: 200 mints.
    legacy: u16,
    access: u16,
    minted: u32,
    /// Tokens that are refused from now on.
    expired: Vec<String>,
    /// Status of reads of storage, unless 200.
    storage: u16,
    /// Status of reads of a file itself, unless 200.
    reads: u16,
    /// Whether the listing shows what is stored.
    listed: bool,
    /// Status of uploads that change nothing, unless 201.
    put: u16,
    /// Whether the answer to an upload tells digests.
    tells: bool,
    /// Whether what is stored is what was sent.
    spoils: bool,
    files: BTreeMap<String, Bytes>,
}

fn fresh() -> Script {
    Script {
        legacy: 200,
        access: 200,
        minted: 0,
        expired: Vec::new(),
        storage: 200,
        reads: 200,
        listed: true,
        put: 201,
        tells: false,
        spoils: false,
        files: BTreeMap::new(),
    }
}

struct Scripted {
    traffic: Traffic,
    server: Server,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    async fn start() -> Self {
        let (traffic, script) = (Traffic::default(), Arc::new(Mutex::new(fresh())));
        let handled = Arc::clone(&script);
        let server = Server::start(SERVICE, traffic.clone(), move |request| {
            std::future::ready(handle(&mut handled.lock().expect("no test panics while it holds this"), &request))
        })
        .await;
        Self { traffic, server, script }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no test panics while it holds this")
    }

    fn base(&self) -> Base {
        Base::parse(&self.server.url(), true).expect("the server's address is a base")
    }

    async fn connect(&self) -> Result<Registry, RegistryError> {
        Registry::connect(&http(), &self.base(), &password(), minute()).await
    }

    async fn with_token(&self) -> Registry {
        self.with_token_and(&http()).await
    }

    async fn with_token_and(&self, http: &Http) -> Registry {
        let credential = Credential::Token { token: SecretText::new("given") };
        Registry::connect(http, &self.base(), &credential, minute()).await.expect("a token needs no request")
    }

    /// Answers `times` requests with this instead of handling them.
    fn answer(&self, method: Verb, path: &str, times: usize, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.fault(method, path, times, Fault::Answer { status, headers, body: body.to_owned() });
    }

    fn fault(&self, method: Verb, path: &str, times: usize, fault: Fault) {
        self.traffic.fault(SERVICE, Some(method), path, 0, times, fault);
    }

    fn count(&self, method: &Verb, path: &str) -> usize {
        self.traffic.count(SERVICE, method, path)
    }

    fn stored(&self) -> Option<Bytes> {
        self.script().files.get(FILE).cloned()
    }

    fn store(&self, bytes: &'static [u8]) {
        self.script().files.insert(FILE.to_owned(), Bytes::from_static(bytes));
    }

    /// `METHOD path authorization-scheme` of every request so far.
    fn log(&self) -> Vec<String> {
        let line = |request: &Request| {
            let scheme = request.header("authorization").split(' ').next().unwrap_or_default().to_owned();
            format!("{} {} {scheme}", request.method, request.path)
        };
        self.traffic.seen().iter().map(|seen| line(&seen.request)).collect()
    }

    fn requests(&self, path: &str) -> Vec<Request> {
        self.traffic.seen().into_iter().map(|seen| seen.request).filter(|it| it.path.contains(path)).collect()
    }
}

fn handle(script: &mut Script, request: &Request) -> Reply {
    let refuse = |status: u16| json_reply(status, &json!({"errors": [{"status": status, "message": "refused"}]}));
    let path = request.path.trim_start_matches("/artifactory");
    let authorization = request.header("authorization");
    match (request.method.as_str(), path) {
        ("POST", "/api/security/token") => mint(script, script.legacy, "legacy"),
        ("POST", "/access/api/v1/tokens") => mint(script, script.access, "access"),
        ("POST", "/api/security/token/revoke") | ("DELETE", "/access/api/v1/tokens/me") => reply(200, &[], ""),
        // What another origin gives to whoever asks, without knowing anybody.
        ("GET", "/public") => match script.files.get(FILE) {
            Some(bytes) => reply(200, &[], bytes.clone()),
            None => refuse(404),
        },
        _ if authorization.is_empty() || script.expired.iter().any(|token| authorization.ends_with(token)) => {
            refuse(401)
        }
        ("GET", "/api/npm/npm-local/left") => {
            let dist = |bytes: &Bytes| json!({"dist": {"shasum": hex(&digests(bytes).sha1)}});
            let version = script.files.get(FILE).filter(|_| script.listed).map(dist);
            json_reply(200, &json!({"name": "left", "versions": version.map_or(json!({}), |it| json!({"1.0.0": it}))}))
        }
        ("GET", path) if path.starts_with("/api/storage/npm-local/") => {
            match script.files.get(path.trim_start_matches("/api/storage/npm-local/")) {
                _ if script.storage != 200 => refuse(script.storage),
                None => refuse(404),
                Some(bytes) => json_reply(200, &json!({"checksums": checksums(bytes)})),
            }
        }
        ("GET" | "HEAD", path) if path.starts_with("/npm-local/") => {
            if script.reads != 200 {
                return refuse(script.reads);
            }
            let Some(bytes) = script.files.get(path.trim_start_matches("/npm-local/")) else { return refuse(404) };
            let Digests { sha1, sha256, .. } = digests(bytes);
            let headers = [("x-checksum-sha1", hex(&sha1)), ("x-checksum-sha256", hex(&sha256))];
            reply(200, &headers.each_ref().map(|(name, value)| (*name, value.as_str())), bytes.clone())
        }
        ("PUT", path) => {
            let file = path.trim_start_matches("/npm-local/").to_owned();
            if script.put != 201 {
                return refuse(script.put);
            }
            if script.files.contains_key(&file) {
                return refuse(403);
            }
            let bytes = if script.spoils { Bytes::from_static(b"spoilt") } else { request.body.clone() };
            let told = if script.tells { json!({"checksums": checksums(&bytes)}) } else { json!({}) };
            script.files.insert(file, bytes);
            json_reply(201, &told)
        }
        _ => refuse(404),
    }
}

fn mint(script: &mut Script, status: u16, name: &str) -> Reply {
    if status != 200 {
        return json_reply(status, &json!({"errors": [{"message": "no token"}]}));
    }
    script.minted += 1;
    json_reply(200, &json!({"access_token": format!("{name}-{}", script.minted), "expires_in": 90}))
}

fn checksums(bytes: &Bytes) -> serde_json::Value {
    let Digests { sha1, sha256, md5, .. } = digests(bytes);
    json!({"sha1": hex(&sha1), "sha256": hex(&sha256), "md5": hex(&md5)})
}

fn digests(bytes: &[u8]) -> Digests {
    Digests::of(bytes).expect("memory can be read")
}

/// The pauses of the real thing, a hundred times shorter.
fn quick() -> Pacing {
    Pacing {
        first: Duration::from_millis(2),
        most: Duration::from_millis(10),
        budget: Duration::from_millis(500),
        polls: [5; 5].map(Duration::from_millis),
        ..Pacing::default()
    }
}

fn http() -> Http {
    Http::new(Trust::system()).with_pacing(quick())
}

fn password() -> Credential {
    Credential::Password { username: USER.to_owned(), password: SecretText::new(PASSWORD) }
}

fn minute() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn repository() -> RepoKey {
    RepoKey::parse("npm-local").expect("it is a key")
}

fn file(bytes: &'static [u8]) -> Step {
    step(Body(vec![Segment::Raw(spooled(bytes))]), &digests(bytes))
}

fn step(body: Body, digests: &Digests) -> Step {
    Step {
        way: Way::Api,
        method: Method::Put,
        path: format!("npm-local/{FILE}").into(),
        headers: vec![("x-checksum-sha256", hex(&digests.sha256))],
        body,
        file: PlannedFile::new(RepoPath::parse(FILE).expect("it is a path"), digests.clone()),
        listing: None,
        tag: None,
    }
}

fn listed(step: Step) -> Step {
    let pointer = ["versions", "1.0.0", "dist"].map(str::to_owned).to_vec();
    Step {
        listing: Some(Box::new(Listing {
            path: "api/npm/npm-local/left".to_owned(),
            accept: "application/json",
            lists: Lists::Versions { pointer, rivals: None },
        })),
        ..step
    }
}

fn spooled(bytes: impl Into<Bytes>) -> Content {
    Content::Spooled(Arc::new(Memory(bytes.into())))
}

/// Everything that a person could ever be shown of an error.
fn shown(error: &RegistryError) -> String {
    let mut text = format!("{error:?} {error} {}", error.hint());
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
