//! Which files of a folder go into the package, in npm's order. By default everything but litter; `files` of the
//! manifest, or else `.npmignore`, or else `.gitignore` narrow it; some files always go in, some never.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::super::PackageError;
use super::braces::TooManyError;
use super::folder::Folder;
use super::ignore::{Ask, Level, MAX_LETTERS_IN_FORCE, Rule, includes};
use super::js;
use super::lists::{Generation, Lists, rules, too_much};
use super::manifest::refused;
use super::paths::Paths;
use super::segment::{Case, letters};
use super::surroundings::within;
use super::work::Work;
use super::workspaces::Globs;
use crate::archive::{Archive, Entry, EntryKind, MAX_MANIFEST};

/// Left out of every folder, unless a rule brings it back.
const LITTER: &[&str] = &[
    ".npmignore",
    ".gitignore",
    "**/.git",
    "**/.svn",
    "**/.hg",
    "**/CVS",
    "**/.git/**",
    "**/.svn/**",
    "**/.hg/**",
    "**/CVS/**",
    "/.lock-wscript",
    "/.wafpickle-*",
    "/build/config.gypi",
    "npm-debug.log",
    "**/.npmrc",
    ".*.swp",
    ".DS_Store",
    "**/.DS_Store/**",
    "._*",
    "**/._*/**",
    "*.orig",
    "/archived-packages/**",
];

/// Files of rules; the first of them that a folder has counts.
const IGNORE_FILES: [&str; 2] = [".npmignore", ".gitignore"];

/// The files of a package, in the order of their paths' bytes. `workspace` are the rules that its workspace adds to
/// what is left out by default.
pub(super) fn list(
    folder: &Folder,
    manifest: &Map<String, Value>,
    bins: &[String],
    generation: Generation,
    workspace: Vec<Rc<Vec<Rule>>>,
) -> Result<Vec<Entry>, PackageError> {
    let Lists { files, strict, required } = Lists::new(folder, manifest, bins, generation, true)?;
    let mut walk = Walk::new(folder, required)?;
    walk.workspaces = has_members(folder, manifest)?;
    let mut sets = vec![Rc::clone(&walk.litter)];
    sets.extend(workspace);
    match files {
        Some(files) => sets.push(files),
        None => sets.extend(walk.ignore_file(folder.entries(), 0)?),
    }
    sets.push(strict);
    walk.all(sets)
}

/// The files of a package that another one bundles. Its root has neither litter nor ignore files: what was installed
/// has been through those. `manifest` is `None` where it has none; then it has no rules at all there.
pub(super) fn list_bundled(
    folder: &Folder,
    manifest: Option<(&Map<String, Value>, &[String])>,
    generation: Generation,
) -> Result<Vec<Entry>, PackageError> {
    let Some((manifest, bins)) = manifest else {
        return Walk::new(folder, Vec::new())?.all(Vec::new());
    };
    let Lists { files, strict, required } = Lists::new(folder, manifest, bins, generation, false)?;
    Walk::new(folder, required)?.all(files.into_iter().chain([strict]).collect())
}

/// The rules of the ignore files around the package in `folder`, a member of the npm workspace at `root`: of the root
/// and of each folder down to the member's parent. npm reads their lines as if they were the member's own.
pub(super) fn around_member(archive: &Archive, root: &str, folder: &str) -> Result<Vec<Rc<Vec<Rule>>>, PackageError> {
    let begin = if root.is_empty() { 0 } else { root.len() + 1 };
    let inner = folder.match_indices('/').map(|(at, _)| at).filter(|at| *at >= begin);
    let mut sets = Vec::new();
    for around in std::iter::once(root).chain(inner.filter_map(|at| folder.get(..at))) {
        let paths = IGNORE_FILES.map(|name| within(around, name));
        if let Some(folder) = paths.iter().find(|path| archive.below(path).next().is_some()) {
            return Err(is_a_folder(folder));
        }
        if let Some(entry) = paths.iter().find_map(|path| archive.find(path)) {
            let lines = lines_of(&entry)?;
            let rules = Rule::list([lines.as_str()]);
            let rules = rules.map_err(|(line, TooManyError)| too_much(entry.path(), &line))?;
            sets.push(Rc::new(rules));
        }
    }
    Ok(sets)
}

