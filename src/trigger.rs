//! What woke the function. Every event is a doorbell and runs the same tick; it only decides how patiently an empty
//! queue is asked again.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The kinds of doorbell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// CodePipeline says that one of our actions has started: a job is there, or will be within seconds.
    ActionStarted {
        /// The pipeline's name, where the event tells it.
        pipeline: Option<String>,
    },
    /// Any other event of CodePipeline.
    PipelineChange,
    /// The schedule behind the events.
    Schedule,
    /// A person: `{}`.
    Manual,
    /// Something that is no event; it wakes us all the same.
    Unknown(String),
}

impl Trigger {
    /// Reads any JSON value.
    pub fn of(event: &Value) -> Self {
        let Some(object) = event.as_object() else {
            return Self::Unknown(format!("the event is not a JSON object but {}", type_name(event)));
        };
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
            return Self::ActionStarted { pipeline: text("pipeline").map(str::to_owned) };
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
