//! One request over the wire: its time limits, its retries within a budget, and its error in words that hold no
//! secret. Whom it is authorized as, and what an answer means for a package, is decided above.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response};

use super::body::{self, Progress};
use super::budget::Budget;
use super::error::{At, NetworkError, Purpose, RegistryError};
use super::network::Reach;
use super::reply::{self, Refusal, Verdict};
use super::retry::Pacing;
use crate::archive::ArchiveError;
use crate::credential::{SecretText, Spellings};
use crate::deadline::Deadline;
use crate::step;

/// Most that is read of an answer that is read whole.
const MOST_TEXT: usize = 64 << 10;
/// What is cut off the end of an answer that was longer, because a secret may be cut in two there.
const CUT: usize = 4 << 10;
/// Longest quotation of a server's words, in characters.
const MOST_SAID: usize = 300;
/// How long is waited for a server's words once its status is known.
const SAYING: Duration = Duration::from_secs(5);
/// How fast a server must at least digest what it was sent, in bytes per second, before its silence counts.
const SLOWEST_DIGEST: u64 = 8 << 20;

/// The connection of one job.
pub(super) struct Wire {
    client: Client,
    pub(super) pacing: Pacing,
    reach: Reach,
    secrets: RwLock<Vec<Spellings>>,
    sent: AtomicU64,
    retries: AtomicU32,
}

/// A request, but for a step's body.
pub(super) struct Request<'a> {
    pub(super) purpose: Purpose,
    pub(super) method: Method,
    /// The path as people are shown it.
    pub(super) path: &'a str,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Option<Payload>,
}

/// A body that is no file.
#[derive(Clone)]
pub(super) enum Payload {
    /// `application/x-www-form-urlencoded`
    Form(String),
    /// `application/json`
    Json(String),
}

/// Why an attempt brought no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// The server cannot have seen it.
    Unsent(Box<NetworkError>),
    /// The server may have seen it, and may have done it.
    InFlight(Box<NetworkError>),
    /// Our own bytes failed.
    Body(ArchiveError),
    /// The invocation ends.
    OutOfTime,
}

/// An attempt that did not succeed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: RegistryError,
    pub(super) again: Again,
    /// Whether the server may have done what it was asked for all the same.
    pub(super) in_doubt: bool,
}

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// Yes, not before the pause that the server asks for.
    After(Option<Duration>),
}

/// How the body of a good answer is read. A broken body is worth another attempt.
pub(super) trait Take: Sync {
    type Taken: Send;
    /// Whether the body is a file, which may take as long as it moves.
    const IS_FILE: bool = false;
    fn take(
        &self,
        wire: &Wire,
        response: Response,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Self::Taken, Lost>> + Send;
}

/// Reads the body whole; more than [`MOST_TEXT`] is cut.
pub(super) struct Text;

/// An answer with its body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: Bytes,
}

impl Take for Text {
    type Taken = Answer;

    async fn take(&self, wire: &Wire, mut response: Response, deadline: Deadline) -> Result<Answer, Lost> {
        let status = response.status().as_u16();
        let mut text = BytesMut::new();
        while text.len() < MOST_TEXT {
            let Some(chunk) = wire.next_chunk(&mut response, deadline).await? else {
                break;
            };
            text.extend_from_slice(&chunk);
        }
        text.truncate(MOST_TEXT);
        Ok(Answer { status, text: text.freeze() })
    }
}

impl Wire {
    pub(super) fn new(client: Client, reach: Reach, pacing: Pacing, hidden: &[SecretText]) -> Self {
        let secrets = RwLock::new(hidden.iter().map(SecretText::spellings).collect());
        Self { client, pacing, reach, secrets, sent: AtomicU64::new(0), retries: AtomicU32::new(0) }
    }

    /// Blanks this text out of everything that is told about answers.
    pub(super) fn hide(&self, secret: &SecretText) {
        self.secrets.write().unwrap_or_else(PoisonError::into_inner).push(secret.spellings());
    }

    /// Bytes of bodies sent, and attempts beyond the first of each request.
    pub(super) fn stats(&self) -> (u64, u32) {
        (self.sent.load(Ordering::Relaxed), self.retries.load(Ordering::Relaxed))
    }

    /// Waits for the next attempt; whether there is one.
    pub(super) async fn again(&self, budget: &mut Budget, retry_after: Option<Duration>) -> bool {
        let Some(pause) = budget.pause(retry_after).filter(|pause| *pause < budget.deadline.left()) else {
            return false;
        };
        self.retries.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(pause).await;
        true
    }

    /// Sends a request that may be repeated, until it is answered for good or the budget is spent.
    pub(super) async fn ask<T: Take>(
        &self,
        request: &Request<'_>,
        take: &T,
        budget: &mut Budget,
    ) -> Result<T::Taken, RegistryError> {
        loop {
            let Failed { error, again, .. } = match self.attempt(request, take, budget).await {
                Ok(taken) => return Ok(taken),
                Err(failed) => failed,
            };
            match again {
                Again::After(asked) if self.again(budget, asked).await => {}
                Again::Never | Again::After(_) => return Err(error),
            }
        }
    }

