//! Paths of very many files: of a path in the repository that ends like the file's path in the artifact only the
//! beginning is kept, and of equal beginnings one.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::RepoPath;

/// A path inside a repository, kept as what stands before the end that it shares with another path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// A pointer of one word, since there may be a hundred thousand of them.
    pub(crate) before: Arc<String>,
    /// Where the shared end begins in the other path.
    pub(crate) from: u32,
}

/// A beginning that is known by its text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Known(Arc<String>);

impl Borrow<str> for Known {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Makes places, of which those that begin alike share that.
#[derive(Debug, Default)]
pub struct Places {
    known: HashSet<Known>,
    bytes: usize,
}

/// A path in two parts, compared as the whole.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a>(pub &'a str, pub &'a str);

impl Places {
    /// The place of a file that comes from `origin`.
    pub fn place(&mut self, RepoPath(path): &RepoPath, origin: &str) -> Place {
        let same = path.chars().rev().zip(origin.chars().rev()).take_while(|(one, other)| one == other);
        let shared: usize = same.map(|(character, _)| character.len_utf8()).sum();
        // An origin of so many bytes that they could not be counted is found in no directory.
        let begin = u32::try_from(origin.len() - shared).ok();
        let (before, from) = match (begin, path.get(..path.len() - shared)) {
            (Some(begin), Some(before)) => (before, begin),
            _ => (&**path, u32::MAX),
        };
        let known = self.known.get(before).map(|Known(known)| Arc::clone(known));
        let before = known.unwrap_or_else(|| {
            self.bytes += before.len();
            let before = Arc::new(before.to_owned());
            self.known.insert(Known(Arc::clone(&before)));
            before
        });
        Place { before, from }
    }

    /// How many bytes all beginnings together have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Place {
    /// The path, of a file that comes from `origin`.
    pub fn path(&self, origin: &str) -> RepoPath {
        self.parts(origin).whole()
    }

    /// The path in its two parts.
    pub fn parts<'a>(&'a self, origin: &'a str) -> Parts<'a> {
        Parts::of(&self.before, self.from, origin)
    }
}

impl<'a> Parts<'a> {
    /// The parts of what a [`Place`] holds, of a file that comes from `origin`.
    pub(crate) fn of(before: &'a str, from: u32, origin: &'a str) -> Self {
        Self(before, origin.get(from as usize..).unwrap_or_default())
    }
}

impl Parts<'_> {
    /// The path. It was parsed as one before it was parted.
    pub(crate) fn whole(self) -> RepoPath {
        RepoPath([self.0, self.1].concat().into())
    }

    fn bytes(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().chain(self.1.bytes())
    }
}

impl Ord for Parts<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Most begin alike, and texts are compared faster than their bytes one by one.
        if self.0 == other.0 { self.1.cmp(other.1) } else { self.bytes().cmp(other.bytes()) }
    }
}

impl PartialOrd for Parts<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Parts<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Parts<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_its_path_whatever_of_it_is_shared() {
        let mut places = Places::default();
        let texts = ["a", "b/a", "dist/b/a", "rel/b/a", "x/ä/b", "ä/b", "é", "s/b/a", "long/name/that/ends/other.wise"];
        for path in texts {
            for origin in texts {
                let place = places.place(&RepoPath::parse(path).unwrap(), origin);
                assert_eq!(place.path(origin).as_str(), path, "from {origin}");
            }
        }
        let place = |places: &mut Places, path| places.place(&RepoPath::parse(path).unwrap(), "dist/b/a");
        let mut places = Places::default();
        assert_eq!(place(&mut places, "rel/b/a"), place(&mut places, "rel/b/a"));
        assert_eq!((places.known.len(), places.bytes()), (1, 3), "they share their beginning");
    }

    #[test]
    fn parts_are_in_the_order_of_their_whole() {
        let all =
            [Parts("a", "/b"), Parts("a/", "b"), Parts("", "a/b"), Parts("a", "/"), Parts("a/b", "c"), Parts("", "b")];
        for one in all {
            for other in all {
                let whole = |parts: Parts<'_>| [parts.0, parts.1].concat();
                assert_eq!(one.cmp(&other), whole(one).cmp(&whole(other)), "{one:?} {other:?}");
            }
        }
    }
}
