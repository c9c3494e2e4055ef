//! Rules that leave files out of a package or bring them back: the lines of `.npmignore` and `.gitignore`, and the
//! same made from `package.json`. The last rule that fits decides, folder by folder from the package's root inwards.

use std::rc::Rc;

use super::braces::TooManyError;
use super::glob::{Extent, Glob, View};
use super::js;
use super::paths::Paths;
use super::segment::Case;
use super::work::Work;

/// Most letters of the rules of one file or list, all alternatives of each counted.
const MAX_LETTERS: usize = 256 << 10;
/// … and of all rules that apply in one folder.
pub(super) const MAX_LETTERS_IN_FORCE: usize = 512 << 10;

/// One rule: what it is about, and whether it brings back (`!`) or leaves out.
#[derive(Debug)]
pub(super) struct Rule {
    brings_back: bool,
    about: About,
}

/// What a rule is about.
#[derive(Debug)]
enum About {
    /// A pattern, and whether that is about names at any depth.
    Pattern(Glob, bool),
    /// Any of these paths.
    Paths(Paths),
}

/// The rules that apply at and below one folder.
#[derive(Debug)]
pub(super) struct Level {
    /// In the order in which they are asked.
    pub(super) rules: Vec<Rc<Vec<Rule>>>,
    /// Whether the folder itself fits the rules of the folders around it, rather than being open only because
    /// something in it may.
    pub(super) included: bool,
}

/// As what a path is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// As a file.
    File,
    /// As a folder by itself.
    Folder,
    /// As a folder in which something may be included.
    Around,
}

impl Level {
    /// How many letters its own rules have, all alternatives counted.
    pub(super) fn letters(&self) -> usize {
        self.rules.iter().flat_map(|rules| rules.iter()).map(Rule::letters).sum()
    }
}

impl Rule {
    /// The rule of one line, without white space at its ends.
    pub(super) fn new(line: &str) -> Result<Self, TooManyError> {
        let pattern = line.trim_start_matches('!');
        let glob = Glob::new(pattern, Case::Folded)?;
        let about_names = glob.is_about_names();
        Ok(Self { brings_back: (line.len() - pattern.len()) % 2 == 1, about: About::Pattern(glob, about_names) })
    }

    /// What a rule for each of the paths would do, in one.
    pub(super) fn of_paths(paths: Paths, brings_back: bool) -> Self {
        Self { brings_back, about: About::Paths(paths) }
    }

    /// The rules of a file or list: a line each, `#` begins a comment.
    pub(super) fn list<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, (String, TooManyError)> {
        let lines = lines.into_iter().flat_map(|text| text.split('\n')).map(js::trim);
        let mut left = MAX_LETTERS;
        let mut rules = Vec::new();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let refused = |error| (line.to_owned(), error);
            let rule = Self::new(line).map_err(refused)?;
            left = left.checked_sub(rule.letters()).ok_or(TooManyError).map_err(refused)?;
            rules.push(rule);
        }
        Ok(rules)
    }

    /// How many letters its pattern has, all alternatives counted.
    pub(super) fn letters(&self) -> usize {
        match &self.about {
            About::Pattern(glob, _) => glob.letters(),
            About::Paths(_) => 0,
        }
    }

    /// Whether the rule is about the path `names`, seen from the rule's folder. `below`: the question came from a
    /// folder further in.
    fn fits(&self, names: &[Vec<char>], below: bool, ask: Ask, work: &Work) -> bool {
        let (glob, about_names) = match &self.about {
            About::Pattern(glob, about_names) => (glob, *about_names),
            About::Paths(paths) => {
                let opens = ask == Ask::Around && self.brings_back;
                return paths.fits(names, opens, work);
            }
        };
        let fits = |leading: bool, names: &[Vec<char>], trailing: bool, extent: Extent| {
            let view = View { leading, names, trailing, work };
            glob.matches(view, extent)
        };
        let either = |names: &[Vec<char>], trailing: bool, extent: Extent| {
            fits(true, names, trailing, extent) || fits(false, names, trailing, extent)
        };
        match ask {
            Ask::File => either(names, false, Extent::Whole),
            Ask::Folder => either(names, true, Extent::Whole),
            Ask::Around => {
                let around = |names: &[Vec<char>]| {
                    either(names, true, Extent::Whole) || self.brings_back && either(names, false, Extent::Beginning)
                };
                let name = names.get(names.len().saturating_sub(1)..).unwrap_or_default();
                either(names, false, Extent::Whole) || around(names) || below && about_names && around(name)
            }
        }
    }
}

