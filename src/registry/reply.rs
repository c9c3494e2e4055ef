//! The one judge of answers, and the reader of the server's words. The judge sees status and headers only: nothing
//! is ever decided by wording, which servers change.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use url::{Host, Url};

use super::retry::retry_after;

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done, as far as the server says.
    Done,
    /// Worth another attempt, not before the pause that the server asks for.
    Again(Option<Duration>),
    /// No attempt more would change it.
    Refused(Refusal),
}

/// Why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// Other 4xx.
    Rejected,
    /// 3xx
    Redirected,
    /// 5xx that do not pass by waiting, such as 501 and 507.
    Unavailable,
    /// A status that no final answer has.
    Unintelligible,
}

/// Judges an answer; `now_millis` (since 1970) is for a `Retry-After` with a date.
pub(super) fn judge(status: u16, headers: &HeaderMap, now_millis: u64) -> Verdict {
    match status {
        200..=299 => Verdict::Done,
        408 | 429 | 500 | 502 | 503 | 504 => {
            let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            Verdict::Again(asked.and_then(|value| retry_after(value, now_millis)))
        }
        300..=399 => Verdict::Refused(Refusal::Redirected),
        401 => Verdict::Refused(Refusal::Unauthorized),
        403 => Verdict::Refused(Refusal::Forbidden),
        404 => Verdict::Refused(Refusal::NotFound),
        400..=499 => Verdict::Refused(Refusal::Rejected),
        500..=599 => Verdict::Refused(Refusal::Unavailable),
        _ => Verdict::Refused(Refusal::Unintelligible),
    }
}

/// Whether the answer says that it is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.ends_with("/json") || kind.ends_with("+json")
}

/// Whether squid says this of itself, and not what is behind it: of every answer that it makes up it names its error.
pub(super) fn is_squids_own(headers: &HeaderMap) -> bool {
    headers.contains_key("x-squid-error")
}

/// Whether the server may have stored the file though its answer is not a success.
pub(super) fn may_have_stored(status: u16) -> bool {
    status == 408 || status >= 500
}

/// Where a read may be sent on to: `location` as seen from `from`. Only http(s), never from https to http, never
/// with user information, and never to the machine's own or link-local addresses, where a Lambda's runtime and
/// credentials are, unless the server is there itself.
pub(super) fn redirect_target(from: &Url, location: &str) -> Option<Url> {
    let target = from.join(location).ok()?;
    let scheme = match target.scheme() {
        "https" => true,
        "http" => from.scheme() == "http",
        _ => false,
    };
    let plain = target.username().is_empty() && target.password().is_none();
    (scheme && plain && (target.host() == from.host() || !is_inward(&target))).then_some(target)
}

fn is_inward(url: &Url) -> bool {
    let address = match url.host() {
        None => return true,
        Some(Host::Domain(name)) => {
            return name.trim_end_matches('.').rsplit('.').next() == Some("localhost");
        }
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
    };
    address.is_loopback()
        || address.is_unspecified()
        || match address {
            IpAddr::V4(address) => address.is_link_local(),
            // fc00::/7 holds AWS's own fd00:ec2::254.
            IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unique_local(),
        }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Text(String),
    Object { message: String },
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<Message>,
    error: Option<Message>,
    message: Option<Message>,
}

/// The server's own words in the beginning of an answer's body, as one line without control characters: the
/// messages of the JSON forms that Artifactory, its Access service and its package APIs use, the title of an HTML
/// page, else the text as it is. Neither bounded nor scrubbed yet.
pub(super) fn words(excerpt: &[u8]) -> String {
    let text = String::from_utf8_lossy(excerpt);
    let text = text.trim_start_matches('\u{feff}').trim();
    let said = if text.starts_with(['{', '[']) {
        messages(text).map_or(Cow::Borrowed(text), Cow::Owned)
    } else if text.starts_with('<') {
        title(text).map_or(Cow::Borrowed("an HTML page"), |title| Cow::Owned(format!("an HTML page, \"{title}\"")))
    } else {
        Cow::Borrowed(text)
    };
    one_line(&said)
}

