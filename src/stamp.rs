//! The name of one build of a Maven snapshot, `yyyyMMdd.HHmmss-N`: a moment (UTC) and a number, which stand in the names
//! of its files for `SNAPSHOT` (Maven Repository Metadata, `snapshot`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::registry::url::RepoPath;
use crate::xml;

/// What the stamp stands for in the names of files.
pub const PLACEHOLDER: &str = "SNAPSHOT";

/// The name of one build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stamp {
    /// `yyyyMMdd.HHmmss`.
    when: String,
    number: u64,
}

/// A file whose name in the repository has the stamp of its build in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// Where the repository tells of the newest build.
    pub metadata: RepoPath,
    /// How many bytes of the file's path come before the placeholder.
    pub at: usize,
}

impl Stamp {
    /// The stamp of the build after the one with this number, made now.
    pub fn after(number: u64, now_millis: u64) -> Self {
        Self { when: moment(now_millis / 1000), number: number.saturating_add(1) }
    }

    /// The number of the build.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Reads a stamp.
    pub fn parse(text: &str) -> Option<Self> {
        let (when, number) = text.split_once('-')?;
        let (day, time) = when.split_once('.')?;
        let are_digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        (are_digits(day, 8) && are_digits(time, 6)).then(|| Self { when: when.to_owned(), number })
    }

    /// The newest build that a `maven-metadata.xml` of a snapshot tells of. What is cut behind that does not matter.
    /// `Err`: it is not such a document.
    pub fn newest(metadata: &[u8]) -> Result<Option<Self>, xml::XmlError> {
        let (mut when, mut number, mut is_metadata) = (None, None, false);
        let read = xml::leaves(metadata, |path, text| {
            is_metadata |= path.starts_with("metadata/");
            match path {
                "metadata/versioning/snapshot/timestamp" => when = Some(text.to_owned()),
                "metadata/versioning/snapshot/buildNumber" => number = Some(text.to_owned()),
                _ => {}
            }
            Ok(())
        });
        match (when, number) {
            (Some(when), Some(number)) => Self::parse(&format!("{when}-{number}"))
                .map(Some)
                .ok_or_else(|| xml::XmlError::Malformed("its newest build has no stamp".to_owned())),
            _ if is_metadata => read.map(|()| None),
            _ => read.and(Err(xml::XmlError::Malformed("it is no metadata of Maven".to_owned()))),
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.when, self.number)
    }
}

impl TryFrom<String> for Stamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no stamp"))
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.to_string()
    }
}

/// `yyyyMMdd.HHmmss` of so many seconds since 1970. Days are counted in years that begin in March, so that a leap day is
/// a year's last.
fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}.{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_moments_and_numbers() {
        // As `date -u +%Y%m%d.%H%M%S` prints these seconds.
        for (seconds, expected) in [
            (0, "19700101.000000-1"),
            (951_782_399, "20000228.235959-1"),
            (1_709_164_800, "20240229.000000-1"),
            (1_795_428_000, "20261123.100000-1"),
        ] {
            let stamp = Stamp::after(0, seconds * 1000 + 999);
            assert_eq!(stamp.to_string(), expected);
            assert_eq!(Stamp::parse(expected), Some(stamp));
        }
        assert_eq!(Stamp::after(41, 0).number(), 42);
        for text in ["", "20240229.000000", "20240229-1", "2024022.000000-1", "20240229.000000-", "20240229.000000-+1"]
        {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_newest_build_is_what_the_metadata_says() {
        let metadata = |inner: &str| {
            let text = format!("<metadata><groupId>g</groupId><versioning>{inner}</versioning></metadata>");
            Stamp::newest(text.as_bytes())
        };
        let newest = "<snapshot><timestamp>20240229.000000</timestamp><buildNumber>7</buildNumber></snapshot>";
        assert_eq!(metadata(newest).unwrap().unwrap().to_string(), "20240229.000000-7");
        assert_eq!(metadata("<lastUpdated>20240229000000</lastUpdated>").unwrap(), None);
        assert!(metadata(&newest.replace('7', "x")).is_err());
        let cut = format!("<metadata><versioning>{newest}<snapshotVersions><snapshotVersion>");
        assert_eq!(Stamp::newest(cut.as_bytes()).unwrap().unwrap().number(), 7);
        for other in ["", "<html><a>b</a></html>", "<metadata><a>b</a>"] {
            assert!(Stamp::newest(other.as_bytes()).is_err(), "{other}");
        }
    }
}
