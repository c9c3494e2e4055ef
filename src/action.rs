//! The action's configuration, parsed from its ten properties (README, The action). Whatever is
//! missing, unknown or means nothing is refused by name.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::archive::selection::{Selection, SelectionError};
use crate::job::{Configuration, PipelineRun};
use crate::kind::{self, KINDS, Kind};
use crate::package::{Target, is_property_key};
use crate::registry::url::{Base, BaseError, RepoKey};
use crate::template::{Template, TemplateError};

/// The properties that the action type declares, required ones first.
pub const PROPERTIES: [&str; 10] = [
    "TypeOfArtifact",
    "RepoKey",
    "ArtifactoryHost",
    "SecretId",
    "UserName",
    "EmailAddress",
    "Files",
    "TargetPath",
    "Properties",
    "Options",
];

/// The options that every type understands.
const COMMON_OPTIONS: [&str; 2] = ["existing", "dry-run"];

/// What to do where a version is in the repository already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The same content counts as published; other content is a failure.
    SkipIdentical,
    /// Any existing version is a failure.
    Fail,
}

/// Whether anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Publish.
    Publish,
    /// Plan and check, send nothing.
    DryRun,
}

/// The configuration of one action.
#[derive(Debug, Clone)]
pub struct ActionConfig {
    /// The package type.
    pub kind: &'static dyn Kind,
    /// The secret that it names.
    pub secret_id: Option<String>,
    /// The user that it names.
    pub user_name: Option<String>,
    /// What to do about existing versions.
    pub existing: Existing,
    /// Whether anything is sent.
    pub mode: Mode,
    /// Where everything goes.
    pub target: Target,
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A required property is absent or empty.
    #[error("the action's configuration lacks {0}")]
    Missing(&'static str),
    /// Properties that nobody knows.
    #[error("the action's configuration has unknown properties: {}; known are {}", .0.join(", "), PROPERTIES.join(", "))]
    Unknown(Vec<String>),
    /// The origin's plaintext password.
    #[error(
        "the action's configuration has a Password; passwords do not belong into a pipeline, where everybody who can \
         read it sees them, but into the secret that SecretId names"
    )]
    Password,
    /// A package type that is not there.
    #[error("TypeOfArtifact {value:?} is not a known package type; known are {known}")]
    Kind {
        /// What the action says.
        value: String,
        /// What it could say.
        known: String,
    },
    /// Not a repository key.
    #[error(
        "RepoKey {0:?} is not a repository key: letters, digits, '.', '_' and '-', beginning with a letter or digit"
    )]
    RepoKey(String),
    /// Not what a secret can be called. The value is not repeated: it may be a secret itself.
    #[error("SecretId is no name or ARN of a secret: it names the secret in Secrets Manager, and is not its value")]
    SecretId,
    /// Not a usable base.
    #[error("ArtifactoryHost {0}")]
    Host(#[source] BaseError),
    /// Globs that cannot be used.
    #[error("Files {0}")]
    Files(#[source] SelectionError),
    /// Placeholders that cannot be filled.
    #[error("{property} {source}")]
    Template {
        /// The property.
        property: &'static str,
        /// What is wrong.
        #[source]
        source: TemplateError,
    },
    /// A path that could leave the repository.
    #[error(
        "TargetPath {0:?} is absolute or has '.', '..', ';', a backslash or an empty segment in it; it is a folder of the repository"
    )]
    TargetPath(String),
    /// `key=value` pairs that are none.
    #[error("{property} {problem}")]
    Pairs {
        /// The property.
        property: &'static str,
        /// What is wrong, with the pair at fault.
        problem: String,
    },
}

