//! Jayway's functions: `$.prices.max()`, `$.items.length()`, `$.names.concat("!")`.

use super::{
    PathError, PathErrorKind,
    evaluate::Evaluation,
    step::{Chain, write_java_text},
};
use crate::{
    Value,
    value::{ArrayBuilder, ArrayView, Number, ValueRef, View},
};

/// A call and what follows it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) function: Function,
    pub(super) parameters: Box<[Parameter]>,
    /// The steps applied to its result.
    pub(super) then: Chain,
}

/// What stands between the parentheses of a call.
#[derive(Clone, Debug)]
pub(super) enum Parameter {
    /// JSON.
    Constant(Value),
    /// A path, by its place among the absolute operands.
    Absolute(usize),
}

/// The functions of Jayway 2.x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Length,
    Minimum,
    Maximum,
    Average,
    StandardDeviation,
    Sum,
    Keys,
    Concatenate,
    Append,
    First,
    Last,
    Index,
}

/// Their names in paths; of several names of one function, the first is printed.
const NAMES: [(&str, Function); 13] = [
    ("length", Function::Length),
    ("size", Function::Length),
    ("min", Function::Minimum),
    ("max", Function::Maximum),
    ("avg", Function::Average),
    ("stddev", Function::StandardDeviation),
    ("sum", Function::Sum),
    ("keys", Function::Keys),
    ("concat", Function::Concatenate),
    ("append", Function::Append),
    ("first", Function::First),
    ("last", Function::Last),
    ("index", Function::Index),
];

impl Function {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    fn name(self) -> &'static str {
        NAMES.iter().find(|(_, function)| *function == self).map_or("", |(name, _)| name)
    }
}

impl Call {
    /// The call as Jayway prints it.
    pub(super) fn text(&self) -> String {
        format!(".{}()", self.function.name())
    }

    /// Applies the function to `model`, the value that its path found.
    pub(super) fn invoke(&self, evaluation: &Evaluation<'_>, model: ValueRef<'_>) -> Result<Value, PathError> {
        let mut parameters = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            parameters.push(match parameter {
                Parameter::Constant(value) => Some(value.as_ref()),
                Parameter::Absolute(place) => evaluation.absolute(*place).map(|found| found.as_ref()),
            });
        }
        self.apply(evaluation, Some(model), &parameters)
    }

    /// Applies the function to everything that a deep scan found.
    pub(super) fn invoke_on_all(
        &self,
        evaluation: &Evaluation<'_>,
        root: ValueRef<'_>,
        all: &Value,
    ) -> Result<Value, PathError> {
        match (self.function, all.view()) {
            // Jayway counts what is inside the matches here.
            (Function::Length, View::Array(matches)) => {
                Ok(Value::from(matches.iter().filter_map(children).sum::<usize>()))
            }
            (Function::First | Function::Last | Function::Index, _) => self.invoke(evaluation, all.as_ref()),
            (Function::Keys | Function::Append, _) => self.invoke(evaluation, root),
            _ => self.apply(evaluation, None, &[Some(all.as_ref())]),
        }
    }

    fn apply(
        &self,
        evaluation: &Evaluation<'_>,
        model: Option<ValueRef<'_>>,
        parameters: &[Option<ValueRef<'_>>],
    ) -> Result<Value, PathError> {
        let model_items = match model.map(ValueRef::view) {
            Some(View::Array(items)) => Some(items),
            _ => None,
        };
        evaluation.visit(model_items.map_or(0, ArrayView::len))?;
        match self.function {
            Function::Length => {
                let counted = parameters.first().copied().flatten().or(model).and_then(children);
                Ok(counted.map_or(Value::NULL, Value::from))
            }
            Function::Keys => Ok(match model.map(ValueRef::view) {
                Some(View::Object(object)) => Value::array(object.iter().map(|(key, _)| Value::from(key))),
                _ => Value::NULL,
            }),
            Function::Append => Ok(append(model, parameters)),
            Function::Concatenate => Ok(concatenate(model_items, parameters)),
            Function::First | Function::Last | Function::Index => {
                let index = match self.function {
                    Function::First => Some(0),
                    Function::Last => Some(-1),
                    _ => parameters.first().copied().flatten().and_then(ValueRef::as_number).and_then(Number::as_i64),
                };
                pick(model_items, index)
            }
            _ => aggregate(self.function, numbers(model_items, parameters)),
        }
    }
}

