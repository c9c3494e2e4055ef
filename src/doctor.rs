//! The doctor: looks at everything that a job needs, publishes nothing, and says of each whether it is well and what to
//! do; lists the claims in the journal; ends a job that is stuck. For people: `{"doctor": true}`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::access::{self, Asker};
use crate::action::ActionConfig;
use crate::answer::Outcome;
use crate::aws::AwsError;
use crate::aws::journal::{Claiming, Record};
use crate::aws::secret::Freshness;
use crate::aws::survey::{Seen, Survey};
use crate::check;
use crate::failure::Failure;
use crate::hand::Hand;
use crate::job::{Configuration, JobId, PipelineRun};
use crate::log::chain;
use crate::registry::{Registry, RegistryError, RepositoryFacts};
use crate::settings::ActionType;

/// What the doctor is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// How everything is, for an action with this configuration in this pipeline, where they are given.
    Examine {
        /// An action's properties.
        configuration: Option<Configuration>,
        /// The pipeline's name.
        pipeline: Option<String>,
    },
    /// To end this job.
    Fail(JobId),
    /// Something that means nothing; why.
    Unclear(String),
}

impl Question {
    /// Reads the member `doctor` of an event.
    pub fn of(doctor: &Value) -> Self {
        let unclear = |why: &str| Self::Unclear(why.to_owned());
        let members = match doctor {
            Value::Bool(true) => return Self::Examine { configuration: None, pipeline: None },
            Value::Object(members) => members,
            _ => return unclear("doctor is true or an object"),
        };
        if let Some(other) = members.keys().find(|key| !["configuration", "pipeline", "fail"].contains(&key.as_str())) {
            return Self::Unclear(format!("doctor has no {other}; it has configuration, pipeline, fail"));
        }
        if let Some(job) = members.get("fail") {
            return match job.as_str().and_then(JobId::parse) {
                _ if members.len() > 1 => unclear("fail stands alone"),
                Some(job) => Self::Fail(job),
                None => unclear("fail names a job by its id, a UUID in lower case"),
            };
        }
        let configuration = members.get("configuration").map(|it| Configuration::of_texts(it.as_object()?).ok());
        let Ok(configuration) = configuration.map(|it| it.ok_or(())).transpose() else {
            return unclear("configuration is an object of texts: the action's properties");
        };
        let pipeline = members.get("pipeline").map(|it| it.as_str().map(str::to_owned));
        let Ok(pipeline) = pipeline.map(|it| it.ok_or(())).transpose() else {
            return unclear("pipeline is a text: the pipeline's name");
        };
        Self::Examine { configuration, pipeline }
    }
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Nobody can tell, or there is something to know.
    Unknown,
    /// Not as it should be.
    Wrong,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The thing.
    pub check: String,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub found: String,
    /// What to do; empty where there is nothing.
    #[serde(rename = "do")]
    pub remedy: String,
}

/// A claim in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimReport {
    /// Its job.
    pub job: JobId,
    /// For how long the job has been claimed, in seconds.
    pub age: u64,
    /// How much longer its owner has, in seconds; 0: it waits for the next tick.
    pub lease: u64,
    /// How many workers have had it; 0 where its record cannot be read.
    pub attempt: u32,
}

/// The doctor's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// What was found, most important first.
    pub doctor: Vec<Finding>,
    /// The claims in the journal.
    pub claims: Vec<ClaimReport>,
}

impl DoctorReport {
    fn note(&mut self, check: impl Into<String>, state: State, found: impl Into<String>, remedy: impl Into<String>) {
        self.doctor.push(Finding { check: check.into(), state, found: found.into(), remedy: remedy.into() });
    }

    fn well(&mut self, check: impl Into<String>, found: impl Into<String>) {
        self.note(check, State::Ok, found, "");
    }

    fn failed(&mut self, check: impl Into<String>, failure: &Failure) {
        self.note(check, State::Wrong, chain(failure), failure.remedy());
    }

    fn refused(&mut self, check: &str, error: &RegistryError) {
        self.note(check, State::Wrong, chain(error), error.hint());
    }
}

/// Answers a question of the doctor's.
pub async fn answer(hand: Hand<'_>, question: &Question) -> DoctorReport {
    let mut report = DoctorReport::default();
    match question {
        Question::Unclear(why) => report.note("question", State::Wrong, why.clone(), "See README, The doctor."),
        Question::Fail(job) => end(hand, job, &mut report).await,
        Question::Examine { configuration, pipeline } => {
            journal(hand, &mut report).await;
            for action_type in &hand.services.settings.action_types {
                queue(hand, action_type, &mut report).await;
            }
            artifactory(hand, configuration.as_ref(), pipeline.as_deref(), &mut report).await;
        }
    }
    report
}

