//! What became of one planned file.

use serde::Serialize;

use crate::package::Digests;
use crate::step::Step;

/// How a file came to be in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// This job stored it.
    Stored,
    /// It was there already with the same content.
    Skipped,
    /// The same files were there already in an archive of other bytes; its digests are the ones that are reported.
    #[serde(rename = "skipped")]
    Repacked,
    /// A dry run: it would be stored.
    Planned,
}

/// A planned file that is in the repository now.
#[derive(Debug, Clone)]
pub struct PublishedFile {
    /// How it came there.
    pub state: FileState,
    /// Its digests, where they are not those of the plan.
    theirs: Option<Box<Digests>>,
}

impl PublishedFile {
    /// The file as it was planned.
    pub fn ours(state: FileState) -> Self {
        Self { state, theirs: None }
    }

    /// An archive of the same files with these digests, which was there already.
    pub fn repacked(theirs: Box<Digests>) -> Self {
        Self { state: FileState::Repacked, theirs: Some(theirs) }
    }

    /// The digests that it has there; `step` is the one by which it was planned.
    pub(super) fn digests<'f>(&'f self, step: &'f Step) -> &'f Digests {
        self.theirs.as_deref().unwrap_or(&step.file.digests)
    }
}
