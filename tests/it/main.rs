//! The one integration binary: a module per theme, over the local stack.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts test functions only, and not what they are helped by"
)]

mod artifactory_emulator;
mod claims;
#[path = "../clients.rs"]
mod clients;
mod crash;
mod credentials;
mod cuts;
mod doctor;
mod documents;
mod fuzz;
#[path = "../fuzz/mod.rs"]
mod fuzzed;
mod generic;
mod invoke;
mod jobs;
mod journal;
mod load;
mod logs;
#[path = "../make.rs"]
mod make;
mod many;
mod maven;
mod metrics;
mod networks;
mod npm_cases;
mod npm_client;
mod npm_clients;
#[path = "../npm_compare.rs"]
mod npm_compare;
mod npm_existing;
mod npm_jobs;
mod npm_judged;
mod npm_pack;
mod npm_publish;
mod npm_same;
mod npm_tags;
mod npm_workspaces;
mod panics;
mod parts;
mod pypi;
mod pypi_clients;
mod pypi_emulator;
mod refusals;
mod registry;
mod role;
mod s3_emulator;
mod scene;
mod services;
mod simulate;
#[path = "../stack/mod.rs"]
mod stack;
mod time;
mod verdaccio;
