//! How the service, which is written in Java, prints values and orders sets of them. Both show in results.

use std::{hash::BuildHasher, sync::LazyLock};

use crate::value::{Number, ObjectBuilder, ObjectView, ValueRef, View};

/// Appends a value as Java's `String.valueOf` prints it: strings bare, containers as `[a, b]` and `{key=value}`. The
/// recursion is bounded by the depth that values can have.
pub(super) fn write_text(value: ValueRef<'_>, out: &mut String) {
    // A number that came in is printed as it came; it need not be read for that.
    if let Some(text) = value.number_text().filter(|text| *text != "-0") {
        out.push_str(text);
        return;
    }
    match value.view() {
        View::String(text) => out.push_str(text),
        View::Number(Number::Int(number)) => out.push_str(itoa::Buffer::new().format(number)),
        View::Null | View::Bool(_) | View::Number(_) => out.push_str(&value.to_json()),
        View::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                write_text(item, out);
            }
            out.push(']');
        }
        View::Object(entries) => {
            out.push('{');
            for (place, (key, value)) in entries.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                out.push_str(key);
                out.push('=');
                write_text(value, out);
            }
            out.push('}');
        }
    }
}

/// The distinct values among `values` in the order in which a `java.util.HashSet` made of them gives them back: by bucket,
/// and within a bucket in the order of arrival.
pub(super) fn hash_set<'a>(values: &[ValueRef<'a>]) -> Vec<ValueRef<'a>> {
    let mut table = hashbrown::HashTable::<usize>::with_capacity(values.len());
    let mut distinct: Vec<ValueRef<'a>> = Vec::new();
    for value in values {
        let hash = hash(*value);
        if table.find(hash, |place| equals(distinct[*place], *value)).is_none() {
            // Growing never happens, as there is room for all, so the rehashing function is never called.
            table.insert_unique(hash, distinct.len(), |_| 0);
            distinct.push(*value);
        }
    }
    // The constructor that takes a collection makes room for it at a load of three quarters, 16 buckets at least.
    let buckets = (values.len() * 4 / 3 + 1).max(16).next_power_of_two();
    let bucket = |value: &ValueRef<'_>| {
        let code = hash_code(*value).cast_unsigned();
        (code ^ (code >> 16)) as usize & (buckets - 1)
    };
    distinct.sort_by_cached_key(bucket);
    distinct
}

/// Equality of Java's objects: as of JSON values, but `1` and `1.0` are of different classes.
fn equals(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    match (left.view(), right.view()) {
        (View::Number(first), View::Number(second)) => first.is_integer() == second.is_integer() && left == right,
        (View::Array(first), View::Array(second)) => {
            let mut second = second.iter();
            first.iter().all(|item| second.next().is_some_and(|other| equals(item, other))) && second.next().is_none()
        }
        (View::Object(first), View::Object(second)) => same_entries(first, second, right),
        _ => left == right,
    }
}

/// Whether two objects, the second also given as a value, have equal entries in any order.
fn same_entries(first: ObjectView<'_>, second: ObjectView<'_>, second_value: ValueRef<'_>) -> bool {
    if first.len() != second.len() {
        return false;
    }
    // Entries are mostly in the same order. Otherwise keys are looked up in an index, as parsed objects have none.
    if first.iter().map(|(key, _)| key).eq(second.iter().map(|(key, _)| key)) {
        return first.iter().zip(second.iter()).all(|((_, value), (_, other))| equals(value, other));
    }
    let Some(index) = ObjectBuilder::from_value(second_value.to_value()) else { return false };
    first.iter().all(|(key, value)| index.get(key).is_some_and(|other| equals(value, other.as_ref())))
}

/// Seeded for the process, so that data cannot be made to collide.
static HASHER: LazyLock<foldhash::fast::RandomState> = LazyLock::new(foldhash::fast::RandomState::default);

/// A hash that agrees with [`equals`].
fn hash(value: ValueRef<'_>) -> u64 {
    let hasher = &*HASHER;
    match value.view() {
        View::Null => 0,
        View::Bool(flag) => hasher.hash_one(flag),
        View::Number(number) => hasher.hash_one((number.is_integer(), number.as_f64().to_bits())),
        View::String(text) => hasher.hash_one(text),
        View::Array(items) => items.iter().fold(1, |code, item| hasher.hash_one((code, hash(item)))),
        View::Object(entries) => {
            entries.iter().fold(2, |code: u64, (key, value)| code.wrapping_add(hasher.hash_one((key, hash(value)))))
        }
    }
}

