//! The door of a service that speaks AWS JSON 1.1: which operation a request asks for, whether it is signed
//! for this service, and how a refusal looks on the wire. The signature's value is not recomputed here.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::http::{Reply, Request, reply};
use super::role::Call;
use super::s3::FUNCTION_ACCESS_KEY_ID;
use super::vault::Vault;

/// The account that everything in the stack belongs to.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The region that the stack's ARNs name.
pub(crate) const REGION: &str = "us-east-1";

/// A service as its requests name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The name in the credential scope of a signature.
    pub(crate) signing_name: &'static str,
    /// What `X-Amz-Target` begins with, up to the dot.
    pub(crate) target: &'static str,
}

/// An exception of the service's model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    /// A client error: AWS JSON sends 400 for every modelled one.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    /// A `ValidationException`.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}

/// Turns an outcome into what goes over the wire; `None` is the empty body of an operation without output.
pub(crate) fn answer(outcome: Result<Option<Value>, Refusal>) -> Reply {
    let (status, body) = match outcome {
        Ok(None) => (200, String::new()),
        Ok(Some(body)) => (200, body.to_string()),
        Err(refusal) => (refusal.status, json!({ "__type": refusal.code, "message": refusal.message }).to_string()),
    };
    let headers =
        [("content-type", "application/x-amz-json-1.1"), ("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")];
    reply(status, &headers, body)
}

/// What the function is told whose role does not allow a call.
pub(crate) fn not_authorized(action: &str, resource: &str) -> Refusal {
    Refusal::new(
        "AccessDeniedException",
        format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/function/function is not authorized to perform: {action} on \
             resource: {resource} because no identity-based policy allows the {action} action"
        ),
    )
}

/// Reads the request's body into `T`; what has the wrong JSON type is refused as AWS does it.
pub(crate) fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}

impl Service {
    /// The operation that the request asks for, once its form and signature have been looked at.
    pub(crate) fn operation(self, request: &Request, vault: &Vault) -> Result<String, Refusal> {
        let target = request.header("x-amz-target");
        let operation = target
            .strip_prefix(self.target)
            .and_then(|rest| rest.strip_prefix('.'))
            .filter(|_| request.method == hyper::Method::POST && request.path == "/")
            .filter(|_| request.header("content-type") == "application/x-amz-json-1.1")
            .ok_or_else(|| Refusal::new("UnknownOperationException", format!("no operation '{target}'")))?;
        let access_key_id = self.signer(request)?;
        if vault.lookup(&access_key_id).is_some() {
            // A job's session policy holds its objects only.
            return Err(Refusal::new(
                "AccessDeniedException",
                format!(
                    "User: arn:aws:sts::{ACCOUNT}:assumed-role/pipeline/job is not authorized to perform: \
                     {}:{operation} because no session policy allows the {}:{operation} action",
                    self.signing_name, self.signing_name
                ),
            ));
        }
        Ok(operation.to_owned())
    }

    /// Refuses the function what its role does not allow. Other workers have rights of their own.
    pub(crate) fn permit(self, request: &Request, vault: &Vault, call: &Call) -> Result<(), Refusal> {
        if self.signer(request)? != FUNCTION_ACCESS_KEY_ID || vault.role().allows(call) {
            return Ok(());
        }
        let Call { action, resource, .. } = call;
        Err(not_authorized(action, resource))
    }

    /// The access key id of a well-formed `Authorization` header for this service.
    fn signer(self, request: &Request) -> Result<String, Refusal> {
        let authorization = request.header("authorization");
        if authorization.is_empty() {
            return Err(Refusal::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
        }
        let incomplete = |what: &str| {
            Refusal::new("IncompleteSignatureException", format!("{what} is missing or malformed in the Authorization"))
        };
        let parameters = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| incomplete("The algorithm"))?;
        let parameter = |name: &str| {
            parameters.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };

        let signature = parameter("Signature");
        if signature.len() != 64 || !signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(incomplete("Signature"));
        }
        let signed: Vec<_> = parameter("SignedHeaders").split(';').collect();
        if !["host", "x-amz-date", "x-amz-target"].iter().all(|name| signed.contains(name)) {
            return Err(incomplete("SignedHeaders"));
        }
        let scope: Vec<_> = parameter("Credential").split('/').collect();
        let [access_key_id, date, region, service, "aws4_request"] = scope[..] else {
            return Err(incomplete("Credential"));
        };
        if access_key_id.is_empty() || region.is_empty() || !request.header("x-amz-date").starts_with(date) {
            return Err(incomplete("Credential"));
        }
        if service != self.signing_name {
            let message = format!("Credential should be scoped to correct service: '{}'.", self.signing_name);
            return Err(Refusal::new("InvalidSignatureException", message));
        }
        Ok(access_key_id.to_owned())
    }
}
