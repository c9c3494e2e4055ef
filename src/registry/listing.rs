//! A version's digests out of a listing such as npm's package document, which can be many megabytes long: it is
//! parsed while it arrives, and nothing of it is kept but the one object that is looked for.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use reqwest::Response;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokio::sync::mpsc;

use super::simple;
use super::wire::{Lost, Take, Wire};
use crate::deadline::Deadline;
use crate::step::{Listing, Lists, Rivals};

/// Longest listing that is read, in bytes.
const MOST: u64 = 64 << 20;

/// What a listing says of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    /// SHA-1, hexadecimal.
    pub(super) shasum: Option<String>,
    /// Subresource integrity: `sha512-` and base64, possibly several.
    pub(super) integrity: Option<String>,
    /// SHA-256, hexadecimal.
    pub(super) sha256: Option<String>,
    /// Where the server says that the file is.
    pub(super) tarball: Option<String>,
}

/// What a listing says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Of the version, where it is in it.
    pub(super) listed: Option<Listed>,
    /// The one of the rivals that no other outranks.
    pub(super) rival: Option<String>,
}

/// What came of reading a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It could be read.
    Page(Page),
    /// It is no listing, or too long to be read.
    Unreadable,
}

impl Take for Listing {
    type Taken = Outcome;

    async fn take(&self, wire: &Wire, mut response: Response, deadline: Deadline) -> Result<Outcome, Lost> {
        let (sender, receiver) = mpsc::channel(4);
        let lists = self.lists.clone();
        let parsing = tokio::task::spawn_blocking(move || match &lists {
            Lists::Versions { pointer, rivals } => find(Arriving::new(receiver), pointer, rivals.as_ref()).ok(),
            Lists::Files { file } => simple::find(Arriving::new(receiver), file),
        });
        let mut length = 0_u64;
        while let Some(chunk) = wire.next_chunk(&mut response, deadline).await? {
            length = length.saturating_add(chunk.len() as u64);
            // A parser that has gone away has found the text to be no JSON.
            if length > MOST || sender.send(chunk).await.is_err() {
                break;
            }
        }
        drop(sender);
        Ok(match parsing.await {
            Ok(Some(page)) => Outcome::Page(page),
            Ok(None) | Err(_) => Outcome::Unreadable,
        })
    }
}

/// An answer's body as a blocking reader sees it.
pub(super) struct Arriving {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Arriving {
    pub(super) fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self { receiver, current: Bytes::new() }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.current.has_remaining() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let count = self.current.remaining().min(buffer.len());
        if let Some(to) = buffer.get_mut(..count) {
            self.current.copy_to_slice(to);
        }
        Ok(count)
    }
}

/// What a document says of the version at the pointer and of its rivals.
fn find(document: impl Read, pointer: &[String], rivals: Option<&Rivals>) -> serde_json::Result<Page> {
    let mut parser = serde_json::Deserializer::from_reader(io::BufReader::new(document));
    let mut rival = None;
    let listed = Descent { pointer, depth: 0, rivals, rival: &mut rival }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(Page { listed, rival })
}

