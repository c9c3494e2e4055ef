//! The local stack: real servers on 127.0.0.1 that behave as the services do.
#![allow(
    dead_code,
    unused_imports,
    reason = "each of the binaries that share the stack uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an emulator that is wrong about itself ends the test at once"
)]

pub(crate) mod artifactory;
pub(crate) mod http;
pub(crate) mod s3;
pub(crate) mod vault;
