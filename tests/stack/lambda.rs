//! Lambda as its runtime sees it: the Runtime API (2018-06-01) hands out what tests invoke and takes the
//! answers. A [`Worker`] is one execution environment, the function's real process on an address of its own.

mod worker;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::aws::{ACCOUNT, REGION};
use super::http::{Reply, Request, Server, Traffic, json as json_reply, reply};
use super::vault::Clock;

pub(crate) use self::worker::Worker;

/// The name of this service in [`Traffic`].
pub(crate) const SERVICE: &str = "lambda";
/// The name of the one function.
pub(crate) const FUNCTION: &str = "codepipeline-artifactory";
const INVOCATIONS: &str = "/2018-06-01/runtime/invocation/";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
/// The largest answer that Lambda takes, in bytes.
const ANSWER_LIMIT: usize = 6 * 1024 * 1024 + 100;
/// How long an invocation waits for a worker to ask for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why an invocation has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InvocationError {
    /// The function answered with an error.
    Handler { error_type: String, message: String },
    /// The function told that it cannot start.
    Init { error_type: String, message: String },
    /// The process ended first; its last lines.
    Exited { logs: String },
    /// The deadline passed; as at AWS the process was killed.
    TimedOut { after: Duration },
    /// No worker asked for it.
    NeverTaken,
}

/// One event and the time that the function has for it.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    event: Value,
    deadline: Duration,
    deadline_header: Option<String>,
}

impl Invocation {
    pub(crate) fn new(event: Value, deadline: Duration) -> Self {
        Self { event, deadline, deadline_header: None }
    }

    /// Sends this as the deadline's header, whatever the deadline is: local tools send a duration there.
    pub(crate) fn deadline_header(mut self, text: &str) -> Self {
        self.deadline_header = Some(text.into());
        self
    }
}

type Answer = Result<Value, InvocationError>;

#[derive(Debug)]
struct Waiting {
    id: String,
    invocation: Invocation,
    taken: oneshot::Sender<usize>,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug)]
struct InFlight {
    environment: usize,
    answer: oneshot::Sender<Answer>,
}

/// One process, or whoever uses the address that [`RuntimeApi::address`] gives (number 0).
#[derive(Debug)]
struct Environment {
    alive: bool,
    process: Option<worker::Process>,
}

#[derive(Debug, Default)]
struct State {
    count: u64,
    waiting: VecDeque<Waiting>,
    in_flight: HashMap<String, InFlight>,
    environments: Vec<Environment>,
    /// Why the next invocation must fail at once: nothing is left that could take it.
    broken: Option<InvocationError>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

/// The running Runtime API. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeApi {
    shared: Arc<Shared>,
    traffic: Traffic,
    server: Arc<Server>,
}

impl RuntimeApi {
    pub(crate) async fn start(traffic: Traffic) -> Self {
        let shared = Arc::new(Shared::default());
        shared.state().environments.push(Environment { alive: true, process: None });
        let server = serve(Arc::clone(&shared), traffic.clone(), 0).await;
        Self { shared, traffic, server: Arc::new(server) }
    }

    /// `127.0.0.1:PORT`, as `AWS_LAMBDA_RUNTIME_API` holds it, for a process that is no [`Worker`].
    pub(crate) fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// Invokes the function and waits for its answer; the deadline runs from when a worker takes the event.
    pub(crate) async fn invoke(&self, event: Value, deadline: Duration) -> Answer {
        self.send(Invocation::new(event, deadline)).await
    }

    /// As [`RuntimeApi::invoke`], with everything that an invocation can be told.
    pub(crate) async fn send(&self, invocation: Invocation) -> Answer {
        let deadline = invocation.deadline;
        let (taken, when_taken) = oneshot::channel();
        let (answer, when_answered) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if let Some(broken) = state.broken.take() {
                return Err(broken);
            }
            state.count += 1;
            let id = format!("00000000-0000-4000-8000-{:012x}", state.count);
            state.waiting.push_back(Waiting { id, invocation, taken, answer });
        }
        self.shared.changed.notify_waiters();

        let environment = match tokio::time::timeout(PATIENCE, when_taken).await {
            Ok(Ok(environment)) => environment,
            // The function failed to start: the answer is there already.
            Ok(Err(_)) => return when_answered.await.unwrap_or(Err(InvocationError::NeverTaken)),
            Err(_) => return Err(InvocationError::NeverTaken),
        };
        let Ok(answer) = tokio::time::timeout(deadline, when_answered).await else {
            self.shared.condemn(environment);
            return Err(InvocationError::TimedOut { after: deadline });
        };
        answer.unwrap_or(Err(InvocationError::NeverTaken))
    }
}

