//! `package.json`: read under limits, and the refusals that need nothing but itself.

use serde_json::{Map, Value};

use super::super::PackageError;
use super::js;
use super::version::Version;
use crate::package::Coordinates;

/// Members whose specifiers the installer of a package resolves.
const INSTALLED: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];
/// Protocols that mean something only in the workspace where a package was written.
const LOCAL_PROTOCOLS: [&str; 4] = ["workspace:", "catalog:", "link:", "portal:"];
/// Scripts that would build the package if they were run.
const BUILDING: [&str; 3] = ["prepublishOnly", "prepack", "prepare"];

/// Parses the file at `path`. A byte order mark is fine, of a member that is there twice the last counts.
pub(super) fn parse(bytes: &[u8], path: &str) -> Result<Map<String, Value>, PackageError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(refused(path, "is not a JSON object", "make it an object with a name and a version")),
        Err(error) => {
            Err(refused(path, &format!("is not JSON: {error}"), "correct the file, or what writes it in the build"))
        }
    }
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

/// Refuses what an installer could not resolve.
pub(super) fn refuse_local_specifiers(manifest: &Map<String, Value>, path: &str) -> Result<(), PackageError> {
    for member in INSTALLED {
        let Some(Value::Object(specifiers)) = manifest.get(member) else {
            continue;
        };
        for (name, specifier) in specifiers {
            if specifier.as_str().is_some_and(is_local) {
                return Err(refused(
                    path,
                    &format!("has {name}: {specifier} in its {member}, which nobody but its own workspace can resolve"),
                    "publish a .tgz made by the package manager that knows it (pnpm pack, yarn pack)",
                ));
            }
        }
    }
    Ok(())
}

fn is_local(specifier: &str) -> bool {
    LOCAL_PROTOCOLS.iter().any(|protocol| specifier.starts_with(protocol))
}

/// What the publisher should know about the folder's manifest, though it stops nothing.
pub(super) fn warnings(manifest: &Map<String, Value>, is_folder: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(Value::Object(config)) = manifest.get("publishConfig") {
        for (key, value) in config {
            if key == "registry" || key.ends_with(":registry") {
                warnings.push(format!(
                    "publishConfig.{key} ({}) is ignored: RepoKey and ArtifactoryHost say where to publish",
                    js::text(value)
                ));
            }
        }
    }
    if is_folder && let Some(Value::Object(scripts)) = manifest.get("scripts") {
        let present: Vec<&str> = BUILDING.into_iter().filter(|name| scripts.contains_key(*name)).collect();
        if !present.is_empty() {
            warnings.push(format!("scripts are never run here, so {} must have run in the build", present.join(", ")));
        }
    }
    if let Some(Value::Object(development)) = manifest.get("devDependencies") {
        let local: Vec<&str> = development
            .iter()
            .filter(|(_, specifier)| specifier.as_str().is_some_and(is_local))
            .map(|(name, _)| name.as_str())
            .collect();
        if !local.is_empty() {
            warnings.push(format!("devDependencies of its workspace are published as they are: {}", local.join(", ")));
        }
    }
    warnings
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
        assert!(parse(nested(126).as_bytes(), "package.json").is_ok());
        assert!(parse(nested(128).as_bytes(), "package.json").is_err());
    }

    #[test]
    fn specifiers_of_a_workspace_are_refused_by_name() {
        for specifier in ["workspace:*", "catalog:", "link:../x", "portal:../x"] {
            let json = format!(r#"{{"peerDependencies":{{"left":"{specifier}"}}}}"#);
            let manifest = parse(json.as_bytes(), "package.json").unwrap();
            let error = refuse_local_specifiers(&manifest, "package.json").unwrap_err().to_string();
            assert!(error.contains("left") && error.contains(specifier), "{error}");
        }
        let manifest = parse(br#"{"devDependencies":{"left":"workspace:*"}}"#, "package.json").unwrap();
        refuse_local_specifiers(&manifest, "package.json").unwrap();
        assert_eq!(warnings(&manifest, true).len(), 1);
    }
}
