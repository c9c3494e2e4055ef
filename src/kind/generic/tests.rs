//! Files from zip to plan: which are taken, where they go, and what is refused.

mod spec;

use std::sync::Arc;

use bytes::Bytes;

use super::Generic;
use crate::archive::source::Memory;
use crate::archive::{Archive, Selection};
use crate::kind::{Kind, PackageError};
use crate::make::Zip;
use crate::package::Target;
use crate::plan::{PackagePlan, Plan, Planned};
use crate::registry::url::{Base, RepoKey};
use crate::template::Template;

fn open(bytes: Vec<u8>, name: &str) -> Archive {
    Archive::open(Arc::new(Memory(Bytes::from(bytes))), name, "alone.tgz").unwrap()
}

fn target(files: &str, path: &str) -> Target {
    Target {
        base: Base::parse("https://acme.example", false).unwrap(),
        repository: RepoKey::parse("files-local").unwrap(),
        path: (!path.is_empty()).then(|| Template::parse(path).unwrap()),
        files: if files.is_empty() { Selection::default() } else { Selection::parse(files).unwrap() },
        properties: Vec::new(),
        options: std::collections::BTreeMap::new(),
        email: None,
    }
}

/// A small build: a web site beside its packages.
fn build() -> Zip {
    Zip::new()
        .file("README.md", "read me")
        .file("dist/app.zip", "an archive")
        .file("dist/sub dir/a+b;c=d%20.txt", "odd name")
        .file("docs/index.html", "<html>")
}

fn plans(zip: Zip, files: &str, path: &str) -> Result<Vec<PackagePlan>, PackageError> {
    Generic.plan(&open(zip.bytes(), "Build"), &target(files, path))
}

fn places(files: &str, path: &str) -> Vec<String> {
    plans(build(), files, path).unwrap().iter().map(|plan| plan.of.to_string()).collect()
}

fn error(zip: Zip, files: &str, path: &str) -> String {
    plans(zip, files, path).unwrap_err().to_string()
}

