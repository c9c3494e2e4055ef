//! Proxies: what goes through one and what does not, its password, and one that does not let us through.

use super::{aws_behind_tls, moved_to, nobody, published, refused};
use crate::scene::stack;
use crate::stack::Stack;
use crate::stack::proxy::{Policy, Proxy};
use crate::stack::tls::{Authority, Clients, Front, Offered, Validity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A name that only the proxy knows.
const HOST: &str = "artifactory.corp:8443";
const PASSWORD: &str = "pro/xy p@ss";
const ENCODED: &str = "pro%2Fxy%20p%40ss";

/// Artifactory is at `https://artifactory.corp:8443`, which is a name to the proxy alone.
async fn behind_a_proxy(stack: &Stack, root: &Authority, policy: Policy) -> (Front, Proxy) {
    let certified = root.certify(&["artifactory.corp"], Validity::Now);
    let front = Front::start(stack.artifactory.door(), &certified, Clients::Anybody, Offered::OneAndTwo).await;
    let proxy = Proxy::start(policy, &[(HOST, front.address())]).await;
    moved_to(stack, &format!("https://{HOST}"));
    stack.set("CA_CERTIFICATES", &root.pem());
    stack.set("HTTPS_PROXY", &format!("http://{}", proxy.address()));
    (front, proxy)
}

/// None of the forms that the proxy's password has may be seen anywhere.
fn keep_secret(stack: &Stack) {
    for text in [PASSWORD, ENCODED, &STANDARD.encode(format!("build:{PASSWORD}"))] {
        stack.keep_secret(text);
    }
    stack.set("AWS_LAMBDA_LOG_LEVEL", "TRACE");
}

#[tokio::test]
async fn artifactory_is_reached_through_the_proxy_by_a_name_that_only_it_knows() {
    let stack = stack().await;
    let (front, proxy) = behind_a_proxy(&stack, &Authority::new("Corp root"), Policy::Open).await;
    published(&stack).await;
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|line| line == &format!("CONNECT {HOST} 200")), "{asked:?}");
    assert!(front.handshakes().iter().all(|seen| seen.protocol == "h2"), "{:?}", front.handshakes());
}

#[tokio::test]
async fn with_a_password_everything_goes_through_aws_included_and_nobody_sees_the_password() {
    let stack = stack().await;
    let root = Authority::new("Corp root");
    let of_aws = Authority::new("Amazon");
    let queue = aws_behind_tls(&of_aws, stack.pipeline.door()).await;
    let secrets = aws_behind_tls(&of_aws, stack.secrets.door()).await;
    let s3 = aws_behind_tls(&of_aws, stack.s3.door()).await;
    let certified = root.certify(&["artifactory.corp"], Validity::Now);
    let front = Front::start(stack.artifactory.door(), &certified, Clients::Anybody, Offered::OneAndTwo).await;
    let hosts = [
        (HOST, front.address()),
        ("aws.example:1", queue.address()),
        ("aws.example:2", secrets.address()),
        ("aws.example:3", s3.address()),
    ];
    let proxy = Proxy::start(Policy::Password(format!("build:{PASSWORD}")), &hosts).await;
    keep_secret(&stack);
    moved_to(&stack, &format!("https://{HOST}"));
    let system = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(system.path(), of_aws.pem()).unwrap();
    stack.set("SSL_CERT_FILE", system.path().to_str().unwrap());
    stack.set("CA_CERTIFICATES", &root.pem());
    stack.set("HTTPS_PROXY", &format!("http://build:{ENCODED}@{}", proxy.address()));
    for (variable, port) in [("CODEPIPELINE", 1), ("SECRETS_MANAGER", 2), ("S3", 3)] {
        stack.set(&format!("AWS_ENDPOINT_URL_{variable}"), &format!("https://aws.example:{port}"));
    }
    published(&stack).await;
    let asked = proxy.asked();
    for (host, _) in hosts {
        assert!(asked.contains(&format!("CONNECT {host} 200")), "{host}: {asked:?}");
    }
}

#[tokio::test]
async fn what_no_proxy_names_is_reached_without_it() {
    let stack = stack().await;
    let root = Authority::new("Corp root");
    let certified = root.certify(&["localhost"], Validity::Now);
    let front = Front::start(stack.artifactory.door(), &certified, Clients::Anybody, Offered::OneAndTwo).await;
    let proxy = Proxy::start(Policy::Refuse(403), &[]).await;
    moved_to(&stack, &front.url("localhost"));
    stack.set("CA_CERTIFICATES", &root.pem());
    stack.set("HTTPS_PROXY", &format!("http://{}", proxy.address()));
    stack.set("NO_PROXY", "other.corp, localhost");
    published(&stack).await;
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}

