//! XML under limits: what the elements without children say, one after the other. No document type is read, and no entity
//! is expanded but the five of XML itself and characters by number.

use std::borrow::Cow;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use thiserror::Error;

use crate::archive::MAX_MANIFEST;

/// Deepest nesting of elements.
const MAX_DEPTH: usize = 128;

/// Why a document cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XmlError {
    /// Not XML, or not in a code that is read here.
    #[error("is not XML that is read here: {0}")]
    Malformed(String),
    /// Too much of something.
    #[error("{0}, which is more than is read here")]
    TooMuch(String),
}

/// Reads a document and tells of every element without children, by the names that lead to it (`project/version`) and
/// its text without white space around it. Prefixes of namespaces are left away.
pub fn leaves(bytes: &[u8], mut leaf: impl FnMut(&str, &str) -> Result<(), XmlError>) -> Result<(), XmlError> {
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(XmlError::TooMuch(format!("has {} bytes", bytes.len())));
    }
    let text = decoded(bytes)?;
    let mut reader = Reader::from_str(&text);
    let mut open = Open::default();
    loop {
        match reader.read_event().map_err(malformed)? {
            Event::Start(start) => open.begin(&start)?,
            Event::Empty(start) => {
                open.begin(&start)?;
                open.end(&mut leaf)?;
            }
            Event::End(_) => open.end(&mut leaf)?,
            Event::Text(text) => open.add(&text.xml10_content().map_err(malformed)?)?,
            Event::CData(text) => open.add(&text.xml10_content().map_err(malformed)?)?,
            Event::GeneralRef(reference) => open.refer(&reference)?,
            Event::DocType(_) => {
                return Err(XmlError::Malformed("it has a document type, which could define anything".to_owned()));
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return open.all_closed(),
        }
    }
}

/// The elements that are open.
#[derive(Default)]
struct Open {
    /// Their names, with slashes between.
    path: String,
    /// How long that was before each of them.
    lengths: Vec<usize>,
    /// The text of the innermost; `None` where it has children.
    text: Option<String>,
    /// An entity in that text that XML does not know.
    unknown: Option<String>,
    /// Whether the document's own element is over.
    ended: bool,
}

impl Open {
    fn begin(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.ended {
            return Err(XmlError::Malformed("it goes on behind its end".to_owned()));
        }
        if self.lengths.len() >= MAX_DEPTH {
            return Err(XmlError::TooMuch(format!("is nested more than {MAX_DEPTH} levels deep")));
        }
        self.lengths.push(self.path.len());
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(&String::from_utf8_lossy(start.local_name().into_inner()));
        self.text = Some(String::new());
        self.unknown = None;
        Ok(())
    }

    fn end(&mut self, leaf: &mut impl FnMut(&str, &str) -> Result<(), XmlError>) -> Result<(), XmlError> {
        if let Some(text) = self.text.take() {
            match self.unknown.take() {
                // Whoever wants such a text must not get another one.
                Some(entity) => leaf(&self.path, &format!("&{entity};"))?,
                None => leaf(&self.path, text.trim())?,
            }
        }
        let length = self.lengths.pop().unwrap_or_default();
        self.path.truncate(length);
        self.ended = self.lengths.is_empty();
        Ok(())
    }

    fn add(&mut self, more: &str) -> Result<(), XmlError> {
        if self.lengths.is_empty() && !more.trim().is_empty() {
            return Err(XmlError::Malformed("it has text outside of any element".to_owned()));
        }
        if let Some(text) = &mut self.text {
            text.push_str(more);
        }
        Ok(())
    }

    fn refer(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        if let Some(character) = reference.resolve_char_ref().map_err(malformed)? {
            return self.add(character.encode_utf8(&mut [0; 4]));
        }
        let name = reference.xml10_content().map_err(malformed)?;
        match &*name {
            "lt" => self.add("<"),
            "gt" => self.add(">"),
            "amp" => self.add("&"),
            "apos" => self.add("'"),
            "quot" => self.add("\""),
            other => {
                self.unknown = Some(other.chars().take(40).collect());
                Ok(())
            }
        }
    }

    fn all_closed(&self) -> Result<(), XmlError> {
        match (self.ended, self.lengths.is_empty()) {
            (true, true) => Ok(()),
            (false, true) => Err(XmlError::Malformed("it has no element".to_owned())),
            (_, false) => Err(XmlError::Malformed(format!("it ends within {}", self.path))),
        }
    }
}

fn malformed(error: impl std::fmt::Display) -> XmlError {
    XmlError::Malformed(error.to_string().chars().take(200).collect())
}

/// UTF-8, or Latin-1 where the document says so (XML 1.0, appendix F: without a mark, a declaration in ASCII tells).
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(200)).unwrap_or_default()).to_ascii_lowercase();
    let declared = head.split_once("encoding=").map(|(_, rest)| rest.trim_start_matches(['"', '\'']));
    let is_latin = |name: &str| name.starts_with("iso-8859-1") && !name.starts_with("iso-8859-15");
    match declared {
        Some(name) if is_latin(name) || name.starts_with("windows-1252") || name.starts_with("latin1") => {
            Ok(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into())
        }
        _ => Err(XmlError::Malformed(format!("it is not in UTF-8: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>) -> Result<Vec<String>, XmlError> {
        let mut found = Vec::new();
        leaves(text.as_ref(), |path, text| {
            found.push(format!("{path}={text}"));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn leaves_are_told_by_their_paths() {
        let text = "\u{feff}<?xml version=\"1.0\"?><!-- a --><m:a xmlns:m='x'>t<b c='d'> 1 <!-- no -->2\n</b><e/>\
                    <f><![CDATA[<x>]]>&amp;&#65;&#x42;</f></m:a>\n";
        assert_eq!(read(text).unwrap(), ["a/b=1 2", "a/e=", "a/f=<x>&AB"]);
        let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>";
        assert_eq!(read(latin).unwrap(), ["a=\u{fc}"]);
        // What it stands for nobody says here, so it stands for itself.
        assert_eq!(read("<a><b>x&eacute;</b><c>y</c></a>").unwrap(), ["a/b=&eacute;", "a/c=y"]);
    }

    #[test]
    fn what_is_no_xml_or_too_much_of_it_is_refused() {
        let deep = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(read(deep(MAX_DEPTH)).is_ok());
        for (text, expected) in [
            (deep(MAX_DEPTH + 1), "nested more than 128"),
            (format!("<a>{}</a>", " ".repeat(4 << 20)), "bytes, which is more"),
            (String::new(), "no element"),
            ("<a><b></a>".to_owned(), "is not XML"),
            ("<a>".to_owned(), "ends within a"),
            ("<a/><b/>".to_owned(), "behind its end"),
            ("plain".to_owned(), "outside of any element"),
            ("{\"a\":1}".to_owned(), "outside of any element"),
            ("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>".to_owned(), "document type"),
            ("<a>&#0;</a>".to_owned(), "is not XML"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{}: {error}", text.chars().take(40).collect::<String>());
        }
        assert!(read(b"<a>\xff</a>").unwrap_err().to_string().contains("not in UTF-8"));
        assert!(read([0xfe, 0xff, 0, b'<']).unwrap_err().to_string().contains("not in UTF-8"));
    }
}
