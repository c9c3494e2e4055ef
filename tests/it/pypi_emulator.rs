//! The Artifactory emulator's pypi API, over plain HTTP: what it refuses is what the tests of uploads rely on.

use hyper::Method;
use reqwest::Client;

use crate::make::{Zip, python_metadata, wheel};
use crate::pypi::{REPOSITORY, action, stack};
use crate::scene::variables;
use crate::stack::artifactory::{self, Permission, Repository};
use crate::stack::{Stack, USER};

const FILE: &str = "left_pad-1.0-py3-none-any.whl";

/// What the function has sent: the form, and its type.
async fn sent(stack: &Stack) -> (String, Vec<u8>) {
    let artifact = Zip::new().file(FILE, wheel("left_pad-1.0", &python_metadata("left-pad", "1.0", ""))).bytes();
    variables(&stack.run(action(stack, artifact)).await.1);
    let seen = stack.traffic.seen();
    let upload =
        seen.iter().find(|seen| seen.request.method == Method::POST && seen.request.path.contains("/api/pypi/"));
    let request = &upload.unwrap().request;
    (request.header("content-type").to_owned(), request.body.to_vec())
}

/// The status of an upload to a repository.
async fn upload(stack: &Stack, repository: &str, content_type: &str, body: &[u8]) -> u16 {
    let url = format!("{}/api/pypi/{repository}", stack.artifactory.url());
    let request = Client::new().post(url).bearer_auth(stack.artifactory.token_of(USER));
    request.header("content-type", content_type).body(body.to_vec()).send().await.unwrap().status().as_u16()
}

fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at =
        body.windows(from.len()).position(|window| window == from.as_bytes()).unwrap_or_else(|| panic!("no {from}"));
    let (before, rest) = body.split_at(at);
    [before, to.as_bytes(), rest.split_at(from.len()).1].concat()
}

#[tokio::test]
async fn an_upload_is_taken_apart_strictly() {
    let stack = stack().await;
    let (kind, body) = sent(&stack).await;
    stack.artifactory.remove_file(REPOSITORY, &format!("left-pad/1.0/{FILE}"));
    let field = |name: &str| format!("name=\"{name}\"\r\n\r\n");
    for (from, to) in [
        (field(":action") + "file_upload", field(":action") + "submit"),
        (field("protocol_version") + "1", field("protocol_version") + "2"),
        (field("metadata_version") + "2.1", field("metadata_version")),
        (field("name") + "left-pad", field("name") + "right"),
        (field("name") + "left-pad", field("name") + "../left-pad"),
        (field("version") + "1.0", field("version") + "1.1"),
        (field("version"), field("summary")),
        (field("description"), field("readme")),
        (field("description"), field("name")),
        (field("filetype") + "bdist_wheel", field("filetype") + "sdist"),
        (field("filetype") + "bdist_wheel", field("filetype") + "bdist_egg"),
        (field("pyversion") + "py3", field("pyversion") + "cp312"),
        (field("md5_digest"), field("md5_digest") + "0"),
        (field("sha256_digest"), field("sha256_digest") + "0"),
        ("name=\"content\"; filename".to_owned(), "name=\"gpg_signature\"; filename".to_owned()),
        (format!("filename=\"{FILE}\""), "filename=\"left pad-1.0-py3-none-any.whl\"".to_owned()),
        ("ANSWER = 42".to_owned(), "ANSWER = 43".to_owned()),
        ("Content-Disposition: form-data; ".to_owned(), String::new()),
    ] {
        let status = upload(&stack, REPOSITORY, &kind, &replaced(&body, &from, &to)).await;
        assert_eq!(status, 400, "{from:?} {to:?}");
    }
    for broken in [&body[2..], &body[..body.len() - 4], &[&body[..], b"more"].concat()[..], b""] {
        assert_eq!(upload(&stack, REPOSITORY, &kind, broken).await, 400);
    }
    assert_eq!(upload(&stack, REPOSITORY, "application/json", &body).await, 415);
    assert_eq!(upload(&stack, "npm-local", &kind, &body).await, 400, "of another type");
    assert_eq!(upload(&stack, "nowhere", &kind, &body).await, 404);
    assert!(stack.artifactory.files(REPOSITORY).is_empty());
    assert_eq!(upload(&stack, REPOSITORY, &kind, &body).await, 200, "what was sent is good");
}

#[tokio::test]
async fn a_file_that_exists_is_replaced_by_whoever_may_delete_it() {
    let stack = stack().await;
    let (kind, body) = sent(&stack).await;
    assert_eq!(upload(&stack, REPOSITORY, &kind, &body).await, 403);
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read]);
    assert_eq!(upload(&stack, REPOSITORY, &kind, &body).await, 403);
    stack.artifactory.permit(USER, REPOSITORY, &[Permission::Read, Permission::Deploy, Permission::Delete]);
    let path = format!("left-pad/1.0/{FILE}");
    stack.artifactory.put_file(REPOSITORY, &path, "other");
    assert_eq!(upload(&stack, REPOSITORY, &kind, &body).await, 200);
    assert_ne!(stack.artifactory.file(REPOSITORY, &path).unwrap(), "other");
    stack.artifactory.repository(Repository::remote("pypi-remote", "pypi"));
    assert_eq!(upload(&stack, "pypi-remote", &kind, &body).await, 405);
    stack.artifactory.repository(Repository::virtual_of("pypi", "pypi", &[REPOSITORY], Some(REPOSITORY)));
    assert_eq!(upload(&stack, "pypi", &kind, &body).await, 200);
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::POST, "/api/pypi/"), 6);
}
