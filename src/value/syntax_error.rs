//! What is wrong with a text that is not JSON, in the words of AWS's parser (Jackson).

use std::fmt::{self, Write as _};

use super::{MAX_DOCUMENT_BYTES, MAX_NESTING_DEPTH};

/// Why a text could not be parsed as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong, in Jackson's words, without the place.
    pub message: String,
    /// Line of the place where the parser stopped, from 1.
    pub line: usize,
    /// Column of that place, in UTF-16 units as Java counts, from 1. It is the place behind what was read last.
    pub column: usize,
}

impl ParseError {
    /// The place as Jackson prints it, such as `[Source: (String)"not JSON"; line: 1, column: 4]`. `source` is the text
    /// that was parsed; 500 characters of it are shown.
    #[must_use]
    pub fn location(&self, source: &str) -> String {
        location(source, self.line, self.column)
    }

    /// Message and place as AWS reports them: `Unrecognized token … \n at [Source: …]`.
    #[must_use]
    pub fn full_message(&self, source: &str) -> String {
        format!("{}\n at {}", self.message, self.location(source))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (line {}, column {})", self.message, self.line, self.column)
    }
}

impl std::error::Error for ParseError {}

/// How much of the text Jackson shows in a place, in UTF-16 units.
const SNIPPET_UNITS: usize = 500;

/// The longest token that Jackson shows, in UTF-16 units.
const TOKEN_UNITS: usize = 256;

/// What a value may be, as Jackson lists it.
const VALID_VALUES: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// Finds out why `source` is not JSON: one pass that follows Jackson's `ReaderBasedJsonParser` step by step, so that the
/// words and the place are the same. Memory is bounded by the nesting limit.
pub(super) fn diagnose(source: &[u8]) -> ParseError {
    if source.len() > MAX_DOCUMENT_BYTES {
        let message = format!(
            "Document length ({}) exceeds the maximum allowed ({MAX_DOCUMENT_BYTES}, from \
             `StreamReadConstraints.getMaxDocumentLength()`)",
            source.len()
        );
        return ParseError { message, line: 1, column: 1 };
    }
    let (text, invalid_byte) = match std::str::from_utf8(source) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = error.valid_up_to();
            let text = std::str::from_utf8(&source[..valid]).unwrap_or_default();
            let place = match error.error_len() {
                Some(length) => valid + length - 1,
                None => source.len() - 1,
            };
            let kind = if place == valid { "start" } else { "middle" };
            (text, Some(format!("Invalid UTF-8 {kind} byte 0x{:x}", source[place])))
        }
    };
    let mut reader = Reader::new(text);
    let message = match reader.document() {
        Err(Stop::Wrong(message)) => message,
        Err(Stop::End(message)) => invalid_byte.unwrap_or(message),
        // What this pass takes for JSON was refused for a reason of our own parser alone.
        Ok(()) => invalid_byte.unwrap_or_else(|| "Unexpected character".into()),
    };
    ParseError { message, line: reader.line, column: reader.column() }
}

fn location(source: &str, line: usize, column: usize) -> String {
    let mut out = String::from("[Source: (String)\"");
    let mut units = 0;
    let mut shown = 0;
    for character in source.chars() {
        let next = units + character.len_utf16();
        if next <= SNIPPET_UNITS {
            shown = next;
            if character.is_control() && !matches!(character, '\r' | '\n') {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            } else {
                out.push(character);
            }
        }
        units = next;
    }
    out.push('"');
    if units > shown && units > SNIPPET_UNITS {
        let _ = write!(out, "[truncated {} chars]", units - SNIPPET_UNITS);
    }
    let _ = write!(out, "; line: {line}, column: {column}]");
    out
}

/// Why the pass stops: at something wrong, or at the end of the text.
enum Stop {
    Wrong(String),
    End(String),
}

type Step<T> = Result<T, Stop>;

fn wrong<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Wrong(message.into()))
}

fn end<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::End(message.into()))
}

fn unexpected<T>(character: char, comment: &str) -> Step<T> {
    wrong(format!("Unexpected character ({}): {comment}", describe(character)))
}

fn unexpected_in_number<T>(character: char, comment: &str) -> Step<T> {
    wrong(format!("Unexpected character ({}) in numeric value: {comment}", describe(character)))
}

