//! Who we are to Artifactory: a token as it is, or a password exchanged for a short-lived token, and basic
//! authentication only where the server offers no exchange (README, The secret).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use tokio::sync::RwLock;
use url::form_urlencoded;

use super::budget::Budget;
use super::error::{At, Purpose, RegistryError};
use super::url::Base;
use super::wire::{Payload, Request, Text, Wire, place};
use crate::credential::{Credential, SecretText};
use crate::deadline::Deadline;

/// What a token lives longer than the job, for clocks that differ.
const MARGIN: Duration = Duration::from_secs(30);
/// The shortest life that is asked for.
const SHORTEST: Duration = Duration::from_mins(1);
/// The longest: servers refuse more than an hour to users who are no administrators.
const LONGEST: Duration = Duration::from_hours(1);
/// How long revoking may take.
const REVOKE: Duration = Duration::from_secs(2);

/// An authenticated session of one job.
pub(super) struct Session {
    credential: Credential,
    current: RwLock<Current>,
}

struct Current {
    authorization: HeaderValue,
    minted: Option<Minted>,
    /// How often the token was renewed.
    renewals: u32,
}

struct Minted {
    token: SecretText,
    by: Endpoint,
}

#[derive(Clone, Copy)]
enum Endpoint {
    /// Artifactory's own, in every version since 5.
    Legacy,
    /// The platform's Access service.
    Access,
}

impl Endpoint {
    fn path(self) -> &'static str {
        match self {
            Self::Legacy => "api/security/token",
            Self::Access => "access/api/v1/tokens",
        }
    }

    fn url(self, base: &Base) -> String {
        match self {
            Self::Legacy => base.join(self.path()),
            Self::Access => format!("{}/{}", base.platform(), self.path()),
        }
    }
}

/// By what a request is authorized, and how often that had been renewed.
pub(super) struct Authorized {
    pub(super) header: HeaderValue,
    renewals: u32,
}

impl Session {
    /// Presents a token as it is; exchanges a password.
    pub(super) async fn open(
        wire: &Wire,
        base: &Base,
        credential: &Credential,
        deadline: Deadline,
    ) -> Result<Self, RegistryError> {
        let (authorization, minted) = match credential {
            Credential::Token { token } => {
                wire.hide(token);
                (bearer(token)?, None)
            }
            Credential::Password { username, password } => {
                wire.hide(password);
                // Also as the one text that basic authentication encodes.
                wire.hide(&SecretText::new(format!("{username}:{}", password.expose())));
                present(wire, base, username, password, deadline).await?
            }
        };
        let current = RwLock::new(Current { authorization, minted, renewals: 0 });
        Ok(Self { credential: credential.clone(), current })
    }

    /// What to send with a request.
    pub(super) async fn authorized(&self) -> Authorized {
        let current = self.current.read().await;
        Authorized { header: current.authorization.clone(), renewals: current.renewals }
    }

    /// Whether each request carries the password itself, because the server makes no tokens.
    pub(super) async fn sends_the_password(&self) -> bool {
        matches!(self.credential, Credential::Password { .. }) && self.current.read().await.minted.is_none()
    }

    /// After a 401: whether there is a newer token to try. One that we minted is renewed once; nothing else can be.
    pub(super) async fn renew(
        &self,
        wire: &Wire,
        base: &Base,
        used: &Authorized,
        deadline: Deadline,
    ) -> Result<bool, RegistryError> {
        let mut current = self.current.write().await;
        if current.renewals > used.renewals {
            return Ok(true);
        }
        let Credential::Password { username, password } = &self.credential else {
            return Ok(false);
        };
        if current.minted.is_none() || current.renewals > 0 {
            return Ok(false);
        }
        current.renewals += 1;
        (current.authorization, current.minted) = present(wire, base, username, password, deadline).await?;
        Ok(true)
    }

    /// Revokes the token, where we minted one. Best effort: it ends by itself soon.
    pub(super) async fn close(self, wire: &Wire, base: &Base, deadline: Deadline) {
        let Current { authorization, minted, .. } = self.current.into_inner();
        let Some(Minted { token, by }) = minted else {
            return;
        };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let by_value = Request {
            purpose: Purpose::Revoke,
            method: Method::POST,
            path: "api/security/token/revoke",
            url: base.join("api/security/token/revoke"),
            headers: headers.clone(),
            payload: Some(Payload::Form(form(&[("token", token.expose())]))),
        };
        let itself = Request {
            purpose: Purpose::Revoke,
            method: Method::DELETE,
            path: "access/api/v1/tokens/me",
            url: format!("{}/me", Endpoint::Access.url(base)),
            headers,
            payload: None,
        };
        // The older call may be an administrator's alone; since 7.53 a token may end itself.
        let requests = match by {
            Endpoint::Legacy => vec![by_value, itself],
            Endpoint::Access => vec![itself],
        };
        let revoking = async {
            let mut refusal = None;
            for request in &requests {
                match wire.ask(request, &Text, &mut Budget::without_retries(wire.pacing, deadline)).await {
                    Ok(_) => return Ok(()),
                    Err(error) => refusal = Some(error),
                }
            }
            refusal.map_or(Ok(()), Err)
        };
        match tokio::time::timeout(REVOKE, revoking).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the token was not revoked; it ends by itself"),
            Err(_) => tracing::debug!("revoking the token took too long; it ends by itself"),
        }
    }
}

