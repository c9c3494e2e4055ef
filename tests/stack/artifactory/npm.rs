//! The npm API of a repository: publish, packuments, archives and dist-tags, as real npm clients use them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use serde_json::{Map, Value, json};
use sha1::Digest;
use sha2::Sha512;

use super::auth::{Caller, authenticate};
use super::config::{Permission, Republish};
use super::npm_document::{self, packed_manifest};
use super::npm_version::{clean, compare, is_prerelease};
use super::path::{api_segments, encode};
use super::reply::Refusal;
use super::state::{Digests, File, Indexed, Place, Properties, State, hex};
use super::storage::{self, readable, refuse_by_policy};
use super::{dates, reply};
use crate::stack::http::{self, Reply, Request};

const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";

/// `api/npm/{repo}/{raw}`.
pub(super) fn serve(state: &mut State, request: &Request, key: &str, raw: &str) -> Result<Reply, Refusal> {
    let caller = authenticate(state, request)?;
    let segments = api_segments(raw)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    route(state, &caller, request, key, &segments).map_err(Refusal::of_npm)
}

fn route(
    state: &mut State,
    caller: &Caller,
    request: &Request,
    key: &str,
    segments: &[&str],
) -> Result<Reply, Refusal> {
    if state.repository(key)?.package_type != "npm" {
        return Err(Refusal::new(400, format!("Repository '{key}' is not an npm repository.")));
    }
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    match segments {
        ["-", "ping"] if reads => Ok(http::json(200, &json!({}))),
        ["-", "whoami"] if reads => Ok(http::json(200, &json!({ "username": caller.name() }))),
        ["-", "package", scope, name, "dist-tags", tag @ ..] if scope.starts_with('@') => {
            tags(state, caller, request, key, &format!("{scope}/{name}"), tag)
        }
        ["-", "package", name, "dist-tags", tag @ ..] => tags(state, caller, request, key, name, tag),
        ["-", ..] => Err(Refusal::new(404, "Not Found")),
        _ => match (package_and_file(segments), request.method.as_str()) {
            (Some((name, Some(file))), "GET" | "HEAD") => archive(state, caller, key, &name, &file),
            (Some((name, None)), "GET" | "HEAD") => document(state, caller, request, key, &name),
            (Some((name, None)), "PUT") => publish(state, caller, request, key, &name),
            (Some(_), _) => Err(Refusal::new(405, "Method Not Allowed")),
            (None, _) => Err(Refusal::new(404, "Not Found")),
        },
    }
}

/// `name`, `@s/n`, and each with `-/file.tgz` or, for scoped ones, `-/@s/file.tgz` behind it.
fn package_and_file(segments: &[&str]) -> Option<(String, Option<String>)> {
    let (name, rest) = match segments {
        [scope, name, rest @ ..] if scope.starts_with('@') => (format!("{scope}/{name}"), rest),
        [name, rest @ ..] if !name.starts_with('@') => ((*name).to_owned(), rest),
        _ => return None,
    };
    match rest {
        [] => Some((name, None)),
        ["-", file @ ..] if !file.is_empty() => Some((name, Some(file.join("/")))),
        _ => None,
    }
}

fn publish(state: &mut State, caller: &Caller, request: &Request, key: &str, name: &str) -> Result<Reply, Refusal> {
    let target = state.deploys_to(key)?;
    state.require(caller, &target, name, Permission::Deploy)?;
    if !request.header("content-type").starts_with("application/json") {
        return Err(Refusal::new(415, "Unsupported Media Type"));
    }
    let document = npm_document::parse(&request.body, name)?;
    let (version, path) = (&document.version, format!("{name}/-/{name}-{}.tgz", document.version));
    let handles = state.repository(&target)?.handles;
    refuse_by_policy(handles, is_prerelease(version), &target, &path)?;
    let exists = state.files.contains_key(&(target.clone(), path.clone()))
        || versions(state, std::slice::from_ref(&target), name).contains_key(version);
    let replaces =
        state.switches.npm_republish == Republish::Replaces && state.may(caller, &target, Permission::Delete);
    if exists && !replaces {
        return Err(Refusal::new(
            state.switches.npm_duplicate,
            format!("Package '{name}' version '{version}' already exists in '{target}': redeploying is forbidden."),
        ));
    }
    let properties = Properties::from([
        ("npm.name".to_owned(), vec![document.name]),
        ("npm.version".to_owned(), vec![version.clone()]),
    ]);
    let file = File {
        digests: Digests::of(&document.archive),
        content: document.archive,
        sent: BTreeMap::new(),
        properties,
        created: state.now(),
        created_by: caller.name().to_owned(),
        npm: Some(Indexed { manifest: document.manifest, hidden_reads: state.switches.npm_index_reads }),
    };
    storage::store(state, caller, &target, &path, file)?;
    set_tag(state, &target, name, version, &document.tag);
    Ok(http::json(201, &json!({ "ok": true, "id": name })))
}

