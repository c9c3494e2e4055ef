//! Where packages are found, and what of them is published.

use super::*;

#[test]
fn a_module_is_what_its_target_holds_under_its_name() {
    let zip = Zip::new()
        .file("pom.xml", minimal("lib", "1.0"))
        .file("src/test/resources/sample/pom.xml", "no POM at all")
        .file("target/classes/org/acme/Lib.class", "x")
        .file("target/lib-1.0.jar", jar("org.acme", "lib", "1.0"))
        .file("target/lib-1.0.jar.original", "thin")
        .file("target/original-lib-1.0.jar", "thin")
        .file("target/lib-1.0-sources.jar", "sources")
        .file("target/lib-1.0-javadoc.jar", "javadoc")
        .file("target/lib-1.0.jar.asc", "signature")
        .file("target/lib-1.0.pom", minimal("lib", "1.0"))
        .file("target/lib-1.0.pom.asc", "signature")
        .file("target/lib-1.0.jar.sha1", "x")
        .file("target/lib/dependency-2.jar", "x");
    let below = |names: &[&str]| names.iter().map(|name| format!("org/acme/lib/1.0/{name}")).collect::<Vec<_>>();
    let expected = below(&[
        "lib-1.0.jar",
        "lib-1.0-javadoc.jar",
        "lib-1.0-sources.jar",
        "lib-1.0.jar.asc",
        "lib-1.0.pom.asc",
        "lib-1.0.pom",
    ]);
    assert_eq!(stored(zip, ""), expected);
}

/// A project of several modules that inherit everything.
fn several() -> Zip {
    let child = |artifact: &str, more: &str| {
        format!(
            "<project><parent><groupId>org.acme</groupId><artifactId>all</artifactId><version>2.1</version>\
             </parent><artifactId>{artifact}</artifactId>{more}</project>"
        )
    };
    let modules = "<packaging>pom</packaging><modules><module>core</module><module>apps/web</module><module>it</module>\
                   <module>gone</module></modules><properties><web.name>web</web.name></properties>";
    Zip::new()
        .file("pom.xml", pom("org.acme", "all", "2.1", modules))
        .file("core/pom.xml", child("core", ""))
        .file("core/target/core-2.1.jar", jar("org.acme", "core", "2.1"))
        .file("core/target/core-2.1-tests.jar", "tests")
        .file(
            "apps/web/pom.xml",
            child("web", "<packaging>war</packaging><build><finalName>${web.name}</finalName></build>")
                .replace("</version></parent>", "</version><relativePath>../..</relativePath></parent>"),
        )
        .file("apps/web/target/web.war", Zip::new().file("WEB-INF/web.xml", "x").bytes())
        .file("it/pom.xml", child("it", "<properties><maven.deploy.skip>true</maven.deploy.skip></properties>"))
        .file("unrelated/pom.xml", "no POM at all")
}

#[test]
fn modules_follow_from_the_outermost_pom_and_inherit_from_it() {
    assert_eq!(
        stored(several(), ""),
        [
            "org/acme/all/2.1/all-2.1.pom",
            "org/acme/core/2.1/core-2.1.jar",
            "org/acme/core/2.1/core-2.1-tests.jar",
            "org/acme/core/2.1/core-2.1.pom",
            "org/acme/web/2.1/web-2.1.war",
            "org/acme/web/2.1/web-2.1.pom",
        ]
    );
    let names: Vec<String> =
        plans_of(several().bytes(), "!apps/**").unwrap().iter().map(|plan| plan.of.to_string()).collect();
    assert_eq!(names, ["org.acme:all@2.1", "org.acme:core@2.1"]);
}

