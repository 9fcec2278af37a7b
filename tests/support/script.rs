//! Task answers as data: `tasks.json` of a case.
//!
//! `{"<resource>": [{"return": …, "after_ms": 5}, {"throw": {"error": …, "cause": …}}, {"echo": true}, {"never": true}]}`:
//! one answer for each call, the last one for all that follow.

use std::collections::HashMap;

use expressway::{Value, task::TaskError};

use super::simulation::{Answer, Call, Tasks};

#[derive(Default)]
pub struct Script {
    answers: serde_json::Map<String, serde_json::Value>,
    calls: HashMap<String, usize>,
}

impl Script {
    pub fn parse(text: &str) -> Self {
        let answers = serde_json::from_str(text).unwrap_or_else(|error| panic!("tasks.json: {error}"));
        Self { answers, calls: HashMap::new() }
    }
}

impl Tasks for Script {
    fn answer(&mut self, call: &Call) -> Answer {
        let answers = self.answers.get(&call.resource).and_then(serde_json::Value::as_array);
        let answers = answers.unwrap_or_else(|| panic!("tasks.json says nothing of {}", call.resource));
        let count = self.calls.entry(call.resource.clone()).or_default();
        let answer = &answers[(*count).min(answers.len() - 1)];
        *count += 1;
        let after_ms = answer.get("after_ms").map_or(0, |time| time.as_u64().expect("after_ms is a number"));
        let result = if let Some(value) = answer.get("return") {
            Some(Ok(value_of(value)))
        } else if let Some(error) = answer.get("throw") {
            let text = |name: &str| error[name].as_str().unwrap_or_default();
            Some(Err(TaskError::new(text("error"), text("cause"))))
        } else if let Some(length) = answer.get("return_string_of_length") {
            let length = length.as_u64().expect("return_string_of_length is a number") as usize;
            Some(Ok(Value::from("x".repeat(length))))
        } else if answer.get("echo").is_some() {
            Some(Ok(call.input.clone()))
        } else {
            assert!(answer.get("never").is_some(), "an answer returns, throws, echoes or never comes: {answer}");
            None
        };
        Answer { result, after_ms }
    }
}

/// A value of the library, of one of serde_json.
pub fn value_of(value: &serde_json::Value) -> Value {
    Value::parse(&value.to_string()).expect("serde_json writes JSON")
}
