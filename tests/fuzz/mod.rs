//! What holds of all that others may put into an artifact: a function for each kind of input, which takes any bytes and
//! panics where something does not hold. `tests/it/fuzz.rs` calls them with some thousands of inputs, `fuzz/` for as
//! long as one likes.
#![allow(dead_code, unused_imports, reason = "each of the binaries that share it uses a part of it")]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "what is wrong here is to be seen"
)]

mod distribution;
mod found;
mod manifest;
pub(crate) mod mutate;
mod patterns;
mod planned;
mod pom;
pub(crate) mod seeds;
mod source;
mod tgz;
mod zip;

pub(crate) use distribution::{metadata, wheel};
pub(crate) use found::found;
pub(crate) use manifest::manifest;
pub(crate) use patterns::patterns;
pub(crate) use pom::{jar, pom};
pub(crate) use tgz::tgz;
pub(crate) use zip::zip;
