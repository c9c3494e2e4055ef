//! A file spec of the JFrog CLI (<https://docs.jfrog-applications.jfrog.io/jfrog-applications/jfrog-cli/cli-for-jfrog-artifactory/using-file-specs>)
//! in the artifact: which files go where, with which properties. What it means is what `jf rt upload --spec` makes of it,
//! but that nothing outside the artifact is reached, a variable is text and no JSON, and what is not known is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::pattern::{Pattern, Syntax};
use super::place::{self, refused};
use super::{Chosen, PackageError, names, refuse_link};
use crate::archive::{Archive, Entry, EntryKind, MAX_MANIFEST};
use crate::package::is_property_key;
use crate::plan::Properties;
use crate::registry::url::{Place, Places, RepoKey};

/// Most groups of files, and most exclusions of a group.
const MAX_GROUPS: usize = 1_000;

/// Members of a group that are understood.
const KNOWN: [&str; 9] =
    ["pattern", "target", "props", "targetProps", "exclusions", "flat", "recursive", "regexp", "ant"];

/// Members that ask for what is not done here, and mean nothing where they are false.
const ONLY_FALSE: [&str; 5] = ["explode", "symlinks", "includeDirs", "include-dirs", "validateSymlinks"];

/// A file spec.
#[derive(Debug)]
pub(super) struct Spec {
    path: String,
    groups: Vec<Group>,
}

/// Which files go to one target.
#[derive(Debug)]
struct Group {
    pattern: Pattern,
    /// As it was written.
    written: String,
    exclusions: Vec<Pattern>,
    target: Vec<Piece>,
    folders: Folders,
    depth: Depth,
    properties: Properties,
}

/// What becomes of the folders of a file that goes to a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folders {
    Kept,
    Dropped,
}

/// How deep below the pattern's root files are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    All,
    RootOnly,
}

/// A part of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Placeholder(usize),
}

impl Spec {
    /// Reads the spec at this path; `None` where the artifact holds no such file.
    pub(super) fn read(
        archive: &Archive,
        path: &str,
        variables: &BTreeMap<String, String>,
        repository: &RepoKey,
    ) -> Result<Option<Self>, PackageError> {
        let Some(entry) = archive.find(path).filter(|entry| entry.kind() != EntryKind::Directory) else {
            return Ok(None);
        };
        refuse_link(&entry)?;
        let bytes = entry.read_to_memory(MAX_MANIFEST)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let groups = groups(bytes, variables, repository);
        let remedy = "correct the file spec; the README says which members it may have";
        let groups = groups.map_err(|problem| refused(path, &problem, remedy))?;
        Ok(Some(Self { path: path.to_owned(), groups }))
    }

    /// The files that it names, and what a person should know of groups that name none.
    pub(super) fn choose(&self, archive: &Archive) -> Result<(Vec<Chosen>, Vec<String>), PackageError> {
        let files: Vec<Entry> = archive.entries().filter(|entry| entry.kind() != EntryKind::Directory).collect();
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut places = Places::default();
        let mut taken: HashMap<(usize, Place), usize> = HashMap::new();
        let mut idle = Vec::new();
        for group in &self.groups {
            let before = chosen.len();
            let mut again = false;
            let properties = Arc::new(group.properties.clone());
            for (number, entry) in files.iter().enumerate() {
                let Some(place) = group.place(entry.path()) else { continue };
                refuse_link(entry)?;
                let place = place::safe(entry.path(), &place)?;
                let place = place::kept(&mut places, &place, entry.path())?;
                let properties = Arc::clone(&properties);
                let other = taken.get(&(number, place.clone())).and_then(|at| chosen.get_mut(*at));
                if let Some(other) = other {
                    // The CLI would put it there twice, and the later properties would stay.
                    other.properties = properties;
                    again = true;
                } else {
                    place::count(chosen.len(), entry.path())?;
                    taken.insert((number, place.clone()), chosen.len());
                    chosen.push(Chosen { entry: entry.clone(), place, properties });
                }
            }
            if chosen.len() == before && !again {
                idle.push(group.written.as_str());
            }
        }
        if chosen.is_empty() {
            let looked_for = if files.is_empty() {
                "the artifact holds no file".to_owned()
            } else {
                let patterns = idle.join(", ");
                format!("no file of the artifact matches {patterns} of {}; it holds {}", self.path, names(&files))
            };
            return Err(PackageError::NothingFound { kind: "generic", looked_for });
        }
        let warn = |pattern: &&str| format!("no file matches {pattern} of {}", self.path);
        Ok((chosen, idle.iter().map(warn).collect()))
    }
}

