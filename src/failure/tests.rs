use super::*;
use crate::registry::{At, NetworkError, Purpose, Seen};

const SECRET: &str = "team-a/artifactory";

fn aws(meaning: Meaning) -> AwsError {
    AwsError { operation: "GetIt", code: "CodeOfTheService".to_owned(), message: "its own words".to_owned(), meaning }
}

fn s3(meaning: Meaning) -> ArtifactError {
    ArtifactError::S3 { bucket: "artifacts".to_owned(), key: "web/Build/1".to_owned(), source: aws(meaning) }
}

fn base(url: &str) -> Base {
    Base::parse(url, false).unwrap()
}

fn left() -> Coordinates {
    Coordinates { name: "left".to_owned(), version: "1.0.0".to_owned() }
}

fn at(status: u16) -> At {
    let said = "no, because".to_owned();
    At { purpose: Purpose::Send, method: "PUT".to_owned(), path: "npm/left".to_owned(), status: Some(status), said }
}

/// One failure of each variant, in the order of the enum: a new variant does not compile until it is in this chain.
fn after(previous: Option<&Failure>) -> Option<Failure> {
    let id = || SECRET.to_owned();
    let artifact = || "BuildOutput".to_owned();
    Some(match previous {
        None => Failure::Config(ConfigError::Missing("RepoKey")),
        Some(Failure::Config(_)) => Failure::NoSecret,
        Some(Failure::NoSecret) => Failure::SecretUnread { id: id(), source: aws(Meaning::NotFound) },
        Some(Failure::SecretUnread { .. }) => Failure::SecretForm { id: id(), source: SecretError::NoUser },
        Some(Failure::SecretForm { .. }) => Failure::SecretUrl { id: id(), source: BaseError::NotAUrl },
        Some(Failure::SecretUrl { .. }) => {
            Failure::SecretNotFor { id: id(), what: "for the repository npm-local".to_owned() }
        }
        Some(Failure::SecretNotFor { .. }) => Failure::SecretUnmarked { id: id() },
        Some(Failure::SecretUnmarked { .. }) => {
            Failure::UserParameters(UserParametersError::NoText("Files".to_owned()))
        }
        Some(Failure::UserParameters(_)) => Failure::InvokedLeft,
        Some(Failure::InvokedLeft) => Failure::Unbound { id: id() },
        Some(Failure::Unbound { .. }) => Failure::BoundElsewhere {
            id: id(),
            host: base("https://evil.example"),
            bound: base("https://acme.jfrog.io"),
        },
        Some(Failure::BoundElsewhere { .. }) => Failure::NoInput,
        Some(Failure::NoInput) => Failure::Input { artifact: artifact(), source: s3(Meaning::NotFound) },
        Some(Failure::Input { .. }) => {
            Failure::Archive { artifact: artifact(), source: ArchiveError::NotAZip("3 bytes".to_owned()) }
        }
        Some(Failure::Archive { .. }) => Failure::Package {
            artifact: artifact(),
            source: PackageError::Refused {
                path: "package.json".to_owned(),
                problem: "has no name".to_owned(),
                remedy: "add \"name\"".to_owned(),
            },
        },
        Some(Failure::Package { .. }) => Failure::Plan(PlanError::Twice(left())),
        Some(Failure::Plan(_)) => Failure::Repository {
            repository: RepoKey::parse("maven-local").unwrap(),
            problem: "is of type maven, but TypeOfArtifact is npm".to_owned(),
        },
        Some(Failure::Repository { .. }) => Failure::Conflicts(
            vec![Conflict {
                of: left(),
                path: RepoPath::parse("left/-/left-1.0.0.tgz").unwrap(),
                theirs: "sha256 aa".to_owned(),
                ours: "sha256 bb".to_owned(),
                differences: "index.js has other bytes".to_owned(),
            }]
            .into(),
        ),
        Some(Failure::Conflicts(_)) => Failure::Unseen {
            repository: RepoKey::parse("npm-local").unwrap(),
            paths: vec![RepoPath::parse("left/-/left-1.0.0.tgz").unwrap()].into(),
            source: None,
        },
        Some(Failure::Unseen { .. }) => Failure::Outranked {
            repository: RepoKey::parse("npm-local").unwrap(),
            versions: vec![(left(), "2.0.0".to_owned())].into(),
        },
        Some(Failure::Outranked { .. }) => Failure::Exists(vec![left()].into()),
        Some(Failure::Exists(_)) => Failure::Registry { of: Some(left()), source: RegistryError::Forbidden(at(403)) },
        Some(Failure::Registry { .. }) => {
            Failure::Output { artifact: "Report".to_owned(), source: s3(Meaning::Denied) }
        }
        Some(Failure::Output { .. }) => Failure::DiedTooOften { attempts: 3 },
        Some(Failure::DiedTooOften { .. }) => Failure::EndedByHand,
        Some(Failure::EndedByHand) => Failure::Panicked,
        Some(Failure::Panicked) => return None,
    })
}