/// The rule that leaves the members of a workspace, at these paths in it, out of its root.
pub(super) fn without_members(folder: &Folder, members: &[String]) -> Result<Vec<Rc<Vec<Rule>>>, PackageError> {
    let (mut paths, work) = (Paths::default(), Work::default());
    // A path of one name is meant at any depth, as in an ignore file.
    let plain = |member: &str, paths: &mut Paths| {
        if member.contains('/') { paths.add(member, false, &work) } else { paths.add_name(member) }
    };
    let odd: Vec<&str> = members.iter().map(String::as_str).filter(|member| !plain(member, &mut paths)).collect();
    let mut sets = vec![rules(folder, "package.json", odd)?];
    if !paths.is_empty() {
        sets.push(Rc::new(vec![Rule::of_paths(paths, false)]));
    }
    Ok(sets)
}

/// Whether some folder is a member of the package's own workspaces.
fn has_members(folder: &Folder, manifest: &Map<String, Value>) -> Result<bool, PackageError> {
    let Some(globs) = Globs::of(manifest, &folder.outer("package.json"))? else {
        return Ok(false);
    };
    for inner in folder.entries().iter().filter_map(|entry| folder.inner(entry).strip_suffix("/package.json")) {
        if inner.split('/').all(|name| name != "node_modules") && globs.take(inner) {
            return Ok(true);
        }
        globs.within_bounds(|| folder.outer("package.json"))?;
    }
    Ok(false)
}

/// What it takes to enter a folder, in steps: its own rules are made, and its ignore files looked for.
const ENTERING: usize = 1_000;

struct Walk<'a> {
    folder: &'a Folder,
    litter: Rc<Vec<Rule>>,
    /// The files that `files` names outright.
    required: Vec<String>,
    /// In a workspace root, a folder with a manifest of its own loses its ignore files.
    workspaces: bool,
    levels: Vec<Level>,
    /// How many letters the rules of all levels have.
    letters: usize,
    path: Vec<Vec<char>>,
    found: Vec<Entry>,
    work: Work,
}

impl<'a> Walk<'a> {
    fn new(folder: &'a Folder, required: Vec<String>) -> Result<Self, PackageError> {
        let litter = rules(folder, "package.json", LITTER.iter().copied())?;
        Ok(Self {
            folder,
            litter,
            required,
            workspaces: false,
            levels: Vec::new(),
            letters: 0,
            path: Vec::new(),
            found: Vec::new(),
            work: Work::default(),
        })
    }

    /// Everything that the rules of the root, and those further in, let through.
    fn all(mut self, rules: Vec<Rc<Vec<Rule>>>) -> Result<Vec<Entry>, PackageError> {
        let level = Level { rules, included: true };
        self.letters = level.letters();
        self.levels.push(level);
        self.folder(self.folder.entries(), 0)?;
        Ok(self.found)
    }

    /// Takes in what is directly in a folder, whose entries these are, and then its folders. `skip` bytes of each
    /// path are the folder's own.
    fn folder(&mut self, mut entries: &'a [Entry], skip: usize) -> Result<(), PackageError> {
        while let Some((first, others)) = entries.split_first() {
            let rest = self.rest(first, skip);
            let name = rest.split_once('/').map(|(name, _)| name);
            self.path.push(letters(name.unwrap_or(rest), Case::Folded));
            match name {
                None => {
                    let file = first.kind() == EntryKind::File && !rest.contains('*');
                    if file && self.includes(Ask::File)? {
                        self.found.push(first.clone());
                    }
                    entries = others;
                }
                Some(name) => {
                    let begin = format!("{name}/");
                    let count = entries.partition_point(|entry| self.rest(entry, skip).starts_with(&begin));
                    let (inside, after) = entries.split_at(count.max(1));
                    if !name.contains('*') && self.includes(Ask::Around)? {
                        self.enter(inside, skip, name)?;
                    }
                    entries = after;
                }
            }
            self.path.pop();
        }
        Ok(())
    }

