//! Which credential a job may use, and whether it may use it at all: for this Artifactory, this pipeline, this repository
//! (README, The secret).

use crate::action::ActionConfig;
use crate::aws::secret::{Freshness, Secrets};
use crate::credential::{ArtifactorySecret, Credential, SecretText};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::job::{Arrival, Job};
use crate::registry::url::Base;
use crate::settings::Settings;

/// Who asks for a credential.
#[derive(Debug, Clone, Copy)]
pub enum Asker<'a> {
    /// A custom action's job, of this pipeline where CodePipeline tells.
    Pipeline(Option<&'a str>),
    /// An Invoke action's job, of which nobody can say where it comes from.
    InvokeAction,
}

impl<'a> Asker<'a> {
    /// Who asks where this job does.
    pub fn of(job: &'a Job) -> Self {
        match job.arrival {
            Arrival::Polled => Self::Pipeline(job.run.pipeline.as_deref()),
            Arrival::Invoked => Self::InvokeAction,
        }
    }
}

/// Reads the secret that the action or the stack names, and gives its credential if this job may use it.
pub async fn credential(
    secrets: &Secrets,
    settings: &Settings,
    action: &ActionConfig,
    asker: Asker<'_>,
    freshness: Freshness,
    deadline: Deadline,
) -> Result<Credential, Failure> {
    let id = action.secret_id.as_ref().or(settings.default_secret_id.as_ref()).ok_or(Failure::NoSecret)?;
    let value = read(secrets, id, freshness, deadline).await?;
    allowed(id, value.expose(), settings, action, asker)
}

/// The credential in the secret of actions that name none, and the Artifactory that it is for.
pub async fn of_the_stack(
    secrets: &Secrets,
    settings: &Settings,
    deadline: Deadline,
) -> Result<(Credential, Base), Failure> {
    let id = settings.default_secret_id.as_ref().ok_or(Failure::NoSecret)?;
    let value = read(secrets, id, Freshness::Reread, deadline).await?;
    let (secret, bound) = parsed(id, value.expose(), settings, None)?;
    Ok((secret.credential, bound.ok_or_else(|| Failure::Unbound { id: id.clone() })?))
}

async fn read(secrets: &Secrets, id: &str, freshness: Freshness, deadline: Deadline) -> Result<SecretText, Failure> {
    let value = secrets.value(id, freshness, deadline).await;
    value.map_err(|source| Failure::SecretUnread { id: id.to_owned(), source })
}

/// The secret, and the Artifactory that it is bound to, if it is to any.
fn parsed(
    id: &str,
    value: &str,
    settings: &Settings,
    user_name: Option<&str>,
) -> Result<(ArtifactorySecret, Option<Base>), Failure> {
    let id = || id.to_owned();
    let secret =
        ArtifactorySecret::parse(value, user_name).map_err(|source| Failure::SecretForm { id: id(), source })?;
    let bound = match &secret.url {
        None => settings.artifactory_url.clone(),
        Some(url) => {
            Some(Base::parse(url, settings.allow_http).map_err(|source| Failure::SecretUrl { id: id(), source })?)
        }
    };
    Ok((secret, bound))
}