    /// Sends a request once.
    pub(super) async fn attempt<T: Take>(
        &self,
        request: &Request<'_>,
        take: &T,
        budget: &Budget,
    ) -> Result<T::Taken, Failed> {
        let deadline = budget.deadline;
        let whole = async {
            let mut response = self.open(request, deadline).await?;
            let mut redirected = false;
            if request.method == Method::GET
                && let Some(target) = redirect(&response)
            {
                let mut onward = request.headers.clone();
                onward.remove(AUTHORIZATION);
                let asked = self.client.get(target).headers(onward);
                response =
                    self.within(deadline, self.pacing.idle, asked.send()).await?.map_err(|error| self.lost(error))?;
                redirected = true;
            }
            match self.judge(request, response, redirected, budget).await {
                Ok(response) => take.take(self, response, deadline).await.map(Ok),
                Err(failed) => Ok(Err(failed)),
            }
        };
        let most = if T::IS_FILE { Duration::MAX } else { self.pacing.whole };
        match self.within(deadline, most, whole).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(lost)) | Err(lost) => Err(failed(request, lost, budget)),
        }
    }

    async fn open(&self, request: &Request<'_>, deadline: Deadline) -> Result<Response, Lost> {
        let mut sent = self.client.request(request.method.clone(), &request.url).headers(request.headers.clone());
        if let Some(payload) = &request.payload {
            let (kind, text) = match payload {
                Payload::Form(text) => ("application/x-www-form-urlencoded", text),
                Payload::Json(text) => ("application/json", text),
            };
            sent = sent.header(CONTENT_TYPE, HeaderValue::from_static(kind)).body(text.clone());
        }
        self.within(deadline, self.pacing.idle, sent.send()).await?.map_err(|error| self.lost(error))
    }

    /// Sends a step's body, once. It is begun for as long as there is any time, however large it is: how fast it will go
    /// nobody knows, and with the time that a large one lacks nothing else could be done. One that is under way when time
    /// is over is dropped, and whether it has arrived all the same is what the next tick looks for before it sends it again.
    pub(super) async fn deliver(
        &self,
        request: &Request<'_>,
        body: &step::Body,
        file: &str,
        budget: &Budget,
    ) -> Result<Response, Failed> {
        if budget.deadline.left().is_zero() {
            return Err(failed(request, Lost::OutOfTime, budget));
        }
        let (stream, progress) = body::start(body, file);
        let sent =
            self.client.request(request.method.clone(), &request.url).headers(request.headers.clone()).body(stream);
        let outcome = tokio::select! {
            outcome = sent.send() => outcome.map_err(|error| self.lost(error)),
            silent = silence(&progress, body.size(), self.pacing.idle) => Err(Lost::InFlight(silent.into())),
            () = tokio::time::sleep_until(budget.deadline.work_ends()) => Err(Lost::OutOfTime),
        };
        self.sent.fetch_add(progress.sent(), Ordering::Relaxed);
        if let Some(error) = progress.take_failure() {
            return Err(failed(request, Lost::Body(error), budget));
        }
        match outcome {
            Ok(response) => self.judge(request, response, false, budget).await,
            Err(lost) => Err(failed(request, lost, budget)),
        }
    }

    /// The answer, if it is a success; else what is wrong, with the server's words.
    async fn judge(
        &self,
        request: &Request<'_>,
        response: Response,
        redirected: bool,
        budget: &Budget,
    ) -> Result<Response, Failed> {
        self.reach.answered();
        let status = response.status().as_u16();
        let verdict = match reply::judge(status, response.headers(), budget.deadline.now_millis()) {
            Verdict::Done => {
                self.reach.let_in();
                return Ok(response);
            }
            // Elsewhere nobody knows us: what is said there says nothing about us or the repository.
            Verdict::Refused(_) if redirected => Verdict::Refused(Refusal::Redirected),
            verdict => verdict,
        };
        let by_proxy = reply::is_squids_own(response.headers()) && status != 407;
        let cause = by_proxy.then(|| Box::new(NetworkError::answered_by_proxy(response.url())));
        let unidentified = self.reach.unidentified(status, response.headers());
        let said = self.said(response, budget.deadline).await;
        let at = At { status: Some(status), said, ..place(request) };
        let unavailable = |at, cause| RegistryError::Unavailable { at, attempts: budget.attempts(), cause };
        let (error, again) = match verdict {
            Verdict::Again(asked) => (unavailable(at, cause), Again::After(asked)),
            Verdict::Refused(_) if by_proxy => (unavailable(at, cause), Again::Never),
            Verdict::Refused(Refusal::Unauthorized) => (RegistryError::Unauthorized(at), Again::Never),
            Verdict::Refused(Refusal::Forbidden) => (RegistryError::Forbidden(at), Again::Never),
            Verdict::Refused(Refusal::NotFound) => (RegistryError::NotFound(at), Again::Never),
            Verdict::Refused(Refusal::Rejected) => (RegistryError::rejected(at, unidentified), Again::Never),
            Verdict::Refused(Refusal::Redirected) => (RegistryError::Redirected(at), Again::Never),
            Verdict::Refused(Refusal::Unavailable) => (unavailable(at, cause), Again::Never),
            Verdict::Done | Verdict::Refused(Refusal::Unintelligible) => {
                let problem = "that is no status of a final answer";
                (RegistryError::Unintelligible { at, problem }, Again::Never)
            }
        };
        Err(Failed { error, again, in_doubt: reply::may_have_stored(status) })
    }

    /// The server's words, fit to be shown.
    async fn said(&self, response: Response, deadline: Deadline) -> String {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        if let Some(target) = location.and_then(|location| response.url().join(location).ok()) {
            // Without its query, which may hold a signature.
            let host = target.host_str().unwrap_or_default();
            let port = target.port().map(|port| format!(":{port}")).unwrap_or_default();
            return self.presentable(&format!("go to {}://{host}{port}{}", target.scheme(), target.path()));
        }
        let read = Text.take(self, response, deadline);
        // Words are a help, no more; the status has said what matters.
        let limit = self.pacing.idle.min(SAYING);
        let Ok(Ok(Answer { text, .. })) = tokio::time::timeout(limit, read).await else {
            return String::new();
        };
        let kept = if text.len() >= MOST_TEXT { text.len().saturating_sub(CUT) } else { text.len() };
        // Blanked out before the words are taken out of their quotes, and again after it.
        let text = self.blanked(&String::from_utf8_lossy(text.get(..kept).unwrap_or_default()));
        self.presentable(&reply::words(text.as_bytes()))
    }

    fn blanked(&self, text: &str) -> String {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| secret.blanked(text))
    }

    /// The text without secrets, and not longer than a message has room for.
    pub(super) fn presentable(&self, text: &str) -> String {
        let text = self.blanked(text);
        match text.char_indices().nth(MOST_SAID) {
            None => text,
            Some(_) => text.chars().take(MOST_SAID - 1).chain(['…']).collect(),
        }
    }

    /// The next piece of an answer's body; `None` at its end.
    pub(super) async fn next_chunk(&self, response: &mut Response, deadline: Deadline) -> Result<Option<Bytes>, Lost> {
        self.within(deadline, self.pacing.idle, response.chunk()).await?.map_err(|error| self.lost(error))
    }

    fn lost(&self, error: reqwest::Error) -> Lost {
        let error = Box::new(self.reach.error(error));
        if error.is_unsent() { Lost::Unsent(error) } else { Lost::InFlight(error) }
    }

    /// Waits no longer than `own` and the deadline allow.
    async fn within<F: Future>(&self, deadline: Deadline, own: Duration, future: F) -> Result<F::Output, Lost> {
        let left = deadline.left();
        if left.is_zero() {
            return Err(Lost::OutOfTime);
        }
        tokio::time::timeout(own.min(left), future)
            .await
            .map_err(|_| if left <= own { Lost::OutOfTime } else { Lost::InFlight(NetworkError::Silent(own).into()) })
    }
}

