//! Text to steps.

use super::{
    Root,
    function::{Call, Function, Parameter},
    step::{Chain, Step},
};
use crate::{Value, query::SyntaxError};

/// Most steps that one path can have, those inside its filters and functions included: recursion goes that deep.
const MAX_PATH_STEPS: usize = 256;

/// Deepest nesting of parentheses, filters and literals in one path: recursion goes that deep.
const MAX_FILTER_DEPTH: usize = 32;

/// Where a chain of steps stands, which decides what ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the path: it ends with the text.
    Whole,
    /// It is an operand of a filter.
    Operand,
    /// It is a parameter of a function.
    Parameter,
}

/// Compiles a path to its root, its steps and its absolute operands.
pub(super) fn parse(text: &str) -> Result<(Root, Chain, Box<[Chain]>), SyntaxError> {
    let trimmed = text.trim();
    let mut parser = Parser { text: trimmed, at: 0, absolutes: Vec::new(), depth: 0, steps: 0 };
    if !parser.take("$") {
        return Err(parser.error("Path must start with '$'"));
    }
    let root = parser.root()?;
    if !matches!(parser.peek(), None | Some('.' | '[')) {
        return Err(parser.error("Expected '.' or '['"));
    }
    let chain = parser.chain(Place::Whole, "$", true)?;
    Ok((root, chain, parser.absolutes.into_boxed_slice()))
}