#[test]
fn a_plan_prints() {
    let mut target = target("dist/**;docs/*", "web/{dir}");
    target.properties = vec![("from".to_owned(), vec![Template::parse("{dir}: {file}").unwrap()])];
    let packages = Generic.planned(&open(build().bytes(), "Build"), &target);
    let error = Plan::new(packages.unwrap(), &target).unwrap_err();
    insta::assert_snapshot!(error, @r#"Properties uses {file}, whose value "a+b;c=d%20.txt" has ';', '=', '..' or a control character in it"#);
    target.files = Selection::parse("dist/*;docs/*").unwrap();
    let plan = Plan::new(Generic.planned(&open(build().bytes(), "Build"), &target).unwrap(), &target).unwrap();
    insta::assert_snapshot!(plan, @r"
    web/dist/app.zip
      PUT files-local/web/dist/app.zip (10 bytes)
        stores web/dist/app.zip (10 bytes)
        sha256 9e691d5adacf0e102f203100842ffaba4e2a7dfe3dbd536827d3c0db8c7e88f1
        sha1   0096cb2abf1d7d6711bf29ad90fa5423e5bf3799
        property from = dist: app.zip
    web/docs/index.html
      PUT files-local/web/docs/index.html (6 bytes)
        stores web/docs/index.html (6 bytes)
        sha256 b7d082ee12e91b756ea22e8513b8594eebcf5d39fab813da3cb55794dc888ad7
        sha1   0fe0bb445f51fad57f3fc4115d7c66cf18545107
        property from = docs: index.html
    ");
    assert!(!plan.is_annotated(), "the properties go along with the files");
}

#[test]
fn files_kept_in_little_memory_are_planned_like_packages() {
    let mut target = target("dist/**;docs/*", "web/{dir}");
    target.properties = vec![("of".to_owned(), vec![Template::parse("{dir}, {name}").unwrap()])];
    target.files = Selection::parse("dist/*;docs/*").unwrap();
    let archive = open(build().bytes(), "Build");
    let few = Plan::new(Generic.planned(&archive, &target).unwrap(), &target).unwrap();
    let whole = Plan::new(Generic.plan(&archive, &target).unwrap(), &target).unwrap();
    assert!(few.planned().iter().all(|planned| matches!(planned, Planned::File(_))));
    assert!(whole.planned().iter().all(|planned| matches!(planned, Planned::Package(_))));
    assert_eq!((few.digest(), few.to_string()), (whole.digest(), whole.to_string()));
    for (one, other) in few.planned().iter().zip(whole.planned()) {
        assert_eq!((one.of(), one.noun(), one.files()), (other.of(), other.noun(), other.files()));
        assert_eq!((one.path(0), one.path(1).is_none()), (other.path(0), other.path(1).is_none()));
    }
}

#[test]
fn a_file_goes_to_the_target_path_and_what_is_behind_the_fixed_part_of_its_pattern() {
    let odd = "sub dir/a+b;c=d%20.txt";
    assert_eq!(places("", ""), ["README.md", "dist/app.zip", &format!("dist/{odd}"), "docs/index.html"]);
    assert_eq!(places("dist/**", "rel/1"), ["rel/1/app.zip", &format!("rel/1/{odd}")]);
    assert_eq!(places("dist/**;!**/*.txt", ""), ["app.zip"]);
    assert_eq!(places("docs/index.html", "x"), ["x/index.html"]);
    assert_eq!(places("{docs,dist}/*", ""), ["dist/app.zip", "docs/index.html"]);
    assert_eq!(places("docs/*;README.md", "{dir}/x"), ["x/README.md", "docs/x/index.html"]);
    assert_eq!(places("docs/*", "{file}"), ["index.html/index.html"]);
}

#[test]
fn a_name_of_any_characters_is_encoded_on_the_wire() {
    let plans = plans(build(), "dist/**/*.txt", "a b").unwrap();
    assert_eq!(plans[0].steps[0].address(), "files-local/a%20b/sub%20dir/a+b%3Bc%3Dd%2520.txt");
}

#[test]
fn an_artifact_that_is_no_zip_is_published_under_its_name() {
    let plans = Generic.plan(&open(crate::make::tgz(&[("a", "b")]), "Source"), &target("", "rel")).unwrap();
    assert_eq!(plans[0].of.to_string(), "rel/alone.tgz");
}

#[test]
fn the_same_file_of_two_artifacts_counts_once_and_two_files_at_one_place_are_refused() {
    let target = target("*/a", "");
    let of = |name, content| {
        let zip = Zip::new().file(&format!("{name}/a"), content).bytes();
        Generic.planned(&open(zip, name), &self::target(&format!("{name}/a"), "")).unwrap()
    };
    let plan = Plan::new(of("one", "1").into_iter().chain(of("two", "1")), &target).unwrap();
    assert_eq!(plan.packages().len(), 1);
    let error = Plan::new(of("one", "1").into_iter().chain(of("two", "2")), &target).unwrap_err();
    insta::assert_snapshot!(error, @"one:one/a and two:two/a are different files, and both would be stored at a");
}

#[test]
fn what_cannot_be_published_is_refused_by_name() {
    let messages = [
        error(Zip::new(), "", ""),
        error(build(), "dist", ""),
        error(build(), "*.jar;lib/**", ""),
        error(build(), "!**", ""),
        error((0..30).fold(Zip::new(), |zip, at| zip.file(&format!("f{at:02}"), "")), "x", ""),
        error(Zip::new().file("a", "").symlink("b", "a"), "", ""),
        error(Zip::new().file("dir/a:b", ""), "", ""),
        error(Zip::new().file("a\u{1}b", ""), "", ""),
        error(build(), "", "{version}"),
        error(Zip::new().file("a;b/c", ""), "", "{dir}"),
        error(Zip::new().file("a=b", ""), "", "{file}"),
    ];
    insta::assert_snapshot!(messages.join("\n").replace('\u{1}', "^A"), @r#"
    no generic package found: the artifact holds no file
    no generic package found: no file of the artifact matches dist (dist is a folder: for what is in it, write dist/**); it holds README.md, dist/app.zip, dist/sub dir/a+b;c=d%20.txt, docs/index.html
    no generic package found: no file of the artifact matches *.jar, lib/**; it holds README.md, dist/app.zip, dist/sub dir/a+b;c=d%20.txt, docs/index.html
    no generic package found: Files excludes all 4 files of the artifact: README.md, dist/app.zip, dist/sub dir/a+b;c=d%20.txt, docs/index.html
    no generic package found: no file of the artifact matches x; it holds f00, f01, f02, f03, f04, f05, f06, f07, f08, f09 and 20 more
    b is a symbolic link, which is neither followed nor published
    dir/a:b cannot be stored at "dir/a:b": Artifactory takes no : in a name
    a^Ab cannot be stored at "a\u{1}b": a path has no empty segment, none that is '.' or '..', no backslash and no control character
    README.md cannot be published: TargetPath uses {version}, which is not known here
    a;b/c cannot be published: TargetPath uses {dir}, whose value "a;b" has ';', '=', '..' or a control character in it
    a=b cannot be published: TargetPath uses {file}, whose value "a=b" has ';', '=', '..' or a control character in it
    "#);
    assert!(plans(Zip::new().file("a", "").symlink("b", "a"), "!b", "").is_ok());
}
