//! Calls as text and data in, a value or an error out.

use std::cell::Cell;

use proptest::prelude::*;

use super::{Intrinsic, MAX_INTRINSIC_DEPTH};
use crate::{
    Value,
    model::quota,
    query::{Environment, QueryError},
    value::{Number, ValueRef},
};

struct Data {
    input: Value,
    context: Value,
    variable: Value,
    random: Cell<u64>,
}

impl Environment for Data {
    fn input(&self) -> &Value {
        &self.input
    }

    fn context(&self) -> &Value {
        &self.context
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        (name == "order").then_some(&self.variable)
    }

    fn random(&self) -> u64 {
        self.random.replace(self.random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1))
    }
}

fn data(input: &str) -> Data {
    Data {
        input: Value::parse(input).unwrap(),
        context: Value::parse(r#"{"State":{"Name":"Sum"}}"#).unwrap(),
        variable: Value::parse(r#"{"id":"o-1"}"#).unwrap(),
        random: Cell::new(1 << 63),
    }
}

fn try_call(text: &str, input: &str) -> Result<Value, QueryError> {
    let intrinsic = Intrinsic::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    intrinsic.evaluate(&data(input))
}

#[track_caller]
fn check(text: &str, input: &str, expected: &str) {
    match try_call(text, input) {
        Ok(value) => assert_eq!(value.to_json(), expected, "{text} of {input}"),
        Err(error) => panic!("{text} of {input}: {error:?}"),
    }
}

#[track_caller]
fn check_invalid(text: &str, input: &str) {
    let error = try_call(text, input).unwrap_err();
    let name = text.split('(').next().unwrap();
    assert_eq!(error.error, "States.Runtime");
    assert_eq!(error.cause, format!("The function '{text}' had the following error: Invalid arguments in {name}"));
}

#[test]
fn format() {
    check("States.Format('')", "{}", r#""""#);
    check("States.Format('{}-{}', $.a, 7)", r#"{"a":"x"}"#, r#""x-7""#);
    check("States.Format('{} {} {} {}', null, true, -1.5, 'q')", "{}", r#""null true -1.5 q""#);
    check("States.Format('{}', $)", r#"{"a":[1,{"b":null}],"c":"d"}"#, r#""{a=[1, {b=null}], c=d}""#);
    check(r"States.Format('\{{}\} it\'s \\', 1)", "{}", r#""{1} it's \\""#);
    check("States.Format($.t, $.a)", r#"{"t":"<{}>","a":1}"#, r#""<1>""#);
    check("States.Format('{}/{}', $order.id, $$.State.Name)", "{}", r#""o-1/Sum""#);
    check("States.Format( '{}' , $.a )", r#"{"a":"{}"}"#, r#""{}""#);
    check("States.Format('é{}ü', 'ö')", "{}", r#""éöü""#);
    check_invalid("States.Format($.t)", r#"{"t":1}"#);
    for (template, reason) in [
        ("{", "Invalid template in States.Format: matching '}' not found for '{'."),
        ("{}{}", "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}."),
    ] {
        let error = try_call("States.Format($.t, 1)", &format!(r#"{{"t":"{template}"}}"#)).unwrap_err();
        assert_eq!(error.cause, format!("The function 'States.Format($.t, 1)' had the following error: {reason}"));
    }
}

#[test]
fn text_and_json() {
    check("States.StringToJson($.t)", r#"{"t":"{\"a\": [1, 2.50]}"}"#, r#"{"a":[1,2.50]}"#);
    check("States.StringToJson('')", "{}", "null");
    check("States.StringToJson(' ')", "{}", "null");
    check(r#"States.StringToJson('{"a": "it\'s"}')"#, "{}", r#"{"a":"it's"}"#);
    check(r#"States.StringToJson('{"a": "\\"b\\""}')"#, "{}", r#"{"a":"\"b\""}"#);
    check("States.StringToJson(' 3 ')", "{}", "3");
    check_invalid("States.StringToJson('{')", "{}");
    check_invalid("States.StringToJson('undefined')", "{}");
    check_invalid("States.StringToJson($.a)", r#"{"a":{}}"#);
    check("States.JsonToString($)", r#"{"a": [1, "b"], "c": {}}"#, r#""{\"a\":[1,\"b\"],\"c\":{}}""#);
    check("States.JsonToString('x')", "{}", r#""\"x\"""#);
    check("States.JsonToString(null)", "{}", r#""null""#);
    check(
        "States.JsonMerge($.a, $.b, false)",
        r#"{"a":{"x":1,"y":{"z":1}},"b":{"y":2,"w":3}}"#,
        r#"{"x":1,"y":2,"w":3}"#,
    );
    check("States.JsonMerge($.a, $.b, null)", r#"{"a":{},"b":{}}"#, "{}");
    check_invalid("States.JsonMerge($.a, $.b, true)", r#"{"a":{},"b":{}}"#);
    check_invalid("States.JsonMerge($.a, $.b, false)", r#"{"a":{},"b":[]}"#);
    check_invalid("States.JsonMerge($.a, $.b, false)", r#"{"a":null,"b":{}}"#);
    check("States.StringSplit($.t, '-')", r#"{"t":"a-b--c-"}"#, r#"["a","b","c"]"#);
    check("States.StringSplit('a.b, c', ',. ')", "{}", r#"["a","b","c"]"#);
    check("States.StringSplit('', ',')", "{}", "[]");
    check("States.StringSplit('abc', '')", "{}", r#"["abc"]"#);
    check("States.StringSplit('aéb', 'é')", "{}", r#"["a","b"]"#);
    check_invalid("States.StringSplit($.a, ',')", r#"{"a":null}"#);
}

#[test]
fn arrays() {
    check("States.Array()", "{}", "[]");
    check("States.Array(1, 'a', null, $.a, States.Array())", r#"{"a":{"b":1}}"#, r#"[1,"a",null,{"b":1},[]]"#);
    check("States.ArrayLength($)", "[1,2,3]", "3");
    check_invalid("States.ArrayLength($)", "{}");
    check("States.ArrayGetItem($, 0)", r#"["a","b"]"#, r#""a""#);
    check("States.ArrayGetItem($, 1.9)", r#"["a","b"]"#, r#""b""#);
    check("States.ArrayGetItem($, 5)", "[]", "null");
    check_invalid("States.ArrayGetItem($, 2)", r#"["a","b"]"#);
    check_invalid("States.ArrayGetItem($, -1)", r#"["a","b"]"#);
    check_invalid("States.ArrayGetItem($.a, $.b)", r#"{"a":[1],"b":"0"}"#);
    check("States.ArrayPartition($, 2)", "[1,2,3]", "[[1,2],[3]]");
    check("States.ArrayPartition($, 2.9)", "[1,2,3]", "[[1,2],[3]]");
    check("States.ArrayPartition($, 9)", "[1,2,3]", "[[1,2,3]]");
    check("States.ArrayPartition($, 1)", "[]", "[]");
    for size in ["0", "-1", "0.9", "2147483648"] {
        check_invalid(&format!("States.ArrayPartition($, {size})"), "[1]");
    }
    check("States.ArrayRange(1, 10, 4)", "{}", "[1,5,9]");
    check("States.ArrayRange(1, 9, 4)", "{}", "[1,5,9]");
    check("States.ArrayRange(3, -3, -3)", "{}", "[3,0,-3]");
    check("States.ArrayRange(2, 2, -1)", "{}", "[2]");
    check("States.ArrayRange(1, 5, -1)", "{}", "[]");
    check("States.ArrayRange(5, 1, 2)", "{}", "[]");
    check("States.ArrayRange(1.9, 3.9, 1.9)", "{}", "[1,2,3]");
    check_invalid("States.ArrayRange(1, 5, 0)", "{}");
    check_invalid("States.ArrayRange(1, 5, 0.5)", "{}");
    check_invalid("States.ArrayRange(0, 1000, 1)", "{}");
    check_invalid("States.ArrayRange(-2147483648, 2147483647, 1)", "{}");
    assert_eq!(try_call("States.ArrayLength(States.ArrayRange(1, 1000, 1))", "{}").unwrap(), Value::from(1_000));
    check("States.ArrayUnique($)", "[3,1,3,2,1]", "[1,2,3]");
    check_invalid("States.ArrayUnique($)", r#""x""#);
}

#[test]
fn an_array_contains_what_prints_alike() {
    for (items, wanted, expected) in [
        ("[1,2]", "2", "true"),
        ("[1,2]", "3", "false"),
        ("[]", "null", "false"),
        ("[null]", "null", "true"),
        (r#"["a"]"#, r#""a""#, "true"),
        (r#"["a"]"#, r#""A""#, "false"),
        (r#"["1"]"#, "1", "true"),
        ("[0]", "false", "false"),
        ("[[1,[2]]]", "[1,[2]]", "true"),
        (r#"[{"a":1,"b":2}]"#, r#"{"a":1,"b":2}"#, "true"),
        (r#"[{"a":1,"b":2}]"#, r#"{"b":2,"a":1}"#, "false"),
    ] {
        check("States.ArrayContains($.i, $.w)", &format!(r#"{{"i":{items},"w":{wanted}}}"#), expected);
    }
    check_invalid("States.ArrayContains($, 1)", "{}");
}

#[test]
fn numbers() {
    for (first, second, sum) in [
        ("1", "2", "3"),
        ("-1", "-2", "-3"),
        ("0.5", "0", "1"),
        ("-0.5", "0", "0"),
        ("-3.5", "0", "-3"),
        ("3.5", "0.49", "4"),
        ("2147483646", "1", "2147483647"),
        ("-2147483648", "0", "-2147483648"),
        ("1e3", "1", "1001"),
    ] {
        check(&format!("States.MathAdd({first}, {second})"), "{}", sum);
    }
    check_invalid("States.MathAdd(2147483647, 1)", "{}");
    check_invalid("States.MathAdd(2147483648, -1)", "{}");
    check_invalid("States.MathAdd(1e300, -1)", "{}");
    check_invalid("States.MathAdd($.a, 1)", r#"{"a":"1"}"#);
    check_invalid("States.MathAdd($.a, 1)", r#"{"a":null}"#);
    check("States.MathRandom(5, 6)", "{}", "5");
    check("States.MathRandom(-10, 10)", "{}", "0");
    check("States.MathRandom(0, 10, 42)", "{}", "0");
    check("States.Array(States.MathRandom(1, 99, 7), States.MathRandom(1, 99, 8))", "{}", "[95,93]");
    check_invalid("States.MathRandom(1, 1)", "{}");
    check_invalid("States.MathRandom(1.4, 1.6)", "{}");
    check_invalid("States.MathRandom(2, 1)", "{}");
    check_invalid("States.MathRandom(1, 9, null)".replace("null", "$.s").as_str(), r#"{"s":null}"#);
}

#[test]
fn a_random_number_is_in_its_range_and_a_seed_repeats() {
    let call = Intrinsic::parse("States.Array(States.MathRandom(-2, 3), States.MathRandom(-2, 3, $.s))").unwrap();
    let repeated = call.evaluate(&data(r#"{"s":5}"#)).unwrap();
    let environment = data(r#"{"s":5}"#);
    for _ in 0..200 {
        let drawn = call.evaluate(&environment).unwrap();
        let number = drawn.index(0).and_then(ValueRef::as_number).and_then(Number::as_i64).unwrap();
        assert!((-2..3).contains(&number));
        assert_eq!(drawn.index(1), repeated.index(1));
    }
}

#[test]
fn encodings() {
    check("States.Base64Encode('')", "{}", r#""""#);
    check("States.Base64Encode('expressway ü')", "{}", r#""ZXhwcmVzc3dheSDDvA==""#);
    check("States.Base64Decode('ZXhwcmVzc3dheSDDvA==')", "{}", r#""expressway ü""#);
    check("States.Base64Decode('ZXhwcmVzc3dheSDDvA')", "{}", r#""expressway ü""#);
    check("States.Base64Decode(' ZXhw!cmVzc w==ZXhw')", "{}", r#""express""#);
    check("States.Base64Decode('--__')", "{}", "\"\u{FFFD}\u{FFFD}\u{FFFD}\"");
    check_invalid("States.Base64Decode($)", "1");
    // From coreutils' md5sum and its kin.
    for (algorithm, digest) in [
        ("MD5", "c83b72dd001482ce10f0b106c7a0ed0e"),
        ("SHA-1", "ed36cbf2c9bb73ca445c18f5195c59b62495d89c"),
        ("SHA-256", "44c5e7071f3a75a22457bc5f06d3e2ba564b4d6ee8165fb0e9087bacf953bcc3"),
        ("SHA-384", "09196fe3b7cd04fc9204c82c422f795ce92cc5d35790406e591edb667c79b1c0e81a1c1b475dcf1a5c5a9fb3277e56ee"),
        (
            "SHA-512",
            "f8b6ddeb111c6dd473d23c4a09a2851cff765b3c1592f225ebe58e0d7301c183\
             633b1a80e2281281918ecc4815bf8e874ebdd1aafec9449e67d9bb908f0777b8",
        ),
    ] {
        check(&format!("States.Hash('way', '{algorithm}')"), "{}", &format!("\"{digest}\""));
    }
    check_invalid("States.Hash('way', 'sha-1')", "{}");
    check_invalid("States.Hash('way', $.a)", r#"{"a":1}"#);
    let same = |first: &str, second: &str| {
        assert_eq!(try_call(first, r#"{"a":{"b":1}}"#).unwrap(), try_call(second, "{}").unwrap(), "{first}");
    };
    same("States.Hash(12, 'SHA-256')", "States.Hash('12', 'SHA-256')");
    same("States.Hash($.a, 'SHA-384')", r"States.Hash('\{b=1\}', 'SHA-384')");
    same("States.Hash(true, 'SHA-512')", "States.Hash('true', 'SHA-512')");
    let text = |length: usize| format!(r#"{{"t":"{}"}}"#, "é".repeat(length));
    for call in ["States.Base64Encode($.t)", "States.Base64Decode($.t)", "States.Hash($.t, 'MD5')"] {
        assert!(try_call(call, &text(10_000)).is_ok());
        check_invalid(call, &text(10_001));
    }
}

#[test]
fn uuids_differ() {
    let environment = data("{}");
    let call = Intrinsic::parse("States.UUID()").unwrap();
    let (first, second) = (call.evaluate(&environment).unwrap(), call.evaluate(&environment).unwrap());
    assert_ne!(first, second);
    assert_eq!(first.as_str().unwrap().len(), 36);
}

#[test]
fn an_argument_that_is_not_there() {
    for (call, input, path) in [
        ("States.Array($.a, $.b)", r#"{"a": 1}"#, "$.b"),
        ("States.Format('{}', States.ArrayLength( $.b.c ))", "{}", "$.b.c"),
        ("States.JsonToString($$.State.No)", "[1]", "$.State.No"),
        ("States.JsonToString($order.no)", "[1]", "$order.no"),
        ("States.Array($.a[2])", r#"{"a": [1, 2]}"#, "$.a[2]"),
    ] {
        let error = try_call(call, input).unwrap_err();
        let input = Value::parse(input).unwrap();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            format!(
                "The function '{call}' had the following error: The JsonPath argument for the field '{path}' could not \
                 be found in the input '{input}'"
            )
        );
    }
}

#[test]
fn an_indefinite_path_finds_an_array() {
    check("States.ArrayLength($.a[*].b)", r#"{"a":[{"b":1},{},{"b":2}]}"#, "2");
    check("States.Format('{}', $..none)", "{}", r#""[]""#);
}

#[test]
fn a_path_that_does_not_fit_the_data() {
    let error = try_call("States.Array($.a[0])", r#"{"a":"text"}"#).unwrap_err();
    assert_eq!(error.error, "States.Runtime");
    let reason = error.cause.strip_prefix("The function 'States.Array($.a[0])' had the following error: ").unwrap();
    assert!(reason.contains("can only be applied to arrays"), "{reason}");
}

#[test]
fn refuses_what_is_no_call() {
    for (text, offset) in [
        ("", 0),
        ("$.a", 0),
        (" States.UUID()", 0),
        ("States.UUID() ", 13),
        ("States.UUID()()", 13),
        ("States.UUID ()", 11),
        ("States.Uuid()", 0),
        ("States.", 0),
        ("States.UUID", 11),
        ("States.UUID(", 12),
        ("States.UUID(1)", 0),
        ("States.Array(1,)", 15),
        ("States.Array(,1)", 13),
        ("States.Array(1 2)", 15),
        ("States.Array('a)", 13),
        (r"States.Array('a\n')", 15),
        (r#"States.Array('a\"')"#, 15),
        (r"States.Array('a\')", 13),
        (r"States.Array('a\", 15),
        (r#"States.Array("a")"#, 13),
        ("States.Array(01)", 13),
        ("States.Array(1.)", 13),
        ("States.Array(-)", 13),
        ("States.Array(+1)", 13),
        ("States.Array(True)", 13),
        ("States.Array(ä)", 13),
        ("States.Array(States.Nope())", 13),
        ("States.Array(Stat)", 13),
        ("States.MathAdd(1)", 0),
        ("States.MathAdd(1, 2, 3)", 0),
        ("States.MathAdd(1, '2')", 18),
        ("States.MathRandom(1)", 0),
        ("States.MathRandom(1, 2, 3, 4)", 0),
        ("States.ArrayLength('a')", 19),
        ("States.JsonMerge(null, $, false)", 17),
        ("States.Format()", 0),
        ("States.Format(1)", 14),
        ("States.Format('{}')", 0),
        ("States.Format('{}', 1, 2)", 0),
        ("States.Format('é{', 1)", 17),
        ("States.Array($.a", 16),
        ("States.Array($.a[?(@.b == ')'])", 29),
    ] {
        let error = Intrinsic::parse(text).expect_err(text);
        assert_eq!(error.offset, offset, "{text}: {error}");
    }
}

#[test]
fn paths_end_at_their_own_comma() {
    for (text, paths) in [
        ("States.Array($)", vec!["$"]),
        ("States.Array($.a , $$.State.Name,$order.id)", vec!["$.a", "$$.State.Name", "$order.id"]),
        ("States.Array(States.Array($.a), $.b)", vec!["$.a", "$.b"]),
        ("States.Format('$.no {}', $.a)", vec!["$.a"]),
        ("States.Array($['a,b)'], $.c[0:2].length())", vec!["$['a,b)']", "$.c[0:2].length()"]),
        ("States.Array($.a[?(@.b == ',)' && @.c)].d,$..e)", vec!["$.a[?(@.b == ',)' && @.c)].d", "$..e"]),
    ] {
        let mut found = Vec::new();
        Intrinsic::parse(text).unwrap().for_each_path(&mut |path| found.push(path.text().to_owned()));
        assert_eq!(found, paths, "{text}");
    }
}

#[test]
fn bounds_nesting() {
    let nested = |depth: usize| format!("{}{}", "States.Array(".repeat(depth), ")".repeat(depth));
    assert!(Intrinsic::parse(&nested(MAX_INTRINSIC_DEPTH)).is_ok());
    assert!(Intrinsic::parse(&nested(MAX_INTRINSIC_DEPTH + 1)).is_err());
    assert!(Intrinsic::parse(&nested(100_000)).is_err());
}

#[test]
fn bounds_results() {
    let text = "a,".repeat(quota::MAX_PAYLOAD_BYTES / 3);
    let input = format!(r#"{{"t":"{text}"}}"#);
    for call in [
        "States.Array($.t, $.t)",
        "States.Format('{}{}', $.t, $.t)",
        "States.StringSplit($.t, ',')",
        "States.Array(States.Array($.t), States.Array($.t))",
        "States.JsonToString(States.Array($.t, $.t))",
    ] {
        let error = try_call(call, &input).unwrap_err();
        assert_eq!(error.error, "States.IntrinsicFailure", "{call}");
        assert!(error.cause.contains("exceeds the maximum"), "{call}");
    }
}

#[test]
fn bounds_the_depth_of_results() {
    let mut environment = data("0");
    let call = Intrinsic::parse("States.Array($)").unwrap();
    for _ in 0..quota::MAX_VALUE_DEPTH {
        environment.input = call.evaluate(&environment).unwrap();
    }
    assert_eq!(call.evaluate(&environment).unwrap_err().error, "States.IntrinsicFailure");
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_a_panic(text in ".*") {
        let _ = Intrinsic::parse(&text);
    }

    #[test]
    fn what_looks_like_a_call_is_parsed_without_a_panic(
        text in r"States\.(Array|Format|Hash|MathAdd|UUID)\(([$'\\{}.,()\[\] é0-9a-zS-]|States\.Array\(){0,24}\)?"
    ) {
        let _ = Intrinsic::parse(&text);
    }

    #[test]
    fn a_string_says_what_it_is_escaped_from(text in ".*") {
        let escaped = text.replace('\\', r"\\").replace('\'', r"\'").replace('{', r"\{").replace('}', r"\}");
        let expected = Value::from(text.as_str());
        prop_assert_eq!(try_call(&format!("States.Format('{escaped}')"), "{}").unwrap(), expected.clone());
        prop_assert_eq!(try_call(&format!("States.ArrayGetItem(States.Array('{escaped}'), 0)"), "{}").unwrap(), expected);
    }
}
