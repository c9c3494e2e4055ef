//! The package managers that people install with, each in a home of its own, pointed at one registry: what was published
//! must install and load with all of them, and what was changed afterwards must be refused by each.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "two binaries share it, each uses a part; a client that does not do its work ends the story"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::make::Zip;

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Npm,
    Pnpm,
    YarnClassic,
    Yarn,
    Bun,
}

/// A registry and who may read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Ends with a slash.
    pub(crate) registry: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
}

/// Installs what is in the registry with one client, loads it, and installs it again by the lock file alone.
pub(crate) async fn installs(client: Client, modules: &Path, place: Place<'_>) -> App {
    let app = App::new(client, modules, place);
    let said = app.install().await;
    assert!(said.good, "{client:?}: {}", said.text);
    app.greets(client).await;
    let lock = app.lock();
    for (name, version, _) in PACKAGES {
        let integrity = integrity(place, name, version).await;
        assert_eq!(lock.contains(&integrity), client.locks_integrity(), "{client:?}: {name} in\n{lock}");
    }
    let said = app.install_locked().await;
    assert!(said.good, "{client:?}: {}", said.text);
    app.greets(client).await;
    assert_eq!(app.lock(), lock, "{client:?}");
    app
}

/// Sees that a client does not install by its lock file what has other bytes now.
pub(crate) async fn refuses(client: Client, app: &App) {
    let said = app.install_locked().await;
    assert!(!said.good, "{client:?} installed what was changed: {}", said.text);
    let words = ["EINTEGRITY", "ERR_PNPM_TARBALL_INTEGRITY", "ntegrity check failed", "YN0018", "IntegrityCheckFailed"];
    assert!(words.iter().any(|word| said.text.contains(word)), "{client:?} fails for another reason: {}", said.text);
}

/// The two packages of [`workspace`]: name, version, path in the repository.
pub(crate) const PACKAGES: [(&str, &str, &str); 2] = [
    ("@acme/cli", "1.0.0", "@acme/cli/-/@acme/cli-1.0.0.tgz"),
    ("@acme/greeting", "2.1.0", "@acme/greeting/-/@acme/greeting-2.1.0.tgz"),
];

/// A workspace of a command and of what it depends on; `word` is what the command says.
pub(crate) fn workspace(word: &str) -> Vec<u8> {
    let cli = json!({
        "name": "@acme/cli", "version": "1.0.0", "main": "index.js", "bin": { "greet": "bin/greet.js" },
        "dependencies": { "@acme/greeting": "^2.0.0" },
    });
    let greeting =
        json!({ "name": "@acme/greeting", "version": "2.1.0", "exports": "./lib/index.js", "files": ["lib"] });
    Zip::new()
        .file("package.json", r#"{"name":"acme","private":true,"workspaces":["packages/*"]}"#)
        .file("packages/cli/package.json", cli.to_string())
        .file("packages/cli/index.js", "module.exports = require('@acme/greeting');\n")
        .file("packages/cli/bin/greet.js", "#!/usr/bin/env node\nconsole.log(require('..')(process.argv[2]));\n")
        .file("packages/greeting/package.json", greeting.to_string())
        .file("packages/greeting/lib/index.js", format!("module.exports = (name) => `{word}, ${{name}}`;\n"))
        .bytes()
}

/// A project that depends on the command, of one package manager.
pub(crate) struct App {
    client: Client,
    /// Where the package managers are installed, npm apart.
    modules: PathBuf,
    home: TempDir,
}

/// What a program said, and whether it ended well.
#[derive(Debug)]
struct Said {
    good: bool,
    text: String,
}

impl Client {
    pub(crate) const ALL: [Self; 5] = [Self::Npm, Self::Pnpm, Self::YarnClassic, Self::Yarn, Self::Bun];

    fn lock_file(self) -> &'static str {
        match self {
            Self::Npm => "package-lock.json",
            Self::Pnpm => "pnpm-lock.yaml",
            Self::YarnClassic | Self::Yarn => "yarn.lock",
            Self::Bun => "bun.lock",
        }
    }

    /// Whether its lock file has the registry's own digests: Yarn takes one of what it makes out of an archive.
    fn locks_integrity(self) -> bool {
        self != Self::Yarn
    }

    /// The program and what it is called with before its own arguments.
    fn program(self, modules: &Path) -> (PathBuf, Vec<PathBuf>) {
        let script = |path: &str| (PathBuf::from("node"), vec![modules.join(path)]);
        match self {
            Self::Npm => (PathBuf::from("npm"), Vec::new()),
            Self::Pnpm => script("pnpm/bin/pnpm.cjs"),
            Self::YarnClassic => script("yarn/bin/yarn.js"),
            Self::Yarn => script("@yarnpkg/cli-dist/bin/yarn.js"),
            // Its package for this machine, of the several that its lock file names, is the one that is installed.
            Self::Bun => {
                let mut found = fs::read_dir(modules.join("@oven")).into_iter().flatten().flatten();
                let program = found.find_map(|entry| Some(entry.path().join("bin/bun")).filter(|path| path.exists()));
                (program.expect("bun is installed for this machine"), Vec::new())
            }
        }
    }

    fn install(self) -> &'static [&'static str] {
        match self {
            Self::Npm => &["install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"],
            Self::Pnpm => &["install", "--ignore-scripts", "--no-frozen-lockfile", "--fetch-retries=0"],
            Self::YarnClassic => &["install", "--ignore-scripts", "--non-interactive"],
            Self::Yarn => &["install", "--mode=skip-build", "--no-immutable"],
            Self::Bun => &["install", "--ignore-scripts"],
        }
    }

    /// Installs what the lock file says, and nothing else.
    fn install_locked(self) -> &'static [&'static str] {
        match self {
            Self::Npm => &["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"],
            Self::Pnpm => &["install", "--ignore-scripts", "--frozen-lockfile", "--fetch-retries=0"],
            Self::YarnClassic => &["install", "--ignore-scripts", "--non-interactive", "--frozen-lockfile"],
            Self::Yarn => &["install", "--mode=skip-build", "--immutable"],
            Self::Bun => &["install", "--ignore-scripts", "--frozen-lockfile"],
        }
    }
}

