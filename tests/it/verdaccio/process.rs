//! The real registry as a process of its own: a fresh one, with one user, that ends with its owner.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use tempfile::TempDir;

/// What it prints when it can be asked.
const READY: &str = "listening on ";

/// A running verdaccio; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Verdaccio {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Verdaccio {
    /// Starts an empty one for this user; `prefix` is what addresses in its answers have before their paths.
    pub(crate) fn start(prefix: &str, user: &str, password: &str) -> Self {
        let modules = installed();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let digest = STANDARD.encode(Sha1::digest(password.as_bytes()));
        fs::write(folder.path().join("htpasswd"), format!("{user}:{{SHA}}{digest}\n")).expect("the folder is ours");
        let log = fs::File::create(folder.path().join("errors")).expect("the folder is ours");
        #[expect(clippy::disallowed_methods, reason = "a real registry is what this test is about")]
        let mut command = Command::new("node");
        let process = command
            .arg(committed().join("serve.js"))
            .arg(folder.path())
            .arg(prefix)
            .env("NODE_PATH", modules)
            .env("HOME", folder.path())
            // Held open as long as it may run: it ends even where a killed test drops nothing.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("node cannot be started ({error}): the tests need Node 20 or later with npm")
            });
        // From here on a panic ends the process as well.
        let mut registry = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        registry.wait_until_ready();
        registry
    }

    fn wait_until_ready(&mut self) {
        let mut output = BufReader::new(self.process.stdout.take().expect("it is piped"));
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let length = output.read_line(&mut line).unwrap_or(0);
            assert!(length > 0, "verdaccio has ended:\n{said}{}", self.errors());
            if let Some(port) = line.trim().strip_prefix(READY) {
                self.address.set_port(port.parse().expect("serve.js prints a port"));
                break;
            }
            said.push_str(&line);
        }
        // It would stop at a full pipe; what it says ends with it.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Signs in as npm's `login` does, and returns the token.
    pub(crate) async fn token(&self, user: &str, password: &str) -> String {
        let answer = reqwest::Client::new()
            .put(format!("http://{}/-/user/org.couchdb.user:{user}", self.address))
            .header("content-type", "application/json")
            .basic_auth(user, Some(password))
            .body(json!({ "name": user, "password": password }).to_string())
            .send()
            .await
            .expect("verdaccio answers");
        assert_eq!(answer.status(), 201, "no token: {answer:?}");
        let answer: Value =
            serde_json::from_slice(&answer.bytes().await.expect("verdaccio answers")).expect("it answers JSON");
        answer.get("token").and_then(Value::as_str).expect("a login brings a token").to_owned()
    }
}

impl Drop for Verdaccio {
    fn drop(&mut self) {
        // It fails only for a process that is gone; then waiting ends at once.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where its lock file is.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/verdaccio")
}

/// The `node_modules` that `make test` installs from the lock file.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/verdaccio");
    let lock = |folder: &Path| fs::read(folder.join("package-lock.json")).ok();
    let done = folder.join("node_modules/.package-lock.json").exists();
    assert!(
        done && lock(&folder) == lock(&committed()),
        "the npm registry that this test publishes to is not installed, or not as its lock file says: \
         run `make test`, which installs it into .tools/verdaccio and runs all tests; after that `cargo test` works too"
    );
    folder.join("node_modules")
}
