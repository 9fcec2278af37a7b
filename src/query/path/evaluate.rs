//! Walks a compiled path over a value.

use std::cell::Cell;

use super::{
    Found, PathError, PathErrorKind,
    filter::Filter,
    function::Call,
    step::{Chain, Step, write_java_text},
};
use crate::{
    Value,
    model::quota::MAX_PATH_NODES,
    value::{ArrayBuilder, ArrayView, ObjectBuilder, ObjectView, Text, ValueRef, View},
};

/// Evaluates a path with everything it needs; `definite` says whether it finds one value or an array of them.
pub(super) fn evaluate<'a>(
    chain: &Chain,
    absolutes: &[Chain],
    definite: bool,
    root: ValueRef<'a>,
) -> Result<Found<'a>, PathError> {
    let mut evaluation = Evaluation {
        absolutes: Vec::with_capacity(absolutes.len()),
        nodes_left: Cell::new(MAX_PATH_NODES),
        out_of_bounds: Cell::new(false),
    };
    for absolute in absolutes {
        let found = evaluation.operand(absolute, root)?;
        evaluation.absolutes.push(found);
    }
    let mut found = Vec::new();
    match evaluation.follow(chain, root, &mut found) {
        // A definite path before a wildcard, slice or the like that leads nowhere: AWS gives no matches, not an error.
        Err(error) if !definite && error.kind == PathErrorKind::Missing => found.clear(),
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    if !definite {
        return Ok(Found::Computed(array(found)));
    }
    found.pop().ok_or_else(|| PathError {
        reason: format!("No results for path: {}", chain.text()),
        kind: if evaluation.out_of_bounds.get() { PathErrorKind::IndexOutOfBounds } else { PathErrorKind::Missing },
    })
}

fn array(found: Vec<Found<'_>>) -> Value {
    let mut builder = ArrayBuilder::with_capacity(found.len());
    for item in found {
        builder.push(item.into_value());
    }
    builder.finish()
}

/// What one evaluation of a path shares between its parts.
///
/// All recursion here either goes down in the value or on in the path, so it is bounded by the depth that values can have
/// and the steps that a path can have, together.
pub(super) struct Evaluation<'a> {
    /// What the absolute operands found, by their place in the path.
    absolutes: Vec<Option<Found<'a>>>,
    nodes_left: Cell<usize>,
    /// Whether an index of the definite part of the path was behind the end of its array.
    out_of_bounds: Cell<bool>,
}

