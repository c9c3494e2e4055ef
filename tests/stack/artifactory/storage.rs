//! Plain paths: `PUT`, `HEAD`, `GET` and `DELETE` of `{repo}/{path}`, with checksums, checksum deploy and
//! matrix parameters.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::auth::{Caller, authenticate};
use super::config::{Endpoint, Handles, Permission};
use super::dates;
use super::maven;
use super::npm;
use super::path::{Location, encode};
use super::reply::{Refusal, pretty};
use super::state::{Digests, File, Properties, State};
use crate::stack::http::{self, Reply, Request};

pub(super) fn plain(state: &mut State, request: &Request, raw: &str) -> Result<Reply, Refusal> {
    let caller = authenticate(state, request)?;
    let location = Location::parse(raw)?;
    match request.method {
        Method::PUT => deploy(state, &caller, request, &location),
        Method::GET | Method::HEAD => read(state, &caller, request, &location),
        Method::DELETE => delete(state, &caller, &location),
        _ => Err(Refusal::new(405, "Method Not Allowed")),
    }
}

fn read(state: &State, caller: &Caller, request: &Request, location: &Location) -> Result<Reply, Refusal> {
    let (key, path) = (&location.repository, &location.path);
    state.repository(key)?;
    let places = readable(state, caller, key, path)?;
    if let Some(origin) = &state.switches.reads_redirect_to {
        return Ok(http::reply(302, &[("location", &format!("{origin}{}", request.path))], ""));
    }
    if let Some(document) = maven::calculated(state, &places, path) {
        return Ok(http::reply(200, &[("content-type", "application/xml")], document));
    }
    let found = places.iter().find_map(|repository| state.files.get(&(repository.clone(), path.clone())));
    if let Some(file) = found.filter(|_| !location.folder) {
        return Ok(download(file, path));
    }
    if let Some(sidecar) = sidecar(state, &places, path) {
        return Ok(http::reply(200, &[("content-type", "application/x-checksum")], sidecar));
    }
    let listing = places.iter().find_map(|repository| state.children(repository, path));
    let listing = listing.ok_or_else(|| Refusal::new(404, "File not found."))?;
    let links: Vec<_> = listing.keys().map(|name| format!("<a href=\"{}\">{name}</a>", encode(name))).collect();
    let links = links.join("\n");
    Ok(http::reply(200, &[("content-type", "text/html")], format!("<html><body><pre>{links}</pre></body></html>")))
}

/// The repositories behind `key` that the caller may read; refused where there is none of them.
pub(super) fn readable(state: &State, caller: &Caller, key: &str, path: &str) -> Result<Vec<String>, Refusal> {
    let mut places = state.reads_from(key);
    places.retain(|repository| state.may(caller, repository, Permission::Read));
    if places.is_empty() {
        state.require(caller, key, path, Permission::Read)?;
    }
    Ok(places)
}

pub(super) fn download(file: &File, path: &str) -> Reply {
    let name = path.rsplit('/').next().unwrap_or(path);
    let modified = dates::http_date(file.created);
    let headers = [
        ("content-type", media_type(path)),
        ("etag", file.digests.sha1.as_str()),
        ("last-modified", &modified),
        ("x-checksum-sha1", &file.digests.sha1),
        ("x-checksum-sha256", &file.digests.sha256),
        ("x-checksum-md5", &file.digests.md5),
        (
            "x-artifactory-filename",
            &percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string(),
        ),
    ];
    http::reply(200, &headers, file.content.clone())
}

/// `file.sha1` and the like: what the client sent with the file, so there is none where it sent nothing.
fn sidecar(state: &State, places: &[String], path: &str) -> Option<String> {
    let (of, kind) = path.rsplit_once('.')?;
    places.iter().find_map(|repository| state.files.get(&(repository.clone(), of.to_owned()))?.sent.get(kind).cloned())
}

