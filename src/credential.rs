//! The secret, parsed: a user's password or a token, the Artifactory that it may be sent to, and who may use it.

use std::fmt;

use serde::Deserialize;
use thiserror::Error;

/// Text that must never be printed. It has no `Display`, and its `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the secret looks like in the spellings that addresses, forms, JSON, HTML, base64 and squeezed blanks give it.
    pub fn spellings(&self) -> Spellings {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
        let secret = self.0.as_str();
        let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let mut spellings = vec![
            secret.to_owned(),
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
            url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            serde_json::Value::from(secret).to_string().trim_matches('"').to_owned(),
            html.replace('\'', "&#39;"),
            html,
            STANDARD.encode(secret),
            STANDARD_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode(secret),
        ];
        let squeezed = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        spellings.extend(spellings.iter().map(squeezed).collect::<Vec<_>>());
        spellings.retain(|spelling| !spelling.is_empty());
        // The longest first: one may be a part of another.
        spellings.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        spellings.dedup();
        Spellings(spellings)
    }
}

/// A secret's spellings, made once for all texts that it must not be seen in. Prints nothing of them.
pub struct Spellings(Vec<String>);

impl Spellings {
    /// `text` with every occurrence of the secret blanked out.
    pub fn blanked(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            // Most texts are shorter than a token; what is not there need not be copied.
            let is_there = secret.len() <= text.len() && text.contains(secret.as_str());
            if is_there { text.replace(secret.as_str(), "[secret]") } else { text }
        })
    }
}

impl fmt::Debug for Spellings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// How to be known to Artifactory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and password, to be exchanged for a short-lived token.
    Password {
        /// The user's name.
        username: String,
        /// The password (or an API key used as one).
        password: SecretText,
    },
    /// An access or reference token, sent as `Bearer`.
    Token {
        /// The token.
        token: SecretText,
    },
}

/// The value of the secret in Secrets Manager, parsed (README, The secret).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactorySecret {
    /// The credential.
    pub credential: Credential,
    /// The Artifactory that it belongs to, as written; `None`: the stack's own.
    pub url: Option<String>,
    /// Patterns of the pipelines that may use it; `None`: all.
    pub pipelines: Option<Vec<String>>,
    /// Patterns of the repositories that it may be used for; `None`: all.
    pub repositories: Option<Vec<String>>,
}

/// Why a secret's value cannot be used. Never holds any of the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// JSON with a member that is not ours.
    #[error(
        "has a member {0:?} that is not known here (known: username, password, access_token, url, pipelines, repositories); is it another product's secret?"
    )]
    UnknownMember(String),
    /// JSON, but not an object with the right types.
    #[error("is not of the form {{\"username\": \"…\", \"password\": \"…\"}} or {{\"access_token\": \"…\"}}: {0}")]
    Shape(&'static str),
    /// A password, but nobody says whose.
    #[error("holds a password but no user: put \"username\" into the secret, or UserName into the action")]
    NoUser,
    /// The action's `UserName` is not the secret's.
    #[error(
        "belongs to another user than the action's UserName; remove UserName from the action or use that user's secret"
    )]
    OtherUser,
}

#[derive(Deserialize)]
struct Members {
    username: Option<String>,
    password: Option<String>,
    access_token: Option<String>,
    url: Option<String>,
    pipelines: Option<Vec<String>>,
    repositories: Option<Vec<String>>,
}

/// What marks a secret for jobs of Invoke actions, among its `pipelines`. No pipeline can be called that (API model:
/// letters, digits, `.@-_`).
pub const INVOKE_MARK: &str = "(invoke)";

const KNOWN: [&str; 6] = ["username", "password", "access_token", "url", "pipelines", "repositories"];

