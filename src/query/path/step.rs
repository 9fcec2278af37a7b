//! What a compiled path consists of, and how Jayway prints it in messages.

use std::fmt::Write;

use super::{filter::Filter, function::Call};
use crate::value::{ValueRef, View};

/// Steps one after the other, then perhaps a function with steps of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) steps: Box<[Step]>,
    /// Steps before this place start from one certain value: what they do not find is an error, behind it is nothing.
    pub(super) definite_until: usize,
    /// How what stands before the first step is printed, `$` for the whole path.
    pub(super) prefix: Box<str>,
    pub(super) call: Option<Box<Call>>,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// `.name` or `['name']`.
    Name(Box<str>),
    /// `['a','b']`: one object of those that exist, when last; each of them in turn otherwise.
    Names(Box<[Box<str>]>),
    /// `[0]`, from the end when negative.
    Index(i64),
    /// `[0,1]`.
    Indexes(Box<[i64]>),
    /// `[1:3]`, `[1:]`, `[:3]`.
    Slice { from: Option<i64>, to: Option<i64> },
    /// `.*` or `[*]`.
    Wildcard,
    /// `..`: the next step is applied to every container from here down.
    Scan,
    /// `[?(…)]`.
    Filter(Box<Filter>),
}

impl Chain {
    /// A chain whose first step starts from `prefix`; `definite` tells whether that is one certain value.
    pub(super) fn new(steps: Vec<Step>, call: Option<Box<Call>>, prefix: &str, definite: bool) -> Self {
        let mut chain = Self { steps: steps.into_boxed_slice(), definite_until: 0, prefix: prefix.into(), call };
        if definite {
            chain.definite_until =
                1 + (0..chain.steps.len()).take_while(|place| chain.is_step_definite(*place)).count();
        }
        chain
    }

    fn is_step_definite(&self, place: usize) -> bool {
        match self.steps[place] {
            Step::Name(_) | Step::Index(_) => true,
            Step::Names(_) => self.is_leaf(place),
            _ => false,
        }
    }

    /// Whether the step at `place` is the last of the path.
    pub(super) fn is_leaf(&self, place: usize) -> bool {
        place + 1 == self.steps.len() && self.call.is_none()
    }

    /// Whether the step at `place` starts from one certain value.
    pub(super) fn is_upstream_definite(&self, place: usize) -> bool {
        place < self.definite_until
    }

    /// Whether all matches go into one call as its parameter: Jayway turns `$..a.sum()` into `$.sum($..a)`.
    pub(super) fn is_inverted(&self) -> bool {
        self.call.is_some() && matches!(self.steps.first(), Some(Step::Scan))
    }

    /// Whether there can only be one match.
    pub(super) fn is_definite(&self) -> bool {
        let steps = self.is_inverted() || (0..self.steps.len()).all(|place| self.is_step_definite(place));
        steps && self.call.as_ref().is_none_or(|call| call.then.is_definite())
    }

    /// Whether this is names and indexes from the start only, and so needs nothing but a loop.
    pub(super) fn is_simple(&self) -> bool {
        self.call.is_none() && self.steps.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(0..)))
    }

    /// Whether there is no step at all.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.call.is_none()
    }

    /// The steps before `end` as Jayway prints them: `$['a'][0]`.
    pub(super) fn text_until(&self, end: usize) -> String {
        let mut text = self.prefix.to_string();
        for step in &self.steps[..end] {
            step.write(&mut text);
        }
        text
    }

    /// The steps from `start` on as Jayway prints them.
    pub(super) fn text_from(&self, start: usize) -> String {
        let mut text = String::new();
        for step in &self.steps[start..] {
            step.write(&mut text);
        }
        self.write_call(&mut text);
        text
    }

    /// The whole path as Jayway prints it.
    pub(super) fn text(&self) -> String {
        let mut text = self.text_until(self.steps.len());
        self.write_call(&mut text);
        text
    }

    fn write_call(&self, text: &mut String) {
        if let Some(call) = &self.call {
            text.push_str(&call.text());
            text.push_str(&call.then.text_from(0));
        }
    }
}

impl Step {
    /// Appends the step as Jayway prints it.
    pub(super) fn write(&self, text: &mut String) {
        match self {
            Step::Name(name) => {
                text.push_str("['");
                text.push_str(name);
                text.push_str("']");
            }
            Step::Names(names) => {
                let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
                text.push_str(&format!("[{}]", quoted.join(",")));
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Indexes(indexes) => {
                let numbers: Vec<_> = indexes.iter().map(ToString::to_string).collect();
                text.push_str(&format!("[{}]", numbers.join(",")));
            }
            Step::Slice { from, to } => {
                let number = |number: &Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
                text.push_str(&format!("[{}:{}]", number(from), number(to)));
            }
            Step::Wildcard => text.push_str("[*]"),
            Step::Scan => text.push_str(".."),
            Step::Filter(_) => text.push_str("[?]"),
        }
    }
}

/// A value as Java's collections print it, `{a=1, b=[x, null]}`: so it stands in Jayway's messages. The recursion is
/// bounded by the depth that values can have.
pub(super) fn write_java_text(value: ValueRef<'_>, text: &mut String) {
    match value.view() {
        View::String(string) => text.push_str(string),
        View::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                text.push_str(if place > 0 { ", " } else { "" });
                write_java_text(item, text);
            }
            text.push(']');
        }
        View::Object(entries) => {
            text.push('{');
            for (place, (key, item)) in entries.iter().enumerate() {
                text.push_str(if place > 0 { ", " } else { "" });
                text.push_str(key);
                text.push('=');
                write_java_text(item, text);
            }
            text.push('}');
        }
        _ => write!(text, "{value:?}").expect("writing to a string cannot fail"),
    }
}
