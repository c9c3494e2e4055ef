//! A thousand files: several at once, a report of all of them, and messages that stay short.

use std::io::Cursor;

use hyper::Method;

use super::*;
use crate::stack::http::Fault;

fn thousand() -> Vec<u8> {
    let zip = (0..1000).fold(Zip::new(), |zip, at| zip.file(&format!("d{}/f{at:03}", at % 7), format!("file {at}")));
    zip.bytes()
}

#[tokio::test]
async fn a_thousand_files_are_published_and_reported() {
    let stack = stack().await;
    let action = action(&stack, thousand(), &[]).output("Report", ARTIFACTS, "web/Report/1");
    let (answer, result) = stack.run(action).await;
    assert_eq!(stored(&stack).len(), 1000);
    assert_eq!(file(&stack, "d5/f999").content, "file 999");
    let JobResult::Succeeded { summary: Some(summary), .. } = &result else { panic!("{result:#?}") };
    assert!(summary.contains("1000 of 1000 files") && summary.ends_with(" more"), "{summary}");
    assert_eq!(variables(&result)["PackageCount"], "1000");
    assert_eq!(answer["jobs"][0]["packages"].as_array().unwrap().len(), 1000);
    let report = stack.s3.get(ARTIFACTS, "web/Report/1").unwrap();
    let mut report = zip::ZipArchive::new(Cursor::new(report)).unwrap();
    let report: serde_json::Value = serde_json::from_reader(report.by_name("publish-report.json").unwrap()).unwrap();
    assert_eq!(report["packages"].as_array().unwrap().len(), 1000);
    let last = &report["packages"][999]["files"][0];
    assert_eq!((last["path"].as_str(), last["state"].as_str()), (Some("d6/f993"), Some("stored")));
}

#[tokio::test]
async fn a_failure_among_a_thousand_says_how_many_are_not_published() {
    let stack = stack().await;
    let refused = Fault::Answer { status: 400, headers: Vec::new(), body: "no such thing".to_owned() };
    stack.traffic.fault(artifactory::SERVICE, Some(Method::PUT), "files-local/d3/f003", 0, 1, refused);
    let (kind, message) = failure(stack.run(action(&stack, thousand(), &[])).await.1);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("File d3/f003: publishing: PUT files-local/d3/f003 was answered with 400"),
        "{message}"
    );
    assert!(
        message.contains("Published all the same: d0/f000") && message.contains("Not published: d3/f003"),
        "{message}"
    );
    assert!(message.chars().count() < 5000, "{message}");
}
