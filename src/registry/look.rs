//! What is already there: the storage API's digests of a path and the type's own listing, weighed into one finding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError};
use super::listing::{Listed, Outcome, Page};
use super::url::RepoKey;
use super::wire::Request;
use crate::package::{Digests, hex};
use crate::step::{Listing, Step, Way};

/// What is in the repository in a step's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// Nothing, but a higher version is there, before which this one must not be published.
    Outranked {
        /// The highest one.
        by: String,
    },
    /// The same file.
    Same,
    /// Another archive of the same files, with these digests.
    Alike(Box<Digests>),
    /// Something else, or something whose digest is not told. Boxed, because there may be a hundred thousand findings.
    Other(Box<Other>),
    /// The user may not look.
    Unknown,
}

/// What else there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Its digest, e.g. `sha256 ba78…`.
    pub theirs: String,
    /// The same digest of our file.
    pub ours: String,
    /// Which files differ and how; empty where that is not known.
    pub differences: String,
}

impl Found {
    /// Whether what was to be published is there.
    pub fn is_there(&self) -> bool {
        matches!(self, Self::Same | Self::Alike(_))
    }

    pub(super) fn other(theirs: String, ours: String) -> Self {
        Self::Other(Box::new(Other { theirs, ours, differences: String::new() }))
    }
}

/// What a look must reckon with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Nothing of this job's was sent so far.
    Usual,
    /// An earlier attempt may have stored the file. Where the storage API is closed and the listing lags nothing would
    /// tell of it, and it would be sent again, over itself.
    OursMayBeThere,
}

/// What a look has brought.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) found: Found,
    /// The version that outranks the step's.
    rival: Option<String>,
}

/// What one of the two sources says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Side {
    Found(Found),
    /// There is something, but no digest of it.
    Undigested,
}

impl Registry {
    /// What is in the repository in this step's place: by digest, and where that differs, by what is inside.
    pub async fn look(&self, repository: &RepoKey, step: &Step, care: Care) -> Result<Found, RegistryError> {
        let budget = Budget::new(self.wire.pacing, self.deadline);
        match self.look_within(repository, step, care, &budget).await? {
            Look { found: Found::Absent, rival: Some(by), .. } => Ok(Found::Outranked { by }),
            Look { found: Found::Other(other), .. } => self.compare(repository, step, *other, &budget).await,
            Look { found, .. } => Ok(found),
        }
    }

    /// Why the user may not see this step's file: the refusal, in the server's words; `None` where it refuses nothing
    /// any more.
    pub async fn refusal(&self, repository: &RepoKey, step: &Step) -> Option<RegistryError> {
        let budget = &mut Budget::new(self.wire.pacing, self.deadline);
        let outcome = self.read_storage(repository, step, budget).await;
        outcome.err().filter(|error| matches!(hidden(error), Some(Found::Unknown)))
    }

    /// What is there, as far as storage and listing tell by digest.
    pub(super) async fn look_within(
        &self,
        repository: &RepoKey,
        step: &Step,
        care: Care,
        budget: &Budget,
    ) -> Result<Look, RegistryError> {
        let storage = self.look_at_storage(repository, step, care, budget);
        let by_storage = |found| Look { found, rival: None };
        let Some(listing) = &step.listing else {
            let found = weigh(storage.await?, None, &step.file.digests);
            let blind = step.way == Way::Plain && found == Found::Absent && !self.sees(repository, budget).await?;
            return Ok(by_storage(if blind { Found::Unknown } else { found }));
        };
        let (storage, listing) =
            futures_util::future::join(storage, self.look_at_listing(step, listing, budget.clone())).await;
        match (storage, listing) {
            (Ok(storage), Ok((listing, rival))) => {
                Ok(Look { found: weigh(storage, Some(listing), &step.file.digests), rival })
            }
            // One source that knows is enough, whatever ails the other.
            (Ok(Side::Found(found @ (Found::Same | Found::Other(_)))), Err(_))
            | (Err(_), Ok((Side::Found(found @ (Found::Same | Found::Other(_))), _))) => Ok(by_storage(found)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    pub(super) async fn look_at_listing(
        &self,
        step: &Step,
        listing: &Listing,
        mut budget: Budget,
    ) -> Result<(Side, Option<String>), RegistryError> {
        match visible(self.read_listing(listing, &mut budget).await)? {
            Ok(Outcome::Page(Page { listed: Some(listed), rival })) => {
                Ok((of_listing(&listed, &step.file.digests), rival))
            }
            Ok(Outcome::Page(Page { listed: None, rival })) => Ok((Side::Found(Found::Absent), rival)),
            Ok(Outcome::Unreadable) => Ok((Side::Found(Found::Unknown), None)),
            Err(hidden) => Ok((Side::Found(hidden), None)),
        }
    }

    pub(super) async fn read_listing(&self, listing: &Listing, budget: &mut Budget) -> Result<Outcome, RegistryError> {
        let request = Request {
            purpose: Purpose::Listing,
            method: Method::GET,
            path: &listing.path,
            url: self.base.join(&listing.path),
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(listing.accept))]),
            payload: None,
        };
        self.read(request, listing, budget).await
    }
}

/// Splits what a read brought: an answer, a finding that its refusal is, or an error that ends the look.
pub(super) fn visible<T>(read: Result<T, RegistryError>) -> Result<Result<T, Found>, RegistryError> {
    match read {
        Ok(taken) => Ok(Ok(taken)),
        Err(error) => hidden(&error).map(Err).ok_or(error),
    }
}

/// The finding that a refused look is.
pub(super) fn hidden(refused: &RegistryError) -> Option<Found> {
    match refused {
        RegistryError::NotFound(_) => Some(Found::Absent),
        RegistryError::Forbidden(_) | RegistryError::Rejected(_) | RegistryError::Redirected(_) => Some(Found::Unknown),
        _ => None,
    }
}

