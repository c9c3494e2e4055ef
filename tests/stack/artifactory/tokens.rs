//! The token endpoints: the legacy one of Artifactory and those of the Access service.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::{Value, json};

use super::auth::{self, Caller, Rights, Wanted, authenticate};
use super::config::Endpoint;
use super::reply::{Refusal, Shape};
use super::state::State;
use crate::stack::http::{self, Reply, Request};

type Fields = BTreeMap<String, String>;

/// `api/security/token` and its `revoke`; `tail` is what follows `token`.
pub(super) fn legacy(state: &mut State, request: &Request, tail: &str) -> Result<Reply, Refusal> {
    if let Endpoint::Answers(status) = state.switches.legacy_token {
        return Err(Refusal::new(status, "This endpoint is not available."));
    }
    if request.method != Method::POST {
        return Err(Refusal::new(405, "Method Not Allowed"));
    }
    let caller = authenticate(state, request)?;
    let fields = form(request)?;
    match tail {
        "" => legacy_create(state, &caller, &fields),
        "/revoke" => legacy_revoke(state, &caller, &fields),
        _ => Err(Refusal::new(404, "Not Found")),
    }
    .map_err(|refusal| if refusal.status == 400 { refusal.shaped(Shape::OAuth) } else { refusal })
}

fn legacy_create(state: &mut State, caller: &Caller, fields: &Fields) -> Result<Reply, Refusal> {
    if let Some(grant) = fields.get("grant_type").filter(|&grant| grant != "client_credentials") {
        return Err(Refusal::new(400, format!("Unsupported grant type: {grant}")));
    }
    let caller_name = caller.user.clone().ok_or_else(|| Refusal::new(401, "Authentication is required"))?;
    let user = fields.get("username").cloned().ok_or_else(|| Refusal::new(400, "The username must be specified"))?;
    let seconds = seconds(fields.get("expires_in"))?.unwrap_or(3600);
    let admin = caller.is_admin(state);
    if !admin && user != caller_name {
        return Err(Refusal::new(
            403,
            format!("User {caller_name} is not permitted to create a token for another user."),
        ));
    }
    if !admin && (seconds == 0 || seconds > state.switches.longest_token) {
        let longest = state.switches.longest_token;
        return Err(Refusal::new(403, format!("User {caller_name} may create tokens of at most {longest} seconds.")));
    }
    let asked = fields.get("scope").map(String::as_str).unwrap_or_default();
    let rights = if asked.contains("member-of-groups:") { Rights::Groups } else { Rights::Own };
    if asked.contains(":admin") && !admin {
        return Err(Refusal::new(403, format!("User {caller_name} is not permitted to use the scope '{asked}'.")));
    }
    let scope = if asked.is_empty() { "api:*".to_owned() } else { format!("{asked} api:*") };
    let wanted = Wanted { user, scope, rights, seconds, reference: false, force_revocable: false };
    let (value, token) = auth::issue(state, wanted);
    Ok(http::json(
        200,
        &json!({ "scope": token.scope, "access_token": value, "expires_in": seconds, "token_type": "Bearer" }),
    ))
}

fn legacy_revoke(state: &mut State, caller: &Caller, fields: &Fields) -> Result<Reply, Refusal> {
    if !caller.is_admin(state) {
        return Err(Refusal::new(403, "Only an administrator may revoke tokens here."));
    }
    let by_value = fields.get("token").and_then(|value| state.tokens.get_mut(value));
    let token = match (by_value, fields.get("token_id")) {
        (Some(token), _) => Some(token),
        (None, Some(id)) => state.tokens.values_mut().find(|token| token.id == *id),
        (None, None) if fields.contains_key("token") => None,
        (None, None) => return Err(Refusal::new(400, "Either token or token_id must be given")),
    };
    match token {
        Some(token) if !token.revocable => Err(Refusal::new(400, "Token not revocable")),
        Some(token) => {
            token.revoked = true;
            Ok(http::reply(200, &[("content-type", "text/plain")], "Token revoked"))
        }
        None => Ok(http::reply(200, &[("content-type", "text/plain")], "Token not found")),
    }
}

