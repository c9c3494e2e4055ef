//! The pypi API of a repository: the upload form that twine sends, the simple index in HTML and JSON, and the files, as
//! real pip reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::json;

use super::auth::{Caller, authenticate};
use super::config::{Permission, SimpleIndex};
use super::multipart::{self, Part};
use super::path::{api_segments, encode};
use super::reply::Refusal;
use super::state::{Digests, File, Properties, State};
use super::storage::{self, readable};
use crate::stack::http::{self, Reply, Request};

const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// Fields that may be there once, and those that may be there often.
const ONCE: [&str; 24] = [
    ":action",
    "protocol_version",
    "metadata_version",
    "name",
    "version",
    "summary",
    "description",
    "keywords",
    "home_page",
    "author",
    "author_email",
    "license",
    "download_url",
    "maintainer",
    "maintainer_email",
    "requires_python",
    "description_content_type",
    "license_expression",
    "filetype",
    "pyversion",
    "md5_digest",
    "sha256_digest",
    "blake2_256_digest",
    "content",
];
const OFTEN: [&str; 16] = [
    "platform",
    "supported_platform",
    "classifiers",
    "requires",
    "provides",
    "obsoletes",
    "requires_dist",
    "provides_dist",
    "obsoletes_dist",
    "requires_external",
    "project_urls",
    "provides_extra",
    "dynamic",
    "license_file",
    "import_name",
    "import_namespace",
];

/// `api/pypi/{repo}/{raw}`.
pub(super) fn serve(state: &mut State, request: &Request, key: &str, raw: &str) -> Result<Reply, Refusal> {
    let caller = authenticate(state, request)?;
    if state.repository(key)?.package_type != "pypi" {
        return Err(Refusal::new(400, format!("Repository '{key}' is not a PyPI repository.")));
    }
    let segments = api_segments(raw)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), &segments[..]) {
        ("POST", []) => upload(state, &caller, request, key),
        ("GET" | "HEAD", ["simple"]) => root(state, &caller, request, key),
        ("GET" | "HEAD", ["simple", project]) => page(state, &caller, request, key, project),
        ("GET" | "HEAD", [_, ..]) => {
            let path = segments.join("/");
            readable(state, &caller, key, &path)?;
            let (place, found) = state.find(key, &path).ok_or_else(|| Refusal::new(404, "File not found."))?;
            state.require(&caller, &place.0, &path, Permission::Read)?;
            Ok(storage::download(found, &path))
        }
        _ => Err(Refusal::new(405, "Method Not Allowed")),
    }
}

/// A form whose fields are each there as often as they may be.
struct Form(Vec<Part>);

impl Form {
    fn new(parts: Vec<Part>) -> Result<Self, Refusal> {
        let mut seen = BTreeSet::new();
        for part in &parts {
            let name = part.name.as_str();
            let again = !seen.insert(name);
            if !ONCE.contains(&name) && !OFTEN.contains(&name) || (again && ONCE.contains(&name)) {
                return Err(Refusal::new(400, format!("the form has a field '{name}' that is unknown or there twice")));
            }
            if std::str::from_utf8(&part.content).is_err() && part.file.is_none() {
                return Err(Refusal::new(400, format!("the field '{name}' is not UTF-8")));
            }
        }
        Ok(Self(parts))
    }

    fn part(&self, name: &str) -> Result<&Part, Refusal> {
        let part = self.0.iter().find(|part| part.name == name);
        part.ok_or_else(|| Refusal::new(400, format!("the form lacks the field '{name}'")))
    }

    fn text(&self, name: &str) -> Result<&str, Refusal> {
        let text = std::str::from_utf8(&self.part(name)?.content).unwrap_or_default();
        if text.is_empty() {
            return Err(Refusal::new(400, format!("the field '{name}' is empty")));
        }
        Ok(text)
    }
}