/// One finding out of two. Storage knows the file itself; a listing may lag, or list under another path.
fn weigh(storage: Side, listing: Option<Side>, ours: &Digests) -> Found {
    // A storage API that is closed answers 404 too: where there is a listing, it is for the listing to say that there is
    // nothing.
    let mut absent = matches!((&storage, &listing), (Side::Found(Found::Absent), None));
    absent |= matches!(listing, Some(Side::Found(Found::Absent)));
    let sides = [Some(storage), listing];
    let mut undigested = false;
    for side in sides.into_iter().flatten() {
        match side {
            Side::Found(found @ (Found::Same | Found::Other(_))) => return found,
            Side::Found(_) => {}
            Side::Undigested => undigested = true,
        }
    }
    if undigested {
        // It may be ours or not; what cannot be told to be ours is not touched.
        return Found::other("no digest that could be compared".to_owned(), sha256(ours));
    }
    if absent { Found::Absent } else { Found::Unknown }
}

pub(super) fn compare(sha256: Option<String>, sha1: Option<String>, ours: &Digests) -> Side {
    let given = |digest: Option<String>| digest.map(|digest| plain(&digest)).filter(|digest| !digest.is_empty());
    let (name, theirs, own) = match (given(sha256), given(sha1)) {
        (Some(theirs), _) => ("sha256", theirs, hex(&ours.sha256)),
        (None, Some(theirs)) => ("sha1", theirs, hex(&ours.sha1)),
        (None, None) => return Side::Undigested,
    };
    Side::Found(if theirs == own {
        Found::Same
    } else {
        Found::other(format!("{name} {theirs}"), format!("{name} {own}"))
    })
}

/// What a listing says of a version or file; `integrity` before the weaker `shasum`.
fn of_listing(Listed { shasum, integrity, sha256, tarball: _ }: &Listed, ours: &Digests) -> Side {
    if sha256.is_some() {
        return compare(sha256.clone(), None, ours);
    }
    let strongest = integrity.iter().flat_map(|all| all.split_whitespace()).find_map(|one| one.strip_prefix("sha512-"));
    let (Some(theirs), Some(own)) = (strongest, ours.sha512) else {
        return compare(None, shasum.clone(), ours);
    };
    // Options may follow a question mark (Subresource Integrity, 3.5).
    let theirs = theirs.split('?').next().unwrap_or_default();
    let own = STANDARD.encode(own);
    Side::Found(if theirs == own {
        Found::Same
    } else {
        let theirs: String = theirs.chars().filter(char::is_ascii_graphic).take(100).collect();
        Found::other(format!("sha512 {theirs}"), format!("sha512 {own}"))
    })
}

/// Our SHA-256 as it stands in messages.
pub(super) fn sha256(ours: &Digests) -> String {
    format!("sha256 {}", hex(&ours.sha256))
}

/// The ways in which a server's digest of these bytes stands in [`Found::Other`].
pub(super) fn digest_names(of: &Digests) -> Vec<String> {
    let sha512 = of.sha512.map(|sha512| format!("sha512 {}", STANDARD.encode(sha512)));
    [sha256(of), format!("sha1 {}", hex(&of.sha1))].into_iter().chain(sha512).collect()
}

/// A hexadecimal digest in lower case, without whatever else a server may put there.
fn plain(digest: &str) -> String {
    digest.chars().filter(char::is_ascii_alphanumeric).take(128).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Digests {
        Digests::of(&b"abc"[..]).unwrap()
    }

    fn same(side: &Side) -> bool {
        matches!(side, Side::Found(Found::Same))
    }

    fn other(side: &Side) -> bool {
        matches!(side, Side::Found(Found::Other(_)))
    }

    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";

    #[test]
    fn a_listing_decides_by_sha512_before_sha1() {
        let sha512 = STANDARD.encode(ours().sha512.unwrap());
        let listed = |shasum: Option<&str>, integrity: Option<&str>| {
            of_listing(
                &Listed {
                    shasum: shasum.map(str::to_owned),
                    integrity: integrity.map(str::to_owned),
                    ..Listed::default()
                },
                &ours(),
            )
        };
        assert!(same(&listed(Some(SHA1), None)));
        assert!(same(&listed(Some("00"), Some(&format!("sha1-x sha512-{sha512}?a")))));
        assert!(other(&listed(Some(SHA1), Some("sha512-AAAA"))));
        assert!(same(&listed(Some(SHA1), Some("sha1-xx"))));
        assert_eq!(listed(None, None), Side::Undigested);
    }

    #[test]
    fn two_sources_become_one_finding() {
        let found = Side::Found;
        let same = || Found::Same;
        let other = || Found::other("x".into(), "y".into());
        for (storage, listing, expected) in [
            (found(same()), Some(found(other())), same()),
            (found(other()), Some(found(same())), other()),
            (found(Found::Absent), Some(found(same())), same()),
            (found(Found::Unknown), Some(found(other())), other()),
            (found(Found::Absent), Some(found(Found::Unknown)), Found::Unknown),
            (found(Found::Absent), None, Found::Absent),
            (found(Found::Unknown), Some(found(Found::Absent)), Found::Absent),
            (found(Found::Unknown), Some(found(Found::Unknown)), Found::Unknown),
            (found(Found::Unknown), None, Found::Unknown),
            (Side::Undigested, Some(found(same())), same()),
        ] {
            assert_eq!(weigh(storage, listing, &ours()), expected);
        }
        assert!(matches!(weigh(Side::Undigested, Some(found(Found::Absent)), &ours()), Found::Other(_)));
    }
}
