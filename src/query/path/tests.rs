//! Paths through their public interface.

use proptest::prelude::*;

use super::*;

struct Data {
    input: Value,
    context: Value,
}

impl Environment for Data {
    fn input(&self) -> &Value {
        &self.input
    }
    fn context(&self) -> &Value {
        &self.context
    }
    fn variable(&self, name: &str) -> Option<&Value> {
        (name == "order").then_some(&self.input)
    }
    fn random(&self) -> u64 {
        4
    }
}

fn data(input: &str) -> Data {
    Data { input: Value::parse(input).unwrap(), context: Value::parse(r#"{"Execution":{"Id":"e"}}"#).unwrap() }
}

/// What the path finds in the input; after `!` why it finds nothing.
#[track_caller]
fn finds(path: &str, input: &str, expected: &str) {
    let environment = data(input);
    let found = Path::parse(path).unwrap().evaluate(&environment);
    assert_eq!(
        found.map_or_else(|e| format!("!{}", e.reason), |found| found.into_value().to_json()),
        expected,
        "{path}"
    );
}

const STORE: &str = r#"{"store":{"book":[
    {"category":"reference","author":"Nigel Rees","title":"Sayings","price":8.95},
    {"category":"fiction","author":"Evelyn Waugh","title":"Sword","price":12.99},
    {"category":"fiction","author":"Herman Melville","title":"Moby","isbn":"0-553","price":8.99},
    {"category":"fiction","author":"Tolkien","title":"Rings","isbn":"0-395","price":22.99}],
    "bicycle":{"color":"red","price":19.95}},"limit":10,"tags":["a","b"]}"#;