/// How many items or members a container has; `None` for anything else.
fn children(value: ValueRef<'_>) -> Option<usize> {
    match value.view() {
        View::Array(items) => Some(items.len()),
        View::Object(object) => Some(object.len()),
        _ => None,
    }
}

fn append(model: Option<ValueRef<'_>>, parameters: &[Option<ValueRef<'_>>]) -> Value {
    let Some(model) = model else { return Value::NULL };
    let Some(mut builder) = ArrayBuilder::from_value(model.to_value()) else { return model.to_value() };
    for parameter in parameters {
        builder.push(parameter.map_or(Value::NULL, ValueRef::to_value));
    }
    builder.finish()
}

/// The strings of the array, then the texts of the parameters.
fn concatenate(items: Option<ArrayView<'_>>, parameters: &[Option<ValueRef<'_>>]) -> Value {
    let mut text = String::new();
    for item in items.iter().flat_map(|items| items.iter()) {
        text.push_str(item.as_str().unwrap_or_default());
    }
    for parameter in parameters.iter().flatten() {
        match parameter.view() {
            View::Array(items) => {
                items.iter().filter(|item| !item.is_null()).for_each(|item| write_java_text(item, &mut text));
            }
            View::String(string) => text.push_str(string),
            _ => {}
        }
    }
    Value::from(text)
}

fn pick(items: Option<ArrayView<'_>>, index: Option<i64>) -> Result<Value, PathError> {
    let (Some(items), Some(index)) = (items, index) else { return Err(empty()) };
    let length = items.len();
    let place = if index < 0 { i64::try_from(length).unwrap_or(i64::MAX).saturating_add(index) } else { index };
    usize::try_from(place).ok().and_then(|place| items.get(place)).map(ValueRef::to_value).ok_or_else(|| PathError {
        reason: format!("Target index:{index} larger than object count:{length}"),
        kind: PathErrorKind::Inapplicable,
    })
}

/// The numbers of the array, then those of the parameters.
fn numbers<'v>(items: Option<ArrayView<'v>>, parameters: &'v [Option<ValueRef<'v>>]) -> impl Iterator<Item = f64> + 'v {
    let own = items.into_iter().flat_map(ArrayView::iter).filter_map(ValueRef::as_number);
    let more = parameters.iter().flatten().flat_map(|parameter| {
        let (items, single) = match parameter.view() {
            View::Array(items) => (Some(items), None),
            _ => (None, parameter.as_number()),
        };
        items.into_iter().flat_map(ArrayView::iter).filter_map(ValueRef::as_number).chain(single)
    });
    own.chain(more).map(Number::as_f64)
}

/// Doubles as in Jayway; the standard deviation is that of the whole population.
fn aggregate(function: Function, numbers: impl Iterator<Item = f64>) -> Result<Value, PathError> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let (mut minimum, mut maximum) = (f64::INFINITY, f64::NEG_INFINITY);
    for number in numbers {
        count += 1.0;
        sum += number;
        squares += number * number;
        minimum = number.min(minimum);
        maximum = number.max(maximum);
    }
    if count == 0.0 {
        return Err(empty());
    }
    let average: f64 = sum / count;
    Ok(Value::from(match function {
        Function::Minimum => minimum,
        Function::Maximum => maximum,
        Function::Average => average,
        Function::StandardDeviation => (squares / count - average * average).max(0.0).sqrt(),
        _ => sum,
    }))
}

fn empty() -> PathError {
    PathError {
        reason: "Aggregation function attempted to calculate value using empty array".into(),
        kind: PathErrorKind::Inapplicable,
    }
}
