//! The table of jobs: every state a job can be in and what each call does to it. Nothing here knows of HTTP,
//! and the time is an argument.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::rules::{AcknowledgeJob, PollForJobs, PutJobFailureResult, PutJobSuccessResult};
use super::spec::{ActionType, JobId, JobSpec, Run};
use super::state::JobState;
use super::switches::{Acknowledgement, EarlyResult, NonceOnRedispatch, Settings};
use crate::stack::aws::Refusal;

/// What became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobResult {
    /// Nobody has answered it.
    Pending {
        state: JobState,
    },
    Succeeded {
        summary: Option<String>,
        external_execution_id: Option<String>,
        percent: Option<i64>,
        revision: Option<Revision>,
        variables: BTreeMap<String, String>,
    },
    Failed {
        r#type: String,
        message: String,
        external_execution_id: Option<String>,
    },
    /// It was ended with a continuation token; the action goes on in the job `next`.
    Continued {
        token: String,
        next: JobId,
    },
    /// The action took too long.
    TimedOut,
    /// The execution was stopped and abandoned; the worker is not told.
    Abandoned,
}

/// `currentRevision` of a success.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the names that AWS gives them")]
pub(crate) struct Revision {
    pub(crate) revision: String,
    pub(crate) change_identifier: String,
    pub(crate) summary: Option<String>,
}

/// What a job was answered with, kept whole so that a replay can be told from another answer.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Success(PutJobSuccessResult),
    Failure(PutJobFailureResult),
}

/// How a job gets to its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Polled,
    /// In an event: the job API takes its result and tells nothing of it.
    Invoked,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) spec: JobSpec,
    pub(super) run: Run,
    state: JobState,
    /// From here on polls find it: at first, and again after each dispatch.
    available_from: SystemTime,
    action_started: SystemTime,
    pub(super) nonce: Option<String>,
    was_acknowledged: bool,
    way: Way,
    answer: Option<Answer>,
    next: Option<JobId>,
    pub(super) answers_accepted: usize,
    /// The state in which it got its answer.
    pub(super) answered_in: Option<JobState>,
    pub(super) abandoned: bool,
    pub(super) forgiven: bool,
}

/// All jobs of the service, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) settings: Settings,
    pub(super) declared: Vec<ActionType>,
    pub(super) jobs: Vec<Job>,
    /// Jobs that CodePipeline knows nothing of any more.
    pub(super) forgotten: Vec<Job>,
    ids: u64,
    dispatches: u64,
}

