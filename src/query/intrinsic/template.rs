//! The templates of `States.Format`: text with `{}` for each argument.

use std::cell::Cell;

use super::{Failure, function::Function};
use crate::{
    Value,
    model::{error_name, quota},
};

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

    /// The text with the arguments in their places; `write` appends one of them.
    pub(super) fn fill<T>(
        &self,
        arguments: &[T],
        write: impl Fn(&T, &mut String) -> Result<(), Failure>,
    ) -> Result<Value, Failure> {
        if arguments.len() != self.behind.len() {
            let reason = "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.";
            return Err(Failure { error: error_name::RUNTIME, reason: reason.into() });
        }
        let mut text = Scratch(SCRATCH.take());
        text.0.push_str(&self.first);
        for (argument, behind) in arguments.iter().zip(&self.behind) {
            write(argument, &mut text.0)?;
            text.0.push_str(behind);
            if text.0.len() > quota::MAX_PAYLOAD_BYTES {
                return Err(Failure::too_large(Function::Format));
            }
        }
        Ok(Value::from(text.0.as_str()))
    }
}

/// The memory in which a text is made, so that what is kept has its own size. All templates of a thread use the same.
struct Scratch(String);

thread_local! {
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.capacity() <= 2 * quota::MAX_PAYLOAD_BYTES {
            self.0.clear();
            SCRATCH.set(std::mem::take(&mut self.0));
        }
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
            let write = |value: &&str, text: &mut String| {
                text.push_str(value);
                Ok(())
            };
            let filled = Template::parse(template).unwrap().fill(&values, write).unwrap();
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