/// Ends when an upload has stopped moving for `idle`. Waiting for our own source does not count: it has limits of
/// its own. After the last byte the server is given time to digest `size` bytes.
async fn silence(progress: &Progress, size: u64, idle: Duration) -> NetworkError {
    loop {
        let limit = if progress.sent() < size { idle } else { idle + Duration::from_secs(size / SLOWEST_DIGEST) };
        if tokio::time::timeout(limit, progress.moved.notified()).await.is_err() && !progress.is_starved() {
            return NetworkError::Silent(limit);
        }
    }
}

fn redirect(response: &Response) -> Option<::url::Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    reply::redirect_target(response.url(), response.headers().get(LOCATION)?.to_str().ok()?)
}

/// Where a request goes, before there is an answer.
pub(super) fn place(request: &Request<'_>) -> At {
    At {
        purpose: request.purpose,
        method: request.method.to_string(),
        path: request.path.to_owned(),
        status: None,
        said: String::new(),
    }
}

fn failed(request: &Request<'_>, lost: Lost, budget: &Budget) -> Failed {
    let at = place(request);
    let unavailable = |at, cause| RegistryError::Unavailable { at, attempts: budget.attempts(), cause: Some(cause) };
    let (error, again, in_doubt) = match lost {
        Lost::Unsent(cause) => {
            let again = if cause.may_pass() { Again::After(None) } else { Again::Never };
            (unavailable(at, cause), again, false)
        }
        Lost::InFlight(cause) => (unavailable(at, cause), Again::After(None), true),
        Lost::Body(error) => (RegistryError::Body(error), Again::Never, false),
        Lost::OutOfTime => {
            let At { purpose, method, path, .. } = at;
            (RegistryError::OutOfTime { purpose, method, path }, Again::Never, true)
        }
    };
    Failed { error, again, in_doubt }
}
