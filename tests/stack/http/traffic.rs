//! What goes over the wire to the emulators of one stack: every request as it was recorded, and the faults that meet
//! those to come.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Request;

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
pub(super) struct Strike {
    at: usize,
    pub(super) moment: Moment,
    pub(super) blow: Box<dyn Fn() + Send>,
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

/// A moment in the traffic: its place among all arrivals, handlings and answers, and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    pub(crate) order: u64,
    pub(crate) at: Instant,
}

/// A request as it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) service: &'static str,
    pub(crate) request: Request,
    pub(crate) at: Instant,
    /// The place of its arrival, with which it was sent as well.
    pub(crate) order: u64,
    /// What the service made of it; `None` where it never handled it.
    pub(crate) status: Option<u16>,
    /// When the service handled it.
    pub(crate) handled: Option<Stamp>,
    /// What its sender was told, and when, be it by the service or by a fault; `None` where no answer went out.
    pub(crate) told: Option<(u16, Stamp)>,
    /// What was done to it.
    pub(crate) fault: Option<Fault>,
    /// Whether its sender was to die of it.
    pub(crate) fatal: bool,
}

impl Seen {
    /// How long it took from the request's last byte until the service had handled it, delays included.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.handled.map(|handled| handled.at - self.at)
    }

    /// Whether anything but its ordinary handling met it.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.fault.is_some() || self.fatal || self.told.is_some_and(|(status, _)| status >= 500 || status == 429)
    }
}

/// Everything that went over the wire to any emulator of one stack, and the faults to come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    seen: Arc<Mutex<Vec<Seen>>>,
    rules: Arc<Mutex<Vec<Rule>>>,
    strike: Arc<Mutex<Option<Strike>>>,
    disturber: Arc<Mutex<Disturber>>,
    movement: Arc<AtomicU64>,
    order: Arc<AtomicU64>,
    /// How many requests there were so far that count.
    total: Arc<AtomicUsize>,
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

    pub(super) fn moved(&self) {
        self.movement.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn disturbance(&self, service: &'static str, request: &Request) -> Disturbance {
        let mut disturber = self.disturber.lock().expect("no test panics while it holds this");
        disturber.0.as_mut().map(|disturb| disturb(service, request)).unwrap_or_default()
    }

    pub(super) fn handled(&self, place: usize, status: u16) {
        let mut seen = self.seen.lock().expect("no test panics while it holds this");
        if let Some(seen) = seen.get_mut(place) {
            seen.status = Some(status);
            seen.handled = Some(self.stamp());
        }
    }

    /// Notes what the sender of a request was told.
    pub(super) fn told(&self, place: usize, status: u16) {
        let mut seen = self.seen.lock().expect("no test panics while it holds this");
        if let Some(seen) = seen.get_mut(place) {
            seen.told = Some((status, self.stamp()));
        }
    }

    /// Notes what is done to a request.
    pub(super) fn met(&self, place: usize, fault: Option<&Fault>, fatal: bool) {
        let mut seen = self.seen.lock().expect("no test panics while it holds this");
        if let Some(seen) = seen.get_mut(place) {
            seen.fault = fault.cloned();
            seen.fatal = fatal;
        }
    }

    /// The next moment in the traffic.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { order: self.order.fetch_add(1, Ordering::Relaxed), at: Instant::now() }
    }

    /// Takes back a strike that has not been due.
    pub(crate) fn spare(&self) {
        self.strike.lock().expect("no test panics while it holds this").take();
    }

    /// How many requests there were so far, the Runtime API's own aside.
    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// The strike that is due at the request with this number.
    pub(super) fn due(&self, number: Option<usize>) -> Option<Strike> {
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
    pub(super) fn record(&self, service: &'static str, request: &Request) -> (usize, Option<usize>) {
        let mut seen = self.seen.lock().expect("no test panics while it holds this");
        let number = counts(service).then(|| self.total.fetch_add(1, Ordering::Relaxed));
        let place = seen.len();
        let Stamp { order, at } = self.stamp();
        let request = request.clone();
        seen.push(Seen {
            service,
            request,
            at,
            order,
            status: None,
            handled: None,
            told: None,
            fault: None,
            fatal: false,
        });
        drop(seen);
        self.changed.notify_waiters();
        (place, number)
    }

    pub(super) fn fault_of(&self, service: &str, request: &Request) -> Option<Fault> {
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
    service != crate::stack::lambda::SERVICE
}

fn matches(request: &Request, what: &str) -> bool {
    request.path.contains(what) || (!what.is_empty() && request.header("x-amz-target").ends_with(what))
}
