//! Puts a real registry where Artifactory has its API for npm or pypi: `/artifactory/api/{type}/{repository}/…` goes to the
//! registry as `/…`, and everything else is 404, as on a server that has no tokens, no storage API and no facts.

use std::net::SocketAddr;

use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};

use super::http::{Reply, Request, Server, Traffic, reply};

/// The name of this service in [`Traffic`].
pub(crate) const SERVICE: &str = "prefix";

/// How the registry behind it lays out its paths.
#[derive(Debug, Clone)]
pub(crate) enum Behind {
    /// As Artifactory does behind the repository's name.
    Same,
    /// As devpi does: everything below the index, and pages in a folder whose name no project has.
    Devpi {
        /// `{user}/{index}`.
        index: String,
    },
}

impl Behind {
    fn path(&self, path: &str) -> String {
        match self {
            Self::Same => path.to_owned(),
            Self::Devpi { index } if path.starts_with("simple/") => format!("{index}/+{path}"),
            Self::Devpi { index } => format!("{index}/{path}"),
        }
    }
}

/// A running prefix; dropping it stops it, and not what is behind it.
#[derive(Debug)]
pub(crate) struct Prefix {
    server: Server,
}

impl Prefix {
    /// Starts one in front of the registry at this address.
    pub(crate) async fn start(traffic: Traffic, behind: SocketAddr) -> Self {
        Self::before(Behind::Same, traffic, behind).await
    }

    /// As [`Prefix::start`], for a registry with paths of its own.
    pub(crate) async fn before(kind: Behind, traffic: Traffic, behind: SocketAddr) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without options can be made");
        let server = Server::start(SERVICE, traffic, move |request| {
            let (client, kind) = (client.clone(), kind.clone());
            async move {
                match inside(&request.path) {
                    Some(path) => pass(&client, behind, &kind.path(path), &request).await,
                    None => reply(404, &[("content-type", "text/html")], "<title>Not Found</title>"),
                }
            }
        })
        .await;
        Self { server }
    }

    /// What an action names as its host.
    pub(crate) fn platform_url(&self) -> String {
        self.server.url()
    }

    /// The registry that npm clients are pointed at.
    pub(crate) fn npm_registry(&self, repository: &str) -> String {
        format!("{}{}", self.server.url(), address(repository))
    }
}

/// Where a repository's npm API is on its host.
pub(crate) fn address(repository: &str) -> String {
    format!("/artifactory/api/npm/{repository}/")
}

/// What is behind the repository's name, as encoded as it came.
fn inside(path: &str) -> Option<&str> {
    // pypiserver's addresses know of no prefix.
    if path.starts_with("/packages/") {
        return path.strip_prefix('/');
    }
    let (kind, rest) = path.strip_prefix("/artifactory/api/")?.split_once('/')?;
    let (_repository, rest) = rest.split_once('/').filter(|_| matches!(kind, "npm" | "pypi"))?;
    Some(rest)
}

async fn pass(client: &reqwest::Client, behind: SocketAddr, path: &str, request: &Request) -> Reply {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let answer = client
        .request(request.method.clone(), format!("http://{behind}/{path}{query}"))
        // `host` too: out of it the registry makes the addresses that it answers with.
        .headers(end_to_end(&request.headers))
        .body(request.body.clone())
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return reply(502, &[], format!("no answer from the registry: {error}")),
    };
    let (status, headers) = (answer.status().as_u16(), end_to_end(answer.headers()));
    match answer.bytes().await {
        Ok(body) => {
            let mut passed = reply(status, &[], body);
            passed.headers_mut().extend(headers);
            passed
        }
        Err(error) => reply(502, &[], format!("half an answer from the registry: {error}")),
    }
}

/// All headers but those of one connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers
}
