//! One job, from its configuration to the last byte: secret, artifacts, plan, checks, sending. Whatever can be refused
//! is refused before the first byte goes out.

use std::borrow::Cow;
use std::sync::Arc;

use aws_config::SdkConfig;

use crate::access::{self, Asker};
use crate::action::{ActionConfig, Existing, Mode};
use crate::archive::source::Leash;
use crate::aws::artifact::{ArtifactError, Artifacts};
use crate::aws::codepipeline::CodePipeline;
use crate::aws::journal::Before;
use crate::aws::secret::{Freshness, Secrets};
use crate::check::{self, Earlier};
use crate::credential::Credential;
use crate::deadline::Deadline;
use crate::failure::{Failure, Progress};
use crate::hold::{Hold, Standing};
use crate::input;
use crate::job::Job;
use crate::log::chain;
use crate::look::look;
use crate::package::Target;
use crate::plan::{PackagePlan, Plan, Planned};
use crate::publish::{Done, Publishing};
use crate::registry::url::RepoKey;
use crate::registry::{Care, Deployment, Found, Http, Registry, RepositoryFacts, Stats};
use crate::report::{FailureReport, Published};
use crate::settings::Settings;
use crate::snapshots;
use crate::step::Step;
use crate::stop::Stop;
use crate::turns::{Paths, Turns};

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
    /// Who publishes to which path at the moment.
    pub turns: Turns,
}

/// What a job's run was about and what it took, as far as it came.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The package type.
    pub kind: &'static str,
    /// Where it published.
    pub repository: String,
    /// At which Artifactory.
    pub base: String,
    /// What went over the wire.
    pub stats: Stats,
}

/// How a job's run ended.
#[derive(Debug)]
pub enum Ended {
    /// Everything planned is in the repository.
    Published(Published),
    /// It failed, having come so far.
    Failed(Box<Failure>, Progress),
    /// It had failed before, and CodePipeline may have been told this.
    Told(FailureReport),
    /// Time is short: the next tick goes on.
    Unfinished,
    /// Another worker has taken the job over.
    Lost,
}

/// How much may still be tried for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Publish.
    Publish,
    /// Too many attempts came to no end: only look whether everything is there.
    LookOnly {
        /// How many.
        attempts: u32,
    },
    /// Not even the look came to an end.
    GiveUp {
        /// How many.
        attempts: u32,
    },
}

/// Runs one job to its end, or until time is short.
pub async fn run(
    services: &Services,
    job: Job,
    effort: Effort,
    hold: &mut Hold<'_>,
    deadline: Deadline,
) -> (Ended, Facts) {
    if let Some(report) = hold.told() {
        return (Ended::Told(report.clone()), Facts::default());
    }
    let progress = Progress::unknown(hold.is_resumed());
    if let Effort::GiveUp { attempts } = effort {
        return (Ended::Failed(Box::new(Failure::DiedTooOften { attempts }), progress), Facts::default());
    }
    let artifacts = Artifacts::new(&services.aws, &services.pipeline, &job, services.settings.s3_path_style);
    let (leash, facts) = (Leash::default(), Facts::default());
    let mut run = Run { services, job, artifacts, deadline, progress, secret_was_reread: false, leash, facts };
    let ended = match Box::pin(run.publish(effort, hold)).await {
        Ok(published) => Ended::Published(published),
        Err(Stop::Unfinished) => Ended::Unfinished,
        Err(Stop::Lost) => Ended::Lost,
        Err(Stop::Failed(failure)) => match input::cause(&run.artifacts, failure) {
            failure if failure.is_want_of_time() => {
                tracing::warn!(
                    error = chain(&failure),
                    "too little time was left for this; the next tick begins it anew"
                );
                Ended::Unfinished
            }
            failure => Ended::Failed(Box::new(failure), run.progress),
        },
    };
    (ended, run.facts)
}

/// Ends a job that is not run with this failure; or with the one that CodePipeline may have been told before.
pub fn refuse(failure: Failure, hold: &Hold<'_>) -> (Ended, Facts) {
    let ended = match hold.told() {
        Some(report) => Ended::Told(report.clone()),
        None => Ended::Failed(Box::new(failure), Progress::unknown(hold.is_resumed())),
    };
    (ended, Facts::default())
}

struct Run<'a> {
    services: &'a Services,
    job: Job,
    artifacts: Artifacts,
    deadline: Deadline,
    progress: Progress,
    secret_was_reread: bool,
    /// What may still read the artifacts ends with the run.
    leash: Leash,
    facts: Facts,
}

