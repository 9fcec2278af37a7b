//! Running a program.

use std::cell::Cell;

use super::{
    Halt, Stop,
    data::{Data, Items, Kind, Leaf, bounded, values_equal},
    function::{Function, Merge},
    node::{Arithmetic, Comparison, Key, Node, Over, Source},
    text,
};
use crate::{
    Value,
    clock::{Clock, SystemClock},
    query::jsonata::{Evaluated, JsonataEnvironment, limits},
    value::{ObjectBuilder, Text},
};

/// Counts what one evaluation does.
#[derive(Default)]
pub(super) struct Meter {
    steps: usize,
    bytes: usize,
    /// When time is looked at next, in steps.
    next_look: usize,
    /// Running since the first look: what comes before it takes no time to speak of.
    clock: Option<SystemClock>,
}

/// Steps between two looks at the time: the longest of them is a search in an object of 256 KiB.
const STEPS_PER_LOOK: usize = 256;

impl Meter {
    /// Charges steps.
    #[inline]
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), Halt> {
        self.steps += steps;
        if self.steps >= self.next_look { self.look() } else { Ok(()) }
    }

    /// Charges one more item of an array that is being made and now has `length` of them.
    #[inline]
    pub(super) fn item(&mut self, length: usize) -> Result<(), Halt> {
        if length > limits::MAX_SEQUENCE_ITEMS {
            return Err(Halt::memory());
        }
        self.charge(1)
    }

    /// Charges memory, in bytes.
    pub(super) fn built(&mut self, bytes: usize) -> Result<(), Halt> {
        self.bytes += bytes;
        self.within()
    }

    fn within(&self) -> Result<(), Halt> {
        if self.bytes + Items::held_bytes() > limits::MAX_BUILT_BYTES { Err(Halt::memory()) } else { Ok(()) }
    }

    /// Milliseconds since the first look.
    #[cold]
    fn spent_ms(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock.monotonic_us() / 1000)
    }

    #[cold]
    fn look(&mut self) -> Result<(), Halt> {
        self.next_look = self.steps + STEPS_PER_LOOK;
        let elapsed_us = self.clock.get_or_insert_with(SystemClock::new).monotonic_us();
        self.within()?;
        if elapsed_us > limits::MAX_EVALUATION_MS * 1000 {
            return Err(Halt::timeout());
        }
        Ok(())
    }
}

/// Memory of an object, without its members.
const OBJECT_BYTES: usize = 96;
/// Most bytes of the buffer that a thread keeps for texts in the making.
const MAX_KEPT_BYTES: usize = 4096;

thread_local! {
    static KEPT: Cell<String> = const { Cell::new(String::new()) };
}

impl Comparison {
    /// `None` with nothing on a side.
    #[inline]
    fn holds(self, left: Kind<'_>, right: Kind<'_>) -> Result<Option<bool>, Halt> {
        let ordering = match (left, right) {
            (Kind::Number(left), Kind::Number(right)) => left.partial_cmp(&right),
            (Kind::Text(left), Kind::Text(right)) => Some(left.cmp(right)),
            (Kind::Undefined, Kind::Number(_) | Kind::Text(_) | Kind::Undefined)
            | (Kind::Number(_) | Kind::Text(_), Kind::Undefined) => return Ok(None),
            _ => return Err(Halt::Base),
        };
        Ok(Some(ordering.is_some_and(|ordering| match self {
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        })))
    }
}

/// An operand of arithmetic; `None` when it is nothing.
#[inline]
fn operand(kind: &Kind<'_>) -> Result<Option<f64>, Halt> {
    match kind {
        Kind::Undefined => Ok(None),
        Kind::Number(number) if number.is_finite() => Ok(Some(*number)),
        _ => Err(Halt::Base),
    }
}

/// One evaluation of a program.
pub(super) struct Evaluator<'a, E> {
    pub(super) environment: &'a E,
    pub(super) slots: Vec<Data<'a>>,
    pub(super) meter: Meter,
}

impl Node {
    pub(super) fn is_variable(&self) -> bool {
        matches!(self, Node::Context | Node::Source(_) | Node::Local(_))
    }
}

impl<'a, E: JsonataEnvironment> Evaluator<'a, E> {
    #[inline]
    pub(super) fn new(environment: &'a E, slots: usize) -> Self {
        let meter = Meter { next_look: STEPS_PER_LOOK, ..Meter::default() };
        let slots = if slots == 0 { Vec::new() } else { vec![Data::Undefined; slots] };
        Self { environment, slots, meter }
    }

