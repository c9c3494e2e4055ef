//! `CodePipeline`: the job API for custom actions, as a worker sees it. It holds the jobs that tests queue,
//! hands them out, takes their results and remembers which of them a worker took and never answered.

mod event;
mod rules;
mod spec;
mod state;
mod switches;
mod table;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::rules::{AcknowledgeJob, GetJobDetails, PollForJobs, PutJobFailureResult, PutJobSuccessResult, Ruled};
use self::table::{Job, Table};
use super::aws::{self, ACCOUNT, REGION, Refusal, Service};
use super::http::{Door, Request, Server, Traffic};
use super::role::Call;
use super::vault::Vault;

pub(crate) use self::spec::{ActionType, Artifact, JobId, JobSpec};
pub(crate) use self::state::JobState;
pub(crate) use self::switches::{Acknowledgement, EarlyResult, NonceOnRedispatch, Settings, Switches};
pub(crate) use self::table::{JobResult, Revision};

/// The name of this service in [`Traffic`].
pub(crate) const SERVICE: &str = "codepipeline";
const DOOR: Service = Service { signing_name: "codepipeline", target: "CodePipeline_20150709" };

/// The running service. When it is dropped, no job may be left that was acknowledged and never answered.
#[derive(Debug)]
pub(crate) struct CodePipeline {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    vault: Vault,
    changed: Notify,
}

impl CodePipeline {
    /// Starts it with the default settings and the type Deploy/Custom/Artifactory/1 declared.
    pub(crate) async fn start(traffic: Traffic, vault: Vault) -> Self {
        Self::start_with(traffic, vault, Settings::default()).await
    }

    /// As [`CodePipeline::start`], with other settings.
    pub(crate) async fn start_with(traffic: Traffic, vault: Vault, settings: Settings) -> Self {
        Self::start_on(0, traffic, vault, settings).await
    }

    /// As [`CodePipeline::start_with`], on a port of the caller's choice (0 is any).
    pub(crate) async fn start_on(port: u16, traffic: Traffic, vault: Vault, settings: Settings) -> Self {
        let shared = Arc::new(Shared { table: Mutex::new(Table::new(settings)), vault, changed: Notify::new() });
        let handling = Arc::clone(&shared);
        let server = Server::start_on(port, SERVICE, traffic, move |request| {
            let shared = Arc::clone(&handling);
            async move { aws::answer(shared.handle(&request)) }
        })
        .await;
        Self { server, shared }
    }

    /// The way in without a socket.
    pub(crate) fn door(&self) -> Door {
        self.server.door()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Makes polls of this action type possible, beside the default one.
    pub(crate) fn declare(&self, action_type: ActionType) {
        self.shared.table().declared.push(action_type);
    }

    /// Changes switches or times from here on.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.table().settings);
        self.shared.changed.notify_waiters();
    }

    /// Lets time pass at once, for everything on the same clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.shared.vault.clock().advance(by);
        self.shared.changed.notify_waiters();
    }

    /// The action starts: a job waits for a worker.
    pub(crate) fn queue(&self, spec: JobSpec) -> JobId {
        let now = self.shared.vault.clock().now();
        self.shared.table().queue(spec, now)
    }

    /// An Invoke action starts: the job, and the event with which `CodePipeline` invokes the function. The spec's
    /// configuration is what `UserParameters` say.
    pub(crate) fn invoke(&self, spec: JobSpec) -> (JobId, Value) {
        let now = self.shared.vault.clock().now();
        let session = self.shared.vault.issue(spec.readable(), spec.writable());
        let data = spec.invoked_data(&session);
        let id = self.shared.table().invoke(spec, now);
        let event = json!({ "CodePipeline.job": { "id": id.as_str(), "accountId": ACCOUNT, "data": data } });
        (id, event)
    }

    /// The event that announces the job's action.
    pub(crate) fn started_event(&self, id: &JobId) -> Value {
        self.shared.with(id, |job| event::action_state_change(job, "STARTED"))
    }

    /// Every job so far, continuations included, in the order in which they were made.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.shared.table().jobs.iter().map(|job| job.id.clone()).collect()
    }

    pub(crate) fn state(&self, id: &JobId) -> JobState {
        let now = self.shared.vault.clock().now();
        self.shared.with(id, |job| job.shown(now))
    }

    /// What became of the job so far.
    pub(crate) fn result(&self, id: &JobId) -> JobResult {
        let now = self.shared.vault.clock().now();
        self.shared.with(id, |job| job.result(now))
    }

    /// Waits until the job is no longer pending.
    pub(crate) async fn wait_for_result(&self, id: &JobId, timeout: Duration) -> JobResult {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                let result = self.result(id);
                if !matches!(result, JobResult::Pending { .. }) {
                    return result;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(timeout, waiting).await;
        waited.unwrap_or_else(|_| panic!("job {id} has no result after {timeout:?}: {:?}", self.result(id)))
    }

    /// How many `PutJob*` calls for this job were answered with 200, replays among them.
    pub(crate) fn results_given(&self, id: &JobId) -> usize {
        self.shared.with(id, |job| job.answers_accepted)
    }

    /// Whether the job's answer was taken although nobody had acknowledged it (see [`EarlyResult::Accepted`]).
    pub(crate) fn answered_early(&self, id: &JobId) -> bool {
        self.shared.with(id, |job| job.answered_in.is_some_and(|state| state != JobState::InProgress))
    }

    /// Every job's own artifacts, as they are reached: `GET` or `PUT`, and bucket and key as a path.
    pub(crate) fn artifacts(&self) -> Vec<(Method, String)> {
        let place = |(bucket, key): (String, String)| format!("/{bucket}/{key}");
        let table = self.shared.table();
        let jobs = || table.jobs.iter().chain(&table.forgotten);
        let read = jobs().flat_map(|job| job.spec.readable()).map(|it| (Method::GET, place(it)));
        let written = jobs().flat_map(|job| job.spec.writable()).map(|it| (Method::PUT, place(it)));
        read.chain(written).collect()
    }

    /// Stops the execution and abandons its action: results are taken from now on, without effect.
    pub(crate) fn abandon(&self, id: &JobId) {
        self.shared.with(id, |job| job.abandoned = true);
        self.shared.changed.notify_waiters();
    }

    /// A worker that is not ours acknowledges the job, whoever it was offered to, and answers it some other day.
    pub(crate) fn seize(&self, id: &JobId) {
        self.shared.with(id, Job::seize);
        self.shared.changed.notify_waiters();
    }

    /// Removes the job: for the API it never was.
    pub(crate) fn forget(&self, id: &JobId) {
        let mut table = self.shared.table();
        let forgotten: Vec<_> = table.jobs.extract_if(.., |job| job.id == *id).collect();
        table.forgotten.extend(forgotten);
    }

    /// Allows that this job stays unanswered.
    pub(crate) fn forgive(&self, id: &JobId) {
        self.shared.with(id, |job| job.forgiven = true);
    }

    /// Panics where a worker acknowledged a job and never answered it: at AWS, that action hangs for a day.
    pub(crate) fn assert_nothing_left(&self) {
        let left: Vec<_> = self.shared.table().left().into_iter().map(ToString::to_string).collect();
        assert!(left.is_empty(), "acknowledged and never answered: {}", left.join(", "));
    }
}

