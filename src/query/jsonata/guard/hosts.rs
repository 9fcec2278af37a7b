//! The guards themselves: functions that the base calls. Each hands on its first argument unless it says otherwise.

use std::{
    cell::RefCell,
    collections::{HashSet, VecDeque},
    rc::Rc,
};

use indexmap::IndexMap;
use jsonata_core::{
    evaluator::{Evaluator, EvaluatorError},
    functions::string as texts,
    value::{JArray, JValue},
};
use regex::Regex;

use super::measure::Size;
use crate::query::jsonata::{
    JsonataError,
    base::Meter,
    functions::{failed, mismatch},
    limits,
};

type Called = Result<JValue, EvaluatorError>;
type Host = fn(&[JValue], &Meter) -> Called;

/// Memory of an array, without its items.
pub(in crate::query::jsonata) const ARRAY_BYTES: usize = 96;
/// Memory of one tuple of a stream that binds names by `@`.
const TUPLE_BYTES: usize = 700;
/// Memory of a number as text.
const SHORT_TEXT_BYTES: usize = 16;
/// Memory of an item while it is sorted: with its keys and its place, and where it goes.
const SORTED_BYTES: usize = 250;
/// Memory of one entry of an object.
const ENTRY_BYTES: usize = 160;
/// Memory of an object with one entry.
const OBJECT_BYTES: usize = 400;
/// Memory of one piece of a text that was split, without its characters.
const PIECE_BYTES: usize = 72;
/// Memory of one match of a regular expression, without its groups.
const MATCH_BYTES: usize = 700;
/// Memory of one group of a match.
const GROUP_BYTES: usize = 48;
/// Most digits of a number in a date or time: powers of ten up to here are integers.
const MAX_MARKER_DIGITS: usize = 18;

/// Makes `name` callable in `evaluator`, if it is a guard.
pub(in crate::query::jsonata) fn register(evaluator: &mut Evaluator, name: &str, meter: &Rc<Meter>) {
    let host: Host = match name {
        "guard:fresh" => fresh,
        "guard:items" => items,
        "guard:tuples" => tuples,
        "guard:entry" => entry,
        "guard:closure" => closure,
        "guard:composed" => composed,
        "guard:key" => key,
        "guard:sorted" => sorted,
        "guard:predicate" => predicate,
        "guard:located" => located,
        "guard:entries" => entries,
        "guard:spread" => spread,
        "guard:tree" => tree,
        "guard:print" => print,
        "guard:string" => string,
        "guard:pretty" => pretty,
        "guard:text" => text,
        "guard:picture" => picture,
        "guard:date picture" => date_picture,
        "guard:integer" => integer,
        "guard:concatenate" => concatenate,
        "guard:range" => range,
        "guard:join" => join,
        "guard:split" => split,
        "guard:match" => matches,
        "guard:contains" => contains,
        "guard:replace" => replace,
        "guard:distinct" => distinct,
        "guard:is function" => is_function,
        "pad" => pad,
        "zip" => zip,
        _ => return,
    };
    let meter = Rc::clone(meter);
    let registered = evaluator.register_fn_override(name, move |arguments: &[JValue]| host(arguments, &meter));
    debug_assert!(registered.is_ok(), "guards are new, and $pad and $zip may be replaced");
}

fn argument(arguments: &[JValue], place: usize) -> &JValue {
    arguments.get(place).unwrap_or(&JValue::Undefined)
}

fn first(arguments: &[JValue]) -> Called {
    Ok(argument(arguments, 0).clone())
}

/// Charges an array that was just made.
fn fresh(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::Array(array) = argument(arguments, 0)
        && array.sequence
    {
        meter.items(array.len())?;
    }
    first(arguments)
}

/// Charges the items of an array that are about to be copied.
fn items(arguments: &[JValue], meter: &Meter) -> Called {
    match argument(arguments, 0) {
        JValue::Array(array) => meter.items(array.len())?,
        JValue::Object(members) => meter.items(members.len())?,
        // A part of something that is charged as a whole.
        _ => {}
    }
    first(arguments)
}

/// Charges the tuples that are about to be made of a value.
fn tuples(arguments: &[JValue], meter: &Meter) -> Called {
    let count = argument(arguments, 0).as_array().map_or(1, Vec::len);
    meter.bytes(count * TUPLE_BYTES)?;
    first(arguments)
}

