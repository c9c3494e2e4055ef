//! Connections that break: a proxy before one emulator, which lets so many bytes of one request, or of its answer,
//! through and no more.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Which way the bytes go that are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// From the worker: the service gets a part of the request, and does nothing.
    Request,
    /// From the service: it has done what it was asked for, and a part of its answer arrives.
    Answer,
}

/// What is cut: the first request to come whose head contains this text.
#[derive(Debug, Clone)]
struct Cut {
    head: String,
    side: Side,
    after: usize,
}

/// How many bytes of the last request that was to be cut, and of its answer, have come by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) request: usize,
    pub(crate) answer: usize,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<Cut>,
    length: Length,
}

/// The proxy; dropping it ends its connections.
#[derive(Debug)]
pub(crate) struct Cutter {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Cutter {
    /// A proxy before whatever listens at this `http://host:port`.
    pub(crate) async fn before(url: &str) -> Self {
        let server: SocketAddr = url.trim_start_matches("http://").parse().expect("emulators have plain addresses");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of 127.0.0.1 can be bound");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                while connections.try_join_next().is_some() {}
                connections.spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks the connection after so many bytes of the next request whose head contains `head`, or of its answer.
    pub(crate) fn cut(&self, head: &str, side: Side, after: usize) {
        let mut state = self.state.lock().expect("no test panics while it holds this");
        state.armed = Some(Cut { head: head.to_owned(), side, after });
    }

    /// Whether the request that was to be cut has come.
    pub(crate) fn has_cut(&self) -> bool {
        self.state.lock().expect("no test panics while it holds this").armed.is_none()
    }

    /// How long the request was, and its answer, as far as they were let through.
    pub(crate) fn length(&self) -> Length {
        self.state.lock().expect("no test panics while it holds this").length
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection: what comes is passed on, until it is cut.
async fn pass(client: TcpStream, server: SocketAddr, state: Arc<Mutex<State>>) {
    let Ok(service) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), service.set_nodelay(true));
    let ((from_client, to_client), (from_service, to_service)) = (client.into_split(), service.into_split());
    let cut = Mutex::new(None);
    // Whichever side ends, or is cut, ends both.
    tokio::select! {
        _ = requests(from_client, to_service, &state, &cut) => {}
        _ = answers(from_service, to_client, &state, &cut) => {}
    }
}

async fn requests(
    mut client: OwnedReadHalf,
    mut service: OwnedWriteHalf,
    state: &Mutex<State>,
    cut: &Mutex<Option<Cut>>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = client.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let most = {
            let mut state = state.lock().expect("no test panics while it holds this");
            let mut cut = cut.lock().expect("no test panics while it holds this");
            if let Some(armed) = state.armed.take_if(|armed| contains(&buffer[..read], &armed.head)) {
                *cut = Some(armed);
                state.length = Length::default();
            }
            match &*cut {
                None => read,
                Some(cut) => {
                    let before = state.length.request;
                    state.length.request += read;
                    if cut.side == Side::Request { read.min(cut.after.saturating_sub(before)) } else { read }
                }
            }
        };
        service.write_all(&buffer[..most]).await?;
        if most < read {
            return Ok(());
        }
    }
}

async fn answers(
    mut service: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    state: &Mutex<State>,
    cut: &Mutex<Option<Cut>>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = service.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let most = {
            let mut state = state.lock().expect("no test panics while it holds this");
            match &*cut.lock().expect("no test panics while it holds this") {
                None => read,
                Some(cut) => {
                    let before = state.length.answer;
                    state.length.answer += read;
                    if cut.side == Side::Answer { read.min(cut.after.saturating_sub(before)) } else { read }
                }
            }
        };
        client.write_all(&buffer[..most]).await?;
        if most < read {
            return Ok(());
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
