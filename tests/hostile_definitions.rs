//! Definitions that nobody should write: whatever the text, checking it ends with diagnostics, without a panic, and the
//! syntax tree is there exactly when nothing is an error.

use expressway::{
    asl::{self, Severity},
    model::machine_type::MachineType,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const MEBIBYTE: usize = 1 << 20;

fn check(text: &str) -> usize {
    let checked = asl::check(text, MachineType::Express);
    let errors = checked.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    assert_eq!(checked.machine.is_none(), errors > 0);
    assert!(checked.diagnostics.len() <= asl::MAX_DIAGNOSTICS + 1);
    errors
}

/// `text` as often as fits into the longest definition, between two others.
fn fill(before: &str, text: &str, after: &str) -> String {
    let count = (MEBIBYTE - before.len() - after.len()) / text.len();
    format!("{before}{}{after}", text.repeat(count))
}

#[test]
fn garbage_of_a_mebibyte() {
    for text in [
        fill("", "x", ""),
        fill("", "{\"a\":", ""),
        fill("", "[", ""),
        fill("[", "1,", "1]"),
        fill("\"", "\\u0000", "\""),
        fill("{\"States\":{", "\"a\":1,", "\"a\":1}}"),
        fill("{\"States\":{\"A\":{\"Type\":\"Pass\",", "\"InputPath\":[],", "\"End\":true}}}"),
        fill("{\"StartAt\":\"", "x", "\",\"States\":{}}"),
        fill("{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Fail\",\"Cause\":\"", "$", "\"}}}"),
        fill("{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"InputPath\":\"$", "[0]", "\",\"End\":true}}}"),
        fill("{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Pass\",\"InputPath\":\"$", "..*", "\",\"End\":true}}}"),
    ] {
        check(&text);
    }
}

#[test]
fn many_problems_below_a_long_name() {
    let name = "n".repeat(MEBIBYTE / 2);
    let states: Vec<_> = (0..20_000).map(|number| format!("\"s{number}\":{{}}")).collect();
    let branch = format!("{{\"States\":{{{}}}}}", states.join(","));
    let text = format!("{{\"States\":{{\"{name}\":{{\"Type\":\"Parallel\",\"Branches\":[{branch}]}}}}}}");
    assert!(check(&text) > 5);
}

#[test]
fn many_states_and_many_fields() {
    let states: Vec<_> =
        (0..15_000).map(|number| format!("\"s{number}\":{{\"Type\":\"Pass\",\"Next\":\"s{}\"}}", number + 1)).collect();
    let text =
        format!("{{\"StartAt\":\"s0\",\"States\":{{{},\"s15000\":{{\"Type\":\"Succeed\"}}}}}}", states.join(","));
    assert_eq!(check(&text), 0);
    let fields: Vec<_> = (0..60_000).map(|number| format!("\"f{number}\":0")).collect();
    let text = format!("{{\"StartAt\":\"A\",\"States\":{{\"A\":{{\"Type\":\"Succeed\",{}}}}}}}", fields.join(","));
    assert!(check(&text) > 100);
}

#[test]
fn deep_nesting() {
    for depth in [300, 999, 1_000, 100_000] {
        let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        for field in ["Parameters", "Assign", "Branches", "Retry", "Choices"] {
            check(&format!("{{\"States\":{{\"A\":{{\"Type\":\"Task\",\"{field}\":{nested}}}}}}}"));
        }
        let rule = format!("{}1{}", "{\"Not\":".repeat(depth), "}".repeat(depth));
        check(&format!("{{\"States\":{{\"A\":{{\"Type\":\"Choice\",\"Choices\":[{rule}]}}}}}}"));
        let template = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        check(&format!("{{\"States\":{{\"A\":{{\"Type\":\"Pass\",\"Parameters\":{template}}}}}}}"));
        let state = "{\"States\":{\"A\":{\"Type\":\"Map\",\"Iterator\":";
        check(&format!("{}1{}", state.repeat(depth), "}}}".repeat(depth)));
    }
}

/// A definition with one of everything.
fn everything() -> Value {
    json!({
        "Comment": "c", "Version": "1.0", "TimeoutSeconds": 60, "QueryLanguage": "JSONPath", "StartAt": "Task",
        "States": {
            "Task": {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName.$": "$.f"},
                "Credentials": {"RoleArn": "r"}, "TimeoutSeconds": 5, "HeartbeatSecondsPath": "$.h",
                "InputPath": "$.a", "OutputPath": "$.b", "ResultPath": "$.c", "ResultSelector": {"x.$": "States.UUID()"},
                "Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1.5,
                    "MaxDelaySeconds": 9, "JitterStrategy": "FULL"}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail", "ResultPath": "$.e", "Assign": {"v": 1}}],
                "Assign": {"w.$": "$.x"}, "Next": "Choice"
            },
            "Choice": {
                "Type": "Choice", "Default": "Wait", "Choices": [
                    {"Variable": "$.a", "NumericEquals": 1, "Next": "Wait", "Assign": {"z": 1}},
                    {"And": [{"Not": {"Variable": "$.a", "IsPresent": true}}], "Next": "Pass"}
                ]
            },
            "Wait": {"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z", "Next": "Parallel"},
            "Pass": {"Type": "Pass", "Result": {"a": [1]}, "Parameters": {"a": {"b.$": "$"}}, "Next": "Parallel"},
            "Parallel": {
                "Type": "Parallel", "Next": "Map",
                "Branches": [{"StartAt": "One", "States": {"One": {"Type": "Succeed"}}}]
            },
            "Map": {
                "Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"i.$": "$$.Map.Item.Index"}, "MaxConcurrency": 2,
                "ToleratedFailureCount": 1, "ToleratedFailurePercentage": 5, "Label": "l",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "Two",
                    "States": {"Two": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": true}}
                },
                "End": true
            },
            "Fail": {"Type": "Fail", "ErrorPath": "$.error", "CausePath": "States.Format('{}', $.cause)"}
        }
    })
}

#[test]
fn one_of_everything_is_valid() {
    assert_eq!(check(&everything().to_string()), 0);
}

/// All places in a value, as JSON pointers.
fn pointers(value: &Value, pointer: String, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                pointers(value, format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, format!("{pointer}/{index}"), out);
            }
        }
        _ => {}
    }
    out.push(pointer);
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "$",
            "$.a",
            "$$",
            "$v",
            "$[*]",
            "{%",
            "{% 1 %}",
            "States.X(",
            "JSONata",
            "DISTRIBUTED"
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([{}])),
        Just(json!({"a": {"b.$": 1}})),
    ]
}

proptest! {
    #[test]
    fn any_value_anywhere(changes in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..6)) {
        let mut definition = everything();
        for (place, replacement) in changes {
            let mut places = Vec::new();
            pointers(&definition, String::new(), &mut places);
            if let Some(value) = definition.pointer_mut(place.get::<String>(&places)) {
                *value = replacement;
            }
        }
        check(&definition.to_string());
    }

    #[test]
    fn any_text(text in "[\\[\\]{}\",:a0-9.eE+\\-\\\\ \\n\\x00tfn]{0,40}") {
        check(&text);
    }
}