/// A place in the text of a path.
pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    /// Bytes that are done.
    pub(super) at: usize,
    absolutes: Vec<Chain>,
    depth: usize,
    steps: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn error(&self, message: &str) -> SyntaxError {
        SyntaxError { message: message.into(), offset: self.at }
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn take(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    pub(super) fn expect(&mut self, expected: &str) -> Result<(), SyntaxError> {
        self.skip_spaces();
        if self.take(expected) { Ok(()) } else { Err(self.error(&format!("Expected '{expected}'"))) }
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(|next| next.is_ascii_whitespace());
    }

    pub(super) fn take_while(&mut self, mut accepts: impl FnMut(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|next| !accepts(next)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Goes one level down; [`Parser::leave`] comes back up.
    pub(super) fn enter(&mut self) -> Result<(), SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_FILTER_DEPTH { Err(self.error("The path is nested too deeply")) } else { Ok(()) }
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Keeps an absolute operand and gives its place.
    pub(super) fn keep_absolute(&mut self, chain: Chain) -> usize {
        self.absolutes.push(chain);
        self.absolutes.len() - 1
    }

    /// What follows the first `$`.
    fn root(&mut self) -> Result<Root, SyntaxError> {
        if self.take("$") {
            return Ok(Root::Context);
        }
        let name = self.take_while(|next| next.is_alphanumeric() || next == '_');
        if name.starts_with(|first: char| first.is_numeric()) {
            return Err(self.error("A variable name must not start with a digit"));
        }
        Ok(if name.is_empty() { Root::Input } else { Root::Variable(name.to_owned()) })
    }

    /// Steps up to the end of the path; `definite` tells whether what comes before them is one certain value.
    pub(super) fn chain(&mut self, place: Place, prefix: &str, definite: bool) -> Result<Chain, SyntaxError> {
        let mut steps = Vec::new();
        loop {
            self.steps += 1;
            if self.steps > MAX_PATH_STEPS {
                return Err(self.error("The path has too many steps"));
            }
            match self.peek() {
                Some('[') => {
                    let step = self.bracket()?;
                    steps.push(step);
                    continue;
                }
                Some('.') => self.at += 1,
                Some(_) if place == Place::Whole => return Err(self.error("Expected '.' or '['")),
                _ => return Ok(Chain::new(steps, None, prefix, definite)),
            }
            if self.take(".") {
                steps.push(Step::Scan);
            }
            match self.peek() {
                None => return Err(self.error("Path must not end with a '.' or '..'")),
                Some('.') => return Err(self.error("Unexpected '.'")),
                Some('[') => continue,
                Some('*') => {
                    self.at += 1;
                    steps.push(Step::Wildcard);
                    continue;
                }
                Some(_) => {}
            }
            let name = self.name(place)?;
            if self.peek() != Some('(') {
                steps.push(Step::Name(name.into()));
                continue;
            }
            let Some(function) = Function::from_name(name) else {
                return Err(self.error(&format!("Function with name: {name} does not exist.")));
            };
            if matches!(steps.last(), Some(Step::Scan)) {
                return Err(self.error("Expected a name between '..' and the function"));
            }
            return self.call(place, steps, function, prefix, definite);
        }
    }

    /// A name after a dot.
    fn name(&mut self, place: Place) -> Result<&'t str, SyntaxError> {
        let name = self.take_while(|next| match next {
            '.' | '[' | '(' => false,
            next if next.is_whitespace() => false,
            '<' | '>' | '=' | '~' | '!' | '&' | '|' | ')' | ']' | ',' => match place {
                Place::Whole => true,
                Place::Operand => false,
                Place::Parameter => !matches!(next, ',' | ')'),
            },
            _ => true,
        });
        if place == Place::Whole && self.peek().is_some_and(char::is_whitespace) {
            return Err(self.error("Use bracket notation ['my prop'] if a property contains blank characters."));
        }
        if name.is_empty() { Err(self.error("Expected a name")) } else { Ok(name) }
    }

    /// The parameters of a function and the steps behind it.
    fn call(
        &mut self,
        place: Place,
        steps: Vec<Step>,
        function: Function,
        prefix: &str,
        definite: bool,
    ) -> Result<Chain, SyntaxError> {
        self.enter()?;
        self.at += 1;
        let mut parameters = Vec::new();
        self.skip_spaces();
        while !self.take(")") {
            if !parameters.is_empty() {
                self.expect(",")?;
                self.skip_spaces();
            }
            parameters.push(self.parameter()?);
            self.skip_spaces();
        }
        self.leave();
        let call = Call { function, parameters: parameters.into_boxed_slice(), then: Chain::default() };
        let mut chain = Chain::new(steps, Some(Box::new(call)), prefix, definite);
        let definite = definite && chain.is_definite();
        let then = self.chain(place, &chain.text(), definite)?;
        if let Some(call) = &mut chain.call {
            call.then = then;
        }
        Ok(chain)
    }

    fn parameter(&mut self) -> Result<Parameter, SyntaxError> {
        if self.take("$") || self.take("@") {
            let chain = self.chain(Place::Parameter, "$", false)?;
            return Ok(Parameter::Absolute(self.keep_absolute(chain)));
        }
        self.literal().map(Parameter::Constant)
    }

    /// `[…]`.
    fn bracket(&mut self) -> Result<Step, SyntaxError> {
        self.at += 1;
        self.skip_spaces();
        let step = match self.peek() {
            Some('\'' | '"') => self.names()?,
            Some('*') => {
                self.at += 1;
                Step::Wildcard
            }
            Some('?') => {
                self.at += 1;
                self.enter()?;
                let filter = self.filter()?;
                self.leave();
                Step::Filter(Box::new(filter))
            }
            Some('(') => self.length_script()?,
            Some('-' | ':' | '0'..='9') => self.indexes()?,
            _ => return Err(self.error("Expected ?, ', 0-9, *")),
        };
        self.expect("]")?;
        Ok(step)
    }

    fn names(&mut self) -> Result<Step, SyntaxError> {
        let mut names = vec![self.quoted_name()?];
        self.skip_spaces();
        while self.take(",") {
            self.skip_spaces();
            names.push(self.quoted_name()?);
            self.skip_spaces();
        }
        Ok(match names.pop() {
            Some(name) if names.is_empty() => Step::Name(name),
            last => {
                names.extend(last);
                Step::Names(names.into_boxed_slice())
            }
        })
    }

    /// A name in quotes. A backslash keeps the quote behind it from ending the name, and is left out before the quote
    /// that the name stands in; any other backslash is part of the name.
    fn quoted_name(&mut self) -> Result<Box<str>, SyntaxError> {
        let Some(quote @ ('\'' | '"')) = self.next() else { return Err(self.error("Expected a name in quotes")) };
        let mut name = String::new();
        loop {
            match self.next() {
                None => return Err(self.error("Property has not been closed")),
                Some('\\') => {
                    let escaped = self.next().ok_or_else(|| self.error("Property has not been closed"))?;
                    if escaped != quote {
                        name.push('\\');
                    }
                    name.push(escaped);
                }
                Some(end) if end == quote => return Ok(name.into()),
                Some(next) => name.push(next),
            }
        }
    }

    /// `0`, `-1`, `0,2`, `1:3`, `1:`, `:3`.
    fn indexes(&mut self) -> Result<Step, SyntaxError> {
        let first = self.integer()?;
        self.skip_spaces();
        if self.take(":") {
            self.skip_spaces();
            let to = self.integer()?;
            if first.is_none() && to.is_none() {
                return Err(self.error("Failed to parse SliceOperation"));
            }
            return Ok(Step::Slice { from: first, to });
        }
        let mut indexes = vec![first.ok_or_else(|| self.error("Expected an index"))?];
        while self.take(",") {
            self.skip_spaces();
            indexes.push(self.integer()?.ok_or_else(|| self.error("Expected an index"))?);
            self.skip_spaces();
        }
        Ok(if let [index] = indexes[..] { Step::Index(index) } else { Step::Indexes(indexes.into_boxed_slice()) })
    }

    /// An integer, if there is one; what no array can have is as good as the largest.
    fn integer(&mut self) -> Result<Option<i64>, SyntaxError> {
        let negative = self.take("-");
        let digits = self.take_while(|next| next.is_ascii_digit());
        if digits.is_empty() {
            return if negative { Err(self.error("Expected a digit")) } else { Ok(None) };
        }
        // Half the range, so that a length can be added.
        let number = digits.parse::<i64>().map_or(i64::MAX / 2, |number| number.min(i64::MAX / 2));
        Ok(Some(if negative { -number } else { number }))
    }

    /// `(@.length-1)`: an index from the end, of Goessner's script expressions the one that Jayway took.
    fn length_script(&mut self) -> Result<Step, SyntaxError> {
        self.at += 1;
        self.skip_spaces();
        if !(self.take("@.length") || self.take("@.size")) {
            return Err(self.error("Expected @.length"));
        }
        let _ = self.take("()");
        self.expect("-")?;
        self.skip_spaces();
        let index = self.integer()?.filter(|index| *index > 0).ok_or_else(|| self.error("Expected an index"))?;
        self.expect(")")?;
        Ok(Step::Index(-index))
    }

    /// A literal: JSON, with either kind of quotes, or a bare word, which is a string.
    pub(super) fn literal(&mut self) -> Result<Value, SyntaxError> {
        self.enter()?;
        let value = match self.peek() {
            Some(quote @ ('\'' | '"')) => Value::from(self.string(quote)?),
            Some('[') => self.array()?,
            Some('{') => self.object()?,
            _ => self.word()?,
        };
        self.leave();
        Ok(value)
    }
}
