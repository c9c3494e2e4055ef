//! A server of another project as a process of its own: on a free port of 127.0.0.1, with a folder of its own, and ended
//! with its owner.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How often a port is tried that may be somebody else's meanwhile.
const PORTS: usize = 5;
/// How long a server may take to listen, and how often it is looked at meanwhile.
const START: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// The file that its errors go to.
const ERRORS: &str = "errors";

/// A running server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Process {
    /// Starts this program. `configure` writes what it needs into the folder, which everybody may write to, since some
    /// servers give root's rights away, and says with which arguments it is started.
    pub(crate) async fn start(program: &str, configure: impl Fn(&Path, SocketAddr) -> Vec<String>) -> Self {
        for _ in 0..PORTS {
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("the folder is ours");
            let address = free();
            let arguments = configure(folder.path(), address);
            let errors = fs::File::create(folder.path().join(ERRORS)).expect("the folder is ours");
            #[expect(clippy::disallowed_methods, reason = "real servers are what this check is about")]
            let mut command = Command::new(program);
            let child = command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(errors)
                .spawn()
                .unwrap_or_else(|error| {
                    panic!("{program} cannot be started ({error}); `make networks` says what to install")
                });
            // From here on a panic ends the process as well.
            let mut process = Self { child, address, folder };
            if process.listens(program).await {
                return process;
            }
        }
        panic!("{program} found no free port")
    }

    /// Waits until it does; `false` where somebody else has taken its port.
    async fn listens(&mut self, program: &str) -> bool {
        let mut left = START;
        loop {
            let errors = self.read(ERRORS);
            if errors.contains("in use") {
                return false;
            }
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none() && !left.is_zero(), "{program} does not listen ({ended:?}):\n{errors}");
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            tokio::time::sleep(LOOK).await;
            left = left.saturating_sub(LOOK);
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A file of its folder; empty where there is none.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only for a process that is gone; then waiting ends at once.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that was free a moment ago: none of these servers says which port it took, had it the choice.
fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of 127.0.0.1 can be bound");
    listener.local_addr().expect("a bound socket has an address")
}
