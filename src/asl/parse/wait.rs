//! Wait states: exactly one of four fields.

use super::{
    Fields, Reader, Scope,
    fields::{Range, Table, Use},
};
use crate::{
    Value,
    asl::{
        code,
        definition::{Scalar, StateKind, Wait},
        validate::jsonata::{self, Available},
    },
    model::{machine_type::MachineType, quota::MAX_EXPRESS_EXECUTION_SECONDS},
    query::Timestamp,
};

pub(super) const WAIT: Table = &[
    ("Seconds", Use::Both),
    ("Timestamp", Use::Both),
    ("SecondsPath", Use::JsonPath),
    ("TimestampPath", Use::JsonPath),
];

const SECONDS: Range = Range::new(0, 99_999_999);

impl<'a> Reader<'a> {
    pub(super) fn wait(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> StateKind {
        fields.exactly_one(&["SecondsPath", "Seconds", "TimestampPath", "Timestamp"], &mut self.sink);
        let is_timestamp = fields.has("Timestamp") || fields.has("TimestampPath");
        if is_timestamp && !fields.has("Seconds") && !fields.has("SecondsPath") {
            return StateKind::Wait(Wait::Timestamp(self.timestamp(fields).unwrap_or(Scalar::Literal(Value::NULL))));
        }
        // Both given is reported above; not so once more for these two.
        let seconds = if fields.has("Seconds") {
            self.seconds(fields, scope)
        } else {
            fields.path_scalar("SecondsPath", &mut self.sink)
        };
        StateKind::Wait(Wait::Seconds(seconds.unwrap_or(Scalar::Literal(Value::NULL))))
    }

    fn seconds(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> Option<Scalar> {
        let value = fields.get("Seconds")?;
        let location = fields.location.field("Seconds");
        match value.as_str() {
            Some(text) if fields.is_jsonata() => jsonata::check_scalar(text, "Integer", &location, &mut self.sink),
            _ => {
                let seconds = fields.integer("Seconds", SECONDS, &mut self.sink)?;
                let limit = MAX_EXPRESS_EXECUTION_SECONDS;
                if scope.machine_type == MachineType::Express && u64::try_from(seconds).is_ok_and(|wait| wait >= limit)
                {
                    let message = format_args!("An Express execution ends after {limit} seconds");
                    self.sink.add(code::BEYOND_EXPRESS_LIMIT, message, Some(&location));
                }
            }
        }
        Some(Scalar::Literal(value.to_value()))
    }

    fn timestamp(&mut self, fields: &Fields<'a, '_>) -> Option<Scalar> {
        if !fields.has("Timestamp") {
            return fields.path_scalar("TimestampPath", &mut self.sink);
        }
        let text = fields.string("Timestamp", &mut self.sink)?;
        let location = fields.location.field("Timestamp");
        let is_expression =
            fields.is_jsonata() && jsonata::check_string(text, Available::default(), &location, &mut self.sink);
        if !is_expression && Timestamp::parse(text).is_none() {
            self.sink.schema("String does not match RFC3339 timestamp", &location);
        }
        Some(Scalar::Literal(Value::from(text)))
    }
}
