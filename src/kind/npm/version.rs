//! Versions and dist-tags as npm reads them: the loose forms that it accepts and cleans, what makes a version a
//! prerelease, and which tags would be taken for a range of versions.

use std::cmp::Ordering;
use std::fmt;

use super::js;

/// Longest version, as npm has it.
const MAX_LENGTH: usize = 256;
/// Largest number in a version: 2^53 - 1.
const MAX_NUMBER: u64 = 9_007_199_254_740_991;

/// A clean version: three numbers and perhaps a prerelease, without build metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    numbers: [u64; 3],
    prerelease: Vec<String>,
}

impl Version {
    /// Parses what a manifest says, as loosely as npm: `v1.0.0`, `= 1.0.0`, `01.0.0`, `1.0.0beta`, `1.0.0+build`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.encode_utf16().count() > MAX_LENGTH {
            return None;
        }
        let text = js::trim(text).trim_start_matches(|c| matches!(c, '=' | 'v') || js::blank(c));
        let (major, rest) = number(text)?;
        let (minor, rest) = number(rest.strip_prefix('.')?)?;
        let rest = rest.strip_prefix('.')?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // "1.2.34.5" reads as 1.2.3-4.5: the third number gives up digits until what follows is a prerelease.
        let (patch, prerelease) = (1..=digits).rev().find_map(|digits| {
            let (patch, rest) = rest.split_at_checked(digits)?;
            Some((patch, prerelease(rest)?))
        })?;
        let patch = patch.parse().ok().filter(|patch| *patch <= MAX_NUMBER)?;
        Some(Self { numbers: [major, minor, patch], prerelease })
    }

    /// Whether it is a prerelease.
    pub(super) fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.is_prerelease() {
            write!(f, "-{}", self.prerelease.join("."))?;
        }
        Ok(())
    }
}

/// Whether npm refuses to publish the second version as the latest because the first is there: a higher one that is no
/// prerelease.
pub(super) fn outranks(theirs: &str, ours: &str) -> bool {
    match (Version::parse(theirs), Version::parse(ours)) {
        (Some(theirs), Some(ours)) => {
            !theirs.is_prerelease()
                && match theirs.numbers.cmp(&ours.numbers) {
                    Ordering::Greater => true,
                    Ordering::Equal => ours.is_prerelease(),
                    Ordering::Less => false,
                }
        }
        _ => false,
    }
}

fn number(text: &str) -> Option<(u64, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_suffix(rest)?;
    let number = digits.parse().ok().filter(|number| *number <= MAX_NUMBER)?;
    Some((number, rest))
}

/// The prerelease's identifiers, none where there is none; `None` where the text is something else.
fn prerelease(text: &str) -> Option<Vec<String>> {
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    let plain = |identifiers: &str| {
        identifiers.split('.').all(|identifier| {
            !identifier.is_empty() && identifier.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        })
    };
    if build.is_some_and(|build| !plain(build)) {
        return None;
    }
    if text.is_empty() {
        return Some(Vec::new());
    }
    // "1.0.0-" is odd, but the hyphen may be the identifier itself.
    let identifiers = text.strip_prefix('-').filter(|rest| plain(rest)).or_else(|| plain(text).then_some(text))?;
    identifiers
        .split('.')
        .map(|identifier| {
            if !identifier.bytes().all(|byte| byte.is_ascii_digit()) {
                return Some(identifier.to_owned());
            }
            match identifier.parse::<u64>() {
                Ok(number) if number < MAX_NUMBER => Some(number.to_string()),
                // Too large for a number, so its zeros stay, and npm refuses it as its last step.
                _ if identifier.starts_with('0') => None,
                _ => Some(identifier.to_owned()),
            }
        })
        .collect()
}

/// What keeps a text from being a dist-tag, as the end of a sentence.
pub(super) fn tag_problem(tag: &str) -> Option<&'static str> {
    if tag.is_empty() {
        Some("is empty")
    } else if !tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)) {
        Some("has characters that an address cannot carry as they are")
    } else if is_range(tag) {
        Some("is a range of versions, which no dist-tag may be")
    } else {
        None
    }
}

/// Whether npm would read a text without blanks and signs of comparison as a range: `1.x`, `v2`, `~1.2`, `*`.
fn is_range(text: &str) -> bool {
    let text = text.strip_prefix('~').unwrap_or(text).trim_start_matches('v');
    let part = |text: &str| {
        matches!(text, "x" | "X" | "*")
            || text == "0"
            || (!text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let strict_prerelease = |text: &str| {
        text.split('.').all(|identifier| {
            !identifier.is_empty()
                && identifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && (part(identifier) || identifier.bytes().any(|byte| !byte.is_ascii_digit()))
        })
    };
    let mut pieces = text.splitn(3, '.');
    let first = pieces.next().is_some_and(part);
    let second = pieces.next().is_none_or(part);
    let third = pieces.next().is_none_or(|third| match third.split_once('-') {
        Some((number, rest)) => part(number) && strict_prerelease(rest),
        None => part(third),
    });
    first && second && third
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_release_outranks_and_nothing_else_does() {
        for (theirs, ours, expected) in [
            ("1.0.1", "1.0.0", true),
            ("1.10.0", "1.9.9", true),
            ("1.0.0", "1.0.0-rc.1", true),
            ("2.0.0-rc.1", "1.0.0", false),
            ("1.0.0", "1.0.0", false),
            ("0.9.9", "1.0.0", false),
            ("created", "1.0.0", false),
        ] {
            assert_eq!(outranks(theirs, ours), expected, "{theirs} {ours}");
        }
    }

    #[test]
    fn loose_versions_are_cleaned() {
        for (text, clean) in [
            ("1.2.3", "1.2.3"),
            ("v1.0.0", "1.0.0"),
            (" = v1.0.0 ", "1.0.0"),
            ("01.02.03", "1.2.3"),
            ("1.2.3beta", "1.2.3-beta"),
            ("1.2.3-rc.01", "1.2.3-rc.1"),
            ("1.2.3+build.5", "1.2.3"),
            ("1.2.3-a+b", "1.2.3-a"),
            ("1.2.34.5", "1.2.3-4.5"),
            ("1.2.3-", "1.2.3--"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), clean, "{text}");
        }
        for text in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1.2.3-ä", "1.2.3+", "latest", "1.2.9007199254740992"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert!(Version::parse(&format!("1.2.3-{}", "a".repeat(250))).is_some());
        assert!(Version::parse(&format!("1.2.3-{}", "a".repeat(251))).is_none());
        assert!(Version::parse("1.0.0-0").unwrap().is_prerelease());
        assert!(!Version::parse("1.0.0+0").unwrap().is_prerelease());
    }

    #[test]
    fn tags_are_neither_ranges_nor_encoded() {
        for tag in ["latest", "next", "beta-1", "v1-lts", "1.2-beta", "release_2"] {
            assert_eq!(tag_problem(tag), None, "{tag}");
        }
        for tag in ["", "1", "v1", "1.x", "x", "~1.2", "1.2.3-beta", "*", "a b", "a/b", "ä", "^1", ">1"] {
            assert!(tag_problem(tag).is_some(), "{tag}");
        }
    }
}
