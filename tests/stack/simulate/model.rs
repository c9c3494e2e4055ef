//! What must hold of every run, whatever went wrong in it: the invariants of the design, short enough to be read. Each
//! check says what it saw where it fails.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::draw::{Existing, Holds, Planned, Shape, Work};
use super::world::World;
use crate::stack::http::Seen;
use crate::stack::pipeline::{JobId, JobResult};
use crate::stack::{JOURNAL, REPOSITORY, artifactory, pipeline, s3};

/// What a broken invariant looks like.
pub(crate) type Verdict = Result<(), String>;

/// After so many deaths on a job it is given up.
const DEATHS: usize = 3;

/// All checks of a run that has come to its end.
pub(crate) fn judge(world: &World) -> Verdict {
    i5_every_invocation_ends_in_time(world)?;
    for (work, job) in world.jobs() {
        i1_no_job_of_another_worker_is_answered(world, &work, &job)?;
        if work.seized {
            continue;
        }
        i1_one_answer(world, &job)?;
        i2_true_success(world, &work, &job)?;
        no_failure_without_a_reason(world, &work, &job)?;
    }
    i3_nothing_that_existed_is_changed(world)?;
    i3_nothing_is_stored_twice(world)?;
    i4_no_leak(world)?;
    nothing_is_left_in_the_journal(world)
}

/// I1: an acknowledged job has one terminal result; whoever repeats it says the same.
fn i1_one_answer(world: &World, job: &JobId) -> Verdict {
    let mut answers: Vec<_> = answers(world, job).into_iter().map(|seen| seen.request.body).collect();
    answers.dedup();
    match answers.len() {
        0 => Err(format!("I1: {job} has no answer: {:?}", world.pipeline.result(job))),
        1 => Ok(()),
        count => Err(format!("I1: {job} was given {count} different answers: {answers:?}")),
    }
}

/// I1: what another worker acknowledged, or nobody, is not ours to answer.
fn i1_no_job_of_another_worker_is_answered(world: &World, work: &Work, job: &JobId) -> Verdict {
    if work.seized && !answers(world, job).is_empty() {
        return Err(format!("I1: {job} is another worker's, and was answered by us"));
    }
    // Who takes over a claim whose acknowledgement is in doubt may conclude wrongly that it went through, where polls
    // hand a job out again only after a while. The claim keeps all others away, and what is answered is true.
    let in_doubt = world.troubles().deaths > 0 || world.troubles().faults;
    if world.pipeline.answered_early(job) && !in_doubt {
        return Err(format!("I1: {job} was answered before anybody had acknowledged it"));
    }
    Ok(())
}

/// I2: after a success every planned file is there, and is ours.
fn i2_true_success(world: &World, work: &Work, job: &JobId) -> Verdict {
    let JobResult::Succeeded { .. } = world.pipeline.result(job) else { return Ok(()) };
    if work.shape == Shape::Broken {
        return Err(format!("I2: {job} holds no package, and succeeded"));
    }
    work.planned().iter().try_for_each(|planned| holds(world, planned).map_err(|why| format!("I2: {job}: {why}")))
}

fn holds(world: &World, planned: &Planned) -> Verdict {
    let path = &planned.path;
    let stored = world.artifactory.file(REPOSITORY, path).ok_or_else(|| format!("{path} is not there"))?;
    let same = match &planned.holds {
        Holds::Bytes(bytes) => stored == *bytes,
        Holds::Entries(files) => {
            let mut found = entries(&stored).map_err(|error| format!("{path} is no archive: {error}"))?;
            let mut files = files.clone();
            files.sort();
            found.sort();
            found == files
        }
    };
    if same { Ok(()) } else { Err(format!("{path} holds something else")) }
}

fn entries(archive: &[u8]) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut files = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push((path, content));
    }
    Ok(files)
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
                || (troubles.deaths + troubles.faults_in_journal >= DEATHS && message.contains("workers died"))
        }
        "SystemUnavailable" => troubles.faults,
        "PermissionError" => troubles.denials || world.fate.rotation.is_some_and(|rotation| !rotation.lag.is_zero()),
        _ => false,
    };
    if reasonable { Ok(()) } else { Err(format!("{job} ({work:?}) failed without a reason: {kind}: {message}")) }
}

/// I3: what was there is there, with the same bytes, properties and author.
fn i3_nothing_that_existed_is_changed(world: &World) -> Verdict {
    for before in world.before() {
        let Some(after) = world.artifactory.stored_file(REPOSITORY, &before.path) else {
            return Err(format!("I3: {} is gone", before.path));
        };
        if (&after.content, &after.properties, &after.created_by)
            != (&before.content, &before.properties, &before.created_by)
        {
            return Err(format!("I3: {} was changed", before.path));
        }
    }
    Ok(())
}

/// I3: no version is stored a second time.
fn i3_nothing_is_stored_twice(world: &World) -> Verdict {
    let mut stores: BTreeMap<String, usize> = BTreeMap::new();
    for seen in world.traffic.seen() {
        let taken = seen.service == artifactory::SERVICE && matches!(seen.status, Some(200 | 201));
        if taken && seen.request.method == hyper::Method::PUT && seen.request.path.contains("/api/npm/") {
            *stores.entry(seen.request.path).or_default() += 1;
        }
    }
    match stores.into_iter().find(|(_, count)| *count > 1) {
        None => Ok(()),
        Some((path, count)) => Err(format!("I3: {path} was stored {count} times")),
    }
}

/// I4: no secret in a result, and none in the journal.
fn i4_no_leak(world: &World) -> Verdict {
    let secrets = world.kept_secret();
    for seen in world.traffic.seen() {
        let written = match seen.service {
            pipeline::SERVICE => seen.request.header("x-amz-target").contains(".PutJob"),
            s3::SERVICE => seen.request.method == hyper::Method::PUT,
            _ => false,
        };
        let text = String::from_utf8_lossy(&seen.request.body);
        if written && let Some(secret) = secrets.iter().find(|secret| text.contains(secret.as_str())) {
            return Err(format!("I4: {secret:?} is in {} {}", seen.service, seen.request.path));
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

fn nothing_is_left_in_the_journal(world: &World) -> Verdict {
    let left = world.s3.keys(JOURNAL, "");
    if left.is_empty() { Ok(()) } else { Err(format!("the journal holds {left:?}")) }
}

/// The results of this job that were taken, in the order of their arrival.
pub(crate) fn answers(world: &World, job: &JobId) -> Vec<Seen> {
    let mut seen = world.traffic.seen();
    seen.retain(|seen| {
        seen.service == pipeline::SERVICE
            && seen.status == Some(200)
            && seen.request.header("x-amz-target").contains(".PutJob")
            && seen.request.json()["jobId"] == job.as_str()
    });
    seen
}
