//! What a seed decides: the jobs and the packages in them, the services' switches, the weather, and who dies when.

use std::time::Duration;

use fastrand::Rng;

use crate::stack::REPOSITORY;
use crate::stack::artifactory::{
    self, Anonymous, Endpoint, Permission, Republish, SimpleIndex, Snapshots, Unauthorized,
};
use crate::stack::built::Build;
use crate::stack::http::Moment;
use crate::stack::invariants::Arrival;
use crate::stack::pipeline::{self, NonceOnRedispatch};
use crate::stack::planned::{Files, Holds, Planned, tarball};
use crate::stack::project;
use crate::stack::s3::MissingDelete;
use crate::stack::secrets;

/// One job: what its artifact holds, and what is in the repository already.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) shape: Shape,
    pub(crate) name: String,
    /// What sets it apart from other content of the same name and version.
    pub(crate) variant: String,
    pub(crate) existing: Existing,
    pub(crate) version: &'static str,
    pub(crate) options: Options,
    pub(crate) ending: Ending,
    pub(crate) output: bool,
    /// A member that the job's data lacks.
    pub(crate) omitted: Option<&'static str>,
    /// The version of the action's type.
    pub(crate) action_version: &'static str,
    /// A worker that is not ours acknowledges it at the very moment at which ours wants to.
    pub(crate) seized: bool,
    pub(crate) queued: Duration,
    pub(crate) arrival: Arrival,
    /// When its event is delivered: never, once or more often. That of an Invoke action brings the job.
    pub(crate) events: Vec<Duration>,
}

/// What the action asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// Nothing of it may be there yet.
    pub(crate) exact: bool,
    pub(crate) dry_run: bool,
    pub(crate) tag: Option<&'static str>,
    /// What is stored gets [`PROPERTY`].
    pub(crate) annotated: bool,
}

/// What is set on files where the action asks for properties.
pub(crate) const PROPERTY: (&str, &str) = ("team", "a");

/// Whether the pipeline waits for the job's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Ordinary,
    /// Somebody stops the execution and abandons the action.
    Abandoned(Duration),
    /// CodePipeline knows nothing of it any more.
    Forgotten(Duration),
}

/// What the artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Folder,
    Ready,
    Workspaces,
    /// No package at all.
    Broken,
    /// A folder for a repository that is not there.
    Homeless,
    /// Another type's.
    Built(Build),
}

impl Shape {
    /// The action's `TypeOfArtifact`.
    pub(crate) fn kind(self) -> &'static str {
        if let Self::Built(build) = self { build.kind() } else { "npm" }
    }

    /// The local repository that it goes to. For files that are no package any type will do.
    pub(crate) fn repository(self) -> &'static str {
        match self {
            Self::Built(Build::Python) => PYTHON,
            Self::Built(Build::Maven | Build::Snapshot) => MAVEN,
            _ => REPOSITORY,
        }
    }

    /// How many packages so many planned files are.
    pub(crate) fn packages(self, files: usize) -> usize {
        if let Self::Built(build) = self { build.packages() } else { files }
    }

    /// Whether a file is stored by the server's general rules alone, by which whoever may delete may overwrite.
    fn is_overwritten(self) -> bool {
        matches!(self, Self::Built(_))
    }
}

/// The stamp of an earlier build of a snapshot.
const EARLIER: &str = "20240229.120000-41";

/// What is in the repository before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Nothing,
    Same,
    Other,
}

/// The local repositories of the types that npm's does not do for.
pub(crate) const PYTHON: &str = "pypi-local";
pub(crate) const MAVEN: &str = "libs-local";

const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "2.0.0-rc.1"];

impl Work {
    /// The artifact as the build hands it over.
    pub(crate) fn artifact(&self) -> Vec<u8> {
        match self.shape {
            Shape::Folder | Shape::Homeless => project::of_files(&self.folder("")),
            Shape::Ready => project::of_files(&[(format!("{}-{}.tgz", self.name, self.version), self.archive())]),
            Shape::Workspaces => {
                let root = br#"{"name":"root","private":true,"workspaces":["packages/*"]}"#;
                let mut files = vec![("package.json".to_owned(), root.to_vec())];
                files.extend(self.members().flat_map(|name| {
                    let manifest = self.manifest(&name);
                    [(format!("packages/{name}/package.json"), manifest)]
                }));
                project::of_files(&files)
            }
            Shape::Built(build) => build.artifact(&self.name, self.version, &self.variant),
            Shape::Broken => project::of_files(&[("README.md".to_owned(), b"nothing".to_vec())]),
        }
    }

