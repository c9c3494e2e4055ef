//! `multipart/form-data` (RFC 7578, over RFC 2046), taken apart to the letter.

use bytes::Bytes;

use super::reply::Refusal;

/// A part of a form.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: String,
    /// For files.
    pub(super) file: Option<String>,
    pub(super) content: Bytes,
}

/// All parts, in their order.
pub(super) fn parse(content_type: &str, body: &Bytes) -> Result<Vec<Part>, Refusal> {
    let bad = |what: &str| Refusal::new(400, format!("the form cannot be read: {what}"));
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").map(|it| it.trim_matches('"'));
    let boundary = boundary.filter(|it| (1..=70).contains(&it.len())).ok_or_else(|| {
        Refusal::new(415, format!("Unsupported Media Type: '{content_type}' is no multipart/form-data with a boundary"))
    })?;
    let delimiter = format!("\r\n--{boundary}");
    let first = format!("--{boundary}\r\n");
    let mut rest = body.strip_prefix(first.as_bytes()).ok_or_else(|| bad("it does not begin with its boundary"))?;
    let mut parts = Vec::new();
    loop {
        let head = find(rest, b"\r\n\r\n").ok_or_else(|| bad("a part has no end of its headers"))?;
        let (headers, behind) = (&rest[..head], &rest[head + 4..]);
        let end = find(behind, delimiter.as_bytes()).ok_or_else(|| bad("a part has no end"))?;
        let headers = std::str::from_utf8(headers).map_err(|_| bad("a part has headers that are no text"))?;
        parts.push(part(headers, body.slice_ref(&behind[..end])).ok_or_else(|| bad("a part has no name"))?);
        let behind = &behind[end + delimiter.len()..];
        if let Some(epilogue) = behind.strip_prefix(b"--") {
            return if epilogue.is_empty() || epilogue == b"\r\n" {
                Ok(parts)
            } else {
                Err(bad("it goes on behind its end"))
            };
        }
        rest = behind.strip_prefix(b"\r\n").ok_or_else(|| bad("a boundary is followed by something else"))?;
    }
}

fn part(headers: &str, content: Bytes) -> Option<Part> {
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let parameters = disposition.strip_prefix("form-data")?;
    let parameter = |name: &str| {
        let (_, rest) = parameters.split_once(&format!("; {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    Some(Part { name: parameter("name")?, file: parameter("filename"), content })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
