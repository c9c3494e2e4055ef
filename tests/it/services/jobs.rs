//! The life of a job: offered, acknowledged, answered, answered again; offered again, continued, timed out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::types::{
    ActionCategory, ActionOwner, ActionTypeId, CurrentRevision, ExecutionDetails, FailureDetails, FailureType, Job,
    JobStatus,
};
use hyper::Method;

use super::{codepipeline, function_credentials, refusal};
use crate::stack::http::{Fault, Traffic};
use crate::stack::pipeline::{
    Acknowledgement, CodePipeline, EarlyResult, JobResult, JobSpec, JobState, NonceOnRedispatch, Revision, SERVICE,
    Settings, Switches,
};
use crate::stack::vault::{Clock, Vault};

pub(super) struct Fixture {
    pub(super) traffic: Traffic,
    pub(super) vault: Vault,
    pub(super) pipeline: CodePipeline,
    pub(super) client: Client,
}

pub(super) async fn start() -> Fixture {
    start_with(Settings::default()).await
}

pub(super) async fn start_with(settings: Settings) -> Fixture {
    let (traffic, vault) = (Traffic::default(), Vault::new(Clock::default()));
    let pipeline = CodePipeline::start_with(traffic.clone(), vault.clone(), settings).await;
    let client = codepipeline(&pipeline.url(), function_credentials());
    Fixture { traffic, vault, pipeline, client }
}

pub(super) fn own_type() -> ActionTypeId {
    ActionTypeId::builder()
        .category(ActionCategory::Deploy)
        .owner(ActionOwner::Custom)
        .provider("Artifactory")
        .version("1")
        .build()
        .unwrap()
}

impl Fixture {
    pub(super) async fn poll(&self) -> Vec<Job> {
        let answer = self.client.poll_for_jobs().action_type_id(own_type()).max_batch_size(10).send().await.unwrap();
        answer.jobs.unwrap_or_default()
    }

    pub(super) async fn poll_one(&self) -> Job {
        let mut jobs = self.poll().await;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.remove(0)
    }

    pub(super) async fn acknowledge(&self, id: &str, nonce: &str) -> Result<JobStatus, (String, String)> {
        match self.client.acknowledge_job().job_id(id).nonce(nonce).send().await {
            Ok(answer) => Ok(answer.status.unwrap()),
            refused => Err(refusal(refused)),
        }
    }

    /// Polls one job and acknowledges it.
    pub(super) async fn take(&self) -> String {
        let job = self.poll_one().await;
        let id = job.id().unwrap().to_owned();
        assert_eq!(self.acknowledge(&id, job.nonce().unwrap()).await, Ok(JobStatus::InProgress));
        id
    }

    pub(super) async fn succeed(&self, id: &str, summary: &str) -> Result<(), (String, String)> {
        let details = ExecutionDetails::builder().summary(summary).build();
        let sent = self.client.put_job_success_result().job_id(id).execution_details(details).send().await;
        if sent.is_ok() { Ok(()) } else { Err(refusal(sent)) }
    }

    pub(super) async fn fail(&self, id: &str, kind: FailureType, message: &str) -> Result<(), (String, String)> {
        let details = FailureDetails::builder().r#type(kind).message(message).build().unwrap();
        let sent = self.client.put_job_failure_result().job_id(id).failure_details(details).send().await;
        if sent.is_ok() { Ok(()) } else { Err(refusal(sent)) }
    }
}

