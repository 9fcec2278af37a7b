//! How far one expression may go: ours, so that none holds a shard, and near what is known of the service where it is known.
//!
//! Time is checked between steps and is the last resort: what can grow in one step (strings, ranges, arrays joined
//! to arrays, values that share parts and so are larger than the memory they take) is charged before it is built, in
//! `guard` for the base and in `fast` for our own programs, so that an expression fails by what it does and not by how busy
//! the machine is.

use super::JsonataError;

/// Longest time that one evaluation may take, in milliseconds. A step that has begun is finished first.
pub const MAX_EVALUATION_MS: u64 = 100;
/// Deepest nesting of an expression's text.
pub const MAX_EXPRESSION_DEPTH: usize = 250;
/// Deepest recursion while an expression is evaluated, in nested parts of the expression; a call of a function that is not
/// in tail position takes three or more. The service has 100 levels.
pub const MAX_EVALUATION_DEPTH: usize = 3_000;
/// Most items of one sequence.
pub const MAX_SEQUENCE_ITEMS: usize = 500_000;
/// Longest string that an expression may build, in bytes. The service has 2^22 characters.
pub const MAX_STRING_BYTES: usize = 1 << 22;
/// Most memory for all that one evaluation builds, in bytes, whether or not it is still held.
pub const MAX_BUILT_BYTES: usize = 36 << 20;
/// Most bytes of data that may be converted for the base, as JSON.
pub const MAX_CONVERTED_BYTES: usize = 2 << 20;
/// Largest value that is walked as a whole (printed, compared, searched by `**`), counted as if nothing in it were shared,
/// in bytes as JSON. The service has 6,990,256.
pub const MAX_WALKED_BYTES: usize = 8 << 20;
/// Largest result, counted likewise. What is larger than a payload may be fails in the engine, with another error.
pub const MAX_RESULT_BYTES: usize = 1 << 20;
/// Deepest nesting of a value that an expression may build.
pub const MAX_VALUE_DEPTH: usize = 500;
/// Longest width of `$pad`, in characters.
pub const MAX_PAD_WIDTH: f64 = 262_144.0;
/// Longest picture of `$formatNumber`, `$formatInteger`, `$now` and the like, in bytes.
pub const MAX_PICTURE_BYTES: usize = 256;
/// Largest compiled regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 1 << 18;
/// Longest text that a regular expression is applied to, in bytes, times the bytes of the compiled expression.
pub const MAX_REGEX_WORK: usize = 1 << 34;
/// Largest compiled regular expression of which groups are asked for, in bytes times its groups.
pub const MAX_GROUP_BYTES: usize = 1 << 20;
/// Longest text that such an expression may find in long matches, in bytes times the bytes of the compiled expression times
/// its groups.
pub const MAX_GROUP_WORK: usize = 1 << 31;

/// More was built or walked than the limits allow, in the service's words.
pub(super) fn memory() -> JsonataError {
    JsonataError::new("U1001", "Expression evaluation memory limit exceeded")
}

/// It took longer than [`MAX_EVALUATION_MS`].
pub(super) fn timeout() -> JsonataError {
    JsonataError::new("U1001", "Expression evaluation timeout: Check for infinite loop")
}
