//! What the job API refuses, and that a refused call leaves the job as it was.

use aws_sdk_codepipeline::config::Credentials;
use aws_sdk_codepipeline::types::{
    ActionCategory, ActionOwner, ActionTypeId, CurrentRevision, ExecutionDetails, FailureType,
};

use super::jobs::{own_type, start, start_with};
use super::{codepipeline, refusal};
use crate::stack::pipeline::{ActionType, JobSpec, JobState, Settings};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn action_type(owner: ActionOwner, category: ActionCategory, provider: &str, version: &str) -> ActionTypeId {
    ActionTypeId::builder().category(category).owner(owner).provider(provider).version(version).build().unwrap()
}

/// A text of this length.
fn x(length: usize) -> String {
    "x".repeat(length)
}

#[tokio::test]
async fn polls_find_custom_types_that_were_declared() {
    let fixture = start().await;
    let poll = |id: ActionTypeId| fixture.client.poll_for_jobs().action_type_id(id).send();
    let aws = action_type(ActionOwner::Aws, ActionCategory::Deploy, "Artifactory", "1");
    assert_eq!(
        refusal(poll(aws).await),
        ("ValidationException".into(), "ActionType with owner 'AWS' is not supported".into())
    );
    let newer = action_type(ActionOwner::Custom, ActionCategory::Build, "Artifactory", "2");
    let text =
        "ActionType (Category: 'Build', Owner: 'Custom', Provider: 'Artifactory', Version: '2') is not available";
    assert_eq!(refusal(poll(newer).await), ("ActionTypeNotFoundException".into(), text.into()));
    for (provider, version) in [("", "1"), ("Arti factory", "1"), ("Artifactory", "1.0"), ("Artifactory", "1234567890")]
    {
        let wrong = action_type(ActionOwner::Custom, ActionCategory::Deploy, provider, version);
        assert_eq!(refusal(poll(wrong).await).0, "ValidationException", "{provider} {version}");
    }
    let odd = action_type(ActionOwner::from("Mine"), ActionCategory::Deploy, "Artifactory", "1");
    let (code, text) = refusal(poll(odd).await);
    assert_eq!(code, "ValidationException");
    assert!(text.contains("Member must satisfy enum value set: [AWS, ThirdParty, Custom]"), "{text}");
}

#[tokio::test]
async fn a_queryable_property_must_be_asked_for_and_only_where_there_is_one() {
    let fixture = start().await;
    let asked = fixture.client.poll_for_jobs().action_type_id(own_type()).query_param("Team", "web").send().await;
    assert_eq!(refusal(asked).0, "ValidationException");

    let team = ActionType { provider: "Team".into(), queryable: Some("Team".into()), ..ActionType::default() };
    fixture.pipeline.declare(team.clone());
    fixture.pipeline.queue(JobSpec::new("a").action_type(team.clone()).configuration("Team", "web"));
    fixture.pipeline.queue(JobSpec::new("b").action_type(team).configuration("Team", "data"));
    let id = action_type(ActionOwner::Custom, ActionCategory::Deploy, "Team", "1");
    assert_eq!(
        refusal(fixture.client.poll_for_jobs().action_type_id(id.clone()).send().await).0,
        "ValidationException"
    );
    let found =
        fixture.client.poll_for_jobs().action_type_id(id).max_batch_size(5).query_param("Team", "data").send().await;
    assert_eq!(found.unwrap().jobs().len(), 1);
}

#[tokio::test]
async fn a_poll_gets_no_more_than_it_asks_for_and_no_more_than_the_cap() {
    let fixture = start_with(Settings { largest_batch: 3, ..Settings::default() }).await;
    for _ in 0..7 {
        fixture.pipeline.queue(JobSpec::new("shop"));
    }
    let mut counts = Vec::new();
    for asked in [2, 100, 100] {
        let poll = fixture.client.poll_for_jobs().action_type_id(own_type()).max_batch_size(asked);
        counts.push(poll.send().await.unwrap().jobs().len());
    }
    assert_eq!(counts, [2, 3, 2]);
    let none = fixture.client.poll_for_jobs().action_type_id(own_type()).max_batch_size(0).send().await;
    assert!(refusal(none).1.contains("greater than or equal to 1"));
}

#[tokio::test]
async fn ids_are_checked_before_they_are_looked_up() {
    let fixture = start().await;
    let unknown = ("JobNotFoundException".to_owned(), format!("Job with id '{UNKNOWN}' does not exist"));
    assert_eq!(fixture.acknowledge(UNKNOWN, "1").await.unwrap_err(), unknown);
    assert_eq!(fixture.succeed(UNKNOWN, "done").await.unwrap_err(), unknown);
    assert_eq!(fixture.fail(UNKNOWN, FailureType::JobFailed, "why").await.unwrap_err(), unknown);
    for malformed in ["", "1", "00000000-0000-4000-8000-00000000000", "ABCDEF00-0000-4000-8000-000000000000"] {
        let (code, text) = fixture.acknowledge(malformed, "1").await.unwrap_err();
        assert_eq!(code, "ValidationException");
        assert!(text.starts_with("1 validation error detected: Value '"), "{text}");
    }
}

