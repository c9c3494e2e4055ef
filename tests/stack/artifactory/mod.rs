//! An Artifactory on 127.0.0.1: tokens, plain files with checksums and properties, the storage API and
//! the npm and pypi APIs, with the differences between installations as [`Switches`]. It decodes and verifies what
//! it gets with code of its own and shares none with the crate that it is there to test.

mod auth;
mod config;
mod dates;
mod info;
mod maven;
mod multipart;
mod npm;
mod npm_document;
mod npm_version;
mod path;
mod pypi;
mod reply;
mod state;
mod storage;
mod tokens;

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use hyper::header::HeaderValue;

pub(crate) use config::{
    Anonymous, Class, Endpoint, Grants, Handles, Permission, PomChecks, Repository, Republish, Role, SimpleIndex,
    Snapshots, Switches, Unauthorized, User,
};
pub(crate) use maven::unstamped;
pub(crate) use state::{Digests, Properties};

use auth::{Caller, Rights, Wanted};
use reply::{Refusal, Shape};
use state::{File, State};

use super::http::{Door, Reply, Request, Server, Traffic};
use super::vault::Clock;

/// The name of this service in [`Traffic`].
pub(crate) const SERVICE: &str = "artifactory";

/// A running Artifactory; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Artifactory {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// A file as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    /// Key of the local repository.
    pub(crate) repository: String,
    /// Path within the repository, without a slash in front.
    pub(crate) path: String,
    pub(crate) content: Bytes,
    pub(crate) digests: Digests,
    pub(crate) properties: Properties,
    pub(crate) created_by: String,
}

/// A token that would be accepted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveToken {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) scope: String,
    /// Life it was issued with, in seconds; `None` for ever.
    pub(crate) seconds: Option<u64>,
}

impl Artifactory {
    /// Starts an empty one: no users, no repositories, switches as of a server of today.
    pub(crate) async fn start(traffic: Traffic, clock: Clock) -> Self {
        Self::start_on(0, traffic, clock).await
    }

    /// As [`Artifactory::start`], on a port of the caller's choice (0 is any).
    pub(crate) async fn start_on(port: u16, traffic: Traffic, clock: Clock) -> Self {
        let state = Arc::new(Mutex::new(State::new(clock)));
        let shared = Arc::clone(&state);
        let server = Server::start_on(port, SERVICE, traffic, move |request| {
            let shared = Arc::clone(&shared);
            async move { answer(&mut shared.lock().expect("no test panics while it holds this"), &request) }
        })
        .await;
        state.lock().expect("no test panics while it holds this").origin = server.url();
        Self { server, state }
    }

    /// The platform's address, without `/artifactory` and without a trailing slash.
    pub(crate) fn platform_url(&self) -> String {
        let state = self.state();
        format!("{}{}", state.origin, state.switches.context)
    }

    /// The address, `scheme://host:port`, at which whoever stands before it lets it be known.
    pub(crate) fn known_as(&self, origin: &str) {
        origin.clone_into(&mut self.state().origin);
    }

    /// The way in without a socket.
    pub(crate) fn door(&self) -> Door {
        self.server.door()
    }

    /// Artifactory's own address: the platform's and `/artifactory`.
    pub(crate) fn url(&self) -> String {
        format!("{}/artifactory", self.platform_url())
    }

    /// The registry that npm clients are pointed at.
    pub(crate) fn npm_registry(&self, repository: &str) -> String {
        format!("{}/api/npm/{repository}/", self.url())
    }

    /// The index that pip is pointed at, read with this token.
    pub(crate) fn pypi_index(&self, repository: &str, token: &str) -> String {
        let url = self.url().replacen("://", &format!("://:{token}@"), 1);
        format!("{url}/api/pypi/{repository}/simple/")
    }

    /// Adds a user, or replaces the one of that name (a changed password, other rights).
    pub(crate) fn user(&self, user: User) {
        let mut state = self.state();
        state.passwords.insert(user.password.clone());
        state.users.insert(user.name.clone(), user);
    }

    pub(crate) fn remove_user(&self, name: &str) {
        self.state().users.remove(name);
    }

    /// Sets the rights that a user has by name in one repository (`*`: in all), in place of those before.
    pub(crate) fn permit(&self, user: &str, repository: &str, permissions: &[Permission]) {
        let mut state = self.state();
        let user = state.users.get_mut(user).expect("the test added this user");
        user.own.insert(repository.to_owned(), permissions.iter().copied().collect());
    }

    pub(crate) fn repository(&self, repository: Repository) {
        self.state().repositories.insert(repository.key.clone(), repository);
    }

