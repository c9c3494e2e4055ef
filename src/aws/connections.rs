//! The HTTP client under all AWS clients: the same library that speaks to Artifactory, in the SDK's terms.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use reqwest::Client;

use crate::client::{ClientError, Clients};
use crate::log::chain;
use crate::trust::{Http, Trust};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How long may be waited for the beginning of an answer.
pub(super) const READ: Duration = Duration::from_secs(10);

/// The process's connections to AWS.
pub struct Connections(Clients);

impl Connections {
    /// No connection yet. They speak HTTP/1.1, as the SDK's own client does.
    pub fn new(trust: Trust) -> Self {
        Self(Clients::new(trust, Http::One, CONNECT))
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let client = self.0.client().map_err(|error: ClientError| chain(&error));
        SharedHttpConnector::new(Way { client, read: settings.read_timeout().unwrap_or(READ) })
    }
}

/// One call's way to AWS.
#[derive(Debug)]
struct Way {
    client: Result<Client, String>,
    read: Duration,
}

impl HttpConnector for Way {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, read) = (self.client.clone(), self.read);
        HttpConnectorFuture::new(async move {
            let client = client.map_err(|problem| ConnectorError::user(problem.into()))?;
            let request = outgoing(request)?;
            let answer = tokio::time::timeout(read, client.execute(request)).await;
            let answer = answer.map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?.map_err(failed)?;
            let answer = http::Response::from(answer).map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The request as it goes out. A path that does not survive being an URL (one with `..` in it) would not be what was
/// signed.
fn outgoing(request: HttpRequest) -> Result<reqwest::Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let path = request.uri().path().to_owned();
    let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap)).map_err(failed)?;
    if request.url().path() != path {
        return Err(ConnectorError::user(format!("the path {path} is no path of an URL").into()));
    }
    Ok(request)
}

fn failed(error: reqwest::Error) -> ConnectorError {
    match error {
        error if error.is_timeout() => ConnectorError::timeout(error.into()),
        error if error.is_builder() => ConnectorError::user(error.into()),
        error => ConnectorError::io(error.into()),
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connections to AWS")
    }
}
