//! Values as text: `$string` and `&`.

use std::fmt::Write;

use super::{
    Halt,
    data::{Data, Kind, Leaf},
    evaluate::Meter,
};
use crate::{
    query::jsonata::{convert, limits},
    value::{Number, ValueRef, View},
};

/// Appends a value as `&` and `$string` print it: strings as they are, containers as JSON, nothing as nothing.
pub(super) fn write_data(data: &Data<'_>, out: &mut String, meter: &mut Meter) -> Result<(), Halt> {
    match data.kind() {
        Kind::Undefined => {}
        Kind::Text(text) => out.push_str(text),
        Kind::Number(number) => write_number(number, out)?,
        Kind::Null => out.push_str("null"),
        Kind::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        Kind::Array | Kind::Object => write_json(data, out, meter)?,
    }
    bounded(out)
}

/// As [`write_data`].
#[inline]
pub(super) fn write_leaf(leaf: Leaf<'_>, out: &mut String, meter: &mut Meter) -> Result<(), Halt> {
    meter.charge(1)?;
    match leaf {
        Leaf::Undefined => return Ok(()),
        Leaf::Value(value) => match value.number_text() {
            Some(number) if is_printed_as_written(number) => out.push_str(number),
            Some(_) => write_number(value.as_number().map_or(f64::NAN, Number::as_f64), out)?,
            None => match value.as_str() {
                Some(text) => out.push_str(text),
                None => return write_data(&Data::Borrowed(value), out, meter),
            },
        },
        Leaf::Number(number) => write_number(number, out)?,
    }
    bounded(out)
}

fn bounded(out: &str) -> Result<(), Halt> {
    if out.len() > limits::MAX_STRING_BYTES { Err(Halt::memory()) } else { Ok(()) }
}

fn write_json(data: &Data<'_>, out: &mut String, meter: &mut Meter) -> Result<(), Halt> {
    let Data::List(list) = data else {
        return match data.as_value() {
            Some(value) => write_value(value, out, meter),
            None => match data.kind() {
                Kind::Undefined => {
                    out.push_str("null");
                    Ok(())
                }
                _ => write_data(data, out, meter),
            },
        };
    };
    out.push('[');
    for (place, item) in list.items().iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        meter.charge(1)?;
        write_json(item, out, meter)?;
    }
    out.push(']');
    bounded(out)
}

/// The recursion is bounded by the depth that values can have.
fn write_value(value: ValueRef<'_>, out: &mut String, meter: &mut Meter) -> Result<(), Halt> {
    meter.charge(1)?;
    match value.view() {
        View::Null => out.push_str("null"),
        View::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        View::Number(number) => match value.number_text() {
            Some(text) if is_printed_as_written(text) => out.push_str(text),
            _ => write_number(number.as_f64(), out)?,
        },
        View::String(text) => write_quoted(text, out),
        View::Array(array) => {
            out.push('[');
            for (place, item) in array.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_value(item, out, meter)?;
            }
            out.push(']');
        }
        View::Object(object) => {
            out.push('{');
            for (place, (key, member)) in object.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_quoted(key, out);
                out.push(':');
                write_value(member, out, meter)?;
            }
            out.push('}');
        }
    }
    bounded(out)
}

/// As `JSON.stringify` does: hexadecimal escapes in lower case.
fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

/// Significant digits of a number that has a fraction, at most.
const DIGITS: usize = 15;

/// Whether the text of a number is what [`write_number`] makes of it: it is when it has no more digits than every `f64` keeps,
/// none of them needless, and no exponent.
fn is_printed_as_written(text: &str) -> bool {
    /// What is smaller than this is printed with an exponent.
    const SMALL: &[u8] = b"0.000000";
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if digits.len() > DIGITS {
        return false;
    }
    let mut has_fraction = false;
    for byte in digits {
        match byte {
            b'0'..=b'9' => {}
            b'.' => has_fraction = true,
            _ => return false,
        }
    }
    if has_fraction { !digits.ends_with(b"0") && !digits.starts_with(SMALL) } else { text != "-0" }
}

/// As JavaScript does, but with 15 digits at most when there is a fraction.
pub(super) fn write_number(number: f64, out: &mut String) -> Result<(), Halt> {
    /// From here on, JavaScript writes an exponent.
    const LARGE: f64 = 1e21;
    const SMALL: f64 = 1e-6;
    if !number.is_finite() {
        return Err(Halt::Base);
    }
    // Beyond these, JavaScript writes zeros in place of the digits that a float does not have.
    if number.fract() == 0.0 && number.abs() <= convert::MAX_EXACT as f64 {
        out.push_str(itoa::Buffer::new().format(number as i64));
        return Ok(());
    }
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(number);
    if number.fract() != 0.0 && is_printed_as_written(shortest) {
        out.push_str(shortest);
        return Ok(());
    }
    let number = if number.fract() == 0.0 { number } else { rounded(number, DIGITS) };
    if (SMALL..LARGE).contains(&number.abs()) {
        let _ = write!(out, "{number}");
    } else {
        let text = format!("{number:e}");
        out.push_str(&if text.contains("e-") { text } else { text.replace('e', "e+") });
    }
    Ok(())
}

/// Rounds to a number of significant digits, where there are more.
fn rounded(number: f64, digits: usize) -> f64 {
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(number);
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let significant = mantissa.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
    if significant <= digits {
        return number;
    }
    format!("{number:.*e}", digits - 1).parse().unwrap_or(number)
}
