//! `make networks`: the function publishes through a real nginx and a real squid, with everything that they are made to
//! do to it, and says what is wrong where they do not let it through.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a check prints what it has seen, and stops where it sees anything else"
)]

mod between;
mod certificates;
#[path = "../../tests/make.rs"]
mod make;
mod nginx;
mod process;
mod proxies;
mod scene;
mod squid;
#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::path::PathBuf;
use std::time::Instant;

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: networks PATH-OF-THE-LAMBDA-BINARY");
    let begun = clock();
    certificates::of_a_private_authority(&binary).await;
    certificates::of_clients(&binary).await;
    between::context_path(&binary).await;
    between::semicolons(&binary).await;
    between::size(&binary).await;
    between::buffers(&binary).await;
    between::compression(&binary).await;
    between::time_limit(&binary).await;
    between::nobody_behind(&binary).await;
    between::connections(&binary).await;
    between::requests(&binary).await;
    proxies::with_a_password(&binary).await;
    proxies::without_the_password(&binary).await;
    proxies::that_refuses(&binary).await;
    proxies::passed_by(&binary).await;
    proxies::for_plain_http(&binary).await;
    println!("nginx and squid, {:.1} s", begun.elapsed().as_secs_f64());
}

#[expect(clippy::disallowed_methods, reason = "the check says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