#[tokio::test]
async fn a_job_is_offered_acknowledged_and_answered() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(
        JobSpec::new("shop")
            .configuration("Secret", "artifactory/publish")
            .input("Build", "artifacts", "shop/Build/7pYa0Uk.zip")
            .input("Notes", "artifacts", "shop/Notes/amZpHzo")
            .revision("3f2c")
            .output("Report", "artifacts", "shop/Report/0a1b2c3")
            .encryption_key("arn:aws:kms:us-east-1:111122223333:key/1"),
    );
    assert_eq!(fixture.pipeline.state(&id), JobState::Queued);

    let job = fixture.poll_one().await;
    assert_eq!(job.id(), Some(id.as_str()));
    assert_eq!(job.account_id(), Some("111122223333"));
    let data = job.data().unwrap();
    assert_eq!(data.action_configuration().unwrap().configuration().unwrap()["Secret"], "artifactory/publish");
    let context = data.pipeline_context().unwrap();
    assert_eq!(context.pipeline_name(), Some("shop"));
    assert_eq!(context.pipeline_arn(), Some("arn:aws:codepipeline:us-east-1:111122223333:shop"));
    assert!(context.action().unwrap().action_execution_id().is_some());
    let (build, notes) = (&data.input_artifacts()[0], &data.input_artifacts()[1]);
    assert_eq!((build.name(), build.revision()), (Some("Build"), None));
    assert_eq!((notes.name(), notes.revision()), (Some("Notes"), Some("3f2c")));
    let location = data.output_artifacts()[0].location().unwrap().s3_location().unwrap();
    assert_eq!((location.bucket_name(), location.object_key()), ("artifacts", "shop/Report/0a1b2c3"));
    assert_eq!(data.encryption_key().unwrap().id(), "arn:aws:kms:us-east-1:111122223333:key/1");
    let credentials = data.artifact_credentials().unwrap();
    let session = fixture.vault.lookup(credentials.access_key_id()).unwrap();
    assert_eq!(session.session_token, credentials.session_token());
    assert!(session.reads("artifacts", "shop/Build/7pYa0Uk.zip") && !session.reads("artifacts", "shop/Report/0a1b2c3"));
    assert!(session.writes("artifacts", "shop/Report/0a1b2c3") && !session.writes("artifacts", "shop/Notes/amZpHzo"));

    let nonce = job.nonce().unwrap();
    assert!(nonce.parse::<u32>().is_ok());
    assert_eq!(fixture.acknowledge(id.as_str(), nonce).await, Ok(JobStatus::InProgress));
    assert_eq!(fixture.poll().await, []);

    let waiting = fixture.pipeline.wait_for_result(&id, Duration::from_secs(20));
    let answering = fixture
        .client
        .put_job_success_result()
        .job_id(id.as_str())
        .execution_details(
            ExecutionDetails::builder().summary("3 files").external_execution_id("log").percent_complete(100).build(),
        )
        .current_revision(CurrentRevision::builder().revision("1.0.3").change_identifier("9f86").build().unwrap())
        .output_variables("PackageName", "shop")
        .send();
    let (result, answered) = tokio::join!(waiting, answering);
    answered.unwrap();
    let expected = JobResult::Succeeded {
        summary: Some("3 files".into()),
        external_execution_id: Some("log".into()),
        percent: Some(100),
        revision: Some(Revision { revision: "1.0.3".into(), change_identifier: "9f86".into(), summary: None }),
        variables: [("PackageName".into(), "shop".into())].into(),
    };
    assert_eq!(result, expected);
    assert_eq!(fixture.pipeline.results_given(&id), 1);
    assert_eq!(fixture.traffic.count(SERVICE, &Method::POST, "PutJobSuccessResult"), 1);
}

#[tokio::test]
async fn the_same_answer_again_is_taken_and_any_other_is_refused() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.take().await;
    assert_eq!(fixture.fail(&job, FailureType::PermissionError, "403").await, Ok(()));
    assert_eq!(fixture.fail(&job, FailureType::PermissionError, "403").await, Ok(()));

    let (code, text) = fixture.fail(&job, FailureType::PermissionError, "404").await.unwrap_err();
    assert_eq!(code, "InvalidJobStateException");
    assert_eq!(
        text,
        format!(
            "The status of job with id {job} is already set to the desired value. It cannot be updated with the same \
             status, but different result or output variables."
        )
    );
    let (code, text) = fixture.succeed(&job, "fine").await.unwrap_err();
    assert_eq!(
        (code.as_str(), text),
        ("InvalidJobStateException", format!("Job with id {job} has already terminated"))
    );

    let expected =
        JobResult::Failed { r#type: "PermissionError".into(), message: "403".into(), external_execution_id: None };
    assert_eq!(fixture.pipeline.result(&id), expected);
    assert_eq!(fixture.pipeline.results_given(&id), 2);
}

#[tokio::test]
async fn what_nobody_acknowledges_is_offered_again_with_a_new_nonce() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let first = fixture.poll_one().await;
    assert_eq!(fixture.poll().await, []);
    fixture.pipeline.advance(Duration::from_secs(46));
    let second = fixture.poll_one().await;
    assert_eq!(first.id(), second.id());
    assert_ne!(first.nonce(), second.nonce());

    let (code, _) = fixture.acknowledge(id.as_str(), first.nonce().unwrap()).await.unwrap_err();
    assert_eq!(code, "InvalidNonceException");
    assert_eq!(fixture.acknowledge(id.as_str(), second.nonce().unwrap()).await, Ok(JobStatus::InProgress));
    fixture.pipeline.advance(Duration::from_secs(46));
    assert_eq!(fixture.poll().await, [], "an acknowledged job is nobody else's");
    fixture.succeed(id.as_str(), "done").await.unwrap();
}

