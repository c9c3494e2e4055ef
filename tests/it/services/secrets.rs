//! Secrets Manager: reading by name and ARN, rotation, and each way in which a secret cannot be read.

use super::{function_credentials, refusal, secretsmanager};
use crate::stack::http::Traffic;
use crate::stack::secrets::{Broken, SecretsManager};
use crate::stack::vault::Vault;

async fn start() -> (SecretsManager, aws_sdk_secretsmanager::Client) {
    let secrets = SecretsManager::start(Traffic::default(), Vault::default()).await;
    let client = secretsmanager(&secrets.url(), function_credentials());
    (secrets, client)
}

#[tokio::test]
async fn a_secret_is_read_by_name_and_by_arn_and_each_read_counts() {
    let (secrets, client) = start().await;
    let arn = secrets.put("artifactory/publish", r#"{"token":"first"}"#);
    secrets.put("artifactory/other", "other");
    let partial = arn.rsplit_once('-').unwrap().0;
    for id in ["artifactory/publish", arn.as_str(), partial] {
        let value = client.get_secret_value().secret_id(id).send().await.unwrap();
        assert_eq!(value.secret_string(), Some(r#"{"token":"first"}"#));
        assert_eq!((value.arn(), value.name()), (Some(arn.as_str()), Some("artifactory/publish")));
        assert_eq!(value.version_stages(), ["AWSCURRENT"]);
        assert!(value.created_date().is_some());
    }
    assert_eq!(secrets.reads("artifactory/publish"), 3);
    assert_eq!(secrets.reads("artifactory/other"), 0);
}

#[tokio::test]
async fn after_a_rotation_the_new_value_is_current_and_the_old_one_previous() {
    let (secrets, client) = start().await;
    let arn = secrets.put("publish", "first");
    let first = client.get_secret_value().secret_id("publish").send().await.unwrap();
    assert_eq!(secrets.put("publish", "second"), arn);
    let second = client.get_secret_value().secret_id("publish").send().await.unwrap();
    assert_eq!(second.secret_string(), Some("second"));
    assert_ne!(first.version_id(), second.version_id());
    let previous = client.get_secret_value().secret_id("publish").version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!((previous.secret_string(), previous.version_id()), (Some("first"), first.version_id()));
    let unknown = client.get_secret_value().secret_id("publish").version_stage("AWSPENDING").send().await;
    assert_eq!(refusal(unknown).0, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_binary_secret_has_no_text() {
    let (secrets, client) = start().await;
    secrets.put_binary("publish", &[0, 159, 146, 150]);
    let value = client.get_secret_value().secret_id("publish").send().await.unwrap();
    assert_eq!(value.secret_string(), None);
    assert_eq!(value.secret_binary().unwrap().as_ref(), [0, 159, 146, 150]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_says_why() {
    let (secrets, client) = start().await;
    let read = || client.get_secret_value().secret_id("publish").send();
    let missing = refusal(read().await);
    assert_eq!(
        missing,
        ("ResourceNotFoundException".into(), "Secrets Manager can't find the specified secret.".into())
    );
    secrets.put("publish", "value");
    for (broken, code) in [
        (Broken::AccessDenied, "AccessDeniedException"),
        (Broken::KeyDenied, "AccessDeniedException"),
        (Broken::DecryptionFailure, "DecryptionFailure"),
        (Broken::MarkedForDeletion, "InvalidRequestException"),
        (Broken::InternalService, "InternalServiceError"),
    ] {
        secrets.break_with("publish", broken);
        assert_eq!(refusal(read().await).0, code);
    }
    assert_eq!(secrets.reads("publish"), 0);
    secrets.mend("publish");
    assert_eq!(read().await.unwrap().secret_string(), Some("value"));
}

#[tokio::test]
async fn nothing_but_reading_is_offered() {
    let (secrets, client) = start().await;
    secrets.put("publish", "value");
    let described = refusal(client.describe_secret().secret_id("publish").send().await);
    assert_eq!(described.0, "UnknownOperationException");
    let empty = refusal(client.get_secret_value().secret_id("").send().await);
    assert_eq!(empty.0, "ValidationException");
}
