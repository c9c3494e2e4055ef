//! Semantic versions, as far as a registry needs them: cleaned, and put in order. Written for this
//! emulator alone, so that it cannot share a mistake with the client.

use std::cmp::Ordering;

/// `v1.02.3beta+build` → `1.2.3-beta`; `None` where it is no version.
pub(super) fn clean(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches(['=', 'v', ' ']);
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let mut rest = text;
    let mut numbers = Vec::new();
    for separator in [".", ".", ""] {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        numbers.push(number.parse::<u64>().ok()?.to_string());
        rest = after.strip_prefix(separator)?;
    }
    let numbers = numbers.join(".");
    if rest.is_empty() {
        return Some(numbers);
    }
    let prerelease = rest.strip_prefix('-').unwrap_or(rest);
    let sound = |part: &str| {
        !part.is_empty() && part.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
    };
    prerelease.split('.').all(sound).then(|| format!("{numbers}-{prerelease}"))
}

pub(super) fn is_prerelease(version: &str) -> bool {
    version.contains('-')
}

/// The order of two cleaned versions.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let parts = |version: &str| {
        let (core, prerelease) = version.split_once('-').unwrap_or((version, ""));
        let core: Vec<u64> = core.split('.').filter_map(|number| number.parse().ok()).collect();
        (core, prerelease.to_owned())
    };
    let ((left, left_pre), (right, right_pre)) = (parts(left), parts(right));
    // A version without a prerelease comes after all that have one.
    left.cmp(&right)
        .then_with(|| left_pre.is_empty().cmp(&right_pre.is_empty()))
        .then_with(|| identifiers(&left_pre, &right_pre))
}

fn identifiers(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let order = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
