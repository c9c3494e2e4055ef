//! What can be asked about the server, its repositories and what they hold: `api/system`,
//! `api/repositories` and `api/storage`.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::auth::{Caller, authenticate};
use super::config::{Class, Endpoint, Handles, Permission, PomChecks, Snapshots, Unauthorized};
use super::dates;
use super::path::{Location, encode, storage_properties};
use super::reply::{Refusal, pretty};
use super::state::{File, State};
use super::storage::{media_type, readable};
use crate::stack::http::{self, Reply, Request};

pub(super) const VERSION: &str = "7.111.4";

pub(super) fn ping(state: &mut State, request: &Request) -> Result<Reply, Refusal> {
    authenticate(state, request)?;
    Ok(http::reply(200, &[("content-type", "text/plain")], "OK"))
}

pub(super) fn version(state: &mut State, request: &Request) -> Result<Reply, Refusal> {
    authenticate(state, request)?;
    let body = json!({ "version": VERSION, "revision": "71104900", "addons": ["properties", "npm", "pypi"], "license": "stack" });
    Ok(document("application/vnd.org.jfrog.artifactory.system.Version+json", &body))
}

/// `api/repositories/{key}`: everything for administrators and managers, the essentials for others.
pub(super) fn repository(state: &mut State, request: &Request, key: &str) -> Result<Reply, Refusal> {
    if let Endpoint::Answers(status) = state.switches.repositories_api {
        return Err(Refusal::new(status, "This endpoint is not available."));
    }
    let caller = authenticate(state, request)?;
    if request.method != Method::GET {
        return Err(Refusal::new(405, "Method Not Allowed"));
    }
    let missing = state.switches.missing_repository;
    let missing = || Refusal::new(missing, if missing == 400 { "Bad Request" } else { "Repository not found" });
    let repository = state.repositories.get(&super::path::decode(key)?).ok_or_else(missing)?;
    let reads = state.may(&caller, &repository.key, Permission::Read)
        || state.reads_from(&repository.key).iter().any(|member| state.may(&caller, member, Permission::Read));
    if !reads && state.switches.unauthorized == Unauthorized::Hidden {
        return Err(missing());
    }
    if !reads {
        state.require(&caller, &repository.key, "", Permission::Read)?;
    }
    let rclass = match repository.class {
        Class::Local => "local",
        Class::Remote => "remote",
        Class::Virtual { .. } => "virtual",
    };
    let mut body = json!({
        "key": repository.key, "rclass": rclass, "packageType": repository.package_type, "description": "",
    });
    if let Some(body) = body.as_object_mut().filter(|_| state.may(&caller, &repository.key, Permission::Manage)) {
        body.insert("repoLayoutRef".to_owned(), Value::from(format!("{}-default", repository.package_type)));
        match &repository.class {
            Class::Virtual { members, deploys_to } => {
                body.insert("repositories".to_owned(), json!(members));
                body.insert("defaultDeploymentRepo".to_owned(), json!(deploys_to.clone().unwrap_or_default()));
            }
            Class::Local | Class::Remote => {
                body.insert("handleReleases".to_owned(), Value::from(repository.handles != Handles::Snapshots));
                body.insert("handleSnapshots".to_owned(), Value::from(repository.handles != Handles::Releases));
                if super::maven::is_laid_out(repository) {
                    let behaviour = match repository.snapshots {
                        Snapshots::Unique => "unique",
                        Snapshots::NonUnique => "non-unique",
                        Snapshots::Deployer => "deployer",
                    };
                    body.insert("snapshotVersionBehavior".to_owned(), Value::from(behaviour));
                    let suppressed = repository.pom_checks == PomChecks::Suppressed;
                    body.insert("suppressPomConsistencyChecks".to_owned(), Value::from(suppressed));
                }
                body.insert("checksumPolicyType".to_owned(), Value::from("client-checksums"));
            }
        }
    }
    let kind =
        format!("application/vnd.org.jfrog.artifactory.repositories.{}RepositoryConfiguration+json", capital(rclass));
    Ok(document(&kind, &body))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// `api/storage/{repo}/{path}`.
pub(super) fn storage(state: &mut State, request: &Request, raw: &str) -> Result<Reply, Refusal> {
    if let Endpoint::Answers(status) = state.switches.storage_api {
        return Err(Refusal::new(status, "This endpoint is not available."));
    }
    let caller = authenticate(state, request)?;
    let location = Location::parse(raw)?;
    match request.method {
        Method::GET => read(state, &caller, request, &location),
        Method::PUT => set_properties(state, &caller, request, &location),
        _ => Err(Refusal::new(405, "Method Not Allowed")),
    }
}

fn read(state: &State, caller: &Caller, request: &Request, location: &Location) -> Result<Reply, Refusal> {
    let (key, path) = (&location.repository, &location.path);
    let missing = || Refusal::new(404, "Unable to find item");
    if !state.repositories.contains_key(key) {
        return Err(missing());
    }
    let places = readable(state, caller, key, path)?;
    if let Some(origin) = &state.switches.reads_redirect_to {
        let address = format!("{origin}{}?{}", request.path, request.query);
        return Ok(http::reply(302, &[("location", address.trim_end_matches('?'))], ""));
    }
    let found = places.iter().find_map(|repository| {
        let file = state.files.get(&(repository.clone(), path.clone()))?;
        Some((repository, file))
    });
    if let Some((repository, file)) = found {
        if request.query.split('&').any(|part| part == "properties" || part.starts_with("properties=")) {
            if file.properties.is_empty() {
                return Err(Refusal::new(404, "No properties could be found."));
            }
            let uri = format!("{}/api/storage/{repository}/{}", state.base(), encode(path));
            let body = json!({ "properties": file.properties, "uri": uri });
            return Ok(document("application/vnd.org.jfrog.artifactory.storage.ItemProperties+json", &body));
        }
        let body = file_info(state, repository, path, file);
        return Ok(document("application/vnd.org.jfrog.artifactory.storage.FileInfo+json", &body));
    }
    let children = places.iter().find_map(|repository| Some((repository, state.children(repository, path)?)));
    let (repository, children) = children.ok_or_else(missing)?;
    let children: Vec<Value> =
        children.into_iter().map(|(name, folder)| json!({ "uri": format!("/{name}"), "folder": folder })).collect();
    let body = json!({
        "repo": repository, "path": format!("/{path}"), "created": dates::iso(state.now()), "children": children,
        "uri": format!("{}/api/storage/{repository}/{}", state.base(), encode(path)),
    });
    Ok(document("application/vnd.org.jfrog.artifactory.storage.FolderInfo+json", &body))
}

/// A file as the storage API shows it; the size is text.
pub(super) fn file_info(state: &State, repository: &str, path: &str, file: &File) -> Value {
    let originals: Map<String, Value> =
        file.sent.iter().map(|(&kind, value)| (kind.to_owned(), Value::from(value.as_str()))).collect();
    let created = dates::iso(file.created);
    json!({
        "repo": repository, "path": format!("/{path}"), "created": created, "createdBy": file.created_by,
        "lastModified": created, "modifiedBy": file.created_by, "lastUpdated": created,
        "downloadUri": format!("{}/{repository}/{}", state.base(), encode(path)),
        "mimeType": media_type(path), "size": file.content.len().to_string(),
        "checksums": { "sha1": file.digests.sha1, "md5": file.digests.md5, "sha256": file.digests.sha256 },
        "originalChecksums": originals,
        "uri": format!("{}/api/storage/{repository}/{}", state.base(), encode(path)),
    })
}

fn set_properties(
    state: &mut State,
    caller: &Caller,
    request: &Request,
    location: &Location,
) -> Result<Reply, Refusal> {
    let key = state.deploys_to(&location.repository)?;
    state.require(caller, &key, &location.path, Permission::Deploy)?;
    let given = request.query.split('&').find_map(|part| part.strip_prefix("properties="));
    let given = storage_properties(given.ok_or_else(|| Refusal::new(400, "No properties were given"))?)?;
    let file =
        state.files.get_mut(&(key, location.path.clone())).ok_or_else(|| Refusal::new(404, "Unable to find item"))?;
    for (name, _) in &given {
        file.properties.remove(name);
    }
    for (name, value) in given {
        file.properties.entry(name).or_default().push(value);
    }
    Ok(http::reply(204, &[], ""))
}

fn document(kind: &str, body: &Value) -> Reply {
    http::reply(200, &[("content-type", kind)], pretty(body))
}
