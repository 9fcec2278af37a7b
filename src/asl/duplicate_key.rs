//! Keys that appear more than once in one object. JSON parsers keep the last of them without a word, AWS's too, so a
//! state that was pasted twice is lost silently; hence this warning. One pass over a text that is known to be JSON.

use std::{borrow::Cow, collections::HashSet};

use super::{code, parse::sink::Sink};
use crate::value::unescape_string_token;

/// From how many keys on an object's keys are looked up in a set.
const SET_FROM: usize = 16;

/// An array or object that is still open.
struct Open<'a> {
    /// The keys so far; `None` for an array.
    keys: Option<Keys<'a>>,
    /// Number of the item that is read, in an array.
    item: usize,
    /// The key of the value that is read, in an object.
    key: Cow<'a, str>,
}

#[derive(Default)]
struct Keys<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Keys<'a> {
    /// Whether the key was there already.
    fn is_duplicate(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.len() < SET_FROM {
            let found = self.few.contains(&key);
            if !found {
                self.few.push(key);
            }
            return found;
        }
        if self.many.is_empty() {
            self.many.extend(self.few.iter().cloned());
        }
        !self.many.insert(key)
    }
}

/// Warns of each key that its object has already.
pub(super) fn check(text: &str, sink: &mut Sink) {
    let bytes = text.as_bytes();
    let mut open: Vec<Open<'_>> = Vec::new();
    // Whether a string that comes now is a key.
    let mut expects_key = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                expects_key = *byte == b'{';
                let keys = expects_key.then(Keys::default);
                open.push(Open { keys, item: 0, key: Cow::Borrowed("") });
            }
            b'}' | b']' => {
                open.pop();
                expects_key = false;
            }
            b',' => {
                if let Some(container) = open.last_mut() {
                    expects_key = container.keys.is_some();
                    container.item += 1;
                }
            }
            b'"' => {
                let (end, has_escapes) = end_of_string(bytes, at);
                if expects_key {
                    let key = read_key(text, at, end, has_escapes);
                    let container = open.last_mut();
                    let duplicate = container.is_some_and(|container| {
                        let duplicate = container.keys.as_mut().is_some_and(|keys| keys.is_duplicate(key.clone()));
                        container.key = key;
                        duplicate
                    });
                    if duplicate {
                        report(&open, sink);
                    }
                    expects_key = false;
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
}

/// Where the string that begins at `start` has its closing quote, and whether it holds escapes.
fn end_of_string(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut at = start + 1;
    let mut has_escapes = false;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' => {
                has_escapes = true;
                at += 2;
            }
            _ => at += 1,
        }
    }
    (at, has_escapes)
}

fn read_key(text: &str, start: usize, end: usize, has_escapes: bool) -> Cow<'_, str> {
    if has_escapes {
        Cow::Owned(unescape_string_token(&text.as_bytes()[start..=end]).unwrap_or_default())
    } else {
        Cow::Borrowed(&text[start + 1..end])
    }
}

fn report(open: &[Open<'_>], sink: &mut Sink) {
    let key = open.last().map_or("", |container| &container.key);
    let location = std::fmt::from_fn(|out| {
        for container in open {
            if container.keys.is_some() {
                write!(out, "/{}", container.key)?;
            } else {
                write!(out, "[{}]", container.item)?;
            }
        }
        Ok(())
    });
    sink.add(
        code::DUPLICATE_KEY,
        format_args!("The key '{key}' is given more than once; the last one counts"),
        Some(&location),
    );
}
