//! I3: of what was in the repository before nothing is as much as sent.

use std::collections::BTreeSet;

use hyper::Method;
use percent_encoding::percent_decode_str;

use super::{STORAGE, Verdict, Witness, below_npm, below_simple, is_upload, stored_by};
use crate::stack::artifactory::{self, StoredFile};
use crate::stack::http::{Fault, Request, Seen};
use crate::stack::planned::tarball;

/// I3: for a file that was there no publication is as much as sent, whatever a server would make of it.
pub(crate) fn i3_nothing_that_existed_is_sent(witness: &Witness, before: &[StoredFile]) -> Verdict {
    let before: BTreeSet<&str> = before.iter().map(|file| file.path.as_str()).collect();
    let to_artifactory = |seen: &&Seen| seen.service == artifactory::SERVICE;
    for Seen { request, .. } in witness.seen.iter().filter(to_artifactory) {
        for path in sent(request, &before) {
            if before.contains(path.as_str()) && !is_hidden(witness, &path) {
                return Err(format!("I3: {path} was there, and was sent all the same: {}", request.path));
            }
        }
    }
    Ok(())
}

/// The paths of what a request is to put into the repository. An upload form says no more than a file's name, which
/// belongs to one release.
pub(super) fn sent(request: &Request, before: &BTreeSet<&str>) -> Vec<String> {
    if is_upload(request) {
        let what = stored_by(request);
        let file = what.rsplit(' ').next().unwrap_or_default();
        return before.iter().filter(|path| path.rsplit('/').next() == Some(file)).map(|&path| path.into()).collect();
    }
    if request.method != Method::PUT || request.path.contains(STORAGE) {
        return Vec::new();
    }
    if !request.path.contains("/api/") {
        return vec![file(&request.path)];
    }
    let document = request.json();
    let name = document["name"].as_str().unwrap_or_default();
    document["versions"].as_object().into_iter().flatten().map(|(version, _)| tarball(name, version)).collect()
}

/// The path below a repository's key, without properties.
fn file(encoded: &str) -> String {
    let below = encoded.trim_start_matches("/artifactory/").split_once('/').map_or("", |(_, path)| path);
    let plain = below.split(';').next().unwrap_or_default();
    percent_decode_str(plain).decode_utf8_lossy().into_owned()
}

/// Whether a drawn refusal hid the only place that tells of the file, so that nobody could know.
fn is_hidden(witness: &Witness, path: &str) -> bool {
    let denied = |seen: &&Seen| matches!(seen.fault, Some(Fault::Answer { status: 401 | 403, .. }));
    let (name, _) = path.split_once("/-/").unwrap_or((path, ""));
    let tells = |request: &Request| {
        let asked = percent_decode_str(&request.path).decode_utf8_lossy();
        let is_listing = below_npm(&asked) && asked.ends_with(&format!("/{name}"));
        is_listing || below_simple(&asked) || asked.ends_with(&format!("/{path}"))
    };
    witness.seen.iter().filter(denied).any(|seen| seen.request.method != Method::PUT && tells(&seen.request))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hyper::header::{HeaderMap, HeaderValue};

    use super::*;

    fn request(method: Method, path: &str, body: &'static str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=b"));
        Request { method, path: path.into(), query: String::new(), headers, body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn what_a_request_sends_is_told_by_its_path_its_form_or_its_document() {
        let before = BTreeSet::from(["left-pad/1.0/left_pad-1.0.tar.gz", "web/a b.txt"]);
        let form = "--b\r\ncontent-disposition: form-data; name=\"content\"; filename=\"left_pad-1.0.tar.gz\"\r\n\r\nx";
        for (method, path, body, sends) in [
            (Method::PUT, "/artifactory/files-local/web/a%20b.txt;team=web", "x", "web/a b.txt"),
            (Method::POST, "/artifactory/api/pypi/pypi-local", form, "left-pad/1.0/left_pad-1.0.tar.gz"),
            (
                Method::PUT,
                "/artifactory/api/npm/npm-local/left",
                r#"{"name":"left","versions":{"1.0.0":{}}}"#,
                "left/-/left-1.0.0.tgz",
            ),
        ] {
            assert_eq!(sent(&request(method, path, body), &before), [sends], "{path}");
        }
        let properties = request(Method::PUT, "/artifactory/api/storage/files-local/web/a%20b.txt", "");
        assert!(sent(&properties, &before).is_empty(), "properties are no content");
    }
}
