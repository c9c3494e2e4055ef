//! The Lambda function: settings, services, worker, and Lambda's own loop. No logic.

use std::process::ExitCode;

use codepipeline_artifactory::aws::codepipeline::CodePipeline;
use codepipeline_artifactory::aws::secret::Secrets;
use codepipeline_artifactory::registry::Http;
use codepipeline_artifactory::run::Services;
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trigger::Trigger;
use codepipeline_artifactory::trust::Trust;
use codepipeline_artifactory::turns::Turns;
use codepipeline_artifactory::worker::{Invocation, Worker};
use codepipeline_artifactory::{aws, log};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tracing::Instrument as _;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let settings = Settings::from_environment();
    log::start(settings.as_ref().map_or(log::DEFAULT, |settings| settings.log_level));
    let worker = match settings {
        Ok(settings) => worker(settings).await,
        Err(error) => Err(error.into()),
    };
    match worker {
        Ok(worker) => Box::pin(serve(worker)).await,
        Err(error) => Err(error),
    }
    .map_or_else(|error| log::fatal(&*error), |()| ExitCode::SUCCESS)
}

/// Makes everything that jobs need, and warms what can be warmed.
async fn worker(settings: Settings) -> Result<Worker, Error> {
    let trust = Trust::system();
    let aws = aws::configuration(trust.clone()).await;
    let secrets = Secrets::new(&aws);
    let trust = match secrets.certificates(settings.ca_certificates.as_ref()).await? {
        Some(pem) => Trust::with_added(pem.expose())?,
        None => trust,
    };
    // Beside the first request for work, which does not wait for it: reading them takes longer than all the rest.
    let reading = trust.clone();
    drop(tokio::task::spawn_blocking(move || reading.read()));
    let http = Http::new(trust);
    let pipeline = CodePipeline::new(&aws);
    Ok(Worker::new(Services { settings, aws, pipeline, secrets, http, turns: Turns::default() }))
}

async fn serve(worker: Worker) -> Result<(), Error> {
    let handle = async |event: LambdaEvent<Trigger>| {
        let LambdaEvent { payload, context } = event;
        let invocation = Invocation::new(&context.request_id, &context.invoked_function_arn, context.deadline);
        let function = invocation.function.as_deref().unwrap_or_default();
        let span = tracing::error_span!("invocation", requestId = context.request_id, function);
        worker.tick(&payload, &invocation).instrument(span).await.map_err(log::logged)
    };
    lambda_runtime::run(service_fn(handle)).await
}
