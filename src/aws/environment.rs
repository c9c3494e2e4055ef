//! The process's AWS configuration: out of its environment, as Lambda sets it, and out of nothing else.
//!
//! The SDK's own loader would go on to profiles, containers and the metadata of a machine. A function has none of
//! them; what looks there is a twentieth of what is deployed, and makes "whose rights are these?" a question of seven
//! answers.

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::identity::IdentityCache;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::retry::RetryConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use super::connections::Connections;
use crate::settings;
use crate::trust::Trust;

/// The variable of the endpoint of all services, and what those of single ones begin with.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";
/// How often a call is tried at most.
const ATTEMPTS: u32 = 3;
/// What is sent as the application's name.
const NAME: &str = concat!("codepipeline-artifactory-", env!("CARGO_PKG_VERSION"));

/// The process's AWS configuration, by the variables that all AWS SDKs know: `AWS_REGION`, `AWS_DEFAULT_REGION`,
/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_*`,
/// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`
/// ([settings reference](https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html)).
pub async fn configuration(trust: Trust) -> SdkConfig {
    let region = EnvironmentVariableRegionProvider::new().region().await;
    let credentials = EnvironmentVariableCredentialsProvider::new();
    let variables = Variables { get: settings::variable };
    let mut configuration = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::lazy().build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .http_client(Connections::new(trust));
    configuration.set_app_name(AppName::new(NAME).ok());
    configuration.set_endpoint_url(variables.endpoint(None));
    configuration.set_use_fips(variables.is_true("AWS_USE_FIPS_ENDPOINT"));
    configuration.set_use_dual_stack(variables.is_true("AWS_USE_DUALSTACK_ENDPOINT"));
    configuration.service_config(variables).build()
}

/// The variables of an environment.
#[derive(Debug, Clone, Copy)]
struct Variables {
    get: fn(&str) -> Option<String>,
}

impl Variables {
    /// A variable that is there and not empty.
    fn value(self, name: &str) -> Option<String> {
        (self.get)(name).filter(|value| !value.is_empty())
    }

    fn is_true(self, name: &str) -> Option<bool> {
        self.value(name).map(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Where a service is called, or where all are.
    fn endpoint(self, service_id: Option<&str>) -> Option<String> {
        if self.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == Some(true) {
            return None;
        }
        match service_id {
            Some(id) => self.value(&format!("{ENDPOINT}_{}", id.to_ascii_uppercase().replace(' ', "_"))),
            None => self.value(ENDPOINT),
        }
    }
}

impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.env() == ENDPOINT { self.endpoint(Some(key.service_id())) } else { self.value(key.env()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The endpoint of a service in an environment.
    fn endpoint(service_id: &str, get: fn(&str) -> Option<String>) -> Option<String> {
        let key = ServiceConfigKey::builder().service_id(service_id).env(ENDPOINT).profile("endpoint_url");
        Variables { get }.load_config(key.build().unwrap())
    }

    #[test]
    fn a_service_is_called_where_its_own_variable_says() {
        let environment = |name: &str| {
            let value = match name {
                "AWS_ENDPOINT_URL" => "http://all",
                "AWS_ENDPOINT_URL_SECRETS_MANAGER" => "http://secrets",
                "AWS_ENDPOINT_URL_S3" => "",
                _ => return None,
            };
            Some(value.to_owned())
        };
        assert_eq!(endpoint("Secrets Manager", environment).as_deref(), Some("http://secrets"));
        assert_eq!(endpoint("S3", environment), None, "an empty variable is none: that of all services holds");
        assert_eq!(Variables { get: environment }.endpoint(None).as_deref(), Some("http://all"));
    }

    #[test]
    fn endpoints_may_be_ignored() {
        let environment = |name: &str| {
            let value = if name == "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" { "True" } else { "http://there" };
            Some(value.to_owned())
        };
        assert_eq!(endpoint("S3", environment), None);
        assert_eq!(Variables { get: environment }.endpoint(None), None);
    }

    #[test]
    fn other_settings_of_a_service_are_its_variables() {
        let key =
            ServiceConfigKey::builder().service_id("S3").env("AWS_S3_USE_ARN_REGION").profile("s3_use_arn_region");
        let variables = Variables { get: |name| (name == "AWS_S3_USE_ARN_REGION").then(|| "true".to_owned()) };
        assert_eq!(variables.load_config(key.build().unwrap()).as_deref(), Some("true"));
        assert_eq!(variables.is_true("AWS_S3_USE_ARN_REGION"), Some(true));
        assert_eq!(variables.is_true("AWS_USE_FIPS_ENDPOINT"), None);
    }
}
