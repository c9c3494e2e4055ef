//! The document of a publish, taken apart strictly: every member that a real client sends is checked
//! against the bytes, and the archive against the document.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use sha1::{Digest, Sha1};
use sha2::Sha512;

use super::npm_version::clean;
use super::reply::{Refusal, Shape};
use super::state::hex;

/// What one publish holds.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) tag: String,
    pub(super) manifest: Map<String, Value>,
    pub(super) archive: Bytes,
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(400, message).shaped(Shape::Npm)
}

/// Reads the body of `PUT {name}`.
pub(super) fn parse(body: &[u8], name: &str) -> Result<Document, Refusal> {
    let document: Value =
        serde_json::from_slice(body).map_err(|error| bad(format!("the body is not JSON: {error}")))?;
    for member in ["_id", "name"] {
        if text(&document, member)? != name {
            return Err(bad(format!("'{member}' is not the name in the address, '{name}'")));
        }
    }
    let (version, manifest) = only(&document, "versions")?;
    let manifest = manifest.as_object().ok_or_else(|| bad("the version is not an object"))?.clone();
    if clean(&version).as_deref() != Some(&version) {
        return Err(bad(format!("'{version}' is not a clean semantic version")));
    }
    let (tag, tagged) = only(&document, "dist-tags")?;
    if tagged.as_str() != Some(&version) {
        return Err(bad(format!("the tag '{tag}' does not point at the version '{version}'")));
    }
    let held = Value::Object(manifest.clone());
    for (member, right) in
        [("name", name.to_owned()), ("version", version.clone()), ("_id", format!("{name}@{version}"))]
    {
        if text(&held, member)? != right {
            return Err(bad(format!("'{member}' of the version is not '{right}'")));
        }
    }
    let (file, attachment) = only(&document, "_attachments")?;
    if file != format!("{name}-{version}.tgz") {
        return Err(bad(format!("the attachment is called '{file}', not '{name}-{version}.tgz'")));
    }
    if text(&attachment, "content_type")? != "application/octet-stream" {
        return Err(bad("the attachment's content_type is not application/octet-stream"));
    }
    let archive = STANDARD
        .decode(text(&attachment, "data")?)
        .map_err(|error| bad(format!("the attachment is not base64: {error}")))?;
    if attachment.get("length").and_then(Value::as_u64) != u64::try_from(archive.len()).ok() {
        return Err(bad(format!("the attachment's length is not {}", archive.len())));
    }
    check_digests(held.get("dist").unwrap_or(&Value::Null), &archive)?;
    let packed = packed_manifest(&archive).map_err(bad)?;
    check_packed(&packed, name, &version)?;
    Ok(Document { name: name.to_owned(), version, tag, manifest, archive: archive.into() })
}

fn check_digests(dist: &Value, archive: &[u8]) -> Result<(), Refusal> {
    if text(dist, "shasum")? != hex(&Sha1::digest(archive)) {
        return Err(bad("dist.shasum is not the attachment's"));
    }
    let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(archive)));
    if text(dist, "integrity")? != integrity {
        return Err(bad("dist.integrity is not the attachment's"));
    }
    if !text(dist, "tarball")?.starts_with("http") {
        return Err(bad("dist.tarball is not an address"));
    }
    Ok(())
}

fn check_packed(packed: &Map<String, Value>, name: &str, version: &str) -> Result<(), Refusal> {
    let packed_name = packed.get("name").and_then(Value::as_str).map(str::trim);
    if packed_name != Some(name) {
        return Err(bad(format!("the archive is of '{}', not of '{name}'", packed_name.unwrap_or_default())));
    }
    let packed_version = packed.get("version").and_then(Value::as_str).and_then(clean);
    if packed_version.as_deref() != Some(version) {
        return Err(bad(format!("the archive is version '{}', not '{version}'", packed_version.unwrap_or_default())));
    }
    Ok(())
}

/// The one member of an object that must have exactly one.
fn only(document: &Value, member: &str) -> Result<(String, Value), Refusal> {
    let object =
        document.get(member).and_then(Value::as_object).ok_or_else(|| bad(format!("'{member}' is missing")))?;
    let mut members = object.iter();
    match (members.next(), members.next()) {
        (Some((name, value)), None) => Ok((name.clone(), value.clone())),
        _ => Err(bad(format!("'{member}' has {} members instead of one", object.len()))),
    }
}

fn text<'a>(value: &'a Value, member: &str) -> Result<&'a str, Refusal> {
    value.get(member).and_then(Value::as_str).ok_or_else(|| bad(format!("'{member}' is missing or not text")))
}

/// The `package.json` in an archive's one top folder. The whole archive must be sound: one gzip member
/// with a right checksum, tar headers of the ustar family, its end marked, and no path that leaves it.
pub(super) fn packed_manifest(archive: &[u8]) -> Result<Map<String, Value>, String> {
    let mut unpacked = Vec::new();
    let mut decoder = GzDecoder::new(archive);
    decoder.read_to_end(&mut unpacked).map_err(|error| format!("the archive is not gzip: {error}"))?;
    if !decoder.into_inner().is_empty() {
        return Err("the archive has bytes after its end".to_owned());
    }
    if unpacked.len() % 512 != 0 || !unpacked.ends_with(&[0; 1024]) {
        return Err("the archive inside is no whole tar: its end is not marked".to_owned());
    }
    let mut manifest = None;
    let mut tar = tar::Archive::new(unpacked.as_slice());
    for entry in tar.entries().map_err(|error| format!("the archive inside is no tar: {error}"))? {
        let mut entry = entry.map_err(|error| format!("the archive inside is no tar: {error}"))?;
        if entry.header().as_ustar().is_none() && entry.header().as_gnu().is_none() {
            return Err("a header of the archive is not of the ustar family".to_owned());
        }
        if entry.header().entry_type() == tar::EntryType::XGlobalHeader {
            continue;
        }
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| "a path in the archive is not UTF-8".to_owned())?;
        if path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(format!("the path '{path}' leaves the archive"));
        }
        if path.split_once('/').is_some_and(|(_, rest)| rest == "package.json") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(|error| format!("the archive cannot be read: {error}"))?;
            let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content).to_vec();
            manifest = serde_json::from_slice(&content)
                .map_err(|error| format!("package.json in the archive is not JSON: {error}"))?;
        }
    }
    manifest.ok_or_else(|| "the archive has no package.json".to_owned())
}
