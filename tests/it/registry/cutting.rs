//! A connection that breaks at any byte of an upload or of the answer to it.

use codepipeline_artifactory::registry::Sent;

use super::*;
use crate::stack::cut::{Cutter, Side};

const UPLOAD: &str = "PUT /artifactory/npm-local/";

/// Uploads three bytes over a connection that is cut there: how often the server has got an upload.
async fn uploads(server: &Scripted, cutter: &Cutter, registry: &Registry, side: Side, after: usize) -> usize {
    server.script().files.clear();
    let before = server.count(&Verb::PUT, "/npm-local/");
    cutter.cut(UPLOAD, side, after);
    let sent = registry.send(&repository(), &file(b"abc"), minute()).await;
    assert_eq!(sent.unwrap(), Sent::Stored, "{side:?} cut after {after} bytes");
    assert!(cutter.has_cut() && server.stored().unwrap() == "abc", "{side:?} cut after {after} bytes");
    server.count(&Verb::PUT, "/npm-local/") - before
}

#[tokio::test]
async fn an_upload_that_is_cut_at_any_byte_is_stored_once() {
    let server = Scripted::start().await;
    let cutter = Cutter::before(&server.server.url()).await;
    let base = Base::parse(&cutter.url(), true).unwrap();
    let credential = Credential::Token { token: SecretText::new("given") };
    let registry = Registry::connect(&http(), &base, &credential, minute()).await.unwrap();

    assert_eq!(uploads(&server, &cutter, &registry, Side::Answer, usize::MAX).await, 1);
    let whole = cutter.length();
    assert!(whole.request > 200 && whole.answer > 50, "{whole:?}");
    for (side, length) in [(Side::Request, whole.request), (Side::Answer, whole.answer)] {
        for after in 0..length {
            let uploads = uploads(&server, &cutter, &registry, side, after).await;
            assert_eq!(uploads, 1, "{side:?} cut after {after} of {length} bytes: looked at before it is sent again");
        }
    }
}
