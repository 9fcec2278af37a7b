//! The functions of the subset. Arguments of a type that a function does not take are left to the base, which has the error.

use super::{
    Halt,
    data::{Data, Items, Kind, bounded},
    evaluate::Meter,
    text,
};
use crate::{
    Value,
    query::jsonata::limits,
    value::{ObjectBuilder, ObjectView, Text, ValueRef},
};

/// A function of the subset, with a number of arguments that leaves nothing to the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Append,
    Boolean,
    Contains,
    Count,
    Exists,
    Join,
    Keys,
    Length,
    Lowercase,
    Max,
    Merge,
    Min,
    Not,
    Number,
    String,
    Sum,
    Uppercase,
}

type Computed<'a> = Result<Data<'a>, Halt>;

impl Function {
    /// The function `$name` when it is called with that many arguments.
    pub(super) fn named(name: &str, arguments: usize) -> Option<Self> {
        Some(match (name, arguments) {
            ("append", 2) => Function::Append,
            ("boolean", 1) => Function::Boolean,
            ("contains", 2) => Function::Contains,
            ("count", 1) => Function::Count,
            ("exists", 1) => Function::Exists,
            ("join", 1 | 2) => Function::Join,
            ("keys", 1) => Function::Keys,
            ("length", 1) => Function::Length,
            ("lowercase", 1) => Function::Lowercase,
            ("max", 1) => Function::Max,
            ("merge", 1) => Function::Merge,
            ("min", 1) => Function::Min,
            ("not", 1) => Function::Not,
            ("number", 1) => Function::Number,
            ("string", 1) => Function::String,
            ("sum", 1) => Function::Sum,
            ("uppercase", 1) => Function::Uppercase,
            _ => return None,
        })
    }

    /// Whether `$name` never gives a sequence.
    pub(super) fn gives_no_sequence(name: &str) -> bool {
        !matches!(name, "append" | "keys" | "map" | "filter")
    }

    /// Calls it.
    pub(super) fn call<'a>(self, arguments: &[Data<'a>], meter: &mut Meter) -> Computed<'a> {
        let first = &arguments[0];
        if first.is_undefined() {
            return match self {
                Function::Append => Ok(arguments[1].clone()),
                Function::Count => Ok(Data::Number(0.0)),
                Function::Exists => Ok(Data::Bool(false)),
                // The other argument may be of a wrong type.
                Function::Contains | Function::Join if arguments.len() > 1 => match arguments[1].kind() {
                    Kind::Text(_) | Kind::Undefined => Ok(Data::Undefined),
                    _ => Err(Halt::Base),
                },
                _ => Ok(Data::Undefined),
            };
        }
        match self {
            Function::Append => append(first, &arguments[1], meter),
            Function::Boolean => first.is_true(meter).map(Data::Bool),
            Function::Contains => match (first.kind(), arguments[1].kind()) {
                (Kind::Text(text), Kind::Text(part)) => {
                    meter.charge(text.len() / 64)?;
                    Ok(Data::Bool(text.contains(part)))
                }
                _ => Err(Halt::Base),
            },
            Function::Count => Ok(Data::Number(first.len() as f64)),
            Function::Exists => Ok(Data::Bool(true)),
            Function::Join => join(first, arguments.get(1), meter),
            Function::Keys => keys(first, meter),
            Function::Length => match first.kind() {
                Kind::Text(text) => {
                    meter.charge(text.len() / 64)?;
                    Ok(Data::Number(text.chars().count() as f64))
                }
                _ => Err(Halt::Base),
            },
            Function::Lowercase | Function::Uppercase => match first.kind() {
                Kind::Text(text) => {
                    meter.built(text.len() * 3)?;
                    let text = if self == Function::Lowercase { text.to_lowercase() } else { text.to_uppercase() };
                    Ok(Data::Owned(Value::from(text)))
                }
                _ => Err(Halt::Base),
            },
            Function::Max => fold(first, meter, f64::max),
            Function::Min => fold(first, meter, f64::min),
            Function::Merge => merge(first, meter),
            Function::Not => first.is_true(meter).map(|is_true| Data::Bool(!is_true)),
            Function::Number => number(first),
            Function::String => match first.kind() {
                Kind::Text(_) => Ok(first.clone()),
                _ => {
                    let mut out = String::new();
                    text::write_data(first, &mut out, meter)?;
                    meter.built(out.len())?;
                    Ok(Data::Owned(Value::from(out)))
                }
            },
            Function::Sum => {
                let mut sum = 0.0;
                numbers(first, meter, |number| sum += number)?;
                Ok(Data::Number(sum))
            }
        }
    }
}

