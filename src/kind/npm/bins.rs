//! Commands and manuals of a package: `bin`, `man` and the folders that stand for them.

use serde_json::{Map, Value, json};

use super::beside::Beside;
use super::js;

/// Turns `bin`, or else `directories.bin`, into an object of names and paths.
pub(super) fn normalise(data: &mut Map<String, Value>, beside: &dyn Beside) {
    let folder = data.get("directories").and_then(|directories| directories.get("bin"));
    let folder = folder.and_then(Value::as_str).filter(|folder| !folder.is_empty());
    let bins = match data.get("bin") {
        bin if !js::truthy(bin) => match folder {
            Some(folder) => {
                let bins = expanded(&js::inside(folder), beside);
                data.insert("bin".to_owned(), Value::Object(bins));
                return;
            }
            None => Map::new(),
        },
        Some(Value::String(path)) => {
            let name = data.get("name").and_then(Value::as_str).unwrap_or_default();
            clean(&Map::from_iter([(name.to_owned(), json!(path))]))
        }
        Some(Value::Array(paths)) => {
            let named = paths.iter().filter_map(Value::as_str);
            clean(&named.map(|path| (js::basename(path).to_owned(), json!(path))).collect())
        }
        Some(Value::Object(bins)) => clean(bins),
        _ => Map::new(),
    };
    if bins.is_empty() {
        data.shift_remove("bin");
    } else {
        data.insert("bin".to_owned(), Value::Object(bins));
    }
}

/// The paths of a normalised `bin`.
pub(super) fn paths(data: &Map<String, Value>) -> Vec<String> {
    match data.get("bin") {
        Some(Value::Object(bins)) => bins.values().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Names without folders and paths inside the package. Of two that have the same name then, the one that was written
/// with a folder counts.
fn clean(bins: &Map<String, Value>) -> Map<String, Value> {
    let mut clean = bins.clone();
    for written in bins.keys() {
        let path = clean.get(written).and_then(Value::as_str).map(js::inside).unwrap_or_default();
        let inner = js::inside(written);
        let name = js::basename(&inner);
        if name.is_empty() || path.is_empty() {
            clean.shift_remove(written);
            continue;
        }
        if name != written {
            clean.shift_remove(written);
        }
        clean.insert(name.to_owned(), json!(path));
    }
    clean
}

/// What npm makes of a folder of commands: everything in it under its own name, its folders too, but nothing in or
/// behind a name with a leading dot.
fn expanded(folder: &str, beside: &dyn Beside) -> Map<String, Value> {
    let begin = match folder.trim_end_matches('/') {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    let mut bins = Map::new();
    for inner in beside.files().filter_map(|file| file.strip_prefix(&begin)) {
        let ends = inner.match_indices('/').map(|(at, _)| at).chain([inner.len()]);
        for path in ends.filter_map(|end| inner.get(..end)) {
            let name = js::basename(path);
            if name.starts_with('.') {
                break;
            }
            bins.insert(name.to_owned(), json!(format!("{folder}/{}", js::inside(path))));
        }
    }
    bins
}

/// Turns `man`, or else `directories.man`, into a list of paths.
pub(super) fn manuals(data: &mut Map<String, Value>, beside: &dyn Beside) {
    let folder = data.get("directories").and_then(|directories| directories.get("man"));
    let manuals: Vec<String> = match (data.get("man"), folder.and_then(Value::as_str)) {
        (Some(Value::String(path)), _) if !path.is_empty() => vec![js::inside(path)],
        (Some(Value::Array(paths)), _) => paths.iter().filter_map(Value::as_str).map(js::inside).collect(),
        (man, Some(folder)) if !js::truthy(man) && !folder.is_empty() => {
            let folder = js::inside(folder);
            let folder = folder.trim_end_matches('/');
            let begin = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            beside
                .files()
                .filter(|file| {
                    let inner = file.strip_prefix(&begin);
                    inner.is_some_and(|inner| is_manual(inner) && inner.split('/').all(|name| !name.starts_with('.')))
                })
                .map(str::to_owned)
                .collect()
        }
        _ => Vec::new(),
    };
    if manuals.is_empty() {
        data.shift_remove("man");
    } else {
        data.insert("man".to_owned(), json!(manuals));
    }
}

/// Whether the name ends in a section of the manual.
fn is_manual(path: &str) -> bool {
    matches!(path.as_bytes(), [.., b'.', section] if section.is_ascii_digit())
}