impl Run<'_> {
    async fn publish(&mut self, effort: Effort, hold: &mut Hold<'_>) -> Result<Published, Stop> {
        let (services, deadline) = (self.services, self.deadline);
        let action = ActionConfig::parse(&self.job.configuration, &self.job.run, services.settings.allow_http)
            .map_err(Failure::Config)?;
        let secret = action.secret_id.as_ref().or(services.settings.default_secret_id.as_ref());
        let secret = secret.map(|id| format!(", with the secret {id}")).unwrap_or_default();
        self.facts = Facts {
            kind: action.kind.name(),
            repository: action.target.repository.to_string(),
            base: action.target.base.to_string(),
            stats: Stats::default(),
        };
        self.progress.place = Some(format!("{} at {}{secret}", action.target.repository, action.target.base));
        let (credential, plan) = in_time(deadline, self.prepare(&action)).await??;
        let plan = Arc::new(plan);
        self.progress.plans(&plan);
        log(&plan);

        let turn = in_time(deadline, services.turns.take(paths(&action, &plan))).await?;
        let (mut connection, credential) = in_time(deadline, self.connect(&action, credential)).await??;
        // Whatever is under way when time is over is dropped; the next tick looks before it sends anything.
        let sending = self.send(&action, &plan, effort, &mut connection, credential, hold);
        let outcome = Box::pin(in_time(deadline, sending)).await.and_then(|outcome| outcome);
        drop(turn);
        self.facts.stats = connection.stats();
        connection.disconnect().await;
        let published = outcome?;
        in_time(deadline, self.write_outputs(&published)).await??;
        Ok(published)
    }

    /// Whatever can be had without Artifactory: the credential for it, and the plan.
    async fn prepare(&mut self, action: &ActionConfig) -> Result<(Credential, Plan), Failure> {
        let credential = self.credential(action, Freshness::Cached).await?;
        let plan = input::plan(&self.artifacts, &self.job.inputs, action, &self.leash, self.deadline).await?;
        Ok((credential, plan))
    }

    async fn credential(&self, action: &ActionConfig, freshness: Freshness) -> Result<Credential, Failure> {
        let Services { secrets, settings, .. } = self.services;
        access::credential(secrets, settings, action, Asker::of(&self.job), freshness, self.deadline).await
    }

    /// After a 401: the credential that the secret holds now, if it is another and was not asked for before. The same
    /// wrong password is not tried again: Artifactory locks users for that.
    async fn rotated(&mut self, action: &ActionConfig, refused: &Credential) -> Result<Option<Credential>, Stop> {
        if std::mem::replace(&mut self.secret_was_reread, true) {
            return Ok(None);
        }
        let current = in_time(self.deadline, self.credential(action, Freshness::Reread)).await??;
        Ok((current != *refused).then_some(current))
    }

    /// Signs in, with the credential that was accepted in the end.
    async fn connect(&mut self, action: &ActionConfig, credential: Credential) -> Result<(Registry, Credential), Stop> {
        match self.sign_in(action, &credential).await {
            Err(refused) if refused.is_unauthorized() => match self.rotated(action, &credential).await? {
                Some(current) => Ok((self.sign_in(action, &current).await?, current)),
                None => Err(refused),
            },
            outcome => outcome.map(|connection| (connection, credential)),
        }
    }

    async fn sign_in(&self, action: &ActionConfig, credential: &Credential) -> Result<Registry, Stop> {
        let connection = Registry::connect(&self.services.http, &action.target.base, credential, self.deadline).await;
        connection.map_err(|error| Stop::registry(error, None))
    }

    /// Publishes; where the secret was rotated under us, once more with the new credential: what is done is found.
    async fn send(
        &mut self,
        action: &ActionConfig,
        plan: &Arc<Plan>,
        effort: Effort,
        connection: &mut Registry,
        credential: Credential,
        hold: &mut Hold<'_>,
    ) -> Result<Published, Stop> {
        let outcome = Box::pin(self.send_once(action, plan, effort, connection, hold)).await;
        match outcome {
            Err(refused) if refused.is_unauthorized() => match self.rotated(action, &credential).await? {
                Some(current) => {
                    let renewed = self.sign_in(action, &current).await?;
                    std::mem::replace(connection, renewed).disconnect().await;
                    Box::pin(self.send_once(action, plan, effort, connection, hold)).await
                }
                None => Err(refused),
            },
            outcome => outcome,
        }
    }

    /// Looks at everything first, then sends what is missing, in the plan's order.
    async fn send_once(
        &mut self,
        action: &ActionConfig,
        plan: &Arc<Plan>,
        effort: Effort,
        registry: &Registry,
        hold: &mut Hold<'_>,
    ) -> Result<Published, Stop> {
        let repository = &action.target.repository;
        let facts = registry.repository(repository).await.map_err(|error| Stop::registry(error, None))?;
        check::repository(action, plan, &facts)?;
        if let RepositoryFacts::Known { deployment: Deployment::Into(into), .. } = &facts {
            let behind = registry.repository(into).await.map_err(|error| Stop::registry(error, None))?;
            check::deployment(action, plan, into, &behind)?;
        }
        let digest = plan.digest();
        let named = snapshots::named(action, plan, &digest, registry, hold, self.deadline).await?.map(Arc::new);
        let plan = named.as_ref().unwrap_or(plan);
        let care = if hold.is_resumed() { Care::OursMayBeThere } else { Care::Usual };
        let found = look(action, plan, registry, care).await?;
        let went_on_with = hold.went_on_with(&digest);
        let earlier = if went_on_with.is_some() { Earlier::Sent } else { Earlier::Nothing };
        if self.progress.uncertain {
            self.progress.found(plan, &found);
        }
        if let Err(failure) = check::existing(action, plan, &found, earlier) {
            return Err(in_the_servers_words(failure, plan, repository, registry).await.into());
        }
        if let Effort::LookOnly { attempts } = effort
            && found.iter().any(|found| !found.is_there())
        {
            return Err(Failure::DiedTooOften { attempts }.into());
        }
        let there: Vec<bool> = found.iter().map(|found| matches!(found, Found::Same)).collect();
        hold.follow(&digest, Before::of(&there));
        // A successor must know that what it will find is our work: no reason to fail, and not without its properties; and
        // under which names it is there, or it would make another build, and give another answer.
        let leaves_traces = action.existing == Existing::Fail || there.contains(&false) && plan.is_annotated();
        let must_be_known = leaves_traces && action.mode == Mode::Publish || named.is_some();
        let must_be_known = must_be_known && earlier == Earlier::Nothing;
        if must_be_known {
            match hold.mark().await {
                Ok(Standing::Ours) => {}
                Ok(Standing::Lost) => return Err(Stop::Lost),
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "the plan could not be written down; nothing is sent without it"
                    );
                    return Err(Stop::Unfinished);
                }
            }
        }

        if action.mode == Mode::Publish {
            self.progress.found(plan, &found);
        }
        let publishing = Publishing { action, plan, registry, deadline: self.deadline, went_on_with };
        let Done { files, remarks } = publishing.all(found, hold, &mut self.progress).await?;
        let (base, repository) = (action.target.base.clone(), repository.clone());
        Ok(Published { base, repository, plan: Arc::clone(plan), files, remarks })
    }

    async fn write_outputs(&mut self, published: &Published) -> Result<(), Failure> {
        for output in &self.job.outputs {
            let failed = |source| Failure::Output { artifact: output.name.clone(), source };
            let zip = published.zip().map_err(|source| failed(ArtifactError::Report(source)))?;
            self.artifacts.store(output, &zip, self.deadline).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// Waits no longer than there is time for work; whatever is under way then is dropped, and the next tick begins it anew.
async fn in_time<T>(deadline: Deadline, work: impl Future<Output = T>) -> Result<T, Stop> {
    tokio::time::timeout_at(deadline.work_ends(), work).await.map_err(|_| Stop::Unfinished)
}

/// What may not be seen is refused with what the server says to it.
async fn in_the_servers_words(failure: Failure, plan: &Plan, repository: &RepoKey, registry: &Registry) -> Failure {
    let Failure::Unseen { repository: place, paths, source: None } = failure else { return failure };
    let step = paths.first().first().and_then(|path| {
        plan.packages().flat_map(|package| package.into_owned().steps).find(|step| step.file.path == *path)
    });
    let source = match step {
        Some(step) => registry.refusal(repository, &step).await,
        None => None,
    };
    Failure::Unseen { repository: place, paths, source }
}

/// Every path that the plan writes to, as no other job may while this one does; and every listing in which nothing higher
/// may appear between the look and the write, or an older version would become the latest.
fn paths(action: &ActionConfig, plan: &Plan) -> Paths {
    let Target { base, repository, .. } = &action.target;
    let of_step = |step: &Step| {
        let listing = step.listing.as_ref().filter(|listing| listing.rivals().is_some());
        let listing = listing.map(|listing| format!("{base}/{}", listing.path));
        // Who gives a name to a version looks afterwards whether it has it.
        let name = step.tag.as_ref().map(|tag| format!("{base}/{}", tag.one));
        [format!("{base}/{repository}/{}", step.file.path)].into_iter().chain(listing).chain(name)
    };
    let of_package = |package: Cow<'_, PackagePlan>| package.steps.iter().flat_map(of_step).collect::<Vec<_>>();
    plan.packages().flat_map(of_package).collect()
}

fn log(plan: &Plan) {
    for package in plan.packages().filter(|package| !package.warnings.is_empty()) {
        for warning in &package.warnings {
            tracing::warn!(package = %package.of, "{warning}");
        }
    }
    let files = plan.planned().iter().map(Planned::files).sum::<usize>();
    tracing::info!(packages = plan.len(), files, "planned");
    tracing::debug!(plan = plan.excerpt(), "the plan");
}