/// Exchanges a password for a token, or falls back to the password itself.
async fn present(
    wire: &Wire,
    base: &Base,
    username: &str,
    password: &SecretText,
    deadline: Deadline,
) -> Result<(HeaderValue, Option<Minted>), RegistryError> {
    let basic = basic(username, password)?;
    let life = (deadline.left_with_reserve() + MARGIN).clamp(SHORTEST, LONGEST).as_secs().to_string();
    // The scope is left out, so that it means the user's own rights: every narrower one that all versions know
    // copies only the rights of the user's groups.
    let legacy = form(&[("username", username), ("expires_in", &life)]);
    match mint(wire, base, Endpoint::Legacy, &basic, legacy, deadline).await {
        Err(error) if matches!(error.status(), Some(404 | 405)) => {}
        outcome => return outcome,
    }
    let access = form(&[("grant_type", "client_credentials"), ("expires_in", &life)]);
    match mint(wire, base, Endpoint::Access, &basic, access, deadline).await {
        Err(error) if matches!(error.status(), Some(403..=405)) => {
            tracing::warn!(
                %base, %error,
                "this Artifactory exchanges no password for a token, so the password goes with each request; \
                 put an access token into the secret to avoid that"
            );
            Ok((basic, None))
        }
        outcome => outcome,
    }
}

async fn mint(
    wire: &Wire,
    base: &Base,
    by: Endpoint,
    basic: &HeaderValue,
    form: String,
    deadline: Deadline,
) -> Result<(HeaderValue, Option<Minted>), RegistryError> {
    let request = Request {
        purpose: Purpose::Token,
        method: Method::POST,
        path: by.path(),
        url: by.url(base),
        headers: HeaderMap::from_iter([(AUTHORIZATION, basic.clone())]),
        payload: Some(Payload::Form(form)),
    };
    let answer = wire.ask(&request, &Text, &mut Budget::new(wire.pacing, deadline)).await?;
    let Some(token) = token_of(&answer.text) else {
        let at = At { status: Some(answer.status), ..place(&request) };
        return Err(RegistryError::Unintelligible { at, problem: "there is no usable token in the answer" });
    };
    wire.hide(&token);
    Ok((bearer(&token)?, Some(Minted { token, by })))
}

/// The token in an answer. The parser's own error would quote the answer, so there is none.
fn token_of(answer: &[u8]) -> Option<SecretText> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
    }
    let Answer { access_token } = serde_json::from_slice(answer).ok()?;
    let usable = !access_token.is_empty() && access_token.bytes().all(|byte| byte.is_ascii_graphic());
    usable.then(|| SecretText::new(access_token))
}

fn bearer(token: &SecretText) -> Result<HeaderValue, RegistryError> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn basic(username: &str, password: &SecretText) -> Result<HeaderValue, RegistryError> {
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose()))))
}

fn sensitive(text: &str) -> Result<HeaderValue, RegistryError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| RegistryError::Unsendable {
        path: "the Authorization header".to_owned(),
        problem: "the credential has characters that a header never has".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_out_of_an_answer_or_there_is_none() {
        let token = |answer: &str| token_of(answer.as_bytes()).map(|token| token.expose().to_owned());
        assert_eq!(token(r#"{"access_token":"ey.J.x","expires_in":60,"scope":null}"#).as_deref(), Some("ey.J.x"));
        for answer in [
            "",
            "<html>",
            "{}",
            r#"{"access_token":null}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"a\r\nX: y"}"#,
            r#"{"access_token":"ey.J.x""#,
        ] {
            assert_eq!(token(answer), None, "{answer}");
        }
    }

    #[test]
    fn headers_are_sensitive_and_forms_are_encoded() {
        let header = basic("ci", &SecretText::new("p:ä")).unwrap();
        assert!(header.is_sensitive() && bearer(&SecretText::new("t")).unwrap().is_sensitive());
        assert_eq!(header.to_str().unwrap(), format!("Basic {}", STANDARD.encode("ci:p:ä")));
        assert_eq!(form(&[("username", "a&b=c d"), ("expires_in", "60")]), "username=a%26b%3Dc+d&expires_in=60");
    }
}
