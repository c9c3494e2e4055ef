//! The invariants of the design, each a check with its name, over what was seen of a run. Simulation, crash matrix, load
//! and every stack that ends use the same ones. A check that fails says what it saw.

mod builds;
mod claims;
mod existing;
mod invoked;
mod reports;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;

use super::artifactory::{self, Artifactory, StoredFile};
use super::http::{Request, Seen};
use super::pipeline::{self, CodePipeline, JobId, JobResult};
use super::planned::Planned;
use super::role::Role;
use super::s3::{self, S3};
use super::{JOURNAL, USER, lambda, secrets};

pub(crate) use builds::stamps;
pub(crate) use claims::{
    Duty, Held, How, Ran, Turn, Wall, i1_leases_are_kept, i1_only_the_owner_answers, i5_every_invocation_ends_in_time,
    i5_goes_on_at_the_first_tick, i5_no_tick_breaks_for_nothing, turns,
};

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
    pub(crate) role: &'a Role,
    /// Texts that must never be printed, reported or written down.
    pub(crate) secrets: Vec<String>,
    /// What each process of the function has printed.
    pub(crate) logs: Vec<String>,
    /// The clock that all processes go by, where they agree.
    pub(crate) wall: Option<Wall>,
    /// What was noted of the invocations.
    pub(crate) invocations: Vec<Ran>,
    pub(crate) allowed: Allowed,
}

/// What a run may do, for reasons that lie in what it is about. By default nothing.
#[derive(Debug, Default, Clone)]
pub(crate) struct Allowed {
    /// Claims that somebody spoiled: nobody can tell when their leases end.
    pub(crate) spoiled: Vec<String>,
    /// An acknowledgement is in doubt that nobody can clear up: the answer to a job may come before it.
    pub(crate) early_answers: bool,
    /// There are no tokens to be had, or so the server says.
    pub(crate) passwords: bool,
    /// The user may overwrite, and several processes publish the same: what they do to each other is a documented limit.
    pub(crate) replacing: bool,
    /// Keys that may stay in the journal.
    pub(crate) kept: Vec<String>,
    /// Tokens that are no connection's own.
    pub(crate) shared_tokens: Vec<String>,
}

/// Whose a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    Ours,
    /// A worker without our journal has acknowledged it.
    AnotherWorkers,
    /// Nobody waits for its answer any more.
    Nobodys,
}

/// How a job comes to its workers, and with that what is promised of it when one of them dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Polls offer it, and it is acknowledged. Whoever goes on with it is told of it again: it ends as if nothing had
    /// happened.
    Polled,
    /// An event brings it, once or more often, and nobody tells of it again. Whoever finds its claim can only end it, as a
    /// failure; and where every worker that had the event died before it had a claim, nobody knows of the job: it has no
    /// answer, and nothing was done. The event may come when the job has ended; then nothing more is done.
    Invoked,
}

/// What the end of a job must have brought.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub(crate) job: JobId,
    pub(crate) arrival: Arrival,
    pub(crate) whose: Whose,
    /// What a success promises to be in the repository.
    pub(crate) planned: Vec<Planned>,
    /// How many packages that is.
    pub(crate) packages: usize,
    /// Bucket and key of the output artifact.
    pub(crate) output: Option<(String, String)>,
    /// What the files get that it stores.
    pub(crate) properties: Vec<(String, String)>,
    /// It is to send nothing.
    pub(crate) dry_run: bool,
}

impl Promise {
    /// A job of ours that publishes these files.
    pub(crate) fn of(job: &JobId, planned: &[Planned]) -> Self {
        Self {
            job: job.clone(),
            arrival: Arrival::Polled,
            whose: Whose::Ours,
            planned: planned.to_vec(),
            packages: planned.len(),
            output: None,
            properties: Vec::new(),
            dry_run: false,
        }
    }

    /// Whether no other job that publishes has a file in common with this one.
    fn is_alone(&self, promises: &[Self]) -> bool {
        let place = |planned: &Planned| (planned.repository, planned.path.clone());
        let mine: BTreeSet<_> = self.planned.iter().map(place).collect();
        let others = promises.iter().filter(|other| other.job != self.job && !other.dry_run);
        others.flat_map(|other| &other.planned).all(|planned| !mine.contains(&place(planned)))
    }
}

