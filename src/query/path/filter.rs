//! Filters: `[?(@.price < 10 && @.tags contains 'new')]`, with Jayway's comparisons.

use std::{borrow::Cow, cmp::Ordering};

use regex::Regex;

use super::{Found, PathError, evaluate::Evaluation, step::Chain};
use crate::{
    Value,
    value::{ArrayView, Number, ValueRef, View},
};

/// A condition on one value.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    And(Box<[Filter]>),
    Or(Box<[Filter]>),
    Not(Box<Filter>),
    /// The operand finds something.
    Exists(Operand),
    Compare(Operand, Operator, Operand),
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Literal(Value),
    /// `@…`, from the value that is tested.
    Relative(Chain),
    /// `$…`, by its place among the absolute operands.
    Absolute(usize),
    /// `/pattern/i`.
    Pattern(Regex),
}

/// How the sides are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    /// `===`: also of the same type.
    SameTypeEqual,
    SameTypeNotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Matches,
    In,
    NotIn,
    SubsetOf,
    AnyOf,
    NoneOf,
    All,
    Contains,
    Size,
    Empty,
}

/// Operators that are words, in Jayway any mixture of cases.
pub(super) const WORD_OPERATORS: [(&str, Operator); 9] = [
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("subsetof", Operator::SubsetOf),
    ("anyof", Operator::AnyOf),
    ("noneof", Operator::NoneOf),
    ("all", Operator::All),
    ("contains", Operator::Contains),
    ("size", Operator::Size),
    ("empty", Operator::Empty),
];