/// Shows `visit` the numbers of an array of numbers, or the one.
fn numbers(array: &Data<'_>, meter: &mut Meter, mut visit: impl FnMut(f64)) -> Result<(), Halt> {
    let mut number = |item: &Data<'_>| match item.kind() {
        Kind::Number(number) if number.is_finite() => {
            visit(number);
            Ok(())
        }
        _ => Err(Halt::Base),
    };
    if let Data::List(list) = array {
        meter.charge(list.items().len())?;
        return list.items().iter().try_for_each(number);
    }
    array.for_each(|_, item| {
        meter.charge(1)?;
        number(&item)
    })
}

fn fold<'a>(array: &Data<'a>, meter: &mut Meter, fold: impl Fn(f64, f64) -> f64) -> Computed<'a> {
    let mut result = None;
    numbers(array, meter, |number| result = Some(result.map_or(number, |other| fold(other, number))))?;
    Ok(result.map_or(Data::Undefined, Data::Number))
}

fn append<'a>(first: &Data<'a>, second: &Data<'a>, meter: &mut Meter) -> Computed<'a> {
    if second.is_undefined() {
        return Ok(first.clone());
    }
    let mut items = Items::default();
    first.clone().append_to(&mut items, meter)?;
    second.clone().append_to(&mut items, meter)?;
    Ok(Data::array(items))
}

fn join<'a>(texts: &Data<'a>, separator: Option<&Data<'a>>, meter: &mut Meter) -> Computed<'a> {
    let separator = match separator.map(Data::kind) {
        None | Some(Kind::Undefined) => "",
        Some(Kind::Text(separator)) => separator,
        Some(_) => return Err(Halt::Base),
    };
    let mut out = String::new();
    meter.charge(texts.len())?;
    texts.for_each(|place, item| {
        if place > 0 {
            out.push_str(separator);
        }
        match item.kind() {
            Kind::Text(text) => out.push_str(text),
            _ => return Err(Halt::Base),
        }
        if out.len() > limits::MAX_STRING_BYTES {
            return Err(Halt::memory());
        }
        Ok(())
    })?;
    meter.built(out.len() * 2)?;
    Ok(Data::Owned(Value::from(out)))
}

fn keys<'a>(object: &Data<'a>, meter: &mut Meter) -> Computed<'a> {
    let members = object.as_value().and_then(ValueRef::as_object).ok_or(Halt::Base)?;
    let mut keys = Items::with_capacity(members.len());
    for (key, _) in members.entries() {
        keys.push(Data::Owned(Value::from(key)));
        meter.item(keys.len())?;
    }
    Ok(Data::sequence(keys))
}

/// The work of `$merge`.
#[derive(Default)]
pub(super) struct Merge {
    /// The members of the objects so far.
    merged: Option<ObjectBuilder>,
}

/// Room for the members of the objects behind the first: they mostly add few.
const MORE_MEMBERS: usize = 4;

impl Merge {
    /// Adds an object, or the objects in an array.
    #[inline]
    pub(super) fn add_all(&mut self, objects: &Data<'_>, meter: &mut Meter) -> Result<(), Halt> {
        match objects.as_value().and_then(ValueRef::as_object) {
            Some(members) => self.add(members, meter),
            None if objects.is_array() => objects.for_each(|_, object| match object.as_value() {
                Some(object) => self.add(object.as_object().ok_or(Halt::Base)?, meter),
                None => Err(Halt::Base),
            }),
            None => Err(Halt::Base),
        }
    }

    pub(super) fn add(&mut self, members: ObjectView<'_>, meter: &mut Meter) -> Result<(), Halt> {
        let count = members.len();
        meter.charge(count)?;
        meter.built(count * size_of::<(Text, Value)>())?;
        match &mut self.merged {
            None => self.merged = Some(ObjectBuilder::copy_of(members, MORE_MEMBERS)),
            Some(merged) => members.entries().for_each(|(key, member)| merged.insert(key, member.to_value())),
        }
        Ok(())
    }

    /// The object that all of them make.
    pub(super) fn finish<'a>(self) -> Computed<'a> {
        let merged = self.merged.unwrap_or_default();
        bounded(merged.finish()).map(Data::Owned)
    }
}

fn merge<'a>(objects: &Data<'a>, meter: &mut Meter) -> Computed<'a> {
    let mut merge = Merge::default();
    merge.add_all(objects, meter)?;
    merge.finish()
}

/// What JSONata reads as a number is JSON's, but leading zeros are fine; anything else is left to the base.
fn number<'a>(value: &Data<'a>) -> Computed<'a> {
    match value.kind() {
        Kind::Number(_) => Ok(value.clone()),
        Kind::Bool(flag) => Ok(Data::Number(f64::from(u8::from(flag)))),
        Kind::Text(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_decimal = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
            if !is_decimal(whole) || !is_decimal(fraction) {
                return Err(Halt::Base);
            }
            text.parse::<f64>().map(Data::Number).map_err(|_| Halt::Base)
        }
        _ => Err(Halt::Base),
    }
}
