//! The one integration binary: a module per theme, over the local stack.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts test functions only, and not what they are helped by"
)]

mod services;
#[path = "../stack/mod.rs"]
mod stack;
