//! What the function publishes, installed by the real pip, from the stack and from a real registry; and the same files
//! sent by the real twine, field by field.

mod python;

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::json;

use crate::make::{Zip, python_metadata, sdist, wheel};
use crate::pypi::{REPOSITORY, action, stack};
use crate::scene::variables;
use crate::stack::artifactory::{Artifactory, Permission, Repository, SimpleIndex};
use crate::stack::http::Traffic;
use crate::stack::prefix::{self, Prefix};
use crate::stack::{PASSWORD, SECRET, Stack, USER, artifactory};
use python::{Pypiserver, Python};

/// Installs a project into a folder of its own and asks its module for what it holds.
async fn install(python: &Python, index: &str, options: &[&str], project: &str, module: &str) -> String {
    let target = format!("target-{}", options.len());
    let install = ["-m", "pip", "install", "--no-deps", "--target", &target, "--index-url", index];
    python.run(&[&install[..], options, &[project]].concat()).await;
    let code = format!("import sys; sys.path.insert(0, '{target}'); import {module}; print({module}.ANSWER)");
    python.run(&["-c", &code]).await.trim().to_owned()
}

/// From the source alone, with the build tools that are there.
const FROM_SOURCE: [&str; 3] = ["--no-binary", ":all:", "--no-build-isolation"];

