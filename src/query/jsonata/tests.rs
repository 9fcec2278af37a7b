//! Expressions and templates in an environment like a state's.

use super::*;

struct State {
    input: Value,
    result: Option<Value>,
    context: Value,
    variables: Vec<(&'static str, Value)>,
}

impl State {
    fn new(input: &str) -> Self {
        Self {
            input: value(input),
            result: None,
            context: value(r#"{"State":{"Name":"Pay"}}"#),
            variables: vec![("count", value("2")), ("list", value("[7,8,9]")), ("order", value(r#"{"id":5}"#))],
        }
    }
}

impl JsonataEnvironment for State {
    fn input(&self) -> Option<&Value> {
        Some(&self.input)
    }
    fn result(&self) -> Option<&Value> {
        self.result.as_ref()
    }
    fn error_output(&self) -> Option<&Value> {
        None
    }
    fn context(&self) -> Option<&Value> {
        Some(&self.context)
    }
    fn variable(&self, name: &str) -> Option<&Value> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
    fn random(&self) -> u64 {
        42
    }
    fn now_ms(&self) -> u64 {
        1_700_000_000_123
    }
}

fn value(json: &str) -> Value {
    Value::parse(json).unwrap()
}

fn parsed(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What an expression gives, as JSON, or the error's text. Fast expressions give the same in the base.
fn given(text: &str, state: &State) -> String {
    let expression = parsed(text);
    let shown = |result: Result<Evaluated, JsonataError>| match result {
        Ok(Evaluated::Value(value)) => value.to_json(),
        Ok(other) => format!("{other:?}"),
        Err(error) => error.to_string(),
    };
    let (result, in_base) = (shown(expression.evaluate(state)), shown(expression.evaluate_in_base(state)));
    assert_eq!(result, in_base, "{text}");
    result
}

#[test]
fn expressions_stand_between_exact_delimiters() {
    assert_eq!(expression_text("{% $x %}"), Some("$x"));
    assert_eq!(expression_text("{%$x%}"), Some("$x"));
    assert_eq!(expression_text("{%%}"), Some(""));
    for text in ["", "{%}", " {% $x %}", "{% $x %} ", "{% $x }", "$x", "{%"] {
        assert_eq!(expression_text(text), None, "{text}");
    }
}

#[test]
fn states_and_variables_are_seen() {
    let mut state = State::new(r#"{"a":{"b":[1,2,3]},"n":null,"empty":[],"one":[4]}"#);
    state.result = Some(value(r#"{"ok":true}"#));
    for (text, expected) in [
        ("$states.input.a.b", "[1,2,3]"),
        ("$states.input.a.b[1]", "2"),
        ("$states.input.a.b[-1]", "3"),
        ("$states.input.a.b[$ > 1]", "[2,3]"),
        ("$states.input.a.b[$ > 2]", "3"),
        ("$states.input.a.b[$ > 3]", "Undefined"),
        ("$states.input.n", "null"),
        ("$states.input.empty", "[]"),
        ("$states.input.one", "[4]"),
        ("$states.input.one.$", "4"),
        ("$states.result.ok", "true"),
        ("$states.errorOutput", "Undefined"),
        ("$states.context.State.Name & '!'", r#""Pay!""#),
        ("$states.nothing", "Undefined"),
        ("$missing", "Undefined"),
        ("$list[0] + $order.id", "12"),
        ("$sum($list)", "24"),
        ("$keys($states)", r#"["input","result","context"]"#),
        ("$states.*[ok].ok", "true"),
        ("a", "Undefined"),
        ("$", "Undefined"),
        ("$map($list, function($v, $i) { $v * $i })", "[0,8,18]"),
        ("$filter($list, function($v) { $v > 8 })", "9"),
        ("($x := $order.id; $x + $x)", "10"),
        ("$y := 3", "3"),
        ("1/4", "0.25"),
        ("10/5", "2"),
        ("1 > 2 ? 'a' : 'b'", r#""b""#),
        ("1 > 2 ? 'a'", "Undefined"),
        ("{'a': 1, 'b': $missing, 'c': [$list, 1]}", r#"{"a":1,"c":[7,8,9,1]}"#),
        ("[$list, [$list]]", "[7,8,9,[7,8,9]]"),
        ("$string($order) & $list & 1.50", r#""{\"id\":5}[7,8,9]1.5""#),
    ] {
        assert_eq!(given(text, &state), expected, "{text}");
    }
}

#[test]
fn functions_are_no_values() {
    let state = State::new("{}");
    for text in ["function($x) { $x }", "$f := function($x) { $x }", "$sum", "{'f': $sum}", "/a/"] {
        assert_eq!(given(text, &state), "Unsupported", "{text}");
    }
}

#[test]
fn functions_of_step_functions() {
    let state = State::new(r#"{"text":"{\"a\":[1,2.5,\"x\"]}"}"#);
    for (text, expected) in [
        ("$partition([1,2,3,4,5], 2)", "[[1,2],[3,4],[5]]"),
        ("$partition([1], 4)", "[[1]]"),
        ("$partition([1,2,3], 2.9)", "[[1,2],[3]]"),
        ("$partition([1,2], 0)", "Undefined"),
        ("$partition([], 2)", "Undefined"),
        ("$partition($missing, 2)", "Undefined"),
        ("$range(0, 6, 2)", "[0,2,4,6]"),
        ("$range(5, 1, -2)", "[5,3,1]"),
        ("$range(3, 9, 9)", "3"),
        ("$range(-1.7, 2, 1)", "[-1,0,1,2]"),
        ("$range(0, 4)", "Undefined"),
        ("$range(0, 4, 0)", "Undefined"),
        ("$range(0, 4, -1)", "Undefined"),
        ("$range('a', 4, 1)", r#"T0410: Argument 1 of function "range" does not match function signature"#),
        ("$hash('abc', 'MD5')", r#""900150983cd24fb0d6963f7d28e17f72""#),
        ("$hash('abc', 'SHA-1')", r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        ("$hash('abc')", "Undefined"),
        ("$parse($states.input.text)", r#"{"a":[1,2.5,"x"]}"#),
        ("$parse($states.input.text).a[0] + 1", "2"),
        ("$parse('null')", "null"),
        ("$random(1) = $random(1)", "true"),
        ("$random() < 1", "true"),
        ("$length($uuid())", "36"),
        ("$uuid() = $uuid()", "false"),
        ("$millis()", "1700000000123"),
        ("$now()", r#""2023-11-14T22:13:20.123Z""#),
        ("$now('[Y]-[M01]-[D01]')", r#""2023-11-14""#),
        ("$count($shuffle([1,2,3]))", "3"),
        ("$map([[1,2,3]], function($x) { $partition($x, 2) })", "[[1,2],[3]]"),
    ] {
        assert_eq!(given(text, &state), expected, "{text}");
    }
    assert!(given("$hash('abc', 'CRC')", &state).contains("CRC"));
    assert!(given("$parse('{')", &state).contains("parse"));
}

#[test]
fn what_step_functions_does_not_have_is_refused() {
    for text in [
        "$eval('1')",
        "$map(['1'], $eval)",
        "'1' ~> $eval",
        "1 ?? 2",
        "$states.input.a ?: 2",
        "(1",
        "1 +",
        "$f(",
        "a b",
    ] {
        assert!(Expression::parse(text).is_err(), "{text}");
    }
    // What is bound by that name is another matter.
    assert!(Expression::parse("($eval := function($x) { $x }; $eval(1))").is_ok());
    assert!(Expression::parse(&"(".repeat(5000)).is_err());
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, offset) in [("1 + ]", 4), ("$sum(1", 6), ("'abc", 4), ("1 2", 2), ("{'a': 1,, }", 8), ("é é", 3)] {
        assert_eq!(Expression::parse(text).unwrap_err().offset, offset, "{text}");
    }
}

#[test]
fn references() {
    let expression = parsed(
        "($x := $states.input.a.b; $map($orders.items, function($v) { $v.price * $rate + $x }) ~> $sum()) & name.first",
    );
    let references = expression.references();
    assert_eq!(references.variables, ["orders", "rate"].map(Box::<str>::from));
    assert!(references.input && !references.result && !references.error_output && !references.context);
    assert_eq!(references.top_level_names, ["name"].map(Box::<str>::from));
    assert!(!references.top_level_data);
    let references = parsed("$states.input.items[price > 3].name").references().clone();
    assert!(references.top_level_names.is_empty() && references.variables.is_empty());
    let references = parsed("$lookup($states, 'result')").references().clone();
    assert!(references.input && references.result && references.error_output && references.context);
    assert!(parsed("$$.a").references().root_data);
    assert!(parsed("$.a").references().top_level_data);
    assert!(!parsed("$states.input.($.a)").references().top_level_data);
    assert_eq!(parsed("$uppercase($name)").references().variables, ["name"].map(Box::<str>::from));
}

/// Only what is named is converted: what is not is not there for the base, and nobody can tell.
#[test]
fn only_named_parts_are_converted() {
    let state = State::new(r#"{"a":{"b":[{"c":1,"d":2},{"c":3}],"e":5},"big":9007199254740993}"#);
    for (text, expected) in [
        ("$reverse($states.input.a.b.c)", "[3,1]"),
        ("$reverse($states.input.a.b)[0]", r#"{"c":3}"#),
        ("$states.input.a.b^(>c)[0].d", "Undefined"),
        ("$states.input.a.b^(c)[0].d", "2"),
        ("$states.input.a.b.%.e", "[5,5]"),
        ("$states.input.a.*[c = 3].c", "3"),
        ("$spread($states.input.a)[1].e", "5"),
    ] {
        assert_eq!(given(text, &state), expected, "{text}");
    }
}

#[test]
fn integers_stay_exact_while_they_are_moved() {
    let state = State::new(r#"{"id":9007199254740993,"list":[9007199254740993,18446744073709551615,1]}"#);
    for (text, expected) in [
        ("$states.input.id", "9007199254740993"),
        ("{'id': $states.input.id}", r#"{"id":9007199254740993}"#),
        ("$states.input.list[1]", "18446744073709551615"),
        ("$reverse($states.input.list)", "[1,18446744073709551615,9007199254740993]"),
        ("$states.input.list^(>$)", "[18446744073709551615,9007199254740993,1]"),
    ] {
        assert_eq!(given(text, &state), expected, "{text}");
    }
}

#[test]
fn numbers_that_json_has_not_are_written_as_text() {
    let state = State::new("{}");
    assert_eq!(given("1/0", &state), r#""Infinity""#);
    assert_eq!(given("[-1/0]", &state), r#"["-Infinity"]"#);
    assert_eq!(given("1/0 + 1", &state).split(':').next(), Some("D1001"));
}

#[test]
fn errors_have_codes_and_causes() {
    let state = State::new(r#"{"a":"x"}"#);
    let cause = |text: &str| parsed(text).evaluate_field("Output/result", &state).unwrap_err().cause;
    assert_eq!(
        cause("$states.input.b"),
        "The JSONata expression '$states.input.b' specified for the field 'Output/result' returned nothing (undefined)."
    );
    assert_eq!(
        cause("function() { 1 }"),
        "The JSONata expression 'function() { 1 }' specified for the field 'Output/result' returned an unsupported result \
         type."
    );
    let failed = cause("$states.input.a + 1");
    assert!(
        failed.starts_with(
            "The JSONata expression '$states.input.a + 1' specified for the field 'Output/result' threw an error during \
             evaluation. T2001: "
        ),
        "{failed}"
    );
    let failure = parsed("'abc'").evaluate_as(ResultType::Array, "Items", &state).unwrap_err();
    assert_eq!(&*failure.location, "Items");
    assert_eq!(
        failure.cause,
        "The JSONata expression ''abc'' specified for the field 'Items' returned an unexpected result type. Expected \
         'array', but was 'string' for value: \"abc\""
    );
    assert_eq!(parsed("[1]").evaluate_as(ResultType::Array, "Items", &state).unwrap(), value("[1]"));
}

#[test]
fn templates_are_filled_in() {
    let template = value(
        r#"{"id":"{% $states.input.id %}","list":[1,"{% $count %}",{"deep":"{%$list%}"}],"text":"$count"," {% x %}":true}"#,
    );
    let template = JsonataTemplate::compile(&template).unwrap();
    let state = State::new(r#"{"id":7}"#);
    assert!(!template.is_constant());
    assert_eq!(
        template.evaluate("Output", &state).unwrap(),
        value(r#"{"id":7,"list":[1,2,{"deep":[7,8,9]}],"text":"$count"," {% x %}":true}"#)
    );
    assert!(JsonataTemplate::compile(&value(r#"{"a":["$x",{}]}"#)).unwrap().is_constant());
    let whole = JsonataTemplate::compile(&value(r#""{% $states.input %}""#)).unwrap();
    assert_eq!(whole.evaluate("Output", &state).unwrap(), value(r#"{"id":7}"#));
}

#[test]
fn failing_parts_of_templates_are_named() {
    let state = State::new("{}");
    let location = |template: &str| {
        let template = JsonataTemplate::compile(&value(template)).unwrap();
        template.evaluate("Output", &state).unwrap_err().location
    };
    assert_eq!(&*location(r#""{% $missing %}""#), "Output");
    assert_eq!(&*location(r#"{"result":"{% $missing %}"}"#), "Output/result");
    assert_eq!(&*location(r#"{"a":{"b":[1,"{% $missing %}"]}}"#), "Output/a/b[1]");
    let errors = JsonataTemplate::compile(&value(r#"{"a/b":["{% 1 + %}"],"c":"{% ( %}"}"#)).unwrap_err();
    let pointers: Vec<_> = errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/a~1b/0", "/c"]);
}

#[test]
fn the_subset_is_decided_when_parsed() {
    for text in [
        "$states.input.amount * 1.2",
        "$sum($states.input.items.price)",
        "$states.input.items[price > 10].name",
        "$states.input.items.{'id': id, 'cost': price * 2}",
        "$map($states.input.items, function($i) { $i.price })",
        "$not($states.input.done)",
        "($x := 1; $x & 'a')",
        "$v ~> $count()",
    ] {
        assert!(parsed(text).is_fast(), "{text}");
    }
    for text in [
        "$states",
        "$states.input.items^(price)",
        "$states.input.*",
        "$states.input.items{id: price}",
        "$uuid()",
        "[1..3]",
        "$states.input.items[]",
        "$map($states.input.items, $string)",
        "function($x) { $x }",
    ] {
        assert!(!parsed(text).is_fast(), "{text}");
    }
}

#[test]
fn expressions_are_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone + fmt::Debug>() {}
    is_shared::<Expression>();
    is_shared::<JsonataTemplate>();
}
