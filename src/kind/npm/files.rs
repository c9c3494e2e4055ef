//! Which files of a folder go into the package: npm 7 to 11's rules, in npm's order. By default everything but
//! litter; `files` of the manifest, or else `.npmignore`, or else `.gitignore` narrow it; some files always go in,
//! some never.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::super::PackageError;
use super::braces::TooManyError;
use super::folder::{Folder, Found};
use super::ignore::{Ask, Level, Rule, includes};
use super::js;
use super::segment::{Case, letters};
use crate::archive::{Entry, EntryKind, MAX_MANIFEST};

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

/// Decided after everything else, at the package's root: what always and what never goes in.
const STRICT: &[&str] = &[
    "/.git",
    "!/package.json",
    "!/readme{,.*[^~$]}",
    "!/copying{,.*[^~$]}",
    "!/license{,.*[^~$]}",
    "!/licence{,.*[^~$]}",
    "/.git",
    "/node_modules",
    ".npmrc",
    "/package-lock.json",
    "/yarn.lock",
    "/pnpm-lock.yaml",
    "/bun.lockb",
];

/// The files of a package, in the order of their paths' bytes.
pub(super) fn list(
    folder: &Folder,
    manifest: &Map<String, Value>,
    bins: &[String],
) -> Result<Vec<Entry>, PackageError> {
    let from_manifest = Lists::new(folder, manifest, bins)?;
    let mut walk = Walk {
        folder,
        litter: rules(folder, "package.json", LITTER.iter().copied())?,
        required: from_manifest.required,
        // In a workspace root, a folder with a manifest of its own loses its ignore files.
        workspaces: js::truthy(manifest.get("workspaces")),
        levels: Vec::new(),
        path: Vec::new(),
        found: Vec::new(),
    };
    let mut sets = vec![Rc::clone(&walk.litter)];
    match from_manifest.files {
        Some(files) => sets.push(files),
        None => sets.extend(walk.ignore_file(folder.entries(), 0)?),
    }
    sets.push(from_manifest.strict);
    walk.levels.push(Level { rules: sets, included: true });
    walk.folder(folder.entries(), 0)?;
    Ok(walk.found)
}

/// Rules made from the manifest.
struct Lists {
    files: Option<Rc<Vec<Rule>>>,
    strict: Rc<Vec<Rule>>,
    /// The files that `files` names outright.
    required: Vec<String>,
}

impl Lists {
    fn new(folder: &Folder, manifest: &Map<String, Value>, bins: &[String]) -> Result<Self, PackageError> {
        let mut named = Vec::new();
        let mut required = Vec::new();
        let files = match manifest.get("files") {
            files if !js::truthy(files) => None,
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .map(Some)
                .ok_or_else(|| unusable(folder, "are a list of something other than strings"))?,
            // npm takes a string for a list of its letters.
            Some(Value::String(text)) => Some(text.chars().map(String::from).collect()),
            _ => return Err(unusable(folder, "are no list")),
        };
        let files = match files {
            None => None,
            Some(files) => {
                let mut lines = vec!["*".to_owned()];
                for file in files {
                    let mut file =
                        file.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(&file).to_owned();
                    if file.ends_with("/*") {
                        file.push('*');
                    }
                    let place = js::segments(file.trim_start_matches('!')).join("/");
                    match folder.find(&place) {
                        // No file has a slash behind it.
                        Found::File(_) if file.ends_with('/') => lines.push(format!("!{file}")),
                        Found::File(_) => {
                            named.insert(0, format!("!{file}"));
                            required.push(file.strip_prefix('/').unwrap_or(&file).to_owned());
                        }
                        Found::Folder => {
                            lines.push(format!("!{file}"));
                            lines.push(format!("!{file}/**"));
                        }
                        Found::Nothing => lines.push(format!("!{file}")),
                        Found::Symlink => {}
                    }
                }
                Some(rules(folder, "package.json", lines.iter().map(String::as_str))?)
            }
        };
        let mut strict: Vec<String> = named;
        strict.extend(STRICT.iter().map(|line| (*line).to_owned()));
        for member in ["browser", "main"] {
            if let Some(value) = manifest.get(member).filter(|value| js::truthy(Some(value))) {
                strict.push(format!("!/{}", js::text(value)));
            }
        }
        strict.extend(bins.iter().map(|bin| format!("!/{bin}")));
        Ok(Self { files, strict: rules(folder, "package.json", strict.iter().map(String::as_str))?, required })
    }
}

struct Walk<'a> {
    folder: &'a Folder,
    litter: Rc<Vec<Rule>>,
    required: Vec<String>,
    workspaces: bool,
    levels: Vec<Level>,
    path: Vec<Vec<char>>,
    found: Vec<Entry>,
}

impl<'a> Walk<'a> {
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
                    if file && includes(&self.levels, &self.path, Ask::File) {
                        self.found.push(first.clone());
                    }
                    entries = others;
                }
                Some(name) => {
                    let begin = format!("{name}/");
                    let count = entries.partition_point(|entry| self.rest(entry, skip).starts_with(&begin));
                    let (inside, after) = entries.split_at(count.max(1));
                    if !name.contains('*') && includes(&self.levels, &self.path, Ask::Around) {
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
        let included = includes(&self.levels, &self.path, Ask::File) || includes(&self.levels, &self.path, Ask::Folder);
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
        self.folder(inside, inner)?;
        self.levels.pop();
        Ok(())
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
        let Some(entry) = find(".npmignore").or_else(|| find(".gitignore")) else {
            return Ok(None);
        };
        if entry.kind() == EntryKind::Symlink {
            return Err(PackageError::Refused {
                path: entry.path().to_owned(),
                problem: "is a symbolic link, which is not followed: what it leaves out is unknown".to_owned(),
                remedy: "put the file itself into the artifact".to_owned(),
            });
        }
        let text = entry.read_to_memory(MAX_MANIFEST)?;
        let text = String::from_utf8_lossy(&text);
        rules(self.folder, self.folder.inner(entry), [&*text]).map(Some)
    }
}

fn rules<'t>(
    folder: &Folder,
    file: &str,
    lines: impl IntoIterator<Item = &'t str>,
) -> Result<Rc<Vec<Rule>>, PackageError> {
    Rule::list(lines).map_err(|(line, TooManyError)| PackageError::Refused {
        path: folder.outer(file),
        problem: format!("has a pattern that stands for too much: {:?}", line.chars().take(80).collect::<String>()),
        remedy: "write it as several simpler ones".to_owned(),
    })
}

fn unusable(folder: &Folder, problem: &str) -> PackageError {
    PackageError::Refused {
        path: folder.outer("package.json"),
        problem: format!("has \"files\" that {problem}"),
        remedy: "make it a list of patterns".to_owned(),
    }
}
