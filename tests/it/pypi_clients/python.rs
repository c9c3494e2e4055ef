//! The real Python tools in a home of their own: pip, twine, build, and a registry as a process that ends with its owner.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// What the registry prints when it can be asked.
const READY: &str = "listening on ";

/// Python with its own home.
#[derive(Debug)]
pub(crate) struct Python {
    home: TempDir,
}

impl Python {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary folder can be made") }
    }

    /// A path in its home.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it is in the home")).expect("the folder is ours");
        fs::write(path, content).expect("the folder is ours");
    }

    /// The files of a folder, by name.
    pub(crate) fn files(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.path(folder)).expect("the folder is there");
        let paths = entries.map(|entry| entry.expect("it can be read").path());
        let mut files: Vec<_> = paths.map(|path| (name_of(&path), fs::read(&path).expect("it is a file"))).collect();
        files.sort();
        files
    }

    /// Runs `python` in the home; what it has printed, where it ended well.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let output = self.try_run(arguments).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Runs `python` in the home.
    pub(crate) async fn try_run(&self, arguments: &[&str]) -> Output {
        let mut command = python();
        let home = self.home.path();
        command.args(arguments).current_dir(home).env("HOME", home);
        // Nothing of this machine's own configuration, and no question to anybody.
        command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INPUT", "1").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command.env("PIP_CACHE_DIR", home.join("cache")).env("PIP_RETRIES", "0");
        command.env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring").env("TWINE_NON_INTERACTIVE", "1");
        let run = tokio::task::spawn_blocking(move || command.output());
        run.await.expect("the command does not panic").expect("the environment has a Python")
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A real registry; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Pypiserver {
    process: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Pypiserver {
    /// Starts an empty one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let process = python()
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/pypi/serve.py"))
            .arg(folder.path())
            .env("HOME", folder.path())
            // Held open as long as it may run: it ends even where a killed test drops nothing.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the environment has a Python");
        // From here on a panic ends the process as well.
        let mut registry = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        let mut output = BufReader::new(registry.process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it can be read");
        let port = line.trim().strip_prefix(READY).unwrap_or_else(|| panic!("the registry has ended: {line}"));
        registry.address.set_port(port.parse().expect("serve.py prints a port"));
        // It would stop at a full pipe; what it says ends with it.
        std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
        registry
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file that it holds.
    pub(crate) fn file(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join(name)).ok()
    }
}

impl Drop for Pypiserver {
    fn drop(&mut self) {
        // It fails only for a process that is gone; then waiting ends at once.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python of the environment that `make test` installs.
fn python() -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = |folder: &str| fs::read(root.join(folder).join("requirements.txt")).ok();
    assert!(
        list(".tools/pypi") == list("tests/tools/pypi"),
        "the Python tools of this test are not installed, or not as their list says: run `make test`, which installs \
         them into .tools/pypi and runs all tests; after that `cargo test` works too"
    );
    #[expect(clippy::disallowed_methods, reason = "the real clients are what this test is about")]
    Command::new(root.join(".tools/pypi/bin/python"))
}