/// What a plain deploy of an archive into an npm repository adds: its manifest and properties. A file
/// that is no package is stored all the same, but nobody can install it.
pub(super) fn index_plain(
    state: &State,
    key: &str,
    path: &str,
    content: &Bytes,
    properties: &mut Properties,
) -> Option<Indexed> {
    let is_npm = state.repositories.get(key).is_some_and(|repository| repository.package_type == "npm");
    if !is_npm || path.rsplit_once('.').is_none_or(|(_, extension)| extension != "tgz") {
        return None;
    }
    let manifest = packed_manifest(content).ok()?;
    let name = manifest.get("name").and_then(Value::as_str)?.trim().to_owned();
    let version = manifest.get("version").and_then(Value::as_str).and_then(clean)?;
    properties.insert("npm.name".to_owned(), vec![name]);
    properties.insert("npm.version".to_owned(), vec![version]);
    Some(Indexed { manifest, hidden_reads: state.switches.npm_index_reads })
}

fn property<'a>(file: &'a File, name: &str) -> Option<&'a str> {
    file.properties.get(name)?.first().map(String::as_str)
}

/// Every indexed version of a package in these repositories; the first repository that has one wins.
fn versions(state: &State, repositories: &[String], name: &str) -> BTreeMap<String, Place> {
    let mut versions = BTreeMap::new();
    for repository in repositories {
        for (place, file) in state.files.iter().filter(|((key, _), file)| key == repository && file.npm.is_some()) {
            if let (Some(of), Some(version)) = (property(file, "npm.name"), property(file, "npm.version"))
                && of == name
            {
                versions.entry(version.to_owned()).or_insert_with(|| place.clone());
            }
        }
    }
    versions
}

/// Lets the index come nearer to what is there, as time does: with every look at it.
fn look(state: &mut State, repositories: &[String], name: &str) {
    for place in versions(state, repositories, name).into_values() {
        if let Some(npm) = state.files.get_mut(&place).and_then(|file| file.npm.as_mut()) {
            npm.hidden_reads = npm.hidden_reads.saturating_sub(1);
        }
    }
}

/// The same, less the versions that the index does not know yet.
fn listed(state: &State, repositories: &[String], name: &str) -> BTreeMap<String, Place> {
    let mut versions = versions(state, repositories, name);
    let hidden = |place: &Place| {
        state.files.get(place).and_then(|file| file.npm.as_ref()).is_some_and(|npm| npm.hidden_reads > 0)
    };
    versions.retain(|_, place| !hidden(place));
    versions
}

fn document(state: &mut State, caller: &Caller, request: &Request, key: &str, name: &str) -> Result<Reply, Refusal> {
    let repositories = readable(state, caller, key, name)?;
    let listed = listed(state, &repositories, name);
    look(state, &repositories, name);
    if listed.is_empty() {
        return Err(Refusal::new(404, "not_found"));
    }
    let abbreviated = request.header("accept").contains(ABBREVIATED);
    let mut manifests = Map::new();
    let mut time = Map::new();
    for (version, place) in &listed {
        let Some(file) = state.files.get(place) else { continue };
        let manifest = manifest(state, key, name, version, file);
        manifests.insert(version.clone(), Value::Object(if abbreviated { abridge(manifest) } else { manifest }));
        time.insert(version.clone(), Value::from(dates::iso(file.created)));
    }
    let mut body = json!({ "name": name, "dist-tags": tags_of(state, &listed), "versions": manifests });
    if let Some(body) = body.as_object_mut() {
        if abbreviated {
            body.insert("modified".to_owned(), Value::from(dates::iso(state.now())));
        } else {
            body.insert("_id".to_owned(), Value::from(name));
            body.insert("time".to_owned(), Value::Object(time));
        }
    }
    let kind = if abbreviated { ABBREVIATED } else { "application/json" };
    Ok(http::reply(200, &[("content-type", kind)], reply::pretty(&body)))
}

/// A version as the package's document shows it, its archive's address being this very repository.
fn manifest(state: &State, key: &str, name: &str, version: &str, file: &File) -> Map<String, Value> {
    let mut manifest = file.npm.as_ref().map(|npm| npm.manifest.clone()).unwrap_or_default();
    let tarball = format!("{}/api/npm/{key}/{1}/-/{1}-{2}.tgz", state.base(), encode(name), encode(version));
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(&file.content)));
    manifest.insert("name".to_owned(), Value::from(name));
    manifest.insert("version".to_owned(), Value::from(version));
    manifest.insert("_id".to_owned(), Value::from(format!("{name}@{version}")));
    manifest
        .insert("dist".to_owned(), json!({ "shasum": file.digests.sha1, "integrity": integrity, "tarball": tarball }));
    manifest
}

