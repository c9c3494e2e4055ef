//! The environment, read once into [`Settings`]. The only file that reads it.

use thiserror::Error;
use tracing::level_filters::LevelFilter;

use crate::credential::SecretText;
use crate::proxy;
use crate::registry::url::Base;

/// A CodePipeline action type: what is polled.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ActionType {
    /// `Deploy`, unless the stack says otherwise.
    pub category: String,
    /// `Artifactory`, unless the stack says otherwise.
    pub provider: String,
    /// The type's version, a text such as `1`.
    pub version: String,
}

impl ActionType {
    /// CodePipeline's own action that invokes a Lambda function. What it hands over is never polled for.
    ///
    /// <https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html>
    pub fn lambda_invoke() -> Self {
        Self { category: "Invoke".to_owned(), provider: "Lambda".to_owned(), version: "1".to_owned() }
    }

    /// Whether it is another version of one of these types. CodePipeline's own Invoke action is not ours to follow.
    pub fn is_another_version_of(&self, types: &[Self]) -> bool {
        let Self { category, provider, version: _ } = self;
        let is_ours = |one: &&Self| one.category == *category && one.provider == *provider;
        !types.contains(self) && types.iter().filter(|one| **one != Self::lambda_invoke()).any(|one| is_ours(&one))
    }
}

/// The categories of action types (API model).
const CATEGORIES: [&str; 7] = ["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"];

/// Where additional root certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaCertificates {
    /// PEM text in the variable itself.
    Pem(String),
    /// ARN of a secret that holds the PEM text.
    Secret(String),
}

/// Everything that the environment decides (README, Settings of the function).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The action types to poll, one for each version.
    pub action_types: Vec<ActionType>,
    /// Bucket of the claims.
    pub journal_bucket: String,
    /// Secret for actions that name none.
    pub default_secret_id: Option<String>,
    /// The Artifactory to which secrets without a `url` are bound.
    pub artifactory_url: Option<Base>,
    /// Whether `http://` hosts are let through.
    pub allow_http: bool,
    /// Whether jobs are taken that come in an event. Whoever may invoke the function can make one up.
    pub allow_invoke_action: bool,
    /// Additional root certificates.
    pub ca_certificates: Option<CaCertificates>,
    /// Jobs of one invocation at once, 1 to 100.
    pub jobs_in_flight: usize,
    /// Level of this crate's log lines.
    pub log_level: LevelFilter,
    /// What nobody may see of the proxies' addresses.
    pub proxy_secrets: Vec<SecretText>,
    /// Whether S3 is asked with the bucket in the path: a stand-in's address has no names for buckets.
    pub s3_path_style: bool,
}

/// A variable that is missing or has a value that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("environment variable {variable} {problem}")]
pub struct SettingsError {
    variable: &'static str,
    problem: String,
}

impl Settings {
    /// The action types whose claims are ours: those that are polled, and that of jobs that come in an event, whose claims
    /// are ended even where no more of them are taken.
    pub fn claimed_types(&self) -> Vec<ActionType> {
        self.action_types.iter().cloned().chain([ActionType::lambda_invoke()]).collect()
    }