#[tokio::test]
async fn a_proxy_that_wants_another_password() {
    let stack = stack().await;
    keep_secret(&stack);
    let policy = Policy::Password("build:another".to_owned());
    let (_front, proxy) = behind_a_proxy(&stack, &Authority::new("Corp root"), policy).await;
    stack.set("HTTPS_PROXY", &format!("http://build:{ENCODED}@{}", proxy.address()));
    insta::assert_snapshot!(refused(&stack).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token got no answer: the proxy makes no connection to artifactory.corp:8443: it was not given the user and password that it wants (407).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Put the proxy's user and password, percent-encoded, into the stack's HttpsProxy (HTTPS_PROXY): http://user:password@host:port.
    Log: request id RUN.
    ");
    assert_eq!(proxy.asked(), [format!("CONNECT {HOST} 407")], "once is enough");
}

#[tokio::test]
async fn a_proxy_that_does_not_allow_this_host() {
    let stack = stack().await;
    let (_front, proxy) = behind_a_proxy(&stack, &Authority::new("Corp root"), Policy::Refuse(403)).await;
    let refusal = refused(&stack).await;
    let attempts = proxy.asked().len();
    assert!(attempts > 1, "it may have passed: {:?}", proxy.asked());
    insta::assert_snapshot!(refusal.replace(&format!("({attempts} attempts)"), "(N attempts)"), @r"
    SystemUnavailable
    Asking for a short-lived token: POST api/security/token got no answer (N attempts): the proxy makes no connection to artifactory.corp:8443: it refuses, or does not reach it.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: See the proxy's log: it must allow CONNECT to this host and port, and reach it; or name the host in the stack's NoProxy (NO_PROXY). Then retry the stage.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let stack = stack().await;
    keep_secret(&stack);
    behind_a_proxy(&stack, &Authority::new("Corp root"), Policy::Open).await;
    let (_socket, nobody) = nobody();
    stack.set("HTTPS_PROXY", &format!("http://build:{ENCODED}@{nobody}"));
    let refusal = refused(&stack).await;
    let (before, rest) = refusal.split_once(" (").unwrap();
    let (attempts, rest) = rest.split_once(" attempts)").unwrap();
    assert!(attempts.parse::<u32>().unwrap() > 1, "it may have passed: {refusal}");
    insta::assert_snapshot!(format!("{before}{rest}"), @r"
    SystemUnavailable
    Asking for a short-lived token: POST api/security/token got no answer: the proxy makes no connection to artifactory.corp:8443: it cannot be reached, or breaks off: Connection refused (os error 111).
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check the stack's HttpsProxy (HTTPS_PROXY), and that the function can reach it; or name the host in the stack's NoProxy (NO_PROXY). Then retry the stage.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_plain_artifactory_is_reached_through_the_proxy_for_plain_http() {
    let stack = stack().await;
    let address = stack.artifactory.platform_url().trim_start_matches("http://").parse().unwrap();
    let proxy =
        Proxy::start(Policy::Password(format!("build:{PASSWORD}")), &[("artifactory.corp:8081", address)]).await;
    keep_secret(&stack);
    moved_to(&stack, "http://artifactory.corp:8081");
    stack.set("HTTP_PROXY", &format!("http://build:{ENCODED}@{}", proxy.address()));
    stack.set("NO_PROXY", "127.0.0.1");
    published(&stack).await;
    let asked = proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|line| line.ends_with(" artifactory.corp:8081 200")), "{asked:?}");
}

#[tokio::test]
async fn a_proxy_for_plain_http_that_shows_the_password_that_it_does_not_take() {
    let stack = stack().await;
    let proxy = Proxy::start(Policy::Password("build:another".to_owned()), &[]).await;
    keep_secret(&stack);
    moved_to(&stack, "http://artifactory.corp:8081");
    stack.set("HTTP_PROXY", &format!("http://build:{ENCODED}@{}", proxy.address()));
    stack.set("NO_PROXY", "127.0.0.1");
    insta::assert_snapshot!(refused(&stack).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token was answered with 407; the server said: not from here proxy-authorization: Basic [secret].
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Put the proxy's user and password, percent-encoded, into HTTP_PROXY: http://user:password@host:port.
    Log: request id RUN.
    ");
}

/// squid says of its own answers that they are: what it denies is no refusal of Artifactory's, and no other right of the
/// user's would help.
#[tokio::test]
async fn a_proxy_for_plain_http_that_does_not_allow_this_host() {
    let stack = stack().await;
    let proxy = Proxy::start(Policy::Refuse(403), &[]).await;
    moved_to(&stack, "http://artifactory.corp:8081");
    stack.set("HTTP_PROXY", &format!("http://{}", proxy.address()));
    stack.set("NO_PROXY", "127.0.0.1");
    insta::assert_snapshot!(refused(&stack).await, @r"
    SystemUnavailable
    Asking for a short-lived token: POST api/security/token was answered with 403; the server said: not from here: the proxy makes no connection to artifactory.corp:8081: it answers itself.
    Target: npm-local at http://artifactory, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: See the proxy's log: it must allow this host and port, and reach it; or name the host in the stack's NoProxy (NO_PROXY). Then retry the stage.
    Log: request id RUN.
    ");
    assert_eq!(proxy.asked().len(), 1, "{:?}", proxy.asked());
}
