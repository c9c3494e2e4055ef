//! Dist-tags: which one a version gets, what npm refuses, what a version that is there already gets and what it does not.

use std::time::Duration;

use serde_json::{Value, json};

use crate::make::Zip;
use crate::scene::{self, manifest, package, path, stack, variables};
use crate::stack::http::Fault;
use crate::stack::pipeline::{JobResult, JobSpec};
use crate::stack::{REPOSITORY, Stack, artifactory};
use hyper::Method;

/// A package whose manifest has these members besides name and version.
fn with(name: &str, version: &str, members: &Value) -> Vec<u8> {
    let mut manifest = json!({ "name": name, "version": version });
    manifest.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    Zip::new().file("package.json", manifest.to_string()).bytes()
}

fn tagged(stack: &Stack, name: &str, version: &str) -> Vec<String> {
    stack.artifactory.properties(REPOSITORY, &path(name, version)).remove("npm.disttag").unwrap_or_default()
}

fn puts(stack: &Stack, what: &str) -> usize {
    stack.traffic.count(artifactory::SERVICE, &Method::PUT, what)
}

/// The summary of a job that ends well.
async fn summary(stack: &Stack, action: JobSpec) -> String {
    match stack.run(action).await.1 {
        JobResult::Succeeded { summary, .. } => scene::steady(stack, &summary.unwrap()),
        other => panic!("{other:#?}\n{}", stack.logs().await),
    }
}

#[tokio::test]
async fn a_version_that_is_there_gets_a_tag_only_where_the_action_asks_for_it() {
    let stack = stack().await;
    for name in ["left", "@acme/left"] {
        stack.publish(package(name, "1.0.0")).await;
        stack.publish(package(name, "2.0.0")).await;
        // The retry of an old run.
        stack.publish(package(name, "1.0.0")).await;
        let own = json!({ "publishConfig": { "tag": "stable" } });
        stack.publish(with(&format!("{name}-tagged"), "1.0.0", &own)).await;
        stack.publish(with(&format!("{name}-tagged"), "1.0.0", &own)).await;
        assert_eq!(tagged(&stack, name, "2.0.0"), ["latest"]);
        assert_eq!(tagged(&stack, name, "1.0.0"), [""; 0]);
        assert_eq!(puts(&stack, "-tagged/dist-tags/"), 0);
        let place = format!("/package/{}/dist-tags/", name.replace('/', "%2f"));
        assert_eq!(puts(&stack, &place), 0);

        for (option, set) in [("tag=stable", 1), ("tag=stable", 1), ("tag=latest", 2)] {
            let said = summary(&stack, stack.action(package(name, "1.0.0")).configuration("Options", option)).await;
            assert!(said.contains("already there"), "{said}");
            assert_eq!(puts(&stack, &place), set, "{option}");
        }
        assert_eq!(tagged(&stack, name, "1.0.0"), ["stable", "latest"], "tag=latest moves it back on purpose");
        assert_eq!(tagged(&stack, name, "2.0.0"), [""; 0]);
    }
}

#[tokio::test]
async fn the_summary_says_that_a_tag_was_set() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    let again = stack.action(package("left", "1.0.0")).configuration("Options", "tag=next");
    insta::assert_snapshot!(summary(&stack, again).await, @"left@1.0.0 (already there; dist-tag next set): the same content is in npm-local at http://artifactory");
    let dry = stack.action(package("left", "1.0.0")).configuration("Options", "tag=other;dry-run=true");
    summary(&stack, dry).await;
    assert_eq!(tagged(&stack, "left", "1.0.0"), ["latest", "next"], "a dry run sets none");
}

