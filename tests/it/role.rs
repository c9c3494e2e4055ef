//! Least privilege: the emulators let the function do what the policies of `template.yaml` allow and nothing else (see
//! `tests/stack/role.rs`), so every other test shows that the role suffices. Here: that nothing in it is in vain, and
//! that a right which is missing is missed.

use std::collections::BTreeSet;

use serde_json::json;

use crate::scene::{self, claim_key, event, failure, package, put_claim, stack};
use crate::stack::aws::{ACCOUNT, REGION};
use crate::stack::pipeline::ActionType;
use crate::stack::role::{Call, Right, Role};
use crate::stack::{DEADLINE, JOURNAL, SECRET, Stack};

/// The key of a secret whose owner does not leave it to AWS.
const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/11111111-abcd-1111-abcd-111111abcdef";

/// Statements that no code of ours uses: Lambda acts by them in the role's name, which no emulator here does.
///
/// - logs: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html>
/// - on-failure destination: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
/// - VPC: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>
const BY_LAMBDA: [&str; 3] = ["JoinVpc", "ReportFailedInvocations", "WriteLog"];

/// A stack whose template has every optional part: an earlier version of the action type, a key, a VPC.
async fn whole_stack() -> Stack {
    let stack = stack().await;
    stack.set("ACTION_VERSION", "2,1");
    stack.set("ALLOW_INVOKE_ACTION", "true");
    stack.pipeline.declare(ActionType { version: "2".into(), ..ActionType::default() });
    let role = stack.vault.role();
    role.parameter("SecretKmsKeyArn", KEY);
    role.parameter("SubnetIds", "subnet-1,subnet-2");
    stack.secrets.encrypt_with(SECRET, KEY);
    stack
}

/// What the function does for jobs of every kind: a success, a failure, a job whose worker died, one that comes in an event,
/// and objects in the journal that are no claims. However it ends, it is the role's use that counts.
async fn everything(stack: &Stack) {
    let second = ActionType { version: "2".into(), ..ActionType::default() };
    let resumed = stack.pipeline.queue(stack.action(package("resumed", "1.0.0")));
    put_claim(stack, &resumed, "0", &json!({}));
    stack.pipeline.queue(stack.action(package("left", "1.0.0")));
    stack.pipeline.queue(stack.action("no zip").action_type(second));
    let (_, invoked) = stack.pipeline.invoke(stack.action(package("right", "1.0.0")));
    let _ = stack.invoke(invoked).await;
    // The same object in two places: the second tick finds its copy in the quarantine.
    for _ in 0..2 {
        stack.s3.put(JOURNAL, "jobs/readme.txt", "no claim");
        stack.worker().await;
        let _ = stack.lambda.invoke(event("schedule.json"), DEADLINE).await;
    }
}

#[tokio::test]
async fn every_right_of_the_role_is_used() {
    let stack = whole_stack().await;
    everything(&stack).await;
    assert!(stack.s3.keys(JOURNAL, "jobs/").is_empty(), "{}", stack.logs().await);
    let role = stack.vault.role();
    let (rights, used) = (role.rights(), role.used());
    let in_vain: Vec<_> = rights.difference(&used).filter(|(sid, ..)| !BY_LAMBDA.contains(&sid.as_str())).collect();
    assert!(in_vain.is_empty(), "no scenario needs these: {in_vain:#?}");
    let by_lambda: BTreeSet<&str> = rights.iter().map(|(sid, ..)| sid.as_str()).collect();
    assert!(BY_LAMBDA.iter().all(|sid| by_lambda.contains(sid)), "{by_lambda:?}");
    assert!(used.iter().all(|(sid, ..)| !BY_LAMBDA.contains(&sid.as_str())), "{used:#?}");
}

#[tokio::test]
async fn each_right_that_is_taken_away_is_missed() {
    let whole = whole_stack().await.vault.role().rights();
    let ours: Vec<Right> = whole.into_iter().filter(|(sid, ..)| !BY_LAMBDA.contains(&sid.as_str())).collect();
    assert!(ours.len() > 10, "{ours:#?}");
    for right in ours {
        let stack = whole_stack().await;
        stack.vault.role().take_away(&right);
        everything(&stack).await;
        let refused = stack.vault.role().refused();
        assert!(refused.iter().any(|call| call.action == right.1), "nobody missed {right:?}: {refused:#?}");
        stack.s3.remove(JOURNAL, "jobs/readme.txt");
        stack.abandon();
    }
}

