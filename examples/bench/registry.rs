//! A registry for archives of any size: it digests what comes and keeps none of it, so that the memory of the machine
//! is the function's. It knows one repository, which takes npm packages and plain files, and lets everybody in; what
//! Artifactory is strict about, the stack is.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::stack::REPOSITORY;

/// What stands before and behind an archive in a document.
const BEFORE: &[u8] = b"\"data\":\"";

/// A running one; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Registry {
    url: String,
    task: JoinHandle<()>,
}

/// The checksums of what was published, by path.
type Stored = Arc<Mutex<HashMap<String, Value>>>;

impl Registry {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of 127.0.0.1 can be bound");
        let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
        let stored = Stored::default();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let stored = Arc::clone(&stored);
                let service = hyper::service::service_fn(move |request| answer(Arc::clone(&stored), request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                tokio::spawn(async move {
                    // A client that goes away shows in the job's result.
                    let _ = connection.await;
                });
            }
        });
        Self { url, task }
    }

    /// Its address, as an action names it.
    pub(crate) fn platform_url(&self) -> &str {
        &self.url
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(stored: Stored, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let path = path.trim_start_matches("/artifactory/").to_owned();
    let of_npm = path.strip_prefix(&format!("api/npm/{REPOSITORY}/")).map(str::to_owned);
    let (status, body) = match (of_npm, method) {
        (Some(name), Method::PUT) => {
            let (file, checksums) = digest(request.into_body()).await;
            stored.lock().expect("nobody panics while holding this").insert(format!("{name}/-/{file}"), checksums);
            (StatusCode::CREATED, json!({ "ok": true }))
        }
        (None, Method::PUT) if request.headers().contains_key("x-checksum-deploy") => {
            (StatusCode::NOT_FOUND, json!({ "errors": [{ "status": 404, "message": "no such content" }] }))
        }
        (None, Method::PUT) => {
            let checksums = plain(request.into_body()).await;
            // Behind the path are properties.
            let (file, _) = path.split_once(';').unwrap_or((&path, ""));
            let file = file.strip_prefix(&format!("{REPOSITORY}/")).unwrap_or_default().to_owned();
            let answer = json!({ "repo": REPOSITORY, "path": format!("/{file}"), "checksums": checksums });
            stored.lock().expect("nobody panics while holding this").insert(file, checksums);
            (StatusCode::CREATED, answer)
        }
        (None, Method::POST) => {
            (StatusCode::OK, json!({ "access_token": "a.b.c", "expires_in": 3600, "token_type": "Bearer" }))
        }
        (None, Method::GET) if path.starts_with("api/repositories/") => {
            (StatusCode::OK, json!({ "key": REPOSITORY, "rclass": "local", "packageType": "npm" }))
        }
        (None, Method::GET) if path == format!("api/storage/{REPOSITORY}/") => {
            (StatusCode::OK, json!({ "repo": REPOSITORY, "path": "/", "children": [] }))
        }
        (None, Method::GET) => {
            let stored = stored.lock().expect("nobody panics while holding this");
            let checksums = path.strip_prefix(&format!("api/storage/{REPOSITORY}/")).and_then(|path| stored.get(path));
            match checksums {
                Some(checksums) => (StatusCode::OK, json!({ "repo": REPOSITORY, "checksums": checksums })),
                None => (StatusCode::NOT_FOUND, json!({ "errors": [{ "status": 404, "message": "Not Found" }] })),
            }
        }
        _ => (StatusCode::NOT_FOUND, json!({ "error": "not_found" })),
    };
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    Ok(answer)
}

/// The checksums of a file as it is.
async fn plain(mut body: Incoming) -> Value {
    let mut archive = Archive::default();
    while let Some(Ok(Ok(data))) = body.frame().await.map(|frame| frame.map(hyper::body::Frame::into_data)) {
        archive.sha1.update(&data);
        archive.sha256.update(&data);
    }
    archive.checksums()
}

/// The name of the archive in a document, and its checksums, both taken in passing.
async fn digest(mut body: Incoming) -> (String, Value) {
    let mut head = Vec::new();
    let mut archive: Option<Archive> = None;
    while let Some(frame) = body.frame().await {
        let Ok(Ok(data)) = frame.map(hyper::body::Frame::into_data) else { break };
        if let Some(archive) = &mut archive {
            archive.take(&data);
            continue;
        }
        head.extend_from_slice(&data);
        if let Some(at) = head.windows(BEFORE.len()).position(|window| window == BEFORE) {
            let rest = head.split_off(at + BEFORE.len());
            archive.insert(Archive::default()).take(&rest);
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let name = head.rsplit_once("\"_attachments\":{\"").and_then(|(_, rest)| rest.split('"').next());
    (name.unwrap_or_default().to_owned(), archive.unwrap_or_default().checksums())
}

/// An archive in base64 that passes by.
#[derive(Default)]
struct Archive {
    /// The characters of a group that has not come whole.
    held: Vec<u8>,
    ended: bool,
    sha1: Sha1,
    sha256: Sha256,
}

impl Archive {
    fn take(&mut self, text: &[u8]) {
        if self.ended {
            return;
        }
        let end = text.iter().position(|&byte| byte == b'"');
        self.ended = end.is_some();
        self.held.extend_from_slice(&text[..end.unwrap_or(text.len())]);
        let rest = self.held.split_off(self.held.len() / 4 * 4);
        let bytes = STANDARD.decode(&self.held).unwrap_or_default();
        self.sha1.update(&bytes);
        self.sha256.update(&bytes);
        self.held = rest;
    }

    fn checksums(self) -> Value {
        json!({ "sha1": hex(&self.sha1.finalize()), "sha256": hex(&self.sha256.finalize()) })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
