//! What lies around a package in the artifact: the members and catalogs of its workspace. Read only where a package
//! has a specifier that needs it, and once for all packages of a workspace.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::super::PackageError;
use super::git;
use super::js;
use super::manifest;
use super::pnpm::{self, Catalogs, DEFAULT};
use super::version::Version;
use super::workspaces::Globs;
use crate::archive::{Archive, Entry, EntryKind, MAX_MANIFEST};

/// A package of a workspace.
#[derive(Debug)]
pub(super) struct Member {
    /// Its name.
    pub(super) name: String,
    /// Its version, as it is published.
    pub(super) version: Option<Version>,
    /// Its folder in the artifact.
    pub(super) folder: String,
}

/// The packages and catalogs that a specifier may mean.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    root: String,
    members: Vec<Member>,
    by_name: HashMap<String, Vec<usize>>,
    by_folder: HashMap<String, usize>,
    /// The catalogs.
    pub(super) catalogs: Catalogs,
}

/// The workspaces of an artifact.
pub(super) struct Surroundings<'a> {
    archive: &'a Archive,
    known: RefCell<HashMap<String, Option<Rc<Workspace>>>>,
    /// What npm's `workspaces` of a folder's manifest say.
    globs: RefCell<HashMap<String, Option<Rc<Globs>>>>,
    /// The commits that repositories are at.
    heads: RefCell<HashMap<String, Option<String>>>,
}

impl<'a> Surroundings<'a> {
    /// Nothing is read before it is asked for.
    pub(super) fn new(archive: &'a Archive) -> Self {
        Self { archive, known: RefCell::default(), globs: RefCell::default(), heads: RefCell::default() }
    }

    /// The artifact.
    pub(super) fn archive(&self) -> &'a Archive {
        self.archive
    }

    /// The workspace of the package in `folder`: that of the nearest folder around it which declares one, else all
    /// packages of the artifact.
    pub(super) fn of(&self, folder: &str) -> Result<Rc<Workspace>, PackageError> {
        let mut outer = Some(folder);
        while let Some(path) = outer {
            if let Some(workspace) = self.declared(path)? {
                return Ok(workspace);
            }
            outer = match path.rsplit_once('/') {
                Some((outer, _)) => Some(outer),
                None => (!path.is_empty()).then_some(""),
            };
        }
        // A name that no folder of an artifact has.
        self.remember("/", || self.read("", None, Catalogs::default()).map(Some)).map(Option::unwrap_or_default)
    }

    /// The root of the npm workspace that the package in `folder` is a member of; the outermost, where there are
    /// several.
    pub(super) fn root_of<'f>(&self, folder: &'f str) -> Result<Option<&'f str>, PackageError> {
        let inner = |skip: usize| folder.get(skip..).unwrap_or_default();
        let inside = folder.match_indices('/').map(|(at, _)| (folder.get(..at).unwrap_or_default(), inner(at + 1)));
        for (root, inner) in std::iter::once(("", folder)).chain(inside).filter(|_| !folder.is_empty()) {
            if self.globs_of(root)?.is_some_and(|globs| globs.take(inner)) {
                return Ok(Some(root));
            }
        }
        Ok(None)
    }

    /// The commit of the repository that the package in `folder` is in, as far as that is in the artifact.
    pub(super) fn commit(&self, folder: &str) -> Result<Option<String>, PackageError> {
        let Some(repository) = git::around(self.archive, folder) else {
            return Ok(None);
        };
        if let Some(known) = self.heads.borrow().get(&repository) {
            return Ok(known.clone());
        }
        let head = git::head_of(self.archive, &repository)?;
        self.heads.borrow_mut().insert(repository, head.clone());
        Ok(head)
    }

    fn globs_of(&self, folder: &str) -> Result<Option<Rc<Globs>>, PackageError> {
        if let Some(known) = self.globs.borrow().get(folder) {
            return Ok(known.clone());
        }
        let path = within(folder, "package.json");
        let own = self.archive.find(&path).map(|entry| parsed(&entry)).transpose()?.flatten();
        let globs = own.map(|own| Globs::of(&own, &path)).transpose()?.flatten().map(Rc::new);
        self.globs.borrow_mut().insert(folder.to_owned(), globs.clone());
        Ok(globs)
    }

    fn declared(&self, folder: &str) -> Result<Option<Rc<Workspace>>, PackageError> {
        self.remember(folder, || {
            let path = within(folder, "package.json");
            let own = match self.archive.find(&path) {
                Some(entry) => parsed(&entry)?.unwrap_or_default(),
                None => Map::new(),
            };
            let mut catalogs = Catalogs::default();
            for holder in [Some(&own), own.get("workspaces").and_then(Value::as_object)].into_iter().flatten() {
                pnpm::merge(&mut catalogs, catalogs_of(holder));
            }
            pnpm::merge(&mut catalogs, pnpm::catalogs(self.archive, folder)?);
            let globs = match Globs::of(&own, &path)? {
                None => pnpm::globs(self.archive, folder)?,
                globs => globs,
            };
            if globs.is_none() && catalogs.is_empty() {
                return Ok(None);
            }
            self.read(folder, globs.as_ref(), catalogs).map(Some)
        })
    }

    fn remember(
        &self,
        key: &str,
        read: impl FnOnce() -> Result<Option<Workspace>, PackageError>,
    ) -> Result<Option<Rc<Workspace>>, PackageError> {
        if let Some(known) = self.known.borrow().get(key) {
            return Ok(known.clone());
        }
        let workspace = read()?.map(Rc::new);
        self.known.borrow_mut().insert(key.to_owned(), workspace.clone());
        Ok(workspace)
    }

    /// The packages below `root` that the globs take, or all of them, and the one at the root itself.
    fn read(&self, root: &str, globs: Option<&Globs>, catalogs: Catalogs) -> Result<Workspace, PackageError> {
        let mut workspace = Workspace { root: root.to_owned(), catalogs, ..Workspace::default() };
        let skip = if root.is_empty() { 0 } else { root.len() + 1 };
        for entry in self.archive.below(root) {
            let Some(inner) = entry.path().get(skip..) else {
                continue;
            };
            let folder = match inner.strip_suffix("package.json") {
                Some("") => "",
                Some(folder) => match folder.strip_suffix('/') {
                    Some(folder) => folder,
                    None => continue,
                },
                None => continue,
            };
            let taken = folder.is_empty() || globs.is_none_or(|globs| globs.take(folder));
            globs.map_or(Ok(()), |globs| globs.within_bounds(|| within(root, "package.json")))?;
            if !taken || folder.split('/').any(|name| name == "node_modules") {
                continue;
            }
            if let Some(manifest) = parsed(&entry)? {
                let outer = entry.path().strip_suffix("package.json").unwrap_or_default().trim_end_matches('/');
                workspace.add(&manifest, outer);
            }
        }
        Ok(workspace)
    }
}

