//! Who is calling: Basic with a password, token or API key, Bearer with a token, `X-JFrog-Art-Api`.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha512};

use super::config::{Anonymous, Grants, Permission, Role};
use super::reply::Refusal;
use super::state::State;
use crate::stack::http::Request;

/// Which of its user's rights a token carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// All of them.
    Own,
    /// Only those that come from groups: the scope was `member-of-groups:…`.
    Groups,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) id: String,
    pub(super) user: String,
    pub(super) scope: String,
    pub(super) rights: Rights,
    pub(super) issued: u64,
    /// `None`: never.
    pub(super) expires: Option<u64>,
    pub(super) revoked: bool,
    pub(super) revocable: bool,
    /// 64 characters that stand for it.
    pub(super) reference: Option<String>,
}

impl Token {
    pub(super) fn is_live(&self, now: u64) -> bool {
        !self.revoked && self.expires.is_none_or(|expires| now < expires)
    }
}

/// A caller whose credential was good, or one without any where that is allowed.
#[derive(Debug)]
pub(super) struct Caller {
    /// `None` is the anonymous user.
    pub(super) user: Option<String>,
    /// Id of the token that was presented, if one was.
    pub(super) token: Option<String>,
    rights: Rights,
}

impl Caller {
    pub(super) fn is_admin(&self, state: &State) -> bool {
        let role = self.user.as_ref().and_then(|user| state.users.get(user)).map(|user| user.role);
        role == Some(Role::Admin) && self.rights == Rights::Own
    }

    /// The name that files get as their creator.
    pub(super) fn name(&self) -> &str {
        self.user.as_deref().unwrap_or("anonymous")
    }

    pub(super) fn may(&self, state: &State, repository: &str, permission: Permission) -> bool {
        let Some(user) = &self.user else {
            return permission == Permission::Read && state.switches.anonymous == Anonymous::Reads;
        };
        let Some(user) = state.users.get(user) else { return false };
        self.is_admin(state)
            || grants(&user.by_groups, repository, permission)
            || (self.rights == Rights::Own && grants(&user.own, repository, permission))
    }
}

fn grants(grants: &Grants, repository: &str, permission: Permission) -> bool {
    ["*", repository].iter().any(|&key| grants.get(key).is_some_and(|granted| granted.contains(&permission)))
}

/// Finds out who is calling, or refuses.
pub(super) fn authenticate(state: &mut State, request: &Request) -> Result<Caller, Refusal> {
    let authorization = request.header("authorization").to_owned();
    if authorization.is_empty() {
        let key = request.header("x-jfrog-art-api").to_owned();
        if !key.is_empty() {
            let by_key =
                state.users.values().find(|user| user.api_key.as_deref() == Some(&key)).map(|user| user.name.clone());
            return match by_key {
                Some(user) => Ok(Caller { user: Some(user), token: None, rights: Rights::Own }),
                None => by_token(state, &key),
            };
        }
        return match state.switches.anonymous {
            Anonymous::Reads => Ok(Caller { user: None, token: None, rights: Rights::Own }),
            Anonymous::Off => Err(Refusal::new(401, "Authentication is required")),
        };
    }
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => by_token(state, token.trim()),
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") => {
            let pair = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = pair.as_deref().and_then(|pair| pair.split_once(':'));
            let (name, password) = pair.ok_or_else(|| Refusal::new(401, "Bad credentials"))?;
            by_password(state, name, password)
        }
        _ => Err(Refusal::new(401, "Unsupported authentication scheme")),
    }
}

