//! The job of a Lambda Invoke action, which comes in the event that invokes the function:
//! `{"CodePipeline.job": {…}}`. Its `UserParameters` are a JSON object with the properties of the custom action.
//! Like everything that comes from CodePipeline, members may be missing, and are missed where they are needed.
//!
//! <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html>

use serde_json::Value;
use thiserror::Error;

use crate::credential::SecretText;
use crate::job::{Arrival, ArtifactCredentials, ArtifactLocation, Configuration, Job, JobId, PipelineRun};
use crate::settings::ActionType;

/// The one member of such an event.
pub const MEMBER: &str = "CodePipeline.job";

/// Longest part of a property's name that is repeated, in characters.
const SHOWN: usize = 40;

/// A job as an event brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoked {
    /// It can be run.
    Job(Box<Job>),
    /// Nobody can tell what it is to do.
    Unclear(JobId, UserParametersError),
}

/// Why `UserParameters` are refused. Never holds a value of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UserParametersError {
    /// There are none.
    #[error(
        "the action has no UserParameters; they are a JSON object with the action's properties, such as TypeOfArtifact and RepoKey"
    )]
    Missing,
    /// No JSON.
    #[error("the action's UserParameters are not valid JSON (column {column}); they are an object of texts")]
    Json {
        /// Where the first fault is.
        column: usize,
    },
    /// JSON, but no object.
    #[error("the action's UserParameters are JSON, but not an object of texts")]
    NoObject,
    /// A value that is no text.
    #[error("{0} in the action's UserParameters is not a text")]
    NoText(String),
}

impl Invoked {
    /// Reads what is in the event's member; `None` where it has no usable id and could never be answered.
    pub fn parse(job: &Value) -> Option<Self> {
        let id = JobId::parse(job.get("id")?.as_str()?)?;
        let data = job.get("data").unwrap_or(&Value::Null);
        let parameters = data.pointer("/actionConfiguration/configuration/UserParameters");
        let configuration = match configuration(parameters.and_then(Value::as_str).unwrap_or_default()) {
            Ok(configuration) => configuration,
            Err(error) => return Some(Self::Unclear(id, error)),
        };
        Some(Self::Job(Box::new(Job {
            id,
            arrival: Arrival::Invoked,
            action_type: Some(ActionType::lambda_invoke()),
            run: PipelineRun::default(),
            configuration,
            inputs: locations(data.get("inputArtifacts")),
            outputs: locations(data.get("outputArtifacts")),
            credentials: data.get("artifactCredentials").and_then(credentials),
            encryption_key: data.get("encryptionKey").and_then(|key| text(key, "/id")),
        })))
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        match self {
            Self::Job(job) => &job.id,
            Self::Unclear(id, _) => id,
        }
    }
}

fn configuration(parameters: &str) -> Result<Configuration, UserParametersError> {
    if parameters.trim().is_empty() {
        return Err(UserParametersError::Missing);
    }
    let json: Value = serde_json::from_str(parameters)
        .map_err(|error: serde_json::Error| UserParametersError::Json { column: error.column() })?;
    let Value::Object(members) = json else { return Err(UserParametersError::NoObject) };
    Configuration::of_texts(&members)
        .map_err(|name| UserParametersError::NoText(name.chars().filter(|c| !c.is_control()).take(SHOWN).collect()))
}

fn locations(artifacts: Option<&Value>) -> Vec<ArtifactLocation> {
    let location = |artifact: &Value| ArtifactLocation {
        name: text(artifact, "/name").unwrap_or_else(|| "artifact".to_owned()),
        object: text(artifact, "/location/s3Location/bucketName").zip(text(artifact, "/location/s3Location/objectKey")),
    };
    artifacts.and_then(Value::as_array).into_iter().flatten().map(location).collect()
}

fn credentials(of: &Value) -> Option<ArtifactCredentials> {
    Some(ArtifactCredentials {
        access_key_id: text(of, "/accessKeyId")?,
        secret_access_key: SecretText::new(text(of, "/secretAccessKey")?),
        session_token: SecretText::new(text(of, "/sessionToken")?),
    })
}

