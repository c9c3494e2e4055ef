//! A bug of ours in one job: that job fails and says so, its neighbours are published, and the process goes on. No input
//! is known that makes the function panic, so its connections do, at one job's artifact or calls.

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

use serde_json::json;

use crate::scene::{self, claim, event, failure, numbers, package, put_claim, stack};
use crate::services;
use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::s3::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY};
use crate::stack::{DEADLINE, Stack};

/// Where the bug is.
#[derive(Debug, Clone)]
enum Bug {
    /// At addresses with this text in them.
    Address(String),
    /// Where this operation of the job API is called for this job.
    Call(&'static str, JobId),
}

impl Bug {
    fn is_in(&self, request: &HttpRequest) -> bool {
        match self {
            Self::Address(text) => request.uri().contains(text),
            Self::Call(operation, job) => {
                let target = request.headers().get("x-amz-target").unwrap_or_default();
                let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
                target.ends_with(operation) && body.contains(job.as_str())
            }
        }
    }
}

/// The function's own HTTP client, but it panics where the bug is.
#[derive(Debug, Clone)]
struct Panicking {
    bug: Bug,
    client: SharedHttpClient,
}

impl HttpClient for Panicking {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, components);
        SharedHttpConnector::new(Connecting { bug: self.bug.clone(), connector })
    }
}

#[derive(Debug)]
struct Connecting {
    bug: Bug,
    connector: SharedHttpConnector,
}

impl HttpConnector for Connecting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert!(!self.bug.is_in(&request), "a bug at {:?}", self.bug);
        self.connector.call(request)
    }
}

/// The function's own worker in this process, with this bug.
fn worker(stack: &Stack, bug: &Bug) -> Worker {
    let environment = stack.environment();
    let lookup = |name: &str| environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let settings = Settings::read(lookup).unwrap();
    let client = SharedHttpClient::new(Connections::new(Trust::system()));
    let aws = |url: &str| -> SdkConfig {
        let client = Panicking { bug: bug.clone(), client: client.clone() };
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
    let worker = worker(&stack, &Bug::Address(format!("/BuildOutpu/{:07x}", 1)));
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

#[tokio::test]
async fn a_panic_over_a_call_leaves_its_job_to_the_next_tick_and_its_neighbours_in_peace() {
    for operation in ["AcknowledgeJob", "PutJobSuccessResult"] {
        let stack = stack().await;
        let jobs = ["left", "broken", "right"].map(|name| stack.pipeline.queue(stack.action(package(name, "1.0.0"))));
        let worker = worker(&stack, &Bug::Call(operation, jobs[1].clone()));
        let TickReport { polled, succeeded, failed, left, .. } = tick(&worker).await;
        assert_eq!([polled, succeeded, failed, left], [3, 2, 0, 1], "{operation}");
        assert_eq!(claim(&stack, &jobs[1]).unwrap()["lease_until"], 0, "{operation}: it is handed over");
        // A version without the bug.
        assert_eq!(numbers(&scene::tick(&stack).await), [1, 0, 1, 0, 0, 0], "{operation}");
        for job in &jobs {
            assert!(matches!(stack.pipeline.result(job), JobResult::Succeeded { .. }) && claim(&stack, job).is_none());
        }
    }
}

#[tokio::test]
async fn a_job_that_panics_whenever_it_is_gone_on_with_is_answered_in_the_end() {
    let stack = stack().await;
    let jobs = ["left", "broken", "right"].map(|name| stack.pipeline.queue(stack.action(package(name, "1.0.0"))));
    let dead = scene::other_worker(&stack);
    for (id, nonce) in scene::poll(&dead).await {
        dead.acknowledge_job().job_id(&id).nonce(&nonce).send().await.unwrap();
        let job = jobs.iter().find(|job| job.as_str() == id).unwrap();
        put_claim(&stack, job, &nonce, &json!({ "acknowledgement": "confirmed", "lease_until": 0 }));
    }
    let [one, broken, two] = jobs;
    let worker = worker(&stack, &Bug::Call("GetJobDetails", broken.clone()));
    let TickReport { resumed, succeeded, failed, left, .. } = tick(&worker).await;
    assert_eq!([resumed, succeeded, failed, left], [3, 2, 0, 1]);
    assert!([one, two].iter().all(|job| matches!(stack.pipeline.result(job), JobResult::Succeeded { .. })));
    let mut ticks = 1;
    while claim(&stack, &broken).is_some() {
        assert!(ticks < 9, "it is gone on with for ever");
        let TickReport { resumed, failed, left, .. } = tick(&worker).await;
        assert_eq!((resumed, failed + left), (1, 1));
        ticks += 1;
    }
    let (kind, message) = failure(stack.pipeline.result(&broken));
    assert!(kind == "JobFailed" && message.contains("attempts at this job came to no end"), "{message}");
}