/// How Jackson names a character: `'}' (code 125)`.
fn describe(character: char) -> String {
    let code = u32::from(character);
    if character.is_control() {
        format!("(CTRL-CHAR, code {code})")
    } else if code > 255 {
        format!("'{character}' (code {code} / 0x{code:x})")
    } else {
        format!("'{character}' (code {code})")
    }
}

/// Java's `Character.isJavaIdentifierStart`, as far as the standard library can tell.
fn starts_identifier(character: char) -> bool {
    character.is_alphabetic()
        || matches!(character, '_' | '$' | '¢'..='¥' | '\u{20A0}'..='\u{20C0}' | '\u{203F}' | '\u{2040}')
}

/// Java's `Character.isJavaIdentifierPart`: also digits and characters that identifiers ignore.
fn continues_identifier(character: char) -> bool {
    starts_identifier(character)
        || character.is_numeric()
        || matches!(character, '\0'..='\u{8}' | '\u{e}'..='\u{1b}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{feff}')
}

/// An array or object that is still open, with the place of its bracket.
struct Open {
    is_object: bool,
    has_entries: bool,
    line: usize,
    column: usize,
}

struct Reader<'a> {
    text: &'a str,
    /// Where the next character is, in bytes.
    at: usize,
    line: usize,
    /// UTF-16 units read on this line.
    units: usize,
    open: Vec<Open>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, units: 0, open: Vec::new() }
    }

    fn column(&self) -> usize {
        self.units + 1
    }

    fn peek(&self) -> Option<char> {
        let byte = *self.text.as_bytes().get(self.at)?;
        if byte.is_ascii() { Some(char::from(byte)) } else { self.text[self.at..].chars().next() }
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        self.units += character.len_utf16();
        Some(character)
    }

    /// `Array`, `Object` or `root`, as Jackson names what is open.
    fn context(&self) -> &'static str {
        match self.open.last() {
            Some(open) if open.is_object => "Object",
            Some(_) => "Array",
            None => "root",
        }
    }

    /// The next character that is no white space; `None` at the end.
    fn skip_white_space(&mut self) -> Step<Option<char>> {
        while let Some(character) = self.next() {
            match character {
                ' ' | '\t' => {}
                '\n' => self.new_line(),
                '\r' => {
                    if self.peek() == Some('\n') {
                        self.next();
                    }
                    self.new_line();
                }
                '\0'..='\u{1f}' => {
                    return wrong(format!(
                        "Illegal character ({}): only regular white space (\\r, \\n, \\t) is allowed between tokens",
                        describe(character)
                    ));
                }
                '/' => {
                    return unexpected(
                        character,
                        "maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not \
                         enabled for parser)",
                    );
                }
                _ => return Ok(Some(character)),
            }
        }
        Ok(None)
    }

    fn new_line(&mut self) {
        self.line += 1;
        self.units = 0;
    }

    fn document(&mut self) -> Step<()> {
        let Some(first) = self.skip_white_space()? else { return end("No content to map due to end-of-input") };
        self.value_or_close(first)?;
        while !self.open.is_empty() {
            let Some(character) = self.skip_white_space()? else { return self.unclosed() };
            self.value_or_close(character)?;
        }
        let Some(character) = self.skip_white_space()? else { return Ok(()) };
        self.value_or_close(character)?;
        let token = match character {
            '{' => "START_OBJECT",
            '[' => "START_ARRAY",
            '"' => "VALUE_STRING",
            't' => "VALUE_TRUE",
            'f' => "VALUE_FALSE",
            'n' => "VALUE_NULL",
            _ => "VALUE_NUMBER_INT",
        };
        wrong(format!(
            "Trailing token (of type {token}) found after value (bound as `com.fasterxml.jackson.databind.JsonNode`): \
             not allowed as per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`"
        ))
    }

    fn unclosed(&self) -> Step<()> {
        let Some(open) = self.open.last() else { return Ok(()) };
        end(format!(
            "Unexpected end-of-input: expected close marker for {} (start marker at {})",
            self.context(),
            location(self.text, open.line, open.column)
        ))
    }

    /// One step: a closing bracket, or the comma, the field name and the start of a value.
    fn value_or_close(&mut self, mut character: char) -> Step<()> {
        if matches!(character, ']' | '}') {
            return self.close(character);
        }
        let context = self.context();
        if let Some(open) = self.open.last_mut() {
            if open.has_entries {
                if character != ',' {
                    return unexpected(character, &format!("was expecting comma to separate {context} entries"));
                }
                character = self.between_entries()?;
            } else {
                open.has_entries = true;
            }
        }
        let in_object = self.open.last().is_some_and(|open| open.is_object);
        if in_object {
            if character != '"' {
                return unexpected(character, "was expecting double-quote to start field name");
            }
            self.string(" in field name", "name")?;
            let colon = self.between_entries()?;
            if colon != ':' {
                return unexpected(colon, "was expecting a colon to separate field name and value");
            }
            character = self.between_entries()?;
        }
        self.value(character, in_object)
    }

    fn between_entries(&mut self) -> Step<char> {
        match self.skip_white_space()? {
            Some(character) => Ok(character),
            None => end(format!("Unexpected end-of-input within/between {} entries", self.context())),
        }
    }

    fn close(&mut self, character: char) -> Step<()> {
        let is_object = character == '}';
        match self.open.last() {
            Some(open) if open.is_object == is_object => {
                self.open.pop();
                Ok(())
            }
            open => {
                let (line, column) = open.map_or((1, 0), |open| (open.line, open.column));
                wrong(format!(
                    "Unexpected close marker '{character}': expected '{}' (for {} starting at {})",
                    if is_object { ']' } else { '}' },
                    self.context(),
                    location(self.text, line, column)
                ))
            }
        }
    }

    fn value(&mut self, character: char, in_object: bool) -> Step<()> {
        match character {
            '"' => self.string(": was expecting closing quote for a string value", "string value"),
            '{' | '[' => {
                let depth = self.open.len() + 1;
                if depth > MAX_NESTING_DEPTH {
                    return wrong(format!(
                        "Document nesting depth ({depth}) exceeds the maximum allowed ({MAX_NESTING_DEPTH}, from \
                         `StreamReadConstraints.getMaxNestingDepth()`)"
                    ));
                }
                let is_object = character == '{';
                self.open.push(Open { is_object, has_entries: false, line: self.line, column: self.units });
                Ok(())
            }
            '}' if in_object => unexpected(character, "expected a value"),
            't' => self.word("true"),
            'f' => self.word("false"),
            'n' => self.word("null"),
            'N' => self.non_standard("NaN"),
            'I' => self.non_standard("Infinity"),
            '-' => self.negative_number(),
            '0'..='9' => self.number(character),
            '+' => match self.next() {
                Some(next) => unexpected_in_number(
                    next,
                    "JSON spec does not allow numbers to have plus signs: enable \
                     `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow",
                ),
                None => end("Unexpected end-of-input in a Number value"),
            },
            _ if starts_identifier(character) => self.unrecognized(character.to_string()),
            _ => unexpected(character, &format!("expected a valid value {VALID_VALUES}")),
        }
    }

    /// A word whose first letter is read.
    fn word(&mut self, word: &str) -> Step<()> {
        for (place, expected) in word.char_indices().skip(1) {
            if self.peek() != Some(expected) {
                return self.unrecognized(word[..place].to_owned());
            }
            self.next();
        }
        if self.peek().is_some_and(continues_identifier) { self.unrecognized(word.to_owned()) } else { Ok(()) }
    }

    fn non_standard(&mut self, word: &str) -> Step<()> {
        self.word(word)?;
        wrong(format!("Non-standard token '{word}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"))
    }

    /// A token that is no JSON, of which `token` is read: up to where an identifier would end.
    fn unrecognized(&mut self, mut token: String) -> Step<()> {
        let mut units = token.len();
        while let Some(character) = self.peek().filter(|character| continues_identifier(*character)) {
            self.next();
            token.push(character);
            units += character.len_utf16();
            if units >= TOKEN_UNITS {
                token.push_str("...");
                break;
            }
        }
        wrong(format!("Unrecognized token '{token}': was expecting {VALID_VALUES}"))
    }

    /// The rest of a string, behind its opening quote.
    fn string(&mut self, at_end: &str, what: &str) -> Step<()> {
        loop {
            match self.next() {
                None => return end(format!("Unexpected end-of-input{at_end}")),
                Some('"') => return Ok(()),
                Some('\\') => self.escape()?,
                Some(character @ '\0'..='\u{1f}') => {
                    return wrong(format!(
                        "Illegal unquoted character ({}): has to be escaped using backslash to be included in {what}",
                        describe(character)
                    ));
                }
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self) -> Step<()> {
        const AT_END: &str = "Unexpected end-of-input in character escape sequence";
        match self.next() {
            None => end(AT_END),
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => Ok(()),
            Some('u') => {
                for _ in 0..4 {
                    match self.next() {
                        None => return end(AT_END),
                        Some(digit) if digit.is_ascii_hexdigit() => {}
                        Some(other) => {
                            return unexpected(other, "expected a hex-digit for character escape sequence");
                        }
                    }
                }
                Ok(())
            }
            Some(other) => wrong(format!("Unrecognized character escape {}", describe(other))),
        }
    }

    fn negative_number(&mut self) -> Step<()> {
        match self.next() {
            None => end("Unexpected end-of-input in a Number value"),
            Some(digit) if digit.is_ascii_digit() => self.number(digit),
            Some(other) => {
                unexpected_in_number(other, "expected digit (0-9) to follow minus sign, for valid numeric value")
            }
        }
    }

    /// The rest of a number whose first digit is read.
    fn number(&mut self, first: char) -> Step<()> {
        if first == '0' && self.peek().is_some_and(|next| next.is_ascii_digit()) {
            return wrong("Invalid numeric value: Leading zeroes not allowed");
        }
        self.digits();
        if self.peek() == Some('.') {
            self.next();
            if self.digits() == 0 {
                let next = self.peek().unwrap_or('.');
                return unexpected_in_number(next, "Decimal point not followed by a digit");
            }
        }
        if let Some(exponent @ ('e' | 'E')) = self.peek() {
            self.next();
            if let Some('+' | '-') = self.peek() {
                self.next();
            }
            if self.digits() == 0 {
                let next = self.peek().unwrap_or(exponent);
                return unexpected_in_number(next, "Exponent indicator not followed by a digit");
            }
        }
        match self.peek() {
            Some(next) if self.open.is_empty() && !matches!(next, ' ' | '\t' | '\r' | '\n') => {
                self.next();
                unexpected(next, "Expected space separating root-level values")
            }
            _ => Ok(()),
        }
    }

    fn digits(&mut self) -> usize {
        let mut count = 0;
        while self.peek().is_some_and(|next| next.is_ascii_digit()) {
            self.next();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Jackson says about a text, and where.
    fn says(text: &str) -> (String, usize, usize) {
        let error = crate::Value::parse(text).expect_err("the text is not JSON");
        (error.message, error.line, error.column)
    }

    #[track_caller]
    fn check(text: &str, message: &str, line: usize, column: usize) {
        assert_eq!(says(text), (message.to_owned(), line, column), "{text}");
    }

    #[test]
    fn tokens() {
        check("hello there", &format!("Unrecognized token 'hello': was expecting {VALID_VALUES}"), 1, 6);
        check("{\"a\": tru}", &format!("Unrecognized token 'tru': was expecting {VALID_VALUES}"), 1, 10);
        check("[nullable]", &format!("Unrecognized token 'nullable': was expecting {VALID_VALUES}"), 1, 10);
        check("['a']", &format!("Unexpected character (''' (code 39)): expected a valid value {VALID_VALUES}"), 1, 3);
        check("[NaN]", "Non-standard token 'NaN': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow", 1, 5);
        check(
            "\u{feff}{}",
            &format!("Unexpected character ('\u{feff}' (code 65279 / 0xfeff)): expected a valid value {VALID_VALUES}"),
            1,
            2,
        );
        let long = says(&"x".repeat(1000)).0;
        assert!(long.starts_with(&format!("Unrecognized token '{}...'", "x".repeat(256))), "{long}");
    }

    #[test]
    fn structure() {
        check(
            "{\"a\":1,}",
            "Unexpected character ('}' (code 125)): was expecting double-quote to start field name",
            1,
            9,
        );
        check("{a:1}", "Unexpected character ('a' (code 97)): was expecting double-quote to start field name", 1, 3);
        check("{\"a\":}", "Unexpected character ('}' (code 125)): expected a value", 1, 7);
        check("[1,]", &format!("Unexpected character (']' (code 93)): expected a valid value {VALID_VALUES}"), 1, 5);
        check("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", 1, 5);
        check(
            "{\"a\":1\n \"b\":2}",
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
            2,
            3,
        );
        check(
            "{\"a\" 1}",
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
            1,
            7,
        );
        check(
            "{\n \"a\": [1}",
            "Unexpected close marker '}': expected ']' (for Array starting at [Source: (String)\"{\n \"a\": [1}\"; line: 2, column: 7])",
            2,
            10,
        );
        check(
            "]",
            "Unexpected close marker ']': expected '}' (for root starting at [Source: (String)\"]\"; line: 1, column: 0])",
            1,
            2,
        );
        check(
            "[1] // done",
            "Unexpected character ('/' (code 47)): maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not enabled for parser)",
            1,
            6,
        );
        assert!(says("{} {}").0.starts_with("Trailing token (of type START_OBJECT) found after value"));
    }

    #[test]
    fn ends() {
        check(
            "{",
            "Unexpected end-of-input: expected close marker for Object (start marker at [Source: (String)\"{\"; line: 1, column: 1])",
            1,
            2,
        );
        check("{\"a\":1,", "Unexpected end-of-input within/between Object entries", 1, 8);
        check("{\"a\"", "Unexpected end-of-input within/between Object entries", 1, 5);
        check("[\"a", "Unexpected end-of-input: was expecting closing quote for a string value", 1, 4);
        check("{\"a", "Unexpected end-of-input in field name", 1, 4);
        check("[\"\\u12", "Unexpected end-of-input in character escape sequence", 1, 7);
        check("", "No content to map due to end-of-input", 1, 1);
    }

    #[test]
    fn strings() {
        check(
            "[\"a\nb\"]",
            "Illegal unquoted character ((CTRL-CHAR, code 10)): has to be escaped using backslash to be included in string value",
            1,
            5,
        );
        check(
            "{\"a\tb\":1}",
            "Illegal unquoted character ((CTRL-CHAR, code 9)): has to be escaped using backslash to be included in name",
            1,
            5,
        );
        check("[\"\\x\"]", "Unrecognized character escape 'x' (code 120)", 1, 5);
        check(
            "[\"\\u12G4\"]",
            "Unexpected character ('G' (code 71)): expected a hex-digit for character escape sequence",
            1,
            8,
        );
        check(
            "[1,\0]",
            "Illegal character ((CTRL-CHAR, code 0)): only regular white space (\\r, \\n, \\t) is allowed between tokens",
            1,
            5,
        );
    }

    #[test]
    fn numbers() {
        check("[012]", "Invalid numeric value: Leading zeroes not allowed", 1, 3);
        check(
            "[1.x]",
            "Unexpected character ('x' (code 120)) in numeric value: Decimal point not followed by a digit",
            1,
            4,
        );
        check(
            "[1e]",
            "Unexpected character (']' (code 93)) in numeric value: Exponent indicator not followed by a digit",
            1,
            4,
        );
        check(
            "[-x]",
            "Unexpected character ('x' (code 120)) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value",
            1,
            4,
        );
        check("[.5]", &format!("Unexpected character ('.' (code 46)): expected a valid value {VALID_VALUES}"), 1, 3);
        check("12x", "Unexpected character ('x' (code 120)): Expected space separating root-level values", 1, 4);
    }

    #[test]
    fn places_count_java_characters_and_lines() {
        check(
            "[\r\n\"😀\" x]",
            "Unexpected character ('x' (code 120)): was expecting comma to separate Array entries",
            2,
            7,
        );
    }

    #[test]
    fn invalid_utf8() {
        let error = crate::Value::parse_bytes(b"[\"a\xff\"]".to_vec()).expect_err("not UTF-8");
        assert_eq!((error.message.as_str(), error.column), ("Invalid UTF-8 start byte 0xff", 4));
    }

    #[test]
    fn depth_is_bounded() {
        let message = says(&"[".repeat(100_000)).0;
        assert_eq!(
            message,
            "Document nesting depth (1001) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNestingDepth()`)"
        );
    }

    #[test]
    fn the_source_is_cut() {
        let text = format!("[{}", "1,".repeat(400));
        let error = crate::Value::parse(&text).expect_err("it is not closed");
        let location = error.location(&text);
        assert!(location.ends_with(&format!("\"[truncated 301 chars]; line: 1, column: {}]", 802)), "{location}");
        assert!(error.full_message(&text).contains("\n at [Source: (String)\"[1,1,"));
    }
}
