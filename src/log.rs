//! The log: one JSON object a line on standard output, with the version of this program and the request id of the
//! invocation in every line. This crate's lines follow `AWS_LAMBDA_LOG_LEVEL`; dependencies stay at WARN.

use std::fmt;

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

/// Begins to log. Called once; a second call changes nothing.
pub fn start(level: LevelFilter) {
    let lines = tracing_subscriber::fmt::layer().event_format(JsonLines).with_writer(std::io::stdout);
    let wanted =
        Targets::new().with_default(LevelFilter::WARN.min(level)).with_target("codepipeline_artifactory", level);
    let started = Registry::default().with(Fields).with(lines).with(wanted).try_init();
    if started.is_err() {
        tracing::debug!("the log was started before");
    }
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
        line.extend(own.0);
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
