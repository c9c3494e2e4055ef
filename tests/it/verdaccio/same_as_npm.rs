//! The same folders published by the real npm to one registry and by the function to another: what the two registries
//! then hold is the same, member by member.

use serde_json::{Value, json};

use super::{Registry, World, good};
use crate::npm_compare::{Differences, tree};
use crate::npm_pack::build;
use crate::stack::REPOSITORY;

/// Name, the members of a manifest besides name and version, files (as in `npm_pack`).
type Case = (&'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const FOLDERS: &[Case] = &[
    ("plain", r#","description":"no more than a name""#, &["index.js"]),
    ("@acme/scoped", r#","publishConfig":{"access":"public","tag":"next"},"keywords":["a","b"],"license":"MIT","author":"Ann <ann@acme.example>""#, &["README.md=# Scoped\n\nIt has a scope.\n", "index.js", "index.d.ts"]),
    ("commands", r#","bin":{"one":"./one.js","two":"bin/two.js"},"scripts":{"test":"node --test"},"engines":{"node":">=20"},"contributors":["Bob (https://bob.example)"]"#, &["one.js", "bin/two.js", "tool.sh+x", ".npmignore=ignored", "ignored"]),
    ("@acme/linked", r#","repository":"github:acme/linked","dependencies":{"plain":"^1.0.0"},"peerDependencies":{"x":"*"},"os":["linux"],"cpu":["x64"],"funding":"https://acme.example","deprecated":"use plain","_secret":1"#, &["README=one line", "lib/a.js", "lib/b.mjs"]),
];

#[tokio::test]
async fn a_registry_holds_what_npm_would_have_put_there() {
    let npms = Registry::start().await;
    let world = World::start().await;
    let npm = npms.npm();
    let folders: Vec<String> = (0..FOLDERS.len()).map(|number| format!("packages/{number}")).collect();
    // One npm for all of them.
    npm.package(".", &json!({ "workspaces": folders }), &[]);
    for (folder, (name, members, files)) in folders.iter().zip(FOLDERS) {
        let manifest = format!(r#"{{"name":"{name}","version":"v1.0.0"{members}}}"#);
        world.publish(world.action(build(&npm.folder(folder), &manifest, files))).await;
    }
    good(&npm.run(".", &["publish", "--ignore-scripts", "--workspaces"]).await);
    let mut differences = Differences::default();
    for (name, ..) in FOLDERS {
        let mut theirs = comparable(&npms.document(name).await, &npms);
        let mut ours = comparable(&world.registry.document(name).await, &world.registry);
        let [npms_manifest, our_manifest] =
            [&mut theirs, &mut ours].map(|document| document["versions"]["1.0.0"].take());
        differences.of_manifests(&npms_manifest, &our_manifest);
        assert!(ours == theirs, "{name}\n  npm  {theirs}\n  ours {ours}");
        let commands: Vec<String> = our_manifest["bin"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, path)| path.as_str().unwrap().to_owned())
            .collect();
        let (theirs, ours) = (npms.archive(name, "1.0.0").await, world.registry.archive(name, "1.0.0").await);
        differences.of_archives(&tree(&theirs[..]), &tree(&ours[..]), &commands);
    }
    assert!(differences.others.is_empty(), "{}", differences.others.join("\n"));
    let meant = ["commands are executable", "digests of the archive", "versions of node and npm"];
    assert_eq!(differences.meant.into_iter().collect::<Vec<_>>(), meant);
}

/// Without what differs between two registries: the time, and the port.
fn comparable(document: &Value, registry: &Registry) -> Value {
    let text = document.to_string().replace(&registry.prefix.npm_registry(REPOSITORY), "http://registry.example/");
    let mut document: Value = serde_json::from_str(&text).unwrap();
    for moment in document["time"].as_object_mut().unwrap().values_mut() {
        assert!(moment.take().is_string());
    }
    // How often it was changed, and a random part.
    let changes = document["_rev"].as_str().unwrap().split('-').next().unwrap().to_owned();
    document["_rev"] = json!(changes);
    document
}
