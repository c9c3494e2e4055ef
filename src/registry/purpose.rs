//! What requests are for: every failure begins with it.

use std::fmt;

/// What a request was for, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Exchanging user and password for a token.
    Token,
    /// Giving that token back.
    Revoke,
    /// Asking what kind of repository it is.
    Repository,
    /// Asking whether the credential is accepted.
    Ping,
    /// Asking what is at a path.
    Look,
    /// Asking the type's API which versions there are.
    Listing,
    /// Asking for the newest build of a snapshot.
    Builds,
    /// Reading what is there, to compare it with ours.
    Compare,
    /// Publishing.
    Send,
    /// Setting properties on what was published.
    Properties,
    /// Asking which versions have which dist-tag.
    Tags,
    /// Setting a dist-tag.
    Tag,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token => "asking for a short-lived token",
            Self::Revoke => "revoking the token",
            Self::Repository => "looking up the repository",
            Self::Ping => "signing in",
            Self::Look => "looking for the file",
            Self::Listing => "looking for the version",
            Self::Builds => "looking for the newest build of the snapshot",
            Self::Compare => "reading what is there",
            Self::Send => "publishing",
            Self::Properties => "the file is stored, but setting its properties",
            Self::Tags => "the version is stored, but looking at its dist-tag",
            Self::Tag => "the version is stored, but setting its dist-tag",
        })
    }
}
