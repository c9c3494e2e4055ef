//! The rules that a manifest makes for its folder: `files`, as npm 11 or npm 12 understands it, and what always or
//! never goes in.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::super::PackageError;
use super::braces::TooManyError;
use super::folder::{Folder, Found};
use super::glob::{self, Glob};
use super::ignore::Rule;
use super::js;
use super::manifest::refused;
use super::paths::Paths;
use super::segment::Case;
use super::work::Work;
use crate::archive::EntryKind;

/// Whose meaning `files` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// npm 7 to 11: entries are patterns of an ignore file, turned round.
    Eleven,
    /// npm 12: entries are globs from the package's root, looked up among its files.
    Twelve,
}

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

/// What npm 12 never packs besides.
const STRICT_TWELVE: &[&str] = &["/npm-shrinkwrap.json", "/bun.lock", "/.npm-extension.mjs", "/.npm-extension.cjs"];

/// Rules made from the manifest.
pub(super) struct Lists {
    /// Those of `files`, where there is such a list.
    pub(super) files: Option<Rc<Vec<Rule>>>,
    /// Those that are asked last.
    pub(super) strict: Rc<Vec<Rule>>,
    /// The files that `files` names outright (npm 11).
    pub(super) required: Vec<String>,
}

/// What `files` alone makes.
#[derive(Default)]
struct Named {
    rules: Vec<Rule>,
    strict: Vec<String>,
    required: Vec<String>,
}

impl Lists {
    /// The rules of the folder. `own`: it is the package itself, not one that it bundles.
    pub(super) fn new(
        folder: &Folder,
        manifest: &Map<String, Value>,
        bins: &[String],
        generation: Generation,
        own: bool,
    ) -> Result<Self, PackageError> {
        let listed = entries(folder, manifest)?;
        let narrowed = listed.is_some();
        let Named { rules: files, strict: named, required } = match (listed, generation) {
            (None, _) => Named::default(),
            (Some(listed), Generation::Eleven) => eleven(folder, &listed)?,
            (Some(listed), Generation::Twelve) => twelve(folder, &listed)?,
        };
        let mut strict: Vec<String> = named;
        strict.extend(STRICT.iter().map(|line| (*line).to_owned()));
        if generation == Generation::Twelve {
            strict.extend(STRICT_TWELVE.iter().map(|line| (*line).to_owned()));
        }
        for member in ["browser", "main"] {
            if let Some(value) = manifest.get(member).filter(|value| js::truthy(Some(value))) {
                strict.push(format!("!/{}", js::text(value)));
            }
        }
        let mut plain = Paths::default();
        strict.extend(bins.iter().filter(|bin| !plain.add(bin, false, &Work::default())).map(|bin| format!("!/{bin}")));
        let mut strict = compiled(folder, strict.iter().map(String::as_str))?;
        if !plain.is_empty() {
            strict.push(Rule::of_paths(plain, true));
        }
        if generation == Generation::Twelve && own {
            let patches = patches(manifest);
            strict.extend(compiled(folder, patches.iter().map(String::as_str))?);
        }
        Ok(Self { files: narrowed.then(|| Rc::new(files)), strict: Rc::new(strict), required })
    }
}

/// The entries of `files`; `None` where there is no such list.
fn entries(folder: &Folder, manifest: &Map<String, Value>) -> Result<Option<Vec<String>>, PackageError> {
    let unusable = |problem: &str| {
        let path = folder.outer("package.json");
        refused(&path, &format!("has \"files\" that {problem}"), "make it a list of patterns")
    };
    match manifest.get("files") {
        files if !js::truthy(files) => Ok(None),
        Some(Value::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            texts.map(Some).ok_or_else(|| unusable("are a list of something other than strings"))
        }
        // npm takes a string for a list of its letters.
        Some(Value::String(text)) => Ok(Some(text.chars().map(String::from).collect())),
        _ => Err(unusable("are no list")),
    }
}

fn eleven(folder: &Folder, listed: &[String]) -> Result<Named, PackageError> {
    let mut named = Named::default();
    let mut lines = vec!["*".to_owned()];
    for file in listed {
        let mut file = file.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(file).to_owned();
        if file.ends_with("/*") {
            file.push('*');
        }
        let place = js::segments(file.trim_start_matches('!')).join("/");
        match folder.find(&place) {
            // No file has a slash behind it.
            Found::File(_) if file.ends_with('/') => lines.push(format!("!{file}")),
            Found::File(_) => {
                named.strict.push(format!("!{file}"));
                named.required.push(file.strip_prefix('/').unwrap_or(&file).to_owned());
            }
            Found::Folder => {
                lines.push(format!("!{file}"));
                lines.push(format!("!{file}/**"));
            }
            Found::Nothing => lines.push(format!("!{file}")),
            Found::Symlink => {}
        }
    }
    // Of two that name the same file the earlier one is asked last.
    named.strict.reverse();
    named.rules = compiled(folder, lines.iter().map(String::as_str))?;
    Ok(named)
}

