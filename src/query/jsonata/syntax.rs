//! Syntax errors in JSONata's own words and with their place; `jsonata-core` names tokens by what they are called in it,
//! and gives no place.

use jsonata_core::parser::{self, Lexer, ParserError, Token};

use crate::query::SyntaxError;

/// What the parser says, with the place: the shortest beginning of the text of which it says the same ends there. What
/// stands behind the first error does not matter to it, so that can be searched by halves.
#[cold]
pub(super) fn error(text: &str, error: &ParserError) -> SyntaxError {
    let message = match error {
        ParserError::UnclosedComment => "S0106: Comment has no closing tag".to_owned(),
        ParserError::UnclosedString if ends_in_regex(text) => {
            "S0302: No terminating / in regular expression".to_owned()
        }
        _ => words(&error.to_string()),
    };
    let at_end = ["S0203", "S0207", "S0101", "S0105", "S0106", "S0302"].iter().any(|code| message.starts_with(code));
    let offset = if at_end { text.len() } else { place(text, &error.to_string()) };
    SyntaxError { message, offset }
}

/// Where the last character stands that the parser needs to say `message`.
fn place(text: &str, message: &str) -> usize {
    let starts: Vec<(usize, usize)> =
        text.char_indices().map(|(start, character)| (start, start + character.len_utf8())).collect();
    let says_same = |end: usize| parser::parse(&text[..end]).is_err_and(|error| error.to_string() == message);
    let first = starts.partition_point(|(_, end)| !says_same(*end));
    starts.get(first).or(starts.last()).map_or(0, |(start, _)| *start)
}

/// Whether what is not closed at the end of the text is a regular expression, which the parser calls a string: a slash
/// closes it.
fn ends_in_regex(text: &str) -> bool {
    let mut lexer = Lexer::new(format!("{text}/"));
    // Each token has a character at least, so this ends.
    loop {
        match lexer.next_token() {
            Ok(Token::Eof) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// The parser's message with tokens as they are written, in quotes as JSONata has them.
fn words(message: &str) -> String {
    let message =
        message.strip_prefix("Invalid syntax: ").or(message.strip_prefix("Invalid number: ")).unwrap_or(message);
    if let Some(rest) = message.strip_prefix("S0202: Expected ")
        && let Some((expected, got)) = rest.split_once(", got ")
    {
        return format!("S0202: Expected {}, got {}", token(expected), token(got));
    }
    if let Some(rest) = message.strip_prefix("S0203: Expected ")
        && let Some(expected) = rest.strip_suffix(" before end of expression")
    {
        return format!("S0203: Expected {} before end of expression", token(expected));
    }
    if let Some(rest) = message.strip_prefix("S0211: The symbol ")
        && let Some(symbol) = rest.strip_suffix(" cannot be used as a unary operator")
    {
        return format!("S0211: The symbol {} cannot be used as a unary operator", token(symbol));
    }
    if let Some(at) = message.strip_prefix("S0201: Syntax error: ") {
        return format!("S0201: Syntax error: {}", token(at));
    }
    if let Some(operator) = message.strip_prefix("S0204: Unknown operator: ") {
        return format!("S0204: Unknown operator: {operator:?}");
    }
    message.to_owned()
}

/// A token as it is written, from its name in the parser.
fn token(name: &str) -> String {
    let written = match name {
        "True" => "true",
        "False" => "false",
        "Null" => "null",
        "Undefined" => "undefined",
        "Plus" => "+",
        "Minus" => "-",
        "Star" => "*",
        "StarStar" => "**",
        "Slash" => "/",
        "Percent" => "%",
        "Equal" => "=",
        "NotEqual" => "!=",
        "LessThan" => "<",
        "LessThanOrEqual" => "<=",
        "GreaterThan" => ">",
        "GreaterThanOrEqual" => ">=",
        "And" => "and",
        "Or" => "or",
        "In" => "in",
        "Ampersand" => "&",
        "Dot" => ".",
        "DotDot" => "..",
        "Question" => "?",
        "QuestionQuestion" => "??",
        "QuestionColon" => "?:",
        "Colon" => ":",
        "ColonEqual" => ":=",
        "TildeArrow" => "~>",
        "LeftParen" => "(",
        "RightParen" => ")",
        "LeftBracket" => "[",
        "RightBracket" => "]",
        "LeftBrace" => "{",
        "RightBrace" => "}",
        "Comma" => ",",
        "Semicolon" => ";",
        "Caret" => "^",
        "Pipe" => "|",
        "Hash" => "#",
        "At" => "@",
        "Eof" => "(end)",
        _ => return literal(name),
    };
    format!("\"{written}\"")
}

/// A token that holds text or a number: `Number(2.0)`, `Identifier("b")`.
fn literal(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    match inner.strip_suffix(".0") {
        Some(integer) if name.starts_with("Number(") => integer.to_owned(),
        _ => inner.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::query::jsonata::Expression;

    #[track_caller]
    fn says(text: &str, message: &str, offset: usize) {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!((error.message.as_str(), error.offset), (message, offset), "{text}");
    }

    #[test]
    fn words_and_places() {
        says("a[1,2)", "S0202: Expected \"]\", got \",\"", 3);
        says("\"unterminated", "S0101: String literal must be terminated by a matching quote", 13);
        says("1 +", "S0207: Unexpected end of expression", 3);
        says("", "S0207: Unexpected end of expression", 0);
        says("{\"a\":}", "S0211: The symbol \"}\" cannot be used as a unary operator", 5);
        says("phone %.other", "S0211: The symbol \".\" cannot be used as a unary operator", 7);
        says("(1", "S0203: Expected \")\" before end of expression", 2);
        says("é 2", "S0201: Syntax error: 2", 3);
        says("a b", "S0201: Syntax error: \"b\"", 2);
        says("a; b", "S0201: Syntax error: \";\"", 1);
        says("!a", "S0204: Unknown operator: \"!\"", 0);
        says("$match(\"a\", /abc", "S0302: No terminating / in regular expression", 16);
        says("a / \"b", "S0101: String literal must be terminated by a matching quote", 6);
        says("/* a", "S0106: Comment has no closing tag", 4);
    }
}
