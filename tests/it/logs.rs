//! The log: one JSON object a line, the same members in each, levels that are kept, one line for each job that ended,
//! and no credential in it, nor in anything else that is written down, whatever Artifactory says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::scene::{self, failure, package, stack, tick};
use crate::stack::artifactory::{self, Permission, User};
use crate::stack::http::Fault;
use crate::stack::{REPOSITORY, SECRET, Stack, USER};

/// Every line that the function wrote, each of which must be an object.
async fn lines(stack: &Stack) -> Vec<Value> {
    let logs = stack.logs().await;
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<Value> = logs.lines().map(parse).collect();
    assert!(lines.iter().all(Value::is_object));
    lines
}

/// A job that succeeds, one that fails, a broken event and an empty tick.
async fn a_busy_minute(stack: &Stack) {
    stack.publish(package("left", "1.0.0")).await;
    stack.refuse(stack.action("not a zip")).await;
    stack.invoke(json!("broken")).await.unwrap();
    tick(stack).await;
}

fn levels(lines: &[Value]) -> Vec<&str> {
    let mut levels: Vec<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    levels.sort_unstable();
    levels.dedup();
    levels
}

#[tokio::test]
async fn every_line_is_one_object_with_the_same_members() {
    let stack = stack().await;
    stack.set("AWS_LAMBDA_LOG_LEVEL", "TRACE");
    a_busy_minute(&stack).await;
    let lines = lines(&stack).await;
    assert!(lines.len() > 5);
    for line in &lines {
        for member in ["level", "message", "version", "target"] {
            assert!(line[member].is_string(), "{member} is missing: {line}");
        }
        assert!(!line["message"].as_str().unwrap().is_empty(), "{line}");
        assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
        assert!(["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(line["requestId"].as_str().is_some_and(|id| id.len() == 36), "which invocation was it? {line}");
        if !line["target"].as_str().unwrap().starts_with("codepipeline_artifactory") {
            assert!(["WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "a dependency is too loud: {line}");
        }
    }
}

#[tokio::test]
async fn each_job_ends_with_one_line_that_says_how() {
    let stack = stack().await;
    a_busy_minute(&stack).await;
    let lines = lines(&stack).await;
    let mut ended: Vec<Value> = lines.into_iter().filter(|line| line["message"] == "job ended").collect();
    for line in &mut ended {
        assert!(line["millis"].is_u64());
        for number in ["millis", "JobDuration", "bytes_sent", "BytesSent"] {
            line[number] = json!(0);
        }
        line["execution"] = json!("EXECUTION");
        line["_aws"] = json!("EMF");
    }
    let ended: Vec<String> = ended.iter().map(Value::to_string).collect();
    insta::assert_snapshot!(scene::steady(&stack, &ended.join("\n")), @r#"
    {"level":"INFO","message":"job ended","version":"0.1.0","requestId":"RUN","function":"codepipeline-artifactory","job.id":"JOB-0","pipeline":"web","execution":"EXECUTION","stage":"Publish","action":"Artifactory","millis":0,"is_resumed":false,"outcome":"succeeded","failure":"","packages":"left@1.0.0","type":"npm","repository":"npm-local","artifactory":"http://artifactory","bytes_sent":0,"registry_retries":0,"_aws":"EMF","Jobs":1,"JobDuration":0,"BytesSent":0,"RegistryRetries":0,"ResumedJobs":0,"target":"codepipeline_artifactory::hand"}
    {"level":"INFO","message":"job ended","version":"0.1.0","requestId":"RUN","function":"codepipeline-artifactory","job.id":"JOB-1","pipeline":"web","execution":"EXECUTION","stage":"Publish","action":"Artifactory","millis":0,"is_resumed":false,"outcome":"failed","failure":"JobFailed","packages":"","type":"npm","repository":"npm-local","artifactory":"http://artifactory","bytes_sent":0,"registry_retries":0,"_aws":"EMF","Jobs":1,"Failures":1,"JobDuration":0,"BytesSent":0,"RegistryRetries":0,"ResumedJobs":0,"target":"codepipeline_artifactory::hand"}
    "#);
}

#[tokio::test]
async fn the_level_is_kept() {
    let all = ["DEBUG", "ERROR", "INFO", "WARN"];
    for (level, expected) in [
        ("", &all[1..]),
        ("debug", &all[..]),
        ("WARN", &["ERROR", "WARN"]),
        ("ERROR", &["ERROR"]),
        ("FATAL", &["ERROR"]),
    ] {
        let stack = stack().await;
        stack.set("AWS_LAMBDA_LOG_LEVEL", level);
        a_busy_minute(&stack).await;
        assert_eq!(levels(&lines(&stack).await), expected, "{level:?}");
    }
}

/// A password with everything in it that some way of writing treats specially.
const AWKWARD: &str = "p\"a\\ss  w<&>'ö+%2F=/1";

/// How servers, proxies and their logs could write a secret.
fn spellings(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let json = json!(secret).to_string();
    let basic = STANDARD.encode(format!("{USER}:{secret}"));
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    vec![secret.to_owned(), form, percent, json.trim_matches('"').to_owned(), basic, STANDARD.encode(secret), html]
}

/// What is echoed must be in nothing that was written down: log, result, claims.
async fn assert_nowhere(stack: &Stack, secret: &str, message: &str) {
    assert!(message.contains("[secret]"), "the echo is gone altogether: {message}");
    let mut places = vec![stack.logs().await, message.to_owned()];
    for seen in stack.traffic.seen().iter().filter(|seen| seen.service != artifactory::SERVICE) {
        if seen.request.method != hyper::Method::GET {
            places.push(String::from_utf8_lossy(&seen.request.body).into_owned());
        }
    }
    assert!(places.iter().any(|place| place.contains("\"told\":{")), "the claim of a failed job holds its message");
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for place in &places {
        for spelling in spellings(secret) {
            assert!(!place.contains(&spelling) && !place.contains(&squeezed(&spelling)), "{spelling} is in {place}");
        }
    }
}

#[tokio::test]
async fn a_password_that_artifactory_echoes_is_blanked_out_everywhere() {
    for (number, spelling) in spellings(AWKWARD).into_iter().enumerate() {
        // Well-formed errors, and bodies that are not what they say.
        for body in
            [json!({ "errors": [{ "message": format!("bad: {spelling}!") }] }).to_string(), format!("bad: {spelling}!")]
        {
            let stack = stack().await;
            stack.set("AWS_LAMBDA_LOG_LEVEL", "TRACE");
            let may = [Permission::Read, Permission::Deploy];
            stack.artifactory.user(User::new(USER, AWKWARD).may(REPOSITORY, &may));
            stack.secrets.put(SECRET, &json!({ "username": USER, "password": AWKWARD }).to_string());
            let echo = Fault::Answer { status: 401, headers: Vec::new(), body };
            stack.traffic.fault(artifactory::SERVICE, None, "/api/security/token", 0, 9, echo);
            let job = stack.pipeline.queue(stack.action(package("left", &format!("1.0.{number}"))));
            tick(&stack).await;
            let (kind, message) = failure(stack.pipeline.result(&job));
            assert_eq!(kind, "PermissionError");
            assert_nowhere(&stack, AWKWARD, &message).await;
        }
    }
}

#[tokio::test]
async fn a_token_that_artifactory_echoes_is_blanked_out_everywhere() {
    let token = "eyJ2ZXIiOiIyIn0.eyJzdWIiOiJjaSJ9.c2lnbmF0dXJl-_1";
    for status in [400, 403, 503] {
        let stack = stack().await;
        stack.set("AWS_LAMBDA_LOG_LEVEL", "TRACE");
        stack.secrets.put(SECRET, &json!({ "access_token": token }).to_string());
        let body = format!("<html><title>no: Authorization: Bearer {token}, {}</title>", STANDARD.encode(token));
        let echo = Fault::Answer { status, headers: Vec::new(), body };
        // A refusal is heard where the package is sent, a server that fails where it is first looked for.
        let refuses = (status < 500).then_some(hyper::Method::PUT);
        stack.traffic.fault(artifactory::SERVICE, refuses, "", 0, 1000, echo);
        let nothing = Fault::Answer { status: 404, headers: Vec::new(), body: String::new() };
        stack.traffic.fault(artifactory::SERVICE, Some(hyper::Method::GET), "", 0, 1000, nothing);
        let job = stack.pipeline.queue(stack.action(package("left", "1.0.0")));
        stack.worker().await;
        let event = stack.pipeline.started_event(&job);
        // Long enough to look into a refusal, short enough to be patient with a failing server for two seconds only.
        stack.lambda.invoke(event, std::time::Duration::from_secs(6)).await.unwrap();
        let (_, message) = failure(stack.pipeline.result(&job));
        assert_nowhere(&stack, token, &message).await;
    }
}
