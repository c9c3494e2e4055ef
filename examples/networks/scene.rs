//! The local stack with a real nginx before its Artifactory, and how a job ends there.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::make::Zip;
use crate::nginx::{Nginx, Site};
use crate::stack::artifactory::{Permission, Repository};
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::tls::{Authority, Offered, Validity};
use crate::stack::{REPOSITORY, Stack, USER};

/// An invocation in which nothing is tried again for long.
const SHORT: Duration = Duration::from_secs(6);
/// The repository for plain files.
pub(crate) const FILES: &str = "files-local";

/// A stack, an nginx before its Artifactory, and the root of that one's certificate.
pub(crate) struct Scene {
    pub(crate) stack: Stack,
    pub(crate) nginx: Nginx,
    pub(crate) root: Authority,
}

impl Scene {
    /// Artifactory is at `https://localhost:PORT` alone, with a certificate of an authority below a root of its own.
    pub(crate) async fn start(binary: &Path, offered: Offered, site: impl FnOnce(Site) -> Site) -> Self {
        Self::start_at(binary, "localhost", "", offered, site).await
    }

    /// As [`Scene::start`], under this name and below this path.
    pub(crate) async fn start_at(
        binary: &Path,
        name: &str,
        path: &str,
        offered: Offered,
        site: impl FnOnce(Site) -> Site,
    ) -> Self {
        let root = Authority::new("Corp root");
        let certified = root.below("Corp servers").certify(&[name], Validity::Now);
        let stack = stack(binary).await;
        let nginx = Nginx::start(&site(Site::of(&certified, offered)), upstream(&stack)).await;
        stack.artifactory.known_as(&format!("{}{path}", nginx.url(name)));
        stack.set("ARTIFACTORY_URL", &stack.artifactory.platform_url());
        stack.set("CA_CERTIFICATES", &root.pem());
        stack.set("ALLOW_HTTP", "false");
        Self { stack, nginx, root }
    }

    /// The job succeeds, and the repository has what its artifact holds.
    pub(crate) async fn published(&self, package: &Package) {
        published(&self.stack, package).await;
    }

    /// The job fails, and nothing is in the repository: its type and message, with `PORT` for nginx' port.
    pub(crate) async fn refused(&self, package: &Package) -> String {
        let port = self.nginx.address().port();
        refused(&self.stack, package).await.replace(&format!(":{port}"), ":PORT")
    }

    /// How many requests nginx has seen, all of them with this protocol.
    pub(crate) fn requests(&self, protocol: &str) -> usize {
        let log = self.nginx.log();
        assert!(!log.is_empty() && log.iter().all(|logged| logged.protocol == protocol), "{log:#?}");
        log.len()
    }
}

/// The stack with a repository for plain files as well.
pub(crate) async fn stack(binary: &Path) -> Stack {
    let stack = Stack::start(binary).await;
    stack.artifactory.repository(Repository::local(FILES, "generic"));
    stack.artifactory.permit(USER, FILES, &[Permission::Read, Permission::Deploy]);
    stack
}

/// Where Artifactory listens, before anybody stands in front of it.
pub(crate) fn upstream(stack: &Stack) -> SocketAddr {
    let url = stack.artifactory.platform_url();
    url.strip_prefix("http://").and_then(|address| address.parse().ok()).expect("the stack is at an address")
}

