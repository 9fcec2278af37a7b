//! The text of a call to a [`Call`] with checked arguments.

use super::{Argument, Call, MAX_INTRINSIC_DEPTH, function::Function, function::Kind, template::Template};
use crate::{
    Value,
    query::{Path, SyntaxError},
    value::View,
};

/// All functions are in this namespace.
const NAMESPACE: &str = "States.";

/// Compiles a call that is the whole text.
pub(super) fn parse(text: &str) -> Result<Call, SyntaxError> {
    let mut parser = Parser { text, place: 0 };
    let call = parser.call(1)?;
    if parser.place < text.len() {
        return Err(parser.error("expected the end of the call"));
    }
    Ok(call)
}

struct Parser<'a> {
    text: &'a str,
    /// How many bytes are read.
    place: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, message: impl Into<String>) -> SyntaxError {
        self.error_at(self.place, message)
    }

    fn error_at(&self, offset: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError { message: message.into(), offset }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn accept(&mut self, expected: u8) -> bool {
        let found = self.peek() == Some(expected);
        self.place += usize::from(found);
        found
    }

    fn skip_white_space(&mut self) {
        self.place = self.text.len() - self.rest().trim_ascii_start().len();
    }

    /// Reads while `belongs` holds; ASCII only, so that the place stays between characters.
    fn word(&mut self, belongs: fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii() && belongs(*byte)).count();
        self.place += length;
        &rest[..length]
    }

    /// `States.Name(argument, …)`. The recursion is bounded by [`MAX_INTRINSIC_DEPTH`].
    fn call(&mut self, depth: usize) -> Result<Call, SyntaxError> {
        let start = self.place;
        if depth > MAX_INTRINSIC_DEPTH {
            return Err(self.error(format!("functions must not be nested deeper than {MAX_INTRINSIC_DEPTH} levels")));
        }
        if !self.rest().starts_with(NAMESPACE) {
            return Err(self.error("expected a function such as States.Format"));
        }
        self.place += NAMESPACE.len();
        let name = self.word(|byte| byte.is_ascii_alphanumeric());
        let function = Function::find(name)
            .ok_or_else(|| self.error_at(start, format!("there is no function {NAMESPACE}{name}")))?;
        if !self.accept(b'(') {
            return Err(self.error("expected '('"));
        }
        let mut arguments = Vec::new();
        self.skip_white_space();
        if !self.accept(b')') {
            loop {
                self.skip_white_space();
                let argument = self.argument(function, arguments.len(), depth)?;
                arguments.push(argument);
                self.skip_white_space();
                if self.accept(b')') {
                    break;
                }
                if !self.accept(b',') {
                    return Err(self.error("expected ',' or ')'"));
                }
            }
        }
        self.check_count(function, &arguments, start)?;
        Ok(Call { function, arguments: arguments.into() })
    }

    fn check_count(&self, function: Function, arguments: &[Argument], start: usize) -> Result<(), SyntaxError> {
        let signature = function.signature();
        let (least, most) = (signature.required, signature.parameters.len());
        if arguments.len() < least || (!signature.variadic && arguments.len() > most) {
            let expected = match (signature.variadic, least == most) {
                (true, _) => format!("at least {least}"),
                (false, true) => least.to_string(),
                (false, false) => format!("{least} to {most}"),
            };
            let (name, found) = (function.name(), arguments.len());
            return Err(self.error_at(start, format!("States.{name} takes {expected} arguments, not {found}")));
        }
        if let Some(Argument::Template(template)) = arguments.first() {
            let (expected, found) = (template.placeholders(), arguments.len() - 1);
            if expected != found {
                let message = format!("the template takes {expected} arguments, not {found}");
                return Err(self.error_at(start, message));
            }
        }
        Ok(())
    }

    fn argument(&mut self, function: Function, place: usize, depth: usize) -> Result<Argument, SyntaxError> {
        let start = self.place;
        match self.peek() {
            Some(b'$') => self.path().map(Argument::Path),
            Some(b'S') => self.call(depth + 1).map(Argument::Call),
            Some(b'\'') => {
                let raw = self.string()?;
                if function == Function::Format && place == 0 {
                    let template = Template::parse(raw).map_err(|error| {
                        self.error_at(start + 1 + error.offset, format!("invalid template: {}", error.message))
                    })?;
                    return Ok(Argument::Template(template));
                }
                self.literal(Value::from(unescape(raw)), function, place, start)
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.word(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
                // Integers are held in place; what is written in another way stays a text.
                let number = match text.parse::<i64>() {
                    Ok(integer) if itoa::Buffer::new().format(integer) == text => Value::from(integer),
                    _ => Value::parse(text).map_err(|_| self.error_at(start, "expected a number"))?,
                };
                self.literal(number, function, place, start)
            }
            _ => {
                let value = match self.word(|byte| byte.is_ascii_alphabetic()) {
                    "true" => Value::from(true),
                    "false" => Value::from(false),
                    "null" => Value::NULL,
                    _ => return Err(self.error_at(start, "expected an argument")),
                };
                self.literal(value, function, place, start)
            }
        }
    }

    /// A literal of a type that the function takes in this place.
    fn literal(&self, value: Value, function: Function, place: usize, start: usize) -> Result<Argument, SyntaxError> {
        let kind = function.signature().parameters.get(place).copied().unwrap_or(Kind::Any);
        let (fits, expected) = match kind {
            Kind::Any => (true, "value"),
            Kind::String => (matches!(value.view(), View::String(_)), "string"),
            Kind::Number => (matches!(value.view(), View::Number(_)), "number"),
            Kind::Array => (false, "path or function that gives an array"),
            Kind::Object => (false, "path or function that gives an object"),
        };
        if !fits {
            let message = format!("argument {} of States.{} must be a {expected}", place + 1, function.name());
            return Err(self.error_at(start, message));
        }
        Ok(Argument::Literal(value))
    }

    /// What stands between single quotes, escapes and all. The only escapes are `\'`, `\{`, `\}` and `\\`.
    fn string(&mut self) -> Result<&'a str, SyntaxError> {
        self.place += 1;
        let start = self.place;
        let mut bytes = self.rest().bytes().enumerate();
        while let Some((offset, byte)) = bytes.next() {
            match byte {
                b'\'' => {
                    self.place = start + offset + 1;
                    return Ok(&self.text[start..start + offset]);
                }
                b'\\' if !matches!(bytes.next(), Some((_, b'\'' | b'{' | b'}' | b'\\'))) => {
                    return Err(self.error_at(start + offset, r"'\' must be followed by one of ' { } \"));
                }
                _ => {}
            }
        }
        Err(self.error_at(start - 1, "the string has no end"))
    }

    /// A path: up to the `,` or `)` outside its brackets, parentheses and quotes.
    fn path(&mut self) -> Result<Path, SyntaxError> {
        let start = self.place;
        let rest = self.rest();
        let mut depth = 0_usize;
        let mut quote = None;
        let mut length = rest.len();
        let mut bytes = rest.bytes().enumerate();
        while let Some((offset, byte)) = bytes.next() {
            match (quote, byte) {
                (Some(_), b'\\') => {
                    bytes.next();
                }
                (Some(open), _) => {
                    if open == byte {
                        quote = None;
                    }
                }
                // Quotes are quotes in brackets and parentheses only; elsewhere a name may hold them.
                (None, b'\'' | b'"') if depth > 0 => quote = Some(byte),
                (None, b'[' | b'(') => depth += 1,
                (None, b')' | b',') if depth == 0 => {
                    length = offset;
                    break;
                }
                (None, b']' | b')') => depth = depth.saturating_sub(1),
                (None, _) => {}
            }
        }
        self.place += length;
        Path::parse(rest[..length].trim_ascii_end())
            .map_err(|error| SyntaxError { message: error.message, offset: start + error.offset })
    }
}

/// The text that a string with checked escapes stands for.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            _ => text.push(character),
        }
    }
    text
}
