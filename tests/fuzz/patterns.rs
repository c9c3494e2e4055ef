//! Patterns: those of an ignore file, of `files`, of workspaces, and of the action's `Files`.

use codepipeline_artifactory::archive::Selection;
use serde_json::json;

use super::planned::holds;

/// Plans an artifact with these texts, of which a NUL ends each: `.npmignore`, lines of `files`, lines of `workspaces`,
/// `pnpm-workspace.yaml`, the action's `Files`.
pub(crate) fn patterns(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut texts = text.split('\0');
    let mut next = || texts.next().unwrap_or_default();
    let (ignore, files, workspaces, yaml, selection) = (next(), next(), next(), next(), next());
    let mut manifest = json!({"name": "own", "version": "1.0.0"});
    for (member, text) in [("files", files), ("workspaces", workspaces)] {
        if !text.is_empty() {
            manifest[member] = text.split('\n').collect();
        }
    }
    let manifest = manifest.to_string();
    let artifact: [(&str, &[u8]); 12] = [
        ("package.json", manifest.as_bytes()),
        (".npmignore", ignore.as_bytes()),
        ("pnpm-workspace.yaml", yaml.as_bytes()),
        ("index.js", b"1"),
        ("lib/a.js", b"2"),
        ("lib/deep/b.test.js", b"3"),
        ("lib/deep/.hidden", b"4"),
        ("a b/(c)/[d].js", b"5"),
        ("AB/\u{e4}\u{1f600}.TXT", b"6"),
        ("packages/one/package.json", b"{\"name\":\"one\",\"version\":\"1.0.0\"}"),
        ("packages/one/.gitignore", ignore.as_bytes()),
        ("packages/one/index.js", b"7"),
    ];
    let selection = Selection::parse(selection).unwrap_or_default();
    // Whether anything is planned is others' affair: what would be packed is checked in there.
    drop(holds(&artifact, &selection));
}
