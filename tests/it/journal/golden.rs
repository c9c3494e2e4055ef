//! Claims as released versions of the function wrote them, word for word, in `records/<format>-<version>/`: what an upgrade
//! finds, and what a roll-back leaves to an older version. Each is gone on with to the right end, so that no change of the
//! format passes unseen; and what is written today has all that the older ones have, with the same meaning.
//!
//! The folder of the version that is being worked on may change with it. At a release it is left as it is; the first test
//! then asks for one of the new version: it has written its files into `target/tmp/records/`, from real runs. A folder goes
//! when its version is no longer one that anybody may come from, or go back to.
#![expect(clippy::indexing_slicing, reason = "what a record lacks fails the test")]

use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::moments::Moment;
use crate::scene::{another_process, claim, claim_key, failure, numbers, tick};
use crate::stack::pipeline::JobId;
use crate::stack::{JOURNAL, Stack};

/// How many stacks run side by side.
const SIDE_BY_SIDE: usize = 4;
/// What the owner of a claim may be called.
const OWNER: &str = "0123456789abcdef0123456789abcdef";
/// What may lead to the log of its run.
const RUN: &str = "00000000-0000-4000-8000-00000000abcd";

/// The records that one version wrote.
struct Folder {
    format: u64,
    version: Vec<u64>,
    path: PathBuf,
}

impl Folder {
    /// All of them, the oldest first.
    fn all() -> Vec<Self> {
        let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/journal/records");
        let folders = std::fs::read_dir(records).unwrap().map(|entry| Self::of(entry.unwrap().path()));
        let mut folders: Vec<Self> = folders.collect();
        folders.sort_by(|one, other| (one.format, &one.version).cmp(&(other.format, &other.version)));
        folders
    }

    fn of(path: PathBuf) -> Self {
        let name = path.file_name().unwrap().to_str().unwrap();
        let (format, version) = name.split_once('-').unwrap_or_else(|| panic!("{name} is no FORMAT-VERSION"));
        let version = version.split('.').map(|part| part.parse().unwrap()).collect();
        Self { format: format.parse().unwrap(), version, path }
    }

    /// The record of this moment, where the version knew it.
    fn record(&self, moment: Moment) -> Option<String> {
        std::fs::read_to_string(self.path.join(format!("{}.json", moment.name()))).ok()
    }
}

/// A claim with what differs from run to run made replaceable. A stamp becomes that of a day long ago.
fn replaceable(stack: &Stack, mut record: Value) -> String {
    let run = record["external_execution_id"].as_str().unwrap().to_owned();
    record["job"] = json!("{job}");
    record["owner"] = json!("{owner}");
    record["external_execution_id"] = json!("{run}");
    if record["nonce"] != "" {
        record["nonce"] = json!("{nonce}");
    }
    assert!(record["since"].as_u64() > Some(0), "{record}");
    record["since"] = json!("{since}");
    if record["lease_until"] != 0 {
        record["lease_until"] = json!("{lease}");
    }
    if let Some((_, number)) = record["stamp"].as_str().and_then(|stamp| stamp.split_once('-')) {
        record["stamp"] = json!(format!("20240229.120000-{number}"));
    }
    if record.get("told").is_some() {
        assert_eq!(record["told"]["external_execution_id"], json!(run), "{record}");
    }
    let text = serde_json::to_string_pretty(&record).unwrap();
    text.replace(&run, "{run}").replace(&stack.artifactory.platform_url(), "{artifactory}") + "\n"
}

/// Has today's function leave the claim of this moment.
async fn left(moment: Moment, stack: &Stack) -> (JobId, Value) {
    let job = moment.leave(stack).await;
    match claim(stack, &job) {
        Some(written) => (job, written),
        None => panic!("{moment:?}: no claim is left\n{}", stack.logs().await),
    }
}

/// Puts a golden record in the place of the claim that today's version wrote.
fn put_back(stack: &Stack, written: &Value, golden: &str) {
    let job = written["job"].as_str().unwrap();
    let (nonce, artifactory) = (written["nonce"].as_str().unwrap(), stack.artifactory.platform_url());
    let texts =
        [("{job}", job), ("{owner}", OWNER), ("{run}", RUN), ("{nonce}", nonce), ("{artifactory}", &artifactory)];
    let numbers = [("\"{since}\"", written["since"].to_string()), ("\"{lease}\"", "1".to_owned())];
    let record = texts.iter().fold(golden.to_owned(), |record, (what, with)| record.replace(what, with));
    let record = numbers.iter().fold(record, |record, (what, with)| record.replace(what, with));
    serde_json::from_str::<Value>(&record).expect("a golden record is JSON");
    stack.s3.put(JOURNAL, &format!("jobs/{job}.json"), record);
}

