//! The same packages published by the real npm, to a server that keeps what it is sent, and planned by us: equal
//! documents but for what is meant to differ.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

use codepipeline_artifactory::registry::url::Base;
use serde_json::{Value, json};

use crate::make::{Zip, tgz};
use crate::npm_compare::{Differences, body_of, npm, plans, target};
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
    let mut differences = Differences::default();
    let mut compared = 0;
    // What one npm publishes is compared with what we would send.
    let mut compare = |arguments: &[&str], ours: Vec<(String, Value)>| {
        let before = traffic.seen().len();
        npm(
            home.path(),
            &[&["publish", "--ignore-scripts"], arguments].concat().into_iter().map(str::to_owned).collect::<Vec<_>>(),
        );
        let seen = traffic.seen();
        let puts: Vec<_> = seen.iter().skip(before).filter(|seen| seen.request.method == "PUT").collect();
        assert_eq!(puts.len(), ours.len());
        for (path, mut ours) in ours {
            let put = puts.iter().find(|put| put.request.path == path).unwrap_or_else(|| panic!("npm sent no {path}"));
            assert_eq!(put.request.header("content-type"), "application/json");
            let mut theirs = put.request.json();
            let keys = |document: &Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&theirs), keys(&ours));
            let manifests = [&mut theirs, &mut ours]
                .map(|document| document.as_object_mut().unwrap().shift_remove("versions").unwrap());
            let [npms, ours_own] = manifests.map(|versions| versions.as_object().unwrap().clone());
            assert!(npms.keys().eq(ours_own.keys()), "{path}");
            differences.of_manifests(&theirs, &ours);
            for (npms, ours) in npms.values().zip(ours_own.values()) {
                let before = differences.others.len();
                differences.of_manifests(npms, ours);
                if differences.others.len() > before {
                    differences.others.push(format!("… of {path}"));
                }
            }
            compared += 1;
        }
    };
    let mut members = Vec::new();
    for (number, (members_of_it, files)) in FOLDERS.iter().enumerate() {
        let manifest = format!(r#"{{"name":" @acme/case{number}","version":"v1.0.0+b"{members_of_it}}}"#);
        let zip = build(&home.path().join("packages").join(number.to_string()), &manifest, files);
        members.push(ours(zip, &server.url(), None));
    }
    std::fs::write(home.path().join("package.json"), r#"{"workspaces":["packages/*"]}"#).unwrap();
    compare(&["--workspaces"], members);
    for (number, files) in archives().iter().enumerate() {
        let bytes = tgz(files);
        let name = format!("{number}.tgz");
        std::fs::write(home.path().join(&name), &bytes).unwrap();
        let zip = Zip::new().stored().folder("empty").file(&name, &bytes).bytes();
        compare(&[&format!("./{name}")], vec![ours(zip, &server.url(), None)]);
    }
    let tagged = build(&home.path().join("tagged"), r#"{"name":"tagged","version":"1.0.0","tag":"own"}"#, &[]);
    compare(&["--tag", "option", "./tagged"], vec![ours(tagged, &server.url(), Some("option"))]);
    assert_eq!(compared, FOLDERS.len() + 3);
    assert!(differences.others.is_empty(), "{}", differences.others.join("\n"));
    assert_eq!(
        differences.meant.iter().copied().collect::<Vec<_>>(),
        [
            "bytes of the archive",
            "digests of the archive",
            "places on the publisher's machine",
            "the option before the tag of the manifest",
            "versions of node and npm",
        ]
    );
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

/// The path and the body of our request.
fn ours(zip: Vec<u8>, url: &str, tag: Option<&str>) -> (String, Value) {
    let mut target = target(Base::parse(url, true).unwrap());
    target.options.extend(tag.map(|tag| ("tag".to_owned(), tag.to_owned())));
    let plans = plans(zip, &target).unwrap();
    assert_eq!(plans.len(), 1);
    (format!("/artifactory/{}", plans[0].steps[0].path), body_of(&plans[0]))
}