    /// Reads the process's environment.
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::read(variable)
    }

    /// Reads settings from any lookup; empty values count as absent.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let get = |name: &str| lookup(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let is_true = |name| match get(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(invalid(name, format!("is {other:?}; it must be true or false"))),
        };
        let (allow_http, allow_invoke_action) = (is_true("ALLOW_HTTP")?, is_true("ALLOW_INVOKE_ACTION")?);
        let artifactory_url = get("ARTIFACTORY_URL")
            .map(|text| Base::parse(&text, allow_http))
            .transpose()
            .map_err(|error| invalid("ARTIFACTORY_URL", error.to_string()))?;
        let jobs_in_flight =
            match get("JOBS_IN_FLIGHT") {
                None => 4,
                Some(text) => text.parse().ok().filter(|count| (1..=100).contains(count)).ok_or_else(|| {
                    invalid("JOBS_IN_FLIGHT", format!("is {text:?}; it must be a number from 1 to 100"))
                })?,
            };
        let mut proxy_secrets = Vec::new();
        for variable in proxy::VARIABLES {
            let secrets = get(variable).map(|address| proxy::secrets(&address).ok_or_else(|| no_proxy(variable)));
            proxy_secrets.extend(secrets.transpose()?.into_iter().flatten());
        }
        let log_level = match get("AWS_LAMBDA_LOG_LEVEL") {
            None => crate::log::DEFAULT,
            Some(text) if text.eq_ignore_ascii_case("fatal") => LevelFilter::ERROR,
            Some(text) => text.parse().map_err(|_| {
                let problem = format!("is {text:?}; it must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL");
                invalid("AWS_LAMBDA_LOG_LEVEL", problem)
            })?,
        };
        Ok(Self {
            action_types: action_types(&get)?,
            journal_bucket: get("JOURNAL_BUCKET").ok_or_else(|| {
                invalid("JOURNAL_BUCKET", "is not set; it names the S3 bucket of the claims".to_owned())
            })?,
            default_secret_id: get("DEFAULT_SECRET_ID"),
            artifactory_url,
            allow_http,
            allow_invoke_action,
            ca_certificates: get("CA_CERTIFICATES").map(ca_certificates).transpose()?,
            jobs_in_flight,
            log_level,
            proxy_secrets,
            s3_path_style: get("AWS_ENDPOINT_URL_S3").or_else(|| get("AWS_ENDPOINT_URL")).is_some(),
        })
    }
}

fn action_types(get: &impl Fn(&str) -> Option<String>) -> Result<Vec<ActionType>, SettingsError> {
    let category = get("ACTION_CATEGORY").unwrap_or_else(|| "Deploy".to_owned());
    let provider = get("ACTION_PROVIDER").unwrap_or_else(|| "Artifactory".to_owned());
    let versions = get("ACTION_VERSION").unwrap_or_else(|| "1".to_owned());
    let versions: Vec<&str> = versions.split(',').map(str::trim).collect();
    // As CodePipeline's API limits them (provider 1 to 35, version 1 to 9 characters).
    let plain = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    if !CATEGORIES.contains(&category.as_str()) {
        return Err(invalid(
            "ACTION_CATEGORY",
            format!("is {category:?}; it must be one of {}", CATEGORIES.join(", ")),
        ));
    }
    if !plain(&provider, 35) {
        return Err(invalid("ACTION_PROVIDER", format!("is {provider:?}, which no action type can be called")));
    }
    let mut types: Vec<ActionType> = Vec::new();
    for version in versions {
        if !plain(version, 9) {
            return Err(invalid("ACTION_VERSION", format!("holds {version:?}, which is no action version")));
        }
        let next = ActionType { category: category.clone(), provider: provider.clone(), version: version.to_owned() };
        // The claims of the two could not be told apart.
        if next == ActionType::lambda_invoke() {
            return Err(invalid(
                "ACTION_PROVIDER",
                "is Lambda, and that is CodePipeline's own Invoke action".to_owned(),
            ));
        }
        if !types.contains(&next) {
            types.push(next);
        }
    }
    Ok(types)
}

/// The value may hold a password and is not quoted.
fn no_proxy(variable: &'static str) -> SettingsError {
    let problem = "is no proxy's address such as http://proxy.example.com:3128 (user and password percent-encoded)";
    invalid(variable, problem.to_owned())
}

fn ca_certificates(text: String) -> Result<CaCertificates, SettingsError> {
    if text.contains("PRIVATE KEY") {
        let problem = "holds a private key, which many may read here: put it into a secret and name its ARN";
        return Err(invalid("CA_CERTIFICATES", problem.to_owned()));
    }
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(CaCertificates::Pem(text));
    }
    if text.starts_with("arn:") {
        return Ok(CaCertificates::Secret(text));
    }
    Err(invalid("CA_CERTIFICATES", "is neither PEM certificates nor the ARN of a secret".to_owned()))
}

