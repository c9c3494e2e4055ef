//! Files that are there already, and users who may not see or replace them.

use super::*;
use crate::stack::artifactory::Unauthorized;

fn one(text: &str) -> Vec<u8> {
    Zip::new().file("app.txt", text).file("other.txt", "other").bytes()
}

#[tokio::test]
async fn a_retried_stage_leaves_the_same_files_as_they_are() {
    let stack = stack().await;
    publish(&stack, one("1"), &[("Properties", "run=first")]).await;
    let before = file(&stack, "app.txt");
    let sent = puts(&stack).len();
    let result = publish(&stack, one("1"), &[("Properties", "run=second")]).await;
    assert_eq!(puts(&stack).len(), sent);
    assert_eq!(file(&stack, "app.txt").properties, before.properties);
    assert_eq!(variables(&result)["SkippedCount"], "2");
}

#[tokio::test]
async fn other_content_at_the_same_path_is_a_conflict_and_nothing_is_sent() {
    let stack = stack().await;
    // Even for a user who could overwrite it.
    permit(&stack, &[Permission::Read, Permission::Deploy, Permission::Delete]);
    stack.artifactory.put_file(FILES, "app.txt", "theirs");
    let (kind, message) = stack.refuse(action(&stack, one("ours"), &[])).await;
    assert_eq!(kind, "JobFailed");
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    This file is in the repository with other content: app.txt (there sha256 DIGEST, here sha256 DIGEST).
    Target: files-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: app.txt, other.txt.
    What to do: A published file is never changed. Publish to another TargetPath, e.g. with {execution} or a version in it; or, if what is there is wrong, delete it in Artifactory and retry the stage.
    Log: request id RUN.
    ");
    assert_eq!(file(&stack, "app.txt").content, "theirs");
    assert!(puts(&stack).is_empty());
}

#[tokio::test]
async fn under_existing_fail_the_same_content_is_refused_too() {
    let stack = stack().await;
    publish(&stack, one("1"), &[("Files", "app.txt")]).await;
    let (kind, message) = stack.refuse(action(&stack, one("1"), &[("Options", "existing=fail")])).await;
    assert_eq!(kind, "JobFailed");
    assert!(message.contains("app.txt") && message.contains("TargetPath"), "{message}");
    assert_eq!(stored(&stack), ["app.txt"]);
}

#[tokio::test]
async fn who_may_not_look_publishes_nothing_unseen() {
    for (hidden, expected) in
        [(Unauthorized::Forbidden, "PermissionError"), (Unauthorized::Hidden, "ConfigurationError")]
    {
        let stack = stack().await;
        // Such a user would overwrite what it cannot see.
        permit(&stack, &[Permission::Deploy, Permission::Delete]);
        stack.artifactory.switch(|switches| switches.unauthorized = hidden);
        stack.artifactory.put_file(FILES, "app.txt", "theirs");
        let (kind, message) = stack.refuse(action(&stack, one("ours"), &[])).await;
        assert_eq!(kind, expected, "{message}");
        assert_eq!(file(&stack, "app.txt").content, "theirs");
        assert!(puts(&stack).is_empty());
    }
}

#[tokio::test]
async fn a_user_who_may_not_deploy_is_told_so() {
    for hidden in [Unauthorized::Forbidden, Unauthorized::Hidden] {
        let stack = stack().await;
        permit(&stack, &[Permission::Read]);
        stack.artifactory.switch(|switches| switches.unauthorized = hidden);
        let (kind, message) = stack.refuse(action(&stack, build(), &[("Files", "dist/app.bin")])).await;
        let expected = if hidden == Unauthorized::Hidden { "ConfigurationError" } else { "PermissionError" };
        assert_eq!(kind, expected, "{message}");
        assert!(message.contains("File app.bin: publishing: PUT files-local/app.bin"), "{message}");
        assert!(message.contains("Nothing was published; not published: app.bin."), "{message}");
    }
}
