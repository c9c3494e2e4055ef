//! `make npm-clients`: what the function publishes, installed and loaded with npm, pnpm, both Yarns and Bun, from the
//! local stack and from a real npm registry; and refused by each of them where its bytes were changed afterwards.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a check prints what it has seen, and stops where it sees anything else"
)]

#[path = "../../tests/clients.rs"]
mod clients;
#[path = "../../tests/make.rs"]
mod make;
#[path = "../../tests/stack/mod.rs"]
mod stack;
#[path = "../../tests/it/verdaccio/process.rs"]
mod verdaccio;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clients::{Client, PACKAGES, Place, installs, refuses, workspace};
use serde_json::json;
use stack::http::Traffic;
use stack::pipeline::{JobResult, JobSpec};
use stack::prefix::{self, Prefix};
use stack::{PASSWORD, REPOSITORY, SECRET, Stack, USER};
use verdaccio::Verdaccio;

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: npm_clients PATH-OF-THE-LAMBDA-BINARY");
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/clients/node_modules");
    let begun = clock();
    from_the_stack(&binary, &modules).await;
    from_verdaccio(&binary, &modules).await;
    println!("{} package managers, 2 registries, {:.1} s", Client::ALL.len(), begun.elapsed().as_secs_f64());
}

async fn from_the_stack(binary: &Path, modules: &Path) {
    let stack = Stack::start(binary).await;
    stack.forgive_passwords();
    publish(&stack, stack.action(workspace("hello"))).await;
    let registry = stack.artifactory.npm_registry(REPOSITORY);
    let place = Place { registry: &registry, user: USER, password: PASSWORD };
    let mut apps = Vec::new();
    for client in Client::ALL {
        let begun = clock();
        apps.push((client, installs(client, modules, place).await));
        said(client, "the stack", begun);
    }
    let other = Stack::start(binary).await;
    publish(&other, other.action(workspace("goodbye"))).await;
    for (_, _, path) in PACKAGES {
        let changed = other.artifactory.file(REPOSITORY, path).expect("it was published");
        stack.artifactory.put_file(REPOSITORY, path, changed);
    }
    for (client, app) in &apps {
        refuses(*client, app).await;
    }
    println!("all refuse what was changed");
}

async fn from_verdaccio(binary: &Path, modules: &Path) {
    let verdaccio = Verdaccio::start(&prefix::address(REPOSITORY), USER, PASSWORD);
    let prefix = Prefix::start(Traffic::default(), verdaccio.address()).await;
    let token = verdaccio.token(USER, PASSWORD).await;
    let stack = Stack::start(binary).await;
    stack.keep_secret(&token);
    let platform = prefix.platform_url();
    stack.secrets.put(SECRET, &json!({ "access_token": token, "url": platform }).to_string());
    let action = stack.action(workspace("hello")).configuration("ArtifactoryHost", &platform);
    publish(&stack, action).await;
    let registry = prefix.npm_registry(REPOSITORY);
    let place = Place { registry: &registry, user: USER, password: PASSWORD };
    for client in Client::ALL {
        let begun = clock();
        installs(client, modules, place).await;
        said(client, "verdaccio", begun);
    }
}

async fn publish(stack: &Stack, action: JobSpec) {
    let (_, result) = stack.run(action).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
}

fn said(client: Client, place: &str, begun: Instant) {
    println!("{client:<12?} installs from {place:<10} {:>5.1} s", begun.elapsed().as_secs_f64());
}

#[expect(clippy::disallowed_methods, reason = "the check says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
