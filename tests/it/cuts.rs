//! Connections that break in the middle of the requests that change something, at many points of request and answer:
//! the job ends well, published once and answered once, as if nothing had happened.

use serde_json::json;

use crate::scene::{self, claim, numbers, package, put_claim, stack, tick};
use crate::stack::cut::{Cutter, Length, Side};
use crate::stack::pipeline::JobResult;
use crate::stack::{Stack, artifactory};

/// At how many points, besides the first and the last bytes, a request or an answer is cut.
const POINTS: usize = 6;

/// A stack whose worker reaches every service through a proxy of its own.
struct Cuttable {
    stack: Stack,
    artifactory: Cutter,
    pipeline: Cutter,
    journal: Cutter,
    jobs: std::cell::Cell<usize>,
}

/// A request that changes something, and the service that it goes to.
#[derive(Debug, Clone, Copy)]
enum Change {
    Claim,
    TakeOver,
    Acknowledge,
    Publish,
    Report,
    Close,
}

impl Change {
    /// What its head holds.
    fn head(self) -> &'static str {
        match self {
            Self::Claim | Self::TakeOver => "PUT /journal/jobs/",
            Self::Acknowledge => "CodePipeline_20150709.AcknowledgeJob",
            Self::Publish => "PUT /artifactory/api/npm/npm-local/left",
            Self::Report => "CodePipeline_20150709.PutJobSuccessResult",
            Self::Close => "DELETE /journal/jobs/",
        }
    }
}

impl Cuttable {
    async fn start() -> Self {
        let stack = stack().await;
        let platform = stack.artifactory.platform_url();
        let authority: String = platform.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let artifactory = Cutter::before(&authority).await;
        let pipeline = Cutter::before(&stack.pipeline.url()).await;
        let journal = Cutter::before(&stack.s3.url()).await;
        stack.set("ARTIFACTORY_URL", &platform.replace(&authority, &artifactory.url()));
        stack.set("AWS_ENDPOINT_URL_CODEPIPELINE", &pipeline.url());
        stack.set("AWS_ENDPOINT_URL_S3", &journal.url());
        Self { stack, artifactory, pipeline, journal, jobs: std::cell::Cell::new(0) }
    }

    fn cutter(&self, change: Change) -> &Cutter {
        match change {
            Change::Claim | Change::TakeOver | Change::Close => &self.journal,
            Change::Acknowledge | Change::Report => &self.pipeline,
            Change::Publish => &self.artifactory,
        }
    }

    /// A job whose connection breaks there, run to its end.
    async fn survive(&self, change: Change, side: Side, after: usize) -> Length {
        let Self { stack, jobs, .. } = self;
        jobs.set(jobs.get() + 1);
        let host = stack.environment().into_iter().find(|(name, _)| name == "ARTIFACTORY_URL").unwrap().1;
        let action = stack.action(package("left", &format!("1.0.{}", jobs.get())));
        let job = stack.pipeline.queue(action.configuration("ArtifactoryHost", &host));
        if matches!(change, Change::TakeOver) {
            let dead = scene::other_worker(stack);
            let (_, nonce) = scene::poll(&dead).await.remove(0);
            dead.acknowledge_job().job_id(job.as_str()).nonce(&nonce).send().await.unwrap();
            put_claim(stack, &job, &nonce, &json!({ "acknowledgement": "confirmed" }));
        }
        let cutter = self.cutter(change);
        cutter.cut(change.head(), side, after);
        let what = format!("{change:?}, {side:?} cut after {after} bytes");
        let mut answers = Vec::new();
        while claim(stack, &job).is_some() || matches!(stack.pipeline.result(&job), JobResult::Pending { .. }) {
            assert!(answers.len() < 3, "{what}: {answers:?}\n{}", stack.logs().await);
            answers.push(tick(stack).await);
        }
        assert!(cutter.has_cut(), "{what}: it was never sent");
        let result = stack.pipeline.result(&job);
        assert!(matches!(result, JobResult::Succeeded { .. }), "{what}: {result:?} {answers:?}");
        assert!(answers.iter().all(|answer| numbers(answer)[3] == 0), "{what}: {answers:?}");
        assert_eq!(stack.stored().len(), jobs.get(), "{what}");
        let uploads = stack.traffic.count(artifactory::SERVICE, &hyper::Method::PUT, "/api/npm/");
        assert_eq!(uploads, jobs.get(), "{what}: it was uploaded twice");
        cutter.length()
    }
}

/// The first bytes, the last ones, and some between.
fn points(length: usize) -> impl Iterator<Item = usize> {
    let between = (1..=POINTS).map(move |point| length * point / (POINTS + 1));
    [0, 1].into_iter().chain(between).chain([length - 1])
}

async fn survive_everywhere(change: Change) {
    let cuttable = Cuttable::start().await;
    let Length { request, answer } = cuttable.survive(change, Side::Answer, usize::MAX).await;
    assert!(request > 100 && answer > 50, "{request} {answer}");
    for after in points(request) {
        cuttable.survive(change, Side::Request, after).await;
    }
    for after in points(answer) {
        cuttable.survive(change, Side::Answer, after).await;
    }
}

#[tokio::test]
async fn a_claim_whose_connection_breaks_at_any_point() {
    survive_everywhere(Change::Claim).await;
}

#[tokio::test]
async fn a_taking_over_whose_connection_breaks_at_any_point() {
    survive_everywhere(Change::TakeOver).await;
}

#[tokio::test]
async fn an_acknowledgement_whose_connection_breaks_at_any_point() {
    survive_everywhere(Change::Acknowledge).await;
}

#[tokio::test]
async fn an_upload_whose_connection_breaks_at_any_point() {
    survive_everywhere(Change::Publish).await;
}

#[tokio::test]
async fn a_result_whose_connection_breaks_at_any_point() {
    survive_everywhere(Change::Report).await;
}

#[tokio::test]
async fn a_closing_whose_connection_breaks_at_any_point() {
    survive_everywhere(Change::Close).await;
}