    /// Evaluates the whole expression.
    pub(super) fn run(mut self, node: &'a Node) -> Result<Evaluated, Stop> {
        self.result(node).map_err(|halt| match halt {
            Halt::Base => Stop::Base { spent_ms: self.meter.spent_ms() },
            Halt::Limit(error) => Stop::Limit(error),
        })
    }

    fn result(&mut self, node: &'a Node) -> Result<Evaluated, Halt> {
        let context = self.environment.document().map_or(Data::Undefined, |document| Data::Borrowed(document.as_ref()));
        // The base wraps an array here in a way that only tests ask for.
        if context.is_array() {
            return Err(Halt::Base);
        }
        match self.evaluate(node, &context)? {
            Data::Undefined => Ok(Evaluated::Undefined),
            result => {
                let is_built = matches!(result, Data::Owned(_) | Data::List(_));
                let value = result.into_value(&mut self.meter)?;
                if is_built && value.json_size() > limits::MAX_RESULT_BYTES {
                    return Err(Halt::memory());
                }
                Ok(Evaluated::Value(value))
            }
        }
    }

    /// The value of an expression. The recursion is bounded by [`limits::MAX_EXPRESSION_DEPTH`].
    #[inline]
    pub(super) fn evaluate(&mut self, node: &'a Node, context: &Data<'a>) -> Result<Data<'a>, Halt> {
        Ok(self.raw(node, context)?.collapsed())
    }

    /// The value of an expression, before a sequence of one becomes its item.
    pub(super) fn raw(&mut self, node: &'a Node, context: &Data<'a>) -> Result<Data<'a>, Halt> {
        self.meter.charge(1)?;
        match node {
            Node::Literal(value) => Ok(Data::Borrowed(value.as_ref())),
            // The items of an array are grouped by keys.
            Node::Constant(_) if context.is_array() => Err(Halt::Base),
            Node::Constant(object) => Ok(Data::Borrowed(object.as_ref())),
            Node::Number(number) => Ok(Data::Number(*number)),
            Node::Bool(flag) => Ok(Data::Bool(*flag)),
            Node::Undefined => Ok(Data::Undefined),
            Node::Context => Ok(context.clone()),
            Node::Source(source) => Ok(self.source(source)),
            Node::Local(slot) => Ok(self.slots[*slot].clone()),
            Node::Path(steps) => self.path(steps, context),
            Node::Fields(fields) => self.fields(fields, context),
            Node::Arithmetic(op, operands) => self.arithmetic(*op, operands, context),
            Node::Negate(operand) => match self.evaluate(operand, context)?.kind() {
                Kind::Undefined => Ok(Data::Undefined),
                Kind::Number(number) => Ok(Data::Number(-number)),
                _ => Err(Halt::Base),
            },
            Node::Compare(op, operands) => {
                Ok(self.compare(*op, operands, context)?.map_or(Data::Undefined, Data::Bool))
            }
            Node::Equal(_) | Node::NotEqual(_) | Node::And(_) | Node::Or(_) => {
                self.truth(node, context).map(Data::Bool)
            }
            Node::In(operands) => self.included(operands, context),
            Node::Concatenate(operands) => self.concatenate(operands, context),
            Node::Conditional(parts) => {
                let branch = if self.truth(&parts[0], context)? { &parts[1] } else { &parts[2] };
                self.evaluate(branch, context)
            }
            Node::Array(items) => {
                let mut array = Items::with_capacity(items.len());
                for (item, is_constructor) in items {
                    match self.evaluate(item, context)? {
                        Data::Undefined => {}
                        value if *is_constructor => {
                            array.push(value);
                            self.meter.item(array.len())?;
                        }
                        value => value.append_to(&mut array, &mut self.meter)?,
                    }
                }
                Ok(Data::array(array))
            }
            Node::Object(pairs) => self.object(pairs, context),
            Node::Block(items) => {
                let mut value = Data::Undefined;
                for item in items {
                    value = self.evaluate(item, context)?;
                }
                Ok(value)
            }
            Node::Bind(slot, value) => {
                let value = self.evaluate(value, context)?;
                self.slots[*slot] = value.clone();
                Ok(value)
            }
            Node::Call(function, arguments) => match &**arguments {
                [single] => {
                    if let (Function::Sum, Node::Fields(fields)) = (function, single)
                        && let Some(sum) = self.sum_of_fields(fields, context)?
                    {
                        return Ok(Data::Number(sum));
                    }
                    let argument = self.evaluate(single, context)?;
                    function.call(std::slice::from_ref(&argument), &mut self.meter)
                }
                several => {
                    let mut values = Vec::with_capacity(several.len());
                    for argument in several {
                        values.push(self.evaluate(argument, context)?);
                    }
                    function.call(&values, &mut self.meter)
                }
            },
            Node::Merge(items) => self.merge(items, context),
            Node::Map(over) => self.over(over, context, |result, _, _| Ok(Some(result))),
            Node::Filter(over) => self
                .over(over, context, |result, item, meter| Ok(if result.is_true(meter)? { Some(item) } else { None })),
        }
    }

    #[inline]
    pub(super) fn source(&self, source: &'a Source) -> Data<'a> {
        source.of(self.environment).map_or(Data::Undefined, |value| Data::Borrowed(value.as_ref()))
    }

    /// Whether an expression gives something true.
    pub(super) fn truth(&mut self, node: &'a Node, context: &Data<'a>) -> Result<bool, Halt> {
        match node {
            Node::Compare(op, operands) => {
                self.meter.charge(1)?;
                return Ok(self.compare(*op, operands, context)?.unwrap_or(false));
            }
            Node::Equal(operands) => return self.equal(operands, context, true),
            Node::NotEqual(operands) => return self.equal(operands, context, false),
            Node::And(operands) => return Ok(self.truth(&operands[0], context)? && self.truth(&operands[1], context)?),
            Node::Or(operands) => return Ok(self.truth(&operands[0], context)? || self.truth(&operands[1], context)?),
            _ => {}
        }
        self.evaluate(node, context)?.is_true(&mut self.meter)
    }

    /// A number, or `None` for nothing.
    fn number(&mut self, node: &'a Node, context: &Data<'a>) -> Result<Option<f64>, Halt> {
        if let Some(leaf) = self.leaf(node, context) {
            self.meter.charge(1)?;
            return operand(&leaf.kind());
        }
        operand(&self.evaluate(node, context)?.kind())
    }

    fn arithmetic(&mut self, op: Arithmetic, operands: &'a [Node; 2], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        let (left, right) = (self.number(&operands[0], context)?, self.number(&operands[1], context)?);
        let (Some(left), Some(right)) = (left, right) else { return Ok(Data::Undefined) };
        Ok(Data::Number(match op {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide => left / right,
            Arithmetic::Modulo => left % right,
        }))
    }

    /// `None` with nothing on a side.
    fn compare(&mut self, op: Comparison, operands: &'a [Node; 2], context: &Data<'a>) -> Result<Option<bool>, Halt> {
        if let Some((left, right)) = self.leaves(operands, context)? {
            return op.holds(left.kind(), right.kind());
        }
        let (left, right) = (self.evaluate(&operands[0], context)?, self.evaluate(&operands[1], context)?);
        op.holds(left.kind(), right.kind())
    }

    /// Both operands, when they are paths of names or literals.
    #[inline]
    fn leaves(&mut self, operands: &'a [Node; 2], context: &Data<'a>) -> Result<Option<(Leaf<'a>, Leaf<'a>)>, Halt> {
        self.meter.charge(operands.len())?;
        Ok(self.leaf(&operands[0], context).zip(self.leaf(&operands[1], context)))
    }

    /// `=` and `!=`: with nothing on a side, neither holds.
    fn equal(&mut self, operands: &'a [Node; 2], context: &Data<'a>, wanted: bool) -> Result<bool, Halt> {
        match self.leaves(operands, context)? {
            Some((Leaf::Undefined, _) | (_, Leaf::Undefined)) => return Ok(false),
            Some((Leaf::Value(left), Leaf::Value(right))) => {
                return Ok(values_equal(left, right, &mut self.meter)? == wanted);
            }
            _ => {}
        }
        let (left, right) = (self.evaluate(&operands[0], context)?, self.evaluate(&operands[1], context)?);
        if left.is_undefined() || right.is_undefined() {
            return Ok(false);
        }
        Ok(left.equals(&right, &mut self.meter)? == wanted)
    }

    /// `in`: scalars only, as containers are compared by identity there.
    fn included(&mut self, operands: &'a [Node; 2], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        let (left, right) = (self.evaluate(&operands[0], context)?, self.evaluate(&operands[1], context)?);
        if left.is_undefined() || right.is_undefined() {
            return Ok(Data::Bool(false));
        }
        if matches!(left.kind(), Kind::Array | Kind::Object) {
            return Err(Halt::Base);
        }
        let mut found = false;
        right.for_each(|_, item| {
            found = found || left.equals(&item, &mut self.meter)?;
            Ok(())
        })?;
        Ok(Data::Bool(found))
    }

    /// `a & b & …`, in a buffer that this thread keeps.
    fn concatenate(&mut self, operands: &'a [Node], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        let mut text = KEPT.take();
        text.clear();
        for operand in operands {
            match self.leaf(operand, context) {
                Some(leaf) => text::write_leaf(leaf, &mut text, &mut self.meter)?,
                None => {
                    let value = self.evaluate(operand, context)?;
                    text::write_data(&value, &mut text, &mut self.meter)?;
                }
            }
        }
        self.meter.built(text.len() * 2)?;
        let value = Value::from(text.as_str());
        if text.capacity() <= MAX_KEPT_BYTES {
            KEPT.set(text);
        }
        Ok(Data::Owned(value))
    }

    /// `$merge([a, b, …])`, without the array.
    fn merge(&mut self, items: &'a [(Node, bool)], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        let mut merged = Merge::default();
        for (item, is_constructor) in items {
            if let Some(Leaf::Value(value)) = self.leaf(item, context)
                && let Some(members) = value.as_object()
            {
                merged.add(members, &mut self.meter)?;
                continue;
            }
            match self.evaluate(item, context)? {
                Data::Undefined => {}
                _ if *is_constructor => return Err(Halt::Base),
                objects => merged.add_all(&objects, &mut self.meter)?,
            }
        }
        merged.finish()
    }

    fn object(&mut self, pairs: &'a [(Key, Node)], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        // The items of an array are grouped by keys.
        if context.is_array() {
            return Err(Halt::Base);
        }
        let mut object = ObjectBuilder::with_capacity(pairs.len());
        let mut seen: Vec<Text> = Vec::new();
        let has_computed = pairs.iter().any(|(key, _)| matches!(key, Key::Computed(_)));
        for (key, value) in pairs {
            let key = match key {
                Key::Literal(key) => key.clone(),
                Key::Computed(key) => match self.evaluate(key, context)?.kind() {
                    Kind::Undefined => continue,
                    Kind::Text(key) => Text::from(key),
                    _ => return Err(Halt::Base),
                },
            };
            if has_computed {
                if seen.contains(&key) {
                    return Err(Halt::Base);
                }
                seen.push(key.clone());
            }
            if let Some(Leaf::Value(value)) = self.leaf(value, context) {
                self.meter.charge(1)?;
                object.push(key, value.to_value());
                continue;
            }
            match self.evaluate(value, context)? {
                Data::Undefined => {}
                value => object.push(key, value.into_value(&mut self.meter)?),
            }
        }
        let object = bounded(object.finish())?;
        self.meter.built(OBJECT_BYTES + pairs.len() * size_of::<(Text, Value)>())?;
        Ok(Data::Owned(object))
    }

    /// A function over the items of an array; `keep` says what goes into the result, given what the function gave.
    fn over(
        &mut self,
        over: &'a Over,
        context: &Data<'a>,
        keep: impl Fn(Data<'a>, Data<'a>, &mut Meter) -> Result<Option<Data<'a>>, Halt>,
    ) -> Result<Data<'a>, Halt> {
        let array = self.evaluate(&over.array, context)?;
        match array.kind() {
            Kind::Undefined => return Ok(Data::Undefined),
            Kind::Null => return Err(Halt::Base),
            _ => {}
        }
        let whole = if over.parameters.len() < 3 {
            Data::Undefined
        } else if array.is_array() {
            array.clone()
        } else {
            let mut single = Items::with_capacity(1);
            single.push(array.clone());
            Data::array(single)
        };
        let mut results = Items::default();
        array.for_each(|place, item| {
            for (slot, argument) in over.parameters.iter().zip(0..) {
                self.slots[*slot] = match argument {
                    0 => item.clone(),
                    1 => Data::Number(place as f64),
                    _ => whole.clone(),
                };
            }
            let result = self.evaluate(&over.body, context)?;
            if let Some(kept) = keep(result, item, &mut self.meter)?
                && !kept.is_undefined()
            {
                results.push(kept);
                self.meter.item(results.len())?;
            }
            Ok(())
        })?;
        Ok(Data::sequence(results))
    }
}