    /// What a success promises.
    pub(crate) fn planned(&self) -> Vec<Planned> {
        let path = |name: &str| tarball(name, self.version);
        match self.shape {
            Shape::Folder => {
                vec![Planned::npm(path(&self.name), Holds::Entries(self.folder("package/")))]
            }
            Shape::Ready => vec![Planned::npm(path(&self.name), Holds::Bytes(self.archive()))],
            Shape::Workspaces => self
                .members()
                .map(|name| {
                    let files = vec![("package/package.json".to_owned(), self.manifest(&name))];
                    Planned::npm(path(&name), Holds::Entries(files))
                })
                .collect(),
            Shape::Built(build) => build.planned(self.shape.repository(), &self.name, self.version, &self.variant),
            Shape::Broken | Shape::Homeless => Vec::new(),
        }
    }

    /// What somebody else has put where the first planned file goes; of a snapshot, a whole build.
    pub(crate) fn existing(&self) -> Vec<(&'static str, String, Vec<u8>)> {
        let files = if self.shape == Shape::Built(Build::Snapshot) { usize::MAX } else { 1 };
        let existing = self.planned().into_iter().take(files).filter_map(|planned| {
            let path = planned.at(Some(EARLIER));
            let name = path.split('/').next().unwrap_or_default();
            let content = match (self.existing, planned.holds) {
                (Existing::Same, Holds::Bytes(bytes)) => bytes,
                // What we pack ourselves nobody else has packed.
                (Existing::Nothing, _) | (Existing::Same, Holds::Entries(_) | Holds::Package { .. }) => return None,
                (Existing::Other, _) => project::archive(name, self.version, "of somebody else"),
            };
            Some((planned.repository, path, content))
        });
        existing.collect()
    }

    /// The action's `Options`.
    pub(crate) fn option_text(&self) -> String {
        let Options { exact, dry_run, tag, annotated: _ } = self.options;
        let mut texts = Vec::new();
        texts.extend(exact.then(|| "existing=fail".to_owned()));
        texts.extend(dry_run.then(|| "dry-run=true".to_owned()));
        texts.extend(tag.map(|tag| format!("tag={tag}")));
        texts.join(";")
    }

    /// Whether it is refused for its own sake: a prerelease wants a tag, or it would become the latest version.
    pub(crate) fn is_untagged_prerelease(&self) -> bool {
        self.shape.kind() == "npm" && self.version.contains('-') && self.options.tag.is_none()
    }

    fn members(&self) -> impl Iterator<Item = String> + '_ {
        ["one", "two", "three"].into_iter().map(|member| format!("{}-{member}", self.name))
    }

    fn folder(&self, prefix: &str) -> Files {
        vec![
            (format!("{prefix}package.json"), self.manifest(&self.name)),
            (format!("{prefix}index.js"), format!("// {}\n", self.variant).into_bytes()),
        ]
    }

    fn manifest(&self, name: &str) -> Vec<u8> {
        let Self { version, variant, .. } = self;
        format!("{{\"name\":\"{name}\",\"version\":\"{version}\",\"description\":\"{variant}\"}}").into_bytes()
    }

    fn archive(&self) -> Vec<u8> {
        project::archive(&self.name, self.version, &self.variant)
    }
}

/// A process's death, so many requests (of all processes) after the death before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    pub(crate) after: usize,
    pub(crate) moment: Moment,
}

/// How the password changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) at: Duration,
    /// How long the secret holds the old password while Artifactory wants the new one.
    pub(crate) lag: Duration,
}

/// What the secret holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    Password,
    AccessToken,
}

/// What lies in the journal that is no claim of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stray {
    /// A key that is no job's.
    Note,
    /// A claim of another account.
    Foreign,
    /// A claim that nobody can read, of a job that nobody knows.
    Damaged,
}

