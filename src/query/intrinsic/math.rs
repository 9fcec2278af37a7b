//! `States.MathAdd`, `States.MathRandom` and `States.UUID`.

use std::fmt::Write;

use crate::{Value, value::Number};

/// A number with its fraction cut off, as Java's `Number.intValue` does it; refused outside of 32 bits. The guide says that
/// the service rounds; it does so in `States.MathAdd` only.
pub(super) fn truncated(value: &Value) -> Option<i64> {
    integer(value, f64::trunc)
}

/// A number rounded half up, as Java's `Math.round` does it; refused outside of 32 bits.
fn rounded(value: &Value) -> Option<i64> {
    integer(value, |value| (value + 0.5).floor())
}

fn integer(value: &Value, whole: fn(f64) -> f64) -> Option<i64> {
    let number = match value.as_ref().as_number()? {
        Number::Int(value) => i64::from(i32::try_from(value).ok()?),
        Number::UInt(_) => return None,
        number => {
            let value = whole(number.as_f64());
            if !(f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value) {
                return None;
            }
            value as i64
        }
    };
    Some(number)
}

/// `States.MathAdd(a, b)`, in 32 bits (Developer Guide: integers from -2147483648 to 2147483647).
pub(super) fn add(first: &Value, second: &Value) -> Option<Value> {
    let sum = rounded(first)? + rounded(second)?;
    i32::try_from(sum).ok().map(Value::from)
}

/// `start` and how many numbers there are from it to `end`, which is not one of them.
fn bounds(start: &Value, end: &Value) -> Option<(i64, u64)> {
    let (start, end) = (truncated(start)?, truncated(end)?);
    let span = u64::try_from(end - start).ok().filter(|span| *span > 0)?;
    Some((start, span))
}

/// `States.MathRandom(start, end)`.
pub(super) fn random(start: &Value, end: &Value, random: &dyn Fn() -> u64) -> Option<Value> {
    let (start, span) = bounds(start, end)?;
    // The upper half of the product spreads evenly over the span, to within one part in 2^32.
    let offset = (u128::from(random()) * u128::from(span)) >> 64;
    i64::try_from(offset).ok().map(|offset| Value::from(start + offset))
}

/// `States.MathRandom(start, end, seed)`: the same seed gives the same number.
pub(super) fn seeded_random(start: &Value, end: &Value, seed: &Value) -> Option<Value> {
    let (start, span) = bounds(start, end)?;
    let mut generator = JavaRandom::new(truncated(seed)?);
    Some(Value::from(start + generator.next_below(span)))
}

/// The linear congruential generator that `java.util.Random` documents.
struct JavaRandom(u64);

impl JavaRandom {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const INCREMENT: u64 = 0xB;
    const MASK: u64 = (1 << 48) - 1;
    /// Draws that fall into the incomplete last stretch of the range are thrown away, at most this often.
    const MAX_DRAWS: usize = 64;

    fn new(seed: i64) -> Self {
        Self((seed.cast_unsigned() ^ Self::MULTIPLIER) & Self::MASK)
    }

    fn next(&mut self, bits: u32) -> u64 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(Self::INCREMENT) & Self::MASK;
        self.0 >> (48 - bits)
    }

    /// A number from 0 to `span` - 1, as `nextInt(span)` gives it; `span` is below 2^32.
    fn next_below(&mut self, span: u64) -> i64 {
        const BITS: u32 = 31;
        let offset = if span > 1 << BITS {
            self.next(BITS + 1) % span
        } else if span.is_power_of_two() {
            (span * self.next(BITS)) >> BITS
        } else {
            let whole_stretches = (1 << BITS) / span * span;
            let mut draw = self.next(BITS);
            for _ in 0..Self::MAX_DRAWS {
                if draw < whole_stretches {
                    break;
                }
                draw = self.next(BITS);
            }
            draw % span
        };
        offset.cast_signed()
    }
}

/// `States.UUID()`: version 4, variant 1 (RFC 9562).
pub(super) fn uuid(random: &dyn Fn() -> u64) -> Value {
    let high = random() & !0xF000 | 0x4000;
    let low = random() & !(0b11 << 62) | 0b10 << 62;
    let mut text = String::with_capacity(36);
    let written = write!(
        text,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    );
    written.expect("writing to a string does not fail");
    Value::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_javas() {
        // The first numbers of `new Random(42)`, known from countless examples.
        let mut generator = JavaRandom::new(42);
        let drawn: Vec<_> = (0..6).map(|_| generator.next_below(10)).collect();
        assert_eq!(drawn, [0, 3, 8, 4, 0, 5]);
        assert_eq!(JavaRandom::new(42).next(32) as u32 as i32, -1_170_105_035);
    }

    #[test]
    fn draws_reach_both_ends_and_no_further() {
        let draw = |random: u64| super::random(&Value::from(-3), &Value::from(4), &|| random).unwrap();
        assert_eq!((draw(0), draw(u64::MAX)), (Value::from(-3), Value::from(3)));
        for seed in 0..2_000 {
            for span in [1, 2, 7, 1 << 20, (1 << 31) - 1, 1 << 31, u64::from(u32::MAX)] {
                let offset = JavaRandom::new(seed).next_below(span);
                assert!((0..span.cast_signed()).contains(&offset), "{seed} {span}");
            }
        }
    }

    #[test]
    fn uuids_have_their_version_and_variant() {
        assert_eq!(uuid(&|| 0), Value::from("00000000-0000-4000-8000-000000000000"));
        assert_eq!(uuid(&|| u64::MAX), Value::from("ffffffff-ffff-4fff-bfff-ffffffffffff"));
        assert_eq!(uuid(&|| 0x0123_4567_89AB_CDEF), Value::from("01234567-89ab-4def-8123-456789abcdef"));
    }
}
