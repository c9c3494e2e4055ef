//! The one integration binary: a module per theme, over the local stack.

#[path = "../make.rs"]
mod make;
mod npm_pack;
mod npm_publish;
#[path = "../stack/mod.rs"]
mod stack;