fn text(of: &Value, pointer: &str) -> Option<String> {
    of.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::trigger::Trigger;

    fn sample() -> Value {
        serde_json::from_str(include_str!("../events/codepipeline-job.json")).unwrap()
    }

    fn with(parameters: Value) -> Invoked {
        let mut event = sample();
        event[MEMBER]["data"]["actionConfiguration"]["configuration"]["UserParameters"] = parameters;
        Invoked::parse(&event[MEMBER]).unwrap()
    }

    #[test]
    fn an_event_of_an_invoke_action_is_a_job_and_prints_none_of_its_secrets() {
        let trigger = Trigger::of(&sample());
        let Trigger::InvokeAction(invoked) = &trigger else { panic!("{trigger:?}") };
        let Invoked::Job(job) = invoked else { panic!("{invoked:?}") };
        assert_eq!((job.arrival, job.id.as_str()), (Arrival::Invoked, "b7d1e2c4-5a3f-4e86-9c0d-2f8a6b4e1d73"));
        assert_eq!(job.configuration.0["TypeOfArtifact"], "npm");
        let object = ("node-example-artifacts-1k9x2v7q".to_owned(), "node-example/BuildOutpu/pQ7rLz2".to_owned());
        assert_eq!(job.inputs, [ArtifactLocation { name: "BuildOutput".to_owned(), object: Some(object) }]);
        assert!(job.outputs.is_empty() && job.encryption_key.is_some());
        let credentials = job.credentials.as_ref().unwrap();
        let printed = format!("{trigger:?}");
        for secret in [&credentials.secret_access_key, &credentials.session_token] {
            assert!(!printed.contains(secret.expose()), "{printed}");
        }
        assert!(!printed.contains(&credentials.access_key_id) && !printed.contains("npm-local"), "{printed}");
    }

    #[test]
    fn user_parameters_that_are_no_object_of_texts_are_refused_and_not_repeated() {
        for (parameters, refusal) in [
            (json!(null), "no UserParameters"),
            (json!({ "RepoKey": "hunter2" }), "no UserParameters"),
            (json!("  "), "no UserParameters"),
            (json!("hunter2"), "not valid JSON (column 1)"),
            (json!(r#"{"Password":"hunter2""#), "not valid JSON (column 21)"),
            (json!(r#"["hunter2"]"#), "not an object"),
            (json!(r#"{"RepoKey":["hunter2"]}"#), "RepoKey in the action's UserParameters is not a text"),
            (json!(r#"{"Options":{"tag":"hunter2"}}"#), "Options in the action's"),
            (json!(r#"{"Files":null}"#), "Files in the action's"),
        ] {
            let Invoked::Unclear(_, error) = with(parameters.clone()) else { panic!("{parameters} was taken") };
            assert!(error.to_string().contains(refusal), "{parameters}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_missed_later_and_only_the_id_is_needed() {
        for data in [json!(null), json!(7), json!({ "inputArtifacts": {}, "artifactCredentials": "hunter2" })] {
            let job = json!({ "id": "b7d1e2c4-5a3f-4e86-9c0d-2f8a6b4e1d73", "data": data });
            assert!(matches!(Invoked::parse(&job), Some(Invoked::Unclear(_, UserParametersError::Missing))), "{job}");
        }
        let mut event = sample();
        let data = &mut event[MEMBER]["data"];
        data["artifactCredentials"]["sessionToken"] = json!(7);
        data["inputArtifacts"][0]["location"] = json!(null);
        data["encryptionKey"] = json!([]);
        let Some(Invoked::Job(job)) = Invoked::parse(&event[MEMBER]) else { panic!("{event}") };
        assert!(job.credentials.is_none() && job.encryption_key.is_none() && job.inputs[0].object.is_none());
        for id in [json!(null), json!(7), json!("../x"), json!("B7D1E2C4-5A3F-4E86-9C0D-2F8A6B4E1D73")] {
            event[MEMBER]["id"] = id;
            assert!(matches!(Trigger::of(&event), Trigger::Unknown(_)), "{event}");
        }
    }
}
