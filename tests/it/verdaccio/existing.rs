//! What the real npm has published to a real registry, published again by the function.

use serde_json::json;
use sha1::Digest as _;

use super::{World, good, hex, prefix};
use crate::npm_compare::{Item, tree};
use crate::npm_pack::build;
use crate::stack::REPOSITORY;
use hyper::Method;

const FILES: &[&str] =
    &["index.js=module.exports = 1;", "lib/a.js", "README.md=# Mine\n\nIt is mine.\n", "cli.js=#!/usr/bin/env node\n"];

/// A manifest with a command in it.
fn manifest(name: &str, version: &str) -> String {
    format!(r#"{{"name":"{name}","version":"{version}","bin":{{"mine":"cli.js"}}}}"#)
}

#[tokio::test]
async fn what_npm_has_published_counts_as_published() {
    let world = World::start().await;
    let npm = world.registry.npm();
    npm.package(".", &json!({}), &[]);
    for name in ["mine", "@acme/mine"] {
        let folder = name.replace('/', "+");
        npm.package(&folder, &json!({}), &[]);
        let artifact = build(&npm.folder(&folder), manifest(name, "1.0.0"), FILES);
        good(&npm.run(&folder, &["publish", "--ignore-scripts"]).await);
        let theirs = world.registry.archive(name, "1.0.0").await;
        let document = world.registry.document(name).await;

        let puts = world.registry.traffic.count(prefix::SERVICE, &Method::PUT, "");
        let variables = world.publish(world.action(artifact)).await;
        assert_eq!((variables["SkippedCount"].as_str(), variables["PackageName"].as_str()), ("1", name));
        assert_eq!(variables["Sha256"], hex(&sha2::Sha256::digest(&theirs)), "of what is there");
        assert_eq!(world.registry.traffic.count(prefix::SERVICE, &Method::PUT, ""), puts);
        assert_eq!(world.registry.document(name).await, document);
        assert!(world.stack.logs().await.contains("its archive has other bytes"), "npm and we pack to other bytes");

        let other = npm.folder(&format!("other-{folder}"));
        let changed = build(&other, manifest(name, "1.0.0"), &["index.js=module.exports = 2;", "lib/a.js"]);
        let (kind, message) = world.stack.refuse(world.action(changed)).await;
        assert_eq!(kind, "JobFailed");
        for difference in ["README.md is only there", "cli.js is only there", "index.js has other bytes"] {
            assert!(message.contains(difference), "{message}");
        }
    }
}

#[tokio::test]
async fn what_npm_leaves_without_the_right_to_execute_counts_as_published_where_it_is_a_command() {
    let world = World::start().await;
    let npm = world.registry.npm();
    let manifest = r#"{"name":"mine","version":"1.0.0","bin":{"mine":"bin/mine.js","top":"top.js"}}"#;
    let files = |mode: &'static str| ["bin/mine.js", "top.js", "other/top.js", mode];
    npm.package("mine", &json!({}), &[]);
    let artifact = build(&npm.folder("mine"), manifest, &files("lib/run.sh"));
    good(&npm.run("mine", &["publish", "--ignore-scripts"]).await);
    let theirs = world.registry.archive("mine", "1.0.0").await;
    let entries = tree(&theirs[..]);
    let mode = |path: &str| match &entries[path] {
        Item::File(mode, _) => *mode,
        Item::Other(..) => 0,
    };
    let accident = ["bin/mine.js", "top.js", "other/top.js", "lib/run.sh"].map(mode);
    assert_eq!(accident, [0o644, 0o755, 0o755, 0o644], "npm no longer does what this is about");

    let variables = world.publish(world.action(artifact)).await;
    assert_eq!(variables["SkippedCount"], "1");
    assert_eq!(variables["Sha256"], hex(&sha2::Sha256::digest(&theirs)));

    let other = build(&npm.folder("other"), manifest, &files("lib/run.sh+x"));
    let (kind, message) = world.stack.refuse(world.action(other)).await;
    assert_eq!(kind, "JobFailed");
    assert!(message.contains("lib/run.sh has mode 644 there and 755 here)"), "{message}");
}

#[tokio::test]
async fn a_real_registrys_dist_tags_are_seen_and_set() {
    let world = World::start().await;
    let tags = async || world.registry.document("mine").await["dist-tags"].clone();
    let folder = tempfile::tempdir().unwrap();
    let artifact = |version: &str| build(&folder.path().join(version), manifest("mine", version), FILES);
    world.publish(world.action(artifact("1.0.0"))).await;
    world.publish(world.action(artifact("2.0.0"))).await;
    let (kind, message) = world.stack.refuse(world.action(artifact("1.5.0"))).await;
    assert!(kind == "JobFailed" && message.contains("mine@1.5.0 (there is 2.0.0)"), "{message}");
    world.publish(world.action(artifact("1.5.0")).configuration("Options", "tag=one")).await;
    assert_eq!(tags().await, json!({ "latest": "2.0.0", "one": "1.5.0" }));

    let again = || world.action(artifact("1.0.0"));
    world.publish(again()).await;
    assert_eq!(tags().await, json!({ "latest": "2.0.0", "one": "1.5.0" }));
    world.publish(again().configuration("Options", "tag=one")).await;
    assert_eq!(tags().await, json!({ "latest": "2.0.0", "one": "1.0.0" }));
    let set = format!("/artifactory/api/npm/{REPOSITORY}/-/package/mine/dist-tags/one");
    assert_eq!(world.registry.traffic.count(prefix::SERVICE, &Method::PUT, &set), 1);
}