/// All that must hold of a run that has come to its end, whatever it was about.
pub(crate) fn all(witness: &Witness, promises: &[Promise], before: &[StoredFile]) -> Verdict {
    i5_every_invocation_ends_in_time(witness)?;
    i5_no_tick_breaks_for_nothing(witness)?;
    i1_leases_are_kept(witness)?;
    i1_only_the_owner_answers(witness)?;
    for promise in promises {
        let Promise { job, arrival, whose, planned, dry_run, .. } = promise;
        let alone = promise.is_alone(promises);
        match whose {
            Whose::Ours => {}
            Whose::AnotherWorkers => {
                i1_no_job_of_another_worker_is_answered(witness, job)?;
                if alone {
                    reports::i2_nothing_is_stored(witness, promise)?;
                }
                continue;
            }
            // Any number of answers is taken, and has no effect.
            Whose::Nobodys => continue,
        }
        match arrival {
            Arrival::Polled => i1_one_answer(witness, job)?,
            Arrival::Invoked => {
                invoked::i1_one_answer_or_nobody_knew_of_it(witness, promise, alone)?;
                invoked::i2_nothing_is_done_after_the_answer(witness, promise, alone)?;
            }
        }
        if !witness.allowed.early_answers {
            i1_no_answer_before_the_acknowledgement(witness, job)?;
        }
        if *dry_run && alone {
            reports::i2_nothing_is_stored(witness, promise)?;
        }
        if !dry_run {
            i2_true_success(witness, job, planned)?;
        }
        reports::i2_the_report_is_true(witness, promise)?;
        reports::i2_the_output_is_true(witness, promise)?;
        if alone && !dry_run {
            i2_properties_are_set(witness, promise, before)?;
        }
        if alone {
            reports::i2_nothing_was_published_where_that_is_said(witness, promise)?;
        }
        builds::i2_a_job_makes_one_build(witness, promise)?;
        builds::i2_the_pom_comes_last(witness, promise)?;
    }
    builds::i3_every_build_is_of_a_job(witness, promises)?;
    i3_nothing_that_existed_is_changed(witness, before)?;
    existing::i3_nothing_that_existed_is_sent(witness, before)?;
    if !witness.allowed.replacing {
        i3_nothing_is_stored_twice(witness)?;
    }
    i3_nothing_unplanned_is_stored(witness, before, promises.iter().flat_map(|promise| &promise.planned))?;
    i4_no_leak(witness)?;
    if !witness.allowed.passwords {
        i4_passwords_buy_tokens_alone(witness)?;
    }
    i5_the_journal_is_empty(witness, promises)?;
    i5_no_refusal_is_tried_again(witness)?;
    i5_goes_on_at_the_first_tick(witness)?;
    i6_the_role_allows_what_is_asked_for(witness)?;
    i6_nothing_else_is_asked_for(witness)
}

/// Where it is written that the job of an Invoke action has ended.
pub(crate) fn mark(job: &JobId) -> String {
    format!("ended/{job}.json")
}

/// A user's secret as basic authentication writes it.
pub(crate) fn basic(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
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
    let JobResult::Succeeded { variables, .. } = witness.pipeline.result(job) else { return Ok(()) };
    if planned.is_empty() {
        return Err(format!("I2: {job} holds no package, and succeeded"));
    }
    let stamp = builds::told(planned, &variables);
    let is_there = |file: &Planned| file.is_in(witness.artifactory, stamp.as_deref());
    planned.iter().try_for_each(|file| is_there(file).map_err(|why| format!("I2: {job}: {why}")))
}

