//! The Lambda function: settings, services, worker, and Lambda's own loop. No logic.

use codepipeline_artifactory::aws::codepipeline::CodePipeline;
use codepipeline_artifactory::aws::secret::Secrets;
use codepipeline_artifactory::deadline::Deadline;
use codepipeline_artifactory::registry::http::Http;
use codepipeline_artifactory::run::Services;
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trigger::Trigger;
use codepipeline_artifactory::worker::Worker;
use codepipeline_artifactory::{aws, log};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tracing::Instrument as _;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let settings = Settings::from_environment()?;
    log::start(settings.log_level);
    let aws = aws::configuration().await;
    let services = Services {
        pipeline: CodePipeline::new(&aws),
        secrets: Secrets::new(&aws),
        http: Http::new(settings.ca_certificates.clone()),
        aws,
        settings,
    };
    let worker = Worker::new(services);
    let handle = async |event: LambdaEvent<Trigger>| {
        let LambdaEvent { payload, context } = event;
        let span = tracing::error_span!("invocation", requestId = context.request_id);
        let deadline = Deadline::of_invocation(context.deadline);
        worker.tick(&payload, deadline, &context.request_id).instrument(span).await.map_err(log::logged)
    };
    lambda_runtime::run(service_fn(handle)).await
}