impl ArtifactorySecret {
    /// Parses a secret's value. `user_name` is the action's `UserName`.
    pub fn parse(value: &str, user_name: Option<&str>) -> Result<Self, SecretError> {
        let text = value.trim();
        if !text.starts_with(['{', '[']) {
            return Self::from_plain(text, user_name);
        }
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|_| SecretError::Shape("it is not valid JSON"))?;
        let object = json.as_object().ok_or(SecretError::Shape("it is not an object"))?;
        if let Some(unknown) = object.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(SecretError::UnknownMember(bounded(unknown)));
        }
        // A list that is taken away must not open what it closed.
        if ["pipelines", "repositories"].iter().any(|list| object.get(*list).is_some_and(serde_json::Value::is_null)) {
            return Err(SecretError::Shape("its pipelines or repositories are null; leave the member out"));
        }
        let read: Members =
            serde_json::from_value(json).map_err(|_| SecretError::Shape("a member has the wrong type"))?;
        let Members { username: own, password, access_token, url, pipelines, repositories } = read;
        if let (Some(own), Some(other)) = (own.as_deref(), user_name)
            && own != other
        {
            return Err(SecretError::OtherUser);
        }
        let user = own.or_else(|| user_name.map(str::to_owned)).filter(|name| !name.is_empty());
        let credential = match (password, access_token) {
            (Some(_), Some(_)) => return Err(SecretError::Shape("it has both a password and an access_token")),
            (None, None) => return Err(SecretError::Shape("it has neither a password nor an access_token")),
            (Some(password), None) if password.is_empty() => return Err(SecretError::Shape("its password is empty")),
            (Some(password), None) => {
                Credential::Password { username: user.ok_or(SecretError::NoUser)?, password: SecretText::new(password) }
            }
            (None, Some(token)) => Credential::Token { token: header_safe(token)? },
        };
        Ok(Self { credential, url, pipelines, repositories })
    }

    fn from_plain(text: &str, user_name: Option<&str>) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Shape("it is empty"));
        }
        let user = user_name.ok_or(SecretError::NoUser)?;
        let credential = Credential::Password { username: user.to_owned(), password: SecretText::new(text) };
        Ok(Self { credential, url: None, pipelines: None, repositories: None })
    }

    /// Whether a job of this pipeline may use the secret. A job without a pipeline name matches no pattern.
    pub fn serves_pipeline(&self, pipeline: Option<&str>) -> bool {
        match &self.pipelines {
            None => true,
            Some(allowed) => pipeline.is_some_and(|name| allowed.iter().any(|pattern| covers(pattern, name))),
        }
    }

    /// Whether the secret is marked for jobs of Invoke actions: they name no pipeline, and whoever may invoke the function
    /// can make one up, so that no pattern stands for them and a secret that lists nobody is not meant.
    pub fn serves_invoke_actions(&self) -> bool {
        self.pipelines.as_ref().is_some_and(|allowed| allowed.iter().any(|one| one == INVOKE_MARK))
    }

    /// Whether the secret may be used for this repository.
    pub fn serves_repository(&self, repository: &str) -> bool {
        self.repositories.as_ref().is_none_or(|allowed| allowed.iter().any(|pattern| covers(pattern, repository)))
    }
}

/// A token that can stand in a header: visible ASCII.
fn header_safe(token: String) -> Result<SecretText, SecretError> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SecretError::Shape("its access_token is empty or has characters that a token never has"));
    }
    Ok(SecretText::new(token))
}

/// Whether a glob (`*`, `?`, `[…]`, `{a,b}`) covers the whole text; letter case counts. A pattern that begins with
/// `!` matches nothing: in an allow-list it would let everything else in.
fn covers(pattern: &str, text: &str) -> bool {
    !pattern.starts_with('!') && fast_glob::glob_match(pattern, text)
}

