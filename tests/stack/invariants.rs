//! The invariants of the design, each a check with its name, over what was seen of a run. Simulation, crash matrix, load
//! and every stack that ends use the same ones. A check that fails says what it saw.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;

use super::artifactory::{self, Artifactory, StoredFile};
use super::http::{Request, Seen};
use super::pipeline::{self, CodePipeline, JobId, JobResult};
use super::planned::Planned;
use super::s3::{self, S3};
use super::{JOURNAL, REPOSITORY, USER, lambda, secrets};

/// Where the storage API is.
const STORAGE: &str = "/api/storage/";

/// What a broken invariant looks like.
pub(crate) type Verdict = Result<(), String>;

/// What a run has left behind.
pub(crate) struct Witness<'a> {
    /// Everything that went over the wire.
    pub(crate) seen: Vec<Seen>,
    pub(crate) pipeline: &'a CodePipeline,
    pub(crate) s3: &'a S3,
    /// The bucket that the function takes for its journal.
    pub(crate) journal: String,
    pub(crate) artifactory: &'a Artifactory,
    /// Texts that must never be printed, reported or written down.
    pub(crate) secrets: Vec<String>,
    /// What each process of the function has printed.
    pub(crate) logs: Vec<String>,
}

impl Witness<'_> {
    /// The results of this job that were taken, in the order of their arrival.
    pub(crate) fn answers<'w>(&'w self, job: &'w JobId) -> impl Iterator<Item = &'w Seen> {
        self.seen.iter().filter(move |seen| {
            seen.service == pipeline::SERVICE
                && seen.status == Some(200)
                && operation(&seen.request).starts_with("PutJob")
                && seen.request.json()["jobId"] == job.as_str()
        })
    }
}

/// I1: an acknowledged job has one terminal result; whoever repeats it says the same.
pub(crate) fn i1_one_answer(witness: &Witness, job: &JobId) -> Verdict {
    let answers: BTreeSet<_> = witness.answers(job).map(|seen| &seen.request.body).collect();
    match answers.len() {
        0 => Err(format!("I1: {job} has no answer: {:?}", witness.pipeline.result(job))),
        1 => Ok(()),
        count => Err(format!("I1: {job} was given {count} different answers: {answers:?}")),
    }
}

/// I1: what another worker has acknowledged is not ours to answer.
pub(crate) fn i1_no_job_of_another_worker_is_answered(witness: &Witness, job: &JobId) -> Verdict {
    match witness.answers(job).next() {
        None => Ok(()),
        Some(seen) => Err(format!("I1: {job} is another worker's, and was answered: {}", operation(&seen.request))),
    }
}

/// I1: what nobody has acknowledged is not ours to answer.
pub(crate) fn i1_no_answer_before_the_acknowledgement(witness: &Witness, job: &JobId) -> Verdict {
    if witness.pipeline.answered_early(job) {
        return Err(format!("I1: {job} was answered before anybody had acknowledged it"));
    }
    Ok(())
}

/// I2: after a success every planned file is there, and is ours.
pub(crate) fn i2_true_success(witness: &Witness, job: &JobId, planned: &[Planned]) -> Verdict {
    let JobResult::Succeeded { .. } = witness.pipeline.result(job) else { return Ok(()) };
    if planned.is_empty() {
        return Err(format!("I2: {job} holds no package, and succeeded"));
    }
    planned.iter().try_for_each(|file| file.is_in(witness.artifactory).map_err(|why| format!("I2: {job}: {why}")))
}

