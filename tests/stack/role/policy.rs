//! Statements of IAM policies, as far as the template uses them, and when they apply. What is not known here ends the
//! test at once: a statement that is passed over could allow or deny anything.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Call, Right};

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One statement, all its values resolved.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Statement {
    sid: String,
    pub(super) effect: Effect,
    principal: Option<Value>,
    action: OneOrMany,
    resource: OneOrMany,
    #[serde(default)]
    condition: BTreeMap<Operator, BTreeMap<String, OneOrMany>>,
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum Operator {
    Null,
    Bool,
    StringEquals,
    ArnLike,
    ArnEquals,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(value) => std::slice::from_ref(value).iter(),
            Self::Many(values) => values.iter(),
        }
    }
}

impl Statement {
    /// A statement of a policy that belongs to the role.
    pub(super) fn of_the_role(value: Value) -> Self {
        let statement = Self::read(value);
        assert!(statement.principal.is_none(), "a role's policy names no principal: {statement:?}");
        statement
    }

    /// A statement of a resource's own policy. Only refusals for all are known: who else is meant, nobody here decides.
    pub(super) fn of_a_resource(value: Value) -> Self {
        let statement = Self::read(value);
        let all = statement.principal == Some(Value::from("*")) && statement.effect == Effect::Deny;
        assert!(all, "no refusal for all: {statement:?}");
        statement
    }

    fn read(value: Value) -> Self {
        let text = value.to_string();
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{error} in the statement {text}"))
    }

    /// Whether this statement speaks of the call.
    pub(super) fn applies(&self, call: &Call) -> bool {
        self.action.iter().any(|action| names(action, &call.action))
            && self.resource.iter().any(|resource| is_arn_like(resource, &call.resource))
            && self.condition.iter().all(|(operator, keys)| {
                keys.iter().all(|(key, wanted)| operator.holds(call.context.get(key).map(String::as_str), wanted))
            })
    }

    /// The rights of this statement that allow the call.
    pub(super) fn rights(&self, call: &Call) -> Vec<Right> {
        let fits = |(_, action, resource): &Right| names(action, &call.action) && is_arn_like(resource, &call.resource);
        self.all_rights().filter(fits).collect()
    }

    /// Every right that this statement gives.
    pub(super) fn all_rights(&self) -> impl Iterator<Item = Right> {
        let of = |action: &str| {
            let pair = |resource: &String| (self.sid.clone(), action.to_owned(), resource.clone());
            self.resource.iter().map(pair).collect::<Vec<_>>()
        };
        self.action.iter().flat_map(move |action| of(action))
    }
}

impl Operator {
    /// Whether the condition holds for what the request has of this key. Without the key only `Null` can.
    fn holds(self, there: Option<&str>, wanted: &OneOrMany) -> bool {
        let any = |same: fn(&str, &str) -> bool| there.is_some_and(|there| wanted.iter().any(|it| same(it, there)));
        match self {
            Self::Null => wanted.iter().any(|absent| absent == if there.is_none() { "true" } else { "false" }),
            Self::Bool => any(str::eq_ignore_ascii_case),
            Self::StringEquals => any(|wanted, there| wanted == there),
            Self::ArnLike | Self::ArnEquals => any(is_arn_like),
        }
    }
}

/// Whether the pattern of an action names it; case does not count.
fn names(pattern: &str, action: &str) -> bool {
    is_like(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// Whether an ARN is like the pattern, each of its six parts by itself. Only the lone star is also like no ARN.
fn is_arn_like(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (pattern, arn): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == 6 && arn.len() == 6 && pattern.iter().zip(&arn).all(|(pattern, part)| is_like(pattern, part))
}

/// Whether a text is like a pattern, in which `*` is any text and `?` one character.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.filter_map(|at| text.get(at..)).any(|tail| is_like(rest.as_str(), tail))
        }
        Some(wanted) => {
            let mut others = text.chars();
            let first = others.next();
            first.is_some_and(|first| wanted == '?' || wanted == first) && is_like(rest.as_str(), others.as_str())
        }
    }
}

#[test]
fn patterns_are_like_what_iam_says() {
    for (pattern, arn, like) in [
        ("*", "*", true),
        ("*", "arn:aws:s3:::journal", true),
        ("arn:aws:s3:::journal", "arn:aws:s3:::journal", true),
        ("arn:aws:s3:::journal", "arn:aws:s3:::journal/jobs/1", false),
        ("arn:aws:s3:::journal/jobs/*", "arn:aws:s3:::journal/jobs/a/b:c", true),
        ("arn:aws:s3:::journal/jobs/*", "arn:aws:s3:::journal/quarantine/a", false),
        ("arn:aws:s3:::journal/jobs/*", "*", false),
        ("arn:aws:s3:::jour?al", "arn:aws:s3:::journal", true),
        ("arn:aws:s3:::jour?nal", "arn:aws:s3:::journal", false),
        ("arn:aws:secretsmanager:us-east-1:1:secret:*", "arn:aws:secretsmanager:us-east-1:1:secret:a-b", true),
        ("arn:aws:secretsmanager:us-east-1:1:secret:*", "arn:aws:secretsmanager:us-east-1:2:secret:a-b", false),
        // A star stays within its part of the ARN.
        ("arn:aws:*:secret:a", "arn:aws:secretsmanager:us-east-1:1:secret:a", false),
    ] {
        assert_eq!(is_arn_like(pattern, arn), like, "{pattern} {arn}");
    }
    assert!(names("s3:Get*", "s3:getobject") && !names("s3:GetObject", "s3:GetObjectVersion"));
}

#[test]
fn conditions_hold_as_iam_says() {
    let one = |text: &str| OneOrMany::One(text.to_owned());
    for (operator, there, wanted, holds) in [
        (Operator::Null, None, "true", true),
        (Operator::Null, None, "false", false),
        (Operator::Null, Some(""), "false", true),
        (Operator::Bool, Some("true"), "false", false),
        (Operator::Bool, Some("False"), "false", true),
        (Operator::Bool, None, "false", false),
        (Operator::StringEquals, Some("a"), "a", true),
        (Operator::StringEquals, Some("A"), "a", false),
        (Operator::StringEquals, None, "a", false),
        (Operator::ArnLike, Some("arn:aws:lambda:r:1:function:f"), "arn:aws:lambda:r:1:function:*", true),
        (Operator::ArnEquals, Some("arn:aws:lambda:r:2:function:f"), "arn:aws:lambda:r:1:function:*", false),
        (Operator::ArnLike, None, "arn:aws:lambda:r:1:function:*", false),
    ] {
        assert_eq!(operator.holds(there, &one(wanted)), holds, "{operator:?} {there:?} {wanted}");
    }
}
