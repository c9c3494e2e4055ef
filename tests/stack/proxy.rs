//! An HTTP proxy on 127.0.0.1: tunnels with CONNECT, and requests for `http://` addresses. It knows hosts by names that
//! nothing else on the machine knows, and can want a password or refuse.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Most of a request's head.
const HEAD: usize = 16 << 10;

/// What it does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Policy {
    /// Lets it through.
    Open,
    /// Lets it through with this `user:password`, else 407.
    Password(String),
    /// Refuses it with this status.
    Refuse(u16),
}

/// A running proxy; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one that connects `HOST:PORT` of `hosts` to these addresses, and nothing else.
    pub(crate) async fn start(policy: Policy, hosts: &[(&str, SocketAddr)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of 127.0.0.1 can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let hosts: HashMap<_, _> = hosts.iter().map(|(name, address)| ((*name).to_owned(), *address)).collect();
        let way = Arc::new(Way { policy, hosts, asked: Arc::clone(&asked) });
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                if let Ok((socket, _)) = listener.accept().await {
                    let way = Arc::clone(&way);
                    connections.spawn(async move { way.serve(socket).await });
                }
            }
        });
        Self { address, task, asked }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Method and target of every first request of a connection, and the answer's status: `CONNECT host:port 200`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics while it holds this").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Way {
    policy: Policy,
    hosts: HashMap<String, SocketAddr>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Way {
    async fn serve(&self, mut client: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if head.len() > HEAD || client.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let place = target.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or(target);
        let status = match (self.judge(&text), self.hosts.get(place)) {
            (200, None) => 502,
            (status, _) => status,
        };
        let line = format!("{method} {place} {status}");
        self.asked.lock().expect("no test panics while it holds this").push(line);
        if status != 200 {
            // Some show what they were given.
            let given = text.lines().find(|line| line.to_lowercase().starts_with("proxy-authorization: "));
            let body = format!("not from here {}", given.unwrap_or_default());
            let answer = format!(
                "HTTP/1.1 {status} No\r\nproxy-authenticate: Basic realm=\"proxy\"\r\nx-squid-error: ERR_ACCESS_DENIED 0\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            client.write_all(answer.as_bytes()).await.ok()?;
            return client.shutdown().await.ok();
        }
        let mut server = TcpStream::connect(self.hosts.get(place)?).await.ok()?;
        if method == "CONNECT" {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
        } else {
            // The servers of the stack take the whole address in a request's first line.
            server.write_all(&head).await.ok()?;
        }
        copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
    }

    fn judge(&self, head: &str) -> u16 {
        match &self.policy {
            Policy::Open => 200,
            Policy::Refuse(status) => *status,
            Policy::Password(password) => {
                let wanted = format!("proxy-authorization: basic {}", STANDARD.encode(password)).to_lowercase();
                if head.lines().any(|line| line.to_lowercase() == wanted) { 200 } else { 407 }
            }
        }
    }
}
