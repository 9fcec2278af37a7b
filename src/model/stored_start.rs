//! A start that waits in a stream: what StartExecution has answered with, so that whichever node runs it runs just that.

use crate::{
    Value,
    value::{ObjectBuilder, Text, ValueRef},
};

/// A start as it lies in a stream, as JSON.
#[derive(Clone, Debug)]
pub struct StoredStart {
    /// ARN of the state machine.
    pub state_machine_arn: String,
    /// Name of the execution, when its caller gave one.
    pub name: Option<Text>,
    /// The random number that makes the execution's ARN unique.
    pub id: u128,
    /// `startDate`, in milliseconds since 1970.
    pub start_time_ms: u64,
    /// The test case of the mock configuration that answers its calls.
    pub test_case: Option<String>,
    /// The input.
    pub input: Value,
}

impl StoredStart {
    /// The start as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut record = ObjectBuilder::with_capacity(6);
        record.push("stateMachineArn".into(), self.state_machine_arn.as_str().into());
        if let Some(name) = &self.name {
            record.push("name".into(), Value::from(name.clone()));
        }
        record.push("id".into(), self.id_text().into());
        record.push("startTimeMs".into(), self.start_time_ms.into());
        if let Some(test_case) = &self.test_case {
            record.push("testCase".into(), test_case.as_str().into());
        }
        record.push("input".into(), self.input.clone());
        record.finish().to_json()
    }

    /// The random number as 32 hexadecimal digits: what tells starts apart.
    #[must_use]
    pub fn id_text(&self) -> String {
        format!("{:032x}", self.id)
    }

    /// Reads a start; `None` when it is none.
    #[must_use]
    pub fn from_value(record: &Value) -> Option<Self> {
        let text = |key| record.get(key).and_then(ValueRef::as_str);
        let start_time = record.get("startTimeMs")?.as_number()?.as_i64()?;
        Some(Self {
            state_machine_arn: text("stateMachineArn")?.to_owned(),
            name: text("name").map(Text::from),
            id: u128::from_str_radix(text("id")?, 16).ok()?,
            start_time_ms: u64::try_from(start_time).ok()?,
            test_case: text("testCase").map(str::to_owned),
            input: record.get("input")?.to_value(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_come_back_as_they_were() {
        let start = StoredStart {
            state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:m".into(),
            name: Some("n-1".into()),
            id: u128::MAX - 5,
            start_time_ms: 1_790_230_470_084,
            test_case: None,
            input: Value::parse(r#"{"a":[1,{"b":"ü"}],"n":1.50}"#).unwrap(),
        };
        let json = start.to_json();
        let read = StoredStart::from_value(&Value::parse(&json).unwrap()).unwrap();
        assert_eq!(read.to_json(), json);
        assert_eq!(read.id, start.id);
        for bad in ["{}", "[]", r#"{"stateMachineArn":"a","id":"x","startTimeMs":1,"input":1}"#] {
            assert!(StoredStart::from_value(&Value::parse(bad).unwrap()).is_none(), "{bad}");
        }
    }
}
