//! The local stack: real servers on 127.0.0.1 that behave as the services do, and the real binary among them.
//! Dropping a [`Stack`] asserts that nothing is left half done and that no secret went where it must not.
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "each of the binaries that share the stack uses a part of it"
)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an emulator that is wrong about itself ends the test at once"
)]

pub(crate) mod artifactory;
pub(crate) mod aws;
pub(crate) mod built;
pub(crate) mod crash;
pub(crate) mod cut;
pub(crate) mod http;
pub(crate) mod invariants;
pub(crate) mod lambda;
pub(crate) mod load;
pub(crate) mod pipeline;
pub(crate) mod planned;
pub(crate) mod prefix;
pub(crate) mod project;
pub(crate) mod proxy;
pub(crate) mod role;
pub(crate) mod s3;
pub(crate) mod secrets;
pub(crate) mod simulate;
pub(crate) mod tls;
pub(crate) mod vault;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::OnceCell;

use artifactory::{Artifactory, Permission, Repository, User};
use http::Traffic;
use invariants::{Allowed, Verdict, Wall, Witness};
use lambda::{InvocationError, RuntimeApi, Worker};
use pipeline::{CodePipeline, JobId, JobResult, JobSpec};
use s3::S3;
use secrets::SecretsManager;
use vault::{Clock, Vault};

/// Bucket of the claims.
pub(crate) const JOURNAL: &str = "journal";
/// Bucket of the pipelines' artifacts.
pub(crate) const ARTIFACTS: &str = "codepipeline-eu-west-1-artifacts";
/// The user that the default secret holds.
pub(crate) const USER: &str = "ci-publisher";
/// That user's password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// Name of the default secret.
pub(crate) const SECRET: &str = "codepipeline-artifactory/default";
/// The npm repository that the user may deploy to.
pub(crate) const REPOSITORY: &str = "npm-local";
/// How long an invocation may take, unless a test says otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
/// How long a request may be on its way on a machine with many stacks side by side.
const TRAVEL: Duration = Duration::from_secs(1);

/// Ports of the emulators; 0 is any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) pipeline: u16,
    pub(crate) secrets: u16,
    pub(crate) s3: u16,
    pub(crate) artifactory: u16,
}

/// All services, with one user, one secret and one npm repository.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(crate) traffic: Traffic,
    pub(crate) vault: Vault,
    pub(crate) pipeline: CodePipeline,
    pub(crate) secrets: SecretsManager,
    pub(crate) s3: S3,
    pub(crate) artifactory: Artifactory,
    pub(crate) lambda: RuntimeApi,
    binary: PathBuf,
    variables: Mutex<Vec<(String, String)>>,
    /// The real clock, which all processes go by.
    wall: Wall,
    worker: OnceCell<Worker>,
    successors: Mutex<Vec<Worker>>,
    forgiven: Mutex<Forgiven>,
    kept_secret: Mutex<Vec<String>>,
}

/// What a test expects to be left behind.
#[derive(Debug, Default)]
struct Forgiven {
    claims: Vec<String>,
    passwords: bool,
    refusals: bool,
}

impl Stack {
    /// Starts everything on free ports; `binary` is the Lambda function.
    pub(crate) async fn start(binary: impl AsRef<Path>) -> Self {
        Self::start_on(Ports::default(), binary).await
    }

    /// As [`Stack::start`], on ports of the caller's choice.
    pub(crate) async fn start_on(ports: Ports, binary: impl AsRef<Path>) -> Self {
        let traffic = Traffic::default();
        let vault = Vault::new(Clock::default());
        let settings = pipeline::Settings::default();
        let stack = Self {
            pipeline: CodePipeline::start_on(ports.pipeline, traffic.clone(), vault.clone(), settings).await,
            secrets: SecretsManager::start_on(ports.secrets, traffic.clone(), vault.clone()).await,
            s3: S3::start_on(ports.s3, traffic.clone(), vault.clone(), JOURNAL).await,
            artifactory: Artifactory::start_on(ports.artifactory, traffic.clone(), vault.clock().clone()).await,
            lambda: RuntimeApi::start(traffic.clone()).await,
            traffic,
            vault,
            binary: binary.as_ref().to_owned(),
            variables: Mutex::default(),
            wall: wall(),
            worker: OnceCell::new(),
            successors: Mutex::default(),
            forgiven: Mutex::default(),
            kept_secret: Mutex::default(),
        };
        stack.artifactory.repository(Repository::local(REPOSITORY, "npm"));
        let may = [Permission::Read, Permission::Deploy];
        stack.artifactory.user(User::new(USER, PASSWORD).may(REPOSITORY, &may));
        stack.secrets.put(SECRET, &serde_json::json!({ "username": USER, "password": PASSWORD }).to_string());
        stack.s3.create_bucket(ARTIFACTS);
        stack
    }

