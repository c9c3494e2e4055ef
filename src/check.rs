//! What a job is refused for before the first byte goes out: a repository that does not fit, and versions that exist.

use crate::action::{ActionConfig, Existing};
use crate::failure::{Conflict, Failure, Many};
use crate::plan::Plan;
use crate::registry::url::RepoKey;
use crate::registry::{Builds, Deployment, Found, Other, Policy, RepositoryClass, RepositoryFacts, Taken};

/// Refuses a repository that takes no packages of this type, or not these versions, by what it tells. What is not known is
/// left to the server.
pub fn repository(action: &ActionConfig, plan: &Plan, facts: &RepositoryFacts) -> Result<(), Failure> {
    refused(action, misfit(action, plan, facts))
}

/// Refuses a virtual repository for what it deploys to.
pub fn deployment(action: &ActionConfig, plan: &Plan, into: &RepoKey, facts: &RepositoryFacts) -> Result<(), Failure> {
    let problem = misfit(action, plan, facts);
    refused(action, problem.map(|problem| format!("deploys to {into} (defaultDeploymentRepo), which {problem}")))
}

fn refused(action: &ActionConfig, problem: Option<String>) -> Result<(), Failure> {
    let failure = |problem| Failure::Repository { repository: action.target.repository.clone(), problem };
    problem.map_or(Ok(()), |problem| Err(failure(problem)))
}

/// Why a repository does not take the packages, as the end of a sentence.
fn misfit(action: &ActionConfig, plan: &Plan, facts: &RepositoryFacts) -> Option<String> {
    let RepositoryFacts::Known { policy, .. } = facts else { return None };
    unfit(action, facts).or_else(|| action.kind.tells_snapshots().then(|| unwanted(plan, *policy)).flatten())
}

/// Why a repository takes nothing of this type, as the end of a sentence.
pub fn unfit(action: &ActionConfig, facts: &RepositoryFacts) -> Option<String> {
    let RepositoryFacts::Known { class, package_type, deployment, policy: _ } = facts else { return None };
    if !package_type.is_empty() && !action.kind.fits(package_type) {
        return Some(format!("is of type {package_type}, but TypeOfArtifact is {}", action.kind.name()));
    }
    if *class == RepositoryClass::Remote {
        return Some("is a remote repository, which nobody can deploy to".to_owned());
    }
    if *class == RepositoryClass::Virtual && *deployment == Deployment::Nowhere {
        return Some("is a virtual repository without one to deploy to (defaultDeploymentRepo)".to_owned());
    }
    None
}

/// The first version that a repository with this policy does not take.
fn unwanted(plan: &Plan, policy: Policy) -> Option<String> {
    let Policy { releases, snapshots, builds } = policy;
    plan.packages().find_map(|package| {
        let of = &package.of;
        match (package.is_snapshot(), releases, snapshots, builds) {
            (true, _, Taken::No, _) => Some(format!(
                "takes no snapshots (handleSnapshots), and {of} is one: publish it to a repository for snapshots, or give it a version without -SNAPSHOT"
            )),
            (false, Taken::No, ..) => Some(format!(
                "takes no releases (handleReleases), and {of} is one: publish it to a repository for releases, or give it a version with -SNAPSHOT"
            )),
            (true, _, _, Builds::LastOnly) => Some(format!(
                "keeps only one build of a snapshot (snapshotVersionBehavior non-unique), so that {of} would be overwritten: let it keep each (unique or deployer)"
            )),
            _ => None,
        }
    })
}

/// What an earlier attempt of the same job left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// There was none, or it had sent nothing yet.
    Nothing,
    /// It had begun to send this very plan: what is there with our content is its work.
    Sent,
}