/// What an installer needs of a manifest.
fn abridge(mut manifest: Map<String, Value>) -> Map<String, Value> {
    const KEPT: [&str; 18] = [
        "name",
        "version",
        "deprecated",
        "dependencies",
        "optionalDependencies",
        "devDependencies",
        "bundleDependencies",
        "bundledDependencies",
        "peerDependencies",
        "peerDependenciesMeta",
        "bin",
        "directories",
        "dist",
        "engines",
        "cpu",
        "os",
        "libc",
        "hasInstallScript",
    ];
    let scripts = manifest.get("scripts").and_then(Value::as_object);
    let installs = scripts
        .is_some_and(|scripts| ["preinstall", "install", "postinstall"].iter().any(|&name| scripts.contains_key(name)));
    manifest.retain(|name, _| KEPT.contains(&name.as_str()));
    if installs {
        manifest.insert("hasInstallScript".to_owned(), Value::from(true));
    }
    manifest
}

/// The dist-tags of these versions; where none is `latest`, the highest release is.
fn tags_of(state: &State, versions: &BTreeMap<String, Place>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for (version, place) in versions {
        let on_file = state.files.get(place).and_then(|file| file.properties.get("npm.disttag"));
        for tag in on_file.into_iter().flatten() {
            tags.insert(tag.clone(), version.clone());
        }
    }
    let highest = versions
        .keys()
        .max_by(|one, other| is_prerelease(other).cmp(&is_prerelease(one)).then_with(|| compare(one, other)));
    if let Some(highest) = highest {
        tags.entry("latest".to_owned()).or_insert_with(|| highest.clone());
    }
    tags
}

/// Moves a tag to a version: it leaves every other file of the package.
fn set_tag(state: &mut State, repository: &str, name: &str, version: &str, tag: &str) {
    remove_tag(state, repository, name, tag);
    if let Some(place) = versions(state, &[repository.to_owned()], name).remove(version)
        && let Some(file) = state.files.get_mut(&place)
    {
        file.properties.entry("npm.disttag".to_owned()).or_default().push(tag.to_owned());
    }
}

fn remove_tag(state: &mut State, repository: &str, name: &str, tag: &str) {
    for place in versions(state, &[repository.to_owned()], name).into_values() {
        let Some(file) = state.files.get_mut(&place) else { continue };
        if let Some(tags) = file.properties.get_mut("npm.disttag") {
            tags.retain(|present| present != tag);
            if tags.is_empty() {
                file.properties.remove("npm.disttag");
            }
        }
    }
}

fn tags(
    state: &mut State,
    caller: &Caller,
    request: &Request,
    key: &str,
    name: &str,
    tag: &[&str],
) -> Result<Reply, Refusal> {
    let repositories = readable(state, caller, key, name)?;
    let listed = listed(state, &repositories, name);
    look(state, &repositories, name);
    if listed.is_empty() {
        return Err(Refusal::new(404, format!("Package '{name}' is not in repository '{key}'.")));
    }
    match (request.method.as_str(), tag) {
        ("GET", []) => Ok(http::json(200, &json!(tags_of(state, &listed)))),
        ("PUT" | "POST", [tag]) => {
            let target = state.deploys_to(key)?;
            state.require(caller, &target, name, Permission::Deploy)?;
            let Value::String(version) = request.json() else {
                return Err(Refusal::new(400, "the body is not a version as a JSON string"));
            };
            if listed.get(&version).is_none_or(|place| place.0 != target) {
                return Err(Refusal::new(
                    404,
                    format!("Version '{version}' of '{name}' is not in repository '{target}'."),
                ));
            }
            set_tag(state, &target, name, &version, tag);
            Ok(http::json(200, &json!({ "ok": true })))
        }
        ("DELETE", [tag]) => {
            let target = state.deploys_to(key)?;
            state.require(caller, &target, name, Permission::Deploy)?;
            remove_tag(state, &target, name, tag);
            Ok(http::json(200, &json!({ "ok": true })))
        }
        _ => Err(Refusal::new(405, "Method Not Allowed")),
    }
}

/// The archive itself; a scoped one is found with and without its scope before the file's name.
fn archive(state: &State, caller: &Caller, key: &str, name: &str, file: &str) -> Result<Reply, Refusal> {
    readable(state, caller, key, name)?;
    let scope = name.split_once('/').map(|(scope, _)| scope);
    let scoped = scope.filter(|&scope| !file.starts_with(scope)).map(|scope| format!("{name}/-/{scope}/{file}"));
    let path = scoped.unwrap_or_else(|| format!("{name}/-/{file}"));
    let (place, found) = state.find(key, &path).ok_or_else(|| Refusal::new(404, "File not found."))?;
    state.require(caller, &place.0, &path, Permission::Read)?;
    Ok(storage::download(found, &path))
}
