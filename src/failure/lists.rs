//! What a message enumerates: as much of it as there is room for, and how much more there is.

use std::fmt::Write as _;

use super::{Conflict, Many};
use crate::package::{Coordinates, Noun};
use crate::registry::following;

/// Longest list in a message, in bytes.
const LIST: usize = 1000;

pub(super) fn list(conflicts: &Many<Conflict>) -> String {
    let one = |conflict: &Conflict| {
        let Conflict { of, path, theirs, ours, differences } = conflict;
        // A file is called by its path.
        let path = if of.noun() == Noun::Package { format!("{path}: ") } else { String::new() };
        format!("{of} ({path}there {theirs}, here {ours}{})", following(differences))
    };
    bounded(conflicts.len(), conflicts.first().iter().map(one), "; ")
}

pub(super) fn outranked(versions: &Many<(Coordinates, String)>) -> String {
    let plain = |version: &str| version.chars().filter(char::is_ascii_graphic).take(100).collect::<String>();
    bounded(versions.len(), versions.first().iter().map(|(of, by)| format!("{of} (there is {})", plain(by))), ", ")
}

pub(super) fn shown<T: ToString>(many: &Many<T>) -> String {
    bounded(many.len(), many.first().iter().map(ToString::to_string), ", ")
}

pub(super) fn each<T: ToString>(all: impl Iterator<Item = T> + Clone) -> String {
    bounded(all.clone().count(), all.map(|one| one.to_string()), ", ")
}

/// As many of the texts as a message has room for, and how many there are more.
fn bounded(all: usize, texts: impl Iterator<Item = String>, separator: &str) -> String {
    let mut list = String::new();
    for (at, text) in texts.enumerate() {
        if at > 0 {
            if list.len() + text.len() > LIST {
                let _ = write!(list, " and {} more", all - at);
                break;
            }
            list.push_str(separator);
        }
        list.push_str(&excerpt(&text, LIST));
    }
    list
}

pub(super) fn excerpt(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
