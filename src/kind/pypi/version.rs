//! Versions as Python understands them (PEP 440): whether a text is one, how it is written normally, and when two are
//! the same.

use std::fmt::Write as _;

/// Words of versions before the release. The longer ones first: `pre` is the beginning of `preview`.
const BEFORE: [(&str, &str); 8] = [
    ("alpha", "a"),
    ("a", "a"),
    ("beta", "b"),
    ("b", "b"),
    ("preview", "rc"),
    ("pre", "rc"),
    ("c", "rc"),
    ("rc", "rc"),
];

/// Words of versions behind it. The longer ones first, as well.
const BEHIND: [(&str, &str); 3] = [("post", ".post"), ("rev", ".post"), ("r", ".post")];

/// A version. Two are equal where Python says so: `1.0`, `v1.0.0` and `1` are one version.
#[derive(Debug, Clone)]
pub(super) struct Version {
    normal: String,
    /// The normal form without zeros at the end of the release.
    key: String,
}

impl Version {
    /// The version, or `None` where the text is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let mut rest = Rest(&lower);
        rest.skip("v");
        let before = rest;
        let epoch = match rest.number() {
            Some(epoch) if rest.skip("!") => epoch,
            _ => {
                rest = before;
                "0"
            }
        };
        let mut release = vec![rest.number()?];
        while let Some(number) = rest.after_dot() {
            release.push(number);
        }
        let mut suffix = String::new();
        if let Some((word, number)) = rest.labelled(&BEFORE) {
            let _ = write!(suffix, "{word}{number}");
        }
        if let Some(number) = rest.dashed() {
            let _ = write!(suffix, ".post{number}");
        } else if let Some((word, number)) = rest.labelled(&BEHIND) {
            let _ = write!(suffix, "{word}{number}");
        }
        if let Some((word, number)) = rest.labelled(&[("dev", ".dev")]) {
            let _ = write!(suffix, "{word}{number}");
        }
        if rest.skip("+") {
            let parts: Vec<&str> = rest.0.split(['-', '_', '.']).collect();
            if parts.iter().any(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                return None;
            }
            let parts: Vec<&str> =
                parts.into_iter().map(|part| if is_number(part) { plain(part) } else { part }).collect();
            let _ = write!(suffix, "+{}", parts.join("."));
            rest = Rest("");
        }
        if !rest.0.is_empty() {
            return None;
        }
        let epoch = if epoch == "0" { String::new() } else { format!("{epoch}!") };
        let normal = format!("{epoch}{}{suffix}", release.join("."));
        while release.len() > 1 && release.last() == Some(&"0") {
            release.pop();
        }
        Some(Self { normal, key: format!("{epoch}{}{suffix}", release.join(".")) })
    }

    /// The version as it is written normally.
    pub(super) fn normal(&self) -> &str {
        &self.normal
    }

    /// What equal versions have in common.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// What is left to be read.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn skip_separator(&mut self) {
        self.0 = self.0.strip_prefix(['.', '-', '_']).unwrap_or(self.0);
    }

    /// A number, without zeros in front.
    fn number(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(end).filter(|(number, _)| !number.is_empty())?;
        self.0 = rest;
        Some(plain(number))
    }

    /// One of these words, perhaps with separators around it, and the number behind it, 0 where there is none.
    fn labelled(&mut self, words: &[(&str, &'static str)]) -> Option<(&'static str, &'a str)> {
        let mut rest = *self;
        rest.skip_separator();
        let (_, word) = words.iter().find(|(word, _)| rest.skip(word))?;
        let before = rest;
        rest.skip_separator();
        let number = rest.number().unwrap_or_else(|| {
            rest = before;
            "0"
        });
        *self = rest;
        Some((word, number))
    }

    /// The next number of a release.
    fn after_dot(&mut self) -> Option<&'a str> {
        let mut rest = *self;
        let number = rest.skip(".").then(|| rest.number()).flatten()?;
        *self = rest;
        Some(number)
    }

    /// The short form of a post-release: `-1`.
    fn dashed(&mut self) -> Option<&'a str> {
        let mut rest = *self;
        let number = rest.skip("-").then(|| rest.number()).flatten()?;
        *self = rest;
        Some(number)
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number without the zeros in front.
fn plain(number: &str) -> &str {
    let plain = number.trim_start_matches('0');
    if plain.is_empty() { "0" } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_normalised_as_pep_440_says() {
        for (text, normal) in [
            ("1.0", "1.0"),
            (" v1.0.0 ", "1.0.0"),
            ("01.002", "1.2"),
            ("0!1.0", "1.0"),
            ("7!1", "7!1"),
            ("1.1RC1", "1.1rc1"),
            ("1.0-alpha.1", "1.0a1"),
            ("1.0.beta-2", "1.0b2"),
            ("1.0c", "1.0rc0"),
            ("1.0_preview_3", "1.0rc3"),
            ("1.0pre3", "1.0rc3"),
            ("1.0-1", "1.0.post1"),
            ("1.0r4", "1.0.post4"),
            ("1.0.rev", "1.0.post0"),
            ("1.0a.post1", "1.0a0.post1"),
            ("1.0a1.post2.dev3+Ubuntu-1_02", "1.0a1.post2.dev3+ubuntu.1.2"),
            ("1.0dev", "1.0.dev0"),
            ("20240229", "20240229"),
            ("99999999999999999999999999.1", "99999999999999999999999999.1"),
        ] {
            assert_eq!(Version::parse(text).expect(text).normal(), normal, "{text}");
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        for text in [
            "",
            "latest",
            "1.0.x",
            "1.0-final",
            "1.0+",
            "1.0+a..b",
            "1.0+ä",
            "1..0",
            "1.0/2",
            "!1",
            "1.0 .1",
            "1.0--1",
            "1!",
            "-1",
        ] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn zeros_at_the_end_make_no_other_version() {
        let same = |one, other| Version::parse(one).unwrap() == Version::parse(other).unwrap();
        assert!(same("1.0.0", "1") && same("1.0a0", "1a") && same("0.0", "0"));
        assert!(!same("1.0+a", "1.0") && !same("1.0.1", "1.1") && !same("1!1.0", "1.0"));
    }
}
