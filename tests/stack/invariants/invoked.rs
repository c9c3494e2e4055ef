//! Jobs of Invoke actions: an event brings them, perhaps again and again, and nobody else tells of them.

use std::collections::BTreeSet;

use hyper::Method;

use super::{Duty, How, Promise, STORAGE, Verdict, Witness, claims, existing, i1_one_answer, is_store};
use crate::stack::http::Seen;
use crate::stack::planned::tarball;
use crate::stack::{artifactory, s3};

/// I1: a job of which anybody has a claim gets one answer. It has none where no invocation with its event came as far as
/// that, and then nothing was done. Of a claim that somebody has spoiled nobody can tell what it was.
pub(super) fn i1_one_answer_or_nobody_knew_of_it(witness: &Witness, promise: &Promise, alone: bool) -> Verdict {
    let Promise { job, .. } = promise;
    let key = format!("{job}.json");
    if witness.answers(job).next().is_some() || claims::turns(witness).iter().any(|turn| turn.key == key) {
        return match i1_one_answer(witness, job) {
            Err(_) if witness.answers(job).next().is_none() && is_spoiled(witness, promise) => Ok(()),
            verdict => verdict,
        };
    }
    let of_this = |ran: &&claims::Ran| ran.duty == Duty::Job(job.clone());
    if witness.invocations.iter().filter(of_this).any(|ran| ran.how == How::Well) {
        return Err(format!("I1: an invocation with the event of {job} ended well, and nobody has claimed the job"));
    }
    match witness.seen.iter().find(|seen| alone && does(seen, promise)) {
        None => Ok(()),
        Some(seen) => Err(format!("I1: nobody has claimed {job}, and {} was sent", seen.request.path)),
    }
}

/// I2, I3: when the job has its answer nothing is sent of it any more, to the repository or as its output, though its event
/// come again: what was told to have failed would be published, and what was published would be published once more. Where
/// clocks disagree a worker may believe in a lease that is over.
pub(super) fn i2_nothing_is_done_after_the_answer(witness: &Witness, promise: &Promise, alone: bool) -> Verdict {
    let Promise { job, .. } = promise;
    if witness.wall.is_none() || is_spoiled(witness, promise) {
        return Ok(());
    }
    let answered = witness.answers(job).filter_map(|seen| seen.handled).map(|it| it.order).min().unwrap_or(u64::MAX);
    let late = |seen: &&Seen| seen.order > answered && (writes_output(seen, promise) || alone && does(seen, promise));
    match witness.seen.iter().find(late) {
        None => Ok(()),
        Some(seen) => Err(format!("I2: {job} was answered, and {} was sent after that", seen.request.path)),
    }
}

fn is_spoiled(witness: &Witness, Promise { job, .. }: &Promise) -> bool {
    witness.allowed.spoiled.iter().any(|key| key.contains(job.as_str()))
}

/// Whether a request is to store a file that the job plans, or to set something on it.
fn does(seen: &Seen, Promise { planned, .. }: &Promise) -> bool {
    let Seen { service, request, .. } = seen;
    if *service != artifactory::SERVICE || !is_store(request) {
        return false;
    }
    let path = request.path.split(';').next().unwrap_or_default();
    let of_properties = path.contains(STORAGE).then(|| path.to_owned());
    let tagged = || {
        let (package, _) = path.split_once("/dist-tags/")?;
        let (_, name) = package.split_once("/package/")?;
        Some(tarball(name, request.json().as_str()?))
    };
    let paths: BTreeSet<&str> = planned.iter().map(|planned| planned.path.as_str()).collect();
    let places = existing::sent(request, &paths).into_iter().chain(of_properties).chain(tagged());
    let is_its = |place: String| planned.iter().any(|planned| planned.path_in(&format!("/{place}")).is_some());
    places.into_iter().any(is_its)
}

fn writes_output(seen: &Seen, Promise { output, .. }: &Promise) -> bool {
    let is_put = seen.service == s3::SERVICE && seen.request.method == Method::PUT;
    is_put && output.as_ref().is_some_and(|(bucket, key)| seen.request.path == format!("/{bucket}/{key}"))
}