impl Group {
    /// Where the file at this path goes, where it is one of the group's.
    fn place(&self, path: &str) -> Option<String> {
        let captures = self.pattern.captures(path)?;
        let too_deep = self.depth == Depth::RootOnly && !self.pattern.is_at_root(path);
        if too_deep || self.exclusions.iter().any(|exclusion| exclusion.matches(path)) {
            return None;
        }
        let value = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Placeholder(number) => self.pattern.value(&captures, *number).to_owned(),
        };
        let mut place: String = self.target.iter().map(value).collect();
        if place.is_empty() || place.ends_with('/') {
            // Placeholders say what is to be kept of the folders.
            let named = self.target.iter().any(|piece| matches!(piece, Piece::Placeholder(_)));
            let dropped = self.folders == Folders::Dropped || named;
            let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
            place.push_str(if dropped { name } else { path });
        }
        Some(place)
    }
}

fn groups(bytes: &[u8], variables: &BTreeMap<String, String>, repository: &RepoKey) -> Result<Vec<Group>, String> {
    let spec: Value = serde_json::from_slice(bytes).map_err(|error| format!("is no JSON: {error}"))?;
    let members = spec.as_object().ok_or("is no JSON object")?;
    if let Some(name) = members.keys().find(|name| !matches!(name.as_str(), "files" | "$schema")) {
        return Err(format!("has a member {name:?}; a file spec has \"files\""));
    }
    let files = members.get("files").and_then(Value::as_array).filter(|files| !files.is_empty());
    let files = files.ok_or("has no \"files\", a list of what goes where")?;
    if files.len() > MAX_GROUPS {
        return Err(format!("has {} groups of files, the limit is {MAX_GROUPS}", files.len()));
    }
    let group = |(at, file): (usize, &Value)| {
        let members = file.as_object().ok_or("is no JSON object".to_owned());
        let group = members.and_then(|members| group(&Members { members, variables }, repository));
        group.map_err(|problem| format!("has a problem in files[{at}]: it {problem}"))
    };
    files.iter().enumerate().map(group).collect()
}

fn group(members: &Members<'_>, repository: &RepoKey) -> Result<Group, String> {
    members.are_known()?;
    let written = members.text("pattern")?.ok_or("has no \"pattern\"")?;
    let target = members.text("target")?.ok_or("has no \"target\"")?;
    let target = pieces(in_repository(&target, repository)?);
    let used = |piece: &Piece| if let Piece::Placeholder(number) = piece { Some(*number) } else { None };
    let placeholders: Vec<usize> = target.iter().filter_map(used).collect();
    let syntax = match (members.is("regexp", false)?, members.is("ant", false)?) {
        (true, true) => return Err("has both \"regexp\" and \"ant\"".to_owned()),
        (true, false) => Syntax::Regexp,
        (false, true) => Syntax::Ant,
        (false, false) => Syntax::Wildcard,
    };
    let of_pattern = |name: &str, text: &str, placeholders: &[usize]| {
        Pattern::new(text, syntax, placeholders).map_err(|problem| format!("has the {name} {text:?}, which {problem}"))
    };
    let exclusions = members.texts("exclusions")?;
    let exclusions = exclusions.iter().map(|text| of_pattern("exclusion", text, &[])).collect::<Result<_, _>>()?;
    let mut properties = Properties::new();
    for name in ["targetProps", "props"] {
        for (key, mut values) in
            members.text(name)?.map(|text| self::properties(&text)).transpose()?.unwrap_or_default()
        {
            match properties.iter_mut().find(|(other, _)| *other == key) {
                Some((_, all)) => all.append(&mut values),
                None => properties.push((key, values)),
            }
        }
    }
    Ok(Group {
        pattern: of_pattern("pattern", &written, &placeholders)?,
        written,
        exclusions,
        target,
        folders: if members.is("flat", false)? { Folders::Dropped } else { Folders::Kept },
        depth: if members.is("recursive", true)? { Depth::All } else { Depth::RootOnly },
        properties,
    })
}

