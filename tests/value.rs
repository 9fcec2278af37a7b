//! The value against serde_json: what one parses, the other parses to the same, and nothing panics. `PROPTEST_CASES` is how
//! often each property is tried.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use expressway::{
    Value,
    value::{ArrayBuilder, ObjectBuilder, View},
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value as Json;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        // Quotes, escapes, control characters, long code points, the edges of short strings.
        vec(
            select(vec!['"', '\\', '/', '\n', '\t', '\u{0}', '\u{1f}', '\u{7f}', 'é', '€', '😀', '\u{2028}', 'x']),
            0..20
        )
        .prop_map(|characters| characters.into_iter().collect()),
        any::<String>(),
    ]
}

fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-100..100_i64).prop_map(Json::from),
        any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(Json::from),
        text().prop_map(Json::from),
    ];
    scalar.prop_recursive(6, 200, 12, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..12).prop_map(Json::from),
            // Names from few, so that some are equal, and enough of them that objects are indexed.
            vec((text(), inner.clone()), 0..12).prop_map(|members| members.into_iter().collect::<Json>()),
            vec((0..80_u8, inner), 0..90).prop_map(|members| {
                members.into_iter().map(|(key, value)| (format!("k{key}"), value)).collect::<Json>()
            }),
        ]
    })
}

/// JSON text of a value with white space and escapes strewn over it, by a generator.
fn untidy(value: &Json, random: &mut fastrand::Rng, out: &mut String) {
    let space = |out: &mut String, random: &mut fastrand::Rng| {
        while random.u8(..4) == 0 {
            out.push([' ', '\n', '\t', '\r'][random.usize(..4)]);
        }
    };
    space(out, random);
    match value {
        Json::String(text) => untidy_text(text, random, out),
        Json::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                untidy(item, random, out);
            }
            space(out, random);
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (place, (key, member)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                space(out, random);
                // Sometimes twice: the last counts.
                if random.u8(..16) == 0 {
                    untidy_text(key, random, out);
                    out.push_str(":[\"first\"],");
                }
                untidy_text(key, random, out);
                space(out, random);
                out.push(':');
                untidy(member, random, out);
            }
            space(out, random);
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
    space(out, random);
}

fn untidy_text(text: &str, random: &mut fastrand::Rng, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let must = matches!(character, '"' | '\\') || character < ' ';
        if must || random.u8(..8) == 0 {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&if random.bool() { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") });
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}

/// The same value, built and not parsed.
fn built(value: &Json) -> Value {
    match value {
        Json::Null => Value::NULL,
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => Value::from(integer),
            (_, Some(integer)) => Value::from(integer),
            _ => Value::from(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => {
            let mut array = ArrayBuilder::default();
            items.iter().for_each(|item| array.push(built(item)));
            array.finish()
        }
        Json::Object(members) => {
            let mut object = ObjectBuilder::default();
            members.iter().for_each(|(key, value)| object.insert(key.as_str().into(), built(value)));
            object.finish()
        }
    }
}

/// A value as serde_json's, walked and not written.
fn walked(value: &Value) -> Json {
    fn walk(view: View<'_>) -> Json {
        match view {
            View::Null => Json::Null,
            View::Bool(value) => value.into(),
            View::Number(number) => match number.as_i64() {
                Some(integer) => integer.into(),
                None if number.is_integer() && number.as_f64() < 1.9e19 => {
                    serde_json::from_str(&format!("{}", number.as_f64() as u64)).unwrap()
                }
                None => number.as_f64().into(),
            },
            View::String(text) => text.into(),
            View::Array(items) => items.iter().map(|item| walk(item.view())).collect(),
            View::Object(members) => {
                members.iter().map(|(key, value)| (key.to_owned(), walk(value.view()))).collect::<Json>()
            }
        }
    }
    walk(value.view())
}

/// Integers above `i64` lose digits in [`walked`]; everything else is exact.
fn rounded(value: &Json) -> Json {
    match value {
        Json::Number(number) if number.as_i64().is_none() && number.is_u64() => {
            (number.as_f64().unwrap() as u64).into()
        }
        Json::Array(items) => items.iter().map(rounded).collect(),
        Json::Object(members) => members.iter().map(|(key, value)| (key.clone(), rounded(value))).collect::<Json>(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_and_writing_agree_with_serde_json(json in json(), seed: u64) {
        let mut text = String::new();
        untidy(&json, &mut fastrand::Rng::with_seed(seed), &mut text);
        let value = Value::parse(&text).unwrap();
        let written = value.to_json();
        // Compared as text too, because maps compare without order.
        let read: Json = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(read.to_string(), json.to_string());
        prop_assert_eq!(value.json_size(), written.len());
        prop_assert_eq!(walked(&value).to_string(), rounded(&json).to_string());
        let again = Value::parse(&written).unwrap();
        prop_assert_eq!(again.to_json(), written);
        prop_assert_eq!(&again, &value);
    }

    #[test]
    fn built_values_are_like_parsed_ones(json in json()) {
        let (built, parsed) = (built(&json), Value::parse(&json.to_string()).unwrap());
        prop_assert_eq!(&built, &parsed);
        let written = built.to_json();
        prop_assert_eq!(built.json_size(), written.len());
        let read: Json = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(read.to_string(), json.to_string());
        prop_assert_eq!(built.depth() == 0, parsed.depth() == 0);
    }

    #[test]
    fn bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Value::parse_bytes(bytes);
    }

    #[test]
    fn damaged_json_is_taken_when_serde_json_takes_it(json in json(), seed: u64, damage in 1..4_usize) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = json.to_string().into_bytes();
        for _ in 0..damage {
            let place = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[place] = *random.choice(b"{}[],:\"\\0eE.-+ntf \x00\x80\xff").unwrap(),
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, random.u8(..)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        let ours = Value::parse_bytes(bytes.clone());
        let theirs: Result<Json, _> = serde_json::from_slice(&bytes);
        match (ours, theirs) {
            (Ok(value), Ok(json)) => {
                let read: Json = serde_json::from_str(&value.to_json()).unwrap();
                prop_assert_eq!(read.to_string(), json.to_string());
            }
            (Err(error), Ok(_)) => prop_assert!(false, "refused: {} ({:?})", error, String::from_utf8_lossy(&bytes)),
            // Numbers beyond all floats are kept here and refused there; half a surrogate pair likewise.
            (Ok(_), Err(error)) => {
                let text = error.to_string();
                let known = ["number out of range", "surrogate", "hex escape"];
                prop_assert!(known.iter().any(|known| text.contains(known)), "{} ({:?})", text, String::from_utf8_lossy(&bytes));
            }
            (Err(_), Err(_)) => {}
        }
    }
}

#[test]
fn nesting_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let deep = Value::parse(&nested(1_000)).unwrap();
        assert_eq!(deep.to_json(), nested(1_000));
        assert!(Value::parse(&nested(1_001)).is_err());
        assert!(Value::parse(&nested(100_000)).is_err());
        assert!(Value::parse(&open.repeat(1_000_000)).is_err());
    }
}
