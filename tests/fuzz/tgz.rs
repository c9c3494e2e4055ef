//! Ready packages: a gzipped tar, gone through and published as it is.

use std::collections::BTreeSet;
use std::io::Read;

use codepipeline_artifactory::archive::Selection;
use codepipeline_artifactory::archive::likeness::Files;
use codepipeline_artifactory::archive::tarball::{self, MemberKind};

use super::planned::{archive, files, plan};

/// Most that is inflated here.
const MOST: u64 = 1 << 20;

/// Goes through the bytes as a gzipped tar: no more is inflated than is allowed, `tar` reads the same, an archive is
/// like itself. And plans them as an artifact: what is published are these bytes.
pub(crate) fn tgz(bytes: &[u8]) {
    let mut inside = Vec::new();
    let mut inflated = 0;
    let walked = tarball::walk(bytes, MOST, |member, content| {
        let mut all = Vec::new();
        let read = content.take(2 * MOST).read_to_end(&mut all);
        inflated += all.len() as u64;
        assert!(inflated <= MOST, "more was inflated than was allowed");
        read?;
        if member.kind == MemberKind::File {
            inside.push((member.path.clone(), member.size, all));
        }
        Ok(())
    });
    if walked.is_ok() {
        // Of one that is cut short, all is read that is there, and the rest is an error of the whole.
        assert!(inside.iter().all(|(_, size, content)| content.len() as u64 == *size), "all files are whole");
        if let Ok(other) = files(bytes) {
            assert_eq!(inside.len(), other.len(), "the same files");
            for ((path, _, content), (other, bytes)) in inside.iter().zip(&other) {
                let path = path.split('\0').next().unwrap_or_default();
                assert_eq!(path, other, "the same paths");
                assert!(content == bytes, "{path} has the same bytes");
            }
        }
        if let Ok(own) = Files::of(bytes) {
            let differences = own.differences(bytes, &BTreeSet::new(), || Ok(bytes)).expect("it could be read before");
            assert!(differences.is_empty(), "it is like itself: {differences}");
        }
    }
    if let Ok(plans) = plan(bytes.to_vec(), Selection::default()) {
        // Or it is a zip, where all the rest is `zip`'s affair.
        for plan in plans.iter().filter(|_| bytes.starts_with(b"\x1f\x8b")) {
            assert!(archive(plan) == bytes, "it is published as it is");
        }
    }
}
