//! File specs: which files they name, where these go, and what is refused by name.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

fn with_spec(spec: &Value, options: &[(&str, &str)]) -> Result<Vec<PackagePlan>, PackageError> {
    let zip =
        build().file("x(y)/a-1.2.jar", "jar").file("x(y)/deep/b-3.jar", "jar").file("spec.json", spec.to_string());
    let mut target = target("", "");
    target.options.insert("file-spec".to_owned(), "./spec.json".to_owned());
    target.options.extend(options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Generic.plan(&open(zip.bytes(), "Build"), &target)
}

/// Where one group's files go, and with which properties.
fn group(group: &Value) -> String {
    let mut said = String::new();
    match with_spec(&json!({ "files": [group] }), &[("spec-vars", "name=docs,to=files-local/a b")]) {
        Err(error) => return error.to_string(),
        Ok(plans) => {
            for step in plans.iter().flat_map(|plan| &plan.steps) {
                let _ = write!(said, "{}", step.file.path);
                for (key, values) in &step.file.properties {
                    let _ = write!(said, " {key}={}", values.join("|"));
                }
                said.push('\n');
            }
        }
    }
    said.trim_end().to_owned()
}

#[test]
fn files_go_where_the_cli_would_put_them() {
    for (spec, expected) in [
        // A bare repository and a folder keep the folders, a flat one does not, anything else is the file's new name.
        (json!({ "pattern": "docs/*", "target": "files-local" }), "docs/index.html"),
        (json!({ "pattern": "docs/*", "target": "files-local/" }), "docs/index.html"),
        (json!({ "pattern": "docs/*", "target": "files-local/x/" }), "x/docs/index.html"),
        (json!({ "pattern": "docs/*", "target": "files-local/x/", "flat": "true" }), "x/index.html"),
        (json!({ "pattern": "docs/*", "target": "files-local/x/", "flat": true }), "x/index.html"),
        (json!({ "pattern": "docs/index.html", "target": "files-local/x" }), "x"),
        // Placeholders; folders are dropped where one is used.
        (json!({ "pattern": "(*)/(*).html", "target": "files-local/{2}/{1}/" }), "index/docs/index.html"),
        (json!({ "pattern": "x(y)/(*)-*.jar", "target": "files-local/{2}.jar", "recursive": "false" }), "a.jar"),
        (
            json!({ "pattern": r"(\w+)-([\d.]+)\.jar$", "regexp": "true", "target": "files-local/{1}/{2}/" }),
            "a/1.2/a-1.2.jar\nb/3/b-3.jar",
        ),
        (
            json!({ "pattern": "**/*.jar", "ant": "true", "target": "files-local/", "flat": "true" }),
            "a-1.2.jar\nb-3.jar",
        ),
        (json!({ "pattern": "x(y)/*.jar", "target": "files-local/", "recursive": "false" }), "x(y)/a-1.2.jar"),
        (
            json!({ "pattern": "*", "target": "files-local/", "exclusions": ["*.jar", "dist/", "*.json", ""] }),
            "README.md\ndocs/index.html",
        ),
        // Variables are text, and give no others.
        (json!({ "pattern": "${name}/*", "target": "${to}/", "flat": "true" }), "a b/index.html"),
        // Both names of properties, and their escapes.
        (
            json!({ "pattern": "docs/*", "target": "files-local", "targetProps": r"a=1,2;b=x\,y\;z=;", "props": "a=3" }),
            "docs/index.html a=1|2|3 b=x,y;z=",
        ),
        // What is not done here may be said not to be wanted.
        (
            json!({ "pattern": "docs/*", "target": "files-local", "explode": "false", "symlinks": false }),
            "docs/index.html",
        ),
    ] {
        assert_eq!(group(&spec), expected, "{spec}");
    }
}

#[test]
fn a_group_that_names_nothing_is_a_warning_beside_others_and_a_failure_alone() {
    let spec = json!({ "$schema": "x", "files": [
        { "pattern": "*.exe", "target": "files-local/" },
        { "pattern": "docs/*", "target": "files-local/", "props": "a=1" },
        { "pattern": "docs/*", "target": "files-local/", "props": "a=2" },
    ] });
    let plans = with_spec(&spec, &[]).unwrap();
    assert_eq!(
        (plans.len(), plans[0].warnings.as_slice()),
        (1, ["no file matches *.exe of spec.json".to_owned()].as_slice())
    );
    assert_eq!(
        plans[0].steps[0].file.properties,
        [("a".to_owned(), vec!["2".to_owned()])],
        "as the later group has it"
    );
    insta::assert_snapshot!(group(&json!({ "pattern": "*.exe", "target": "files-local/" })), @"no generic package found: no file of the artifact matches *.exe of spec.json; it holds README.md, dist/app.zip, dist/sub dir/a+b;c=d%20.txt, docs/index.html, spec.json, x(y)/a-1.2.jar, x(y)/deep/b-3.jar");
}

#[test]
fn what_a_file_spec_cannot_say_is_refused_by_name() {
    let plain = json!({ "pattern": "*", "target": "files-local/" });
    let with = |name: &str, value: Value| {
        let mut group = plain.clone();
        group[name] = value;
        self::group(&group)
    };
    let whole = |spec: Value, options: &[(&str, &str)]| with_spec(&spec, options).unwrap_err().to_string();
    let messages = [
        with("archive", json!("zip")),
        with("explode", json!("true")),
        with("flatt", json!("false")),
        with("flat", json!("yes")),
        with("pattern", json!("")),
        with("pattern", json!(7)),
        with("pattern", json!("${unknown}/*")),
        with("pattern", json!("../*")),
        with("target", json!("other-local/x")),
        with("target", json!("${name}/x")),
        with("target", json!("files-local/x;a=b")),
        with("target", json!("files-local/../x/")),
        with("target", json!("files-local/{1}")),
        with("exclusions", json!("*.jar")),
        with("props", json!("a b=1")),
        with("props", json!("a=1,,2")),
        with("props", json!("a")),
        with("regexp", json!("true")),
        whole(json!({ "files": [] }), &[]),
        whole(json!({ "file": [plain] }), &[]),
        whole(json!([]), &[]),
        whole(plain.clone(), &[("file-spec", "other.json")]),
        whole(plain.clone(), &[("spec-vars", "a")]),
        whole(plain.clone(), &[("spec-vars", "a=1,a=2")]),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    spec.json has a problem in files[0]: it has a member "archive", which is not supported; known are pattern, target, props, targetProps, exclusions, flat, recursive, regexp, ant
    spec.json has a problem in files[0]: it has a member "explode", which is not supported; known are pattern, target, props, targetProps, exclusions, flat, recursive, regexp, ant
    spec.json has a problem in files[0]: it has a member "flatt", which is not supported; known are pattern, target, props, targetProps, exclusions, flat, recursive, regexp, ant
    spec.json has a problem in files[0]: it has "flat" "yes"; it must be "true" or "false"
    spec.json has a problem in files[0]: it has no "pattern"
    spec.json has a problem in files[0]: it has a "pattern" that is no text
    spec.json has a problem in files[0]: it uses ${unknown}, which the option spec-vars does not give
    spec.json has a problem in files[0]: it has the pattern "../*", which leads out of the artifact, or has a backslash in it
    spec.json has a problem in files[0]: it has the target "other-local/x", which is not in the action's RepoKey files-local
    spec.json has a problem in files[0]: it has the target "docs/x", which is not in the action's RepoKey files-local
    spec.json has a problem in files[0]: it has the target "files-local/x;a=b" with a ';'; properties belong into targetProps
    README.md cannot be stored at "../x/README.md": a path has no empty segment, none that is '.' or '..', no backslash and no control character
    spec.json has a problem in files[0]: it has the pattern "*", which has no parentheses number 1, which its target uses as {1}
    spec.json has a problem in files[0]: it has "exclusions" that are no list of texts
    spec.json has a problem in files[0]: it has the property key "a b", with characters that Artifactory does not take in keys
    spec.json has a problem in files[0]: it has an empty value for the property "a", which Artifactory refuses
    spec.json has a problem in files[0]: it has the property "a", which is not of the form key=value
    spec.json has a problem in files[0]: it has the pattern "*", which is no regular expression: uncounted repetition operator must be applied to a sub-expression
    spec.json has no "files", a list of what goes where
    spec.json has a member "file"; a file spec has "files"
    spec.json is no JSON object
    no generic package found: the artifact holds no file spec other.json
    option spec-vars=a is not of the form name=value,name2=value2
    option spec-vars=a=1,a=2 gives a variable twice
    "#);
    let mut target = target("dist/*", "");
    target.options.insert("file-spec".to_owned(), "spec.json".to_owned());
    insta::assert_snapshot!(Generic.plan(&open(build().bytes(), "Build"), &target).unwrap_err(), @"option file-spec=spec.json says which files go where: leave out Files and TargetPath");
}
