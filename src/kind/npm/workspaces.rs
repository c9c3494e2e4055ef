//! The globs that say which folders are members of a workspace.

use serde_json::{Map, Value};

use super::super::PackageError;
use super::glob::{self, Glob};
use super::manifest::refused;
use super::segment::Case;
use super::work::Work;

/// Most globs of one workspace: each folder is held against each.
const MAX_GLOBS: usize = 1_000;

/// Globs in the order in which they are written; the last that fits a folder decides.
#[derive(Debug)]
pub(super) struct Globs {
    patterns: Vec<Pattern>,
    work: Work,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    glob: Glob,
    takes: bool,
}

impl Globs {
    /// Those of `workspaces` in the manifest at `path`; `None` where there is no such member.
    pub(super) fn of(manifest: &Map<String, Value>, path: &str) -> Result<Option<Self>, PackageError> {
        let unusable =
            |problem: &str| refused(path, &format!("has \"workspaces\" that {problem}"), "make it a list of globs");
        let items = match manifest.get("workspaces") {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(Value::Object(members)) => match members.get("packages") {
                Some(Value::Array(items)) => items,
                _ => return Err(unusable("have no list of \"packages\"")),
            },
            Some(_) => return Err(unusable("are no list")),
        };
        let texts = items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| unusable("hold something other than texts")))
            .collect::<Result<Vec<_>, _>>()?;
        Self::parse(&texts).map(Some).map_err(unusable)
    }

    /// Those of a list, or the end of the sentence that says what is wrong with it.
    pub(super) fn parse(texts: &[impl AsRef<str>]) -> Result<Self, &'static str> {
        if texts.len() > MAX_GLOBS {
            return Err("are more than 1,000 globs");
        }
        let patterns = texts.iter().map(|text| {
            let text = text.as_ref();
            let plain = text.trim_start_matches('!');
            let takes = (text.len() - plain.len()) % 2 == 0;
            let plain = plain.trim_start_matches("./").trim_matches('/');
            // A bare name means the folder at the root, not one of that name anywhere.
            let glob = Glob::new(&format!("/{plain}"), Case::Exact).map_err(|_| "stand for too much")?;
            Ok(Pattern { text: plain.to_owned(), glob, takes })
        });
        patterns.collect::<Result<_, _>>().map(|patterns| Self { patterns, work: Work::default() })
    }

    /// Whether the folder, seen from the workspace's root, is a member.
    pub(super) fn take(&self, folder: &str) -> bool {
        let names = glob::names(&format!("/{folder}"), Case::Exact);
        let fits = |pattern: &Pattern| pattern.fits(folder, &names, &self.work);
        !folder.is_empty()
            && self.patterns.iter().fold(false, |takes, pattern| if fits(pattern) { pattern.takes } else { takes })
    }
}

impl Globs {
    /// Refuses globs, of the workspace whose manifest is at `path`, that it took too much work to hold folders against.
    pub(super) fn within_bounds(&self, path: impl FnOnce() -> String) -> Result<(), PackageError> {
        self.work.within_bounds(path)
    }
}

impl Pattern {
    /// Whether the glob is about the folder. Names with a leading dot are not meant by a wildcard.
    fn fits(&self, folder: &str, names: &[Vec<char>], work: &Work) -> bool {
        let hidden = folder.split('/').find(|name| name.starts_with('.'));
        self.glob.matches_path(names, work) && hidden.is_none_or(|name| self.text.split('/').any(|part| part == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_glob_that_fits_decides() {
        let globs = Globs::parse(&["packages/*", "./apps/**", "!apps/old", "one", ".hidden/*"]).unwrap();
        for (folder, member) in [
            ("packages/a", true),
            ("packages/a/b", false),
            ("apps/x/y", true),
            ("apps/old", false),
            ("one", true),
            ("x/one", false),
            ("packages/.a", false),
            (".hidden/a", true),
            ("", false),
        ] {
            assert_eq!(globs.take(folder), member, "{folder}");
        }
    }

    #[test]
    fn the_number_of_globs_has_a_limit() {
        assert!(Globs::parse(&["a"; MAX_GLOBS]).is_ok());
        assert_eq!(Globs::parse(&["a"; MAX_GLOBS + 1]).unwrap_err(), "are more than 1,000 globs");
    }
}
