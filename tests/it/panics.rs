//! A bug of ours in one job: that job fails and says so, its neighbours are published, and the process goes on. No input
//! is known that makes the function panic, so its connection to S3 does, at one job's artifact.

use aws_config::SdkConfig;
use aws_sdk_codepipeline::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use codepipeline_artifactory::answer::TickReport;
use codepipeline_artifactory::aws::codepipeline::CodePipeline;
use codepipeline_artifactory::aws::connections::Connections;
use codepipeline_artifactory::aws::secret::Secrets;
use codepipeline_artifactory::registry::Http;
use codepipeline_artifactory::run::Services;
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trigger::Trigger;
use codepipeline_artifactory::trust::Trust;
use codepipeline_artifactory::turns::Turns;
use codepipeline_artifactory::worker::{Invocation, Worker};

use crate::scene::{self, claim, event, failure, package, stack};
use crate::services;
use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::pipeline::JobResult;
use crate::stack::s3::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY};
use crate::stack::{DEADLINE, Stack};

/// The function's own HTTP client, but it panics at addresses with this text in them.
#[derive(Debug, Clone)]
struct Panicking {
    at: String,
    client: SharedHttpClient,
}

impl HttpClient for Panicking {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(Connecting { at: self.at.clone(), connector })
    }
}

#[derive(Debug)]
struct Connecting {
    at: String,
    connector: SharedHttpConnector,
}

impl HttpConnector for Connecting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert!(!request.uri().contains(&self.at), "a bug at {}", self.at);
        self.connector.call(request)
    }
}

/// The function's own worker in this process, with a bug at this address.
fn worker(stack: &Stack, bug: &str) -> Worker {
    let environment = stack.environment();
    let lookup = |name: &str| environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let settings = Settings::read(lookup).unwrap();
    let client = SharedHttpClient::new(Connections::new(Trust::system()));
    let aws = |url: &str| -> SdkConfig {
        let client = Panicking { at: bug.to_owned(), client: client.clone() };
        let credentials = Credentials::new(FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY, None, None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        services::configuration(url).into_builder().credentials_provider(credentials).http_client(client).build()
    };
    Worker::new(Services {
        settings,
        pipeline: CodePipeline::new(&aws(&stack.pipeline.url())),
        secrets: Secrets::new(&aws(&stack.secrets.url())),
        aws: aws(&stack.s3.url()),
        http: Http::new(Trust::system()),
        turns: Turns::default(),
    })
}

async fn tick(worker: &Worker) -> TickReport {
    let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:publisher");
    let millis = u64::try_from(DEADLINE.as_millis()).unwrap();
    worker.tick(&Trigger::of(&event("schedule.json")), &Invocation::new("run", &arn, millis)).await.unwrap()
}

#[tokio::test]
async fn a_panic_in_one_job_is_its_failure_and_nobody_elses() {
    let stack = stack().await;
    let jobs = ["left", "broken", "right"].map(|name| stack.pipeline.queue(stack.action(package(name, "1.0.0"))));
    let worker = worker(&stack, &format!("/BuildOutpu/{:07x}", 1));
    let TickReport { polled, succeeded, failed, left, .. } = tick(&worker).await;
    assert_eq!([polled, succeeded, failed, left], [3, 2, 1, 0]);
    assert_eq!(stack.stored(), ["left", "right"].map(|name| scene::path(name, "1.0.0")));
    let [one, broken, two] = jobs;
    assert!([one, two].iter().all(|job| matches!(stack.pipeline.result(job), JobResult::Succeeded { .. })));
    assert!(claim(&stack, &broken).is_none());
    let (kind, message) = failure(stack.pipeline.result(&broken));
    insta::assert_snapshot!(format!("{kind}\n{message}"), @r"
    JobFailed
    The publisher itself failed on this job.
    An earlier attempt may have published something: see the repository.
    What to do: This is a bug of the publisher: report it with the log of this run. Retrying the stage is safe.
    Log: request id run.
    ");

    // The process goes on.
    stack.pipeline.queue(stack.action(package("left", "1.0.3")));
    assert_eq!(tick(&worker).await.succeeded, 1);
}