    /// What the function's environment holds.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment: Vec<(String, String)> = [
            ("AWS_REGION", aws::REGION),
            ("AWS_ACCESS_KEY_ID", s3::FUNCTION_ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", s3::FUNCTION_SECRET_ACCESS_KEY),
            ("AWS_ENDPOINT_URL_CODEPIPELINE", &self.pipeline.url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.secrets.url()),
            ("AWS_ENDPOINT_URL_S3", &self.s3.url()),
            ("JOURNAL_BUCKET", JOURNAL),
            ("DEFAULT_SECRET_ID", SECRET),
            ("ARTIFACTORY_URL", &self.artifactory.platform_url()),
            ("ALLOW_HTTP", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, value) in self.variables.lock().expect("no test panics while it holds this").iter() {
            environment.retain(|(other, _)| other != name);
            if !value.is_empty() {
                environment.push((name.clone(), value.clone()));
            }
        }
        environment
    }

    /// Sets a variable of the function's environment before it starts; an empty value takes it away.
    pub(crate) fn set(&self, name: &str, value: &str) {
        assert!(self.worker.get().is_none(), "the function runs already with another environment");
        self.vault.role().follow(name, value);
        self.variables.lock().expect("no test panics while it holds this").push((name.to_owned(), value.to_owned()));
    }

    /// The function's process, started when it is first needed.
    pub(crate) async fn worker(&self) -> &Worker {
        let environment = self.environment();
        self.worker.get_or_init(|| Worker::spawn(&self.binary, &environment, &self.lambda)).await
    }

    /// The action as a pipeline configures it: npm, the default repository and secret, one input artifact.
    pub(crate) fn action(&self, artifact: impl Into<bytes::Bytes>) -> JobSpec {
        let key = format!("web/BuildOutpu/{:07x}", self.s3.keys(ARTIFACTS, "").len());
        self.s3.put(ARTIFACTS, &key, artifact);
        self.action_on(&key)
    }

    /// As [`Stack::action`], for an object that is (or is not) in the artifact bucket.
    pub(crate) fn action_on(&self, key: &str) -> JobSpec {
        JobSpec::new("web")
            .configuration("TypeOfArtifact", "npm")
            .configuration("RepoKey", REPOSITORY)
            .configuration("ArtifactoryHost", &self.artifactory.platform_url())
            .input("BuildOutput", ARTIFACTS, key)
    }

    /// Invokes the function.
    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, InvocationError> {
        self.worker().await;
        self.lambda.invoke(event, DEADLINE).await
    }

    /// Starts another process of the function, as Lambda does after one has died or beside one that is busy, and
    /// returns what kills it.
    pub(crate) async fn succeed(&self) -> impl Fn() + Send + use<> {
        self.succeed_by(&self.binary).await
    }

    /// As [`Stack::succeed`], with a binary of another version, as during an upgrade.
    pub(crate) async fn succeed_by(&self, binary: &Path) -> impl Fn() + Send + use<> {
        let successor = Worker::spawn(binary, &self.environment(), &self.lambda).await;
        let killer = successor.killer();
        self.successors.lock().expect("no test panics while it holds this").push(successor);
        killer
    }

    /// Waits until every process of the function, each of which was killed, is gone.
    pub(crate) async fn all_gone(&self) {
        let successors: Vec<_> = {
            let successors = self.successors.lock().expect("no test panics while it holds this");
            successors.iter().map(Worker::gone).collect()
        };
        self.worker().await.gone().await;
        futures_util::future::join_all(successors).await;
    }

