//! What a seed decides: the jobs and the packages in them, the services' switches, the weather, and who dies when.

use std::time::Duration;

use fastrand::Rng;

use crate::stack::artifactory::{self, Endpoint};
use crate::stack::http::Moment;
use crate::stack::pipeline::{self, NonceOnRedispatch};
use crate::stack::planned::{Files, Holds, Planned, tarball};
use crate::stack::project;
use crate::stack::s3::MissingDelete;

/// One job: what its artifact holds, and what is in the repository already.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) shape: Shape,
    pub(crate) name: String,
    /// What sets it apart from other content of the same name and version.
    pub(crate) variant: String,
    pub(crate) existing: Existing,
    pub(crate) output: bool,
    /// A worker that is not ours acknowledges it at the very moment at which ours wants to.
    pub(crate) seized: bool,
    pub(crate) queued: Duration,
    /// When its event is delivered: never, once or more often.
    pub(crate) events: Vec<Duration>,
}

/// What the artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Folder,
    Ready,
    Workspaces,
    /// No package at all.
    Broken,
}

/// What is in the repository before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Nothing,
    Same,
    Other,
}

const VERSION: &str = "1.0.0";

impl Work {
    /// The artifact as the build hands it over.
    pub(crate) fn artifact(&self) -> Vec<u8> {
        match self.shape {
            Shape::Folder => project::of_files(&self.folder("")),
            Shape::Ready => project::of_files(&[(format!("{}-{VERSION}.tgz", self.name), self.archive())]),
            Shape::Workspaces => {
                let root = br#"{"name":"root","private":true,"workspaces":["packages/*"]}"#;
                let mut files = vec![("package.json".to_owned(), root.to_vec())];
                files.extend(self.members().flat_map(|name| {
                    let manifest = self.manifest(&name);
                    [(format!("packages/{name}/package.json"), manifest)]
                }));
                project::of_files(&files)
            }
            Shape::Broken => project::of_files(&[("README.md".to_owned(), b"nothing".to_vec())]),
        }
    }

    /// What a success promises.
    pub(crate) fn planned(&self) -> Vec<Planned> {
        let path = |name: &str| tarball(name, VERSION);
        match self.shape {
            Shape::Folder => {
                vec![Planned { path: path(&self.name), holds: Holds::Entries(self.folder("package/")) }]
            }
            Shape::Ready => vec![Planned { path: path(&self.name), holds: Holds::Bytes(self.archive()) }],
            Shape::Workspaces => self
                .members()
                .map(|name| {
                    let files = vec![("package/package.json".to_owned(), self.manifest(&name))];
                    Planned { path: path(&name), holds: Holds::Entries(files) }
                })
                .collect(),
            Shape::Broken => Vec::new(),
        }
    }

    /// What somebody else has put where the first planned file goes.
    pub(crate) fn existing(&self) -> Option<(String, Vec<u8>)> {
        let first = self.planned().into_iter().next()?;
        let name = first.path.split('/').next().unwrap_or_default().to_owned();
        match (self.existing, first.holds) {
            (Existing::Same, Holds::Bytes(bytes)) => Some((first.path, bytes)),
            // What we pack ourselves nobody else has packed.
            (Existing::Nothing, _) | (Existing::Same, Holds::Entries(_) | Holds::Package { .. }) => None,
            (Existing::Other, _) => Some((first.path, project::archive(&name, VERSION, "of somebody else"))),
        }
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
        format!("{{\"name\":\"{name}\",\"version\":\"{VERSION}\",\"description\":\"{}\"}}", self.variant).into_bytes()
    }

