//! What a Maven client finds: it reads the layout, believes nothing without its checksum, and asks the metadata for the
//! builds of a snapshot (Maven Repository Metadata; `-C`, strict checksums).

use std::collections::BTreeSet;

use sha1::{Digest as _, Sha1};

use super::*;

/// A client without a cache.
pub(super) struct Resolver {
    client: reqwest::Client,
    repository: String,
    token: String,
}

impl Resolver {
    pub(super) fn new(stack: &Stack, repository: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let repository = format!("{}/{repository}", stack.artifactory.url());
        Self { client, repository, token: stack.artifactory.token_of(USER) }
    }

    async fn get(&self, path: &str) -> Option<Vec<u8>> {
        let request = self.client.get(format!("{}/{path}", self.repository)).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        if answer.status() == 404 {
            return None;
        }
        assert_eq!(answer.status(), 200, "{path}");
        Some(answer.bytes().await.unwrap().to_vec())
    }

    /// A file, by its checksum.
    async fn verified(&self, path: &str) -> Option<Vec<u8>> {
        let bytes = self.get(path).await?;
        let sum = self.get(&format!("{path}.sha1")).await.unwrap_or_else(|| panic!("{path} has no checksum"));
        let own: String = Sha1::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(String::from_utf8(sum).unwrap().trim(), own, "{path}");
        Some(bytes)
    }

    /// The file of these coordinates.
    pub(super) async fn file(
        &self,
        [group, artifact, version]: [&str; 3],
        classifier: &str,
        extension: &str,
    ) -> Option<Vec<u8>> {
        let folder = format!("{}/{artifact}/{version}", group.replace('.', "/"));
        let mut build = version.to_owned();
        if version.ends_with("-SNAPSHOT") {
            let metadata = self.verified(&format!("{folder}/maven-metadata.xml")).await?;
            build = all(&String::from_utf8(metadata).unwrap(), "snapshotVersion").into_iter().find_map(|entry| {
                let is_it = all(&entry, "classifier").concat() == classifier && all(&entry, "extension") == [extension];
                is_it.then(|| all(&entry, "value").concat())
            })?;
        }
        let classifier = if classifier.is_empty() { String::new() } else { format!("-{classifier}") };
        self.verified(&format!("{folder}/{artifact}-{build}{classifier}.{extension}")).await
    }

    /// All versions of an artifact, and the newest release.
    pub(super) async fn versions(&self, group: &str, artifact: &str) -> (BTreeSet<String>, String) {
        let path = format!("{}/{artifact}/maven-metadata.xml", group.replace('.', "/"));
        let metadata = String::from_utf8(self.verified(&path).await.unwrap()).unwrap();
        (all(&metadata, "version").into_iter().collect(), all(&metadata, "release").concat())
    }
}

/// What stands in each element of this name.
fn all(text: &str, name: &str) -> Vec<String> {
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    let inner = text.split(begin.as_str()).skip(1).filter_map(|rest| rest.split_once(end.as_str()));
    inner.map(|(inner, _)| inner.to_owned()).collect()
}

#[tokio::test]
async fn a_client_finds_what_was_published_by_checksums_and_metadata() {
    let stack = stack().await;
    for version in ["1.0", "1.1", "2.0-SNAPSHOT"] {
        publish(&stack, library(version).bytes()).await;
    }
    let resolver = Resolver::new(&stack, LIBS);
    let (versions, release) = resolver.versions("org.acme", "lib").await;
    assert_eq!(versions, ["1.0", "1.1", "2.0-SNAPSHOT"].map(str::to_owned).into());
    assert_eq!(release, "1.1");
    for version in ["1.0", "1.1", "2.0-SNAPSHOT"] {
        let coordinates = ["org.acme", "lib", version];
        let found = resolver.file(coordinates, "", "jar").await.unwrap();
        assert_eq!(found, jar("org.acme", "lib", version));
        let found = resolver.file(coordinates, "", "pom").await.unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), pom("org.acme", "lib", version, ""));
        let found = resolver.file(coordinates, "sources", "jar").await.unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), format!("sources of {version}"));
        assert_eq!(resolver.file(coordinates, "tests", "jar").await, None);
    }
}