#[test]
fn a_flattened_pom_stands_for_one_that_cannot_be_published() {
    let ours = pom("org.acme", "lib", "${revision}", "<properties><revision>0-local</revision></properties>");
    let zip = Zip::new()
        .file("pom.xml", &ours)
        .file(".flattened-pom.xml", minimal("lib", "1.7"))
        .file("target/lib-1.7.jar", jar("org.acme", "lib", "1.7"));
    assert_eq!(stored(zip, ""), ["org/acme/lib/1.7/lib-1.7.jar", "org/acme/lib/1.7/lib-1.7.pom"]);
    let parent = pom("org.acme", "all", "1.7", "<packaging>pom</packaging>");
    let zip = Zip::new().file("pom.xml", &parent).file(".flattened-pom.xml", minimal("else", "3"));
    let plans = plans_of(zip.bytes(), "").unwrap();
    assert_eq!(plans[0].steps[0].file.digests.size, parent.len() as u64, "what others inherit from goes out as it is");
}

#[test]
fn a_layout_goes_to_the_same_places() {
    let zip = Zip::new()
        .file("pom.xml", minimal("lib", "1.0"))
        .file("target/lib-1.0.jar", jar("org.acme", "lib", "1.0"))
        .file("target/staging/org/acme/lib/maven-metadata.xml", "x")
        .file("target/staging/org/acme/lib/1.0/lib-1.0.jar", jar("org.acme", "lib", "1.0"))
        .file("target/staging/org/acme/lib/1.0/lib-1.0.jar.md5", "x")
        .file("target/staging/org/acme/lib/1.0/lib-1.0-dist.tar.gz", "dist")
        .file("target/staging/org/acme/lib/1.0/lib-1.0.module", "{}")
        .file("target/staging/org/acme/lib/1.0/lib-1.0.pom", minimal("lib", "1.0"))
        .file("target/staging/org/acme/lib/1.0/lib-1.0.pom.sha256", "x")
        .file(
            "target/staging/org/acme/bom/1.0/bom-1.0.pom",
            pom("org.acme", "bom", "1.0", "<packaging>pom</packaging>"),
        );
    assert_eq!(
        stored(zip, ""),
        [
            "org/acme/bom/1.0/bom-1.0.pom",
            "org/acme/lib/1.0/lib-1.0.jar",
            "org/acme/lib/1.0/lib-1.0-dist.tar.gz",
            "org/acme/lib/1.0/lib-1.0.module",
            "org/acme/lib/1.0/lib-1.0.pom",
        ]
    );
}

#[test]
fn what_a_local_repository_fetched_is_nobodys_product() {
    let local = |zip: Zip, artifact: &str, origin: &str| {
        let folder = format!(".m2/repository/org/acme/{artifact}/1");
        zip.file(&format!("{folder}/{artifact}-1.pom"), minimal(artifact, "1"))
            .file(&format!("{folder}/{artifact}-1.jar"), jar("org.acme", artifact, "1"))
            .file(
                &format!("{folder}/_remote.repositories"),
                format!("#NOTE\n{artifact}-1.jar>{origin}=\n{artifact}-1.pom>{origin}=\n"),
            )
    };
    let zip = local(local(Zip::new(), "fetched", "central"), "built", "");
    assert_eq!(stored(zip, ""), ["org/acme/built/1/built-1.jar", "org/acme/built/1/built-1.pom"]);
}

#[test]
fn poms_and_files_may_lie_beside_each_other() {
    let zip = Zip::new()
        .file("dist/lib-1.0.pom", minimal("lib", "1.0"))
        .file("dist/lib-1.0.jar", jar("org.acme", "lib", "1.0"))
        .file("dist/lib-1.0-rc1.pom", minimal("lib", "1.0-rc1"))
        .file("dist/lib-1.0-rc1.jar", jar("org.acme", "lib", "1.0-rc1"))
        .file("dist/lib-1.0-rc1-sources.jar", "sources")
        .file("dist/other.jar", "x");
    assert_eq!(
        stored(zip, "!dist/other.jar"),
        [
            "org/acme/lib/1.0-rc1/lib-1.0-rc1.jar",
            "org/acme/lib/1.0-rc1/lib-1.0-rc1-sources.jar",
            "org/acme/lib/1.0-rc1/lib-1.0-rc1.pom",
            "org/acme/lib/1.0/lib-1.0.jar",
            "org/acme/lib/1.0/lib-1.0.pom",
        ]
    );
}

