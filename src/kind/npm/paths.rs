//! Plain paths of a package, as many as there may be, that together make one rule: asking costs the same for one and
//! for a hundred thousand.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use super::js;
use super::segment::{Case, letters};
use super::work::Work;

/// What a path that is kept costs, in steps: it takes memory, of which there is as little as of time.
const KEPT: usize = 4_000;

/// Paths without signs of a pattern, as digests: their texts would take more memory than all else.
#[derive(Debug, Default)]
pub(super) struct Paths {
    keys: Keys,
    /// Each of them.
    own: HashSet<u128>,
    /// Those that stand for everything below them, too.
    folders: HashSet<u128>,
    /// The folders in which one of them lies.
    around: HashSet<u128>,
    /// Names that stand for themselves wherever they are.
    names: HashSet<u128>,
}

/// What makes digests that nobody can foresee.
#[derive(Debug, Default)]
struct Keys([RandomState; 2]);

impl Keys {
    fn digest(&self, text: &str) -> u128 {
        let [high, low] = &self.0;
        u128::from(high.hash_one(text)) << 64 | u128::from(low.hash_one(text))
    }
}

impl Paths {
    /// Adds a path, with everything below it where it is a folder. `false`: it has signs that a pattern would read
    /// otherwise, and is not added.
    pub(super) fn add(&mut self, path: &str, folder: bool, work: &Work) -> bool {
        let plain = is_plain(path);
        if plain {
            let path: String = letters(path, Case::Folded).into_iter().collect();
            let before = self.kept();
            // The folders around a path that is known are known.
            for (at, _) in path.rmatch_indices('/') {
                if !self.around.insert(self.keys.digest(path.get(..at).unwrap_or_default())) {
                    break;
                }
            }
            let digest = self.keys.digest(&path);
            if folder {
                self.folders.insert(digest);
            }
            self.own.insert(digest);
            work.add((self.kept() - before) * KEPT);
        }
        plain
    }

    /// Adds a name that is meant at any depth; `false` as with [`Paths::add`].
    pub(super) fn add_name(&mut self, name: &str) -> bool {
        let plain = is_plain(name) && !name.starts_with(['!', '#']);
        if plain {
            let name: String = letters(name, Case::Folded).into_iter().collect();
            self.names.insert(self.keys.digest(&name));
        }
        plain
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.names.is_empty()
    }

    fn kept(&self) -> usize {
        self.own.len() + self.folders.len() + self.around.len()
    }

    /// Whether the path is one of these, or lies below a folder of them, or, with `opens`, is on the way to one.
    pub(super) fn fits(&self, names: &[Vec<char>], opens: bool, work: &Work) -> bool {
        let mut path = String::new();
        for (at, name) in names.iter().enumerate() {
            work.add(name.len());
            if at > 0 {
                if !self.folders.is_empty() {
                    work.add(path.len());
                    if self.folders.contains(&self.keys.digest(&path)) {
                        return true;
                    }
                }
                path.push('/');
            }
            path.extend(name);
        }
        let digest = self.keys.digest(&path);
        let by_name = || {
            let name = names.last().map(|name| self.keys.digest(&name.iter().collect::<String>()));
            name.is_some_and(|name| self.names.contains(&name))
        };
        self.own.contains(&digest) || opens && self.around.contains(&digest) || !self.names.is_empty() && by_name()
    }
}

fn is_plain(path: &str) -> bool {
    !path.contains(['*', '?', '[', ']', '{', '}', '(', ')', '\\'])
        && path.split('/').all(|name| !matches!(name, "" | "." | ".."))
        && js::trim(path) == path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_for_itself_and_a_folder_for_what_is_in_it() {
        let mut paths = Paths::default();
        assert!(paths.is_empty());
        assert!(paths.add("lib/Sub/a.js", false, &Work::default()));
        assert!(paths.add("dist", true, &Work::default()));
        for odd in ["a*", "[b]", "x/../y", "./x", "a/", " a", "{a,b}"] {
            assert!(!paths.add(odd, false, &Work::default()), "{odd}");
        }
        let fits = |path: &str, opens: bool| {
            let names: Vec<Vec<char>> = path.split('/').map(|name| letters(name, Case::Folded)).collect();
            paths.fits(&names, opens, &Work::default())
        };
        for (path, whole, opened) in [
            ("lib/sub/A.js", true, true),
            ("lib/sub", false, true),
            ("lib", false, true),
            ("lib/sub/a.js/x", false, false),
            ("dist", true, true),
            ("dist/x/y", true, true),
            ("distant", false, false),
        ] {
            assert_eq!((fits(path, false), fits(path, true)), (whole, opened), "{path}");
        }
        let mut paths = Paths::default();
        assert!(paths.add_name("Own") && !paths.add_name("!own") && !paths.add_name("o*") && !paths.is_empty());
        let names = |path: &str| path.split('/').map(|name| letters(name, Case::Folded)).collect::<Vec<_>>();
        let fits = |names: &[Vec<char>], opens| paths.fits(names, opens, &Work::default());
        assert!(fits(&names("own"), false) && fits(&names("x/OWN"), true));
        assert!(!fits(&names("own/x"), false) && !fits(&names("x"), true));
    }
}