impl ActionConfig {
    /// Parses a job's configuration.
    pub fn parse(configuration: &Configuration, run: &PipelineRun, allow_http: bool) -> Result<Self, ConfigError> {
        let map = &configuration.0;
        if map.keys().any(|key| key.eq_ignore_ascii_case("password")) {
            return Err(ConfigError::Password);
        }
        let unknown: Vec<String> = map.keys().filter(|key| !PROPERTIES.contains(&key.as_str())).cloned().collect();
        if !unknown.is_empty() {
            return Err(ConfigError::Unknown(unknown));
        }
        let optional = |name: &'static str| map.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let required = |name| optional(name).ok_or(ConfigError::Missing(name));

        let (kind, key, host) = (required("TypeOfArtifact")?, required("RepoKey")?, required("ArtifactoryHost")?);
        let kind = kind::by_name(kind).ok_or_else(|| ConfigError::Kind {
            value: kind.to_owned(),
            known: KINDS.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", "),
        })?;
        let repository = RepoKey::parse(key).ok_or_else(|| ConfigError::RepoKey(key.to_owned()))?;
        let secret_id = optional("SecretId").map(secret_id).transpose()?;
        let base = Base::parse(host, allow_http).map_err(ConfigError::Host)?;
        let files = optional("Files").map(Selection::parse).transpose().map_err(ConfigError::Files)?;
        let path = optional("TargetPath").map(|text| target_path(text, run)).transpose()?;
        let properties = optional("Properties").map(|text| properties(text, run)).transpose()?;
        let mut options = optional("Options").map(|text| options(text, kind)).transpose()?.unwrap_or_default();

        let mut choice = |name: &'static str, default: &'static str, values: [&'static str; 2]| {
            let value = options.remove(name).unwrap_or_else(|| default.to_owned());
            values.into_iter().find(|known| value.eq_ignore_ascii_case(known)).ok_or_else(|| ConfigError::Pairs {
                property: "Options",
                problem: format!("has {name}={value}; it must be {} or {}", values[0], values[1]),
            })
        };
        let existing = match choice("existing", "skip-identical", ["skip-identical", "fail"])? {
            "fail" => Existing::Fail,
            _ => Existing::SkipIdentical,
        };
        let mode = match choice("dry-run", "false", ["true", "false"])? {
            "true" => Mode::DryRun,
            _ => Mode::Publish,
        };
        Ok(Self {
            kind,
            secret_id,
            user_name: optional("UserName").map(str::to_owned),
            existing,
            mode,
            target: Target {
                base,
                repository,
                path,
                files: files.unwrap_or_default(),
                properties: properties.unwrap_or_default(),
                options,
                email: optional("EmailAddress").map(str::to_owned),
            },
        })
    }
}

/// A secret's name or ARN, by the characters that it can have.
fn secret_id(text: &str) -> Result<String, ConfigError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-:!".contains(c);
    if text.chars().all(plain) { Ok(text.to_owned()) } else { Err(ConfigError::SecretId) }
}

fn target_path(text: &str, run: &PipelineRun) -> Result<Template, ConfigError> {
    let folder = text.strip_suffix('/').unwrap_or(text);
    let plain = |segment: &str| {
        !matches!(segment, "" | "." | "..") && !segment.chars().any(|c| "\\;".contains(c) || c.is_control())
    };
    if !folder.split('/').all(plain) {
        return Err(ConfigError::TargetPath(text.to_owned()));
    }
    template("TargetPath", folder, run)
}

fn template(property: &'static str, text: &str, run: &PipelineRun) -> Result<Template, ConfigError> {
    let template = Template::parse(text).and_then(|template| template.for_run(run));
    template.map_err(|source| ConfigError::Template { property, source })
}

fn properties(text: &str, run: &PipelineRun) -> Result<Vec<(String, Vec<Template>)>, ConfigError> {
    let mut found: Vec<(String, Vec<Template>)> = Vec::new();
    for (key, value) in pairs("Properties", text)? {
        if !is_property_key(&key) {
            let problem = format!("has the key {key:?}, with characters that Artifactory does not take in keys");
            return Err(ConfigError::Pairs { property: "Properties", problem });
        }
        if found.iter().any(|(other, _)| *other == key) {
            let problem = format!("has the key {key:?} twice; give several values as {key}=one,two");
            return Err(ConfigError::Pairs { property: "Properties", problem });
        }
        let values = value.split(',').map(|value| {
            if value.trim().is_empty() {
                let problem = format!("has an empty value for {key:?}, which Artifactory refuses");
                return Err(ConfigError::Pairs { property: "Properties", problem });
            }
            template("Properties", value.trim(), run)
        });
        let values = values.collect::<Result<_, _>>()?;
        found.push((key, values));
    }
    Ok(found)
}