#[test]
fn publications_of_gradle_are_found_where_it_writes_them() {
    let zip = Zip::new()
        .file("app/build/publications/mavenJava/pom-default.xml", minimal("lib", "1.0"))
        .file("app/build/publications/mavenJava/module.json", "{}")
        .file("app/build/libs/lib-1.0.jar", Zip::new().file("a", "b").bytes())
        .file("app/build/libs/lib-1.0-sources.jar", "sources")
        .file("app/build/libs/lib-1.0-plain.jar", "plain");
    assert_eq!(
        stored(zip, ""),
        [
            "org/acme/lib/1.0/lib-1.0.jar",
            "org/acme/lib/1.0/lib-1.0-plain.jar",
            "org/acme/lib/1.0/lib-1.0-sources.jar",
            "org/acme/lib/1.0/lib-1.0.module",
            "org/acme/lib/1.0/lib-1.0.pom",
        ]
    );
}

#[test]
fn a_jar_without_a_pom_beside_it_is_published_with_the_one_inside() {
    let zip = Zip::new()
        .file("lib-1.0.jar", jar("org.acme", "lib", "1.0"))
        .file("lib-1.0-sources.jar", Zip::new().file("a", "b").bytes())
        .file("libs/dependency-3.jar", "no zip at all");
    let plans = plans_of(zip.bytes(), "").unwrap();
    let names: Vec<&str> = plans[0].steps.iter().map(|step| step.file.path.as_str()).collect();
    assert_eq!(
        names,
        ["org/acme/lib/1.0/lib-1.0.jar", "org/acme/lib/1.0/lib-1.0-sources.jar", "org/acme/lib/1.0/lib-1.0.pom"]
    );
    let mut inner = String::new();
    let content = plans[0].steps[2].body.file().unwrap().open();
    std::io::Read::read_to_string(&mut content.unwrap(), &mut inner).unwrap();
    assert_eq!(inner, minimal("lib", "1.0"));
}

#[test]
fn a_jar_that_is_called_like_its_artifact_takes_what_is_called_like_it() {
    let zip = Zip::new()
        .file("lib.jar", jar("org.acme", "lib", "1.0"))
        .file("lib-sources.jar", Zip::new().file("a", "b").bytes())
        .file("lib.jar.asc", "signature");
    let expected = ["lib-1.0.jar", "lib-1.0-sources.jar", "lib-1.0.jar.asc", "lib-1.0.pom"];
    assert_eq!(stored(zip, ""), expected.map(|name| format!("org/acme/lib/1.0/{name}")));
}

#[test]
fn of_merged_jars_the_pom_counts_that_the_name_is_of() {
    let merged =
        crate::make::described(crate::make::described(Zip::new(), "org.other", "part", "9"), "org.acme", "all", "1.0");
    assert_eq!(
        stored(Zip::new().file("all-1.0.jar", merged.bytes()), ""),
        ["org/acme/all/1.0/all-1.0.jar", "org/acme/all/1.0/all-1.0.pom"]
    );
}

#[test]
fn an_artifact_that_is_a_jar_itself_is_the_package() {
    let bytes = jar("org.acme", "lib", "1.0");
    let plans = plans_of(bytes.clone(), "").unwrap();
    let steps = &plans[0].steps;
    assert_eq!(plans[0].of.to_string(), "org.acme:lib@1.0");
    assert_eq!((steps.len(), steps[0].file.digests.size), (2, bytes.len() as u64));
    assert_eq!(steps[0].file.path.as_str(), "org/acme/lib/1.0/lib-1.0.jar");
}

#[test]
fn what_may_be_wrong_but_stops_nothing_is_told() {
    let foreign = jar("org.other", "part", "9");
    let told = warnings(
        Zip::new()
            .file("pom.xml", minimal("lib", "1.0"))
            .file("target/lib-1.0.jar", foreign)
            .file("target/lib-0.9.jar", "stale"),
    );
    insta::assert_snapshot!(told.join("\n"), @r"
    left out, because their names begin otherwise: target/lib-0.9.jar
    target/lib-1.0.jar has org.other:part:9 inside, and is published as org.acme:lib:1.0
    ");
}
