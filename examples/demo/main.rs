//! `make demo`: a real pipeline job, published by the real Lambda binary into the local stack, installed back by npm.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a demonstration prints its story and stops where the story breaks"
)]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stack::artifactory::LiveToken;
use stack::pipeline::{JobResult, JobSpec};
use stack::{JOURNAL, REPOSITORY, Stack, project};

/// Width of what stands beside the labels.
const WIDTH: usize = 90;

#[tokio::main]
async fn main() {
    let worker = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: demo PATH-OF-THE-LAMBDA-BINARY");
    let stack = Stack::start(&worker).await;

    println!(
        "\nA package goes from a build in CodePipeline to `npm install`. The services are stand-ins on this machine,"
    );
    println!("the function is the real one, and so are npm and node. Nothing leaves this machine.");

    chapter("1", "The services");
    line("CodePipeline's job API", &stack.pipeline.url());
    line("Secrets Manager", &stack.secrets.url());
    line("S3", &stack.s3.url());
    line("Artifactory", &stack.artifactory.url());
    let started = clock();
    let ready = stack.worker().await.ready(Duration::from_secs(30)).await;
    line(
        "the Lambda function",
        &format!("{} asked for work {} ms after its start", name_of(&worker), ready.as_millis()),
    );
    assert!(started.elapsed() < Duration::from_mins(1), "the function did not start");

    chapter("2", "A build has ended: CodePipeline starts the action that publishes");
    let build = project::zipped("1.0.3", "");
    line(
        "the build's artifact",
        &format!(
            "{}, {} files: {} with its tests and node_modules",
            size(build.len()),
            files_in(&build),
            project::NAME
        ),
    );
    let action = stack.action(build.clone());
    line("the action says", &settings_of(&action));
    line("the secret holds", &format!("the password of {}; the pipeline never sees it", stack::USER));
    let (answer, result) = tell(&stack, action).await;

    chapter("3", "What CodePipeline was told");
    let JobResult::Succeeded { summary, external_execution_id, revision, variables, .. } = result else {
        panic!("the job failed: {result:#?}\n{}", stack.logs().await);
    };
    line("summary", &summary.unwrap_or_default());
    line("revision", &revision.map(|revision| revision.revision).unwrap_or_default());
    for (name, value) in &variables {
        line(&format!("variable {name}"), value);
    }
    line("log of the run", &external_execution_id.unwrap_or_default());
    line("the invocation answered", &answer.to_string());

    chapter("4", "What Artifactory holds now");
    for file in stack.artifactory.files(REPOSITORY) {
        line(&format!("in {REPOSITORY}"), &file.path);
        line("", &format!("{}, deployed by {}", size(file.content.len()), file.created_by));
        for (number, (path, mode, length)) in inside(&file.content).into_iter().enumerate() {
            let what = if number == 0 { "mode, bytes, path inside" } else { "" };
            line(what, &format!("{mode:o} {length:>6} {path}"));
        }
    }
    let before = stack.artifactory.password_seen();

    chapter("5", "npm installs it, and node runs it");
    install(&stack);
    // What npm itself sends is npm's business, and no part of the account in the last chapter.
    let npms = before.len()..stack.artifactory.password_seen().len();

    chapter("6", "Somebody presses Retry: the same build once more");
    let (_, result) = tell(&stack, stack.action(build)).await;
    outcome(&result);

    chapter("7", "A build with other content under the same version");
    let (_, result) = tell(&stack, stack.action(project::zipped("1.0.3", "\n// changed\n"))).await;
    outcome(&result);

    chapter("8", "What the function leaves behind");
    line("claims in the journal", &stack.s3.keys(JOURNAL, "jobs/").len().to_string());
    line("tokens still valid", &tokens(&stack.artifactory.tokens_live()));
    let mut seen = stack.artifactory.password_seen();
    seen.drain(npms);
    line("the password went to", &counted(&seen).join(", "));

    println!(
        "\nTo go on: `make stack` keeps the services up; `DEMO_LOG=1 make demo` shows the function's log as well."
    );
    #[expect(clippy::disallowed_methods, reason = "an example is not the crate")]
    if std::env::var_os("DEMO_LOG").is_some() {
        println!("\n{}", stack.logs().await);
    }
}

/// The event wakes the function, and we wait for its answer.
async fn tell(stack: &Stack, action: JobSpec) -> (serde_json::Value, JobResult) {
    let begun = clock();
    let (answer, result) = stack.run(action).await;
    line("event to answer", &format!("{} ms", begun.elapsed().as_millis()));
    (answer, result)
}

