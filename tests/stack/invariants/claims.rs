//! The life of the claims as the wire has shown it, and what follows from it: who may answer, who may take over, and when
//! a job goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;
use tokio::time::Instant;

use super::{Verdict, Witness, operation};
use crate::stack::http::{Seen, Stamp};
use crate::stack::pipeline::JobId;
use crate::stack::simulate::PROCESS;
use crate::stack::{pipeline, s3};

/// The wall clock that every process goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wall {
    /// What it shows at `since`, in milliseconds since 1970.
    pub(crate) millis: u64,
    pub(crate) since: Instant,
    /// How long a request may be on its way before it is seen here.
    pub(crate) travel: Duration,
}

impl Wall {
    fn millis_at(&self, at: Instant) -> u64 {
        self.millis + u64::try_from((at - self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum How {
    /// It answered.
    Well,
    /// It ended with this error.
    Broken(String),
    /// Its process was killed.
    Killed,
    /// It ran into its deadline.
    RanOut,
}

/// What an invocation is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Duty {
    /// To go on with what was left, and to take what is offered.
    Tick,
    /// The job in its event, and nothing else.
    Job(JobId),
}

/// An invocation that is over.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// Which process; empty where requests do not tell theirs.
    pub(crate) process: String,
    pub(crate) duty: Duty,
    pub(crate) began: Stamp,
    pub(crate) ended: Stamp,
    /// The time that it was given.
    pub(crate) deadline: Duration,
    /// Whether its clock was right.
    pub(crate) right: bool,
    pub(crate) how: How,
}

impl Ran {
    /// Whether it could have begun another job until its very end (design, section 4: the deadline is near).
    fn had_room(&self) -> bool {
        let reserve = Duration::from_secs(2).min(self.deadline / 10);
        let room = Duration::from_secs(20).min(self.deadline / 3);
        self.ended.at - self.began.at < self.deadline.saturating_sub(reserve + room)
    }

    /// Whether anything went wrong with what it asked of AWS.
    fn is_disturbed(&self, witness: &Witness) -> bool {
        let own = |seen: &&Seen| {
            seen.request.header(PROCESS) == self.process && (self.began.order..self.ended.order).contains(&seen.order)
        };
        let wrong = |seen: &Seen| seen.is_disturbed() || seen.service == s3::SERVICE && seen.status == Some(409);
        witness.seen.iter().filter(own).any(wrong)
    }
}

/// A claim as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) process: String,
    pub(crate) owner: Value,
    pub(crate) lease_until: u64,
    /// That of the job's build, where it makes one.
    pub(crate) stamp: Value,
    external_execution_id: Value,
    /// That of the failure which may have been told already, and which whoever goes on repeats.
    of_what_was_told: Value,
}

/// A claim was written or, where `held` is `None`, removed.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) handled: Stamp,
    pub(crate) key: String,
    pub(crate) held: Option<Held>,
}

/// Every change of a claim, as S3 made them.
pub(crate) fn turns(witness: &Witness) -> Vec<Turn> {
    let root = format!("/{}/jobs/", witness.journal);
    let mut turns: Vec<Turn> = witness.seen.iter().filter_map(|seen| turn(seen, &root)).collect();
    turns.sort_by_key(|turn| turn.handled.order);
    turns
}

fn turn(Seen { service, request, status, handled, .. }: &Seen, root: &str) -> Option<Turn> {
    let key = request.path.strip_prefix(root).filter(|_| *service == s3::SERVICE)?.to_owned();
    let held = match (&request.method, status) {
        (&Method::PUT, Some(200)) => {
            let mut record = request.json();
            Some(Held {
                process: request.header(PROCESS).to_owned(),
                owner: record["owner"].take(),
                lease_until: record["lease_until"].as_u64().unwrap_or(0),
                external_execution_id: record["external_execution_id"].take(),
                stamp: record["stamp"].take(),
                of_what_was_told: record["told"]["external_execution_id"].take(),
            })
        }
        (&Method::DELETE, Some(204)) => None,
        _ => return None,
    };
    Some(Turn { handled: (*handled)?, key, held })
}

/// What was the state of the claims at this moment.
fn state(turns: &[Turn], order: u64) -> BTreeMap<&str, &Held> {
    let mut state = BTreeMap::new();
    for turn in turns.iter().take_while(|turn| turn.handled.order < order) {
        match &turn.held {
            Some(held) => drop(state.insert(turn.key.as_str(), held)),
            None => drop(state.remove(turn.key.as_str())),
        }
    }
    state
}

