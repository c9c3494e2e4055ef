//! The same packages published by the real npm, to a server that keeps what it is sent, and planned by us: equal
//! documents but for the archive's bytes and for what npm leaks about the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use codepipeline_artifactory::archive::Archive;
use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::kind;
use codepipeline_artifactory::registry::url::Base;
use codepipeline_artifactory::step::Segment;
use serde_json::{Value, json};

use crate::make::{Zip, tgz};
use crate::npm_compare::{npm, target};
use crate::npm_pack::build;
use crate::stack::http::{Server, Traffic};

/// The members of a manifest besides name and version, and its files (as in the other module).
type Case = (&'static str, &'static [&'static str]);

#[rustfmt::skip]
const FOLDERS: &[Case] = &[
    ("", &[]),
    (r#","_private":1,"_id":"x","gitHead":"abc","modules":1,"dist":{"own":1},"numbers":[1.0,2.50,1e3],"engines":{"node":">=1"}"#, &["README.md=# left\n\n## sub\nPads\nto the left.\r\n\nMore", "README.txt=no"]),
    (r#","bin":"./cli.js","man":"./man/a.1","repository":"acme/left","author":"Ann <a@b.example> (https://b.example)","keywords":"a, b,c,  d""#, &["cli.js", "man/a.1"]),
    (r#","bin":{"a":"./bin/a.js","../b":"/b.js","c":"","d":1},"repository":{"type":"git","url":"git@github.com:acme/left.git#dev"},"bugs":"bugs@acme.example","homepage":"acme.example""#, &["server.js", "AUTHORS=# people\nAnn <a@b>\n\n Bob (http://b)\r\n"]),
    (r#","bin":["./bin/a.js","b.js"],"repository":{"url":"https://gitlab.com/g/s/p"},"bugs":{"web":"https://x.example","email":"no"},"contributors":["Ann",{"name":"Bob","mail":"b@c.d","web":"http://b"}],"maintainers":"x""#, &["binding.gyp", "README.txt=no"]),
    (r#","bin":"","description":7,"keywords":{},"homepage":[],"bugs":{},"files":["a",""],"contributors":[],"license":{"type":"MIT"},"scripts":{"a":1,"test":"./node_modules/.bin/mocha x","install":"make","b":"node_modules/.bin/c"}"#, &["binding.gyp", "README=plain readme"]),
    (r#","directories":{"bin":"./cmd","man":"doc/man"},"main":"./lib/index.js","publishConfig":{"tag":"next","access":"public"}"#, &["cmd/a.js", "cmd/sub/b.js", "doc/man/a.1", "doc/man/b.txt", "lib/index.js", "lib/index.d.ts"]),
    (r#","dependencies":["left@^1","right >=2","both"],"devDependencies":"a, b@1 c","optionalDependencies":{"o":"acme/o"},"peerDependencies":{"p":"acme/p"},"tag":"own""#, &["index.d.ts"]),
    (r#","dependencies":{"a":"acme/a#semver:^1","b":"github:acme/b","c":"git+https://github.com/acme/c.git","d":"^1.0.0","e":"npm:f@1","g":"https://x.example/g.tgz","h":"git@gitlab.com:acme/h.git","i":"file:../i"},"bundledDependencies":["z"],"types":"./x.d.ts""#, &["index.js", "index.d.ts"]),
    (r#","bundleDependencies":false,"main":"lib","typings":"x","readme":"own","description":"own","repositories":[{"url":"acme/right"}],"license":"MIT","workspaces":[],"author":{"name":"Ann","url":"http://a","extra":1}"#, &["README.md=other", "lib.d.ts"]),
    (r#","bundleDependencies":true,"dependencies":{"a":"1"},"description":"","repository":"gist:abc","homepage":"https://own.example/","gypfile":false,"engines":["node"]"#, &["x.gyp", "README.md=# only a heading"]),
    (r#","repository":"https://example.com/acme/left","scripts":{"start":"own","preinstall":"x"},"bugs":"no address","exports":{".":"./a.js"},"sideEffects":false,"main":"index.mjs""#, &["server.js", "x.gyp", "index.d.ts", "a.js", "README.rst=no"]),
    (r#","repository":"bitbucket:acme/left","funding":"https://f.example","man":["./a.1",1],"os":["linux"],"deprecated":"old","private":false,"scripts":"no","author":"(x)","contributors":[1,"<a@b>"]"#, &["a.1"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_npms() {
    let traffic = Traffic::default();
    let server = Server::start("npm", traffic.clone(), |request| async move {
        match request.method.as_str() {
            "PUT" => crate::stack::http::json(201, &json!({})),
            _ => crate::stack::http::json(404, &json!({})),
        }
    })
    .await;
    let registry = format!("{}/artifactory/api/npm/npm-local/", server.url());
    let home = tempfile::tempdir().unwrap();
    let bare = registry.strip_prefix("http:").unwrap();
    std::fs::write(home.path().join(".npmrc"), format!("registry={registry}\n{bare}:_authToken=token\n")).unwrap();
    let mut expected = Vec::new();
    for (number, (members, files)) in FOLDERS.iter().enumerate() {
        let manifest = format!(r#"{{"name":" @acme/case{number}","version":"v1.0.0+b"{members}}}"#);
        let zip = build(&home.path().join(number.to_string()), &manifest, files);
        expected.push((format!("./{number}"), manifest, ours(zip, &server.url())));
    }
    for (number, files) in archives().iter().enumerate() {
        let bytes = tgz(files);
        let name = format!("{number}.tgz");
        std::fs::write(home.path().join(&name), &bytes).unwrap();
        let zip = Zip::new().stored().folder("empty").file(&name, &bytes).bytes();
        expected.push((format!("./{name}"), format!("{files:?}"), ours(zip, &server.url())));
    }
    let mut differences = Vec::new();
    for (argument, story, (path, mut ours)) in expected {
        let before = traffic.seen().len();
        publish(home.path(), &argument);
        let seen = traffic.seen();
        let put = seen.iter().skip(before).find(|seen| seen.request.method == "PUT").unwrap();
        assert_eq!(put.request.path, path);
        assert_eq!(put.request.header("content-type"), "application/json");
        let mut theirs = put.request.json();
        let keys = |document: &Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&theirs), keys(&ours));
        comparable(&mut theirs);
        comparable(&mut ours);
        if theirs != ours {
            differences.push(format!("{story}\n  npm  {theirs}\n  ours {ours}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn archives() -> Vec<Vec<(&'static str, &'static str)>> {
    vec![
        vec![
            (
                "package/package.json",
                r#"{"name":"ready","version":"1.0.0","bundleDependencies":false,"bin":"a.js","repository":"acme/x"}"#,
            ),
            ("package/README.md", "# x\n\ntext"),
            ("package/index.d.ts", ""),
        ],
        vec![
            ("a/package.json", r#"{"name":"old","version":"0.0.1"}"#),
            ("b/package.json", r#"{"name":"@acme/ready","version":"=2.0.0","directories":{"bin":"x"}}"#),
            ("b/x/y.js", ""),
            ("b/server.js", ""),
            ("b/AUTHORS", "Ann"),
        ],
    ]
}

fn publish(home: &Path, argument: &str) {
    npm(home, &["publish", "--ignore-scripts", argument].map(str::to_owned));
}

/// The path and the body of our request.
fn ours(zip: Vec<u8>, url: &str) -> (String, Value) {
    let archive = Archive::open(Arc::new(Memory(Bytes::from(zip))), "Build", "package.tgz").unwrap();
    let base = Base::parse(url, true).unwrap();
    let plans = kind::by_name("npm").unwrap().plan(&archive, &target(base)).unwrap();
    assert_eq!(plans.len(), 1);
    let step = &plans[0].steps[0];
    let mut body = Vec::new();
    for segment in &step.body.0 {
        match segment {
            Segment::Bytes(bytes) => body.extend(bytes),
            Segment::Raw(content) | Segment::Base64(content) => {
                let mut bytes = Vec::new();
                content.open().unwrap().read_to_end(&mut bytes).unwrap();
                body.extend(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
            }
        }
    }
    (format!("/artifactory/{}", step.path), serde_json::from_slice(&body).unwrap())
}

/// Takes out what must differ: the archive's bytes, npm's own version, and paths of the machine that npm leaks.
fn comparable(document: &mut Value) {
    for attachment in document["_attachments"].as_object_mut().unwrap().values_mut() {
        let attachment = attachment.as_object_mut().unwrap();
        assert!(attachment.contains_key("data") && attachment.contains_key("length"));
        attachment.retain(|key, _| !matches!(key.as_str(), "data" | "length"));
    }
    for manifest in document["versions"].as_object_mut().unwrap().values_mut() {
        let manifest = manifest.as_object_mut().unwrap();
        manifest.retain(|key, _| {
            !matches!(key.as_str(), "_nodeVersion" | "_npmVersion" | "_resolved" | "_from" | "_integrity")
        });
        let dist = manifest["dist"].as_object_mut().unwrap();
        assert!(dist.contains_key("integrity") && dist.contains_key("shasum"));
        dist.retain(|key, _| !matches!(key.as_str(), "integrity" | "shasum"));
    }
}
