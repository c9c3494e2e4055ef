//! The job's input artifacts: fetched, opened, and planned together on a blocking thread, because reading them blocks.

use std::sync::Arc;

use crate::action::ActionConfig;
use crate::apart::apart;
use crate::archive::source::{Leash, ReadAt};
use crate::archive::{Archive, ArchiveError};
use crate::aws::artifact::Artifacts;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::job::ArtifactLocation;
use crate::kind::{self, PackageError};
use crate::plan::{Plan, Planned};

/// Fetches all input artifacts and plans what is in them. What is read of them is read on the leash.
pub async fn plan(
    artifacts: &Artifacts,
    inputs: &[ArtifactLocation],
    action: &ActionConfig,
    leash: &Leash,
    deadline: Deadline,
) -> Result<Plan, Failure> {
    if inputs.is_empty() {
        return Err(Failure::NoInput);
    }
    let mut sources = Vec::new();
    for input in inputs {
        let source = artifacts.open(input, deadline).await;
        let source = source.map_err(|source| Failure::Input { artifact: input.name.clone(), source })?;
        sources.push((input.clone(), leash.hold(source)));
    }
    planned(sources, action.clone()).await.map_err(|failure| cause(artifacts, failure))
}

/// What is behind a failure: an artifact of which a part could not be fetched is known to its readers as unreadable.
pub fn cause(artifacts: &Artifacts, failure: Failure) -> Failure {
    match artifacts.failure() {
        Some((artifact, source)) => Failure::Input { artifact, source },
        None => failure,
    }
}

/// The plan, made on a thread of its own. Where that panics it is a bug of ours, and this job's failure alone.
async fn planned(sources: Vec<(ArtifactLocation, Arc<dyn ReadAt>)>, action: ActionConfig) -> Result<Plan, Failure> {
    let planning = apart(move || {
        let packages = packages(sources, &action)?;
        Ok(Plan::new(packages, &action.target)?)
    });
    planning.await.unwrap_or(Err(Failure::Panicked))
}

/// The packages of all artifacts together. One of several may well hold something else.
fn packages(sources: Vec<(ArtifactLocation, Arc<dyn ReadAt>)>, action: &ActionConfig) -> Result<Vec<Planned>, Failure> {
    let mut packages = Vec::new();
    let mut nothing = None;
    for (input, source) in sources {
        let artifact = input.name.clone();
        let archive = match open(source, &input) {
            Ok(archive) => archive,
            Err(source) => return Err(Failure::Archive { artifact, source }),
        };
        match action.kind.planned(&archive, &action.target) {
            // Not copied, where there may be a hundred thousand.
            Ok(found) if packages.is_empty() => packages = found,
            Ok(found) => packages.extend(found),
            Err(PackageError::NothingFound { kind, looked_for }) if nothing.is_none() => {
                let looked_for = looked_for + &kind::likeness(&archive, action.kind);
                nothing = Some(Failure::Package { artifact, source: PackageError::NothingFound { kind, looked_for } });
            }
            Err(PackageError::NothingFound { .. }) => {}
            Err(source) => return Err(Failure::Package { artifact, source }),
        }
    }
    match nothing {
        Some(nothing) if packages.is_empty() => Err(nothing),
        _ => Ok(packages),
    }
}

/// Opens an artifact. A package that is an artifact by itself is named after its object.
fn open(source: Arc<dyn ReadAt>, input: &ArtifactLocation) -> Result<Archive, ArchiveError> {
    let object = input.object.as_ref().map(|(_, key)| key.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
    let alone = if kind::is_package(object) { object.to_owned() } else { format!("{object}.tgz") };
    Archive::open(source, &input.name, &alone)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::archive::source::Memory;
    use crate::job::{Configuration, PipelineRun};
    use crate::kind::Kind;
    use crate::package::Target;
    use crate::plan::PackagePlan;

    /// A type with a bug in it.
    struct Broken;

    impl Kind for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn plan(&self, _: &Archive, _: &Target) -> Result<Vec<PackagePlan>, PackageError> {
            panic!("a bug")
        }
    }

    #[tokio::test]
    async fn a_panic_over_planning_is_a_failure_of_the_job() {
        let configuration: BTreeMap<String, String> =
            [("TypeOfArtifact", "npm"), ("RepoKey", "npm-local"), ("ArtifactoryHost", "https://acme.jfrog.io")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        let action = ActionConfig::parse(&Configuration(configuration), &PipelineRun::default(), false).unwrap();
        let place = ArtifactLocation { name: "BuildOutput".to_owned(), object: None };
        // An empty zip: its end and nothing else.
        let zip: Arc<dyn ReadAt> = Arc::new(Memory([b"PK\x05\x06".as_slice(), &[0; 18]].concat().into()));
        let sources = vec![(place, zip)];
        let nothing = planned(sources.clone(), action.clone()).await;
        assert!(matches!(nothing, Err(Failure::Package { .. })), "{nothing:?}");
        let broken = planned(sources, ActionConfig { kind: &Broken, ..action }).await;
        assert!(matches!(broken, Err(Failure::Panicked)), "{broken:?}");
    }
}
