//! `package.json`: read under limits, and the refusals that need nothing but itself.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::super::PackageError;
use super::js;
use super::version::Version;
use crate::package::Coordinates;

/// Scripts that would build the package if they were run.
const BUILDING: [&str; 3] = ["prepublishOnly", "prepack", "prepare"];

/// Deepest nesting of objects and lists.
const MAX_DEPTH: usize = 128;

/// Parses the file at `path`. A byte order mark is fine, of a member that is there twice the last counts.
pub(super) fn parse(bytes: &[u8], path: &str) -> Result<Map<String, Value>, PackageError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // As every reader of Node's does it, what is no UTF-8 is read as far as it is.
    let text = String::from_utf8_lossy(bytes);
    let bytes = text.as_bytes();
    if depth(bytes) > MAX_DEPTH {
        let problem = format!("is not JSON that is read here: it is nested more than {MAX_DEPTH} levels deep");
        return Err(refused(path, &problem, "make it flatter"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    // Its own limit is one level below ours.
    reader.disable_recursion_limit();
    match Value::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(refused(path, "is not a JSON object", "make it an object with a name and a version")),
        Err(error) => {
            Err(refused(path, &format!("is not JSON: {error}"), "correct the file, or what writes it in the build"))
        }
    }
}

/// How deep the text is nested, at the most: a parser that fails on the way has seen no more.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut depth, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether the package must not be published.
pub(super) fn is_private(manifest: &Map<String, Value>) -> bool {
    js::truthy(manifest.get("private"))
}

/// Name and version of a package, cleaned.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The name, without blanks around it.
    pub(super) name: String,
    /// The version, without `v`, leading zeros and build metadata.
    pub(super) version: Version,
}

impl Identity {
    /// Reads them out of the manifest at `path`, or says what npm has against them.
    pub(super) fn of(manifest: &Map<String, Value>, path: &str) -> Result<Self, PackageError> {
        if is_private(manifest) {
            let value = manifest.get("private").map(js::text).unwrap_or_default();
            return Err(refused(
                path,
                &format!("is marked private ({value})"),
                "remove \"private\" from it, or leave it out with Files",
            ));
        }
        let name = match manifest.get("name") {
            Some(Value::String(name)) => js::trim(name).to_owned(),
            None | Some(Value::Null) => return Err(refused(path, "has no name", "add \"name\"")),
            Some(other) => {
                return Err(refused(path, &format!("has a name that is no string: {other}"), "correct it"));
            }
        };
        if let Some(problem) = name_problem(&name) {
            return Err(refused(path, &format!("has the name {name:?}, which {problem}"), "choose another name"));
        }
        let version = match manifest.get("version") {
            Some(Value::String(version)) if !version.is_empty() => Version::parse(version).ok_or_else(|| {
                refused(
                    path,
                    &format!("has the version {version:?}, which npm does not accept"),
                    "use one such as 1.2.3 or 1.2.3-beta.1",
                )
            })?,
            None | Some(Value::Null | Value::String(_)) => {
                return Err(refused(path, "has no version", "add \"version\""));
            }
            Some(other) => {
                return Err(refused(path, &format!("has a version that is no string: {other}"), "correct it"));
            }
        };
        Ok(Self { name, version })
    }

    /// As the plan names the package.
    pub(super) fn coordinates(&self) -> Coordinates {
        Coordinates { name: self.name.clone(), version: self.version.to_string() }
    }
}

/// What npm has against a name at publishing, as the end of a sentence.
fn name_problem(name: &str) -> Option<&'static str> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte))
    };
    let shapely = match name.strip_prefix('@') {
        Some(scoped) => {
            scoped.split_once('/').is_some_and(|(scope, rest)| plain(scope) && plain(rest) && !rest.starts_with('.'))
        }
        None => plain(name) && !name.starts_with(['.', '-', '_']),
    };
    match name.to_lowercase().as_str() {
        "" => Some("is empty"),
        "node_modules" | "favicon.ico" => Some("is reserved"),
        _ if !shapely => Some("is not a package name (name or @scope/name, of characters that need no escaping)"),
        _ => None,
    }
}