fn bounded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_secret() {
        let secret = ArtifactorySecret::parse(r#"{"username":"ci","password":"p w"}"#, None).unwrap();
        assert!(matches!(secret.credential, Credential::Password { ref username, .. } if username == "ci"));
        let secret = ArtifactorySecret::parse("plain\n", Some("ci")).unwrap();
        assert!(matches!(secret.credential, Credential::Password { ref password, .. } if password.expose() == "plain"));
        let secret = ArtifactorySecret::parse(r#"{"access_token":"abc.def","url":"https://a"}"#, Some("ci")).unwrap();
        assert_eq!(secret.url.as_deref(), Some("https://a"));
        assert!(ArtifactorySecret::parse(r#"{"username":"ci","password":"x"}"#, Some("ci")).is_ok());
    }

    #[test]
    fn what_is_refused_and_that_no_message_holds_any_of_it() {
        for (value, user) in [
            (r#"{"username":"ci","password":"hunter2","engine":"postgres"}"#, None),
            (r#"{"username":"ci","password":"hunter2"}"#, Some("other")),
            (r#"{"password":"hunter2"}"#, None),
            (r#"{"username":"ci","password":"hunter2","access_token":"t"}"#, None),
            (r#"{"username":"ci"}"#, None),
            (r#"{"username":"ci","password":["hunter2"]}"#, None),
            (r#"["hunter2"]"#, None),
            (r#"{"password":"hunter2""#, None),
            (r#"{"access_token":"hunter2\nx: y"}"#, None),
            ("hunter2", None),
            ("", Some("ci")),
        ] {
            let error = ArtifactorySecret::parse(value, user).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn allow_lists_fail_closed() {
        let secret = ArtifactorySecret::parse(
            r#"{"access_token":"t","pipelines":["team-a-*"],"repositories":["npm-*","x?"]}"#,
            None,
        )
        .unwrap();
        assert!(secret.serves_pipeline(Some("team-a-web")));
        assert!(!secret.serves_pipeline(Some("team-b-web")));
        assert!(!secret.serves_pipeline(Some("x-team-a-web")));
        assert!(!secret.serves_pipeline(None));
        assert!(secret.serves_repository("npm-local") && secret.serves_repository("x1"));
        assert!(!covers("!x", "y"), "a negation must not open the list");
        assert!(!secret.serves_repository("x") && !secret.serves_repository("maven"));
    }

    #[test]
    fn only_the_mark_itself_lets_invoke_actions_use_a_secret() {
        let of = |pipelines: serde_json::Value| {
            let value = serde_json::json!({ "access_token": "t", "pipelines": pipelines });
            ArtifactorySecret::parse(&value.to_string(), None).unwrap()
        };
        assert!(of(serde_json::json!(["(invoke)"])).serves_invoke_actions());
        let both = of(serde_json::json!(["team-*", "(invoke)"]));
        assert!(both.serves_invoke_actions() && both.serves_pipeline(Some("team-a")));
        for others in
            [&["*"][..], &["**"], &["?invoke?"], &["{(invoke)}"], &["(INVOKE)"], &["invoke"], &[" (invoke)"], &[]]
        {
            assert!(!of(others.into()).serves_invoke_actions(), "{others:?}");
        }
        let marked = of(serde_json::json!(["(invoke)"]));
        assert!(!marked.serves_pipeline(Some("invoke")) && !marked.serves_pipeline(Some("(invoke")));
        assert!(!marked.serves_pipeline(None));
        assert!(!ArtifactorySecret::parse(r#"{"access_token":"t"}"#, None).unwrap().serves_invoke_actions());
        assert!(!ArtifactorySecret::parse("plain", Some("ci")).unwrap().serves_invoke_actions());
    }

    #[test]
    fn secrets_do_not_print_and_are_blanked_out_in_every_spelling() {
        let secret = SecretText::new("p@ss w");
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(format!("{:?}", secret.spellings()), "[secret]");
        let blanked = |secret: &SecretText, text: &str| secret.spellings().blanked(text.to_owned());
        assert_eq!(blanked(&secret, "a p@ss w b p%40ss%20w c cEBzcyB3 d"), "a [secret] b [secret] c [secret] d");
        assert_eq!(blanked(&secret, "p@ss w"), "[secret]");
        let secret = SecretText::new("a\"b  <c>'\\");
        for spelling in ["a\"b <c>'\\", "a\\\"b  <c>'\\\\", "a%22b++%3Cc%3E%27%5C", "a&quot;b  &lt;c&gt;&#39;\\"] {
            assert_eq!(blanked(&secret, &format!("x {spelling} y")), "x [secret] y");
        }
        assert_eq!(blanked(&SecretText::new(""), "all of it"), "all of it");
    }
}
