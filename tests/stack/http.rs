//! One small HTTP/1.1 server that every emulator stands on: it binds port 0 on 127.0.0.1, hands whole
//! requests to a handler, counts and records them in one [`Traffic`] shared by the whole stack, and
//! applies the faults that a test has asked for.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryFutureExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// What every handler answers with: a body that may be streamed.
pub(crate) type Reply = hyper::Response<BoxBody<Bytes, BodyError>>;
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A whole request, its body collected, its path exactly as it came over the wire (still encoded).
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Encoded path, without the query.
    pub(crate) path: String,
    /// Encoded query, empty where there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// A header as text; empty where it is absent or not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; `Null` where it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }
}

/// A reply with a status, headers and a whole body.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut reply = hyper::Response::new(Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed());
    *reply.status_mut() = StatusCode::from_u16(status).expect("emulators send real status codes");
    for (name, value) in headers {
        reply.headers_mut().append(
            HeaderName::try_from(*name).expect("emulators send real header names"),
            HeaderValue::try_from(*value).expect("emulators send real header values"),
        );
    }
    reply
}

/// A reply with a JSON body.
pub(crate) fn json(status: u16, body: &serde_json::Value) -> Reply {
    reply(status, &[("content-type", "application/json")], body.to_string())
}

/// What happens to one request instead of, or around, its ordinary handling.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Answer with this and do not handle the request at all.
    Answer { status: u16, headers: Vec<(String, String)>, body: String },
    /// Close the connection before the request is handled: the server never saw it.
    DropBefore,
    /// Handle the request, then close the connection: the answer is lost.
    DropAfter,
    /// Handle the request and cut the answer's body after this many bytes.
    Truncate(usize),
    /// Wait before handling.
    Delay(Duration),
    /// Handle the request at once, and answer after this while.
    Late(Duration),
    /// Handle the request and send the answer, with this pause after its first bytes.
    Stall { after: usize, pause: Duration },
}

/// The two moments around the handling of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The service has not seen the request.
    Before,
    /// The service has done what it was asked for, and nobody has heard its answer.
    After,
}

/// Something that happens once, at one request.
struct Strike {
    at: usize,
    moment: Moment,
    blow: Box<dyn Fn() + Send>,
}

impl std::fmt::Debug for Strike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} request {}", self.moment, self.at)
    }
}

/// What meets one request, as whoever disturbs the traffic decides (see [`Traffic::disturb`]).
#[derive(Default)]
pub(crate) struct Disturbance {
    /// How long the request is on its way.
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
    /// What happens at this request; whoever sent it gets no answer.
    pub(crate) blow: Option<(Moment, Box<dyn FnOnce() + Send>)>,
}

type Disturb = Box<dyn FnMut(&'static str, &Request) -> Disturbance + Send>;

#[derive(Default)]
struct Disturber(Option<Disturb>);

impl std::fmt::Debug for Disturber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "disturbed" } else { "calm" })
    }
}

/// One rule: which requests a fault applies to, and how often.
#[derive(Debug)]
struct Rule {
    service: &'static str,
    method: Option<Method>,
    /// Matches where the path contains this, or the `X-Amz-Target` header ends with it.
    what: String,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// A request as it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: &'static str,
    pub(crate) request: Request,
    pub(crate) at: Instant,
    /// What the service made of it; `None` where it never handled it.
    pub(crate) status: Option<u16>,
}

/// Everything that went over the wire to any emulator of one stack, and the faults to come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    seen: Arc<Mutex<Vec<Seen>>>,
    rules: Arc<Mutex<Vec<Rule>>>,
    strike: Arc<Mutex<Option<Strike>>>,
    disturber: Arc<Mutex<Disturber>>,
    movement: Arc<AtomicU64>,
    changed: Arc<Notify>,
}

