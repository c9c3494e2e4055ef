//! npm packages: folders with a `package.json`, packed by npm's rules, and archives that are ready. What goes in and
//! what is sent follow npm 11.

mod beside;
mod bins;
mod braces;
mod class;
mod dependencies;
mod document;
mod files;
mod find;
mod folder;
mod glob;
mod hosted;
mod ignore;
mod js;
mod manifest;
mod normalise;
mod pack;
mod parser;
mod people;
mod readme;
mod ready;
mod segment;
#[cfg(test)]
mod tests;
mod version;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Kind, PackageError};
use crate::archive::{Archive, Entry};
use crate::package::Target;
use crate::plan::PackagePlan;
use crate::step::Content;
use document::Package;
use find::Found;
use folder::Folder;
use manifest::{Identity, refused};
use normalise::{Origin, normalise};
use ready::Ready;

/// The npm package type.
pub struct Npm;

impl Kind for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn options(&self) -> &'static [&'static str] {
        &["tag"]
    }

    fn plan(&self, archive: &Archive, target: &Target) -> Result<Vec<PackagePlan>, PackageError> {
        let found = find::find(archive, &target.files)?;
        let plans = found.into_iter().map(|found| match found {
            Found::Folder(path, manifest) => from_folder(archive, &path, manifest)?.plan(target),
            Found::Ready(entry, ready) => from_archive(entry, *ready)?.plan(target),
        });
        plans.collect()
    }
}

fn from_folder(archive: &Archive, path: &str, raw: Map<String, Value>) -> Result<Package, PackageError> {
    let folder = &Folder::new(archive, path)?;
    let path = folder.outer("package.json");
    let identity = Identity::of(&raw, &path)?;
    manifest::refuse_local_specifiers(&raw, &path)?;
    refuse_bundled(archive, folder, &raw, &path)?;
    let mut with_bins = raw.clone();
    bins::normalise(&mut with_bins, folder);
    let bins = bins::paths(&with_bins);
    let files = files::list(folder, &raw, &bins)?;
    let packed = pack::pack(folder, &files, &bins)?;
    let warnings = manifest::warnings(&raw, true);
    let manifest = normalise(raw, &identity, folder, Origin::Folder)?;
    Ok(Package {
        path,
        identity,
        manifest,
        content: Content::Spooled(Arc::clone(&packed.bytes)),
        digests: packed.digests,
        warnings,
    })
}

fn from_archive(entry: Entry, ready: Ready) -> Result<Package, PackageError> {
    let Ready { manifest: raw, digests, contents } = ready;
    let path = format!("{}:package.json", entry.path());
    let identity = Identity::of(&raw, &path)?;
    manifest::refuse_local_specifiers(&raw, &path)?;
    let warnings = manifest::warnings(&raw, false);
    let manifest = normalise(raw, &identity, &contents, Origin::Archive)?;
    Ok(Package { path, identity, manifest, content: Content::Entry(entry), digests, warnings })
}

/// Refuses a package whose bundled dependencies are installed: they would have to go in, and do not yet.
fn refuse_bundled(
    archive: &Archive,
    folder: &Folder,
    raw: &Map<String, Value>,
    path: &str,
) -> Result<(), PackageError> {
    let mut listed = raw.clone();
    dependencies::bundled(&mut listed, Origin::Folder);
    let names: Vec<&str> = match listed.get("bundleDependencies") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    for name in names {
        let declared = ["dependencies", "optionalDependencies"]
            .iter()
            .any(|member| raw.get(*member).is_some_and(|members| members.get(name).is_some()));
        // As Node looks for it: in the folder's own node_modules, then in those of the folders around it.
        let mut around = vec![folder.path()];
        while let Some((outer, _)) = around.last().and_then(|path| path.rsplit_once('/')) {
            around.push(outer);
        }
        around.push("");
        let installed = around.iter().any(|outer| {
            let place = js::segments(&format!("{outer}/node_modules/{name}")).join("/");
            archive.find(&place).is_some() || archive.below(&place).next().is_some()
        });
        if declared && installed {
            return Err(refused(
                path,
                &format!("bundles {name}, which is not supported for a folder"),
                "publish the .tgz that npm pack makes",
            ));
        }
    }
    Ok(())
}
