//! What must hold of every run, whatever went wrong in it: the invariants, and that no job fails without a reason.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::Value;

use super::draw::{Existing, Shape, Work};
use super::world::World;
use crate::stack::artifactory::Endpoint;
use crate::stack::http::Seen;
use crate::stack::invariants::{self as all, Verdict, Witness};
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::s3;

/// After so many deaths on a job it is given up.
const DEATHS: usize = 3;

/// All checks of a run that has come to its end.
pub(super) fn judge(world: &World, witness: &Witness) -> Verdict {
    i5_every_invocation_ends_in_time(world)?;
    i1_leases_are_kept(world, witness)?;
    let troubles = world.troubles();
    let planned: Vec<_> = world.jobs().iter().flat_map(|(work, _)| work.planned()).collect();
    for (work, job) in world.jobs() {
        if work.seized {
            all::i1_no_job_of_another_worker_is_answered(witness, &job)?;
            continue;
        }
        all::i1_one_answer(witness, &job)?;
        // Who takes over a claim whose acknowledgement is in doubt may conclude wrongly that it went through, where polls
        // hand a job out again only after a while. The claim keeps all others away, and what is answered is true.
        if troubles.deaths == 0 && !troubles.faults {
            all::i1_no_answer_before_the_acknowledgement(witness, &job)?;
        }
        all::i2_true_success(witness, &job, &work.planned())?;
        no_failure_without_a_reason(world, &work, &job)?;
    }
    all::i3_nothing_that_existed_is_changed(witness, world.before())?;
    all::i3_nothing_is_stored_twice(witness)?;
    all::i3_nothing_unplanned_is_stored(witness, world.before(), &planned)?;
    all::i4_no_leak(witness)?;
    let switches = &world.fate.artifactory;
    // A server that says it makes no tokens is believed, though it be a drawn 403.
    if [switches.legacy_token, switches.access_token].contains(&Endpoint::Served) && !troubles.denials {
        all::i4_passwords_buy_tokens_alone(witness)?;
    }
    all::i5_the_journal_is_empty(witness)?;
    all::i5_no_refusal_is_tried_again(witness)?;
    all::i6_nothing_else_is_asked_for(witness)
}

/// I1: no claim is taken over before its lease is over, as far as all clocks agree.
fn i1_leases_are_kept(world: &World, witness: &Witness) -> Verdict {
    if world.fate.clocks.iter().any(|off| *off != 0) {
        return Ok(());
    }
    let mut held: BTreeMap<&str, (Value, u64)> = BTreeMap::new();
    let claims = witness.seen.iter().filter(|seen| seen.service == s3::SERVICE && seen.request.path.contains("/jobs/"));
    for Seen { request, at, status, .. } in claims {
        match (&request.method, status) {
            (&Method::PUT, Some(200)) => {
                let mut record = request.json();
                let (owner, lease) = (record["owner"].take(), record["lease_until"].as_u64().unwrap_or(0));
                let now = world.millis_at(*at);
                if let Some((before, until)) = held.insert(&request.path, (owner.clone(), lease))
                    && before != owner
                    && until > now
                {
                    return Err(format!(
                        "I1: {} was taken over {} ms before its lease was over",
                        request.path,
                        until - now
                    ));
                }
            }
            (&Method::DELETE, Some(204)) => drop(held.remove(request.path.as_str())),
            _ => {}
        }
    }
    Ok(())
}

/// I5: no invocation runs into its deadline, as far as its clock lets it know.
fn i5_every_invocation_ends_in_time(world: &World) -> Verdict {
    match world.troubles().ran_out {
        0 => Ok(()),
        count => Err(format!("I5: {count} invocations ran into their deadline")),
    }
}

/// A job fails for what it is, or for what went wrong; where nothing did, it does not.
fn no_failure_without_a_reason(world: &World, work: &Work, job: &JobId) -> Verdict {
    let JobResult::Failed { r#type: kind, message, .. } = world.pipeline.result(job) else { return Ok(()) };
    let troubles = world.troubles();
    let reasonable = match kind.as_str() {
        "JobFailed" => {
            work.shape == Shape::Broken
                || work.existing == Existing::Other
                || world.rivals(work)
                // A take-over whose answer is lost, or that arrives after its sender has given up, is a death to the next.
                || troubles.deaths >= DEATHS
                || (troubles.deaths + troubles.faults_in_journal >= DEATHS && message.contains("came to no end"))
        }
        "SystemUnavailable" => troubles.faults,
        "PermissionError" => troubles.denials || world.fate.rotation.is_some_and(|rotation| !rotation.lag.is_zero()),
        _ => false,
    };
    if reasonable || was_published_unseen(world, &message) {
        return Ok(());
    }
    Err(format!("{job} ({work:?}) failed without a reason: {kind}: {message}"))
}

/// The version is there already, and nobody can see it: the storage API is closed, and the index was denied by a drawn
/// answer, too. What the server said is passed on.
fn was_published_unseen(world: &World, message: &str) -> bool {
    let unseen = world.fate.artifactory.storage_api != Endpoint::Served && world.troubles().denials;
    unseen && message.contains("already exists")
}
