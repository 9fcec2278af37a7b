//! The functions that Step Functions adds to JSONata (Developer Guide, "Additional JSONata functions provided by Step
//! Functions"), and those of JSONata that need the execution's clock and generator.
//!
//! How `$range` and `$partition` round, and when these functions give nothing, follows what users measured on the service;
//! the guide is silent there.

use std::{cell::RefCell, rc::Rc};

use fastrand::Rng;
use jsonata_core::{
    evaluator::{Evaluator, EvaluatorError},
    value::JValue,
};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::{base::Meter, convert, guard, limits};
use crate::{Value, model::time};

/// All functions of JSONata 2.0.6, and those that Step Functions adds.
#[rustfmt::skip]
const NAMES: &[&str] = &[
    "abs", "append", "assert", "average", "base64decode", "base64encode", "boolean", "ceil", "clone", "contains", "count",
    "decodeUrl", "decodeUrlComponent", "distinct", "each", "encodeUrl", "encodeUrlComponent", "error", "eval", "exists",
    "filter", "floor", "formatBase", "formatInteger", "formatNumber", "fromMillis", "hash", "join", "keys", "length",
    "lookup", "lowercase", "map", "match", "max", "merge", "millis", "min", "not", "now", "number", "pad", "parse",
    "parseInteger", "partition", "power", "random", "range", "reduce", "replace", "reverse", "round", "shuffle", "sift",
    "single", "sort", "split", "spread", "sqrt", "string", "substring", "substringAfter", "substringBefore", "sum",
    "toMillis", "trim", "type", "uppercase", "uuid", "zip",
];

