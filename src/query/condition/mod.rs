//! Conditions of Choice rules: compiled once, then a handful of compares for each execution.
//!
//! Amazon States Language, "Choice State"; AWS Step Functions Developer Guide, "Choice workflow state", "Choice Rules
//! (JSONPath)".

mod compile;
mod operator;
mod pattern;
#[cfg(test)]
mod tests;

use std::fmt;

use self::operator::{Operand, Operator, Relation, compare_text};
use super::{Environment, Path, QueryError, Timestamp, path::Found};
use crate::{
    Value,
    model::error_name,
    value::{ValueRef, View},
};

/// Whether a field of a Choice rule is a comparison operator, such as `NumericEqualsPath`.
pub(crate) fn is_operator(name: &str) -> bool {
    operator::find(name).is_some()
}

/// The compiled condition of a Choice rule.
#[derive(Clone, Debug)]
pub struct Condition {
    test: Test,
    /// The rule as it was written, for listings.
    source: Value,
}

/// A problem in the condition of a Choice rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// Where in the rule, in the service's form: `/Variable`, `/And[1]/Not/NumericEquals`; empty for the rule itself.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// Deepest nesting of `And`, `Or` and `Not`: ours, so that no rule ends the stack.
pub const MAX_CONDITION_DEPTH: usize = 64;

/// One node of a condition.
#[derive(Clone, Debug)]
enum Test {
    /// `And`: all, looked at in order until one does not hold.
    All(Box<[Test]>),
    /// `Or`: any, looked at in order until one holds.
    Any(Box<[Test]>),
    /// `Not`.
    Not(Box<Test>),
    /// `Variable` with an operator.
    Comparison(Box<Comparison>),
}

/// A `Variable` with its operator.
#[derive(Clone, Debug)]
struct Comparison {
    variable: Path,
    operator: Operator,
}

impl Condition {
    /// Whether the condition holds.
    ///
    /// # Errors
    /// `States.Runtime` when `Variable` or the path of a `…Path` operator finds nothing (`IsPresent` excepted). Values of
    /// unlike types are no error: they compare as false.
    #[inline]
    pub fn evaluate<E: Environment>(&self, environment: &E) -> Result<bool, QueryError> {
        self.test.evaluate(environment)
    }

    /// Shows `visit` each path of the condition, in order.
    pub fn for_each_path(&self, visit: &mut dyn FnMut(&Path)) {
        self.test.for_each_path(visit);
    }
}

impl fmt::Display for Condition {
    /// The condition alone, without the rule's other fields.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OTHER_FIELDS: [&str; 4] = ["Next", "Comment", "Assign", "Output"];
        match self.source.view() {
            View::Object(rule) => {
                let condition = rule.iter().filter(|(key, _)| !OTHER_FIELDS.contains(key));
                Value::object(condition).fmt(formatter)
            }
            _ => self.source.fmt(formatter),
        }
    }
}

impl Test {
    /// The recursion is bounded by [`MAX_CONDITION_DEPTH`].
    fn evaluate<E: Environment>(&self, environment: &E) -> Result<bool, QueryError> {
        match self {
            Test::Comparison(comparison) => comparison.evaluate(environment),
            Test::All(tests) => {
                for test in tests {
                    if !test.evaluate(environment)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Test::Any(tests) => {
                for test in tests {
                    if test.evaluate(environment)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Test::Not(test) => test.evaluate(environment).map(|holds| !holds),
        }
    }

    fn for_each_path(&self, visit: &mut dyn FnMut(&Path)) {
        match self {
            Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|test| test.for_each_path(visit)),
            Test::Not(test) => test.for_each_path(visit),
            Test::Comparison(comparison) => {
                visit(&comparison.variable);
                match &comparison.operator {
                    Operator::String(_, Operand::Path(path))
                    | Operator::Numeric(_, Operand::Path(path))
                    | Operator::Boolean(Operand::Path(path))
                    | Operator::Timestamp(_, Operand::Path(path)) => visit(path),
                    _ => {}
                }
            }
        }
    }
}

impl Comparison {
    fn evaluate<E: Environment>(&self, environment: &E) -> Result<bool, QueryError> {
        if let Operator::IsPresent(wanted) = self.operator {
            return Ok(self.variable.evaluate(environment).is_ok() == wanted);
        }
        let variable;
        let value = match self.variable.find(environment) {
            Some(value) => value,
            None => {
                variable = find(&self.variable, environment)?;
                variable.as_ref()
            }
        };
        // What a path operand finds lives as long as the comparison.
        let found;
        let holds = match &self.operator {
            Operator::String(relation, operand) => {
                let other = match operand {
                    Operand::Constant(constant) => Some(&**constant),
                    Operand::Path(path) => {
                        found = find(path, environment)?;
                        found.as_ref().as_str()
                    }
                };
                match (relation, value.as_str(), other) {
                    // Equal texts are found by one comparison of memory; an order needs the first difference.
                    (Relation::Equals, Some(text), Some(other)) => text == other,
                    (_, Some(text), Some(other)) => relation.holds(compare_text(text, other)),
                    _ => false,
                }
            }
            Operator::Numeric(relation, operand) => {
                let other = match operand {
                    Operand::Constant(constant) => constant.as_ref().as_number(),
                    Operand::Path(path) => {
                        found = find(path, environment)?;
                        found.as_ref().as_number()
                    }
                };
                match (value.as_number(), other) {
                    (Some(number), Some(other)) => number.compare(other).is_some_and(|order| relation.holds(order)),
                    _ => false,
                }
            }
            Operator::Boolean(operand) => {
                let other = match operand {
                    Operand::Constant(constant) => Some(*constant),
                    Operand::Path(path) => find(path, environment).map(|found| found.as_ref().as_bool())?,
                };
                other.is_some() && value.as_bool() == other
            }
            Operator::Timestamp(relation, operand) => {
                let other = match operand {
                    Operand::Constant(constant) => Some(*constant),
                    Operand::Path(path) => find(path, environment).map(|found| timestamp(found.as_ref()))?,
                };
                match (timestamp(value), other) {
                    (Some(timestamp), Some(other)) => relation.holds(timestamp.cmp(&other)),
                    _ => false,
                }
            }
            Operator::StringMatches(pattern) => value.as_str().is_some_and(|text| pattern.matches(text)),
            Operator::IsType(kind, wanted) => kind.is_of(value) == *wanted,
            Operator::IsPresent(wanted) => *wanted,
        };
        Ok(holds)
    }
}

/// What a path of the condition finds.
fn find<'a, E: Environment>(path: &Path, environment: &'a E) -> Result<Found<'a>, QueryError> {
    path.evaluate(environment).map_err(|_| QueryError {
        error: error_name::RUNTIME,
        cause: format!(
            "Invalid path '{}': The choice state's condition path references an invalid value.",
            path.text()
        ),
    })
}

fn timestamp(value: ValueRef<'_>) -> Option<Timestamp> {
    value.as_str().and_then(Timestamp::parse)
}
