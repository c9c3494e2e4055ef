//! Brace expansion as a shell does it: `a{b,c}` is `ab` and `ac`, `{1..3}` is `1`, `2` and `3`; braces that hold
//! neither a comma nor a range stay as they are.

/// Most patterns that one may expand to. A package that needs more is refused rather than searched forever.
const MAX_EXPANSIONS: usize = 1_000;
/// Most letters of all of them together.
const MAX_LETTERS: usize = 64 << 10;
/// Deepest nesting of braces.
const MAX_DEPTH: usize = 32;

/// A pattern that expands to more than can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyError;

// Escaped characters travel as these, so that they neither open nor close anything; noncharacters cannot be in
// anybody's file names.
const ESCAPED: [(char, char); 5] =
    [('\\', '\u{10fff0}'), ('{', '\u{10fff1}'), ('}', '\u{10fff2}'), (',', '\u{10fff3}'), ('.', '\u{10fff4}')];
const CLOSED: char = '\u{10fff2}';

/// All patterns that `pattern` stands for.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, TooManyError> {
    let opened = pattern.find('{');
    if opened.is_none() || pattern.rfind('}') < opened {
        return Ok(vec![pattern.to_owned()]);
    }
    let mut characters = Vec::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        let escaped =
            (character == '\\').then(|| ESCAPED.iter().find(|(plain, _)| Some(plain) == rest.peek())).flatten();
        characters.push(match escaped {
            Some((_, hidden)) => {
                rest.next();
                *hidden
            }
            None => character,
        });
    }
    // A leading pair of empty braces is text, though further ones would be looked at.
    if let [first @ '{', second @ '}', ..] = characters.as_mut_slice() {
        *first = '\u{10fff1}';
        *second = CLOSED;
    }
    let shown =
        |hidden: char| ESCAPED.iter().find(|(_, stand_in)| *stand_in == hidden).map_or(hidden, |(plain, _)| *plain);
    Ok(alternatives(characters, 0)?.into_iter().map(|text| text.into_iter().map(shown).collect()).collect())
}

fn alternatives(mut text: Vec<char>, depth: usize) -> Result<Vec<Vec<char>>, TooManyError> {
    if depth > MAX_DEPTH {
        return Err(TooManyError);
    }
    let mut built = vec![Vec::new()];
    loop {
        let Some((open, close)) = pair(&text) else {
            return combine(&built, &text, &[Vec::new()]);
        };
        let (before, body, after) = parts(&text, open, close);
        if before.last() == Some(&'$') {
            built = combine(&built, text.get(..=close).unwrap_or_default(), &[Vec::new()])?;
        } else if let Some(values) = range(body) {
            built = combine(&built, before, &values?)?;
        } else if body.contains(&',') {
            let pieces = split(body);
            let mut values = Vec::new();
            if let [single] = pieces.as_slice() {
                for inner in alternatives(single.clone(), depth + 1)? {
                    values.push([&['{'][..], &inner, &['}']].concat());
                }
            } else {
                for piece in pieces {
                    values.extend(alternatives(piece, depth + 1)?);
                    if values.len() > MAX_EXPANSIONS {
                        return Err(TooManyError);
                    }
                }
            }
            built = combine(&built, before, &values)?;
        } else if closes_later(after) {
            // "{a},b}": the first closing brace is text, a later one may close.
            text = [before, &['{'], body, &[CLOSED], after].concat();
            continue;
        } else {
            return combine(&built, &text, &[Vec::new()]);
        }
        if after.is_empty() {
            return Ok(built);
        }
        text = after.to_vec();
    }
}

fn parts(text: &[char], open: usize, close: usize) -> (&[char], &[char], &[char]) {
    (
        text.get(..open).unwrap_or_default(),
        text.get(open + 1..close).unwrap_or_default(),
        text.get(close + 1..).unwrap_or_default(),
    )
}

/// The outermost pair that closes first, or the leftmost complete pair where an outer one is never closed.
fn pair(text: &[char]) -> Option<(usize, usize)> {
    let mut open = Vec::new();
    let mut leftmost: Option<(usize, usize)> = None;
    for (at, character) in text.iter().enumerate() {
        match character {
            '{' => open.push(at),
            '}' => {
                let Some(begin) = open.pop() else { continue };
                if open.is_empty() {
                    return Some((begin, at));
                }
                if leftmost.is_none_or(|(left, _)| begin < left) {
                    leftmost = Some((begin, at));
                }
            }
            _ => {}
        }
    }
    leftmost
}

fn closes_later(after: &[char]) -> bool {
    let comma = after.windows(2).position(|pair| matches!(pair, [',', next] if *next != ','));
    comma.is_some_and(|comma| after.iter().skip(comma + 1).any(|character| *character == '}'))
}

