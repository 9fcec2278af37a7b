//! Values through their public interface.

use super::*;

fn parse(text: &str) -> Value {
    Value::parse(text).unwrap()
}

#[test]
fn canonical_text_drops_white_space_and_needless_escapes() {
    assert_eq!(
        parse(" { \"a\" : [ 1 , 2.50 , \"x\\/y\\u0041\\n\" ] , \"é\":{ } } ").to_json(),
        r#"{"a":[1,2.50,"x/yA\n"],"é":{}}"#
    );
    assert_eq!(parse("  7 ").to_json(), "7");
    assert_eq!(parse("\"\\ud83d\\ude00\"").as_str(), Some("😀"));
    assert_eq!(parse("\"a\\\"b\"").as_str(), Some("a\"b"));
}

#[test]
fn sizes_are_those_of_the_written_text() {
    for text in [
        "null",
        "true",
        "false",
        "-12",
        "18446744073709551615",
        "1.5",
        "\"a\\nb\"",
        "[1,[2],{}]",
        r#"{"a":{"b":[1,2,3]}}"#,
    ] {
        assert_eq!(parse(text).json_size(), text.len(), "{text}");
    }
    let built = Value::object([
        ("a", Value::array([Value::from(-5), Value::from("q\"uote"), Value::from(1.5e300)])),
        ("b", Value::NULL),
    ]);
    assert_eq!(built.json_size(), built.to_json().len());
    assert_eq!(built.depth(), 2);
}

#[test]
fn numbers_keep_what_came_in() {
    for text in ["9007199254740993", "18446744073709551616", "1e400", "-0", "0.10", "1E5"] {
        assert_eq!(parse(text).to_json(), text);
    }
    assert_eq!(parse("1"), parse("1.0"));
    assert_ne!(parse("9007199254740993"), parse("9007199254740992"));
}

#[test]
fn of_equal_keys_the_last_wins() {
    assert_eq!(parse(r#"{"a":1,"b":{"c":1,"c":2},"a":3}"#).to_json(), r#"{"a":3,"b":{"c":2}}"#);
    assert_eq!(parse(r#"{"ab":1,"\u0061b":2}"#).to_json(), r#"{"ab":2}"#, "however they are written");
    let many: String = (0..100).map(|key| format!("\"k{key}\":{key},")).collect();
    let value = parse(&format!("{{{many}\"k5\":0}}"));
    assert_eq!(value.get("k5"), Some(Value::from(0).as_ref()));
    assert_eq!(value.get("k99"), Some(Value::from(99).as_ref()));
}

#[test]
fn what_is_not_json_is_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "01",
        "1.",
        "-",
        "1e",
        "nul",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a",
        "\"\u{1}\"",
        "1 2",
        "[1}",
        "]",
        &deep,
    ] {
        assert!(Value::parse(text).is_err(), "{text}");
    }
    assert!(Value::parse_bytes(vec![b'"', 0xff, b'"']).is_err());
}

#[test]
fn built_objects_keep_order_and_find_many_keys() {
    let mut builder = ObjectBuilder::default();
    for key in 0..1000 {
        builder.insert(Text::from(format!("key number {key}")), Value::from(key));
    }
    builder.insert(Text::from("key number 7"), Value::from(-7));
    assert_eq!(builder.len(), 1000);
    assert_eq!(builder.remove("key number 0"), Some(Value::from(0)));
    let object = builder.finish();
    assert_eq!(object.get("key number 7"), Some(Value::from(-7).as_ref()));
    assert_eq!(object.get("key number 999"), Some(Value::from(999).as_ref()));
    assert_eq!(object, parse(&object.to_json()));
}

#[test]
fn values_are_small() {
    assert_eq!(size_of::<Value>(), 16);
}
