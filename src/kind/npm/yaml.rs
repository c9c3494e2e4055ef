//! As much YAML as the settings of a workspace need: top-level keys that hold a list of texts, a map of texts, or a
//! map of such maps. Other keys are passed over whatever they hold. Written here because the libraries that read all
//! of YAML bring its anchors, tags and merges, which nobody writes in these places and which are what makes a small
//! document stand for a huge one.

use std::collections::BTreeMap;

/// Why a text is not understood: the line, from 1, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The line.
    pub(super) line: usize,
    /// The end of a sentence about it.
    pub(super) what: &'static str,
}

/// A line without its comment.
#[derive(Debug, Clone, Copy)]
struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

/// What stands behind a top-level key.
#[derive(Debug)]
pub(super) struct Block<'t> {
    head: Line<'t>,
    lines: Vec<Line<'t>>,
}

const ODD: &str = "is not in a form that is read here: plain or quoted texts, a line each";

/// The blocks of the first document, by their keys.
pub(super) fn blocks(text: &str) -> Result<BTreeMap<String, Block<'_>>, Problem> {
    let mut blocks: BTreeMap<String, Block<'_>> = BTreeMap::new();
    let mut current: Option<(String, Block<'_>)> = None;
    for (at, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = at + 1;
        if raw.trim_end() == "---" && current.is_none() && blocks.is_empty() {
            continue;
        }
        if matches!(raw.trim_end(), "---" | "...") {
            break;
        }
        let content = raw.trim_start_matches(' ');
        let indent = raw.len() - content.len();
        let content = without_comment(content).trim_end();
        if content.is_empty() {
            continue;
        }
        let line = Line { number, indent, text: content };
        // A list may stand as far out as its key.
        let continues = indent > 0 || content.starts_with("- ") || content == "-" || content.starts_with([']', '}']);
        match (&mut current, continues) {
            (Some((_, block)), true) => block.lines.push(line),
            (None, true) => return Err(Problem { line: number, what: "is indented, but nothing stands above it" }),
            (_, false) => {
                blocks.extend(current.take());
                let (key, rest) = pair(line)?;
                if blocks.contains_key(&key) {
                    return Err(Problem { line: number, what: "has a key that is there already" });
                }
                current = Some((key, Block { head: Line { text: rest, ..line }, lines: Vec::new() }));
            }
        }
    }
    blocks.extend(current);
    Ok(blocks)
}

impl Block<'_> {
    /// Where its key is.
    pub(super) fn line(&self) -> usize {
        self.head.number
    }

    /// The block as a list of texts.
    pub(super) fn list(&self) -> Result<Vec<String>, Problem> {
        if let Some(inner) = flow(self.head, &self.lines, '[', ']')? {
            return split(&inner).into_iter().map(|item| scalar(item, self.head.number)).collect();
        }
        let indent = self.lines.first().map_or(0, |line| line.indent);
        let items = self.lines.iter().map(|line| match line.text.strip_prefix("- ") {
            Some(item) if line.indent == indent => scalar(item.trim(), line.number),
            _ => Err(Problem { line: line.number, what: ODD }),
        });
        items.collect()
    }

    /// The block as a map of texts.
    pub(super) fn map(&self) -> Result<BTreeMap<String, String>, Problem> {
        map(self.head, &self.lines)
    }

    /// The block as a map of maps of texts.
    pub(super) fn maps(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, Problem> {
        let mut maps = BTreeMap::new();
        if let Some(inner) = flow(self.head, &self.lines, '{', '}')? {
            return if inner.is_empty() { Ok(maps) } else { Err(Problem { line: self.head.number, what: ODD }) };
        }
        let indent = self.lines.first().map_or(0, |line| line.indent);
        let mut rest = self.lines.as_slice();
        while let Some((first, after)) = rest.split_first() {
            if first.indent != indent {
                return Err(Problem { line: first.number, what: ODD });
            }
            let inside = after.iter().take_while(|line| line.indent > indent).count();
            let (inside, after) = after.split_at_checked(inside).unwrap_or((after, &[]));
            let (key, text) = pair(*first)?;
            maps.insert(key, map(Line { text, ..*first }, inside)?);
            rest = after;
        }
        Ok(maps)
    }
}

fn map(head: Line<'_>, lines: &[Line<'_>]) -> Result<BTreeMap<String, String>, Problem> {
    if let Some(inner) = flow(head, lines, '{', '}')? {
        let pairs = split(&inner).into_iter().map(|item| {
            let (key, value) = pair(Line { text: item, ..head })?;
            Ok((key, scalar(value, head.number)?))
        });
        return pairs.collect();
    }
    let indent = lines.first().map_or(0, |line| line.indent);
    let pairs = lines.iter().map(|line| {
        if line.indent != indent || indent == 0 {
            return Err(Problem { line: line.number, what: ODD });
        }
        let (key, value) = pair(*line)?;
        Ok((key, scalar(value, line.number)?))
    });
    pairs.collect()
}

/// What stands between brackets, perhaps over several lines; `None` where the head is empty and a block follows.
fn flow(head: Line<'_>, lines: &[Line<'_>], open: char, close: char) -> Result<Option<String>, Problem> {
    if head.text.is_empty() {
        return Ok(None);
    }
    let mut text = head.text.to_owned();
    for line in lines {
        text.push(' ');
        text.push_str(line.text);
    }
    let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    inner.map(|inner| Some(inner.trim().to_owned())).ok_or(Problem { line: head.number, what: ODD })
}

