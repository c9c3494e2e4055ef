//! Maven packages from zip to plan: where they are found, in which order their files go out, and what is refused.

mod bad_input;
mod places;

use std::sync::Arc;

use bytes::Bytes;

use super::Maven;
use crate::archive::source::Memory;
use crate::archive::{Archive, Selection};
use crate::kind::{Kind, PackageError};
use crate::make::{Zip, pom};
use crate::package::Target;
use crate::plan::{PackagePlan, Plan};
use crate::registry::url::{Base, RepoKey};

fn target(files: &str) -> Target {
    Target {
        base: Base::parse("https://acme.example", false).unwrap(),
        repository: RepoKey::parse("libs-release-local").unwrap(),
        path: None,
        files: if files.is_empty() { Selection::default() } else { Selection::parse(files).unwrap() },
        properties: Vec::new(),
        options: std::collections::BTreeMap::new(),
        email: None,
    }
}

fn plans_of(zip: Vec<u8>, files: &str) -> Result<Vec<PackagePlan>, PackageError> {
    let archive = Archive::open(Arc::new(Memory(Bytes::from(zip))), "Build", "lib.jar").unwrap();
    Maven.plan(&archive, &target(files))
}

/// Every file that would be stored, in the order in which it goes out.
fn stored(zip: Zip, files: &str) -> Vec<String> {
    let plans = plans_of(zip.bytes(), files).unwrap_or_else(|error| panic!("{error}"));
    plans.iter().flat_map(|plan| &plan.steps).map(|step| step.file.path.to_string()).collect()
}

fn warnings(zip: Zip) -> Vec<String> {
    plans_of(zip.bytes(), "").unwrap().into_iter().flat_map(|plan| plan.warnings).collect()
}

/// What is wrong, and what to do.
fn refusal(zip: Zip) -> String {
    match plans_of(zip.bytes(), "").unwrap_err() {
        PackageError::Refused { path, problem, remedy } => format!("{path} {problem} -> {remedy}"),
        other => other.to_string(),
    }
}

/// A jar that says of itself what it is.
fn jar(group: &str, artifact: &str, version: &str) -> Vec<u8> {
    crate::make::jar(group, artifact, version)
}

/// A POM without much in it.
fn minimal(artifact: &str, version: &str) -> String {
    pom("org.acme", artifact, version, "")
}

#[test]
fn the_pom_is_last_of_what_several_artifacts_hold_of_a_version() {
    let platform = |name: &str| {
        let zip = Zip::new().file("lib-1.0.pom", minimal("lib", "1.0"));
        plans_of(zip.file(&format!("lib-1.0-{name}.zip"), name).bytes(), "").unwrap()
    };
    let plan = Plan::new(platform("linux").into_iter().chain(platform("mac")), &target("")).unwrap();
    let [package] = &*plan.packages().collect::<Vec<_>>() else { panic!("{plan}") };
    let names: Vec<&str> =
        package.steps.iter().map(|step| step.file.path.as_str().rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["lib-1.0-linux.zip", "lib-1.0-mac.zip", "lib-1.0.pom"]);
}

#[test]
fn a_plan_prints() {
    let zip = Zip::new()
        .file("pom.xml", minimal("lib", "1.0"))
        .file("target/lib-1.0.jar", "no zip")
        .file("target/lib-1.0-sources.jar", "sources");
    let error = refusal(zip);
    assert!(error.starts_with("target/lib-1.0.jar is not a sound jar"), "{error}");
    let zip = Zip::new()
        .file("pom.xml", pom("org.acme", "lib", "1.0", "<packaging>pom</packaging>"))
        .file("target/lib-1.0-sources.jar", "sources");
    let plan = Plan::new(plans_of(zip.bytes(), "").unwrap(), &target("")).unwrap();
    insta::assert_snapshot!(plan, @r"
    org.acme:lib@1.0
      PUT libs-release-local/org/acme/lib/1.0/lib-1.0-sources.jar (7 bytes)
        stores org/acme/lib/1.0/lib-1.0-sources.jar (7 bytes)
        sha256 878a52fc5ff6a57d50b7b870aa51637a3dfd38fc22352a39f95a3c292eb976d5
        sha1   bce16dd0260827ecf338c787f1206f77860cacc5
      PUT libs-release-local/org/acme/lib/1.0/lib-1.0.pom (238 bytes)
        stores org/acme/lib/1.0/lib-1.0.pom (238 bytes)
        sha256 0a2731cddb443bdbc07694ac62fc64feefd24d6524816d2b684d95aef4891c4e
        sha1   eb4cb6d8654bcea0460649e8f9cc9c1cb41aba0c
    ");
}
