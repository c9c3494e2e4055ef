//! The same folders published by the real npm to one registry and by the function to another: what the two registries
//! then hold is the same, member by member.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};

use super::{Registry, World, good};
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

/// Where our mode is not npm's on purpose: npm makes a command executable only at the package's root.
const EXECUTABLE: &[(&str, &str)] = &[("commands", "package/bin/two.js")];

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
    for (name, ..) in FOLDERS {
        let theirs = comparable(&npms.document(name).await, &npms);
        let ours = comparable(&world.registry.document(name).await, &world.registry);
        assert!(ours == theirs, "{name}\n  npm  {theirs}\n  ours {ours}");
        let mut theirs = entries(&npms.archive(name, "1.0.0").await);
        for command in EXECUTABLE.iter().filter(|(of, _)| of == name).map(|(_, path)| *path) {
            theirs.get_mut(command).unwrap().0 |= 0o111;
        }
        assert_eq!(entries(&world.registry.archive(name, "1.0.0").await), theirs, "{name}");
    }
}

/// Without what must differ: npm's own version, the archive's bytes, the time, and the registry's port.
fn comparable(document: &Value, registry: &Registry) -> Value {
    let text = document.to_string().replace(&registry.prefix.npm_registry(REPOSITORY), "http://registry.example/");
    let mut document: Value = serde_json::from_str(&text).unwrap();
    for moment in document["time"].as_object_mut().unwrap().values_mut() {
        assert!(moment.take().is_string());
    }
    // How often it was changed, and a random part.
    let changes = document["_rev"].as_str().unwrap().split('-').next().unwrap().to_owned();
    document["_rev"] = json!(changes);
    for manifest in document["versions"].as_object_mut().unwrap().values_mut() {
        let manifest = manifest.as_object_mut().unwrap();
        manifest.retain(|member, _| !matches!(member.as_str(), "_nodeVersion" | "_npmVersion"));
        for digest in ["integrity", "shasum"] {
            assert!(manifest["dist"][digest].take().is_string());
        }
    }
    document
}

/// Mode and content of everything in an archive.
pub(super) fn entries(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mode = entry.header().mode().unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, (mode, content))
    });
    entries.collect()
}