impl<'a> Evaluation<'a> {
    /// What the absolute operand at `place` found.
    pub(super) fn absolute(&self, place: usize) -> Option<&Found<'a>> {
        self.absolutes.get(place).and_then(Option::as_ref)
    }

    /// Counts `nodes` as visited.
    pub(super) fn visit(&self, nodes: usize) -> Result<(), PathError> {
        match self.nodes_left.get().checked_sub(nodes) {
            Some(left) => {
                self.nodes_left.set(left);
                Ok(())
            }
            None => Err(PathError {
                reason: format!("It visits more than {MAX_PATH_NODES} nodes."),
                kind: PathErrorKind::TooManyNodes,
            }),
        }
    }

    /// What an operand of a filter or a parameter of a function finds from `value`; `None` when that is nothing.
    pub(super) fn operand<'v>(&self, chain: &Chain, value: ValueRef<'v>) -> Result<Option<Found<'v>>, PathError> {
        if chain.is_simple() {
            self.visit(chain.steps.len())?;
            let mut value = value;
            for step in &chain.steps {
                let next = match step {
                    Step::Name(name) => value.get(name),
                    Step::Index(index) => match value.view() {
                        View::Array(items) => self.item(items, *index)?,
                        _ => None,
                    },
                    _ => None,
                };
                let Some(next) = next else { return Ok(None) };
                value = next;
            }
            return Ok(Some(Found::One(value)));
        }
        let mut found = Vec::new();
        match self.follow(chain, value, &mut found) {
            Err(error) if error.kind == PathErrorKind::TooManyNodes => return Err(error),
            Err(_) => return Ok(None),
            Ok(()) => {}
        }
        Ok(if chain.is_definite() { found.pop() } else { Some(Found::Computed(array(found))) })
    }

    /// Adds to `found` what the chain matches from `value`.
    fn follow<'v>(&self, chain: &Chain, value: ValueRef<'v>, found: &mut Vec<Found<'v>>) -> Result<(), PathError> {
        let Some(call) = &chain.call else {
            return self.step(chain, 0, value, found);
        };
        let mut matches = Vec::new();
        self.step(chain, 0, value, &mut matches)?;
        if chain.is_inverted() {
            let all = array(matches);
            return self.go_on(call, call.invoke_on_all(self, value, &all)?, found);
        }
        for one in matches {
            self.go_on(call, call.invoke(self, one.as_ref())?, found)?;
        }
        Ok(())
    }

    /// Follows the steps behind a function from its result.
    fn go_on<'v>(&self, call: &Call, result: Value, found: &mut Vec<Found<'v>>) -> Result<(), PathError> {
        if call.then.is_empty() {
            found.push(Found::Computed(result));
            return Ok(());
        }
        let mut matches = Vec::new();
        self.follow(&call.then, result.as_ref(), &mut matches)?;
        found.extend(matches.into_iter().map(|found| Found::Computed(found.into_value())));
        Ok(())
    }

    /// Applies the step at `place` and all after it to `value`.
    fn step<'v>(
        &self,
        chain: &Chain,
        place: usize,
        value: ValueRef<'v>,
        found: &mut Vec<Found<'v>>,
    ) -> Result<(), PathError> {
        self.visit(1)?;
        let Some(step) = chain.steps.get(place) else {
            found.push(Found::One(value));
            return Ok(());
        };
        match step {
            Step::Name(_) | Step::Names(_) => match value.view() {
                View::Object(object) => self.names(chain, place, object, found),
                _ if chain.is_upstream_definite(place) => {
                    Err(missing(format!("Property {} not found in path {}", fragment(step), chain.text_until(place))))
                }
                _ => Ok(()),
            },
            Step::Index(_) | Step::Indexes(_) | Step::Slice { .. } => match value.view() {
                View::Array(items) => self.items(chain, place, items, found),
                _ if !chain.is_upstream_definite(place) => Ok(()),
                View::Null => Err(missing(format!("The path {} is null", chain.text_until(place)))),
                _ => Err(inapplicable(chain, place, "can only be applied to arrays", value)),
            },
            Step::Wildcard => match value.view() {
                View::Array(items) => items.iter().try_for_each(|item| self.step(chain, place + 1, item, found)),
                View::Object(object) => {
                    object.iter().try_for_each(|(_, member)| self.step(chain, place + 1, member, found))
                }
                _ => Ok(()),
            },
            Step::Scan => self.scan(chain, place + 1, value, found),
            Step::Filter(filter) => self.filter(chain, place, filter, value, found),
        }
    }

    fn names<'v>(
        &self,
        chain: &Chain,
        place: usize,
        object: ObjectView<'v>,
        found: &mut Vec<Found<'v>>,
    ) -> Result<(), PathError> {
        let names = match &chain.steps[place] {
            Step::Name(name) => std::slice::from_ref(name),
            Step::Names(names) if chain.is_leaf(place) => {
                found.push(Found::Computed(merged(object, names)));
                return Ok(());
            }
            Step::Names(names) => names,
            _ => return Ok(()),
        };
        for name in names {
            match object.get(name) {
                Some(member) => self.step(chain, place + 1, member, found)?,
                None if chain.is_leaf(place) || !chain.is_upstream_definite(place) => {}
                None => {
                    let mut path = chain.text_until(place);
                    Step::Name(name.clone()).write(&mut path);
                    return Err(missing(format!("Missing property in path {path}")));
                }
            }
        }
        Ok(())
    }

    fn items<'v>(
        &self,
        chain: &Chain,
        place: usize,
        items: ArrayView<'v>,
        found: &mut Vec<Found<'v>>,
    ) -> Result<(), PathError> {
        match &chain.steps[place] {
            Step::Index(index) => {
                let item = self.item(items, *index)?;
                if item.is_none() && chain.is_upstream_definite(place) {
                    self.out_of_bounds.set(true);
                }
                item.map_or(Ok(()), |item| self.step(chain, place + 1, item, found))
            }
            Step::Indexes(indexes) => {
                for index in indexes {
                    if let Some(item) = self.item(items, *index)? {
                        self.step(chain, place + 1, item, found)?;
                    }
                }
                Ok(())
            }
            Step::Slice { from, to } => self.slice(chain, place, items, (*from, *to), found),
            _ => Ok(()),
        }
    }

    /// The item at `index`, from the end when negative. Reaching it counts what it costs in parsed arrays.
    fn item<'v>(&self, items: ArrayView<'v>, index: i64) -> Result<Option<ValueRef<'v>>, PathError> {
        let index = if index < 0 {
            let length = items.len();
            self.visit(length)?;
            i64::try_from(length).unwrap_or(i64::MAX) + index
        } else {
            index
        };
        let Ok(index) = usize::try_from(index) else { return Ok(None) };
        let item = items.get(index);
        self.visit(if item.is_some() { index } else { 0 })?;
        Ok(item)
    }

    /// Jayway's slices: a start before the array is its start, a negative end of `[a:b]` counts as it stands.
    fn slice<'v>(
        &self,
        chain: &Chain,
        place: usize,
        items: ArrayView<'v>,
        bounds: (Option<i64>, Option<i64>),
        found: &mut Vec<Found<'v>>,
    ) -> Result<(), PathError> {
        let counted = items.len();
        self.visit(counted)?;
        let length = i64::try_from(counted).unwrap_or(i64::MAX);
        let from_end = |bound: i64| if bound < 0 { length.saturating_add(bound) } else { bound };
        let (from, to) = match bounds {
            (Some(from), Some(to)) if from < 0 || to < 0 => {
                // `[-3:-1]` is the third and the second from the end; `[-1:2]` the last, then the first two.
                for index in from.max(-length)..to.min(length) {
                    if let Some(item) = self.item(items, index)? {
                        self.step(chain, place + 1, item, found)?;
                    }
                }
                return Ok(());
            }
            (Some(from), to) => (from_end(from), to.unwrap_or(length)),
            (None, to) => (0, to.map_or(length, from_end)),
        };
        let from = usize::try_from(from).unwrap_or(0);
        let count = usize::try_from(to.min(length)).unwrap_or(0).saturating_sub(from);
        items.iter().skip(from).take(count).try_for_each(|item| self.step(chain, place + 1, item, found))
    }

    fn filter<'v>(
        &self,
        chain: &Chain,
        place: usize,
        filter: &Filter,
        value: ValueRef<'v>,
        found: &mut Vec<Found<'v>>,
    ) -> Result<(), PathError> {
        match value.view() {
            View::Object(_) => {
                if filter.accepts(self, value)? {
                    self.step(chain, place + 1, value, found)?;
                }
                Ok(())
            }
            View::Array(items) => {
                for item in items.iter() {
                    self.visit(1)?;
                    // "The @ operator … does not match scalar values" (Developer Guide, "Paths").
                    if is_container(item) && filter.accepts(self, item)? {
                        self.step(chain, place + 1, item, found)?;
                    }
                }
                Ok(())
            }
            _ if chain.is_upstream_definite(place) => {
                Err(inapplicable(chain, place, "can not be applied to primitives", value))
            }
            _ => Ok(()),
        }
    }

    /// Applies the step at `place` to `value` and to every container in it, from the outside in.
    fn scan<'v>(
        &self,
        chain: &Chain,
        place: usize,
        value: ValueRef<'v>,
        found: &mut Vec<Found<'v>>,
    ) -> Result<(), PathError> {
        self.visit(1)?;
        let Some(step) = chain.steps.get(place) else { return Ok(()) };
        match value.view() {
            View::Object(object) => {
                let applies = match step {
                    Step::Names(names) if chain.is_leaf(place) => names.iter().all(|name| object.get(name).is_some()),
                    Step::Index(_) | Step::Indexes(_) | Step::Slice { .. } => false,
                    _ => true,
                };
                if applies {
                    self.step(chain, place, value, found)?;
                }
                object.iter().try_for_each(|(_, member)| self.scan(chain, place, member, found))
            }
            View::Array(items) => {
                if matches!(step, Step::Index(_) | Step::Indexes(_) | Step::Slice { .. } | Step::Wildcard) {
                    self.step(chain, place, value, found)?;
                }
                items.iter().try_for_each(|item| self.scan(chain, place, item, found))
            }
            _ => Ok(()),
        }
    }
}

fn is_container(value: ValueRef<'_>) -> bool {
    matches!(value.view(), View::Object(_) | View::Array(_))
}

/// One object of those members that exist.
fn merged(object: ObjectView<'_>, names: &[Box<str>]) -> Value {
    let mut builder = ObjectBuilder::with_capacity(names.len());
    for name in names {
        if let Some(member) = object.get(name) {
            builder.insert(Text::from(&**name), member.to_value());
        }
    }
    builder.finish()
}

fn fragment(step: &Step) -> String {
    let mut text = String::new();
    step.write(&mut text);
    text
}

fn missing(reason: String) -> PathError {
    PathError { reason, kind: PathErrorKind::Missing }
}

fn inapplicable(chain: &Chain, place: usize, what: &str, value: ValueRef<'_>) -> PathError {
    let mut reason = format!("Filter: {} {what}. Current context is: ", chain.text_from(place));
    write_java_text(value, &mut reason);
    PathError { reason, kind: PathErrorKind::Inapplicable }
}
