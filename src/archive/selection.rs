//! Which files of an artifact the action wants looked at: the `Files` property, `;`-separated globs of which a
//! leading `!` excludes.

use thiserror::Error;

/// A glob that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectionError {
    /// Nothing but white space between two `;`.
    #[error("contains an empty pattern")]
    Empty,
    /// A path that no entry can have.
    #[error(
        "pattern {0:?} is absolute, or has '..' or a backslash in it; patterns are relative to the artifact's root"
    )]
    Unsafe(String),
}

/// Globs over the paths of an artifact. `*` and `?` stay within a folder, `**` crosses folders, `{a,b}` and
/// `[a-z]` are alternatives; letter case counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Selection {
    /// Parses the `Files` property.
    pub fn parse(text: &str) -> Result<Self, SelectionError> {
        let mut selection = Self::default();
        for pattern in text.split(';') {
            let pattern = pattern.trim();
            let (list, pattern) = match pattern.strip_prefix('!') {
                Some(rest) => (&mut selection.exclude, rest.trim_start()),
                None => (&mut selection.include, pattern),
            };
            let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
            if pattern.is_empty() {
                return Err(SelectionError::Empty);
            }
            if pattern.starts_with('/') || pattern.contains('\\') || pattern.split('/').any(|segment| segment == "..") {
                return Err(SelectionError::Unsafe(pattern.to_owned()));
            }
            list.push(pattern.to_owned());
        }
        Ok(selection)
    }

    /// Whether the file at `path` is looked at. Without an including pattern every file is, but for the
    /// excluded ones.
    pub fn matches(&self, path: &str) -> bool {
        self.rest(path).is_some()
    }

    /// What of the path of a file that is looked at lies behind the fixed beginning of the first pattern that includes it:
    /// behind the last slash before its first wildcard. `None` for other files.
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        if any(&self.exclude, path) {
            return None;
        }
        if self.include.is_empty() {
            return Some(path);
        }
        let pattern = self.include.iter().find(|pattern| fast_glob::glob_match(pattern, path))?;
        let fixed = pattern.find(['*', '?', '[', '{']).and_then(|wild| pattern.get(..wild)).unwrap_or(pattern);
        let folder = fixed.rfind('/').and_then(|slash| pattern.get(..=slash)).unwrap_or_default();
        Some(path.strip_prefix(folder).unwrap_or(path))
    }

    /// The patterns of which a file must match one, where there are any.
    pub fn included(&self) -> &[String] {
        &self.include
    }

    /// Whether the action named any file at all.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

fn any(patterns: &[String], path: &str) -> bool {
    patterns.iter().any(|pattern| fast_glob::glob_match(pattern, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_include_and_exclude() {
        let selection = Selection::parse("dist/**/*.tgz; packages/*/package.json ;!dist/old/**").unwrap();
        for (path, expected) in [
            ("dist/a.tgz", true),
            ("dist/x/y/a.tgz", true),
            ("dist/old/a.tgz", false),
            ("packages/a/package.json", true),
            ("packages/a/b/package.json", false),
            ("a.tgz", false),
        ] {
            assert_eq!(selection.matches(path), expected, "{path}");
        }
        assert!(Selection::parse("!node_modules/**").unwrap().matches("a"));
        assert!(Selection::default().matches("anything/at/all"));
    }

    #[test]
    fn what_is_behind_a_patterns_fixed_beginning_is_told() {
        let selection = Selection::parse("dist/**/*.zip; app/bin/tool;{a,b}/*; docs/**;d/[xy]/*;!**/*.tmp").unwrap();
        for (path, expected) in [
            ("dist/a.zip", Some("a.zip")),
            ("dist/x/a.zip", Some("x/a.zip")),
            ("app/bin/tool", Some("tool")),
            ("a/c", Some("a/c")),
            ("docs/a/b.md", Some("a/b.md")),
            ("docs/a.tmp", None),
            ("d/x/z", Some("x/z")),
            ("d/z/z", None),
        ] {
            assert_eq!(selection.rest(path), expected, "{path}");
        }
        assert_eq!(Selection::parse("!a").unwrap().rest("b/c"), Some("b/c"));
    }

    #[test]
    fn unusable_patterns_are_refused() {
        assert_eq!(Selection::parse("a;;b"), Err(SelectionError::Empty));
        assert_eq!(Selection::parse("!"), Err(SelectionError::Empty));
        for pattern in ["/etc/*", "../*", "a\\b"] {
            assert!(matches!(Selection::parse(pattern), Err(SelectionError::Unsafe(_))), "{pattern}");
        }
    }
}
