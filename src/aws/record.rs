//! What the journal keeps of a job, as JSON in `jobs/<job id>.json`. Nothing of it is secret.

use serde::{Deserialize, Serialize};

use crate::job::JobId;
use crate::report::FailureReport;
use crate::settings::ActionType;
use crate::stamp::Stamp;

/// A claim is a small thing; whatever is larger is not one.
pub(super) const MAX_RECORD: u64 = 64 << 10;
/// The format that this version writes and reads.
const FORMAT: u32 = 1;

/// What is known of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledgement {
    /// The claim was written before it; whether it was sent, and with what outcome, nobody wrote down.
    Unconfirmed,
    /// CodePipeline said that the job is ours.
    Confirmed,
}

/// What the journal keeps of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub format: u32,
    /// The job.
    pub job: JobId,
    /// A random text of the invocation that owns the claim.
    pub owner: String,
    /// The account whose queue the job came from, where Lambda told it.
    pub account: Option<String>,
    /// The region that the job belongs to.
    pub region: String,
    /// The action type that the job was polled for.
    pub action_type: ActionType,
    /// The nonce that the job was offered with; empty where nobody knows it any more.
    pub nonce: String,
    /// Whether the job is known to be ours.
    pub acknowledgement: Acknowledgement,
    /// How many workers have had the job, this one included; a handing over is no new one.
    pub attempt: u32,
    /// How often in a row its time ran out before it had come any further.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub vain: u32,
    /// When the job was first claimed, in milliseconds since 1970; 0 where that was not written down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: u64,
    /// End of the owner's invocation, in milliseconds since 1970. 0: handed over.
    pub lease_until: u64,
    /// What leads to the log of the run.
    pub external_execution_id: String,
    /// Digest of the plan, once everything that it could be refused for has been looked at.
    pub plan: Option<String>,
    /// How many of the plan's steps are done.
    pub done: usize,
    /// How many of them were begun, the done ones included: several are under way at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reached: usize,
    /// Which of the plan's files were in the repository before the job: what it finds beside them is its own work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// The stamp of the plan's snapshots: once a byte is sent, whoever goes on with the job has to use the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// The failure that CodePipeline may have been told. Whoever goes on with the job says the same and does not run it:
    /// its cause may be gone by then, and what was told to have failed would be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<FailureReport>,
    /// Whether it follows a record that nobody could read: nobody knows what was done before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_unreadable: bool,
}

/// Whose a record is, as far as one tells that cannot be read: damaged, or of another format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// As in [`Record`].
    pub(super) account: Option<String>,
    /// As in [`Record`].
    pub(super) region: Option<String>,
    /// As in [`Record`].
    pub(super) action_type: Option<ActionType>,
}

impl Origin {
    /// Reads member by member, whatever the rest may be.
    pub(super) fn parse(json: &[u8]) -> Self {
        let Ok(record) = serde_json::from_slice::<serde_json::Value>(json) else { return Self::default() };
        let text = |name: &str| record.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let action_type = record.get("action_type").and_then(|of| ActionType::deserialize(of).ok());
        Self { account: text("account"), region: text("region"), action_type }
    }
}

/// Which files of a plan were in the repository before the job: a bit for each, in hexadecimal, so that the largest plan
/// fits into a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before(String);

impl Before {
    /// From whether each file was there, in the plan's order.
    pub fn of(files: &[bool]) -> Self {
        let digit = |four: &[bool]| four.iter().rev().fold(0, |digit, there| digit * 2 + u32::from(*there));
        Self(files.chunks(4).filter_map(|four| char::from_digit(digit(four), 16)).collect())
    }

    /// Whether the file with this number was there. Of one that nobody noted it is assumed: it is left as it is.
    pub fn holds(&self, file: usize) -> bool {
        let digit = self.0.as_bytes().get(file / 4).and_then(|byte| char::from(*byte).to_digit(16));
        digit.is_none_or(|digit| digit >> (file % 4) & 1 == 1)
    }
}

impl Record {
    /// The first record of a job; its owner is signed in when it is written.
    pub fn first(job: JobId, action_type: ActionType, nonce: String, external_execution_id: &str) -> Self {
        Self {
            format: FORMAT,
            job,
            owner: String::new(),
            account: None,
            region: String::new(),
            action_type,
            nonce,
            acknowledgement: Acknowledgement::Unconfirmed,
            attempt: 1,
            vain: 0,
            since: 0,
            lease_until: 0,
            external_execution_id: external_execution_id.to_owned(),
            plan: None,
            done: 0,
            reached: 0,
            before: None,
            stamp: None,
            told: None,
            follows_unreadable: false,
        }
    }

    /// The first record of a job that came in an event: there is nothing to acknowledge.
    pub fn invoked(job: JobId, external_execution_id: &str) -> Self {
        let record = Self::first(job, ActionType::lambda_invoke(), String::new(), external_execution_id);
        Self { acknowledgement: Acknowledgement::Confirmed, ..record }
    }

    /// The record of a job whose record before nobody can read.
    pub fn anew(job: JobId, action_type: ActionType, external_execution_id: &str) -> Self {
        Self { follows_unreadable: true, ..Self::first(job, action_type, String::new(), external_execution_id) }
    }

