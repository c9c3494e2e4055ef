//! A path pattern as npm's rule files and lists mean it: segments between slashes, `**` for any number of them,
//! braces for alternatives. A pattern of a single segment is about the last name of a path, wherever that is.

use super::braces::{self, TooManyError};
use super::segment::{Case, Segment, letters};
use super::work::Work;

/// Longest pattern; longer ones are refused.
const MAX_PATTERN: usize = 4_096;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    alternatives: Vec<Alternative>,
    letters: usize,
}

#[derive(Debug, Clone)]
struct Alternative {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// `**`: any number of segments.
    Globstar,
    Segment(Segment),
}

/// A path as a pattern is held against it: some names, perhaps with a slash before the first or behind the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// A slash before the first name.
    pub(super) leading: bool,
    /// The names, from [`letters`].
    pub(super) names: &'a [Vec<char>],
    /// A slash behind the last name.
    pub(super) trailing: bool,
    /// Where the work is noted.
    pub(super) work: &'a Work,
}

/// Whether the whole pattern is meant, or also a beginning of it that a deeper path could complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The whole pattern.
    Whole,
    /// Its beginning will do.
    Beginning,
}

impl<'a> View<'a> {
    fn len(&self) -> usize {
        self.names.len() + usize::from(self.leading) + usize::from(self.trailing)
    }

    fn get(&self, at: usize) -> &'a [char] {
        at.checked_sub(usize::from(self.leading)).and_then(|at| self.names.get(at)).map_or(&[], Vec::as_slice)
    }
}

impl Glob {
    /// Compiles a pattern.
    pub(super) fn new(pattern: &str, case: Case) -> Result<Self, TooManyError> {
        if pattern.len() > MAX_PATTERN {
            return Err(TooManyError);
        }
        let texts = braces::expand(pattern)?;
        let alternatives = texts.iter().map(|text| Alternative::new(text, case)).collect::<Result<_, _>>()?;
        Ok(Self { alternatives, letters: texts.iter().map(String::len).sum() })
    }

    /// How many letters all alternatives have: by that goes what they take of memory and of time.
    pub(super) fn letters(&self) -> usize {
        self.letters
    }

    /// Whether some alternative is a bare name, or a bare name with a slash.
    pub(super) fn is_about_names(&self) -> bool {
        self.alternatives.iter().any(|alternative| match alternative.parts.as_slice() {
            [] | [_] => true,
            [_, Part::Segment(last)] => last.is_empty(),
            _ => false,
        })
    }

    /// Whether the path is one of the pattern's.
    pub(super) fn matches(&self, view: View<'_>, extent: Extent) -> bool {
        view.work.add(self.alternatives.len());
        self.alternatives.iter().any(|alternative| alternative.matches(view, extent))
    }

    /// Whether the pattern ends in `**` and the path of these names, from [`letters`], is what that stands below: expanded on a disk, it finds that too,
    /// a folder always, a file where it is named outright.
    pub(super) fn stands_below(&self, names: &[Vec<char>], is_folder: bool, work: &Work) -> bool {
        let view = View { leading: false, names, trailing: true, work };
        let literal = |part: &Part| matches!(part, Part::Segment(segment) if segment.is_literal());
        let deep = |alternative: &&Alternative| match alternative.parts.as_slice() {
            [before @ .., Part::Globstar] => !before.is_empty() && (is_folder || before.iter().all(literal)),
            _ => false,
        };
        self.alternatives.iter().filter(deep).any(|alternative| alternative.matches(view, Extent::Whole))
    }

    /// Whether the plain path of these names, from [`letters`], is one of the pattern's.
    pub(super) fn matches_path(&self, names: &[Vec<char>], work: &Work) -> bool {
        self.matches(View { leading: false, names, trailing: false, work }, Extent::Whole)
    }
}

