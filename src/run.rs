//! One job, from its configuration to the last byte: secret, artifacts, plan, checks, sending. Whatever can be refused
//! is refused before the first byte goes out.

use std::sync::Arc;

use aws_config::SdkConfig;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::action::{ActionConfig, Existing, Mode};
use crate::archive::source::ReadAt;
use crate::archive::{Archive, ArchiveError};
use crate::aws::artifact::{ArtifactError, Artifacts};
use crate::aws::codepipeline::CodePipeline;
use crate::aws::journal::{Acknowledgement, Claim, Journal, Kept, Record};
use crate::aws::secret::{Freshness, Secrets};
use crate::aws::{AwsError, Meaning};
use crate::credential::{ArtifactorySecret, Credential};
use crate::deadline::{Clock, Deadline, Stopwatch};
use crate::failure::{Conflict, Failure, Progress};
use crate::job::{ArtifactLocation, Job};
use crate::kind::PackageError;
use crate::package::Coordinates;
use crate::plan::{PackagePlan, Plan};
use crate::registry::url::Base;
use crate::registry::{Found, Http, Registry, RegistryError, RepositoryClass, RepositoryFacts, Sent};
use crate::report::{FileState, Published, PublishedFile, PublishedPackage};
use crate::settings::Settings;
use crate::step::Step;

/// How many existing versions are asked for at once.
const LOOKS_AT_ONCE: usize = 8;
/// How often an artifact is fetched before S3 counts as unavailable.
const FETCHES: u32 = 3;
/// After so much work the journal is told how far it has come, in milliseconds: a write costs less than the work again.
const MARK_AFTER: u64 = 5_000;

/// What every job needs of the process.
#[derive(Debug)]
pub struct Services {
    /// The environment.
    pub settings: Settings,
    /// Region, endpoints, credentials of the function.
    pub aws: SdkConfig,
    /// CodePipeline.
    pub pipeline: CodePipeline,
    /// Secrets Manager.
    pub secrets: Secrets,
    /// The way to Artifactory.
    pub http: Http,
    /// The wall clock, which leases end by.
    pub clock: Clock,
}

/// How a job's run ended.
#[derive(Debug)]
pub enum Ended {
    /// Everything planned is in the repository.
    Published(Published),
    /// It failed, having come so far.
    Failed(Box<Failure>, Progress),
    /// Time is short: the next tick goes on.
    Unfinished,
    /// Another worker has taken the job over.
    Lost,
}

/// Whether a job may still be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Publish.
    Publish,
    /// Too many workers died on it: only look whether everything is there.
    LookOnly {
        /// How many died.
        deaths: u32,
    },
}

/// A claim in use: how far the job has come is written down through it.
#[derive(Debug)]
pub struct Hold<'a> {
    journal: &'a Journal,
    deadline: Deadline,
    claim: Option<Claim>,
    plan: Option<String>,
    done: usize,
    written: Stopwatch,
}

impl<'a> Hold<'a> {
    /// Begins to use a claim.
    pub fn new(journal: &'a Journal, claim: Claim, deadline: Deadline) -> Self {
        let (plan, done) = (claim.record().plan.clone(), claim.record().done);
        Self { journal, deadline, claim: Some(claim), plan, done, written: Stopwatch::start() }
    }

    /// Whether CodePipeline is known to have given us the job.
    pub fn is_confirmed(&self) -> bool {
        let record = self.claim.as_ref().map(Claim::record);
        record.is_some_and(|record| record.acknowledgement == Acknowledgement::Confirmed)
    }

    /// Removes the claim: the job is answered.
    pub async fn close(self) -> Result<(), AwsError> {
        match self.claim {
            Some(claim) => self.journal.close(claim, self.deadline).await,
            None => Ok(()),
        }
    }

    /// Hands the job over to the next tick, with what is done written down.
    pub async fn release(self) -> Result<(), AwsError> {
        let Self { journal, deadline, claim, plan, done, .. } = self;
        let Some(claim) = claim else { return Ok(()) };
        let hand_over = |record: &mut Record| {
            record.lease_until = 0;
            record.plan = plan;
            record.done = done;
        };
        journal.update(claim, hand_over, deadline).await.map(drop)
    }