impl Stray {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Note => "jobs/notes.txt",
            Self::Foreign => "jobs/aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa.json",
            Self::Damaged => "jobs/bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb.json",
        }
    }

    /// Whether it may be under this key at the end. In quarantine it may have a longer name, and two of those who move it
    /// may give it two.
    pub(crate) fn may_be(self, key: &str) -> bool {
        let moved = key.starts_with(&self.key().replace("jobs/", "quarantine/"));
        match self {
            Self::Note => moved,
            Self::Foreign => key == self.key(),
            // Only after a quarter of an hour.
            Self::Damaged => key == self.key() || moved,
        }
    }
}

/// All that a seed decides before the first request.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    pub(crate) seed: u64,
    pub(crate) jobs: Vec<Work>,
    pub(crate) processes: usize,
    pub(crate) jobs_in_flight: usize,
    pub(crate) deadline: Duration,
    /// From here on nothing goes wrong any more.
    pub(crate) trouble_ends: Duration,
    /// Of a thousand requests, how many meet a fault.
    pub(crate) faults: u64,
    pub(crate) deaths: Vec<Death>,
    /// How far the processes' clocks are off while there is trouble, in milliseconds.
    pub(crate) clocks: Vec<i32>,
    /// When each is set right.
    pub(crate) set_right: Vec<Duration>,
    /// The deadline's header holds a duration, as local tools send it.
    pub(crate) bare_deadline: bool,
    pub(crate) credential: Credential,
    pub(crate) rotation: Option<Rotation>,
    /// From when to when the secret cannot be read, and why.
    pub(crate) broken: Option<(Duration, Duration, secrets::Broken)>,
    pub(crate) tokens_revoked: Option<Duration>,
    pub(crate) credentials_live: Duration,
    /// Longest ordinary time on the way, in milliseconds.
    pub(crate) latency: u64,
    pub(crate) first_schedule: Duration,
    /// Of ten ticks of the schedule, how many are lost and how many come twice while there is trouble.
    pub(crate) irregular: (u8, u8),
    /// When all processes are woken at once.
    pub(crate) herd: Option<Duration>,
    pub(crate) strays: Vec<Stray>,
    /// When somebody spoils a claim that is there.
    pub(crate) spoiled: Option<Duration>,
    /// Whether the repository is reached through a virtual one.
    pub(crate) is_virtual: bool,
    pub(crate) may: Vec<Permission>,
    pub(crate) pipeline: pipeline::Settings,
    pub(crate) conflicts: usize,
    pub(crate) delete_of_missing: MissingDelete,
    pub(crate) artifactory: artifactory::Switches,
    /// How the repository for Maven names snapshots.
    pub(crate) snapshots: Snapshots,
    /// How often Lambda brings the event of an invocation again that has failed.
    pub(crate) retries: usize,
}

impl Fate {
    /// Whether the function serves Invoke actions beside the custom one.
    pub(crate) fn has_invoke_actions(&self) -> bool {
        self.jobs.iter().any(|work| work.arrival == Arrival::Invoked)
    }

