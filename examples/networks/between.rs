//! What an nginx does to requests and answers: paths, sizes, time limits, buffers, connections.

use std::path::Path;
use std::time::Duration;

use hyper::Method;

use crate::nginx::{Nginx, Site};
use crate::scene::{FILES, Package, Scene, failed, noise, says};
use crate::stack::artifactory::SERVICE;
use crate::stack::http::Fault;
use crate::stack::tls::Offered;

const BOTH: [(Offered, &str); 2] = [(Offered::OneAndTwo, "HTTP/2.0"), (Offered::One, "HTTP/1.1")];
/// The way below a context path that leaves each byte of a path as it is.
const AS_IT_IS: &str = "location ~ ^/tools/ { rewrite ^ $request_uri; rewrite ^/tools(/.*) $1 break; return 400; \
                        proxy_pass http://UPSTREAM$uri; }";
/// The usual one, which decodes a path and encodes it anew.
const ANEW: &str = "location /tools/ { proxy_pass http://UPSTREAM/; }";

/// `https://localhost:PORT/tools/artifactory`.
pub(crate) async fn context_path(binary: &Path) {
    for (way, how) in [(AS_IT_IS, "as it is"), (ANEW, "decoded and encoded anew")] {
        for package in [Package::Many(3), odd_files()] {
            let scene = Scene::start_at(binary, "localhost", "/tools", Offered::OneAndTwo, |site| site.way(way)).await;
            assert!(scene.stack.artifactory.url().ends_with("/tools/artifactory"));
            scene.published(&package).await;
            let log = scene.nginx.log();
            assert!(log.iter().all(|logged| logged.path.starts_with("/tools/")), "{log:#?}");
            println!("nginx: published below a context path, the path {how}: {} requests", log.len());
        }
    }
}

/// A name whose semicolon is no longer part of it where its path is decoded on the way.
pub(crate) async fn semicolons(binary: &Path) {
    let package = Package::Files(vec![("dist/a;b=c.txt", b"odd\n".to_vec())], String::new());
    let scene = Scene::start_at(binary, "localhost", "/tools", Offered::OneAndTwo, |site| site.way(AS_IT_IS)).await;
    scene.published(&package).await;
    println!("nginx: a name with a semicolon, the path decoded and encoded anew");
    let scene = Scene::start_at(binary, "localhost", "/tools", Offered::OneAndTwo, |site| site.way(ANEW)).await;
    let refusal = failed(&scene.stack, &package).await;
    says(&refusal, &["SystemUnavailable", "has the path of another file", "a proxy that decodes paths"]);
}

/// Files whose names and properties are made of what paths have a meaning for.
fn odd_files() -> Package {
    let files = vec![("dist/sub dir/a+b,c=d%20 \u{fc}.txt", b"odd\n".to_vec()), ("dist/@scope/x.bin", noise(20 << 10))];
    Package::Files(files, "team=a b/c;tags=x,y".to_owned())
}

/// `client_max_body_size`.
pub(crate) async fn size(binary: &Path) {
    let large = |size| Package::Files(vec![("dist/large.bin", noise(size))], String::new());
    for (offered, protocol) in BOTH {
        for package in [Package::Npm(8 << 20), large(8 << 20)] {
            println!("nginx: a body is larger than client_max_body_size ({protocol})");
            let scene = Scene::start(binary, offered, |site| site.server("client_max_body_size 1m;")).await;
            let refusal = scene.refused(&package).await;
            says(
                &refusal,
                &["JobFailed", "was answered with 413", "413 Request Entity Too Large", "Raise the upload limit"],
            );
        }
    }
}

/// Requests and answers that nginx keeps until they are whole, or does not.
pub(crate) async fn buffers(binary: &Path) {
    for (offered, protocol) in BOTH {
        for buffering in ["on", "off"] {
            let server = format!(
                "client_max_body_size 0; proxy_request_buffering {buffering}; proxy_buffering {buffering}; \
                 proxy_http_version 1.1;"
            );
            let scene = Scene::start(binary, offered, |site| site.server(&server)).await;
            scene.published(&Package::Npm(12 << 20)).await;
            let count = scene.requests(protocol);
            println!("nginx: 12 MiB by {protocol}, proxy_request_buffering {buffering}: {count} requests");
        }
    }
}

/// Whatever nginx could compress it compresses where a client asks for that.
pub(crate) async fn compression(binary: &Path) {
    let http = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;";
    let scene = Scene::start(binary, Offered::OneAndTwo, |site| site.http(http)).await;
    scene.published(&Package::Many(3)).await;
    let log = scene.nginx.log();
    assert!(log.iter().all(|logged| logged.encoding == "-"), "the function asks for none: {log:#?}");
    println!("nginx: published with gzip on: {} requests, none of their answers compressed", log.len());
}

