//! Where things are in Artifactory: the base that a credential is bound to, repository keys, and paths,
//! each parsed once into a type that cannot hold anything unsafe.

mod place;

use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};
use thiserror::Error;
use url::{Host, Url};

use crate::stamp::{PLACEHOLDER, Stamp};
pub use place::{Parts, Place, Places};

/// Everything but unreserved characters, `@` and `+`. Above all `;`, which would begin matrix parameters.
const SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b'+');

/// Percent-encodes one segment of a path.
pub fn encode_segment(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// Why a text is not a usable Artifactory base.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BaseError {
    /// Not a URL at all, or one without a host.
    #[error("is not a URL such as https://acme.jfrog.io")]
    NotAUrl,
    /// Neither `https` nor (where allowed) `http`.
    #[error("must begin with https:// (http:// only where the stack's ALLOW_HTTP is true)")]
    Scheme,
    /// `user:password@` in the URL.
    #[error("must not contain user information; the credential belongs into Secrets Manager")]
    UserInformation,
    /// `?…` or `#…`.
    #[error("must not contain a query or a fragment")]
    QueryOrFragment,
    /// A host with `%`, `\` or a trailing dot.
    #[error("has a host that is not plain: no '%', no '\\', no dot at its end")]
    Host,
    /// `.`, `..` or characters that a context path never has.
    #[error(
        "has a path that is not plain: letters, digits, '-', '_', '.', '~' between slashes, and no '.' or '..' segments"
    )]
    Path,
}

/// The base of one Artifactory, normalised: two spellings of the same place are equal.
///
/// `https://acme.jfrog.io`, `https://ACME.jfrog.io:443/artifactory/` and a link copied out of the web
/// interface (`…/ui/…`, `…/webapp/…`) are the same base. No other port or path is ever guessed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Base {
    /// Scheme, host, port and context path without `/artifactory` and without a trailing slash.
    platform: String,
}

impl Base {
    /// Parses what a person wrote. `allow_http` lets `http://` through.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, BaseError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(BaseError::NotAUrl)?;
        let allowed: &[&str] = if allow_http { &["https", "http"] } else { &["https"] };
        if !allowed.iter().any(|allowed| scheme.eq_ignore_ascii_case(allowed)) {
            return Err(BaseError::Scheme);
        }
        if rest.contains(['?', '#']) {
            return Err(BaseError::QueryOrFragment);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(BaseError::UserInformation);
        }
        if authority.contains(['%', '\\']) || rest.contains('\\') {
            return Err(BaseError::Host);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
        let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.iter().any(|segment| matches!(*segment, "." | "..") || !segment.chars().all(plain)) {
            return Err(BaseError::Path);
        }
        // What a browser's address bar shows is the base with the web interface's own path behind it.
        if let Some(at) = segments.iter().position(|segment| matches!(*segment, "ui" | "webapp")) {
            segments.truncate(at);
        }
        if segments.last() == Some(&"artifactory") {
            segments.pop();
        }
        let url = Url::parse(&format!("{scheme}://{authority}/")).map_err(|_| BaseError::NotAUrl)?;
        let host = match url.host().ok_or(BaseError::NotAUrl)? {
            Host::Domain(name) if name.is_empty() || name.ends_with('.') => return Err(BaseError::Host),
            host => host.to_string(),
        };
        let mut platform = format!("{}://{host}", url.scheme());
        // The parser has already dropped the scheme's default port.
        if let Some(port) = url.port() {
            platform = format!("{platform}:{port}");
        }
        for segment in segments {
            platform.push('/');
            platform.push_str(segment);
        }
        Ok(Self { platform })
    }

    /// The platform's root, where `/access` and `/ui` are; no trailing slash.
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// Artifactory's own root, `{platform}/artifactory`; no trailing slash.
    pub fn artifactory(&self) -> String {
        format!("{}/artifactory", self.platform)
    }

    /// The address of an (already encoded) path below Artifactory's root.
    pub fn join(&self, encoded_path: &str) -> String {
        format!("{}/{encoded_path}", self.artifactory())
    }

    /// Whether an address, e.g. out of a server's answer, lies at this base: same scheme, host, port and
    /// context path. Anything doubtful is not.
    pub fn contains(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else { return false };
        let Ok(own) = Url::parse(&format!("{}/", self.platform)) else {
            return false;
        };
        url.scheme() == own.scheme()
            && url.host() == own.host()
            && url.port_or_known_default() == own.port_or_known_default()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().starts_with(own.path())
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.platform)
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.platform)
    }
}

/// A repository's key: `[A-Za-z0-9][A-Za-z0-9._-]*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RepoKey(String);

