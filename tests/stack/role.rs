//! What the function's own credentials may do: the policies of `template.yaml`, evaluated for every call that an
//! emulator gets with them. A call that the template does not allow is refused as AWS refuses it, so every test that
//! succeeds proves that the role suffices; what was used is remembered, so that one test can say what is in vain.

mod policy;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use self::policy::{Effect, Statement};
use self::template::Template;
use super::aws::{ACCOUNT, REGION};

/// One call of AWS as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `service:Action`, as the service authorization reference has it.
    pub(crate) action: String,
    /// The ARN, or `*` for an action that knows no resource.
    pub(crate) resource: String,
    /// Condition keys that the request has.
    pub(crate) context: BTreeMap<String, String>,
}

/// A right, as finely as the template gives it: statement, action, and one of its resources.
pub(crate) type Right = (String, String, String);

/// The role; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Role(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    template: Template,
    statements: Vec<Statement>,
    taken_away: BTreeSet<Right>,
    used: BTreeSet<Right>,
    refused: Vec<Call>,
}

impl Call {
    /// A call by the code of a Lambda function, over TLS. The stack itself speaks plain HTTP, which stands for it.
    pub(crate) fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:publisher");
        Self { action: action.into(), resource: resource.into(), context: BTreeMap::new() }
            .with("aws:SecureTransport", "true")
            .with("lambda:SourceFunctionArn", &function)
    }

    /// With this condition key.
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Without this condition key.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.context.remove(key);
        self
    }
}

impl Default for Role {
    /// The role of a stack whose parameters all have their defaults.
    fn default() -> Self {
        let template = Template::read(include_str!("role/template.json"));
        let mut inner = Inner {
            template,
            statements: Vec::new(),
            taken_away: BTreeSet::new(),
            used: BTreeSet::new(),
            refused: Vec::new(),
        };
        inner.resolve();
        Self(Arc::new(Mutex::new(inner)))
    }
}

impl Role {
    /// Gives a parameter of the template another value.
    pub(crate) fn parameter(&self, name: &str, value: &str) {
        let mut inner = self.lock();
        inner.template.set(name, Value::from(value));
        inner.resolve();
    }

    /// Gives the parameters the values with which the template sets this variable of the function's environment.
    pub(crate) fn follow(&self, variable: &str, value: &str) {
        match variable {
            "ACTION_PROVIDER" => self.parameter("ActionProvider", value),
            "ACTION_VERSION" => {
                let (now, previous) = value.split_once(',').unwrap_or((value, ""));
                assert!(!previous.contains(','), "the template polls two versions at most, not {value}");
                self.parameter("ActionVersion", now);
                self.parameter("PreviousActionVersion", previous);
            }
            _ => {}
        }
    }

    /// The environment that the template gives the function.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.lock().template.environment()
    }

    /// Takes one right away.
    pub(crate) fn take_away(&self, right: &Right) {
        assert!(self.rights().contains(right), "the role has no such right: {right:?}");
        self.lock().taken_away.insert(right.clone());
    }

    /// Whether the template's policies allow this call.
    pub(crate) fn allows(&self, call: &Call) -> bool {
        let mut inner = self.lock();
        let matching: Vec<_> = inner.statements.iter().filter(|statement| statement.applies(call)).collect();
        // A denial is stronger than anything.
        let denied = matching.iter().any(|statement| statement.effect == Effect::Deny);
        let granting = matching.iter().filter(|_| !denied).flat_map(|statement| statement.rights(call));
        let granting: Vec<_> = granting.filter(|right| !inner.taken_away.contains(right)).collect();
        if granting.is_empty() {
            inner.refused.push(call.clone());
        }
        let allowed = !granting.is_empty();
        inner.used.extend(granting);
        allowed
    }

    /// Every right that the template gives.
    pub(crate) fn rights(&self) -> BTreeSet<Right> {
        self.lock().statements.iter().filter(|it| it.effect == Effect::Allow).flat_map(Statement::all_rights).collect()
    }

    /// The rights by which calls were allowed so far.
    pub(crate) fn used(&self) -> BTreeSet<Right> {
        self.lock().used.clone()
    }

    /// The calls that were refused so far.
    pub(crate) fn refused(&self) -> Vec<Call> {
        self.lock().refused.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test panics while it holds this")
    }
}

impl Inner {
    /// Reads the statements anew.
    fn resolve(&mut self) {
        let of_role = self.template.statements("role").into_iter().map(Statement::of_the_role);
        let of_bucket = self.template.statements("journal").into_iter().map(Statement::of_a_resource);
        self.statements = of_role.chain(of_bucket).collect();
    }
}
