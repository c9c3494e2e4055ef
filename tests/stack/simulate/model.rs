//! What must hold of every run, whatever went wrong in it: the invariants, and that no job fails without a reason of its
//! own.

use std::time::Duration;

use super::draw::{Ending, Existing, PROPERTY, Shape, Work};
use super::world::World;
use crate::stack::artifactory::{self, Endpoint, Republish};
use crate::stack::built::Build;
use crate::stack::http::{Fault, Seen};
use crate::stack::invariants::{self, Allowed, Arrival, How, Promise, Verdict, Whose, Witness};
use crate::stack::pipeline::{self, JobId, JobResult};
use crate::stack::{s3, secrets};

/// After so many deaths on a job it is given up.
const DEATHS: usize = 3;

/// All checks of a run that has come to its end.
pub(super) fn judge(world: &World, witness: &Witness) -> Verdict {
    let promises: Vec<Promise> = world.jobs().iter().map(|(work, job)| promise(world, work, job)).collect();
    invariants::all(witness, &promises, world.before())?;
    for (work, job) in world.jobs().iter().filter(|(work, _)| work.ending == Ending::Ordinary) {
        no_failure_without_a_reason(world, witness, work, job)?;
    }
    world.strays_are_kept()
}

/// What the run may do, for what it is about and for what went wrong.
pub(super) fn allowed(world: &World, seen: &[Seen]) -> Allowed {
    let switches = &world.fate.artifactory;
    let tokens = [switches.legacy_token, switches.access_token].contains(&Endpoint::Served);
    let troubled = world.deaths() > 0 || seen.iter().any(Seen::is_disturbed);
    Allowed {
        // Who takes over a claim whose acknowledgement is in doubt may conclude wrongly that it went through, where polls
        // hand a job out again only after a while. The claim keeps all others away, and what is answered is true.
        early_answers: troubled,
        // A server that says it makes no tokens is believed, though it be a drawn 403.
        passwords: !tokens || seen.iter().any(|seen| seen.service == artifactory::SERVICE && is_denied(seen)),
        replacing: switches.npm_republish == Republish::Replaces && troubled,
        kept: world.kept(),
        spoiled: world.spoiled(),
        shared_tokens: world.own_token.iter().cloned().collect(),
    }
}

fn promise(world: &World, work: &Work, job: &JobId) -> Promise {
    let planned = work.planned();
    Promise {
        arrival: work.arrival,
        whose: match work.ending {
            _ if work.seized => Whose::AnotherWorkers,
            Ending::Ordinary if world.pipeline.result(job) == JobResult::TimedOut => Whose::Nobodys,
            Ending::Ordinary => Whose::Ours,
            Ending::Abandoned(_) | Ending::Forgotten(_) => Whose::Nobodys,
        },
        output: world.output_of(work, job),
        // Without its record a job takes its own files for another's, and leaves them as they are.
        properties: Vec::from_iter(
            (work.options.annotated && !world.is_spoiled(job)).then(|| (PROPERTY.0.to_owned(), PROPERTY.1.to_owned())),
        ),
        dry_run: work.options.dry_run,
        packages: work.shape.packages(planned.len()),
        ..Promise::of(job, &planned)
    }
}

/// A job fails for what it is, or for what went wrong with it while it was in hand; else it does not.
fn no_failure_without_a_reason(world: &World, witness: &Witness, work: &Work, job: &JobId) -> Verdict {
    let JobResult::Failed { r#type: kind, message, .. } = world.pipeline.result(job) else { return Ok(()) };
    let troubles = Troubles::of(world, witness, work, job);
    // Of files that are put where they belong nothing but the storage API tells.
    let is_plain = matches!(work.shape, Shape::Built(Build::Plain | Build::Maven | Build::Snapshot));
    let is_unseen = is_plain && world.fate.artifactory.storage_api != Endpoint::Served;
    let is_versionless = work.shape == Shape::Built(Build::Plain);
    // Every build of a snapshot has a name of its own, but for those that two jobs begin within a second.
    let is_build = work.shape == Shape::Built(Build::Snapshot);
    let stamps = invariants::stamps(&witness.seen, job);
    let same_build = |other: &(Work, JobId)| {
        other.1 != *job
            && other.0.name == work.name
            && !invariants::stamps(&witness.seen, &other.1).is_disjoint(&stamps)
    };
    let round_trip = Duration::from_millis(2 * world.fate.latency);
    let reasonable = match kind.as_str() {
        "JobFailed" => {
            work.shape == Shape::Broken
                || work.is_untagged_prerelease()
                || (work.existing == Existing::Other && !is_build)
                || (is_build && world.jobs().iter().any(same_build))
                // What was there before may be of the other variant, too.
                || (!is_build
                    && world.jobs().iter().any(|(other, _)| other.name == work.name && other.variant != work.variant))
                || (work.options.exact && work.existing == Existing::Same && !is_build)
                // With its record a job loses what it knew of its own work.
                || (work.options.exact && world.is_spoiled(job))
                || (work.options.exact
                    && !is_build
                    && world.another(job, |other| other.name == work.name && (other.version == work.version || is_versionless)))
                // A lower version does not come after a higher one.
                || (work.shape.kind() == "npm"
                    && world.another(job, |other| other.name == work.name && other.version != work.version))
                // A take-over whose answer is lost, or that arrives after its sender has given up, is a death to the next.
                || (message.contains("came to no end")
                    // To a clock that is ahead every worker is dead.
                    && (troubles.deaths + troubles.lost_claims >= DEATHS || witness.wall.is_none()))
        }
        // Nobody could go on with it.
        "SystemUnavailable" if message.contains("cannot be gone on with") => {
            work.arrival == Arrival::Invoked
                && (troubles.deaths > 0 || troubles.has(&[Trouble::Disturbed]) || witness.wall.is_none())
        }
        "SystemUnavailable" => troubles.has(&[Trouble::Disturbed, Trouble::NoSecret]),
        "PermissionError" => {
            troubles.has(&[Trouble::Denied, Trouble::Rotated, Trouble::NoSecret])
                || is_unseen
                || (work.arrival == Arrival::Invoked && message.contains("gets no fresh credentials") && troubles.has(&[Trouble::Expired]))
                // Drawn credentials live so short that a slow or stalled answer outlives two of them.
                || (message.contains("ExpiredToken")
                    && (troubles.has(&[Trouble::Disturbed]) || world.fate.credentials_live <= round_trip))
        }
        "ConfigurationError" => work.shape == Shape::Homeless || is_unseen || troubles.has(&[Trouble::NoSecret]),
        _ => false,
    };
    if reasonable || was_published_unseen(world, &troubles, &message) {
        return Ok(());
    }
    Err(format!("{job} ({work:?}) failed without a reason: {kind}: {message}\n{troubles:?}"))
}

/// The version is there already, and nobody can see it: the storage API is closed, and the index was denied by a drawn
/// answer, too. What the server said is passed on.
fn was_published_unseen(world: &World, troubles: &Troubles, message: &str) -> bool {
    let unseen = world.fate.artifactory.storage_api != Endpoint::Served && troubles.has(&[Trouble::Denied]);
    unseen && message.contains("already exists")
}

/// One thing that went wrong with a job between its first claim and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// A request that it needs met a fault.
    Disturbed,
    /// Artifactory, or who stood in for it, refused one.
    Denied,
    /// Artifactory wanted another password than the secret held.
    Rotated,
    /// The secret could not be read.
    NoSecret,
    /// The credentials for its artifacts were too old.
    Expired,
}

