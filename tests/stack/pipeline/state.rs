//! The states that a job can be in, as the API names them.

/// The states of the API's `JobStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    /// Made, but no poll finds it yet.
    Created,
    Queued,
    Dispatched,
    InProgress,
    TimedOut,
    Succeeded,
    Failed,
}

impl JobState {
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::TimedOut | Self::Succeeded | Self::Failed)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Queued => "Queued",
            Self::Dispatched => "Dispatched",
            Self::InProgress => "InProgress",
            Self::TimedOut => "TimedOut",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}