/// I2: after a success the files that it stored have the properties that were asked for.
fn i2_properties_are_set(witness: &Witness, promise: &Promise, before: &[StoredFile]) -> Verdict {
    let JobResult::Succeeded { variables, .. } = witness.pipeline.result(&promise.job) else { return Ok(()) };
    let stamp = builds::told(&promise.planned, &variables);
    for Planned { repository, path, .. } in
        promise.planned.iter().map(|planned| Planned { path: planned.at(stamp.as_deref()), ..planned.clone() })
    {
        if before.iter().any(|before| before.repository == repository && before.path == path) {
            continue;
        }
        let properties = witness.artifactory.properties(repository, &path);
        let has = |(key, value): &&(String, String)| {
            properties.get(key).is_some_and(|found| found == std::slice::from_ref(value))
        };
        if let Some((key, value)) = promise.properties.iter().find(|pair| !has(pair)) {
            return Err(format!("I2: {path} has not {key}={value}: {properties:?}"));
        }
    }
    Ok(())
}

/// I3: what was there is there, with the same bytes, properties and author.
pub(crate) fn i3_nothing_that_existed_is_changed(witness: &Witness, before: &[StoredFile]) -> Verdict {
    for before in before {
        let Some(after) = witness.artifactory.stored_file(&before.repository, &before.path) else {
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

/// I3: no version is stored a second time, and no dist-tag is put where it is: jobs may want one on versions of their own
/// each, and move it from one to the other.
pub(crate) fn i3_nothing_is_stored_twice(witness: &Witness) -> Verdict {
    let mut stores: BTreeMap<String, usize> = BTreeMap::new();
    let mut tags: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for Seen { service, request, status, .. } in &witness.seen {
        let taken = *service == artifactory::SERVICE && matches!(status, Some(200 | 201));
        if !taken || !is_store(request) || request.path.contains("/api/storage/") {
            continue;
        }
        if request.path.contains("/dist-tags/") {
            if tags.insert(&request.path, &request.body) == Some(&request.body) {
                return Err(format!("I3: {} was put on the same version again", request.path));
            }
        } else {
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
    let planned: Vec<&Planned> = planned.into_iter().collect();
    let place = |file: &StoredFile| (file.repository.clone(), file.path.clone());
    let before: BTreeSet<_> = before.iter().map(place).collect();
    let ours = |file: &StoredFile| file.created_by == USER && planned.iter().any(|planned| planned.fits(file));
    let known = |file: &StoredFile| before.contains(&place(file)) || ours(file);
    match witness.artifactory.all_files().into_iter().find(|file| !known(file)) {
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

/// I5: what was acknowledged by a worker that is dead is answered by the first tick after its lease.
pub(crate) fn i5_is_answered_at_the_first_tick(witness: &Witness, due: &[JobId]) -> Verdict {
    match due.iter().find(|job| matches!(witness.pipeline.result(job), JobResult::Pending { .. })) {
        None => Ok(()),
        Some(job) => Err(format!("I5: {job} was not answered by the first tick after its lease")),
    }
}

/// I5: whatever was claimed was answered or left to the next tick, and there is none left: no claim, but for these keys.
pub(crate) fn i5_no_claim_is_left(witness: &Witness, forgiven: &[String]) -> Verdict {
    let mut left = witness.s3.keys(JOURNAL, "jobs/");
    left.retain(|key| !forgiven.contains(key));
    if left.is_empty() { Ok(()) } else { Err(format!("I5: claims are left in the journal: {left:?}")) }
}

/// I5: where nothing foreign was ever in the journal, nothing is in it at the end but the marks of Invoke actions' jobs that
/// have ended.
pub(crate) fn i5_the_journal_is_empty(witness: &Witness, promises: &[Promise]) -> Verdict {
    let invoked = promises.iter().filter(|promise| promise.arrival == Arrival::Invoked);
    let marks: BTreeSet<String> = invoked.map(|promise| mark(&promise.job)).collect();
    let mut left = witness.s3.keys(JOURNAL, "");
    left.retain(|key| !witness.allowed.kept.contains(key) && !marks.contains(key));
    if left.is_empty() { Ok(()) } else { Err(format!("I5: the journal holds {left:?}")) }
}

/// I5: what Artifactory has refused for good, or who stands in for it, is not sent again by the same connection, which a
/// token of its own tells. After a 401 the connection has another token. It may look for what it has sent.
pub(crate) fn i5_no_refusal_is_tried_again(witness: &Witness) -> Verdict {
    let shared = &witness.allowed.shared_tokens;
    let mut refused: BTreeMap<(&str, String), (u16, u64)> = BTreeMap::new();
    let sent = |seen: &&Seen| {
        let authorization = seen.request.header("authorization");
        seen.service == artifactory::SERVICE
            && is_store(&seen.request)
            && authorization.strip_prefix("Bearer ").is_some_and(|token| !shared.iter().any(|it| it == token))
    };
    let mut sent: Vec<&Seen> = witness.seen.iter().filter(sent).collect();
    sent.sort_by_key(|seen| seen.order);
    for Seen { request, order, told, .. } in sent {
        let what = (request.header("authorization"), stored_by(request));
        // Of two that were on their way at once neither came after the other's refusal.
        if let Some((status, _)) = refused.get(&what).filter(|(_, told)| told < order) {
            return Err(format!("I5: PUT {} was refused with {status}, and sent again", request.path));
        }
        // That the server cannot do without the body is no refusal of the file.
        let question = request.header("x-checksum-deploy") == "true" && !matches!(told, Some((401 | 403, _)));
        if let Some((status @ (400 | 401 | 403 | 404 | 409 | 413), at)) = told.as_ref().filter(|_| !question) {
            refused.entry(what).or_insert((*status, at.order));
        }
    }
    Ok(())
}

/// I6: the function asks AWS for nothing that the template's role does not allow.
pub(crate) fn i6_the_role_allows_what_is_asked_for(witness: &Witness) -> Verdict {
    match witness.role.refused().as_slice() {
        [] => Ok(()),
        refused => Err(format!("I6: template.yaml (as tests/stack/role/template.json has it) refuses {refused:#?}")),
    }
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
            Method::POST => below("/api/security/token") || below("/access/api/v1/tokens") || is_upload(request),
            Method::DELETE => below("/access/api/v1/tokens"),
            Method::GET => {
                below(STORAGE)
                    || below("/api/repositories/")
                    || path.ends_with("/api/system/ping")
                    || below_npm(path)
                    || below_simple(path)
                    || tells_builds(path)
            }
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

/// What a repository tells of the builds of a Maven snapshot.
fn tells_builds(path: &str) -> bool {
    path.ends_with("-SNAPSHOT/maven-metadata.xml")
}

/// A project's page in Python's simple index, not one of its files.
fn below_simple(path: &str) -> bool {
    path.split_once("/api/pypi/").is_some_and(|(_, rest)| rest.contains("/simple/") && rest.ends_with('/'))
}

/// The upload form of Python's legacy API.
fn is_upload(request: &Request) -> bool {
    request.method == Method::POST && request.path.contains("/api/pypi/")
}

/// Whether it is to put something into the repository.
fn is_store(request: &Request) -> bool {
    request.method == Method::PUT || is_upload(request)
}

/// A stored file is read where its digest is not ours, to see whether the same files are in it, and its head where the
/// storage API does not tell: the very file that the storage API was asked about, by its own path or by the npm API's.
fn is_compared(request: &Request, looked_at: &BTreeSet<&str>) -> bool {
    let path = request.path.trim_start_matches("/artifactory/");
    matches!(request.method, Method::GET | Method::HEAD) && looked_at.contains(path.trim_start_matches("api/npm/"))
}

/// What the JSON services call a request.
fn operation(request: &Request) -> &str {
    request.header("x-amz-target").split('.').next_back().unwrap_or_default()
}

/// What a store is of: the path, and the versions in an npm document or the file in an upload form.
fn stored_by(request: &Request) -> String {
    if is_upload(request) {
        let text = String::from_utf8_lossy(&request.body);
        let file = text.split("; filename=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        return format!("{} {file}", request.path);
    }
    let document = request.json();
    let versions = document["versions"].as_object().into_iter().flatten().map(|(version, _)| version.as_str());
    versions.fold(request.path.clone(), |what, version| format!("{what} {version}"))
}
