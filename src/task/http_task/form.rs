//! `Transform`: a body as a URL-encoded form (Developer Guide, "Applying URL-encoding on request body").

use crate::{
    task::http::percent_encode,
    value::{ValueRef, View},
};

/// `ArrayFormat`: how arrays are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ArrayFormat {
    /// `array[0]=a&array[1]=b`
    #[default]
    Indices,
    /// `array=a&array=b`
    Repeat,
    /// `array=a,b`
    Commas,
    /// `array[]=a&array[]=b`
    Brackets,
}

impl ArrayFormat {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "INDICES" => Self::Indices,
            "REPEAT" => Self::Repeat,
            "COMMAS" => Self::Commas,
            "BRACKETS" => Self::Brackets,
            _ => return None,
        })
    }
}

/// An object as a form. Values nest no deeper than [`MAX_NESTING_DEPTH`](crate::value::MAX_NESTING_DEPTH).
pub(super) fn encode(body: ValueRef<'_>, format: ArrayFormat) -> String {
    let mut form = String::new();
    if let View::Object(entries) = body.view() {
        for (name, value) in entries.iter() {
            push(name, value, format, &mut form);
        }
    }
    form
}

fn push(path: &str, value: ValueRef<'_>, format: ArrayFormat, form: &mut String) {
    match value.view() {
        View::Object(entries) => {
            for (name, value) in entries.iter() {
                push(&format!("{path}[{name}]"), value, format, form);
            }
        }
        View::Array(items) if format == ArrayFormat::Commas => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            pair(path, &items.join(","), form);
        }
        View::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                let path = match format {
                    ArrayFormat::Indices => format!("{path}[{place}]"),
                    ArrayFormat::Brackets => format!("{path}[]"),
                    ArrayFormat::Repeat | ArrayFormat::Commas => path.to_owned(),
                };
                push(&path, item, format, form);
            }
        }
        _ => pair(path, &scalar(value), form),
    }
}

/// Appends `name=value`, both escaped; spaces become `+`.
pub(super) fn pair(name: &str, value: &str, form: &mut String) {
    if !form.is_empty() {
        form.push('&');
    }
    for (place, text) in [name, value].into_iter().enumerate() {
        if place == 1 {
            form.push('=');
        }
        for (part, word) in text.split(' ').enumerate() {
            if part > 0 {
                form.push('+');
            }
            percent_encode(word, b"*", form);
        }
    }
}

/// The text of a scalar; nothing for null.
pub(super) fn scalar(value: ValueRef<'_>) -> String {
    match value.view() {
        View::Null => String::new(),
        View::String(text) => text.to_owned(),
        _ => value.to_value().to_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn arrays_have_four_formats() {
        let body = Value::parse(r#"{"a b":["x","y z"],"o":{"p":1,"q":null},"t":true}"#).unwrap();
        for (format, arrays) in [
            (ArrayFormat::Indices, "a+b%5B0%5D=x&a+b%5B1%5D=y+z"),
            (ArrayFormat::Repeat, "a+b=x&a+b=y+z"),
            (ArrayFormat::Commas, "a+b=x%2Cy+z"),
            (ArrayFormat::Brackets, "a+b%5B%5D=x&a+b%5B%5D=y+z"),
        ] {
            assert_eq!(encode(body.as_ref(), format), format!("{arrays}&o%5Bp%5D=1&o%5Bq%5D=&t=true"));
        }
    }
}
