//! The vault: session credentials that the stack has issued, what each may reach, and when each ends by
//! the stack's own [`Clock`]. `CodePipeline` fills it, S3 asks it, a test may add sessions of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::role::Role;

/// How long the credentials of a job live, unless a test says otherwise.
pub(crate) const LIFETIME: Duration = Duration::from_mins(15);

/// The time of the whole stack: the real time and what a test has advanced it by. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    advanced: Arc<Mutex<Duration>>,
    /// Where time is the runtime's own: a moment of it, and the time at it.
    paused: Option<(Instant, SystemTime)>,
}

impl Clock {
    /// The runtime's own time, which may be paused, from this moment on.
    pub(crate) fn of_runtime(now: SystemTime) -> Self {
        Self { advanced: Arc::default(), paused: Some((Instant::now(), now)) }
    }

    /// Now, by this clock.
    #[expect(clippy::disallowed_methods, reason = "this is the stack's clock; the crate's own is not imported here")]
    pub(crate) fn now(&self) -> SystemTime {
        let now = self.paused.map_or_else(SystemTime::now, |(since, then)| then + since.elapsed());
        now + *self.lock()
    }

    /// Now as the machine has it, which nobody advances: what the function's own process goes by.
    #[expect(clippy::disallowed_methods, reason = "this is the stack's clock; the crate's own is not imported here")]
    pub(crate) fn of_the_machine(&self) -> SystemTime {
        self.paused.map_or_else(SystemTime::now, |(since, then)| then + since.elapsed())
    }

    /// Seconds since the epoch, as AWS writes its timestamps.
    pub(crate) fn seconds(&self) -> f64 {
        self.now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs_f64()
    }

    /// Lets time pass at once for everything that stands on this clock.
    pub(crate) fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.advanced.lock().expect("no test panics while it holds this")
    }
}

/// One set of temporary credentials and what it may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the names that AWS gives them")]
pub(crate) struct Session {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    /// Objects (bucket, key) that may be read.
    pub(crate) may_read: Vec<(String, String)>,
    /// Objects (bucket, key) that may be written.
    pub(crate) may_write: Vec<(String, String)>,
    /// From here on they are refused, by the stack's clock.
    pub(crate) expires: SystemTime,
}

impl Session {
    /// Whether these credentials may read this object.
    pub(crate) fn reads(&self, bucket: &str, key: &str) -> bool {
        self.may_read.iter().any(|(b, k)| b == bucket && k == key)
    }

    /// Whether these credentials may write this object.
    pub(crate) fn writes(&self, bucket: &str, key: &str) -> bool {
        self.may_write.iter().any(|(b, k)| b == bucket && k == key)
    }
}

/// All sessions that were issued. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vault {
    clock: Clock,
    role: Role,
    issued: Arc<Mutex<Issued>>,
}

#[derive(Debug, Default)]
struct Issued {
    count: u64,
    lifetime: Option<Duration>,
    sessions: HashMap<String, Session>,
}

impl Vault {
    /// An empty vault on `clock`.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, role: Role::default(), issued: Arc::default() }
    }

    /// What the function's own credentials may do.
    pub(crate) fn role(&self) -> &Role {
        &self.role
    }

    /// The clock that the sessions end by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How long the credentials live that are issued from now on.
    pub(crate) fn live_for(&self, lifetime: Duration) {
        self.lock().lifetime = Some(lifetime);
    }

    /// Issues a new session, different from all before, that ends after [`LIFETIME`].
    pub(crate) fn issue(&self, may_read: Vec<(String, String)>, may_write: Vec<(String, String)>) -> Session {
        let mut issued = self.lock();
        issued.count += 1;
        let count = issued.count;
        let session = Session {
            access_key_id: format!("ASIAEXAMPLE{count:09}"),
            secret_access_key: format!("stack/secret+access/key+of/session{count:06}"),
            // As a real one, it holds characters that a header may carry but a path may not.
            session_token: format!("IQoJb3JpZ2luX2Vj//stack+session/{count:06}=="),
            may_read,
            may_write,
            expires: self.clock.now() + issued.lifetime.unwrap_or(LIFETIME),
        };
        issued.sessions.insert(session.access_key_id.clone(), session.clone());
        session
    }

    /// The session of this access key id, expired or not; `None` where none was ever issued.
    pub(crate) fn lookup(&self, access_key_id: &str) -> Option<Session> {
        self.lock().sessions.get(access_key_id).cloned()
    }

    /// Whether the session has ended by the stack's clock.
    pub(crate) fn is_expired(&self, session: &Session) -> bool {
        session.expires <= self.clock.now()
    }

    /// Every session that was issued.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.lock().sessions.values().cloned().collect()
    }

    /// How many sessions have been issued.
    pub(crate) fn issued(&self) -> usize {
        self.lock().sessions.len()
    }

    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().expect("no test panics while it holds this")
    }
}