#[tokio::test]
async fn an_older_version_never_becomes_the_latest_unasked() {
    let stack = stack().await;
    stack.publish(package("left", "2.0.0")).await;
    let old = || stack.action(package("left", "1.9.0"));
    let (before, stored) = (puts(&stack, ""), stack.stored());
    let (kind, message) = stack.refuse(old()).await;
    assert_eq!((kind.as_str(), puts(&stack, ""), stack.stored()), ("JobFailed", before, stored));
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    In the repository npm-local there is a higher version already, and no dist-tag is named for left@1.9.0 (there is 2.0.0).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.9.0.
    What to do: Raise the version; or, to publish an older line, name a dist-tag for it: Options tag=legacy (or publishConfig.tag). tag=latest moves latest back on purpose.
    Log: request id RUN.
    ");
    // A tag in the manifest itself is none that npm looks at here.
    let (_, message) = stack.refuse(stack.action(with("left", "1.9.0", &json!({ "tag": "old" })))).await;
    assert!(message.contains("there is 2.0.0"), "{message}");
    let dry = old().configuration("Options", "dry-run=true");
    assert!(stack.refuse(dry).await.1.contains("there is 2.0.0"));

    // Whoever names a tag may.
    stack.publish(with("left", "1.9.0", &json!({ "publishConfig": { "tag": "one" } }))).await;
    let legacy = stack.action(package("left", "1.9.1")).configuration("Options", "tag=legacy");
    summary(&stack, legacy).await;
    assert_eq!(tagged(&stack, "left", "1.9.0"), ["one"]);
    assert_eq!(tagged(&stack, "left", "1.9.1"), ["legacy"]);
    assert_eq!(tagged(&stack, "left", "2.0.0"), ["latest"]);
    // What is there already is no refusal.
    stack.publish(package("left", "1.9.1")).await;
    stack.publish(package("left", "2.0.1")).await;
    assert_eq!(tagged(&stack, "left", "2.0.1"), ["latest"]);
}

#[tokio::test]
async fn prereleases_and_deprecated_versions_outrank_nothing() {
    let stack = stack().await;
    let next = stack.action(package("left", "3.0.0-rc.1")).configuration("Options", "tag=next");
    summary(&stack, next).await;
    stack.publish(with("left", "2.0.0", &json!({ "deprecated": "it was a mistake" }))).await;
    stack.publish(package("left", "1.0.0")).await;
    assert_eq!(tagged(&stack, "left", "1.0.0"), ["latest"]);
    // A prerelease of a version that is released is older than it, but it has a tag.
    let late = stack.action(package("left", "1.0.0-rc.9")).configuration("Options", "tag=next");
    summary(&stack, late).await;
    assert_eq!(tagged(&stack, "left", "1.0.0-rc.9"), ["next"]);
}

#[tokio::test]
async fn of_several_versions_in_one_job_the_highest_becomes_the_latest() {
    let stack = stack().await;
    // By their paths 1.10.0 would come before 1.9.0, and the other package between them.
    let packages = [("a", "left", "1.10.0"), ("b", "right", "1.0.0"), ("c", "left", "1.9.0"), ("d", "left", "1.0.0")];
    let zip = packages.iter().fold(Zip::new(), |zip, (folder, name, version)| {
        zip.file(&format!("{folder}/package.json"), manifest(name, version))
    });
    let result = stack.run(stack.action(zip.bytes())).await.1;
    assert_eq!(variables(&result)["PackageCount"], "4");
    assert_eq!(tagged(&stack, "left", "1.10.0"), ["latest"]);
    let JobResult::Succeeded { summary, .. } = result else { unreachable!("it succeeded") };
    insta::assert_snapshot!(scene::steady(&stack, &summary.unwrap()), @"Published 4 of 4 packages to npm-local at http://artifactory, 0 already there: left@1.0.0, right@1.0.0, left@1.9.0, left@1.10.0");
}

#[tokio::test]
async fn of_jobs_at_once_the_older_version_never_becomes_the_latest() {
    let stack = stack().await;
    let versions = ["1.0.0", "1.0.2", "1.0.1", "1.0.3"];
    let jobs = versions.map(|version| stack.pipeline.queue(stack.action(package("left", version))));
    scene::tick(&stack).await;
    let published: Vec<&str> = std::iter::zip(&jobs, versions)
        .filter(|(job, _)| matches!(stack.pipeline.result(job), JobResult::Succeeded { .. }))
        .map(|(_, version)| version)
        .collect();
    // In whatever order they came, the highest is the latest, and what came after a higher one was refused.
    assert!(published.contains(&"1.0.3"), "{published:?}");
    assert_eq!(tagged(&stack, "left", "1.0.3"), ["latest"]);
    assert_eq!(stack.stored().len(), published.len());
}

/// Otherwise one moves the tag away while the other looks whether it has it.
#[tokio::test]
async fn jobs_at_once_that_give_one_tag_to_two_versions_do_so_one_after_the_other() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    // The one's tag is set first, the other's while the first waits for the answer.
    let [soon, late] = [500, 1_000].map(Duration::from_millis);
    for (place, fault) in [("/dist-tags/next", Fault::Late(late)), ("/api/npm/npm-local/left", Fault::Delay(soon))] {
        stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), place, 0, 1, fault);
    }
    let actions = ["1.0.0", "2.0.0"].map(|version| stack.action(package("left", version)));
    let jobs = actions.map(|action| stack.pipeline.queue(action.configuration("Options", "tag=next")));
    let answer = stack.invoke(stack.pipeline.started_event(&jobs[0])).await.unwrap();
    assert_eq!(scene::numbers(&answer), [0, 2, 2, 0, 0, 0], "{answer:#}\n{}", stack.logs().await);
    let has_it = ["1.0.0", "2.0.0"].map(|version| tagged(&stack, "left", version).contains(&"next".to_owned()));
    assert_eq!(has_it.iter().filter(|has| **has).count(), 1, "the tag is that of whoever came later");
}

