//! Paths as they come over the wire: segments decoded one by one, matrix parameters, and the property
//! syntax of the storage API.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::reply::{Refusal, Shape};

/// Characters that a property's name must not have.
const NOT_IN_KEYS: &str = ")(}{][*+^$\\/~`!@#%&<>;=,\u{b1}\u{a7} ";

/// Where a plain request points.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) repository: String,
    /// Decoded path within the repository, without slashes at its ends; empty for the repository itself.
    pub(super) path: String,
    /// The path ended with a slash.
    pub(super) folder: bool,
    pub(super) properties: Vec<(String, String)>,
}

impl Location {
    /// Reads `repo/path;key=value`, still encoded.
    pub(super) fn parse(raw: &str) -> Result<Self, Refusal> {
        // The first semicolon that is not encoded ends the path, whatever follows.
        let (path, parameters) = raw.split_once(';').map_or((raw, None), |(path, rest)| (path, Some(rest)));
        let folder = path.ends_with('/');
        let mut segments = path.trim_matches('/').split('/').map(segment);
        let repository = segments.next().unwrap_or_else(|| Ok(String::new()))?;
        let path = segments.collect::<Result<Vec<_>, _>>()?.join("/");
        let properties = match parameters {
            None => Vec::new(),
            Some(parameters) => matrix(parameters)?,
        };
        Ok(Self { repository, path, folder, properties })
    }
}

/// One segment of a plain path.
fn segment(raw: &str) -> Result<String, Refusal> {
    let decoded = decode(raw)?;
    if decoded.contains('/') || decoded.contains('\\') {
        // The servlet container refuses an encoded slash before Artifactory sees the request.
        return Err(Refusal::new(400, "Bad Request").shaped(Shape::Html));
    }
    if decoded.is_empty() || decoded == "." || decoded == ".." {
        return Err(Refusal::new(400, format!("Invalid path: illegal segment '{decoded}'")));
    }
    if let Some(bad) = decoded.chars().find(|&character| character.is_control() || ":*?\"<>|".contains(character)) {
        return Err(Refusal::new(400, format!("Invalid path. '{bad}' is not a valid name character: {decoded}")));
    }
    Ok(decoded)
}

/// The segments of a path of a package type's API, in which an encoded slash is a slash.
pub(super) fn api_segments(raw: &str) -> Result<Vec<String>, Refusal> {
    let mut segments = Vec::new();
    for part in raw.split('/').filter(|part| !part.is_empty()) {
        let decoded = decode(part)?;
        for piece in decoded.split('/') {
            if piece.is_empty() || piece == "." || piece == ".." || piece.contains(['\\', '\0']) {
                return Err(Refusal::new(400, format!("Invalid path: illegal segment '{piece}'")));
            }
            segments.push(piece.to_owned());
        }
    }
    Ok(segments)
}

/// A stored path as it stands in the addresses that this server gives out.
pub(super) fn encode(path: &str) -> String {
    const IN_PATHS: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');
    utf8_percent_encode(path, IN_PATHS).to_string()
}

pub(super) fn decode(raw: &str) -> Result<String, Refusal> {
    let half = raw.match_indices('%').any(|(at, _)| {
        let digits = raw.get(at + 1..at + 3).unwrap_or_default();
        digits.len() != 2 || !digits.chars().all(|digit| digit.is_ascii_hexdigit())
    });
    let decoded = percent_decode_str(raw).decode_utf8().ok().filter(|_| !half);
    decoded.map(String::from).ok_or_else(|| Refusal::new(400, "Bad Request").shaped(Shape::Html))
}

/// `key=value;key=value1,value2`, each side form-encoded.
fn matrix(raw: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut properties = Vec::new();
    for pair in raw.split(';').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(&key.replace('+', " "))?, decode(&value.replace('+', " "))?);
        add(&mut properties, &key, &value)?;
    }
    Ok(properties)
}

/// The value of `?properties=`: pairs separated by `;` or `|`, with a backslash before a literal special character.
pub(super) fn storage_properties(raw: &str) -> Result<Vec<(String, String)>, Refusal> {
    let decoded = decode(raw)?;
    let mut properties = Vec::new();
    for pair in split_unescaped(&decoded, &[';', '|']).iter().filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        add(&mut properties, key, value)?;
    }
    Ok(properties)
}

fn add(properties: &mut Vec<(String, String)>, key: &str, value: &str) -> Result<(), Refusal> {
    if let Some(bad) = key.chars().find(|&character| NOT_IN_KEYS.contains(character)) {
        return Err(Refusal::new(400, format!("Invalid property key '{key}': character '{bad}' is not allowed")));
    }
    for value in split_unescaped(value, &[',']) {
        let value = unescape(&value);
        if key.is_empty() || value.is_empty() {
            return Err(Refusal::new(400, "Properties value cannot be empty"));
        }
        properties.push((key.to_owned(), value));
    }
    Ok(())
}

/// Splits at separators that no backslash precedes; escapes stay as they are.
fn split_unescaped(text: &str, separators: &[char]) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        if !escaped && separators.contains(&character) {
            pieces.push(String::new());
            continue;
        }
        escaped = character == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(character);
        }
    }
    pieces
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(&next)) if ",\\|=;".contains(next) => {
                plain.push(next);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}
