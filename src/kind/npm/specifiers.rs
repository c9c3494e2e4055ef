//! Specifiers that only the workspace of a package understands (`workspace:`, `catalog:`, `link:`, `portal:`),
//! replaced by what its package manager would have published. npm sends them as they are, and every installer then
//! fails; one that cannot be replaced is refused, but for development, where no installer looks.

use serde_json::{Map, Value, json};

use super::super::PackageError;
use super::js;
use super::manifest::refused;
use super::pnpm::DEFAULT;
use super::surroundings::{Member, Surroundings, Workspace};

/// Members with specifiers, and whether the installer of a package resolves them.
const MEMBERS: [(&str, bool); 4] =
    [("dependencies", true), ("optionalDependencies", true), ("peerDependencies", true), ("devDependencies", false)];
/// Protocols that mean something only where a package was written.
const PROTOCOLS: [&str; 4] = ["workspace:", "catalog:", "link:", "portal:"];

/// What became of the specifiers.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// Whether the manifest is another one now.
    pub(super) changed: bool,
    /// What the publisher should know.
    pub(super) warnings: Vec<String>,
}

/// Replaces the specifiers of the manifest of the package in `folder`.
pub(super) fn resolve(
    manifest: &mut Map<String, Value>,
    surroundings: &Surroundings<'_>,
    folder: &str,
    path: &str,
) -> Result<Resolved, PackageError> {
    let mut resolved = Resolved::default();
    let mut kept = Vec::new();
    for (member, installed) in MEMBERS {
        let Some(Value::Object(specifiers)) = manifest.get_mut(member) else {
            continue;
        };
        for (name, value) in specifiers {
            let Some(specifier) = value.as_str().filter(|specifier| is_local(specifier)) else {
                continue;
            };
            let workspace = surroundings.of(folder)?;
            let place = Place { workspace: &workspace, folder, name, peer: member == "peerDependencies" };
            match place.replaced(specifier) {
                Ok(plain) => {
                    *value = json!(plain);
                    resolved.changed = true;
                }
                Err(problem) if installed => return Err(unresolved(path, member, name, specifier, &problem)),
                Err(_) => kept.push(name.clone()),
            }
        }
    }
    if !kept.is_empty() {
        resolved.warnings.push(format!(
            "devDependencies of its workspace are published as they are, since the artifact does not hold what they \
             stand for: {}",
            kept.join(", ")
        ));
    }
    let outside = folders_outside(manifest);
    if !outside.is_empty() {
        resolved.warnings.push(format!("depends on folders that no installer has: {}", outside.join(", ")));
    }
    Ok(resolved)
}

/// Refuses what an installer could not resolve, in a manifest that cannot be changed any more.
pub(super) fn refuse(manifest: &Map<String, Value>, path: &str) -> Result<(), PackageError> {
    for (member, _) in MEMBERS.into_iter().filter(|(_, installed)| *installed) {
        let Some(Value::Object(specifiers)) = manifest.get(member) else {
            continue;
        };
        for (name, specifier) in specifiers {
            if let Some(specifier) = specifier.as_str().filter(|specifier| is_local(specifier)) {
                return Err(unresolved(path, member, name, specifier, "it is in an archive, whose bytes stay"));
            }
        }
    }
    Ok(())
}

fn unresolved(path: &str, member: &str, name: &str, specifier: &str, problem: &str) -> PackageError {
    refused(
        path,
        &format!(
            "has {name}: {specifier:?} in its {member}, which nobody but its own workspace can resolve ({problem})"
        ),
        "put the whole workspace into the artifact, or publish the .tgz that its package manager makes (pnpm pack, \
         yarn pack)",
    )
}

fn is_local(specifier: &str) -> bool {
    PROTOCOLS.iter().any(|protocol| specifier.starts_with(protocol))
        // A peer's range may hold several.
        || specifier.contains("|| workspace:")
}

/// `file:` dependencies that lead out of the package, each with its specifier.
fn folders_outside(manifest: &Map<String, Value>) -> Vec<String> {
    let members = MEMBERS.iter().filter(|(_, installed)| *installed);
    let specifiers = members.filter_map(|(member, _)| manifest.get(*member)?.as_object()).flatten();
    let outside = specifiers.filter_map(|(name, specifier)| {
        let place = specifier.as_str()?.strip_prefix("file:")?;
        place.starts_with(['/', '~', '.']).then_some(())?;
        let leaves = !place.starts_with('.') || leaves(place);
        leaves.then(|| format!("{name} (file:{place})"))
    });
    outside.collect()
}

