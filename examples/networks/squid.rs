//! A real squid between the function and everything else: it alone knows the names that Artifactory and AWS have.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use md5::{Digest, Md5};

use crate::process::Process;

/// The names that it resolves, all to 127.0.0.1.
pub(crate) const NAMES: [&str; 2] = ["artifactory.corp", "aws.example"];
/// Where squid's helper for Basic authentication is, as it is packaged.
const HELPERS: [&str; 3] =
    ["/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth", "/usr/libexec/squid/basic_ncsa_auth"];

/// Who gets through.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access<'a> {
    Everybody,
    Nobody,
    /// Who gives this user and password.
    With(&'a str, &'a str),
}

/// A running squid; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Squid(Process);

impl Squid {
    pub(crate) async fn start(access: Access<'_>) -> Self {
        let configure = |folder: &Path, address: SocketAddr| {
            let names = NAMES.map(|name| format!("127.0.0.1 {name}\n"));
            fs::write(folder.join("hosts"), names.concat()).expect("the folder is ours");
            if let Access::With(user, password) = access {
                // The helper takes a digest of MD5 as well as what crypt makes.
                let digest = u128::from_be_bytes(Md5::digest(password).into());
                fs::write(folder.join("passwords"), format!("{user}:{digest:032x}\n")).expect("the folder is ours");
            }
            let folder = folder.to_str().expect("temporary folders have names of ASCII");
            let file = format!("{folder}/squid.conf");
            fs::write(&file, configuration(access, address).replace("FOLDER", folder)).expect("the folder is ours");
            // In the foreground, as one process, and what it says to stderr.
            ["-N", "-d", "1", "-f", &file].map(ToOwned::to_owned).into()
        };
        Self(Process::start("squid", configure).await)
    }

    /// `http://HOST:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// `HOST:PORT`, as it is written behind a user and password.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Every request whose connection has ended: method, target, status and what squid made of it.
    pub(crate) fn log(&self) -> Vec<String> {
        // Who looks whether it listens asks for nothing.
        let asked = |line: &&str| !line.starts_with("- ");
        let log = self.0.read("access");
        log.lines().filter(asked).map(ToOwned::to_owned).collect()
    }
}

/// How long squid may take to write down what it has done.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

impl Squid {
    /// Waits until such a line is in its log.
    pub(crate) async fn logs(&self, line: &str) {
        let seen = async {
            while !self.log().iter().any(|logged| logged.contains(line)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "{line:?} is not in {:#?}", self.log());
    }
}

fn configuration(access: Access, address: SocketAddr) -> String {
    let rules = match access {
        Access::Everybody => "http_access allow all".to_owned(),
        Access::Nobody => "http_access deny all".to_owned(),
        Access::With(..) => {
            let helper = HELPERS.into_iter().find(|file| Path::new(file).exists());
            let helper = helper.expect("squid's basic_ncsa_auth is where packages put it");
            format!(
                "auth_param basic program {helper} FOLDER/passwords\nauth_param basic realm corp\n\
                 acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all"
            )
        }
    };
    format!(
        "http_port {address}
{rules}
hosts_file FOLDER/hosts
logformat line %rm %ru %>Hs %Ss
access_log stdio:FOLDER/access line
cache_log FOLDER/cache
pid_filename none
netdb_filename none
coredump_dir FOLDER
cache deny all
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname proxy.corp
dns_nameservers 127.0.0.1
"
    )
}
