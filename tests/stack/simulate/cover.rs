//! What the seeds have brought about: a simulation in which the interesting things do not happen shows nothing.

use hyper::Method;

use super::PROCESS;
use super::draw::{Ending, Existing, Shape};
use super::world::World;
use crate::stack::artifactory;
use crate::stack::built::Build;
use crate::stack::http::Seen;
use crate::stack::invariants::{self, Arrival, Duty, How, Ran, Turn, Witness};
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::{pipeline, s3};

/// What is counted, each once a seed.
pub(crate) const COVERED: [&str; 34] = [
    "deaths",
    "ran into the deadline",
    "take-overs",
    "hand-overs",
    "lost claims (412)",
    "claims lost in hand",
    "conflicts (409)",
    "refused acknowledgements",
    "refused answers",
    "expired credentials",
    "doubled events",
    "faults",
    "tokens refused (401)",
    "succeeded",
    "failed",
    "same content there",
    "other content there",
    "overwriting possible",
    "abandoned or forgotten",
    "seized",
    "strays",
    "timed out",
    "spoiled claims",
    "no such repository",
    "plain files",
    "Python releases",
    "Maven libraries",
    "Maven snapshots",
    "builds gone on with",
    "jobs of Invoke actions",
    "their workers' deaths, jobs claimed",
    "jobs that no tick could go on with",
    "their events after their ends",
    "jobs that nobody knows of",
];

/// How often each came about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Covered(pub(crate) [usize; COVERED.len()]);

impl Default for Covered {
    fn default() -> Self {
        Self([0; COVERED.len()])
    }
}

impl Covered {
    pub(crate) fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(sum, one)| *sum += one);
        self
    }
}

/// Which of them this seed has brought about.
pub(super) fn covered(world: &World, witness: &Witness) -> Covered {
    let seen = |of: &dyn Fn(&Seen) -> bool| witness.seen.iter().any(of);
    let claims = |seen: &Seen| seen.service == s3::SERVICE && seen.request.path.contains("/jobs/");
    let pipeline = |seen: &Seen, what: &str| {
        seen.service == pipeline::SERVICE && seen.request.header("x-amz-target").contains(what)
    };
    let ended = |how: &How| witness.invocations.iter().any(|ran| ran.how == *how);
    let turns = invariants::turns(witness);
    let taken_over = turns.iter().enumerate().any(|(at, turn)| {
        let before = turns[..at].iter().rev().find(|before| before.key == turn.key).and_then(|it| it.held.as_ref());
        turn.held.as_ref().zip(before).is_some_and(|(held, before)| held.owner != before.owner)
    });
    let jobs = world.jobs();
    let is_built = |build| jobs.iter().any(|(work, _)| work.shape == Shape::Built(build));
    let waited: Vec<_> = jobs.iter().filter(|(work, _)| work.ending == Ending::Ordinary).collect();
    let invoked = waited.iter().filter(|(work, _)| work.arrival == Arrival::Invoked).map(|(_, job)| job);
    let invoked: Vec<&JobId> = invoked.collect();
    let results: Vec<_> = waited.iter().map(|(_, job)| world.pipeline.result(job)).collect();
    let covered = [
        ended(&How::Killed),
        ended(&How::RanOut),
        taken_over,
        turns.iter().any(|turn| turn.held.as_ref().is_some_and(|held| held.lease_until == 0)),
        seen(&|seen| claims(seen) && seen.status == Some(412)),
        seen(&|seen| claims(seen) && seen.status == Some(412) && lost_in_hand(witness, &turns, seen)),
        seen(&|seen| claims(seen) && seen.told.is_some_and(|(status, _)| status == 409)),
        seen(&|seen| pipeline(seen, "AcknowledgeJob") && seen.status == Some(400)),
        seen(&|seen| pipeline(seen, "PutJob") && seen.status == Some(400)),
        seen(&|seen| seen.service == s3::SERVICE && seen.request.method == Method::GET && seen.status == Some(400)),
        jobs.iter().any(|(work, _)| work.arrival == Arrival::Polled && work.events.len() > 1),
        seen(&|seen| seen.fault.is_some()),
        seen(&|seen| seen.service == artifactory::SERVICE && seen.status == Some(401)),
        results.iter().any(|result| matches!(result, JobResult::Succeeded { .. })),
        results.iter().any(|result| matches!(result, JobResult::Failed { .. })),
        jobs.iter().any(|(work, _)| work.existing == Existing::Same),
        jobs.iter().any(|(work, _)| work.existing == Existing::Other),
        world.fate.artifactory.npm_republish == artifactory::Republish::Replaces,
        waited.len() < jobs.len(),
        jobs.iter().any(|(work, _)| work.seized),
        !world.fate.strays.is_empty(),
        results.contains(&JobResult::TimedOut),
        !world.spoiled().is_empty(),
        jobs.iter().any(|(work, _)| work.shape == Shape::Homeless),
        is_built(Build::Plain),
        is_built(Build::Python),
        is_built(Build::Maven),
        is_built(Build::Snapshot),
        turns.iter().enumerate().any(|(at, turn)| gone_on_with(&turns[..at], turn)),
        world.fate.has_invoke_actions(),
        witness.invocations.iter().any(|ran| died_with_claim(&turns, ran)),
        results.iter().any(
            |result| matches!(result, JobResult::Failed { message, .. } if message.contains("cannot be gone on with")),
        ),
        invoked.iter().any(|job| comes_late(witness, job)),
        invoked.iter().any(|job| turns.iter().all(|turn| turn.key != format!("{job}.json"))),
    ];
    Covered(covered.map(usize::from))
}