/// The members between commas that are not inside inner braces.
fn split(body: &[char]) -> Vec<Vec<char>> {
    let mut pieces = vec![Vec::new()];
    let mut depth = 0_usize;
    for character in body {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if *character == ',' && depth == 0 {
            pieces.push(Vec::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(*character);
        }
    }
    pieces
}

/// The values of `1..3`, `a..e` or either with a step.
fn range(body: &[char]) -> Option<Result<Vec<Vec<char>>, TooManyError>> {
    let text: String = body.iter().collect();
    let pieces: Vec<&str> = text.split("..").collect();
    let (first, last, step) = match pieces.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => (*first, *last, step.parse::<i64>().ok()?),
        _ => return None,
    };
    let letter = |text: &str| match text.as_bytes() {
        [letter] if letter.is_ascii_alphabetic() => Some(i64::from(*letter)),
        _ => None,
    };
    let number = |text: &str| (!text.starts_with('+')).then(|| text.parse::<i64>().ok()).flatten();
    let (begin, end, letters) = match (letter(first), letter(last)) {
        (Some(begin), Some(end)) => (begin, end, true),
        _ => (number(first)?, number(last)?, false),
    };
    let step = step.unsigned_abs().max(1);
    if begin.abs_diff(end) / step >= MAX_EXPANSIONS as u64 {
        return Some(Err(TooManyError));
    }
    let padded = |text: &str| {
        let digits = text.trim_start_matches('-');
        digits.len() > 1 && digits.starts_with('0')
    };
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    let count = begin.abs_diff(end) / step;
    let values = (0..=count).map(|index| {
        let distance = i64::try_from(index * step).unwrap_or(i64::MAX);
        let value = if end < begin { begin.saturating_sub(distance) } else { begin.saturating_add(distance) };
        let text = if letters {
            // Between two letters of ASCII; the backslash among them vanishes.
            u8::try_from(value).map(|byte| char::from(byte).to_string().replace('\\', "")).unwrap_or_default()
        } else {
            format!("{value:0width$}")
        };
        text.chars().collect()
    });
    Some(Ok(values.collect()))
}

fn combine(built: &[Vec<char>], between: &[char], values: &[Vec<char>]) -> Result<Vec<Vec<char>>, TooManyError> {
    let count = built.len().saturating_mul(values.len());
    let letters = |texts: &[Vec<char>]| texts.iter().map(Vec::len).sum::<usize>();
    let all = letters(built).saturating_mul(values.len()).saturating_add(letters(values).saturating_mul(built.len()));
    if count > MAX_EXPANSIONS || all.saturating_add(between.len().saturating_mul(count)) > MAX_LETTERS {
        return Err(TooManyError);
    }
    let mut all = Vec::with_capacity(built.len() * values.len());
    for prefix in built {
        for value in values {
            all.push([prefix.as_slice(), between, value].concat());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_expand_as_in_a_shell() {
        for (pattern, expected) in [
            ("plain", "plain"),
            ("a{b,c}d", "abd acd"),
            ("{a,b}{1..3}", "a1 a2 a3 b1 b2 b3"),
            ("a{b,c{d,e}f}g", "abg acdfg acefg"),
            ("{08..10}", "08 09 10"),
            ("{c..a}", "c b a"),
            ("a{b}c", "a{b}c"),
            ("a{b,c", "a{b,c"),
            ("a\\{b,c\\}", "a{b,c}"),
            ("${a,b}", "${a,b}"),
            ("{a}{b,c}", "{a}b {a}c"),
            ("x{{a,b}}y", "x{a}y x{b}y"),
            ("readme{,.*[^~$]}", "readme readme.*[^~$]"),
        ] {
            assert_eq!(expand(pattern).unwrap().join(" "), expected, "{pattern}");
        }
    }

    #[test]
    fn what_would_never_end_is_refused() {
        assert_eq!(expand(&"{a,b}".repeat(11)), Err(TooManyError));
        assert_eq!(expand("{1..1000000000}"), Err(TooManyError));
        let deep = format!("{}a,b{}", "{x,".repeat(100), "}".repeat(100));
        assert_eq!(expand(&deep), Err(TooManyError));
        assert_eq!(expand("{1..1000}").unwrap().len(), 1_000);
        // Not their number alone: all of them are held.
        let long = |length: usize| format!("{}{{1..1000}}", "x".repeat(length));
        assert_eq!(expand(&long(62)).unwrap().len(), 1_000);
        assert_eq!(expand(&long(63)), Err(TooManyError));
        assert_eq!(expand(&format!("{{{}a}}", "{1..1000},".repeat(2))), Err(TooManyError));
    }
}