/// What a job publishes.
#[derive(Debug, Clone)]
pub(crate) enum Package {
    /// A package of npm with a file of this many bytes that do not compress.
    Npm(usize),
    /// So many small packages of npm, with scopes.
    Many(usize),
    /// Plain files, with these `Properties`.
    Files(Vec<(&'static str, Vec<u8>)>, String),
}

impl Package {
    fn action(&self, stack: &Stack) -> JobSpec {
        match self {
            Self::Npm(size) => {
                let zip = Zip::new().file("package.json", manifest("left"));
                stack.action(zip.file("data.bin", noise(*size)).bytes())
            }
            Self::Many(count) => {
                let zip = (0..*count).fold(Zip::new(), |zip, at| {
                    zip.file(&format!("{at}/package.json"), manifest(&format!("@acme/part-{at}")))
                });
                stack.action(zip.bytes())
            }
            Self::Files(files, properties) => {
                let zip = files.iter().fold(Zip::new(), |zip, (path, content)| zip.file(path, content));
                let action = stack.action(zip.bytes()).configuration("TypeOfArtifact", "generic");
                let action = action.configuration("RepoKey", FILES);
                if properties.is_empty() { action } else { action.configuration("Properties", properties) }
            }
        }
    }

    /// Paths of what is in the repository afterwards, sorted.
    fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = match self {
            Self::Npm(_) => vec!["left/-/left-1.0.0.tgz".to_owned()],
            Self::Many(count) => (0..*count).map(|at| format!("@acme/part-{at}/-/@acme/part-{at}-1.0.0.tgz")).collect(),
            Self::Files(files, _) => files.iter().map(|(path, _)| (*path).to_owned()).collect(),
        };
        paths.sort();
        paths
    }

    fn stored(&self, stack: &Stack) -> Vec<String> {
        let key = if matches!(self, Self::Files(..)) { FILES } else { REPOSITORY };
        let mut paths: Vec<String> = stack.artifactory.files(key).into_iter().map(|file| file.path).collect();
        paths.sort();
        paths
    }
}

/// The job succeeds, and the repository has what its artifact holds.
pub(crate) async fn published(stack: &Stack, package: &Package) {
    let (_, result) = stack.run(package.action(stack)).await;
    let JobResult::Succeeded { variables, .. } = result else { panic!("{result:#?}\n{}", stack.logs().await) };
    assert_eq!(package.stored(stack), package.paths());
    match package {
        Package::Files(files, _) => {
            for (path, content) in files {
                assert!(stack.artifactory.file(FILES, path).expect("it is there") == content, "{path}");
            }
        }
        Package::Npm(_) | Package::Many(_) => {
            // Of the first package; what the report says of it is what the repository has.
            let sha256 = variables.get("Sha256").expect("a success has it");
            let files = stack.artifactory.files(REPOSITORY);
            assert!(files.iter().any(|file| file.digests.sha256 == *sha256), "{variables:?}");
        }
    }
}

/// The job fails at once or after a few attempts, and nothing is in the repository: its type and message.
pub(crate) async fn refused(stack: &Stack, package: &Package) -> String {
    let refusal = failed(stack, package).await;
    assert!(package.stored(stack).is_empty(), "nothing is published");
    refusal
}

/// The job fails, whatever is in the repository then: its type and message.
pub(crate) async fn failed(stack: &Stack, package: &Package) -> String {
    let job = stack.pipeline.queue(package.action(stack));
    stack.worker().await;
    let answer = stack.lambda.invoke(stack.pipeline.started_event(&job), SHORT).await;
    assert!(answer.is_ok(), "{answer:?}\n{}", stack.logs().await);
    match stack.pipeline.result(&job) {
        JobResult::Failed { r#type, message, .. } => format!("{type}\n{message}"),
        other => panic!("it did not fail: {other:#?}\n{}", stack.logs().await),
    }
}

/// Every one of these is said.
#[track_caller]
pub(crate) fn says(refusal: &str, parts: &[&str]) {
    for part in parts {
        assert!(refusal.contains(part), "{part:?} is not in:\n{refusal}");
    }
    let lines = refusal.lines().filter(|line| !line.starts_with("Target") && !line.starts_with("Log"));
    println!("{}", lines.fold(String::new(), |text, line| text + "      | " + line + "\n").trim_end());
}

fn manifest(name: &str) -> String {
    serde_json::json!({ "name": name, "version": "1.0.0" }).to_string()
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut dice = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| dice.u8(..)).take(size).collect()
}