/// Whether the rules of `levels` (the package's root first) include the path, whose last name lies in the folder of
/// the last level.
pub(super) fn includes(levels: &[Level], path: &[Vec<char>], ask: Ask, work: &Work) -> bool {
    let mut included = true;
    for (depth, level) in levels.iter().enumerate() {
        // What the outer rules leave out, the inner ones may bring back only into a folder that is itself included.
        if depth > 0 && !included && !level.included {
            continue;
        }
        let names = path.get(depth..).unwrap_or_default();
        let below = depth + 1 < levels.len();
        for rule in level.rules.iter().flat_map(|rules| rules.iter()) {
            work.add(1);
            if rule.brings_back != included && rule.fits(names, below, ask, work) {
                included = rule.brings_back;
            }
        }
    }
    included
}

#[cfg(test)]
mod tests {
    use super::super::segment::letters;
    use super::*;

    fn asked(rules: &[&str], path: &str, ask: Ask) -> bool {
        let level = Level { rules: vec![Rc::new(Rule::list(rules.iter().copied()).unwrap())], included: true };
        let names: Vec<Vec<char>> = path.split('/').map(|name| letters(name, Case::Folded)).collect();
        let mut levels = vec![level];
        levels.extend((1..names.len()).map(|_| Level { rules: Vec::new(), included: true }));
        includes(&levels, &names, ask, &Work::default())
    }

    #[test]
    fn the_last_rule_that_fits_decides() {
        assert!(!asked(&["*.js"], "a.js", Ask::File));
        assert!(asked(&["*.js", "!a.js"], "a.js", Ask::File));
        assert!(!asked(&["!a.js", "*.js"], "A.JS", Ask::File));
        assert!(!asked(&["# a comment\r\n\u{feff} lib/*.js \n"], "lib/x.js", Ask::File));
        assert!(asked(&["!!a.js"], "b.js", Ask::File));
        assert!(!asked(&["!!a.js"], "a.js", Ask::File));
    }

    #[test]
    fn the_work_of_asking_is_counted_and_grows_with_rules_and_letters() {
        let steps = |line: &str, rules: usize, letters_of_name: usize| {
            let rules = Rule::list(std::iter::repeat_n(line, rules)).unwrap();
            let level = Level { rules: vec![Rc::new(rules)], included: true };
            let (work, name) = (Work::default(), "a".repeat(letters_of_name));
            assert!(includes(&[level], &[letters(&name, Case::Folded)], Ask::File, &work));
            work.steps()
        };
        let hostile = "*a*a*a*b";
        assert!(steps(hostile, 1, 200) > 200);
        assert_eq!(steps(hostile, 50, 200), 50 * steps(hostile, 1, 200));
        assert!(steps(hostile, 1, 200) > 3 * steps(hostile, 1, 50));
        assert!(steps("+(a|aa)b", 1, 200) > 3 * steps("+(a|aa)b", 1, 50), "extended forms, too");
        assert!(steps("b", 1, 200) < 10, "what differs at once costs little");
    }

    #[test]
    fn a_rule_with_a_slash_behind_is_about_folders() {
        assert!(asked(&["build/"], "build", Ask::File));
        assert!(!asked(&["build/"], "build", Ask::Folder));
        assert!(!asked(&["build/"], "x/build", Ask::Around));
    }

    #[test]
    fn something_to_bring_back_opens_its_folder() {
        assert!(asked(&["*", "!lib/a.js"], "lib", Ask::Around));
        assert!(!asked(&["*", "!lib/a.js"], "lib", Ask::File));
        assert!(!asked(&["*", "!lib/a.js"], "src", Ask::Around));
    }
}
