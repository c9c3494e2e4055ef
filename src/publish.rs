//! Sending what is missing: several packages at once, each after those that it needs and after lower versions of itself;
//! what is done is noted in the plan's order. After a failure nothing is begun, and what is under way comes to its end.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::sync::SetOnce;

use crate::action::{ActionConfig, Existing, Mode};
use crate::deadline::Deadline;
use crate::failure::{Failure, Progress};
use crate::hold::{Hold, Standing};
use crate::lanes::{Lanes, MOST, Traffic};
use crate::package::Noun;
use crate::plan::{PackagePlan, Plan, Planned};
use crate::registry::{Found, Registry, Sent};
use crate::report::{FileState, PublishedFile};
use crate::step::{Step, Way};
use crate::stop::Stop;
use crate::tags;

/// Whose work a file is that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// An earlier attempt of this job may have stored it: what is stored is not seen at once everywhere.
    MayBeOurs,
    /// No attempt of this job came so far.
    Anothers,
}

/// What all packages of a job are sent with.
pub struct Publishing<'a> {
    /// What the action says.
    pub action: &'a ActionConfig,
    /// What is to be there.
    pub plan: &'a Plan,
    /// The way there.
    pub registry: &'a Registry,
    /// When the invocation ends.
    pub deadline: Deadline,
    /// How many steps an earlier attempt at the same plan did.
    pub went_on_with: Option<usize>,
}

/// A package, and what was found of it.
struct Todo<'a> {
    package: Cow<'a, PackagePlan>,
    /// The number of its first step in the plan.
    first: usize,
    /// For each step: what is in its place, and whose it is.
    steps: Vec<(Found, Whose)>,
    /// The packages that come before it.
    after: Vec<usize>,
}

/// The packages of a plan, prepared one after the other.
#[derive(Default)]
struct Todos<'a> {
    /// How many steps those before have.
    steps: usize,
    by_name: HashMap<&'a str, Vec<usize>>,
}

/// What the packages of a job share while they are sent.
struct Shared {
    lanes: Lanes,
    /// Whether nothing more is to be begun.
    stopped: AtomicBool,
    /// How many steps were begun.
    reached: Arc<AtomicUsize>,
    /// Of each package for which another may wait, by its number in the plan.
    ended: HashMap<usize, SetOnce<()>>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// For each of the plan's steps, in its order.
    pub files: Vec<PublishedFile>,
    /// What is to be said of packages, by their numbers in the plan.
    pub remarks: BTreeMap<usize, String>,
}

/// How a package ended.
enum Ended {
    Published(Vec<PublishedFile>, Option<String>),
    /// It was not begun, because another had failed.
    Left,
    Stopped(Stop, Came),
}

/// How far a package came before it was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Came {
    /// None of it was sent.
    Nowhere,
    /// Something was.
    Sent,
    /// Some of its files are stored.
    Partly,
    /// All of it is stored.
    Stored,
}

impl<'p> Todos<'p> {
    /// The next package of the plan, with what was found of it.
    fn next(
        &mut self,
        at: usize,
        planned: &'p Planned,
        plan: &'p Plan,
        found: &mut impl Iterator<Item = Found>,
        hold: &Hold<'_>,
        went_on_with: Option<usize>,
    ) -> Todo<'p> {
        let first = self.steps;
        self.steps += planned.files();
        let whose = |at| if hold.is_own(at, went_on_with) { Whose::MayBeOurs } else { Whose::Anothers };
        let found = found.by_ref().take(planned.files());
        let steps = found.enumerate().map(|(at, found)| (found, whose(first + at))).collect();
        let mut after = Vec::new();
        // Nothing needs a file, and there are no two at one place.
        if let Planned::Package(package) = planned
            && package.of.noun() == Noun::Package
        {
            let before = package.needs.iter().chain([&package.of.name]);
            after = before.filter_map(|name| self.by_name.get(name.as_str())).flatten().copied().collect();
            self.by_name.entry(&package.of.name).or_default().push(at);
        }
        Todo { package: plan.package(planned), first, steps, after }
    }
}

