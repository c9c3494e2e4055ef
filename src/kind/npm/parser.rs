//! Reads the text of a pattern's segment into what names are held against.

use super::braces::TooManyError;
use super::class::Class;
use super::segment::{Case, Form, Node, Token, letters};

/// Longest segment with extended forms; longer ones are refused.
const MAX_EXTENDED: usize = 512;
/// Most brackets of a segment that are opened and never closed: for each, the rest of the segment is searched.
const MAX_UNCLOSED: usize = 32;
/// How deep extended forms nest before their signs are text.
const MAX_NESTING: usize = 3;

#[derive(Debug, Clone)]
enum Item {
    Token(Token),
    Extended(char, Vec<Vec<Item>>),
}

/// A segment being read.
pub(super) struct Parser<'a> {
    characters: &'a [char],
    at: usize,
    case: Case,
    extended: bool,
    /// How many brackets are never closed.
    unclosed: usize,
}

/// How a list of items ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Text,
    Bar,
    Parenthesis,
}

impl<'a> Parser<'a> {
    /// Begins reading the segment's text.
    pub(super) fn new(characters: &'a [char], case: Case) -> Self {
        Self { characters, at: 0, case, extended: true, unclosed: 0 }
    }

    /// Reads it to its end.
    pub(super) fn form(mut self) -> Result<Form, TooManyError> {
        let (items, _) = self.items(0);
        if self.unclosed > MAX_UNCLOSED {
            return Err(TooManyError);
        }
        let plain: Option<Vec<Token>> = items
            .iter()
            .map(|item| match item {
                Item::Token(token) => Some(token.clone()),
                Item::Extended(..) => None,
            })
            .collect();
        if let Some(tokens) = plain {
            return Ok(Form::Plain(tokens));
        }
        if self.characters.len() > MAX_EXTENDED {
            return Err(TooManyError);
        }
        let mut nodes = vec![Node::End];
        let start = link(&items, 0, &mut nodes);
        Ok(Form::Extended(nodes, start))
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn items(&mut self, nesting: usize) -> (Vec<Item>, Ended) {
        let mut items = Vec::new();
        while let Some(character) = self.peek() {
            self.at += 1;
            match character {
                '|' if nesting > 0 => return (items, Ended::Bar),
                ')' if nesting > 0 => return (items, Ended::Parenthesis),
                '?' | '*' | '+' | '@' | '!' if self.extended && nesting < MAX_NESTING && self.peek() == Some('(') => {
                    let before = self.at;
                    self.at += 1;
                    if let Some(choices) = self.choices(nesting + 1) {
                        items.push(Item::Extended(character, choices));
                        continue;
                    }
                    // Never closed: from here on the signs mean what they mean outside.
                    self.at = before;
                    self.extended = false;
                    self.plain(character, &mut items);
                }
                _ => self.plain(character, &mut items),
            }
        }
        (items, Ended::Text)
    }

    fn choices(&mut self, nesting: usize) -> Option<Vec<Vec<Item>>> {
        let mut choices = Vec::new();
        loop {
            let (items, ended) = self.items(nesting);
            choices.push(items);
            match ended {
                Ended::Bar => {}
                Ended::Parenthesis => return Some(choices),
                Ended::Text => return None,
            }
        }
    }

    fn plain(&mut self, character: char, items: &mut Vec<Item>) {
        match character {
            '*' => {
                if !matches!(items.last(), Some(Item::Token(Token::Star))) {
                    items.push(Item::Token(Token::Star));
                }
            }
            '?' => items.push(Item::Token(Token::Any)),
            // Refused in the end.
            '[' if self.unclosed > MAX_UNCLOSED => self.letter('[', items),
            '[' => match Class::parse(self.characters, self.at) {
                Some((class, _)) if class.is_void() => {
                    self.at = self.characters.len();
                    items.push(Item::Token(Token::Never));
                }
                Some((class, end)) => {
                    self.at = end;
                    items.push(Item::Token(Token::Class(class)));
                }
                None => {
                    self.unclosed += 1;
                    self.letter('[', items);
                }
            },
            '\\' => match self.peek() {
                Some(escaped) => {
                    self.at += 1;
                    self.letter(escaped, items);
                }
                None => self.letter('\\', items),
            },
            other => self.letter(other, items),
        }
    }

    fn letter(&self, character: char, items: &mut Vec<Item>) {
        let mut buffer = [0; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        items.extend(letters(text, self.case).into_iter().map(Token::Letter).map(Item::Token));
    }
}

/// Turns items into nodes that lead on to `next`; returns where they begin.
fn link(items: &[Item], next: usize, nodes: &mut Vec<Node>) -> usize {
    let add = |nodes: &mut Vec<Node>, node| {
        nodes.push(node);
        nodes.len() - 1
    };
    items.iter().rev().fold(next, |next, item| match item {
        Item::Token(token) => add(nodes, Node::One(token.clone(), next)),
        Item::Extended(sign, choices) => {
            // A repetition leads back to itself, so its place must exist before its members do.
            let own = add(nodes, Node::Either(Vec::new()));
            let after = if matches!(sign, '*' | '+') { own } else { next };
            let ways: Vec<usize> = choices.iter().map(|choice| link(choice, after, nodes)).collect();
            let start = match sign {
                '+' => add(nodes, Node::Either(ways.clone())),
                _ => own,
            };
            let node = match sign {
                '!' => Node::Unless(ways, next),
                '@' => Node::Either(ways),
                _ => Node::Either(ways.into_iter().chain([next]).collect()),
            };
            if let Some(place) = nodes.get_mut(own) {
                *place = node;
            }
            start
        }
    })
}
