//! What a test says about one action of a pipeline: from it the emulator makes a job and the job's data.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::vault::Session;

/// The id of a job, a lower-case UUID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct JobId(pub(super) String);

impl JobId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A custom action type, as `CreateCustomActionType` declares it. Its owner is `Custom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActionType {
    pub(crate) category: String,
    pub(crate) provider: String,
    pub(crate) version: String,
    /// The one property that polls must name, where the type has one.
    pub(crate) queryable: Option<String>,
}

impl Default for ActionType {
    fn default() -> Self {
        Self { category: "Deploy".into(), provider: "Artifactory".into(), version: "1".into(), queryable: None }
    }
}

/// One artifact of an action and where it lies.
#[derive(Debug, Clone)]
pub(crate) struct Artifact {
    pub(crate) name: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) revision: Option<String>,
}

impl Artifact {
    fn new(name: &str, bucket: &str, key: &str) -> Self {
        Self { name: name.into(), bucket: bucket.into(), key: key.into(), revision: None }
    }

    fn object(&self) -> (String, String) {
        (self.bucket.clone(), self.key.clone())
    }

    fn data(&self) -> Value {
        json!({
            "name": self.name,
            "revision": self.revision,
            "location": {
                "type": "S3",
                "s3Location": { "bucketName": self.bucket, "objectKey": self.key, "__type": "S3ArtifactLocation" },
            },
        })
    }
}

/// One action of a pipeline that waits for a worker.
#[derive(Debug, Clone)]
pub(crate) struct JobSpec {
    pub(crate) pipeline: String,
    pub(crate) stage: String,
    pub(crate) action: String,
    pub(crate) action_type: ActionType,
    pub(crate) configuration: Vec<(String, String)>,
    pub(crate) inputs: Vec<Artifact>,
    pub(crate) outputs: Vec<Artifact>,
    pub(crate) encryption_key: Option<String>,
    /// `None` draws a new one.
    pub(crate) action_execution_id: Option<String>,
    omitted: Vec<String>,
}

impl JobSpec {
    /// An action of the stack's own type in this pipeline, with no configuration and no artifacts yet.
    pub(crate) fn new(pipeline: &str) -> Self {
        Self {
            pipeline: pipeline.into(),
            stage: "Publish".into(),
            action: "Artifactory".into(),
            action_type: ActionType::default(),
            configuration: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            encryption_key: None,
            action_execution_id: None,
            omitted: Vec::new(),
        }
    }

    /// Gives a configuration property a value, in place of the one it had.
    pub(crate) fn configuration(mut self, key: &str, value: &str) -> Self {
        self.configuration.retain(|(name, _)| name != key);
        self.configuration.push((key.into(), value.into()));
        self
    }

    /// Adds an input artifact without a revision.
    pub(crate) fn input(mut self, name: &str, bucket: &str, key: &str) -> Self {
        self.inputs.push(Artifact::new(name, bucket, key));
        self
    }

    /// Gives the input artifact added last a revision.
    pub(crate) fn revision(mut self, revision: &str) -> Self {
        self.inputs.last_mut().expect("an input comes before its revision").revision = Some(revision.into());
        self
    }

    /// Adds an output artifact.
    pub(crate) fn output(mut self, name: &str, bucket: &str, key: &str) -> Self {
        self.outputs.push(Artifact::new(name, bucket, key));
        self
    }

    /// Names the customer's key of the pipeline's artifact store.
    pub(crate) fn encryption_key(mut self, id: &str) -> Self {
        self.encryption_key = Some(id.into());
        self
    }

    /// Makes it an action of another type, which must be declared for polls to find it.
    pub(crate) fn action_type(mut self, action_type: ActionType) -> Self {
        self.action_type = action_type;
        self
    }

    /// Names stage and action.
    pub(crate) fn at(mut self, stage: &str, action: &str) -> Self {
        self.stage = stage.into();
        self.action = action.into();
        self
    }

    /// Makes it belong to this execution of the action, as a continued job does.
    pub(crate) fn action_execution_id(mut self, id: &str) -> Self {
        self.action_execution_id = Some(id.into());
        self
    }

    /// Leaves a member of `JobData` out: the model requires none.
    pub(crate) fn without(mut self, member: &str) -> Self {
        self.omitted.push(member.into());
        self
    }

    /// The objects that the job's session may read.
    pub(super) fn readable(&self) -> Vec<(String, String)> {
        self.inputs.iter().map(Artifact::object).collect()
    }

    /// The objects that the job's session may write.
    pub(super) fn writable(&self) -> Vec<(String, String)> {
        self.outputs.iter().map(Artifact::object).collect()
    }

    /// The job's `data` with what real answers carry beside the model: stray types, unknown members, nulls.
    pub(super) fn data(&self, run: &Run, session: &Session) -> Value {
        let expires = session.expires.duration_since(std::time::UNIX_EPOCH).expect("sessions end after 1970");
        let configuration: Map<_, _> = self.configuration.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let mut data = json!({
            "__type": "JobData",
            "actionTypeId": {
                "__type": "ActionTypeId",
                "category": self.action_type.category,
                "owner": "Custom",
                "provider": self.action_type.provider,
                "version": self.action_type.version,
            },
            "actionConfiguration": { "__type": "ActionConfiguration", "configuration": configuration },
            "pipelineContext": {
                "pipelineName": self.pipeline,
                "stage": { "name": self.stage, "__type": "StageContext" },
                "action": { "name": self.action, "actionExecutionId": run.action_execution_id },
                "pipelineArn": self.pipeline_arn(),
                "pipelineExecutionId": run.pipeline_execution_id,
                "aMemberOfTomorrow": { "nested": [1, 2.5, null, "text"] },
            },
            "inputArtifacts": self.inputs.iter().map(Artifact::data).collect::<Vec<_>>(),
            "outputArtifacts": self.outputs.iter().map(Artifact::data).collect::<Vec<_>>(),
            "artifactCredentials": {
                "accessKeyId": session.access_key_id,
                "secretAccessKey": session.secret_access_key,
                "sessionToken": session.session_token,
                "expirationTime": u64::try_from(expires.as_millis()).expect("milliseconds of this era fit"),
            },
        });
        let members = data.as_object_mut().expect("the data was made as an object");
        if let Some(token) = &run.continuation_token {
            members.insert("continuationToken".into(), json!(token));
        }
        if let Some(id) = &self.encryption_key {
            members.insert("encryptionKey".into(), json!({ "id": id, "type": "KMS" }));
        }
        members.retain(|name, _| !self.omitted.contains(name));
        data
    }

    /// The job's `data` as the event of an Invoke action has it: no pipeline, no action type, one text of parameters.
    ///
    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html>
    pub(super) fn invoked_data(&self, session: &Session) -> Value {
        let run =
            Run { action_execution_id: String::new(), pipeline_execution_id: String::new(), continuation_token: None };
        let mut data = self.data(&run, session);
        let parameters = data["actionConfiguration"]["configuration"].to_string();
        assert!(parameters.len() <= 1000, "CodePipeline takes no UserParameters of {} characters", parameters.len());
        data["actionConfiguration"] =
            json!({ "configuration": { "FunctionName": "codepipeline-artifactory", "UserParameters": parameters } });
        let members = data.as_object_mut().expect("the data was made as an object");
        members.retain(|name, _| !["__type", "actionTypeId", "pipelineContext"].contains(&name.as_str()));
        data
    }

    pub(super) fn pipeline_arn(&self) -> String {
        format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:{}", self.pipeline)
    }
}

/// What the service adds to a spec when the action runs; all but the token stays over continuations.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) action_execution_id: String,
    pub(super) pipeline_execution_id: String,
    pub(super) continuation_token: Option<String>,
}