/// Reads the journal, and writes and removes a claim as jobs do.
async fn journal(hand: Hand<'_>, report: &mut DoctorReport) {
    const REMEDY: &str = "Check JOURNAL_BUCKET, and the role's rights on jobs/, ended/ and quarantine/ in it.";
    let types = hand.services.settings.claimed_types();
    let survey = match hand.journal.survey(&types, hand.deadline).await {
        Ok(survey) => survey,
        Err(error) => return report.note("journal", State::Wrong, chain(&error), REMEDY),
    };
    report.claims = survey.seen.iter().map(ClaimReport::of).collect();
    // By a clock that is wrong the claim would be that of a dead worker.
    let hand = Hand { deadline: hand.deadline.set_by(survey.clock_off), ..hand };
    if let Some(action_type) = types.first() {
        let record = Record::first(JobId::random(), action_type.clone(), String::new(), hand.run_id);
        match written(hand, record).await {
            Ok(()) => {
                let found = format!("a claim was written and removed; of jobs, {} lie there", survey.seen.len());
                report.well("journal", found);
            }
            Err(error) => report.note("journal", State::Wrong, chain(&error), REMEDY),
        }
    }
    let Survey { strays, clock_off, seen, .. } = survey;
    unpolled(&types, &seen, report);
    if !strays.is_empty() {
        let found = format!("{} objects under jobs/ are no claims; ticks move them to quarantine/", strays.len());
        report.note("strays", State::Unknown, found, "Nobody else should write into the journal's bucket.");
    }
    match clock_off {
        0 => report.well("clock", "it is S3's, to a second"),
        off => report.note(
            "clock",
            State::Unknown,
            format!("S3's, by which leases are measured, is ahead of it by {off} ms"),
            "",
        ),
    }
}

/// Tells of claims whose version is not polled any more: their jobs are ended, and late.
fn unpolled(types: &[ActionType], seen: &[Seen], report: &mut DoctorReport) {
    let of_others = seen.iter().filter_map(|claim| claim.action_type.as_ref()).filter(|of| !types.contains(of));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ActionType { version, .. } in of_others {
        *counts.entry(version).or_default() += 1;
    }
    for (version, count) in counts {
        report.note(
            format!("action version {version}"),
            State::Unknown,
            format!("it is not polled, and {count} of the claims are of it"),
            "Poll it (the stack's PreviousActionVersion) until they are gone; else each is gone on with half an hour after its last change.",
        );
    }
}

async fn written(hand: Hand<'_>, record: Record) -> Result<(), AwsError> {
    match hand.journal.claim(record, hand.deadline).await? {
        Claiming::Ours(claim) => hand.journal.close(claim, hand.deadline).await,
        Claiming::Held => Ok(()),
    }
}

/// Asks one queue. What it offers is not taken: CodePipeline offers it again to the next tick.
async fn queue(hand: Hand<'_>, action_type: &ActionType, report: &mut DoctorReport) {
    let ActionType { category, provider, version } = action_type;
    let check = format!("action type {category}/{provider}/{version}");
    match hand.services.pipeline.poll(action_type, 1, hand.deadline).await {
        Ok(offered) if offered.is_empty() => report.well(check, "it is polled; no job waits"),
        Ok(_) => report.well(check, "it is polled; a job waits for the next tick"),
        Err(error) => report.note(
            check,
            State::Wrong,
            chain(&error),
            "Declare the action type in this region (the stack's DeclareActionType), and check the role's right to poll it.",
        ),
    }
}

/// Reads the secret, signs in, and looks at the repository where one is named.
async fn artifactory(
    hand: Hand<'_>,
    configuration: Option<&Configuration>,
    pipeline: Option<&str>,
    report: &mut DoctorReport,
) {
    let settings = &hand.services.settings;
    let action = match configuration {
        None => None,
        Some(configuration) => {
            let run = PipelineRun { pipeline: pipeline.map(str::to_owned), ..PipelineRun::default() };
            match ActionConfig::parse(configuration, &run, settings.allow_http) {
                Ok(action) => {
                    report.well("configuration", format!("{} to {}", action.kind.name(), action.target.repository));
                    Some(action)
                }
                Err(error) => return report.failed("configuration", &Failure::Config(error)),
            }
        }
    };
    let secrets = &hand.services.secrets;
    let access = match &action {
        Some(action) => {
            let asker = Asker::Pipeline(pipeline);
            let read = access::credential(secrets, settings, action, asker, Freshness::Reread, hand.deadline).await;
            read.map(|credential| (credential, action.target.base.clone()))
        }
        None => access::of_the_stack(secrets, settings, hand.deadline).await,
    };
    let (credential, base) = match access {
        Ok(access) => access,
        Err(failure) => return report.failed("secret", &failure),
    };
    report.well("secret", format!("it can be read, and is for {base}"));
    let connection = match Registry::connect(&hand.services.http, &base, &credential, hand.deadline).await {
        Ok(connection) => connection,
        Err(error) => return report.refused("Artifactory", &error),
    };
    match connection.ping().await {
        Ok(()) => report.well("Artifactory", format!("{base} is reached, and takes the credential")),
        Err(error) => report.refused("Artifactory", &error),
    }
    if let Some(action) = &action {
        repository(&connection, action, report).await;
    }
    connection.disconnect().await;
}

