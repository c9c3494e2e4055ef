//! Which binaries a point of the matrix runs: the same for all its processes, or one for the worker that dies and another
//! for whoever goes on with its job, as in an upgrade or a roll-back.

use std::path::{Path, PathBuf};

/// The binaries of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binaries {
    /// That of the first worker, and of all that die before the scenario begins.
    pub(crate) victim: PathBuf,
    /// That of all who come after it.
    pub(crate) successor: PathBuf,
}

impl Binaries {
    /// One binary for the worker that dies, another for its successors.
    pub(crate) fn mixed(victim: &Path, successor: &Path) -> Self {
        Self { victim: victim.to_owned(), successor: successor.to_owned() }
    }

    /// The same for all.
    pub(crate) fn alone(binary: &Path) -> Self {
        Self::mixed(binary, binary)
    }
}
