//! The 39 comparison operators of a Choice rule: their names, their operands and what they hold for.

use std::cmp::Ordering;

use super::pattern::Pattern;
use crate::{
    Value,
    query::{Path, Timestamp},
    value::{ValueRef, View},
};

/// A comparison operator with its operand.
#[derive(Clone, Debug)]
pub(super) enum Operator {
    /// `StringEquals` and its kin: by UTF-16 code units, as Java compares.
    String(Relation, Operand<Box<str>>),
    /// `StringMatches`.
    StringMatches(Pattern),
    /// `NumericEquals` and its kin: by value, whatever the form. The constant is a number.
    Numeric(Relation, Operand<Value>),
    /// `BooleanEquals`.
    Boolean(Operand<bool>),
    /// `TimestampEquals` and its kin: by instant.
    Timestamp(Relation, Operand<Timestamp>),
    /// `IsNull`, `IsString` and so on; the flag is the answer that the rule wants.
    IsType(Type, bool),
    /// `IsPresent`.
    IsPresent(bool),
}

/// What a value is compared with.
#[derive(Clone, Debug)]
pub(super) enum Operand<T> {
    /// A constant of the definition.
    Constant(T),
    /// What the path of a `…Path` operator finds.
    Path(Path),
}

/// How the value relates to the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Equals,
    LessThan,
    GreaterThan,
    LessThanEquals,
    GreaterThanEquals,
}

impl Relation {
    #[inline]
    pub(super) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equals => ordering.is_eq(),
            Relation::LessThan => ordering.is_lt(),
            Relation::GreaterThan => ordering.is_gt(),
            Relation::LessThanEquals => ordering.is_le(),
            Relation::GreaterThanEquals => ordering.is_ge(),
        }
    }
}

/// What the `Is…` operators ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Numeric,
    String,
    Boolean,
    Timestamp,
}

impl Type {
    #[inline]
    pub(super) fn is_of(self, value: ValueRef<'_>) -> bool {
        match (self, value.view()) {
            (Type::Null, View::Null)
            | (Type::Numeric, View::Number(_))
            | (Type::String, View::String(_))
            | (Type::Boolean, View::Bool(_)) => true,
            (Type::Timestamp, View::String(text)) => Timestamp::parse(text).is_some(),
            _ => false,
        }
    }
}

/// Which values an operator compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    String(Relation),
    Numeric(Relation),
    Boolean,
    Timestamp(Relation),
    StringMatches,
    IsType(Type),
    IsPresent,
}

/// The operators that compare with a constant. Those that [`takes_path`] names are there once more with `Path` behind their
/// name, to compare with what a path finds.
pub(super) const OPERATORS: [(&str, Family); 23] = [
    ("StringEquals", Family::String(Relation::Equals)),
    ("StringLessThan", Family::String(Relation::LessThan)),
    ("StringGreaterThan", Family::String(Relation::GreaterThan)),
    ("StringLessThanEquals", Family::String(Relation::LessThanEquals)),
    ("StringGreaterThanEquals", Family::String(Relation::GreaterThanEquals)),
    ("StringMatches", Family::StringMatches),
    ("NumericEquals", Family::Numeric(Relation::Equals)),
    ("NumericLessThan", Family::Numeric(Relation::LessThan)),
    ("NumericGreaterThan", Family::Numeric(Relation::GreaterThan)),
    ("NumericLessThanEquals", Family::Numeric(Relation::LessThanEquals)),
    ("NumericGreaterThanEquals", Family::Numeric(Relation::GreaterThanEquals)),
    ("BooleanEquals", Family::Boolean),
    ("TimestampEquals", Family::Timestamp(Relation::Equals)),
    ("TimestampLessThan", Family::Timestamp(Relation::LessThan)),
    ("TimestampGreaterThan", Family::Timestamp(Relation::GreaterThan)),
    ("TimestampLessThanEquals", Family::Timestamp(Relation::LessThanEquals)),
    ("TimestampGreaterThanEquals", Family::Timestamp(Relation::GreaterThanEquals)),
    ("IsNull", Family::IsType(Type::Null)),
    ("IsPresent", Family::IsPresent),
    ("IsNumeric", Family::IsType(Type::Numeric)),
    ("IsString", Family::IsType(Type::String)),
    ("IsBoolean", Family::IsType(Type::Boolean)),
    ("IsTimestamp", Family::IsType(Type::Timestamp)),
];

/// The operator of that name, and whether its operand is a path.
pub(super) fn find(name: &str) -> Option<(Family, bool)> {
    let constant = |name: &str| OPERATORS.iter().find(|(operator, _)| *operator == name).map(|(_, family)| *family);
    match name.strip_suffix("Path") {
        Some(name) => constant(name).filter(|family| takes_path(*family)).map(|family| (family, true)),
        None => constant(name).map(|family| (family, false)),
    }
}

/// Whether there is a `…Path` form of the operator.
fn takes_path(family: Family) -> bool {
    !matches!(family, Family::StringMatches | Family::IsType(_) | Family::IsPresent)
}

/// Compares as Java does, by UTF-16 code units. The order of UTF-8 bytes is the same but for characters above U+FFFF, whose
/// surrogates come before U+E000.
#[inline]
pub(super) fn compare_text(left: &str, right: &str) -> Ordering {
    const FIRST_LEAD_BYTE_FROM_U_E000: u8 = 0xEE;
    let different = left.bytes().zip(right.bytes()).find(|(left, right)| left != right);
    match different {
        None => left.len().cmp(&right.len()),
        Some((left_byte, right_byte)) if left_byte.max(right_byte) < FIRST_LEAD_BYTE_FROM_U_E000 => {
            left_byte.cmp(&right_byte)
        }
        Some(_) => left.encode_utf16().cmp(right.encode_utf16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_39_operators() {
        let with_path = OPERATORS.iter().filter(|(_, family)| takes_path(*family)).count();
        assert_eq!(OPERATORS.len() + with_path, 39);
    }

    #[test]
    fn finds_operators_by_their_exact_name() {
        for (name, expected) in [
            ("NumericLessThan", Some((Family::Numeric(Relation::LessThan), false))),
            ("NumericLessThanPath", Some((Family::Numeric(Relation::LessThan), true))),
            ("StringMatches", Some((Family::StringMatches, false))),
            ("StringMatchesPath", None),
            ("IsNullPath", None),
            ("Path", None),
            ("numericEquals", None),
            ("BooleanLessThan", None),
        ] {
            assert_eq!(find(name), expected, "{name}");
        }
    }

    #[test]
    fn compares_text_by_code_units() {
        for (left, right) in
            [("", "a"), ("a", "b"), ("a", "aa"), ("Z", "a"), ("z", "é"), ("\u{10000}", "\u{E000}"), ("é", "\u{1F600}")]
        {
            assert_eq!(compare_text(left, right), Ordering::Less, "{left} {right}");
            assert_eq!(compare_text(right, left), Ordering::Greater, "{right} {left}");
            assert_eq!(compare_text(left, left), Ordering::Equal, "{left}");
        }
    }

    proptest::proptest! {
        #[test]
        fn compares_as_utf_16(left in "[a\u{7FF}\u{D7FF}\u{E000}\u{10000}\u{10FFFF}]{0,3}", right in "[a\u{7FF}\u{D7FF}\u{E000}\u{10000}\u{10FFFF}]{0,3}") {
            proptest::prop_assert_eq!(compare_text(&left, &right), left.encode_utf16().cmp(right.encode_utf16()));
        }
    }
}
