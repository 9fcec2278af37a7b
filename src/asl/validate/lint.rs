//! AWS's warnings: values that look like paths where paths are not read.

use super::path;
use crate::{
    asl::{
        code,
        parse::{location::Location, sink::Sink},
    },
    value::{ValueRef, View},
};

/// Whether somebody who wrote this text meant a path. Single words such as `$100` do not count.
fn is_like_path(text: &str) -> bool {
    text.starts_with("$.") || text.starts_with("$$.") || text.starts_with("$[")
}

/// `NO_DOLLAR`: a field of a payload template without `.$` whose value is a path or an intrinsic function call.
pub(crate) fn looks_dynamic(name: &str, text: &str, location: &Location<'_>, sink: &mut Sink) {
    if is_like_path(text) || (text.starts_with("States.") && path::is_path_or_intrinsic(text)) {
        let message = format_args!(
            "The value of '{name}' looks like a path or an intrinsic function, but the name does not end in '.$'"
        );
        sink.add(code::NO_DOLLAR, message, Some(location));
    }
}

/// `NO_PATH`: a literal field whose value is a path, where there is another field for paths.
pub(crate) fn looks_like_path(name: &str, text: &str, location: &Location<'_>, sink: &mut Sink) {
    if is_like_path(text) {
        let message = format_args!("The value of '{name}' looks like a path, but the name is not '{name}Path'");
        sink.add(code::NO_PATH, message, Some(location));
    }
}

/// `PASS_RESULT_IS_STATIC`: a field of a `Result` that looks as if it were a payload template.
pub(crate) fn static_result(value: ValueRef<'_>, location: &Location<'_>, sink: &mut Sink) {
    match value.view() {
        View::Object(entries) => {
            for (key, value) in entries.iter() {
                let location = location.field(key);
                if key.ends_with(".$") && value.as_str().is_some() {
                    let message = format_args!("'{key}' is taken literally: the Result of a Pass state is static");
                    sink.add(code::PASS_RESULT_IS_STATIC, message, Some(&location));
                } else {
                    static_result(value, &location, sink);
                }
            }
        }
        View::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                static_result(item, &location.item(index), sink);
            }
        }
        _ => {}
    }
}
