//! Dependencies of the manifest: lists and texts become objects, git hosts are spelled out, bundled ones are listed.

use serde_json::{Map, Value, json};

use super::hosted::Hosted;
use super::js;
use super::normalise::Origin;

/// `bundleDependencies`, however spelled, as a list.
pub(super) fn bundled(data: &mut Map<String, Value>, origin: Origin) {
    let misspelled = data.shift_remove("bundledDependencies");
    // The repair of a folder comes before the spelling.
    let repaired = origin == Origin::Folder && data.contains_key("bundleDependencies");
    if let Some(misspelled) = misspelled
        && !data.contains_key("bundleDependencies")
    {
        data.insert("bundleDependencies".to_owned(), misspelled);
    }
    let names = |value: Option<&Value>| match value {
        Some(Value::Object(members)) => members.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let list = match data.get("bundleDependencies") {
        None | Some(Value::Array(_)) => return,
        Some(Value::Bool(true)) => json!(names(data.get("dependencies"))),
        Some(Value::Bool(false)) if repaired => json!([]),
        object @ Some(Value::Object(_)) => json!(names(object)),
        _ => {
            data.shift_remove("bundleDependencies");
            return;
        }
    };
    data.insert("bundleDependencies".to_owned(), list);
}

/// Adds bundled names that are missing among the dependencies.
pub(super) fn add_bundled(data: &mut Map<String, Value>) {
    let Some(Value::Array(items)) = data.get_mut("bundleDependencies") else {
        return;
    };
    items.retain(|item| item.as_str().is_some_and(|name| !name.is_empty()));
    let names: Vec<String> = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if names.is_empty() {
        return;
    }
    let dependencies = data.entry("dependencies").or_insert_with(|| json!({}));
    if let Value::Object(dependencies) = dependencies {
        for name in names {
            dependencies.entry(name).or_insert_with(|| json!("*"));
        }
    }
}

/// Lists and texts of dependencies become objects, members that are no text go, git hosts are spelled out.
pub(super) fn normalise(data: &mut Map<String, Value>) {
    for member in ["dependencies", "devDependencies", "optionalDependencies"] {
        let items: Vec<String> = match data.get(member) {
            Some(Value::String(text)) if !text.is_empty() => js::trim(text)
                .split(|c: char| js::blank(c) || c == ',')
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => continue,
        };
        let object: Map<String, Value> = items.iter().map(|item| named(js::trim(item))).collect();
        data.insert(member.to_owned(), Value::Object(object));
    }
    for member in ["dependencies", "devDependencies"] {
        match data.get_mut(member) {
            None => {}
            Some(Value::Object(specifiers)) => {
                specifiers.retain(|_, specifier| specifier.is_string());
                for specifier in specifiers.values_mut() {
                    if let Some(hosted) = specifier.as_str().and_then(Hosted::parse) {
                        *specifier = json!(hosted.specifier());
                    }
                }
            }
            Some(_) => {
                data.shift_remove(member);
            }
        }
    }
}

/// Name and range of `left@^1`, `left>=1`, `left 1`. A colon before the sign is part of the range.
fn named(item: &str) -> (String, Value) {
    let sign = item.find(|c: char| js::blank(c) || matches!(c, '@' | '>' | '<' | '='));
    let end = sign.map_or(item.len(), |at| at - usize::from(item.get(..at).is_some_and(|name| name.ends_with(':'))));
    let (name, range) = item.split_at(end);
    let range = js::trim(range.strip_prefix('@').unwrap_or(range));
    (name.to_owned(), json!(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(value: Value) -> Value {
        let Value::Object(mut data) = value else { panic!("not an object") };
        bundled(&mut data, Origin::Folder);
        normalise(&mut data);
        add_bundled(&mut data);
        Value::Object(data)
    }

    #[test]
    fn dependencies_become_objects() {
        assert_eq!(
            normal(json!({"dependencies": ["left@^1", "right>=2", "both"], "devDependencies": "a, b@1"})),
            json!({"dependencies": {"left": "^1", "right": ">=2", "both": ""}, "devDependencies": {"a": "", "b": "1"}})
        );
        assert_eq!(
            normal(json!({"dependencies": {"a": "acme/a", "b": 1, "c": "git@gitlab.com:acme/c.git"}})),
            json!({"dependencies": {"a": "github:acme/a", "c": "git+ssh://git@gitlab.com/acme/c.git"}})
        );
        assert_eq!(normal(json!({"dependencies": null})), json!({}));
    }

    #[test]
    fn bundled_names_are_listed_and_depended_on() {
        assert_eq!(
            normal(json!({"bundledDependencies": ["a", ""]})),
            json!({"bundleDependencies": ["a"], "dependencies": {"a": "*"}})
        );
        assert_eq!(
            normal(json!({"dependencies": {"a": "1"}, "bundleDependencies": true})),
            json!({"dependencies": {"a": "1"}, "bundleDependencies": ["a"]})
        );
    }
}
