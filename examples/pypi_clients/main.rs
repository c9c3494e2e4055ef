//! `make pypi-clients`: what the function publishes, locked and installed with pip, uv and Poetry, from the local stack
//! and from a real devpi; and refused by each of them where its bytes were changed afterwards. devpi says itself that what
//! it has is not published again, and takes nothing else in its place.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a check prints what it has seen, and stops where it sees anything else"
)]

mod client;
mod devpi;
#[path = "../../tests/make.rs"]
mod make;
#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::path::{Path, PathBuf};
use std::time::Instant;

use client::{App, Client, PROJECT, Place};
use devpi::Devpi;
use make::{Zip, python_metadata, sdist, wheel};
use serde_json::json;
use stack::artifactory::{Permission, Repository, SimpleIndex};
use stack::http::Traffic;
use stack::pipeline::{JobResult, JobSpec};
use stack::prefix::{self, Behind, Prefix};
use stack::{PASSWORD, SECRET, Stack, USER};

const PYTHON: &str = "pypi-local";
/// The index in devpi.
const INDEX: &str = "main";

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: pypi_clients PATH-OF-THE-LAMBDA-BINARY");
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/pypi-clients/bin");
    let begun = clock();
    from_the_stack(&binary, &tools).await;
    from_devpi(&binary, &tools).await;
    println!("{} clients, 2 registries, {:.1} s", Client::ALL.len(), begun.elapsed().as_secs_f64());
}

/// The release as a build hands it over, with this summary.
fn built(summary: &str) -> Vec<u8> {
    let (name, version, module) = PROJECT;
    let stem = format!("{module}-{version}");
    let metadata = python_metadata(name, version, &format!("Summary: {summary}\nRequires-Python: >=3.8\n"));
    Zip::new()
        .file(&format!("dist/{stem}-py3-none-any.whl"), wheel(&stem, &metadata))
        .file(&format!("dist/{stem}.tar.gz"), sdist(&stem, &metadata))
        .bytes()
}

async fn from_the_stack(binary: &Path, tools: &Path) {
    for form in [SimpleIndex::Html, SimpleIndex::Json] {
        let stack = stack(binary).await;
        stack.artifactory.switch(|switches| switches.simple_index = form);
        let sha256 = publish(&stack, action(&stack, "as built")).await;
        let index = format!("{}/api/pypi/{PYTHON}/simple/", stack.artifactory.url());
        let place = Place { index: &index, user: USER, password: PASSWORD, sha256: &sha256 };
        let apps = installed(tools, place, &format!("the stack's {form:?}")).await;
        let other = self::stack(binary).await;
        publish(&other, action(&other, "another one")).await;
        for file in other.artifactory.files(PYTHON) {
            stack.artifactory.put_file(PYTHON, &file.path, file.content);
        }
        for app in &apps {
            app.refuses().await;
        }
        println!("all refuse what was changed");
    }
}

async fn from_devpi(binary: &Path, tools: &Path) {
    let devpi = Devpi::start(&tools.join("python"), USER, PASSWORD, INDEX);
    let traffic = Traffic::default();
    let behind = Behind::Devpi { index: format!("{USER}/{INDEX}") };
    let prefix = Prefix::before(behind, traffic.clone(), devpi.address()).await;
    let platform = prefix.platform_url();
    let stack = stack(binary).await;
    let secret = json!({ "username": USER, "password": PASSWORD, "url": platform });
    stack.secrets.put(SECRET, &secret.to_string());
    let job = |summary| action(&stack, summary).configuration("ArtifactoryHost", &platform);
    let sha256 = publish(&stack, job("as built")).await;
    let index = format!("{platform}/artifactory/api/pypi/{PYTHON}/simple/");
    installed(tools, Place { index: &index, user: USER, password: PASSWORD, sha256: &sha256 }, "devpi").await;

    let uploads = || traffic.count(prefix::SERVICE, &hyper::Method::POST, "/api/pypi/");
    assert_eq!(uploads(), 2, "a wheel and a source distribution");
    publish(&stack, job("as built")).await;
    let (_, result) = stack.run(job("another one")).await;
    let JobResult::Failed { r#type, message, .. } = result else { panic!("it is a conflict: {result:#?}") };
    assert!(r#type == "JobFailed" && message.contains("with other content"), "{type}: {message}");
    assert_eq!(uploads(), 2, "nothing is sent again, and nothing over it");
    println!("devpi's own index tells what is published already, and what is another file");
}

async fn stack(binary: &Path) -> Stack {
    let stack = Stack::start(binary).await;
    stack.forgive_passwords();
    stack.artifactory.repository(Repository::local(PYTHON, "pypi"));
    stack.artifactory.permit(USER, PYTHON, &[Permission::Read, Permission::Deploy]);
    stack
}

fn action(stack: &Stack, summary: &str) -> JobSpec {
    stack.action(built(summary)).configuration("TypeOfArtifact", "pypi").configuration("RepoKey", PYTHON)
}

/// Publishes it; the digest of its first file, which is the wheel.
async fn publish(stack: &Stack, action: JobSpec) -> String {
    let (_, result) = stack.run(action).await;
    let JobResult::Succeeded { mut variables, .. } = result else { panic!("{result:#?}\n{}", stack.logs().await) };
    variables.remove("Sha256").expect("a success has it")
}

async fn installed(tools: &Path, place: Place<'_>, from: &str) -> Vec<App> {
    let mut apps = Vec::new();
    for client in Client::ALL {
        let begun = clock();
        let app = App::new(client, tools, place);
        app.installs().await;
        println!("{:<8} installs from {from:<16} {:>5.1} s", format!("{client:?}"), begun.elapsed().as_secs_f64());
        apps.push(app);
    }
    apps
}

#[expect(clippy::disallowed_methods, reason = "the check says how long it took")]
fn clock() -> Instant {
    Instant::now()
}