async fn repository(connection: &Registry, action: &ActionConfig, report: &mut DoctorReport) {
    let repository = &action.target.repository;
    let check = format!("repository {repository}");
    match connection.repository(repository).await {
        Err(error) => report.refused(&check, &error),
        Ok(RepositoryFacts::Unknown) => report.note(
            check,
            State::Unknown,
            "the server does not tell this user what it is, or whether it is there",
            "Try it with Options dry-run=true.",
        ),
        Ok(facts) => match check::unfit(action, &facts) {
            None => report.well(check, format!("it takes {}", action.kind.name())),
            Some(problem) => {
                report.failed(check, &Failure::Repository { repository: repository.clone(), problem });
            }
        },
    }
}

/// Ends a job that is stuck: whose worker is gone, and which nobody gets on with.
async fn end(hand: Hand<'_>, job: &JobId, report: &mut DoctorReport) {
    let types = hand.services.settings.claimed_types();
    let survey = match hand.journal.survey(&types, hand.deadline).await {
        Ok(survey) => survey,
        Err(error) => return report.note("journal", State::Wrong, chain(&error), ""),
    };
    report.claims = survey.seen.iter().map(ClaimReport::of).collect();
    let check = format!("job {job}");
    let hand = Hand { deadline: hand.deadline.set_by(survey.clock_off), ..hand };
    let left = survey.left.into_iter().chain(survey.unpolled).find(|claim| claim.record.job == *job);
    let damaged = survey.damaged.into_iter().find(|claim| claim.job == *job);
    let taken = match (left, damaged, types.first()) {
        (Some(claim), ..) => hand.journal.take_over(claim, hand.run_id, hand.deadline).await,
        (None, Some(claim), Some(of)) => hand.journal.replace(claim, of.clone(), hand.run_id, hand.deadline).await,
        (None, ..) => {
            let found = match report.claims.iter().find(|claim| claim.job == *job) {
                Some(claim) => format!("a worker has it in hand for {} s more at most", claim.lease),
                None => "there is no claim of it in the journal".to_owned(),
            };
            let remedy = "Only a job whose claim is left can be ended: who has it in hand may answer it at any moment.";
            return report.note(check, State::Wrong, found, remedy);
        }
    };
    match taken {
        Ok(Claiming::Ours(claim)) => match hand.refuse(claim, job.clone(), Failure::EndedByHand).await.outcome {
            Outcome::Failed => report.well(check, "it was ended as failed, and its claim removed"),
            Outcome::Skipped | Outcome::Succeeded => {
                report.well(check, "CodePipeline takes no answer for it (any more); its claim is removed");
            }
            Outcome::Left => {
                report.note(check, State::Wrong, "CodePipeline could not be told; its claim is kept", "Ask again.");
            }
        },
        Ok(Claiming::Held) => report.note(check, State::Wrong, "another worker has just taken it", "Ask again."),
        Err(error) => report.note(check, State::Wrong, chain(&error), "Ask again."),
    }
}

impl ClaimReport {
    fn of(seen: &Seen) -> Self {
        let Seen { job, action_type: _, age_millis, lease_millis, attempt } = seen;
        Self { job: job.clone(), age: age_millis / 1_000, lease: lease_millis.div_ceil(1_000), attempt: *attempt }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_one_of_three_or_is_told_what_it_lacks() {
        assert_eq!(Question::of(&json!(true)), Question::Examine { configuration: None, pipeline: None });
        let asked = json!({ "configuration": { "RepoKey": "npm-local" }, "pipeline": "web" });
        let configuration = Some(Configuration([("RepoKey".to_owned(), "npm-local".to_owned())].into()));
        assert_eq!(Question::of(&asked), Question::Examine { configuration, pipeline: Some("web".to_owned()) });
        let job = "11111111-abcd-1111-abcd-111111abcdef";
        assert_eq!(Question::of(&json!({ "fail": job })), Question::Fail(JobId::parse(job).unwrap()));
        for (asked, problem) in [
            (json!(false), "true or an object"),
            (json!({ "repair": 1 }), "no repair"),
            (json!({ "fail": "it" }), "a UUID"),
            (json!({ "fail": job, "pipeline": "web" }), "stands alone"),
            (json!({ "configuration": { "RepoKey": 1 } }), "an object of texts"),
            (json!({ "pipeline": 1 }), "pipeline is a text"),
        ] {
            let Question::Unclear(why) = Question::of(&asked) else { panic!("{asked}") };
            assert!(why.contains(problem), "{why}");
        }
    }
}