/// The members of a group.
struct Members<'a> {
    members: &'a Map<String, Value>,
    variables: &'a BTreeMap<String, String>,
}

impl Members<'_> {
    fn are_known(&self) -> Result<(), String> {
        for (name, value) in self.members {
            let nothing = matches!(value, Value::Bool(false)) || value.as_str() == Some("false");
            let known = KNOWN.contains(&name.as_str()) || ONLY_FALSE.contains(&name.as_str()) && nothing;
            if !known {
                return Err(format!("has a member {name:?}, which is not supported; known are {}", KNOWN.join(", ")));
            }
        }
        Ok(())
    }

    /// A text, with its variables; an empty one is as good as none.
    fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(self.filled(text)?).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("has a {name:?} that is no text")),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let no_list = || format!("has {name:?} that are no list of texts");
        let Some(list) = self.members.get(name) else { return Ok(Vec::new()) };
        let list = list.as_array().ok_or_else(no_list)?;
        if list.len() > MAX_GROUPS {
            return Err(format!("has more than {MAX_GROUPS} {name}"));
        }
        let texts = list.iter().map(|text| self.filled(text.as_str().ok_or_else(no_list)?));
        texts.filter(|text| text.as_ref().map_or(true, |text| !text.is_empty())).collect()
    }

    /// `"true"` or `"false"`, as the CLI wants it, or the JSON value.
    fn is(&self, name: &str, default: bool) -> Result<bool, String> {
        if let Some(Value::Bool(value)) = self.members.get(name) {
            return Ok(*value);
        }
        match self.text(name)?.as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(format!("has {name:?} {other:?}; it must be \"true\" or \"false\"")),
        }
    }

    /// The text with `${name}` replaced. What is put in is text: it cannot add members.
    fn filled(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("has {text:?}, with a '${{' without its '}}'"))?;
            let value = self.variables.get(name);
            let value = value.ok_or_else(|| format!("uses ${{{name}}}, which the option spec-vars does not give"))?;
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// What of a target is behind its repository, which must be the action's: the credential may be for no other.
fn in_repository<'t>(target: &'t str, repository: &RepoKey) -> Result<&'t str, String> {
    // A repository's key alone is its root.
    let (key, path) = target.split_once('/').unwrap_or((target, ""));
    if key != repository.as_str() {
        return Err(format!("has the target {target:?}, which is not in the action's RepoKey {repository}"));
    }
    if path.contains(';') {
        return Err(format!("has the target {target:?} with a ';'; properties belong into targetProps"));
    }
    Ok(path)
}

/// A target's text and its placeholders `{1}`, `{2}`, …
fn pieces(target: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = target;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let number = after.split_once('}').and_then(|(number, after)| Some((number.parse::<usize>().ok()?, after)));
        if let Some((number, after)) = number {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
            pieces.push(Piece::Placeholder(number));
            rest = after;
        } else {
            text.push('{');
            rest = after;
        }
    }
    pieces.push(Piece::Text(text + rest));
    pieces
}

/// `key=value1,value2;key2=value`; a backslash makes the next character a plain one.
fn properties(text: &str) -> Result<Properties, String> {
    let mut properties = Properties::new();
    for pair in split(text, ';').into_iter().filter(|pair| !pair.is_empty()) {
        let (key, values) = pair
            .split_once('=')
            .ok_or_else(|| format!("has the property {pair:?}, which is not of the form key=value"))?;
        if !is_property_key(key) {
            return Err(format!(
                "has the property key {key:?}, with characters that Artifactory does not take in keys"
            ));
        }
        let values: Vec<String> = split(values, ',').iter().map(|value| plain(value)).collect();
        if values.iter().any(String::is_empty) {
            return Err(format!("has an empty value for the property {key:?}, which Artifactory refuses"));
        }
        properties.push((key.to_owned(), values));
    }
    Ok(properties)
}

/// The parts between separators that no backslash precedes, backslashes and all.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        if character == separator && !escaped {
            parts.push(String::new());
            continue;
        }
        escaped = character == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(character);
        }
    }
    parts
}

fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let literal = if character == '\\' { characters.next() } else { None };
        plain.push(literal.unwrap_or(character));
    }
    plain
}
