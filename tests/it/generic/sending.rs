//! How a file is sent: by its checksums where the server has it, else whole; and what becomes of lost answers.

use hyper::Method;

use super::*;
use crate::stack::artifactory::Endpoint;
use crate::stack::http::Fault;

const LARGE: [(&str, &str); 1] = [("Files", "dist/app.bin")];

#[tokio::test]
async fn content_that_the_server_has_is_not_sent_again() {
    let stack = stack().await;
    publish(&stack, build(), &[("Files", "dist/*"), ("TargetPath", "one")]).await;
    let before = puts(&stack).len();
    publish(&stack, build(), &[("Files", "dist/*"), ("TargetPath", "two"), ("Properties", "a=b")]).await;
    let mut sent = puts(&stack).split_off(before);
    sent.sort_by(|one, other| one.request.path.cmp(&other.request.path));
    let [large, empty] = sent.as_slice() else { panic!("{sent:#?}") };
    assert!(by_checksum(large) && !by_checksum(empty), "a small file is sent as soon as asked for");
    for seen in [large, empty] {
        assert!(seen.request.body.is_empty());
        assert_eq!(seen.request.header("content-length"), "0");
        let lengths = ["md5", "sha1", "sha256"].map(|kind| seen.request.header(&format!("x-checksum-{kind}")).len());
        assert_eq!(lengths, [32, 40, 64]);
    }
    assert_eq!(file(&stack, "two/app.bin").content, file(&stack, "one/app.bin").content);
    assert_eq!(stack.artifactory.properties(FILES, "two/app.bin")["a"], ["b"]);
}

#[tokio::test]
async fn a_server_that_takes_no_file_by_its_checksum_gets_the_body() {
    for status in [400, 404, 405, 409, 501, 500, 503] {
        let stack = stack().await;
        stack.artifactory.switch(|switches| switches.checksum_deploy = Endpoint::Answers(status));
        publish(&stack, build(), &LARGE).await;
        let sent: Vec<bool> = puts(&stack).iter().map(by_checksum).collect();
        assert_eq!(sent, [true, false], "{status}");
        assert_eq!(file(&stack, "app.bin").content.len(), 20 << 10);
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_after_before_anything_is_sent_again() {
    // Of the question, and of the body.
    for skip in [0, 1] {
        let stack = stack().await;
        if skip == 0 {
            publish(&stack, build(), &[("Files", "dist/app.bin"), ("TargetPath", "before")]).await;
        }
        let before = puts(&stack).len();
        stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "files-local/app.bin", skip, 1, Fault::DropAfter);
        let result = publish(&stack, build(), &[("Files", "dist/app.bin"), ("Properties", "a=b")]).await;
        assert_eq!(puts(&stack).len(), before + 1 + skip);
        assert_eq!(variables(&result)["SkippedCount"], "0", "it is our own work");
        assert_eq!(stack.artifactory.properties(FILES, "app.bin")["a"], ["b"]);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_patience_is_asked_again_before_a_body_is_sent() {
    let stack = stack().await;
    publish(&stack, build(), &[("Files", "dist/app.bin"), ("TargetPath", "before")]).await;
    let before = puts(&stack).len();
    let busy =
        Fault::Answer { status: 429, headers: vec![("retry-after".to_owned(), "0".to_owned())], body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "files-local/app.bin", 0, 2, busy);
    publish(&stack, build(), &LARGE).await;
    let sent: Vec<bool> = puts(&stack).split_off(before).iter().map(by_checksum).collect();
    assert_eq!(sent, [true, true, true]);
}

#[tokio::test]
async fn an_answer_without_digests_or_of_another_path_is_not_believed() {
    let stack = stack().await;
    for body in ["", r#"{"path":"/elsewhere","checksums":{}}"#] {
        let odd = Fault::Answer { status: 201, headers: Vec::new(), body: body.to_owned() };
        stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "files-local/app.bin", 0, 1, odd);
        let (kind, message) = stack.refuse(action(&stack, build(), &LARGE)).await;
        assert_eq!(kind, "SystemUnavailable", "{message}");
        assert!(message.contains("app.bin was accepted, but is not there afterwards"), "{message}");
    }
}

#[tokio::test]
async fn another_file_that_comes_between_the_look_and_the_write_is_a_conflict() {
    let stack = stack().await;
    let busy = Fault::Answer { status: 403, headers: Vec::new(), body: "no overwriting".to_owned() };
    // The looks before see nothing; whoever is faster comes with the first write.
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "files-local/app.bin", 0, 1, busy);
    let nothing = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "api/storage/files-local/app.bin", 0, 1, nothing);
    stack.artifactory.put_file(FILES, "app.bin", "theirs");
    let (kind, message) = stack.refuse(action(&stack, build(), &LARGE)).await;
    assert_eq!(kind, "JobFailed", "{message}");
    assert!(message.contains("app.bin exists with other content"), "{message}");
    assert_eq!(file(&stack, "app.bin").content, "theirs");
}

/// A proxy that decodes a path makes a property of what follows a semicolon in a name: the file is stored under the name
/// before it, and the storage API is asked for that one as well.
#[tokio::test]
async fn a_file_that_somebody_on_the_way_stores_elsewhere_is_not_published() {
    let stack = stack().await;
    let zip = || Zip::new().file("a;b.txt", "odd\n").bytes();
    stack.artifactory.put_file(FILES, "a", "odd\n");
    let told = stack.artifactory.stored_file(FILES, "a").unwrap().digests;
    let info = json!({ "path": "/a", "checksums": { "sha1": told.sha1, "sha256": told.sha256 } }).to_string();
    let answer = |status| Fault::Answer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: info.clone(),
    };
    stack.artifactory.remove_file(FILES, "a");
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "files-local/a%3Bb.txt", 0, 1, answer(201));
    stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), "files-local/a%3Bb.txt", 1, 99, answer(200));
    let (kind, message) = stack.refuse(action(&stack, zip(), &[])).await;
    assert_eq!(kind, "SystemUnavailable", "{message}");
    assert!(message.contains("was accepted, but what is there has the path of another file"), "{message}");
    assert!(message.contains("a proxy that decodes paths"), "{message}");
    // Now it is there before anything is sent.
    let (kind, message) = stack.refuse(action(&stack, zip(), &[])).await;
    assert_eq!((kind.as_str(), puts(&stack).len()), ("JobFailed", 1), "{message}");
}