    /// Changes how this installation behaves.
    pub(crate) fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.state().switches);
    }

    /// Name and value of every field of an upload form but the file; `None` where it is no form.
    pub(crate) fn upload_form(request: &Request) -> Option<Vec<(String, String)>> {
        let parts = multipart::parse(request.header("content-type"), &request.body).ok()?;
        let fields = parts.into_iter().filter(|part| part.file.is_none());
        Some(fields.map(|part| (part.name, String::from_utf8_lossy(&part.content).into_owned())).collect())
    }

    /// Every file of a local repository, by path.
    pub(crate) fn files(&self, repository: &str) -> Vec<StoredFile> {
        let state = self.state();
        let inside = state.files.iter().filter(|((key, _), _)| key == repository);
        inside.map(|(place, file)| stored(place, file)).collect()
    }

    /// Every file of every repository.
    pub(crate) fn all_files(&self) -> Vec<StoredFile> {
        self.state().files.iter().map(|(place, file)| stored(place, file)).collect()
    }

    pub(crate) fn stored_file(&self, repository: &str, path: &str) -> Option<StoredFile> {
        let place = (repository.to_owned(), path.to_owned());
        self.state().files.get(&place).map(|file| stored(&place, file))
    }

    /// The bytes of a file.
    pub(crate) fn file(&self, repository: &str, path: &str) -> Option<Bytes> {
        self.stored_file(repository, path).map(|file| file.content)
    }

    /// The properties of a file; empty where it has none or is not there.
    pub(crate) fn properties(&self, repository: &str, path: &str) -> Properties {
        self.stored_file(repository, path).map(|file| file.properties).unwrap_or_default()
    }

    /// Puts a file there as somebody else would have, with the same indexing as a plain deploy.
    pub(crate) fn put_file(&self, repository: &str, path: &str, content: impl Into<Bytes>) {
        let mut state = self.state();
        let content = content.into();
        let mut properties = Properties::new();
        let npm = npm::index_plain(&state, repository, path, &content, &mut properties);
        let digests = Digests::of(&content);
        let sent = [("sha1", &digests.sha1), ("md5", &digests.md5), ("sha256", &digests.sha256)];
        let sent = sent.into_iter().map(|(kind, value)| (kind, value.clone())).collect();
        let created = state.now();
        let file = File { content, digests, sent, properties, created, created_by: "somebody-else".to_owned(), npm };
        state.files.insert((repository.to_owned(), path.to_owned()), file);
    }

    pub(crate) fn remove_file(&self, repository: &str, path: &str) {
        self.state().files.remove(&(repository.to_owned(), path.to_owned()));
    }

    /// A token with all of a user's rights that never ends, as an administrator hands it out.
    pub(crate) fn token_of(&self, user: &str) -> String {
        let wanted = Wanted {
            user: user.to_owned(),
            scope: "applied-permissions/user".to_owned(),
            rights: Rights::Own,
            seconds: 0,
            reference: false,
            force_revocable: false,
        };
        auth::issue(&mut self.state(), wanted).0
    }

    /// Tokens that would be accepted now.
    pub(crate) fn tokens_live(&self) -> Vec<LiveToken> {
        let state = self.state();
        let now = state.now();
        let live = state.tokens.values().filter(|token| token.is_live(now));
        live.map(|token| LiveToken {
            id: token.id.clone(),
            user: token.user.clone(),
            scope: token.scope.clone(),
            seconds: token.expires.map(|expires| expires - token.issued),
        })
        .collect()
    }

    /// Values of all tokens ever issued, for tests that look for leaks.
    pub(crate) fn token_values(&self) -> Vec<String> {
        self.state().tokens.keys().cloned().collect()
    }

    /// Every password that was ever a user's, for tests that look for leaks.
    pub(crate) fn passwords(&self) -> Vec<String> {
        self.state().passwords.iter().cloned().collect()
    }

    /// Makes every token invalid at once, as a restart with a new key does.
    pub(crate) fn revoke_all_tokens(&self) {
        self.state().tokens.values_mut().for_each(|token| token.revoked = true);
    }

    /// `METHOD path` of every request that carried the password of any user, anywhere in it.
    pub(crate) fn password_seen(&self) -> Vec<String> {
        self.state().password_seen.clone()
    }

    /// Wrong passwords for this user since the last right one.
    pub(crate) fn failed_logins(&self, user: &str) -> u32 {
        self.state().failed_logins.get(user).copied().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }
}

fn stored((repository, path): &(String, String), file: &File) -> StoredFile {
    StoredFile {
        repository: repository.clone(),
        path: path.clone(),
        content: file.content.clone(),
        digests: file.digests.clone(),
        properties: file.properties.clone(),
        created_by: file.created_by.clone(),
    }
}

fn answer(state: &mut State, request: &Request) -> Reply {
    if state.passwords.iter().any(|password| auth::carries(request, password)) {
        state.password_seen.push(format!("{} {}", request.method, request.path));
    }
    if state.switches.bad_gateway > 0 {
        state.switches.bad_gateway -= 1;
        return Refusal::new(502, "Bad Gateway").shaped(Shape::Html).reply();
    }
    let mut reply = route(state, request).unwrap_or_else(|refusal| refusal.reply());
    for (name, value) in [
        ("server", "Artifactory/7.111.4 71104900"),
        ("x-jfrog-version", "Artifactory/7.111.4 71104900"),
        ("x-artifactory-id", "0123456789abcdef:stack"),
        ("x-artifactory-node-id", "stack-0"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

fn route(state: &mut State, request: &Request) -> Result<Reply, Refusal> {
    let nowhere = || Refusal::new(404, "Not Found").shaped(Shape::Html);
    let path = request.path.strip_prefix(state.switches.context.as_str()).ok_or_else(nowhere)?.to_owned();
    if let Some(tail) = path.strip_prefix("/access/api/v1/tokens") {
        return tokens::access(state, request, tail);
    }
    let path = path.strip_prefix("/artifactory/").ok_or_else(nowhere)?;
    let Some(api) = path.strip_prefix("api/") else {
        return storage::plain(state, request, path);
    };
    match api {
        "system/ping" => return info::ping(state, request),
        "system/version" => return info::version(state, request),
        _ => {}
    }
    if let Some(tail) = api.strip_prefix("security/token") {
        return tokens::legacy(state, request, tail);
    }
    let (kind, rest) = api.split_once('/').unwrap_or((api, ""));
    match kind {
        "storage" => info::storage(state, request, rest),
        "repositories" => info::repository(state, request, rest),
        "npm" => {
            let (repository, rest) = rest.split_once('/').unwrap_or((rest, ""));
            npm::serve(state, request, repository, rest)
        }
        "pypi" => {
            let (repository, rest) = rest.split_once('/').unwrap_or((rest, ""));
            pypi::serve(state, request, repository, rest)
        }
        _ => Err(Refusal::new(404, "Not Found")),
    }
}
