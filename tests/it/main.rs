//! The one integration binary: a module per theme, over the local stack.

#![expect(clippy::expect_used, reason = "a test that stops here says what it expected")]

mod artifactory_emulator;
mod npm_client;
mod s3_emulator;
#[path = "../stack/mod.rs"]
mod stack;