/// What of an older record today's lacks: a member that is gone, or one that says something else. How a plan's digest is
/// reckoned is each version's own (a job with another one is begun anew), and so is how a failure is worded.
fn lacks(older: &Value, todays: &Value, at: &str) -> Vec<String> {
    match (older, todays) {
        (Value::Object(older), Value::Object(todays)) => {
            let member = |(name, older): (&String, &Value)| {
                lacks(older, todays.get(name).unwrap_or(&Value::Null), &format!("{at}/{name}"))
            };
            older.iter().flat_map(member).collect()
        }
        (Value::String(older), Value::String(todays)) if at == "/plan" && older.len() == todays.len() => Vec::new(),
        (Value::String(_), Value::String(_)) if at == "/told/message" => Vec::new(),
        (older, todays) if older == todays => Vec::new(),
        (older, todays) => vec![format!("{at} was {older}, and is {todays}")],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_today_is_what_the_newest_records_say_and_has_all_that_the_older_ones_have() {
    let folders = Folder::all();
    let (newest, older) = folders.split_last().expect("there are records");
    let own: Vec<u64> = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse().unwrap()).collect();
    let aside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("records");
    std::fs::create_dir_all(&aside).unwrap();
    let compared = Moment::ALL.map(|moment| {
        let aside = &aside;
        async move {
            let stack = moment.stack().await;
            let written = left(moment, &stack).await.1;
            let todays = replaceable(&stack, written);
            std::fs::write(aside.join(format!("{}.json", moment.name())), &todays).unwrap();
            stack.abandon();
            let parsed: Value = serde_json::from_str(&todays).unwrap();
            for folder in older {
                let Some(golden) = folder.record(moment) else { continue };
                let lacks = lacks(&serde_json::from_str(&golden).unwrap(), &parsed, "");
                assert!(
                    lacks.is_empty(),
                    "{}: {moment:?}: a roll-back would not find {lacks:?}",
                    folder.path.display()
                );
            }
            (newest.record(moment).as_ref() != Some(&todays)).then(|| format!("{moment:?} is now {todays}"))
        }
    });
    let compared = stream::iter(compared).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<_>>();
    let changed = Box::pin(compared).await;
    let changed: Vec<String> = changed.into_iter().flatten().collect();
    assert!(changed.is_empty(), "claims are written in another way, see {}: {changed:#?}", aside.display());
    assert!(newest.version == own, "no records of this version yet; {} has them", aside.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_claims_of_every_version_are_gone_on_with_to_the_right_end() {
    let records = Folder::all().into_iter().flat_map(|folder| {
        let known = Moment::ALL.into_iter().filter_map(move |moment| Some((moment, folder.record(moment)?)));
        known.collect::<Vec<_>>()
    });
    let records: Vec<(Moment, String)> = records.collect();
    assert!(records.len() >= Moment::ALL.len(), "where are the records?");
    let gone_on_with = records.into_iter().map(|(moment, golden)| async move {
        let stack = moment.stack().await;
        let (job, written) = left(moment, &stack).await;
        put_back(&stack, &written, &golden);
        let _upgraded = another_process(&stack).await;
        let answer = tick(&stack).await;
        assert_eq!(numbers(&answer), moment.numbers(), "{moment:?}: {answer}\n{}", stack.logs().await);
        moment.ended(&stack, &job, &serde_json::from_str(&golden).unwrap());
    });
    Box::pin(stream::iter(gone_on_with).buffer_unordered(SIDE_BY_SIDE).collect::<Vec<()>>()).await;
}

#[test]
fn a_member_that_is_gone_or_says_something_else_is_what_a_roll_back_would_not_find() {
    let older = json!({ "done": 1, "plan": "ab", "told": { "kind": "JobFailed" }, "before": "0" });
    let with = |name: &str, value: Value| {
        let mut todays = older.clone();
        todays[name] = value;
        lacks(&older, &todays, "")
    };
    assert!(with("colour", json!("blue")).is_empty() && with("plan", json!("cd")).is_empty());
    assert_eq!(with("done", json!("1")), ["/done was 1, and is \"1\""]);
    assert_eq!(with("before", Value::Null), ["/before was \"0\", and is null"]);
    assert_eq!(with("plan", Value::Null).len(), 1);
    assert_eq!(with("told", json!({ "type": "JobFailed" })), ["/told/kind was \"JobFailed\", and is null"]);
}

#[tokio::test]
async fn a_plan_that_another_version_reckons_otherwise_is_begun_anew_and_its_files_are_existing_ones() {
    let stack = Moment::Planned.stack().await;
    let (job, mut left) = left(Moment::Planned, &stack).await;
    (left["plan"], left["lease_until"]) = (json!("0".repeat(64)), json!(1));
    stack.s3.put(JOURNAL, &claim_key(&job), left.to_string());
    let _other = another_process(&stack).await;
    assert_eq!(numbers(&tick(&stack).await), [1, 0, 0, 1, 0, 0]);
    let (kind, message) = failure(stack.pipeline.result(&job));
    assert!(kind == "JobFailed" && message.contains("existing=fail"), "{message}");
}
