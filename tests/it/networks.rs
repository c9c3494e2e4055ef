//! Networks as they are: certificates of a company's own authority, servers that want a certificate, proxies, ports and
//! context paths; each through the real binary against a real TLS server or proxy.

mod authorities;
mod endpoints;
mod identity;
mod proxies;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::scene::{self, failure, numbers, package, path};
use crate::stack::http::Door;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::tls::{Authority, Clients, Front, Offered, Validity};
use crate::stack::{SECRET, Stack};

/// An invocation in which nothing is tried again for long.
const SHORT: Duration = Duration::from_secs(6);

fn left(stack: &Stack) -> JobSpec {
    stack.action(package("left", "1.0.0"))
}

/// Artifactory is at `https://localhost:PORT` alone, with a certificate of this authority.
async fn behind_tls(stack: &Stack, authority: &Authority, clients: Clients<'_>, offered: Offered) -> Front {
    let certified = authority.certify(&["localhost"], Validity::Now);
    let front = Front::start(stack.artifactory.door(), &certified, clients, offered).await;
    moved_to(stack, &front.url("localhost"));
    front
}

/// Artifactory's address is this one.
fn moved_to(stack: &Stack, origin: &str) {
    stack.artifactory.known_as(origin);
    stack.set("ARTIFACTORY_URL", &stack.artifactory.platform_url());
}

/// The job succeeds, and the package is there.
async fn published(stack: &Stack) {
    let (_, result) = stack.run(left(stack)).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
    assert_eq!(stack.stored(), [path("left", "1.0.0")]);
}

/// The job fails, with nothing published: its type and message, without the number of the port.
async fn refused(stack: &Stack) -> String {
    let job = stack.pipeline.queue(left(stack));
    stack.worker().await;
    let answer = stack.lambda.invoke(stack.pipeline.started_event(&job), SHORT).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 0, 1, 0, 0], "{answer}\n{}", stack.logs().await);
    assert!(stack.stored().is_empty());
    assert!(scene::requests(stack, "artifactory").is_empty(), "no request got there, and no credential with it");
    assert_eq!(stack.secrets.reads(SECRET), 1);
    let (kind, message) = failure(stack.pipeline.result(&job));
    let port = stack.artifactory.platform_url().rsplit(':').next().unwrap_or_default().to_owned();
    scene::steady(stack, &format!("{kind}\n{message}").replace(&format!("localhost:{port}"), "localhost:PORT"))
}

/// An address of which nobody else gets the port, but at which nobody listens, either.
fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A front for one of AWS's services.
async fn aws_behind_tls(authority: &Authority, door: Door) -> Front {
    let certified = authority.certify(&["aws.example"], Validity::Now);
    Front::start(door, &certified, Clients::Anybody, Offered::One).await
}
