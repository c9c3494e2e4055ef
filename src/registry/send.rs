//! Publishing one step: send, and where the outcome is in doubt, look before anything else is done. Whether a
//! version exists, and whether it is ours, is decided by digest alone. In which form a step is sent says [`super::form`].

use std::time::Duration;

use reqwest::header::AUTHORIZATION;

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError, Seen};
use super::form::{Form, Next, request};
use super::look::{Care, Found, Other, sha256};
use super::storage::of_deploy;
use super::url::RepoKey;
use super::wire::{Again, Failed, Take, Text};
use crate::deadline::Deadline;
use crate::package::Digests;
use crate::step::{Step, Way};

/// How a step ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The file is in the repository because we sent it.
    Stored,
    /// The very same file was there before; nothing was changed.
    AlreadySame,
    /// An archive of the same files was there before, with these digests; nothing was changed.
    AlreadyAlike(Box<Digests>),
}

impl Registry {
    /// Publishes a step and sees that the server has the file afterwards.
    pub async fn send(&self, repository: &RepoKey, step: &Step, deadline: Deadline) -> Result<Sent, RegistryError> {
        let mut budget = Budget::new(self.wire.pacing, deadline);
        let mut in_doubt = false;
        let mut form = Form::first(step);
        let address = step.address();
        loop {
            let authorized = self.session.authorized().await;
            let (mut request, body) = request(&self.base, &address, step, form)?;
            request.headers.insert(AUTHORIZATION, authorized.header.clone());
            let failed = match self.wire.deliver(&request, body, step.file.path.as_str(), &budget).await {
                Ok(response) => {
                    // A cut answer is as good as an empty one: what counts is seen in the repository.
                    let answer = Text.take(&self.wire, response, deadline).await;
                    let answered = answer.ok().and_then(|answer| of_deploy(&answer.text, &step.file));
                    if step.way == Way::Plain && matches!(answered, Some(Found::Same)) {
                        // It names the very path and the server's own digests of what is there now.
                        return Ok(Sent::Stored);
                    }
                    return self.verify(repository, step, answered, &budget).await.map(|()| Sent::Stored);
                }
                Err(failed) => failed,
            };
            match &failed.error {
                RegistryError::Body(_) | RegistryError::OutOfTime { .. } | RegistryError::Unsendable { .. } => {
                    return Err(failed.error);
                }
                RegistryError::Unauthorized(_) => {
                    if self.session.renew(&self.wire, &self.base, &authorized, deadline).await? {
                        continue;
                    }
                    return Err(failed.error);
                }
                _ => {}
            }
            let next = form.after(&failed);
            if next == Next::WithBody {
                form = Form::Whole;
                continue;
            }
            if calls_for_a_look(&failed) {
                match self.look_after(repository, step, in_doubt, &budget).await? {
                    Found::Same if in_doubt || failed.in_doubt => return Ok(Sent::Stored),
                    Found::Same => return Ok(Sent::AlreadySame),
                    Found::Other(other) => {
                        let path = step.file.path.to_string();
                        return match self.compare(repository, step, *other, &budget).await? {
                            Found::Other(other) => {
                                let Other { theirs, ours, differences } = *other;
                                Err(RegistryError::Conflict { path, ours, theirs, differences })
                            }
                            Found::Alike(digests) => Ok(Sent::AlreadyAlike(digests)),
                            Found::Same | Found::Absent | Found::Outranked { .. } | Found::Unknown => Err(failed.error),
                        };
                    }
                    Found::Alike(digests) => return Ok(Sent::AlreadyAlike(digests)),
                    Found::Absent | Found::Outranked { .. } | Found::Unknown => {}
                }
            }
            in_doubt |= failed.in_doubt;
            match failed.again {
                Again::Never if next == Next::WithBodyAfterALook => {}
                Again::After(asked) if self.wire.again(&mut budget, asked).await => {}
                Again::Never | Again::After(_) => return Err(failed.error),
            }
            if next == Next::WithBodyAfterALook {
                form = Form::Whole;
            }
        }
    }

    /// What is there after an attempt that failed. It may be the echo of a store a moment ago, by an earlier attempt or by
    /// another job, and what cannot be seen at once may be seen a little later: a listing lags, and the storage API says
    /// of a file that the user may not see that it is not there. A refusal that is none costs these seconds, too.
    async fn look_after(
        &self,
        repository: &RepoKey,
        step: &Step,
        in_doubt: bool,
        budget: &Budget,
    ) -> Result<Found, RegistryError> {
        let mut polls = self.wire.pacing.polls.into_iter();
        loop {
            let next = polls.next();
            // The file itself is asked when nothing else has told of it: for a refusal that is none, once is enough.
            let care = if next.is_none() { Care::OursMayBeThere } else { Care::Usual };
            let found = self.look_within(repository, step, care, budget).await?.found;
            let may_come_yet = found == Found::Absent && (in_doubt || step.listing.is_some());
            match next {
                // Nothing of this job can be there: what the server said is told while there is time for it.
                Some(pause) if !in_doubt && budget.deadline.left() <= pause => return Ok(found),
                Some(pause) if may_come_yet => self.pause(step, pause, budget).await?,
                _ => return Ok(found),
            }
        }
    }

    /// Waits before the next look, where there is time for it: else that is the next invocation's.
    async fn pause(&self, step: &Step, pause: Duration, budget: &Budget) -> Result<(), RegistryError> {
        if budget.deadline.left() <= pause {
            let path = step.file.path.to_string();
            return Err(RegistryError::OutOfTime { purpose: Purpose::Look, method: "GET".to_owned(), path });
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Sees that an accepted file is in the repository, by the server's own digest. `answered` is what the answer
    /// to the deploy itself told of it; it counts where the user may not look.
    async fn verify(
        &self,
        repository: &RepoKey,
        step: &Step,
        answered: Option<Found>,
        budget: &Budget,
    ) -> Result<(), RegistryError> {
        let not_stored = |seen| RegistryError::NotStored {
            path: step.file.path.to_string(),
            ours: sha256(&step.file.digests),
            seen,
        };
        let told = matches!(answered, Some(Found::Same));
        let mut polls = self.wire.pacing.polls.into_iter();
        loop {
            let look = self.look_within(repository, step, Care::OursMayBeThere, budget);
            let found = match look.await.map(|look| look.found) {
                // The server's answer told the digest; a look that fails takes nothing back.
                Err(_) if told => return Ok(()),
                found => found?,
            };
            let seen = match found {
                Found::Same | Found::Alike(_) => return Ok(()),
                Found::Other(other) => return Err(not_stored(Seen::Other(other.theirs))),
                Found::Absent | Found::Outranked { .. } | Found::Unknown if told => return Ok(()),
                Found::Unknown => return Err(not_stored(Seen::Forbidden)),
                Found::Absent | Found::Outranked { .. } => Seen::Nothing,
            };
            match polls.next() {
                Some(pause) => self.pause(step, pause, budget).await?,
                None => return Err(not_stored(seen)),
            }
        }
    }
}

/// Whether an attempt that failed may have met the file itself: our own from this or an earlier attempt, or that of
/// someone else. Servers refuse an existing version with any of several statuses.
fn calls_for_a_look(failed: &Failed) -> bool {
    failed.in_doubt
        || match &failed.error {
            RegistryError::Forbidden(_) | RegistryError::NotFound(_) => true,
            RegistryError::Rejected(at) => matches!(at.status, Some(400 | 405 | 409 | 412 | 422)),
            _ => false,
        }
}
