//! What is going on when a worker dies: the jobs of each scenario, how they begin, and what they promise.

use hyper::Method;
use serde_json::{Value, json};

use crate::stack::artifactory::{self, Repository};
use crate::stack::built::Build;
use crate::stack::invariants::{Arrival, Promise};
use crate::stack::pipeline::{self, JobId, JobSpec};
use crate::stack::planned::{Holds, Planned, tarball};
use crate::stack::{ARTIFACTS, PASSWORD, REPOSITORY, SECRET, Stack, USER, project};

/// Where the report of a job with an output artifact goes.
const REPORT: &str = "web/Report/0000001";

/// What the builds of other types are called.
const BUILT: &str = "left-pad";

/// What is going on when the worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One npm package in a folder.
    Folder,
    /// A ready archive.
    Ready,
    /// Three workspace members.
    Workspaces,
    /// One package, with an output artifact to write.
    Output,
    /// Two jobs with the same package.
    Again,
    /// Two jobs with different versions.
    TwoJobs,
    /// No package: the job fails.
    Fails,
    /// Another content is there under the same name and version: the job fails.
    Conflict,
    /// Nothing may be there yet, and what is published gets properties.
    Exacting,
    /// One npm package whose first worker has died already, when the package was stored and its answer not given.
    Resumed,
    /// One npm package whose first worker has died when it had claimed the job, and not acknowledged it.
    Unacknowledged,
    /// Three workspace members whose first worker has died over the second.
    Halfway,
    /// A build of another type.
    Built(Build),
    /// The job of an Invoke action.
    Invoked(Brought),
}

/// What the event of an Invoke action brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// One npm package in a folder, with an output artifact to write.
    Package,
    /// No package: the job fails.
    Nothing,
    /// A Maven snapshot, of which each run of the job would make a build.
    Snapshot,
}

/// How a scenario's jobs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Success,
    /// With this type.
    Failure(&'static str),
}

impl Scenario {
    /// All scenarios.
    pub(crate) const ALL: [Self; 19] = [
        Self::Folder,
        Self::Ready,
        Self::Workspaces,
        Self::Output,
        Self::Again,
        Self::TwoJobs,
        Self::Fails,
        Self::Conflict,
        Self::Exacting,
        Self::Resumed,
        Self::Unacknowledged,
        Self::Halfway,
        Self::Built(Build::Plain),
        Self::Built(Build::Python),
        Self::Built(Build::Maven),
        Self::Built(Build::Snapshot),
        Self::Invoked(Brought::Package),
        Self::Invoked(Brought::Nothing),
        Self::Invoked(Brought::Snapshot),
    ];

    pub(super) fn arrival(self) -> Arrival {
        if let Self::Invoked(_) = self { Arrival::Invoked } else { Arrival::Polled }
    }

    /// What it builds, where that is of another type than npm.
    fn build(self) -> Option<Build> {
        match self {
            Self::Built(build) => Some(build),
            Self::Invoked(Brought::Snapshot) => Some(Build::Snapshot),
            _ => None,
        }
    }

    fn has_output(self) -> bool {
        matches!(self, Self::Output | Self::Invoked(Brought::Package))
    }

    /// Starts the actions: their jobs, and the event that tells of the first, or brings it.
    pub(super) fn start(self, stack: &Stack) -> (Vec<JobId>, Value) {
        let mut actions = self.actions(stack);
        match self.arrival() {
            Arrival::Polled => {
                let jobs: Vec<_> = actions.into_iter().map(|action| stack.pipeline.queue(action)).collect();
                let event = stack.pipeline.started_event(&jobs[0]);
                (jobs, event)
            }
            Arrival::Invoked => {
                stack.set("ALLOW_INVOKE_ACTION", "true");
                let secret = json!({ "username": USER, "password": PASSWORD, "pipelines": ["(invoke)"] });
                stack.secrets.put(SECRET, &secret.to_string());
                let (job, event) = stack.pipeline.invoke(actions.remove(0));
                (vec![job], event)
            }
        }
    }

