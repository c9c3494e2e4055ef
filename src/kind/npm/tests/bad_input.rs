//! What a build may leave behind and no registry wants: refused with its place and reason, or borne as npm bears it.

use super::*;

fn root(json: impl AsRef<[u8]>) -> Zip {
    Zip::new().file("package.json", json)
}

#[test]
fn names_that_no_registry_takes_are_refused() {
    for name in [
        "",
        "   ",
        ".hidden",
        "-dash",
        "_under",
        "node_modules",
        "Favicon.ico",
        "a b",
        "a/b",
        "@s",
        "@s/",
        "@/a",
        "@s/a/b",
        "@s/.a",
        "ä",
        "a%2fb",
        "a?b",
        "a#b",
        "a:b",
    ] {
        let error = error(root(json!({"name": name, "version": "1.0.0"}).to_string()), "");
        assert!(error.contains("package.json has the name "), "{name}: {error}");
    }
    for (value, problem) in [(json!(7), "a name that is no string: 7"), (json!(null), "no name")] {
        let error = error(root(json!({"name": value, "version": "1.0.0"}).to_string()), "");
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn names_that_would_leave_the_path_are_refused() {
    for name in ["..", "../a", "@s/..", "/a", "@s/../../b", "a\\b", "..\\a", "a\u{0}b", "a\nb"] {
        let error = error(root(json!({"name": name, "version": "1.0.0"}).to_string()), "");
        assert!(error.contains("package.json "), "{name:?}: {error}");
        assert!(!error.contains('\n') && !error.contains('\0'), "{error:?}");
    }
}

#[test]
fn versions_that_no_registry_takes_are_refused() {
    for version in ["", "1", "1.0", "1.0.x", "latest", "1.0.0/..", "1.0.0-ä", "../1.0.0", "1.0.0-a..b", "1e3.0.0"] {
        let error = error(root(json!({"name": "a", "version": version}).to_string()), "");
        assert!(error.contains("version"), "{version}: {error}");
    }
    let error = error(root(r#"{"name":"a","version":1}"#), "");
    assert!(error.contains("a version that is no string: 1"), "{error}");
}

#[test]
fn a_byte_order_mark_line_ends_and_duplicate_keys_are_borne() {
    let text = "\u{feff}{\r\n\"name\":\"x\",\r\n\"version\":\"0.0.1\",\"name\":\"a\",\"version\":\"1.0.0\"}\r\n";
    let plan = only(root(text));
    assert_eq!(plan.of.to_string(), "a@1.0.0");
    assert_eq!(packed(&plan)["package/package.json"].1, text);
}

#[test]
fn what_is_no_object_of_json_is_refused() {
    for (text, problem) in [
        ("", "is not JSON"),
        ("\u{feff}", "is not JSON"),
        ("{", "is not JSON"),
        ("{}}", "is not JSON"),
        ("// x\n{}", "is not JSON"),
        ("{'name':'a'}", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("\"text\"", "is not a JSON object"),
    ] {
        assert!(error(root(text), "").contains(&format!("package.json {problem}")), "{text}");
    }
    // What is no UTF-8 is read as far as it is, as npm does it.
    assert!(error(root(b"{\"name\":\"\xff\"}"), "").contains("package.json has the name \"\u{fffd}\""));
}

/// Which values of which members npm bears is shown against npm itself, in `tests/it/npm_judged.rs`.
#[test]
fn members_of_a_type_that_npm_gives_up_at_are_refused_by_name() {
    let people = json!(["Ann", null]);
    for (member, value, problem) in [
        ("files", json!(true), "\"files\" that are no list"),
        ("files", json!([1]), "\"files\" that are a list of something other than strings"),
        ("workspaces", json!("a"), "\"workspaces\" that are no list"),
        ("workspaces", json!(null), "\"workspaces\" that are no list"),
        ("workspaces", json!(false), "\"workspaces\" that are no list"),
        ("workspaces", json!({}), "\"workspaces\" that have no list of \"packages\""),
        ("workspaces", json!([1]), "\"workspaces\" that hold something other than texts"),
        ("workspaces", json!({"packages": "a"}), "\"workspaces\" that have no list of \"packages\""),
        ("workspaces", json!(vec!["a"; 1_001]), "\"workspaces\" that are more than 1,000 globs"),
        ("workspaces", json!(["{1..9999}"]), "\"workspaces\" that stand for too much"),
        ("main", json!(["a.js"]), "a \"main\" that is no string: [\"a.js\"]"),
        ("bin", json!(["a.js", 7]), "a \"bin\" that lists what is no string: 7"),
        ("readme", json!({"a": 1}), "a \"readme\" that is no string: {\"a\":1}"),
        ("contributors", people.clone(), "null among its \"contributors\""),
        ("maintainers", people, "null among its \"maintainers\""),
        ("dependencies", json!({"left": 1}), "in its \"dependencies\" left with what is no string: 1"),
        ("devDependencies", json!({"left": null}), "in its \"devDependencies\" left with what is no string: null"),
        ("optionalDependencies", json!([{}]), "in its \"optionalDependencies\" an item with what is no string: {}"),
        ("peerDependencies", json!({"left": true}), "in its \"peerDependencies\" left with what is no string: true"),
        ("overrides", json!({"left": {"right": null}}), "null among its \"overrides\""),
    ] {
        let error = error(root(json!({"name": "a", "version": "1.0.0", member: value}).to_string()), "");
        assert!(error.starts_with("package.json has ") && error.contains(problem), "{error}");
    }
    let long = json!({"name": "a", "version": "1.0.0", "main": vec!["x"; 1_000]});
    assert!(error(root(long.to_string()), "").len() < 300);
}

#[test]
fn the_size_of_a_manifest_is_limited() {
    let sized = |size: usize| {
        let begin = r#"{"name":"a","version":"1.0.0","x":""#;
        format!("{begin}{}\"}}", "x".repeat(size - begin.len() - 2))
    };
    assert_eq!(names(root(sized(4 << 20)), ""), "a@1.0.0");
    let error = error(root(sized((4 << 20) + 1)), "");
    assert!(error.contains("\"package.json\" that is too large: 4194305 bytes, the limit is 4194304"), "{error}");
}

#[test]
fn ignore_files_that_cannot_be_read_are_refused() {
    for name in [".npmignore", ".gitignore"] {
        for folder in ["", "lib/"] {
            let path = format!("{folder}{name}");
            let linked = root(package("a")).symlink(&path, "x");
            assert!(error(linked, "").contains(&format!("{path} is a symbolic link")), "{path}");
            let inside = root(package("a")).file(&format!("{path}/x"), "");
            assert!(error(inside, "").contains(&format!("{path} is a folder")), "{path}");
            let large = root(package("a")).file(&path, vec![b'#'; (4 << 20) + 1]);
            assert!(error(large, "").contains("too large"), "{path}");
        }
    }
    // One that is not UTF-8 is read as far as it is.
    let odd = root(package("a")).file(".npmignore", b"\xff\nb.js\n").file("b.js", "").file("c.js", "");
    assert_eq!(packed(&only(odd)).into_keys().collect::<Vec<_>>(), ["package/c.js", "package/package.json"]);
}

#[test]
fn a_command_or_main_file_that_is_missing_is_said() {
    let plan = only(root(r#"{"name":"a","version":"1.0.0","main":"dist/a.js","bin":{"a":"./cli.js"}}"#));
    assert_eq!(plan.warnings, ["the package.json names what is not in the package: dist/a.js (main), cli.js (bin)"]);
    let ignored = root(r#"{"name":"a","version":"1.0.0","types":"dist/a.d.ts","files":["lib"]}"#);
    let plan = only(ignored.file("dist/a.d.ts", "").file("lib/a.js", ""));
    assert_eq!(plan.warnings, ["the package.json names what is not in the package: dist/a.d.ts (types)"]);
    let archive = tgz(&[("package/package.json", r#"{"name":"a","version":"1.0.0","bin":"gone.js"}"#)]);
    let plan = only(Zip::new().file("a.tgz", archive));
    assert_eq!(plan.warnings, ["the package.json names what is not in the package: gone.js (bin)"]);
}

#[test]
fn scripts_that_have_not_made_their_files_are_named_with_them() {
    let scripts = r#"{"prepublishOnly":"x","prepare":"y","prepublish":"z","test":"t"}"#;
    let json = format!(r#"{{"name":"a","version":"1.0.0","exports":"./dist/a.js","scripts":{scripts}}}"#);
    let plan = only(root(&json));
    assert_eq!(
        plan.warnings,
        [
            "scripts are never run here, so prepublishOnly, prepare must have run in the build, but the package.json names \
          what is not in the package: ./dist/a.js (exports)"
        ]
    );
    let plan = only(root(&json).file("dist/a.js", ""));
    assert_eq!(plan.warnings, ["scripts are never run here, so prepublishOnly, prepare must have run in the build"]);
}

#[test]
fn the_generation_of_npm_is_11_or_12() {
    let with = |value: &str| {
        let mut target = target("", None);
        target.options.insert("npm-files".to_owned(), value.to_owned());
        let zip = root(r#"{"name":"a","version":"1.0.0","files":["./"]}"#).file("a.js", "");
        let plans = Npm.plan(&archive(zip.bytes()), &target).map_err(|error| error.to_string())?;
        Ok::<_, String>(packed(&plans[0]).len())
    };
    assert_eq!(with("11"), Ok(2));
    assert_eq!(with(" 12 "), Ok(1));
    assert_eq!(
        with("13").unwrap_err(),
        "option npm-files=13 is neither 11 nor 12, the generations of npm whose meaning \"files\" can have"
    );
}

#[test]
fn patterns_that_would_take_all_memory_or_time_are_refused_with_their_place() {
    let ignoring = |path: &str, lines: &str| {
        let zip = root(r#"{"name":"left","version":"1.0.0"}"#).file(path, lines).file("lib/a.js", "");
        error(zip, "")
    };
    let alternatives = format!("{}{{1..1000}}\n", "x".repeat(4_000));
    let unclosed = format!("{}{{1..9}}{{0..9}}\n", "[".repeat(700));
    for (path, lines) in [
        (".npmignore", alternatives.as_str()),
        (".npmignore", &unclosed),
        ("lib/.npmignore", &unclosed),
        // Each by itself is little.
        (".npmignore", &"{1..1000}\n".repeat(200)),
        (".npmignore", &"name\n".repeat(80_000)),
    ] {
        let error = ignoring(path, lines);
        assert!(error.contains(path) && error.contains("stands for too much"), "{error}");
    }
    // A file of this size in each of the folders around one.
    let lines = "name\n".repeat(50_000);
    let mut zip = root(r#"{"name":"left","version":"1.0.0"}"#);
    for depth in 0..4 {
        zip = zip.file(&format!("{}.npmignore", "a/".repeat(depth)), &lines);
    }
    let error = error(zip.file("a/a/a/x.js", ""), "");
    assert!(error.contains("a lies under too many patterns of ignore files"), "{error}");
}

#[test]
fn more_files_and_patterns_than_can_be_held_against_each_other_are_refused() {
    let name = "a".repeat(200);
    let files = |zip: Zip| (0..200).fold(zip, |zip, at| zip.file(&format!("{name}{at}"), ""));
    let refused = |told: &str, error: String| {
        assert!(error.contains("package.json has more files and more patterns than"), "{told}: {error}");
    };
    let manifest = |members: &str| format!(r#"{{"name":"left","version":"1.0.0"{members}}}"#);
    let zip = files(root(manifest("")).file(".npmignore", "*a*a*a*b\n".repeat(4_000)));
    refused(".npmignore", error(zip, ""));
    let patterns = format!(r#","files":[{}"x"]"#, r#""*a*a*a*b","#.repeat(4_000));
    refused("files", error(files(root(manifest(&patterns))), ""));
    let twelve = |zip: Zip| {
        let mut target = target("", None);
        target.options.insert("npm-files".to_owned(), "12".to_owned());
        Npm.plan(&archive(zip.bytes()), &target).unwrap_err().to_string()
    };
    refused("files of npm 12", twelve(files(root(manifest(&patterns)))));
    // Paths that are found are kept, again for each change of sign.
    let signs = format!(r#","files":[{}"x"]"#, r#""**","!**","#.repeat(200));
    refused("signs of npm 12", twelve(files(root(manifest(&signs)))));
    assert!(names(files(root(manifest(r#","files":["**","!**","**"]"#))), "").contains("left"));
}

#[test]
fn brackets_that_are_never_closed_are_letters_as_long_as_they_are_few() {
    let zip = |brackets: usize| {
        let line = "[".repeat(brackets);
        let name = format!("{line}.js");
        root(r#"{"name":"left","version":"1.0.0"}"#).file(".npmignore", format!("{line}.js\n")).file(&name, "")
    };
    assert_eq!(only(zip(32)).steps.len(), 1);
    assert!(error(zip(33), "").contains("stands for too much"));
}