    pub(crate) fn of(seed: u64) -> Self {
        let dice = &mut Rng::with_seed(seed);
        let troubled = dice.u8(..5) > 0;
        let trouble_ends = Duration::from_secs(if troubled { dice.u64(30..400) } else { 0 });
        let deadline = Duration::from_secs(*of(dice, &[3, 5, 15, 60, 300, 900]));
        let faults = if troubled { *of(dice, &[0, 0, 5, 20, 60, 200]) } else { 0 };
        let deaths = if troubled { *of(dice, &[0, 0, 1, 1, 2, 3, 5]) } else { 0 };
        let deaths: Vec<_> = (0..deaths).map(|_| death(dice)).collect();
        let processes = dice.usize(2..=4);
        let skewed = troubled && dice.u8(..4) == 0;
        let reach = *of(dice, &[500, 5_000, 90_000]);
        let mut clocks: Vec<i32> = (0..processes).map(|_| if skewed { dice.i32(-reach..=reach) } else { 0 }).collect();
        if skewed && dice.bool() {
            // To all others the leases of this one are over as soon as they begin.
            clocks[0] = -i32::try_from(deadline.as_millis()).unwrap_or(i32::MAX);
        }
        let set_right = (0..processes).map(|_| trouble_ends.mul_f64(*of(dice, &[0.3, 1.0, 1.0]))).collect();
        let credential = *of(dice, &[Credential::Password, Credential::Password, Credential::AccessToken]);
        let rotated = troubled && credential == Credential::Password && dice.u8(..5) == 0;
        let rotation = rotated.then(|| Rotation {
            at: Duration::from_millis(dice.u64(0..60_000)),
            lag: Duration::from_millis(*of(dice, &[0, 0, 200, 5_000])),
        });
        let mut artifactory = artifactory(dice, troubled);
        let replaces = artifactory.npm_republish == Republish::Replaces;
        let mut may = vec![Permission::Read, Permission::Deploy];
        may.extend((replaces || dice.u8(..4) == 0).then_some(Permission::Delete));
        let mut jobs: Vec<Work> = Vec::new();
        for number in 0..dice.usize(1..=4) {
            // Two writers of the same who may overwrite each other are a documented limit.
            let overwrites =
                |first: &&Work| replaces || first.shape.is_overwritten() && may.contains(&Permission::Delete);
            let first = jobs.first().filter(|first| !overwrites(first));
            let next = work(dice, number, first, &artifactory, troubled);
            jobs.push(next);
        }
        // Beside a worker without our journal, a death around the acknowledgement is a documented risk.
        let steady = deaths.is_empty() && faults == 0 && !skewed && deadline > Duration::from_secs(10);
        if steady
            && dice.u8(..3) == 0
            && let Some(job) = jobs.last_mut()
            && job.ending == Ending::Ordinary
        {
            job.seized = true;
        }
        // Drawn apart from all else.
        let own_dice = &mut Rng::with_seed(!seed);
        other_types(own_dice, &mut jobs, &may);
        artifactory.checksum_deploy = *of(own_dice, &[Endpoint::Served, Endpoint::Served, Endpoint::Answers(404)]);
        artifactory.simple_index = *of(own_dice, &[SimpleIndex::Html, SimpleIndex::Json]);
        let retries = invoke_actions(&mut Rng::with_seed(seed.rotate_left(32)), &mut jobs);
        let switches = *of(dice, &pipeline::Switches::all());
        // A new nonce at every poll would leave a worker that polls for its next job no time to take this one.
        let soon = if switches.nonce_on_redispatch == NonceOnRedispatch::Kept { 0 } else { 5 };
        let pipeline = pipeline::Settings {
            switches,
            redispatch_after: Duration::from_secs(*of(dice, &[soon, 5, 30, 60])),
            largest_batch: *of(dice, &[1, 2, 100, 100]),
            action_timeout: if troubled && dice.u8(..10) == 0 {
                Duration::from_secs(dice.u64(20..200))
            } else {
                Duration::from_hours(24)
            },
            ..pipeline::Settings::default()
        };
        Self {
            seed,
            jobs,
            processes,
            jobs_in_flight: dice.usize(1..=4),
            deadline,
            trouble_ends,
            faults,
            deaths,
            clocks,
            set_right,
            bare_deadline: dice.u8(..4) == 0,
            credential,
            rotation,
            broken: (troubled && dice.u8(..8) == 0).then(|| broken(dice)),
            tokens_revoked: (troubled && credential == Credential::Password && dice.u8(..5) == 0)
                .then(|| Duration::from_millis(dice.u64(0..60_000))),
            credentials_live: Duration::from_secs(*of(dice, &[2, 10, 60, 900])),
            latency: match deadline.as_secs() {
                ..10 => *of(dice, &[2, 8]),
                // Where clocks disagree a job must take a while, or nobody takes it from anybody.
                15.. if skewed => *of(dice, &[100, 1_000]),
                _ => *of(dice, &[2, 20, 100]),
            },
            first_schedule: Duration::from_millis(dice.u64(0..60_000)),
            irregular: if troubled { *of(dice, &[(0, 0), (0, 0), (0, 3), (3, 0), (3, 3)]) } else { (0, 0) },
            herd: (dice.u8(..3) == 0).then(|| Duration::from_millis(dice.u64(0..120_000))),
            strays: [Stray::Note, Stray::Foreign, Stray::Damaged].into_iter().filter(|_| dice.u8(..8) == 0).collect(),
            spoiled: (troubled && dice.u8(..8) == 0).then(|| Duration::from_millis(dice.u64(0..100_000))),
            is_virtual: dice.u8(..4) == 0,
            may,
            pipeline,
            conflicts: if troubled { *of(dice, &[0, 0, 1, 3]) } else { 0 },
            delete_of_missing: *of(dice, &[MissingDelete::NoSuchKey, MissingDelete::NoContent]),
            artifactory,
            snapshots: *of(own_dice, &[Snapshots::Unique, Snapshots::Deployer]),
            retries,
        }
    }
}