fn delete(state: &mut State, caller: &Caller, location: &Location) -> Result<Reply, Refusal> {
    let (key, path) = (state.deploys_to(&location.repository)?, &location.path);
    state.require(caller, &key, path, Permission::Delete)?;
    let inside = |place: &(String, String)| {
        place.0 == key
            && (place.1 == *path
                || path.is_empty()
                || place.1.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    let before = state.files.len() + state.folders.len();
    state.files.retain(|place, _| !inside(place));
    state.folders.retain(|place| !inside(place));
    if before == state.files.len() + state.folders.len() {
        return Err(Refusal::new(404, "Could not locate artifact."));
    }
    Ok(http::reply(204, &[], ""))
}

fn deploy(state: &mut State, caller: &Caller, request: &Request, location: &Location) -> Result<Reply, Refusal> {
    let (key, path) = (state.deploys_to(&location.repository)?, location.path.clone());
    state.require(caller, &key, &path, Permission::Deploy)?;
    let path = maven::stored_as(state, &key, &path);
    if location.folder || path.is_empty() {
        return make_folder(state, caller, &key, path, &request.body);
    }
    check_policy(state, &key, &path)?;
    check_shape(state, &key, &path)?;
    let sent = sent_checksums(request)?;
    let content = if request.header("x-checksum-deploy").eq_ignore_ascii_case("true") {
        if let Endpoint::Answers(status) = state.switches.checksum_deploy {
            return Err(Refusal::new(status, "Checksum deploy is not available."));
        }
        if !request.body.is_empty() {
            return Err(Refusal::new(400, "A checksum deploy has no body."));
        }
        known_content(state, caller, &sent)?
    } else {
        request.body.clone()
    };
    let digests = Digests::of(&content);
    check_sent(&sent, &digests, &key, &path)?;
    maven::check_pom(state.repository(&key)?, &path, &content)?;
    let mut properties = Properties::new();
    for (name, value) in &location.properties {
        properties.entry(name.clone()).or_default().push(value.clone());
    }
    let npm = npm::index_plain(state, &key, &path, &content, &mut properties);
    let file =
        File { content, digests, sent, properties, created: state.now(), created_by: caller.name().to_owned(), npm };
    store(state, caller, &key, &path, file)?;
    Ok(created(state, &key, &path))
}

/// Puts a file in place; replacing one, even by the same bytes, needs the right to delete.
pub(super) fn store(state: &mut State, caller: &Caller, key: &str, path: &str, file: File) -> Result<(), Refusal> {
    let place = (key.to_owned(), path.to_owned());
    if state.files.contains_key(&place) {
        state.require(caller, key, path, Permission::Delete)?;
    }
    state.files.insert(place, file);
    Ok(())
}

fn make_folder(state: &mut State, caller: &Caller, key: &str, path: String, body: &Bytes) -> Result<Reply, Refusal> {
    if !body.is_empty() {
        return Err(Refusal::new(400, format!("'{key}:{path}/' is a folder: a file cannot be deployed as it.")));
    }
    let item = json!({
        "repo": key, "path": format!("/{path}"), "created": dates::iso(state.now()), "createdBy": caller.name(),
        "uri": format!("{}/api/storage/{key}/{}", state.base(), encode(&path)),
    });
    state.folders.insert((key.to_owned(), path));
    Ok(item_created(&item))
}

fn created(state: &State, key: &str, path: &str) -> Reply {
    let Some(file) = state.files.get(&(key.to_owned(), path.to_owned())) else {
        return Refusal::new(500, "the file that was just stored is gone").reply();
    };
    let mut item = super::info::file_info(state, key, path, file);
    if let Some(item) = item.as_object_mut() {
        item.retain(|name, _| !["lastModified", "modifiedBy", "lastUpdated"].contains(&name.as_str()));
    }
    item_created(&item)
}

fn item_created(item: &Value) -> Reply {
    let location = item.get("uri").and_then(Value::as_str).unwrap_or_default().replace("/api/storage/", "/");
    let kind = "application/vnd.org.jfrog.artifactory.storage.ItemCreated+json;charset=ISO-8859-1";
    http::reply(201, &[("content-type", kind), ("location", &location)], pretty(item))
}

/// The repository's policy on releases and snapshots, for the layouts that know the difference by the path.
fn check_policy(state: &State, key: &str, path: &str) -> Result<(), Refusal> {
    let repository = state.repository(key)?;
    if !maven::is_laid_out(repository) {
        return Ok(());
    }
    let snapshot = path.contains("-SNAPSHOT/");
    let metadata = path.rsplit('/').next().is_some_and(|name| name.starts_with("maven-metadata.xml"));
    refuse_by_policy(repository.handles, snapshot, key, path)
        .or_else(|refusal| if metadata { Ok(()) } else { Err(refusal) })
}

pub(super) fn refuse_by_policy(handles: Handles, snapshot: bool, key: &str, path: &str) -> Result<(), Refusal> {
    match (handles, snapshot) {
        (Handles::Everything, _) | (Handles::Releases, false) | (Handles::Snapshots, true) => Ok(()),
        _ => Err(Refusal::new(
            409,
            format!(
                "The repository '{key}' rejected the artifact '{key}:{path}' due to its snapshot/release handling policy."
            ),
        )),
    }
}

/// A path cannot be a folder and a file.
fn check_shape(state: &State, key: &str, path: &str) -> Result<(), Refusal> {
    if state.children(key, path).is_some() {
        return Err(Refusal::new(409, format!("'{key}:{path}' is a folder: a file cannot replace it.")));
    }
    let parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    match parents.map(|parent| (key.to_owned(), parent.to_owned())).find(|parent| state.files.contains_key(parent)) {
        Some((_, parent)) => {
            Err(Refusal::new(409, format!("'{key}:{parent}' is a file: nothing can be deployed under it.")))
        }
        None => Ok(()),
    }
}

/// The checksums in the request's headers; `X-Checksum` is of the kind that its length tells.
fn sent_checksums(request: &Request) -> Result<BTreeMap<&'static str, String>, Refusal> {
    let mut sent = BTreeMap::new();
    for (kind, header, length) in
        [("sha1", "x-checksum-sha1", 40), ("sha256", "x-checksum-sha256", 64), ("md5", "x-checksum-md5", 32)]
    {
        let specific = request.header(header);
        let general = Some(request.header("x-checksum")).filter(|value| value.len() == length).unwrap_or_default();
        let value = if specific.is_empty() { general } else { specific };
        if value.is_empty() {
            continue;
        }
        if value.len() != length || !value.chars().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Refusal::new(400, format!("'{value}' is not a {kind} checksum")));
        }
        sent.insert(kind, value.to_ascii_lowercase());
    }
    Ok(sent)
}

