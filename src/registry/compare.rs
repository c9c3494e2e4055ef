//! A file in the repository that has other bytes than ours, held against ours by what is inside: fetched while it is
//! compared, no further than it can be the same, and believed only where it is what the server says it has.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use tokio::sync::mpsc;

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError};
use super::listing::{Arriving, Listed, Outcome, Page};
use super::look::{Found, Other, digest_names};
use super::url::RepoKey;
use super::wire::{Lost, Request, Take, Wire};
use crate::apart::{self, apart};
use crate::archive::likeness::{Differences, Files};
use crate::deadline::Deadline;
use crate::package::{Digester, Digests};
use crate::step::{Content, SameBy, Step};

/// What came of a comparison.
#[derive(Debug)]
struct Compared {
    /// Of what was fetched; `None` where that was not all of it.
    digests: Option<Digests>,
    /// `None` where it is nothing that could be compared.
    differences: Option<Differences>,
}

impl Registry {
    /// What is known of a file with other bytes once it was compared, as far as the user may read it.
    pub(super) async fn compare(
        &self,
        repository: &RepoKey,
        step: &Step,
        other: Other,
        budget: &Budget,
    ) -> Result<Found, RegistryError> {
        let Other { theirs, ours, differences: _ } = other;
        let as_before = |theirs| Found::other(theirs, ours.clone());
        let (SameBy::Files { commands }, Some(content)) = (&step.file.same_by, step.body.file()) else {
            return Ok(as_before(theirs));
        };
        // What is kept of an archive's files can be megabytes: of one at a time.
        let _alone = self.comparing.lock().await;
        let (content, path) = (content.clone(), step.file.path.to_string());
        let own = content.clone();
        let listed = apart(move || Files::of(BufReader::new(open(&own)?)));
        let Ok(Ok(files)) = listed.await else {
            return Ok(as_before(theirs));
        };
        let commands = Arc::clone(commands);
        let against = Against { most: files.most(), files: std::sync::Mutex::new(Some(files)), content, commands };
        let fetched = self.fetch(repository, step, &against, budget).await?;
        let Some(Compared { digests: Some(digests), differences }) = fetched else {
            return Ok(as_before(theirs));
        };
        if theirs.contains(' ') && theirs.starts_with("sha") && !digest_names(&digests).contains(&theirs) {
            tracing::warn!(%path, %theirs, "what was fetched is not what the server says it has; it was not compared");
            return Ok(as_before(theirs));
        }
        Ok(match differences {
            Some(differences) if differences.is_empty() => Found::Alike(Box::new(digests)),
            Some(differences) => {
                let differences = self.wire.presentable(&differences.to_string());
                Found::Other(Box::new(Other { theirs, ours, differences }))
            }
            None => as_before(theirs),
        })
    }

    /// Fetches the file from its path, or from where the listing says that it is; `None` where the user cannot have it.
    async fn fetch(
        &self,
        repository: &RepoKey,
        step: &Step,
        against: &Against,
        budget: &Budget,
    ) -> Result<Option<Compared>, RegistryError> {
        let path = format!("{repository}/{}", step.file.path.encoded());
        let url = self.base.join(&path);
        if let Some(compared) = given(self.download(&path, url, against, &mut budget.clone()).await)? {
            return Ok(Some(compared));
        }
        let Some(listing) = &step.listing else { return Ok(None) };
        let page = given(self.read_listing(listing, &mut budget.clone()).await)?;
        match page {
            Some(Outcome::Page(Page { listed: Some(Listed { tarball: Some(url), .. }), .. }))
                if self.base.contains(&url) =>
            {
                given(self.download(&path, url, against, &mut budget.clone()).await)
            }
            _ => Ok(None),
        }
    }

    async fn download(
        &self,
        path: &str,
        url: String,
        against: &Against,
        budget: &mut Budget,
    ) -> Result<Compared, RegistryError> {
        let request = Request {
            purpose: Purpose::Compare,
            method: Method::GET,
            path,
            url,
            headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("*/*"))]),
            payload: None,
        };
        self.read(request, against, budget).await
    }
}

/// What a read brought, unless the user cannot have it.
fn given<T>(read: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match read {
        Ok(taken) => Ok(Some(taken)),
        Err(
            RegistryError::NotFound(_)
            | RegistryError::Forbidden(_)
            | RegistryError::Rejected(_)
            | RegistryError::Redirected(_)
            | RegistryError::Unintelligible { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Our side of a comparison.
struct Against {
    most: u64,
    /// Taken by the first attempt; a further one lists them anew.
    files: std::sync::Mutex<Option<Files>>,
    content: Content,
    commands: Arc<BTreeSet<String>>,
}

impl Take for Against {
    type Taken = Compared;
    const IS_FILE: bool = true;

    async fn take(&self, wire: &Wire, mut response: Response, deadline: Deadline) -> Result<Compared, Lost> {
        if response.content_length().is_some_and(|length| length > self.most) {
            return Ok(Compared { digests: None, differences: None });
        }
        let (sender, receiver) = mpsc::channel(4);
        let files = self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let (content, commands) = (self.content.clone(), Arc::clone(&self.commands));
        let comparing = apart::begin(move || differences(files, &content, &commands, Arriving::new(receiver)));
        let mut length = 0_u64;
        let mut whole = true;
        while let Some(chunk) = wire.next_chunk(&mut response, deadline).await? {
            length = length.saturating_add(chunk.len() as u64);
            if length > self.most || sender.send(chunk).await.is_err() {
                whole = false;
                break;
            }
        }
        drop(sender);
        let (digests, differences) = comparing.await.ok().and_then(Result::ok).unzip();
        Ok(Compared { digests: digests.filter(|_| whole), differences: differences.flatten() })
    }
}

/// The digests of all that arrives, and in what it differs.
fn differences(
    files: Option<Files>,
    ours: &Content,
    commands: &BTreeSet<String>,
    theirs: Arriving,
) -> (Digests, Option<Differences>) {
    let again = || open(ours).map(BufReader::new);
    let mut theirs = BufReader::new(Digested { reader: theirs, digester: Digester::new(io::sink()) });
    let files = match files {
        Some(files) => Ok(files),
        None => again().and_then(Files::of),
    };
    let differences = files.and_then(|files| files.differences(&mut theirs, commands, again));
    let mut rest = theirs.into_inner();
    // Its digest says whether it is what the server has; a channel's end is no error.
    let _ = io::copy(&mut rest, &mut io::sink());
    let differences = differences.inspect_err(|error| tracing::info!(%error, "what is there cannot be compared")).ok();
    (rest.digester.finish().1, differences)
}

fn open(content: &Content) -> io::Result<Box<dyn Read + Send>> {
    content.open().map_err(io::Error::other)
}

struct Digested {
    reader: Arriving,
    digester: Digester<io::Sink>,
}

impl Read for Digested {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        io::Write::write_all(&mut self.digester, buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
