//! A real devpi as a process of its own: a fresh one, with one index of one user, that ends with its owner.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What it prints when it can be asked.
const READY: &str = "listening on ";

/// A running devpi; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Devpi {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Devpi {
    /// Starts one with this empty index.
    pub(crate) fn start(python: &Path, user: &str, password: &str, index: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let errors = fs::File::create(folder.path().join("errors")).expect("the folder is ours");
        #[expect(clippy::disallowed_methods, reason = "a real registry is what this check is about")]
        let mut command = Command::new(python);
        let process = command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/pypi-clients/serve.py"))
            .arg(folder.path().join("server"))
            .args([user, password, index])
            .env("HOME", folder.path())
            // Held open as long as it may run: it ends even where a killed check drops nothing.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the environment has a Python");
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
            let errors = || fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
            assert!(length > 0, "devpi has ended:\n{said}{}", errors());
            if let Some(port) = line.trim().strip_prefix(READY) {
                self.address.set_port(port.parse().expect("serve.py prints a port"));
                break;
            }
            said.push_str(&line);
        }
        // It would stop at a full pipe; what it says ends with it.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Devpi {
    fn drop(&mut self) {
        // It fails only for a process that is gone; then waiting ends at once.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