fn invalid(variable: &'static str, problem: String) -> SettingsError {
    SettingsError { variable, problem }
}

/// A variable of the process's environment, where it is text.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn defaults_need_only_the_bucket() {
        let settings = read(&[("JOURNAL_BUCKET", "claims")]).unwrap();
        let polled: Vec<_> = settings.action_types.iter().map(|t| (&*t.category, &*t.provider, &*t.version)).collect();
        assert_eq!(polled, [("Deploy", "Artifactory", "1")]);
        assert_eq!(settings.jobs_in_flight, 4);
        assert_eq!(settings.log_level, LevelFilter::INFO);
        assert!(!settings.allow_http && !settings.s3_path_style && settings.artifactory_url.is_none());
        assert!(!settings.allow_invoke_action);
    }

    #[test]
    fn a_proxy_that_is_refused_is_not_quoted() {
        let error = read(&[("JOURNAL_BUCKET", "b"), ("HTTPS_PROXY", "http://build:pass#word@proxy:3128")]).unwrap_err();
        assert!(!error.to_string().contains("word@"), "{error}");
    }

    #[test]
    fn several_versions_are_polled_once_each() {
        let settings = read(&[("JOURNAL_BUCKET", "b"), ("ACTION_VERSION", "1, 2,1")]).unwrap();
        assert_eq!(settings.action_types.iter().map(|t| &*t.version).collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn another_version_is_of_the_same_category_and_provider_and_not_claimed_itself() {
        let claimed = read(&[("JOURNAL_BUCKET", "b"), ("ACTION_VERSION", "2")]).unwrap().claimed_types();
        let of = |category: &str, provider: &str, version: &str| {
            let text = str::to_owned;
            ActionType { category: text(category), provider: text(provider), version: text(version) }
        };
        assert!(of("Deploy", "Artifactory", "1").is_another_version_of(&claimed));
        for other in [
            of("Deploy", "Artifactory", "2"),
            of("Deploy", "Second", "1"),
            of("Build", "Artifactory", "1"),
            of("Invoke", "Lambda", "1"),
            of("Invoke", "Lambda", "2"),
        ] {
            assert!(!other.is_another_version_of(&claimed), "{other:?}");
        }
    }

    #[test]
    fn each_wrong_value_is_refused_by_the_name_of_its_variable() {
        for (name, value) in [
            ("ALLOW_HTTP", "yes"),
            ("ALLOW_INVOKE_ACTION", "TRUE"),
            ("ARTIFACTORY_URL", "http://a"),
            ("ARTIFACTORY_URL", "acme"),
            ("JOBS_IN_FLIGHT", "0"),
            ("JOBS_IN_FLIGHT", "101"),
            ("JOBS_IN_FLIGHT", "four"),
            ("AWS_LAMBDA_LOG_LEVEL", "LOUD"),
            ("ACTION_VERSION", "1,,2"),
            ("ACTION_CATEGORY", "deploy"),
            ("ACTION_PROVIDER", "Arti factory"),
            ("HTTPS_PROXY", "http://build:pass word@proxy:3128"),
            ("HTTP_PROXY", "/proxy"),
            ("ALL_PROXY", "socks5://proxy:1080"),
            ("CA_CERTIFICATES", "/etc/ssl/cert.pem"),
            ("CA_CERTIFICATES", "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----"),
        ] {
            let error = read(&[("JOURNAL_BUCKET", "b"), (name, value)]).unwrap_err();
            assert!(error.to_string().contains(name), "{name}={value}: {error}");
        }
        assert!(read(&[]).unwrap_err().to_string().contains("JOURNAL_BUCKET"));
        let own = [("JOURNAL_BUCKET", "b"), ("ACTION_CATEGORY", "Invoke"), ("ACTION_PROVIDER", "Lambda")];
        assert!(read(&own).unwrap_err().to_string().contains("ACTION_PROVIDER"));
    }
}
