//! What the documents promise is what the code has: tables of the README, paths of the architecture page, targets of
//! the Makefile.

use std::path::{Path, PathBuf};

use codepipeline_artifactory::action::PROPERTIES;
use codepipeline_artifactory::kind::KINDS;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Everything between backticks in the lines that begin a table's row.
fn first_cells(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| quoted(row.split('|').nth(1).unwrap_or_default())).collect()
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_readme_lists_every_property_type_option_and_variable() {
    let readme = read("README.md");
    let cells = first_cells(&readme);
    let listed = |name: &str| assert!(cells.iter().any(|cell| cell == name), "README.md lacks a row for {name}");
    PROPERTIES.iter().copied().for_each(listed);
    for kind in KINDS {
        listed(kind.name());
        kind.options().iter().copied().for_each(listed);
    }
    let settings = read("src/settings.rs");
    let variables: Vec<&str> = settings
        .split("get(\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| !name.starts_with("AWS_ENDPOINT"))
        .collect();
    assert!(variables.len() >= 9, "{variables:?}");
    variables.into_iter().for_each(listed);
    for kind in ["ConfigurationError", "PermissionError", "JobFailed", "RevisionUnavailable", "SystemUnavailable"] {
        listed(kind);
    }
}

#[test]
fn the_readme_lists_nothing_that_is_not_there() {
    let readme = read("README.md");
    let makefile = read("Makefile");
    for word in readme.split("make ").skip(1) {
        let target: String = word.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        // `make` is an English word, too: only what stands in code counts.
        if target.is_empty() {
            continue;
        }
        if readme.contains(&format!("`make {target}")) || readme.contains(&format!("\nmake {target}")) {
            assert!(makefile.contains(&format!("\n{target}:")), "the Makefile has no target {target}");
        }
    }
    let documents = ["README.md", "examples/README.md", "ARCHITECTURE.md", "docs/moving.md", "docs/upgrading.md"];
    for document in documents {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap_or(Path::new("")).to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(root().join(&folder).join(link).exists(), "{document} links to {link}");
        }
    }
}

/// All of our Rust, as one text.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => std::fs::read_to_string(&path).unwrap(),
        _ => String::new(),
    };
    entries.map(text).collect()
}

#[test]
fn the_architecture_page_names_tests_that_exist() {
    let sources = ["src", "tests"].map(|folder| sources(&root().join(folder))).concat();
    let page = read("ARCHITECTURE.md");
    let (_, table) = page.split_once("| shown by |").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let cells: Vec<&str> = rows.map(|row| row.rsplit('|').nth(1).unwrap()).collect();
    assert!(cells.len() > 30, "where is the table? {cells:?}");
    for test in cells.into_iter().flat_map(quoted) {
        let is_there = ["async fn", "fn"].iter().any(|start| {
            let begins = format!("]\n{start} {test}() {{");
            sources.contains(&begins) || sources.contains(&begins.replace('\n', "\n    "))
        });
        assert!(is_there, "ARCHITECTURE.md names the test {test}");
    }
}

#[test]
fn the_release_profile_unwinds() {
    let manifest = read("Cargo.toml");
    let (_, profile) = manifest.split_once("[profile.release]").unwrap();
    let profile = profile.split("\n[").next().unwrap();
    assert!(profile.lines().any(|line| line == "panic = \"unwind\""), "{profile}");
    let guard = read("src/guard.rs");
    assert!(guard.contains("#[cfg(panic = \"abort\")]\ncompile_error!("), "the build tool's own default would pass");
}

#[test]
fn the_architecture_page_names_files_that_exist() {
    for name in quoted(&read("ARCHITECTURE.md")) {
        let looks_like_a_file = name.ends_with('/') || Path::new(&name).extension().is_some_and(|it| it == "rs");
        if looks_like_a_file && !name.contains(' ') {
            let places = [root().join("src").join(&name), root().join(&name)];
            assert!(places.iter().any(|place| place.exists()), "ARCHITECTURE.md names {name}");
        }
    }
}
