//! The read-me that travels in the manifest, and the description taken from it where the manifest has none.

use serde_json::{Map, Value, json};

use super::super::PackageError;
use super::beside::Beside;
use super::js;

/// What npm sends for a package without a read-me.
pub(super) const NONE: &str = "ERROR: No README data found!";

/// Whether a file at the root may be the read-me.
pub(super) fn is_readme(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "readme" || (name.starts_with("readme.") && !name.contains('/'))
}

/// Puts the read-me into the manifest: one with Markdown's suffix, or else the bare `README`.
pub(super) fn fill(data: &mut Map<String, Value>, beside: &dyn Beside) -> Result<(), PackageError> {
    if js::truthy(data.get("readme")) {
        return Ok(());
    }
    let mut names: Vec<&str> = beside.files().filter(|name| is_readme(name)).collect();
    // npm takes the first that its search happens on; the plainest name is as good and always the same.
    names.sort_by_key(|name| (name.len(), *name));
    let name = names.iter().find(|name| is_markdown(name)).or_else(|| names.iter().find(|name| **name == "README"));
    let text = match name {
        Some(name) => beside.text(name)?,
        None => None,
    };
    if let (Some(name), Some(text)) = (name, &text) {
        data.insert("readme".to_owned(), json!(text));
        data.insert("readmeFilename".to_owned(), json!(name));
    }
    if text.is_none_or(|text| text.is_empty()) {
        data.insert("readme".to_owned(), json!(NONE));
    }
    Ok(())
}

/// A suffix made of the letters of "markdown" in their order, each of which may be missing.
fn is_markdown(name: &str) -> bool {
    let Some((_, suffix)) = name.rsplit_once('.') else {
        return false;
    };
    let mut letters = "markdown".chars();
    // "a" and "r" may be missing, so may every letter but none may come twice or out of order.
    suffix.to_ascii_lowercase().chars().all(|letter| letters.any(|own| own == letter))
}

/// The first block of text after leading headings and empty lines, in one line.
pub(super) fn first_paragraph(text: &str) -> String {
    let mut lines = js::trim(text).split('\n').skip_while(|line| {
        let line = js::trim(line);
        line.is_empty() || line.starts_with('#')
    });
    let first = lines.next().unwrap_or_default();
    let mut paragraph = first.to_owned();
    for line in lines.take_while(|line| !js::trim(line).is_empty()) {
        paragraph.push(' ');
        paragraph.push_str(line);
    }
    js::trim(&paragraph).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_known_by_its_suffix() {
        for (name, expected) in [
            ("README.md", true),
            ("readme.Markdown", true),
            ("README.mkd", true),
            ("README.zh.md", true),
            ("README.", true),
            ("README.txt", false),
            ("README", false),
        ] {
            assert_eq!(is_markdown(name), expected, "{name}");
        }
    }

    #[test]
    fn the_description_is_the_first_paragraph() {
        for (text, expected) in [
            ("# left\n\nPads to\nthe left.\n\nMore.", "Pads to the left."),
            ("\n\ntext", "text"),
            ("# only a heading", ""),
            ("", ""),
        ] {
            assert_eq!(first_paragraph(text), expected, "{text:?}");
        }
    }
}