#[tokio::test]
async fn a_secret_without_the_tag_is_not_read() {
    let stack = stack().await;
    stack.secrets.put("of/another/product", r#"{"username":"ci","password":"of the database"}"#);
    stack.secrets.untag("of/another/product");
    let action = stack.action(package("left", "1.0.0")).configuration("SecretId", "of/another/product");
    let (kind, message) = failure(stack.run(action).await.1);
    assert_eq!(kind, "PermissionError");
    assert!(message.contains("carry the tag codepipeline-artifactory"), "{message}");
    assert_eq!(stack.secrets.reads("of/another/product"), 0);
    assert!(scene::requests(&stack, "artifactory").is_empty(), "nothing is asked of Artifactory");
    stack.forgive_refusals();
}

#[tokio::test]
async fn a_secret_with_a_key_needs_the_stacks_parameter() {
    let stack = stack().await;
    stack.secrets.encrypt_with(SECRET, KEY);
    let (kind, message) = failure(stack.run(stack.action(package("left", "1.0.0"))).await.1);
    assert!(kind == "PermissionError" && message.contains("kms:Decrypt"), "{message}");
    stack.forgive_refusals();
}

#[tokio::test]
async fn nothing_else_is_allowed() {
    let stack = whole_stack().await;
    let role = stack.vault.role();
    let claim = claim_key(&stack.pipeline.queue(stack.action("")));
    let journal = |key: &str| format!("arn:aws:s3:::{JOURNAL}/{key}");
    let secret = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:any-AbCdEf");
    let tag = "aws:ResourceTag/codepipeline-artifactory";
    let elsewhere = format!("arn:aws:secretsmanager:{REGION}:999999999999:secret:any-AbCdEf");
    let polled = |what: &str| format!("arn:aws:codepipeline:{REGION}:{ACCOUNT}:actiontype:{what}");
    let network = Call::new("ec2:DescribeSubnets", "*");
    let queue = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:local-Undelivered");
    for (call, allowed) in [
        (Call::new("s3:GetObject", journal(&claim)), true),
        (Call::new("s3:GetObject", journal(&claim)).with("aws:SecureTransport", "false"), false),
        (Call::new("s3:GetObjectVersion", journal(&claim)), false),
        (Call::new("s3:DeleteObjectVersion", journal(&claim)), false),
        (Call::new("s3:PutObjectAcl", journal(&claim)), false),
        (Call::new("s3:GetObject", journal("elsewhere/x")), false),
        (Call::new("s3:DeleteObject", journal("quarantine/x")), false),
        (Call::new("s3:GetObject", "arn:aws:s3:::codepipeline-eu-west-1-artifacts/web/1"), false),
        (Call::new("s3:ListBucket", "arn:aws:s3:::codepipeline-eu-west-1-artifacts"), false),
        (Call::new("s3:DeleteBucket", format!("arn:aws:s3:::{JOURNAL}")), false),
        (Call::new("secretsmanager:GetSecretValue", &secret).with(tag, ""), true),
        (Call::new("secretsmanager:GetSecretValue", &secret), false),
        (Call::new("secretsmanager:GetSecretValue", elsewhere).with(tag, ""), false),
        (Call::new("secretsmanager:PutSecretValue", &secret).with(tag, ""), false),
        (Call::new("kms:Decrypt", KEY).with("kms:ViaService", "secretsmanager.us-east-1.amazonaws.com"), true),
        (Call::new("kms:Decrypt", KEY).with("kms:ViaService", "s3.us-east-1.amazonaws.com"), false),
        (Call::new("kms:Decrypt", KEY), false),
        (Call::new("kms:Encrypt", KEY).with("kms:ViaService", "secretsmanager.us-east-1.amazonaws.com"), false),
        (Call::new("codepipeline:PollForJobs", polled("Custom/Deploy/Artifactory/1")), true),
        (Call::new("codepipeline:PollForJobs", polled("Custom/Deploy/Artifactory/3")), false),
        (Call::new("codepipeline:PollForJobs", polled("Custom/Deploy/Other/1")), false),
        (Call::new("codepipeline:PollForThirdPartyJobs", "*"), false),
        (Call::new("codepipeline:StartPipelineExecution", "*"), false),
        // Lambda joins the VPC in the role's name; code that runs in the function may not.
        (network.clone().without("lambda:SourceFunctionArn"), true),
        (network, false),
        (Call::new("sqs:SendMessage", &queue), true),
        (Call::new("sqs:ReceiveMessage", &queue), false),
        (Call::new("logs:CreateLogGroup", "*"), false),
        (Call::new("iam:PassRole", "*"), false),
        (Call::new("sts:AssumeRole", "arn:aws:iam::111122223333:role/admin"), false),
    ] {
        assert_eq!(role.allows(&call), allowed, "{call:?}");
    }
    stack.abandon();
}

#[test]
fn a_stack_with_defaults_knows_neither_key_nor_network_nor_an_earlier_version() {
    let role = Role::default();
    let statements: BTreeSet<String> = role.rights().into_iter().map(|(sid, ..)| sid).collect();
    assert!(!statements.contains("DecryptSecrets") && !statements.contains("JoinVpc"), "{statements:?}");
    let polled = role.rights().into_iter().filter(|(sid, ..)| sid == "TakeJobs").count();
    assert_eq!(polled, 1);
}

#[tokio::test]
async fn a_stack_with_nothing_but_an_address_works() {
    let stack = stack().await;
    let role = stack.vault.role().clone();
    role.parameter("ArtifactoryUrl", &stack.artifactory.platform_url());
    // The local Artifactory speaks plain HTTP.
    role.parameter("AllowHttp", "true");
    let ours: BTreeSet<String> = stack.environment().into_iter().map(|(name, _)| name).collect();
    let given = role.environment();
    for (name, value) in &given {
        stack.set(name, value);
    }
    for name in ["JOURNAL_BUCKET", "DEFAULT_SECRET_ID", "ARTIFACTORY_URL", "ALLOW_HTTP"] {
        assert!(ours.contains(name) && given.iter().any(|(other, _)| other == name), "{name}: {given:?}");
    }
    let others = ours.iter().filter(|name| !name.starts_with("AWS_") && given.iter().all(|(other, _)| other != *name));
    assert_eq!(others.count(), 0, "the function needs nothing that the template does not give: {ours:?}");
    stack.publish(package("left", "1.0.0")).await;
}