#[test]
fn every_failure_has_its_type_and_its_message() {
    let progress = Progress::default();
    let failures = std::iter::successors(after(None), |failure| after(Some(failure)));
    let shown: Vec<String> =
        failures.map(|failure| format!("{} {}", failure.kind(), failure.message(&progress, "RUN"))).collect();
    let common = "\nNothing was published.";
    assert!(shown.iter().all(|message| message.contains(common) && message.ends_with("\nLog: request id RUN.")));
    let shown = shown.join("\n").replace(common, "").replace("\nLog: request id RUN.", "");
    insta::assert_snapshot!(shown, @r#"
    ConfigurationError The action's configuration lacks RepoKey.
    What to do: Correct the action's configuration in the pipeline, then release the change again.
    ConfigurationError No secret is named: the action has no SecretId and the stack has no default secret.
    What to do: Name a secret in the action's SecretId, or set the stack's parameter for a default secret.
    ConfigurationError The secret team-a/artifactory could not be read: GetIt failed: CodeOfTheService: its own words.
    What to do: Create the secret in this region and account, or correct SecretId.
    ConfigurationError The secret team-a/artifactory holds a password but no user: put "username" into the secret, or UserName into the action.
    What to do: Correct the secret's value; the README lists its members.
    ConfigurationError The url in the secret team-a/artifactory is not a URL such as https://acme.jfrog.io.
    What to do: Correct the secret's url: the Artifactory that it belongs to, such as https://acme.jfrog.io.
    ConfigurationError The secret team-a/artifactory may not be used for the repository npm-local.
    What to do: Use a secret that is meant for this pipeline and repository, or extend this one's "pipelines" or "repositories".
    ConfigurationError The secret team-a/artifactory may not be used by an Invoke action: its "pipelines" do not hold "(invoke)".
    What to do: Add "(invoke)" to the secret's "pipelines" if whoever may invoke the function may use it; or use the custom action instead of the Invoke action.
    ConfigurationError Files in the action's UserParameters is not a text.
    What to do: Correct the action's UserParameters in the pipeline, then release the change again.
    SystemUnavailable The worker that had this job died, or its time ran out; the job of an Invoke action cannot be gone on with.
    What to do: Retry the stage: what was published is found and left as it is. If it happens again, raise the stack's MemorySize or Timeout; the jobs of the custom action are gone on with.
    ConfigurationError The secret team-a/artifactory is not bound to an Artifactory, so it was sent nowhere.
    What to do: Put "url" into the secret, or set the stack's ArtifactoryUrl.
    ConfigurationError ArtifactoryHost is https://evil.example, but the secret team-a/artifactory belongs to https://acme.jfrog.io; the secret was not sent.
    What to do: Correct ArtifactoryHost, or use a secret that belongs to that Artifactory.
    ConfigurationError The job has no input artifact.
    What to do: Give the action an input artifact: the output of the build.
    RevisionUnavailable The input artifact BuildOutput could not be read: s3://artifacts/web/Build/1: GetIt failed: CodeOfTheService: its own words.
    What to do: The object is gone (artifact stores expire): release the change again instead of retrying the stage.
    JobFailed The input artifact BuildOutput is not a zip: 3 bytes.
    What to do: Change what the build hands over, then release the change again.
    JobFailed Input artifact BuildOutput: package.json has no name.
    What to do: Add "name".
    JobFailed The package left@1.0.0 is in the artifacts twice with different content.
    What to do: Hand over each package once; narrow what is published with Files.
    ConfigurationError The repository maven-local is of type maven, but TypeOfArtifact is npm.
    What to do: Correct RepoKey or TypeOfArtifact; publish to a local repository, or to a virtual one with a default deployment repository.
    JobFailed This version is in the repository with other content: left@1.0.0 (left/-/left-1.0.0.tgz: there sha256 aa, here sha256 bb; index.js has other bytes).
    What to do: A published version is never changed. Raise the version and release again; or, if what is there is wrong, delete it in Artifactory and retry the stage.
    PermissionError The user may not see in the repository npm-local whether a version exists already: left/-/left-1.0.0.tgz.
    What to do: Give the secret's user the right to read the repository: a version that exists must never be overwritten unseen.
    JobFailed In the repository npm-local there is a higher version already, and no dist-tag is named for left@1.0.0 (there is 2.0.0).
    What to do: Raise the version; or, to publish an older line, name a dist-tag for it: Options tag=legacy (or publishConfig.tag). tag=latest moves latest back on purpose.
    JobFailed In the repository already, with the same content, while Options say existing=fail: left@1.0.0.
    What to do: Raise the version, or let identical versions pass with existing=skip-identical.
    PermissionError Package left@1.0.0: publishing: PUT npm/left was answered with 403; the server said: no, because.
    What to do: Give the secret's user the right to deploy to this repository; a naming or layout rule of the repository can be the reason as well.
    PermissionError The output artifact Report could not be written: s3://artifacts/web/Build/1: GetIt failed: CodeOfTheService: its own words.
    What to do: Check the pipeline's artifact store, its encryption key and the rights of the pipeline's role, then retry the stage: what is published already is left as it is.
    JobFailed 3 attempts at this job came to no end: a worker died, or its time ran out and nothing more was done.
    What to do: Look into the log of the runs; if the function ran out of memory or time, raise them, then retry the stage.
    JobFailed The job was ended by hand (doctor).
    What to do: Retry the stage: what is published already is left as it is.
    JobFailed The publisher itself failed on this job.
    What to do: This is a bug of the publisher: report it with the log of this run. Retrying the stage is safe.
    "#);
}

#[test]
fn what_aws_says_decides_the_type() {
    let all = [
        Meaning::Expired,
        Meaning::Denied,
        Meaning::NotFound,
        Meaning::Condition,
        Meaning::Invalid,
        Meaning::Throttled,
        Meaning::Unavailable,
        Meaning::OutOfTime,
    ];
    let line = |meaning: Meaning| {
        let secret = Failure::SecretUnread { id: SECRET.to_owned(), source: aws(meaning) };
        let input = Failure::Input { artifact: "Build".to_owned(), source: s3(meaning) };
        let output = Failure::Output { artifact: "Report".to_owned(), source: s3(meaning) };
        format!("{meaning:?}: secret {}, input {}, output {}", secret.kind(), input.kind(), output.kind())
    };
    insta::assert_snapshot!(all.map(line).join("\n"), @r"
    Expired: secret PermissionError, input PermissionError, output PermissionError
    Denied: secret PermissionError, input PermissionError, output PermissionError
    NotFound: secret ConfigurationError, input RevisionUnavailable, output ConfigurationError
    Condition: secret ConfigurationError, input JobFailed, output JobFailed
    Invalid: secret ConfigurationError, input JobFailed, output JobFailed
    Throttled: secret SystemUnavailable, input SystemUnavailable, output SystemUnavailable
    Unavailable: secret SystemUnavailable, input SystemUnavailable, output SystemUnavailable
    OutOfTime: secret SystemUnavailable, input SystemUnavailable, output SystemUnavailable
    ");
}

#[test]
fn what_artifactory_says_decides_the_type() {
    let path = || "left/-/left-1.0.0.tgz".to_owned();
    let errors = [
        RegistryError::Unauthorized(at(401)),
        RegistryError::Forbidden(at(403)),
        RegistryError::NotFound(at(404)),
        RegistryError::Rejected(at(400)),
        RegistryError::Rejected(at(413)),
        RegistryError::Redirected(at(302)),
        RegistryError::Unintelligible { at: at(200), problem: "it is a poem" },
        RegistryError::Unavailable { at: at(503), attempts: 5, cause: None },
        RegistryError::Unavailable {
            at: At { status: None, said: String::new(), ..at(0) },
            attempts: 2,
            cause: Some(Box::new(NetworkError::Silent(std::time::Duration::from_secs(30)))),
        },
        RegistryError::Conflict {
            path: path(),
            ours: "sha1 aa".to_owned(),
            theirs: "sha1 bb".to_owned(),
            differences: String::new(),
        },
        RegistryError::NotTagged { tag: "next".to_owned(), version: "1.0.0".to_owned(), has: Some("0.9.0".to_owned()) },
        RegistryError::NotStored { path: path(), ours: "sha1 aa".to_owned(), seen: Seen::Other("sha1 bb".to_owned()) },
        RegistryError::NotStored { path: path(), ours: "sha1 aa".to_owned(), seen: Seen::Nothing },
        RegistryError::NotStored { path: path(), ours: "sha1 aa".to_owned(), seen: Seen::Forbidden },
        RegistryError::Body(ArchiveError::NotAZip("3 bytes".to_owned())),
    ];
    let progress =
        Progress { place: Some("npm at https://acme.jfrog.io".to_owned()), ..Progress::of(Vec::new(), vec![left()]) };
    let lines = errors.map(|source| {
        let failure = Failure::Registry { of: Some(left()), source };
        let message = failure.message(&progress, "RUN");
        let kept = message.lines().filter(|line| !line.starts_with("Target") && !line.starts_with("Nothing was"));
        let kept = kept.filter(|line| !line.starts_with("Log")).collect::<Vec<_>>().join("\n");
        format!("{} {kept}", failure.kind())
    });
    insta::assert_snapshot!(lines.join("\n"), @r"
    PermissionError Package left@1.0.0: publishing: PUT npm/left was answered with 401; the server said: no, because.
    What to do: Check the credential in the secret: it is wrong, revoked or expired.
    PermissionError Package left@1.0.0: publishing: PUT npm/left was answered with 403; the server said: no, because.
    What to do: Give the secret's user the right to deploy to this repository; a naming or layout rule of the repository can be the reason as well.
    ConfigurationError Package left@1.0.0: publishing: PUT npm/left was answered with 404; the server said: no, because.
    What to do: Check RepoKey and ArtifactoryHost; Artifactory also answers 404 to users who may not see a repository.
    JobFailed Package left@1.0.0: publishing: PUT npm/left was answered with 400; the server said: no, because.
    What to do: Change what the server finds invalid: the package, its path or its properties.
    JobFailed Package left@1.0.0: publishing: PUT npm/left was answered with 413; the server said: no, because.
    What to do: Raise the upload limit of Artifactory or of the proxy before it.
    ConfigurationError Package left@1.0.0: publishing: PUT npm/left was answered with 302; the server said: no, because.
    What to do: Put the final address into ArtifactoryHost: no credential follows a redirect.
    ConfigurationError Package left@1.0.0: publishing: PUT npm/left was answered with 200; the server said: no, because; it is a poem.
    What to do: Check ArtifactoryHost: what answers there is not Artifactory.
    SystemUnavailable Package left@1.0.0: publishing: PUT npm/left was answered with 503; the server said: no, because (5 attempts).
    May be stored nevertheless: left@1.0.0.
    What to do: Retry the stage when Artifactory is healthy again; what is stored already counts as published.
    SystemUnavailable Package left@1.0.0: publishing: PUT npm/left got no answer (2 attempts): nothing was heard for 30 s.
    May be stored nevertheless: left@1.0.0.
    What to do: Retry the stage when Artifactory is healthy again; what is stored already counts as published.
    JobFailed Package left@1.0.0: left/-/left-1.0.0.tgz exists with other content: ours has sha1 aa, the repository's sha1 bb.
    What to do: A published version is never changed: raise the version, or delete the existing one first.
    SystemUnavailable Package left@1.0.0: the version is stored, but the dist-tag next was set and is on 0.9.0.
    What to do: Artifactory may compute this dist-tag by a rule of its own: choose another one, or retry the stage, which sets it again.
    SystemUnavailable Package left@1.0.0: left/-/left-1.0.0.tgz was accepted, but what is there has sha1 bb; ours has sha1 aa.
    May be stored nevertheless: left@1.0.0.
    What to do: See Artifactory's log; a plugin, a proxy that decodes paths, a replication, or for Maven snapshots a repository that keeps one build only (non-unique), may have changed or moved the file.
    SystemUnavailable Package left@1.0.0: left/-/left-1.0.0.tgz was accepted, but is not there afterwards; ours has sha1 aa.
    May be stored nevertheless: left@1.0.0.
    What to do: See Artifactory's log; a plugin, a proxy that decodes paths, a replication, or for Maven snapshots a repository that keeps one build only (non-unique), may have changed or moved the file.
    PermissionError Package left@1.0.0: left/-/left-1.0.0.tgz was accepted, but the user may not read it, so nothing shows that it is stored; ours has sha1 aa.
    May be stored nevertheless: left@1.0.0.
    What to do: Give the secret's user the right to read the repository: success is reported only for what was seen.
    JobFailed Package left@1.0.0: the artifact is not a zip: 3 bytes.
    What to do: Change what the build hands over, then release the change again.
    ");
}

#[test]
fn what_was_and_was_not_published_is_said_and_never_pushed_out_by_a_long_cause() {
    let many = |count: usize| vec![left(); count];
    let said = |published, unpublished| {
        let progress = Progress::of(published, unpublished);
        let message = Failure::Panicked.message(&progress, "RUN");
        message.lines().nth(1).unwrap().to_owned()
    };
    insta::assert_snapshot!(said(many(0), many(0)), @"Nothing was published.");
    insta::assert_snapshot!(said(many(0), many(2)), @"Nothing was published; not published: left@1.0.0, left@1.0.0.");
    insta::assert_snapshot!(said(many(1), many(1)), @"Published all the same: left@1.0.0. Not published: left@1.0.0.");
    insta::assert_snapshot!(said(many(1), many(0)), @"Published all the same: left@1.0.0.");
    assert!(said(many(0), many(250)).ends_with(" more."));

    let long = Coordinates { name: "@x/".to_owned() + &"y".repeat(600), version: "1.0.0".to_owned() };
    let problem = "x".repeat(100_000);
    let source = PackageError::Refused { path: "p".to_owned(), problem, remedy: "mend it".to_owned() };
    let failure = Failure::Package { artifact: "Build".to_owned(), source };
    let message = failure.message(&Progress::of(Vec::new(), vec![long; 9]), "RUN");
    assert!(message.contains("What to do: Mend it.\nLog: request id RUN.") && message.chars().count() < 5_000);
}