    fn archive(&self) -> Vec<u8> {
        project::archive(&self.name, VERSION, &self.variant)
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
    pub(crate) rotation: Option<Rotation>,
    pub(crate) tokens_revoked: Option<Duration>,
    pub(crate) credentials_live: Duration,
    /// Longest ordinary time on the way, in milliseconds.
    pub(crate) latency: u64,
    pub(crate) first_schedule: Duration,
    pub(crate) pipeline: pipeline::Settings,
    pub(crate) conflicts: usize,
    pub(crate) delete_of_missing: MissingDelete,
    pub(crate) artifactory: artifactory::Switches,
}

impl Fate {
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
        let clocks = (0..processes).map(|_| if skewed { dice.i32(-reach..=reach) } else { 0 }).collect();
        let rotated = troubled && dice.u8(..5) == 0;
        let rotation = rotated.then(|| Rotation {
            at: Duration::from_millis(dice.u64(0..60_000)),
            lag: Duration::from_millis(*of(dice, &[0, 0, 200, 5_000])),
        });
        let mut jobs: Vec<Work> = Vec::new();
        for number in 0..dice.usize(1..=4) {
            let next = work(dice, number, jobs.first());
            jobs.push(next);
        }
        // Beside a worker without our journal, a death around the acknowledgement is a documented risk.
        let steady = deaths.is_empty() && faults == 0 && !skewed && deadline > Duration::from_secs(10);
        if steady
            && dice.u8(..3) == 0
            && let Some(job) = jobs.last_mut()
        {
            job.seized = true;
        }
        let switches = *of(dice, &pipeline::Switches::all());
        // A new nonce at every poll would leave a worker that polls for its next job no time to take this one.
        let soon = if switches.nonce_on_redispatch == NonceOnRedispatch::Kept { 0 } else { 5 };
        let pipeline = pipeline::Settings {
            switches,
            redispatch_after: Duration::from_secs(*of(dice, &[soon, 5, 30, 60])),
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
            rotation,
            tokens_revoked: (troubled && dice.u8(..5) == 0).then(|| Duration::from_millis(dice.u64(0..60_000))),
            credentials_live: Duration::from_secs(*of(dice, &[10, 60, 900, 900])),
            latency: *of(dice, if deadline.as_secs() < 10 { &[2, 8] } else { &[2, 20, 100] }),
            first_schedule: Duration::from_millis(dice.u64(0..60_000)),
            pipeline,
            conflicts: if troubled { *of(dice, &[0, 0, 1, 3]) } else { 0 },
            delete_of_missing: *of(dice, &[MissingDelete::NoSuchKey, MissingDelete::NoContent]),
            artifactory: artifactory(dice),
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

fn work(dice: &mut Rng, number: usize, first: Option<&Work>) -> Work {
    let queued = Duration::from_millis(dice.u64(0..90_000));
    let events = (0..dice.usize(0..=2)).map(|_| queued + Duration::from_millis(dice.u64(0..30_000))).collect();
    let own = Work {
        shape: *of(dice, &[Shape::Folder, Shape::Folder, Shape::Ready, Shape::Ready, Shape::Workspaces, Shape::Broken]),
        name: format!("package-{number}"),
        variant: "as it was built".to_owned(),
        existing: *of(
            dice,
            &[Existing::Nothing, Existing::Nothing, Existing::Nothing, Existing::Same, Existing::Other],
        ),
        output: dice.u8(..4) == 0,
        seized: false,
        queued,
        events,
    };
    // The same package again, or another under the same name and version.
    match (dice.u8(..6), first) {
        (0, Some(first)) => Work { shape: first.shape, name: first.name.clone(), existing: first.existing, ..own },
        (1, Some(first)) => Work {
            shape: first.shape,
            name: first.name.clone(),
            existing: first.existing,
            variant: "as it was built differently".to_owned(),
            ..own
        },
        _ => own,
    }
}

fn artifactory(dice: &mut Rng) -> artifactory::Switches {
    let served = |dice: &mut Rng, or: &[u16]| match dice.usize(..or.len() + 3) {
        which if which < or.len() => Endpoint::Answers(or[which]),
        _ => Endpoint::Served,
    };
    artifactory::Switches {
        legacy_token: served(dice, &[404, 405]),
        access_token: served(dice, &[403, 404]),
        storage_api: served(dice, &[403, 404]),
        repositories_api: served(dice, &[401, 403, 404]),
        npm_duplicate: *of(dice, &[403, 409, 400]),
        npm_index_reads: *of(dice, &[0, 0, 1, 3]),
        ..artifactory::Switches::default()
    }
}
