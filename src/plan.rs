//! The plan of a job: every package and every request, known before the first byte goes out, and the digest by
//! which a resumed job knows that it still follows the same one.

use std::fmt::{self, Write as _};

use sha1::Digest as _;

use crate::package::{Coordinates, Target, hex};
use crate::step::{Segment, Step};
use crate::template::{FileFacts, Template, TemplateError};

/// Longest text of a plan in the log, in characters.
const EXCERPT: usize = 20_000;

/// One package and the requests that publish it, in order.
#[derive(Debug, Clone)]
pub struct PackagePlan {
    /// Name and version.
    pub of: Coordinates,
    /// The requests.
    pub steps: Vec<Step>,
    /// What the person should know though it stops nothing; shown in the log.
    pub warnings: Vec<String>,
}

/// All packages of a job, in the order in which they are published.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    packages: Vec<PackagePlan>,
}

/// Why packages do not make a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two packages of one job that would be the same version of the same package.
    #[error("the package {0} is in the artifacts twice with different content")]
    Twice(Coordinates),
    /// A property that cannot be set on a file.
    #[error("Properties {source}")]
    Property {
        /// What is wrong.
        source: TemplateError,
    },
}

impl Plan {
    /// Puts the packages of all artifacts together, with the properties that the action wants on each file. The same
    /// package with the same content counts once.
    pub fn new(packages: impl IntoIterator<Item = PackagePlan>, target: &Target) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for mut package in packages {
            for step in &mut package.steps {
                step.file.properties = properties(&package.of, step, target)?;
            }
            match plan.packages.iter().find(|other| other.of == package.of) {
                None => plan.packages.push(package),
                Some(other) if files(other).eq(files(&package)) => {}
                Some(_) => return Err(PlanError::Twice(package.of)),
            }
        }
        Ok(plan)
    }

    /// The packages, in order.
    pub fn packages(&self) -> &[PackagePlan] {
        &self.packages
    }

    /// The plan as text, as much of it as a line of the log has room for.
    pub fn excerpt(&self) -> String {
        let text = self.to_string();
        match text.char_indices().nth(EXCERPT) {
            None => text,
            Some(_) => text.chars().take(EXCERPT).chain(['…']).collect(),
        }
    }

    /// SHA-256 (hexadecimal) over everything that decides what will be published where.
    pub fn digest(&self) -> String {
        let mut digest = sha2::Sha256::new();
        for package in &self.packages {
            digest.update(package.of.to_string());
            for step in &package.steps {
                digest.update(format!("\n{step}"));
                for segment in &step.body.0 {
                    if let Segment::Bytes(bytes) = segment {
                        digest.update(bytes);
                    }
                }
            }
            digest.update("\n");
        }
        hex(&digest.finalize())
    }
}

fn properties(of: &Coordinates, step: &Step, target: &Target) -> Result<Vec<(String, Vec<String>)>, PlanError> {
    let path = step.file.path.as_str();
    let last = path.rsplit_once('/').map_or(path, |(_, last)| last);
    let facts = FileFacts { name: &of.name, version: &of.version, file: last, dir: None };
    let fill = |(key, values): &(String, Vec<Template>)| {
        let values = values.iter().map(|value| value.for_file(&facts)).collect::<Result<_, _>>();
        values.map(|values| (key.clone(), values)).map_err(|source| PlanError::Property { source })
    };
    target.properties.iter().map(fill).collect()
}

fn files(package: &PackagePlan) -> impl Iterator<Item = (&str, [u8; 32])> {
    package.steps.iter().map(|step| (step.file.path.as_str(), step.file.digests.sha256))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for package in &self.packages {
            writeln!(f, "{}", package.of)?;
            for step in &package.steps {
                write!(f, "{step}")?;
            }
            for warning in &package.warnings {
                writeln!(f, "  warning: {warning}")?;
            }
        }
        f.write_char('\n')
    }
}
