//! The baseline as a process: `baseline.py`, which does what the blog post's worker did.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::process;
use crate::stack::{PASSWORD, Stack, USER, aws, s3};

/// How to start one: with npm's home, which all of them share, so that npm's caches are warm.
#[derive(Debug)]
pub(crate) struct Baseline {
    python: PathBuf,
    home: TempDir,
}

/// A running one. It dies with its owner.
#[derive(Debug)]
pub(crate) struct Resident {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// The most memory that npm has held, in MiB.
    npm_peak: f64,
}

impl Baseline {
    /// With the Python of the environment that has boto3 in it.
    pub(crate) fn new(python: &Path) -> Self {
        let python =
            python.canonicalize().map(|_| python.to_owned()).expect("the environment of the baseline is there");
        Self { python, home: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// Starts a process; it has imported nothing yet.
    pub(crate) fn start(&self, stack: &Stack) -> Resident {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/bench/baseline.py");
        let home = self.home.path();
        let mut child = Command::new(&self.python)
            .arg(script)
            .env("AWS_REGION", aws::REGION)
            .env("AWS_DEFAULT_REGION", aws::REGION)
            .env("AWS_ACCESS_KEY_ID", s3::FUNCTION_ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", s3::FUNCTION_SECRET_ACCESS_KEY)
            .env("AWS_ENDPOINT_URL_CODEPIPELINE", stack.pipeline.url())
            .env("AWS_ENDPOINT_URL_S3", stack.s3.url())
            .env("AWS_CONFIG_FILE", home.join("none"))
            .env("AWS_SHARED_CREDENTIALS_FILE", home.join("none"))
            .env("BASELINE_USER", USER)
            .env("BASELINE_PASSWORD", PASSWORD)
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("npm_config_cache", home.join("cache"))
            // Where the measurement stops in the middle, an npm that is left behind ends at once.
            .env("npm_config_fetch_retries", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python starts");
        let (orders, answers) = (child.stdin.take().expect("it is piped"), child.stdout.take().expect("it is piped"));
        Resident { child, orders, answers: BufReader::new(answers).lines(), npm_peak: 0.0 }
    }
}

impl Resident {
    /// Tells it that a job is waiting.
    pub(crate) async fn order(&mut self) {
        self.orders.write_all(b"publish\n").await.expect("the baseline runs");
    }

    /// Waits until it has imported what it needs.
    pub(crate) async fn ready(&mut self) {
        self.answer().await;
    }

    /// Waits until it is done with a job.
    pub(crate) async fn done(&mut self) {
        let kilobytes = self.answer().await["npm_peak_kb"].as_f64().expect("the baseline tells what npm took");
        self.npm_peak = kilobytes / 1024.0;
    }

    async fn answer(&mut self) -> Value {
        let line = self.answers.next_line().await.expect("what the baseline says is text");
        let line = line.expect("the baseline does not end before it is done");
        serde_json::from_str(&line).expect("the baseline speaks JSON")
    }

    /// Seconds of processor time so far, npm's included.
    pub(crate) fn cpu(&self) -> f64 {
        process::cpu(self.id())
    }

    /// The most memory that it or npm has held, whichever is more, in MiB; they hold it at the same time.
    pub(crate) fn peak(&self) -> f64 {
        process::peak(self.id()).expect("the baseline runs").max(self.npm_peak)
    }

    fn id(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }
}
