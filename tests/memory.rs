//! How much memory a job keeps of each of very many files, counted by the allocator, which a process has only one of: so
//! this is a binary by itself. `make bench THEME=memory` and `THEME=files` measure whole jobs, with all that is around.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy exempts test functions only, and not their helpers"
)]

mod make;

use std::collections::BTreeMap;
use std::sync::Arc;

use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::archive::{Archive, MAX_ENTRIES, Selection};
use codepipeline_artifactory::kind;
use codepipeline_artifactory::package::Target;
use codepipeline_artifactory::plan::{Plan, Planned};
use codepipeline_artifactory::registry::url::{Base, RepoKey};
use codepipeline_artifactory::report::{FileState, Published, PublishedFile};
use make::Zip;
use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// A tenth of what there may be: each entry takes as much, and a test ten times as long.
const ENTRIES: usize = MAX_ENTRIES / 10;
/// How often is measured, at most, what takes too much.
const TIMES: usize = 3;
/// The length at which the paths of as many entries as there may be fill a directory of 32 MiB, whose entries have 46
/// bytes besides.
const LONG: usize = (32 << 20) / MAX_ENTRIES - 46;

fn path(number: usize, length: usize) -> String {
    let name = format!("/{:02}/{:02}/file-{number}.js", number % 89, number % 97);
    format!("lib/{}{name}", format!("{}/", "long-".repeat(20)).repeat(length).get(..length - name.len() - 4).unwrap())
}

/// An artifact of so many small files.
fn artifact(count: usize, length: usize, manifest: Option<&str>) -> Arc<Memory> {
    let zip = manifest.into_iter().fold(Zip::new().stored(), |zip, text| zip.file("package.json", text));
    let files = (0..count - usize::from(manifest.is_some())).map(|number| path(number, length));
    Arc::new(Memory(files.fold(zip, |zip, path| zip.file(&path, "1;\n")).bytes().into()))
}

fn target(options: &[(&str, &str)]) -> Target {
    Target {
        base: Base::parse("https://acme.jfrog.io", false).unwrap(),
        repository: RepoKey::parse("files-local").unwrap(),
        path: None,
        files: Selection::default(),
        properties: Vec::new(),
        options: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        email: None,
    }
}

/// The most that this takes besides what there is already.
fn peak(work: impl FnOnce()) -> usize {
    COUNTED.reset_peak_usage();
    let before = COUNTED.current_usage();
    work();
    COUNTED.peak_usage().saturating_sub(before)
}

/// From an artifact to the report of what was published.
fn job(artifact: &Arc<Memory>, kind: &str, target: &Target, files: usize) {
    let archive = Archive::open(Arc::<Memory>::clone(artifact), "Build", "x").unwrap();
    let planned = kind::by_name(kind).expect("it is one of the types").planned(&archive, target).unwrap();
    let plan = Plan::new(planned, target).unwrap();
    let steps = plan.planned().iter().map(Planned::files).sum::<usize>();
    assert_eq!(steps, files);
    let published = Published {
        base: target.base.clone(),
        repository: target.repository.clone(),
        plan: Arc::new(plan),
        files: (0..steps).map(|_| PublishedFile::ours(FileState::Stored)).collect(),
        remarks: BTreeMap::new(),
    };
    assert!(published.zip().unwrap().size() > 100);
}

/// Of 64 MiB a hundred thousand entries have 671 bytes each. So few as here have more of what a job takes anyway: up to a
/// hundred bytes of a package that is short enough to be kept in memory, fifty of a report.
#[test]
fn what_a_job_keeps_of_a_hundred_thousand_entries_leaves_room_for_the_rest() {
    let mut over = Vec::new();
    let mut check = |told: &str, artifact: &Arc<Memory>, kind: &str, options: &[(&str, &str)], files, most: usize| {
        // How much is being compressed at the same moment is a matter of threads; what is kept is there every time.
        let mut taken = usize::MAX;
        for _ in 0..TIMES {
            if taken > most {
                taken = taken.min(peak(|| job(artifact, kind, &target(options), files)) / ENTRIES);
            }
        }
        if taken > most {
            over.push(format!("{told}: {taken} bytes an entry, not {most}"));
        }
    };
    let manifest = |files: &str| format!(r#"{{"name":"crowd","version":"1.0.0"{files}}}"#);
    check("plain files", &artifact(ENTRIES, LONG, None), "generic", &[], ENTRIES, 550);
    check("a package", &artifact(ENTRIES, LONG, Some(&manifest(""))), "npm", &[], 1, 640);
    let listed = artifact(ENTRIES, LONG, Some(&manifest(r#","files":["lib","lib/**","**/*.js","!x","*"]"#)));
    check("a list, as npm 11 reads it", &listed, "npm", &[], 1, 640);
    check("a list, as npm 12 reads it", &listed, "npm", &[("npm-files", "12")], 1, 640);
    assert!(over.is_empty(), "{}", over.join("; "));
}