/// Refuses versions that are there with other content, versions of which nobody can tell, versions that would come after
/// a higher one unasked, and under `existing=fail` any that is there. `found` has one finding for each step of the plan.
pub fn existing(action: &ActionConfig, plan: &Plan, found: &[Found], earlier: Earlier) -> Result<(), Failure> {
    let (mut conflicts, mut unseen, mut exist, mut outranked) =
        (Many::default(), Many::default(), Many::default(), Many::default());
    let mut found = found.iter();
    for planned in plan.planned() {
        let found = found.by_ref().take(planned.files());
        // Nothing speaks against most files, which are not put together for that.
        let found: Vec<(usize, &Found)> = found.enumerate().filter(|(_, found)| **found != Found::Absent).collect();
        if found.iter().any(|(_, found)| found.is_there()) {
            exist.add(|| planned.of().into_owned());
        }
        let found = found.into_iter().filter(|(_, found)| !found.is_there());
        let paths = found.filter_map(|(at, found)| Some((planned.path(at)?, found)));
        for (path, found) in paths {
            match found {
                Found::Other(other) => conflicts.add(|| {
                    let Other { theirs, ours, differences } = (**other).clone();
                    Conflict { of: planned.of().into_owned(), path, theirs, ours, differences }
                }),
                // Sent all the same, it could overwrite what is there.
                Found::Unknown => unseen.add(|| path),
                Found::Outranked { by } => outranked.add(|| (planned.of().into_owned(), by.clone())),
                Found::Absent | Found::Same | Found::Alike(_) => {}
            }
        }
    }
    match (action.existing, earlier) {
        _ if !conflicts.is_empty() => Err(Failure::Conflicts(conflicts)),
        _ if !unseen.is_empty() => {
            Err(Failure::Unseen { repository: action.target.repository.clone(), paths: unseen, source: None })
        }
        _ if !outranked.is_empty() => {
            Err(Failure::Outranked { repository: action.target.repository.clone(), versions: outranked })
        }
        (Existing::Fail, Earlier::Nothing) if !exist.is_empty() => Err(Failure::Exists(exist)),
        (Existing::Fail | Existing::SkipIdentical, Earlier::Nothing | Earlier::Sent) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::job::{Configuration, PipelineRun};
    use crate::package::{Coordinates, Digests};
    use crate::plan::PackagePlan;
    use crate::registry::url::RepoPath;
    use crate::step::{Body, Method, PlannedFile, Step, Way};

    fn action(options: &str) -> ActionConfig {
        let configuration: BTreeMap<String, String> = [
            ("TypeOfArtifact", "npm"),
            ("RepoKey", "npm-local"),
            ("ArtifactoryHost", "https://acme.jfrog.io"),
            ("Options", options),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        ActionConfig::parse(&Configuration(configuration), &PipelineRun::default(), false).unwrap()
    }

    fn plan(action: &ActionConfig, names: &[&str]) -> Plan {
        let package = |name: &&str| PackagePlan {
            of: Coordinates { name: (*name).to_owned(), version: "1.0.0".to_owned() },
            steps: vec![Step {
                way: Way::Api,
                method: Method::Put,
                path: (*name).into(),
                headers: Vec::new(),
                body: Body::default(),
                file: PlannedFile::new(RepoPath::parse(name).unwrap(), Digests::of(name.as_bytes()).unwrap()),
                listing: None,
                tag: None,
            }],
            needs: Vec::new(),
            warnings: Vec::new(),
        };
        Plan::new(names.iter().map(package), &action.target).unwrap()
    }

    fn other() -> Found {
        Found::Other(Box::new(Other {
            theirs: "sha1 a".to_owned(),
            ours: "sha1 b".to_owned(),
            differences: "a.js has other bytes".to_owned(),
        }))
    }

    #[test]
    fn a_repository_of_another_type_or_a_remote_one_is_refused() {
        let facts = |class, package_type: &str| RepositoryFacts::Known {
            class,
            package_type: package_type.to_owned(),
            deployment: Deployment::Untold,
            policy: Policy::default(),
        };
        let action = action("existing=fail");
        let none = plan(&action, &[]);
        for (class, package_type, refusal) in [
            (RepositoryClass::Local, "npm", None),
            (RepositoryClass::Virtual, "", None),
            (RepositoryClass::Federated, "NPM", None),
            (RepositoryClass::Local, "maven", Some("is of type maven, but TypeOfArtifact is npm")),
            (RepositoryClass::Remote, "npm", Some("remote repository")),
        ] {
            match (repository(&action, &none, &facts(class, package_type)), refusal) {
                (Ok(()), None) => {}
                (Err(failure), Some(refusal)) => assert!(failure.to_string().contains(refusal), "{failure}"),
                (outcome, _) => panic!("{package_type}: {outcome:?}"),
            }
        }
        assert!(repository(&action, &none, &RepositoryFacts::Unknown).is_ok());
    }

    #[test]
    fn other_content_wins_over_all_and_the_same_content_is_refused_only_where_the_action_says_so() {
        let same = || Found::Same;
        let (skip, fail) = (action("existing=skip-identical"), action("existing=fail"));
        let plan = plan(&skip, &["a", "b"]);
        let kind = |action, found: [Found; 2], earlier| {
            existing(action, &plan, &found, earlier)
                .map_err(|failure| (failure.kind().as_str().to_owned(), failure.to_string()))
        };
        assert!(kind(&skip, [same(), Found::Absent], Earlier::Nothing).is_ok());
        assert!(kind(&fail, [Found::Absent, Found::Absent], Earlier::Nothing).is_ok());
        let (failed, message) = kind(&fail, [same(), Found::Absent], Earlier::Nothing).unwrap_err();
        assert!(failed == "JobFailed" && message.contains("a@1.0.0") && !message.contains("b@1.0.0"), "{message}");
        assert!(kind(&fail, [same(), Found::Absent], Earlier::Sent).is_ok(), "our own work");
        for (found, earlier) in [([same(), other()], Earlier::Sent), ([Found::Unknown, other()], Earlier::Nothing)] {
            let (failed, message) = kind(&skip, found, earlier).unwrap_err();
            assert!(failed == "JobFailed" && message.contains("b@1.0.0"), "{message}");
        }
        let (failed, message) = kind(&skip, [Found::Unknown, same()], Earlier::Nothing).unwrap_err();
        assert!(failed == "PermissionError" && message.contains("npm-local"), "{message}");
    }
}