    /// The most memory that any process of the function has held, in kB, as Linux counts it.
    pub(crate) async fn peak_memory(&self) -> u64 {
        let first = self.worker().await.id();
        let successors = self.successors.lock().expect("no test panics while it holds this");
        let ids = successors.iter().map(Worker::id).chain([first]).flatten();
        let peak = |id: u32| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
        };
        ids.map(peak).max().unwrap_or(0)
    }

    /// The action starts, its event wakes the function, and the job ends.
    pub(crate) async fn run(&self, action: JobSpec) -> (Value, JobResult) {
        let job = self.pipeline.queue(action);
        let event = self.pipeline.started_event(&job);
        let answer = self.invoke(event).await.unwrap_or_else(|error| panic!("the invocation failed: {error:?}"));
        (answer, self.pipeline.result(&job))
    }

    /// As [`Stack::run`], for jobs that end well.
    pub(crate) async fn publish(&self, artifact: impl Into<bytes::Bytes>) -> Value {
        let (answer, result) = self.run(self.action(artifact)).await;
        assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", self.worker().await.logs());
        answer
    }

    /// As [`Stack::run`], for jobs that fail: the failure's type and message.
    pub(crate) async fn refuse(&self, action: JobSpec) -> (String, String) {
        match self.run(action).await.1 {
            JobResult::Failed { r#type, message, .. } => (r#type, message),
            other => panic!("it did not fail: {other:#?}\n{}", self.logs().await),
        }
    }

    /// What the function has written so far.
    pub(crate) async fn logs(&self) -> String {
        let first = self.worker().await.logs();
        let successors = self.successors.lock().expect("no test panics while it holds this");
        successors.iter().fold(first, |logs, worker| logs + &worker.logs())
    }

    /// Paths of what the repository holds.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.artifactory.files(REPOSITORY).into_iter().map(|file| file.path).collect()
    }

    /// Expects a claim to be left behind.
    pub(crate) fn forgive_claim(&self, job: &JobId) {
        self.forgiven
            .lock()
            .expect("no test panics while it holds this")
            .claims
            .push(format!("jobs/{}.json", job.as_str()));
    }

    /// Expects the password on requests other than those for tokens.
    pub(crate) fn forgive_passwords(&self) {
        self.forgiven.lock().expect("no test panics while it holds this").passwords = true;
    }

    /// Expects the function to ask for what its role does not allow.
    pub(crate) fn forgive_refusals(&self) {
        self.forgiven.lock().expect("no test panics while it holds this").refusals = true;
    }

    /// Ends the stack without a look at what is left.
    pub(crate) fn abandon(&self) {
        self.forgive_refusals();
        for job in self.pipeline.jobs() {
            self.pipeline.forgive(&job);
            self.forgive_claim(&job);
        }
        self.forgive_passwords();
    }

    /// Adds a text that must never be printed, reported or written down.
    pub(crate) fn keep_secret(&self, text: &str) {
        self.kept_secret.lock().expect("no test panics while it holds this").push(text.to_owned());
    }

    /// Every text that must never be printed, reported or written down.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.artifactory.token_values();
        secrets.extend(self.kept_secret.lock().expect("no test panics while it holds this").iter().cloned());
        secrets.push(PASSWORD.to_owned());
        secrets.extend(self.artifactory.passwords());
        secrets.extend(self.artifactory.passwords().iter().map(|password| invariants::basic(USER, password)));
        secrets.push(s3::FUNCTION_SECRET_ACCESS_KEY.to_owned());
        secrets.extend(self.vault.sessions().into_iter().flat_map(|it| [it.secret_access_key, it.session_token]));
        secrets
    }

    /// What was seen so far, for the invariants' checks.
    pub(crate) fn witness(&self) -> Witness<'_> {
        let successors = self.successors.lock().expect("no test panics while it holds this");
        let environment = self.environment().into_iter();
        Witness {
            journal: environment.filter(|(name, _)| name == "JOURNAL_BUCKET").map(|(_, bucket)| bucket).collect(),
            seen: self.traffic.seen(),
            pipeline: &self.pipeline,
            s3: &self.s3,
            artifactory: &self.artifactory,
            role: self.vault.role(),
            secrets: self.secrets(),
            logs: self.worker.get().into_iter().chain(successors.iter()).map(Worker::logs).collect(),
            wall: Some(self.wall),
            invocations: Vec::new(),
            allowed: Allowed::default(),
        }
    }

    /// What holds of every stack, whatever a test does with it.
    fn judge(&self) -> Verdict {
        let forgiven = self.forgiven.lock().expect("no test panics while it holds this");
        let witness = self.witness();
        invariants::i5_no_claim_is_left(&witness, &forgiven.claims)?;
        if !forgiven.passwords {
            invariants::i4_passwords_buy_tokens_alone(&witness)?;
        }
        if !forgiven.refusals {
            invariants::i6_the_role_allows_what_is_asked_for(&witness)?;
        }
        invariants::i3_nothing_is_stored_twice(&witness)?;
        invariants::i5_no_refusal_is_tried_again(&witness)?;
        invariants::i6_nothing_else_is_asked_for(&witness)?;
        invariants::i4_no_leak(&witness)
    }
}

/// The real clock at this moment.
#[expect(clippy::disallowed_methods, reason = "the real binary's leases end by the real clock")]
fn wall() -> Wall {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
    let millis = u64::try_from(now).expect("milliseconds of this era fit");
    Wall { millis, since: tokio::time::Instant::now(), travel: TRAVEL }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.judge().unwrap_or_else(|why| panic!("{why}"));
        }
    }
}