    /// Begins, or goes on with, a plan; what is written of another plan counts for nothing.
    fn follow(&mut self, plan: String) {
        if self.plan.as_ref() != Some(&plan) {
            self.done = 0;
        }
        self.plan = Some(plan);
    }

    /// Notes that so many steps are done, and writes it down where enough work was done to be worth a write.
    async fn advance(&mut self, done: usize) -> Standing {
        self.done = self.done.max(done);
        if self.written.millis() < MARK_AFTER {
            return Standing::Ours;
        }
        let Some(claim) = self.claim.take() else { return Standing::Lost };
        self.written = Stopwatch::start();
        let (plan, done) = (self.plan.clone(), self.done);
        let change = |record: &mut Record| {
            record.plan = plan;
            record.done = done;
        };
        match self.journal.update(claim, change, self.deadline).await {
            Ok(Kept::Ours(claim)) => {
                self.claim = Some(claim);
                Standing::Ours
            }
            Ok(Kept::Lost) => Standing::Lost,
            Err(error) => {
                // Without the journal nobody can tell whether the job is still ours.
                tracing::error!(error = &error as &dyn std::error::Error, "progress could not be written down");
                Standing::Lost
            }
        }
    }
}

/// Whether a job is still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Ours,
    Lost,
}

/// What stops a run before its end.
enum Stop {
    Failed(Failure),
    Unfinished,
    Lost,
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl Stop {
    fn registry(source: RegistryError, of: Option<&PackagePlan>) -> Self {
        Self::about(of.map(|package| package.of.clone()), source)
    }

    fn about(of: Option<Coordinates>, source: RegistryError) -> Self {
        match source {
            RegistryError::OutOfTime { .. } => Self::Unfinished,
            source => Self::Failed(Failure::Registry { of, source }),
        }
    }
}

/// Runs one job to its end, or until time is short.
pub async fn run(services: &Services, job: Job, effort: Effort, hold: &mut Hold<'_>, deadline: Deadline) -> Ended {
    let mut run = Run { services, job, deadline, progress: Progress::default(), credential: None };
    match Box::pin(run.publish(effort, hold)).await {
        Ok(published) => Ended::Published(published),
        Err(Stop::Unfinished) => Ended::Unfinished,
        Err(Stop::Lost) => Ended::Lost,
        Err(Stop::Failed(failure)) => Ended::Failed(Box::new(failure), run.progress),
    }
}

struct Run<'a> {
    services: &'a Services,
    job: Job,
    deadline: Deadline,
    progress: Progress,
    /// What we signed in with, as long as the secret may be read once more after a 401.
    credential: Option<Credential>,
}