/// Rules of one sign that follow each other: the order among them does not matter.
#[derive(Default)]
struct Run {
    brings_back: bool,
    paths: Paths,
    /// A name with signs of a pattern is read as a pattern once it is found.
    odd: Vec<String>,
}

impl Run {
    fn new(brings_back: bool) -> Self {
        Self { brings_back, ..Self::default() }
    }

    fn add(&mut self, path: &str, is_folder: bool, work: &Work) {
        let sign = if self.brings_back { "!" } else { "" };
        if !self.paths.add(path, is_folder, work) {
            self.odd.push(format!("{sign}/{path}"));
            if is_folder {
                self.odd.push(format!("{sign}/{path}/**"));
            }
        }
    }

    fn end(self, folder: &Folder, rules: &mut Vec<Rule>) -> Result<(), PackageError> {
        if !self.paths.is_empty() {
            rules.push(Rule::of_paths(self.paths, self.brings_back));
        }
        rules.extend(compiled(folder, self.odd.iter().map(String::as_str))?);
        Ok(())
    }
}

fn twelve(folder: &Folder, listed: &[String]) -> Result<Named, PackageError> {
    let mut all = compiled(folder, ["*"])?;
    let work = Work::default();
    let mut run = Run::new(true);
    for entry in listed {
        let brings_back = !entry.starts_with('!');
        let pattern = entry.trim_start_matches('!');
        let pattern = pattern.strip_prefix("./").or_else(|| pattern.strip_prefix('/')).unwrap_or(pattern);
        let pattern = pattern.trim_end_matches('/');
        // Still with a slash in front it is a path of the machine.
        if pattern.is_empty() || pattern.starts_with('/') {
            continue;
        }
        let pattern = pattern.split('/').filter(|name| *name != ".").collect::<Vec<_>>().join("/");
        let glob = Glob::new(&format!("/{pattern}"), Case::Exact)
            .map_err(|TooManyError| too_much(&folder.outer("package.json"), &pattern))?;
        if run.brings_back != brings_back {
            std::mem::replace(&mut run, Run::new(brings_back)).end(folder, &mut all)?;
        }
        each(folder, |path, is_folder| {
            work.add(path.len());
            let names = glob::names(&format!("/{path}"), Case::Exact);
            if glob.matches_path(&names, &work) || glob.stands_below(&names, is_folder, &work) {
                run.add(path, is_folder, &work);
            }
            work.within_bounds(|| folder.outer("package.json"))
        })?;
    }
    run.end(folder, &mut all)?;
    Ok(Named { rules: all, ..Named::default() })
}

/// Hands over each file of the folder, and before the first file in it each folder. Nothing of it is kept: folders may be
/// many times as many as files.
fn each<'f>(
    folder: &'f Folder,
    mut take: impl FnMut(&'f str, bool) -> Result<(), PackageError>,
) -> Result<(), PackageError> {
    let mut before = "";
    for entry in folder.entries().iter().filter(|entry| entry.kind() == EntryKind::File) {
        let file = folder.inner(entry);
        let known = file.bytes().zip(before.bytes()).take_while(|(one, other)| one == other).count();
        for (at, _) in file.match_indices('/').filter(|(at, _)| *at >= known) {
            take(file.get(..at).unwrap_or_default(), true)?;
        }
        take(file, false)?;
        before = file;
    }
    Ok(())
}

/// The files of `patchedDependencies`, which are the project's own.
fn patches(manifest: &Map<String, Value>) -> Vec<String> {
    let members = manifest.get("patchedDependencies").and_then(Value::as_object);
    let paths = members.into_iter().flatten().filter_map(|(_, path)| path.as_str()).filter_map(|path| {
        let path = path.replace('\\', "/");
        let path = path.strip_prefix("./").or_else(|| path.strip_prefix('/')).unwrap_or(&path);
        let path = path.trim_end_matches('/');
        let outside = path.is_empty() || path.starts_with('/') || path.split('/').any(|name| name == "..");
        (!outside).then(|| format!("/{path}"))
    });
    paths.collect()
}

/// Compiles the lines of `file`.
pub(super) fn rules<'t>(
    folder: &Folder,
    file: &str,
    lines: impl IntoIterator<Item = &'t str>,
) -> Result<Rc<Vec<Rule>>, PackageError> {
    Rule::list(lines).map(Rc::new).map_err(|(line, TooManyError)| too_much(&folder.outer(file), &line))
}

fn compiled<'t>(folder: &Folder, lines: impl IntoIterator<Item = &'t str>) -> Result<Vec<Rule>, PackageError> {
    Rule::list(lines).map_err(|(line, TooManyError)| too_much(&folder.outer("package.json"), &line))
}

/// A refusal of a line of the file at `path`.
pub(super) fn too_much(path: &str, line: &str) -> PackageError {
    let line: String = line.chars().take(80).collect();
    let problem = format!("has a pattern that stands for too much: {line:?}");
    refused(path, &problem, "write it as several simpler ones")
}
