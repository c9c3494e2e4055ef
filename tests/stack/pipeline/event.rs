//! The event that tells of a started action, with the types that AWS really sends: `detail.version` a float,
//! `detail.type.version` a string. It names no job: it is a doorbell.

use serde_json::{Value, json};

use super::table::Job;
use crate::stack::aws::{ACCOUNT, REGION};

/// The `CodePipeline Action Execution State Change` of this job's action in this state.
pub(super) fn action_state_change(job: &Job, state: &str) -> Value {
    let inputs: Vec<_> = job
        .spec
        .inputs
        .iter()
        .map(|input| json!({ "name": input.name, "s3location": { "bucket": input.bucket, "key": input.key } }))
        .collect();
    json!({
        "version": "0",
        "id": job.id.as_str(),
        "detail-type": "CodePipeline Action Execution State Change",
        "source": "aws.codepipeline",
        "account": ACCOUNT,
        "time": "2026-11-23T08:00:00Z",
        "region": REGION,
        "resources": [job.spec.pipeline_arn()],
        "detail": {
            "pipeline": job.spec.pipeline,
            "execution-id": job.run.pipeline_execution_id,
            "start-time": "2026-11-23T08:00:00.872Z",
            "stage": job.spec.stage,
            "action-execution-id": job.run.action_execution_id,
            "action": job.spec.action,
            "state": state,
            "region": REGION,
            "type": {
                "owner": "Custom",
                "category": job.spec.action_type.category,
                "provider": job.spec.action_type.provider,
                "version": job.spec.action_type.version,
            },
            "input-artifacts": inputs,
            "version": 1.0,
            "pipeline-execution-attempt": 1.0,
        },
    })
}
