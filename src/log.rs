//! The log: one JSON object a line on standard output, with the version of this program and the request id of the
//! invocation in every line. This crate's lines follow `AWS_LAMBDA_LOG_LEVEL`; dependencies stay at WARN. The numbers in
//! the field `metrics` are counted by `CloudWatch` (see [`crate::metric`]).

use std::fmt;
use std::process::ExitCode;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{FormatEvent, Writer};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::deadline::epoch_millis;
use crate::metric;

/// The level where nobody asks for another.
pub const DEFAULT: LevelFilter = LevelFilter::INFO;

/// Longest text of a panic that is logged, in characters.
const PANIC: usize = 500;

/// Begins to log, panics included. Called once; a second call changes nothing.
pub fn start(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer().event_format(JsonLines).with_writer(std::io::stdout);
    let wanted = Targets::new().with_default(LevelFilter::WARN).with_target("codepipeline_artifactory", level);
    let started = Registry::default().with(Fields).with(lines).with(wanted).try_init();
    if started.is_err() {
        tracing::debug!("the log was started before");
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        let what: String = panic.payload_as_str().unwrap_or("no text").chars().take(PANIC).collect();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked: {what}");
    }));
}

/// Logs what keeps the process from its work, and gives what it ends with.
pub fn fatal(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    tracing::error!(error, "the function cannot start");
    ExitCode::FAILURE
}

/// Keeps the fields of spans where [`JsonLines`] finds them.
struct Fields;

#[derive(Default)]
struct Members(Map<String, Value>);

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::String(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().to_owned(), Value::String(chain(value)));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Fields {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut members = Members::default();
            attributes.record(&mut members);
            span.extensions_mut().insert(members);
        }
    }
}

/// An event as one line of JSON.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut own = Members::default();
        event.record(&mut own);
        let mut line = Map::new();
        line.insert("level".to_owned(), Value::from(event.metadata().level().as_str()));
        line.insert("message".to_owned(), own.0.remove("message").unwrap_or_default());
        line.insert("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            if let Some(members) = span.extensions().get::<Members>() {
                line.extend(members.0.clone());
            }
        }
        let metrics = own.0.remove("metrics");
        line.extend(own.0);
        if let Some(Value::String(metrics)) = metrics {
            metric::merge(&mut line, &metrics, epoch_millis());
        }
        line.insert("target".to_owned(), Value::from(event.metadata().target()));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Logs what broke a tick, once, and hands it on.
pub fn logged<E: std::error::Error + 'static>(error: E) -> E {
    tracing::error!(error = &error as &dyn std::error::Error, "the tick broke");
    error
}

/// An error and its causes, as one text.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_an_object_with_its_invocation_and_a_metric_where_there_is_one() {
        let lines = Lines::default();
        let written = lines.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(JsonLines).with_writer(move || written.clone());
        tracing::subscriber::with_default(Registry::default().with(Fields).with(layer), || {
            let _invocation = tracing::error_span!("invocation", requestId = "run", function = "publisher").entered();
            let _job = tracing::error_span!("job", job.id = "1").entered();
            let metrics = metric::Numbers::one(metric::Metric::QUARANTINED).text();
            tracing::warn!(metrics, key = "jobs/x", "moved\n\"away\"");
            tracing::info!(bytes = 3, ok = true, "sent");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["message"], "moved\n\"away\"");
        assert_eq!((&lines[0]["requestId"], &lines[0]["job.id"]), (&json!("run"), &json!("1")));
        assert_eq!((&lines[0]["Quarantined"], &lines[0]["metrics"]), (&json!(1), &Value::Null));
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"], "Quarantined");
        assert_eq!((&lines[1]["bytes"], &lines[1]["ok"], &lines[1]["_aws"]), (&json!(3), &json!(true), &Value::Null));
    }

    #[test]
    fn a_chain_says_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {source}")]
        struct Outer {
            source: Inner,
        }
        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner(#[source] std::io::Error);
        let error = Outer { source: Inner(std::io::Error::other("root")) };
        assert_eq!(chain(&error), "outer: inner: root");
    }
}