fn outcome(result: &JobResult) {
    match result {
        JobResult::Succeeded { summary, .. } => line("succeeded", summary.as_deref().unwrap_or_default()),
        JobResult::Failed { r#type, message, .. } => {
            line("failed", r#type);
            for text in message.lines() {
                line("", text);
            }
        }
        other => panic!("the job has no result: {other:?}"),
    }
}

fn settings_of(action: &JobSpec) -> String {
    action.configuration.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
}

/// What the real npm makes of it, in a home of its own.
fn install(stack: &Stack) {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let registry = stack.artifactory.npm_registry(REPOSITORY);
    let bare = registry.trim_start_matches("http:");
    let login =
        format!("registry={registry}\n{bare}:username={}\n{bare}:_password={}\n", stack::USER, base64(stack::PASSWORD));
    std::fs::write(home.path().join(".npmrc"), login).expect("a file can be written there");
    stack.forgive_passwords();
    std::fs::write(home.path().join("package.json"), "{}").expect("a file can be written there");
    let begun = clock();
    run(home.path(), "npm", &["install", "--no-audit", "--no-fund", "--no-update-notifier", project::NAME]);
    command(&format!("npm install {}", project::NAME), &format!("done after {} ms", begun.elapsed().as_millis()));
    let script = "console.log(require('node_example').ago(0, 60_000))";
    command(&format!("node -e \"{script}\""), run(home.path(), "node", &["-e", script]).trim());
    let said = run(home.path(), "npx", &["--no", "node_example", "--", "1970-01-01T00:00:00Z"]);
    command("npx node_example 1970-01-01T00:00:00Z", said.trim());
}

fn tokens(live: &[LiveToken]) -> String {
    let longest = live.iter().map(|token| token.seconds.expect("every token that we ask for ends")).max();
    match longest {
        None => "none".to_owned(),
        Some(seconds) => format!(
            "{}, one for each job. Each ends by itself, at most {seconds} seconds after its issue; Artifactory refuses \
             to revoke tokens that live so short",
            live.len()
        ),
    }
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    #[expect(clippy::disallowed_methods, reason = "the demonstration shows what real clients make of it")]
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("HOME", folder)
        .env("npm_config_cache", folder.join("cache"))
        .env("npm_config_userconfig", folder.join(".npmrc"))
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} could not be started ({error}); the demonstration needs Node with npm")
        });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn files_in(zip: &[u8]) -> usize {
    zip::ZipArchive::new(std::io::Cursor::new(zip)).expect("we made it").len()
}

/// Path, mode and length of everything in a package.
fn inside(tgz: &[u8]) -> Vec<(String, u32, u64)> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(tgz));
    let entries = tar.entries().expect("a package is a tar");
    let facts = entries.map(|entry| {
        let mut entry = entry.expect("a package is a tar");
        let path = entry.path().expect("a package has paths").display().to_string();
        let mode = entry.header().mode().expect("a package has modes");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("a package can be read");
        (path, mode, content.len() as u64)
    });
    facts.collect()
}

/// Each text once, with how often it is there.
fn counted(list: &[String]) -> Vec<String> {
    let mut counts: Vec<(&String, usize)> = Vec::new();
    for text in list {
        match counts.iter_mut().find(|(other, _)| *other == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    counts.into_iter().map(|(text, count)| format!("{text} ({count} times)")).collect()
}

fn size(bytes: usize) -> String {
    if bytes < 10_000 { format!("{bytes} bytes") } else { format!("{} kB", bytes / 1000) }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn chapter(number: &str, title: &str) {
    println!("\n{number}. {title}");
}

/// A label and what belongs to it, which goes on below itself where it is long.
fn line(what: &str, text: &str) {
    let mut label = what;
    for piece in folded(text) {
        println!("   {label:<24}  {}", piece.trim_end());
        label = "";
    }
}

/// A command line and what it printed.
fn command(line: &str, said: &str) {
    println!("   $ {line}\n     {said}");
}

/// The text in lines of a width that terminals have, broken behind blanks and commas.
fn folded(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive([' ', ',']) {
        let last = lines.last_mut().expect("there is one from the start");
        if !last.is_empty() && last.chars().count() + word.trim_end().chars().count() > WIDTH {
            lines.push(word.to_owned());
        } else {
            last.push_str(word);
        }
    }
    lines
}

#[expect(clippy::disallowed_methods, reason = "the demonstration says how long things took")]
fn clock() -> Instant {
    Instant::now()
}