/// Charges a function, given its bytes.
fn closure(arguments: &[JValue], meter: &Meter) -> Called {
    meter.bytes(argument(arguments, 0).as_f64().unwrap_or_default() as usize)?;
    Ok(JValue::Undefined)
}

/// Charges a function of which another is about to be made, given the bytes of both.
fn composed(arguments: &[JValue], meter: &Meter) -> Called {
    if argument(arguments, 0).is_function() {
        meter.bytes(argument(arguments, 1).as_f64().unwrap_or_default() as usize)?;
    }
    first(arguments)
}

/// Charges a key to sort by.
fn key(arguments: &[JValue], meter: &Meter) -> Called {
    meter.items(1)?;
    first(arguments)
}

/// Charges an item that is sorted, given its first key.
fn sorted(arguments: &[JValue], meter: &Meter) -> Called {
    meter.bytes(SORTED_BYTES)?;
    first(arguments)
}

/// Refuses to change very many places: each is searched for in the whole.
fn located(arguments: &[JValue], meter: &Meter) -> Called {
    const MAX_PLACES: usize = 10_000;
    match argument(arguments, 0) {
        JValue::Array(places) if places.len() > MAX_PLACES => Err(meter.exceeded()),
        _ => first(arguments),
    }
}

/// Looks at the time before an array of places is looked through.
fn predicate(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::Array(_) = argument(arguments, 0) {
        meter.in_time()?;
    }
    first(arguments)
}

/// Charges an entry of an object, given its key.
fn entry(arguments: &[JValue], meter: &Meter) -> Called {
    meter.bytes(ENTRY_BYTES + argument(arguments, 0).as_str().map_or(0, str::len))?;
    first(arguments)
}

/// The entries of an object, or of those in an array.
fn entry_count(value: &JValue) -> usize {
    let count = |value: &JValue| value.as_object().map_or(0, IndexMap::len);
    match value {
        JValue::Array(objects) => objects.iter().map(count).sum(),
        single => count(single),
    }
}

/// Charges the entries of objects that are about to be merged.
fn entries(arguments: &[JValue], meter: &Meter) -> Called {
    meter.bytes(entry_count(argument(arguments, 0)) * ENTRY_BYTES)?;
    first(arguments)
}

/// Charges the objects that are about to be made of single entries.
fn spread(arguments: &[JValue], meter: &Meter) -> Called {
    meter.bytes(entry_count(argument(arguments, 0)) * OBJECT_BYTES)?;
    items(arguments, meter)
}

fn size(value: &JValue, meter: &Meter) -> Result<Size, EvaluatorError> {
    Size::of(value).ok_or_else(|| meter.exceeded())
}

/// Refuses values that are too large to be walked.
fn tree(arguments: &[JValue], meter: &Meter) -> Called {
    size(argument(arguments, 0), meter)?;
    first(arguments)
}

/// Charges all that is in a value, as it is about to be written out or copied.
fn print(arguments: &[JValue], meter: &Meter) -> Called {
    let size = size(argument(arguments, 0), meter)?;
    meter.bytes(size.bytes + size.entries * ENTRY_BYTES)?;
    meter.items(size.values)?;
    first(arguments)
}

/// `$string(value)`.
fn string(arguments: &[JValue], meter: &Meter) -> Called {
    let value = argument(arguments, 0);
    match value {
        JValue::String(_) | JValue::Undefined => return first(arguments),
        JValue::Array(_) | JValue::Object(_) => {
            print(arguments, meter)?;
        }
        _ => meter.bytes(SHORT_TEXT_BYTES)?,
    }
    Ok(texts::string(value, None)?)
}

/// As [`print`], with lines that are indented by the depth.
fn pretty(arguments: &[JValue], meter: &Meter) -> Called {
    let size = size(argument(arguments, 0), meter)?;
    meter.bytes(size.bytes + size.values * (2 * size.depth + 1))?;
    first(arguments)
}

/// Charges a text, or those in an array, of which another is about to be made. Encoding triples it.
fn text(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::String(text) = argument(arguments, 0) {
        meter.bytes(text.len() * 3)?;
    }
    first(arguments)
}

/// Refuses pictures of unreasonable length; what is no text passes.
fn picture(arguments: &[JValue], meter: &Meter) -> Called {
    match argument(arguments, 0) {
        JValue::String(text) if text.len() > limits::MAX_PICTURE_BYTES => Err(too_long(meter)),
        _ => first(arguments),
    }
}

