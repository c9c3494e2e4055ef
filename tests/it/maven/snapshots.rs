//! Snapshots: every build under a name of its own, decided once a job.

use super::resolver::Resolver;
use super::*;
use crate::stack::artifactory::Snapshots;
use crate::stack::pipeline;

const FOLDER: &str = "org/acme/lib/1.0-SNAPSHOT";

/// A build of the snapshot with this text in it.
fn build(text: &str) -> Vec<u8> {
    Zip::new()
        .file("pom.xml", pom("org.acme", "lib", "1.0-SNAPSHOT", ""))
        .file("target/lib-1.0-SNAPSHOT.jar", jar("org.acme", "lib", "1.0-SNAPSHOT"))
        .file("target/lib-1.0-SNAPSHOT-javadoc.jar", text)
        .bytes()
}

/// The stamp in the name of a stored file.
#[track_caller]
fn stamp_of(path: &str) -> String {
    let name = path.strip_prefix(&format!("{FOLDER}/lib-1.0-")).unwrap_or_else(|| panic!("{path} is no build"));
    let end = name.match_indices(['-', '.']).nth(2).unwrap().0;
    name.get(..end).unwrap().to_owned()
}

fn stamps(stack: &Stack) -> Vec<String> {
    let mut stamps: Vec<String> = stored(stack).iter().map(|path| stamp_of(path)).collect();
    stamps.sort();
    stamps.dedup();
    stamps
}

#[tokio::test]
async fn all_files_of_a_build_have_one_stamp_and_the_pom_comes_last() {
    let stack = stack().await;
    stack.artifactory.put_file(LIBS, &format!("{FOLDER}/lib-1.0-20240229.120000-41.jar"), "theirs");
    let result = publish(&stack, build("one")).await;
    let sent = put(&stack);
    let stamp = stamp_of(&sent[0]);
    assert!(stamp.len() == 18 && stamp.ends_with("-42"), "{stamp}");
    let names = [".jar", "-javadoc.jar", ".pom"].map(|end| format!("{FOLDER}/lib-1.0-{stamp}{end}"));
    assert_eq!(sent, names);
    let variables = variables(&result);
    assert_eq!((variables["PackageVersion"].as_str(), variables["SkippedCount"].as_str()), ("1.0-SNAPSHOT", "0"));
    assert!(variables["ArtifactUrl"].ends_with(&names[0]), "{variables:?}");
}

#[tokio::test]
async fn the_first_build_has_the_number_one_and_another_content_the_next() {
    let stack = stack().await;
    publish(&stack, build("one")).await;
    publish(&stack, build("two")).await;
    let stamps = stamps(&stack);
    assert!(matches!(stamps.as_slice(), [one, two] if one.ends_with("-1") && two.ends_with("-2")), "{stamps:?}");
    let newest = Resolver::new(&stack, LIBS).file(["org.acme", "lib", "1.0-SNAPSHOT"], "javadoc", "jar").await;
    assert_eq!(newest.unwrap(), b"two");
}

#[tokio::test]
async fn a_retried_stage_builds_nothing_anew() {
    let stack = stack().await;
    publish(&stack, build("one")).await;
    let sent = put(&stack).len();
    let result = publish(&stack, build("one")).await;
    assert_eq!((put(&stack).len(), variables(&result)["SkippedCount"].as_str()), (sent, "1"));
    assert_eq!(stamps(&stack).len(), 1);
}