#[tokio::test]
async fn a_text_over_its_limit_leaves_the_job_in_progress() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.take().await;
    let long = x(5001);
    let wide = "🦀".repeat(2501);
    for message in ["", &long, &wide] {
        assert_eq!(fixture.fail(&job, FailureType::JobFailed, message).await.unwrap_err().0, "ValidationException");
    }
    let unknown = fixture.fail(&job, FailureType::from("Exhausted"), "why").await.unwrap_err();
    assert!(unknown.1.contains("Value 'Exhausted' at 'failureDetails.type'"), "{unknown:?}");

    let put = || fixture.client.put_job_success_result().job_id(job.as_str());
    let details = || ExecutionDetails::builder().summary("fine");
    let revision = |revision: &str, change: &str| {
        CurrentRevision::builder().revision(revision).change_identifier(change).build().unwrap()
    };
    let refused = [
        put().execution_details(ExecutionDetails::builder().summary("").build()).send().await,
        put().execution_details(ExecutionDetails::builder().summary(x(2049)).build()).send().await,
        put().execution_details(details().external_execution_id(x(1501)).build()).send().await,
        put().execution_details(details().percent_complete(101).build()).send().await,
        put().current_revision(revision("", "9f86")).send().await,
        put().current_revision(revision(&x(1501), "9f86")).send().await,
        put().current_revision(revision("1.0.0", &x(101))).send().await,
        put().continuation_token(x(2049)).send().await,
        put().output_variables("a.b", "x").send().await,
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        assert_eq!(refusal(refused).0, "ValidationException", "number {number}");
    }
    assert_eq!(fixture.pipeline.state(&id), JobState::InProgress);
    assert_eq!(fixture.pipeline.results_given(&id), 0);
    fixture.fail(&job, FailureType::JobFailed, &x(5000)).await.unwrap();
}

#[tokio::test]
async fn a_text_of_exactly_its_limit_is_taken() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.take().await;
    let details =
        ExecutionDetails::builder().summary(x(2048)).external_execution_id(x(1500)).percent_complete(100).build();
    let revision = CurrentRevision::builder().revision(x(1500)).change_identifier(x(100)).revision_summary(x(2048));
    let put = fixture.client.put_job_success_result().job_id(job).execution_details(details);
    put.current_revision(revision.build().unwrap()).continuation_token(x(2048)).send().await.unwrap();
    assert_eq!(fixture.pipeline.state(&id), JobState::Succeeded);
}

#[tokio::test]
async fn output_variables_have_a_size_and_no_place_beside_a_token() {
    let fixture = start().await;
    fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.take().await;
    let put = || fixture.client.put_job_success_result().job_id(job.as_str());
    let both = put().continuation_token("half").output_variables("Name", "shop").send().await;
    let text = "A job can not contain both a continuation token and output variables.";
    assert_eq!(refusal(both), ("ValidationException".into(), text.into()));
    let large = put().output_variables("Name", "x".repeat(122_880 - 3)).send().await;
    assert_eq!(refusal(large).0, "OutputVariablesSizeExceededException");
    put().output_variables("Name", "x".repeat(122_880 - 4)).send().await.unwrap();
}

#[tokio::test]
async fn a_call_must_be_signed_for_this_service_and_not_with_a_jobs_credentials() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let url = fixture.pipeline.url();
    let post = |authorization: Option<&'static str>, target: &'static str| {
        let (url, id) = (url.clone(), id.clone());
        async move {
            let mut request = reqwest::Client::new()
                .post(url)
                .header("content-type", "application/x-amz-json-1.1")
                .header("x-amz-date", "20261123T080000Z")
                .header("x-amz-target", target)
                .body(format!(r#"{{"jobId":"{id}"}}"#));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400);
            let body: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
            body["__type"].as_str().unwrap().to_owned()
        }
    };
    let details = "CodePipeline_20150709.GetJobDetails";
    assert_eq!(post(None, details).await, "MissingAuthenticationTokenException");
    assert_eq!(post(Some("Bearer abc"), details).await, "IncompleteSignatureException");
    let other_service = "AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/s3/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, \
         Signature=0000000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(post(Some(other_service), details).await, "InvalidSignatureException");
    assert_eq!(post(Some(other_service), "CodePipeline.GetJobDetails").await, "UnknownOperationException");

    let pipelines = refusal(fixture.client.get_pipeline().name("shop").send().await);
    assert_eq!(pipelines.0, "UnknownOperationException");

    let session = fixture.vault.issue(Vec::new(), Vec::new());
    let credentials =
        Credentials::new(session.access_key_id, session.secret_access_key, Some(session.session_token), None, "job");
    let foreign = codepipeline(&url, credentials);
    assert_eq!(refusal(foreign.get_job_details().job_id(id.as_str()).send().await).0, "AccessDeniedException");
}

#[tokio::test]
async fn members_that_the_model_calls_optional_can_be_missing() {
    let fixture = start().await;
    let spec = JobSpec::new("shop").without("pipelineContext").without("artifactCredentials").without("inputArtifacts");
    fixture.pipeline.queue(spec);
    let job = fixture.poll_one().await;
    let data = job.data().unwrap();
    assert!(data.pipeline_context().is_none() && data.artifact_credentials().is_none());
    assert!(data.action_configuration().is_some());
}
