//! What a job's answer says, against what is in the repository.

use std::io::{Cursor, Read as _};

use serde_json::Value;

use super::{Promise, Verdict, Witness, builds};
use hyper::Method;

use crate::stack::artifactory::StoredFile;
use crate::stack::http::Seen;
use crate::stack::pipeline::{self, JobResult};
use crate::stack::{USER, s3};

/// I2: what a success tells is true: how many packages, which one is the first, and the digest of its stored file.
pub(super) fn i2_the_report_is_true(witness: &Witness, promise: &Promise) -> Verdict {
    let Promise { job, planned, packages, .. } = promise;
    let JobResult::Succeeded { summary, variables, revision, percent, .. } = witness.pipeline.result(job) else {
        return Ok(());
    };
    let wrong = |what: String| Err(format!("I2: the report of {job} is wrong: {what}"));
    let told = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
    if told("PackageCount") != packages.to_string() {
        return wrong(format!("{} packages, not {packages}", told("PackageCount")));
    }
    if percent != Some(100) || summary.is_none() {
        return wrong(format!("{percent:?} percent, {summary:?}"));
    }
    let Some(revision) = revision.filter(|it| it.change_identifier == told("Sha256")) else {
        return wrong("its revision is of something else".to_owned());
    };
    // A plain file has no version but what is in it.
    let version = if told("PackageVersion") == "-" { "Sha256" } else { "PackageVersion" };
    if revision.revision != told(version) {
        return wrong(format!("revision {revision:?}, version {}", told("PackageVersion")));
    }
    if promise.dry_run {
        return Ok(());
    }
    let found = planned.iter().find_map(|planned| planned.path_in(told("ArtifactUrl")).map(|path| (planned, path)));
    let Some((first, path)) = found else {
        return wrong(format!("{} is not what was planned", told("ArtifactUrl")));
    };
    match witness.artifactory.stored_file(first.repository, path) {
        Some(stored) if stored.digests.sha256 == told("Sha256") => Ok(()),
        stored => wrong(format!("{} has the digest {:?}", first.path, stored.map(|it| it.digests.sha256))),
    }
}

/// I2: where an output is declared, a success has written it, and it tells of each planned file as it is stored.
pub(super) fn i2_the_output_is_true(witness: &Witness, promise: &Promise) -> Verdict {
    let Promise { job, planned, output, .. } = promise;
    let (Some((bucket, key)), JobResult::Succeeded { variables, .. }) = (output, witness.pipeline.result(job)) else {
        return Ok(());
    };
    let wrong = |what: String| Err(format!("I2: the output of {job} is wrong: {what}"));
    let Some(object) = witness.s3.get(bucket, key) else { return wrong("it is not there".to_owned()) };
    let report = match report(&object) {
        Ok(report) => report,
        Err(error) => return wrong(error.to_string()),
    };
    let packages = report["packages"].as_array().into_iter().flatten();
    let files: Vec<&Value> = packages.flat_map(|package| package["files"].as_array().into_iter().flatten()).collect();
    if files.len() != planned.len() {
        return wrong(format!("it tells of {} files, not {}", files.len(), planned.len()));
    }
    let stamp = builds::told(planned, &variables);
    for planned in planned {
        let path = planned.at(stamp.as_deref());
        let Some(told) = files.iter().find(|file| file["path"] == *path) else {
            return wrong(format!("it does not tell of {path}"));
        };
        let stored = witness.artifactory.stored_file(planned.repository, &path);
        let same = stored.is_some_and(|stored| told["sha256"] == *stored.digests.sha256);
        if !promise.dry_run && !same {
            return wrong(format!("{path} is stored with another digest"));
        }
    }
    Ok(())
}

fn report(zip: &[u8]) -> Result<Value, Box<dyn std::error::Error>> {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip))?;
    let mut text = String::new();
    zip.by_name("publish-report.json")?.read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// I2: whoever says that nothing was published has published nothing. A claim that S3 writes down after its job's end,
/// long after its sender has given it up, looks like that of a dead worker: nobody can tell (README, Limits).
pub(super) fn i2_nothing_was_published_where_that_is_said(witness: &Witness, promise: &Promise) -> Verdict {
    let JobResult::Failed { message, .. } = witness.pipeline.result(&promise.job) else { return Ok(()) };
    match ours(witness, promise) {
        Some(_) if has_a_late_claim(witness, promise) || was_refused(witness, promise) => Ok(()),
        Some(file) if message.contains("Nothing was published") => {
            Err(format!("I2: {} says that nothing was published, and {} was: {message}", promise.job, file.path))
        }
        _ => Ok(()),
    }
}

/// Whether an answer to the job was refused before: it waited for a worker still, and that one knows nothing of the work
/// of the one before.
fn was_refused(witness: &Witness, Promise { job, .. }: &Promise) -> bool {
    witness.seen.iter().any(|seen| {
        seen.service == pipeline::SERVICE
            && seen.request.header("x-amz-target").contains("PutJob")
            && seen.request.json()["jobId"] == job.as_str()
            && seen.status == Some(400)
    })
}

fn has_a_late_claim(witness: &Witness, Promise { job, .. }: &Promise) -> bool {
    let answered = witness.answers(job).filter_map(|seen| seen.handled).map(|it| it.order).min().unwrap_or(u64::MAX);
    let late = |seen: &Seen| {
        seen.service == s3::SERVICE
            && seen.request.method == Method::PUT
            && seen.request.path.ends_with(&format!("/{job}.json"))
            && seen.is_disturbed()
            && seen.handled.is_some_and(|it| it.order > answered)
    };
    witness.seen.iter().any(late)
}

/// I2: a dry run, and a job that another worker has, store nothing.
pub(super) fn i2_nothing_is_stored(witness: &Witness, promise: &Promise) -> Verdict {
    match ours(witness, promise) {
        None => Ok(()),
        Some(file) => Err(format!("I2: {} was stored, and should not be by {}", file.path, promise.job)),
    }
}

/// A planned file of this job that is there in our user's name.
fn ours(witness: &Witness, promise: &Promise) -> Option<StoredFile> {
    let stored = promise.planned.iter().flat_map(|planned| planned.stored(witness.artifactory));
    stored.into_iter().find(|file| file.created_by == USER)
}
