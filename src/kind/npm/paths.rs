//! Plain paths of a package, as many as there may be, that together make one rule: asking costs the same for one and
//! for a hundred thousand.

use std::collections::HashSet;

use super::js;
use super::segment::{Case, letters};

/// Paths without signs of a pattern.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Each of them.
    own: HashSet<String>,
    /// Those that stand for everything below them, too.
    folders: HashSet<String>,
    /// The folders in which one of them lies.
    around: HashSet<String>,
    /// Names that stand for themselves wherever they are.
    names: HashSet<String>,
}

impl Paths {
    /// Adds a path, with everything below it where it is a folder. `false`: it has signs that a pattern would read
    /// otherwise, and is not added.
    pub(super) fn add(&mut self, path: &str, folder: bool) -> bool {
        let plain = is_plain(path);
        if plain {
            let path: String = letters(path, Case::Folded).into_iter().collect();
            // The folders around a path that is known are known.
            for (at, _) in path.rmatch_indices('/') {
                if !self.around.insert(path.get(..at).unwrap_or_default().to_owned()) {
                    break;
                }
            }
            if folder {
                self.folders.insert(path.clone());
            }
            self.own.insert(path);
        }
        plain
    }

    /// Adds a name that is meant at any depth; `false` as with [`Paths::add`].
    pub(super) fn add_name(&mut self, name: &str) -> bool {
        let plain = is_plain(name) && !name.starts_with(['!', '#']);
        if plain {
            self.names.insert(letters(name, Case::Folded).into_iter().collect());
        }
        plain
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.names.is_empty()
    }

    /// Whether the path is one of these, or lies below a folder of them, or, with `opens`, is on the way to one.
    pub(super) fn fits(&self, names: &[Vec<char>], opens: bool) -> bool {
        let mut path = String::new();
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                if self.folders.contains(&path) {
                    return true;
                }
                path.push('/');
            }
            path.extend(name);
        }
        let by_name = || names.last().is_some_and(|name| self.names.contains(&name.iter().collect::<String>()));
        self.own.contains(&path) || opens && self.around.contains(&path) || !self.names.is_empty() && by_name()
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
        assert!(paths.add("lib/Sub/a.js", false));
        assert!(paths.add("dist", true));
        for odd in ["a*", "[b]", "x/../y", "./x", "a/", " a", "{a,b}"] {
            assert!(!paths.add(odd, false), "{odd}");
        }
        let fits = |path: &str, opens: bool| {
            let names: Vec<Vec<char>> = path.split('/').map(|name| letters(name, Case::Folded)).collect();
            paths.fits(&names, opens)
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
        assert!(paths.fits(&names("own"), false) && paths.fits(&names("x/OWN"), true));
        assert!(!paths.fits(&names("own/x"), false) && !paths.fits(&names("x"), true));
    }
}
