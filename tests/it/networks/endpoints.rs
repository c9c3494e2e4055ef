//! A VPC in which one of AWS's services is out of reach: what becomes of the job, and what is told.

use tokio::net::TcpSocket;

use super::{SHORT, left, nobody};
use crate::scene::{claim, event, failure, numbers, stack};
use crate::stack::Stack;
use crate::stack::lambda::InvocationError;

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
