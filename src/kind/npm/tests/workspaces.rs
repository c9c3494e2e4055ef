//! Packages of one workspace: what is published, in which order, and what their specifiers become.

use super::*;

fn member(name: &str, rest: &str) -> String {
    format!(r#"{{"name":"{name}","version":"1.0.0"{rest}}}"#)
}

#[test]
fn a_package_is_planned_after_what_it_depends_on() {
    let zip = Zip::new()
        .file("package.json", r#"{"private":true,"workspaces":["p/*"]}"#)
        .file("p/a/package.json", member("a", r#","dependencies":{"c":"^1"}"#))
        .file("p/b/package.json", member("b", r#","devDependencies":{"d":"^1"}"#))
        .file("p/c/package.json", member("c", r#","peerDependencies":{"d":"^1"}"#))
        .file("p/d/package.json", member("d", ""));
    assert_eq!(names(zip, ""), "d@1.0.0 c@1.0.0 a@1.0.0 b@1.0.0");
}

#[test]
fn packages_in_a_circle_are_published_all() {
    let zip = Zip::new()
        .file("package.json", r#"{"private":true,"workspaces":["p/*"]}"#)
        .file("p/a/package.json", member("a", r#","dependencies":{"b":"workspace:*"}"#))
        .file("p/b/package.json", member("b", r#","dependencies":{"c":"workspace:^"}"#))
        .file("p/c/package.json", member("c", r#","dependencies":{"a":"workspace:~"}"#));
    assert_eq!(names(zip, ""), "c@1.0.0 b@1.0.0 a@1.0.0");
}

#[test]
fn members_of_a_pnpm_workspace_are_published() {
    let zip = |yaml: &str| {
        Zip::new()
            .file("package.json", r#"{"private":true}"#)
            .file("pnpm-workspace.yaml", yaml)
            .file("p/a/package.json", member("a", ""))
            .file("p/b/package.json", r#"{"name":"b","private":true}"#)
            .file("q/package.json", member("q", ""))
    };
    assert_eq!(names(zip("packages:\n  - 'p/*'\n"), ""), "a@1.0.0");
    assert!(error(zip("catalog:\n  x: ^1\n"), "").contains("package.json is marked private"));
    assert!(error(zip("packages:\n  - *all\n"), "").contains("pnpm-workspace.yaml cannot be read: line 2"));
}

#[test]
fn ignore_files_around_a_member_are_read_like_its_own_and_only_for_npm() {
    let zip = |globs: &str| {
        Zip::new()
            .file("package.json", format!(r#"{{"private":true{globs}}}"#))
            .file("pnpm-workspace.yaml", "packages: ['p/*']\n")
            .file(".gitignore", "secret\n")
            .file("p/a/package.json", member("a", ""))
            .file("p/a/secret", "")
    };
    let files = |zip: Zip| packed(&only(zip)).into_keys().collect::<Vec<_>>();
    assert_eq!(files(zip(r#","workspaces":["p/*"]"#)), ["package/package.json"]);
    // pnpm packs a member by what is in its own folder.
    assert_eq!(files(zip("")), ["package/package.json", "package/secret"]);
    let npms = || zip(r#","workspaces":["p/*"]"#);
    let refused = |zip: Zip, problem: &str| {
        let error = error(zip, "");
        assert!(error.contains(problem), "{error}");
    };
    refused(npms().symlink("p/.npmignore", "x"), "p/.npmignore is a symbolic link");
    refused(npms().file("p/.npmignore/x", ""), "p/.npmignore is a folder");
    refused(npms().file("p/.npmignore", "{1..9999}"), "p/.npmignore has a pattern");
}

#[test]
fn two_members_of_one_name_are_refused_as_npm_refuses_them() {
    let zip = |globs: &str| {
        Zip::new()
            .file("package.json", format!(r#"{{"private":true{globs}}}"#))
            .file("pnpm-workspace.yaml", "packages: ['p/*']\n")
            .file("p/a/package.json", member("twin", ""))
            .file("p/b/package.json", r#"{"name":"twin","version":"2.0.0"}"#)
    };
    assert_eq!(
        error(zip(r#","workspaces":["p/*"]"#), ""),
        "p/b/package.json has the name \"twin\", as p/a/package.json has, and both are members of one workspace"
    );
    assert_eq!(names(zip(""), ""), "twin@1.0.0 twin@2.0.0");
}

#[test]
fn what_a_workspace_resolves_is_in_the_document_and_in_the_archive() {
    let raw = "{\n \"name\": \"a\", \"version\": \"1.0.0\", \"x\": 1.0,\n \"dependencies\": \
               {\"b\": \"workspace:^\", \"c\": \"catalog:\", \"d\": \"^4\"}\n}\n";
    let zip = Zip::new()
        .file("pnpm-workspace.yaml", "packages: ['*']\ncatalog:\n  c: ^3.0.0\n")
        .file("package.json", r#"{"private":true}"#)
        .file("a/package.json", raw)
        .file("b/package.json", r#"{"name":"b","version":"2.0.0-rc.1+build","private":true}"#);
    let plan = only(zip);
    let expected = json!({"b": "^2.0.0-rc.1", "c": "^3.0.0", "d": "^4"});
    assert_eq!(manifest(&plan)["dependencies"], expected);
    let (mode, text) = &packed(&plan)["package/package.json"];
    assert_eq!(*mode, 0o644);
    assert!(text.starts_with("{\n  \"name\": \"a\",\n") && text.ends_with("}\n"), "{text}");
    assert_eq!(serde_json::from_str::<Value>(text).unwrap()["dependencies"], expected);
    assert_eq!(plan.warnings, Vec::<String>::new());
    let unchanged = raw.replace("workspace:", "").replace("catalog:", "1");
    let plan = only(Zip::new().file("package.json", &unchanged));
    assert_eq!(packed(&plan)["package/package.json"].1, unchanged);
}

#[test]
fn in_a_ready_archive_a_specifier_of_a_workspace_is_refused() {
    let bytes = tgz(&[("package/package.json", &member("a", r#","dependencies":{"b":"workspace:*"}"#))]);
    let error = error(Zip::new().file("x.tgz", bytes), "");
    assert!(error.contains("x.tgz:package.json has b: \"workspace:*\" in its dependencies"), "{error}");
}
