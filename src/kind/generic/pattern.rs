//! Patterns of a file spec, as the JFrog CLI means them (`utils/utils.go` and `utils/parentheses.go` of jfrog-client-go):
//! wildcards, where `*` crosses folders; Ant patterns; regular expressions, which need not match the whole path.

use regex_lite::{Captures, Regex, escape};

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 4_096;

/// How a pattern is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `*` for any characters, slashes as well.
    Wildcard,
    /// `*` within a folder, `**` across folders, `?` for one character.
    Ant,
    /// A regular expression.
    Regexp,
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Of each placeholder that the target uses, the regular expression's group.
    groups: Vec<(usize, usize)>,
    /// The folder above the first part of the path that is not fixed; without slashes at its ends.
    root: String,
}

impl Pattern {
    /// Compiles a pattern for a target that uses these placeholders. In wildcards and Ant patterns only parentheses that a
    /// placeholder stands for are no part of the path.
    pub(super) fn new(text: &str, syntax: Syntax, placeholders: &[usize]) -> Result<Self, String> {
        if text.len() > MAX_PATTERN {
            return Err(format!("is longer than {MAX_PATTERN} bytes"));
        }
        let text = match syntax {
            Syntax::Regexp => text.strip_prefix("./").unwrap_or(text).to_owned(),
            Syntax::Wildcard | Syntax::Ant => clean(text)?,
        };
        let pairs = if syntax == Syntax::Regexp { Vec::new() } else { parentheses(&text) };
        let used: Vec<(usize, (usize, usize))> = pairs
            .iter()
            .enumerate()
            .map(|(at, pair)| (at + 1, *pair))
            .filter(|(n, _)| placeholders.contains(n))
            .collect();
        let special = |at: usize| used.iter().any(|(_, (open, close))| at == *open || at == *close);
        let source = match syntax {
            Syntax::Wildcard => wildcard(&text, special),
            Syntax::Ant => ant(&text, special),
            Syntax::Regexp => text.clone(),
        };
        let regex = Regex::new(&source).map_err(|error| format!("is no regular expression: {error}"))?;
        let groups: Vec<(usize, usize)> = match syntax {
            Syntax::Regexp => (1..regex.captures_len()).map(|at| (at, at)).collect(),
            Syntax::Wildcard | Syntax::Ant => used.iter().zip(1..).map(|((n, _), group)| (*n, group)).collect(),
        };
        match placeholders.iter().find(|n| groups.iter().all(|(known, _)| known != *n)) {
            Some(missing) => {
                Err(format!("has no parentheses number {missing}, which its target uses as {{{missing}}}"))
            }
            None => Ok(Self { regex, groups, root: root(&text, syntax, special) }),
        }
    }

    /// What the placeholders stand for where the path is one of the pattern's.
    pub(super) fn captures<'p>(&self, path: &'p str) -> Option<Captures<'p>> {
        self.regex.captures(path)
    }

    /// Whether the path is one of the pattern's.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.regex.is_match(path)
    }

    /// What a placeholder stands for.
    pub(super) fn value<'p>(&self, captures: &Captures<'p>, placeholder: usize) -> &'p str {
        let group = self.groups.iter().find(|(n, _)| *n == placeholder).map(|(_, group)| *group);
        group.and_then(|group| captures.get(group)).map_or("", |found| found.as_str())
    }

    /// Whether the file lies in the pattern's root folder itself, not deeper.
    pub(super) fn is_at_root(&self, path: &str) -> bool {
        path.rsplit_once('/').map_or("", |(folder, _)| folder) == self.root
    }
}

/// The pattern without `.` and empty segments; a slash at its end stays.
fn clean(text: &str) -> Result<String, String> {
    if text.starts_with(['/', '~']) || text.contains('\\') || text.split('/').any(|segment| segment == "..") {
        return Err("leads out of the artifact, or has a backslash in it".to_owned());
    }
    if text == "./" {
        return Ok("*".to_owned());
    }
    let segments: Vec<&str> = text.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    match segments.join("/") {
        clean if clean.is_empty() => Err("is empty".to_owned()),
        clean if text.ends_with('/') => Ok(format!("{clean}/")),
        clean => Ok(clean),
    }
}

