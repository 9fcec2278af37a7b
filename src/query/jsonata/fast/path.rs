//! Paths: each step maps over the items that the last one gave, and what it gives is flattened once.

use super::{
    Halt,
    data::{Data, Items, Kind, Leaf},
    evaluate::{Evaluator, Meter},
    node::{Fields, Node, Predicate, Root, Select, Step},
};
use crate::{
    query::jsonata::{Evaluated, JsonataEnvironment},
    value::{ArrayView, ValueRef, View},
};

/// Where a path of names only leads.
enum Walk<'a> {
    Value(ValueRef<'a>),
    Nothing,
    /// To an array, of whose items the name is wanted. By far the most common path over an array.
    Items(ArrayView<'a>, &'a str),
    /// Over other arrays, or from what was built.
    General,
}

impl Fields {
    /// The value, when the path starts from the environment and leads through objects only. `None` when it is to be
    /// evaluated as any path.
    #[inline]
    pub(super) fn of_source<E: JsonataEnvironment>(&self, environment: &E) -> Option<Evaluated> {
        let Root::Source(source) = &self.root else { return None };
        // With a document there is more to look at, which only tests have.
        if environment.document().is_some() {
            return None;
        }
        let Some(value) = source.of(environment) else { return Some(Evaluated::Undefined) };
        match self.walk(value.as_ref()) {
            Walk::Value(value) => Some(Evaluated::Value(value.to_value())),
            Walk::Nothing => Some(Evaluated::Undefined),
            Walk::Items(..) | Walk::General => None,
        }
    }

    /// Follows the path. No longer than the data is deep, and so bounded by the data's size.
    #[inline]
    fn walk<'a>(&'a self, mut value: ValueRef<'a>) -> Walk<'a> {
        for (place, name) in self.names.iter().enumerate() {
            match value.as_object() {
                Some(object) => match object.get(name) {
                    Some(member) => value = member,
                    None => return Walk::Nothing,
                },
                None => match value.as_array() {
                    Some(array) if place + 1 == self.names.len() => return Walk::Items(array, name),
                    Some(_) => return Walk::General,
                    None => return Walk::Nothing,
                },
            }
        }
        Walk::Value(value)
    }
}

impl<'a, E: JsonataEnvironment> Evaluator<'a, E> {
    /// The value of a path, before a sequence of one becomes its item.
    pub(super) fn path(&mut self, steps: &'a [Step], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        let Some((last, others)) = steps.split_last() else { return Ok(context.clone()) };
        let mut items = match (&steps[0].select, others.is_empty()) {
            // One step that is no name is no path: its value is filtered as a whole.
            (Select::Node(node), true) => {
                let mut value = self.raw(node, context)?;
                for predicate in &last.predicates {
                    value = self.filter(predicate, &value)?;
                }
                return Ok(value);
            }
            // An array is mapped over, but not by a variable.
            (Select::Node(node), false) if node.is_variable() => return self.path_of_variable(steps, context),
            _ => context.clone(),
        };
        for step in others {
            items = self.step(step, &items, false)?;
            if items.is_undefined() {
                return Ok(Data::Undefined);
            }
        }
        self.step(last, &items, true)
    }

