//! Maven's files: a library's POM comes when all else of it is there, and a job makes one build of its snapshots.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use serde_json::Value;

use super::{Promise, Verdict, Witness};
use crate::stack::artifactory::{self, unstamped};
use crate::stack::http::Seen;
use crate::stack::pipeline::JobId;
use crate::stack::planned::Planned;
use crate::stack::{USER, s3};

/// The stamp of the build that an answer tells of.
pub(super) fn told(planned: &[Planned], variables: &BTreeMap<String, String>) -> Option<String> {
    let url = variables.get("ArtifactUrl")?;
    let path = planned.iter().find_map(|planned| planned.path_in(url))?;
    unstamped(path).map(|(stamp, _)| stamp)
}

/// Every stamp that the job's claim has ever held of a plan that was followed: before that nothing is sent.
pub(crate) fn stamps(seen: &[Seen], job: &JobId) -> BTreeSet<String> {
    let claim = format!("/{job}.json");
    let written = seen.iter().filter(|seen| {
        seen.service == s3::SERVICE
            && seen.request.method == Method::PUT
            && seen.status == Some(200)
            && seen.request.path.ends_with(&claim)
    });
    let stamp =
        |record: Value| record["plan"].is_string().then(|| record["stamp"].as_str().map(str::to_owned)).flatten();
    written.filter_map(|seen| stamp(seen.request.json())).collect()
}

/// I2: whoever goes on with a job goes on with its build. One whose claim was spoiled begins anew.
pub(super) fn i2_a_job_makes_one_build(witness: &Witness, Promise { job, .. }: &Promise) -> Verdict {
    let stamps = stamps(&witness.seen, job);
    let is_spoiled = witness.allowed.spoiled.iter().any(|key| key.contains(job.as_str()));
    if stamps.len() > 1 && !is_spoiled {
        return Err(format!("I2: {job} has begun several builds: {stamps:?}"));
    }
    Ok(())
}

/// I3: what we store of snapshots is in a build that a job has written down before.
pub(super) fn i3_every_build_is_of_a_job(witness: &Witness, promises: &[Promise]) -> Verdict {
    let stored = witness.artifactory.all_files().into_iter().filter(|file| file.created_by == USER);
    for file in stored {
        let Some((stamp, _)) = unstamped(&file.path) else { continue };
        let mut jobs = promises.iter().filter(|promise| promise.planned.iter().any(|planned| planned.fits(&file)));
        if !jobs.any(|promise| stamps(&witness.seen, &promise.job).contains(&stamp)) {
            return Err(format!("I3: {} is in a build that no claim tells of", file.path));
        }
    }
    Ok(())
}

/// I2: who finds a POM finds all that belongs to it.
pub(super) fn i2_the_pom_comes_last(witness: &Witness, Promise { job, planned, .. }: &Promise) -> Verdict {
    let mut stores: BTreeMap<&str, u64> = BTreeMap::new();
    for seen in witness.seen.iter().filter(|seen| {
        seen.service == artifactory::SERVICE && seen.request.method == Method::PUT && seen.status == Some(201)
    }) {
        let path = seen.request.path.split(';').next().unwrap_or_default();
        let order = seen.handled.map_or(seen.order, |handled| handled.order);
        stores.entry(path).and_modify(|first| *first = order.min(*first)).or_insert(order);
    }
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    for pom in planned.iter().filter(|planned| planned.path.rsplit('.').next() == Some("pom")) {
        let beside = |other: &&Planned| folder(&other.path) == folder(&pom.path) && other.path != pom.path;
        for stored in pom.stored(witness.artifactory).iter().filter(|file| file.created_by == USER) {
            let stamp = unstamped(&stored.path).map(|(stamp, _)| stamp);
            let at = |path: &str| stores.iter().filter(|(url, _)| url.ends_with(path)).map(|(_, order)| *order).min();
            for other in planned.iter().filter(beside) {
                let path = other.at(stamp.as_deref());
                let is_there = witness.artifactory.stored_file(other.repository, &path);
                let theirs = is_there.as_ref().is_some_and(|file| file.created_by != USER);
                if !theirs && (is_there.is_none() || at(&path) > at(&stored.path)) {
                    return Err(format!("I2: {} of {job} was stored before {path}", stored.path));
                }
            }
        }
    }
    Ok(())
}