fn too_long(meter: &Meter) -> EvaluatorError {
    meter.fail(JsonataError::new("U1001", "The picture string is too long"))
}

/// As [`picture`], of dates and times: none of its markers `[Y0001,4-4]` may ask for more digits than there are numbers of.
fn date_picture(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::String(text) = argument(arguments, 0) {
        for marker in text.split('[').skip(1).filter_map(|rest| rest.split(']').next()) {
            let (presentation, widths) = marker.rsplit_once(',').unwrap_or((marker, ""));
            let digits = presentation.chars().filter(|character| character.is_numeric() || *character == '#').count();
            let is_wide = |width: &str| {
                let width = width.trim();
                width.parse::<usize>().map_or(width.len() > MAX_MARKER_DIGITS, |width| width > MAX_MARKER_DIGITS)
            };
            if digits > MAX_MARKER_DIGITS || widths.split('-').any(is_wide) {
                return Err(too_long(meter));
            }
        }
    }
    picture(arguments, meter)
}

/// Refuses pictures of unreasonable length, and Roman numbers, which have a letter for each thousand.
fn integer(arguments: &[JValue], meter: &Meter) -> Called {
    const MAX_ROMAN: f64 = 1e6;
    if let (JValue::Number(number), JValue::String(picture)) = (argument(arguments, 0), argument(arguments, 1)) {
        let format = picture.rsplit_once(';').map_or(&**picture, |(format, _)| format);
        if picture.len() > limits::MAX_PICTURE_BYTES {
            return Err(too_long(meter));
        }
        if matches!(format, "I" | "i") && number.abs() > MAX_ROMAN {
            return Err(meter.exceeded());
        }
    }
    first(arguments)
}

/// `left & right`.
fn concatenate(arguments: &[JValue], meter: &Meter) -> Called {
    let mut result = String::new();
    for argument in arguments {
        let printed;
        let text = match argument {
            JValue::Undefined => continue,
            JValue::String(text) => text,
            other => {
                meter.bytes(size(other, meter)?.bytes)?;
                match texts::string(other, None)? {
                    JValue::String(text) => {
                        printed = text;
                        &printed
                    }
                    _ => continue,
                }
            }
        };
        if result.len() + text.len() > limits::MAX_STRING_BYTES {
            return Err(meter.exceeded());
        }
        result.push_str(text);
    }
    meter.bytes(result.len() * 2)?;
    Ok(JValue::string(result))
}

/// `[from..to]`.
fn range(arguments: &[JValue], meter: &Meter) -> Called {
    let bound = |place: usize, code: &str, side: &str| match argument(arguments, place) {
        JValue::Undefined => Ok(None),
        JValue::Number(number) if number.fract() == 0.0 => Ok(Some(*number)),
        _ => Err(failed(format!("{code}: The {side} side of the range operator (..) must evaluate to an integer"))),
    };
    let (from, to) = (bound(0, "T2003", "left")?, bound(1, "T2004", "right")?);
    let (Some(from), Some(to)) = (from, to) else { return Ok(JValue::Undefined) };
    if from > to {
        return Ok(JValue::Undefined);
    }
    let count = to - from + 1.0;
    if count > 1e7 {
        return Err(failed("D2014: The size of the sequence allocated by the range operator (..) must not exceed 1e7"));
    }
    meter.items(count as usize * 2)?;
    Ok(JValue::Array(JArray::new_flat(
        (0..count as u32).map(|place| JValue::Number(from + f64::from(place))).collect(),
        true,
    )))
}

/// Charges `$join(texts, separator)`.
fn join(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::Array(texts) = argument(arguments, 0) {
        let separator = argument(arguments, 1).as_str().map_or(0, str::len);
        let length: usize = texts.iter().map(|text| text.as_str().map_or(0, str::len)).sum();
        let length = length.saturating_add(separator.saturating_mul(texts.len()));
        if length > limits::MAX_STRING_BYTES {
            return Err(meter.exceeded());
        }
        meter.bytes(length * 2)?;
    }
    first(arguments)
}

/// How often a pattern is found in a text, after the work of looking for it has been found bearable.
fn count(text: &str, pattern: &JValue, meter: &Meter) -> Result<usize, EvaluatorError> {
    match pattern {
        JValue::String(pattern) if pattern.is_empty() => Ok(text.len()),
        JValue::String(pattern) => Ok(text.matches(&**pattern).count()),
        JValue::Regex { pattern, flags } => {
            bearable(text, pattern, flags, meter)?;
            Ok(compiled(pattern, flags).map_or(0, |regex| regex.find_iter(text).count()))
        }
        _ => Ok(0),
    }
}