    fn actions(self, stack: &Stack) -> Vec<JobSpec> {
        let one = || stack.action(project::zipped("1.0.0", ""));
        let workspaces = || stack.action(project::workspaces(&["one", "two", "three"]));
        if let Some(build) = self.build() {
            // The checks look into the one repository.
            stack.artifactory.repository(Repository::local(REPOSITORY, build.kind()));
            let action = stack.action(build.artifact(BUILT, "1.0", BUILT));
            return vec![action.configuration("TypeOfArtifact", build.kind())];
        }
        match self {
            Self::Built(_) | Self::Invoked(Brought::Snapshot) => Vec::new(),
            Self::Folder | Self::Resumed | Self::Unacknowledged => vec![one()],
            Self::Ready => vec![stack.action(project::ready("node_example", "1.0.0"))],
            Self::Workspaces | Self::Halfway => vec![workspaces()],
            Self::Output | Self::Invoked(Brought::Package) => vec![one().output("Report", ARTIFACTS, REPORT)],
            Self::Again => vec![one(), one()],
            Self::TwoJobs => vec![one(), stack.action(project::ready("other", "1.0.1"))],
            Self::Fails | Self::Invoked(Brought::Nothing) => {
                vec![stack.action(project::of_files(&[("README.md".to_owned(), b"nothing".to_vec())]))]
            }
            Self::Conflict => {
                let theirs = project::archive(project::NAME, "1.0.0", "of somebody else");
                stack.artifactory.put_file(REPOSITORY, &tarball(project::NAME, "1.0.0"), theirs);
                vec![one()]
            }
            Self::Exacting => {
                vec![one().configuration("Options", "existing=fail").configuration("Properties", "team=a;build=7")]
            }
        }
    }

    /// What each job promises.
    fn planned(self) -> Vec<Vec<Planned>> {
        let packed = |name: &str, version: &str| {
            let holds = Holds::Package { name: name.to_owned(), version: version.to_owned() };
            Planned::npm(tarball(name, version), holds)
        };
        let one = || vec![packed(project::NAME, "1.0.0")];
        if let Some(build) = self.build() {
            return vec![build.planned(REPOSITORY, BUILT, "1.0", BUILT)];
        }
        match self {
            Self::Folder
            | Self::Output
            | Self::Conflict
            | Self::Exacting
            | Self::Resumed
            | Self::Unacknowledged
            | Self::Invoked(Brought::Package) => vec![one()],
            Self::Ready => {
                let holds = Holds::Bytes(project::archive(project::NAME, "1.0.0", ""));
                vec![vec![Planned::npm(tarball(project::NAME, "1.0.0"), holds)]]
            }
            Self::Again => vec![one(), one()],
            Self::Workspaces | Self::Halfway => vec![["one", "two", "three"].map(|name| packed(name, "1.0.0")).into()],
            Self::TwoJobs => vec![one(), vec![packed("other", "1.0.1")]],
            Self::Fails | Self::Invoked(Brought::Nothing) => vec![Vec::new()],
            Self::Built(_) | Self::Invoked(Brought::Snapshot) => Vec::new(),
        }
    }

    pub(super) fn end(self) -> End {
        match self {
            Self::Fails | Self::Conflict | Self::Invoked(Brought::Nothing) => End::Failure("JobFailed"),
            _ => End::Success,
        }
    }

    pub(super) fn promises(self, jobs: &[JobId]) -> Vec<Promise> {
        let promise = |(job, planned): (&JobId, &Vec<Planned>)| Promise {
            arrival: self.arrival(),
            output: self.has_output().then(|| (ARTIFACTS.to_owned(), REPORT.to_owned())),
            properties: match self {
                Self::Exacting => [("team", "a"), ("build", "7")].map(|(key, value)| (key.into(), value.into())).into(),
                _ => Vec::new(),
            },
            packages: self.build().map_or(planned.len(), Build::packages),
            ..Promise::of(job, planned)
        };
        jobs.iter().zip(&self.planned()).map(promise).collect()
    }

    /// Where a first worker has died before the scenario begins: the service, the method, what the request is for, and how
    /// many of its kind came before.
    pub(super) fn first_death(self) -> Option<(&'static str, Method, &'static str, usize)> {
        match self {
            Self::Resumed => Some((pipeline::SERVICE, Method::POST, "PutJobSuccessResult", 0)),
            Self::Unacknowledged => Some((pipeline::SERVICE, Method::POST, "AcknowledgeJob", 0)),
            Self::Halfway => Some((artifactory::SERVICE, Method::PUT, "/api/npm/", 1)),
            _ => None,
        }
    }
}
