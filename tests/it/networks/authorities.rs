//! Certificates of a company's own authority: where its root is given, and what is wrong with a server's.

use super::{behind_tls, moved_to, published, refused};
use crate::scene::stack;
use crate::stack::Stack;
use crate::stack::lambda::InvocationError;
use crate::stack::tls::{Authority, Certified, Clients, Front, Offered, Validity};

#[tokio::test]
async fn a_root_in_the_environment_makes_the_servers_below_it_trusted() {
    let stack = stack().await;
    let root = Authority::new("Corp root");
    let front = behind_tls(&stack, &root.below("Corp servers"), Clients::Anybody, Offered::OneAndTwo).await;
    stack.set("CA_CERTIFICATES", &root.pem());
    stack.set("ALLOW_HTTP", "false");
    published(&stack).await;
    let handshakes = front.handshakes();
    assert!(handshakes.iter().all(|seen| seen.protocol == "h2" && seen.name == "localhost"), "{handshakes:?}");
    assert!(!handshakes.is_empty() && handshakes.iter().all(|seen| seen.certificates == 0), "{handshakes:?}");
}

#[tokio::test]
async fn roots_in_a_secret_serve_a_server_without_http_2_on_a_port_and_path_of_its_own() {
    let stack = stack().await;
    let (other, root) = (Authority::new("Another root"), Authority::new("Corp root"));
    stack.artifactory.switch(|switches| switches.context = "/tools".to_owned());
    let front = behind_tls(&stack, &root.below("Corp servers"), Clients::Anybody, Offered::One).await;
    assert!(stack.artifactory.url().ends_with("/tools/artifactory"));
    let roots = format!("# all of ours\n{}\n{}", other.pem(), root.pem());
    stack.set("CA_CERTIFICATES", &stack.secrets.put("corp/roots", &roots));
    published(&stack).await;
    let handshakes = front.handshakes();
    assert!(!handshakes.is_empty() && handshakes.iter().all(|seen| seen.protocol == "http/1.1"), "{handshakes:?}");
    let paths: Vec<_> = stack.traffic.seen().into_iter().filter(|seen| seen.service == "artifactory").collect();
    assert!(paths.iter().all(|seen| seen.request.path.starts_with("/tools/")), "{paths:?}");
}

/// A server with this certificate, where this root is trusted: the job fails, and one look is enough.
async fn certified_by(certified: &Certified, trusted: &Authority) -> String {
    let stack = stack().await;
    let front = Front::start(stack.artifactory.door(), certified, Clients::Anybody, Offered::OneAndTwo).await;
    moved_to(&stack, &front.url("localhost"));
    stack.set("CA_CERTIFICATES", &trusted.pem());
    let refusal = refused(&stack).await;
    assert!(front.handshakes().is_empty(), "it was trusted: {:?}", front.handshakes());
    refusal
}

#[tokio::test]
async fn a_certificate_of_another_authority() {
    let certified = Authority::new("Corp root").certify(&["localhost"], Validity::Now);
    insta::assert_snapshot!(certified_by(&certified, &Authority::new("Another root")).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token got no answer: the certificate of localhost:PORT was issued by nobody whom this function trusts.
    Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Put the root certificate of its issuer into the stack's CaCertificates (CA_CERTIFICATES); a server must send the certificates between its own and that root itself.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_server_that_does_not_send_the_certificates_in_between() {
    let root = Authority::new("Corp root");
    let certified = root.below("Corp servers").certify(&["localhost"], Validity::Now).alone();
    insta::assert_snapshot!(certified_by(&certified, &root).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token got no answer: the certificate of localhost:PORT was issued by nobody whom this function trusts.
    Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Put the root certificate of its issuer into the stack's CaCertificates (CA_CERTIFICATES); a server must send the certificates between its own and that root itself.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let root = Authority::new("Corp root");
    let certified = root.certify(&["localhost"], Validity::Past);
    insta::assert_snapshot!(certified_by(&certified, &root).await, @r"
    SystemUnavailable
    Asking for a short-lived token: POST api/security/token got no answer: the certificate of localhost:PORT has expired.
    Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Renew the server's certificate, then retry the stage.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let root = Authority::new("Corp root");
    let certified = root.certify(&["artifactory.corp", "repo.corp"], Validity::Now);
    insta::assert_snapshot!(certified_by(&certified, &root).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token got no answer: the certificate of localhost:PORT is not for this name, but for artifactory.corp, repo.corp.
    Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Write into ArtifactoryHost a name that the server's certificate is for, or give the server one for this name.
    Log: request id RUN.
    ");
}

#[tokio::test]
async fn a_port_on_which_nobody_speaks_tls() {
    let stack = stack().await;
    let plain = stack.artifactory.platform_url();
    moved_to(&stack, &plain.replace("http://127.0.0.1", "https://localhost"));
    insta::assert_snapshot!(refused(&stack).await, @r"
    ConfigurationError
    Asking for a short-lived token: POST api/security/token got no answer: no TLS connection could be made to localhost:PORT: what answers there does not speak TLS.
    Target: npm-local at https://localhost:PORT, with the secret codepipeline-artifactory/default.
    Nothing was published; not published: left@1.0.0.
    What to do: Check scheme and port of ArtifactoryHost; the server must speak TLS 1.2 or 1.3.
    Log: request id RUN.
    ");
}

/// The function cannot start; what it writes.
async fn does_not_start(stack: &Stack, value: &str) -> String {
    stack.set("CA_CERTIFICATES", value);
    let answer = stack.invoke(crate::scene::event("schedule.json")).await;
    assert!(matches!(answer, Err(InvocationError::Exited { .. } | InvocationError::Init { .. })), "{answer:?}");
    stack.logs().await
}

#[tokio::test]
async fn certificates_that_cannot_be_had_stop_the_function_at_its_start_and_say_so() {
    let of = stack().await;
    let arn = of.secrets.put("corp/roots", "-----BEGIN CERTIFICATE-----\nMII");
    let logs = does_not_start(&of, &arn).await;
    assert!(logs.contains("CA_CERTIFICATES holds no PEM that can be read: a section has no END line"), "{logs}");

    let of = stack().await;
    let arn = of.secrets.put("corp/roots", &Authority::new("Corp root").pem());
    of.secrets.untag("corp/roots");
    of.forgive_refusals();
    let logs = does_not_start(&of, &arn).await;
    assert!(logs.contains("the secret that CA_CERTIFICATES names") && logs.contains("AccessDenied"), "{logs}");
}