fn upload(state: &mut State, caller: &Caller, request: &Request, key: &str) -> Result<Reply, Refusal> {
    let target = state.deploys_to(key)?;
    let form = Form::new(multipart::parse(request.header("content-type"), &request.body)?)?;
    let bad = |what: String| Refusal::new(400, what);
    if (form.text(":action")?, form.text("protocol_version")?) != ("file_upload", "1") {
        return Err(bad("only ':action' file_upload of protocol_version 1 is served".to_owned()));
    }
    form.text("metadata_version")?;
    let (name, version) = (form.text("name")?, form.text("version")?);
    if [name, version].iter().any(|text| text.contains(['/', '\\']) || text.starts_with('.')) {
        return Err(bad(format!("'{name}' '{version}' cannot be a path")));
    }
    let content = form.part("content")?;
    let file = content.file.as_deref().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+!".contains(c);
    let (python, ends) = match form.text("filetype")? {
        "bdist_wheel" => (file.split('-').nth_back(2), &[".whl"][..]),
        "sdist" => (Some("source"), &[".tar.gz", ".zip"][..]),
        other => return Err(bad(format!("filetype '{other}' is not served"))),
    };
    if !file.chars().all(is_plain)
        || !ends.iter().any(|end| file.ends_with(end))
        || Some(form.text("pyversion")?) != python
    {
        return Err(bad(format!("'{file}' is not a file of that filetype and pyversion")));
    }
    let digests = Digests::of(&content.content);
    let mut told = 0;
    for (field, own) in [("md5_digest", &digests.md5), ("sha256_digest", &digests.sha256)] {
        if let Ok(sent) = form.text(field) {
            told += 1;
            if sent != own {
                return Err(bad(format!("{field} is {sent}, but the content has {own}")));
            }
        }
    }
    if told == 0 {
        return Err(bad("no digest of the content was sent".to_owned()));
    }
    let inside = identity(file, &content.content).ok_or_else(|| bad(format!("'{file}' holds no metadata")))?;
    if (normalised(&inside.0), inside.1.as_str()) != (normalised(name), version) {
        return Err(bad(format!("the form is of {name} {version}, but the file of {} {}", inside.0, inside.1)));
    }
    let path = format!("{name}/{version}/{file}");
    state.require(caller, &target, &path, Permission::Deploy)?;
    let mut properties = Properties::new();
    for (property, value) in
        [("pypi.name", name), ("pypi.version", version), ("pypi.normalized.name", &normalised(name))]
    {
        properties.insert(property.to_owned(), vec![value.to_owned()]);
    }
    if let Ok(requires) = form.text("requires_python") {
        properties.insert("pypi.requires.python".to_owned(), vec![requires.to_owned()]);
    }
    let file = File {
        content: content.content.clone(),
        digests,
        sent: BTreeMap::new(),
        properties,
        created: state.now(),
        created_by: caller.name().to_owned(),
        npm: None,
    };
    storage::store(state, caller, &target, &path, file)?;
    Ok(http::reply(200, &[], ""))
}

/// Name and version in the metadata of a distribution.
fn identity(file: &str, content: &Bytes) -> Option<(String, String)> {
    let text = if file.ends_with(".tar.gz") {
        let mut tar = tar::Archive::new(GzDecoder::new(&content[..]));
        let mut entries = tar.entries().ok()?.filter_map(Result::ok);
        let mut entry = entries.find(|entry| {
            entry.path().is_ok_and(|path| path.components().count() == 2 && path.ends_with("PKG-INFO"))
        })?;
        let mut text = String::new();
        entry.read_to_string(&mut text).ok()?;
        text
    } else {
        let mut zip = zip::ZipArchive::new(Cursor::new(content.clone())).ok()?;
        let is_metadata = |path: &str| match path.split_once('/') {
            Some((folder, "METADATA")) => folder.ends_with(".dist-info"),
            Some((_, file)) => file == "PKG-INFO",
            None => false,
        };
        let path = zip.file_names().filter_map(Result::ok).find(|path| is_metadata(path))?.into_owned();
        let mut text = String::new();
        zip.by_name(&path).ok()?.read_to_string(&mut text).ok()?;
        text
    };
    let value =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
    Some((value("Name")?, value("Version")?))
}

fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

/// Path and file of every distribution that is listed for this project, or for all of them.
fn listed<'s>(state: &'s State, places: &[String], project: Option<&str>) -> BTreeMap<&'s str, &'s File> {
    let mut listed = BTreeMap::new();
    for ((repository, path), file) in &state.files {
        let is_one = [".whl", ".tar.gz", ".zip"].iter().any(|end| path.ends_with(end));
        let of = path.split('/').next().map(normalised);
        if places.contains(repository) && is_one && project.is_none_or(|project| of.as_deref() == Some(project)) {
            listed.entry(path.as_str()).or_insert(file);
        }
    }
    listed
}

/// Which form of an index is answered with.
fn wants_json(state: &State, request: &Request) -> bool {
    state.switches.simple_index == SimpleIndex::Json && request.header("accept").contains(JSON)
}

fn root(state: &State, caller: &Caller, request: &Request, key: &str) -> Result<Reply, Refusal> {
    let places = readable(state, caller, key, "simple")?;
    let names: BTreeSet<String> =
        listed(state, &places, None).keys().filter_map(|path| path.split('/').next().map(normalised)).collect();
    if wants_json(state, request) {
        let names: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        let body = json!({ "meta": { "api-version": "1.0" }, "projects": names });
        return Ok(http::reply(200, &[("content-type", JSON)], body.to_string()));
    }
    let links: Vec<String> = names.iter().map(|name| format!("<a href=\"{name}/\">{name}</a><br/>")).collect();
    Ok(html("Simple Index", &links))
}

fn page(state: &State, caller: &Caller, request: &Request, key: &str, project: &str) -> Result<Reply, Refusal> {
    let places = readable(state, caller, key, project)?;
    let project = normalised(project);
    let listed = listed(state, &places, Some(&project));
    if listed.is_empty() {
        return Err(Refusal::new(404, format!("Could not find the project '{project}' in '{key}'.")));
    }
    let file_of = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let requires = |file: &File| file.properties.get("pypi.requires.python").and_then(|all| all.first()).cloned();
    if wants_json(state, request) {
        let file = |(path, file): (&&str, &&File)| {
            let url = format!("../../{}", encode(path));
            let mut entry =
                json!({ "filename": file_of(path), "url": url, "hashes": { "sha256": file.digests.sha256 } });
            if let Some(requires) = requires(file) {
                entry["requires-python"] = json!(requires);
            }
            entry
        };
        let files: Vec<_> = listed.iter().map(file).collect();
        let body = json!({ "meta": { "api-version": "1.0" }, "name": project, "files": files });
        return Ok(http::reply(200, &[("content-type", JSON)], body.to_string()));
    }
    let link = |(path, file): (&&str, &&File)| {
        let requires = requires(file).map(|requires| requires.replace('<', "&lt;").replace('>', "&gt;"));
        let requires = requires.map(|requires| format!(" data-requires-python=\"{requires}\"")).unwrap_or_default();
        let (name, sha256) = (file_of(path), &file.digests.sha256);
        format!("<a href=\"../../{}#sha256={sha256}\"{requires} rel=\"internal\">{name}</a><br/>", encode(path))
    };
    let links: Vec<String> = listed.iter().map(link).collect();
    Ok(html(&format!("Links for {project}"), &links))
}

fn html(title: &str, links: &[String]) -> Reply {
    let links = links.join("\n");
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title><meta name=\"api-version\" value=\"2\" /></head>\
         <body>\n<h1>{title}</h1>\n{links}\n</body></html>"
    );
    http::reply(200, &[("content-type", "text/html")], body)
}
