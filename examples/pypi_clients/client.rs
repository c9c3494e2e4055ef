//! What installs a Python project from an index, by what it has locked: pip, uv and Poetry, each with a home of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

/// Name and version of what is installed, and its module.
pub(crate) const PROJECT: (&str, &str, &str) = ("left-pad", "1.0", "left_pad");

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Pip,
    Uv,
    Poetry,
}

/// Where it finds the project.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The simple index, without credentials.
    pub(crate) index: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    /// The digest of the wheel that was published: pip has no lock of its own.
    pub(crate) sha256: &'a str,
}

/// A project that depends on what was published.
#[derive(Debug)]
pub(crate) struct App {
    client: Client,
    home: TempDir,
    tools: PathBuf,
    variables: Vec<(String, String)>,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::Pip, Self::Uv, Self::Poetry];
}

impl App {
    /// Makes one; `tools` is where the clients are.
    pub(crate) fn new(client: Client, tools: &Path, place: Place<'_>) -> Self {
        let Place { index, user, password, sha256 } = place;
        let (name, version, _) = PROJECT;
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        let write = |file: &str, text: String| fs::write(home.path().join(file), text).expect("the folder is ours");
        let project = format!(
            "[project]\nname = \"app\"\nversion = \"1\"\nrequires-python = \">=3.10\"\ndependencies = [\"{name}\"]\n"
        );
        let pair = |prefix: &str| {
            [("USERNAME", user), ("PASSWORD", password)]
                .map(|(part, value)| (format!("{prefix}_{part}"), value.to_owned()))
        };
        let mut variables = Vec::new();
        match client {
            Client::Pip => {
                write("requirements.txt", format!("{name}=={version} --hash=sha256:{sha256}\n"));
                let mut own = url::Url::parse(index).expect("the index has an address");
                let named = own.set_username(user).and_then(|()| own.set_password(Some(password)));
                named.expect("an address on the web can have a user");
                variables.push(("PIP_INDEX_URL".to_owned(), own.to_string()));
            }
            Client::Uv => {
                write("pyproject.toml", project);
                variables.push(("UV_DEFAULT_INDEX".to_owned(), format!("own={index}")));
                variables.extend(pair("UV_INDEX_OWN"));
            }
            Client::Poetry => {
                write(
                    "pyproject.toml",
                    format!(
                        "{project}[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = \"own\"\n\
                         url = \"{index}\"\npriority = \"primary\"\n"
                    ),
                );
                variables.extend(pair("POETRY_HTTP_BASIC_OWN"));
            }
        }
        Self { client, home, tools: tools.to_owned(), variables }
    }

    /// Locks what it depends on, and installs that.
    pub(crate) async fn installs(&self) {
        if self.client == Client::Poetry {
            self.must(&["poetry", "lock"]).await;
        }
        if self.client == Client::Uv {
            self.must(&["uv", "lock"]).await;
        }
        let output = self.install_locked().await;
        assert!(output.status.success(), "{:?}: {}", self.client, said(&output));
        let (_, _, module) = PROJECT;
        let code = format!("import {module}; print({module}.ANSWER)");
        let output = self.run(&self.home.path().join(".venv/bin/python"), &["-c", &code]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "42", "{:?}: {}", self.client, said(&output));
    }

    /// Refuses to install what is not what it has locked.
    pub(crate) async fn refuses(&self) {
        let output = self.install_locked().await;
        let said = said(&output).to_lowercase();
        let told = ["hash", "checksum"].iter().any(|word| said.contains(word));
        assert!(!output.status.success() && told, "{:?}: {said}", self.client);
    }

    /// Installs into a new environment, with nothing kept from before.
    async fn install_locked(&self) -> Output {
        for folder in [".venv", "cache"] {
            // There may be none yet.
            let _ = fs::remove_dir_all(self.home.path().join(folder));
        }
        match self.client {
            Client::Pip => {
                self.must(&["python", "-m", "venv", ".venv", "--without-pip"]).await;
                let arguments = ["-m", "pip", "--python", ".venv", "install", "--require-hashes", "--no-deps"];
                self.run(&self.tools.join("python"), &[&arguments[..], &["-r", "requirements.txt"]].concat()).await
            }
            Client::Uv => self.run(&self.tools.join("uv"), &["sync", "--locked"]).await,
            Client::Poetry => self.run(&self.tools.join("poetry"), &["sync", "--no-interaction"]).await,
        }
    }

    async fn must(&self, command: &[&str]) {
        let Some((tool, arguments)) = command.split_first() else { return };
        let output = self.run(&self.tools.join(tool), arguments).await;
        assert!(output.status.success(), "{command:?}: {}", said(&output));
    }

    async fn run(&self, tool: &Path, arguments: &[&str]) -> Output {
        let home = self.home.path();
        let mut command = tokio::process::Command::new(tool);
        command.args(arguments).current_dir(home).env_clear().env("HOME", home).env("PATH", &self.tools);
        // Nothing of this machine's own configuration, no question to anybody, no other Python than this.
        command.env("PIP_CONFIG_FILE", "/dev/null").env("PIP_NO_INPUT", "1").env("PIP_CACHE_DIR", home.join("cache"));
        command
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("UV_NO_CONFIG", "1")
            .env("UV_CACHE_DIR", home.join("cache"));
        command.env("UV_PYTHON", self.tools.join("python")).env("UV_PYTHON_DOWNLOADS", "never");
        command.env("POETRY_VIRTUALENVS_IN_PROJECT", "true").env("POETRY_CACHE_DIR", home.join("cache"));
        command.env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.output().await.unwrap_or_else(|error| panic!("{} cannot be run: {error}", tool.display()))
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
