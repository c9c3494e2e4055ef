//! The tags of the packages of a job: what is done about each, and what a person is told of it.

use crate::deadline::Deadline;
use crate::plan::PackagePlan;
use crate::registry::{Came, Registry, RegistryError, Tagged};
use crate::report::{FileState, PublishedFile};

/// Sees that a package has the tags that its steps want. What comes back is for the summary.
pub async fn see_to(
    package: &PackagePlan,
    files: &[PublishedFile],
    registry: &Registry,
    deadline: Deadline,
) -> Result<Option<String>, RegistryError> {
    let mut remark = None;
    for (step, file) in package.steps.iter().zip(files) {
        let Some(tag) = &step.tag else { continue };
        let came = match file.state {
            FileState::Stored => Came::Published,
            FileState::Skipped | FileState::Repacked => Came::Before,
            FileState::Planned => continue,
        };
        let (of, name) = (&package.of, &tag.name);
        match (registry.tag(step, tag, came, deadline).await?, came) {
            (Tagged::Right | Tagged::Left, _) => {}
            (Tagged::Set, Came::Before) => remark = Some(format!("dist-tag {name} set")),
            (Tagged::Set, Came::Published) => {
                tracing::info!(package = %of, "the dist-tag {name} was missing after the publish; it was set");
            }
            (Tagged::Elsewhere(has), _) => {
                let has = has.map_or_else(|| "on no version".to_owned(), |has| format!("on {has}"));
                tracing::warn!(package = %of, "published, but the dist-tag {name} is {has}");
                remark = Some(format!("dist-tag {name} is {has}"));
            }
            (Tagged::Unlisted, _) => {
                tracing::warn!(package = %of, "published under the dist-tag {name}, which the server does not show yet");
                remark = Some(format!("dist-tag {name} not seen yet"));
            }
            (Tagged::Untold, _) => {
                tracing::info!(package = %of, "the server does not tell which version has the dist-tag {name}");
            }
        }
    }
    Ok(remark)
}
