//! Workspaces packed by the real npm, root and members with one command, and by us in one job: the same packages with
//! the same files in them, whatever the ignore files around a member say.

use std::collections::BTreeMap;

use codepipeline_artifactory::archive::Selection;
use codepipeline_artifactory::plan::PackagePlan;

use crate::npm_compare::{Differences, Tree, archive_of, commands_of, nowhere, npm_in, npms_tree, plans, tree};
use crate::npm_pack::build;

/// What it is about, the root's manifest, its files and those of the members.
type Case = (&'static str, &'static str, &'static [&'static str]);

#[rustfmt::skip]
const WORKSPACES: &[Case] = &[
    ("ignore files of the root and of the folders between it and a member", r#"{"name":"root","version":"1.0.0","private":true,"workspaces":["packages/*","deep/er/*","solo","!packages/not"]}"#, &[
        ".gitignore=.env\n*.log\ndist\n# c\r\n/top.js\nsub/only.js\npackages/a/here.js\n", "top.js",
        "packages/.gitignore=*.map\n!keep.log\n",
        "packages/a/package.json={\"name\":\"a\",\"version\":\"1.0.0\"}", "packages/a/.env", "packages/a/x.log", "packages/a/keep.log", "packages/a/dist/d.js", "packages/a/index.js", "packages/a/top.js", "packages/a/sub/top.js", "packages/a/sub/only.js", "packages/a/sub/x.log", "packages/a/sub/dist/x", "packages/a/b.map", "packages/a/here.js",
        "packages/b/package.json={\"name\":\"b\",\"version\":\"1.0.0\",\"files\":[\"dist\",\"x.log\"],\"main\":\"top.js\"}", "packages/b/dist/d.js", "packages/b/dist/y.log", "packages/b/x.log", "packages/b/top.js", "packages/b/other.js",
        "packages/c/package.json={\"name\":\"@acme/c\",\"version\":\"1.0.0\"}", "packages/c/.npmignore=!.env\n!dist\nz.js", "packages/c/.env", "packages/c/dist/d.js", "packages/c/z.js", "packages/c/sub/.gitignore=!v.log", "packages/c/sub/v.log", "packages/c/sub/w.log",
        "packages/d/package.json={\"name\":\"d\",\"version\":\"1.0.0\",\"private\":true}", "packages/d/x",
        "packages/not/package.json={\"name\":\"not\",\"version\":\"1.0.0\"}",
        "deep/.npmignore=*.css\n", "deep/.gitignore=*.js\n", "deep/er/.npmignore=",
        "deep/er/e/package.json={\"name\":\"e\",\"version\":\"1.0.0\",\"dependencies\":{\"a\":\"workspace:^\"}}", "deep/er/e/a.css", "deep/er/e/a.js", "deep/er/e/a.log",
        "solo/package.json={\"name\":\"solo\",\"version\":\"1.0.0\"}", "solo/s.log", "solo/q:r.js", "solo/lib/t:u.js", "solo/s.js", "solo/b.map",
    ]),
    ("an npmignore of the root before its gitignore, and a root that is published", r#"{"name":"public-root","version":"1.0.0","workspaces":{"packages":["packages/*","solo","apps/**"]}}"#, &[
        ".npmignore=secret.js\n", ".gitignore=built\n", "secret.js", "root.js", "built/x.js", "lib/solo", "lib/solo2/y.js", "packages/loose.js", "packages/no-package/x.js",
        "packages/a/package.json={\"name\":\"pa\",\"version\":\"1.0.0\"}", "packages/a/a.js", "packages/a/secret.js", "packages/a/built/x.js",
        "packages/b/package.json={\"name\":\"pb\",\"version\":\"1.0.0\",\"private\":true}", "packages/b/secret-of-b.js",
        "solo/package.json={\"name\":\"psolo\",\"version\":\"1.0.0\"}", "solo/s.js",
        "apps/x/y/package.json={\"name\":\"pxy\",\"version\":\"1.0.0\"}", "apps/x/y/z.js", "apps/x/around.js",
        "nested/.npmignore=never.js", "nested/never.js", "nested/always.js",
    ]),
    ("files of the root that name what is a member's", r#"{"name":"listing-root","version":"1.0.0","main":"packages/b/main.js","files":["packages/a","lib","packages/b/x.js"],"workspaces":["packages/*"]}"#, &[
        "lib/l.js", "other.js",
        "packages/a/package.json={\"name\":\"la\",\"version\":\"1.0.0\"}", "packages/a/a.js",
        "packages/b/package.json={\"name\":\"lb\",\"version\":\"1.0.0\"}", "packages/b/main.js", "packages/b/x.js", "packages/b/y.js",
    ]),
];

/// Files and commands of each package.
fn by_name(plans: &[PackagePlan]) -> BTreeMap<String, (Tree, Vec<String>)> {
    plans.iter().map(|plan| (plan.of.name.clone(), (tree(&archive_of(plan)[..]), commands_of(plan)))).collect()
}

#[test]
fn members_and_roots_have_the_files_that_npm_gives_them() {
    let home = tempfile::tempdir().unwrap();
    let mut differences = Differences::default();
    let mut packages = 0;
    for (number, (story, manifest, files)) in WORKSPACES.iter().enumerate() {
        let root = home.path().join(number.to_string());
        let zip = build(&root, manifest, files);
        let mut target = nowhere();
        target.files = Selection::default();
        let ours = by_name(&plans(zip, &target).unwrap_or_else(|error| panic!("{story}: {error}")));
        let out = home.path().join("out");
        std::fs::create_dir_all(&out).unwrap();
        let arguments = ["pack", "--json", "--ignore-scripts", "--workspaces", "--include-workspace-root"];
        let arguments = [&arguments[..], &["--pack-destination", out.to_str().unwrap()]].concat();
        let report = npm_in(home.path(), &root, &arguments.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let report: Vec<serde_json::Value> = serde_json::from_str(&report).unwrap();
        for package in &report {
            let name = package["name"].as_str().unwrap();
            // npm packs what is private and then does not publish it.
            let Some((ours, commands)) = ours.get(name) else { continue };
            packages += 1;
            let before = differences.others.len();
            differences.of_archives(&npms_tree(package, &out), ours, commands);
            if differences.others.len() > before {
                differences.others.push(format!("… of {name}: {story}"));
            }
        }
        assert!(ours.keys().all(|name| report.iter().any(|package| package["name"] == **name)), "{story}");
    }
    assert!(differences.others.is_empty(), "{}", differences.others.join("\n"));
    let meant = ["names with a colon are kept", "specifiers of a workspace are replaced"];
    assert_eq!(differences.meant.into_iter().collect::<Vec<_>>(), meant);
    assert_eq!(packages, 12);
}

#[test]
fn which_manifests_are_looked_at_changes_nothing_in_a_member() {
    let home = tempfile::tempdir().unwrap();
    let (_, manifest, files) = WORKSPACES[0];
    let zip = build(&home.path().join("root"), manifest, files);
    let with = |selection: &str| {
        let mut target = nowhere();
        target.files = Selection::parse(selection).unwrap();
        by_name(&plans(zip.clone(), &target).unwrap())
    };
    let all = with("**");
    for name in ["packages/a", "deep/er/e"] {
        let alone = with(&format!("{name}/package.json"));
        assert_eq!(alone.len(), 1, "{name}");
        for (package, tree) in alone {
            assert_eq!(tree, all[&package], "{name}");
        }
    }
}