/// `proxy_read_timeout`: 504, and the upload has arrived all the same, or Artifactory never answers.
pub(crate) async fn time_limit(binary: &Path) {
    for (offered, protocol) in BOTH {
        let start = async || Scene::start(binary, offered, |site| site.server("proxy_read_timeout 1s;")).await;
        let scene = start().await;
        let late = Fault::Late(Duration::from_secs(3));
        scene.stack.traffic.fault(SERVICE, Some(Method::PUT), "/left", 0, 1, late);
        scene.published(&Package::Npm(1_000)).await;
        let log = scene.nginx.log();
        let puts: Vec<_> = log.iter().filter(|logged| logged.method == "PUT").map(|logged| &logged.status).collect();
        assert_eq!(puts, ["504"], "it is found, and not sent again");
        println!("nginx: published by {protocol} though its upload was answered with 504: found, not sent again");

        println!("nginx: Artifactory does not answer in time ({protocol})");
        let scene = start().await;
        let late = Fault::Delay(Duration::from_secs(3));
        scene.stack.traffic.fault(SERVICE, Some(Method::POST), "/api/security/token", 0, usize::MAX, late);
        let refusal = scene.refused(&Package::Npm(1_000)).await;
        says(&refusal, &["SystemUnavailable", "was answered with 504", "504 Gateway Time-out", "Retry the stage"]);
    }
}

/// Nothing listens behind nginx.
pub(crate) async fn nobody_behind(binary: &Path) {
    println!("nginx: nobody is behind it");
    let way = "location / { proxy_pass http://127.0.0.1:1; }";
    let scene = Scene::start(binary, Offered::OneAndTwo, |site| site.way(way)).await;
    let refusal = scene.refused(&Package::Npm(1_000)).await;
    says(&refusal, &["SystemUnavailable", "was answered with 502", "502 Bad Gateway", "Retry the stage"]);
}

/// Connections that nginx ends after a few requests, and more requests than it lets through.
pub(crate) async fn connections(binary: &Path) {
    for (offered, protocol) in BOTH {
        let scene = Scene::start(binary, offered, |site| site.server("keepalive_requests 3;")).await;
        scene.published(&Package::Many(30)).await;
        let count = scene.requests(protocol);
        let connections = connections_of(&scene.nginx);
        assert!(connections > 5, "{connections} connections for {count} requests");
        println!("nginx: 30 packages by {protocol}, {count} requests over {connections} connections");

        let zone = "limit_req_zone $server_port zone=all:1m rate=40r/s;";
        let limited = |site: Site| site.http(zone).server("limit_req zone=all burst=2 nodelay; limit_req_status 429;");
        let scene = Scene::start(binary, offered, limited).await;
        scene.published(&Package::Many(15)).await;
        let log = scene.nginx.log();
        let refused = log.iter().filter(|logged| logged.status == "429").count();
        assert!(refused > 0, "{log:#?}");
        println!("nginx: 15 packages by {protocol}, {refused} of {} requests answered with 429", log.len());
    }
}

fn connections_of(nginx: &Nginx) -> usize {
    let mut connections: Vec<_> = nginx.log().into_iter().map(|logged| logged.connection).collect();
    connections.sort();
    connections.dedup();
    connections.len()
}

/// An address that is longer than nginx takes, and plain HTTP where TLS is spoken.
pub(crate) async fn requests(binary: &Path) {
    println!("nginx: properties make an address longer than large_client_header_buffers");
    let scene = Scene::start(binary, Offered::One, |site| site).await;
    let properties = format!("note={}", "n".repeat(9_000));
    let refusal = scene.refused(&Package::Files(vec![("dist/a.bin", noise(20 << 10))], properties)).await;
    says(&refusal, &["was answered with 414", "414 Request-URI Too Large", "What to do: "]);

    println!("nginx: ArtifactoryHost says http:// of a port for TLS");
    let scene = Scene::start(binary, Offered::One, |site| site).await;
    scene.stack.artifactory.known_as(&scene.nginx.url("localhost").replace("https://", "http://"));
    scene.stack.set("ARTIFACTORY_URL", &scene.stack.artifactory.platform_url());
    scene.stack.set("ALLOW_HTTP", "true");
    let refusal = scene.refused(&Package::Npm(1_000)).await;
    says(&refusal, &["ConfigurationError", "400 The plain HTTP request was sent to HTTPS port", "ArtifactoryHost"]);
    assert!(scene.stack.artifactory.files(FILES).is_empty());
}