fn by_password(state: &mut State, name: &str, password: &str) -> Result<Caller, Refusal> {
    let failed = state.failed_logins.get(name).copied().unwrap_or(0);
    if state.switches.lock_after.is_some_and(|limit| failed >= limit) {
        return Err(Refusal::new(401, format!("User {name} is locked due to too many failed login attempts")));
    }
    // A token may stand where the password does; pypi clients then leave the name empty.
    if let Ok(caller) = by_token(state, password)
        && (name.is_empty() || caller.user.as_deref() == Some(name))
    {
        return Ok(caller);
    }
    let good = state
        .users
        .get(name)
        .is_some_and(|user| user.password == password || user.api_key.as_deref() == Some(password));
    if good {
        state.failed_logins.remove(name);
        return Ok(Caller { user: Some(name.to_owned()), token: None, rights: Rights::Own });
    }
    *state.failed_logins.entry(name.to_owned()).or_default() += 1;
    Err(Refusal::new(401, "Bad credentials"))
}

fn by_token(state: &State, value: &str) -> Result<Caller, Refusal> {
    let by_reference = || state.tokens.values().find(|token| token.reference.as_deref() == Some(value));
    let Some(token) = state.tokens.get(value).or_else(by_reference) else {
        return Err(Refusal::new(401, "Token failed verification: parse"));
    };
    if token.revoked {
        return Err(Refusal::new(401, "Token failed verification: revoked"));
    }
    if !token.is_live(state.now()) {
        return Err(Refusal::new(401, "Token failed verification: expired"));
    }
    if !state.users.contains_key(&token.user) {
        return Err(Refusal::new(401, "Token failed verification: unknown subject"));
    }
    Ok(Caller { user: Some(token.user.clone()), token: Some(token.id.clone()), rights: token.rights })
}

/// What a new token is to be.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) user: String,
    pub(super) scope: String,
    pub(super) rights: Rights,
    /// Life in seconds; 0 is for ever.
    pub(super) seconds: u64,
    pub(super) reference: bool,
    pub(super) force_revocable: bool,
}

/// Makes a token that looks like one: three dotted parts, of which the second says who and how long.
pub(super) fn issue(state: &mut State, wanted: Wanted) -> (String, Token) {
    let issued = state.now();
    let seed = format!("{}/{}/{}/{issued}", state.origin, wanted.user, state.tokens.len());
    let noise = Sha512::digest(seed.as_bytes());
    let id = super::state::hex(noise.get(..16).unwrap_or_default());
    let expires = (wanted.seconds > 0).then(|| issued + wanted.seconds);
    let mut payload = json!({
        "sub": format!("jfac@01example/users/{}", wanted.user), "scp": wanted.scope, "aud": "*@*",
        "iss": "jfac@01example", "iat": issued, "jti": id,
    });
    if let (Some(expires), Some(payload)) = (expires, payload.as_object_mut()) {
        payload.insert("exp".to_owned(), json!(expires));
    }
    let header = json!({ "ver": "2", "typ": "JWT", "alg": "RS256", "kid": "stack" });
    let parts = [header.to_string(), payload.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let value = format!("{}.{}", parts.join("."), URL_SAFE_NO_PAD.encode(noise));
    let token = Token {
        id,
        user: wanted.user,
        scope: wanted.scope,
        rights: wanted.rights,
        issued,
        expires,
        revoked: false,
        revocable: wanted.force_revocable || wanted.seconds == 0 || wanted.seconds >= state.switches.revocable_from,
        reference: wanted.reference.then(|| super::state::hex(noise.get(16..48).unwrap_or_default())),
    };
    state.tokens.insert(value.clone(), token.clone());
    (value, token)
}

/// Whether a request carries this password anywhere: as Basic, in a header, in its address or body.
pub(super) fn carries(request: &Request, password: &str) -> bool {
    if password.is_empty() {
        return false;
    }
    let basic =
        request.header("authorization").split_once(' ').and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
    let form = url::form_urlencoded::byte_serialize(password.as_bytes()).collect::<String>();
    let contains = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    basic.is_some_and(|pair| contains(&pair, password))
        || [password, form.as_str()].iter().any(|&text| {
            request.path.contains(text)
                || request.query.contains(text)
                || contains(&request.body, text)
                || request.headers.values().any(|value| contains(value.as_bytes(), text))
        })
}