impl RepoKey {
    /// The key, or `None` where the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut characters = text.chars();
        let first = characters.next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (first.is_ascii_alphanumeric() && characters.all(plain)).then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file's path inside a repository: relative, no empty, `.` or `..` segments, no control characters.
///
/// Cloning shares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepoPath(Arc<str>);

impl Serialize for RepoPath {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl RepoPath {
    /// The path, or `None` where the text is not a safe one.
    pub fn parse(text: &str) -> Option<Self> {
        let safe = |segment: &str| {
            !matches!(segment, "" | "." | "..") && !segment.chars().any(|c| c.is_control() || c == '\\')
        };
        text.split('/').all(safe).then(|| Self(text.into()))
    }

    /// The path of a file of one build: with its stamp where, behind so many bytes, there is the placeholder.
    #[must_use]
    pub fn stamped(&self, at: usize, stamp: &Stamp) -> Self {
        let (before, after) = self.0.split_at_checked(at).unwrap_or((&self.0, ""));
        // Digits, a dot and a hyphen lead nowhere.
        Self(match after.strip_prefix(PLACEHOLDER) {
            Some(after) => format!("{before}{stamp}{after}").into(),
            None => self.0.clone(),
        })
    }

    /// The path as people read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as it is sent: each segment percent-encoded.
    pub fn encoded(&self) -> String {
        self.0.split('/').map(encode_segment).collect::<Vec<_>>().join("/")
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> String {
        Base::parse(text, false).unwrap().platform().to_owned()
    }

    #[test]
    fn the_spellings_of_one_place_are_one_base() {
        for text in [
            "https://acme.jfrog.io",
            "https://acme.jfrog.io/",
            " https://ACME.jfrog.io:443/artifactory/ ",
            "HTTPS://acme.jfrog.io/artifactory",
            "https://acme.jfrog.io/ui/repos/tree/General/npm-local",
            "https://acme.jfrog.io/artifactory/webapp/",
        ] {
            assert_eq!(base(text), "https://acme.jfrog.io", "{text}");
        }
        assert_eq!(base("https://repo.corp:8443/jfrog/artifactory"), "https://repo.corp:8443/jfrog");
        assert_eq!(base("https://bücher.example/"), "https://xn--bcher-kva.example");
        assert_eq!(base("https://[::1]:8082"), "https://[::1]:8082");
        assert_eq!(Base::parse("http://h:80", true).unwrap().artifactory(), "http://h/artifactory");
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_refused() {
        for (text, error) in [
            ("acme.jfrog.io", BaseError::NotAUrl),
            ("https://", BaseError::NotAUrl),
            ("ftp://acme.jfrog.io", BaseError::Scheme),
            ("http://acme.jfrog.io", BaseError::Scheme),
            ("https://user:pw@acme.jfrog.io", BaseError::UserInformation),
            ("https://acme.jfrog.io@evil.example", BaseError::UserInformation),
            ("https://acme.jfrog.io?x", BaseError::QueryOrFragment),
            ("https://acme.jfrog.io/#x", BaseError::QueryOrFragment),
            ("https://acme.jfrog.io./", BaseError::Host),
            ("https://acme%2ejfrog.io/", BaseError::Host),
            ("https://acme.jfrog.io\\@evil.example", BaseError::UserInformation),
            ("https://acme.jfrog.io\\.evil.example", BaseError::Host),
            ("https://acme.jfrog.io/a/../b", BaseError::Path),
            ("https://acme.jfrog.io/%2e%2e/", BaseError::Path),
            ("https://acme.jfrog.io/a;b", BaseError::Path),
        ] {
            assert_eq!(Base::parse(text, false).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn an_address_is_contained_only_at_the_same_origin_and_context() {
        let base = Base::parse("https://repo.corp/jfrog", false).unwrap();
        assert!(base.contains("https://repo.corp/jfrog/artifactory/x"));
        assert!(base.contains("https://REPO.corp:443/jfrog/x"));
        for address in [
            "https://repo.corp/other",
            "http://repo.corp/jfrog/x",
            "https://repo.corp:444/jfrog/x",
            "https://evil/jfrog/",
            "/jfrog/x",
        ] {
            assert!(!base.contains(address), "{address}");
        }
    }

    #[test]
    fn keys_and_paths_admit_nothing_that_could_escape() {
        assert!(RepoKey::parse("npm-local.1_x").is_some());
        for key in ["", ".npm", "-npm", "a/b", "a b", "ä", "a;b"] {
            assert!(RepoKey::parse(key).is_none(), "{key}");
        }
        for path in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\\b", "a\nb"] {
            assert!(RepoPath::parse(path).is_none(), "{path:?}");
        }
        let (snapshot, stamp) = (RepoPath::parse("a/1-SNAPSHOT/a-1-SNAPSHOT.jar").unwrap(), Stamp::after(0, 0));
        assert_eq!(snapshot.stamped(17, &stamp).as_str(), "a/1-SNAPSHOT/a-1-19700101.000000-1.jar");
        assert!([0, 16, 99].into_iter().all(|at| snapshot.stamped(at, &stamp) == snapshot));
        assert_eq!(RepoPath::parse("@s/n/-/a b;c.tgz").unwrap().encoded(), "@s/n/-/a%20b%3Bc.tgz");
    }
}
