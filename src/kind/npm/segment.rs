//! One segment of a pattern, the part between two slashes: `*`, `?`, `[a-z]`, and the extended forms `?(…)`,
//! `*(…)`, `+(…)`, `@(…)` and `!(…)`. Dots are ordinary characters; letter case is the caller's choice.

use super::braces::TooManyError;
use super::class::Class;
use super::parser::Parser;
use super::work::Work;

/// Whether `A` and `a` are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// They are.
    Folded,
    /// They are not.
    Exact,
}

/// A name or text as the patterns compare it: a character outside the basic plane counts as two, as in UTF-16.
pub(super) fn letters(text: &str, case: Case) -> Vec<char> {
    let mut letters = Vec::with_capacity(text.len());
    for character in text.chars() {
        letters.push(match case {
            Case::Folded => fold(character),
            Case::Exact => character,
        });
        if character.len_utf16() == 2 {
            letters.push('\u{10ffff}');
        }
    }
    letters
}

/// Upper case where that is a single character that does not turn into ASCII (ECMAScript, Canonicalize).
fn fold(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) if character.is_ascii() || !single.is_ascii() => single,
        _ => character,
    }
}

/// What one letter of a name, or any number of them, may be.
#[derive(Debug, Clone)]
pub(super) enum Token {
    Letter(char),
    Any,
    Star,
    Class(Class),
    Never,
}

/// How much memory is set in the time of a step.
const SET_AT_ONCE: usize = 32;

/// A compiled segment.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    case: Case,
    form: Form,
}

/// How a segment is held against a name.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Empty,
    /// Nothing but stars: any name, but not the emptiness behind a trailing slash.
    Anything,
    Plain(Vec<Token>),
    Extended(Vec<Node>, usize),
}

/// A place in an extended pattern and what leads on from it.
#[derive(Debug, Clone)]
pub(super) enum Node {
    End,
    One(Token, usize),
    Either(Vec<usize>),
    /// Anything for which none of the alternatives, each followed by the rest, would match.
    Unless(Vec<usize>, usize),
}

impl Segment {
    /// Compiles the text between two slashes.
    pub(super) fn new(text: &str, case: Case) -> Result<Self, TooManyError> {
        let characters: Vec<char> = text.chars().collect();
        let plain_end = |characters: &[char]| !characters.iter().any(|c| "+@!?*[(".contains(*c));
        let signs = characters.iter().take_while(|c| Some(*c) == characters.first()).count();
        let rest = characters.get(signs..).unwrap_or_default();
        let form = match characters.first() {
            None => Form::Empty,
            Some('*') if rest.is_empty() => Form::Anything,
            // The two most common shapes; in these a backslash is an ordinary character.
            Some(sign @ ('*' | '?')) if plain_end(rest) => {
                let mut tokens = match sign {
                    '*' => vec![Token::Star],
                    _ => vec![Token::Any; signs],
                };
                let rest: String = rest.iter().collect();
                tokens.extend(letters(&rest, case).into_iter().map(Token::Letter));
                Form::Plain(tokens)
            }
            Some(_) => Parser::new(&characters, case).form()?,
        };
        Ok(Self { case, form })
    }

    /// Whether the segment stands for a single name.
    pub(super) fn is_literal(&self) -> bool {
        match &self.form {
            Form::Empty => true,
            Form::Plain(tokens) => tokens.iter().all(|token| match token {
                Token::Letter(_) => true,
                Token::Class(class) => class.is_letter(),
                Token::Any | Token::Star | Token::Never => false,
            }),
            Form::Anything | Form::Extended(..) => false,
        }
    }

    /// Whether the segment has no text: what is before a leading and behind a trailing slash.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.form, Form::Empty)
    }

    /// Whether the name (from [`letters`]) is one of the segment's.
    pub(super) fn matches(&self, name: &[char], work: &Work) -> bool {
        work.add(1);
        match &self.form {
            Form::Empty => name.is_empty(),
            Form::Anything => !name.is_empty(),
            Form::Plain(tokens) => wild(tokens, name, self.case, work),
            Form::Extended(nodes, start) => {
                let known = vec![None; nodes.len() * (name.len() + 1)];
                work.add(known.len() / SET_AT_ONCE);
                Search { nodes, name, case: self.case, known, work }.leads_to_end(*start, 0)
            }
        }
    }
}