/// Where parentheses open and close, in the order in which they open; those without the other are none.
fn parentheses(text: &str) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(usize, Option<usize>)> = Vec::new();
    for (at, character) in text.char_indices() {
        match character {
            '(' => pairs.push((at, None)),
            ')' => {
                if let Some((_, close)) = pairs.iter_mut().rev().find(|(_, close)| close.is_none()) {
                    *close = Some(at);
                }
            }
            _ => {}
        }
    }
    pairs.into_iter().filter_map(|(open, close)| Some((open, close?))).collect()
}

fn wildcard(text: &str, special: impl Fn(usize) -> bool) -> String {
    let mut source = "^".to_owned();
    for (at, character) in text.char_indices() {
        match character {
            '*' => source.push_str(".*"),
            '(' | ')' if special(at) => source.push(character),
            _ => source.push_str(&escape(character.encode_utf8(&mut [0; 4]))),
        }
    }
    if text.ends_with('/') {
        source.push_str(".*");
    }
    source + "$"
}

fn ant(text: &str, special: impl Fn(usize) -> bool) -> String {
    // A folder means all that is in it.
    let text = if text.ends_with('/') { format!("{text}**") } else { text.to_owned() };
    let mut source = "^".to_owned();
    let mut rest = text.as_str();
    while let Some(character) = rest.chars().next() {
        let at = text.len() - rest.len();
        let taken = if rest == "/**" {
            source.push_str("(?:/.*)?");
            3
        } else if rest.starts_with("**/") {
            source.push_str("(?:.*/)?");
            3
        } else if rest.starts_with("**") {
            source.push_str(".*");
            2
        } else if rest.starts_with("/*") && !rest.starts_with("/**") {
            // A name of its own is not empty.
            source.push_str("/[^/]+");
            2
        } else {
            match character {
                '*' => source.push_str("[^/]*"),
                '?' => source.push('.'),
                '(' | ')' if special(at) => source.push(character),
                _ => source.push_str(&escape(character.encode_utf8(&mut [0; 4]))),
            }
            character.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    source + "$"
}

/// The folder from which files are collected where only those directly in it count.
fn root(text: &str, syntax: Syntax, special: impl Fn(usize) -> bool) -> String {
    let mut segments = Vec::new();
    let mut at = 0;
    let parts: Vec<&str> = text.split('/').collect();
    for segment in &parts {
        let fixed = match syntax {
            Syntax::Regexp => !segment.contains(['(', '*', '[', '+', '?', '\\', '^', '$', '|', '.', '{']),
            Syntax::Wildcard | Syntax::Ant => {
                let wild = segment.contains('*') || syntax == Syntax::Ant && segment.contains('?');
                !wild && !segment.char_indices().any(|(offset, _)| special(at + offset))
            }
        };
        if !fixed {
            return segments.join("/");
        }
        segments.push(*segment);
        at += segment.len() + 1;
    }
    // All of it is fixed: the last part is a file's name, or empty behind a slash.
    segments.pop();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 7] =
        ["a.zip", "dist/a.zip", "dist/x/b.zip", "dist/x/y/c(1).zip", "dist/a+b.txt", "docs/a.md", "dist/azip"];

    fn found(text: &str, syntax: Syntax) -> String {
        let pattern = Pattern::new(text, syntax, &[]).unwrap();
        PATHS.into_iter().filter(|path| pattern.matches(path)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn wildcards_cross_folders_and_everything_else_is_meant_as_it_stands() {
        let found = |text| found(text, Syntax::Wildcard);
        assert_eq!(found("*.zip"), "a.zip dist/a.zip dist/x/b.zip dist/x/y/c(1).zip");
        assert_eq!(found("./dist/*"), "dist/a.zip dist/x/b.zip dist/x/y/c(1).zip dist/a+b.txt dist/azip");
        assert_eq!(found("dist/x/"), "dist/x/b.zip dist/x/y/c(1).zip");
        assert_eq!(found("dist//./a+b.txt"), "dist/a+b.txt");
        assert_eq!(found("*(1)*"), "dist/x/y/c(1).zip");
        assert_eq!(found("dist"), "");
        assert_eq!(found("./").split(' ').count(), PATHS.len());
    }

    #[test]
    fn ant_patterns_tell_folders_apart() {
        let found = |text| found(text, Syntax::Ant);
        assert_eq!(found("*.zip"), "a.zip");
        assert_eq!(found("dist/*.zip"), "dist/a.zip");
        assert_eq!(found("dist/**/*.zip"), "dist/a.zip dist/x/b.zip dist/x/y/c(1).zip");
        assert_eq!(found("**/x/**"), "dist/x/b.zip dist/x/y/c(1).zip");
        assert_eq!(found("dist/x/"), "dist/x/b.zip dist/x/y/c(1).zip");
        assert_eq!(found("d?cs/?.md"), "docs/a.md");
    }

    #[test]
    fn regular_expressions_need_not_match_the_whole_path() {
        let found = |text| found(text, Syntax::Regexp);
        assert_eq!(found(r"dist/[^/]*\.zip"), "dist/a.zip");
        assert_eq!(found("b.zip$"), "dist/x/b.zip");
        assert_eq!(found("^a"), "a.zip");
    }

    #[test]
    fn placeholders_stand_for_what_is_in_parentheses() {
        let value = |text, syntax, path, placeholder| {
            let pattern = Pattern::new(text, syntax, &[placeholder]).unwrap();
            let captures = pattern.captures(path).unwrap();
            pattern.value(&captures, placeholder).to_owned()
        };
        assert_eq!(value("dist/(*)/(b).zip", Syntax::Wildcard, "dist/x/(b).zip", 1), "x");
        assert_eq!(value("(*)/(*).zip", Syntax::Wildcard, "(dist/x)/b.zip", 2), "b");
        assert_eq!(value("dist/(**)/*.zip", Syntax::Ant, "dist/x/y/b.zip", 1), "x/y");
        assert_eq!(value(r"(\w+)/.*/(\w+)\.zip", Syntax::Regexp, "dist/x/b.zip", 2), "b");
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        let refused = |text, syntax, placeholders: &[usize]| Pattern::new(text, syntax, placeholders).unwrap_err();
        for text in ["/etc/*", "../x", "~/x", r"a\b"] {
            assert!(refused(text, Syntax::Wildcard, &[]).contains("leads out"), "{text}");
        }
        assert!(refused("", Syntax::Ant, &[]).contains("empty"));
        assert!(refused("(", Syntax::Regexp, &[]).contains("no regular expression"));
        assert!(refused("(*)", Syntax::Wildcard, &[1, 2]).contains("{2}"));
        assert!(refused(&"x".repeat(MAX_PATTERN + 1), Syntax::Wildcard, &[]).contains("longer"));
    }

    #[test]
    fn the_root_is_above_what_is_not_fixed() {
        let root = |text, syntax, placeholders: &[usize]| Pattern::new(text, syntax, placeholders).unwrap().root;
        assert_eq!(root("dist/x/*.zip", Syntax::Wildcard, &[]), "dist/x");
        assert_eq!(root("dist/(x)/a", Syntax::Wildcard, &[1]), "dist");
        assert_eq!(root("dist/a.zip", Syntax::Wildcard, &[]), "dist");
        assert_eq!(root("dist/", Syntax::Wildcard, &[]), "dist");
        assert_eq!(root("di?t/x", Syntax::Ant, &[]), "");
        assert_eq!(root(r"dist/.*\.zip", Syntax::Regexp, &[]), "dist");
        assert!(Pattern::new("dist/*", Syntax::Wildcard, &[]).unwrap().is_at_root("dist/a"));
        assert!(!Pattern::new("dist/*", Syntax::Wildcard, &[]).unwrap().is_at_root("dist/x/a"));
    }
}
