//! The plan of a job: every package and every request, known before the first byte goes out, and the digest by
//! which a resumed job knows that it still follows the same one.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};

use sha1::Digest as _;

use crate::package::{Coordinates, Noun, Target, hex};
use crate::registry::url::RepoPath;
use crate::stamp::Stamp;
use crate::step::{Content, Rivals, Segment, Step, Way};
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
    packages: Vec<PackagePlan>,
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
    pub fn new(packages: impl IntoIterator<Item = PackagePlan>, target: &Target) -> Result<Self, PlanError> {
        let mut packages: Vec<PackagePlan> = packages.into_iter().collect();
        join(&mut packages)?;
        for package in &mut packages {
            for step in &mut package.steps {
                step.file.properties = properties(&package.of, step, target)?;
            }
        }
        one_path_each(&packages)?;
        let mut plan = Self { packages };
        plan.lower_versions_first();
        Ok(plan)
    }

    /// Puts the versions of one package into the order in which each may be the latest when it is published; other
    /// packages keep their places.
    fn lower_versions_first(&mut self) {
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            if let Some((listing, _)) = package.rivals() {
                places.entry(listing.to_owned()).or_default().push(at);
            }
        }
        for places in places.into_values().filter(|places| places.len() > 1) {
            let mut versions: Vec<PackagePlan> =
                places.iter().filter_map(|at| self.packages.get(*at).cloned()).collect();
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
        Self { packages: packages.into_iter().map(package).collect() }
    }

    /// The packages, in order.
    pub fn packages(&self) -> &[PackagePlan] {
        &self.packages
    }

    /// The plan as text, as much of it as a line of the log has room for.
    pub fn excerpt(&self) -> String {
        let mut text = String::new();
        for package in &self.packages {
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
        self.packages.iter().filter_map(of).collect()
    }

    /// The plan with the names that the files of this build have.
    #[must_use]
    pub fn stamped(&self, stamp: &Stamp) -> Self {
        let steps = |package: &PackagePlan| package.steps.iter().map(|step| step.of_build(stamp)).collect();
        let packages = self.packages.iter().map(|package| PackagePlan { steps: steps(package), ..package.clone() });
        Self { packages: packages.collect() }
    }

    /// Whether a file gets properties after it is stored.
    pub fn is_annotated(&self) -> bool {
        let mut steps = self.packages.iter().flat_map(|package| &package.steps);
        steps.any(|step| step.way == Way::Api && !step.file.properties.is_empty())
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
    let wanted = target.properties.iter().map(fill).collect::<Result<Vec<_>, _>>()?;
    // What a file has of its own comes before what the action wants on every one.
    let mut properties = step.file.properties.clone();
    for (key, values) in wanted {
        if properties.iter().all(|(other, _)| *other != key) {
            properties.push((key, values));
        }
    }
    Ok(properties)
}

/// Makes one of the packages with the same coordinates: a file that is in several of them counts once, and must be the
/// same. Sorted, not hashed: there may be a hundred thousand, and few are there twice.
fn join(packages: &mut Vec<PackagePlan>) -> Result<(), PlanError> {
    let mut into: Vec<Option<usize>> = vec![None; packages.len()];
    let mut wrong: Option<(usize, usize)> = None;
    let mut sorted: Vec<usize> = (0..packages.len()).collect();
    let of = |at: &usize| packages.get(*at).map(|package| &package.of);
    sorted.sort_by(|one, other| of(one).cmp(&of(other)));
    for same in sorted.chunk_by(|one, other| of(one) == of(other)).filter(|same| same.len() > 1) {
        let Some((first, others)) = same.split_first() else { continue };
        let files = |at: &usize| packages.get(*at).into_iter().flat_map(files);
        let mut there: HashMap<&str, [u8; 32]> = files(first).collect();
        for at in others {
            // Every file is noted, whatever the one before it was.
            let differing = files(at).filter(|(path, digest)| there.entry(path).or_insert(*digest) != digest).count();
            if differing > 0 {
                wrong = wrong.filter(|(_, before)| before < at).or(Some((*first, *at)));
            }
            if let Some(into) = into.get_mut(*at) {
                *into = Some(*first);
            }
        }
    }
    if let Some((Some(one), Some(other))) = wrong.map(|(one, other)| (packages.get(one), packages.get(other))) {
        return Err(twice(one, other));
    }
    for (at, first) in into.iter().enumerate().filter_map(|(at, first)| Some((at, (*first)?))) {
        let Some(package) = packages.get_mut(at) else { continue };
        let (steps, warnings) = (std::mem::take(&mut package.steps), std::mem::take(&mut package.warnings));
        let Some(first) = packages.get_mut(first) else { continue };
        let there: HashSet<RepoPath> = first.steps.iter().map(|step| step.file.path.clone()).collect();
        let before = first.steps.len();
        first.steps.extend(steps.into_iter().filter(|step| !there.contains(&step.file.path)));
        if first.steps.len() > before {
            first.steps.sort_by_key(|step| step.file.order);
            first.warnings.extend(warnings);
        }
    }
    let mut into = into.into_iter();
    packages.retain(|_| into.next().flatten().is_none());
    Ok(())
}

/// Refuses two packages with a file at the same path.
fn one_path_each(packages: &[PackagePlan]) -> Result<(), PlanError> {
    let paths = |package: &PackagePlan| package.steps.len();
    let mut sorted: Vec<(&RepoPath, usize, &Coordinates)> = Vec::with_capacity(packages.iter().map(paths).sum());
    for (at, package) in packages.iter().enumerate() {
        sorted.extend(package.steps.iter().map(|step| (&step.file.path, at, &package.of)));
    }
    sorted.sort_unstable_by_key(|(path, at, _)| (*path, *at));
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    let same = pairs.filter(|((one, ..), (other, ..))| one == other);
    match same.min_by_key(|(_, (_, at, _))| *at) {
        None => Ok(()),
        Some(((path, _, one), (_, _, other))) => {
            Err(PlanError::SamePath { one: (*one).clone(), other: (*other).clone(), path: (*path).clone() })
        }
    }
}

/// Why the same coordinates are not taken twice.
fn twice(one: &PackagePlan, other: &PackagePlan) -> PlanError {
    let (of, Some(step)) = (&other.of, other.steps.first()) else { return PlanError::Twice(other.of.clone()) };
    let source = |package: &PackagePlan| match package.steps.first().and_then(|step| step.body.file()) {
        Some(Content::Entry(entry)) => format!("{entry:?}"),
        _ => package.of.to_string(),
    };
    match of.noun() {
        Noun::Package => PlanError::Twice(of.clone()),
        Noun::File => PlanError::SamePlace { one: source(one), other: source(other), path: step.file.path.clone() },
    }
}

fn files(package: &PackagePlan) -> impl Iterator<Item = (&str, [u8; 32])> {
    package.steps.iter().map(|step| (step.file.path.as_str(), step.file.digests.sha256))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.packages.iter().try_for_each(|package| write!(f, "{package}"))
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