fn accepts(token: &Token, letter: char, case: Case) -> bool {
    match token {
        Token::Letter(own) => *own == letter,
        Token::Any | Token::Star => true,
        Token::Never => false,
        Token::Class(class) => class.accepts(letter, case),
    }
}

/// The usual walk with one place to come back to: the last star.
fn wild(tokens: &[Token], name: &[char], case: Case, work: &Work) -> bool {
    let (mut token, mut letter) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while let Some(current) = name.get(letter) {
        work.add(1);
        match tokens.get(token) {
            Some(Token::Star) => {
                back = Some((token, letter));
                token += 1;
                continue;
            }
            Some(other) if accepts(other, *current, case) => {
                token += 1;
                letter += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = back else { return false };
        back = Some((star, from + 1));
        token = star + 1;
        letter = from + 1;
    }
    tokens.get(token..).unwrap_or_default().iter().all(|token| matches!(token, Token::Star))
}

struct Search<'a> {
    nodes: &'a [Node],
    name: &'a [char],
    case: Case,
    known: Vec<Option<bool>>,
    work: &'a Work,
}

impl Search<'_> {
    /// Whether the pattern from `node` on fits the name from `at` to its end. Every question is answered once; one
    /// that leads back to itself without having read a letter is answered with no.
    fn leads_to_end(&mut self, node: usize, at: usize) -> bool {
        self.work.add(1);
        let question = node * (self.name.len() + 1) + at;
        match self.known.get_mut(question) {
            Some(Some(answer)) => return *answer,
            Some(open) => *open = Some(false),
            None => return false,
        }
        let nodes = self.nodes;
        let answer = match nodes.get(node) {
            None => false,
            Some(Node::End) => at == self.name.len(),
            Some(Node::One(Token::Star, next)) => (at..=self.name.len()).any(|at| self.leads_to_end(*next, at)),
            Some(Node::One(token, next)) => {
                let here = self.name.get(at).is_some_and(|letter| accepts(token, *letter, self.case));
                here && self.leads_to_end(*next, at + 1)
            }
            Some(Node::Either(ways)) => ways.iter().any(|way| self.leads_to_end(*way, at)),
            Some(Node::Unless(ways, next)) => {
                !ways.iter().any(|way| self.leads_to_end(*way, at))
                    && (at..=self.name.len()).any(|at| self.leads_to_end(*next, at))
            }
        };
        if let Some(open) = self.known.get_mut(question) {
            *open = Some(answer);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Segment::new(pattern, Case::Folded).unwrap().matches(&letters(name, Case::Folded), &Work::default())
    }

    #[test]
    fn wildcards_classes_and_extended_forms() {
        for (pattern, yes, no) in [
            ("*", "a .b", ""),
            ("*.js", "a.js .js A.JS", "a.jsx js"),
            ("a*b*c", "abc aXbYc", "ab acb"),
            ("?.js", "a.js", "ab.js .js"),
            ("??.js", "ab.js 😀.js", "a.js"),
            ("[ab].js", "a.js B.js", "c.js"),
            ("[!ab]", "c", "a B"),
            ("[a-]", "a -", "b"),
            ("[[:digit:]]x", "1x", "ax"),
            ("a[", "a[", "a"),
            ("\\*x", "*x", "ax"),
            ("*\\.js", "", "a.js"),
            ("@(a|b).js", "a.js b.js", "c.js ab.js"),
            ("?(a)b", "b ab", "aab"),
            ("+(ab)c", "abc ababc", "c"),
            ("*(a|b)c", "c abbac", "dc"),
            ("!(a|b).js", "c.js ab.js .js", "a.js b.js"),
            ("!(*.test).js", "a.js", "a.test.js"),
            ("a(b", "a(b", "ab"),
            ("+(a", "+(a", "a"),
            ("STRASSE", "strasse", "straße"),
        ] {
            for name in yes.split(' ').filter(|name| !name.is_empty()) {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in no.split(' ') {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let name = "a".repeat(255);
        assert!(!matches(&format!("{}b", "*a".repeat(200)), &name));
        assert!(!matches("*(*(a|*(aa))|+(a))b", &name));
        assert!(Segment::new(&format!("@({})", "a|".repeat(300)), Case::Exact).is_err());
        let nested = "!(".repeat(5_000);
        assert!(matches(&nested, &nested));
    }
}
