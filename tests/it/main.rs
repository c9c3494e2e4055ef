//! The one integration binary: a module per theme, over the local stack.

#[path = "../stack/mod.rs"]
mod stack;
