//! How this emulator says no: the several shapes in which Artifactory and what stands before it answer.

use serde_json::{Value, json};

use crate::stack::http::{self, Reply};

/// The shape of an error's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"errors":[{"status":…,"message":…}]}`: Artifactory's REST API.
    Errors,
    /// `{"errors":[{"code":…,"message":…}]}`: the Access service.
    Access,
    /// `{"error":…}`: the npm API.
    Npm,
    /// `{"error":…,"error_description":…}`: the legacy token endpoint.
    OAuth,
    /// A page: the servlet container or a reverse proxy.
    Html,
}

/// A request that is not granted.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    shape: Shape,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), shape: Shape::Errors }
    }

    pub(super) fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// As the npm API words it; a 401 comes from the filter before it and keeps its shape.
    pub(super) fn of_npm(self) -> Self {
        if self.status == 401 || self.shape != Shape::Errors { self } else { self.shaped(Shape::Npm) }
    }

    pub(super) fn reply(&self) -> Reply {
        let body = match self.shape {
            Shape::Errors => pretty(&json!({ "errors": [{ "status": self.status, "message": self.message }] })),
            Shape::Access => {
                let code = match self.status {
                    400 => "BAD_REQUEST",
                    401 => "UNAUTHORIZED",
                    403 => "FORBIDDEN",
                    404 => "NOT_FOUND",
                    _ => "ERROR",
                };
                json!({ "errors": [{ "code": code, "message": self.message }] }).to_string()
            }
            Shape::Npm => json!({ "error": self.message }).to_string(),
            Shape::OAuth => json!({ "error": "invalid_request", "error_description": self.message }).to_string(),
            Shape::Html => format!(
                "<!doctype html><html><head><title>{0} {1}</title></head><body><center><h1>{0} {1}</h1></center></body></html>",
                self.status, self.message
            ),
        };
        let kind = if self.shape == Shape::Html { "text/html" } else { "application/json" };
        let mut headers = vec![("content-type", kind)];
        if self.status == 401 {
            headers.push(("www-authenticate", "Basic realm=\"Artifactory Realm\""));
        }
        http::reply(self.status, &headers, body)
    }
}

/// Artifactory indents what its REST API writes.
pub(super) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can be written")
}
