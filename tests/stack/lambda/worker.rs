//! A worker: the function's binary as a process, in the environment that Lambda gives it and nothing else of
//! the machine's, its output kept in memory. It does not outlive the test.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Ended, FUNCTION, RuntimeApi, Shared, serve};
use crate::stack::http::Server;

/// How long a killed process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// How long a test waits for a process that is about to end by itself.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// One running process.
#[derive(Debug)]
pub(crate) struct Worker {
    environment: usize,
    process: Process,
    shared: Arc<Shared>,
    /// The Runtime API that this process talks to, and no other.
    _server: Server,
}

/// What test, monitor and Runtime API share of a process.
#[derive(Debug, Clone)]
pub(super) struct Process(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    child: Mutex<Option<Child>>,
    spawned: Instant,
    first_next: Mutex<Option<Duration>>,
    lines: Mutex<Vec<String>>,
    /// Both ends of its output are closed.
    closed: AtomicBool,
    changed: Notify,
}

impl Worker {
    /// Starts the binary with Lambda's own variables and then these.
    pub(crate) async fn spawn(binary: &Path, environment: &[(String, String)], runtime: &RuntimeApi) -> Self {
        let shared = Arc::clone(&runtime.shared);
        let number = shared.add();
        let server = serve(Arc::clone(&shared), runtime.traffic.clone(), number).await;
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "en_US.UTF-8")
            .env("TZ", ":UTC")
            .env("AWS_REGION", crate::stack::aws::REGION)
            .env("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023")
            .env("AWS_LAMBDA_RUNTIME_API", server.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{FUNCTION}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("2026/11/23/[$LATEST]{number:032x}"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let process = Process(Arc::new(Inner {
            child: Mutex::default(),
            spawned: Instant::now(),
            first_next: Mutex::default(),
            lines: Mutex::default(),
            closed: AtomicBool::new(false),
            changed: Notify::new(),
        }));
        // Known before it runs: it may ask for work sooner than this thread goes on.
        shared.state().environments[number].process = Some(process.clone());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{} cannot start: {error}", binary.display()));
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        *process.child() = Some(child);

        let (out, err) = (process.clone(), process.clone());
        let (watched, monitor) = (process.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            tokio::join!(out.keep(stdout.expect("it is piped")), err.keep(stderr.expect("it is piped")));
            watched.close();
            monitor.ended(number, Ended::ByItself, &watched.logs());
        });
        Self { environment: number, process, shared, _server: server }
    }

    /// Kills it as the machine would, at once and without a word, and waits until it is gone.
    pub(crate) async fn kill(&self) -> ExitStatus {
        self.shared.ended(self.environment, Ended::Killed, &self.logs());
        self.process.kill();
        self.process.wait().await
    }

    /// What kills it, for a place that cannot wait for it to be gone.
    pub(crate) fn killer(&self) -> impl Fn() + Send + use<> {
        let (shared, environment, process) = (Arc::clone(&self.shared), self.environment, self.process.clone());
        move || {
            process.kill();
            shared.ended(environment, Ended::Killed, &process.logs());
        }
    }

    /// Waits until nothing is left of a process that is killed.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + use<> {
        let process = self.process.clone();
        async move { process.until(|| process.0.closed.load(Ordering::SeqCst).then_some(())).await }
    }

    /// Waits until the process has ended.
    pub(crate) async fn exited(&self) -> ExitStatus {
        // Until then the process stays where a passed deadline finds it.
        let closed = self.process.until(|| self.process.0.closed.load(Ordering::SeqCst).then_some(()));
        let ended = tokio::time::timeout(ENDED_WITHIN, closed).await;
        assert!(ended.is_ok(), "the worker still runs after {ENDED_WITHIN:?}; it wrote:\n{}", self.logs());
        self.process.wait().await
    }

    /// The process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.child().as_ref().and_then(Child::id)
    }

    /// Everything that it has written, to standard output and standard error, line by line as it came.
    pub(crate) fn logs(&self) -> String {
        self.process.logs()
    }

    /// Waits until a line of the output contains this, and returns the line.
    pub(crate) async fn wait_for_log(&self, needle: &str, timeout: Duration) -> String {
        let find = || self.process.lines().iter().find(|line| line.contains(needle)).cloned();
        let found = tokio::time::timeout(timeout, self.process.until(find)).await;
        found.unwrap_or_else(|_| panic!("no line with '{needle}' after {timeout:?}; there were:\n{}", self.logs()))
    }

    /// How long it took from the start to the first request for work; `None` before it.
    pub(crate) fn first_next(&self) -> Option<Duration> {
        self.process.first_next()
    }

    /// Waits for the first request for work.
    pub(crate) async fn ready(&self, timeout: Duration) -> Duration {
        let asked = tokio::time::timeout(timeout, self.process.until(|| self.first_next())).await;
        asked.unwrap_or_else(|_| {
            panic!("the worker has asked for no work after {timeout:?}; it wrote:\n{}", self.logs())
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.ended(self.environment, Ended::Killed, "");
        self.process.kill();
        self.process.reap();
    }
}

impl Process {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.child.lock().expect("no test panics while it holds this")
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lines.lock().expect("no test panics while it holds this")
    }

    fn logs(&self) -> String {
        self.lines().concat()
    }

    fn first_next(&self) -> Option<Duration> {
        *self.0.first_next.lock().expect("no test panics while it holds this")
    }

    /// Notes the first request for work.
    pub(super) fn asked_for_work(&self) {
        let mut first = self.0.first_next.lock().expect("no test panics while it holds this");
        first.get_or_insert_with(|| self.0.spawned.elapsed());
        self.0.changed.notify_waiters();
    }

    /// Sends SIGKILL, where there still is something to kill.
    pub(super) fn kill(&self) {
        if let Some(child) = self.child().as_mut() {
            // It fails only for a process that is gone.
            let _ = child.start_kill();
        }
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }

    /// Waits for a process that has been killed or has closed its output.
    async fn wait(&self) -> ExitStatus {
        let child = self.child().take();
        let mut child = child.expect("one task at a time waits for a process");
        let status = child.wait().await.expect("a child can be waited for");
        *self.child() = Some(child);
        status
    }

    /// Waits for a killed process without a runtime, which may be gone when a test ends.
    fn reap(&self) {
        let mut waited = Duration::ZERO;
        let step = Duration::from_millis(1);
        while waited < GONE_WITHIN {
            let gone = self.child().as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if gone {
                return;
            }
            std::thread::sleep(step);
            waited += step;
        }
    }

    /// Keeps what comes out of one of the two ends, until it closes.
    async fn keep(&self, from: impl AsyncRead + Unpin) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(1..) = from.read_until(b'\n', &mut line).await {
            if !line.ends_with(b"\n") {
                line.push(b'\n');
            }
            self.lines().push(String::from_utf8_lossy(&line).into_owned());
            line.clear();
            self.0.changed.notify_waiters();
        }
    }

    /// Waits until `find` finds something.
    async fn until<T>(&self, find: impl Fn() -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = find() {
                return found;
            }
            changed.await;
        }
    }
}
