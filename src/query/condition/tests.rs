//! Conditions as rules and data in, an answer out.

use super::{Condition, MAX_CONDITION_DEPTH};
use crate::{
    Value,
    query::{Environment, QueryError},
};

/// Data with `$$` and one variable, `$limit`.
struct Data {
    input: Value,
    context: Value,
    limit: Value,
}

impl Environment for Data {
    fn input(&self) -> &Value {
        &self.input
    }

    fn context(&self) -> &Value {
        &self.context
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        (name == "limit").then_some(&self.limit)
    }

    fn random(&self) -> u64 {
        unreachable!("conditions are not random")
    }
}

fn value(json: &str) -> Value {
    Value::parse(&json.replace('\'', "\"")).unwrap()
}

fn try_evaluate(rule: &str, input: &str) -> Result<bool, QueryError> {
    let condition = Condition::compile(&value(rule)).unwrap_or_else(|errors| panic!("{rule}: {errors:?}"));
    condition.evaluate(&Data {
        input: value(input),
        context: value("{'State': {'Name': 'Pick'}}"),
        limit: Value::from(10),
    })
}

fn holds(rule: &str, input: &str) -> bool {
    try_evaluate(rule, input).unwrap()
}

#[track_caller]
fn check(rule: &str, cases: &[(&str, bool)]) {
    for (input, expected) in cases {
        assert_eq!(holds(rule, input), *expected, "{rule} for {input}");
    }
}

#[test]
fn compares_text() {
    check("{'Variable': '$.a', 'StringEquals': 'm'}", &[("{'a': 'm'}", true), ("{'a': 'M'}", false)]);
    check("{'Variable': '$.a', 'StringLessThan': 'm'}", &[("{'a': 'lz'}", true), ("{'a': 'm'}", false)]);
    check("{'Variable': '$.a', 'StringGreaterThan': 'm'}", &[("{'a': 'ma'}", true), ("{'a': 'm'}", false)]);
    check("{'Variable': '$.a', 'StringLessThanEquals': 'm'}", &[("{'a': 'm'}", true), ("{'a': 'ma'}", false)]);
    check("{'Variable': '$.a', 'StringGreaterThanEquals': 'm'}", &[("{'a': 'm'}", true), ("{'a': 'M'}", false)]);
    check("{'Variable': '$.a', 'StringMatches': 'm*n'}", &[("{'a': 'm--n'}", true), ("{'a': 'mn-'}", false)]);
}

#[test]
fn compares_numbers_by_value() {
    check(
        "{'Variable': '$.a', 'NumericEquals': 2}",
        &[("{'a': 2.0}", true), ("{'a': 2e0}", true), ("{'a': 3}", false)],
    );
    check("{'Variable': '$.a', 'NumericEquals': 2.5}", &[("{'a': 25e-1}", true), ("{'a': 2}", false)]);
    check("{'Variable': '$.a', 'NumericLessThan': 2}", &[("{'a': 1.999}", true), ("{'a': 2}", false)]);
    check("{'Variable': '$.a', 'NumericGreaterThan': -2}", &[("{'a': -1}", true), ("{'a': -2}", false)]);
    check("{'Variable': '$.a', 'NumericLessThanEquals': 2}", &[("{'a': 2}", true), ("{'a': 2.001}", false)]);
    check("{'Variable': '$.a', 'NumericGreaterThanEquals': 2}", &[("{'a': 2}", true), ("{'a': 1.999}", false)]);
    check(
        "{'Variable': '$.a', 'NumericEquals': 9007199254740993}",
        &[("{'a': 9007199254740993}", true), ("{'a': 9007199254740992}", false)],
    );
    check(
        "{'Variable': '$.a', 'NumericGreaterThan': 18446744073709551615}",
        &[("{'a': 1e400}", true), ("{'a': 18446744073709551615}", false)],
    );
}

#[test]
fn compares_booleans_and_instants() {
    check("{'Variable': '$.a', 'BooleanEquals': false}", &[("{'a': false}", true), ("{'a': true}", false)]);
    let at = |operator: &str| format!("{{'Variable': '$.a', '{operator}': '2026-01-02T03:04:05Z'}}");
    let (before, same, after) =
        ("{'a': '2026-01-02T03:04:04.999Z'}", "{'a': '2026-01-02T01:04:05-02:00'}", "{'a': '2026-01-02T03:04:05.1Z'}");
    check(&at("TimestampEquals"), &[(before, false), (same, true), (after, false)]);
    check(&at("TimestampLessThan"), &[(before, true), (same, false), (after, false)]);
    check(&at("TimestampGreaterThan"), &[(before, false), (same, false), (after, true)]);
    check(&at("TimestampLessThanEquals"), &[(before, true), (same, true), (after, false)]);
    check(&at("TimestampGreaterThanEquals"), &[(before, false), (same, true), (after, true)]);
}

