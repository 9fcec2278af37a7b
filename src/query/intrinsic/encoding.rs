//! `States.Base64Encode`, `States.Base64Decode` and `States.Hash`.

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::java;
use crate::Value;

/// Longest text to encode, decode or hash, in UTF-16 code units (Developer Guide: "up to 10,000 characters").
const MAX_CHARACTERS: usize = 10_000;

/// The text when it is not too long. A text has at most one UTF-16 code unit for each of its bytes.
fn bounded(text: &str) -> Option<&str> {
    (text.len() <= MAX_CHARACTERS || text.encode_utf16().count() <= MAX_CHARACTERS).then_some(text)
}

/// `States.Base64Encode(text)`.
pub(super) fn base64_encode(plain: &Value) -> Option<Value> {
    let plain = bounded(plain.as_str()?)?;
    Some(Value::from(STANDARD.encode(plain)))
}

/// `States.Base64Decode(text)`. The service is lenient: it passes over what is no Base64 character, takes both alphabets,
/// reads up to the first `=` whether or not there should be one, and replaces what is not UTF-8.
pub(super) fn base64_decode(encoded: &Value) -> Option<Value> {
    let encoded = bounded(encoded.as_str()?)?;
    let mut decoded = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
    let mut bits = 0_u32;
    let mut bit_count = 0;
    for sextet in encoded.bytes().take_while(|byte| *byte != b'=').filter_map(sextet) {
        bits = bits << 6 | u32::from(sextet);
        bit_count += 6;
        if bit_count >= 8 {
            bit_count -= 8;
            decoded.push((bits >> bit_count) as u8);
        }
    }
    Some(Value::from(String::from_utf8_lossy(&decoded).into_owned()))
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// `States.Hash(data, algorithm)`, in hexadecimal. The service hashes what is not a string as what it prints as.
pub(super) fn hash(data: &Value, algorithm: &Value) -> Option<Value> {
    let mut printed = String::new();
    let data = match data.as_str() {
        Some(text) => text,
        None => {
            java::write_text(data.as_ref(), &mut printed);
            &printed
        }
    };
    let data = bounded(data)?;
    let digest = match algorithm.as_str()? {
        "MD5" => hexadecimal(&Md5::digest(data)),
        "SHA-1" => hexadecimal(&Sha1::digest(data)),
        "SHA-256" => hexadecimal(&Sha256::digest(data)),
        "SHA-384" => hexadecimal(&Sha384::digest(data)),
        "SHA-512" => hexadecimal(&Sha512::digest(data)),
        _ => return None,
    };
    Some(Value::from(digest))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
