//! The one integration binary: a module per theme, over the local stack.

#![expect(clippy::expect_used, reason = "a test that stops here says what it expected")]

mod registry;
#[path = "../stack/mod.rs"]
mod stack;
