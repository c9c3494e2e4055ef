//! `SecretsManager`: `GetSecretValue` over secrets that tests put, rotate and break, with a count of the reads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Deserialize;
use serde_json::{Value, json};

use super::aws::{self, ACCOUNT, REGION, Refusal, Service};
use super::http::{Door, Request, Server, Traffic};
use super::role::Call;
use super::vault::Vault;

/// The name of this service in [`Traffic`].
pub(crate) const SERVICE: &str = "secretsmanager";
const DOOR: Service = Service { signing_name: "secretsmanager", target: "secretsmanager" };
/// The largest value that a secret may have, in bytes.
const VALUE_LIMIT: usize = 65_536;

/// Why a secret cannot be read although it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The caller's policy does not name the secret.
    AccessDenied,
    /// The caller may not use the secret's key.
    KeyDenied,
    /// The secret's key is disabled or gone.
    DecryptionFailure,
    /// The secret waits for its deletion.
    MarkedForDeletion,
    /// The service itself fails; clients try again.
    InternalService,
}

#[derive(Debug, Clone)]
enum Content {
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Debug)]
struct Version {
    id: String,
    content: Content,
    created: f64,
}

/// Whether the secret carries the tag by which its owner lets the function read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    There,
    Missing,
}

#[derive(Debug)]
struct Secret {
    name: String,
    arn: String,
    /// From the oldest to the current one.
    versions: Vec<Version>,
    tag: Tag,
    /// A key of the customer's own, which the caller must be allowed to use by way of this service.
    key: Option<String>,
    broken: Option<Broken>,
    reads: usize,
}

/// The running service.
#[derive(Debug)]
pub(crate) struct SecretsManager {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    vault: Vault,
    secrets: Mutex<HashMap<String, Secret>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

impl SecretsManager {
    /// Starts it without a secret.
    pub(crate) async fn start(traffic: Traffic, vault: Vault) -> Self {
        Self::start_on(0, traffic, vault).await
    }

    /// As [`SecretsManager::start`], on a port of the caller's choice (0 is any).
    pub(crate) async fn start_on(port: u16, traffic: Traffic, vault: Vault) -> Self {
        let shared = Arc::new(Shared { vault, secrets: Mutex::default() });
        let handling = Arc::clone(&shared);
        let server = Server::start_on(port, SERVICE, traffic, move |request| {
            let shared = Arc::clone(&handling);
            async move { aws::answer(shared.handle(&request).map(Some)) }
        })
        .await;
        Self { server, shared }
    }

    /// The way in without a socket.
    pub(crate) fn door(&self) -> Door {
        self.server.door()
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Creates the secret, or rotates it: what was current becomes previous. Its ARN is returned.
    pub(crate) fn put(&self, name: &str, value: &str) -> String {
        assert!(value.len() <= VALUE_LIMIT, "Secrets Manager takes no value of {} bytes", value.len());
        self.add(name, Content::Text(value.to_owned()))
    }

    /// As [`SecretsManager::put`], for a secret that holds bytes and no text.
    pub(crate) fn put_binary(&self, name: &str, value: &[u8]) -> String {
        assert!(value.len() <= VALUE_LIMIT, "Secrets Manager takes no value of {} bytes", value.len());
        self.add(name, Content::Binary(value.to_vec()))
    }

    fn add(&self, name: &str, content: Content) -> String {
        let created = self.shared.vault.clock().seconds();
        let mut secrets = self.shared.secrets();
        let suffix = secrets.len();
        let secret = secrets.entry(name.to_owned()).or_insert_with(|| Secret {
            name: name.to_owned(),
            arn: format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-Ab{suffix:04}"),
            versions: Vec::new(),
            tag: Tag::There,
            key: None,
            broken: None,
            reads: 0,
        });
        let id = format!("00000000-0000-4000-8000-{:012x}", secret.versions.len() + 1);
        secret.versions.push(Version { id, content, created });
        secret.arn.clone()
    }

    /// Takes the tag away by which the secret's owner lets the function read it.
    pub(crate) fn untag(&self, name: &str) {
        self.with(name, |secret| secret.tag = Tag::Missing);
    }

    /// Encrypts the secret with a key of the customer's own.
    pub(crate) fn encrypt_with(&self, name: &str, key: &str) {
        self.with(name, |secret| secret.key = Some(key.to_owned()));
    }

    /// From now on the secret cannot be read, for this reason.
    pub(crate) fn break_with(&self, name: &str, broken: Broken) {
        self.with(name, |secret| secret.broken = Some(broken));
    }

    /// The secret can be read again.
    pub(crate) fn mend(&self, name: &str) {
        self.with(name, |secret| secret.broken = None);
    }

    /// How often the secret's value was given out.
    pub(crate) fn reads(&self, name: &str) -> usize {
        self.with(name, |secret| secret.reads)
    }

    fn with<T>(&self, name: &str, look: impl FnOnce(&mut Secret) -> T) -> T {
        let found = self.shared.secrets().get_mut(name).map(look);
        found.unwrap_or_else(|| panic!("no test has put the secret '{name}'"))
    }
}

impl Shared {
    fn secrets(&self) -> MutexGuard<'_, HashMap<String, Secret>> {
        self.secrets.lock().expect("no test panics while it holds this")
    }

