//! The Lambda function: settings, services, worker, and Lambda's own loop. No logic.

use codepipeline_artifactory::aws::codepipeline::CodePipeline;
use codepipeline_artifactory::aws::secret::Secrets;
use codepipeline_artifactory::deadline::{Clock, Deadline};
use codepipeline_artifactory::registry::Http;
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
    let secrets = Secrets::new(&aws);
    let roots = secrets.certificates(settings.ca_certificates.as_ref()).await?;
    let http = Http::new(roots.as_deref().map(str::as_bytes))?;
    let clock = Clock::default();
    let services = Services { pipeline: CodePipeline::new(&aws), secrets, http, aws, settings, clock: clock.clone() };
    let worker = Worker::new(services);
    let handle = async |event: LambdaEvent<Trigger>| {
        let LambdaEvent { payload, context } = event;
        let span = tracing::error_span!("invocation", requestId = context.request_id);
        let deadline = Deadline::of_invocation(context.deadline, &clock);
        worker.tick(&payload, deadline, &context.request_id).instrument(span).await.map_err(log::logged)
    };
    lambda_runtime::run(service_fn(handle)).await
}