/// I1: whoever sends a result owns the job's claim at that moment, and its lease is not over. Where clocks disagree a
/// claim may be taken over from a worker that believes in its lease; then it may not answer once it was told.
pub(crate) fn i1_only_the_owner_answers(witness: &Witness) -> Verdict {
    let turns = turns(witness);
    for seen in witness.seen.iter().filter(|seen| seen.service == pipeline::SERVICE && seen.handled.is_some()) {
        let Seen { request, order, at, .. } = seen;
        let what = operation(request);
        if !what.starts_with("PutJob") {
            continue;
        }
        let body = request.json();
        let job = body["jobId"].as_str().unwrap_or_default();
        let state = state(&turns, *order);
        let process = request.header(PROCESS);
        if witness.wall.is_none() && !was_told(witness, job, process, *order) {
            continue;
        }
        let Some(held) = state.get(format!("{job}.json").as_str()) else {
            return Err(format!("I1: {what} for {job} by a worker that has no claim; nobody has"));
        };
        if process != held.process {
            return Err(format!("I1: {what} for {job} by process {process}; the claim is of {}", held.process));
        }
        let told = [&body["executionDetails"], &body["failureDetails"]].map(|it| &it["externalExecutionId"]);
        let repeats = !held.of_what_was_told.is_null() && told[1] == &held.of_what_was_told;
        if !told.contains(&&held.external_execution_id) && !repeats {
            return Err(format!("I1: {what} for {job} by {told:?}; the claim is of {}", held.external_execution_id));
        }
        if let Some(wall) = &witness.wall
            && let over = wall.millis_at(at.checked_sub(wall.travel).unwrap_or(*at)).saturating_sub(held.lease_until)
            && over > 0
        {
            return Err(format!("I1: {what} for {job} was sent {over} ms after its claim's lease was over"));
        }
    }
    Ok(())
}

/// Whether a process knows by this moment that a claim is not its own any more: its last write of it that was answered met
/// another's.
fn was_told(witness: &Witness, job: &str, process: &str, order: u64) -> bool {
    let key = format!("/jobs/{job}.json");
    let written = |seen: &&Seen| {
        seen.service == s3::SERVICE
            && seen.request.method != Method::GET
            && seen.request.path.ends_with(&key)
            && seen.request.header(PROCESS) == process
    };
    let told = witness.seen.iter().filter(written).filter_map(|seen| seen.told);
    let last = told.filter(|(_, at)| at.order < order).max_by_key(|(_, at)| at.order);
    last.is_some_and(|(status, _)| status == 412)
}

/// I1: no claim is taken over before its lease is over, as far as all clocks agree.
pub(crate) fn i1_leases_are_kept(witness: &Witness) -> Verdict {
    let Some(wall) = &witness.wall else { return Ok(()) };
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    for Turn { handled, key, held: next } in turns(witness) {
        let Some(next) = next else {
            held.remove(&key);
            continue;
        };
        // Two clocks that show the same differ by less than their last digit.
        let now = wall.millis_at(handled.at) + 1;
        if let Some(before) = held.insert(key.clone(), next.clone())
            && before.owner != next.owner
            && before.lease_until > now
        {
            return Err(format!("I1: {key} was taken over {} ms before its lease was over", before.lease_until - now));
        }
    }
    Ok(())
}

/// I5: an invocation that nothing disturbs, and that has time enough, goes on with every job whose worker's lease was over
/// when it began: it, or another one meanwhile, takes the claim over or removes it.
pub(crate) fn i5_goes_on_at_the_first_tick(witness: &Witness) -> Verdict {
    let Some(wall) = &witness.wall else { return Ok(()) };
    let turns = turns(witness);
    let is_due = |ran: &&Ran| ran.duty == Duty::Tick && ran.right && ran.how == How::Well && ran.had_room();
    for ran in witness.invocations.iter().filter(is_due) {
        let now = wall.millis_at(ran.began.at);
        let mut due = state(&turns, ran.began.order);
        due.retain(|key, held| held.lease_until <= now && !witness.allowed.spoiled.iter().any(|it| it.ends_with(*key)));
        for turn in &turns {
            if (ran.began.order..ran.ended.order).contains(&turn.handled.order) {
                due.remove(turn.key.as_str());
            }
        }
        if let Some((key, held)) = due.into_iter().find(|_| !ran.is_disturbed(witness)) {
            let late = now.saturating_sub(held.lease_until);
            let process = &ran.process;
            return Err(format!("I5: an invocation of {process} left {key} alone, {late} ms after its lease was over"));
        }
    }
    Ok(())
}

/// I5: no invocation runs into its deadline, as far as its clock lets it know.
pub(crate) fn i5_every_invocation_ends_in_time(witness: &Witness) -> Verdict {
    match witness.invocations.iter().filter(|ran| ran.right && ran.how == How::RanOut).count() {
        0 => Ok(()),
        count => Err(format!("I5: {count} invocations ran into their deadline")),
    }
}

/// I5: a tick that nothing disturbs, and that has time enough, does not break.
pub(crate) fn i5_no_tick_breaks_for_nothing(witness: &Witness) -> Verdict {
    let broken =
        witness.invocations.iter().filter(|ran| ran.right && matches!(ran.how, How::Broken(_)) && ran.had_room());
    match broken.into_iter().find(|ran| !ran.is_disturbed(witness)) {
        None => Ok(()),
        Some(ran) => Err(format!("I5: an invocation of {} broke for nothing: {:?}", ran.process, ran.how)),
    }
}