impl Alternative {
    fn new(text: &str, case: Case) -> Result<Self, TooManyError> {
        let mut names: Vec<&str> = Vec::new();
        for (at, name) in text.split('/').enumerate() {
            let last = names.last().copied();
            let end = at > 0 && name.is_empty();
            match name {
                // Several slashes are one; several "**" in a row too.
                "" if end && last == Some("") => {}
                "**" if last == Some("**") => {}
                ".." if last.is_some_and(|last| !matches!(last, "" | "." | ".." | "**")) => {
                    names.pop();
                }
                _ => {
                    // An inner empty name is a doubled slash.
                    if last == Some("") && names.len() > 1 {
                        names.pop();
                    }
                    names.push(name);
                }
            }
        }
        if names.is_empty() {
            names.push("");
        }
        let parts = names
            .into_iter()
            .map(|name| match name {
                "**" => Ok(Part::Globstar),
                name => Segment::new(name, case).map(Part::Segment),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { parts })
    }

    fn matches(&self, view: View<'_>, extent: Extent) -> bool {
        if let [part] = self.parts.as_slice() {
            return match (part, view.names.last()) {
                (Part::Globstar, _) => true,
                (Part::Segment(segment), Some(name)) => segment.matches(name, view.work),
                (Part::Segment(_), None) => false,
            };
        }
        let Some(first) = self.parts.iter().position(|part| matches!(part, Part::Globstar)) else {
            return ends(&self.parts, view, extent);
        };
        let head = self.parts.get(..first).unwrap_or_default();
        let length = view.len();
        if extent == Extent::Beginning {
            // Behind a "**" anything can still come.
            return here(head, view, 0, Extent::Beginning);
        }
        if head.len() > length || !here(head, view, 0, Extent::Whole) {
            return false;
        }
        let mut sections = self.parts.get(first + 1..).unwrap_or_default().split(|part| matches!(part, Part::Globstar));
        let tail = sections.next_back().unwrap_or_default();
        let from = head.len();
        let mut to = length;
        if !tail.is_empty() {
            let fits = |end: usize| {
                end.checked_sub(tail.len()).filter(|begin| *begin >= from && here(tail, view, *begin, Extent::Whole))
            };
            // "a/**/b" is also about "a/b/".
            let before_slash = (view.trailing && from + tail.len() < length).then(|| length - 1);
            match fits(length).or_else(|| before_slash.and_then(fits)) {
                Some(begin) => to = begin,
                None => return false,
            }
        }
        let mut at = from;
        for section in sections {
            match (at..=to).find(|begin| begin + section.len() <= to && here(section, view, *begin, Extent::Whole)) {
                Some(begin) => at = begin + section.len(),
                None => return false,
            }
        }
        // A "**" at the end stands for one name at least.
        !tail.is_empty() || at < to
    }
}

/// The names of a path, as patterns compare them.
pub(super) fn names(path: &str, case: Case) -> Vec<Vec<char>> {
    path.split('/').map(|name| letters(name, case)).collect()
}

/// Whether the parts fit the names from `begin` on, one by one, as far as both reach.
fn here(parts: &[Part], view: View<'_>, begin: usize, extent: Extent) -> bool {
    parts.iter().enumerate().all(|(at, part)| match part {
        Part::Segment(_) if begin + at >= view.len() => extent == Extent::Beginning,
        Part::Segment(segment) => segment.matches(view.get(begin + at), view.work),
        Part::Globstar => false,
    })
}

/// Whether the parts fit the whole path. A trailing slash of the path may be left over.
fn ends(parts: &[Part], view: View<'_>, extent: Extent) -> bool {
    let length = view.len();
    let rest_fits = match parts.len() {
        count if count >= length => count == length || extent == Extent::Beginning,
        count => count + 1 == length && view.trailing,
    };
    rest_fits && here(parts, view, 0, extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_paths() {
        for (pattern, yes, no) in [
            ("a/b", "a/b", "a/b/c b x/a/b"),
            ("*.js", "a.js x/y.js", "a.ts"),
            ("a/*", "a/b", "a a/b/c"),
            ("a/**", "a/b a/b/c", "a b/a"),
            ("**/b", "b a/b a/c/b", "b/a"),
            ("a/**/b", "a/b a/x/b a/x/y/b", "a b a/b/c"),
            ("a/**/b/**/c", "a/b/c a/x/b/y/c", "a/c a/b"),
            ("a//b", "a/b", "a"),
            ("x/../b/c", "b/c", "x/b/c"),
            ("{a,b}/c", "a/c b/c", "c"),
            ("**", "a a/b", ""),
            ("./a", "", "a"),
        ] {
            let glob = Glob::new(pattern, Case::Folded).unwrap();
            for path in yes.split(' ').filter(|path| !path.is_empty()) {
                assert!(glob.matches_path(&names(path, Case::Folded), &Work::default()), "{pattern} {path}");
            }
            for path in no.split(' ').filter(|path| !path.is_empty()) {
                assert!(!glob.matches_path(&names(path, Case::Folded), &Work::default()), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn what_a_deep_pattern_stands_below_is_found() {
        for (pattern, yes, no) in
            [("a/**", "a a/b", "b"), ("{a,b}/**", "a b", "c"), ("a/**/b", "", "a"), ("a/*/**", "a/b a/b/c", "a")]
        {
            let glob = Glob::new(pattern, Case::Exact).unwrap();
            let found = |path: &str| glob.stands_below(&names(path, Case::Exact), true, &Work::default());
            assert!(yes.split(' ').filter(|path| !path.is_empty()).all(found), "{pattern}");
            assert!(!no.split(' ').any(found), "{pattern}");
        }
        for (pattern, path, expected) in [("a.js/**", "a.js", true), ("*.js/**", "a.js", false), ("x/**/**", "x", true)]
        {
            let glob = Glob::new(pattern, Case::Exact).unwrap();
            let found = glob.stands_below(&names(path, Case::Exact), false, &Work::default());
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn a_beginning_is_enough_to_open_a_folder() {
        let names = ["LIB", "SUB"].map(|name| name.chars().collect::<Vec<_>>());
        let view = View { leading: false, names: &names, trailing: false, work: &Work::default() };
        for (pattern, expected) in
            [("lib/sub/x.js", true), ("lib/**/x.js", true), ("lib/*.js", false), ("x/y/z", false)]
        {
            let glob = Glob::new(pattern, Case::Folded).unwrap();
            assert_eq!(glob.matches(view, Extent::Beginning), expected, "{pattern}");
            assert!(!glob.matches(view, Extent::Whole), "{pattern}");
        }
    }

    #[test]
    fn over_long_patterns_are_refused() {
        assert!(Glob::new(&"a".repeat(MAX_PATTERN), Case::Exact).is_ok());
        assert!(Glob::new(&"a".repeat(MAX_PATTERN + 1), Case::Exact).is_err());
    }
}
