//! npm packages: folders with a `package.json`, packed by npm's rules, and archives that are ready. What goes in and
//! what is sent follow npm 11; `Options: npm-files=12` gives `files` the meaning that it has in npm 12.

mod beside;
mod bins;
mod braces;
mod bundle;
mod class;
mod dependencies;
mod document;
mod files;
mod find;
mod folder;
mod git;
mod glob;
mod hosted;
mod ignore;
mod js;
mod lists;
mod manifest;
mod normalise;
mod order;
mod pack;
mod parser;
mod paths;
mod people;
mod pnpm;
mod promised;
mod readme;
mod ready;
mod segment;
mod shape;
mod specifiers;
mod surroundings;
#[cfg(test)]
mod tests;
mod version;
mod work;
mod workspaces;
mod yaml;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Kind, PackageError};
use crate::archive::{Archive, Entry};
use crate::package::Target;
use crate::plan::PackagePlan;
use crate::step::Content;
use beside::Beside as _;
use document::Package;
use find::Found;
use folder::Folder;
use lists::Generation;
use manifest::Identity;
use normalise::{Origin, normalise};
use ready::Ready;
use surroundings::Surroundings;

/// The option that says whose meaning `files` has.
const FILES_OPTION: &str = "npm-files";

/// The npm package type.
pub struct Npm;

impl Kind for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn options(&self) -> &'static [&'static str] {
        &["tag", FILES_OPTION]
    }

    fn endings(&self) -> &'static [&'static str] {
        &find::ENDINGS
    }

    fn plan(&self, archive: &Archive, target: &Target) -> Result<Vec<PackagePlan>, PackageError> {
        let generation = generation(target)?;
        archive.expect(find::small(archive));
        let found = find::find(archive, &target.files)?;
        let surroundings = Surroundings::new(archive);
        let plans = found.into_iter().map(|found| {
            let package = match found {
                Found::Folder(path, manifest, members) => {
                    from_folder(&surroundings, &path, manifest, &members, generation)?
                }
                Found::Ready(entry, ready) => from_archive(entry, *ready)?,
            };
            package.plan(target)
        });
        let plans = plans.collect::<Result<Vec<_>, PackageError>>()?;
        Ok(order::sorted(plans, |plan| &plan.of.name, |plan| &plan.needs))
    }
}

fn from_folder(
    surroundings: &Surroundings<'_>,
    path: &str,
    mut raw: Map<String, Value>,
    members: &[String],
    generation: Generation,
) -> Result<Package, PackageError> {
    let folder = &Folder::new(surroundings.archive(), path)?;
    let path = folder.outer("package.json");
    let identity = Identity::of(&raw, &path)?;
    shape::check(&raw, &path, Origin::Folder)?;
    let resolved = specifiers::resolve(&mut raw, surroundings, folder.path(), &path)?;
    let mut with_bins = raw.clone();
    bins::normalise(&mut with_bins, folder);
    let bins = bins::paths(&with_bins);
    let mut workspace = files::without_members(folder, members)?;
    if let Some(root) = surroundings.root_of(folder.path())? {
        workspace.extend(files::around_member(surroundings.archive(), root, folder.path())?);
    }
    let mut files = files::list(folder, &raw, &bins, generation, workspace)?;
    let bundle = bundle::gather(folder, &raw, generation)?;
    files.extend(bundle.files);
    files.sort_by(|one, other| one.path().cmp(other.path()));
    files.dedup_by(|one, other| one.path() == other.path());
    // As pnpm does it: who installs reads the manifest that was sent, who audits reads the one in the archive.
    let rewritten = resolved.changed.then(|| manifest::written(&raw));
    surroundings.archive().expect(&files);
    let packed = pack::pack(folder, &files, &bins, rewritten.as_deref())?;
    let inside: BTreeSet<&str> = files.iter().map(|entry| folder.inner(entry)).collect();
    let missing = promised::missing(&raw, &bins, &inside);
    let mut warnings = manifest::warnings(&raw, true, missing.as_deref());
    warnings.extend(resolved.warnings);
    if !bundle.missing.is_empty() {
        warnings.push(format!(
            "bundleDependencies that are not installed in the artifact, or not among its dependencies, are left out, \
             as npm does: {}",
            bundle.missing.join(", ")
        ));
    }
    let mut manifest = normalise(raw, &identity, folder, Origin::Folder)?;
    add_commit(&mut manifest, || surroundings.commit(folder.path()))?;
    Ok(Package { path, identity, manifest, content: packed.content, digests: packed.digests, warnings })
}

fn from_archive(entry: Entry, ready: Ready) -> Result<Package, PackageError> {
    let Ready { manifest: raw, digests, contents } = ready;
    let path = format!("{}:package.json", entry.path());
    let identity = Identity::of(&raw, &path)?;
    shape::check(&raw, &path, Origin::Archive)?;
    specifiers::refuse(&raw, &path)?;
    let mut with_bins = raw.clone();
    bins::normalise(&mut with_bins, &contents);
    let missing = promised::missing(&raw, &bins::paths(&with_bins), &contents.files().collect());
    let warnings = manifest::warnings(&raw, false, missing.as_deref());
    let mut manifest = normalise(raw, &identity, &contents, Origin::Archive)?;
    add_commit(&mut manifest, || Ok(contents.commit()))?;
    Ok(Package { path, identity, manifest, content: Content::Entry(entry), digests, warnings })
}

/// The commit that the package is from, where the manifest does not name one itself.
fn add_commit(
    manifest: &mut Map<String, Value>,
    commit: impl FnOnce() -> Result<Option<String>, PackageError>,
) -> Result<(), PackageError> {
    if !js::truthy(manifest.get("gitHead"))
        && let Some(commit) = commit()?
    {
        manifest.insert("gitHead".to_owned(), Value::String(commit));
    }
    Ok(())
}

/// What `Options: npm-files=…` says.
fn generation(target: &Target) -> Result<Generation, PackageError> {
    let value = target.options.get(FILES_OPTION).map(|value| js::trim(value));
    match value {
        None | Some("11") => Ok(Generation::Eleven),
        Some("12") => Ok(Generation::Twelve),
        Some(other) => Err(PackageError::Option {
            name: FILES_OPTION,
            value: other.to_owned(),
            problem: "is neither 11 nor 12, the generations of npm whose meaning \"files\" can have".to_owned(),
        }),
    }
}
