//! What no document settles about the job API, as switches, and the times that AWS does not publish.
//! A worker must be right under every setting: [`Switches::all`] lists them.

use std::time::Duration;

/// What an acknowledgement gets that does not move a dispatched job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// `InvalidNonceException`.
    InvalidNonce,
    /// 200 with the state that the job is in.
    State,
}

/// What a result gets for a job that was never acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EarlyResult {
    /// `InvalidJobStateException`.
    InvalidJobState,
    /// 200, and the job is over.
    Accepted,
}

/// Which nonce a job has when it is handed out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NonceOnRedispatch {
    /// A new one; the old one is stale.
    Changed,
    /// The same.
    Kept,
}

/// The undocumented behaviours. The defaults are the likelier ones, none is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switches {
    /// The owner acknowledges again with the same nonce (default: invalid nonce).
    pub(crate) repeated_acknowledgement: Acknowledgement,
    /// The nonce is stale or was never given out (default: invalid nonce). A job that another worker has in
    /// progress is never answered with its state: that worker alone may take `InProgress` for its own.
    pub(crate) stale_nonce: Acknowledgement,
    /// `PutJob*` comes before any acknowledgement (default: invalid job state).
    pub(crate) early_result: EarlyResult,
    /// A job that is over is acknowledged (default: its state).
    pub(crate) finished_acknowledgement: Acknowledgement,
    /// The nonce of the second dispatch (default: changed).
    pub(crate) nonce_on_redispatch: NonceOnRedispatch,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            repeated_acknowledgement: Acknowledgement::InvalidNonce,
            stale_nonce: Acknowledgement::InvalidNonce,
            early_result: EarlyResult::InvalidJobState,
            finished_acknowledgement: Acknowledgement::State,
            nonce_on_redispatch: NonceOnRedispatch::Changed,
        }
    }
}

impl Switches {
    /// Every combination.
    pub(crate) fn all() -> Vec<Self> {
        use Acknowledgement::{InvalidNonce, State};
        let mut all = Vec::new();
        for repeated_acknowledgement in [InvalidNonce, State] {
            for stale_nonce in [InvalidNonce, State] {
                for early_result in [EarlyResult::InvalidJobState, EarlyResult::Accepted] {
                    for finished_acknowledgement in [InvalidNonce, State] {
                        for nonce_on_redispatch in [NonceOnRedispatch::Changed, NonceOnRedispatch::Kept] {
                            all.push(Self {
                                repeated_acknowledgement,
                                stale_nonce,
                                early_result,
                                finished_acknowledgement,
                                nonce_on_redispatch,
                            });
                        }
                    }
                }
            }
        }
        all
    }
}

/// Switches and times of one emulator; a test may change them while it runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) switches: Switches,
    /// How long a dispatched job waits for its acknowledgement before polls find it again. Zero offers it to
    /// every poll, as two workers may see it.
    pub(crate) redispatch_after: Duration,
    /// How long after a continuation token the next job appears; about 28 s were seen at AWS.
    pub(crate) continuation_delay: Duration,
    /// How long an action may take in all.
    pub(crate) action_timeout: Duration,
    /// No poll gets more jobs than this, whatever it asks for.
    pub(crate) largest_batch: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            switches: Switches::default(),
            redispatch_after: Duration::from_secs(45),
            continuation_delay: Duration::ZERO,
            action_timeout: Duration::from_hours(24),
            largest_batch: 100,
        }
    }
}