async fn serve(shared: Arc<Shared>, traffic: Traffic, environment: usize) -> Server {
    Server::start(SERVICE, traffic, move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.handle(environment, &request).await }
    })
    .await
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    async fn handle(&self, environment: usize, request: &Request) -> Reply {
        if request.method == Method::POST && request.path == INIT_ERROR {
            return self.init_failed(request);
        }
        let Some(rest) = request.path.strip_prefix(INVOCATIONS) else {
            return reply(404, &[], "");
        };
        match (&request.method, rest.split_once('/')) {
            (&Method::GET, None) if rest == "next" => self.next(environment).await,
            (&Method::POST, Some((id, "response"))) if request.body.len() > ANSWER_LIMIT => {
                let message = format!("Exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes).");
                let error_type = "Function.ResponseSizeTooLarge".to_owned();
                self.answered(id, Err(InvocationError::Handler { error_type, message: message.clone() }));
                refusal(413, "RequestEntityTooLarge", &message)
            }
            (&Method::POST, Some((id, "response"))) => {
                let answer = serde_json::from_slice(&request.body).map_err(|error| InvocationError::Handler {
                    error_type: "Runtime.InvalidResponse".into(),
                    message: error.to_string(),
                });
                self.answered(id, answer)
            }
            (&Method::POST, Some((id, "error"))) => {
                let (error_type, message) = told(request);
                self.answered(id, Err(InvocationError::Handler { error_type, message }))
            }
            _ => reply(404, &[], ""),
        }
    }

    /// Waits for an event as long as it takes.
    async fn next(&self, environment: usize) -> Reply {
        self.first_next(environment);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(reply) = self.take(environment) {
                return reply;
            }
            changed.await;
        }
    }

    fn first_next(&self, environment: usize) {
        if let Some(process) = &self.state().environments[environment].process {
            process.asked_for_work();
        }
        self.changed.notify_waiters();
    }

    fn take(&self, environment: usize) -> Option<Reply> {
        let mut state = self.state();
        if !state.environments[environment].alive {
            return Some(refusal(410, "Runtime.Gone", "this environment has ended"));
        }
        if state.in_flight.values().any(|taken| taken.environment == environment) {
            return Some(refusal(403, "InvalidStateTransition", "State is not ready for the next invocation"));
        }
        // An invocation that nobody waits for any more is not handed out.
        let (id, invocation, answer) = loop {
            let Waiting { id, invocation, taken, answer } = state.waiting.pop_front()?;
            if taken.send(environment).is_ok() {
                break (id, invocation, answer);
            }
        };
        let deadline = invocation.deadline_header.unwrap_or_else(|| {
            let at = Clock::default().now() + invocation.deadline;
            at.duration_since(UNIX_EPOCH).expect("deadlines are after 1970").as_millis().to_string()
        });
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}");
        let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0";
        let headers = [
            ("content-type", "application/json"),
            ("lambda-runtime-aws-request-id", id.as_str()),
            ("lambda-runtime-deadline-ms", deadline.as_str()),
            ("lambda-runtime-invoked-function-arn", arn.as_str()),
            ("lambda-runtime-trace-id", trace),
        ];
        let reply = reply(200, &headers, invocation.event.to_string());
        state.in_flight.insert(id, InFlight { environment, answer });
        Some(reply)
    }

    fn answered(&self, id: &str, answer: Answer) -> Reply {
        let Some(invocation) = self.state().in_flight.remove(id) else {
            return refusal(400, "InvalidRequestID", "Invalid request ID");
        };
        // The test may have stopped waiting.
        let _ = invocation.answer.send(answer);
        json_reply(202, &json!({ "status": "OK" }))
    }

    fn init_failed(&self, request: &Request) -> Reply {
        let (error_type, message) = told(request);
        self.state().fail_next(InvocationError::Init { error_type, message });
        json_reply(202, &json!({ "status": "OK" }))
    }

    /// Makes a place for a new process.
    fn add(&self) -> usize {
        let mut state = self.state();
        state.broken = None;
        state.environments.push(Environment { alive: true, process: None });
        state.environments.len() - 1
    }

    /// The environment takes nothing any more; what it had in hand fails.
    fn ended(&self, environment: usize, cause: Ended, logs: &str) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.environments[environment].alive, false) {
            return;
        }
        let of_this = |_: &String, taken: &mut InFlight| taken.environment == environment;
        let lost: Vec<_> = state.in_flight.extract_if(of_this).collect();
        for (_, invocation) in lost {
            let _ = invocation.answer.send(Err(InvocationError::Exited { logs: logs.to_owned() }));
        }
        let others = state.environments.iter().skip(1).any(|environment| environment.alive);
        if cause == Ended::ByItself && !others && state.broken.is_none() {
            state.fail_next(InvocationError::Exited { logs: logs.to_owned() });
        }
    }

    /// The deadline has passed: the process is killed.
    fn condemn(&self, environment: usize) {
        if let Some(process) = &self.state().environments[environment].process {
            process.kill();
        }
        self.ended(environment, Ended::Killed, "");
    }
}

/// Why an environment has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByItself,
    Killed,
}

impl State {
    /// Fails the invocation that waits longest, or else the next one to come.
    fn fail_next(&mut self, error: InvocationError) {
        match self.waiting.pop_front() {
            Some(waiting) => {
                // The order matters: whoever waits for `taken` looks for the answer next.
                let _ = waiting.answer.send(Err(error));
                drop(waiting.taken);
            }
            None => self.broken = Some(error),
        }
    }
}

/// Type and message of an error that the runtime sends.
fn told(request: &Request) -> (String, String) {
    let body = request.json();
    let text = |member: &str| body[member].as_str().map(ToOwned::to_owned);
    let header = request.header("lambda-runtime-function-error-type").to_owned();
    (text("errorType").unwrap_or(header), text("errorMessage").unwrap_or_default())
}

fn refusal(status: u16, error_type: &str, message: &str) -> Reply {
    json_reply(status, &json!({ "errorType": error_type, "errorMessage": message }))
}
