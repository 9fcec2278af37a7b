//! Numbers: exact integers, floats, and the original text for what fits neither.

use std::cmp::Ordering;

/// A number as it stands in a value.
#[derive(Clone, Copy, Debug)]
pub enum Number<'a> {
    /// An integer in the range of `i64`.
    Int(i64),
    /// An integer above `i64::MAX`.
    UInt(u64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// The text of a number that neither integers nor `f64` can hold.
    Text(&'a str),
}

impl<'a> Number<'a> {
    pub(super) fn from_integer_text(text: &'a str) -> Self {
        text.parse().map(Number::Int).or_else(|_| text.parse().map(Number::UInt)).unwrap_or(Number::Text(text))
    }

    #[inline]
    pub(super) fn from_decimal_text(text: &'a str) -> Self {
        if let Some(value) = short_decimal(text) {
            return Number::Float(value);
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Number::Float(value),
            _ => Number::Text(text),
        }
    }

    /// The nearest `f64`; infinite for text beyond its range.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::UInt(value) => value as f64,
            Number::Float(value) => value,
            Number::Text(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The integer, when this was written as one and fits `i64`; `1.0` is none.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Number::Int(value) => Some(value),
            _ => None,
        }
    }

    /// Whether this was written without fraction and exponent.
    #[must_use]
    pub fn is_integer(self) -> bool {
        match self {
            Number::Int(_) | Number::UInt(_) => true,
            Number::Float(_) => false,
            Number::Text(text) => !text.contains(['.', 'e', 'E']),
        }
    }

    /// Compares by value: integers exactly, anything with a float as `f64`.
    #[must_use]
    pub fn compare(self, other: Number<'_>) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(left), Number::Int(right)) => Some(left.cmp(&right)),
            (Number::UInt(left), Number::UInt(right)) => Some(left.cmp(&right)),
            (Number::Int(_), Number::UInt(_)) => Some(Ordering::Less),
            (Number::UInt(_), Number::Int(_)) => Some(Ordering::Greater),
            (Number::Text(left), Number::Text(right)) if left == right => Some(Ordering::Equal),
            _ => self.as_f64().partial_cmp(&other.as_f64()),
        }
    }

    /// Appends the number as JSON.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Number::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            Number::UInt(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
            Number::Float(value) => write_float(value, out),
            Number::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// A decimal of few digits and without exponent: both its digits and the power of ten are floats exactly, so that their
/// quotient is the nearest float to the number (W. D. Clinger, "How to Read Floating Point Numbers Accurately").
#[inline]
fn short_decimal(text: &str) -> Option<f64> {
    /// Digits of which every integer is a float, and a point.
    const MAX_BYTES: usize = 16;
    const POWERS: [f64; MAX_BYTES] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    if digits.len() > MAX_BYTES {
        return None;
    }
    let (mut whole, mut point) = (0_u64, None);
    for (place, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => whole = whole * 10 + u64::from(byte - b'0'),
            b'.' => point = Some(place),
            _ => return None,
        }
    }
    let value = whole as f64 / POWERS[digits.len() - 1 - point?];
    Some(if digits.len() < text.len() { -value } else { value })
}

/// Decimal digits of an integer.
pub(super) fn integer_size(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// Bytes of a float as JSON.
pub(super) fn float_size(value: f64) -> usize {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    // Where there is an exponent, [`write_float`] adds a fraction that is missing.
    let has_bare_digits = text.contains('e') && !text.contains('.');
    text.len() + if has_bare_digits { 2 } else { 0 }
}

/// Shortest text that reads back as the same float; whole numbers keep `.0`, as Java prints doubles.
fn write_float(value: f64, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    match text.split_once('e') {
        // Java: `1.0E10`.
        Some((digits, exponent)) => {
            out.extend_from_slice(digits.as_bytes());
            if !digits.contains('.') {
                out.extend_from_slice(b".0");
            }
            out.push(b'E');
            out.extend_from_slice(exponent.as_bytes());
        }
        None => out.extend_from_slice(text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_decimals_are_what_the_standard_library_reads() {
        let mut generator = 1_u64;
        for _ in 0..100_000 {
            generator = generator.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let digits = (generator >> 11) % 10_u64.pow(1 + (generator >> 60) as u32);
            let places = (generator >> 5) as usize % 16;
            let text = format!("{digits:0width$}", width = places + 1);
            let (whole, fraction) = text.split_at(text.len() - places);
            for text in [format!("{whole}.{fraction}0"), format!("-{whole}.{fraction}5")] {
                let expected: f64 = text.parse().unwrap();
                if let Some(value) = short_decimal(&text) {
                    assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
                }
            }
        }
        assert_eq!(short_decimal("-0.0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        for other in ["1e5", "1.5E3", "12345678901234567.5", "12"] {
            assert_eq!(short_decimal(other), None, "{other}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_text() {
        for float in [0.0, -0.0, 1.0, 0.1, -2.5, 1e10, 1e16, 1.5e300, -1e-7, 1e21, f64::MAX, f64::MIN_POSITIVE] {
            let mut text = Vec::new();
            write_float(float, &mut text);
            assert_eq!(float_size(float), text.len(), "{float}");
        }
    }
}
