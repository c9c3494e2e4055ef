//! The one list of what is not as the real npm has it on purpose: what it is, how it is known, and why.

use serde_json::Value;

use super::{Item, Tree};

/// Something that is not as npm has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'a> {
    /// A path at which two archives differ, and the paths of the package's commands.
    Entry { path: &'a str, npms: &'a Tree, ours: &'a Tree, commands: &'a [String] },
    /// A member of the manifest that is sent.
    Member { name: &'a str, npms: Option<&'a Value>, ours: Option<&'a Value> },
    /// We refuse what npm takes, with these words.
    Refused(&'a str),
    /// We take what npm refuses, with these words.
    Taken(&'a str),
}

/// A difference that is meant.
pub(crate) struct Deliberate {
    /// Its name, in reports.
    pub(crate) what: &'static str,
    /// Whether this is it.
    is: fn(Seen<'_>) -> bool,
    /// Why it is.
    pub(crate) why: &'static str,
}

/// The first that explains what was seen.
pub(crate) fn explained(seen: Seen<'_>) -> Option<&'static Deliberate> {
    DELIBERATE.iter().find(|deliberate| (deliberate.is)(seen))
}

#[rustfmt::skip]
const DELIBERATE: &[Deliberate] = &[
    // Entries of archives.
    Deliberate { what: "commands are executable", is: is_command, why: "npm looks for commands at the package's root alone; installers make all of them executable" },
    Deliberate { what: "nothing but commands is made executable", is: is_cut_path, why: "npm cuts the first folder off a path before it looks whether that is a command" },
    Deliberate { what: "hard links are files", is: is_hard_link, why: "an installer drops a link; a zip has none, and we write the file" },
    Deliberate { what: "names with a colon are kept", is: is_drive, why: "npm takes what is before the colon at a path's beginning for a drive, and two files can become one" },
    Deliberate { what: "specifiers of a workspace are replaced", is: is_rewritten, why: "npm publishes workspace: and its like as they are, and nobody can install that; pnpm and yarn replace them" },
    // Members of manifests.
    Deliberate { what: "versions of node and npm", is: |seen| is_only_npms(seen, &["_nodeVersion", "_npmVersion"]), why: "neither has made this package" },
    Deliberate { what: "places on the publisher's machine", is: |seen| is_only_npms(seen, &["_resolved", "_from", "_integrity"]), why: "npm leaks them from archives" },
    Deliberate { what: "digests of the archive", is: is_digest, why: "another zlib, and the same files in a fixed order" },
    Deliberate { what: "whole numbers keep their digits", is: is_large_number, why: "npm rounds what is larger than 2^53" },
    Deliberate { what: "manuals are listed in the order of their paths", is: is_order_of_manuals, why: "npm lists them as its search happens on them" },
    // Members of documents.
    Deliberate { what: "the option before the tag of the manifest", is: is_tag_of_manifest, why: "npm lets \"tag\" of the package.json win over --tag; who names a tag for a job means it" },
    Deliberate { what: "bytes of the archive", is: is_attachment, why: "another zlib, and the same files in a fixed order" },
    // What we refuse.
    Deliberate { what: "tags and access of publishConfig are checked", is: |seen| refused(seen, &["has the dist-tag", "has publishConfig.access"]), why: "npm checks them on the command line alone, and a tag that is a range can never be installed" },
    Deliberate { what: "archives that are not compressed", is: |seen| refused(seen, &["is a tar that is not compressed"]), why: "npm publishes them and not every package manager can install them" },
    Deliberate { what: "links in place of files that decide", is: |seen| refused(seen, &["is a symbolic link"]), why: "a link in an artifact may lead anywhere, and without its target nobody knows what is meant" },
    Deliberate { what: "JSON that we do not read", is: |seen| refused(seen, &["number out of range", "unexpected end of hex escape", "lone leading surrogate", "nested more than 128", "the limit is 4194304"]), why: "numbers beyond all numbers, halves of characters, and what has no end" },
    Deliberate { what: "manifests where nobody writes them", is: |seen| refused(seen, &["no npm package found", "holds no package"]), why: "npm still reads /**package … **/ of index.js, and long names of a GNU tar before 1995" },
    Deliberate { what: "archives that readers see differently", is: |seen| refused(seen, &["an extended header is malformed", "archive header checksum mismatch", "more behind the gzip stream"]), why: "npm skips what it cannot read; what a reader skips, another unpacks" },
    Deliberate { what: "specifiers that nobody can resolve", is: |seen| refused(seen, &["which nobody but its own workspace can resolve"]), why: "see above" },
    // What we take.
    Deliberate { what: "a file with the path of a folder", is: |seen| matches!(seen, Seen::Taken(npms) if npms.starts_with("EISDIR")), why: "npm falls over its own unpacking; the bytes are published as they are" },
];

fn refused(seen: Seen<'_>, words: &[&str]) -> bool {
    matches!(seen, Seen::Refused(ours) if words.iter().any(|words| ours.contains(words)))
}

/// The two modes, where the files are otherwise the same.
fn modes(npms: Option<&Item>, ours: Option<&Item>) -> Option<(u32, u32)> {
    match (npms, ours) {
        (Some(Item::File(npms, theirs)), Some(Item::File(mode, bytes))) if theirs == bytes => Some((*npms, *mode)),
        _ => None,
    }
}

fn is_command(seen: Seen<'_>) -> bool {
    let Seen::Entry { path, npms, ours, commands } = seen else { return false };
    let modes = modes(npms.get(path), ours.get(path));
    commands.iter().any(|command| command == path) && modes.is_some_and(|(npms, ours)| npms | 0o111 == ours)
}

fn is_cut_path(seen: Seen<'_>) -> bool {
    let Seen::Entry { path, npms, ours, commands } = seen else { return false };
    let modes = modes(npms.get(path), ours.get(path));
    let inner = path.split_once('/').map(|(_, inner)| inner);
    commands.iter().any(|command| Some(command.as_str()) == inner)
        && modes.is_some_and(|(npms, ours)| ours | 0o111 == npms)
}

fn is_hard_link(seen: Seen<'_>) -> bool {
    let Seen::Entry { path, npms, ours, .. } = seen else { return false };
    matches!((npms.get(path), ours.get(path)), (Some(Item::Other(b'1', _)), Some(Item::File(..))))
}

/// `a:b.js` is `b.js` for npm.
fn is_drive(seen: Seen<'_>) -> bool {
    let Seen::Entry { path, npms, ours, .. } = seen else { return false };
    let cut = |path: &str| match path.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => {
            path.get(2..).map(|rest| rest.trim_start_matches('/').to_owned())
        }
        _ => None,
    };
    match (npms.get(path), ours.get(path)) {
        (None, Some(own)) => cut(path).is_some_and(|cut| npms.get(&cut) == Some(own)),
        (Some(own), None) => {
            ours.iter().any(|(path_of_ours, other)| cut(path_of_ours).as_deref() == Some(path) && other == own)
        }
        _ => false,
    }
}

fn is_rewritten(seen: Seen<'_>) -> bool {
    let Seen::Entry { path, npms, ours, .. } = seen else { return false };
    let text = |tree: &Tree| match tree.get(path) {
        Some(Item::File(_, bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    let local =
        |text: &str| ["\"workspace:", "\"catalog:", "\"link:", "\"portal:"].iter().any(|own| text.contains(own));
    path == "package.json" && local(&text(npms)) && !local(&text(ours))
}

fn is_only_npms(seen: Seen<'_>, names: &[&str]) -> bool {
    matches!(seen, Seen::Member { name, npms: Some(_), ours: None } if names.contains(&name))
}

fn is_digest(seen: Seen<'_>) -> bool {
    let Seen::Member { name: "dist", npms: Some(npms), ours: Some(ours) } = seen else { return false };
    let without = |dist: &Value| {
        let mut dist = dist.clone();
        if let Some(dist) = dist.as_object_mut() {
            dist.retain(|key, _| !matches!(key.as_str(), "integrity" | "shasum"));
        }
        dist
    };
    without(npms) == without(ours)
}

fn is_large_number(seen: Seen<'_>) -> bool {
    fn same(npms: &Value, ours: &Value) -> bool {
        match (npms, ours) {
            (Value::Number(npms), Value::Number(ours)) => npms.as_f64() == ours.as_f64(),
            (Value::Array(npms), Value::Array(ours)) => {
                npms.len() == ours.len() && npms.iter().zip(ours).all(|(npms, ours)| same(npms, ours))
            }
            (Value::Object(npms), Value::Object(ours)) => {
                npms.len() == ours.len()
                    && npms.iter().all(|(key, npms)| ours.get(key).is_some_and(|ours| same(npms, ours)))
            }
            (npms, ours) => npms == ours,
        }
    }
    matches!(seen, Seen::Member { npms: Some(npms), ours: Some(ours), .. } if same(npms, ours))
}

fn is_order_of_manuals(seen: Seen<'_>) -> bool {
    let Seen::Member { name: "man", npms: Some(npms), ours: Some(ours) } = seen else { return false };
    let sorted = |list: &Value| {
        let mut texts: Vec<String> = list.as_array().into_iter().flatten().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    sorted(npms) == sorted(ours)
}

fn is_tag_of_manifest(seen: Seen<'_>) -> bool {
    let Seen::Member { name: "dist-tags", npms: Some(npms), ours: Some(ours) } = seen else { return false };
    npms["own"].is_string() && ours["option"].is_string()
}

fn is_attachment(seen: Seen<'_>) -> bool {
    let Seen::Member { name: "_attachments", npms: Some(npms), ours: Some(ours) } = seen else { return false };
    let without = |attachments: &Value| {
        let mut attachments = attachments.clone();
        for attachment in attachments.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
            assert!(attachment["data"].take().is_string() && attachment["length"].take().is_u64());
        }
        attachments
    };
    without(npms) == without(ours)
}
