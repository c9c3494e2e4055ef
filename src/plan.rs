//! The plan of a job: every package and every request, known before the first byte goes out, and the digest by
//! which a resumed job knows that it still follows the same one.

mod file;
mod planned;
mod properties;
mod together;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use sha1::Digest as _;

use crate::package::{Coordinates, Target, hex};
use crate::registry::url::RepoPath;
use crate::stamp::Stamp;
use crate::step::{Rivals, Segment, Step, Way};
use crate::template::TemplateError;
pub use file::{FilePlan, Properties};
pub use planned::Planned;

/// Longest text of a plan in the log, in characters.
const EXCERPT: usize = 20_000;

/// One package and the requests that publish it, in order.
#[derive(Debug, Clone)]
pub struct PackagePlan {
    /// Name and version.
    pub of: Coordinates,
    /// The requests.
    pub steps: Vec<Step>,
    /// The names of packages after which it is published, where they are in the plan before it.
    pub needs: Vec<String>,
    /// What the person should know though it stops nothing; shown in the log.
    pub warnings: Vec<String>,
}

impl PackagePlan {
    /// Whether it is a Maven snapshot, of which there may be many builds.
    pub fn is_snapshot(&self) -> bool {
        self.steps.iter().any(|step| step.file.stamped.is_some())
    }

    /// The listing in which higher versions would speak against this one.
    fn rivals(&self) -> Option<(&str, &Rivals)> {
        let mut listings = self.steps.iter().filter_map(|step| step.listing.as_ref());
        listings.find_map(|listing| Some((listing.path.as_str(), listing.rivals()?)))
    }
}

/// All packages of a job, in the order in which they are published.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    packages: Vec<Planned>,
    /// The key of the repository.
    repository: Arc<str>,
    /// What the action wants on every file; packages have it filled in.
    properties: Arc<properties::Wanted>,
}

/// A plan of packages as they are.
#[cfg(test)]
impl FromIterator<PackagePlan> for Plan {
    fn from_iter<I: IntoIterator<Item = PackagePlan>>(packages: I) -> Self {
        Self { packages: packages.into_iter().map(Planned::from).collect(), ..Self::default() }
    }
}

/// Why packages do not make a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two packages of one job that would be the same version of the same package.
    #[error("the package {0} is in the artifacts twice with different content")]
    Twice(Coordinates),
    /// Two different files of the artifacts that would be stored at the same path.
    #[error("{one} and {other} are different files, and both would be stored at {path}")]
    SamePlace {
        /// The first, as `artifact:path`.
        one: String,
        /// The second.
        other: String,
        /// The path.
        path: RepoPath,
    },
    /// Two packages of one job that would be stored at the same path.
    #[error("{one} and {other} would both be stored at {path}")]
    SamePath {
        /// The first.
        one: Coordinates,
        /// The second.
        other: Coordinates,
        /// The path.
        path: RepoPath,
    },
    /// A property that cannot be set on a file.
    #[error("Properties {source}")]
    Property {
        /// What is wrong.
        source: TemplateError,
    },
}

impl Plan {
    /// Puts the packages of all artifacts together, with the properties that the action wants on each file. The same
    /// package with the same content counts once; files of one package that come with several artifacts, such as the
    /// wheels of several platforms, are published together.
    pub fn new(packages: impl IntoIterator<Item = impl Into<Planned>>, target: &Target) -> Result<Self, PlanError> {
        let packages = packages.into_iter().map(Into::into).collect();
        let (repository, properties) = (target.repository.as_str().into(), target.properties.as_slice().into());
        let mut plan = Self { packages, repository, properties };
        plan.join()?;
        for planned in &mut plan.packages {
            match planned {
                Planned::Package(package) => properties::fill(package, &plan.properties)?,
                // They can be filled in, then, whenever they are needed.
                Planned::File(file) => properties::fill(&mut file.package(&plan.repository), &plan.properties)?,
            }
        }
        plan.one_path_each()?;
        plan.lower_versions_first();
        Ok(plan)
    }

