//! A VPC in which one of AWS's services is out of reach: what becomes of the job, and what is told; and as whom AWS's
//! services are called.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::net::TcpSocket;

use super::{SHORT, left, nobody};
use crate::scene::{claim, event, failure, numbers, stack};
use crate::stack::Stack;
use crate::stack::http::{self, Server};
use crate::stack::lambda::InvocationError;
use crate::stack::s3::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY};

/// The function cannot reach this service.
async fn without(service: &str) -> (Stack, TcpSocket) {
    let stack = stack().await;
    let (socket, nobody) = nobody();
    stack.set(&format!("AWS_ENDPOINT_URL_{service}"), &format!("http://{nobody}"));
    (stack, socket)
}

#[tokio::test]
async fn without_secrets_manager_the_job_fails_and_says_so() {
    let (stack, _socket) = without("SECRETS_MANAGER").await;
    let job = stack.pipeline.queue(left(&stack));
    stack.worker().await;
    let answer = stack.lambda.invoke(stack.pipeline.started_event(&job), SHORT).await.unwrap();
    assert_eq!(numbers(&answer), [0, 1, 0, 1, 0, 0], "{answer}");
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert_eq!(kind, "SystemUnavailable", "{message}");
    assert!(message.contains("codepipeline-artifactory/default could not be read: GetSecretValue failed"), "{message}");
    assert!(message.contains("Connection refused"), "{message}");
}

#[tokio::test]
async fn without_codepipeline_or_the_journal_the_invocation_fails_and_no_job_is_taken() {
    for (service, call) in [("CODEPIPELINE", "PollForJobs"), ("S3", "ListObjectsV2")] {
        let (stack, _socket) = without(service).await;
        let job = stack.pipeline.queue(left(&stack));
        stack.worker().await;
        let answer = stack.lambda.invoke(event("schedule.json"), SHORT).await;
        let Err(InvocationError::Handler { message, .. }) = answer else { panic!("{service}: {answer:?}") };
        let logs = stack.logs().await;
        assert!(logs.contains(call) && logs.contains("Connection refused"), "{message}\n{logs}");
        assert!(claim(&stack, &job).is_none());
        assert_eq!(stack.pipeline.results_given(&job), 0);
        stack.pipeline.forgive(&job);
    }
}

/// The function's rights are its role's, which Lambda puts into its environment, and nobody's else.
#[tokio::test]
async fn credentials_come_from_the_environment_and_are_asked_of_nobody() {
    let stack = stack().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let container = Server::start("container credentials", stack.traffic.clone(), move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async {
            let keys = json!({
                "AccessKeyId": FUNCTION_ACCESS_KEY_ID, "SecretAccessKey": FUNCTION_SECRET_ACCESS_KEY,
                "Token": "token", "Expiration": "2999-01-01T00:00:00Z",
            });
            http::json(200, &keys)
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let profile = format!(
        "[default]\naws_access_key_id = {FUNCTION_ACCESS_KEY_ID}\naws_secret_access_key = {FUNCTION_SECRET_ACCESS_KEY}\n"
    );
    std::fs::write(&file, profile).unwrap();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.url()),
        ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()),
    ] {
        stack.set(name, value);
    }
    stack.worker().await;
    let answer = stack.lambda.invoke(event("schedule.json"), SHORT).await;
    let Err(InvocationError::Handler { message, .. }) = answer else { panic!("{answer:?}") };
    assert!(message.contains("environment variable not set"), "{message}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