impl Publishing<'_> {
    /// Sends all that is missing. `found` has an entry for each of the plan's steps.
    pub async fn all(&self, found: Vec<Found>, hold: &mut Hold<'_>, progress: &mut Progress) -> Result<Done, Stop> {
        let shared = Shared {
            lanes: Lanes::default(),
            stopped: AtomicBool::new(false),
            reached: hold.reached(),
            ended: self.plan.planned().iter().enumerate().filter_map(Self::end).collect(),
        };
        let shared = &shared;
        let mut todos = Todos::default();
        let mut found = found.into_iter();
        let mut waiting = self.plan.planned().iter().enumerate();
        // There may be a hundred thousand packages: only those are prepared that may be under way.
        let mut sending = FuturesOrdered::new();
        let mut done = 0;
        let mut all = Done { files: Vec::with_capacity(found.len()), ..Done::default() };
        let mut failed = None;
        // They end in the plan's order.
        for (at, planned) in self.plan.planned().iter().enumerate() {
            for (at, planned) in waiting.by_ref().take(MOST - sending.len()) {
                let todo = todos.next(at, planned, self.plan, &mut found, hold, self.went_on_with);
                sending.push_back(Box::pin(self.package(at, todo, shared)));
            }
            let Some(ended) = sending.next().await else { break };
            done += planned.files();
            match ended {
                Ended::Published(files, remark) => {
                    if self.action.mode == Mode::Publish {
                        progress.is_published(at);
                    }
                    if failed.is_none() && hold.advance(done).await == Standing::Lost {
                        return Err(Stop::Lost);
                    }
                    all.files.extend(files);
                    all.remarks.extend(remark.map(|remark| (at, remark)));
                }
                Ended::Left => {}
                Ended::Stopped(stop, came) => {
                    match came {
                        Came::Stored => progress.is_published(at),
                        Came::Sent | Came::Partly if stop.leaves_doubt() => progress.is_doubtful(at),
                        Came::Partly => progress.is_partly_published(at),
                        Came::Nowhere | Came::Sent => {}
                    }
                    failed.get_or_insert(stop);
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }

    /// What tells that a package has ended; nobody waits for a file.
    fn end((at, planned): (usize, &Planned)) -> Option<(usize, SetOnce<()>)> {
        (planned.noun() == Noun::Package).then(|| (at, SetOnce::new()))
    }

    async fn package(&self, at: usize, todo: Todo<'_>, shared: &Shared) -> Ended {
        for other in todo.after.iter().filter_map(|other| shared.ended.get(other)) {
            other.wait().await;
        }
        let ended = Box::pin(self.in_a_lane(todo, shared)).await;
        if matches!(ended, Ended::Stopped(..)) {
            shared.stopped.store(true, Ordering::Relaxed);
        }
        if let Some(own) = shared.ended.get(&at) {
            // Nobody else sets it.
            let _ = own.set(());
        }
        ended
    }

    async fn in_a_lane(&self, todo: Todo<'_>, shared: &Shared) -> Ended {
        let Some(lane) = shared.lanes.enter().await else { return Ended::Left };
        if shared.stopped.load(Ordering::Relaxed) {
            return Ended::Left;
        }
        let before = self.registry.stats().retries;
        let mut came = Came::Nowhere;
        let sent = Box::pin(self.send(todo, shared, &mut came)).await;
        let ended =
            sent.map_or_else(|stop| Ended::Stopped(stop, came), |(files, remark)| Ended::Published(files, remark));
        lane.leave(if self.registry.stats().retries > before { Traffic::Heavy } else { Traffic::Smooth });
        ended
    }

    /// Sends a package, file by file, and sees to its tags. What is to be said of it comes with the files.
    async fn send(
        &self,
        todo: Todo<'_>,
        shared: &Shared,
        came: &mut Came,
    ) -> Result<(Vec<PublishedFile>, Option<String>), Stop> {
        let Todo { package, first, steps, .. } = todo;
        let package = &*package;
        let mut files = Vec::with_capacity(package.steps.len());
        for (at, (step, (found, whose))) in package.steps.iter().zip(steps).enumerate() {
            shared.reached.fetch_max(first + at + 1, Ordering::Relaxed);
            let is_sent = !found.is_there() && self.action.mode == Mode::Publish;
            if is_sent {
                *came = Came::Sent.max(*came);
            }
            files.push(self.step(package, step, first + at, found, whose).await?);
            if is_sent {
                *came = Came::Partly;
            }
        }
        let remark = match self.action.mode {
            Mode::Publish => {
                *came = Came::Stored;
                let tagged = tags::see_to(package, &files, self.registry, self.deadline).await;
                tagged.map_err(|error| Stop::registry(error, Some(package)))?
            }
            Mode::DryRun => None,
        };
        Ok((files, remark))
    }

    /// Sees to it that a file is there.
    async fn step(
        &self,
        package: &PackagePlan,
        step: &Step,
        at: usize,
        found: Found,
        whose: Whose,
    ) -> Result<PublishedFile, Stop> {
        Ok(match (found, self.action.mode) {
            (Found::Same, Mode::Publish) if whose == Whose::MayBeOurs => {
                // The job may have been interrupted before the file had its properties.
                if self.went_on_with.is_some_and(|done| at >= done) {
                    self.annotate(package, step).await?;
                }
                PublishedFile::ours(FileState::Stored)
            }
            (Found::Same, _) => PublishedFile::ours(FileState::Skipped),
            (Found::Alike(theirs), _) => {
                tracing::info!(
                    package = %package.of,
                    "it is there already: its archive has other bytes, and the same files in it"
                );
                PublishedFile::repacked(theirs)
            }
            (_, Mode::DryRun) => PublishedFile::ours(FileState::Planned),
            _ => self.deploy(package, step, whose).await?,
        })
    }

    async fn deploy(&self, package: &PackagePlan, step: &Step, whose: Whose) -> Result<PublishedFile, Stop> {
        let sent = self.registry.send(&self.action.target.repository, step, self.deadline).await;
        match (sent.map_err(|error| Stop::registry(error, Some(package)))?, whose) {
            // Somebody was faster between the look and the write.
            (Sent::AlreadySame | Sent::AlreadyAlike(_), Whose::Anothers) if self.action.existing == Existing::Fail => {
                Err(Failure::Exists(vec![package.of.clone()].into()).into())
            }
            // What was there before is left as it is.
            (Sent::AlreadySame, Whose::Anothers) => Ok(PublishedFile::ours(FileState::Skipped)),
            (Sent::AlreadyAlike(theirs), _) => Ok(PublishedFile::repacked(theirs)),
            (Sent::Stored, _) | (Sent::AlreadySame, Whose::MayBeOurs) => {
                self.annotate(package, step).await?;
                Ok(PublishedFile::ours(FileState::Stored))
            }
        }
    }

    /// Sets the properties of a file that this job stored, where they did not go along with it.
    async fn annotate(&self, package: &PackagePlan, step: &Step) -> Result<(), Stop> {
        if step.way == Way::Plain {
            return Ok(());
        }
        let annotated = self.registry.set_properties(&self.action.target.repository, &step.file, self.deadline).await;
        annotated.map_err(|error| Stop::registry(error, Some(package)))
    }
}
