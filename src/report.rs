//! What CodePipeline is told at the end of a job: texts within the API's limits, output variables, and the report that
//! goes into an output artifact. The same job gives the same report, so that a repeated call is harmless.

mod file;
mod told;
mod zip;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_codepipeline::types::FailureType;
use serde::{Deserialize, Serialize};

use crate::package::{Coordinates, Noun, hex};
use crate::plan::{Plan, Planned};
use crate::registry::url::{Base, RepoKey, RepoPath};
pub use file::{FileState, PublishedFile};

/// Longest summary, in characters (API model).
const SUMMARY: usize = 2048;
/// Longest list of names in a summary, in bytes: the rest is for what comes before it.
const NAMES: usize = 1500;
/// Longest failure message.
const MESSAGE: usize = 5000;
/// Longest external execution id, and longest revision.
const IDENTIFIER: usize = 1500;
/// Longest change identifier.
const CHANGE: usize = 100;
/// Most bytes of all output variables together.
const VARIABLES: usize = 122_880;

/// Everything that a job published, and where.
#[derive(Debug, Clone)]
pub struct Published {
    /// The Artifactory.
    pub base: Base,
    /// The repository.
    pub repository: RepoKey,
    /// What was planned, all of which is in the repository now.
    pub plan: Arc<Plan>,
    /// Each file, in the order of the plan's steps.
    pub files: Vec<PublishedFile>,
    /// What else a person should know of a package, e.g. of its dist-tag, by its number in the plan.
    pub remarks: BTreeMap<usize, String>,
}

/// A success, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuccessReport {
    /// What went where, in words.
    pub summary: String,
    /// Leads to the log.
    pub external_execution_id: String,
    /// The version that was published.
    pub revision: String,
    /// SHA-256 of the first file.
    pub change_identifier: String,
    /// Output variables.
    pub variables: Vec<(String, String)>,
}

/// A failure, ready to be sent, and as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// One of CodePipeline's six types.
    #[serde(with = "by_name")]
    pub kind: FailureType,
    /// What a person reads.
    pub message: String,
    /// Leads to the log.
    pub external_execution_id: String,
}

impl Published {
    /// The packages as they were planned, each with what became of its files.
    fn packages(&self) -> impl Iterator<Item = (&Planned, &[PublishedFile])> + Clone {
        let mut files = self.files.as_slice();
        self.plan.planned().iter().map(move |planned| {
            let (own, others) = files.split_at_checked(planned.files()).unwrap_or((files, &[]));
            files = others;
            (planned, own)
        })
    }

