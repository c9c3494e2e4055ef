//! A process of the function, in this one: the library's worker as `main` builds it, but for its clock, and for the way
//! to AWS, which leads straight to the emulators' doors. Artifactory it reaches over a socket, with its own client.

use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::{Credentials, HttpClient, Region, RuntimeComponents, SharedCredentialsProvider};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use codepipeline_artifactory::aws::codepipeline::CodePipeline;
use codepipeline_artifactory::aws::secret::Secrets;
use codepipeline_artifactory::deadline::Clock;
use codepipeline_artifactory::registry::Http;
use codepipeline_artifactory::run::Services;
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trust::Trust;
use codepipeline_artifactory::turns::Turns;
use codepipeline_artifactory::worker::Worker;
use http_body_util::BodyExt as _;
use hyper::header::HeaderValue;

use crate::stack::http::{Door, Reply, Request};
use crate::stack::s3::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY};

/// The header that tells which process sent a request to AWS.
pub(crate) const PROCESS: &str = "x-stack-process";

/// The ways in to the services of AWS.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    pub(crate) pipeline: Door,
    pub(crate) secrets: Door,
    pub(crate) s3: Door,
}

impl Doors {
    fn of(&self, request: &Request) -> &Door {
        match request.header("x-amz-target").split('.').next() {
            Some("CodePipeline_20150709") => &self.pipeline,
            Some("secretsmanager") => &self.secrets,
            _ => &self.s3,
        }
    }
}

/// Starts a process: a worker with nothing cached yet. `region` is any text; what the SDK shares between clients of a
/// region (its budget of retries) must not be shared between simulations.
pub(crate) fn start(number: usize, region: &str, doors: Doors, settings: Settings, clock: Clock) -> Worker {
    let credentials =
        Credentials::new(FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY, None, None, "the function's own");
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url("http://aws.simulated")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .http_client(Straight { number, doors })
        .time_source(Wrong(clock))
        .build();
    let secrets = Secrets::new(&aws);
    let http = Http::new(Trust::system());
    Worker::new(Services { pipeline: CodePipeline::new(&aws), secrets, http, aws, settings, turns: Turns::default() })
}

/// By which time requests are signed: the machine's own, wrong as it may be.
#[derive(Debug)]
struct Wrong(Clock);

impl TimeSource for Wrong {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.epoch_millis())
    }
}

/// The SDK's way to the doors.
#[derive(Debug, Clone)]
struct Straight {
    number: usize,
    doors: Doors,
}

impl HttpClient for Straight {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { way: self.clone(), patience: settings.read_timeout() })
    }
}

#[derive(Debug)]
struct Connector {
    way: Straight,
    patience: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (way, patience) = (self.way.clone(), self.patience);
        HttpConnectorFuture::new(async move {
            let request = collected(request, way.number).await?;
            let door = way.doors.of(&request).clone();
            // A request that was sent arrives, even where its sender is gone by then.
            let answering = tokio::spawn(async move { door.call(request).await });
            let answer = match patience {
                Some(patience) => tokio::time::timeout(patience, answering)
                    .await
                    .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
                None => answering.await,
            };
            let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
            answer.map_err(ConnectorError::io).and_then(response)
        })
    }
}

async fn collected(request: HttpRequest, number: usize) -> Result<Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(ConnectorError::io)?.to_bytes();
    let mut headers = parts.headers;
    headers.insert("host", HeaderValue::from_static("aws.simulated"));
    headers.insert("content-length", HeaderValue::from(body.len()));
    headers.insert(PROCESS, HeaderValue::from(number));
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    Ok(Request { method: parts.method, path, query, headers, body })
}

fn response(reply: Reply) -> Result<HttpResponse, ConnectorError> {
    let reply = reply.map(SdkBody::from_body_1_x);
    HttpResponse::try_from(reply).map_err(|error| ConnectorError::user(error.into()))
}
