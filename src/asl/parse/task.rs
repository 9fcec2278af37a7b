//! Task states.

use super::{
    Fields, Reader, Scope,
    fields::{Range, Table, Use, expected},
};
use crate::{
    Value,
    asl::{
        code,
        definition::{Scalar, StateKind},
        validate::{
            integration,
            jsonata::{self, Available},
            resource, template,
        },
    },
    value::{Number, ValueRef, View},
};

pub(super) const TASK: Table = &[
    ("Resource", Use::Both),
    ("Credentials", Use::Both),
    ("TimeoutSeconds", Use::Both),
    ("TimeoutSecondsPath", Use::JsonPath),
    ("HeartbeatSeconds", Use::Both),
    ("HeartbeatSecondsPath", Use::JsonPath),
];

const SECONDS: Range = Range::new(1, 99_999_999);

impl<'a> Reader<'a> {
    pub(super) fn task(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> StateKind {
        fields.require(&["Resource"], &mut self.sink);
        let resource = fields.string("Resource", &mut self.sink);
        if let Some(resource) = resource {
            resource::check(resource, scope.machine_type, &fields.location.field("Resource"), &mut self.sink);
            let name = if fields.is_jsonata() { "Arguments" } else { "Parameters" };
            integration::check_parameters(resource, name, fields.get(name), &fields.location, &mut self.sink);
        }
        let sink = &mut self.sink;
        let timeout = fields.integer_or_path("TimeoutSeconds", "TimeoutSecondsPath", SECONDS, sink);
        let heartbeat = fields.integer_or_path("HeartbeatSeconds", "HeartbeatSecondsPath", SECONDS, sink);
        if let (Some(timeout), Some(heartbeat)) = (integer(timeout.as_ref()), integer(heartbeat.as_ref()))
            && heartbeat >= timeout
        {
            let message = format_args!("HeartbeatSeconds is {heartbeat}, not below TimeoutSeconds, {timeout}");
            let location = fields.location.field("HeartbeatSeconds");
            self.sink.add(code::HEARTBEAT_NOT_BELOW_TIMEOUT, message, Some(&location));
        }
        StateKind::Task {
            resource: resource.unwrap_or_default().to_owned(),
            timeout,
            heartbeat,
            credentials: self.credentials(fields, resource),
        }
    }

    /// `Credentials`: the role that the task is called with.
    fn credentials(&mut self, fields: &Fields<'a, '_>, resource: Option<&str>) -> Option<Value> {
        let value = fields.get("Credentials")?;
        let location = fields.location.field("Credentials");
        if resource.is_some_and(resource::is_activity) {
            self.sink.schema("The field 'Credentials' is not supported for activities", &location);
        }
        match value.view() {
            View::Object(entries) => {
                if entries.get("RoleArn").is_none() && (fields.is_jsonata() || entries.get("RoleArn.$").is_none()) {
                    self.sink.schema("The field 'RoleArn' is required but was missing", &location);
                }
                if fields.is_jsonata() {
                    jsonata::check_template(value, Available::default(), &location, &mut self.sink);
                } else {
                    template::check(value, &location, &mut self.sink);
                }
            }
            View::String(text) if fields.is_jsonata() => {
                jsonata::check_scalar(text, "Object", &location, &mut self.sink);
            }
            _ => expected("Object", location, &mut self.sink),
        }
        Some(value.to_value())
    }
}

fn integer(scalar: Option<&Scalar>) -> Option<i64> {
    match scalar? {
        Scalar::Literal(value) => ValueRef::as_number(value.as_ref()).and_then(Number::as_i64),
        Scalar::Path(_) => None,
    }
}
