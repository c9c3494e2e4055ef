//! What woke the function. Every event is a doorbell and runs the same tick; it only decides how patiently an empty
//! queue is asked again.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_smithy_types::date_time::{DateTime, Format};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::doctor::Question;
use crate::invoke::{self, Invoked};
use crate::job::PipelineRun;

/// The kinds of doorbell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// CodePipeline says that one of our actions has started: a job is there, or will be within seconds.
    ActionStarted {
        /// The pipeline's name, where the event tells it.
        pipeline: Option<String>,
        /// Which action it was, and when, where the event tells.
        started: Option<Started>,
    },
    /// Any other event of CodePipeline.
    PipelineChange,
    /// The schedule behind the events.
    Schedule,
    /// A person: `{}`.
    Manual,
    /// A person who asks how everything is: `{"doctor": …}`.
    Doctor(Question),
    /// CodePipeline's action that invokes a Lambda function: the job itself, or what pretends to be one.
    InvokeAction(Invoked),
    /// Something that is no event; it wakes us all the same.
    Unknown(String),
}

/// An action of ours that has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Id of the pipeline's execution.
    execution: String,
    /// The action's name.
    action: String,
    /// When it started, in milliseconds since 1970.
    millis: u64,
}

impl Started {
    fn of(detail: &Value) -> Option<Self> {
        let text = |name: &str| detail.get(name).and_then(Value::as_str);
        let time = DateTime::from_str(text("start-time")?, Format::DateTime).ok()?;
        let millis = u64::try_from(time.to_millis().ok()?).ok()?;
        Some(Self { execution: text("execution-id")?.to_owned(), action: text("action")?.to_owned(), millis })
    }

    /// How long the job of this action has waited by now, in milliseconds; `None` where it is another's.
    pub fn waited(&self, run: &PipelineRun, now_millis: u64) -> Option<u64> {
        let is_its = run.execution.as_ref() == Some(&self.execution) && run.action.as_ref() == Some(&self.action);
        is_its.then(|| now_millis.saturating_sub(self.millis))
    }
}

impl Trigger {
    /// The action whose start woke us.
    pub fn started(&self) -> Option<&Started> {
        match self {
            Self::ActionStarted { started, .. } => started.as_ref(),
            Self::PipelineChange
            | Self::Schedule
            | Self::Manual
            | Self::Doctor(_)
            | Self::InvokeAction(_)
            | Self::Unknown(_) => None,
        }
    }

    /// Reads any JSON value.
    pub fn of(event: &Value) -> Self {
        let Some(object) = event.as_object() else {
            return Self::Unknown(format!("the event is not a JSON object but {}", type_name(event)));
        };
        if let Some(doctor) = object.get("doctor") {
            return Self::Doctor(Question::of(doctor));
        }
        if let Some(job) = object.get(invoke::MEMBER) {
            return Invoked::parse(job).map_or_else(
                || Self::Unknown("the event of an Invoke action has no job with a usable id".to_owned()),
                Self::InvokeAction,
            );
        }
        if !object.contains_key("detail-type") && !object.contains_key("source") {
            return Self::Manual;
        }
        let event: EventBridgeEvent<Value> = match EventBridgeEvent::deserialize(event) {
            Ok(event) => event,
            Err(error) => return Self::Unknown(format!("the event is not an EventBridge event: {error}")),
        };
        if event.source == "aws.events" || event.source == "aws.scheduler" {
            return Self::Schedule;
        }
        if event.source != "aws.codepipeline" {
            return Self::Unknown(format!("the event's source is {:?}", event.source));
        }
        // The versions in `detail` are floats or strings as CodePipeline pleases; none of them is read.
        let text = |name: &str| event.detail.get(name).and_then(Value::as_str);
        if event.detail_type == "CodePipeline Action Execution State Change" && text("state") == Some("STARTED") {
            let pipeline = text("pipeline").map(str::to_owned);
            return Self::ActionStarted { pipeline, started: Started::of(&event.detail) };
        }
        Self::PipelineChange
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

impl<'de> Deserialize<'de> for Trigger {
    /// Never fails: a broken event is logged and still wakes the worker.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer) {
            Ok(event) => Self::of(&event),
            Err(error) => Self::Unknown(format!("the event is not JSON: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_action_that_has_started_is_known_how_long_its_job_has_waited() {
        let event: Value = serde_json::from_str(include_str!("../events/action-started.json")).unwrap();
        let trigger = Trigger::of(&event);
        let started = trigger.started().unwrap();
        let run = PipelineRun {
            execution: Some("0b9d6c1a-53f4-4c8e-9d57-71e2f6a4b3c0".to_owned()),
            action: Some("Artifactory".to_owned()),
            ..PipelineRun::default()
        };
        assert_eq!(started.waited(&run, started.millis + 1_500), Some(1_500));
        assert_eq!(started.waited(&run, started.millis - 1), Some(0), "clocks differ");
        for other in [PipelineRun { action: None, ..run.clone() }, PipelineRun { execution: None, ..run }] {
            assert_eq!(started.waited(&other, started.millis), None);
        }
        let mut other = event;
        other["detail"]["start-time"] = "yesterday".into();
        assert!(matches!(Trigger::of(&other), Trigger::ActionStarted { pipeline: Some(_), started: None }));
    }

    #[test]
    fn anything_that_is_no_event_wakes_us_all_the_same() {
        for event in ["null", "17", "\"text\"", "[]", "{\"source\":1}", "{\"detail-type\":\"x\",\"source\":\"y\"}"] {
            let trigger: Trigger = serde_json::from_str(event).unwrap();
            assert!(matches!(trigger, Trigger::Unknown(_)), "{event}: {trigger:?}");
        }
        let broken = Trigger::deserialize(&mut serde_json::Deserializer::from_str("{broken")).unwrap();
        assert!(matches!(broken, Trigger::Unknown(_)));
        assert_eq!(serde_json::from_str::<Trigger>("{}").unwrap(), Trigger::Manual);
    }
}
