//! A squid between the function and Artifactory.

use std::path::Path;

use crate::scene::{Package, Scene, published, refused, says, stack, upstream};
use crate::squid::{Access, NAMES, Squid};
use crate::stack::Stack;
use crate::stack::http::Door;
use crate::stack::tls::{Authority, Clients, Front, Offered, Validity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SMALL: Package = Package::Npm(1_000);
const USER: &str = "build";
const PASSWORD: &str = "pro/xy p@ss";
const ENCODED: &str = "pro%2Fxy%20p%40ss";

/// An nginx at `https://artifactory.corp:PORT`, a name that squid alone knows.
async fn scene(binary: &Path) -> Scene {
    let [name, _] = NAMES;
    Scene::start_at(binary, name, "", Offered::OneAndTwo, |site| site).await
}

/// None of the forms that the proxy's password has may be seen anywhere.
fn keep_secret(stack: &Stack) {
    for text in [PASSWORD, ENCODED, &STANDARD.encode(format!("{USER}:{PASSWORD}"))] {
        stack.keep_secret(text);
    }
    stack.set("AWS_LAMBDA_LOG_LEVEL", "TRACE");
}

/// With user and password, everything goes through squid, AWS included.
pub(crate) async fn with_a_password(binary: &Path) {
    let [_, aws] = NAMES;
    let scene = scene(binary).await;
    let stack = &scene.stack;
    let squid = Squid::start(Access::With(USER, PASSWORD)).await;
    keep_secret(stack);
    let amazon = Authority::new("Amazon");
    let fronts = [
        ("CODEPIPELINE", before(&amazon, aws, stack.pipeline.door()).await),
        ("SECRETS_MANAGER", before(&amazon, aws, stack.secrets.door()).await),
        ("S3", before(&amazon, aws, stack.s3.door()).await),
    ];
    for (service, front) in &fronts {
        stack.set(&format!("AWS_ENDPOINT_URL_{service}"), &front.url(aws));
    }
    let system = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    std::fs::write(system.path(), amazon.pem()).expect("the file is ours");
    stack.set("SSL_CERT_FILE", system.path().to_str().expect("temporary files have names of ASCII"));
    stack.set("HTTPS_PROXY", &format!("http://{USER}:{ENCODED}@{}", squid.address()));
    scene.published(&Package::Many(10)).await;
    let count = scene.requests("HTTP/2.0");
    // squid writes a tunnel down when it ends.
    stack.worker().await.kill().await;
    for host in fronts.iter().map(|(_, front)| front.url(aws)).chain([scene.nginx.url("artifactory.corp")]) {
        let line = format!("CONNECT {} 200 TCP_TUNNEL", host.trim_start_matches("https://"));
        squid.logs(&line).await;
    }
    println!("squid: published through CONNECT with a password, AWS too: {count} requests to Artifactory");
}

async fn before(authority: &Authority, name: &str, door: Door) -> Front {
    Front::start(door, &authority.certify(&[name], Validity::Now), Clients::Anybody, Offered::One).await
}

/// No password, and a wrong one.
pub(crate) async fn without_the_password(binary: &Path) {
    for (user, how) in [(format!("{USER}:{ENCODED}@"), "a wrong password"), (String::new(), "no password")] {
        println!("squid: it wants a password and is given {how}");
        let scene = scene(binary).await;
        keep_secret(&scene.stack);
        let squid = Squid::start(Access::With(USER, "another")).await;
        scene.stack.set("HTTPS_PROXY", &format!("http://{user}{}", squid.address()));
        let refusal = scene.refused(&SMALL).await;
        says(&refusal, &["ConfigurationError", "it was not given the user and password that it wants (407)"]);
        assert!(refusal.contains("What to do: Put the proxy's user and password"), "{refusal}");
        squid.logs("CONNECT artifactory.corp").await;
        assert_eq!(squid.log().len(), 1, "once is enough: {:?}", squid.log());
        assert!(scene.nginx.log().is_empty());
    }
}

/// A rule that does not allow the host, and a host that squid does not reach.
pub(crate) async fn that_refuses(binary: &Path) {
    println!("squid: a rule denies the host");
    let denied = scene(binary).await;
    let squid = Squid::start(Access::Nobody).await;
    denied.stack.set("HTTPS_PROXY", &squid.url());
    let refusal = denied.refused(&SMALL).await;
    says(
        &refusal,
        &["SystemUnavailable", "the proxy makes no connection to artifactory.corp:PORT", "it must allow CONNECT"],
    );
    assert!(squid.log().iter().all(|line| line.ends_with(" 403 TCP_DENIED")), "{:?}", squid.log());
    assert!(denied.nginx.log().is_empty());

    println!("squid: it does not reach the host");
    let gone = scene(binary).await;
    let squid = Squid::start(Access::Everybody).await;
    gone.stack.set("HTTPS_PROXY", &squid.url());
    gone.stack.artifactory.known_as("https://artifactory.corp:1");
    gone.stack.set("ARTIFACTORY_URL", &gone.stack.artifactory.platform_url());
    let refusal = gone.refused(&SMALL).await;
    says(&refusal, &["SystemUnavailable", "the proxy makes no connection to artifactory.corp:1", "and reach it"]);
    assert!(squid.log().iter().all(|line| line.contains(" 503 ")), "{:?}", squid.log());
}

/// `NO_PROXY`.
pub(crate) async fn passed_by(binary: &Path) {
    let scene = Scene::start(binary, Offered::OneAndTwo, |site| site).await;
    let squid = Squid::start(Access::Nobody).await;
    scene.stack.set("HTTPS_PROXY", &squid.url());
    scene.stack.set("NO_PROXY", "other.corp, localhost");
    scene.published(&SMALL).await;
    assert!(squid.log().is_empty(), "{:?}", squid.log());
    println!("squid: passed by for the hosts of NO_PROXY");
}

/// An Artifactory at `http://`, through `HTTP_PROXY`.
pub(crate) async fn for_plain_http(binary: &Path) {
    let plain = async |access| {
        let (stack, squid) = (stack(binary).await, Squid::start(access).await);
        let port = upstream(&stack).port();
        stack.artifactory.known_as(&format!("http://artifactory.corp:{port}"));
        stack.set("ARTIFACTORY_URL", &stack.artifactory.platform_url());
        stack.set("HTTP_PROXY", &format!("http://{USER}:{ENCODED}@{}", squid.address()));
        stack.set("NO_PROXY", "127.0.0.1");
        keep_secret(&stack);
        (stack, squid)
    };
    let (stack, squid) = plain(Access::With(USER, PASSWORD)).await;
    published(&stack, &Package::Many(5)).await;
    assert!(!squid.log().is_empty() && squid.log().iter().all(|line| line.contains(" http://artifactory.corp:")));
    println!("squid: published by plain HTTP with a password: {} requests", squid.log().len());

    println!("squid: a rule denies a plain request");
    let (stack, _squid) = plain(Access::Nobody).await;
    says(&refused(&stack, &SMALL).await, &["SystemUnavailable", "403", "it answers itself", "it must allow this host"]);

    println!("squid: a plain request has a wrong password");
    let (stack, _squid) = plain(Access::With(USER, "another")).await;
    says(&refused(&stack, &SMALL).await, &["ConfigurationError", "407", "the proxy's user and password"]);
}
