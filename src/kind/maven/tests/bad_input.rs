//! What is refused, with the words for it.

use super::*;

/// Module metadata of Gradle, with more about its component.
fn component(group: &str, module: &str, version: &str, more: &str) -> String {
    format!(r#"{{"component":{{"group":"{group}","module":"{module}","version":"{version}"{more}}},"variants":[]}}"#)
}

#[test]
fn module_metadata_may_be_of_the_same_module_or_of_one_elsewhere() {
    for metadata in [
        component("org.acme", "lib", "1.0", ""),
        component("org.acme", "all", "3", r#","url":"../../all/3/all-3.module""#),
        "{}".to_owned(),
    ] {
        let zip = Zip::new()
            .file("lib-1.0.pom", minimal("lib", "1.0"))
            .file("lib-1.0.jar", jar("org.acme", "lib", "1.0"))
            .file("lib-1.0.module", metadata);
        assert_eq!(stored(zip, "").len(), 3);
    }
}

#[test]
fn what_cannot_be_published_is_refused_by_name() {
    let built = |pom: &str| Zip::new().file("pom.xml", pom).file("target/lib-1.0.jar", jar("org.acme", "lib", "1.0"));
    let beside = |pom: &str| Zip::new().file("d/lib-1.0.pom", pom);
    let revision = "<properties><revision>1.0</revision></properties>";
    let messages = [
        refusal(built("<project><artifactId>lib</artifactId><version>1.0</version></project>")),
        refusal(built("<project><parent><groupId>g</groupId><artifactId>p</artifactId></parent></project>")),
        refusal(built(&pom("org.acme", "lib", "${revision}", revision))),
        refusal(built(&pom("org.acme", "lib", "${changelist}", ""))),
        refusal(built(&pom("org.acme", "lib", "1.0", "<parent><version>${revision}</version></parent>"))),
        refusal(built(&pom("../../etc", "lib", "1.0", ""))),
        refusal(built(&pom("org.acme", "..", "1.0", ""))),
        refusal(built(&pom("org.acme", "lib", "1.0/../../2.0", ""))),
        refusal(built(&pom("org.acme", "lib", "RELEASE", ""))),
        refusal(built(&pom("org.acme", "lib", "2.0", ""))),
        refusal(built(&pom("org.acme", "other", "1.0", ""))),
        refusal(built(&pom("com.acme", "lib", "1.0", ""))),
        refusal(built("{\"name\":\"lib\"}")),
        refusal(built("<html/>")),
        refusal(built("<!DOCTYPE project><project/>")),
        refusal(built(&format!("<project>{}", "<a>".repeat(200)))),
        refusal(built(&pom("org.acme", "lib", "1.0", "<version>1.0</version>"))),
        refusal(built(&pom("org.acme", "lib", "1.0", &"<!-- -->".repeat(600_000)))),
        refusal(Zip::new().file("pom.xml", minimal("lib", "1.0"))),
        refusal(beside(&minimal("lib", "1.1"))),
        refusal(beside(&minimal("lib", "1.0"))),
        refusal(Zip::new().file("r/org/acme/lib/1.0/lib-1.0.pom", pom("com.acme", "lib", "1.0", ""))),
        refusal(Zip::new().file("a.jar", Zip::new().file("x", "y").bytes())),
        refusal(Zip::new().file("app.jar", jar("org.acme", "lib", "1.0"))),
        refusal(Zip::new().file("META-INF/MANIFEST.MF", "x")),
        refusal(Zip::new().file("README.md", "x")),
        refusal(Zip::new().symlink("pom.xml", "elsewhere")),
        refusal(Zip::new().file("pom.xml", minimal("lib", "1.0")).symlink("target/lib-1.0.jar", "/etc/passwd")),
        refusal(built(&minimal("lib", "1.0")).file("target/lib-1.0-a;b.jar", "x")),
        refusal(built(&minimal("lib", "1.0")).file("target/lib-1.0.module", component("org.acme", "lib", "1.1", ""))),
        refusal(built(&minimal("lib", "1.0")).file("target/lib-1.0.module", "no JSON")),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    pom.xml has no groupId, and no parent that it could be from -> complete the POM
    pom.xml has no artifactId -> complete the POM
    pom.xml has the version ${revision}, which stands for 1.0: published like this, nobody could resolve it -> let the build write the POM with its values, with the flatten-maven-plugin (resolveCiFriendliesOnly), and hand over .flattened-pom.xml beside pom.xml
    pom.xml has the version ${changelist}, of which the artifact does not say what it stands for: published like this, nobody could resolve it -> let the build write the POM with its values, with the flatten-maven-plugin (resolveCiFriendliesOnly), and hand over .flattened-pom.xml beside pom.xml
    pom.xml has the parent's version ${revision}, of which the artifact does not say what it stands for: published like this, nobody could resolve it -> let the build write the POM with its values, with the flatten-maven-plugin (resolveCiFriendliesOnly), and hand over .flattened-pom.xml beside pom.xml
    pom.xml has the groupId "../../etc", which is not of letters, digits, '-', '_' and '.' only -> correct the POM
    pom.xml has the coordinates org.acme:.., which would lead out of their folder -> correct the POM
    pom.xml has the version "1.0/../../2.0", which cannot be a part of a path -> correct the POM
    pom.xml has the version RELEASE, which stands for whatever version is the newest -> correct the POM
    pom.xml says org.acme:lib:2.0, but in target there are lib-1.0.jar and none that begins with lib-2.0 -> hand over the files of one build, under the names that it gives them
    pom.xml says org.acme:other:1.0, but in target there are lib-1.0.jar and none that begins with other-1.0 -> hand over the files of one build, under the names that it gives them
    target/lib-1.0.jar says in META-INF/maven/org.acme/lib/pom.properties that it is org.acme:lib:1.0, but pom.xml says com.acme:lib:1.0 -> hand over the files of one build only: clean before it builds
    pom.xml is not XML that is read here: it has text outside of any element -> hand over the POM that the build made
    pom.xml is no POM: its element is <html> and not <project> -> hand over the POM that the build made
    pom.xml is not XML that is read here: it has a document type, which could define anything -> hand over the POM that the build made
    pom.xml is nested more than 128 levels deep, which is more than is read here -> hand over the POM that the build made
    pom.xml is not XML that is read here: it has <version> twice -> hand over the POM that the build made
    has an entry "pom.xml" that is too large: 4800212 bytes, the limit is 4194304
    pom.xml says that org.acme:lib:1.0 is packed as jar, but no file in target begins with lib-1.0 -> hand over what the build made beside the POM, or leave the POM out with Files
    d/lib-1.0.pom says that it is org.acme:lib:1.1, whose POM is called lib-1.1.pom -> give it the name of what it says, or correct what it says
    d/lib-1.0.pom says that org.acme:lib:1.0 is packed as jar, but no file in d begins with lib-1.0 -> hand over what the build made beside the POM, or leave the POM out with Files
    r/org/acme/lib/1.0/lib-1.0.pom lies in r/org/acme/lib/1.0, but says that it is com.acme:lib:1.0, whose place is com/acme/lib/1.0 -> let the build deploy it to that folder, or correct what it says
    a.jar has no POM beside it, and none inside that is called like it -> hand over its POM with it, or leave it out with Files
    app.jar holds the POM of org.acme:lib:1.0, whose file would be called lib-1.0.jar -> give it the name that its build gives it, or hand over its POM with it
    lib.jar is a jar that does not hold its POM -> hand over an artifact with the jar and, beside it, its POM
    no maven package found: no pom.xml with its target folder, no .pom beside its files, no jar that holds its POM is looked at; the artifact holds README.md
    pom.xml is a symbolic link, which is never followed -> hand over the POM itself
    target/lib-1.0.jar is a symbolic link, which is neither followed nor published -> let the build put the file itself there, or leave it out with Files
    target/lib-1.0-a;b.jar would be stored as "org/acme/lib/1.0/lib-1.0-a;b.jar", which has characters that such a name never has -> let the build give it another classifier, or leave it out with Files
    target/lib-1.0.module says that it is org.acme:lib:1.1, but pom.xml says org.acme:lib:1.0 -> hand over the files of one build only: clean before it builds
    target/lib-1.0.module is no module metadata of Gradle: expected ident at line 1 column 2 -> build it again, or leave it out with Files
    "#);
}

#[test]
fn values_that_stand_for_many_others_end_somewhere() {
    let properties: Vec<String> = (0..60).map(|at| format!("<p{at}>${{p{0}}}${{p{0}}}</p{at}>", at + 1)).collect();
    let properties = properties.concat();
    let error = refusal(
        Zip::new().file("pom.xml", pom("org.acme", "lib", "${p0}", &format!("<properties>{properties}</properties>"))),
    );
    assert!(error.contains("of which the artifact does not say"), "{error}");
    let own = pom("org.acme", "lib", "${a}", "<properties><a>${a}</a></properties>");
    assert!(refusal(Zip::new().file("pom.xml", own)).contains("does not say"));
}

#[test]
fn a_pom_that_holds_too_much_is_refused() {
    let properties: Vec<String> = (0..6000).map(|at| format!("<p{at}>{}</p{at}>", "x".repeat(100))).collect();
    let properties = properties.concat();
    let error = refusal(
        Zip::new().file("pom.xml", pom("org.acme", "lib", "1", &format!("<properties>{properties}</properties>"))),
    );
    assert!(error.contains("more than 524288 bytes of coordinates"), "{error}");
}

#[test]
fn parents_that_go_round_in_a_circle_end_somewhere() {
    let child = |of: &str, own: &str| {
        format!(
            "<project><parent><groupId>g</groupId><artifactId>{of}</artifactId><version>1</version>\
             <relativePath>../{of}/pom.xml</relativePath></parent><artifactId>{own}</artifactId>\
             <packaging>pom</packaging><modules><module>../{of}</module></modules></project>"
        )
    };
    let zip = Zip::new().file("a/pom.xml", child("b", "a")).file("b/pom.xml", child("a", "b"));
    assert_eq!(stored(zip, ""), ["g/a/1/a-1.pom", "g/b/1/b-1.pom"]);
}
