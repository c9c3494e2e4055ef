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
        self.included(path) && !any(&self.exclude, path)
    }

    /// Whether the action named any file at all.
    pub fn is_everything(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    fn included(&self, path: &str) -> bool {
        self.include.is_empty() || any(&self.include, path)
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
    fn unusable_patterns_are_refused() {
        assert_eq!(Selection::parse("a;;b"), Err(SelectionError::Empty));
        assert_eq!(Selection::parse("!"), Err(SelectionError::Empty));
        for pattern in ["/etc/*", "../*", "a\\b"] {
            assert!(matches!(Selection::parse(pattern), Err(SelectionError::Unsafe(_))), "{pattern}");
        }
    }
}
