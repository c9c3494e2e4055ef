//! Guards around the work on one job: a panic is a bug of ours, and must end neither the job's neighbours nor the tick.
//! The log's hook has told what happened and where.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;

#[cfg(panic = "abort")]
compile_error!("a panic must unwind, or one job's bug takes its neighbours along: build with panic = \"unwind\"");

/// Work came to no end, because it panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

/// Waits for work that may panic. What it was lent must be of use after it as well: a panic can leave it half changed.
pub async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_| Panicked)
}

/// Does work that may panic.
pub fn guarded_now<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}
