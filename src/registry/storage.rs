//! What Artifactory's storage knows of a file: asked by its API ("File Info" of Artifactory's REST API), told in the
//! answer to a deploy, or in the headers of the file itself.

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError};
use super::look::{Care, Found, Side, compare, sha256, visible};
use super::url::RepoKey;
use super::wire::{Answer, Lost, Request, Take, Text, Wire};
use crate::deadline::Deadline;
use crate::step::{PlannedFile, Step};

#[derive(Deserialize)]
struct StorageItem {
    path: Option<String>,
    checksums: Option<Checksums>,
    children: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Checksums {
    sha1: Option<String>,
    sha256: Option<String>,
}

impl Registry {
    pub(super) async fn look_at_storage(
        &self,
        repository: &RepoKey,
        step: &Step,
        care: Care,
        budget: &Budget,
    ) -> Result<Side, RegistryError> {
        let by_api = match visible(self.read_storage(repository, step, &mut budget.clone()).await)? {
            Ok(Answer { text, .. }) => of_storage(&text, &step.file),
            Err(hidden) => Side::Found(hidden),
        };
        // Who closes the API may do so with 404; on the first attempt the listing is believed, which spares a request.
        let is_closed = match by_api {
            Side::Found(Found::Unknown) => true,
            Side::Found(Found::Absent) => care == Care::OursMayBeThere,
            _ => false,
        };
        if !is_closed {
            return Ok(by_api);
        }
        match self.read_file(repository, step, &mut budget.clone()).await {
            Ok(Checksums { sha1, sha256 }) => Ok(match compare(sha256, sha1, &step.file.digests) {
                // Of whatever answers there: no file of Artifactory's is without them.
                Side::Undigested => by_api,
                by_file @ Side::Found(_) => by_file,
            }),
            // Where a failing server says nothing, a file must not be taken for absent.
            Err(error @ (RegistryError::Unavailable { .. } | RegistryError::OutOfTime { .. }))
                if by_api == Side::Found(Found::Absent) =>
            {
                Err(error)
            }
            // Whether there is none or the file is hidden as well, nothing more is known than before. An answer without a
            // body has no words for people; those of the API are better.
            Err(_) => Ok(by_api),
        }
    }

    /// Whether what the user cannot find in the repository is not there. Servers may hide from users what they may not
    /// see, and a plain `PUT` would overwrite it; the repository's own root is always there, so that a 404 for it says
    /// that there is no repository, or none for this user.
    pub(super) async fn sees(&self, repository: &RepoKey, budget: &Budget) -> Result<bool, RegistryError> {
        let look = async {
            let path = format!("api/storage/{repository}/");
            match self.read(self.storage(&path), &Text, &mut budget.clone()).await {
                Err(error @ RegistryError::NotFound(_)) => Err(error),
                read => visible(read).map(|read| read.is_ok()),
            }
        };
        self.sees.get_or_try_init(|| Box::pin(look)).await.copied()
    }

    pub(super) async fn read_storage(
        &self,
        repository: &RepoKey,
        step: &Step,
        budget: &mut Budget,
    ) -> Result<Answer, RegistryError> {
        let path = format!("api/storage/{repository}/{}", step.file.path.encoded());
        self.read(self.storage(&path), &Text, budget).await
    }

    /// The checksums that the file itself is served with: `HEAD` of its path ("Retrieve Artifact" of Artifactory's REST
    /// API, `X-Checksum-Sha256` and `X-Checksum-Sha1`).
    async fn read_file(
        &self,
        repository: &RepoKey,
        step: &Step,
        budget: &mut Budget,
    ) -> Result<Checksums, RegistryError> {
        let path = format!("{repository}/{}", step.file.path.encoded());
        let request = Request { method: Method::HEAD, ..self.storage(&path) };
        self.read(request, &ChecksumHeaders, budget).await
    }

    fn storage<'p>(&self, path: &'p str) -> Request<'p> {
        Request {
            purpose: Purpose::Look,
            method: Method::GET,
            path,
            url: self.base.join(path),
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]),
            payload: None,
        }
    }
}

/// Reads the checksums that stand in an answer's headers.
struct ChecksumHeaders;

impl Take for ChecksumHeaders {
    type Taken = Checksums;