/// `/access/api/v1/tokens`; `tail` is what follows it.
pub(super) fn access(state: &mut State, request: &Request, tail: &str) -> Result<Reply, Refusal> {
    let outcome = (|| {
        if let Endpoint::Answers(status) = state.switches.access_token {
            return Err(Refusal::new(status, "This endpoint is not available."));
        }
        let caller = authenticate(state, request)?;
        match (&request.method, tail.strip_prefix('/')) {
            (&Method::POST, None) => access_create(state, &caller, request),
            (&Method::DELETE, Some(id)) if !id.is_empty() => access_revoke(state, &caller, id),
            _ => Err(Refusal::new(405, "Method Not Allowed")),
        }
    })();
    outcome.map_err(|refusal| refusal.shaped(Shape::Access))
}

fn access_create(state: &mut State, caller: &Caller, request: &Request) -> Result<Reply, Refusal> {
    let fields =
        if request.header("content-type").starts_with("application/json") { object(request)? } else { form(request)? };
    let caller_name = caller.user.clone().ok_or_else(|| Refusal::new(401, "Authentication is required"))?;
    let admin = caller.is_admin(state);
    if let Some(grant) = fields.get("grant_type").filter(|&grant| grant != "client_credentials") {
        return Err(Refusal::new(400, format!("Unsupported grant type: {grant}")));
    }
    for (name, longest) in [("username", 255), ("scope", 500), ("description", 1024), ("audience", 255)] {
        if fields.get(name).is_some_and(|value| value.chars().count() > longest) {
            return Err(Refusal::new(400, format!("{name} is longer than {longest} characters")));
        }
    }
    let user = fields.get("username").cloned().unwrap_or_else(|| caller_name.clone());
    let scope = fields.get("scope").map_or("applied-permissions/user", String::as_str).to_owned();
    let seconds = seconds(fields.get("expires_in"))?.unwrap_or(state.switches.longest_token);
    let above = seconds == 0 || seconds > state.switches.longest_token;
    if !admin && (user != caller_name || scope != "applied-permissions/user" || above) {
        return Err(Refusal::new(403, format!("User {caller_name} may not create this token")));
    }
    let flag = |name| fields.get(name).is_some_and(|value| value == "true");
    let wanted = Wanted {
        user,
        scope,
        rights: Rights::Own,
        seconds,
        reference: flag("include_reference_token"),
        force_revocable: flag("force_revocable"),
    };
    let (value, token) = auth::issue(state, wanted);
    let mut body = json!({
        "token_id": token.id, "access_token": value, "expires_in": seconds, "scope": token.scope, "token_type": "Bearer",
    });
    if let (Some(reference), Some(body)) = (token.reference, body.as_object_mut()) {
        body.insert("reference_token".to_owned(), Value::from(reference));
    }
    Ok(http::json(200, &body))
}

fn access_revoke(state: &mut State, caller: &Caller, id: &str) -> Result<Reply, Refusal> {
    let id = match (id, &caller.token) {
        ("me", Some(own)) => own.clone(),
        ("me", None) => return Err(Refusal::new(400, "The request was not authenticated with a token")),
        (id, _) => id.to_owned(),
    };
    let admin = caller.is_admin(state);
    let Some(token) = state.tokens.values_mut().find(|token| token.id == id && !token.revoked) else {
        return Ok(http::reply(204, &[], ""));
    };
    if !admin && caller.user.as_deref() != Some(&token.user) {
        return Err(Refusal::new(403, "The token belongs to another user"));
    }
    if !token.revocable {
        return Err(Refusal::new(400, "Token not revocable"));
    }
    token.revoked = true;
    Ok(http::reply(200, &[], ""))
}

fn seconds(text: Option<&String>) -> Result<Option<u64>, Refusal> {
    text.map(|text| text.parse().map_err(|_| Refusal::new(400, format!("expires_in is not a number: '{text}'"))))
        .transpose()
}

fn form(request: &Request) -> Result<Fields, Refusal> {
    if !request.header("content-type").starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::new(415, "Unsupported Media Type"));
    }
    Ok(url::form_urlencoded::parse(&request.body).into_owned().collect())
}

fn object(request: &Request) -> Result<Fields, Refusal> {
    let Value::Object(members) = request.json() else {
        return Err(Refusal::new(400, "The body is not a JSON object"));
    };
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name, text(value))).collect())
}
