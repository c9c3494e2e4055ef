//! The Lambda function: settings, services, worker, and Lambda's own loop. No logic.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use codepipeline_artifactory::aws::codepipeline::CodePipeline;
use codepipeline_artifactory::aws::environment;
use codepipeline_artifactory::aws::secret::Secrets;
use codepipeline_artifactory::log;
use codepipeline_artifactory::registry::Http;
use codepipeline_artifactory::run::Services;
use codepipeline_artifactory::settings::Settings;
use codepipeline_artifactory::trigger::Trigger;
use codepipeline_artifactory::trust::Trust;
use codepipeline_artifactory::turns::Turns;
use codepipeline_artifactory::worker::{Invocation, Worker};
use futures_util::future::{BoxFuture, pending, try_join};
use futures_util::{FutureExt as _, TryFutureExt as _};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tracing::Instrument as _;

/// How long the first request for work is given before the worker is made: at once, each would be in the other's way.
const HEAD_START: Duration = Duration::from_millis(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let settings = Settings::from_environment();
    log::start(settings.as_ref().map_or(log::DEFAULT, |settings| settings.log_level));
    match settings {
        Ok(settings) if settings.ca_certificates.is_none() => {
            let making = async move {
                let trust = Trust::system();
                let aws = environment::configuration(trust.clone()).await;
                worker(settings, aws, trust)
            };
            Box::pin(serve(making.boxed())).await
        }
        // Certificates that cannot be had or read are told before any work is asked for.
        Ok(settings) => match added(&settings).await {
            Ok((aws, trust)) => Box::pin(serve(async { worker(settings, aws, trust) }.boxed())).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    }
    .map_or_else(|error| log::fatal(&*error), |()| ExitCode::SUCCESS)
}

/// What a process goes by to which certificates are added.
async fn added(settings: &Settings) -> Result<(SdkConfig, Trust), Error> {
    let trust = Trust::system();
    let aws = environment::configuration(trust.clone()).await;
    let trust = match Secrets::new(&aws).certificates(settings.ca_certificates.as_ref()).await? {
        Some(pem) => Trust::with_added(pem.expose())?,
        None => trust,
    };
    Ok((aws, trust))
}

/// Makes everything that jobs need, and warms what can be warmed.
fn worker(settings: Settings, aws: SdkConfig, trust: Trust) -> Worker {
    // Beside the rest: reading them takes longer than all of it, and only who meets a certificate waits for it.
    let reading = trust.clone();
    drop(tokio::task::spawn_blocking(move || reading.read()));
    let http = Http::new(trust).hiding(settings.proxy_secrets.clone());
    let (pipeline, secrets) = (CodePipeline::new(&aws), Secrets::new(&aws));
    Worker::new(Services { settings, aws, pipeline, secrets, http, turns: Turns::default() })
}

/// Asks for work, and makes the worker while the answer is waited for: it takes longer than the request, and only who
/// has work waits for it. One type of `making`, as Lambda's loop is in the binary once for each.
async fn serve(making: BoxFuture<'static, Worker>) -> Result<(), Error> {
    let making = async {
        tokio::time::sleep(HEAD_START).await;
        making.await
    };
    let worker = async { tokio::spawn(making).await.map(Arc::new).map_err(Arc::new) }.shared();
    let handle = async |event: LambdaEvent<Trigger>| {
        let LambdaEvent { payload, context } = event;
        let invocation = Invocation::new(&context.request_id, &context.invoked_function_arn, context.deadline);
        let function = invocation.function.as_deref().unwrap_or_default();
        let span = tracing::error_span!("invocation", requestId = context.request_id, function);
        // Without a worker the process is about to end.
        let Ok(worker) = worker.clone().await else { return pending().await };
        worker.answer(&payload, &invocation).instrument(span).await.map_err(log::logged)
    };
    // The first is polled first.
    try_join(lambda_runtime::run(service_fn(handle)), worker.clone().map_err(Error::from)).await.map(drop)
}
