//! What one Artifactory holds: users, repositories, files with their digests and properties, tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use md5::Md5;
use serde_json::{Map, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::auth::{Caller, Token};
use super::config::{Class, Permission, Repository, Switches, Unauthorized, User};
use super::reply::Refusal;
use crate::stack::vault::Clock;

/// The digests that Artifactory keeps of every file, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) sha1: String,
    pub(crate) md5: String,
    pub(crate) sha256: String,
}

impl Digests {
    pub(crate) fn of(content: &[u8]) -> Self {
        Self {
            sha1: hex(&Sha1::digest(content)),
            md5: hex(&Md5::digest(content)),
            sha256: hex(&Sha256::digest(content)),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// Properties by name; each may have several values.
pub(crate) type Properties = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) content: Bytes,
    pub(super) digests: Digests,
    /// Checksums that the client sent with it, by kind (`sha1`, `md5`, `sha256`).
    pub(super) sent: BTreeMap<&'static str, String>,
    pub(super) properties: Properties,
    pub(super) created: u64,
    pub(super) created_by: String,
    /// For an npm package: its manifest, and how many reads it stays out of the package's document.
    pub(super) npm: Option<Indexed>,
}

#[derive(Debug, Clone)]
pub(super) struct Indexed {
    pub(super) manifest: Map<String, Value>,
    pub(super) hidden_reads: usize,
}

/// Repository key and path, without a slash in front.
pub(super) type Place = (String, String);

#[derive(Debug)]
pub(super) struct State {
    pub(super) switches: Switches,
    pub(super) users: BTreeMap<String, User>,
    pub(super) repositories: BTreeMap<String, Repository>,
    pub(super) files: BTreeMap<Place, File>,
    /// Folders that were made on purpose; others exist through what is in them.
    pub(super) folders: BTreeSet<Place>,
    /// Every token ever issued, by its value.
    pub(super) tokens: BTreeMap<String, Token>,
    pub(super) failed_logins: BTreeMap<String, u32>,
    /// Every password that was ever anybody's: an old one is a secret too.
    pub(super) passwords: BTreeSet<String>,
    /// `METHOD path` of every request that carried a user's password, anywhere in it.
    pub(super) password_seen: Vec<String>,
    pub(super) clock: Clock,
    /// Where this server is: `http://127.0.0.1:PORT`.
    pub(super) origin: String,
}

impl State {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            switches: Switches::default(),
            users: BTreeMap::new(),
            repositories: BTreeMap::new(),
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            tokens: BTreeMap::new(),
            failed_logins: BTreeMap::new(),
            passwords: BTreeSet::new(),
            password_seen: Vec::new(),
            clock,
            origin: String::new(),
        }
    }

    /// Seconds since 1970 by the stack's clock.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs()
    }

    /// `http://127.0.0.1:PORT/artifactory`, with the context path where there is one.
    pub(super) fn base(&self) -> String {
        format!("{}{}/artifactory", self.origin, self.switches.context)
    }

    pub(super) fn may(&self, caller: &Caller, repository: &str, permission: Permission) -> bool {
        caller.may(self, repository, permission)
    }

    /// Grants it, or says how it is refused.
    pub(super) fn require(
        &self,
        caller: &Caller,
        repository: &str,
        path: &str,
        permission: Permission,
    ) -> Result<(), Refusal> {
        if self.may(caller, repository, permission) {
            return Ok(());
        }
        let Some(user) = &caller.user else {
            return Err(Refusal::new(401, "Authentication is required"));
        };
        let place = format!("{repository}:{path}");
        Err(match (permission, self.switches.unauthorized) {
            (_, Unauthorized::Hidden) => Refusal::new(404, "File not found."),
            (Permission::Read, _) => Refusal::new(403, format!("User {user} is not permitted to download '{place}'.")),
            (Permission::Deploy, _) => Refusal::new(403, format!("User {user} is not permitted to deploy '{place}'.")),
            (Permission::Delete, _) => Refusal::new(
                403,
                format!(
                    "Not enough permissions to delete/overwrite artifact '{place}' (user: '{user}' needs DELETE permission)."
                ),
            ),
            (Permission::Manage, _) => Refusal::new(403, format!("User {user} is not permitted to manage '{place}'.")),
        })
    }

    pub(super) fn repository(&self, key: &str) -> Result<&Repository, Refusal> {
        self.repositories.get(key).ok_or_else(|| Refusal::new(404, format!("Could not find repository '{key}'.")))
    }

    /// The local repositories that a read of `key` looks into, in order.
    pub(super) fn reads_from(&self, key: &str) -> Vec<String> {
        match self.repositories.get(key).map(|repository| &repository.class) {
            None | Some(Class::Remote) => Vec::new(),
            Some(Class::Local) => vec![key.to_owned()],
            Some(Class::Virtual { members, .. }) => {
                members.iter().filter(|&member| member != key).flat_map(|member| self.reads_from(member)).collect()
            }
        }
    }

    /// The local repository that a deploy into `key` ends in.
    pub(super) fn deploys_to(&self, key: &str) -> Result<String, Refusal> {
        match &self.repository(key)?.class {
            Class::Local => Ok(key.to_owned()),
            Class::Remote => {
                Err(Refusal::new(405, format!("Repository '{key}' is a remote repository: deploying is not allowed.")))
            }
            Class::Virtual { deploys_to: Some(target), .. } => self.deploys_to(target),
            Class::Virtual { deploys_to: None, .. } => Err(Refusal::new(
                405,
                format!("No default deployment repository is configured for the virtual repository '{key}'."),
            )),
        }
    }

    /// The first file of that path in what `key` reads from, and where it really is.
    pub(super) fn find(&self, key: &str, path: &str) -> Option<(Place, &File)> {
        self.reads_from(key).into_iter().find_map(|repository| {
            let place = (repository, path.to_owned());
            self.files.get(&place).map(|file| (place.clone(), file))
        })
    }

    /// Names of what a folder of one local repository holds, and whether each is itself a folder;
    /// `None` where there is no such folder.
    pub(super) fn children(&self, repository: &str, path: &str) -> Option<BTreeMap<String, bool>> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut children = BTreeMap::new();
        let files = self.files.keys().map(|place| (place, false));
        for ((_, inside), folder) in
            files.chain(self.folders.iter().map(|place| (place, true))).filter(|((key, _), _)| key == repository)
        {
            let Some(rest) = inside.strip_prefix(&prefix) else { continue };
            match rest.split_once('/') {
                Some((name, _)) => children.insert(name.to_owned(), true),
                None => children.insert(rest.to_owned(), folder),
            };
        }
        let exists =
            path.is_empty() || !children.is_empty() || self.folders.contains(&(repository.to_owned(), path.to_owned()));
        exists.then_some(children)
    }
}