/// A way down to the version's object.
struct Descent<'a> {
    /// The members that are left to go.
    pointer: &'a [String],
    /// How many were gone.
    depth: usize,
    rivals: Option<&'a Rivals>,
    /// The highest rival so far.
    rival: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Descent<'_> {
    type Value = Option<Listed>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Descent<'_> {
    type Value = Option<Listed>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { pointer, depth, rivals, rival } = self;
        let Some((next, rest)) = pointer.split_first() else {
            let mut listed = Listed::default();
            while let Some(key) = map.next_key::<String>()? {
                match key.as_str() {
                    "shasum" => listed.shasum = map.next_value_seed(Line)?,
                    "integrity" => listed.integrity = map.next_value_seed(Line)?,
                    "tarball" => listed.tarball = map.next_value_seed(Line)?,
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            return Ok(Some(listed));
        };
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == *next {
                let inside = Descent { pointer: rest, depth: depth + 1, rivals, rival: &mut *rival };
                found = map.next_value_seed(inside)?;
                continue;
            }
            let speaks = |other: &Rivals| {
                let above = rival.as_ref().unwrap_or(&other.version);
                (other.outranks)(&key, &other.version) && (*above == other.version || (other.outranks)(&key, above))
            };
            if depth == 1 && rivals.is_some_and(speaks) {
                if !map.next_value_seed(Deprecated)? {
                    *rival = Some(key);
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a version says that nobody should use it: `deprecated` is something else than an empty text, `false` or `null`.
struct Deprecated;

impl<'de> DeserializeSeed<'de> for Deprecated {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        #[derive(serde::Deserialize)]
        struct Version {
            deprecated: Option<serde_json::Value>,
        }
        let Version { deprecated } = serde::Deserialize::deserialize(deserializer)?;
        Ok(deprecated.is_some_and(|word| word != "" && word != false && !word.is_null()))
    }
}

/// A text that is not empty, or `null`; anything else means that this is no listing that we know.
struct Line;

impl<'de> DeserializeSeed<'de> for Line {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Line {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer() -> [String; 3] {
        ["versions", "1.0.0", "dist"].map(str::to_owned)
    }

    fn look(document: &str) -> serde_json::Result<Option<Listed>> {
        find(document.as_bytes(), &pointer(), None).map(|page| page.listed)
    }

    #[test]
    fn the_highest_rival_that_is_not_deprecated_is_found() {
        let rivals = Rivals { version: "1.0.0".to_owned(), outranks: |theirs, ours| theirs > ours };
        for (versions, expected) in [
            (r#""0.9.0":{},"1.0.0":{"dist":{}}"#, None),
            (r#""1.5.0":{},"1.2.0":{},"0.1.0":{}"#, Some("1.5.0")),
            (r#""1.2.0":{"deprecated":""},"1.5.0":{"deprecated":false},"1.4.0":{}"#, Some("1.5.0")),
            (
                r#""1.2.0":{"deprecated":null},"1.5.0":{"deprecated":"no"},"1.4.0":{"x":[],"deprecated":true}"#,
                Some("1.2.0"),
            ),
            (r#""1.5.0":{"versions":{"2.0.0":{}}}"#, Some("1.5.0")),
        ] {
            let document = format!(r#"{{"2.0.0":{{}},"versions":{{{versions}}}}}"#);
            let page = find(document.as_bytes(), &pointer(), Some(&rivals)).unwrap();
            assert_eq!(page.rival.as_deref(), expected, "{document}");
        }
        assert!(find(br#"{"versions":{"2.0.0":1}}"#.as_slice(), &pointer(), Some(&rivals)).is_err());
    }

    #[test]
    fn only_the_object_at_the_pointer_counts() {
        let listed = |shasum: Option<&str>, integrity: Option<&str>| {
            Some(Listed {
                shasum: shasum.map(str::to_owned),
                integrity: integrity.map(str::to_owned),
                ..Listed::default()
            })
        };
        for (document, expected) in [
            (
                r#"{"dist":{"shasum":"no"},"versions":{"2.0.0":{"dist":{"shasum":"no"}},"1.0.0":{"x":[{}],"dist":{"size":1,"shasum":"aa","integrity":"sha512-xx"}}},"y":1.5}"#,
                listed(Some("aa"), Some("sha512-xx")),
            ),
            (r#"{"versions":{"1.0.0":{"dist":{"integrity":null,"shasum":""}}}}"#, listed(None, None)),
            (r#"{"versions":{"1.0.0":{"dist":null}}}"#, None),
            (r#"{"versions":{"1.0.0":[1,{"dist":{}}]}}"#, None),
            (r#"{"versions":{"1.0.0":"text"}}"#, None),
            (r#"{"versions":-1}"#, None),
            (r#"{"versions":{"1.0.00":{"dist":{}}}}"#, None),
            ("{}", None),
            ("true", None),
        ] {
            assert_eq!(look(document).unwrap(), expected, "{document}");
        }
    }

    #[test]
    fn what_is_cut_or_no_json_is_an_error_and_not_an_absence() {
        for document in [
            "",
            "<html>",
            r#"{"versions":{"#,
            r#"{"versions":{}} {"#,
            r#"{"versions":{"1.0.0":{"dist":{"shasum":7}}}}"#,
        ] {
            assert!(look(document).is_err(), "{document}");
        }
    }
}
