//! Acknowledgements that are answered twice, late, or not at all, and what may be concluded from it.

use std::time::Duration;

use codepipeline_artifactory::aws::codepipeline::{Acknowledged, CodePipeline};
use codepipeline_artifactory::deadline::Deadline;
use codepipeline_artifactory::job::JobId;
use tokio::net::TcpSocket;

use crate::services;
use crate::stack::http::{Fault, Server, Traffic, json};

const JOB: &str = "11111111-abcd-1111-abcd-111111abcdef";

/// CodePipeline as it answers whoever comes with a nonce that is stale by now.
async fn too_late(port: u16, traffic: &Traffic) -> Server {
    let refusal = serde_json::json!({ "__type": "InvalidNonceException", "message": "no" });
    Server::start_on(port, "late", traffic.clone(), move |_| std::future::ready(json(400, &refusal))).await
}

async fn acknowledge(port: u16) -> Acknowledged {
    let config = services::configuration(&format!("http://127.0.0.1:{port}"));
    let deadline = Deadline::after(Duration::from_mins(1));
    let job = JobId::parse(JOB).unwrap();
    CodePipeline::new(&config).acknowledge(&job, "1", deadline).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_nobody_could_hear_is_not_taken_for_given() {
    // Bound and not listening: whoever connects is refused.
    let reserved = TcpSocket::new_v4().unwrap();
    reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (port, traffic) = (reserved.local_addr().unwrap().port(), Traffic::default());
    let opening = async {
        // The first try is refused at once, the second comes after a pause.
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::time::resume();
        drop(reserved);
        too_late(port, &traffic).await
    };
    let (acknowledged, _server) = tokio::join!(acknowledge(port), opening);
    assert_eq!(acknowledged, Acknowledged::NotOurs("InvalidNonceException".to_owned()));
    assert_eq!(traffic.total(), 1, "the first try never arrived");
}

#[tokio::test]
async fn an_acknowledgement_whose_answer_is_lost_is_taken_for_given_when_it_comes_back() {
    let traffic = Traffic::default();
    let server = too_late(0, &traffic).await;
    traffic.fault("late", None, "AcknowledgeJob", 0, 1, Fault::DropAfter);
    let port = server.address().port();
    assert_eq!(acknowledge(port).await, Acknowledged::Ours);
    assert_eq!(acknowledge(port).await, Acknowledged::NotOurs("InvalidNonceException".to_owned()), "at the first try");
}