#[tokio::test]
async fn every_switch_changes_what_it_names() {
    assert_eq!(Switches::all().len(), 32);
    for switches in Switches::all() {
        let fixture = start_with(Settings { switches, redispatch_after: Duration::ZERO, ..Settings::default() }).await;
        let invalid = |outcome: &Result<JobStatus, (String, String)>| {
            outcome.as_ref().is_err_and(|(code, _)| code == "InvalidNonceException")
        };

        // Two polls see the same job: redispatch comes at once.
        let id = fixture.pipeline.queue(JobSpec::new("shop"));
        let (first, second) = (fixture.poll_one().await, fixture.poll_one().await);
        let (stale, nonce) = (first.nonce().unwrap(), second.nonce().unwrap());
        assert_eq!(stale == nonce, switches.nonce_on_redispatch == NonceOnRedispatch::Kept);
        let outcome = fixture.acknowledge(id.as_str(), "999").await;
        match switches.stale_nonce {
            Acknowledgement::InvalidNonce => assert!(invalid(&outcome), "{switches:?}: {outcome:?}"),
            Acknowledgement::State => assert_eq!(outcome, Ok(JobStatus::Dispatched), "{switches:?}"),
        }

        assert_eq!(fixture.acknowledge(id.as_str(), nonce).await, Ok(JobStatus::InProgress));
        let outcome = fixture.acknowledge(id.as_str(), nonce).await;
        match switches.repeated_acknowledgement {
            Acknowledgement::InvalidNonce => assert!(invalid(&outcome), "{switches:?}: {outcome:?}"),
            Acknowledgement::State => assert_eq!(outcome, Ok(JobStatus::InProgress), "{switches:?}"),
        }
        let outcome = fixture.acknowledge(id.as_str(), "999").await;
        assert!(invalid(&outcome), "another's job is never shown as in progress: {switches:?}: {outcome:?}");

        fixture.succeed(id.as_str(), "done").await.unwrap();
        let outcome = fixture.acknowledge(id.as_str(), nonce).await;
        match switches.finished_acknowledgement {
            Acknowledgement::InvalidNonce => assert!(invalid(&outcome), "{switches:?}: {outcome:?}"),
            Acknowledgement::State => assert_eq!(outcome, Ok(JobStatus::Succeeded), "{switches:?}"),
        }

        let early = fixture.pipeline.queue(JobSpec::new("shop"));
        let outcome = fixture.succeed(early.as_str(), "too early").await;
        match switches.early_result {
            EarlyResult::Accepted => assert_eq!(outcome, Ok(()), "{switches:?}"),
            EarlyResult::InvalidJobState => {
                assert_eq!(outcome.unwrap_err().0, "InvalidJobStateException", "{switches:?}");
                assert_eq!(fixture.pipeline.state(&early), JobState::Queued);
            }
        }
    }
}

#[tokio::test]
async fn a_continuation_token_makes_a_new_job_of_the_same_action() {
    let settings = Settings { continuation_delay: Duration::from_secs(28), ..Settings::default() };
    let fixture = start_with(settings).await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let first = fixture.poll_one().await;
    fixture.acknowledge(id.as_str(), first.nonce().unwrap()).await.unwrap();
    fixture.client.put_job_success_result().job_id(id.as_str()).continuation_token("half ✓").send().await.unwrap();

    let JobResult::Continued { token, next } = fixture.pipeline.result(&id) else { panic!("it goes on") };
    assert_eq!(token, "half ✓");
    assert_eq!(fixture.pipeline.state(&next), JobState::Created);
    assert_eq!(fixture.poll().await, []);
    fixture.pipeline.advance(Duration::from_secs(28));
    let second = fixture.poll_one().await;
    assert_eq!(second.id(), Some(next.as_str()));
    let action = |job: &Job| {
        let context = job.data().unwrap().pipeline_context().unwrap();
        context.action().unwrap().action_execution_id().unwrap().to_owned()
    };
    assert_eq!(action(&first), action(&second));
    assert_eq!(second.data().unwrap().continuation_token(), Some("half ✓"));
    fixture.acknowledge(next.as_str(), second.nonce().unwrap()).await.unwrap();
    fixture.succeed(next.as_str(), "done").await.unwrap();
}