impl Table {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            declared: vec![ActionType::default()],
            jobs: Vec::new(),
            forgotten: Vec::new(),
            ids: 0,
            dispatches: 0,
        }
    }

    pub(super) fn queue(&mut self, spec: JobSpec, now: SystemTime) -> JobId {
        let run = Run {
            action_execution_id: spec.action_execution_id.clone().unwrap_or_else(|| self.uuid()),
            pipeline_execution_id: self.uuid(),
            continuation_token: None,
        };
        self.add(spec, run, now, now)
    }

    /// A job of an Invoke action: in progress from its beginning, since nobody acknowledges it.
    pub(super) fn invoke(&mut self, spec: JobSpec, now: SystemTime) -> JobId {
        let id = self.queue(spec, now);
        let job = self.jobs.last_mut().expect("it was queued a moment ago");
        (job.state, job.was_acknowledged, job.way) = (JobState::InProgress, true, Way::Invoked);
        id
    }

    /// As [`Table::job`], for the calls that are there for custom actions only.
    pub(super) fn custom_job(&mut self, id: &str, now: SystemTime) -> Result<&mut Job, Refusal> {
        let job = self.job(id, now)?;
        let missing = || Refusal::new("JobNotFoundException", format!("Job with id '{id}' does not exist"));
        match job.way {
            Way::Polled => Ok(job),
            Way::Invoked => Err(missing()),
        }
    }

    fn add(&mut self, spec: JobSpec, run: Run, available_from: SystemTime, action_started: SystemTime) -> JobId {
        let id = JobId(self.uuid());
        self.jobs.push(Job {
            id: id.clone(),
            spec,
            run,
            state: JobState::Queued,
            available_from,
            action_started,
            nonce: None,
            was_acknowledged: false,
            way: Way::Polled,
            answer: None,
            next: None,
            answers_accepted: 0,
            answered_in: None,
            abandoned: false,
            forgiven: false,
        });
        id
    }

    /// Different for each call, and the digits are spread so that no two begin alike.
    fn uuid(&mut self) -> String {
        self.ids += 1;
        let spread = self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            spread >> 32,
            (spread >> 16) & 0xffff,
            spread & 0xfff,
            (spread >> 12) & 0xfff,
            self.ids
        )
    }

    pub(super) fn job(&mut self, id: &str, now: SystemTime) -> Result<&mut Job, Refusal> {
        let timeout = self.settings.action_timeout;
        let missing = || Refusal::new("JobNotFoundException", format!("Job with id '{id}' does not exist"));
        let job = self.jobs.iter_mut().find(|job| job.id.as_str() == id).ok_or_else(missing)?;
        job.settle(now, timeout);
        Ok(job)
    }

    /// Hands out what waits: the jobs and the new nonce of each.
    pub(super) fn poll(&mut self, request: &PollForJobs, now: SystemTime) -> Result<Vec<&Job>, Refusal> {
        let wanted = request.action_type_id.as_ref().expect("the rules require it");
        let text = |member: &Option<String>| member.clone().unwrap_or_default();
        if text(&wanted.owner) != "Custom" {
            let message = format!("ActionType with owner '{}' is not supported", text(&wanted.owner));
            return Err(Refusal::validation(message));
        }
        let (category, provider, version) = (text(&wanted.category), text(&wanted.provider), text(&wanted.version));
        let declared = self
            .declared
            .iter()
            .find(|known| known.category == category && known.provider == provider && known.version == version)
            .cloned()
            .ok_or_else(|| {
                let message = format!(
                    "ActionType (Category: '{category}', Owner: 'Custom', Provider: '{provider}', \
                     Version: '{version}') is not available"
                );
                Refusal::new("ActionTypeNotFoundException", message)
            })?;
        let query = request.query_param.iter().flatten().next();
        if query.map(|(key, _)| key) != declared.queryable.as_ref() {
            let message = "The query parameters do not match the action type's queryable properties";
            return Err(Refusal::validation(message));
        }

        let asked = request.max_batch_size.map_or(1, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let (settings, dispatches) = (&self.settings, &mut self.dispatches);
        Ok(self
            .jobs
            .iter_mut()
            .filter(|job| job.spec.action_type == declared && job.spec.has(query))
            .filter_map(|job| {
                job.settle(now, settings.action_timeout);
                let waits = matches!(job.state, JobState::Queued | JobState::Dispatched);
                (waits && job.available_from <= now && !job.abandoned).then(|| {
                    if job.nonce.is_none() || settings.switches.nonce_on_redispatch == NonceOnRedispatch::Changed {
                        *dispatches += 1;
                        job.nonce = Some(dispatches.to_string());
                    }
                    job.state = JobState::Dispatched;
                    job.available_from = now + settings.redispatch_after;
                    &*job
                })
            })
            .take(asked.min(settings.largest_batch))
            .collect())
    }

    /// The state after an acknowledgement.
    pub(super) fn acknowledge(&mut self, request: &AcknowledgeJob, now: SystemTime) -> Result<JobState, Refusal> {
        let switches = self.settings.switches;
        let job = self.custom_job(request.job_id.as_deref().unwrap_or_default(), now)?;
        let answer = if job.state.is_over() {
            switches.finished_acknowledgement
        } else if request.nonce != job.nonce {
            match job.state {
                JobState::InProgress => Acknowledgement::InvalidNonce,
                _ => switches.stale_nonce,
            }
        } else if job.state == JobState::InProgress {
            switches.repeated_acknowledgement
        } else {
            job.state = JobState::InProgress;
            job.was_acknowledged = true;
            Acknowledgement::State
        };
        match answer {
            Acknowledgement::State => Ok(job.shown(now)),
            Acknowledgement::InvalidNonce => Err(Refusal::new("InvalidNonceException", "The nonce was invalid.")),
        }
    }

    pub(super) fn succeed(&mut self, request: PutJobSuccessResult, now: SystemTime) -> Result<(), Refusal> {
        let delay = self.settings.continuation_delay;
        let id = request.job_id.clone().unwrap_or_default();
        let token = request.continuation_token.clone();
        let first = self.end(&id, JobState::Succeeded, Answer::Success(request), now)?;
        if let (true, Some(token)) = (first, token) {
            let job = self.job(&id, now)?;
            let (spec, started) = (job.spec.clone(), job.action_started);
            let run = Run { continuation_token: Some(token), ..job.run.clone() };
            let next = self.add(spec, run, now + delay, started);
            self.job(&id, now)?.next = Some(next);
        }
        Ok(())
    }

    pub(super) fn fail(&mut self, request: PutJobFailureResult, now: SystemTime) -> Result<(), Refusal> {
        let id = request.job_id.clone().unwrap_or_default();
        self.end(&id, JobState::Failed, Answer::Failure(request), now).map(drop)
    }

    /// Ends a job, or takes a replay. `true` where it is the first answer and took effect.
    fn end(&mut self, id: &str, state: JobState, answer: Answer, now: SystemTime) -> Result<bool, Refusal> {
        let early = self.settings.switches.early_result;
        let refused = |message: String| Err(Refusal::new("InvalidJobStateException", message));
        let job = self.job(id, now)?;
        let first = match (&job.answer, job.state) {
            _ if job.abandoned => false,
            (Some(given), _) if *given == answer => false,
            (Some(_), was) if was == state => {
                return refused(format!(
                    "The status of job with id {id} is already set to the desired value. It cannot be updated with \
                     the same status, but different result or output variables."
                ));
            }
            (Some(_), _) | (None, JobState::TimedOut) => {
                return refused(format!("Job with id {id} has already terminated"));
            }
            (None, JobState::InProgress) => true,
            (None, was) if early == EarlyResult::InvalidJobState => {
                return refused(format!("Job with id {id} is in state {}, not InProgress", was.name()));
            }
            (None, _) => true,
        };
        job.answers_accepted += 1;
        if first {
            job.answered_in = Some(job.state);
            job.state = state;
            job.answer = Some(answer);
        }
        Ok(first)
    }

    /// The jobs that a worker took and never answered, and that no test has forgiven.
    pub(super) fn left(&self) -> Vec<&JobId> {
        self.jobs
            .iter()
            .filter(|job| job.was_acknowledged && job.answer.is_none() && !job.abandoned && !job.forgiven)
            .map(|job| &job.id)
            .collect()
    }
}

