//! Bundled dependencies: packages in `node_modules` that the manifest wants shipped inside its own package, with what
//! they depend on in turn, found as Node finds them and never above the package.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::super::PackageError;
use super::folder::{Folder, Found};
use super::lists::Generation;
use super::manifest::{self, refused};
use super::normalise::Origin;
use super::{bins, dependencies, files};
use crate::archive::{Entry, MAX_MANIFEST};

/// What the bundled packages bring.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// Their files.
    pub(super) files: Vec<Entry>,
    /// The names that are to be bundled and are not: not installed, or not depended on but for development.
    pub(super) missing: Vec<String>,
}

/// Finds the packages that the manifest bundles and lists their files.
pub(super) fn gather(
    folder: &Folder,
    raw: &Map<String, Value>,
    generation: Generation,
) -> Result<Bundle, PackageError> {
    let mut bundle = Bundle::default();
    let mut seen = BTreeSet::new();
    // A package's folder, and what is wanted from there.
    let mut wanted: VecDeque<(String, String)> = VecDeque::new();
    let needed_here = needed(raw);
    let development = raw.get("devDependencies").and_then(Value::as_object);
    for name in listed(raw) {
        let counts = needed_here.contains(&name) && !development.is_some_and(|names| names.contains_key(&name));
        match if counts { find(folder, "", &name)? } else { None } {
            Some(place) if seen.insert(place.clone()) => wanted.push_back((place, name)),
            Some(_) => {}
            None => bundle.missing.push(name),
        }
    }
    while let Some((place, name)) = wanted.pop_front() {
        let inner = folder.within(&place);
        let manifest = read(&inner, &name)?;
        if let Some(manifest) = &manifest {
            for name in needed(manifest) {
                if let Some(place) = find(folder, &place, &name)?
                    && seen.insert(place.clone())
                {
                    wanted.push_back((place, name));
                }
            }
        }
        let bins = manifest.as_ref().map(|manifest| {
            let mut manifest = manifest.clone();
            bins::normalise(&mut manifest, &inner);
            bins::paths(&manifest)
        });
        let rules = manifest.as_ref().zip(bins.as_deref());
        bundle.files.extend(files::list_bundled(&inner, rules, generation)?);
    }
    Ok(bundle)
}

/// The names that the manifest wants bundled.
fn listed(raw: &Map<String, Value>) -> Vec<String> {
    let mut listed = raw.clone();
    dependencies::bundled(&mut listed, Origin::Folder);
    let Some(Value::Array(names)) = listed.get("bundleDependencies") else {
        return Vec::new();
    };
    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a package needs to run.
fn needed(manifest: &Map<String, Value>) -> BTreeSet<String> {
    let members = ["dependencies", "optionalDependencies"];
    let members = members.into_iter().filter_map(|member| manifest.get(member)?.as_object());
    members.flat_map(Map::keys).cloned().collect()
}

/// The folder of the package called `name`, as the package in `from` would find it.
fn find(folder: &Folder, from: &str, name: &str) -> Result<Option<String>, PackageError> {
    if !is_name(name) {
        return Ok(None);
    }
    let mut around = from;
    loop {
        // Node looks beside a package, never in "node_modules/node_modules".
        if around.rsplit('/').next() != Some("node_modules") {
            let modules = if around.is_empty() { "node_modules".to_owned() } else { format!("{around}/node_modules") };
            let place = format!("{modules}/{name}");
            for (end, _) in place.match_indices('/').filter(|(end, _)| *end >= modules.len()).chain([(place.len(), "")])
            {
                let path = place.get(..end).unwrap_or_default();
                if matches!(folder.find(path), Found::Symlink) {
                    return Err(refused(
                        &folder.outer(path),
                        &format!(
                            "is a symbolic link, which is not followed, and the package bundles {name} from there"
                        ),
                        "install it as files (npm ci --install-links, or a hoisted node_modules), or publish the .tgz \
                         that npm pack makes",
                    ));
                }
            }
            if matches!(folder.find(&place), Found::Folder) {
                return Ok(Some(place));
            }
        }
        around = match around.rsplit_once('/') {
            Some((outer, _)) => outer,
            None if around.is_empty() => return Ok(None),
            None => "",
        };
    }
}

/// Whether a folder of `node_modules` can have this name. Nothing else leads anywhere.
fn is_name(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('/');
    match name.strip_prefix('@').and_then(|scoped| scoped.split_once('/')) {
        Some((scope, rest)) => plain(scope) && plain(rest),
        None => plain(name),
    }
}

fn read(folder: &Folder, name: &str) -> Result<Option<Map<String, Value>>, PackageError> {
    match folder.find("package.json") {
        Found::File(entry) => manifest::parse(&entry.read_to_memory(MAX_MANIFEST)?, entry.path()).map(Some),
        Found::Symlink => Err(refused(
            &folder.outer("package.json"),
            &format!("is a symbolic link, which is not followed, and {name} is to be bundled"),
            "put the file itself into the artifact",
        )),
        Found::Folder | Found::Nothing => Ok(None),
    }
}