/// What the publisher should know about the manifest, though it stops nothing. `missing`: the files that it promises
/// and that are not in the package.
pub(super) fn warnings(manifest: &Map<String, Value>, is_folder: bool, missing: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(Value::Object(config)) = manifest.get("publishConfig") {
        if js::truthy(config.get("provenance")) {
            warnings.push(
                "publishConfig.provenance is ignored: a statement of provenance can be made only where the package is \
                 built"
                    .to_owned(),
            );
        }
        for (key, value) in config {
            if key == "registry" || key.ends_with(":registry") {
                warnings.push(format!(
                    "publishConfig.{key} ({}) is ignored: RepoKey and ArtifactoryHost say where to publish",
                    js::text(value)
                ));
            }
        }
    }
    let scripts = manifest.get("scripts").and_then(Value::as_object).filter(|_| is_folder);
    let present: Vec<&str> =
        BUILDING.into_iter().filter(|name| scripts.is_some_and(|scripts| scripts.contains_key(*name))).collect();
    match (present.as_slice(), missing) {
        ([], None) => {}
        ([], Some(missing)) => {
            warnings.push(format!("the package.json names what is not in the package: {missing}"));
        }
        (present, None) => {
            warnings.push(format!("scripts are never run here, so {} must have run in the build", present.join(", ")));
        }
        (present, Some(missing)) => warnings.push(format!(
            "scripts are never run here, so {} must have run in the build, but the package.json names what is not in \
             the package: {missing}",
            present.join(", ")
        )),
    }
    warnings
}

/// The manifest as a file, as package managers write it.
pub(super) fn written(manifest: &Map<String, Value>) -> Vec<u8> {
    // Maps of values that were read from text can always be written.
    let mut bytes = serde_json::to_vec_pretty(manifest).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A refusal about the manifest at `path`.
pub(super) fn refused(path: &str, problem: &str, remedy: &str) -> PackageError {
    PackageError::Refused { path: path.to_owned(), problem: problem.to_owned(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(json: &str) -> Result<String, String> {
        let manifest = parse(json.as_bytes(), "package.json").map_err(|error| error.to_string())?;
        Identity::of(&manifest, "package.json")
            .map(|identity| identity.coordinates().to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_versions_are_cleaned_or_refused() {
        for (json, expected) in [
            (r#"{"name":" a ","version":"v1.0.0"}"#, "a@1.0.0"),
            (r#"{"name":"@s/_n","version":"1.0.0+b"}"#, "@s/_n@1.0.0"),
            ("\u{feff}{\"name\":\"A\",\"name\":\"b\",\"version\":\"1.0.0\"}", "b@1.0.0"),
            (r#"{"name":"a","version":"1.0.0","private":false}"#, "a@1.0.0"),
        ] {
            assert_eq!(identity(json).unwrap(), expected);
        }
        for (json, problem) in [
            (r#"{"name":"a","version":"1.0"}"#, "version \"1.0\""),
            (r#"{"name":"a"}"#, "no version"),
            (r#"{"version":"1.0.0"}"#, "no name"),
            (r#"{"name":"a","version":"1.0.0","private":"false"}"#, "private"),
            ("[]", "not a JSON object"),
            ("{\n  \"name\": a\n}", "line 2 column 11"),
        ] {
            let error = identity(json).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
        for name in ["", ".a", "-a", "_a", "a/b", "@s", "@s/", "@s/.a", "@s/a/b", "a b", "node_modules", "ä", "a%"] {
            assert!(name_problem(name).is_some(), "{name}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(127).as_bytes(), "package.json").is_ok());
        let error = parse(nested(128).as_bytes(), "package.json").unwrap_err().to_string();
        assert!(error.contains("package.json is not JSON that is read here: it is nested more than 128"), "{error}");
        let brackets = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(500));
        assert!(parse(brackets.as_bytes(), "package.json").is_ok());
        assert!(parse("[".repeat(1 << 20).as_bytes(), "package.json").is_err());
        assert!(parse(b"{} {}", "package.json").is_err());
    }
}