#[tokio::test]
async fn one_of_several_that_is_older_stops_all() {
    let stack = stack().await;
    stack.publish(package("right", "2.0.0")).await;
    let zip = ["left", "right"]
        .iter()
        .fold(Zip::new(), |zip, name| zip.file(&format!("{name}/package.json"), manifest(name, "1.0.0")));
    let (_, message) = stack.refuse(stack.action(zip.bytes())).await;
    assert!(message.contains("named for right@1.0.0 (there is 2.0.0)."), "{message}");
    assert_eq!(stack.stored(), [path("right", "2.0.0")]);
}

#[tokio::test]
async fn a_tag_that_may_not_be_set_is_a_failure_that_says_what_is_published() {
    let stack = stack().await;
    stack.publish(package("left", "1.0.0")).await;
    let body = r#"{"error":"not permitted"}"#.to_owned();
    let forbidden = Fault::Answer { status: 403, headers: Vec::new(), body };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "/dist-tags/", 0, 1, forbidden);
    let again = || stack.action(package("left", "1.0.0")).configuration("Options", "tag=next");
    let (kind, message) = stack.refuse(again()).await;
    assert_eq!(kind, "PermissionError");
    insta::assert_snapshot!(scene::steady(&stack, &message), @r"
    Package left@1.0.0: the version is stored, but setting its dist-tag: PUT api/npm/npm-local/-/package/left/dist-tags/next was answered with 403; the server said: not permitted.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Published all the same: left@1.0.0.
    What to do: Give the secret's user the right to deploy and annotate, or leave out the option tag; then retry the stage.
    Log: request id RUN.
    ");
    assert_eq!(variables(&stack.run(again()).await.1)["SkippedCount"], "1");
    assert_eq!(tagged(&stack, "left", "1.0.0"), ["latest", "next"]);
}

#[tokio::test]
async fn publish_config_never_says_where_to_publish() {
    let stack = stack().await;
    let config = json!({ "publishConfig": {
        "registry": "https://elsewhere.example/", "@acme:registry": "https://scope.example/", "access": "public",
    }});
    stack.publish(with("@acme/left", "1.0.0", &config)).await;
    assert_eq!(stack.stored(), [path("@acme/left", "1.0.0")]);
    let logs = stack.logs().await;
    for (key, value) in [("registry", "https://elsewhere.example/"), ("@acme:registry", "https://scope.example/")] {
        let said =
            format!("publishConfig.{key} ({value}) is ignored: RepoKey and ArtifactoryHost say where to publish");
        assert!(logs.contains(&said), "{logs}");
    }
    let sent = stack.traffic.seen();
    let sent = sent.iter().find(|seen| seen.request.method == Method::PUT && seen.service == artifactory::SERVICE);
    assert_eq!(sent.unwrap().request.json()["access"], "public");
}

#[tokio::test]
async fn a_listing_that_lags_is_waited_for_and_fails_no_published_version() {
    let asked =
        |stack: &Stack, version: &str| stack.action(package("left", version)).configuration("Options", "tag=next");
    // How long it lags: before the tag is seen, until the tag can be set, longer than anybody waits.
    for (reads, remark) in [(2, ""), (9, ""), (1_000, " (dist-tag next not seen yet)")] {
        let stack = stack().await;
        stack.publish(package("left", "1.0.0")).await;
        stack.artifactory.switch(|switches| switches.npm_index_reads = reads);
        let said = summary(&stack, asked(&stack, "2.0.0")).await;
        assert_eq!(said, format!("Published left@2.0.0{remark} to npm-local at http://artifactory"), "{reads}");
        assert_eq!(tagged(&stack, "left", "2.0.0"), ["next"], "it went along with the version");
    }
    // A version that another job stored a moment ago.
    let stack = stack().await;
    stack.artifactory.switch(|switches| switches.npm_index_reads = 9);
    stack.publish(package("left", "1.0.0")).await;
    stack.artifactory.switch(|switches| switches.npm_index_reads = 0);
    let said = summary(&stack, asked(&stack, "1.0.0")).await;
    assert!(said.starts_with("left@1.0.0 (already there; dist-tag next set)"), "{said}");
}
