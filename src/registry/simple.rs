//! A file's digest out of a page of Python's simple repository API: JSON (PEP 691) or HTML (PEP 503), read while it
//! arrives. A page that is neither, such as one to sign in at, says nothing of any file.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::listing::{Listed, Page};

/// Longest tag, and longest text behind one, that is looked into, in bytes.
const MOST: usize = 16 << 10;

/// What a page says of the file of this name; `None` where it is no page of an index.
pub(super) fn find(page: impl Read, file: &str) -> Option<Page> {
    let mut page = BufReader::new(page);
    let is_json = loop {
        let bytes = page.fill_buf().ok()?;
        let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match bytes.get(blank) {
            Some(first) => break *first == b'{',
            None if bytes.is_empty() => return None,
            None => page.consume(blank),
        }
    };
    let listed = if is_json { json(page, file).ok()? } else { html(page, file).ok().flatten()? };
    Some(Page { listed: listed.0, rival: None })
}

/// The file, where it is listed.
struct Entry(Option<Listed>);

#[derive(Deserialize)]
struct File {
    filename: String,
    #[serde(default)]
    hashes: Hashes,
}

#[derive(Default, Deserialize)]
struct Hashes {
    sha256: Option<String>,
}

fn json(page: impl BufRead, file: &str) -> serde_json::Result<Entry> {
    let mut parser = serde_json::Deserializer::from_reader(page);
    let entry = Document { file }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(entry)
}

struct Document<'a> {
    file: &'a str,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of the simple repository API")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "files" {
                found = Some(map.next_value_seed(Files { file: self.file })?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        found.ok_or_else(|| serde::de::Error::missing_field("files"))
    }
}

struct Files<'a> {
    file: &'a str,
}

impl<'de> DeserializeSeed<'de> for Files<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Files<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut files: A) -> Result<Entry, A::Error> {
        let mut found = None;
        while let Some(File { filename, hashes }) = files.next_element()? {
            if filename == self.file {
                found = Some(Listed { sha256: hashes.sha256, ..Listed::default() });
            }
        }
        Ok(Entry(found))
    }
}

/// `None`: it has nothing of an index.
fn html(mut page: impl BufRead, file: &str) -> io::Result<Option<Entry>> {
    let mut is_index = false;
    let mut found = None;
    until(&mut page, b'<')?;
    loop {
        let tag = tag(&mut page)?;
        let text = until(&mut page, b'<')?;
        let ended = page.fill_buf()?.is_empty();
        let words = tag.to_ascii_lowercase();
        // Servers call such a page so; newer ones name the version of the API (PEP 629).
        is_index |= text.trim_start().starts_with("Links for") || words.contains("pypi:repository-version");
        if words.starts_with('a')
            && words.get(1..).is_some_and(|rest| rest.starts_with(char::is_whitespace))
            && let Some(address) = attribute(&tag, "href")
        {
            let (path, fragment) = address.split_once('#').unwrap_or((&address, ""));
            let path = path.split('?').next().unwrap_or_default();
            let last = path.rsplit('/').next().unwrap_or_default();
            let name = percent_decode_str(last).decode_utf8_lossy();
            if name == file || text.trim() == file {
                is_index = true;
                let sha256 = fragment.split('&').find_map(|part| part.strip_prefix("sha256=")).map(str::to_owned);
                found = Some(Listed { sha256, ..Listed::default() });
            }
        }
        if ended {
            return Ok(is_index.then_some(Entry(found)));
        }
    }
}

/// What stands before the next `end`, as far as it counts; both are passed.
fn until(page: &mut impl BufRead, end: u8) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        let bytes = page.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        let at = bytes.iter().position(|byte| *byte == end);
        let part = bytes.get(..at.unwrap_or(bytes.len())).unwrap_or_default();
        text.extend(part.iter().take(MOST.saturating_sub(text.len())));
        let passed = part.len() + usize::from(at.is_some());
        page.consume(passed);
        if at.is_some() {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// A tag, its brackets apart; a bracket between quotes does not end it, and a comment ends with its dashes.
fn tag(page: &mut impl BufRead) -> io::Result<String> {
    let mut tag = String::new();
    let mut quote = None;
    loop {
        let part = until(page, b'>')?;
        quote = part.chars().fold(quote, |open, character| match (open, character) {
            (None, '"' | '\'') => Some(character),
            (Some(quote), character) if quote == character => None,
            (open, _) => open,
        });
        let ended = part.is_empty() && page.fill_buf()?.is_empty();
        tag.push_str(&part);
        let is_open = if tag.starts_with("!--") { !tag.ends_with("--") } else { quote.is_some() };
        if !is_open || ended || tag.len() >= MOST {
            return Ok(tag);
        }
        tag.push('>');
    }
}

/// The value of an attribute, its character references replaced.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (_, behind) = rest.split_once(|c: char| c.is_whitespace() || c == '/')?;
        rest = behind.trim_start();
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '/').unwrap_or(rest.len());
        let (own, behind) = rest.split_at(end);
        let Some(value) = behind.trim_start().strip_prefix('=').map(str::trim_start) else {
            rest = if own.is_empty() { behind } else { rest };
            if behind.is_empty() {
                return None;
            }
            continue;
        };
        let (value, behind) = match value.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted.split_once(value.get(..1).unwrap_or_default())?,
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        if own.eq_ignore_ascii_case(name) {
            return Some(plain(value));
        }
        // What is behind a value begins with a blank, or there is nothing more.
        rest = behind;
    }
}