impl Job {
    /// Lets the action time out where its time is over.
    fn settle(&mut self, now: SystemTime, action_timeout: std::time::Duration) {
        if !self.state.is_over() && now >= self.action_started + action_timeout {
            self.state = JobState::TimedOut;
        }
    }

    /// Another worker acknowledges it with a nonce of its own.
    pub(super) fn seize(&mut self) {
        if !self.state.is_over() {
            self.state = JobState::InProgress;
            self.nonce = Some("0".to_owned());
            self.forgiven = true;
        }
    }

    /// The state as the API would name it.
    pub(super) fn shown(&self, now: SystemTime) -> JobState {
        match self.state {
            JobState::Queued if now < self.available_from => JobState::Created,
            state => state,
        }
    }

    pub(super) fn result(&self, now: SystemTime) -> JobResult {
        match (&self.answer, &self.next) {
            _ if self.abandoned => JobResult::Abandoned,
            (None, _) if self.state == JobState::TimedOut => JobResult::TimedOut,
            (None, _) => JobResult::Pending { state: self.shown(now) },
            (Some(Answer::Failure(given)), _) => {
                let details = given.failure_details.clone().expect("the rules require it");
                JobResult::Failed {
                    r#type: details.r#type.unwrap_or_default(),
                    message: details.message.unwrap_or_default(),
                    external_execution_id: details.external_execution_id,
                }
            }
            (Some(Answer::Success(given)), Some(next)) => {
                JobResult::Continued { token: given.continuation_token.clone().unwrap_or_default(), next: next.clone() }
            }
            (Some(Answer::Success(given)), None) => {
                let details = given.execution_details.as_ref();
                JobResult::Succeeded {
                    summary: details.and_then(|details| details.summary.clone()),
                    external_execution_id: details.and_then(|details| details.external_execution_id.clone()),
                    percent: details.and_then(|details| details.percent_complete),
                    revision: given.current_revision.clone().map(|revision| Revision {
                        revision: revision.revision.unwrap_or_default(),
                        change_identifier: revision.change_identifier.unwrap_or_default(),
                        summary: revision.revision_summary,
                    }),
                    variables: given.output_variables.clone().unwrap_or_default(),
                }
            }
        }
    }
}

impl JobSpec {
    /// Whether the configuration holds what a poll asks for.
    fn has(&self, query: Option<(&String, &String)>) -> bool {
        query.is_none_or(|(key, value)| self.configuration.iter().any(|(k, v)| k == key && v == value))
    }
}
