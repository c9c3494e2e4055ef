//! Movable names of versions (npm's dist-tags): seen after a publish, and set where they are asked for and are not right.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError};
use super::look::{Found, Side};
use super::wire::{Again, Answer, Payload, Request, Text};
use crate::deadline::Deadline;
use crate::step::{Step, Tag, Wanted};

/// How a version came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It was just published under the name.
    Published,
    /// It was there before.
    Before,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    /// It is on the version, and nothing had to be done.
    Right,
    /// It was put on the version.
    Set,
    /// Nobody wants it moved to a version that was there before.
    Left,
    /// It is elsewhere: on this version, or on none.
    Elsewhere(Option<String>),
    /// The server does not tell.
    Untold,
    /// The version was published under it, and the server does not know of the version yet where it keeps the names.
    Unlisted,
}

/// Where a name is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Here,
    Elsewhere(Option<String>),
    Untold,
}

impl Registry {
    /// Sees that a step's version has its name, and gives it where that is wanted.
    pub async fn tag(&self, step: &Step, tag: &Tag, came: Came, deadline: Deadline) -> Result<Tagged, RegistryError> {
        if (came, tag.wanted) == (Came::Before, Wanted::ByPackage) {
            return Ok(Tagged::Left);
        }
        let seen = self.patiently(tag, came, deadline).await?;
        match (seen, tag.wanted) {
            (Seen::Here, _) => return Ok(Tagged::Right),
            (Seen::Untold, Wanted::ByPackage) => return Ok(Tagged::Untold),
            // It was published under the name; that nobody may see it does not take it away.
            (Seen::Untold, Wanted::ByAction) if came == Came::Published => return Ok(Tagged::Untold),
            // Somebody else's version has it: later than ours, or by a rule of the server's.
            (Seen::Elsewhere(Some(other)), Wanted::ByPackage) => return Ok(Tagged::Elsewhere(Some(other))),
            (Seen::Elsewhere(_) | Seen::Untold, _) => {}
        }
        self.until_listed(step, deadline).await;
        match self.set_once_known(tag, came, deadline).await {
            Ok(()) => {}
            // The name went along with the version, and comes to be seen with it.
            Err(RegistryError::NotFound(_)) if came == Came::Published => return Ok(Tagged::Unlisted),
            Err(error) if tag.wanted == Wanted::ByPackage && !ends_the_job(&error) => {
                return Ok(Tagged::Elsewhere(None));
            }
            Err(error) => return Err(error),
        }
        match (self.patiently(tag, Came::Published, deadline).await?, tag.wanted) {
            (Seen::Here | Seen::Untold, _) => Ok(Tagged::Set),
            (Seen::Elsewhere(has), Wanted::ByPackage) => Ok(Tagged::Elsewhere(has)),
            (Seen::Elsewhere(has), Wanted::ByAction) => {
                Err(RegistryError::NotTagged { tag: tag.name.clone(), version: tag.version.clone(), has })
            }
        }
    }

    /// Where the name is. What was just changed may be seen a little later.
    async fn patiently(&self, tag: &Tag, came: Came, deadline: Deadline) -> Result<Seen, RegistryError> {
        let mut seen = self.where_is(tag, deadline).await?;
        if came == Came::Published {
            for pause in self.wire.pacing.polls {
                if !matches!(seen, Seen::Elsewhere(_)) || deadline.left() <= pause {
                    break;
                }
                tokio::time::sleep(pause).await;
                seen = self.where_is(tag, deadline).await?;
            }
        }
        Ok(seen)
    }