    fn handle(&self, request: &Request) -> Result<Value, Refusal> {
        match DOOR.operation(request, &self.vault)?.as_str() {
            "GetSecretValue" => {
                let asked: GetSecretValue = aws::body(request)?;
                for call in self.calls(&asked) {
                    DOOR.permit(request, &self.vault, &call)?;
                }
                self.value(&asked)
            }
            other => Err(Refusal::new("UnknownOperationException", format!("{other} is not in the local stack"))),
        }
    }

    /// What the caller needs the right to. Of a secret that is not there nothing is asked, so that it is told as missing.
    fn calls(&self, request: &GetSecretValue) -> Vec<Call> {
        let id = request.secret_id.as_deref().unwrap_or_default();
        let secrets = self.secrets();
        let Some(secret) = secrets.values().find(|secret| secret.is(id)) else { return Vec::new() };
        let mut read = Call::new("secretsmanager:GetSecretValue", &secret.arn);
        if secret.tag == Tag::There {
            read = read.with("aws:ResourceTag/codepipeline-artifactory", "credential");
        }
        let via = format!("secretsmanager.{REGION}.amazonaws.com");
        let decrypt = secret.key.as_ref().map(|key| Call::new("kms:Decrypt", key).with("kms:ViaService", &via));
        [read].into_iter().chain(decrypt).collect()
    }

    fn value(&self, request: &GetSecretValue) -> Result<Value, Refusal> {
        let id = request.secret_id.as_deref().unwrap_or_default();
        if id.is_empty() || id.len() > 2048 {
            return Err(Refusal::validation("Invalid secret id: it must have 1 to 2048 characters."));
        }
        let missing = |what: &str| Refusal::new("ResourceNotFoundException", what);
        let mut secrets = self.secrets();
        let secret = secrets
            .values_mut()
            .find(|secret| secret.is(id))
            .ok_or_else(|| missing("Secrets Manager can't find the specified secret."))?;
        if let Some(broken) = secret.broken {
            return Err(broken.refusal(id));
        }

        let stages = |index: usize| match secret.versions.len() - index {
            1 => vec!["AWSCURRENT"],
            2 => vec!["AWSPREVIOUS"],
            _ => Vec::new(),
        };
        let wanted = |(index, version): &(usize, &Version)| match (&request.version_id, &request.version_stage) {
            (None, None) => stages(*index).contains(&"AWSCURRENT"),
            (id, stage) => {
                id.as_ref().is_none_or(|id| *id == version.id)
                    && stage.as_ref().is_none_or(|stage| stages(*index).contains(&stage.as_str()))
            }
        };
        let (index, version) = secret.versions.iter().enumerate().find(wanted).ok_or_else(|| {
            let which = request.version_id.as_deref().map_or_else(
                || format!("staging label: {}", request.version_stage.as_deref().unwrap_or("AWSCURRENT")),
                |id| format!("VersionId: {id}"),
            );
            missing(&format!("Secrets Manager can't find the specified secret value for {which}"))
        })?;
        let mut value = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": version.id,
            "VersionStages": stages(index),
            "CreatedDate": version.created,
        });
        match &version.content {
            Content::Text(text) => value["SecretString"] = json!(text),
            Content::Binary(bytes) => {
                use base64::Engine as _;
                value["SecretBinary"] = json!(base64::engine::general_purpose::STANDARD.encode(bytes));
            }
        }
        secret.reads += 1;
        Ok(value)
    }
}

impl Secret {
    /// Whether `id` is this secret's name, its ARN, or its ARN without the random end.
    fn is(&self, id: &str) -> bool {
        id == self.name || id == self.arn || self.arn.rsplit_once('-').is_some_and(|(partial, _)| id == partial)
    }
}

impl Broken {
    fn refusal(self, id: &str) -> Refusal {
        match self {
            Self::AccessDenied => aws::not_authorized("secretsmanager:GetSecretValue", id),
            Self::KeyDenied => Refusal::new("AccessDeniedException", "Access to KMS is not allowed"),
            Self::DecryptionFailure => Refusal::new(
                "DecryptionFailure",
                "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
            ),
            Self::MarkedForDeletion => Refusal::new(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            ),
            Self::InternalService => {
                Refusal { status: 500, ..Refusal::new("InternalServiceError", "An error occurred on the server side.") }
            }
        }
    }
}