fn built() -> Vec<u8> {
    let metadata = python_metadata("left-pad", "1.0", "Requires-Python: >=3.8\n");
    Zip::new()
        .file("dist/left_pad-1.0-py3-none-any.whl", wheel("left_pad-1.0", &metadata))
        .file("dist/left_pad-1.0.tar.gz", sdist("left_pad-1.0", &metadata))
        .bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn pip_installs_what_was_published() {
    for form in [SimpleIndex::Html, SimpleIndex::Json] {
        let stack = stack().await;
        stack.artifactory.switch(|switches| switches.simple_index = form);
        variables(&stack.run(action(&stack, built())).await.1);
        let index = stack.artifactory.pypi_index(REPOSITORY, &stack.artifactory.token_of(USER));
        let python = Python::new();
        assert_eq!(install(&python, &index, &[], "Left.Pad==1.0", "left_pad").await, "42");
        assert_eq!(install(&python, &index, &FROM_SOURCE, "left_pad", "left_pad").await, "42");
        let download = ["-m", "pip", "download", "--no-deps", "-d", "got", "--index-url", &index, "left-pad"];
        python.run(&[&download[..], &FROM_SOURCE].concat()).await;
        let published = stack.artifactory.file(REPOSITORY, "left-pad/1.0/left_pad-1.0.tar.gz").unwrap();
        assert_eq!(python.files("got"), [("left_pad-1.0.tar.gz".to_owned(), published.to_vec())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_build_makes_is_published_and_installed() {
    let (stack, python) = (stack().await, Python::new());
    let project = "readme = \"README.md\"\nrequires-python = \">=3.9\"\nkeywords = [\"pad\", \"left\"]\nlicense = \"MIT\"\n\
                   authors = [{name = \"Ann Über\", email = \"ann@a.example\"}]\nurls = {Home = \"https://a.example/?a=1,2\"}\n\
                   optional-dependencies = {test = [\"x>=1; python_version < '3.9'\"]}\n";
    let mut files = Vec::new();
    for (name, backend) in [("left.pad", "setuptools.build_meta"), ("Right_Pad", "hatchling.build")] {
        let folder = name.to_lowercase().replace('.', "_");
        let requires = backend.split('.').next().unwrap();
        let text = format!(
            "[build-system]\nrequires = [\"{requires}\"]\nbuild-backend = \"{backend}\"\n\
             [project]\nname = \"{name}\"\nversion = \"1.0.0rc1\"\ndescription = \"Pads – a string\"\n{project}"
        );
        python.write(&format!("{folder}/pyproject.toml"), text);
        python.write(&format!("{folder}/README.md"), "# Pad\n\nPads strings – well.\n");
        python.write(&format!("{folder}/LICENSE"), "MIT\n");
        python.write(&format!("{folder}/{folder}/__init__.py"), "ANSWER = 42\n");
        python.run(&["-m", "build", "--no-isolation", &folder]).await;
        files.extend(python.files(&format!("{folder}/dist")));
    }
    assert_eq!(files.len(), 4);
    let zip = files.iter().fold(Zip::new(), |zip, (file, bytes)| zip.file(&format!("dist/{file}"), bytes));
    assert_eq!(variables(&stack.run(action(&stack, zip.bytes())).await.1)["PackageCount"], "2");
    let index = stack.artifactory.pypi_index(REPOSITORY, &stack.artifactory.token_of(USER));
    for (project, module) in [("left-pad==1.0.0rc1", "left_pad"), ("right-pad==1.0.0rc1", "right_pad")] {
        assert_eq!(install(&python, &index, &[], project, module).await, "42");
        assert_eq!(install(&python, &index, &FROM_SOURCE, project, module).await, "42");
    }
    let names: Vec<_> = files.iter().map(|(file, _)| format!("dist/{file}")).collect();
    for (file, bytes) in &files {
        python.write(&format!("dist/{file}"), bytes);
    }
    compare_with_twine(&stack, &python, &names).await;
}

/// The fields of each upload form that was sent to a repository, by the file's digest.
fn forms(stack: &Stack, repository: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let path = format!("/api/pypi/{repository}");
    let uploads = stack.traffic.seen().into_iter().filter(|seen| {
        seen.request.method == Method::POST
            && seen.request.path.trim_end_matches('/').ends_with(&path)
            && seen.status == Some(200)
    });
    let form = |seen: crate::stack::http::Seen| {
        let mut fields = Artifactory::upload_form(&seen.request).unwrap();
        fields.sort();
        let sha256 = fields.iter().find(|(name, _)| name == "sha256_digest").unwrap().1.clone();
        (sha256, fields)
    };
    uploads.map(form).collect()
}

/// Lets twine send these files to a repository of its own, and holds what it sent against what was published.
async fn compare_with_twine(stack: &Stack, python: &Python, files: &[String]) {
    stack.artifactory.repository(Repository::local("twine", "pypi"));
    stack.artifactory.permit(USER, "twine", &[Permission::Read, Permission::Deploy]);
    let (url, token) = (format!("{}/api/pypi/twine", stack.artifactory.url()), stack.artifactory.token_of(USER));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let upload =
        ["-m", "twine", "upload", "--disable-progress-bar", "--repository-url", &url, "-u", USER, "-p", &token];
    python.run(&[&upload[..], &files].concat()).await;
    let (mut theirs, ours) = (forms(stack, "twine"), forms(stack, REPOSITORY));
    assert_eq!((theirs.len(), ours.len()), (files.len(), files.len()));
    for (sha256, mut own) in ours {
        let mut theirs = theirs.remove(&sha256).unwrap();
        // Two digests say the same of the same bytes; of the fields that are younger than it, twine knows nothing yet.
        theirs.retain(|(name, _)| name != "blake2_256_digest");
        own.retain(|(name, _)| !matches!(name.as_str(), "md5_digest" | "import_name" | "import_namespace"));
        assert_eq!(own, theirs);
    }
    let stored = |repository: &str| -> Vec<_> {
        stack.artifactory.files(repository).into_iter().map(|file| (file.path, file.properties)).collect()
    };
    assert_eq!(stored(REPOSITORY), stored("twine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_is_twines() {
    let (stack, python) = (stack().await, Python::new());
    let metadata = |name: &str, format: &str, more: &str| {
        format!("Metadata-Version: {format}\nName: {name}\nVersion: 1.0\nSummary: Pads\n{more}")
    };
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |stem: &str, metadata: &str| {
        files.push((format!("dist/{stem}-py3-none-any.whl"), wheel(stem, metadata)));
        files.push((format!("dist/{stem}.tar.gz"), sdist(stem, metadata)));
    };
    // As distutils wrote it: folded, with the description among the fields.
    let old = "Home-page: https://a.example\nAuthor: Ann\nAuthor-email: ann@a.example\nLicense: MIT\n        \n        More of it\n\
               Description: # Old\n        \n        with a tail\n        \nKeywords: a,b , c\nPlatform: UNKNOWN\nPlatform: any\n\
               Classifier: Programming Language :: Python\nClassifier: Topic :: Utilities\nRequires: x\nProvides: y\n";
    add("old_one-1.0", &metadata("Old.One", "1.1", old));
    // As setuptools wrote it before there was a License-File.
    let middle = "License-File: LICENSE\nRequires-Dist: x (>=1.0) ; extra == 'test'\nRequires-Dist: y\nProvides-Extra: test\n\
                  Project-URL: Home , https://a.example/?q=1,2\nProject-URL: Docs, https://b.example\nRequires-Python: >=3.8\n\
                  Description-Content-Type: text/markdown; charset=UTF-8\nMaintainer: Bob Über\nMaintainer-email: Bob <bob@b.example>\n\
                  Obsoletes-Dist: z\nProvides-Dist: w\nRequires-External: libc\nDownload-URL: https://c.example\n\
                  Supported-Platform: linux\n\n# Middle\r\n\r\nübend: x\n--boundary\n";
    add("middle_one-1.0", &metadata("middle__one", "2.1", middle));
    let new = "License-Expression: MIT\nLicense-File: LICENSE\nLicense-File: NOTICE\nDynamic: Requires-Dist\nDynamic: classifier\n\nNew\n";
    add("new-1.0", &metadata("new", "2.4", new));
    add("newest-1.0", &metadata("newest", "2.5", "Import-Name: newest\nImport-Namespace: space\n"));
    let zip = files.iter().fold(Zip::new(), |zip, (file, bytes)| zip.file(file, bytes));
    variables(&stack.run(action(&stack, zip.bytes())).await.1);
    for (file, bytes) in &files {
        python.write(file, bytes);
    }
    let names: Vec<String> = files.into_iter().map(|(file, _)| file).collect();
    compare_with_twine(&stack, &python, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_registry_takes_it_and_pip_installs_it() {
    let registry = Pypiserver::start();
    let traffic = Traffic::default();
    let prefix = Prefix::start(traffic.clone(), registry.address()).await;
    let stack = stack().await;
    let secret = json!({ "username": USER, "password": PASSWORD, "url": prefix.platform_url() });
    stack.secrets.put(SECRET, &secret.to_string());
    let job = |artifact: Vec<u8>| action(&stack, artifact).configuration("ArtifactoryHost", &prefix.platform_url());
    let posts = || traffic.count(prefix::SERVICE, &Method::POST, "/api/pypi/");
    variables(&stack.run(job(built())).await.1);
    assert_eq!(posts(), 2);
    let python = Python::new();
    let index = format!("{}/artifactory/api/pypi/{REPOSITORY}/simple/", prefix.platform_url());
    assert_eq!(install(&python, &index, &[], "left-pad", "left_pad").await, "42");
    assert_eq!(install(&python, &index, &FROM_SOURCE, "left-pad", "left_pad").await, "42");
    let stored = registry.file("left_pad-1.0.tar.gz").unwrap();

    // The registry's own index says what is there.
    assert_eq!(variables(&stack.run(job(built())).await.1)["SkippedCount"], "1");
    let other = wheel("left_pad-1.0", &python_metadata("left-pad", "1.0", "Summary: another one\n"));
    let artifact = Zip::new().file("left_pad-1.0-py3-none-any.whl", other).bytes();
    let (r#type, message) = stack.refuse(job(artifact)).await;
    assert!(r#type == "JobFailed" && message.contains("other content"), "{message}");
    assert_eq!((posts(), registry.file("left_pad-1.0.tar.gz").unwrap()), (2, stored));
    assert_eq!(stack.traffic.count(artifactory::SERVICE, &Method::POST, ""), 0, "the emulator is not asked");
}