    /// Waits a little until the server lists the version: a name cannot be given to what it does not know yet.
    async fn until_listed(&self, step: &Step, deadline: Deadline) {
        let Some(listing) = &step.listing else { return };
        for pause in self.wire.pacing.polls {
            let budget = Budget::new(self.wire.pacing, deadline);
            // Whatever else it says or does not say: the server's answer to the name itself will tell.
            let is_missing =
                matches!(self.look_at_listing(step, listing, budget).await, Ok((Side::Found(Found::Absent), _)));
            if !is_missing || deadline.left() <= pause {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn where_is(&self, tag: &Tag, deadline: Deadline) -> Result<Seen, RegistryError> {
        let request = Request {
            purpose: Purpose::Tags,
            method: Method::GET,
            path: &tag.all,
            url: self.base.join(&tag.all),
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]),
            payload: None,
        };
        match self.read(request, &Text, &mut Budget::new(self.wire.pacing, deadline)).await {
            Ok(Answer { text, .. }) => Ok(of_tags(&text, tag)),
            Err(
                RegistryError::NotFound(_)
                | RegistryError::Forbidden(_)
                | RegistryError::Rejected(_)
                | RegistryError::Redirected(_),
            ) => Ok(Seen::Untold),
            Err(error) if tag.wanted == Wanted::ByPackage && !ends_the_job(&error) => Ok(Seen::Untold),
            Err(error) => Err(error),
        }
    }

    /// Sets the name. Of a version that is there, 404 says that the server lists it later, where it does not let us see
    /// the listing.
    async fn set_once_known(&self, tag: &Tag, came: Came, deadline: Deadline) -> Result<(), RegistryError> {
        let mut polls = self.wire.pacing.polls.into_iter();
        loop {
            let set = self.set_tag(tag, deadline).await;
            match (set, polls.next()) {
                (Err(RegistryError::NotFound(_)), Some(pause)) if came == Came::Before && deadline.left() > pause => {
                    tokio::time::sleep(pause).await;
                }
                (set, _) => return set,
            }
        }
    }

    /// Sets the name. Where an answer is lost it is looked for before it is set again: it may be another's by then.
    async fn set_tag(&self, tag: &Tag, deadline: Deadline) -> Result<(), RegistryError> {
        let mut budget = Budget::new(self.wire.pacing, deadline);
        let mut request = Request {
            purpose: Purpose::Tag,
            method: Method::PUT,
            path: &tag.one,
            url: self.base.join(&tag.one),
            headers: HeaderMap::new(),
            payload: Some(Payload::Json(serde_json::Value::from(tag.version.as_str()).to_string())),
        };
        loop {
            let authorized = self.session.authorized().await;
            request.headers.insert(AUTHORIZATION, authorized.header.clone());
            let Err(failed) = self.wire.attempt(&request, &Text, &budget).await else { return Ok(()) };
            match (&failed.error, failed.again) {
                (RegistryError::Unauthorized(_), _) => {
                    if !self.session.renew(&self.wire, &self.base, &authorized, deadline).await? {
                        return Err(failed.error);
                    }
                }
                (_, Again::After(asked)) if self.wire.again(&mut budget, asked).await => {}
                (_, Again::Never | Again::After(_)) => return Err(failed.error),
            }
            if failed.in_doubt && self.where_is(tag, deadline).await? == Seen::Here {
                return Ok(());
            }
        }
    }
}

/// Whether an error is about more than the name: without a credential or time nothing goes on.
fn ends_the_job(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Unauthorized(_) | RegistryError::OutOfTime { .. } | RegistryError::Client(_))
}

/// What the document of all names says of one. Longer than is read of it, it tells nothing.
fn of_tags(text: &[u8], tag: &Tag) -> Seen {
    let Ok(mut all) = serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(text) else {
        return Seen::Untold;
    };
    match all.remove(&tag.name) {
        Some(serde_json::Value::String(version)) if version == tag.version => Seen::Here,
        Some(serde_json::Value::String(version)) => {
            Seen::Elsewhere(Some(version.chars().filter(char::is_ascii_graphic).take(100).collect()))
        }
        Some(_) => Seen::Untold,
        None => Seen::Elsewhere(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_here_elsewhere_or_not_told() {
        let tag = Tag {
            name: "next".to_owned(),
            version: "1.0.0".to_owned(),
            wanted: Wanted::ByAction,
            all: String::new(),
            one: String::new(),
        };
        for (text, seen) in [
            (r#"{"latest":"2.0.0","next":"1.0.0"}"#, Seen::Here),
            (r#"{"next":"0.9.0"}"#, Seen::Elsewhere(Some("0.9.0".to_owned()))),
            (r#"{"next":"0\n"}"#, Seen::Elsewhere(Some("0".to_owned()))),
            (r#"{"latest":"1.0.0"}"#, Seen::Elsewhere(None)),
            (r#"{"next":1}"#, Seen::Untold),
            ("<html>", Seen::Untold),
        ] {
            assert_eq!(of_tags(text.as_bytes(), &tag), seen, "{text}");
        }
    }
}
