//! The floor: the bytes of a job and nothing else. One thread inflates the files, tars, compresses, hashes and encodes
//! them in memory, and sends the document in one request. It knows which files, what name, and that nothing goes wrong.

use std::io::{Cursor, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use codepipeline_artifactory::archive::gzip::LEVEL;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::{Sha256, Sha512};
use tokio::process::Command;
use tokio::time::Instant;

use crate::contents::NAME;
use crate::process;
use crate::registry::hex;
use crate::scene::{Measured, Scene};
use crate::stack::{PASSWORD, REPOSITORY, USER};

/// The word that makes this program the floor.
pub(crate) const MODE: &str = "floor";

/// Starts it for this artifact, and measures from its start to its end.
pub(crate) async fn measure(scene: &Scene, artifact: &Path, token: &str) -> Measured {
    let seen = scene.stack.traffic.seen().len();
    let begun = Instant::now();
    let floor = Command::new(std::env::current_exe().expect("this program is a file"))
        .arg(MODE)
        .arg(artifact)
        .args([&scene.stack.artifactory.platform_url(), token])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let floor = floor.await.expect("this program starts");
    let wall = begun.elapsed().as_secs_f64();
    assert!(floor.status.success(), "the floor failed");
    let cpu = String::from_utf8_lossy(&floor.stdout).trim().parse().expect("the floor tells its processor time");
    let (requests, registry) = scene.registry_since(seen);
    Measured { wall, registry, requests, cpu, read: 0.0 }
}

/// A token to send with.
pub(crate) async fn token(scene: &Scene) -> String {
    let answer = reqwest::Client::new()
        .post(format!("{}/api/security/token", scene.stack.artifactory.url()))
        .basic_auth(USER, Some(PASSWORD))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("username={USER}"))
        .send()
        .await;
    let text = answer.expect("the stack answers").text().await.expect("the stack answers whole");
    let answer: Value = serde_json::from_str(&text).expect("the stack answers with JSON");
    answer["access_token"].as_str().expect("the user may have a token").to_owned()
}

/// The program itself.
pub(crate) fn run(artifact: &Path, platform: &str, token: &str) {
    let (archive, manifest) = pack(&std::fs::read(artifact).expect("the artifact is there"));
    let body = document(&archive, manifest);
    let address = platform.trim_start_matches("http://");
    let head = format!(
        "PUT /artifactory/api/npm/{REPOSITORY}/{NAME} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).expect("the stack listens");
    socket.write_all(head.as_bytes()).expect("the stack reads");
    socket.write_all(body.as_bytes()).expect("the stack reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the stack answers");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    println!("{}", process::cpu(std::process::id()));
}

/// The archive, and what `package.json` says.
fn pack(artifact: &[u8]) -> (Vec<u8>, Value) {
    let mut zip = zip::ZipArchive::new(Cursor::new(artifact)).expect("we made this zip");
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::new(LEVEL)));
    let mut manifest = Value::Null;
    // In the order of the function's own archives: what stands beside what decides on how small it gets.
    let mut paths: Vec<String> = zip.file_names().map(|name| name.expect("its names are text").into_owned()).collect();
    paths.sort_by_key(|path| (path != "package.json", path.clone()));
    for path in paths {
        let mut file = zip.by_name(&path).expect("we made this zip");
        let mut header = tar::Header::new_ustar();
        header.set_size(file.size());
        header.set_mode(0o644);
        let place = format!("package/{path}");
        if path == "package.json" {
            let mut text = Vec::new();
            file.read_to_end(&mut text).expect("we made this zip");
            manifest = serde_json::from_slice(&text).expect("we made this manifest");
            tar.append_data(&mut header, place, &text[..]).expect("it is in memory");
        } else {
            tar.append_data(&mut header, place, file).expect("it is in memory");
        }
    }
    let gzip = tar.into_inner().expect("it is in memory");
    (gzip.finish().expect("it is in memory"), manifest)
}

/// What npm sends.
fn document(archive: &[u8], mut manifest: Value) -> String {
    let version = manifest["version"].as_str().expect("we made this manifest").to_owned();
    // A publisher needs these two to know afterwards that the file is the one it sent.
    std::hint::black_box((Sha256::digest(archive), Md5::digest(archive)));
    manifest["_id"] = json!(format!("{NAME}@{version}"));
    manifest["dist"] = json!({
        "shasum": hex(&Sha1::digest(archive)),
        "integrity": format!("sha512-{}", STANDARD.encode(Sha512::digest(archive))),
        "tarball": format!("http://127.0.0.1/{NAME}/-/{NAME}-{version}.tgz"),
    });
    let file = json!({
        "content_type": "application/octet-stream", "data": STANDARD.encode(archive), "length": archive.len(),
    });
    let document = json!({
        "_id": NAME, "name": NAME, "dist-tags": { "latest": version }, "versions": { version.as_str(): manifest },
        "_attachments": { format!("{NAME}-{version}.tgz"): file },
    });
    document.to_string()
}