fn options(text: &str, kind: &dyn Kind) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found = BTreeMap::new();
    for (name, value) in pairs("Options", text)? {
        if !COMMON_OPTIONS.contains(&name.as_str()) && !kind.options().contains(&name.as_str()) {
            let known: Vec<&str> = COMMON_OPTIONS.iter().chain(kind.options()).copied().collect();
            let problem = format!("has an unknown option {name:?}; {} knows {}", kind.name(), known.join(", "));
            return Err(ConfigError::Pairs { property: "Options", problem });
        }
        if value.is_empty() || found.insert(name.clone(), value).is_some() {
            let problem = format!("has the option {name:?} twice or without a value");
            return Err(ConfigError::Pairs { property: "Options", problem });
        }
    }
    Ok(found)
}

/// Splits `key=value;key=value`; a `;` at the end is forgiven.
fn pairs(property: &'static str, text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(ConfigError::Pairs { property, problem: format!("has {pair:?}, which is not of the form key=value") }),
    };
    text.trim().trim_end_matches(';').split(';').map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ActionConfig, ConfigError> {
        let mut map: BTreeMap<String, String> =
            [("TypeOfArtifact", "NPM"), ("RepoKey", "npm-local"), ("ArtifactoryHost", "https://acme.jfrog.io")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        for (key, value) in pairs {
            map.insert((*key).to_owned(), (*value).to_owned());
        }
        let run = PipelineRun { pipeline: Some("web".to_owned()), ..PipelineRun::default() };
        ActionConfig::parse(&Configuration(map), &run, false)
    }

    #[test]
    fn the_three_required_properties_are_enough() {
        let config = parse(&[]).unwrap();
        assert_eq!(config.kind.name(), "npm");
        assert_eq!((config.existing, config.mode), (Existing::SkipIdentical, Mode::Publish));
        assert!(config.target.files.is_everything() && config.target.options.is_empty());
    }

    #[test]
    fn options_and_properties_are_split() {
        let config = parse(&[
            ("Options", "existing=fail; tag=next;dry-run=TRUE;"),
            ("Properties", "team={pipeline};os=linux,mac"),
            ("TargetPath", "libs/{name}/"),
        ])
        .unwrap();
        assert_eq!((config.existing, config.mode), (Existing::Fail, Mode::DryRun));
        assert_eq!(config.target.options, BTreeMap::from([("tag".to_owned(), "next".to_owned())]));
        assert_eq!(config.target.properties.len(), 2);
        assert_eq!(config.target.properties[1].1.len(), 2);
    }

    #[test]
    fn every_refusal_names_its_property() {
        for (property, value, expected) in [
            ("TypeOfArtifact", " ", "TypeOfArtifact"),
            ("TypeOfArtifact", "floppy", "floppy"),
            ("RepoKey", "a/b", "RepoKey"),
            ("RepoKey", "", "RepoKey"),
            ("ArtifactoryHost", "http://acme.jfrog.io", "ArtifactoryHost"),
            ("ArtifactoryHost", "https://u:p@acme.jfrog.io", "ArtifactoryHost"),
            ("Password", "hunter2", "SecretId"),
            ("password", "hunter2", "SecretId"),
            ("Repokey", "x", "Repokey"),
            ("SecretId", r#"{"password":"hunter2"}"#, "SecretId"),
            ("Files", "a;;b", "Files"),
            ("TargetPath", "../x", "TargetPath"),
            ("TargetPath", "/x", "TargetPath"),
            ("TargetPath", "x;a=1", "TargetPath"),
            ("TargetPath", "x//y", "TargetPath"),
            ("TargetPath", "{branch}", "{branch}"),
            ("Properties", "a=", "empty value"),
            ("Properties", "a", "key=value"),
            ("Properties", "a b=1", "keys"),
            ("Properties", "a=1;a=2", "twice"),
            ("Options", "tags=x", "tags"),
            ("Options", "existing=overwrite", "existing"),
            ("Options", "dry-run=1", "dry-run"),
            ("Options", "tag=", "tag"),
        ] {
            let message = parse(&[(property, value)]).unwrap_err().to_string();
            assert!(message.contains(expected) && !message.contains("hunter2"), "{property}={value}: {message}");
        }
    }
}
