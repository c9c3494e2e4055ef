//! `make maven-clients`: what the function publishes, resolved by the real Maven with strict checksums, from an empty
//! local repository and with no other repository than the local stack: a release with its parent and its dependency, and
//! a snapshot. Where a checksum is another one, Maven refuses.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a check prints what it has seen, and stops where it sees anything else"
)]

#[path = "../../tests/make.rs"]
mod make;
#[path = "../../tests/stack/mod.rs"]
mod stack;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use make::{Zip, jar, pom};
use stack::artifactory::{Permission, Repository, SERVICE};
use stack::http::Fault;
use stack::pipeline::JobResult;
use stack::{PASSWORD, Stack, USER};
use tempfile::TempDir;

const LIBS: &str = "libs-local";

#[tokio::main]
async fn main() {
    let binary = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: maven_clients PATH-OF-THE-LAMBDA-BINARY");
    let stack = Stack::start(&binary).await;
    stack.forgive_passwords();
    stack.artifactory.repository(Repository::local(LIBS, "maven"));
    stack.artifactory.permit(USER, LIBS, &[Permission::Read, Permission::Deploy]);
    // Maven adds this one to every extension of a build (`plexus-utils` 1.1); what is in it is never asked for.
    let own = "org/codehaus/plexus/plexus-utils/1.1/plexus-utils-1.1";
    stack.artifactory.put_file(LIBS, &format!("{own}.jar"), jar("org.codehaus.plexus", "plexus-utils", "1.1"));
    stack.artifactory.put_file(LIBS, &format!("{own}.pom"), pom("org.codehaus.plexus", "plexus-utils", "1.1", ""));
    for version in ["1.0", "1.1-SNAPSHOT"] {
        publish(&stack, version).await;
        let home = home(&stack, version);
        let output = validate(home.path()).await;
        assert!(output.status.success(), "{output:?}");
        for artifact in ["web", "core"] {
            let folder = home.path().join("local/org/acme").join(artifact).join(version);
            let found = fs::read(folder.join(format!("{artifact}-{version}.jar"))).expect("Maven has resolved it");
            assert_eq!(found, jar("org.acme", artifact, version), "{artifact}");
        }
        println!("Maven resolves web {version}, its parent, and core {version} that it depends on");
    }
    let wrong = Fault::Answer { status: 200, headers: Vec::new(), body: "0".repeat(40) };
    stack.traffic.fault(SERVICE, Some(hyper::Method::GET), "core-1.0.jar.sha1", 0, usize::MAX, wrong);
    let output = validate(home(&stack, "1.0").path()).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && said.contains("Checksum validation failed"), "{said}");
    println!("Maven refuses a file whose checksum is another one");
}

/// Publishes a build of two modules under one parent, of which the one depends on the other.
async fn publish(stack: &Stack, version: &str) {
    let child = |artifact: &str, more: &str| {
        format!(
            "<project><modelVersion>4.0.0</modelVersion><parent><groupId>org.acme</groupId><artifactId>all</artifactId>\
             <version>{version}</version></parent><artifactId>{artifact}</artifactId>{more}</project>"
        )
    };
    let modules = "<packaging>pom</packaging><modules><module>core</module><module>web</module></modules>";
    let needs = format!(
        "<dependencies><dependency><groupId>org.acme</groupId><artifactId>core</artifactId><version>{version}</version>\
         </dependency></dependencies>"
    );
    let artifact = Zip::new()
        .file("pom.xml", pom("org.acme", "all", version, modules))
        .file("core/pom.xml", child("core", ""))
        .file(&format!("core/target/core-{version}.jar"), jar("org.acme", "core", version))
        .file("web/pom.xml", child("web", &needs))
        .file(&format!("web/target/web-{version}.jar"), jar("org.acme", "web", version));
    let action = stack.action(artifact.bytes());
    let action = action.configuration("TypeOfArtifact", "maven").configuration("RepoKey", LIBS);
    let (_, result) = stack.run(action).await;
    assert!(matches!(result, JobResult::Succeeded { .. }), "{result:#?}\n{}", stack.logs().await);
}

/// A folder with a project that has `web` as an extension of its build, which Maven resolves before anything else and
/// without any plugin; and with settings that know the stack alone.
fn home(stack: &Stack, version: &str) -> TempDir {
    let home = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, text: String| fs::write(home.path().join(name), text).expect("the folder is ours");
    let extension = format!(
        "<packaging>pom</packaging><build><extensions><extension><groupId>org.acme</groupId><artifactId>web</artifactId>\
         <version>{version}</version></extension></extensions></build>"
    );
    write("pom.xml", pom("org.example", "app", "1", &extension));
    let url = format!("{}/{LIBS}", stack.artifactory.url());
    let repository = |name: &str| {
        format!(
            "<{name}><id>stack</id><url>{url}</url><releases><enabled>true</enabled></releases>\
             <snapshots><enabled>true</enabled></snapshots></{name}>"
        )
    };
    write(
        "settings.xml",
        format!(
            "<settings><localRepository>{}</localRepository><mirrors><mirror><id>stack</id><mirrorOf>*</mirrorOf>\
             <url>{url}</url></mirror></mirrors><servers><server><id>stack</id><username>{USER}</username>\
             <password>{PASSWORD}</password></server></servers><profiles><profile><id>stack</id>\
             <repositories>{}</repositories><pluginRepositories>{}</pluginRepositories></profile></profiles>\
             <activeProfiles><activeProfile>stack</activeProfile></activeProfiles></settings>",
            home.path().join("local").display(),
            repository("repository"),
            repository("pluginRepository"),
        ),
    );
    home
}

async fn validate(home: &Path) -> Output {
    let mut maven = tokio::process::Command::new("mvn");
    maven.args(["--batch-mode", "--strict-checksums", "--settings", "settings.xml", "validate"]).current_dir(home);
    // Nothing of whoever runs this is read: neither their settings nor their home.
    maven.env("HOME", home).env_remove("MAVEN_OPTS").env_remove("MAVEN_ARGS");
    maven.output().await.unwrap_or_else(|error| panic!("mvn cannot be run: {error}"))
}
