//! Whom the function trusts, and whom an nginx lets in.

use std::path::Path;

use crate::nginx::{Logged, Site};
use crate::scene::{Package, Scene, says};
use crate::stack::tls::{Authority, Certified, Offered, Validity};

const SMALL: Package = Package::Npm(1_000);

/// What a failure says at its end.
const IDENTIFY: &str = "What to do: Put a private key and its certificate";

/// A private authority, whose servers send the certificates in between, or do not.
pub(crate) async fn of_a_private_authority(binary: &Path) {
    for (offered, protocol, tls) in [(Offered::OneAndTwo, "HTTP/2.0", "TLSv1.3"), (Offered::One, "HTTP/1.1", "TLSv1.2")]
    {
        let scene = Scene::start(binary, offered, |site| site.server(&format!("ssl_protocols {tls};"))).await;
        scene.published(&SMALL).await;
        let count = scene.requests(protocol);
        assert!(scene.nginx.log().iter().all(|logged| logged.tls == tls), "{:#?}", scene.nginx.log());
        println!("nginx: published by {protocol} and {tls}, below a private root: {count} requests");
    }
    println!("nginx: the certificates in between are not sent");
    let scene = Scene::start(binary, Offered::OneAndTwo, Site::without_those_between).await;
    let refusal = scene.refused(&SMALL).await;
    says(
        &refusal,
        &["ConfigurationError", "was issued by nobody whom this function trusts", "must send the certificates"],
    );
    assert!(scene.nginx.log().is_empty(), "no request was sent: {:#?}", scene.nginx.log());
}

/// Mutual TLS: our certificate, none, and one of somebody else's.
pub(crate) async fn of_clients(binary: &Path) {
    for (offered, tls) in [(Offered::OneAndTwo, "TLSv1.3"), (Offered::One, "TLSv1.2")] {
        let people = Authority::new("Corp machines");
        let start = async || {
            let site = |site: Site| site.of_clients(&people).http(&format!("ssl_protocols {tls};"));
            Scene::start(binary, offered, site).await
        };
        let scene = start().await;
        give(&scene, &people.below("Corp builds").certify(&["publisher.corp"], Validity::Now));
        scene.published(&SMALL).await;
        let log = scene.nginx.log();
        let known = |logged: &Logged| logged.client == "SUCCESS" && logged.issuer == "CN=Corp builds";
        assert!(!log.is_empty() && log.iter().all(known), "{log:#?}");
        println!("nginx: published by {tls} with a client certificate: {} requests", log.len());

        println!("nginx: a client certificate is wanted ({tls}), and there is none");
        let scene = start().await;
        let refusal = scene.refused(&SMALL).await;
        says(&refusal, &["ConfigurationError", "400 No required SSL certificate was sent", "was shown none", IDENTIFY]);
        assert_eq!(scene.nginx.log().len(), 1, "it is not tried again");

        println!("nginx: the client certificate is of another authority ({tls})");
        let scene = start().await;
        give(&scene, &Authority::new("Other machines").certify(&["publisher.corp"], Validity::Now));
        let refusal = scene.refused(&SMALL).await;
        says(&refusal, &["ConfigurationError", "400 The SSL certificate error", "was shown ours", IDENTIFY]);
    }
}

/// The secret that `CA_CERTIFICATES` names, with a key in it.
fn give(scene: &Scene, own: &Certified) {
    let key = own.key_pem();
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        scene.stack.keep_secret(line);
    }
    let bundle = format!("{}{key}{}", scene.root.pem(), own.pem);
    let arn = scene.stack.secrets.put("corp/tls", &bundle);
    scene.stack.set("CA_CERTIFICATES", &arn);
}
