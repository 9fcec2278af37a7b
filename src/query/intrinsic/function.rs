//! The 18 functions: their names, their parameters, and where each is done.

use super::{Failure, array, encoding, math, text};
use crate::Value;

/// An intrinsic function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    String,
    Number,
    Array,
    Object,
}

/// The parameters of a function.
#[derive(Debug)]
pub(super) struct Signature {
    /// The parameters that there always are, then those that there may be.
    pub(super) parameters: &'static [Kind],
    /// How many of `parameters` there always are.
    pub(super) required: usize,
    /// Whether any number of others may follow.
    pub(super) variadic: bool,
}

const FUNCTIONS: [Function; 18] = [
    Function::Array,
    Function::ArrayContains,
    Function::ArrayGetItem,
    Function::ArrayLength,
    Function::ArrayPartition,
    Function::ArrayRange,
    Function::ArrayUnique,
    Function::Base64Decode,
    Function::Base64Encode,
    Function::Format,
    Function::Hash,
    Function::JsonMerge,
    Function::JsonToString,
    Function::MathAdd,
    Function::MathRandom,
    Function::StringSplit,
    Function::StringToJson,
    Function::Uuid,
];

impl Function {
    /// The function of that name, without `States.`.
    pub(super) fn find(name: &str) -> Option<Self> {
        FUNCTIONS.into_iter().find(|function| function.name() == name)
    }

    /// Its name, without `States.`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Array => "Array",
            Function::ArrayContains => "ArrayContains",
            Function::ArrayGetItem => "ArrayGetItem",
            Function::ArrayLength => "ArrayLength",
            Function::ArrayPartition => "ArrayPartition",
            Function::ArrayRange => "ArrayRange",
            Function::ArrayUnique => "ArrayUnique",
            Function::Base64Decode => "Base64Decode",
            Function::Base64Encode => "Base64Encode",
            Function::Format => "Format",
            Function::Hash => "Hash",
            Function::JsonMerge => "JsonMerge",
            Function::JsonToString => "JsonToString",
            Function::MathAdd => "MathAdd",
            Function::MathRandom => "MathRandom",
            Function::StringSplit => "StringSplit",
            Function::StringToJson => "StringToJson",
            Function::Uuid => "UUID",
        }
    }

    pub(super) fn signature(self) -> Signature {
        let fixed = |parameters: &'static [Kind]| Signature { parameters, required: parameters.len(), variadic: false };
        match self {
            Function::Array => Signature { parameters: &[], required: 0, variadic: true },
            Function::ArrayContains => fixed(&[Kind::Array, Kind::Any]),
            Function::ArrayGetItem | Function::ArrayPartition => fixed(&[Kind::Array, Kind::Number]),
            Function::ArrayLength | Function::ArrayUnique => fixed(&[Kind::Array]),
            Function::ArrayRange => fixed(&[Kind::Number, Kind::Number, Kind::Number]),
            Function::Base64Decode | Function::Base64Encode | Function::StringToJson => fixed(&[Kind::String]),
            Function::Format => Signature { parameters: &[Kind::String], required: 1, variadic: true },
            Function::Hash => fixed(&[Kind::Any, Kind::String]),
            Function::JsonMerge => fixed(&[Kind::Object, Kind::Object, Kind::Any]),
            Function::JsonToString => fixed(&[Kind::Any]),
            Function::MathAdd => fixed(&[Kind::Number, Kind::Number]),
            Function::MathRandom => {
                Signature { parameters: &[Kind::Number, Kind::Number, Kind::Number], required: 2, variadic: false }
            }
            Function::StringSplit => fixed(&[Kind::String, Kind::String]),
            Function::Uuid => fixed(&[]),
        }
    }

    /// Calls the function. Arguments of the wrong type or number are refused, not trusted.
    pub(super) fn call(self, arguments: Vec<Value>, random: &dyn Fn() -> u64) -> Result<Value, Failure> {
        let result = match (self, arguments.as_slice()) {
            (Function::Array, _) => array::array(arguments)?,
            (Function::ArrayContains, [items, wanted]) => array::contains(items, wanted),
            (Function::ArrayGetItem, [items, index]) => array::get_item(items, index),
            (Function::ArrayLength, [items]) => array::length(items),
            (Function::ArrayPartition, [items, size]) => array::partition(items, size),
            (Function::ArrayRange, [first, last, step]) => array::range(first, last, step),
            (Function::ArrayUnique, [items]) => array::unique(items),
            (Function::Base64Decode, [encoded]) => encoding::base64_decode(encoded),
            (Function::Base64Encode, [plain]) => encoding::base64_encode(plain),
            (Function::Format, [template, values @ ..]) => return text::format(template, values),
            (Function::Hash, [data, algorithm]) => encoding::hash(data, algorithm),
            (Function::JsonMerge, [first, second, deep]) => text::json_merge(first, second, deep)?,
            (Function::JsonToString, [value]) => text::json_to_string(value)?,
            (Function::MathAdd, [first, second]) => math::add(first, second),
            (Function::MathRandom, [start, end]) => math::random(start, end, random),
            (Function::MathRandom, [start, end, seed]) => math::seeded_random(start, end, seed),
            (Function::StringSplit, [text, delimiters]) => text::string_split(text, delimiters)?,
            (Function::StringToJson, [text]) => text::string_to_json(text)?,
            (Function::Uuid, []) => Some(math::uuid(random)),
            _ => None,
        };
        result.ok_or_else(|| Failure::invalid_arguments(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_functions_by_their_exact_name() {
        for function in FUNCTIONS {
            assert_eq!(Function::find(function.name()), Some(function));
        }
        for name in ["", "Uuid", "format", "Formats", "ArrayRange "] {
            assert_eq!(Function::find(name), None, "{name}");
        }
    }

    #[test]
    fn a_wrong_number_of_values_is_refused() {
        for function in FUNCTIONS.into_iter().filter(|function| !function.signature().variadic) {
            let count = function.signature().parameters.len() + 1;
            let failure = function.call(vec![Value::NULL; count], &|| 0).unwrap_err();
            assert_eq!(failure.reason, format!("Invalid arguments in States.{}", function.name()));
        }
    }
}