impl Run<'_> {
    async fn publish(&mut self, effort: Effort, hold: &mut Hold<'_>) -> Result<Published, Stop> {
        let settings = &self.services.settings;
        let action = ActionConfig::parse(&self.job.configuration, &self.job.run, settings.allow_http)
            .map_err(Failure::Config)?;
        let secret = action.secret_id.as_ref().or(settings.default_secret_id.as_ref());
        let secret = secret.map(|id| format!(", with the secret {id}")).unwrap_or_default();
        self.progress.place = Some(format!("{} at {}{secret}", action.target.repository, action.target.base));
        let secret = self.secret(&action, Freshness::Cached).await?;
        let plan = self.plan(&action).await?;
        self.progress.unpublished = plan.packages().iter().map(|package| package.of.clone()).collect();
        for package in plan.packages() {
            for warning in &package.warnings {
                tracing::warn!(package = %package.of, "{warning}");
            }
        }
        tracing::info!(plan = %plan, "planned");

        let mut connection = self.connect(&action, secret).await?;
        let outcome = self.send(&action, &plan, effort, &mut connection, hold).await;
        let stats = connection.stats();
        tracing::info!(bytes_sent = stats.bytes_sent, registry_retries = stats.retries, "sent");
        connection.disconnect().await;
        let published = outcome?;
        self.write_outputs(&published).await?;
        Ok(published)
    }

    /// The secret, if this job may use it for this Artifactory (design, the secret).
    async fn secret(&self, action: &ActionConfig, freshness: Freshness) -> Result<Credential, Failure> {
        let settings = &self.services.settings;
        let id = action.secret_id.as_ref().or(settings.default_secret_id.as_ref()).ok_or(Failure::NoSecret)?.clone();
        let value = match self.services.secrets.value(&id, freshness, self.deadline).await {
            Ok(value) => value,
            Err(source) => return Err(Failure::SecretUnread { id, source }),
        };
        let secret = match ArtifactorySecret::parse(value.expose(), action.user_name.as_deref()) {
            Ok(secret) => secret,
            Err(source) => return Err(Failure::SecretForm { id, source }),
        };
        let bound = match &secret.url {
            None => settings.artifactory_url.clone(),
            Some(url) => match Base::parse(url, settings.allow_http) {
                Ok(base) => Some(base),
                Err(source) => return Err(Failure::SecretUrl { id, source }),
            },
        };
        let host = &action.target.base;
        match bound {
            None => return Err(Failure::Unbound { id }),
            Some(bound) if bound != *host => return Err(Failure::BoundElsewhere { id, host: host.clone(), bound }),
            Some(_) => {}
        }
        let pipeline = self.job.run.pipeline.as_deref();
        if !secret.serves_pipeline(pipeline) {
            let what = pipeline
                .map_or_else(|| "by a job without a pipeline".to_owned(), |name| format!("by the pipeline {name:?}"));
            return Err(Failure::SecretNotFor { id, what });
        }
        let repository = &action.target.repository;
        if !secret.serves_repository(repository.as_str()) {
            return Err(Failure::SecretNotFor { id, what: format!("for the repository {repository}") });
        }
        Ok(secret.credential)
    }

    /// Fetches the artifacts and plans what is in them.
    async fn plan(&mut self, action: &ActionConfig) -> Result<Plan, Failure> {
        if self.job.inputs.is_empty() {
            return Err(Failure::NoInput);
        }
        let mut sources = Vec::new();
        for input in self.job.inputs.clone() {
            let source = self.fetch(&input).await;
            sources.push((
                source.map_err(|source| Failure::Input { artifact: input.name.clone(), source: *source })?,
                input,
            ));
        }
        let (kind, target) = (action.kind, action.target.clone());
        let planning = tokio::task::spawn_blocking(move || {
            let mut packages = Vec::new();
            let mut nothing = None;
            for (source, input) in sources {
                let artifact = input.name.clone();
                let archive = match open(source, &input) {
                    Ok(archive) => archive,
                    Err(source) => return Err(Failure::Archive { artifact, source }),
                };
                match kind.plan(&archive, &target) {
                    Ok(found) => packages.extend(found),
                    // One of several artifacts may well hold something else.
                    Err(source @ PackageError::NothingFound { .. }) => {
                        nothing.get_or_insert(Failure::Package { artifact, source });
                    }
                    Err(source) => return Err(Failure::Package { artifact, source }),
                }
            }
            match nothing {
                Some(nothing) if packages.is_empty() => Err(nothing),
                _ => Ok(Plan::new(packages, &target)?),
            }
        });
        planning.await.unwrap_or(Err(Failure::Panicked))
    }

    /// Fetches one artifact, with fresh credentials where the job's have expired.
    async fn fetch(&mut self, input: &ArtifactLocation) -> Result<Arc<dyn ReadAt>, Box<ArtifactError>> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut error = match self.artifacts(input)?.fetch(input, self.deadline).await {
                Ok(source) => return Ok(source),
                Err(error) => error,
            };
            if tried == FETCHES || !self.may_help_again(&mut error).await {
                return Err(Box::new(error));
            }
        }
    }

    fn artifacts(&self, artifact: &ArtifactLocation) -> Result<Artifacts, Box<ArtifactError>> {
        let credentials = self.job.credentials.as_ref();
        let credentials = credentials.ok_or_else(|| Box::new(ArtifactError::NoCredentials(artifact.name.clone())))?;
        Ok(Artifacts::new(&self.services.aws, credentials, self.services.settings.s3_path_style))
    }

    /// Whether the same call may do better: with fresh credentials, or simply again. Where there are no fresh ones to be
    /// had, that is the error.
    async fn may_help_again(&mut self, error: &mut ArtifactError) -> bool {
        let ArtifactError::S3 { source, .. } = error else { return false };
        match source.meaning {
            Meaning::Expired => match self.services.pipeline.details(&self.job.id, self.deadline).await {
                Ok(Some(job)) => {
                    self.job.credentials = job.credentials;
                    true
                }
                Ok(None) => false,
                Err(unread) => {
                    *source = unread;
                    false
                }
            },
            Meaning::Unavailable | Meaning::Throttled => !self.deadline.left().is_zero(),
            Meaning::Denied | Meaning::NotFound | Meaning::Condition | Meaning::Invalid => false,
        }
    }

    /// Signs in. A refused credential may have been rotated a moment ago: the secret is read once more.
    async fn connect(&mut self, action: &ActionConfig, credential: Credential) -> Result<Registry, Stop> {
        let connected = Registry::connect(&self.services.http, &action.target.base, &credential, self.deadline).await;
        self.credential = Some(credential);
        match connected {
            Err(refused @ RegistryError::Unauthorized(_)) => self.connect_again(action, None, refused).await,
            connected => connected.map_err(|error| Stop::about(None, error)),
        }
    }

    /// After a 401: signs in with what the secret holds now, once in a job. The same credential is not tried again:
    /// Artifactory counts wrong passwords and locks the user.
    async fn connect_again(
        &mut self,
        action: &ActionConfig,
        of: Option<Coordinates>,
        refused: RegistryError,
    ) -> Result<Registry, Stop> {
        let Some(used) = self.credential.take() else { return Err(Stop::about(of, refused)) };
        let credential = self.secret(action, Freshness::Reread).await?;
        if credential == used {
            return Err(Stop::about(of, refused));
        }
        let again = Registry::connect(&self.services.http, &action.target.base, &credential, self.deadline).await;
        again.map_err(|error| Stop::about(of, error))
    }

    /// Looks at everything first, then sends what is missing, in the plan's order.
    async fn send(
        &mut self,
        action: &ActionConfig,
        plan: &Plan,
        effort: Effort,
        registry: &mut Registry,
        hold: &mut Hold<'_>,
    ) -> Result<Published, Stop> {
        let repository = &action.target.repository;
        fitting(action, registry.repository(repository).await.map_err(|error| Stop::registry(error, None))?)?;
        hold.follow(plan.digest());
        let done = hold.done;
        let found = match self.look(action, plan, registry).await {
            // A token out of the secret meets its first judge here: signing in asked nobody.
            Err(Stop::Failed(Failure::Registry { of, source: refused @ RegistryError::Unauthorized(_) })) => {
                let renewed = self.connect_again(action, of, refused).await?;
                std::mem::replace(registry, renewed).disconnect().await;
                self.look(action, plan, registry).await?
            }
            found => found?,
        };
        refuse_conflicts(action, plan, &found, done)?;
        if let Effort::LookOnly { deaths } = effort
            && found.iter().any(|found| !matches!(found, Found::Same(_)))
        {
            return Err(Failure::DiedTooOften { attempts: deaths }.into());
        }

        let mut found = found.into_iter();
        let mut steps_done = 0;
        let mut packages = Vec::new();
        for package in plan.packages() {
            let mut files = Vec::new();
            for step in &package.steps {
                let state = match (found.next(), action.mode) {
                    (Some(Found::Same(_)), _) => FileState::Skipped,
                    (_, Mode::DryRun) => FileState::Planned,
                    _ => self.send_step(action, package, step, registry).await?,
                };
                steps_done += 1;
                if hold.advance(steps_done).await == Standing::Lost {
                    return Err(Stop::Lost);
                }
                files.push(PublishedFile { path: step.file.path.clone(), digests: step.file.digests.clone(), state });
            }
            self.progress.unpublished.retain(|other| *other != package.of);
            self.progress.published.push(package.of.clone());
            packages.push(PublishedPackage { of: package.of.clone(), files });
        }
        Ok(Published { base: action.target.base.clone(), repository: repository.clone(), packages })
    }

    async fn look(&self, action: &ActionConfig, plan: &Plan, registry: &Registry) -> Result<Vec<Found>, Stop> {
        let steps = plan.packages().iter().flat_map(|package| package.steps.iter().map(move |step| (package, step)));
        let looks = steps.map(|(package, step)| async move {
            let found = registry.look(&action.target.repository, step).await;
            found.map_err(|error| Stop::registry(error, Some(package)))
        });
        // Collected, because a stream that holds the closure is not `Send` in the compiler's eyes.
        let looks: Vec<_> = looks.collect();
        stream::iter(looks).buffered(LOOKS_AT_ONCE).try_collect().await
    }

    async fn send_step(
        &mut self,
        action: &ActionConfig,
        package: &PackagePlan,
        step: &Step,
        registry: &mut Registry,
    ) -> Result<FileState, Stop> {
        let repository = &action.target.repository;
        let sent = match registry.send(repository, step, self.deadline).await {
            Err(refused @ RegistryError::Unauthorized(_)) => {
                let renewed = self.connect_again(action, Some(package.of.clone()), refused).await?;
                std::mem::replace(registry, renewed).disconnect().await;
                registry.send(repository, step, self.deadline).await
            }
            outcome => outcome,
        };
        match sent.map_err(|error| Stop::registry(error, Some(package)))? {
            // What was there before is left as it is.
            Sent::AlreadySame => Ok(FileState::Skipped),
            Sent::Stored => {
                let annotated = registry.set_properties(repository, &step.file, self.deadline).await;
                annotated.map_err(|error| Stop::registry(error, Some(package)))?;
                Ok(FileState::Stored)
            }
        }
    }

    async fn write_outputs(&mut self, published: &Published) -> Result<(), Failure> {
        for output in self.job.outputs.clone() {
            let failed = |source| Failure::Output { artifact: output.name.clone(), source };
            let bytes = published.zip().map_err(|source| {
                failed(ArtifactError::Spool { bucket: String::new(), key: output.name.clone(), source })
            })?;
            let mut tried = 0;
            loop {
                tried += 1;
                let key = self.job.encryption_key.clone();
                let artifacts = self.artifacts(&output).map_err(|error| failed(*error))?;
                let Err(mut error) = artifacts.store(&output, bytes.clone(), key.as_deref(), self.deadline).await
                else {
                    break;
                };
                if tried == FETCHES || !self.may_help_again(&mut error).await {
                    return Err(failed(error));
                }
            }
        }
        Ok(())
    }
}

