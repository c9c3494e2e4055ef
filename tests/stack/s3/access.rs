//! Who may do what in this S3: the function's own key what its role allows, a job's session with its
//! own objects, and nobody anything else. Signatures are checked before, by s3s.

use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use super::Missing;
use super::store::Store;
use crate::stack::role::Call;
use crate::stack::vault::Vault;

/// The key that the function under test is given as its own.
pub(crate) const FUNCTION_ACCESS_KEY_ID: &str = "AKIASTACKFUNCTION001";
pub(crate) const FUNCTION_SECRET_ACCESS_KEY: &str = "stack/secret/of/the/function/itself";

#[derive(Debug, Clone)]
pub(super) struct Guard {
    pub(super) store: Arc<Store>,
    pub(super) vault: Vault,
}

#[async_trait::async_trait]
impl S3Auth for Guard {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == FUNCTION_ACCESS_KEY_ID {
            return Ok(FUNCTION_SECRET_ACCESS_KEY.into());
        }
        let session = self.vault.lookup(access_key);
        session.map(|session| session.secret_access_key.into()).ok_or_else(|| {
            s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.")
        })
    }
}

#[async_trait::async_trait]
impl S3Access for Guard {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let denied = || s3_error!(AccessDenied, "Access Denied");
        if !self.store.is_now(context.headers().get("x-amz-date").and_then(|date| date.to_str().ok())) {
            return Err(s3_error!(
                RequestTimeTooSkewed,
                "The difference between the request time and the current time is too large."
            ));
        }
        let access_key = &context.credentials().ok_or_else(denied)?.access_key;
        let operation = context.s3_op().name();
        let (bucket, key) = match context.s3_path() {
            S3Path::Root => ("", ""),
            S3Path::Bucket { bucket } => (bucket.as_ref(), ""),
            S3Path::Object { bucket, key } => (bucket.as_ref(), key.as_ref()),
        };
        if access_key == FUNCTION_ACCESS_KEY_ID {
            let calls = calls(operation, bucket, key, context);
            let allowed = !calls.is_empty() && calls.iter().all(|call| self.vault.role().allows(call));
            return if allowed { Ok(()) } else { Err(denied()) };
        }
        let session = self.vault.lookup(access_key).ok_or_else(denied)?;
        let token = context.headers().get("x-amz-security-token").and_then(|value| value.to_str().ok());
        match token {
            None => {
                return Err(s3_error!(
                    InvalidAccessKeyId,
                    "The AWS Access Key Id you provided does not exist in our records."
                ));
            }
            Some(token) if token != session.session_token => {
                return Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid."));
            }
            Some(_) if self.vault.is_expired(&session) => {
                return Err(s3_error!(ExpiredToken, "The provided token has expired."));
            }
            Some(_) => {}
        }
        // HeadObject is allowed by the same right as GetObject.
        let allowed = match operation {
            "GetObject" | "HeadObject" => session.reads(bucket, key),
            "PutObject" => session.writes(bucket, key),
            _ => false,
        };
        if !allowed {
            return Err(denied());
        }
        // A caller without the right to list the bucket is not told that a key is missing.
        let hides = operation != "PutObject" && self.store.behaviour().missing_for_jobs == Missing::AccessDenied;
        if hides && self.store.get(bucket, key).is_none() { Err(denied()) } else { Ok(()) }
    }
}

/// The rights that an operation of the function needs; none at all for one that it has no business with.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>
fn calls(operation: &str, bucket: &str, key: &str, context: &S3AccessContext<'_>) -> Vec<Call> {
    let object = format!("arn:aws:s3:::{bucket}/{key}");
    let of_version = |plain: &str, version: &str| {
        let versioned = context.uri().query().is_some_and(|query| query.contains("versionId="));
        Call::new(if versioned { version } else { plain }, &object)
    };
    match operation {
        "ListObjectsV2" => vec![Call::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"))],
        "GetObject" | "HeadObject" => vec![of_version("s3:GetObject", "s3:GetObjectVersion")],
        "DeleteObject" => vec![of_version("s3:DeleteObject", "s3:DeleteObjectVersion")],
        "PutObject" => {
            let further = [("x-amz-acl", "s3:PutObjectAcl"), ("x-amz-tagging", "s3:PutObjectTagging")];
            let further = further.into_iter().filter(|(header, _)| context.headers().contains_key(*header));
            let put = Call::new("s3:PutObject", &object);
            [put].into_iter().chain(further.map(|(_, action)| Call::new(action, &object))).collect()
        }
        _ => Vec::new(),
    }
}