/// Whether somebody else has the claim than who began the build that it tells of.
fn gone_on_with(before: &[Turn], turn: &Turn) -> bool {
    let Some(held) = turn.held.as_ref().filter(|held| !held.stamp.is_null()) else { return false };
    let begun = |it: &Turn| it.held.as_ref().is_some_and(|it| it.stamp == held.stamp && it.owner != held.owner);
    before.iter().any(|before| before.key == turn.key && begun(before))
}

/// Whether an invocation died that had claimed the job in its event.
fn died_with_claim(turns: &[Turn], ran: &Ran) -> bool {
    let Duty::Job(job) = &ran.duty else { return false };
    let during = ran.began.order..ran.ended.order;
    let claims = |turn: &Turn| {
        during.contains(&turn.handled.order)
            && turn.key == format!("{job}.json")
            && turn.held.as_ref().is_some_and(|held| held.process == ran.process)
    };
    matches!(ran.how, How::Killed | How::RanOut) && turns.iter().any(claims)
}

/// Whether a job's event came when it had its answer.
fn comes_late(witness: &Witness, job: &JobId) -> bool {
    let answered = witness.answers(job).filter_map(|seen| seen.handled).map(|it| it.order).min().unwrap_or(u64::MAX);
    witness.invocations.iter().any(|ran| ran.duty == Duty::Job(job.clone()) && ran.began.order > answered)
}

/// Whether a failed write is of one that had the claim before and believed to have it still.
fn lost_in_hand(witness: &Witness, turns: &[Turn], failed: &Seen) -> bool {
    let process = failed.request.header(PROCESS);
    let began = witness.invocations.iter().filter(|ran| ran.process == process).map(|ran| ran.began.order);
    let began = began.filter(|began| *began < failed.order).max().unwrap_or(0);
    let own = |turn: &&Turn| {
        (began..failed.order).contains(&turn.handled.order)
            && failed.request.path.ends_with(&turn.key)
            && turn.held.as_ref().is_some_and(|held| held.process == process)
    };
    failed.request.method == Method::PUT && turns.iter().any(|turn| own(&turn))
}
