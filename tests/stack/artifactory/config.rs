//! What a test sets up: users and their rights, repositories, and the switches that make this emulator
//! behave as one or another real installation does.

use std::collections::{BTreeMap, BTreeSet};

/// A right in one repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Permission {
    Read,
    Deploy,
    /// Delete, which is also what overwriting needs.
    Delete,
    Manage,
}

/// Rights by repository key; the key `*` stands for every repository.
pub(crate) type Grants = BTreeMap<String, BTreeSet<Permission>>;

/// Whether a user administers the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Admin,
}

#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) role: Role,
    /// Goes into `X-JFrog-Art-Api` or stands for the password, never into `Bearer`.
    pub(crate) api_key: Option<String>,
    /// Rights granted to the user by name.
    pub(crate) own: Grants,
    /// Rights that come from groups: all that a token of scope `member-of-groups:…` has.
    pub(crate) by_groups: Grants,
}

impl User {
    pub(crate) fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            role: Role::User,
            api_key: None,
            own: Grants::new(),
            by_groups: Grants::new(),
        }
    }

    pub(crate) fn admin(name: &str, password: &str) -> Self {
        Self { role: Role::Admin, ..Self::new(name, password) }
    }

    /// Adds rights granted by name.
    pub(crate) fn may(mut self, repository: &str, permissions: &[Permission]) -> Self {
        self.own.entry(repository.to_owned()).or_default().extend(permissions);
        self
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Class {
    Local,
    /// Mirrors another server; nothing is ever deployed into it.
    Remote,
    /// One address for several repositories; deploys go to one of them, if any.
    Virtual {
        members: Vec<String>,
        deploys_to: Option<String>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) key: String,
    pub(crate) class: Class,
    pub(crate) package_type: String,
    pub(crate) handles: Handles,
    /// For Maven's layout.
    pub(crate) snapshots: Snapshots,
    /// For Maven's layout.
    pub(crate) pom_checks: PomChecks,
}

/// What becomes of the names of snapshots (`snapshotVersionBehavior`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshots {
    /// The server names builds, where the client has not.
    Unique,
    /// There is one build only.
    NonUnique,
    /// As the client sends them.
    Deployer,
}

/// Whether POMs have to lie where they say (`suppressPomConsistencyChecks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PomChecks {
    On,
    Suppressed,
}

/// Which versions a repository takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handles {
    Everything,
    Releases,
    Snapshots,
}

impl Repository {
    pub(crate) fn local(key: &str, package_type: &str) -> Self {
        let (key, package_type) = (key.to_owned(), package_type.to_owned());
        Self {
            key,
            class: Class::Local,
            package_type,
            handles: Handles::Everything,
            snapshots: Snapshots::Unique,
            pom_checks: PomChecks::On,
        }
    }

    pub(crate) fn remote(key: &str, package_type: &str) -> Self {
        Self { class: Class::Remote, ..Self::local(key, package_type) }
    }

    pub(crate) fn virtual_of(key: &str, package_type: &str, members: &[&str], deploys_to: Option<&str>) -> Self {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        let class = Class::Virtual { members, deploys_to: deploys_to.map(str::to_owned) };
        Self { class, ..Self::local(key, package_type) }
    }

    pub(crate) fn naming(self, snapshots: Snapshots) -> Self {
        Self { snapshots, ..self }
    }

    pub(crate) fn handling(self, handles: Handles) -> Self {
        Self { handles, ..self }
    }
}

/// How an endpoint behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Served,
    /// Every request to it gets this status: 404 or 405 where it does not exist, 401 or 403 where it is disabled.
    Answers(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anonymous {
    Off,
    /// Without credentials everything can be read.
    Reads,
}

/// What a caller without rights is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unauthorized {
    Forbidden,
    /// "Hide existence of unauthorized resources": 404 instead of 403.
    Hidden,
}

/// What becomes of an npm publication of a version that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Republish {
    /// It is refused, whatever the user's rights.
    Refused,
    /// It replaces what is there, where the user may overwrite.
    Replaces,
}

/// In which forms Python's simple index can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SimpleIndex {
    /// HTML.
    Html,
    /// HTML, or JSON for whoever asks for it.
    Json,
}

/// The differences between installations. `Default` is a server of today, as it comes.
#[derive(Debug, Clone)]
pub(crate) struct Switches {
    pub(crate) legacy_token: Endpoint,
    pub(crate) access_token: Endpoint,
    pub(crate) storage_api: Endpoint,
    /// What is said of a `PUT` with `X-Checksum-Deploy`.
    pub(crate) checksum_deploy: Endpoint,
    pub(crate) repositories_api: Endpoint,
    pub(crate) anonymous: Anonymous,
    pub(crate) unauthorized: Unauthorized,
    /// What `api/repositories/{key}` says of a repository that does not exist.
    pub(crate) missing_repository: u16,
    /// What the npm API says of a version that exists.
    pub(crate) npm_duplicate: u16,
    pub(crate) npm_republish: Republish,
    /// How many times a package's document or its dist-tags are asked for before a version just published is in them.
    pub(crate) npm_index_reads: usize,
    pub(crate) simple_index: SimpleIndex,
    /// Longest life of a token that one who is no administrator may ask for, in seconds.
    pub(crate) longest_token: u64,
    /// Tokens of a shorter life than this, in seconds, cannot be revoked unless that was asked for.
    pub(crate) revocable_from: u64,
    /// Wrong passwords in a row after which a user is locked.
    pub(crate) lock_after: Option<u32>,
    /// The next so many requests get a reverse proxy's 502 page.
    pub(crate) bad_gateway: usize,
    /// Reads of files and of the storage API are redirected to this origin.
    pub(crate) reads_redirect_to: Option<String>,
    /// Context path before `/artifactory` and `/access`, for installations behind a path.
    pub(crate) context: String,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            legacy_token: Endpoint::Served,
            access_token: Endpoint::Served,
            storage_api: Endpoint::Served,
            checksum_deploy: Endpoint::Served,
            repositories_api: Endpoint::Served,
            anonymous: Anonymous::Off,
            unauthorized: Unauthorized::Forbidden,
            missing_repository: 400,
            npm_duplicate: 403,
            npm_republish: Republish::Refused,
            npm_index_reads: 0,
            simple_index: SimpleIndex::Html,
            longest_token: 3600,
            revocable_from: 0,
            lock_after: None,
            bad_gateway: 0,
            reads_redirect_to: None,
            context: String::new(),
        }
    }
}