/// Content for a checksum deploy: known to this server, and readable by the caller.
fn known_content(state: &State, caller: &Caller, sent: &BTreeMap<&str, String>) -> Result<Bytes, Refusal> {
    let (sha1, sha256, md5) = (sent.get("sha1"), sent.get("sha256"), sent.get("md5"));
    if sha1.or(sha256).or(md5).is_none() {
        return Err(Refusal::new(400, "Checksum deploy failed: no checksum header was sent."));
    }
    let same = |digests: &Digests| {
        sha1.is_none_or(|sha1| *sha1 == digests.sha1)
            && sha256.is_none_or(|sha256| *sha256 == digests.sha256)
            && md5.is_none_or(|md5| *md5 == digests.md5)
    };
    let known =
        state.files.iter().find(|((key, _), file)| same(&file.digests) && state.may(caller, key, Permission::Read));
    known.map(|(_, file)| file.content.clone()).ok_or_else(|| {
        let (sha1, sha256) = (sha1.map_or("", String::as_str), sha256.map_or("", String::as_str));
        Refusal::new(
            404,
            format!("Checksum deploy failed. No existing file found with SHA1: '{sha1}', or SHA-256: '{sha256}'"),
        )
    })
}

fn check_sent(sent: &BTreeMap<&str, String>, digests: &Digests, key: &str, path: &str) -> Result<(), Refusal> {
    for (kind, actual) in [("sha1", &digests.sha1), ("sha256", &digests.sha256), ("md5", &digests.md5)] {
        if let Some(original) = sent.get(kind).filter(|&original| original != actual) {
            return Err(Refusal::new(
                409,
                format!(
                    "Checksum policy 'LocalRepoChecksumPolicy: CLIENT' rejected the artifact '{key}:{path}'. Checksum info: \
                     {kind}: original='{original}', actual='{actual}'"
                ),
            ));
        }
    }
    Ok(())
}

/// The type that a file's extension stands for.
pub(super) fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("json") => "application/json",
        Some("xml" | "pom") => "application/xml",
        Some("jar" | "war") => "application/java-archive",
        Some("tgz" | "gz") => "application/x-gzip",
        Some("zip" | "whl") => "application/zip",
        Some("txt" | "md") => "text/plain",
        _ => "application/octet-stream",
    }
}