    async fn take(&self, _: &Wire, response: Response, _: Deadline) -> Result<Checksums, Lost> {
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Checksums { sha1: header("x-checksum-sha1"), sha256: header("x-checksum-sha256") })
    }
}

/// What the storage API says of a file's path.
fn of_storage(text: &[u8], file: &PlannedFile) -> Side {
    let Ok(item) = serde_json::from_slice(text) else {
        // Not the storage API, e.g. a sign-in page.
        return Side::Found(Found::Unknown);
    };
    let ours = &file.digests;
    if is_elsewhere(&item, file) {
        return Side::Found(Found::other("the path of another file".to_owned(), sha256(ours)));
    }
    let StorageItem { checksums, children, path: _ } = item;
    if children.is_some() {
        return Side::Found(Found::other("a folder".to_owned(), sha256(ours)));
    }
    checksums.map_or(Side::Undigested, |Checksums { sha1, sha256 }| compare(sha256, sha1, ours))
}

/// The digests in a deploy's own answer, where it has some of this file: computed by the server over what it received.
pub(super) fn of_deploy(text: &[u8], file: &PlannedFile) -> Option<Found> {
    let item = serde_json::from_slice(text).ok().filter(|item| !is_elsewhere(item, file))?;
    let StorageItem { checksums, .. } = item;
    let Checksums { sha1, sha256 } = checksums?;
    match compare(sha256, sha1, &file.digests) {
        Side::Found(found) => Some(found),
        Side::Undigested => None,
    }
}

/// Whether it is another file: somebody on the way took a part of the name for something else, as where a proxy decodes
/// paths and what follows a semicolon becomes a property.
fn is_elsewhere(item: &StorageItem, file: &PlannedFile) -> bool {
    item.path.as_deref().is_some_and(|path| path.trim_start_matches('/') != file.path.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Digests;
    use crate::registry::url::RepoPath;

    fn ours() -> Digests {
        Digests::of(&b"abc"[..]).unwrap()
    }

    fn file() -> PlannedFile {
        PlannedFile::new(RepoPath::parse("x").unwrap(), ours())
    }

    fn storage(json: &str) -> Side {
        of_storage(json.as_bytes(), &file())
    }

    fn same(side: &Side) -> bool {
        matches!(side, Side::Found(Found::Same))
    }

    fn other(side: &Side) -> bool {
        matches!(side, Side::Found(Found::Other(_)))
    }

    const SHA256: &str = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

    #[test]
    fn storage_decides_by_sha256_and_by_sha1_only_where_there_is_none() {
        assert!(same(&storage(&format!(r#"{{"checksums":{{"sha1":"wrong","sha256":"{SHA256}"}}}}"#))));
        assert!(same(&storage(&format!(r#"{{"checksums":{{"sha1":"{SHA1}","sha256":""}}}}"#))));
        assert!(other(&storage(&format!(r#"{{"checksums":{{"sha1":"{SHA1}","sha256":"00"}}}}"#))));
        assert!(other(&storage(r#"{"children":[]}"#)), "a folder");
        assert!(same(&storage(&format!(r#"{{"path":"/x","checksums":{{"sha256":"{SHA256}"}}}}"#))));
        assert!(other(&storage(&format!(r#"{{"path":"/y","checksums":{{"sha256":"{SHA256}"}}}}"#))), "another file");
        assert_eq!(storage(r#"{"checksums":{}}"#), Side::Undigested);
        assert_eq!(storage(r#"{"uri":"x"}"#), Side::Undigested);
        assert_eq!(storage("<html>"), Side::Found(Found::Unknown));
    }

    #[test]
    fn a_deploys_answer_counts_only_with_digests() {
        let answer = format!(r#"{{"path":"/x","size":"3","checksums":{{"sha256":"{SHA256}"}}}}"#);
        assert!(matches!(of_deploy(answer.as_bytes(), &file()), Some(Found::Same)));
        let elsewhere = answer.replace("/x", "/y");
        for answer in [&elsewhere, "", "{}", r#"{"ok":true}"#, "<html>", r#"{"checksums":{"md5":"x"}}"#] {
            assert_eq!(of_deploy(answer.as_bytes(), &file()), None, "{answer}");
        }
    }
}
