//! npm's own libraries asked about many packages in one process: what they would pack and send, or why not.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize as _;
use serde_json::{Value, json};

/// What is asked about.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// A folder as it would be published.
    Folder(PathBuf),
    /// An archive as it would be published.
    Archive(PathBuf),
    /// The files of a folder alone.
    Files(PathBuf),
}

/// The npm that is on the path.
pub(crate) fn npms_own() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the real npm is what we are compared with")]
    let output = Command::new("npm").args(["root", "--global"]).output().expect("the tests need Node with npm");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()).join("npm")
}

/// The next generation of npm, which `make` installs.
pub(crate) fn npm_12() -> PathBuf {
    let npm = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/npm12/node_modules/npm");
    assert!(npm.exists(), "{} is missing: run make test once", npm.display());
    npm
}

/// The answers, each `{"files", "manifest"}` or `{"error"}`.
pub(crate) fn judge(npm: &Path, cache: &Path, questions: &[Question]) -> Vec<Value> {
    let questions: Vec<Value> = questions
        .iter()
        .map(|question| match question {
            Question::Folder(path) => json!({ "folder": path }),
            Question::Archive(path) => json!({ "archive": path }),
            Question::Files(path) => json!({ "files": path }),
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/judge.js");
    #[expect(clippy::disallowed_methods, reason = "the real npm is what we are compared with")]
    let mut command = Command::new("node");
    command.arg(script).arg(npm).arg(cache).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().unwrap_or_else(|error| panic!("node cannot be started: {error}"));
    node.stdin.take().unwrap().write_all(&serde_json::to_vec(&questions).unwrap()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "the judge failed");
    let mut reader = serde_json::Deserializer::from_slice(&output.stdout);
    reader.disable_recursion_limit();
    let answers = Vec::<Value>::deserialize(&mut reader).unwrap();
    assert_eq!(answers.len(), questions.len());
    answers
}