#[tokio::test]
async fn an_action_times_out_and_takes_no_answer_then() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.take().await;
    let waiting = fixture.pipeline.wait_for_result(&id, Duration::from_secs(20));
    let (result, ()) = tokio::join!(waiting, async { fixture.pipeline.advance(Duration::from_hours(24)) });
    assert_eq!(result, JobResult::TimedOut);
    let (_, text) = fixture.succeed(&job, "late").await.unwrap_err();
    assert_eq!(text, format!("Job with id {job} has already terminated"));
    fixture.pipeline.forgive(&id);
}

#[tokio::test]
async fn details_come_with_fresh_credentials_that_end_after_a_quarter_of_an_hour() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop").input("Build", "artifacts", "shop/Build/1"));
    let mut keys = Vec::new();
    for _ in 0..2 {
        let details = fixture.client.get_job_details().job_id(id.as_str()).send().await.unwrap().job_details.unwrap();
        assert_eq!(details.id(), Some(id.as_str()));
        keys.push(details.data().unwrap().artifact_credentials().unwrap().access_key_id().to_owned());
    }
    assert_ne!(keys[0], keys[1]);
    let session = fixture.vault.lookup(&keys[0]).unwrap();
    fixture.pipeline.advance(Duration::from_mins(14));
    assert!(!fixture.vault.is_expired(&session));
    fixture.pipeline.advance(Duration::from_mins(1));
    assert!(fixture.vault.is_expired(&session));
}

#[tokio::test]
async fn an_acknowledgement_whose_answer_is_lost_has_happened() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.poll_one().await;
    fixture.traffic.fault(SERVICE, None, "AcknowledgeJob", 0, 1, Fault::DropAfter);
    let lost = fixture.client.acknowledge_job().job_id(id.as_str()).nonce(job.nonce().unwrap()).send().await;
    assert!(lost.unwrap_err().as_service_error().is_none());
    assert_eq!(fixture.pipeline.state(&id), JobState::InProgress);
    let (code, _) = fixture.acknowledge(id.as_str(), job.nonce().unwrap()).await.unwrap_err();
    assert_eq!(code, "InvalidNonceException");
    fixture.succeed(id.as_str(), "done").await.unwrap();
}

#[tokio::test]
async fn a_job_that_is_left_unanswered_fails_the_test() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop"));
    fixture.take().await;
    let panic = catch_unwind(AssertUnwindSafe(|| fixture.pipeline.assert_nothing_left())).unwrap_err();
    assert_eq!(*panic.downcast::<String>().unwrap(), format!("acknowledged and never answered: {id}"));
    fixture.pipeline.forgive(&id);
}

#[tokio::test]
async fn an_abandoned_action_takes_results_without_effect_and_a_forgotten_one_is_unknown() {
    let fixture = start().await;
    let abandoned = fixture.pipeline.queue(JobSpec::new("shop"));
    let job = fixture.take().await;
    fixture.pipeline.abandon(&abandoned);
    assert_eq!(fixture.succeed(&job, "done").await, Ok(()));
    assert_eq!(fixture.pipeline.result(&abandoned), JobResult::Abandoned);

    let forgotten = fixture.pipeline.queue(JobSpec::new("shop"));
    fixture.pipeline.forget(&forgotten);
    let gone = refusal(fixture.client.get_job_details().job_id(forgotten.as_str()).send().await);
    assert_eq!(gone, ("JobNotFoundException".into(), format!("Job with id '{forgotten}' does not exist")));
}

#[tokio::test]
async fn the_event_of_a_started_action_names_the_action_and_no_job() {
    let fixture = start().await;
    let id = fixture.pipeline.queue(JobSpec::new("shop").at("Release", "ToArtifactory"));
    let event = fixture.pipeline.started_event(&id);
    let detail = &event["detail"];
    assert_eq!((detail["stage"].as_str(), detail["action"].as_str()), (Some("Release"), Some("ToArtifactory")));
    assert!(detail["version"].is_f64() && detail["type"]["version"].is_string());
    assert!(detail.get("job-id").is_none());
}