/// Opens an artifact. A package that is an artifact by itself is named after its object.
fn open(source: Arc<dyn ReadAt>, input: &ArtifactLocation) -> Result<Archive, ArchiveError> {
    let object = input.object.as_ref().map(|(_, key)| key.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
    let archive = [".tgz", ".tar.gz"].iter().any(|suffix| object.to_ascii_lowercase().ends_with(suffix));
    let alone = if archive { object.to_owned() } else { format!("{object}.tgz") };
    Archive::open(source, &input.name, &alone)
}

/// Refuses a repository that cannot take packages of this type. What is not known is left to the server.
fn fitting(action: &ActionConfig, facts: RepositoryFacts) -> Result<(), Failure> {
    let RepositoryFacts::Known { class, package_type, default_deployment: _ } = facts else { return Ok(()) };
    let refuse = |problem: String| Err(Failure::Repository { repository: action.target.repository.clone(), problem });
    if !package_type.is_empty() && !action.kind.fits(&package_type) {
        return refuse(format!("is of type {package_type}, but TypeOfArtifact is {}", action.kind.name()));
    }
    if class == RepositoryClass::Remote {
        return refuse("is a remote repository, which nobody can deploy to".to_owned());
    }
    Ok(())
}

/// Refuses versions that are there with other content, and under `existing=fail` any that is there.
fn refuse_conflicts(action: &ActionConfig, plan: &Plan, found: &[Found], done: usize) -> Result<(), Failure> {
    let steps = plan.packages().iter().flat_map(|package| package.steps.iter().map(move |step| (package, step)));
    let mut conflicts = Vec::new();
    let mut exist = Vec::new();
    for (at, ((package, step), found)) in steps.zip(found).enumerate() {
        match found {
            Found::Other { theirs, ours } => conflicts.push(Conflict {
                of: package.of.clone(),
                path: step.file.path.clone(),
                theirs: theirs.clone(),
                ours: ours.clone(),
            }),
            // What an earlier attempt of this very job stored is no reason to fail.
            Found::Same(_) if action.existing == Existing::Fail && at >= done && !exist.contains(&package.of) => {
                exist.push(package.of.clone());
            }
            Found::Same(_) | Found::Absent | Found::Unknown => {}
        }
    }
    match () {
        () if !conflicts.is_empty() => Err(Failure::Conflicts(conflicts)),
        () if !exist.is_empty() => Err(Failure::Exists(exist)),
        () => Ok(()),
    }
}
