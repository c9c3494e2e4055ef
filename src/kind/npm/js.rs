//! The few habits of JavaScript that npm's rules inherit: what counts as true, which characters are blank, how a
//! value reads as text, and how Node treats POSIX paths.

use serde_json::Value;

/// Whether an `if` in npm would take the value for true.
pub(super) fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(_) | Value::Object(_)) => true,
    }
}

/// White space of ECMAScript: Unicode's without NEL, with the byte order mark.
pub(super) fn blank(character: char) -> bool {
    (character.is_whitespace() && character != '\u{85}') || character == '\u{feff}'
}

/// The text without white space at its ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(blank)
}

/// The value as string concatenation shows it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| if item.is_null() { String::new() } else { text(item) })
            .collect::<Vec<_>>()
            .join(","),
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

/// The segments of a path with `.` and empty ones dropped and `..` resolved, never above where it begins.
pub(super) fn segments(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments
}

/// A path of a manifest made relative to the package and kept inside it; empty where it names the package itself.
/// Backslashes and colons separate, as on the machines that write them.
pub(super) fn inside(path: &str) -> String {
    let path = path.replace(['\\', ':'], "/");
    let mut clean = segments(&path).join("/");
    if !clean.is_empty() && path.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// The last segment of a path, trailing slashes aside.
pub(super) fn basename(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_true_and_text_as_in_javascript() {
        for (value, expected) in [
            (json!(null), false),
            (json!(0), false),
            (json!(""), false),
            (json!("false"), true),
            (json!([]), true),
            (json!({}), true),
        ] {
            assert_eq!(truthy(Some(&value)), expected, "{value}");
        }
        assert!(!truthy(None));
        assert_eq!(text(&json!(["a", null, [1, {}]])), "a,,1,[object Object]");
        assert_eq!(trim("\u{feff} a\u{85} "), "a\u{85}");
    }

    #[test]
    fn paths_stay_inside() {
        for (path, expected) in [
            ("./bin/cli.js", "bin/cli.js"),
            ("/../../etc/passwd", "etc/passwd"),
            ("..\\x", "x"),
            ("C:\\x", "C/x"),
            ("./", ""),
            ("bin/", "bin/"),
        ] {
            assert_eq!(inside(path), expected, "{path}");
        }
        assert_eq!(basename("@scope/name"), "name");
        assert_eq!(basename("a/b//"), "b");
    }
}
