//! How much work it is to hold a package's paths against its patterns, counted in letters compared: there may be a hundred
//! thousand of the one and thousands of the other, and each may be long.

use std::cell::Cell;

use super::super::PackageError;
use super::manifest::refused;

/// Most steps for one package: a few seconds. Ten thousand files, six folders deep, take a fiftieth of it.
#[cfg(not(test))]
const MOST: u64 = 2_000_000_000;
/// Unoptimised, a step takes many times as long.
#[cfg(test)]
const MOST: u64 = 100_000_000;

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Work(Cell<u64>);

impl Work {
    /// Notes so many more steps.
    pub(super) fn add(&self, steps: usize) {
        self.0.set(self.0.get().saturating_add(steps as u64));
    }

    /// How many steps there were.
    pub(super) fn steps(&self) -> u64 {
        self.0.get()
    }

    /// Refuses a package, whose manifest is at `path`, that takes too many.
    pub(super) fn within_bounds(&self, path: impl FnOnce() -> String) -> Result<(), PackageError> {
        if self.steps() <= MOST {
            return Ok(());
        }
        Err(refused(
            &path(),
            "has more files and more patterns than can be held against each other in a few seconds",
            "write fewer or simpler patterns in \"files\", .npmignore and .gitignore, or publish the .tgz that npm pack \
             makes",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_work_is_done_and_no_more() {
        for (steps, allowed) in [(MOST - 1, true), (MOST, true), (MOST + 1, false), (u64::MAX, false)] {
            let work = Work(Cell::new(steps));
            assert_eq!(work.within_bounds(|| "package.json".to_owned()).is_ok(), allowed, "{steps}");
        }
        let work = Work(Cell::new(u64::MAX));
        work.add(1);
        assert_eq!(work.steps(), u64::MAX);
    }
}
