//! What is sent to publish a package: the package document with one version and the archive in base64 inside, as one
//! PUT that is streamed.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::PackageError;
use super::bins;
use super::js;
use super::manifest::{Identity, refused};
use super::order;
use super::version::{outranks, tag_problem};
use crate::package::{Digests, Target, hex};
use crate::plan::PackagePlan;
use crate::registry::url::{RepoPath, encode_segment};
use crate::step::{Body, Content, Listing, Lists, Method, PlannedFile, Rivals, Segment, Step, Tag, Wanted, Way};

/// How npm asks for a package document: the abbreviated form where the server has it.
const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

/// A package ready to be sent.
#[derive(Debug)]
pub(super) struct Package {
    /// Where in the artifact its manifest is, for messages.
    pub(super) path: String,
    /// Name and version.
    pub(super) identity: Identity,
    /// The normalised manifest.
    pub(super) manifest: Map<String, Value>,
    /// The archive.
    pub(super) content: Content,
    /// The archive's digests.
    pub(super) digests: Digests,
    /// What the person should know.
    pub(super) warnings: Vec<String>,
}

impl Package {
    /// The plan that publishes it.
    pub(super) fn plan(mut self, target: &Target) -> Result<PackagePlan, PackageError> {
        let tag = self.tag(target)?;
        let moves_latest = !target.options.contains_key("tag") && self.publish_config("tag").is_none();
        let access = self.access()?;
        let Self { path, identity, mut manifest, content, digests, warnings } = self;
        let needs = order::needed(&manifest);
        let commands = bins::paths(&manifest).iter().map(|path| js::segments(path).join("/")).collect();
        let of = identity.coordinates();
        let file = format!("{}-{}.tgz", of.name, of.version);
        let stored = format!("{}/-/{file}", of.name);
        let repository = format!("api/npm/{}", target.repository);
        let address = target.base.join(&format!("{repository}/{stored}"));
        // The registry answers with its own address; npm has always sent this one without TLS.
        let tarball = match address.strip_prefix("https://") {
            Some(rest) => format!("http://{rest}"),
            None => address,
        };
        let dist = manifest.entry("dist").or_insert_with(|| json!({}));
        // What is no object is spread into one by its places.
        let spread: Map<String, Value> = match &*dist {
            Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item.clone())).collect(),
            Value::String(text) => text.chars().enumerate().map(|(at, sign)| (at.to_string(), json!(sign))).collect(),
            _ => Map::new(),
        };
        if !dist.is_object() {
            *dist = Value::Object(spread);
        }
        if let Value::Object(dist) = dist {
            let integrity = digests.sha512.map(|sha512| json!(format!("sha512-{}", base64(&sha512))));
            dist.extend(integrity.map(|integrity| ("integrity".to_owned(), integrity)));
            dist.insert("shasum".to_owned(), json!(hex(&digests.sha1)));
            dist.insert("tarball".to_owned(), json!(tarball));
        }
        let mut head = Map::new();
        head.insert("_id".to_owned(), json!(of.name));
        head.insert("name".to_owned(), json!(of.name));
        if let Some(description) = manifest.get("description") {
            head.insert("description".to_owned(), description.clone());
        }
        head.insert("dist-tags".to_owned(), json!({tag.clone(): of.version}));
        head.insert("versions".to_owned(), json!({of.version.clone(): manifest}));
        head.insert("access".to_owned(), access);
        let head = Value::Object(head).to_string();
        let head = head.strip_suffix('}').unwrap_or(&head);
        let head = format!(
            "{head},\"_attachments\":{{{}:{{\"content_type\":\"application/octet-stream\",\"data\":\"",
            json!(file)
        );
        let tail = format!("\",\"length\":{}}}}}}}", digests.size);
        let place = RepoPath::parse(&stored)
            .ok_or_else(|| refused(&path, &format!("cannot be stored at {stored:?}"), "choose another name"))?;
        let escaped = of.name.replace('/', "%2f");
        let path = format!("{repository}/{escaped}");
        let all = format!("{repository}/-/package/{escaped}/dist-tags");
        let wanted = if target.options.contains_key("tag") { Wanted::ByAction } else { Wanted::ByPackage };
        let step = Step {
            way: Way::Api,
            method: Method::Put,
            path: path.as_str().into(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: Body(vec![
                Segment::Bytes(Bytes::from(head)),
                Segment::Base64(content),
                Segment::Bytes(Bytes::from(tail)),
            ]),
            file: PlannedFile::new(place, digests).same_by_files_with(commands),
            listing: Some(Box::new(Listing {
                path,
                accept: ACCEPT,
                lists: Lists::Versions {
                    pointer: vec!["versions".to_owned(), of.version.clone(), "dist".to_owned()],
                    // As npm does it: whoever names a tag knows what he does.
                    rivals: moves_latest.then(|| Rivals { version: of.version.clone(), outranks }),
                },
            })),
            tag: Some(Box::new(Tag {
                one: format!("{all}/{}", encode_segment(&tag)),
                all,
                name: tag,
                version: of.version.clone(),
                wanted,
            })),
        };
        Ok(PackagePlan { of, steps: vec![step], needs, warnings })
    }

    /// The dist-tag: the option, else `tag` of the manifest, else its `publishConfig.tag`, else `latest`.
    fn tag(&mut self, target: &Target) -> Result<String, PackageError> {
        let own = self.manifest.get("tag").filter(|tag| js::truthy(Some(tag))).map(js::text);
        let configured = self.publish_config("tag").map(js::text);
        let option = target.options.get("tag").map(|tag| js::trim(tag).to_owned());
        if self.identity.version.is_prerelease() && option.is_none() && configured.is_none() {
            return Err(refused(
                &self.path,
                &format!(
                    "has the prerelease {} and no dist-tag, and \"latest\" must not point to it",
                    self.identity.version
                ),
                "name one with Options: tag=next, or with publishConfig.tag",
            ));
        }
        if let Some(option) = option {
            if let Some(problem) = tag_problem(&option) {
                return Err(PackageError::Option { name: "tag", value: option, problem: problem.to_owned() });
            }
            if own.as_ref().is_some_and(|own| *own != option) {
                self.warnings.push(format!("the option tag={option} goes before \"tag\" of the package.json"));
            }
            return Ok(option);
        }
        let tag = own.or(configured).unwrap_or_else(|| "latest".to_owned());
        match tag_problem(&tag) {
            Some(problem) => Err(refused(
                &self.path,
                &format!("has the dist-tag {tag:?}, which {problem}"),
                "choose another, or name one with Options: tag=…",
            )),
            None => Ok(tag),
        }
    }

    fn access(&self) -> Result<Value, PackageError> {
        match self.publish_config("access") {
            None => Ok(Value::Null),
            Some(access) if access == "restricted" && !self.identity.name.starts_with('@') => Err(refused(
                &self.path,
                "has publishConfig.access \"restricted\", which only a scoped package can have",
                "remove it, or give the package a scope",
            )),
            Some(access) if access == "public" || access == "restricted" => Ok(access.clone()),
            Some(other) => Err(refused(
                &self.path,
                &format!("has publishConfig.access {other}"),
                "make it \"public\" or \"restricted\"",
            )),
        }
    }

    fn publish_config(&self, key: &str) -> Option<&Value> {
        let value = self.manifest.get("publishConfig")?.get(key)?;
        js::truthy(Some(value)).then_some(value)
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