#[test]
fn names_and_indexes() {
    let input = r#"{"a":{"b-c":[1,2,3],"ü":4,"x y":5,"$k":6,"@":7},"":8}"#;
    finds("$", "5", "5");
    finds("$.a.b-c[0]", input, "1");
    finds("$.a['b-c'][2]", input, "3");
    finds(r#"$["a"]["b-c"][-1]"#, input, "3");
    finds("$.['a'].[ 'b-c' ].[1]", input, "2");
    finds("$.a.ü", input, "4");
    finds("$.a['x y']", input, "5");
    finds("$.a.$k", input, "6");
    finds("$.a.@", input, "7");
    finds("$['']", input, "8");
    finds(" $.a.@ ", input, "7");
    finds("$.a.b-c[(@.length-1)]", input, "3");
}

#[test]
fn roots() {
    finds("$$.Execution.Id", "1", r#""e""#);
    finds("$$", "1", r#"{"Execution":{"Id":"e"}}"#);
    finds("$order", "1", "1");
    finds("$order.a[0]", r#"{"a":[5]}"#, "5");
    finds("$order[1]", "[3,4]", "4");
    finds("$other.a", "1", "!No results for path: $other.a");
    finds("$other[*]", "1", "[]");
}

#[test]
fn names_in_quotes_keep_their_backslashes() {
    finds(r#"$['Test\""Name"']"#, r#"{"Test\\\"\"Name\"":1}"#, "1");
    finds(r"$['it\'s']", r#"{"it's":1}"#, "1");
    finds(r#"$["a\"b'c"]"#, r#"{"a\"b'c":1}"#, "1");
    finds(r"$['a\nb']", r#"{"a\\nb":1}"#, "1");
}

#[test]
fn wildcards_slices_and_unions() {
    finds("$[*]", "[1,[2],{}]", "[1,[2],{}]");
    finds("$.*", r#"{"a":1,"b":[2]}"#, "[1,[2]]");
    finds("$[*][*]", "[[1,2],[3]]", "[1,2,3]");
    finds("$.a.*.b", r#"{"a":[{"b":1},{"c":2},3]}"#, "[1]");
    for (slice, expected) in [
        ("[1:3]", "[1,2]"),
        ("[:2]", "[0,1]"),
        ("[3:]", "[3,4]"),
        ("[-2:]", "[3,4]"),
        ("[:-3]", "[0,1]"),
        ("[-9:]", "[0,1,2,3,4]"),
        ("[:-9]", "[]"),
        ("[9:]", "[]"),
        ("[2:9]", "[2,3,4]"),
        ("[3:1]", "[]"),
        ("[-3:-1]", "[2,3]"),
        ("[-9:-3]", "[0,1]"),
        ("[1:-1]", "[]"),
        ("[0,2]", "[0,2]"),
        ("[4, -5, 9]", "[4,0]"),
    ] {
        finds(&format!("${slice}"), "[0,1,2,3,4]", expected);
    }
    finds("$['a','c']", r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"c":3}"#);
    finds("$['a','c']", r#"{"a":1}"#, r#"{"a":1}"#);
    finds("$['a','c'].x", r#"{"a":{"x":1},"b":{"x":2},"c":{"x":3}}"#, "[1,3]");
    finds("$[*]['a','c']", r#"[{"a":1,"b":2},{}]"#, r#"[{"a":1},{}]"#);
}

#[test]
fn deep_scan() {
    finds("$..price", STORE, "[8.95,12.99,8.99,22.99,19.95]");
    finds("$.store..price", STORE, "[8.95,12.99,8.99,22.99,19.95]");
    finds("$..book[2].author", STORE, r#"["Herman Melville"]"#);
    finds("$..book[-1:].title", STORE, r#"["Rings"]"#);
    finds("$..[0]", "[[1,2],[3]]", "[[1,2],1,3]");
    finds("$..*", r#"{"a":[1,{"b":2}]}"#, r#"[[1,{"b":2}],1,{"b":2},2]"#);
    finds("$..['a','b']", r#"[{"a":1,"b":2},{"a":3}]"#, r#"[{"a":1,"b":2}]"#);
    finds("$.d..a[*]", r#"{"d":{"x":{"a":[1,2]}}}"#, "[1,2]");
    finds("$..[?(@.isbn)].title", STORE, r#"["Moby","Rings"]"#);
    finds("$..nothing", STORE, "[]");
}

#[test]
fn indefinite_paths_over_nothing_give_no_matches() {
    for path in ["$[*]", "$.*", "$.items[*]", "$.items[1:]", "$.a.b[:1].c", "$.items[1:5].value", "$..x", "$.a[?(@.b)]"]
    {
        finds(path, "{}", "[]");
    }
    finds("$.a[*]", r#"{"a":1}"#, "[]");
    finds("$.a.b[*]", r#"{"a":1}"#, "[]");
    finds("$.a[1:]", r#"{"a":null}"#, "[]");
    finds("$[1:5]", "{}", "!Filter: [1:5] can only be applied to arrays. Current context is: {}");
    finds("$.a[?(@.b)].c", r#"{"a":"t"}"#, "!Filter: [?]['c'] can not be applied to primitives. Current context is: t");
}

#[test]
fn definite_paths_tell_what_is_missing() {
    finds("$.a", "{}", "!No results for path: $['a']");
    finds("$.a.b", r#"{"a":{}}"#, "!No results for path: $['a']['b']");
    finds("$.no.such.path", "{}", "!Missing property in path $['no']");
    finds("$.a[1]['no'].x", r#"{"a":[0,{}]}"#, "!Missing property in path $['a'][1]['no']");
    finds("$.a[5]", r#"{"a":[]}"#, "!No results for path: $['a'][5]");
    finds("$.a.b", r#"{"a":"text"}"#, "!Property ['b'] not found in path $['a']");
    finds("$.a", "[]", "!Property ['a'] not found in path $");
    finds("$.a[0]", r#"{"a":null}"#, "!The path $['a'] is null");
    finds(
        "$.a[0].b",
        r#"{"a":{"x":[1,null,"s"],"y":true}}"#,
        "!Filter: [0]['b'] can only be applied to arrays. Current context is: {x=[1, null, s], y=true}",
    );
    finds("$.a.length()", "{}", "!Missing property in path $['a']");
}

#[test]
fn field_errors() {
    let cause = |path: &str, input: &str| Path::parse(path).unwrap().evaluate_field(&data(input)).unwrap_err().cause;
    assert_eq!(cause("$.X", "{}"), "Invalid path '$.X' : No results for path: $['X']");
    assert_eq!(cause("$.X", "null"), NULL_INPUT);
    let found = Path::parse("$").unwrap().evaluate_field(&data("null")).map(Found::into_value);
    assert_eq!(found, Ok(Value::NULL));
}

#[test]
fn filters() {
    for (condition, expected) in [
        ("@.price < 10", r#"["Sayings","Moby"]"#),
        ("@.price <= 8.95", r#"["Sayings"]"#),
        ("@.price>12.99", r#"["Rings"]"#),
        ("@.price >= 12.99", r#"["Sword","Rings"]"#),
        ("@.price > $.limit", r#"["Sword","Rings"]"#),
        ("10 > @.price", r#"["Sayings","Moby"]"#),
        ("@.category == 'fiction' && @.price < 10", r#"["Moby"]"#),
        ("@.category==\"reference\" || @.price==22.99", r#"["Sayings","Rings"]"#),
        ("@.category==reference", r#"["Sayings"]"#),
        ("@.price < 9 && @.isbn || @.title == 'Sword'", r#"["Sword","Moby"]"#),
        ("@.isbn && (@.price > 10 || @.price < 1)", r#"["Rings"]"#),
        ("@.isbn", r#"["Moby","Rings"]"#),
        ("!@.isbn", r#"["Sayings","Sword"]"#),
        ("!(@.isbn)", r#"["Sayings","Sword"]"#),
        ("!(@.category == 'fiction')", r#"["Sayings"]"#),
        ("@['isbn'] != '0-395'", r#"["Sayings","Sword","Moby"]"#),
        ("@.title =~ /s.*/i", r#"["Sayings","Sword"]"#),
        ("@.title =~ /S/", "[]"),
        ("@.isbn =~ /0-\\d+/", r#"["Moby","Rings"]"#),
        ("@.title in ['Moby', \"Rings\", 1]", r#"["Moby","Rings"]"#),
        ("@.isbn nin ['0-395']", r#"["Sayings","Sword","Moby"]"#),
        ("@.author contains 'Me'", r#"["Moby"]"#),
        ("@.title size 4", r#"["Moby"]"#),
        ("@.title empty true", "[]"),
        ("@.title.missing.deep == null", "[]"),
        ("@.price == '8.95'", r#"["Sayings"]"#),
        ("@.price === '8.95'", "[]"),
    ] {
        finds(&format!("$.store.book[?({condition})].title"), STORE, expected);
    }
    let input = r#"{"n":[{"l":["a","b"],"k":null},{"l":["c"],"k":1},{"l":[]},{"l":{"m":1}}],"all":["a","b","x"]}"#;
    for (condition, expected) in [
        ("@.l subsetof ['a','b','c']", r#"[["a","b"],["c"],[]]"#),
        ("@.l subsetof $.all", r#"[["a","b"],[]]"#),
        ("@.l anyof ['b','c']", r#"[["a","b"],["c"]]"#),
        ("@.l noneof ['b']", r#"[["c"],[]]"#),
        ("@.l contains 'c'", r#"[["c"]]"#),
        ("'c' in @.l", r#"[["c"]]"#),
        ("@.l size 2", r#"[["a","b"]]"#),
        ("@.l empty true", "[[]]"),
        ("@.l empty false", r#"[["a","b"],["c"],{"m":1}]"#),
        ("@.l == ['c']", r#"[["c"]]"#),
        ("@.l == {\"m\": 1}", r#"[{"m":1}]"#),
        ("@.l.length() == 1", r#"[["c"],{"m":1}]"#),
        ("@.l[0] == 'c'", r#"[["c"]]"#),
        ("@.l[?(@.x)] empty true", r#"[["a","b"],["c"],[],{"m":1}]"#),
        ("@.k == null", r#"[["a","b"]]"#),
        ("@.k", r#"[["a","b"],["c"]]"#),
        ("!@.k", r#"[["a","b"],[],{"m":1}]"#),
        ("$.all contains 'x' && @.k == 1", r#"[["c"]]"#),
    ] {
        finds(&format!("$.n[?({condition})].l"), input, expected);
    }
    finds("$[?(@ > 1)]", "[1,2,3]", "[]");
    finds("$[?(@[0] > 1)]", "[[1],[2]]", "[[2]]");
    finds("$.o[?(@.a == 1)]", r#"{"o":{"a":1}}"#, r#"[{"a":1}]"#);
    finds("$.o[?(@.a == 2)]", r#"{"o":{"a":1}}"#, "[]");
}

#[test]
fn functions() {
    let input = r#"{"n":[4,2,9,1],"s":["a","b"],"o":{"x":1,"y":[1]},"e":[],"t":"text"}"#;
    for (path, expected) in [
        ("$.n.length()", "4"),
        ("$.o.length()", "2"),
        ("$.t.length()", "null"),
        ("$.length($.n)", "4"),
        ("$.n.min()", "1.0"),
        ("$.n.max()", "9.0"),
        ("$.n.avg()", "4.0"),
        ("$.n.sum()", "16.0"),
        ("$.n.stddev()", "3.082207001484488"),
        ("$.sum($.n, 4, $.e)", "20.0"),
        ("$.o.keys()", r#"["x","y"]"#),
        ("$.o.keys()[0]", r#""x""#),
        ("$.o.keys().length()", "2"),
        ("$.s.concat()", r#""ab""#),
        ("$.concat($.t, \"-\", $.s)", r#""text-ab""#),
        ("$.s.append(\"c\")", r#"["a","b","c"]"#),
        ("$.n.append(5).sum()", "21.0"),
        ("$.n.first()", "4"),
        ("$.n.last()", "1"),
        ("$.n.index(1)", "2"),
        ("$.n.index(-1)", "1"),
        ("$..y.length()", "1"),
        ("$..x.sum()", "1.0"),
        ("$.*.length()", "[4,2,2,0,null]"),
        ("$.o.y.length", "!Property ['length'] not found in path $['o']['y']"),
        ("$.e.max()", "!Aggregation function attempted to calculate value using empty array"),
        ("$.n.index(9)", "!Target index:9 larger than object count:4"),
        ("$.n.first().x", "!Property ['x'] not found in path $['n'].first()"),
    ] {
        finds(path, input, expected);
    }
}

#[test]
fn definiteness() {
    for path in ["$", "$$.a", "$x[0]", "$.a['b'][-1]", "$['a','b']", "$.a.length()", "$..a.sum()"] {
        assert!(Path::parse(path).unwrap().is_definite(), "{path}");
    }
    for path in ["$[*]", "$.a.*", "$..a", "$[0,1]", "$[1:]", "$[?(@.a)]", "$['a','b'].c", "$.*.length()"] {
        assert!(!Path::parse(path).unwrap().is_definite(), "{path}");
    }
    assert!(Path::parse("$").unwrap().is_whole_input());
    assert!(!Path::parse("$$").unwrap().is_whole_input());
}

#[test]
fn what_is_no_path_is_refused() {
    let deep_filter = format!("${}", "[?(@".repeat(1000));
    let deep_parentheses = format!("$[?({}", "(".repeat(100_000));
    let deep_list = format!("$[?(@.a == {}", "[".repeat(100_000));
    let deep_not = format!("$[?({}", "!".repeat(100_000));
    let many_steps = format!("${}", ".a".repeat(100_000));
    let many_calls = format!("${}", ".sum()".repeat(100_000));
    for text in [
        "",
        " ",
        "a",
        ".a",
        "@.a",
        "$.",
        "$..",
        "$...a",
        "$.a.",
        "$.a..",
        "$ .a",
        "$.a b",
        "$x y",
        "$1a",
        "$$$",
        "$-a",
        "$[",
        "$[]",
        "$[a]",
        "$['a'",
        "$['a",
        "$['a',]",
        "$['a'b]",
        "$[0,]",
        "$[0 1]",
        "$[0,'a']",
        "$[:]",
        "$[1:2:1]",
        "$[-]",
        "$[?]",
        "$[?()]",
        "$[?(@.a]",
        "$[?(@.a)",
        "$[?(@.a ==)]",
        "$[?(@.a = 1)]",
        "$[?(@.a like 1)]",
        "$[?(1)]",
        "$[?(@.a &&)]",
        "$[?(@.a == 'x)]",
        "$[?(@.a =~ /[/)]",
        "$[?(@.a =~ /a{9999}{9999}/)]",
        "$[?(@.a == ['x')]",
        "$[?(@.a == {x:1})]",
        "$[?(@.a == '\\u12')]",
        "$[?(@.a == '\\ud800\\u0041')]",
        "$.a()",
        "$.a.nothing()",
        "$.sum(",
        "$.sum(1",
        "$.sum(1 2)",
        "$..length()",
        "$['a']b",
        "$[(@.length)]",
        "$[(@.size()-0)]",
        &deep_filter,
        &deep_parentheses,
        &deep_list,
        &deep_not,
        &many_steps,
        &many_calls,
    ] {
        assert!(Path::parse(text).is_err(), "{text:.60}");
    }
}

#[test]
fn no_evaluation_visits_more_nodes_than_allowed() {
    let deep = format!("{}1{}", r#"{"a":[0,{"b":"#.repeat(100), "}]}".repeat(100));
    for path in ["$..*..*..*..*", "$..a..b..a..b", "$..[?(@..b)]..[?(@..a)]..*", "$..*..*..*.length()"] {
        let error = Path::parse(path).unwrap().evaluate(&data(&deep)).unwrap_err();
        assert_eq!(error.kind, PathErrorKind::TooManyNodes, "{path}");
    }
    let numbers: Vec<_> = (0..20_000).map(|number| Value::object([("n", number)])).collect();
    let list: Vec<_> = (0..20_000).map(|number| Value::from(-number - 1)).collect();
    let environment = Data {
        input: Value::object([("numbers", Value::from(numbers)), ("list", Value::from(list))]),
        context: Value::NULL,
    };
    let error = Path::parse("$.numbers[?(@.n in $.list)]").unwrap().evaluate(&environment).unwrap_err();
    assert_eq!(error.kind, PathErrorKind::TooManyNodes);
    assert!(Path::parse("$..n").unwrap().evaluate(&environment).is_ok());
}

#[test]
fn the_deepest_values_can_be_scanned() {
    let depth = crate::value::MAX_NESTING_DEPTH;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    finds("$..x", &deep, "[]");
    finds("$..[?(@..[?($..[?(@..y)])])]", &deep, "[]");
}

/// The public compliance suite, for robustness only: AWS follows Jayway. The folder is beside the project on the machines
/// that have it.
#[test]
fn no_text_of_the_compliance_suite_panics() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/conformance/jsonpath/rfc9535-cts.json");
    let Ok(suite) = std::fs::read_to_string(file) else { return };
    let suite: serde_json::Value = serde_json::from_str(&suite).unwrap();
    let mut compiled = 0;
    for case in suite["tests"].as_array().unwrap() {
        if let Ok(path) = Path::parse(case["selector"].as_str().unwrap()) {
            compiled += 1;
            let _ = path.evaluate(&data(&case.get("document").map_or_else(|| "null".into(), ToString::to_string)));
        }
    }
    assert!(compiled > 100, "{compiled}");
}

fn arbitrary_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        "[abc]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[abc]", inner), 0..4).prop_map(Value::object::<String, Value>),
        ]
    })
}

fn arbitrary_path() -> impl Strategy<Value = String> {
    let operand = "(@|\\$)(\\.[abc]|\\[-?[0-2]\\]|\\.\\.[abc]|\\.length\\(\\)){0,2}";
    let operator = prop::sample::select(vec![
        "==", "!=", "<", ">=", "in", "nin", "subsetof", "anyof", "noneof", "contains", "size", "empty", "=~", "===",
        "all",
    ]);
    let right = prop_oneof![
        operand,
        Just("1".to_owned()),
        Just("'a'".to_owned()),
        Just("['a', 1, null]".to_owned()),
        Just("true".to_owned()),
        Just("/a.*/i".to_owned()),
    ];
    let condition =
        (operand, operator, right).prop_map(|(left, operator, right)| format!("[?({left} {operator} {right})]"));
    let step = prop_oneof![
        "\\.[abc]",
        "\\[-?[0-3]\\]",
        "\\[-?[0-3]?:-?[0-3]\\]",
        "\\[-?[0-3],-?[0-3]\\]",
        "\\['[abc]','[abc]'\\]",
        Just("[*]".to_owned()),
        Just("..*".to_owned()),
        "\\.\\.[abc]",
        "\\[\\?\\(!?@\\.[abc]( (&&|\\|\\|) !?@\\.[abc])?\\)\\]",
        condition,
        "\\.(length|min|sum|keys|concat|first|last|stddev)\\(\\)",
        "\\.(append|index|sum|concat)\\((1|\"x\"|\\$\\.[abc]|\\$\\.\\.[abc])\\)",
    ];
    let root = prop::sample::select(vec!["$", "$$", "$order", "$none"]);
    (root, prop::collection::vec(step, 0..5)).prop_map(|(root, steps)| format!("{root}{}", steps.concat()))
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", path in "\\$[$.\\[\\]'\"?()@*:,0-9a-c!=<>~&|/\\\\{} -]{0,24}") {
        let _ = Path::parse(&text);
        let _ = Path::parse(&path).map(|path| path.evaluate(&data(r#"{"a":[{"b":1}],"c":"x"}"#)).map(Found::into_value));
    }

    #[test]
    fn no_path_panics_and_forms_of_a_value_do_not_matter(path in arbitrary_path(), input in arbitrary_value()) {
        let Ok(compiled) = Path::parse(&path) else { return Ok(()) };
        let built = Data { input: input.clone(), context: input.clone() };
        let text = input.to_json();
        let parsed = Data { input: Value::parse(&text).unwrap(), context: Value::parse(&text).unwrap() };
        let show = |environment: &Data| compiled.evaluate(environment).map(|found| found.into_value().to_json());
        let outcome = show(&built);
        prop_assert_eq!(&outcome, &show(&parsed));
        if !compiled.is_definite() && let Ok(json) = outcome {
            prop_assert!(json.starts_with('['), "{} gives {}", path, json);
        }
    }
}
