//! Text of filters and literals to what they mean.

use regex::{Regex, RegexBuilder};

use super::{
    filter::{Filter, Operand, Operator, SIGN_OPERATORS, WORD_OPERATORS},
    parse::{Parser, Place},
};
use crate::{
    Value,
    query::SyntaxError,
    value::{ArrayBuilder, ObjectBuilder, Text},
};

/// Most memory that a compiled pattern can take, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

impl Parser<'_> {
    /// `(…)` behind the `?`.
    pub(super) fn filter(&mut self) -> Result<Filter, SyntaxError> {
        self.expect("(")?;
        let filter = self.alternatives()?;
        self.expect(")")?;
        self.skip_spaces();
        Ok(filter)
    }

    fn alternatives(&mut self) -> Result<Filter, SyntaxError> {
        let mut filters = vec![self.conjunction()?];
        while self.take("||") {
            filters.push(self.conjunction()?);
        }
        Ok(match filters.pop() {
            Some(filter) if filters.is_empty() => filter,
            last => {
                filters.extend(last);
                Filter::Or(filters.into_boxed_slice())
            }
        })
    }

    fn conjunction(&mut self) -> Result<Filter, SyntaxError> {
        let mut filters = vec![self.condition()?];
        while self.take("&&") {
            filters.push(self.condition()?);
        }
        Ok(match filters.pop() {
            Some(filter) if filters.is_empty() => filter,
            last => {
                filters.extend(last);
                Filter::And(filters.into_boxed_slice())
            }
        })
    }

    /// One comparison, a check for existence, or either of them in parentheses or after `!`.
    fn condition(&mut self) -> Result<Filter, SyntaxError> {
        self.enter()?;
        self.skip_spaces();
        let filter = if self.take("!") {
            Filter::Not(Box::new(self.condition()?))
        } else if self.take("(") {
            let filter = self.alternatives()?;
            self.expect(")")?;
            filter
        } else {
            self.comparison()?
        };
        self.skip_spaces();
        self.leave();
        Ok(filter)
    }

    fn comparison(&mut self) -> Result<Filter, SyntaxError> {
        let left = self.operand()?;
        self.skip_spaces();
        let rest = self.rest();
        if rest.starts_with(')') || rest.starts_with("&&") || rest.starts_with("||") {
            return match left {
                Operand::Relative(_) | Operand::Absolute(_) => Ok(Filter::Exists(left)),
                _ => Err(self.error("Expected a path or an operator")),
            };
        }
        let operator = self.operator()?;
        self.skip_spaces();
        let right = self.operand()?;
        Ok(Filter::Compare(left, operator, right))
    }

    fn operator(&mut self) -> Result<Operator, SyntaxError> {
        for (sign, operator) in SIGN_OPERATORS {
            if self.take(sign) {
                return Ok(operator);
            }
        }
        let word = self.take_while(|next| next.is_ascii_alphabetic());
        let known = WORD_OPERATORS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
        known.map(|(_, operator)| *operator).ok_or_else(|| self.error("Expected an operator"))
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        if self.take("@") {
            return self.chain(Place::Operand, "", false).map(Operand::Relative);
        }
        if self.take("$") {
            let chain = self.chain(Place::Operand, "", false)?;
            return Ok(Operand::Absolute(self.keep_absolute(chain)));
        }
        if self.take("/") {
            return self.pattern().map(Operand::Pattern);
        }
        self.literal().map(Operand::Literal)
    }

    /// `…/flags` behind the first `/`. The pattern must match the whole text.
    fn pattern(&mut self) -> Result<Regex, SyntaxError> {
        let mut pattern = String::from(r"\A(?:");
        loop {
            match self.next() {
                None => return Err(self.error("Pattern not closed. Expected /")),
                Some('/') => break,
                Some('\\') => match self.next() {
                    Some('/') => pattern.push('/'),
                    Some(escaped) => pattern.extend(['\\', escaped]),
                    None => {}
                },
                Some(next) => pattern.push(next),
            }
        }
        // The line break ends a comment that the pattern may close with when it has the flag `x`.
        let flags = self.take_while(|next| matches!(next, 'd' | 'i' | 'x' | 'm' | 's' | 'u' | 'U'));
        pattern.push_str(if flags.contains('x') { "\n)\\z" } else { r")\z" });
        RegexBuilder::new(&pattern)
            .case_insensitive(flags.contains('i'))
            .ignore_whitespace(flags.contains('x'))
            .multi_line(flags.contains('m'))
            .dot_matches_new_line(flags.contains('s'))
            .size_limit(MAX_PATTERN_BYTES)
            .build()
            .map_err(|_| self.error("Invalid pattern"))
    }

    /// A string in quotes, with the escapes of JSON; any other escaped character stands for itself.
    pub(super) fn string(&mut self, quote: char) -> Result<String, SyntaxError> {
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            let next = self.next().ok_or_else(|| self.error("String not closed"))?;
            if next == quote {
                return Ok(text);
            }
            if next != '\\' {
                text.push(next);
                continue;
            }
            match self.next().ok_or_else(|| self.error("String not closed"))? {
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'u' => text.push(self.code_point()?),
                escaped => text.push(escaped),
            }
        }
    }

    /// The digits behind `\u`, those of the second half of a surrogate pair included.
    fn code_point(&mut self) -> Result<char, SyntaxError> {
        let high = self.four_digits()?;
        let mut code = Some(high);
        if (0xD800..0xDC00).contains(&high) && self.take("\\u") {
            let low = self.four_digits()?.checked_sub(0xDC00).filter(|low| *low < 0x400);
            code = low.map(|low| 0x1_0000 + ((high - 0xD800) << 10) + low);
        }
        code.and_then(char::from_u32).ok_or_else(|| self.error("Unable to parse unicode value"))
    }

    fn four_digits(&mut self) -> Result<u32, SyntaxError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.next().and_then(|digit| digit.to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.error("Unable to parse unicode value"))?;
        }
        Ok(code)
    }

    pub(super) fn array(&mut self) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut builder = ArrayBuilder::default();
        self.skip_spaces();
        while !self.take("]") {
            if !builder.is_empty() {
                self.expect(",")?;
                self.skip_spaces();
            }
            builder.push(self.literal()?);
            self.skip_spaces();
        }
        Ok(builder.finish())
    }

    pub(super) fn object(&mut self) -> Result<Value, SyntaxError> {
        self.at += 1;
        let mut builder = ObjectBuilder::default();
        self.skip_spaces();
        while !self.take("}") {
            if !builder.is_empty() {
                self.expect(",")?;
                self.skip_spaces();
            }
            let key = match self.peek() {
                Some(quote @ ('\'' | '"')) => self.string(quote)?,
                _ => return Err(self.error("Expected a name in quotes")),
            };
            self.expect(":")?;
            self.skip_spaces();
            let value = self.literal()?;
            builder.insert(Text::from(key), value);
            self.skip_spaces();
        }
        Ok(builder.finish())
    }

    /// `true`, `false`, `null`, a number; anything else is a string that was written without quotes.
    pub(super) fn word(&mut self) -> Result<Value, SyntaxError> {
        let word = self.take_while(|next| {
            let ends =
                matches!(next, '(' | ')' | '[' | ']' | '{' | '}' | ',' | '&' | '|' | '<' | '>' | '=' | '~' | '!');
            !ends && !next.is_whitespace()
        });
        Ok(match word {
            "" => return Err(self.error("Expected a value")),
            "true" => Value::from(true),
            "false" => Value::from(false),
            "null" => Value::NULL,
            _ if word.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.')) => {
                let number = Value::parse(word).ok().filter(|value| value.as_ref().as_number().is_some());
                let lenient = || word.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
                number.or_else(lenient).unwrap_or_else(|| Value::from(word))
            }
            _ => Value::from(word),
        })
    }
}
