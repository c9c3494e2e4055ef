//! The HTTP server under every emulator: what it records, and each fault as a client sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Method;

use crate::stack::http::{Fault, Server, Traffic, reply};

const SERVICE: &str = "wire";

struct Fixture {
    traffic: Traffic,
    server: Server,
    handled: Arc<AtomicUsize>,
}

async fn start() -> Fixture {
    let (traffic, handled) = (Traffic::default(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&handled);
    let server = Server::start(SERVICE, traffic.clone(), move |request| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { reply(200, &[("x-path", &request.path)], request.body) }
    })
    .await;
    Fixture { traffic, server, handled }
}

impl Fixture {
    /// Sends over a connection of its own: status and body, or `None` where either did not come whole.
    async fn post(&self, path: &str, body: &'static str) -> Option<(u16, String)> {
        let url = format!("{}{path}", self.server.url());
        let answer = reqwest::Client::new().post(url).body(body).send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.text().await.ok()?))
    }

    fn handled(&self) -> usize {
        self.handled.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn every_request_is_recorded_as_it_came() {
    let fixture = start().await;
    assert_eq!(fixture.post("/a%2Fb?x=1&y", "body").await, Some((200, "body".into())));
    let seen = fixture.traffic.seen();
    assert_eq!((seen[0].request.path.as_str(), seen[0].request.query.as_str()), ("/a%2Fb", "x=1&y"));
    assert_eq!(seen[0].request.body, "body");
    assert_eq!(fixture.traffic.count(SERVICE, &Method::POST, "a%2F"), 1);
    assert_eq!(fixture.traffic.count(SERVICE, &Method::GET, "a%2F"), 0);
    assert_eq!(fixture.traffic.count("other", &Method::POST, "a%2F"), 0);
}

#[tokio::test]
async fn a_fault_hits_the_requests_it_names_and_no_others() {
    let fixture = start().await;
    let busy = Fault::Answer { status: 503, headers: vec![("retry-after".into(), "1".into())], body: "busy".into() };
    fixture.traffic.fault(SERVICE, Some(Method::POST), "/up", 1, 2, busy);
    let mut statuses = Vec::new();
    for path in ["/up", "/down", "/up", "/up", "/up"] {
        statuses.push(fixture.post(path, "body").await.unwrap().0);
    }
    assert_eq!(statuses, [200, 200, 503, 503, 200]);
    assert_eq!(fixture.handled(), 3, "an answered fault is not handled");
}

#[tokio::test]
async fn a_dropped_request_was_handled_or_was_not() {
    let fixture = start().await;
    fixture.traffic.fault(SERVICE, None, "/before", 0, 1, Fault::DropBefore);
    fixture.traffic.fault(SERVICE, None, "/after", 0, 1, Fault::DropAfter);
    assert_eq!(fixture.post("/before", "body").await, None);
    assert_eq!(fixture.handled(), 0);
    assert_eq!(fixture.post("/after", "body").await, None);
    assert_eq!(fixture.handled(), 1);
    assert_eq!(fixture.post("/before", "body").await, Some((200, "body".into())));
}

#[tokio::test]
async fn a_truncated_answer_promises_more_than_comes() {
    let fixture = start().await;
    fixture.traffic.fault(SERVICE, None, "", 0, 1, Fault::Truncate(2));
    let mut answer = reqwest::Client::new().post(fixture.server.url()).body("body").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.content_length()), (200, Some(4)));
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "bo");
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_delayed_answer_comes_late_and_whole() {
    let fixture = start().await;
    let delay = Duration::from_millis(80);
    fixture.traffic.fault(SERVICE, None, "", 0, 1, Fault::Delay(delay));
    let started = tokio::time::Instant::now();
    assert_eq!(fixture.post("/", "body").await, Some((200, "body".into())));
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn a_stalled_answer_begins_at_once_and_ends_after_the_pause() {
    let fixture = start().await;
    let pause = Duration::from_millis(80);
    fixture.traffic.fault(SERVICE, None, "", 0, 1, Fault::Stall { after: 2, pause });
    let mut answer = reqwest::Client::new().post(fixture.server.url()).body("body").send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "bo");
    let begun = tokio::time::Instant::now();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "dy");
    assert!(begun.elapsed() > pause / 2);
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_dropped_server_is_gone_for_open_connections_too() {
    let Fixture { server, .. } = start().await;
    let (client, url) = (reqwest::Client::new(), server.url());
    client.get(&url).send().await.unwrap().bytes().await.unwrap();
    drop(server);
    tokio::task::yield_now().await;
    assert!(client.get(&url).send().await.is_err());
}