fn messages(text: &str) -> Option<String> {
    let ErrorBody { errors, error, message } = serde_json::from_str(text).ok()?;
    let said: Vec<String> = errors
        .into_iter()
        .chain(error)
        .chain(message)
        .map(|message| match message {
            Message::Text(text) | Message::Object { message: text } => text,
        })
        .filter(|text| !text.trim().is_empty())
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn title(html: &str) -> Option<String> {
    // Lower-casing ASCII only keeps every offset.
    let lower = html.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let begin = open + lower.get(open..)?.find('>')? + 1;
    let end = begin + lower.get(begin..)?.find("</title")?;
    let title = html.get(begin..end)?;
    let title =
        ["&lt;<", "&gt;>", "&quot;\"", "&#39;'", "&nbsp; ", "&amp;&"].iter().fold(title.to_owned(), |text, pair| {
            pair.split_once(';')
                .map_or_else(|| text.clone(), |(name, character)| text.replace(&format!("{name};"), character))
        });
    let title = one_line(&title);
    (!title.is_empty()).then_some(title)
}

/// Control characters (also those that turn the direction of writing) and runs of blanks become one blank each.
fn one_line(text: &str) -> String {
    let blank = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn every_status_is_judged() {
        let mut ranges: Vec<(u16, u16, Verdict)> = Vec::new();
        for status in 100..=599 {
            let verdict = judge(status, &HeaderMap::new(), 0);
            match ranges.last_mut() {
                Some((_, to, last)) if *last == verdict => *to = status,
                _ => ranges.push((status, status, verdict)),
            }
        }
        let table: Vec<String> = ranges.iter().map(|(from, to, verdict)| format!("{from}-{to} {verdict:?}")).collect();
        assert_eq!(
            table,
            [
                "100-199 Refused(Unintelligible)",
                "200-299 Done",
                "300-399 Refused(Redirected)",
                "400-400 Refused(Rejected)",
                "401-401 Refused(Unauthorized)",
                "402-402 Refused(Rejected)",
                "403-403 Refused(Forbidden)",
                "404-404 Refused(NotFound)",
                "405-407 Refused(Rejected)",
                "408-408 Again(None)",
                "409-428 Refused(Rejected)",
                "429-429 Again(None)",
                "430-499 Refused(Rejected)",
                "500-500 Again(None)",
                "501-501 Refused(Unavailable)",
                "502-504 Again(None)",
                "505-599 Refused(Unavailable)",
            ]
        );
    }

    #[test]
    fn a_retry_after_is_taken_along_where_another_attempt_makes_sense() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("3"))]);
        assert_eq!(judge(429, &headers, 0), Verdict::Again(Some(Duration::from_secs(3))));
        assert_eq!(judge(403, &headers, 0), Verdict::Refused(Refusal::Forbidden));
    }

    #[test]
    fn the_servers_words_are_found_in_every_form() {
        for (body, said) in [
            (r#"{"errors":[{"status":403,"message":"not\nallowed"}]}"#, "not allowed"),
            (r#"{"errors":[{"code":"X","message":"a"},{"message":"b"}]}"#, "a; b"),
            (r#"{"error":"conflict"}"#, "conflict"),
            (r#"{"error":{"code":1,"message":"deep"}}"#, "deep"),
            (r#"{"message":"plain"}"#, "plain"),
            (r#"{"ok":false}"#, r#"{"ok":false}"#),
            (r#"{"errors":[{"message":"cut"#, r#"{"errors":[{"message":"cut"#),
            (r#"{"errors":{"0":"odd"}}"#, r#"{"errors":{"0":"odd"}}"#),
            ("<html><HEAD><Title x=1> 502 Bad\r\n Gateway &amp;lt; </title>", "an HTML page, \"502 Bad Gateway &lt;\""),
            ("<!doctype html><p>hello", "an HTML page"),
            ("<title>", "an HTML page"),
            ("  plain \t text\u{1b}[31m\u{202e} ", "plain text [31m"),
            ("", ""),
        ] {
            assert_eq!(words(body.as_bytes()), said, "{body}");
        }
        assert_eq!(words(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn redirects_lead_outward_only_and_never_down() {
        let https = Url::parse("https://a.example/artifactory/x").unwrap();
        let http = Url::parse("http://127.0.0.1:81/x").unwrap();
        let to = |from: &Url, location: &str| redirect_target(from, location).map(String::from);
        assert_eq!(to(&https, "/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(to(&https, "https://bucket.example/k?sig=1").as_deref(), Some("https://bucket.example/k?sig=1"));
        assert_eq!(to(&http, "http://127.0.0.1:82/y").as_deref(), Some("http://127.0.0.1:82/y"));
        for location in [
            "http://a.example/y",
            "ftp://a.example/y",
            "file:///etc/passwd",
            "https://u:p@a.example/",
            "https://169.254.169.254/latest",
            "https://127.0.0.1:9001/2018-06-01",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[fd00:ec2::254]/",
            "https://localhost/",
            "https://x.localhost./",
            "https://0.0.0.0/",
            "https://",
        ] {
            assert_eq!(to(&https, location), None, "{location}");
        }
    }
}