/// I3: what was there is there, with the same bytes, properties and author.
pub(crate) fn i3_nothing_that_existed_is_changed(witness: &Witness, before: &[StoredFile]) -> Verdict {
    for before in before {
        let Some(after) = witness.artifactory.stored_file(REPOSITORY, &before.path) else {
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
pub(crate) fn i3_nothing_is_stored_twice(witness: &Witness) -> Verdict {
    let mut stores: BTreeMap<String, usize> = BTreeMap::new();
    for Seen { service, request, status, .. } in &witness.seen {
        let taken = *service == artifactory::SERVICE && matches!(status, Some(200 | 201));
        if taken && request.method == Method::PUT && !request.path.contains("/api/storage/") {
            *stores.entry(stored_by(request)).or_default() += 1;
        }
    }
    match stores.into_iter().find(|(_, count)| *count > 1) {
        None => Ok(()),
        Some((what, count)) => Err(format!("I3: {what} was stored {count} times")),
    }
}

/// I3: nothing is stored but what was planned, and that in our user's name.
pub(crate) fn i3_nothing_unplanned_is_stored<'p>(
    witness: &Witness,
    before: &[StoredFile],
    planned: impl IntoIterator<Item = &'p Planned>,
) -> Verdict {
    let planned: BTreeSet<&str> = planned.into_iter().map(|planned| planned.path.as_str()).collect();
    let before: BTreeSet<&str> = before.iter().map(|file| file.path.as_str()).collect();
    let ours = |file: &StoredFile| planned.contains(file.path.as_str()) && file.created_by == USER;
    let known = |file: &StoredFile| before.contains(file.path.as_str()) || ours(file);
    match witness.artifactory.files(REPOSITORY).into_iter().find(|file| !known(file)) {
        None => Ok(()),
        Some(file) => Err(format!("I3: {} was stored by {}, and nobody planned it", file.path, file.created_by)),
    }
}

/// I4: no secret in a log, a result, the journal, or an answer to Lambda.
pub(crate) fn i4_no_leak(witness: &Witness) -> Verdict {
    let written = witness.seen.iter().filter(|seen| match seen.service {
        pipeline::SERVICE => operation(&seen.request) != "PollForJobs",
        s3::SERVICE => seen.request.method == Method::PUT,
        lambda::SERVICE => seen.request.method == Method::POST,
        _ => false,
    });
    let written = written.map(|Seen { service, request, .. }| {
        (format!("{service} {} {}", request.method, request.path), String::from_utf8_lossy(&request.body))
    });
    let logs = witness.logs.iter().map(|log| ("a log".to_owned(), log.as_str().into()));
    for (place, text) in written.chain(logs) {
        if witness.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            return Err(format!("I4: a secret is in {place}"));
        }
    }
    Ok(())
}

/// I4: where there are tokens to be had, a password goes to those who make them, and nowhere else.
pub(crate) fn i4_passwords_buy_tokens_alone(witness: &Witness) -> Verdict {
    let token = |line: &String| line.contains("/api/security/token") || line.contains("/access/api/v1/tokens");
    match witness.artifactory.password_seen().into_iter().find(|line| !token(line)) {
        None => Ok(()),
        Some(line) => Err(format!("I4: the password was sent with {line}")),
    }
}

/// I5: whatever was claimed was answered or left to the next tick, and there is none left: no claim, but for these keys.
pub(crate) fn i5_no_claim_is_left(witness: &Witness, forgiven: &[String]) -> Verdict {
    let mut left = witness.s3.keys(JOURNAL, "jobs/");
    left.retain(|key| !forgiven.contains(key));
    if left.is_empty() { Ok(()) } else { Err(format!("I5: claims are left in the journal: {left:?}")) }
}

/// I5: where nothing foreign was ever in the journal, nothing is in it at the end.
pub(crate) fn i5_the_journal_is_empty(witness: &Witness) -> Verdict {
    let left = witness.s3.keys(JOURNAL, "");
    if left.is_empty() { Ok(()) } else { Err(format!("I5: the journal holds {left:?}")) }
}

/// I5: what Artifactory has refused for good is not sent again by the same connection, which a token of its own tells.
pub(crate) fn i5_no_refusal_is_tried_again(witness: &Witness) -> Verdict {
    let mut refused = BTreeSet::new();
    for Seen { service, request, status, .. } in &witness.seen {
        let authorization = request.header("authorization");
        let sent = *service == artifactory::SERVICE && request.method == Method::PUT;
        let for_good = matches!(status, Some(400 | 403 | 404 | 409 | 413));
        if sent
            && for_good
            && authorization.starts_with("Bearer ")
            && !refused.insert((authorization, stored_by(request)))
        {
            return Err(format!("I5: PUT {} was refused, and sent again", request.path));
        }
    }
    Ok(())
}

/// I6: nothing is asked for but what a job needs: its artifacts, the secret, looks at and writes to Artifactory. No file
/// is downloaded from there.
pub(crate) fn i6_nothing_else_is_asked_for(witness: &Witness) -> Verdict {
    let artifacts = witness.pipeline.artifacts();
    let looked_at: BTreeSet<&str> =
        witness.seen.iter().filter_map(|seen| seen.request.path.split_once(STORAGE)).map(|(_, path)| path).collect();
    let needed = |seen: &Seen| is_needed(seen, &witness.journal, &artifacts) || is_compared(&seen.request, &looked_at);
    match witness.seen.iter().find(|seen| !needed(seen)) {
        None => Ok(()),
        Some(Seen { service, request, .. }) => {
            Err(format!("I6: {service} {} {} {}", request.method, request.path, operation(request)))
        }
    }
}

fn is_needed(Seen { service, request, .. }: &Seen, journal: &str, artifacts: &[(Method, String)]) -> bool {
    let Request { method, path, .. } = request;
    let below = |root: &str| path.split_once(root).is_some();
    match *service {
        lambda::SERVICE => true,
        // Not ours: the baseline that `make bench` compares with.
        _ if request.header("user-agent").starts_with("Boto3/") => true,
        pipeline::SERVICE => matches!(
            operation(request),
            "PollForJobs" | "AcknowledgeJob" | "GetJobDetails" | "PutJobSuccessResult" | "PutJobFailureResult"
        ),
        secrets::SERVICE => operation(request) == "GetSecretValue",
        s3::SERVICE => {
            path.split('/').nth(1) == Some(journal) || artifacts.iter().any(|(own, at)| own == method && at == path)
        }
        // Not ours: a test looks for itself.
        artifactory::SERVICE if !request.header("user-agent").starts_with("codepipeline-artifactory/") => true,
        artifactory::SERVICE => match *method {
            Method::POST => below("/api/security/token") || below("/access/api/v1/tokens"),
            Method::DELETE => below("/access/api/v1/tokens"),
            Method::GET => below(STORAGE) || below("/api/repositories/") || below_npm(path),
            Method::PUT => true,
            _ => false,
        },
        _ => false,
    }
}

/// A package's document or its dist-tags, not one of its archives.
fn below_npm(path: &str) -> bool {
    path.split_once("/api/npm/").is_some_and(|(_, rest)| !rest.contains("/-/") || rest.ends_with("/dist-tags"))
}

/// A stored file is read where its digest is not ours, to see whether the same files are in it: the very file that the
/// storage API was asked about, by its own path or by the npm API's.
fn is_compared(request: &Request, looked_at: &BTreeSet<&str>) -> bool {
    let path = request.path.trim_start_matches("/artifactory/");
    request.method == Method::GET && looked_at.contains(path.trim_start_matches("api/npm/"))
}

/// What the JSON services call a request.
fn operation(request: &Request) -> &str {
    request.header("x-amz-target").split('.').next_back().unwrap_or_default()
}

/// What a store is of: the path, and the versions in an npm document.
fn stored_by(request: &Request) -> String {
    let document = request.json();
    let versions = document["versions"].as_object().into_iter().flatten().map(|(version, _)| version.as_str());
    versions.fold(request.path.clone(), |what, version| format!("{what} {version}"))
}