impl Drop for CodePipeline {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_nothing_left();
        }
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no test panics while it holds this")
    }

    /// Looks at, or changes, one job that a test has queued.
    fn with<T>(&self, id: &JobId, look: impl FnOnce(&mut Job) -> T) -> T {
        let now = self.vault.clock().now();
        let mut table = self.table();
        // The lock is let go before a test is told of its mistake.
        let found = table.job(id.as_str(), now).map(look);
        drop(table);
        found.unwrap_or_else(|_| panic!("no job {id} in this table"))
    }

    fn handle(&self, request: &Request) -> Result<Option<Value>, Refusal> {
        let now = self.vault.clock().now();
        let operation = DOOR.operation(request, &self.vault)?;
        DOOR.permit(request, &self.vault, &call(&operation, request))?;
        match operation.as_str() {
            "PollForJobs" => {
                let request: PollForJobs = ruled(request)?;
                let mut table = self.table();
                let jobs: Vec<_> = table.poll(&request, now)?.into_iter().map(|job| self.offer(job)).collect();
                Ok(Some(json!({ "jobs": jobs })))
            }
            "AcknowledgeJob" => {
                let request: AcknowledgeJob = ruled(request)?;
                let state = self.table().acknowledge(&request, now)?;
                self.changed.notify_waiters();
                Ok(Some(json!({ "status": state.name() })))
            }
            "GetJobDetails" => {
                let request: GetJobDetails = ruled(request)?;
                let mut table = self.table();
                let job = table.custom_job(request.job_id.as_deref().unwrap_or_default(), now)?;
                Ok(Some(json!({ "jobDetails": self.describe(job) })))
            }
            "PutJobSuccessResult" => {
                let request: PutJobSuccessResult = ruled(request)?;
                self.table().succeed(request, now)?;
                self.changed.notify_waiters();
                Ok(None)
            }
            "PutJobFailureResult" => {
                let request: PutJobFailureResult = ruled(request)?;
                self.table().fail(request, now)?;
                self.changed.notify_waiters();
                Ok(None)
            }
            other => Err(Refusal::new("UnknownOperationException", format!("{other} is not in the local stack"))),
        }
    }

    /// A job as `PollForJobs` hands it out.
    fn offer(&self, job: &Job) -> Value {
        let mut offer = self.describe(job);
        offer["nonce"] = json!(job.nonce);
        offer
    }

    /// A job as `GetJobDetails` tells it, with credentials of its own.
    fn describe(&self, job: &Job) -> Value {
        let session = self.vault.issue(job.spec.readable(), job.spec.writable());
        json!({ "id": job.id.as_str(), "data": job.spec.data(&job.run, &session), "accountId": ACCOUNT })
    }
}

/// The call as a policy sees it: polls are of an action type, everything else knows no resource.
///
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodepipeline.html>
fn call(operation: &str, request: &Request) -> Call {
    let body = request.json();
    let part = |name: &str| body["actionTypeId"][name].as_str().unwrap_or_default().to_owned();
    let resource = match operation {
        "PollForJobs" => {
            let [owner, category, provider, version] = ["owner", "category", "provider", "version"].map(part);
            format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:actiontype:{owner}/{category}/{provider}/{version}")
        }
        _ => "*".to_owned(),
    };
    Call::new(format!("codepipeline:{operation}"), resource)
}

fn ruled<T: serde::de::DeserializeOwned + Ruled>(request: &Request) -> Result<T, Refusal> {
    let request: T = aws::body(request)?;
    request.check()?;
    Ok(request)
}
