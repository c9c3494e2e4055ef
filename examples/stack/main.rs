//! `make stack`: the local services, kept up for `cargo lambda watch` and `cargo lambda invoke`. A job always waits in
//! the queue; whenever one is answered, the answer is printed and the next version of the package is queued.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a program for a terminal")]

#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::fmt::Write as _;
use std::time::Duration;

use stack::pipeline::JobResult;
use stack::{Ports, REPOSITORY, Stack, project};

/// Where the services are, so that the printed environment stays true from run to run.
const PORTS: Ports = Ports { pipeline: 9101, secrets: 9102, s3: 9103, artifactory: 9104 };
/// Where the environment is written for a shell to source.
const ENVIRONMENT: &str = ".tools/stack.env";
/// How long an answer is waited for before the next look.
const A_DAY: Duration = Duration::from_hours(24);

#[tokio::main]
async fn main() {
    let stack = Stack::start_on(PORTS, "").await;
    let mut exports = String::new();
    for (name, value) in stack.environment() {
        let _ = writeln!(exports, "export {name}='{value}'");
    }
    std::fs::create_dir_all(".tools").expect("the project's folder can be written to");
    std::fs::write(ENVIRONMENT, &exports).expect("the project's folder can be written to");
    println!(
        "The services are up. The function finds them by these variables, which are in {ENVIRONMENT} too:\n\n{exports}"
    );
    println!("In a second terminal:  source {ENVIRONMENT} && make watch");
    println!("In a third:            make invoke EVENT=events/action-started.json");
    println!("npm registry:          {}\n", stack.artifactory.npm_registry(REPOSITORY));

    for version in 0.. {
        let version = format!("1.0.{version}");
        let job = stack.pipeline.queue(stack.action(project::zipped(&version, "")));
        println!(
            "Queued: {} {version}, job {}. Waiting for a worker; Ctrl-C ends it all.",
            project::NAME,
            job.as_str()
        );
        match answer(&stack, &job).await {
            Some(JobResult::Succeeded { summary, .. }) => println!("Succeeded: {}\n", summary.unwrap_or_default()),
            Some(JobResult::Failed { r#type: kind, message, .. }) => println!("Failed ({kind}):\n{message}\n"),
            Some(other) => println!("The job ended so: {other:?}\n"),
            None => break,
        }
    }
    println!("\nThe services are gone.");
    // What a person leaves half done is no error.
    stack.abandon();
}

/// The job's result, or `None` where the person ends the program first.
async fn answer(stack: &Stack, job: &stack::pipeline::JobId) -> Option<JobResult> {
    tokio::select! {
        result = stack.pipeline.wait_for_result(job, A_DAY) => Some(result),
        _ = tokio::signal::ctrl_c() => None,
    }
}
