//! Files that a manifest promises to those who install the package: `main`, `bin`, `types`, the targets of `exports`.
//! What is missing stops nothing, as with npm, but is said.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::js;

/// Most promises that are looked into.
const MAX_PROMISES: usize = 1_000;
/// Most that are named.
const MAX_NAMED: usize = 5;

/// What the manifest promises that is not among the files, as a text that names a few; `None` where nothing is
/// missing. `bins` are the paths of its commands.
pub(super) fn missing(manifest: &Map<String, Value>, bins: &[String], files: &BTreeSet<&str>) -> Option<String> {
    let files = &Files(files);
    let text = |member: &str| manifest.get(member).and_then(Value::as_str).filter(|path| !path.is_empty());
    let mut missing = Vec::new();
    let mut look = |member: &str, path: &str, there: bool| {
        if !there {
            missing.push(format!("{path} ({member})"));
        }
    };
    if let Some(main) = text("main") {
        look("main", main, files.loads(main));
    }
    for bin in bins.iter().take(MAX_PROMISES) {
        look("bin", bin, files.has(bin));
    }
    for member in ["module", "browser"] {
        if let Some(path) = text(member) {
            look(member, path, files.loads(path));
        }
    }
    for member in ["types", "typings"] {
        if let Some(path) = text(member) {
            look(member, path, files.declares(path));
        }
    }
    let mut targets = Vec::new();
    collect(manifest.get("exports"), &mut targets);
    for target in targets {
        look("exports", target, files.exports(target));
    }
    if missing.is_empty() {
        return None;
    }
    let more = missing.len().saturating_sub(MAX_NAMED);
    missing.truncate(MAX_NAMED);
    let named = missing.join(", ");
    Some(if more == 0 { named } else { format!("{named} and {more} more") })
}

/// The targets of `exports`; of alternatives in a list, the first that there is anything to say about.
fn collect<'m>(exports: Option<&'m Value>, targets: &mut Vec<&'m str>) {
    match exports {
        _ if targets.len() >= MAX_PROMISES => {}
        Some(Value::String(target)) if target.starts_with("./") => targets.push(target),
        Some(Value::Object(members)) => members.values().for_each(|member| collect(Some(member), targets)),
        Some(Value::Array(items)) => collect(items.first(), targets),
        _ => {}
    }
}

struct Files<'f>(&'f BTreeSet<&'f str>);

impl Files<'_> {
    fn has(&self, path: &str) -> bool {
        self.0.contains(js::segments(path).join("/").as_str())
    }

    /// Whether Node would find something to load there.
    fn loads(&self, path: &str) -> bool {
        let endings = ["", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node"];
        endings.iter().any(|ending| self.has(&format!("{path}{ending}")))
    }

    /// Whether a compiler would find declarations there.
    fn declares(&self, path: &str) -> bool {
        let stem = path.strip_suffix(".js").unwrap_or(path);
        let endings = ["", ".d.ts", ".ts", ".d.mts", ".d.cts", "/index.d.ts"];
        endings.iter().any(|ending| self.has(&format!("{path}{ending}")) || self.has(&format!("{stem}{ending}")))
    }

    /// Whether there is a file for the target: itself, some file of a folder, or some that fits its star.
    fn exports(&self, target: &str) -> bool {
        let target = target.strip_prefix("./").unwrap_or(target);
        match target.split_once('*') {
            None if target.ends_with('/') || target.is_empty() => self.below(target).next().is_some(),
            None => self.has(target),
            Some((begin, end)) => {
                let end = end.rsplit('*').next().unwrap_or(end);
                self.below(begin).any(|file| file.len() >= begin.len() + end.len() && file.ends_with(end))
            }
        }
    }

    fn below<'a>(&'a self, begin: &'a str) -> impl Iterator<Item = &'a &'a str> {
        self.0.range(begin..).take_while(move |file| file.starts_with(begin))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(manifest: Value, bins: &[&str], files: &[&str]) -> Option<String> {
        let Value::Object(manifest) = manifest else { panic!("an object") };
        let bins: Vec<String> = bins.iter().map(|bin| (*bin).to_owned()).collect();
        missing(&manifest, &bins, &files.iter().copied().collect())
    }

    #[test]
    fn what_is_there_in_any_form_is_not_missing() {
        for manifest in [
            json!({}),
            json!({"main": "lib"}),
            json!({"main": "./lib/index"}),
            json!({"main": "lib/index.js", "module": "m.mjs", "browser": {"x": false}}),
            json!({"types": "lib", "typings": "types/a.js"}),
            json!({"exports": {".": {"import": "./m.mjs", "require": null}, "./l/": "./lib/", "./*": "./lib/*.js"}}),
            json!({"exports": ["./m.mjs", "./gone.js"]}),
            json!({"exports": "m.mjs", "main": 1}),
        ] {
            let files = ["lib/index.js", "lib/index.d.ts", "m.mjs", "types/a.d.ts"];
            assert_eq!(said(manifest.clone(), &["m.mjs"], &files), None, "{manifest}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_member() {
        let manifest = json!({
            "main": "dist/x.js", "module": "x.mjs", "types": "x.d.ts",
            "exports": {".": ["./e.js"], "./s/*": "./s/*.js", "./f/": "./f/"},
        });
        assert_eq!(
            said(manifest, &["cli.js"], &["index.js", "s/x.ts"]).unwrap(),
            "dist/x.js (main), cli.js (bin), x.mjs (module), x.d.ts (types), ./e.js (exports) and 2 more"
        );
    }
}
