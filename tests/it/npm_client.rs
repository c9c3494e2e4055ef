//! The real npm client in a home of its own, pointed at one registry and at nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

/// An npm with its own home, cache and configuration.
#[derive(Debug)]
pub(crate) struct NpmClient {
    home: TempDir,
    registry: String,
}

impl NpmClient {
    /// `registry` ends with a slash.
    pub(crate) fn new(registry: &str) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        Self { home, registry: registry.to_owned() }
    }

    pub(crate) fn log_in_with_password(&self, user: &str, password: &str) {
        self.log_in(&format!("_auth={}", STANDARD.encode(format!("{user}:{password}"))));
    }

    pub(crate) fn log_in_with_token(&self, token: &str) {
        self.log_in(&format!("_authToken={token}"));
    }

    fn log_in(&self, credential: &str) {
        let place = self.registry.split_once(':').map_or("", |(_, place)| place);
        fs::write(self.home.path().join(".npmrc"), format!("{place}:{credential}\n")).expect("the folder is ours");
    }

    /// Makes a folder with a `package.json` and these files.
    pub(crate) fn package(&self, folder: &str, manifest: &Value, files: &[(&str, &str)]) {
        let folder = self.folder(folder);
        fs::create_dir_all(&folder).expect("the folder is ours");
        fs::write(folder.join("package.json"), manifest.to_string()).expect("the folder is ours");
        for (name, content) in files {
            fs::write(folder.join(name), content).expect("the folder is ours");
        }
    }

    /// Where a folder made by [`NpmClient::package`] is.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs `npm` in a folder.
    pub(crate) async fn run(&self, folder: &str, arguments: &[&str]) -> Output {
        let mut command = self.command("npm", folder);
        command.args(arguments).args(["--registry", &self.registry, "--no-audit", "--no-fund", "--no-update-notifier"]);
        // A failure shows at once, in place of retries of ten seconds and more.
        command.args(["--fetch-retries", "0"]);
        output(command).await
    }

    /// Runs a line of JavaScript in a folder.
    pub(crate) async fn node(&self, folder: &str, code: &str) -> Output {
        self.execute("node", folder, &["-e", code]).await
    }

    /// Runs any program in a folder.
    pub(crate) async fn execute(&self, program: &str, folder: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(program, folder);
        command.args(arguments);
        output(command).await
    }

    fn command(&self, program: &str, folder: &str) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the real client is what this test is about")]
        let mut command = Command::new(program);
        let home = self.home.path();
        command.current_dir(home.join(folder)).env("HOME", home);
        command.env("npm_config_userconfig", home.join(".npmrc")).env("npm_config_cache", home.join(".cache"));
        command
    }
}

async fn output(mut command: Command) -> Output {
    let program = command.get_program().display().to_string();
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("the command does not panic").unwrap_or_else(|error| {
        panic!("{program} cannot be started ({error}): the tests need Node 20 or later with npm")
    })
}