fn leaves(path: &str) -> bool {
    let mut depth = 0_usize;
    path.split('/').any(|name| match name {
        "" | "." => false,
        ".." => match depth.checked_sub(1) {
            Some(outer) => {
                depth = outer;
                false
            }
            None => true,
        },
        _ => {
            depth += 1;
            false
        }
    })
}

/// Where a specifier stands.
struct Place<'a> {
    workspace: &'a Workspace,
    folder: &'a str,
    name: &'a str,
    peer: bool,
}

impl Place<'_> {
    /// What an installer understands, or why there is no such thing.
    fn replaced(&self, specifier: &str) -> Result<String, String> {
        let plain = if self.peer && specifier.contains("||") {
            let parts = specifier.split("||").map(|part| match js::trim(part) {
                part if is_local(part) => self.one(part),
                part => Ok(part.to_owned()),
            });
            parts.collect::<Result<Vec<_>, _>>()?.join(" || ")
        } else {
            self.one(specifier)?
        };
        if is_local(&plain) { Err(format!("it stands for {plain:?}")) } else { Ok(plain) }
    }

    fn one(&self, specifier: &str) -> Result<String, String> {
        if let Some(rest) = specifier.strip_prefix("workspace:") {
            return self.of_workspace(js::trim(rest));
        }
        if let Some(catalog) = specifier.strip_prefix("catalog:") {
            return self.of_catalog(js::trim(catalog));
        }
        let path = specifier.split_once(':').map_or("", |(_, path)| path);
        self.at(path).map(|member| self.exactly(member, ""))?
    }

    /// `workspace:` and what stands behind it: a sign, a range, a path, or another name with one of the first two.
    fn of_workspace(&self, rest: &str) -> Result<String, String> {
        if rest.starts_with("./") || rest.starts_with("../") {
            return self.exactly(self.at(rest)?, "");
        }
        // yarn names the folder from the workspace's root.
        if let Some(member) = self.workspace.at(rest) {
            return self.exactly(member, "");
        }
        let (alias, range) = match rest.rfind('@') {
            Some(at) if at > 0 => (rest.get(..at), rest.get(at + 1..).unwrap_or_default()),
            _ => (None, rest),
        };
        let name = alias.unwrap_or(self.name);
        let sign = match range {
            "*" | "" => Some(""),
            "^" | "~" => Some(range),
            ">=" | ">" | "<=" | "<" if self.peer => Some(range),
            _ => None,
        };
        match (sign, alias) {
            (Some(sign), _) => self.exactly(self.workspace.member(name)?, sign),
            (None, Some(alias)) => Ok(format!("npm:{alias}@{range}")),
            (None, None) => Ok(range.to_owned()),
        }
    }

    fn of_catalog(&self, catalog: &str) -> Result<String, String> {
        let catalog = if catalog.is_empty() { DEFAULT } else { catalog };
        let found = self.workspace.catalogs.get(catalog).and_then(|catalog| catalog.get(self.name));
        found.cloned().ok_or_else(|| format!("no catalog {catalog:?} with {} is in the artifact", self.name))
    }

    /// The member in the folder at `path`, seen from this package.
    fn at(&self, path: &str) -> Result<&Member, String> {
        let mut names: Vec<&str> = self.folder.split('/').filter(|name| !name.is_empty()).collect();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    names.pop().ok_or("it leads out of the artifact")?;
                }
                name => names.push(name),
            }
        }
        let folder = names.join("/");
        self.workspace.in_folder(&folder).ok_or_else(|| format!("no package is at {folder:?} in the artifact"))
    }

    /// The version of a member with a sign before it, under the name that it is to be installed by.
    fn exactly(&self, member: &Member, sign: &str) -> Result<String, String> {
        let Member { name, version, folder } = member;
        let version = version.as_ref().ok_or_else(|| format!("{folder}/package.json has no usable version"))?;
        if name == self.name { Ok(format!("{sign}{version}")) } else { Ok(format!("npm:{name}@{sign}{version}")) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::Archive;
    use crate::archive::source::Memory;
    use crate::make::Zip;

    fn zip() -> Zip {
        Zip::new()
            .file("package.json", r#"{"private":true,"workspaces":{"packages":["packages/*"],"catalog":{"c":"^7"}}}"#)
            .file("pnpm-workspace.yaml", "catalog:\n  d: ^8\ncatalogs:\n  old:\n    d: ^1\n    e: 'workspace:*'\n")
            .file(".yarnrc.yml", "catalogs:\n  yarn:\n    d: ^9\n  old:\n    d: ^0\n")
            .file("packages/a/package.json", r#"{"name":"a","version":"1.0.0"}"#)
            .file("packages/b/package.json", r#"{"name":"@s/b","version":"v2.0.0+build"}"#)
            .file("packages/none/package.json", r#"{"name":"none"}"#)
            .file("packages/bad/package.json", "{")
            .file("elsewhere/package.json", r#"{"name":"elsewhere","version":"1.0.0"}"#)
            .file("packages/x/node_modules/n/package.json", r#"{"name":"n","version":"1.0.0"}"#)
    }

    fn resolved(member: &str, name: &str, specifier: &str) -> Result<(Value, Resolved), String> {
        let archive = Archive::open(Arc::new(Memory(zip().bytes().into())), "Build", "x").unwrap();
        let Value::Object(mut manifest) = json!({member: {name: specifier}}) else { panic!("an object") };
        let surroundings = Surroundings::new(&archive);
        let resolved = resolve(&mut manifest, &surroundings, "packages/a", "packages/a/package.json")
            .map_err(|error| error.to_string())?;
        Ok((manifest[member][name].clone(), resolved))
    }

    #[test]
    fn a_workspace_gives_versions_and_ranges() {
        for (name, specifier, expected) in [
            ("a", "workspace:*", "1.0.0"),
            ("a", "workspace:", "1.0.0"),
            ("a", "workspace:^", "^1.0.0"),
            ("@s/b", "workspace:~", "~2.0.0"),
            ("a", "workspace:>=1 <3", ">=1 <3"),
            ("a", "workspace:1.2.3", "1.2.3"),
            ("x", "workspace:@s/b@^", "npm:@s/b@^2.0.0"),
            ("x", "workspace:a@*", "npm:a@1.0.0"),
            ("x", "workspace:a@1.x", "npm:a@1.x"),
            ("@s/b", "workspace:../b", "2.0.0"),
            ("x", "workspace:../b", "npm:@s/b@2.0.0"),
            ("@s/b", "workspace:packages/b", "2.0.0"),
            ("@s/b", "link:../b", "2.0.0"),
            ("@s/b", "portal:../b/", "2.0.0"),
            ("c", "catalog:", "^7"),
            ("d", "catalog:", "^8"),
            ("d", "catalog:default", "^8"),
            ("d", "catalog:old", "^1"),
            ("d", "catalog:yarn", "^9"),
        ] {
            for member in ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"] {
                let (value, outcome) = resolved(member, name, specifier).unwrap();
                assert_eq!(value, expected, "{member} {specifier}");
                assert!(outcome.changed && outcome.warnings.is_empty());
            }
        }
        assert_eq!(resolved("peerDependencies", "a", "workspace:>=").unwrap().0, ">=1.0.0");
        assert_eq!(resolved("peerDependencies", "a", "^0.1 || workspace:^").unwrap().0, "^0.1 || ^1.0.0");
    }

    #[test]
    fn what_the_artifact_does_not_hold_is_refused_by_name_but_for_development() {
        for (name, specifier, problem) in [
            ("gone", "workspace:*", "no member of the workspace is called gone"),
            ("elsewhere", "workspace:*", "no member of the workspace is called elsewhere"),
            ("n", "workspace:*", "no member of the workspace is called n"),
            ("none", "workspace:^", "packages/none/package.json has no usable version"),
            ("a", "link:../../../a", "it leads out of the artifact"),
            ("a", "link:../gone", "no package is at \"packages/gone\""),
            ("a", "catalog:", "no catalog \"default\" with a"),
            ("d", "catalog:none", "no catalog \"none\" with d"),
            ("e", "catalog:old", "it stands for \"workspace:*\""),
        ] {
            let error = resolved("dependencies", name, specifier).unwrap_err();
            for part in ["packages/a/package.json has ", name, specifier, problem] {
                assert!(error.contains(part), "{error}");
            }
            let (value, outcome) = resolved("devDependencies", name, specifier).unwrap();
            assert_eq!(value, specifier);
            assert!(!outcome.changed && outcome.warnings[0].ends_with(name), "{:?}", outcome.warnings);
        }
    }

    #[test]
    fn folders_outside_of_the_package_are_warned_about() {
        for (specifier, warned) in
            [("file:../a", true), ("file:/a", true), ("file:./a/../..", true), ("file:./a", false)]
        {
            let (value, outcome) = resolved("dependencies", "f", specifier).unwrap();
            assert_eq!(value, specifier);
            assert_eq!(!outcome.warnings.is_empty(), warned, "{specifier}");
        }
    }
}
