//! Dist-tags: seen after a publish, set where they are asked for and not right, and a failure only where the action
//! asked for what the server does not do.

use codepipeline_artifactory::registry::{Came, Class, RegistryError, Tagged};
use codepipeline_artifactory::step::{Tag, Wanted};
use hyper::Method as Verb;

use super::{Scripted, file, minute};

const ALL: &str = "/-/package/left/dist-tags";
const ONE: &str = "/-/package/left/dist-tags/next";
/// What is seen at once, and after each pause.
const LOOKS: usize = 6;

fn tag(wanted: Wanted) -> Tag {
    let all = "api/npm/npm-local/-/package/left/dist-tags".to_owned();
    Tag { name: "next".to_owned(), version: "1.0.0".to_owned(), wanted, one: format!("{all}/next"), all }
}

/// What becomes of the tag where the server answers these to reads (the last one for ever), and this to a write.
async fn outcome(
    wanted: Wanted,
    came: Came,
    reads: &[(u16, &str)],
    write: u16,
) -> (Result<Tagged, RegistryError>, usize) {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.answer(Verb::PUT, ONE, usize::MAX, write, &[], "{}");
    for (at, (status, body)) in reads.iter().enumerate() {
        let times = if at + 1 == reads.len() { usize::MAX } else { 1 };
        server.answer(Verb::GET, ALL, times, *status, &[], body);
    }
    let tagged = registry.tag(&file(b"left"), &tag(wanted), came, minute()).await;
    for request in server.requests(ONE) {
        assert_eq!((request.json(), request.header("content-type")), ("1.0.0".into(), "application/json"));
    }
    (tagged, server.count(&Verb::PUT, ONE))
}

const RIGHT: (u16, &str) = (200, r#"{"latest":"2.0.0","next":"1.0.0"}"#);
const OTHER: (u16, &str) = (200, r#"{"next":"0.9.0"}"#);
const NONE: (u16, &str) = (200, "{}");

fn other() -> Tagged {
    Tagged::Elsewhere(Some("0.9.0".to_owned()))
}

#[tokio::test]
async fn a_tag_is_set_where_it_is_wanted_and_not_right() {
    use Came::{Before, Published};
    use Wanted::{ByAction, ByPackage};
    for (wanted, came, reads, expected, writes) in [
        (ByPackage, Before, vec![OTHER], Tagged::Left, 0),
        (ByPackage, Published, vec![RIGHT], Tagged::Right, 0),
        // It is there a little later.
        (ByPackage, Published, vec![NONE, OTHER, RIGHT], Tagged::Right, 0),
        // Another version has it: later than ours, or by a rule of the server's.
        (ByPackage, Published, vec![OTHER], other(), 0),
        (ByAction, Before, vec![RIGHT], Tagged::Right, 0),
        (ByAction, Before, vec![OTHER, RIGHT], Tagged::Set, 1),
        (ByAction, Before, vec![NONE, NONE, RIGHT], Tagged::Set, 1),
        // Who may not look sets it all the same.
        (ByAction, Before, vec![(404, "{}")], Tagged::Set, 1),
        (ByAction, Published, vec![(403, "{}")], Tagged::Untold, 0),
        (ByPackage, Published, vec![(405, "{}")], Tagged::Untold, 0),
        (ByPackage, Published, vec![(200, "<html>")], Tagged::Untold, 0),
        (ByPackage, Published, vec![(503, "")], Tagged::Untold, 0),
    ] {
        let (tagged, written) = outcome(wanted, came, &reads, 200).await;
        assert_eq!((tagged.unwrap(), written), (expected, writes), "{wanted:?} {came:?} {reads:?}");
    }
}

#[tokio::test]
async fn a_version_that_is_known_nowhere_yet_keeps_the_tag_that_it_was_published_under() {
    for wanted in [Wanted::ByAction, Wanted::ByPackage] {
        let (tagged, written) = outcome(wanted, Came::Published, &[NONE], 404).await;
        assert_eq!((tagged.unwrap(), written), (Tagged::Unlisted, 1));
    }
    // What was there before was published under another.
    assert!(outcome(Wanted::ByAction, Came::Before, &[NONE], 404).await.0.is_err());
}

#[tokio::test]
async fn a_tag_that_is_missing_after_a_publish_is_set_once() {
    for wanted in [Wanted::ByAction, Wanted::ByPackage] {
        let missing: Vec<_> = std::iter::repeat_n(NONE, LOOKS).chain([RIGHT]).collect();
        let (tagged, written) = outcome(wanted, Came::Published, &missing, 200).await;
        assert_eq!((tagged.unwrap(), written), (Tagged::Set, 1));
    }
    // The package's own wish is no reason to fail once it is published; the action's is.
    let (tagged, written) = outcome(Wanted::ByPackage, Came::Published, &[NONE], 200).await;
    assert_eq!((tagged.unwrap(), written), (Tagged::Elsewhere(None), 1));
    let (tagged, written) = outcome(Wanted::ByPackage, Came::Published, &[NONE], 403).await;
    assert_eq!((tagged.unwrap(), written), (Tagged::Elsewhere(None), 1));
}

#[tokio::test]
async fn a_tag_of_the_actions_that_the_server_does_not_keep_is_a_failure() {
    for came in [Came::Before, Came::Published] {
        let (tagged, written) = outcome(Wanted::ByAction, came, &[OTHER], 200).await;
        let error = tagged.unwrap_err();
        assert_eq!(error.to_string(), "the version is stored, but the dist-tag next was set and is on 0.9.0");
        assert_eq!((error.class(), written), (Class::Unavailable, 1));
    }
    let error = outcome(Wanted::ByAction, Came::Before, &[NONE], 403).await.0.unwrap_err();
    assert_eq!(error.class(), Class::Permission);
}

#[tokio::test]
async fn a_tag_of_a_version_that_the_server_does_not_list_yet_is_asked_for_again() {
    let server = Scripted::start().await;
    let registry = server.with_token().await;
    server.answer(Verb::PUT, ONE, 2, 404, &[], "{}");
    server.answer(Verb::PUT, ONE, usize::MAX, 200, &[], "{}");
    server.answer(Verb::GET, ALL, 1, 404, &[], "{}");
    server.answer(Verb::GET, ALL, usize::MAX, RIGHT.0, &[], RIGHT.1);
    let tagged = registry.tag(&file(b"left"), &tag(Wanted::ByAction), Came::Before, minute()).await;
    assert_eq!((tagged.unwrap(), server.count(&Verb::PUT, ONE)), (Tagged::Set, 3));
}