/// Operators that are signs; where one begins with another, the longer comes first.
pub(super) const SIGN_OPERATORS: [(&str, Operator); 9] = [
    ("===", Operator::SameTypeEqual),
    ("!==", Operator::SameTypeNotEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=~", Operator::Matches),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Filter {
    /// Whether `value` passes.
    pub(super) fn accepts(&self, evaluation: &Evaluation<'_>, value: ValueRef<'_>) -> Result<bool, PathError> {
        match self {
            Filter::And(filters) => {
                for filter in filters {
                    if !filter.accepts(evaluation, value)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Or(filters) => {
                for filter in filters {
                    if filter.accepts(evaluation, value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::Not(filter) => match &**filter {
                // Of `!@.a`, null and nothing are the same to AWS.
                Filter::Exists(operand) => {
                    let found = operand.find(evaluation, value)?;
                    Ok(found.as_ref().is_none_or(|found| found.as_ref().is_null()))
                }
                filter => Ok(!filter.accepts(evaluation, value)?),
            },
            Filter::Exists(operand) => Ok(operand.find(evaluation, value)?.is_some()),
            Filter::Compare(left, operator, right) => compare(evaluation, left, *operator, right, value),
        }
    }
}

impl Operand {
    fn find<'v>(&'v self, evaluation: &'v Evaluation<'_>, value: ValueRef<'v>) -> Result<Option<Found<'v>>, PathError> {
        match self {
            Operand::Literal(literal) => Ok(Some(Found::One(literal.as_ref()))),
            Operand::Relative(chain) => evaluation.operand(chain, value),
            Operand::Absolute(place) => {
                evaluation.visit(1)?;
                Ok(evaluation.absolute(*place).map(|found| Found::One(found.as_ref())))
            }
            Operand::Pattern(_) => Ok(None),
        }
    }
}

fn compare(
    evaluation: &Evaluation<'_>,
    left: &Operand,
    operator: Operator,
    right: &Operand,
    value: ValueRef<'_>,
) -> Result<bool, PathError> {
    let left_found = left.find(evaluation, value)?;
    let right_found = right.find(evaluation, value)?;
    let left_value = left_found.as_ref().map(Found::as_ref);
    let right_value = right_found.as_ref().map(Found::as_ref);
    if operator == Operator::Matches {
        return match (left, right) {
            (Operand::Pattern(pattern), _) => matches_pattern(evaluation, pattern, right_value),
            (_, Operand::Pattern(pattern)) => matches_pattern(evaluation, pattern, left_value),
            _ => Ok(false),
        };
    }
    // What is not there equals nothing, and so differs from everything and is in no list.
    let (Some(left), Some(right)) = (left_value, right_value) else {
        return Ok(matches!(operator, Operator::NotEqual | Operator::SameTypeNotEqual | Operator::NotIn));
    };
    Ok(match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::SameTypeEqual => left.type_name() == right.type_name() && equal(left, right),
        Operator::SameTypeNotEqual => left.type_name() != right.type_name() || !equal(left, right),
        Operator::Less => order(left, right) == Some(Ordering::Less),
        Operator::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Operator::Greater => order(left, right) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
        Operator::In => is_in(evaluation, left, right)?,
        Operator::NotIn => !is_in(evaluation, left, right)?,
        Operator::SubsetOf => all_in(evaluation, left, right)?,
        Operator::All => all_in(evaluation, right, left)?,
        Operator::AnyOf => any_in(evaluation, left, right)? == Some(true),
        Operator::NoneOf => any_in(evaluation, left, right)? == Some(false),
        Operator::Contains => match (left.view(), right.view()) {
            (View::String(text), View::String(part)) => text.contains(part),
            _ => is_in(evaluation, right, left)?,
        },
        Operator::Size => has_size(left, right),
        Operator::Empty => right.as_bool().is_some_and(|empty| is_empty(left) == Some(empty)),
        Operator::Matches => false,
    })
}

/// Numbers and strings compare as numbers when the left side is one, as texts otherwise.
fn equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    match (left.view(), right.view()) {
        (View::Number(left), View::String(right)) => {
            right.parse().is_ok_and(|right| left.compare(Number::Float(right)) == Some(Ordering::Equal))
        }
        (View::String(left), View::Number(_)) => left == right.to_json(),
        _ => left == right,
    }
}

/// Only numbers and strings have an order.
fn order(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Ordering> {
    match (left.view(), right.view()) {
        (View::Number(left), View::Number(right)) => left.compare(right),
        (View::String(_) | View::Number(_), View::String(_) | View::Number(_)) => Some(text(left).cmp(&text(right))),
        _ => None,
    }
}

/// A string, or a number as it is written.
fn text(value: ValueRef<'_>) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_json()), Cow::Borrowed)
}

fn items(value: ValueRef<'_>) -> Option<ArrayView<'_>> {
    match value.view() {
        View::Array(items) => Some(items),
        _ => None,
    }
}

fn is_in(evaluation: &Evaluation<'_>, value: ValueRef<'_>, list: ValueRef<'_>) -> Result<bool, PathError> {
    for item in items(list).iter().flat_map(|items| items.iter()) {
        evaluation.visit(1)?;
        if equal(value, item) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether both are arrays and the second holds all of the first.
fn all_in(evaluation: &Evaluation<'_>, part: ValueRef<'_>, whole: ValueRef<'_>) -> Result<bool, PathError> {
    let (Some(part), Some(_)) = (items(part), items(whole)) else { return Ok(false) };
    for item in part.iter() {
        if !is_in(evaluation, item, whole)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the second array holds any of the first; `None` when one is no array.
fn any_in(evaluation: &Evaluation<'_>, left: ValueRef<'_>, right: ValueRef<'_>) -> Result<Option<bool>, PathError> {
    let (Some(left), Some(_)) = (items(left), items(right)) else { return Ok(None) };
    for item in left.iter() {
        if is_in(evaluation, item, right)? {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// Strings have the size of their UTF-16 text, as in Java; arrays that of their items.
fn has_size(value: ValueRef<'_>, size: ValueRef<'_>) -> bool {
    let Some(size) = size.as_number().and_then(Number::as_i64) else { return false };
    let counted = match value.view() {
        View::String(text) => text.encode_utf16().count(),
        View::Array(items) => items.len(),
        _ => return false,
    };
    i64::try_from(counted).is_ok_and(|counted| counted == size)
}

fn is_empty(value: ValueRef<'_>) -> Option<bool> {
    match value.view() {
        View::String(text) => Some(text.is_empty()),
        View::Array(items) => Some(items.is_empty()),
        View::Object(object) => Some(object.is_empty()),
        _ => None,
    }
}

/// Whether the pattern matches the whole text; of an array, that of any item.
fn matches_pattern(
    evaluation: &Evaluation<'_>,
    pattern: &Regex,
    value: Option<ValueRef<'_>>,
) -> Result<bool, PathError> {
    let Some(value) = value else { return Ok(pattern.is_match("")) };
    if let Some(items) = items(value) {
        for item in items.iter() {
            evaluation.visit(1)?;
            if pattern.is_match(&input(item)) {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    Ok(pattern.is_match(&input(value)))
}

/// What a pattern sees of a value.
fn input(value: ValueRef<'_>) -> Cow<'_, str> {
    match value.view() {
        View::String(_) | View::Number(_) | View::Bool(_) => text(value),
        _ => Cow::Borrowed(""),
    }
}