fn of<'a, T>(dice: &mut Rng, choices: &'a [T]) -> &'a T {
    &choices[dice.usize(..choices.len())]
}

fn death(dice: &mut Rng) -> Death {
    let moment = *of(dice, &[Moment::Before, Moment::After]);
    Death { after: dice.usize(0..60), moment }
}

fn broken(dice: &mut Rng) -> (Duration, Duration, secrets::Broken) {
    use secrets::Broken::{AccessDenied, DecryptionFailure, InternalService, KeyDenied, MarkedForDeletion};
    let from = Duration::from_millis(dice.u64(0..90_000));
    let why = *of(dice, &[AccessDenied, KeyDenied, DecryptionFailure, MarkedForDeletion, InternalService]);
    (from, from + Duration::from_millis(dice.u64(500..30_000)), why)
}

fn work(
    dice: &mut Rng,
    number: usize,
    first: Option<&Work>,
    artifactory: &artifactory::Switches,
    troubled: bool,
) -> Work {
    let queued = Duration::from_millis(dice.u64(0..90_000));
    // An event can precede its job.
    let events = (0..dice.usize(0..=2)).map(|_| queued + Duration::from_millis(dice.u64(0..35_000)));
    let events = events.map(|at| at.saturating_sub(Duration::from_secs(5))).collect();
    let existing =
        *of(dice, &[Existing::Nothing, Existing::Nothing, Existing::Nothing, Existing::Same, Existing::Other]);
    let rarely = |dice: &mut Rng| dice.u8(..6) == 0;
    let shape = match dice.u8(..23) {
        0..6 => Shape::Folder,
        6..12 => Shape::Ready,
        12..15 => Shape::Workspaces,
        15..18 => Shape::Broken,
        18..22 => Shape::Built(Build::Plain),
        _ => Shape::Homeless,
    };
    let options = Options {
        exact: rarely(dice),
        dry_run: rarely(dice),
        tag: rarely(dice).then_some("next"),
        annotated: rarely(dice) && artifactory.storage_api == Endpoint::Served,
    };
    let over = queued + Duration::from_millis(dice.u64(0..30_000));
    let ending = match dice.u8(..24) {
        0 if troubled => Ending::Abandoned(over),
        1 if troubled => Ending::Forgotten(over),
        _ => Ending::Ordinary,
    };
    let output = dice.u8(..4) == 0;
    let own = Work {
        shape,
        name: format!("package-{number}"),
        variant: "as it was built".to_owned(),
        existing,
        version: VERSIONS[0],
        options,
        ending,
        output,
        omitted: rarely(dice)
            .then(|| if output { "pipelineContext" } else { *of(dice, &["outputArtifacts", "actionTypeId"]) }),
        action_version: if dice.u8(..4) == 0 { "2" } else { "1" },
        seized: false,
        queued,
        arrival: Arrival::Polled,
        events,
    };
    let again = |first: &Work| (first.shape, first.name.clone(), first.existing);
    // The same package again, another under the same name and version, or another version of it.
    let work = match (dice.u8(..8), first) {
        (0, Some(first)) => {
            let (shape, name, existing) = again(first);
            Work { shape, name, existing, version: first.version, ..own }
        }
        (1, Some(first)) => {
            let (shape, name, existing) = again(first);
            let variant = "as it was built differently".to_owned();
            Work { shape, name, existing, variant, version: first.version, ..own }
        }
        (2, Some(first)) => {
            let (shape, name, existing) = again(first);
            // What was there of the first version is nobody's concern here. Files have no versions.
            let existing = if shape == Shape::Built(Build::Plain) { existing } else { Existing::Nothing };
            Work { shape, name, existing, version: VERSIONS[dice.usize(1..VERSIONS.len())], ..own }
        }
        _ => own,
    };
    // A tag moves to what is there already, too; here nobody touches what was there. Files have none.
    let tag = work.options.tag.filter(|_| work.existing == Existing::Nothing && work.shape.kind() == "npm");
    // Of a repository that is not there a dry run may not hear.
    let dry_run = work.options.dry_run && work.shape != Shape::Homeless;
    Work { options: Options { dry_run, tag, ..work.options }, ..work }
}

