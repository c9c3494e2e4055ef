//! One small HTTP/1.1 server that every emulator stands on: it binds port 0 on 127.0.0.1, hands whole
//! requests to a handler, counts and records them in one [`Traffic`] shared by the whole stack, and
//! applies the faults that a test has asked for.

mod traffic;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryFutureExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use self::traffic::{Disturbance, Fault, Moment, Seen, Stamp, Traffic};

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

/// One request that came over a connection.
pub(super) async fn enter(door: Door, request: hyper::Request<Incoming>) -> Result<Reply, BodyError> {
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
            self.traffic.met(place, None, true);
            if strike.moment == Moment::After {
                self.handle(place, request).await;
            }
            (strike.blow)();
            return Err("whoever asked is gone".into());
        }
        let rule = self.traffic.fault_of(self.service, &request);
        let Disturbance { delay, fault, blow } = self.traffic.disturbance(self.service, &request);
        let fault = rule.or(fault);
        self.traffic.met(place, fault.as_ref(), blow.is_some());
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
        let outcome = self.answer(place, request, fault).await;
        if let Ok(reply) = &outcome {
            self.traffic.told(place, reply.status().as_u16());
        }
        outcome
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