/// The parts between commas that are outside of quotes; one behind the last item may be left over.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quote = None;
    let mut begin = 0;
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if character == ',' => {
                parts.push(text.get(begin..at).unwrap_or_default().trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    let last = text.get(begin..).unwrap_or_default().trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

/// The line up to a `#` that begins a comment: outside of quotes, at the beginning or behind white space.
fn without_comment(text: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            // A quote begins a text only where one may begin.
            None if matches!(character, '"' | '\'') && matches!(before, ' ' | '[' | '{' | ',') => {
                quote = Some(character);
            }
            None if character == '#' && matches!(before, ' ' | '\t') => return text.get(..at).unwrap_or_default(),
            _ => {}
        }
        before = character;
    }
    text
}

/// Key and rest of `key: rest`.
fn pair(line: Line<'_>) -> Result<(String, &str), Problem> {
    let odd = Problem { line: line.number, what: "is no \"key: value\"" };
    let end = match line.text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let end = line.text.get(1..).and_then(|rest| rest.find(quote)).ok_or_else(|| odd.clone())? + 2;
            if !line.text.get(end..).is_some_and(|rest| rest.starts_with(':')) {
                return Err(odd);
            }
            end
        }
        _ => line.text.find(": ").or_else(|| line.text.strip_suffix(':').map(str::len)).ok_or_else(|| odd.clone())?,
    };
    let (key, rest) = line.text.split_at_checked(end).ok_or(odd)?;
    Ok((scalar(key.trim(), line.number)?, rest.get(1..).unwrap_or_default().trim()))
}

/// A plain or quoted text.
fn scalar(text: &str, line: usize) -> Result<String, Problem> {
    let odd = Problem { line, what: ODD };
    let quoted = |quote: char| text.strip_prefix(quote).map(|rest| rest.strip_suffix(quote));
    if let Some(inner) = quoted('\'') {
        let inner = inner.ok_or_else(|| odd.clone())?.replace("''", "\u{0}");
        return if inner.contains('\'') { Err(odd) } else { Ok(inner.replace('\u{0}', "'")) };
    }
    if let Some(inner) = quoted('"') {
        let inner = inner.ok_or_else(|| odd.clone())?;
        return if inner.contains(['"', '\\']) { Err(odd) } else { Ok(inner.to_owned()) };
    }
    let indicator = |first: char| "&*!|>%@`{}[],?#".contains(first);
    // Some of these do begin a text in YAML, none of them one that is meant here but for a star in a glob.
    if text.is_empty() || text.starts_with(indicator) || text.contains(": ") || text.ends_with(':') {
        return Err(odd);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_are_read_as_people_write_them() {
        let text = "\u{feff}---\n# a workspace\npackages:\n- 'packages/*' # all\n- \"!**/test/**\"\n- a#b\n\ncatalog:\r\n  react: ^18.2.0\r\n  '@types/node': \"20\" # pinned\n\
            catalogs:\n  next:\n    react: 19.0.0\n  empty: {}\n  flow: {a: 1.0.0, 'b': ^2,}\nother:\n  deep:\n    - { a: [1, &x b] }\n  text: |\n    x: y\nonlyBuilt: [\n  a,\n]\n---\nx\n";
        let blocks = blocks(text).unwrap();
        assert_eq!(blocks["packages"].list().unwrap(), ["packages/*", "!**/test/**", "a#b"]);
        let catalog = blocks["catalog"].map().unwrap();
        assert_eq!(catalog["react"], "^18.2.0");
        assert_eq!(catalog["@types/node"], "20");
        let catalogs = blocks["catalogs"].maps().unwrap();
        assert_eq!(catalogs["next"]["react"], "19.0.0");
        assert_eq!(catalogs["empty"].len(), 0);
        assert_eq!(catalogs["flow"].iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["a=1.0.0", "b=^2"]);
        assert_eq!(blocks["onlyBuilt"].list().unwrap(), ["a"]);
        assert_eq!(super::blocks("packages: ['a/*', \"b,c\"]").unwrap()["packages"].list().unwrap(), ["a/*", "b,c"]);
        assert_eq!(super::blocks("").unwrap().len(), 0);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_its_line() {
        for (text, line) in [
            ("packages:\n  - *all", 2),
            ("packages:\n  - a\n    b", 3),
            ("packages:\n  - 'a", 2),
            ("packages: &x [a]", 1),
            ("packages:\n  - \"a\\n\"", 2),
            ("packages:\n  - {a: b}", 2),
        ] {
            assert_eq!(blocks(text).unwrap()["packages"].list().unwrap_err().line, line, "{text}");
        }
        for (text, line) in [("catalog:\n  a: >\n    b", 2), ("catalog:\n  a\n", 2), ("catalog:\n\n  <<: *x", 3)] {
            assert_eq!(blocks(text).unwrap()["catalog"].map().unwrap_err().line, line, "{text}");
        }
        assert_eq!(blocks("a: 1\na: 2").unwrap_err().line, 2);
        assert_eq!(blocks("  a: 1").unwrap_err().line, 1);
        assert_eq!(blocks("just a text").unwrap_err().line, 1);
    }
}