/// Matches up to this length are short, whatever the expression.
const MAX_SHORT_MATCH_BYTES: usize = 240;

/// As [`count`], and how many groups each match has, for functions that look at groups: those are looked for within what
/// matches, in time and memory in proportion to the expression's size as well as to the number of its groups.
fn count_with_groups(text: &str, pattern: &JValue, meter: &Meter) -> Result<(usize, usize), EvaluatorError> {
    let found = count(text, pattern, meter)?;
    let JValue::Regex { pattern, flags } = pattern else { return Ok((found, 0)) };
    let Some(regex) = compiled(pattern, flags) else { return Ok((found, 0)) };
    let groups = regex.captures_len();
    // Of long matches only, as short ones are looked through without a copy of all groups at every step.
    let lengths = regex.find_iter(text).map(|found| found.len());
    let matched: usize = lengths.filter(|length| *length > MAX_SHORT_MATCH_BYTES).sum();
    let most = (limits::MAX_GROUP_WORK / (matched + 1)).min(limits::MAX_GROUP_BYTES) / groups;
    if most < limits::MAX_REGEX_BYTES && !compiles_within(pattern, flags, most) {
        return Err(meter.exceeded());
    }
    Ok((found, groups))
}

/// Most regular expressions that a thread keeps.
const MAX_COMPILED: usize = 32;

/// Pattern, flags, and what they compile to.
type Compiled = (Rc<str>, Rc<str>, Regex);

thread_local! {
    /// The regular expressions that were compiled last: compiling takes longer than most searches.
    static COMPILED: RefCell<VecDeque<Compiled>> = const { RefCell::new(VecDeque::new()) };
}

/// A regular expression as the base compiles it.
fn compiled(pattern: &Rc<str>, flags: &Rc<str>) -> Option<Regex> {
    COMPILED.with_borrow_mut(|known| {
        if let Some((_, _, regex)) = known.iter().find(|(text, with, _)| text == pattern && with == flags) {
            return Some(regex.clone());
        }
        let regex = texts::build_regex(pattern, flags).ok()?;
        known.truncate(MAX_COMPILED - 1);
        known.push_front((Rc::clone(pattern), Rc::clone(flags), regex.clone()));
        Some(regex)
    })
}

/// The larger a regular expression, the shorter the text may be: matching may take time in proportion to both.
fn bearable(text: &str, pattern: &str, flags: &str, meter: &Meter) -> Result<(), EvaluatorError> {
    /// Texts up to this length are searched by whatever expression there is.
    const SHORT_BYTES: usize = 4096;
    if text.len() <= SHORT_BYTES {
        return Ok(());
    }
    let most = (limits::MAX_REGEX_WORK / text.len()).min(limits::MAX_REGEX_BYTES);
    if compiles_within(pattern, flags, most) { Ok(()) } else { Err(meter.exceeded()) }
}

/// Whether a regular expression takes no more than that many bytes.
fn compiles_within(pattern: &str, flags: &str, bytes: usize) -> bool {
    let flags: String = flags.chars().filter(|flag| "ims".contains(*flag)).collect();
    let pattern = if flags.is_empty() { pattern.to_owned() } else { format!("(?{flags}){pattern}") };
    regex::RegexBuilder::new(&pattern).size_limit(bytes).build().is_ok()
}

/// Charges `$split(text, pattern)`.
fn split(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::String(text) = argument(arguments, 0) {
        let pieces = count(text, argument(arguments, 1), meter)?;
        meter.bytes(text.len() + (pieces + 1) * PIECE_BYTES)?;
    }
    first(arguments)
}

/// Charges `$match(text, pattern)`.
fn matches(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::String(text) = argument(arguments, 0) {
        let (found, groups) = count_with_groups(text, argument(arguments, 1), meter)?;
        meter.bytes(text.len() + found * (MATCH_BYTES + groups * GROUP_BYTES))?;
    }
    first(arguments)
}

/// Checks the work of `$contains(text, pattern)`.
fn contains(arguments: &[JValue], meter: &Meter) -> Called {
    if let (JValue::String(text), JValue::Regex { pattern, flags }) = (argument(arguments, 0), argument(arguments, 1)) {
        bearable(text, pattern, flags, meter)?;
    }
    first(arguments)
}

