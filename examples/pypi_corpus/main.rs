//! `make pypi-corpus`: real distributions, each with the fields that twine would send and those that we would.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement prints, starts what it measures against, and stops where it cannot measure"
)]

#[path = "../../tests/make.rs"]
mod make;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use codepipeline_artifactory::archive::source::Memory;
use codepipeline_artifactory::archive::{Archive, Selection};
use codepipeline_artifactory::kind;
use codepipeline_artifactory::package::Target;
use codepipeline_artifactory::plan::PackagePlan;
use codepipeline_artifactory::registry::url::{Base, RepoKey};
use codepipeline_artifactory::step::{Segment, Step};
use make::Zip;
use serde::Deserialize;

/// What twine says of a file.
#[derive(Deserialize)]
struct Theirs {
    file: String,
    fields: Option<Vec<(String, String)>>,
    refused: Option<String>,
}

/// Fields that only one of the two sends, see `tests/it/pypi_clients.rs`.
const MEANT: [&str; 6] =
    [":action", "protocol_version", "md5_digest", "blake2_256_digest", "import_name", "import_namespace"];

fn main() {
    let usage = "usage: pypi_corpus PYTHON-WITH-TWINE FOLDER-OF-DISTRIBUTIONS";
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (python, folder) = arguments.next().zip(arguments.next()).expect(usage);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/pypi/forms.py");
    let said = Command::new(python).arg(script).arg(&folder).output().expect(usage);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said = String::from_utf8(said.stdout).expect("it prints UTF-8");
    let (mut agreeing, mut ours_alone, mut differing) = (0, 0, 0);
    for line in said.lines() {
        let Theirs { file, fields, refused } = serde_json::from_str(line).expect("it prints JSON");
        let plans = plan(&file, fs::read(folder.join(&file)).expect("it was there a moment ago"));
        match (plans, fields, refused) {
            (Ok(plans), Some(theirs), _) => {
                for warning in plans.iter().flat_map(|plan| &plan.warnings) {
                    println!("warning: {warning}");
                }
                let ours = plans.iter().flat_map(|plan| &plan.steps).flat_map(fields_of).collect();
                let differences = differences(ours, theirs);
                if differences.is_empty() {
                    agreeing += 1;
                } else {
                    differing += 1;
                    println!("{file}: {}", differences.join("; "));
                }
            }
            (Ok(_), None, refused) => {
                ours_alone += 1;
                println!("{file}: twine refuses it: {}", refused.unwrap_or_default());
            }
            (Err(error), _, _) => {
                differing += 1;
                println!("{file}: {error}");
            }
        }
    }
    println!("agreeing {agreeing}, refused by twine alone {ours_alone}, differing {differing}");
    if agreeing == 0 || differing > 0 {
        std::process::exit(1);
    }
}

/// The plan for an artifact with this one file.
fn plan(file: &str, bytes: Vec<u8>) -> Result<Vec<PackagePlan>, String> {
    let zip = Zip::new().stored().file(&format!("dist/{file}"), bytes).bytes();
    let archive = Archive::open(Arc::new(Memory(zip.into())), "Build", "x").map_err(|error| error.to_string())?;
    let target = Target {
        base: Base::parse("https://acme.example", false).expect("it is a base"),
        repository: RepoKey::parse("pypi-local").expect("it is a key"),
        path: None,
        files: Selection::default(),
        properties: Vec::new(),
        options: BTreeMap::new(),
        email: None,
    };
    let kind = kind::by_name("pypi").expect("it is a type");
    kind.plan(&archive, &target).map_err(|error| error.to_string())
}

/// The fields of a form, the file apart.
fn fields_of(step: &Step) -> Vec<(String, String)> {
    let Some(Segment::Bytes(head)) = step.body.0.first() else { return Vec::new() };
    let head = String::from_utf8_lossy(head);
    let boundary = head.split("\r\n").next().unwrap_or_default().to_owned() + "\r\n";
    let field = |part: &str| {
        let (name, value) = part.strip_prefix("Content-Disposition: form-data; name=\"")?.split_once("\"\r\n\r\n")?;
        Some((name.to_owned(), value.strip_suffix("\r\n")?.to_owned()))
    };
    head.split(&boundary).filter_map(field).collect()
}

fn differences(mut ours: Vec<(String, String)>, mut theirs: Vec<(String, String)>) -> Vec<String> {
    for fields in [&mut ours, &mut theirs] {
        fields.retain(|(name, _)| !MEANT.contains(&name.as_str()));
        fields.sort();
    }
    let lacking = |of: &[(String, String)], whose: &str, others: &[(String, String)]| {
        let own = of.iter().filter(|field| !others.contains(field));
        own.map(|(name, value)| format!("{whose} {name} = {value:.80?}")).collect::<Vec<_>>()
    };
    let mut found = [lacking(&ours, "our", &theirs), lacking(&theirs, "twine's", &ours)].concat();
    if found.is_empty() && ours != theirs {
        found.push("a field is there more often in one of the two".to_owned());
    }
    found
}