/// Makes Python releases and Maven libraries of some of the packages, each in all jobs that it is in.
fn other_types(dice: &mut Rng, jobs: &mut [Work], may: &[Permission]) {
    for first in 0..jobs.len() {
        let name = jobs[first].name.clone();
        let mut same: Vec<&mut Work> = jobs.iter_mut().filter(|work| work.name == name).collect();
        let shape = Shape::Built(*of(dice, &[Build::Python, Build::Maven, Build::Snapshot]));
        // Two writers of the same who may overwrite each other are a documented limit.
        let overwrites = same.len() > 1 && may.contains(&Permission::Delete);
        let is_other = matches!(same[0].shape, Shape::Broken | Shape::Homeless | Shape::Built(_));
        if dice.u8(..5) < 3 || overwrites || is_other {
            continue;
        }
        for work in &mut same {
            (work.shape, work.options.tag) = (shape, None);
        }
    }
}

/// Makes Invoke actions of some seeds' jobs, whose events come at once or late, and sometimes twice; and draws how often
/// Lambda tries again. From dice of their own, so that a seed without such jobs has the story that it had before there were
/// any.
fn invoke_actions(dice: &mut Rng, jobs: &mut [Work]) -> usize {
    if dice.u8(..4) > 0 {
        return 0;
    }
    let chosen = dice.usize(..jobs.len());
    for (number, work) in jobs.iter_mut().enumerate() {
        if number != chosen && dice.bool() {
            // Where a secret says who may use it a job needs a pipeline.
            work.omitted = work.omitted.filter(|omitted| *omitted != "pipelineContext");
            continue;
        }
        let late = *of(dice, &[3_000, 3_000, 3_000, 60_000]);
        let first = work.queued + Duration::from_millis(dice.u64(0..late));
        let second = (dice.u8(..3) == 0).then(|| first + Duration::from_millis(dice.u64(0..60_000)));
        (work.arrival, work.seized) = (Arrival::Invoked, false);
        work.events = [first].into_iter().chain(second).collect();
    }
    *of(dice, &[0, 1, 2, 2])
}

fn artifactory(dice: &mut Rng, troubled: bool) -> artifactory::Switches {
    let served = |dice: &mut Rng, or: &[u16]| match dice.usize(..or.len() + 3) {
        which if which < or.len() => Endpoint::Answers(or[which]),
        _ => Endpoint::Served,
    };
    artifactory::Switches {
        legacy_token: served(dice, &[404, 405]),
        access_token: served(dice, &[403, 404]),
        storage_api: served(dice, &[403, 404]),
        repositories_api: served(dice, &[401, 403, 404]),
        anonymous: *of(dice, &[Anonymous::Off, Anonymous::Off, Anonymous::Reads]),
        unauthorized: *of(dice, &[Unauthorized::Forbidden, Unauthorized::Forbidden, Unauthorized::Hidden]),
        missing_repository: *of(dice, &[400, 404]),
        npm_duplicate: *of(dice, &[403, 409, 400]),
        npm_republish: *of(dice, &[Republish::Refused, Republish::Refused, Republish::Refused, Republish::Replaces]),
        npm_index_reads: *of(dice, &[0, 0, 1, 3]),
        longest_token: *of(dice, &[3600, 1000]),
        revocable_from: *of(dice, &[0, 21_600]),
        lock_after: *of(dice, &[None, Some(5)]),
        bad_gateway: if troubled { *of(dice, &[0, 0, 0, 2]) } else { 0 },
        ..artifactory::Switches::default()
    }
}
