//! Bundled dependencies, from zip to plan.

use super::*;

fn root(bundled: &str) -> Zip {
    let manifest = format!(
        r#"{{"name":"a","version":"1.0.0","dependencies":{{"b":"1","@s/c":"1"}},"bundleDependencies":{bundled}}}"#
    );
    Zip::new().file("package.json", manifest)
}

fn paths(plan: &PackagePlan) -> String {
    packed(plan).keys().map(|path| path.trim_start_matches("package/")).collect::<Vec<_>>().join(" ")
}

#[test]
fn bundled_packages_go_in_and_are_listed() {
    let zip = root("true")
        .file("node_modules/b/package.json", r#"{"dependencies":{"d":"1"}}"#)
        .file("node_modules/b/node_modules/d/package.json", "{}")
        .file("node_modules/@s/c/package.json", r#"{"dependencies":{"b":"1"}}"#)
        .file("node_modules/d/package.json", "{}");
    let plan = only(zip);
    assert_eq!(
        paths(&plan),
        "node_modules/@s/c/package.json node_modules/b/node_modules/d/package.json node_modules/b/package.json \
         package.json"
    );
    assert_eq!(manifest(&plan)["bundleDependencies"], json!(["b", "@s/c"]));
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn what_is_not_there_is_left_out_and_said() {
    let zip = root(r#"["b","gone","../x",".bin"]"#)
        .file("node_modules/b/package.json", "{}")
        .file("node_modules/.bin/b", "")
        .file("x/package.json", "{}");
    let plan = only(zip);
    assert_eq!(paths(&plan), "node_modules/b/package.json package.json x/package.json");
    assert_eq!(
        plan.warnings,
        ["bundleDependencies that are not installed in the artifact, or not among its dependencies, are left out, as \
          npm does: gone, ../x, .bin"]
    );
}

#[test]
fn nothing_is_bundled_from_above_the_package() {
    let zip = Zip::new()
        .file("package.json", r#"{"private":true,"workspaces":["w"]}"#)
        .file("node_modules/b/package.json", "{}")
        .file(
            "w/package.json",
            r#"{"name":"w","version":"1.0.0","dependencies":{"b":"1"},"bundleDependencies":["b"]}"#,
        );
    let plan = only(zip);
    assert_eq!(paths(&plan), "package.json");
    assert!(plan.warnings[0].ends_with("as npm does: b"), "{:?}", plan.warnings);
}

#[test]
fn linked_packages_are_refused_by_name() {
    for link in ["node_modules", "node_modules/@s", "node_modules/@s/c", "node_modules/@s/c/package.json"] {
        let zip = root(r#"["@s/c"]"#).symlink(link, "../elsewhere");
        // A package is there only if it has a file.
        let zip = if link.ends_with("json") { zip.file("node_modules/@s/c/i.js", "") } else { zip };
        let error = error(zip, "");
        assert!(error.contains(link) && error.contains("is a symbolic link") && error.contains("@s/c"), "{error}");
    }
    let inner = root(r#"["b"]"#)
        .file("node_modules/b/package.json", r#"{"dependencies":{"d":"1"}}"#)
        .symlink("node_modules/d", "../d");
    assert!(error(inner, "").contains("node_modules/d is a symbolic link"));
    let unused = root(r#"["b"]"#).file("node_modules/b/package.json", "{}").symlink("node_modules/d", "../d");
    assert_eq!(paths(&only(unused)), "node_modules/b/package.json package.json");
}

#[test]
fn a_bundled_manifest_must_be_sound() {
    let zip = root(r#"["b"]"#).file("node_modules/b/package.json", "{");
    assert!(error(zip, "").contains("node_modules/b/package.json is not JSON"));
}