#[test]
fn unlike_types_compare_as_false() {
    let odd = ["null", "0", "true", "''", "[]", "{}", "['m']", "{'a': 1}"];
    for (operator, operand) in [
        ("StringEquals", "'m'"),
        ("StringMatches", "'m'"),
        ("NumericEquals", "7"),
        ("NumericLessThan", "-7"),
        ("BooleanEquals", "false"),
        ("TimestampEquals", "'2026-01-02T03:04:05Z'"),
    ] {
        for value in odd {
            let rule = format!("{{'Variable': '$.a', '{operator}': {operand}}}");
            check(&rule, &[(&format!("{{'a': {value}}}"), false)]);
        }
    }
    check("{'Variable': '$.a', 'TimestampGreaterThan': '2026-01-02T03:04:05Z'}", &[("{'a': '2027-01-02'}", false)]);
}

#[test]
fn compares_with_what_paths_find() {
    check(
        "{'Variable': '$.a', 'NumericLessThanEqualsPath': '$.b'}",
        &[("{'a': 1, 'b': 1.0}", true), ("{'a': 2, 'b': 1}", false), ("{'a': 2, 'b': '9'}", false)],
    );
    check("{'Variable': '$.a', 'NumericLessThanPath': '$limit'}", &[("{'a': 9}", true), ("{'a': 10}", false)]);
    check("{'Variable': '$limit', 'NumericEqualsPath': '$.a'}", &[("{'a': 10}", true), ("{'a': 11}", false)]);
    check("{'Variable': '$$.State.Name', 'StringEqualsPath': '$.a'}", &[("{'a': 'Pick'}", true), ("{'a': 1}", false)]);
    check(
        "{'Variable': '$.a', 'StringGreaterThanPath': '$.b'}",
        &[("{'a': 'b', 'b': 'a'}", true), ("{'a': 'b', 'b': null}", false)],
    );
    check(
        "{'Variable': '$.a', 'BooleanEqualsPath': '$.b'}",
        &[("{'a': false, 'b': false}", true), ("{'a': false, 'b': null}", false), ("{'a': null, 'b': null}", false)],
    );
    check(
        "{'Variable': '$.a', 'TimestampLessThanPath': '$.b'}",
        &[
            ("{'a': '2026-01-02T03:04:05Z', 'b': '2026-01-02T03:04:06Z'}", true),
            ("{'a': '2026-01-02T03:04:05Z', 'b': 'tomorrow'}", false),
        ],
    );
}

#[test]
fn asks_for_types() {
    let values = ["null", "1", "1.5", "'x'", "true", "'2026-01-02T03:04:05Z'", "[]", "{}"];
    for (operator, of_type) in [
        ("IsNull", &["null"][..]),
        ("IsNumeric", &["1", "1.5"]),
        ("IsString", &["'x'", "'2026-01-02T03:04:05Z'"]),
        ("IsBoolean", &["true"]),
        ("IsTimestamp", &["'2026-01-02T03:04:05Z'"]),
        ("IsPresent", &values),
    ] {
        for value in values {
            for wanted in [true, false] {
                let rule = format!("{{'Variable': '$.a', '{operator}': {wanted}}}");
                check(&rule, &[(&format!("{{'a': {value}}}"), of_type.contains(&value) == wanted)]);
            }
        }
    }
}

#[test]
fn only_is_present_takes_what_is_not_there() {
    check("{'Variable': '$.a.b', 'IsPresent': true}", &[("{'a': {}}", false), ("{}", false), ("{'a': 1}", false)]);
    check("{'Variable': '$.a.b', 'IsPresent': false}", &[("{'a': {}}", true), ("{'a': {'b': null}}", false)]);
    for (rule, path) in [
        ("{'Variable': '$.a', 'IsNull': true}", "$.a"),
        ("{'Variable': '$.a', 'StringMatches': '*'}", "$.a"),
        ("{'Variable': '$.b', 'NumericEqualsPath': '$.a'}", "$.a"),
        ("{'Variable': '$.b', 'StringEqualsPath': '$.a'}", "$.a"),
        ("{'Variable': '$$.Nothing', 'BooleanEquals': true}", "$$.Nothing"),
    ] {
        let error = try_evaluate(rule, "{'b': 1}").unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            format!("Invalid path '{path}': The choice state's condition path references an invalid value.")
        );
    }
}