/// How long a test waits for a request that is about to come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Traffic {
    /// Does `blow` once, before or after the request with this number (from 0; the Runtime API's own are not counted)
    /// is handled. Whoever sent it gets no answer.
    pub(crate) fn strike(&self, at: usize, moment: Moment, blow: impl Fn() + Send + 'static) {
        let strike = Strike { at, moment, blow: Box::new(blow) };
        *self.strike.lock().expect("no test panics while it holds this") = Some(strike);
    }

    /// From now on asks `disturb` what meets each request, after the rules of [`Traffic::fault`].
    pub(crate) fn disturb(&self, disturb: impl FnMut(&'static str, &Request) -> Disturbance + Send + 'static) {
        self.disturber.lock().expect("no test panics while it holds this").0 = Some(Box::new(disturb));
    }

    /// Counts what the servers see: connections, requests, answers. As long as it moves, something is on its way.
    pub(crate) fn movement(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.movement)
    }

    fn moved(&self) {
        self.movement.fetch_add(1, Ordering::Relaxed);
    }

    fn disturbance(&self, service: &'static str, request: &Request) -> Disturbance {
        let mut disturber = self.disturber.lock().expect("no test panics while it holds this");
        disturber.0.as_mut().map(|disturb| disturb(service, request)).unwrap_or_default()
    }

    fn handled(&self, place: usize, status: u16) {
        let mut seen = self.seen.lock().expect("no test panics while it holds this");
        if let Some(seen) = seen.get_mut(place) {
            seen.status = Some(status);
        }
    }

    /// How many requests there were so far, the Runtime API's own aside.
    pub(crate) fn total(&self) -> usize {
        let seen = self.seen.lock().expect("no test panics while it holds this");
        seen.iter().filter(|seen| counts(seen.service)).count()
    }

    /// The strike that is due at the request with this number.
    fn due(&self, number: Option<usize>) -> Option<Strike> {
        let mut strike = self.strike.lock().expect("no test panics while it holds this");
        strike.take_if(|strike| Some(strike.at) == number)
    }

    /// Applies `fault` to the next `times` requests of `service` whose path contains `what` (or whose
    /// `X-Amz-Target` ends with it), after letting `skip` of them through.
    pub(crate) fn fault(
        &self,
        service: &'static str,
        method: Option<Method>,
        what: &str,
        skip: usize,
        times: usize,
        fault: Fault,
    ) {
        let rule = Rule { service, method, what: what.to_owned(), skip, times, fault };
        self.rules.lock().expect("no test panics while it holds this").push(rule);
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no test panics while it holds this").clone()
    }

    /// How many requests `service` has had whose method is `method` and whose path contains `what` (or
    /// whose `X-Amz-Target` ends with it).
    pub(crate) fn count(&self, service: &str, method: &Method, what: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.service == service && seen.request.method == method && matches(&seen.request, what))
            .count()
    }

    /// Waits until `service` has had so many requests of this kind (see [`Traffic::count`]).
    pub(crate) async fn wait_for(&self, service: &str, method: &Method, what: &str, count: usize) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.count(service, method, what) >= count {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{service} had no {count} requests {method} {what} after {PATIENCE:?}");
    }

    /// Writes a request down: its place among all, and its number among those that count.
    fn record(&self, service: &'static str, request: &Request) -> (usize, Option<usize>) {
        let mut seen = self.seen.lock().expect("no test panics while it holds this");
        let number = seen.iter().filter(|seen| counts(seen.service)).count();
        let place = seen.len();
        seen.push(Seen { service, request: request.clone(), at: Instant::now(), status: None });
        drop(seen);
        self.changed.notify_waiters();
        (place, counts(service).then_some(number))
    }

    fn fault_of(&self, service: &str, request: &Request) -> Option<Fault> {
        let mut rules = self.rules.lock().expect("no test panics while it holds this");
        for rule in rules.iter_mut() {
            let applies = rule.service == service
                && rule.method.as_ref().is_none_or(|method| *method == request.method)
                && matches(request, &rule.what);
            if !applies {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

fn counts(service: &str) -> bool {
    service != super::lambda::SERVICE
}

fn matches(request: &Request, what: &str) -> bool {
    request.path.contains(what) || (!what.is_empty() && request.header("x-amz-target").ends_with(what))
}

/// The way to a service's handler, faults and records included, with or without a socket before it.
#[derive(Clone)]
pub(crate) struct Door {
    service: &'static str,
    traffic: Traffic,
    handler: Arc<dyn Fn(Request) -> Handling + Send + Sync>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.service)
    }
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
    door: Door,
}

impl Server {
    /// Starts a server for `service` (the name it has in [`Traffic`]) on a free port of 127.0.0.1.
    pub(crate) async fn start<F, R>(service: &'static str, traffic: Traffic, handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        Self::start_on(0, service, traffic, handler).await
    }

    /// As [`Server::start`], on a port of the caller's choice (0 is any).
    pub(crate) async fn start_on<F, R>(port: u16, service: &'static str, traffic: Traffic, handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port of 127.0.0.1 can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let handler: Arc<dyn Fn(Request) -> Handling + Send + Sync> =
            Arc::new(move |request| Box::pin(handler(request)));
        let door = Door { service, traffic, handler };
        let entrance = door.clone();
        let task = tokio::spawn(async move {
            // The connections end with this task, so a dropped server is gone for its clients as well.
            let mut connections = JoinSet::new();
            loop {
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                while connections.try_join_next().is_some() {}
                let _ = socket.set_nodelay(true);
                door.traffic.moved();
                let door = door.clone();
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| enter(door.clone(), request));
                    // A client that goes away in the middle is a test's business, not this server's.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Self { address, task, door: entrance }
    }

    /// The way in without a socket.
    pub(crate) fn door(&self) -> Door {
        self.door.clone()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn enter(door: Door, request: hyper::Request<Incoming>) -> Result<Reply, BodyError> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    door.traffic.moved();
    let outcome = door.call(request).await;
    door.traffic.moved();
    outcome
}

impl Door {
    /// Answers a request as it is answered over the wire; an error is a lost connection.
    pub(crate) async fn call(&self, request: Request) -> Result<Reply, BodyError> {
        let (place, number) = self.traffic.record(self.service, &request);
        if let Some(strike) = self.traffic.due(number) {
            if strike.moment == Moment::After {
                self.handle(place, request).await;
            }
            (strike.blow)();
            return Err("whoever asked is gone".into());
        }
        let rule = self.traffic.fault_of(self.service, &request);
        let Disturbance { delay, fault, blow } = self.traffic.disturbance(self.service, &request);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if let Some((moment, blow)) = blow {
            if moment == Moment::After {
                self.handle(place, request).await;
            }
            blow();
            return Err("whoever asked is gone".into());
        }
        self.answer(place, request, rule.or(fault)).await
    }

    async fn handle(&self, place: usize, request: Request) -> Reply {
        let reply = (self.handler)(request).await;
        self.traffic.handled(place, reply.status().as_u16());
        reply
    }

    async fn answer(&self, place: usize, request: Request, fault: Option<Fault>) -> Result<Reply, BodyError> {
        match fault {
            None => Ok(self.handle(place, request).await),
            Some(Fault::Answer { status, headers, body }) => {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                Ok(reply(status, &headers, body))
            }
            Some(Fault::DropBefore) => Err("dropped before the request was handled".into()),
            Some(Fault::DropAfter) => {
                self.handle(place, request).await;
                Err("dropped after the request was handled".into())
            }
            Some(Fault::Delay(wait)) => {
                tokio::time::sleep(wait).await;
                Ok(self.handle(place, request).await)
            }
            Some(Fault::Late(wait)) => {
                let reply = self.handle(place, request).await;
                tokio::time::sleep(wait).await;
                Ok(reply)
            }
            Some(Fault::Truncate(keep)) => {
                in_two(self.handle(place, request).await, keep, |_| async {
                    // Without a pause hyper learns of the end before it has sent anything.
                    tokio::task::yield_now().await;
                    Err("cut here".into())
                })
                .await
            }
            Some(Fault::Stall { after, pause }) => {
                in_two(self.handle(place, request).await, after, move |rest| async move {
                    tokio::time::sleep(pause).await;
                    Ok(rest)
                })
                .await
            }
        }
    }
}

/// The same answer with its body's first bytes at once, and the rest as `then` makes it.
async fn in_two<F, R>(answer: Reply, first: usize, then: F) -> Result<Reply, BodyError>
where
    F: FnOnce(Bytes) -> R,
    R: Future<Output = Result<Bytes, BodyError>> + Send + Sync + 'static,
{
    let (mut parts, body) = answer.into_parts();
    let mut rest = body.collect().await?.to_bytes();
    parts.headers.insert("content-length", HeaderValue::from(rest.len()));
    let head = rest.split_to(first.min(rest.len()));
    let rest = then(rest).map_ok(Frame::data);
    let body = stream::once(std::future::ready(Ok(Frame::data(head)))).chain(stream::once(rest));
    Ok(hyper::Response::from_parts(parts, BodyExt::boxed(StreamBody::new(body))))
}
