//! In which form a step is sent: whole; or, of a file that goes to its own path, first by its checksums alone, because a
//! server that has such content already needs no body.

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

use super::error::{Purpose, RegistryError};
use super::properties::matrix;
use super::url::Base;
use super::wire::{Again, Failed, Request};
use crate::package::hex;
use crate::step::{self, Body, Step, Way};

/// From this size on a file is worth the question whether the server has it: what is smaller is sent as soon as asked
/// for. JFrog's own clients draw the line here as well (`minChecksumDeploy`).
const WORTH_ASKING: u64 = 10 << 10;

/// No body.
static NOTHING: Body = Body(Vec::new());

/// In which form a step is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// By its checksums alone ("Deploy Artifact by Checksum" of Artifactory's REST API).
    ByChecksum,
    /// With its body.
    Whole,
}

/// What follows on an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// As with any request.
    AsAlways,
    /// The server does not have the content, or does not take files by checksum: the body, at once.
    WithBody,
    /// It may be that the server fails at this form only; it may also be that it has stored the file.
    WithBodyAfterALook,
}

impl Form {
    /// The first form that is tried.
    pub(super) fn first(step: &Step) -> Self {
        match step.way {
            Way::Plain if step.file.digests.size >= WORTH_ASKING => Self::ByChecksum,
            Way::Plain | Way::Api => Self::Whole,
        }
    }

    /// What follows on a failure in this form. A refusal for want of rights would be repeated with the body; who asks for
    /// patience, or was not reached, has not answered the question yet.
    pub(super) fn after(self, failed: &Failed) -> Next {
        match (self, &failed.error) {
            (
                Self::ByChecksum,
                RegistryError::NotFound(_)
                | RegistryError::Rejected(_)
                | RegistryError::Redirected(_)
                | RegistryError::Unintelligible { .. },
            ) => Next::WithBody,
            (Self::ByChecksum, RegistryError::Unavailable { .. })
                if failed.in_doubt || failed.again == Again::Never =>
            {
                Next::WithBodyAfterALook
            }
            (Self::Whole | Self::ByChecksum, _) => Next::AsAlways,
        }
    }
}

/// The request of a step to its address in this form, and its body.
pub(super) fn request<'s>(
    base: &Base,
    address: &'s str,
    step: &'s Step,
    form: Form,
) -> Result<(Request<'s>, &'s Body), RegistryError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &step.headers {
        add(&mut headers, step, name, value)?;
    }
    let mut url = base.join(address);
    if step.way == Way::Plain {
        let digests = &step.file.digests;
        for (name, digest) in [
            ("x-checksum-md5", digests.md5.as_slice()),
            ("x-checksum-sha1", &digests.sha1),
            ("x-checksum-sha256", &digests.sha256),
        ] {
            add(&mut headers, step, name, &hex(digest))?;
        }
        url.push_str(&matrix(&step.file.properties));
    }
    let body = match form {
        Form::Whole => &step.body,
        Form::ByChecksum => {
            add(&mut headers, step, "x-checksum-deploy", "true")?;
            &NOTHING
        }
    };
    if body.size() == 0 {
        // The client says nothing of a body that is not there, and some servers then wait for one.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let method = match step.method {
        step::Method::Put => Method::PUT,
        step::Method::Post => Method::POST,
    };
    Ok((Request { purpose: Purpose::Send, method, path: address, url, headers, payload: None }, body))
}

fn add(headers: &mut HeaderMap, step: &Step, name: &str, value: &str) -> Result<(), RegistryError> {
    let unsendable = || RegistryError::Unsendable {
        path: step.file.path.to_string(),
        problem: format!("the header {name} would have characters that a header never has"),
    };
    let name = HeaderName::try_from(name).map_err(|_| unsendable())?;
    headers.append(name, HeaderValue::from_str(value).map_err(|_| unsendable())?);
    Ok(())
}
