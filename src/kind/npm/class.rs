//! A bracket expression of a pattern: `[abc]`, `[!a-z]`, `[[:digit:]]`.

use super::segment::Case;

/// A set of letters.
#[derive(Debug, Clone)]
pub(super) struct Class {
    negated: bool,
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
enum Member {
    Range(char, char),
    Named(fn(char) -> bool),
}

type Named = (&'static str, fn(char) -> bool);

const NAMED: [Named; 14] = [
    ("[:alnum:]", char::is_alphanumeric),
    ("[:alpha:]", char::is_alphabetic),
    ("[:ascii:]", |c| c.is_ascii()),
    ("[:blank:]", |c| c == '\t' || (c != '\n' && c != '\r' && c.is_whitespace())),
    ("[:cntrl:]", char::is_control),
    ("[:digit:]", |c| c.is_numeric()),
    ("[:graph:]", |c| !c.is_whitespace() && !c.is_control()),
    ("[:lower:]", char::is_lowercase),
    ("[:print:]", |c| !c.is_control()),
    ("[:punct:]", |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c)),
    ("[:space:]", char::is_whitespace),
    ("[:upper:]", char::is_uppercase),
    ("[:word:]", |c| c.is_alphanumeric() || c == '_'),
    ("[:xdigit:]", |c| c.is_ascii_hexdigit()),
];

impl Class {
    /// Reads the expression whose `[` is just before `begin`; also returns where it ends. `None`: it is never closed,
    /// and the bracket is an ordinary character.
    pub(super) fn parse(pattern: &[char], begin: usize) -> Option<(Self, usize)> {
        let mut class = Self { negated: matches!(pattern.get(begin), Some('!' | '^')), members: Vec::new() };
        let first = begin + usize::from(class.negated);
        let mut at = first;
        let mut from: Option<char> = None;
        loop {
            let mut letter = *pattern.get(at)?;
            if letter == ']' && at > first {
                // "[a-]": the sign itself is a member.
                class.members.extend(from.map(|from| Member::Range(from, from)));
                return Some((class, at + 1));
            }
            if letter == '['
                && let Some((name, test)) = named(pattern.get(at..)?)
            {
                if from.is_some() {
                    class.members.clear();
                    return Some((class, pattern.len()));
                }
                class.members.push(Member::Named(*test));
                at += name.len();
                continue;
            }
            if letter == '\\' {
                at += 1;
                letter = *pattern.get(at)?;
            }
            at += 1;
            if let Some(from) = from.take() {
                if from <= letter {
                    class.members.push(Member::Range(from, letter));
                }
                continue;
            }
            match (pattern.get(at), pattern.get(at + 1)) {
                (Some('-'), Some(']')) => {
                    class.members.push(Member::Range(letter, letter));
                    class.members.push(Member::Range('-', '-'));
                    at += 1;
                }
                (Some('-'), _) => {
                    from = Some(letter);
                    at += 1;
                }
                _ => class.members.push(Member::Range(letter, letter)),
            }
        }
    }

    /// Whether no letter can ever fit, which spoils the rest of the pattern as well.
    pub(super) fn is_void(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether only one letter can fit.
    pub(super) fn is_letter(&self) -> bool {
        !self.negated && matches!(self.members.as_slice(), [Member::Range(from, to)] if from == to)
    }

    /// Whether the letter is in the set.
    pub(super) fn accepts(&self, letter: char, case: Case) -> bool {
        let member = |letter: char| {
            self.members.iter().any(|member| match member {
                Member::Range(from, to) => (*from..=*to).contains(&letter),
                Member::Named(test) => test(letter),
            })
        };
        let mut lower = letter.to_lowercase();
        let other = match (case, lower.next(), lower.next()) {
            (Case::Folded, Some(single), None) => member(single),
            _ => false,
        };
        (member(letter) || other) != self.negated
    }
}

fn named(rest: &[char]) -> Option<&'static Named> {
    NAMED.iter().find(|(name, _)| rest.len() >= name.len() && name.chars().zip(rest).all(|(a, b)| a == *b))
}
