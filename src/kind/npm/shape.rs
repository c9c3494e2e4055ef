//! Members of a manifest that have a shape with which npm itself gives up, refused by name: the package could never
//! have been published, and what is meant by them nobody knows.

use serde_json::{Map, Value};

use super::super::PackageError;
use super::js;
use super::manifest::refused;
use super::normalise::Origin;

/// Refuses what npm cannot publish from where the manifest at `path` is.
pub(super) fn check(manifest: &Map<String, Value>, path: &str, origin: Origin) -> Result<(), PackageError> {
    match problem(manifest, origin) {
        Some((problem, remedy)) => Err(refused(path, &problem, remedy)),
        None => Ok(()),
    }
}

fn problem(manifest: &Map<String, Value>, origin: Origin) -> Option<(String, &'static str)> {
    if let Some(main) = manifest.get("main").filter(|main| js::truthy(Some(main)) && !main.is_string()) {
        return Some((format!("has a \"main\" that is no string: {}", shown(main)), "make it a path"));
    }
    if let Some(Value::Array(bins)) = manifest.get("bin")
        && let Some(bin) = bins.iter().find(|bin| !bin.is_string())
    {
        return Some((
            format!("has a \"bin\" that lists what is no string: {}", shown(bin)),
            "make it a list of paths",
        ));
    }
    let described = matches!(manifest.get("description"), Some(Value::String(text)) if !text.is_empty());
    if let Some(readme) = manifest.get("readme").filter(|readme| js::truthy(Some(readme)) && !readme.is_string())
        && !described
    {
        return Some((
            format!("has a \"readme\" that is no string: {}", shown(readme)),
            "make it a text, or remove it",
        ));
    }
    for member in ["contributors", "maintainers"] {
        let people = manifest.get(member).and_then(Value::as_array);
        if people.is_some_and(|people| people.iter().any(Value::is_null)) {
            return Some((format!("has null among its \"{member}\""), "remove it"));
        }
    }
    if origin == Origin::Archive {
        return None;
    }
    for member in ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] {
        let (name, specifier) = match manifest.get(member) {
            Some(Value::Object(specifiers)) => match specifiers.iter().find(|(_, specifier)| !specifier.is_string()) {
                Some((name, specifier)) => (name.as_str(), specifier),
                None => continue,
            },
            Some(Value::Array(items)) => match items.iter().find(|item| !item.is_string()) {
                Some(item) => ("an item", item),
                None => continue,
            },
            _ => continue,
        };
        let problem = format!("has in its \"{member}\" {name} with what is no string: {}", shown(specifier));
        return Some((problem, "make it a range of versions"));
    }
    if manifest.get("overrides").is_some_and(holds_null) {
        return Some(("has null among its \"overrides\"".to_owned(), "remove it"));
    }
    None
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().any(|member| member.is_null() || holds_null(member)),
        Value::Array(items) => items.iter().any(|item| item.is_null() || holds_null(item)),
        _ => false,
    }
}

/// The value, in a few characters.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
