//! The requests of the job API and the rules of their members, checked at the door as the service model
//! gives them. What breaks a rule leaves the job as it was.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;

use crate::stack::aws::Refusal;

pub(super) const FAILURE_TYPES: [&str; 6] = [
    "JobFailed",
    "ConfigurationError",
    "PermissionError",
    "RevisionOutOfSync",
    "RevisionUnavailable",
    "SystemUnavailable",
];
const CATEGORIES: [&str; 7] = ["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"];
const OWNERS: [&str; 3] = ["AWS", "ThirdParty", "Custom"];
/// All variables of one action together, in bytes.
const VARIABLES_LIMIT: usize = 122_880;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionTypeId {
    pub(super) category: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PollForJobs {
    pub(super) action_type_id: Option<ActionTypeId>,
    pub(super) max_batch_size: Option<i64>,
    pub(super) query_param: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AcknowledgeJob {
    pub(super) job_id: Option<String>,
    pub(super) nonce: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetJobDetails {
    pub(super) job_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutJobSuccessResult {
    pub(super) job_id: Option<String>,
    pub(super) current_revision: Option<CurrentRevision>,
    pub(super) continuation_token: Option<String>,
    pub(super) execution_details: Option<ExecutionDetails>,
    pub(super) output_variables: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrentRevision {
    pub(super) revision: Option<String>,
    pub(super) change_identifier: Option<String>,
    pub(super) created: Option<f64>,
    pub(super) revision_summary: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExecutionDetails {
    pub(super) summary: Option<String>,
    pub(super) external_execution_id: Option<String>,
    pub(super) percent_complete: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutJobFailureResult {
    pub(super) job_id: Option<String>,
    pub(super) failure_details: Option<FailureDetails>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailureDetails {
    pub(super) r#type: Option<String>,
    pub(super) message: Option<String>,
    pub(super) external_execution_id: Option<String>,
}

/// A request whose members have rules.
pub(super) trait Ruled {
    fn check(&self) -> Result<(), Refusal>;
}

impl Ruled for PollForJobs {
    fn check(&self) -> Result<(), Refusal> {
        let mut rules = Rules::default();
        match &self.action_type_id {
            None => rules.null("actionTypeId"),
            Some(id) => {
                rules.one_of("actionTypeId.category", id.category.as_ref(), &CATEGORIES);
                rules.one_of("actionTypeId.owner", id.owner.as_ref(), &OWNERS);
                let word = (is_word as fn(char) -> bool, "[0-9A-Za-z_-]+");
                rules.required("actionTypeId.provider", id.provider.as_ref(), 1..=35, Some(word));
                rules.required("actionTypeId.version", id.version.as_ref(), 1..=9, Some(word));
            }
        }
        rules.number("maxBatchSize", self.max_batch_size, 1..=i64::MAX);
        let query: Vec<_> = self.query_param.iter().flatten().collect();
        if query.len() > 1 {
            rules.broken("queryParam", &format!("{query:?}"), "Member must have length less than or equal to 1");
        }
        for (key, value) in query {
            rules.optional("queryParam.key", Some(key), 1..=50, None);
            rules.optional("queryParam.value", Some(value), 1..=50, Some((is_word, "[a-zA-Z0-9_-]+")));
        }
        rules.verdict()
    }
}

impl Ruled for AcknowledgeJob {
    fn check(&self) -> Result<(), Refusal> {
        let mut rules = Rules::default();
        rules.job_id(self.job_id.as_ref());
        rules.required("nonce", self.nonce.as_ref(), 1..=50, None);
        rules.verdict()
    }
}

impl Ruled for GetJobDetails {
    fn check(&self) -> Result<(), Refusal> {
        let mut rules = Rules::default();
        rules.job_id(self.job_id.as_ref());
        rules.verdict()
    }
}

impl Ruled for PutJobSuccessResult {
    fn check(&self) -> Result<(), Refusal> {
        let mut rules = Rules::default();
        rules.job_id(self.job_id.as_ref());
        if let Some(revision) = &self.current_revision {
            rules.required("currentRevision.revision", revision.revision.as_ref(), 1..=1500, None);
            rules.required("currentRevision.changeIdentifier", revision.change_identifier.as_ref(), 1..=100, None);
            rules.optional("currentRevision.revisionSummary", revision.revision_summary.as_ref(), 1..=2048, None);
        }
        rules.optional("continuationToken", self.continuation_token.as_ref(), 1..=2048, None);
        if let Some(details) = &self.execution_details {
            rules.optional("executionDetails.summary", details.summary.as_ref(), 1..=2048, None);
            let id = details.external_execution_id.as_ref();
            rules.optional("executionDetails.externalExecutionId", id, 1..=1500, None);
            rules.number("executionDetails.percentComplete", details.percent_complete, 0..=100);
        }
        for key in self.output_variables.iter().flat_map(BTreeMap::keys) {
            let allowed = (is_variable as fn(char) -> bool, r"[A-Za-z0-9@\-_]+");
            rules.optional("outputVariables.key", Some(key), 1..=usize::MAX, Some(allowed));
        }
        rules.verdict()?;
        if self.continuation_token.is_some() && self.output_variables.as_ref().is_some_and(|all| !all.is_empty()) {
            let message = "A job can not contain both a continuation token and output variables.";
            return Err(Refusal::validation(message));
        }
        let bytes: usize = self.output_variables.iter().flatten().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > VARIABLES_LIMIT {
            let message = "Exceeded the total size limit for all variables in the pipeline.";
            return Err(Refusal::new("OutputVariablesSizeExceededException", message));
        }
        Ok(())
    }
}

impl Ruled for PutJobFailureResult {
    fn check(&self) -> Result<(), Refusal> {
        let mut rules = Rules::default();
        rules.job_id(self.job_id.as_ref());
        match &self.failure_details {
            None => rules.null("failureDetails"),
            Some(details) => {
                rules.one_of("failureDetails.type", details.r#type.as_ref(), &FAILURE_TYPES);
                rules.required("failureDetails.message", details.message.as_ref(), 1..=5000, None);
                let id = details.external_execution_id.as_ref();
                rules.optional("failureDetails.externalExecutionId", id, 1..=1500, None);
            }
        }
        rules.verdict()
    }
}

/// Which characters a member may hold, and the pattern that says so.
type Allowed = (fn(char) -> bool, &'static str);

/// The broken rules of one request; AWS names all of them in one message.
#[derive(Debug, Default)]
struct Rules {
    broken: Vec<String>,
}

impl Rules {
    fn broken(&mut self, at: &str, value: &str, rule: &str) {
        self.broken.push(format!("Value '{value}' at '{at}' failed to satisfy constraint: {rule}"));
    }

    fn null(&mut self, at: &str) {
        self.broken.push(format!("Value null at '{at}' failed to satisfy constraint: Member must not be null"));
    }

    fn job_id(&mut self, id: Option<&String>) {
        match id {
            None => self.null("jobId"),
            Some(id) if !is_uuid(id) => {
                let pattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
                self.broken("jobId", id, &format!("Member must satisfy regular expression pattern: {pattern}"));
            }
            Some(_) => {}
        }
    }

    fn required(&mut self, at: &str, value: Option<&String>, length: RangeInclusive<usize>, allowed: Option<Allowed>) {
        if value.is_none() {
            self.null(at);
        }
        self.optional(at, value, length, allowed);
    }

    fn optional(&mut self, at: &str, value: Option<&String>, length: RangeInclusive<usize>, allowed: Option<Allowed>) {
        let Some(value) = value else { return };
        // The stricter reading of "characters": UTF-16 units, of which one outside the first plane takes two.
        let units = value.encode_utf16().count();
        if units < *length.start() {
            let rule = format!("Member must have length greater than or equal to {}", length.start());
            self.broken(at, value, &rule);
        }
        if units > *length.end() {
            self.broken(at, value, &format!("Member must have length less than or equal to {}", length.end()));
        }
        if let Some((may_hold, pattern)) = allowed
            && !value.chars().all(may_hold)
        {
            self.broken(at, value, &format!("Member must satisfy regular expression pattern: {pattern}"));
        }
    }

    fn one_of(&mut self, at: &str, value: Option<&String>, set: &[&str]) {
        match value {
            None => self.null(at),
            Some(value) if !set.contains(&value.as_str()) => {
                self.broken(at, value, &format!("Member must satisfy enum value set: [{}]", set.join(", ")));
            }
            Some(_) => {}
        }
    }

    fn number(&mut self, at: &str, value: Option<i64>, range: RangeInclusive<i64>) {
        let Some(value) = value else { return };
        if value < *range.start() {
            let rule = format!("Member must have value greater than or equal to {}", range.start());
            self.broken(at, &value.to_string(), &rule);
        }
        if value > *range.end() {
            let rule = format!("Member must have value less than or equal to {}", range.end());
            self.broken(at, &value.to_string(), &rule);
        }
    }

    fn verdict(self) -> Result<(), Refusal> {
        match self.broken.len() {
            0 => Ok(()),
            1 => Err(Refusal::validation(format!("1 validation error detected: {}", self.broken[0]))),
            count => {
                Err(Refusal::validation(format!("{count} validation errors detected: {}", self.broken.join("; "))))
            }
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

fn is_variable(character: char) -> bool {
    is_word(character) || character == '@'
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9' | b'a'..=b'f'))
}