/// Whether JSONata has a function of this name, without `$`.
pub(super) fn is_function(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// Most items of `$range`: what the service was seen to take.
const MAX_RANGE_ITEMS: f64 = 360_145.0;

/// Memory that a byte of JSON text may take once it is parsed, at most.
const PARSED_BYTES_PER_BYTE: usize = 20;

type Called = Result<JValue, EvaluatorError>;

pub(super) fn failed(text: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(text.into())
}

/// The error of an argument of the wrong type, counted from 1.
pub(super) fn mismatch(function: &str, argument: usize) -> EvaluatorError {
    EvaluatorError::TypeError(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}

/// Makes `name` callable in `evaluator`, if it is one of the functions here. `random` is what the execution's generator
/// gave this evaluation, `now_ms` its time.
pub(super) fn register(evaluator: &mut Evaluator, name: &str, meter: &Rc<Meter>, rng: &Rc<RefCell<Rng>>, now_ms: u64) {
    let rng = Rc::clone(rng);
    let meter = Rc::clone(meter);
    let registered = match name {
        "partition" => evaluator.register_fn(name, move |arguments: &[JValue]| partition(arguments, &meter)),
        "range" => evaluator.register_fn(name, move |arguments: &[JValue]| range(arguments, &meter)),
        "hash" => evaluator.register_fn(name, hash),
        "parse" => evaluator.register_fn(name, move |arguments: &[JValue]| parse(arguments, &meter)),
        "uuid" => evaluator.register_fn(name, move |_: &[JValue]| Ok(JValue::string(uuid(&mut rng.borrow_mut())))),
        "random" => {
            evaluator.register_fn_override(name, move |arguments: &[JValue]| random(arguments, &mut rng.borrow_mut()))
        }
        "shuffle" => {
            let shuffle = move |arguments: &[JValue]| shuffle(arguments, &mut rng.borrow_mut(), &meter);
            evaluator.register_fn_override(name, shuffle)
        }
        "now" => evaluator.register_fn_override(name, move |_: &[JValue]| Ok(JValue::string(time::iso8601_ms(now_ms)))),
        "millis" => evaluator.register_fn_override(name, move |_: &[JValue]| Ok(JValue::Number(now_ms as f64))),
        _ => Ok(()),
    };
    debug_assert!(registered.is_ok(), "{name} is new, or may be replaced");
}

fn argument(arguments: &[JValue], place: usize) -> &JValue {
    arguments.get(place).unwrap_or(&JValue::Undefined)
}

/// A number without its fraction; `None` when it is undefined.
fn truncated(function: &str, arguments: &[JValue], place: usize) -> Result<Option<f64>, EvaluatorError> {
    match argument(arguments, place) {
        JValue::Undefined => Ok(None),
        JValue::Number(number) => Ok(Some(number.trunc())),
        _ => Err(mismatch(function, place + 1)),
    }
}

/// `$partition(array, size)`: pieces of `size` items, the last with what is left.
fn partition(arguments: &[JValue], meter: &Meter) -> Called {
    let size = truncated("partition", arguments, 1)?;
    let items = match argument(arguments, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::Array(items) => items.as_slice(),
        single => std::slice::from_ref(single),
    };
    match size {
        Some(size) if size >= 1.0 && !items.is_empty() => {
            meter.items(items.len())?;
            meter.bytes(items.len().div_ceil(size as usize) * guard::ARRAY_BYTES)?;
            Ok(JValue::array(items.chunks(size as usize).map(|chunk| JValue::array(chunk.to_vec())).collect()))
        }
        _ => Ok(JValue::Undefined),
    }
}

/// `$range(start, end, step)`, both ends included.
fn range(arguments: &[JValue], meter: &Meter) -> Called {
    if arguments.len() > 3 {
        return Err(mismatch("range", 4));
    }
    let bounds = [0, 1, 2].map(|place| truncated("range", arguments, place));
    let [start, end, step] = bounds;
    let (Some(start), Some(end), Some(step)) = (start?, end?, step?) else { return Ok(JValue::Undefined) };
    let count = ((end - start) / step).floor() + 1.0;
    if step == 0.0 || !count.is_finite() || count < 1.0 {
        return Ok(JValue::Undefined);
    }
    if count > MAX_RANGE_ITEMS {
        return Err(failed(limits::memory().to_string()));
    }
    meter.items(count as usize)?;
    Ok(JValue::sequence((0..count as u32).map(|place| JValue::Number(start + f64::from(place) * step)).collect())
        .unwrap_sequence())
}

/// `$hash(data, algorithm)`, in hexadecimal.
fn hash(arguments: &[JValue]) -> Called {
    let data = match argument(arguments, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(text) => text.to_string(),
        _ => return Err(mismatch("hash", 1)),
    };
    let digest = match argument(arguments, 1) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(algorithm) => match &**algorithm {
            "MD5" => hexadecimal(&Md5::digest(data)),
            "SHA-1" => hexadecimal(&Sha1::digest(data)),
            "SHA-256" => hexadecimal(&Sha256::digest(data)),
            "SHA-384" => hexadecimal(&Sha384::digest(data)),
            "SHA-512" => hexadecimal(&Sha512::digest(data)),
            unknown => return Err(failed(format!("The hash algorithm \"{unknown}\" is not supported"))),
        },
        _ => return Err(mismatch("hash", 2)),
    };
    Ok(JValue::string(digest))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// `$parse(text)`: the value that a JSON text stands for.
fn parse(arguments: &[JValue], meter: &Meter) -> Called {
    match argument(arguments, 0) {
        JValue::Undefined => Ok(JValue::Undefined),
        JValue::String(text) => {
            meter.bytes(text.len() * PARSED_BYTES_PER_BYTE)?;
            match Value::parse(text) {
                Ok(value) => Ok(convert::from_value(&value)),
                Err(error) => Err(failed(format!("Failed to parse the argument of function \"parse\": {error}"))),
            }
        }
        _ => Err(mismatch("parse", 1)),
    }
}

/// `$uuid()`: a random one, version 4 (RFC 9562).
fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..) & !(0xF000_u128 << 64) & !(0xC000_u128 << 48) | (0x4000_u128 << 64) | (0x8000_u128 << 48);
    let text = format!("{bits:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// `$random(seed?)`: from 0 up to 1. A seed is used as `java.util.Random` uses it, as the service is written in Java.
fn random(arguments: &[JValue], rng: &mut Rng) -> Called {
    match truncated("random", arguments, 0)? {
        None => Ok(JValue::Number(rng.f64())),
        Some(seed) => {
            const MULTIPLIER: u64 = 0x5_DEEC_E66D;
            const MASK: u64 = (1 << 48) - 1;
            let mut state = (seed as i64).cast_unsigned() ^ MULTIPLIER;
            let mut next = |bits: u32| {
                state = state.wrapping_mul(MULTIPLIER).wrapping_add(11) & MASK;
                state >> (48 - bits)
            };
            let bits = (next(26) << 27) + next(27);
            Ok(JValue::Number(bits as f64 / (1_u64 << 53) as f64))
        }
    }
}

/// `$shuffle(array)`, by the execution's generator.
fn shuffle(arguments: &[JValue], rng: &mut Rng, meter: &Meter) -> Called {
    match argument(arguments, 0) {
        JValue::Undefined => Ok(JValue::Undefined),
        JValue::Array(items) if items.len() > 1 => {
            meter.items(items.len())?;
            let mut items = items.to_vec();
            rng.shuffle(&mut items);
            Ok(JValue::array(items))
        }
        JValue::Array(items) => Ok(JValue::Array(items.clone())),
        single => Ok(JValue::array(vec![single.clone()])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn uuids_are_version_4() {
        let text = uuid(&mut Rng::with_seed(7));
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4");
        assert!("89ab".contains(&text[19..20]));
    }

    /// The first double of `new java.util.Random(42)`.
    #[test]
    fn seeds_are_javas() {
        let number = random(&[JValue::Number(42.0)], &mut Rng::with_seed(1)).unwrap();
        assert_eq!(number.as_f64(), Some(0.727_563_680_032_868_1));
    }
}