    /// Reads the record of this job, or says why it cannot be read.
    pub fn parse(json: &[u8], job: &JobId) -> Result<Box<Self>, String> {
        match serde_json::from_slice::<Box<Self>>(json) {
            Ok(record) if record.format == FORMAT && record.job == *job => Ok(record),
            Ok(record) => Err(format!("it is of format {} for job {}", record.format, record.job)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the job came in an event: CodePipeline tells nobody of it again.
    pub fn was_invoked(&self) -> bool {
        self.action_type == ActionType::lambda_invoke()
    }

    /// How many workers died on the job before this one.
    pub fn deaths(&self) -> u32 {
        self.attempt.saturating_sub(1)
    }

    /// The record as its next owner begins with it. A lease that ran out without a handing over was a death.
    pub fn taken_over(&mut self, external_execution_id: &str) {
        if self.lease_until > 0 {
            self.attempt = self.attempt.saturating_add(1);
        }
        external_execution_id.clone_into(&mut self.external_execution_id);
    }

    /// Whether a neighbour of the job would be in danger: workers have died on it, or never had enough time for it.
    pub fn must_run_alone(&self) -> bool {
        self.lease_until > 0 || self.deaths() > 0 || self.vain > 0
    }
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

#[cfg(test)]
mod tests {
    use aws_sdk_codepipeline::types::FailureType;

    use super::*;

    fn record() -> Record {
        let action_type = ActionType { category: "Deploy".into(), provider: "Artifactory".into(), version: "1".into() };
        Record::first(JobId::parse("11111111-abcd-1111-abcd-111111abcdef").unwrap(), action_type, "3".into(), "run")
    }

    #[test]
    fn what_is_written_is_read_back_and_anything_else_is_not() {
        let record = record();
        let json = serde_json::to_vec(&record).unwrap();
        assert_eq!(Record::parse(&json, &record.job).as_deref(), Ok(&record));
        let other = JobId::parse("21111111-abcd-1111-abcd-111111abcdef").unwrap();
        assert!(Record::parse(&json, &other).unwrap_err().contains("11111111-abcd"));
        let newer = serde_json::to_vec(&Record { format: FORMAT + 1, ..record.clone() }).unwrap();
        assert!(Record::parse(&newer, &record.job).unwrap_err().contains("format 2"));
        for garbage in ["", "{}", "null", "{\"format\":1}"] {
            assert!(Record::parse(garbage.as_bytes(), &record.job).is_err(), "{garbage}");
        }
    }

    #[test]
    fn a_newer_versions_additions_are_passed_over_and_an_older_versions_gaps_are_filled() {
        let told = FailureReport::new(FailureType::SystemUnavailable, "Artifactory failed.", "run");
        let stamp = Stamp::parse("20240229.000000-7");
        let record = Record { vain: 2, before: Some(Before::of(&[true])), stamp, told: Some(told), ..record() };
        let mut json = serde_json::to_value(&record).unwrap();
        json["colour"] = "blue".into();
        assert_eq!(json["told"]["kind"], "SystemUnavailable");
        assert_eq!(Record::parse(json.to_string().as_bytes(), &record.job).as_deref(), Ok(&record));
        assert_eq!(json["stamp"], "20240229.000000-7");
        for member in ["vain", "before", "stamp", "told", "colour"] {
            json.as_object_mut().unwrap().remove(member);
        }
        let older = Record { vain: 0, before: None, stamp: None, told: None, ..record };
        assert_eq!(Record::parse(json.to_string().as_bytes(), &older.job).as_deref(), Ok(&older));
    }

    #[test]
    fn whose_a_record_is_can_be_read_of_one_that_is_of_no_use_else() {
        let Record { account, region, action_type, .. } = record();
        let whole = Origin { account, region: Some(region), action_type: Some(action_type) };
        assert_eq!(Origin::parse(&serde_json::to_vec(&record()).unwrap()), whole);
        let odd = br#"{"format":2,"account":["a"],"region":"here","action_type":{"category":"Deploy"}}"#;
        assert_eq!(Origin::parse(odd), Origin { region: Some("here".to_owned()), ..Origin::default() });
        for garbage in ["", "{", "null", "[]"] {
            assert_eq!(Origin::parse(garbage.as_bytes()), Origin::default());
        }
    }

    #[test]
    fn the_largest_record_is_not_too_large_to_be_read() {
        let longest = |letter: &str| {
            let text = letter.repeat(10_000);
            let told = FailureReport::new(FailureType::JobFailed, &text, &text);
            let before = Before::of(&vec![true; 100_000]);
            let record = Record { before: Some(before), told: Some(told), ..record() };
            serde_json::to_vec(&record).unwrap().len() as u64
        };
        for letter in ["a", "\"", "\n", "€", "😀"] {
            assert!(longest(letter) < MAX_RECORD, "{letter:?}: {}", longest(letter));
        }
    }

    #[test]
    fn of_every_file_it_is_known_whether_it_was_there_before() {
        let files: Vec<bool> = (0..11).map(|number| number % 3 == 0).collect();
        let before = Before::of(&files);
        assert_eq!(before.0, "942");
        let held: Vec<bool> = (0..11).map(|number| before.holds(number)).collect();
        assert_eq!(held, files);
        assert!(before.holds(12) && Before(String::new()).holds(0) && Before("?".into()).holds(0));
    }

    #[test]
    fn a_lease_that_ran_out_is_a_death_and_a_handing_over_is_none() {
        let mut died = Record { lease_until: 1, ..record() };
        assert!(died.deaths() == 0 && died.must_run_alone());
        died.taken_over("next");
        assert_eq!((died.deaths(), died.external_execution_id.as_str()), (1, "next"));
        let mut handed_over = record();
        handed_over.taken_over("next");
        assert!(handed_over.deaths() == 0 && !handed_over.must_run_alone());
        assert!(Record { vain: 1, ..handed_over }.must_run_alone());
    }
}