    /// The value of a path of names or a literal, where that is no array that was made for it; `None` where the expression
    /// is to be evaluated as any.
    #[inline]
    pub(super) fn leaf(&self, node: &'a Node, context: &Data<'a>) -> Option<Leaf<'a>> {
        match node {
            Node::Fields(fields) => match self.walk(fields, context) {
                Walk::Value(value) => Some(Leaf::Value(value)),
                Walk::Nothing => Some(Leaf::Undefined),
                Walk::General | Walk::Items(..) => None,
            },
            Node::Literal(value) => Some(Leaf::Value(value.as_ref())),
            Node::Number(number) => Some(Leaf::Number(*number)),
            Node::Constant(object) if !context.is_array() => Some(Leaf::Value(object.as_ref())),
            _ => None,
        }
    }

    /// A path of names only: no more than a walk while there are no arrays on the way.
    #[inline]
    pub(super) fn fields(&mut self, fields: &'a Fields, context: &Data<'a>) -> Result<Data<'a>, Halt> {
        self.meter.charge(fields.names.len())?;
        match self.walk(fields, context) {
            Walk::Value(value) => Ok(Data::Borrowed(value)),
            Walk::Nothing => Ok(Data::Undefined),
            Walk::General => self.path(&fields.steps, context),
            Walk::Items(array, name) => {
                let mut found = Items::default();
                let simple = self.each_field(array, name, |value, meter| {
                    found.push(Data::Borrowed(value));
                    meter.item(found.len())
                })?;
                if simple { Ok(Data::sequence(found)) } else { self.path(&fields.steps, context) }
            }
        }
    }

    /// The sum of the numbers that a path of names only gives, which need not be collected for that. `None` when it is to
    /// be evaluated as any path.
    pub(super) fn sum_of_fields(&mut self, fields: &'a Fields, context: &Data<'a>) -> Result<Option<f64>, Halt> {
        let Walk::Items(array, name) = self.walk(fields, context) else { return Ok(None) };
        let (mut sum, mut count) = (0.0, 0);
        for item in array.iter() {
            self.meter.charge(1)?;
            let member = match item.as_object() {
                Some(object) => object.get(name),
                None if item.as_array().is_some() => return Ok(None),
                None => None,
            };
            match member.map(ValueRef::view) {
                None => {}
                Some(View::Number(number)) => {
                    let number = number.as_f64();
                    if !number.is_finite() {
                        return Err(Halt::Base);
                    }
                    sum += number;
                    count += 1;
                }
                Some(View::Array(_)) => return Ok(None),
                Some(_) => return Err(Halt::Base),
            }
        }
        Ok((count > 0).then_some(sum))
    }

    #[inline]
    fn walk(&self, fields: &'a Fields, context: &Data<'a>) -> Walk<'a> {
        let start = match &fields.root {
            Root::Context => context,
            Root::Local(slot) => &self.slots[*slot],
            Root::Source(source) => {
                let value = source.of(self.environment);
                return value.map_or(Walk::Nothing, |value| fields.walk(value.as_ref()));
            }
        };
        match start {
            Data::Borrowed(value) => fields.walk(*value),
            Data::Undefined => Walk::Nothing,
            _ => Walk::General,
        }
    }

    /// Shows `visit` what `name` is in the items of an array; false when arrays are among the items or what they have, and
    /// so more is to be done than that.
    #[inline]
    fn each_field(
        &mut self,
        array: ArrayView<'a>,
        name: &str,
        mut visit: impl FnMut(ValueRef<'a>, &mut Meter) -> Result<(), Halt>,
    ) -> Result<bool, Halt> {
        for item in array.iter() {
            self.meter.charge(1)?;
            let member = match item.as_object() {
                Some(object) => object.get(name),
                None if item.as_array().is_some() => return Ok(false),
                None => None,
            };
            if let Some(member) = member {
                if member.as_array().is_some() {
                    return Ok(false);
                }
                visit(member, &mut self.meter)?;
            }
        }
        Ok(true)
    }

    /// A path whose first step is a variable, which is evaluated once.
    fn path_of_variable(&mut self, steps: &'a [Step], context: &Data<'a>) -> Result<Data<'a>, Halt> {
        let mut items = self.select(&steps[0], context)?;
        let last = steps.len() - 1;
        for (place, step) in steps.iter().enumerate().skip(1) {
            if items.is_undefined() {
                return Ok(Data::Undefined);
            }
            items = self.step(step, &items, place == last)?;
        }
        Ok(items)
    }

    /// What a step gives for items: an array stands for its items. `is_last` says that an array which the step gives for
    /// one item stays as it is.
    #[inline]
    fn step(&mut self, step: &'a Step, items: &Data<'a>, is_last: bool) -> Result<Data<'a>, Halt> {
        if !items.is_array() {
            return self.select(step, items);
        }
        let mut found = Items::default();
        let mut has_arrays = false;
        items.for_each(|_, item| {
            let value = self.select(step, &item)?;
            if !value.is_undefined() {
                self.meter.item(found.len())?;
                has_arrays = has_arrays || value.is_array();
                found.push(value);
            }
            Ok(())
        })?;
        if !has_arrays {
            return Ok(Data::sequence(found));
        }
        if let ([single], true) = (found.as_slice(), is_last)
            && single.is_plain_array()
        {
            return Ok(single.clone());
        }
        let mut flat = Items::with_capacity(found.len());
        for value in found.take() {
            value.append_to(&mut flat, &mut self.meter)?;
        }
        Ok(Data::sequence(flat))
    }

    /// What a step gives for one item.
    #[inline]
    fn select(&mut self, step: &'a Step, item: &Data<'a>) -> Result<Data<'a>, Halt> {
        let mut value = match &step.select {
            Select::Name(name) => {
                self.meter.charge(1)?;
                item.lookup(name, &mut self.meter)?
            }
            Select::Node(node) => self.evaluate(node, item)?,
        };
        for predicate in &step.predicates {
            value = self.filter(predicate, &value)?;
        }
        Ok(value)
    }

    /// The items of a value that a predicate lets through.
    fn filter(&mut self, predicate: &'a Predicate, value: &Data<'a>) -> Result<Data<'a>, Halt> {
        match predicate {
            Predicate::Index(index) => {
                let index = if *index < 0 { index + value.len() as i64 } else { *index };
                Ok(usize::try_from(index).map_or(Data::Undefined, |index| value.item(index)))
            }
            Predicate::Condition(node) if !value.is_undefined() => {
                let mut kept = Items::default();
                value.for_each(|_, item| {
                    if self.truth(node, &item)? {
                        kept.push(item);
                        self.meter.item(kept.len())?;
                    }
                    Ok(())
                })?;
                Ok(single_or_sequence(kept))
            }
            Predicate::Condition(node) | Predicate::Node(node) => {
                if value.is_undefined() {
                    // Nothing is filtered too; only the base can tell what comes of letting it through.
                    let result = self.evaluate(node, value)?;
                    return if result.is_true(&mut self.meter)? { Err(Halt::Base) } else { Ok(Data::Undefined) };
                }
                let mut length = None;
                let mut kept = Items::default();
                value.for_each(|place, item| {
                    let result = self.evaluate(node, &item)?;
                    let times = match result.kind() {
                        Kind::Number(_) | Kind::Array => {
                            let length = *length.get_or_insert_with(|| value.len());
                            self.chosen(&result, place, length)?
                        }
                        _ => usize::from(result.is_true(&mut self.meter)?),
                    };
                    for _ in 0..times {
                        kept.push(item.clone());
                        self.meter.item(kept.len())?;
                    }
                    Ok(())
                })?;
                Ok(single_or_sequence(kept))
            }
        }
    }

    /// How often a result of a predicate that is a number, or an array of numbers, chooses the item at `place`.
    fn chosen(&mut self, result: &Data<'a>, place: usize, length: usize) -> Result<usize, Halt> {
        let mut times = 0;
        let mut only_numbers = true;
        self.meter.charge(result.len())?;
        result.for_each(|_, index| {
            match index.kind() {
                Kind::Number(index) if index.is_finite() => {
                    let index = index.floor();
                    let index = if index < 0.0 { index + length as f64 } else { index };
                    times += usize::from(index == place as f64);
                }
                Kind::Number(_) => return Err(Halt::Base),
                _ => only_numbers = false,
            }
            Ok(())
        })?;
        if only_numbers { Ok(times) } else { Ok(usize::from(result.is_true(&mut self.meter)?)) }
    }
}

/// A sequence, or its one item where that comes to the same.
fn single_or_sequence(items: Items<'_>) -> Data<'_> {
    match items.as_slice() {
        [single] if !single.is_array() => single.clone(),
        _ => Data::sequence(items),
    }
}