/// A text without the character references that addresses have.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        plain.push_str(before);
        let reference = behind.split_once(';').filter(|(name, _)| name.len() < 10);
        let character = reference.and_then(|(name, _)| match name {
            "amp" => Some('&'),
            "quot" => Some('"'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            _ => {
                let number = name.strip_prefix('#')?;
                let hexadecimal = number.strip_prefix(['x', 'X']).map(|number| u32::from_str_radix(number, 16));
                char::from_u32(hexadecimal.unwrap_or_else(|| number.parse()).ok()?)
            }
        });
        // What is no reference stays as it is.
        rest = behind;
        match (character, reference) {
            (Some(character), Some((_, behind))) => {
                plain.push(character);
                rest = behind;
            }
            (None, _) | (_, None) => plain.push('&'),
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "left_pad-1.0+a-py3-none-any.whl";

    /// The digest: `-` where the file is listed without one, empty where it is not listed, `?` where there is no page.
    fn look(page: &str) -> String {
        match find(page.as_bytes(), FILE) {
            None => "?".to_owned(),
            Some(Page { listed: None, .. }) => String::new(),
            Some(Page { listed: Some(Listed { sha256, .. }), .. }) => sha256.unwrap_or_else(|| "-".to_owned()),
        }
    }

    #[test]
    fn files_are_found_in_html() {
        let file = FILE.replace('+', "%2B");
        let head =
            "<!DOCTYPE html>\n<html><head><title>Links for left-pad</title></head><body><h1>Links for left-pad</h1>\n";
        for (page, expected) in [
            (format!("{head}<a href=\"../../left-pad/1.0/{file}#sha256=aa\" rel=\"internal\">{FILE}</a><br/>"), "aa"),
            (format!("{head}<a data-requires-python=\"&gt;=3\" HREF='x/{file}?y#md5=1&amp;sha256=aa'>z</a>"), "aa"),
            (format!("{head}<a data-x=\">=3\" class=b href={file}#sha256=aa>z</a>"), "aa"),
            (format!("<a\nhref=\"/packages/x#sha256=aa\">\n {FILE}\n</a>"), "aa"),
            (format!("{head}<a disabled href=\"{file}\">{FILE}</a>"), "-"),
            (format!("{head}<a href=\"{file}#md5=aa\">{FILE}</a>"), "-"),
            (
                format!(
                    "{head}<!-- <a href=\"{file}#sha256=aa\">{FILE}</a> --><a href=\"other.whl#sha256=bb\">other.whl</a>"
                ),
                "",
            ),
            (format!("{head}<abbr href=\"{file}\">x</abbr><a>{FILE}</a><a href></a>"), ""),
            ("<html><head><meta name=\"pypi:repository-version\" content=\"1.1\"></head></html>".to_owned(), ""),
            ("<html><body><a href=\"/login\">Sign in</a></body></html>".to_owned(), "?"),
            ("no page".to_owned(), "?"),
            ("<".to_owned(), "?"),
            (" \n".to_owned(), "?"),
        ] {
            assert_eq!(look(&page), expected, "{page}");
        }
        let long = format!(
            "{head}<a href=\"{}\">{}</a><a href=\"{file}#sha256=aa\">x</a>",
            "x".repeat(99_999),
            "y".repeat(99_999)
        );
        assert_eq!(look(&long), "aa");
    }

    #[test]
    fn files_are_found_in_json() {
        for (page, expected) in [
            (
                format!(
                    r#" {{"meta":{{"api-version":"1.0"}},"name":"x","files":[{{"filename":"o","hashes":{{}}}},{{"filename":"{FILE}","url":"u","hashes":{{"sha256":"aa","md5":"b"}}}}],"versions":[]}}"#
                ),
                "aa",
            ),
            (format!(r#"{{"files":[{{"filename":"{FILE}","hashes":{{"md5":"b"}}}}]}}"#), "-"),
            (format!(r#"{{"files":[{{"filename":"{FILE}"}}]}}"#), "-"),
            (r#"{"files":[]}"#.to_owned(), ""),
            (r#"{"errors":[]}"#.to_owned(), "?"),
            (r#"{"files":[{"filename":"#.to_owned(), "?"),
            (r#"{"files":{}}"#.to_owned(), "?"),
        ] {
            assert_eq!(look(&page), expected, "{page}");
        }
    }
}
