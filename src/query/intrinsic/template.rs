//! The templates of `States.Format`: text with `{}` for each argument.

use super::{Failure, function::Function, java};
use crate::{Value, model::error_name, model::quota};

/// A compiled template: the text before, between and behind its placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    /// Text in front of the first placeholder.
    first: String,
    /// Text behind each placeholder.
    behind: Vec<String>,
}

/// What makes a text no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TemplateError {
    /// In the service's words.
    pub(super) message: &'static str,
    /// Where, in bytes.
    pub(super) offset: usize,
}

/// Room made for an argument in the result, before its length is known.
const EXPECTED_ARGUMENT_BYTES: usize = 24;

impl Template {
    /// Compiles a template. `\{`, `\}`, `\'` and `\\` stand for the second character (Amazon States Language, "Intrinsic
    /// Functions"); before anything else a backslash stands for itself.
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut template = Template { first: String::new(), behind: Vec::new() };
        let mut characters = text.char_indices().peekable();
        while let Some((offset, character)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            let literal = match (character, next) {
                ('{', Some('}')) => {
                    characters.next();
                    template.behind.push(String::new());
                    continue;
                }
                ('{', _) => return Err(TemplateError { message: "matching '}' not found for '{'.", offset }),
                ('}', _) => return Err(TemplateError { message: "matching '{' not found for '}'.", offset }),
                ('\\', Some(escaped @ ('{' | '}' | '\'' | '\\'))) => {
                    characters.next();
                    escaped
                }
                _ => character,
            };
            template.behind.last_mut().unwrap_or(&mut template.first).push(literal);
        }
        Ok(template)
    }

    /// How many arguments it takes.
    pub(super) fn placeholders(&self) -> usize {
        self.behind.len()
    }

    /// The text with the arguments in their places.
    pub(super) fn fill(&self, values: &[Value]) -> Result<Value, Failure> {
        if values.len() != self.behind.len() {
            return Err(Failure {
                error: error_name::RUNTIME,
                reason: "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}."
                    .into(),
            });
        }
        let literal: usize = self.behind.iter().map(String::len).sum();
        let mut text = String::with_capacity(self.first.len() + literal + values.len() * EXPECTED_ARGUMENT_BYTES);
        text.push_str(&self.first);
        for (value, behind) in values.iter().zip(&self.behind) {
            java::write_text(value.as_ref(), &mut text);
            text.push_str(behind);
            if text.len() > quota::MAX_PAYLOAD_BYTES {
                return Err(Failure::too_large(Function::Format));
            }
        }
        Ok(Value::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::Value;

    #[test]
    fn fills() {
        for (template, values, expected) in [
            ("", vec![], ""),
            ("plain", vec![], "plain"),
            ("{}", vec!["a"], "a"),
            ("<{}|{}>", vec!["a", "{}"], "<a|{}>"),
            ("{}{}", vec!["é", "ü"], "éü"),
            (r"\{{}\}", vec!["a"], "{a}"),
            (r"it\'s \\ {}", vec!["a"], r"it's \ a"),
            (r"C:\dir\\{}", vec!["a"], r"C:\dir\a"),
        ] {
            let values: Vec<_> = values.into_iter().map(Value::from).collect();
            let filled = Template::parse(template).unwrap().fill(&values).unwrap();
            assert_eq!(filled, Value::from(expected), "{template}");
        }
    }

    #[test]
    fn refuses_lone_braces() {
        for (template, offset) in [("{", 0), ("a}", 1), ("{a}", 0), ("{{}}", 0), ("{}}", 2), (r"\{}", 2)] {
            assert_eq!(Template::parse(template).unwrap_err().offset, offset, "{template}");
        }
    }
}