    /// The packages that are in the repository now: all but those that a dry run would publish.
    pub fn in_repository(&self) -> impl Iterator<Item = Cow<'_, Coordinates>> + Clone {
        let missing = |files: &[PublishedFile]| files.iter().any(|file| file.state == FileState::Planned);
        self.packages().filter(move |(_, files)| !missing(files)).map(|(planned, _)| planned.of())
    }

    fn count(&self, states: &[FileState]) -> usize {
        let all = |(_, files): &(&Planned, &[PublishedFile])| files.iter().all(|file| states.contains(&file.state));
        self.packages().filter(all).count()
    }

    fn url(&self, path: &RepoPath) -> String {
        self.base.join(&format!("{}/{}", self.repository, path.encoded()))
    }

    /// The report of this success.
    pub fn report(&self, external_execution_id: &str) -> SuccessReport {
        let first = self.plan.packages().next();
        let step = first.as_ref().and_then(|package| package.steps.first());
        let file = step.zip(self.files.first());
        let sha256 = file.map(|(step, file)| hex(&file.digests(step).sha256)).unwrap_or_default();
        // A file has no version; what changes with it is its content.
        let (version, revision) = match first.as_ref().map(|package| (package.of.noun(), &package.of.version)) {
            Some((Noun::Package, version)) => (version.clone(), version.clone()),
            Some((Noun::File, _)) | None => ("-".to_owned(), sha256.clone()),
        };
        let skipped = self.count(&[FileState::Skipped, FileState::Repacked]);
        let mut variables = vec![
            ("PackageName", first.as_ref().map(|package| package.of.name.clone()).unwrap_or_default()),
            ("PackageVersion", version),
            ("PackageCount", self.plan.len().to_string()),
            ("ArtifactUrl", step.map(|step| self.url(&step.file.path)).unwrap_or_default()),
            ("Sha256", sha256.clone()),
            ("SkippedCount", skipped.to_string()),
        ];
        let mut room = VARIABLES;
        for (name, value) in &mut variables {
            *value = cut(value, room.saturating_sub(name.len()) / 4);
            room = room.saturating_sub(name.len() + value.len());
        }
        SuccessReport {
            summary: text(&self.summary(skipped), SUMMARY),
            external_execution_id: text(external_execution_id, IDENTIFIER),
            revision: text(&revision, IDENTIFIER),
            change_identifier: text(&sha256, CHANGE),
            variables: variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    fn summary(&self, skipped: usize) -> String {
        let planned = self.count(&[FileState::Planned]);
        let name = |(at, (planned, files)): (usize, (&Planned, &[PublishedFile]))| {
            let state = match files.first().map(|file| file.state) {
                Some(FileState::Skipped) => Some("already there"),
                Some(FileState::Repacked) => Some("already there, its files packed otherwise"),
                _ => None,
            };
            let told: Vec<&str> = state.into_iter().chain(self.remarks.get(&at).map(String::as_str)).collect();
            let of = planned.of();
            if told.is_empty() { of.to_string() } else { format!("{of} ({})", told.join("; ")) }
        };
        let names = bounded(self.plan.len(), self.packages().enumerate().map(name), NAMES);
        let place = format!("{} at {}", self.repository, self.base);
        let noun = self.plan.planned().first().map_or(Noun::Package, Planned::noun).one();
        match self.plan.len() {
            _ if planned > 0 => format!("Dry run, nothing was sent. Would publish to {place}: {names}"),
            1 if skipped == 1 => format!("{names}: the same content is in {place}"),
            1 => format!("Published {names} to {place}"),
            count => {
                let sent = count - skipped;
                format!("Published {sent} of {count} {noun}s to {place}, {skipped} already there: {names}")
            }
        }
    }
}

impl SuccessReport {
    /// What is told of a success whose report cannot be made: it is one all the same.
    pub fn least(external_execution_id: &str) -> Self {
        Self {
            summary: "Published; what and where is in the log.".to_owned(),
            external_execution_id: external_execution_id.to_owned(),
            revision: "-".to_owned(),
            change_identifier: "-".to_owned(),
            variables: Vec::new(),
        }
    }

    /// The least that still says what happened, for an API that refuses the full report.
    #[must_use]
    pub fn smallest(&self) -> Self {
        Self {
            summary: text(&plain(&self.summary), 200),
            external_execution_id: text(&plain(&self.external_execution_id), 100),
            revision: text(&plain(&self.revision), 100),
            change_identifier: text(&plain(&self.change_identifier), CHANGE),
            variables: Vec::new(),
        }
    }
}

impl FailureReport {
    /// A failure within the API's limits.
    pub fn new(kind: FailureType, message: &str, external_execution_id: &str) -> Self {
        Self { kind, message: text(message, MESSAGE), external_execution_id: text(external_execution_id, IDENTIFIER) }
    }

    /// What is told of a failure whose report cannot be made.
    pub fn panicked(external_execution_id: &str) -> Self {
        Self {
            kind: FailureType::JobFailed,
            message: "The job failed, and the publisher itself failed to say why: see the log.".to_owned(),
            external_execution_id: external_execution_id.to_owned(),
        }
    }

    /// The least that still says what failed, for an API that refuses the full report.
    #[must_use]
    pub fn smallest(&self) -> Self {
        Self {
            kind: self.kind.clone(),
            message: text(&plain(&self.message), 1000),
            external_execution_id: text(&plain(&self.external_execution_id), 100),
        }
    }
}

/// A failure's type as the API names it.
mod by_name {
    use aws_sdk_codepipeline::types::FailureType;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(kind: &FailureType, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FailureType, D::Error> {
        String::deserialize(from).map(|name| FailureType::from(name.as_str()))
    }
}

/// What no API has anything against: printable ASCII on one line.
fn plain(text: &str) -> String {
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    text.chars().map(blank).filter(|c| c.is_ascii_graphic() || *c == ' ').collect()
}

/// A text that is never empty and never longer than `most` UTF-16 units, which no way of counting exceeds but bytes;
/// the end says that it was cut.
fn text(text: &str, most: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    match clean.trim() {
        "" => "-".to_owned(),
        clean => cut(clean, most),
    }
}

/// As many of the names as there is room for, and how many there are more.
fn bounded(all: usize, names: impl Iterator<Item = String>, most: usize) -> String {
    let mut list = String::new();
    for (at, name) in names.enumerate() {
        if at > 0 && list.len() + name.len() > most {
            return format!("{list} and {} more", all - at);
        }
        if at > 0 {
            list.push_str(", ");
        }
        list.push_str(&name);
    }
    list
}

fn cut(text: &str, most: usize) -> String {
    let length = |text: &str| text.chars().map(char::len_utf16).sum::<usize>();
    if length(text) <= most {
        return text.to_owned();
    }
    let mut kept = 1;
    let fits = |c: &char| {
        kept += c.len_utf16();
        kept <= most
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::archive::source::Memory;
    use crate::package::Digests;
    use crate::plan::PackagePlan;
    use crate::step::{Content, PlannedFile, Step};

    pub(in crate::report) fn published(states: &[FileState]) -> Published {
        of(states, |at, _| Coordinates { name: format!("left-{at}"), version: "1.0.0".to_owned() })
    }

    /// As many files that are no packages.
    fn files(states: &[FileState]) -> Published {
        of(states, |_, path| Coordinates::file(path))
    }

    fn of(states: &[FileState], called: impl Fn(usize, &RepoPath) -> Coordinates) -> Published {
        let repository = RepoKey::parse("npm-local").unwrap();
        let content = Content::Spooled(Arc::new(Memory(b"abc".as_slice().into())));
        let package = |at| {
            let path = RepoPath::parse(&format!("left-{at}/-/left-{at}-1.0.0.tgz")).unwrap();
            let (of, digests) = (called(at, &path), Digests::of(&b"abc"[..]).unwrap());
            let step = Step::plain(&repository.as_str().into(), PlannedFile::new(path, digests), content.clone());
            PackagePlan { of, steps: vec![step], needs: Vec::new(), warnings: Vec::new() }
        };
        Published {
            base: Base::parse("https://acme.jfrog.io", false).unwrap(),
            plan: Arc::new((0..states.len()).map(package).collect()),
            repository,
            files: states.iter().map(|state| PublishedFile::ours(*state)).collect(),
            remarks: BTreeMap::new(),
        }
    }

    #[test]
    fn summaries_say_what_went_where() {
        use FileState::{Planned, Repacked, Skipped, Stored};
        insta::assert_snapshot!(published(&[Repacked]).report("run").summary, @"left-0@1.0.0 (already there, its files packed otherwise): the same content is in npm-local at https://acme.jfrog.io");
        let summary = |states: &[FileState]| published(states).report("run").summary;
        insta::assert_snapshot!(summary(&[Stored]), @"Published left-0@1.0.0 to npm-local at https://acme.jfrog.io");
        insta::assert_snapshot!(summary(&[Skipped]), @"left-0@1.0.0 (already there): the same content is in npm-local at https://acme.jfrog.io");
        insta::assert_snapshot!(summary(&[Stored, Skipped]), @"Published 1 of 2 packages to npm-local at https://acme.jfrog.io, 1 already there: left-0@1.0.0, left-1@1.0.0 (already there)");
        let of_files = |states: &[FileState]| files(states).report("run").summary;
        insta::assert_snapshot!(of_files(&[Stored]), @"Published left-0/-/left-0-1.0.0.tgz to npm-local at https://acme.jfrog.io");
        insta::assert_snapshot!(of_files(&[Stored, Stored, Skipped]), @"Published 2 of 3 files to npm-local at https://acme.jfrog.io, 1 already there: left-0/-/left-0-1.0.0.tgz, left-1/-/left-1-1.0.0.tgz, left-2/-/left-2-1.0.0.tgz (already there)");
        let thousand = of_files(&[Stored; 1000]);
        insta::assert_snapshot!(thousand.get(..120).unwrap(), @"Published 1000 of 1000 files to npm-local at https://acme.jfrog.io, 0 already there: left-0/-/left-0-1.0.0.tgz, left-1/-");
        insta::assert_snapshot!(thousand.rsplit_once(", ").unwrap().1, @"left-51/-/left-51-1.0.0.tgz and 948 more");
        insta::assert_snapshot!(summary(&[Planned]), @"Dry run, nothing was sent. Would publish to npm-local at https://acme.jfrog.io: left-0@1.0.0");
    }

    #[test]
    fn variables_are_those_of_the_first_package() {
        let report = published(&[FileState::Stored, FileState::Skipped]).report("run");
        let names: Vec<&str> = report.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["PackageName", "PackageVersion", "PackageCount", "ArtifactUrl", "Sha256", "SkippedCount"]);
        assert_eq!(report.variables[3].1, "https://acme.jfrog.io/artifactory/npm-local/left-0/-/left-0-1.0.0.tgz");
        assert_eq!(report.variables[5].1, "1");
        assert_eq!(report.change_identifier.len(), 64);
    }

    #[test]
    fn the_revision_of_a_file_is_its_digest() {
        let report = files(&[FileState::Stored]).report("run");
        assert_eq!(
            (report.revision.as_str(), report.variables[1].1.as_str()),
            (report.change_identifier.as_str(), "-")
        );
        assert_eq!(report.variables[0].1, "left-0/-/left-0-1.0.0.tgz");
    }

    #[test]
    fn no_text_is_empty_or_longer_than_its_limit() {
        for size in [MESSAGE - 1, MESSAGE, MESSAGE + 1, 3 * MESSAGE] {
            for letter in ["a", "ä", "😀"] {
                let message = FailureReport::new(FailureType::JobFailed, &letter.repeat(size), "").message;
                assert!(message.encode_utf16().count() <= MESSAGE, "{letter} {size}");
                assert_eq!(message.ends_with('…'), letter.repeat(size).encode_utf16().count() > MESSAGE);
            }
        }
        let empty = FailureReport::new(FailureType::JobFailed, " \u{0} ", "");
        assert_eq!((empty.message.as_str(), empty.external_execution_id.as_str()), ("-", "-"));
        let many = published(&vec![FileState::Stored; 1000]).report("run");
        assert!(many.summary.chars().count() <= SUMMARY);
    }
}