/// The secret's credential, if this job may use it for this Artifactory.
fn allowed(
    id: &str,
    value: &str,
    settings: &Settings,
    action: &ActionConfig,
    asker: Asker<'_>,
) -> Result<Credential, Failure> {
    let (secret, bound) = parsed(id, value, settings, action.user_name.as_deref())?;
    let id = id.to_owned();
    let (host, repository) = (&action.target.base, &action.target.repository);
    match bound {
        None => return Err(Failure::Unbound { id }),
        Some(bound) if bound != *host => return Err(Failure::BoundElsewhere { id, host: host.clone(), bound }),
        Some(_) => {}
    }
    match asker {
        Asker::Pipeline(pipeline) if secret.serves_pipeline(pipeline) => {}
        Asker::InvokeAction if secret.serves_invoke_actions() => {}
        Asker::Pipeline(Some(name)) => {
            return Err(Failure::SecretNotFor { id, what: format!("by the pipeline {name:?}") });
        }
        Asker::Pipeline(None) => {
            return Err(Failure::SecretNotFor { id, what: "by a job without a pipeline".to_owned() });
        }
        Asker::InvokeAction => return Err(Failure::SecretUnmarked { id }),
    }
    if !secret.serves_repository(repository.as_str()) {
        return Err(Failure::SecretNotFor { id, what: format!("for the repository {repository}") });
    }
    Ok(secret.credential)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::job::{Configuration, PipelineRun};

    fn decide(value: &str, stack: &str, pipeline: Option<&str>) -> Result<Credential, Failure> {
        decide_for(value, stack, Asker::Pipeline(pipeline))
    }

    fn decide_for(value: &str, stack: &str, asker: Asker<'_>) -> Result<Credential, Failure> {
        let settings = Settings::read(|name| match name {
            "JOURNAL_BUCKET" => Some("journal".to_owned()),
            "ARTIFACTORY_URL" => Some(stack.to_owned()),
            _ => None,
        });
        let configuration: BTreeMap<String, String> = [
            ("TypeOfArtifact", "npm"),
            ("RepoKey", "npm-local"),
            ("ArtifactoryHost", "https://acme.jfrog.io/artifactory"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let action = ActionConfig::parse(&Configuration(configuration), &PipelineRun::default(), false).unwrap();
        allowed("s", value, &settings.unwrap(), &action, asker)
    }

    #[test]
    fn a_credential_goes_only_where_it_is_bound_to() {
        let stack = "https://ACME.jfrog.io:443";
        assert!(decide(r#"{"access_token":"hunter2"}"#, stack, None).is_ok());
        assert!(decide(r#"{"access_token":"hunter2","url":"https://acme.jfrog.io"}"#, "", None).is_ok());
        for (secret, stack, refusal) in [
            (r#"{"access_token":"hunter2"}"#, "", "is not bound to an Artifactory"),
            (r#"{"access_token":"hunter2"}"#, "https://other.jfrog.io", "belongs to https://other.jfrog.io"),
            (
                r#"{"access_token":"hunter2","url":"https://other.jfrog.io"}"#,
                stack,
                "belongs to https://other.jfrog.io",
            ),
            (r#"{"access_token":"hunter2","url":"https://acme.jfrog.io:8443"}"#, stack, "belongs to"),
            (r#"{"access_token":"hunter2","url":"http://acme.jfrog.io"}"#, stack, "the url in the secret s must begin"),
            (r#"{"access_token":"hunter2","url":""}"#, stack, "the url in the secret s is not a URL"),
            (r#"{"access_token":"hunter2","x":1}"#, stack, "\"x\""),
        ] {
            let failure = decide(secret, stack, Some("web")).unwrap_err();
            assert_eq!(failure.kind().as_str(), "ConfigurationError");
            assert!(failure.to_string().contains(refusal), "{failure}");
            assert!(!format!("{failure:?}").contains("hunter2"));
        }
    }

    #[test]
    fn an_invoke_action_needs_a_secret_that_is_marked_for_it_and_bound_all_the_same() {
        let stack = "https://acme.jfrog.io";
        let marked = r#"{"access_token":"t","pipelines":["(invoke)"],"repositories":["npm-*"]}"#;
        assert!(decide_for(marked, stack, Asker::InvokeAction).is_ok());
        for (secret, stack, refusal) in [
            (r#"{"access_token":"t"}"#, stack, "do not hold \"(invoke)\""),
            (r#"{"access_token":"t","pipelines":["*"]}"#, stack, "do not hold \"(invoke)\""),
            (r#"{"access_token":"t","pipelines":["(invoke)"],"repositories":["x"]}"#, stack, "for the repository"),
            (marked, "https://other.jfrog.io", "belongs to https://other.jfrog.io"),
            (marked, "", "is not bound"),
        ] {
            let failure = decide_for(secret, stack, Asker::InvokeAction).unwrap_err();
            assert_eq!(failure.kind().as_str(), "ConfigurationError");
            assert!(failure.to_string().contains(refusal), "{failure}");
        }
    }

    #[test]
    fn pipelines_and_repositories_fail_closed() {
        let stack = "https://acme.jfrog.io";
        let secret = r#"{"access_token":"t","pipelines":["web-*"],"repositories":["npm-*"]}"#;
        assert!(decide(secret, stack, Some("web-1")).is_ok());
        for (secret, pipeline, refusal) in [
            (secret, Some("api-1"), "by the pipeline \"api-1\""),
            (secret, None, "by a job without a pipeline"),
            (r#"{"access_token":"t","repositories":["maven-*"]}"#, Some("web-1"), "for the repository npm-local"),
            (r#"{"access_token":"t","repositories":[]}"#, Some("web-1"), "for the repository npm-local"),
            (r#"{"access_token":"t","pipelines":null}"#, Some("web-1"), "null"),
            (r#"{"access_token":"t","repositories":null}"#, Some("web-1"), "null"),
        ] {
            let failure = decide(secret, stack, pipeline).unwrap_err();
            assert!(failure.to_string().contains(refusal), "{failure}");
        }
    }
}
