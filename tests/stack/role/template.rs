//! The policies of `template.yaml` with their parameters, conditions and functions, resolved as `CloudFormation` does it.
//! `scripts/role.py` writes the file that is read here, and `make check` holds it against the template.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::{JOURNAL, SECRET};

/// The name of the local stack, as `CloudFormation` would have it.
const STACK: &str = "local";

/// What of the template decides about the role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    #[serde(rename = "from")]
    _from: String,
    parameters: BTreeMap<String, Value>,
    conditions: BTreeMap<String, Value>,
    environment: Value,
    role: Vec<Value>,
    journal: Vec<Value>,
}

impl Template {
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).expect("scripts/role.py writes this form")
    }

    /// Gives a parameter a value.
    pub(super) fn set(&mut self, name: &str, value: Value) {
        let there = self.parameters.get_mut(name).unwrap_or_else(|| panic!("the template has no parameter {name}"));
        *there = value;
    }

    /// The variables of the function's environment, with those left out that the parameters leave out.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let Some(Value::Object(variables)) = self.resolve(&self.environment) else { panic!("variables have names") };
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        variables.into_iter().map(|(name, value)| (name, text(value))).collect()
    }

    /// The statements of one policy, with those left out that the parameters leave out.
    pub(super) fn statements(&self, policy: &str) -> Vec<Value> {
        let statements = if policy == "role" { &self.role } else { &self.journal };
        statements.iter().filter_map(|statement| self.resolve(statement)).collect()
    }

    /// The value; `None` is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(members) => {
                if let Some((function, argument)) = members.iter().next().filter(|_| members.len() == 1)
                    && ["Ref", "GetAtt", "Sub", "If"].contains(&function.as_str())
                {
                    return self.call(function, argument);
                }
                let resolved = members.iter().filter_map(|(name, inner)| Some((name.clone(), self.resolve(inner)?)));
                Some(Value::Object(resolved.collect()))
            }
            plain => Some(plain.clone()),
        }
    }

    /// What an intrinsic function gives.
    fn call(&self, function: &str, argument: &Value) -> Option<Value> {
        let text = || argument.as_str().unwrap_or_else(|| panic!("{function} of {argument}"));
        match function {
            "If" => {
                let [condition, yes, no] = three(argument);
                self.resolve(if self.holds(condition.as_str().expect("a condition's name")) { yes } else { no })
            }
            "Sub" => Some(Value::from(self.substituted(text()))),
            "Ref" if text() == "AWS::NoValue" => None,
            _ => Some(self.named(text())),
        }
    }

    fn substituted(&self, text: &str) -> String {
        let mut pieces = text.split("${");
        let mut whole = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap_or_else(|| panic!("Sub of {text}"));
            whole.push_str(self.named(name).as_str().unwrap_or_else(|| panic!("{name} is no text")));
            whole.push_str(rest);
        }
        whole
    }

    /// A parameter, a pseudo parameter, or what a resource of the stack is known by.
    fn named(&self, name: &str) -> Value {
        let known = match name {
            "AWS::Partition" => "aws".to_owned(),
            "AWS::Region" => REGION.to_owned(),
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::StackName" => STACK.to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "Journal" => JOURNAL.to_owned(),
            "Credential" => SECRET.to_owned(),
            "Journal.Arn" => format!("arn:aws:s3:::{JOURNAL}"),
            "PublisherLogs.Arn" => {
                format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/codepipeline-artifactory/{STACK}:*")
            }
            "Undelivered.Arn" => format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-Undelivered"),
            parameter => {
                let value = self.parameters.get(parameter);
                return value.unwrap_or_else(|| panic!("nothing here is called {parameter}")).clone();
            }
        };
        Value::from(known)
    }

    fn holds(&self, condition: &str) -> bool {
        let condition = self.conditions.get(condition).unwrap_or_else(|| panic!("no condition {condition}"));
        self.is_true(condition)
    }

    fn is_true(&self, test: &Value) -> bool {
        let (function, argument) = test.as_object().and_then(|test| test.iter().next()).expect("a function of one key");
        match function.as_str() {
            "Equals" => {
                let sides = argument.as_array().expect("Equals has two sides");
                let [one, other] = [0, 1].map(|at| self.compared(sides.get(at).expect("Equals has two sides")));
                one == other
            }
            "Not" => !self.is_true(argument.get(0).expect("Not has one test")),
            "Condition" => self.holds(argument.as_str().expect("a condition's name")),
            other => panic!("the function {other} is not known here"),
        }
    }

    /// A side of `Equals`, as text.
    fn compared(&self, side: &Value) -> String {
        if let Some(join) = side.get("Join") {
            let between = join.get(0).and_then(Value::as_str).expect("Join has a separator");
            let list = self.resolve(join.get(1).expect("Join has a list"));
            return match list {
                // A list parameter is written with commas.
                Some(Value::String(list)) => list.split(',').collect::<Vec<_>>().join(between),
                other => panic!("Join of {other:?}"),
            };
        }
        match self.resolve(side) {
            Some(Value::String(text)) => text,
            Some(Value::Null) => String::new(),
            other => panic!("Equals of {other:?}"),
        }
    }
}

fn three(list: &Value) -> [&Value; 3] {
    [0, 1, 2].map(|at| list.get(at).unwrap_or_else(|| panic!("If of {list}")))
}