/// Charges `$replace(text, pattern, replacement)`.
fn replace(arguments: &[JValue], meter: &Meter) -> Called {
    if let JValue::String(text) = argument(arguments, 0) {
        let (found, _) = count_with_groups(text, argument(arguments, 1), meter)?;
        let replacement = argument(arguments, 2).as_str().unwrap_or_default();
        // Each `$1` may bring in all that was matched.
        let groups = replacement.bytes().filter(|byte| *byte == b'$').count();
        let length = text.len().saturating_mul(groups + 1).saturating_add(found.saturating_mul(replacement.len()));
        if length > limits::MAX_STRING_BYTES {
            return Err(meter.exceeded());
        }
        meter.bytes(length * 2)?;
    }
    first(arguments)
}

/// `$distinct(array)`, by hashes: the base compares each item with all others.
fn distinct(arguments: &[JValue], meter: &Meter) -> Called {
    let JValue::Array(array) = argument(arguments, 0) else { return first(arguments) };
    if array.len() <= 1 {
        return first(arguments);
    }
    meter.bytes(size(argument(arguments, 0), meter)?.bytes * 2)?;
    let mut seen = HashSet::with_capacity(array.len());
    let mut kept = Vec::new();
    for item in array {
        let mut key = String::new();
        canonical(item, &mut key);
        if seen.insert(key) {
            kept.push(item.clone());
        }
    }
    Ok(JValue::Array(array.with_items(kept)))
}

/// A text that equal values, and only those, have in common. The value's depth has been checked.
fn canonical(value: &JValue, out: &mut String) {
    use std::fmt::Write;
    match value {
        JValue::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out);
                out.push(',');
            }
            out.push(']');
        }
        JValue::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            out.push('{');
            for (key, member) in members {
                let _ = write!(out, "{key:?}:");
                canonical(member, out);
                out.push(',');
            }
            out.push('}');
        }
        JValue::String(text) => {
            let _ = write!(out, "{text:?}");
        }
        // Zero has a sign that does not count.
        JValue::Number(number) => {
            let _ = write!(out, "{}", number + 0.0);
        }
        other => {
            let _ = write!(out, "{other:?}");
        }
    }
}

/// Whether the argument is a function.
fn is_function(arguments: &[JValue], _meter: &Meter) -> Called {
    Ok(JValue::Bool(argument(arguments, 0).is_function()))
}

/// `$zip(array, …)`: arrays of the first items, of the second …, as many as the shortest has.
fn zip(arguments: &[JValue], meter: &Meter) -> Called {
    fn items(argument: &JValue) -> &[JValue] {
        match argument {
            JValue::Array(array) => array.as_slice(),
            JValue::Null | JValue::Undefined => &[],
            single => std::slice::from_ref(single),
        }
    }
    if arguments.is_empty() {
        return Err(mismatch("zip", 1));
    }
    let count = arguments.iter().map(|argument| items(argument).len()).min().unwrap_or(0);
    meter.bytes(count.saturating_mul(ARRAY_BYTES))?;
    meter.items(count.saturating_mul(arguments.len()))?;
    let row = |place: usize| JValue::array(arguments.iter().map(|argument| items(argument)[place].clone()).collect());
    Ok(JValue::array((0..count).map(row).collect()))
}

/// `$pad(text, width, character)`.
fn pad(arguments: &[JValue], meter: &Meter) -> Called {
    let text = match argument(arguments, 0) {
        JValue::Undefined => return Ok(JValue::Undefined),
        JValue::String(text) => text,
        _ => return Err(mismatch("pad", 1)),
    };
    let width = match argument(arguments, 1) {
        JValue::Undefined => return first(arguments),
        JValue::Number(width) => width.trunc(),
        _ => return Err(mismatch("pad", 2)),
    };
    let fill = match argument(arguments, 2) {
        JValue::String(fill) if !fill.is_empty() => &**fill,
        JValue::Undefined | JValue::String(_) => " ",
        _ => return Err(mismatch("pad", 3)),
    };
    if width.abs() > limits::MAX_PAD_WIDTH {
        return Err(meter.exceeded());
    }
    let missing = (width.abs() as usize).saturating_sub(text.chars().count());
    let padding: String = fill.chars().cycle().take(missing).collect();
    meter.bytes(2 * (text.len() + padding.len()))?;
    Ok(JValue::string(if width < 0.0 { format!("{padding}{text}") } else { format!("{text}{padding}") }))
}
