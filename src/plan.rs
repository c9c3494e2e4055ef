//! The plan of a job: every package and every request, known before the first byte goes out, and the digest by
//! which a resumed job knows that it still follows the same one.

use std::fmt::{self, Write as _};

use sha1::Digest as _;

use crate::package::{Coordinates, hex};
use crate::step::{Segment, Step};

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

/// Two packages of one job that would be the same version of the same package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is in the artifacts twice with different content")]
pub struct TwiceError(pub Coordinates);

impl Plan {
    /// Puts the packages of all artifacts together. The same package with the same content counts once.
    pub fn new(packages: impl IntoIterator<Item = PackagePlan>) -> Result<Self, TwiceError> {
        let mut plan = Self::default();
        for package in packages {
            match plan.packages.iter().find(|other| other.of == package.of) {
                None => plan.packages.push(package),
                Some(other) if files(other).eq(files(&package)) => {}
                Some(_) => return Err(TwiceError(package.of)),
            }
        }
        Ok(plan)
    }

    /// The packages, in order.
    pub fn packages(&self) -> &[PackagePlan] {
        &self.packages
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
