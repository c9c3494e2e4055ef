//! Turns: jobs of one invocation that publish to the same path, or move the same name, go one after the other. Between a
//! look at a path and the write to it there is a window in which a neighbour's file would be overwritten unseen.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// The paths that jobs of this process publish to at the moment.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Mutex<HashSet<u64>>,
    freed: Notify,
}

/// A job's turn at its paths; dropping it ends the turn.
#[derive(Debug)]
#[must_use = "the turn ends when it is dropped"]
pub struct Turn<'a> {
    turns: &'a Turns,
    paths: Paths,
}

/// Paths that a job publishes to, as digests, because there may be a hundred thousand. Of two paths with one digest the
/// job of one waits in vain: no harm.
#[derive(Debug)]
pub struct Paths(Vec<u64>);

impl FromIterator<String> for Paths {
    fn from_iter<I: IntoIterator<Item = String>>(paths: I) -> Self {
        let digest = |path: String| BuildHasherDefault::<DefaultHasher>::default().hash_one(path);
        let mut digests: Vec<u64> = paths.into_iter().map(digest).collect();
        // Several versions of one package share a listing.
        digests.sort_unstable();
        digests.dedup();
        Self(digests)
    }
}

impl Turns {
    /// Waits until nobody else has any of these paths, and takes them all at once: who waits holds nothing.
    pub async fn take(&self, paths: Paths) -> Turn<'_> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the look, so that what is freed in between is heard of.
            freed.as_mut().enable();
            if self.try_take(&paths) {
                return Turn { turns: self, paths };
            }
            freed.await;
        }
    }

    fn try_take(&self, Paths(paths): &Paths) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = !paths.iter().any(|path| taken.contains(path));
        if free {
            taken.extend(paths);
        }
        free
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for path in &self.paths.0 {
            taken.remove(path);
        }
        drop(taken);
        self.turns.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn paths(names: &[&str]) -> Paths {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn whoever_shares_a_path_waits_and_nobody_else_does() {
        let turns = Turns::default();
        let first = turns.take(paths(&["a", "b"])).await;
        let other = turns.take(paths(&["c"])).await;
        let mut second = std::pin::pin!(turns.take(paths(&["b", "d"])));
        assert!(second.as_mut().now_or_never().is_none());
        // Who waits for one path holds none of the others.
        drop(turns.take(paths(&["d"])).await);
        drop(other);
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        drop(second.await);
        assert!(turns.taken.lock().unwrap().is_empty());
    }
}
