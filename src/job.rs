//! One job of CodePipeline, parsed out of what PollForJobs and GetJobDetails return. All members of the raw reply are
//! optional; what is missing is missed where it is needed, so that the job can still be answered.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_codepipeline::types as raw;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::credential::SecretText;
use crate::settings::ActionType;

/// A job's id: a lower-case UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// The id, or `None` where the text is no UUID in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        let plain = |group: &&str| group.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let lengths = groups.iter().map(|group| group.len());
        (lengths.eq([8, 4, 4, 4, 12]) && groups.iter().all(plain)).then(|| Self(text.to_owned()))
    }

    /// An id that no job has.
    pub fn random() -> Self {
        let text = format!("{:032x}", fastrand::u128(..));
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| text.get(part).unwrap_or_default());
        Self(parts.join("-"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a lower-case UUID")
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

/// Where a job comes from, as far as CodePipeline tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PipelineRun {
    /// The pipeline's name.
    pub pipeline: Option<String>,
    /// The stage's name.
    pub stage: Option<String>,
    /// The action's name.
    pub action: Option<String>,
    /// Id of the pipeline's execution.
    pub execution: Option<String>,
}

/// An artifact's place in S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactLocation {
    /// The artifact's name in the pipeline.
    pub name: String,
    /// Bucket and key; `None` where CodePipeline names no S3 object.
    pub object: Option<(String, String)>,
}

/// The job's own credentials: about 15 minutes, its own objects only.
#[derive(Clone, PartialEq, Eq)]
pub struct ArtifactCredentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: SecretText,
    /// Session token.
    pub session_token: SecretText,
}

impl fmt::Debug for ArtifactCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[job credentials]")
    }
}

/// The action's configuration as it came: key to value. Its `Debug` shows keys alone, since old pipelines keep a
/// password here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Configuration(pub BTreeMap<String, String>);

impl Configuration {
    /// From an object whose members must all be texts; else the name of one that is none.
    pub fn of_texts(members: &Map<String, Value>) -> Result<Self, &str> {
        let text =
            |(name, value): (_, &Value)| Ok((String::clone(name), value.as_str().ok_or(name.as_str())?.to_owned()));
        members.iter().map(text).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How a job comes to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It was offered to a poll, and `GetJobDetails` tells of it: a custom action's.
    Polled,
    /// It came in the event that invoked the function, and nothing else tells of it: an Invoke action's.
    Invoked,
}

/// A job, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// How it came.
    pub arrival: Arrival,
    /// The action type that it is of, where CodePipeline tells.
    pub action_type: Option<ActionType>,
    /// Where it comes from.
    pub run: PipelineRun,
    /// What the action says.
    pub configuration: Configuration,
    /// What it reads, one to five.
    pub inputs: Vec<ArtifactLocation>,
    /// What it is expected to write.
    pub outputs: Vec<ArtifactLocation>,
    /// With what.
    pub credentials: Option<ArtifactCredentials>,
    /// KMS key for what it writes; `None`: the account's default key.
    pub encryption_key: Option<String>,
}

/// A job as it was offered: with the nonce that acknowledges it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The job.
    pub job: Job,
    /// What AcknowledgeJob wants to be told.
    pub nonce: String,
}

impl Offer {
    /// Parses a polled job; `None` where it has no usable id or no nonce and could never be answered.
    pub fn parse(raw: raw::Job) -> Option<Self> {
        let raw::Job { id, data, nonce, .. } = raw;
        let id = JobId::parse(&id?)?;
        Some(Self { job: Job::parse(id, data), nonce: nonce? })
    }
}

impl Job {
    /// Parses a job's data.
    pub fn parse(id: JobId, data: Option<raw::JobData>) -> Self {
        let mut job = Self {
            id,
            arrival: Arrival::Polled,
            action_type: None,
            run: PipelineRun::default(),
            configuration: Configuration::default(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            credentials: None,
            encryption_key: None,
        };
        let Some(data) = data else { return job };
        job.action_type = data.action_type_id.map(|id| ActionType {
            category: id.category.to_string(),
            provider: id.provider,
            version: id.version,
        });
        if let Some(context) = data.pipeline_context {
            job.run = PipelineRun {
                pipeline: context.pipeline_name,
                stage: context.stage.and_then(|stage| stage.name),
                action: context.action.and_then(|action| action.name),
                execution: context.pipeline_execution_id,
            };
        }
        let configuration = data.action_configuration.and_then(|configuration| configuration.configuration);
        job.configuration = Configuration(configuration.unwrap_or_default().into_iter().collect());
        job.inputs = data.input_artifacts.unwrap_or_default().into_iter().map(location).collect();
        job.outputs = data.output_artifacts.unwrap_or_default().into_iter().map(location).collect();
        job.credentials = data.artifact_credentials.map(|credentials| ArtifactCredentials {
            access_key_id: credentials.access_key_id,
            secret_access_key: SecretText::new(credentials.secret_access_key),
            session_token: SecretText::new(credentials.session_token),
        });
        job.encryption_key = data.encryption_key.map(|key| key.id);
        job
    }
}

fn location(artifact: raw::Artifact) -> ArtifactLocation {
    let object = artifact.location.and_then(|location| location.s3_location).map(|s3| (s3.bucket_name, s3.object_key));
    ArtifactLocation { name: artifact.name.unwrap_or_else(|| "artifact".to_owned()), object }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_uuids_are_job_ids() {
        assert!(JobId::parse("11111111-abcd-1111-abcd-111111abcdef").is_some());
        for text in ["", "11111111-ABCD-1111-abcd-111111abcdef", "../../secret", "11111111abcd1111abcd111111abcdef"] {
            assert!(JobId::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_job_never_prints_its_configuration_values_or_credentials() {
        let data = raw::JobData::builder()
            .action_configuration(raw::ActionConfiguration::builder().configuration("Password", "hunter2").build())
            .artifact_credentials(
                raw::AwsSessionCredentials::builder()
                    .access_key_id("AKIA")
                    .secret_access_key("hunter2")
                    .session_token("hunter2")
                    .build()
                    .unwrap(),
            )
            .build();
        let id = JobId::parse("11111111-abcd-1111-abcd-111111abcdef").unwrap();
        let printed = format!("{:?}", Job::parse(id.clone(), Some(data)));
        assert!(printed.contains("Password") && !printed.contains("hunter2"), "{printed}");
        assert!(Job::parse(id, None).inputs.is_empty());
    }
}
