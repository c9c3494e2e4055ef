//! What the processes of a simulation print: their log, and what Lambda is answered.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

use super::lock;

/// All that was printed; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps what this thread logs from now on, for as long as the guard lives: this crate's lines as the function's own
    /// log has them, and dependencies' warnings.
    pub(super) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let wanted =
            Targets::new().with_default(LevelFilter::WARN).with_target("codepipeline_artifactory", LevelFilter::INFO);
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(self.clone());
        tracing::subscriber::set_default(Registry::default().with(lines.with_filter(wanted)))
    }

    pub(super) fn say(&self, line: &str) {
        let mut text = lock(&self.0);
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