/// Java's `hashCode`.
fn hash_code(value: ValueRef<'_>) -> i32 {
    const TRUE: i32 = 1231;
    const FALSE: i32 = 1237;
    match value.view() {
        View::Null => 0,
        View::Bool(flag) => {
            if flag {
                TRUE
            } else {
                FALSE
            }
        }
        View::Number(number) => number_hash_code(number),
        View::String(text) => text_hash_code(text),
        View::Array(items) => {
            items.iter().fold(1_i32, |code, item| code.wrapping_mul(31).wrapping_add(hash_code(item)))
        }
        View::Object(entries) => {
            entries.iter().fold(0_i32, |code, (key, value)| code.wrapping_add(text_hash_code(key) ^ hash_code(value)))
        }
    }
}

fn text_hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |code, unit| code.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `Integer`, `Long`, `BigInteger` or `Double`, by the first that holds the number.
fn number_hash_code(number: Number<'_>) -> i32 {
    let folded = |bits: u64| ((bits ^ (bits >> 32)) as u32).cast_signed();
    match number {
        Number::Int(value) => i32::try_from(value).unwrap_or_else(|_| folded(value.cast_unsigned())),
        // The two words of the magnitude, as digits to the base 31.
        Number::UInt(value) => ((value >> 32) as u32).cast_signed().wrapping_mul(31).wrapping_add(value as u32 as i32),
        Number::Float(value) => folded(value.to_bits()),
        Number::Text(_) => folded(number.as_f64().to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn text(json: &str) -> String {
        let mut out = String::new();
        write_text(Value::parse(json).unwrap().as_ref(), &mut out);
        out
    }

    #[test]
    fn prints() {
        for (json, expected) in [
            ("null", "null"),
            ("true", "true"),
            ("-12", "-12"),
            ("1.50", "1.50"),
            (r#""a\"b""#, "a\"b"),
            ("[]", "[]"),
            ("{}", "{}"),
            (r#"[1, "a", null, [true]]"#, "[1, a, null, [true]]"),
            (r#"{"a": 1, "b": {"c": []}}"#, "{a=1, b={c=[]}}"),
        ] {
            assert_eq!(text(json), expected);
        }
    }

    fn set(json: &str) -> String {
        let value = Value::parse(json).unwrap();
        let View::Array(items) = value.view() else { unreachable!() };
        Value::array(hash_set(&items.iter().collect::<Vec<_>>())).to_json()
    }

    #[test]
    fn keeps_one_of_equal_values() {
        for (json, expected) in [
            ("[]", "[]"),
            ("[4,4,5,4,6]", "[4,5,6]"),
            (r#"["b","a","b"]"#, r#"["a","b"]"#),
            (r#"[{"x":1,"y":[2]},{"y":[2],"x":1}]"#, r#"[{"x":1,"y":[2]}]"#),
            (r#"[{"x":1},{"x":1,"y":2}]"#, r#"[{"x":1,"y":2},{"x":1}]"#),
            ("[[7],[7,8],[7]]", "[[7,8],[7]]"),
            ("[null,null]", "[null]"),
        ] {
            assert_eq!(set(json), expected);
        }
        assert_eq!(set("[0,0.0,0]"), "[0,0.0]");
    }

    /// Worked out by hand from the contracts of `hashCode` and `HashMap`.
    #[test]
    fn orders_by_bucket() {
        for (json, expected) in [
            ("[true,false]", "[false,true]"),
            ("[3,2,1]", "[1,2,3]"),
            ("[17,16,1]", "[16,17,1]"),
            ("[1,null]", "[null,1]"),
            ("[[1,2],[2,1]]", "[[2,1],[1,2]]"),
            (r#"["q","a"]"#, r#"["q","a"]"#),
            (r#"["p","a"]"#, r#"["p","a"]"#),
            (r#"["b","p"]"#, r#"["p","b"]"#),
        ] {
            assert_eq!(set(json), expected);
        }
    }

    #[test]
    fn hash_codes_are_javas() {
        for (json, expected) in [
            ("null", 0),
            ("65536", 65_536),
            ("-1", -1),
            ("4294967296", 1),
            ("1.0", 1_072_693_248),
            (r#""hello""#, 99_162_322),
            (r#""polygenelubricants""#, i32::MIN),
            ("[1,2]", 994),
            (r#"{"a":1}"#, 96),
        ] {
            assert_eq!(hash_code(Value::parse(json).unwrap().as_ref()), expected, "{json}");
        }
    }
}