    /// Puts the versions of one package into the order in which each may be the latest when it is published; other
    /// packages keep their places.
    fn lower_versions_first(&mut self) {
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, planned) in self.packages.iter().enumerate() {
            if let Some((listing, _)) = planned.rivals() {
                places.entry(listing.to_owned()).or_default().push(at);
            }
        }
        for places in places.into_values().filter(|places| places.len() > 1) {
            let mut versions: Vec<Planned> = places.iter().filter_map(|at| self.packages.get(*at).cloned()).collect();
            versions.sort_by(|one, other| match (one.rivals(), other.rivals()) {
                (Some((_, Rivals { version: one, outranks })), Some((_, Rivals { version: other, .. }))) => {
                    outranks(one, other).cmp(&outranks(other, one))
                }
                _ => Ordering::Equal,
            });
            for (at, package) in places.into_iter().zip(versions) {
                if let Some(place) = self.packages.get_mut(at) {
                    *place = package;
                }
            }
        }
    }

    /// A plan of packages without requests.
    #[cfg(test)]
    pub(crate) fn of(packages: impl IntoIterator<Item = Coordinates>) -> Self {
        let package = |of| PackagePlan { of, steps: Vec::new(), needs: Vec::new(), warnings: Vec::new() };
        packages.into_iter().map(package).collect()
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// The packages, in order. Of files that are none each is put together when it is its turn: who keeps all of them
    /// takes the memory that the plan saves.
    pub fn packages(&self) -> impl ExactSizeIterator<Item = Cow<'_, PackagePlan>> + Clone {
        self.packages.iter().map(|planned| self.package(planned))
    }

    /// The same as they are kept, to be put together by [`Plan::package`].
    pub fn planned(&self) -> &[Planned] {
        &self.packages
    }

    /// One of the plan's packages.
    pub fn package<'p>(&self, planned: &'p Planned) -> Cow<'p, PackagePlan> {
        match planned {
            Planned::Package(package) => Cow::Borrowed(package),
            Planned::File(file) => {
                let mut package = file.package(&self.repository);
                // It could be done when the plan was made, and is no other now.
                let _ = properties::fill(&mut package, &self.properties);
                Cow::Owned(package)
            }
        }
    }

    /// The plan as text, as much of it as a line of the log has room for.
    pub fn excerpt(&self) -> String {
        let mut text = String::new();
        for package in self.packages() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{package}");
            if let Some((end, _)) = text.char_indices().nth(EXCERPT) {
                text.truncate(end);
                text.push('…');
                break;
            }
        }
        text
    }

    /// Where the repository tells of the newest build of each snapshot.
    pub fn snapshots(&self) -> Vec<RepoPath> {
        let of = |package: &PackagePlan| {
            package.steps.iter().find_map(|step| Some(step.file.stamped.as_ref()?.metadata.clone()))
        };
        self.packages.iter().filter_map(Planned::as_package).filter_map(of).collect()
    }

    /// The plan with the names that the files of this build have.
    #[must_use]
    pub fn stamped(&self, stamp: &Stamp) -> Self {
        let mut named = self.clone();
        for planned in &mut named.packages {
            if let Planned::Package(package) = planned {
                package.steps = package.steps.iter().map(|step| step.of_build(stamp)).collect();
            }
        }
        named
    }

    /// Whether a file gets properties after it is stored.
    pub fn is_annotated(&self) -> bool {
        let steps = |planned: &Planned| match planned {
            Planned::Package(package) => {
                package.steps.iter().any(|step| step.way == Way::Api && !step.file.properties.is_empty())
            }
            // They go along with it.
            Planned::File(_) => false,
        };
        self.packages.iter().any(steps)
    }

    /// SHA-256 (hexadecimal) over everything that decides what will be published where.
    pub fn digest(&self) -> String {
        let mut digest = sha2::Sha256::new();
        for package in self.packages() {
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.packages().try_for_each(|package| write!(f, "{package}"))
    }
}

impl fmt::Display for PackagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.of)?;
        for step in &self.steps {
            write!(f, "{step}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::package::Digests;
    use crate::registry::url::{Base, RepoKey};
    use crate::step::{Body, Method, PlannedFile};
    use crate::template::Template;

    fn package(name: &str, path: &str, content: &str) -> PackagePlan {
        PackagePlan {
            of: Coordinates { name: name.to_owned(), version: "1.0.0".to_owned() },
            steps: vec![Step {
                way: Way::Api,
                method: Method::Put,
                path: format!("r/{path}").into(),
                headers: Vec::new(),
                body: Body(vec![Segment::Bytes(content.to_owned().into())]),
                file: PlannedFile::new(RepoPath::parse(path).unwrap(), Digests::of(content.as_bytes()).unwrap()),
                listing: None,
                tag: None,
            }],
            needs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn plan(packages: &[PackagePlan], properties: &[(&str, &str)]) -> Result<Plan, PlanError> {
        let property = |(key, value): &(&str, &str)| ((*key).to_owned(), vec![Template::parse(value).unwrap()]);
        let target = Target {
            base: Base::parse("https://acme.jfrog.io", false).unwrap(),
            repository: RepoKey::parse("r").unwrap(),
            path: None,
            files: crate::archive::Selection::default(),
            properties: properties.iter().map(property).collect(),
            options: BTreeMap::new(),
            email: None,
        };
        Plan::new(packages.iter().cloned(), &target)
    }

    #[test]
    fn the_same_package_counts_once_and_nothing_else_shares_a_place() {
        let a = package("a", "a.tgz", "1");
        assert_eq!(plan(&[a.clone(), package("b", "b.tgz", "1"), a.clone()], &[]).unwrap().packages().len(), 2);
        let twice = plan(&[a.clone(), package("a", "a.tgz", "2")], &[]).unwrap_err();
        assert_eq!(twice.to_string(), "the package a@1.0.0 is in the artifacts twice with different content");
        let same_path = plan(&[a, package("A", "a.tgz", "1")], &[]).unwrap_err();
        assert_eq!(same_path.to_string(), "a@1.0.0 and A@1.0.0 would both be stored at a.tgz");
    }

    #[test]
    fn whatever_would_be_sent_otherwise_gives_another_digest() {
        let digest =
            |packages: &[PackagePlan], properties: &[(&str, &str)]| plan(packages, properties).unwrap().digest();
        let (a, b) = (package("a", "a.tgz", "1"), package("b", "b.tgz", "1"));
        let digests = [
            digest(&[a.clone(), b.clone()], &[]),
            digest(&[b.clone(), a.clone()], &[]),
            digest(std::slice::from_ref(&a), &[]),
            digest(&[package("a", "a.tgz", "2")], &[]),
            digest(&[package("a", "c.tgz", "1")], &[]),
            digest(std::slice::from_ref(&a), &[("k", "{name}")]),
        ];
        let unique: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(unique.len(), digests.len());
        assert_eq!(digest(&[a.clone(), b.clone()], &[]), digest(&[a.clone(), b, a], &[]));
    }

    #[test]
    fn a_plan_in_the_log_has_an_end() {
        let packages: Vec<_> = (0..1000).map(|n| package(&format!("p{n}"), &format!("p{n}.tgz"), "1")).collect();
        let plan = plan(&packages, &[("team", "{name}")]).unwrap();
        assert_eq!(plan.excerpt().chars().count(), EXCERPT + 1);
        assert!(plan.excerpt().contains("property team = p0"));
    }
}