/// What went wrong with one job.
#[derive(Debug)]
struct Troubles {
    met: Vec<Trouble>,
    /// Workers that had it in hand and died.
    deaths: usize,
    /// Writes of its claim that met a fault.
    lost_claims: usize,
}

impl Troubles {
    fn of(world: &World, witness: &Witness, work: &Work, job: &JobId) -> Self {
        let claims = |seen: &&Seen| seen.service == s3::SERVICE && seen.request.path.ends_with(&format!("/{job}.json"));
        let written: Vec<&Seen> =
            witness.seen.iter().filter(claims).filter(|seen| seen.request.method == hyper::Method::PUT).collect();
        let from = written.iter().map(|seen| seen.order).min().unwrap_or(u64::MAX);
        let to = witness.answers(job).filter_map(|seen| seen.handled).map(|it| it.order).min().unwrap_or(u64::MAX);
        let met =
            witness.seen.iter().filter(|seen| (from..=to).contains(&seen.order) && world.concerns(seen, work, job));
        let died = |ran: &&invariants::Ran| {
            let had = |seen: &&Seen| {
                seen.request.header(super::PROCESS) == ran.process
                    && (ran.began.order..ran.ended.order).contains(&seen.order)
            };
            matches!(ran.how, How::Killed | How::RanOut) && written.iter().any(had)
        };
        let mut troubles = Vec::new();
        for seen in met {
            let handled = seen.handled.map_or(seen.at, |it| it.at);
            let behind = world.is_behind(handled) && seen.told.is_some_and(|(it, _)| it == 401);
            let unread = seen.service == secrets::SERVICE && seen.status.is_some_and(|it| it != 200);
            troubles.extend(seen.is_disturbed().then_some(Trouble::Disturbed));
            troubles.extend(is_denied(seen).then_some(Trouble::Denied));
            troubles.extend(behind.then_some(Trouble::Rotated));
            troubles.extend(unread.then_some(Trouble::NoSecret));
            let is_old = seen.service == s3::SERVICE && seen.status == Some(400);
            troubles.extend(is_old.then_some(Trouble::Expired));
        }
        Self {
            met: troubles,
            deaths: witness.invocations.iter().filter(died).count(),
            lost_claims: written.iter().filter(|seen| seen.fault.is_some()).count(),
        }
    }

    fn has(&self, any: &[Trouble]) -> bool {
        self.met.iter().any(|trouble| any.contains(trouble))
    }
}

/// Whether a drawn answer in Artifactory's place denied something.
fn is_denied(seen: &Seen) -> bool {
    seen.service == artifactory::SERVICE && matches!(seen.fault, Some(Fault::Answer { status: 401 | 403, .. }))
}

impl World {
    /// Whether a job needs the answer to this request, as far as the request tells.
    fn concerns(&self, seen: &Seen, work: &Work, job: &JobId) -> bool {
        let path = &seen.request.path;
        match seen.service {
            secrets::SERVICE => true,
            pipeline::SERVICE => seen.request.json()["jobId"] == job.as_str(),
            s3::SERVICE => path.contains(job.as_str()) || self.artifacts_of(job).iter().any(|key| path.ends_with(key)),
            // What is not about a package is about all of them: tokens, facts of the repository.
            artifactory::SERVICE => !path.contains("package-") || path.contains(&work.name),
            _ => false,
        }
    }
}
