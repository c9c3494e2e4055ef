//! `package.json`: parsed, held against the rules, packed, and made into the document that is sent.

use codepipeline_artifactory::archive::Selection;
use serde_json::Value;

use super::planned::holds;

/// Plans an artifact with these bytes as its `package.json`. What is planned has the name that any reader of JSON finds.
pub(crate) fn manifest(bytes: &[u8]) {
    let artifact: [(&str, &[u8]); 7] = [
        ("package.json", bytes),
        ("index.js", b"module.exports = 1;\n"),
        ("bin/cli.js", b"#!/usr/bin/env node\n"),
        ("lib/deep/a.js", b"1;\n"),
        ("README.md", b"# Read me\n"),
        ("node_modules/left/package.json", b"{\"name\":\"left\",\"version\":\"1.0.0\"}"),
        ("packages/one/package.json", b"{\"name\":\"one\",\"version\":\"1.0.0\"}"),
    ];
    let Ok(plans) = holds(&artifact, &Selection::default()) else { return };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(text) else {
        // Nested a level deeper than this reader goes.
        return;
    };
    // JavaScript takes a byte order mark for white space.
    let blank = |character: char| character.is_whitespace() || character == '\u{feff}';
    let own = members.get("name").and_then(Value::as_str).map(|name| name.trim_matches(blank));
    assert!(plans.iter().all(|plan| Some(plan.of.name.as_str()) == own || plan.of.name == "one"));
}
