//! Payload templates of JSONPath states (Amazon States Language, "Payload Template").

use super::{lint, path};
use crate::{
    asl::{
        code,
        parse::{location::Location, sink::Sink},
    },
    value::{ValueRef, View},
};

/// Checks a template: the value of each field whose name ends in `.$` must be a path or an intrinsic function call.
pub(crate) fn check(value: ValueRef<'_>, location: &Location<'_>, sink: &mut Sink) {
    match value.view() {
        View::Object(entries) => {
            for (key, value) in entries.iter() {
                let Some(name) = key.strip_suffix(".$") else {
                    if let Some(text) = value.as_str() {
                        lint::looks_dynamic(key, text, &location.field(key), sink);
                    }
                    check(value, &location.field(key), sink);
                    continue;
                };
                match value.as_str() {
                    Some(text) => {
                        if !path::check_path_or_intrinsic(text, &location.field(key), sink) {
                            sink.schema(path::not_path_or_intrinsic(key), location);
                        }
                    }
                    None => {
                        let kind = value.type_name().to_uppercase();
                        let message = format_args!(
                            "The value for the field '{key}' must be a STRING that contains a JSONPath but was an {kind}"
                        );
                        sink.schema(message, location);
                    }
                }
                if entries.get(name).is_some() {
                    let message = format_args!("The fields '{name}' and '{key}' give the same field two values");
                    sink.add(code::CONFLICTING_FIELDS, message, Some(location));
                }
            }
        }
        View::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &location.item(index), sink);
            }
        }
        _ => {}
    }
}