#[tokio::test]
async fn a_resumed_job_keeps_the_stamp_that_it_began_with() {
    let stack = stack().await;
    let job = stack.pipeline.queue(action(&stack, build("one"), &[]));
    dies_at(&stack, &job, artifactory::SERVICE, &Method::PUT, "-javadoc.jar", Fault::Delay(HELD)).await;
    let [jar] = stored(&stack).try_into().unwrap();
    let stamp = stamp_of(&jar);
    assert_eq!(scene::claim(&stack, &job).unwrap()["stamp"], stamp.as_str(), "it was written down before");
    // Another build, with which the next number would be another one.
    stack.artifactory.put_file(LIBS, &format!("{FOLDER}/lib-1.0-20990101.000000-7.jar"), "theirs");
    let _successor = scene::another_process(&stack).await;
    assert_eq!(scene::numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    succeeded(&stack, &job);
    let ours: Vec<String> = stored(&stack).into_iter().filter(|path| stamp_of(path) == stamp).collect();
    assert_eq!(ours, ["-javadoc.jar", ".jar", ".pom"].map(|end| format!("{FOLDER}/lib-1.0-{stamp}{end}")));
    assert_eq!(stored(&stack).len(), 4);
}

#[tokio::test]
async fn a_job_that_found_its_build_there_gives_the_same_answer_whatever_was_built_meanwhile() {
    let stack = stack().await;
    let stamp = "20240229.120000-41";
    let (pom, jar) = (pom("org.acme", "lib", "1.0-SNAPSHOT", ""), jar("org.acme", "lib", "1.0-SNAPSHOT"));
    for (end, content) in [(".jar", jar), ("-javadoc.jar", b"one".to_vec()), (".pom", pom.into_bytes())] {
        stack.artifactory.put_file(LIBS, &format!("{FOLDER}/lib-1.0-{stamp}{end}"), content);
    }
    let job = stack.pipeline.queue(action(&stack, build("one"), &[]));
    let answer = "PutJobSuccessResult";
    dies_at(&stack, &job, pipeline::SERVICE, &Method::POST, answer, Fault::Delay(HELD)).await;
    // What is newest now is not what the first answer told of.
    stack.artifactory.put_file(LIBS, &format!("{FOLDER}/lib-1.0-20990101.000000-7.jar"), "theirs");
    let _successor = scene::another_process(&stack).await;
    assert_eq!(scene::numbers(&resumed(&stack).await), [1, 0, 1, 0, 0, 0]);
    let told = variables(&stack.pipeline.result(&job));
    assert!(told["ArtifactUrl"].contains(stamp) && put(&stack).is_empty(), "{told:?}");
}

#[tokio::test]
async fn modules_share_one_stamp_and_its_number_is_above_that_of_any() {
    let stack = stack().await;
    stack.artifactory.put_file(LIBS, "org/acme/core/1.0-SNAPSHOT/core-1.0-20240229.120000-9.pom", "theirs");
    let modules = "<packaging>pom</packaging><modules><module>core</module></modules>";
    let zip = Zip::new()
        .file("pom.xml", pom("org.acme", "all", "1.0-SNAPSHOT", modules))
        .file("core/pom.xml", pom("org.acme", "core", "1.0-SNAPSHOT", ""))
        .file("core/target/core-1.0-SNAPSHOT.jar", jar("org.acme", "core", "1.0-SNAPSHOT"));
    publish(&stack, zip.bytes()).await;
    let sent = put(&stack);
    assert!(sent.len() == 3 && sent.iter().all(|path| path.contains("-10.")), "{sent:?}");
}

#[tokio::test]
async fn what_a_build_staged_under_its_own_stamp_is_named_anew() {
    let stack = stack().await;
    let staged = |stamp: &str, text: &str, zip: Zip| {
        zip.file(&format!("s/{FOLDER}/lib-1.0-{stamp}.pom"), pom("org.acme", "lib", "1.0-SNAPSHOT", ""))
            .file(&format!("s/{FOLDER}/lib-1.0-{stamp}-docs.zip"), text)
    };
    let zip = staged("20240101.000000-1", "old", Zip::new());
    let zip = staged("20240102.000000-2", "new", zip).file(&format!("s/{FOLDER}/maven-metadata.xml"), "x");
    publish(&stack, zip.bytes()).await;
    let [docs, pom] = stored(&stack).try_into().unwrap();
    assert_eq!(stack.artifactory.file(LIBS, &docs).unwrap(), "new");
    assert!(stamp_of(&docs) == stamp_of(&pom) && !docs.contains("2024010"), "{docs}");
}

#[tokio::test]
async fn a_repository_that_names_builds_itself_leaves_ours_and_one_that_keeps_one_is_refused() {
    for (snapshots, is_refused) in
        [(Snapshots::Unique, false), (Snapshots::Deployer, false), (Snapshots::NonUnique, true)]
    {
        let stack = stack().await;
        stack.artifactory.repository(Repository::local(LIBS, "maven").naming(snapshots));
        permit(&stack, &[Permission::Read, Permission::Deploy, Permission::Manage]);
        if !is_refused {
            publish(&stack, build("one")).await;
            assert_eq!(stored(&stack).len(), 3);
            continue;
        }
        let (kind, message) = stack.refuse(action(&stack, build("one"), &[])).await;
        assert!(kind == "ConfigurationError" && message.contains("keeps only one build"), "{kind}: {message}");
        assert!(put(&stack).is_empty());
    }
}

#[tokio::test]
async fn metadata_that_cannot_be_read_stops_the_job_before_anything_is_sent() {
    for (status, body, expected) in [
        (200, "<html><p>Sign in</p></html>", "ConfigurationError"),
        (403, "", "PermissionError"),
        (500, "", "SystemUnavailable"),
    ] {
        let stack = stack().await;
        let answer = Fault::Answer { status, headers: Vec::new(), body: body.to_owned() };
        let path = "/maven-metadata.xml";
        stack.traffic.fault(artifactory::SERVICE, Some(Method::GET), path, 0, usize::MAX, answer);
        let (kind, message) = stack.refuse(action(&stack, build("one"), &[])).await;
        assert_eq!(kind, expected, "{message}");
        assert!(message.contains("ooking for the newest build of the snapshot"), "{message}");
        assert!(put(&stack).is_empty());
    }
}

#[tokio::test]
async fn a_repository_that_keeps_one_build_and_does_not_say_so_makes_no_success() {
    let stack = stack().await;
    stack.artifactory.repository(Repository::local(LIBS, "maven").naming(Snapshots::NonUnique));
    let (kind, message) = failure(stack.run(action(&stack, build("one"), &[])).await.1);
    assert_eq!(kind, "SystemUnavailable", "{message}");
    assert!(message.contains("is not there afterwards") && message.contains("(non-unique)"), "{message}");
    assert!(message.contains("May be stored nevertheless: org.acme:lib@1.0-SNAPSHOT"), "{message}");
}

#[tokio::test]
async fn under_existing_fail_every_job_makes_a_build_and_a_dry_run_none() {
    let stack = stack().await;
    for number in ["-1", "-2"] {
        let (_, result) = stack.run(action(&stack, build("one"), &[("Options", "existing=fail")])).await;
        assert_eq!(variables(&result)["SkippedCount"], "0");
        assert!(stamps(&stack).last().is_some_and(|stamp| stamp.ends_with(number)), "{:?}", stored(&stack));
    }
    let sent = put(&stack).len();
    let (_, result) = stack.run(action(&stack, build("two"), &[("Options", "dry-run=true")])).await;
    let JobResult::Succeeded { summary: Some(summary), .. } = &result else { panic!("{result:#?}") };
    assert!(summary.contains("org.acme:lib@1.0-SNAPSHOT") && put(&stack).len() == sent, "{summary}");
}
