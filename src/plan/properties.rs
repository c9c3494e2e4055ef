//! Properties of a planned file: its own, and those that the action wants on each, their placeholders filled in.

use super::file::Properties;
use super::{PackagePlan, PlanError};
use crate::package::{Coordinates, Noun};
use crate::step::{Content, Step};
use crate::template::{FileFacts, Template};

/// What the action wants on every file: key, then its values.
pub(super) type Wanted = [(String, Vec<Template>)];

/// Fills them in for all files of a package.
pub(super) fn fill(package: &mut PackagePlan, wanted: &Wanted) -> Result<(), PlanError> {
    for step in &mut package.steps {
        step.file.properties = of(&package.of, step, wanted)?;
    }
    Ok(())
}

fn of(of: &Coordinates, step: &Step, wanted: &Wanted) -> Result<Properties, PlanError> {
    let path = step.file.path.as_str();
    let last = path.rsplit_once('/').map_or(path, |(_, last)| last);
    // Of what we packed ourselves there is no file in the artifact.
    let dir = match step.body.file() {
        Some(Content::Entry(entry)) => Some(entry.path().rsplit_once('/').map_or("", |(dir, _)| dir)),
        _ => None,
    };
    let version = Some(of.version.as_str()).filter(|_| of.noun() == Noun::Package);
    let facts = FileFacts { name: Some(&of.name), version, file: last, dir };
    let fill = |(key, values): &(String, Vec<Template>)| {
        let values = values.iter().map(|value| value.for_file(&facts)).collect::<Result<_, _>>();
        values.map(|values| (key.clone(), values)).map_err(|source| PlanError::Property { source })
    };
    let wanted = wanted.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    // What a file has of its own comes before what the action wants on every one.
    let mut properties = step.file.properties.clone();
    for (key, values) in wanted {
        if properties.iter().all(|(other, _)| *other != key) {
            properties.push((key, values));
        }
    }
    Ok(properties)
}