impl App {
    fn new(client: Client, modules: &Path, place: Place<'_>) -> Self {
        let Place { registry, user, password } = place;
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let app = home.path().join("app");
        fs::create_dir(&app).expect("the folder is ours");
        let write = |path: PathBuf, text: String| fs::write(path, text).expect("the folder is ours");
        let manifest =
            json!({ "name": "app", "version": "1.0.0", "private": true, "dependencies": { "@acme/cli": "^1.0.0" } });
        write(app.join("package.json"), manifest.to_string());
        let credential = STANDARD.encode(format!("{user}:{password}"));
        let place = registry.split_once(':').map_or("", |(_, place)| place);
        let npmrc = format!("registry={registry}\nalways-auth=true\n{place}:_auth={credential}\n");
        match client {
            Client::Npm | Client::Pnpm | Client::YarnClassic => {
                write(home.path().join(".npmrc"), npmrc);
                write(app.join(".yarnrc"), format!("registry \"{registry}\"\n"));
            }
            Client::Yarn => {
                let settings = json!({
                    "nodeLinker": "node-modules", "npmRegistryServer": registry, "npmAlwaysAuth": true,
                    "npmAuthIdent": format!("{user}:{password}"), "unsafeHttpWhitelist": ["127.0.0.1", "localhost"],
                    "enableTelemetry": false, "enableGlobalCache": false, "enableMirror": false, "npmMinimalAgeGate": 0, "httpRetry": 0,
                });
                // YAML takes JSON.
                write(app.join(".yarnrc.yml"), settings.to_string());
                write(app.join("yarn.lock"), String::new());
            }
            Client::Bun => write(
                app.join("bunfig.toml"),
                format!(
                    "[install]\nregistry = {{ url = {registry:?}, username = {user:?}, password = {password:?} }}\n\
                     saveTextLockfile = true\n"
                ),
            ),
        }
        Self { client, modules: modules.to_owned(), home }
    }

    fn app(&self) -> PathBuf {
        self.home.path().join("app")
    }

    async fn install(&self) -> Said {
        self.client_runs(self.client.install()).await
    }

    /// Installs by the lock file into an empty folder, with an empty cache.
    async fn install_locked(&self) -> Said {
        for folder in ["app/node_modules", "app/.yarn", ".cache", ".store", ".bun", ".yarn-cache"] {
            let folder = self.home.path().join(folder);
            if folder.exists() {
                fs::remove_dir_all(folder).expect("the folder is ours");
            }
        }
        self.client_runs(self.client.install_locked()).await
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.app().join(self.client.lock_file())).expect("an install writes a lock file")
    }

    /// Sees that the library can be loaded and the command run.
    async fn greets(&self, client: Client) {
        let code = "console.log(require('@acme/cli')('library'))";
        let library = self.run(PathBuf::from("node"), &["-e".into(), code.into()]).await;
        assert_eq!(library.text.trim(), "hello, library", "{client:?}");
        let command = self.run(self.app().join("node_modules/.bin/greet"), &["command".into()]).await;
        assert_eq!(command.text.trim(), "hello, command", "{client:?}");
    }

    async fn client_runs(&self, arguments: &[&str]) -> Said {
        let (program, mut all) = self.client.program(&self.modules);
        all.extend(arguments.iter().map(PathBuf::from));
        self.run(program, &all).await
    }

    async fn run(&self, program: PathBuf, arguments: &[PathBuf]) -> Said {
        #[expect(clippy::disallowed_methods, reason = "the real clients are what this is about")]
        let mut command = Command::new(&program);
        let home = self.home.path();
        command.args(arguments).current_dir(self.app()).env("HOME", home).env("CI", "");
        // Nothing of the machine's own settings.
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy().to_lowercase();
            if ["npm_", "yarn_", "bun_", "pnpm_", "corepack_"].iter().any(|begin| name_text.starts_with(begin)) {
                command.env_remove(name);
            }
        }
        command.env("npm_config_userconfig", home.join(".npmrc")).env("npm_config_cache", home.join(".cache"));
        command.env("npm_config_store_dir", home.join(".store")).env("BUN_INSTALL_CACHE_DIR", home.join(".bun"));
        command.env("YARN_CACHE_FOLDER", home.join(".yarn-cache")).env("XDG_CACHE_HOME", home.join(".cache"));
        command.env("npm_config_update_notifier", "false").env("DO_NOT_TRACK", "1");
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("the command does not panic");
        let output = output.unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Said { good: output.status.success(), text }
    }
}

/// What the registry says is the digest of a version's archive.
async fn integrity(place: Place<'_>, name: &str, version: &str) -> String {
    let url = format!("{}{}", place.registry, name.replace('/', "%2f"));
    let asked = reqwest::Client::new().get(&url).basic_auth(place.user, Some(place.password));
    let answer = asked.send().await.expect("it answers").bytes().await.expect("it answers");
    let document: Value = serde_json::from_slice(&answer).expect("it is JSON");
    let integrity = document["versions"][version]["dist"]["integrity"].as_str();
    integrity.unwrap_or_else(|| panic!("{name} has no integrity")).to_owned()
}