/// The path of what is in a folder.
pub(super) fn within(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A neighbour's manifest. One that is no JSON is refused where it is published itself, not for its neighbour's sake.
fn parsed(entry: &Entry) -> Result<Option<Map<String, Value>>, PackageError> {
    if entry.kind() != EntryKind::File {
        return Ok(None);
    }
    let bytes = entry.read_to_memory(MAX_MANIFEST)?;
    Ok(manifest::parse(&bytes, entry.path()).ok())
}

/// `catalogs` and `catalog` of an object, as bun and others have them in `package.json`.
fn catalogs_of(holder: &Map<String, Value>) -> Catalogs {
    let texts = |value: &Value| {
        let members = value.as_object().into_iter().flatten();
        members.filter_map(|(name, range)| Some((name.clone(), range.as_str()?.to_owned()))).collect()
    };
    let named = holder.get("catalogs").and_then(Value::as_object).into_iter().flatten();
    let mut catalogs: Catalogs = named.map(|(name, catalog)| (name.clone(), texts(catalog))).collect();
    if let Some(catalog) = holder.get("catalog").filter(|catalog| catalog.is_object()) {
        catalogs.insert(DEFAULT.to_owned(), texts(catalog));
    }
    catalogs
}

impl Workspace {
    fn add(&mut self, manifest: &Map<String, Value>, folder: &str) {
        let Some(name) = manifest.get("name").and_then(Value::as_str).map(js::trim) else {
            return;
        };
        let version = manifest.get("version").and_then(Value::as_str).and_then(Version::parse);
        let at = self.members.len();
        self.members.push(Member { name: name.to_owned(), version, folder: folder.to_owned() });
        self.by_name.entry(name.to_owned()).or_default().push(at);
        self.by_folder.insert(folder.to_owned(), at);
    }

    /// The only member of this name, or the end of a sentence about it.
    pub(super) fn member(&self, name: &str) -> Result<&Member, String> {
        let found = self.by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut members = found.iter().filter_map(|at| self.members.get(*at));
        match (members.next(), members.next()) {
            (Some(member), None) => Ok(member),
            (Some(one), Some(other)) => Err(format!("both {:?} and {:?} are called {name}", one.folder, other.folder)),
            _ => Err(format!("no member of the workspace is called {name}")),
        }
    }

    /// The member in a folder of the artifact.
    pub(super) fn in_folder(&self, folder: &str) -> Option<&Member> {
        self.by_folder.get(folder).and_then(|at| self.members.get(*at))
    }

    /// The member in a folder, seen from the workspace's root.
    pub(super) fn at(&self, folder: &str) -> Option<&Member> {
        let folder = folder.trim_matches('/');
        if folder.is_empty() {
            return None;
        }
        if self.root.is_empty() { self.in_folder(folder) } else { self.in_folder(&format!("{}/{folder}", self.root)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::source::Memory;
    use crate::make::Zip;

    #[test]
    fn the_nearest_workspace_counts_else_the_whole_artifact() {
        let package = |name: &str, version: &str| format!(r#"{{"name":"{name}","version":"{version}"}}"#);
        let zip = Zip::new()
            .file("one/package.json", r#"{"workspaces":["*"]}"#)
            .file("one/a/package.json", package("a", "1.0.0"))
            .file("two/pnpm-workspace.yaml", "packages: ['*']\n")
            .file("two/a/package.json", package("a", "2.0.0"))
            .file("three/a/package.json", package("b", "3.0.0"));
        let archive = Archive::open(Arc::new(Memory(zip.bytes().into())), "Build", "x").unwrap();
        let surroundings = Surroundings::new(&archive);
        let version = |folder: &str, name: &str| {
            let workspace = surroundings.of(folder).unwrap();
            workspace.member(name).map(|member| member.version.as_ref().unwrap().to_string())
        };
        assert_eq!(version("one/a", "a").unwrap(), "1.0.0");
        assert_eq!(version("two/a/x/y", "a").unwrap(), "2.0.0");
        assert_eq!(version("one/a", "b").unwrap_err(), "no member of the workspace is called b");
        assert_eq!(version("three/a", "b").unwrap(), "3.0.0");
        assert_eq!(version("three/a", "a").unwrap_err(), "both \"one/a\" and \"two/a\" are called a");
        assert!(Rc::ptr_eq(&surroundings.of("one/a").unwrap(), &surroundings.of("one").unwrap()));
    }
}
