//! Maven packages: whatever POM and jar say, what is planned lies in its folder of the layout, the POM last, and is what
//! the artifact holds.

use std::io::Read as _;

use codepipeline_artifactory::archive::Selection;
use codepipeline_artifactory::package::Digests;
use codepipeline_artifactory::plan::PackagePlan;

use super::planned::{Files, plan_of, zipped};

/// Plans a module with these bytes as its POM, and the same bytes as a POM under a name of its own.
pub(crate) fn pom(bytes: &[u8]) {
    let jar = zipped(&[("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n")]);
    holds(&[
        ("pom.xml", bytes),
        ("target/lib-1.0.jar", &jar),
        ("target/lib-1.0-sources.jar", b"sources"),
        ("core/pom.xml", b"<project><groupId>g</groupId><artifactId>core</artifactId><version>1</version></project>"),
        ("core/target/core-1.jar", &jar),
    ]);
    holds(&[("org/acme/lib/1.0/lib-1.0.pom", bytes), ("org/acme/lib/1.0/lib-1.0.jar", &jar)]);
}

/// Plans these bytes as a jar, beside its POM and alone.
pub(crate) fn jar(bytes: &[u8]) {
    let pom = b"<project><groupId>org.acme</groupId><artifactId>lib</artifactId><version>1.0</version></project>";
    holds(&[("lib-1.0.pom", pom), ("lib-1.0.jar", bytes)]);
    holds(&[("lib-1.0.jar", bytes)]);
    if let Ok(plans) = plan_of("maven", bytes.to_vec(), Selection::default()) {
        plans.iter().for_each(lies_in_its_folder);
    }
}

fn holds(artifact: &Files) {
    let bytes = zipped(artifact);
    let Ok(plans) = plan_of("maven", bytes.clone(), Selection::default()) else { return };
    for plan in &plans {
        lies_in_its_folder(plan);
        for step in &plan.steps {
            let mut sent = Vec::new();
            step.body.file().unwrap().open().unwrap().read_to_end(&mut sent).unwrap();
            assert_eq!(Digests::of(&sent[..]).unwrap(), *step.file.digests);
            let (path, is_there) = (step.file.path.as_str(), artifact.iter().any(|(_, own)| *own == sent));
            let is_pom = path.rsplit_once('.').is_some_and(|(_, end)| end == "pom");
            assert!(is_there || is_pom, "{path} is as in the artifact");
        }
    }
    let again = plan_of("maven", bytes, Selection::default()).expect("it could be planned before");
    let text =
        |plans: &[PackagePlan]| plans.iter().flat_map(|plan| &plan.steps).map(ToString::to_string).collect::<String>();
    assert_eq!(text(&plans), text(&again), "the same plan");
}

fn lies_in_its_folder(plan: &PackagePlan) {
    let (group, artifact) = plan.of.name.split_once(':').expect("group and artifact");
    let version = &plan.of.version;
    let begin = format!("{}/{artifact}/{version}/{artifact}-{version}", group.replace('.', "/"));
    for step in &plan.steps {
        let path = step.file.path.as_str();
        let rest = path.strip_prefix(&begin).unwrap_or_else(|| panic!("{path} begins with {begin}"));
        assert!(rest.starts_with(['.', '-']) && !rest.contains('/') && !path.contains("${"), "{path}");
        assert!(path.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{path}");
    }
    assert!(plan.steps.last().is_some_and(|step| step.file.path.as_str() == format!("{begin}.pom")), "the POM is last");
}
