//! What meets each request: its time on the way, perhaps a fault, perhaps its sender's death. Each is drawn from the
//! seed and from the request's own name, so that what befalls one request does not depend on the order of the others.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::process::PROCESS;
use super::world::World;
use crate::stack::http::{Disturbance, Fault, Request};
use crate::stack::{artifactory, pipeline, s3, secrets};

/// The weather of one simulation.
pub(super) struct Weather {
    world: Arc<World>,
    counts: HashMap<(&'static str, String), u64>,
    /// Requests since the last death.
    since_death: usize,
    deaths: usize,
}

impl Weather {
    pub(super) fn of(world: &Arc<World>) -> Self {
        Self { world: Arc::clone(world), counts: HashMap::new(), since_death: 0, deaths: 0 }
    }

    /// Decides what meets this request.
    pub(super) fn meet(&mut self, service: &'static str, request: &Request) -> Disturbance {
        let world = Arc::clone(&self.world);
        let fate = &world.fate;
        let dice = &mut self.dice(fate.seed, service, request);
        let delay = Duration::from_millis(dice.u64(1..=fate.latency));
        self.seize(request);
        if self.world.elapsed() >= fate.trouble_ends {
            return Disturbance { delay, ..Disturbance::default() };
        }
        if let Some(death) = fate.deaths.get(self.deaths) {
            if self.since_death >= death.after
                && let Some(victim) = self.world.running(request.header(PROCESS))
            {
                (self.since_death, self.deaths) = (0, self.deaths + 1);
                world.note(format!("process {victim} dies {:?} {}", death.moment, name(request)));
                let blow = (
                    death.moment,
                    Box::new({
                        let world = Arc::clone(&world);
                        move || world.kill(victim)
                    }) as Box<dyn FnOnce() + Send>,
                );
                return Disturbance { delay, fault: None, blow: Some(blow) };
            }
            self.since_death += 1;
        }
        let fault = (dice.u64(..1_000) < fate.faults).then(|| fault(dice, service, request));
        if let Some(fault) = &fault {
            self.world.note(format!("{service} {} meets {fault:?}", name(request)));
        }
        Disturbance { delay, fault, blow: None }
    }

    fn dice(&mut self, seed: u64, service: &'static str, request: &Request) -> Rng {
        let name = name(request);
        let count = self.counts.entry((service, name.clone())).or_default();
        *count += 1;
        let mut hasher = DefaultHasher::new();
        (seed, service, name, *count).hash(&mut hasher);
        Rng::with_seed(hasher.finish())
    }

    /// A stranger is faster with the jobs that the seed gives it.
    fn seize(&self, request: &Request) {
        if !request.header("x-amz-target").ends_with("AcknowledgeJob") {
            return;
        }
        let body = request.json();
        let id = body["jobId"].as_str().unwrap_or_default();
        if let Some(id) = self.world.seizable(id) {
            self.world.note(format!("a stranger acknowledges {id}"));
            self.world.pipeline.seize(&id);
        }
    }
}

/// What a request asks for.
pub(super) fn name(request: &Request) -> String {
    let body = request.json();
    let operation = request.header("x-amz-target").split('.').next_back().unwrap_or_default();
    let job = body["jobId"].as_str().unwrap_or_default();
    format!("{} {}{operation} {job}", request.method, request.path)
}

fn fault(dice: &mut Rng, service: &'static str, request: &Request) -> Fault {
    let while_ = Duration::from_millis(*dice.choice(&[50, 500, 2_000, 12_000, 40_000]).unwrap_or(&50));
    match dice.u8(..9) {
        0 => Fault::DropBefore,
        1 => Fault::DropAfter,
        2 => Fault::Late(while_),
        3 => Fault::Delay(while_),
        4 => Fault::Truncate(dice.usize(0..40)),
        // A package's document, and a stored archive, is read on a thread of its own; as long as such a thread waits for
        // us the clock stands.
        5 if ["/api/npm/", "/api/pypi/", "/-/"].iter().any(|part| request.path.contains(part)) => Fault::Late(while_),
        5 => Fault::Stall { after: dice.usize(0..40), pause: while_ },
        _ => refusal(dice, service, request),
    }
}

fn refusal(dice: &mut Rng, service: &'static str, request: &Request) -> Fault {
    let json = |status, code: &str| {
        let body = format!("{{\"__type\":\"{code}\",\"message\":\"drawn by the seed\"}}");
        answer(status, "application/x-amz-json-1.1", body)
    };
    let xml = |status, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>drawn by the seed</Message></Error>");
        answer(status, "application/xml", body)
    };
    let html = |status| answer(status, "text/html", "<html>no gateway</html>".to_owned());
    match service {
        pipeline::SERVICE | secrets::SERVICE => match dice.u8(..3) {
            0 => json(400, "ThrottlingException"),
            1 => json(500, "InternalFailure"),
            _ => html(503),
        },
        s3::SERVICE => match dice.u8(..4) {
            3 if !request.header("if-match").is_empty() || !request.header("if-none-match").is_empty() => {
                xml(409, "ConditionalRequestConflict")
            }
            0 => xml(503, "SlowDown"),
            1 => xml(500, "InternalError"),
            _ => html(502),
        },
        artifactory::SERVICE => {
            let echo = format!("refused: {} {}", request.header("authorization"), request.path);
            let status = *dice.choice(&[401, 403, 403, 429, 500, 502, 503]).unwrap_or(&500);
            answer(status, "text/plain", echo)
        }
        _ => html(500),
    }
}

fn answer(status: u16, kind: &str, body: String) -> Fault {
    Fault::Answer { status, headers: vec![("content-type".to_owned(), kind.to_owned())], body }
}