    fn enter(&mut self, inside: &'a [Entry], skip: usize, name: &str) -> Result<(), PackageError> {
        let inner = skip + name.len() + 1;
        self.work.add(ENTERING);
        let included = self.includes(Ask::File)? || self.includes(Ask::Folder)?;
        let mut strict = vec!["/.git".to_owned()];
        if self.path.len() == 1 {
            // A file that `files` names is let through its folder's own ignore file.
            strict.extend(self.required.iter().filter_map(|file| match js::segments(file).as_slice() {
                [folder, file] if *folder == name => Some(format!("!{file}")),
                _ => None,
            }));
        }
        let mut sets = vec![Rc::clone(&self.litter)];
        sets.extend(self.ignore_file(inside, inner)?);
        sets.push(rules(self.folder, "package.json", strict.iter().map(String::as_str))?);
        self.levels.push(Level { rules: sets, included });
        let before = self.letters;
        self.letters += self.levels.last().map_or(0, Level::letters);
        if self.letters > MAX_LETTERS_IN_FORCE {
            let path = self.folder.outer(name);
            return Err(refused(&path, "lies under too many patterns of ignore files", "write them shorter"));
        }
        self.folder(inside, inner)?;
        self.letters = before;
        self.levels.pop();
        Ok(())
    }

    /// Whether the rules of all levels include what the walk is at.
    fn includes(&self, ask: Ask) -> Result<bool, PackageError> {
        let included = includes(&self.levels, &self.path, ask, &self.work);
        self.work.within_bounds(|| self.folder.outer("package.json")).map(|()| included)
    }

    fn rest<'e>(&self, entry: &'e Entry, skip: usize) -> &'e str {
        self.folder.inner(entry).get(skip..).unwrap_or_default()
    }

    /// The rules of a folder's `.npmignore`, or else of its `.gitignore`.
    fn ignore_file(&self, entries: &[Entry], skip: usize) -> Result<Option<Rc<Vec<Rule>>>, PackageError> {
        let find = |name: &str| {
            let at = entries.partition_point(|entry| self.rest(entry, skip) < name);
            entries.get(at).filter(|entry| self.rest(entry, skip) == name)
        };
        if self.workspaces && skip > 0 && find("package.json").is_some() {
            return Ok(None);
        }
        for name in IGNORE_FILES {
            let begin = format!("{name}/");
            let at = entries.partition_point(|entry| self.rest(entry, skip) < begin.as_str());
            if let Some(entry) = entries.get(at).filter(|entry| self.rest(entry, skip).starts_with(&begin)) {
                let end = entry.path().len() - self.rest(entry, skip).len() + name.len();
                return Err(is_a_folder(entry.path().get(..end).unwrap_or_default()));
            }
        }
        let Some(entry) = find(".npmignore").or_else(|| find(".gitignore")) else {
            return Ok(None);
        };
        let lines = lines_of(entry)?;
        rules(self.folder, self.folder.inner(entry), [lines.as_str()]).map(Some)
    }
}

/// The text of an ignore file.
fn lines_of(entry: &Entry) -> Result<String, PackageError> {
    if entry.kind() == EntryKind::Symlink {
        return Err(refused(
            entry.path(),
            "is a symbolic link, which is not followed: what it leaves out is unknown",
            "put the file itself into the artifact",
        ));
    }
    let text = entry.read_to_memory(MAX_MANIFEST)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn is_a_folder(path: &str) -> PackageError {
    refused(path, "is a folder, where a file of patterns has to be", "rename it, or leave it out of the artifact")
}