#[test]
fn combines() {
    let (yes, no) = ("{'Variable': '$.a', 'IsNumeric': true}", "{'Variable': '$.a', 'IsString': true}");
    let missing = "{'Variable': '$.none', 'IsNull': true}";
    for (rule, expected) in [
        (format!("{{'And': [{yes}, {yes}]}}"), true),
        (format!("{{'And': [{yes}, {no}]}}"), false),
        (format!("{{'And': [{no}, {missing}]}}"), false),
        (format!("{{'Or': [{no}, {yes}, {missing}]}}"), true),
        (format!("{{'Or': [{no}, {no}]}}"), false),
        (format!("{{'Not': {no}, 'Next': 'X', 'Comment': 'c', 'Assign': {{'x': 1}}}}"), true),
        (format!("{{'Not': {{'And': [{{'Or': [{no}, {yes}]}}, {{'Not': {no}}}], 'Comment': 'c'}}}}"), false),
    ] {
        check(&rule, &[("{'a': 1}", expected)]);
    }
}

#[test]
fn says_what_is_wrong() {
    for (rule, expected) in [
        ("{'Variable': '$.a', 'StringEquals': 1}", vec![("/StringEquals", "Expected value of type String")]),
        ("{'Variable': '$.a', 'NumericEquals': '1'}", vec![("/NumericEquals", "Expected value of type Number")]),
        ("{'Variable': '$.a', 'IsNull': 'true'}", vec![("/IsNull", "Expected value of type Boolean")]),
        (
            "{'Variable': '$.a', 'TimestampEquals': '2026-01-02'}",
            vec![("/TimestampEquals", "String does not match RFC3339 timestamp")],
        ),
        (
            "{'Variable': 'a', 'NumericEqualsPath': 'b'}",
            vec![
                ("/Variable", "Value is not a Reference Path: Reference path didn't start with '$'"),
                ("/NumericEqualsPath", "Value is not a Reference Path: Reference path didn't start with '$'"),
            ],
        ),
        (
            "{'Variable': '$.a', 'IsNull': true, 'IsString': true}",
            vec![("", "There should only be one of the following fields: [IsNull, IsString]")],
        ),
        ("{'Variable': '$.a'}", vec![("", "A comparison operator is required beside the field 'Variable'")]),
        (
            "{'Variable': '$.a', 'NumericIsh': 1}",
            vec![
                ("", "Field 'NumericIsh' is not supported"),
                ("", "A comparison operator is required beside the field 'Variable'"),
            ],
        ),
        (
            "{'Next': 'X'}",
            vec![("", "The object must have only one of the following fields, [And, Or, Not, Variable, Condition]")],
        ),
        (
            "{'Variable': '$.a', 'IsNull': true, 'Not': {}}",
            vec![("", "The object must have only one of the following fields, [And, Or, Not, Variable, Condition]")],
        ),
        ("{'And': []}", vec![("/And", "Value cannot be empty")]),
        ("{'Or': {}}", vec![("/Or", "Expected value of type Array")]),
        ("{'Not': []}", vec![("/Not", "Expected value of type Object")]),
        (
            "{'And': [{'Variable': '$.a', 'IsNull': true, 'Next': 'X'}, {'Not': {'Variable': 1, 'IsNull': true}}]}",
            vec![
                ("/And[0]", "Field 'Next' is not supported"),
                ("/And[1]/Not/Variable", "Expected value of type String"),
            ],
        ),
        ("[]", vec![("", "Expected value of type Object")]),
    ] {
        let errors = Condition::compile(&value(rule)).unwrap_err();
        let found: Vec<_> = errors.iter().map(|error| (error.pointer.as_str(), error.message.as_str())).collect();
        assert_eq!(found, expected, "{rule}");
    }
}

#[test]
fn bounds_nesting() {
    let nested = |depth: usize| {
        value(&format!("{}{{'Variable': '$.a', 'IsNull': true}}{}", "{'Not': ".repeat(depth), "}".repeat(depth)))
    };
    assert!(Condition::compile(&nested(MAX_CONDITION_DEPTH)).is_ok());
    assert!(Condition::compile(&nested(MAX_CONDITION_DEPTH + 1)).is_err());
}

#[test]
fn shows_its_paths() {
    let rule =
        "{'And': [{'Variable': '$.a', 'StringEqualsPath': '$limit'}, {'Not': {'Variable': '$.b', 'IsNull': true}}]}";
    let mut paths = Vec::new();
    Condition::compile(&value(rule)).unwrap().for_each_path(&mut |path| paths.push(path.text().to_owned()));
    assert_eq!(paths, ["$.a", "$limit", "$.b"]);
}
