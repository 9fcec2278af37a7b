//! Values while a program runs: borrowed where they stand, and only built ones owned.

use std::{cell::Cell, rc::Rc};

use super::{Halt, evaluate::Meter};
use crate::{
    Value,
    query::jsonata::{convert, limits},
    value::{ArrayBuilder, ArrayView, ValueRef, View},
};

/// A value, or nothing.
#[derive(Clone)]
pub(super) enum Data<'a> {
    Undefined,
    /// Of the environment, or of the program.
    Borrowed(ValueRef<'a>),
    /// A computed number.
    Number(f64),
    Bool(bool),
    /// A computed string, an object that was built, or what was taken out of one.
    Owned(Value),
    /// An array that was built.
    List(Rc<List<'a>>),
}

/// What a path of names or a literal gives: nothing that would have to be given back.
#[derive(Clone, Copy)]
pub(super) enum Leaf<'a> {
    Undefined,
    Number(f64),
    Value(ValueRef<'a>),
}

impl<'a> Leaf<'a> {
    #[inline]
    pub(super) fn kind(self) -> Kind<'a> {
        match self {
            Leaf::Undefined => Kind::Undefined,
            Leaf::Number(number) => Kind::Number(number),
            Leaf::Value(value) => Kind::of(value),
        }
    }
}

impl<'a> From<Leaf<'a>> for Data<'a> {
    #[inline]
    fn from(leaf: Leaf<'a>) -> Self {
        match leaf {
            Leaf::Undefined => Data::Undefined,
            Leaf::Number(number) => Data::Number(number),
            Leaf::Value(value) => Data::Borrowed(value),
        }
    }
}

/// Items of an array that is being built, or was. All of this thread's are counted.
#[derive(Default)]
pub(super) struct Items<'a>(Vec<Data<'a>>);

/// An array that was built.
pub(super) struct List<'a> {
    items: Items<'a>,
    /// Whether it is a sequence, as paths and functions give: of one item it is that item, of none it is nothing.
    is_sequence: bool,
}

thread_local! {
    /// Items of all arrays of this thread's evaluation.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

impl<'a> Items<'a> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    #[inline]
    pub(super) fn push(&mut self, item: Data<'a>) {
        HELD.set(HELD.get() + 1);
        self.0.push(item);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn as_slice(&self) -> &[Data<'a>] {
        &self.0
    }

    /// The items; they are counted no more.
    pub(super) fn take(mut self) -> Vec<Data<'a>> {
        HELD.set(HELD.get() - self.0.len());
        std::mem::take(&mut self.0)
    }

    /// Memory of the items of all arrays of this thread's evaluation, in bytes. Arrays that grow take up to twice what they
    /// hold.
    pub(super) fn held_bytes() -> usize {
        HELD.get() * size_of::<Data<'_>>() * 2
    }
}

impl Drop for Items<'_> {
    fn drop(&mut self) {
        HELD.set(HELD.get() - self.0.len());
    }
}

impl<'a> List<'a> {
    fn new(items: Items<'a>, is_sequence: bool) -> Rc<Self> {
        Rc::new(List { items, is_sequence })
    }

    pub(super) fn items(&self) -> &[Data<'a>] {
        &self.items.0
    }

    #[cold]
    fn first(&self) -> Data<'a> {
        self.items.0.first().cloned().unwrap_or(Data::Undefined)
    }
}

/// What a value is, as far as its kind decides something.
pub(super) enum Kind<'d> {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(&'d str),
    Array,
    Object,
}

impl<'d> Kind<'d> {
    #[inline]
    fn of(value: ValueRef<'d>) -> Self {
        match value.view() {
            View::Null => Kind::Null,
            View::Bool(flag) => Kind::Bool(flag),
            View::Number(number) => Kind::Number(number.as_f64()),
            View::String(text) => Kind::Text(text),
            View::Array(_) => Kind::Array,
            View::Object(_) => Kind::Object,
        }
    }
}

impl<'a> Data<'a> {
    pub(super) fn sequence(items: Items<'a>) -> Self {
        Data::List(List::new(items, true))
    }

    pub(super) fn array(items: Items<'a>) -> Self {
        Data::List(List::new(items, false))
    }

    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Data::Undefined)
    }

    /// What the expression around it sees of a sequence.
    #[inline]
    pub(super) fn collapsed(self) -> Self {
        match &self {
            Data::List(list) if list.is_sequence && list.items.len() < 2 => list.first(),
            _ => self,
        }
    }

    pub(super) fn kind(&self) -> Kind<'_> {
        match self {
            Data::Undefined => Kind::Undefined,
            Data::Number(number) => Kind::Number(*number),
            Data::Bool(flag) => Kind::Bool(*flag),
            Data::List(_) => Kind::Array,
            Data::Borrowed(value) => Kind::of(*value),
            Data::Owned(value) => Kind::of(value.as_ref()),
        }
    }

    #[inline]
    pub(super) fn is_array(&self) -> bool {
        match self {
            Data::List(_) => true,
            Data::Borrowed(value) => value.as_array().is_some(),
            Data::Owned(value) => value.as_ref().as_array().is_some(),
            _ => false,
        }
    }

    /// Whether it is an array that a path hands on as it is.
    pub(super) fn is_plain_array(&self) -> bool {
        match self {
            Data::List(list) => !list.is_sequence,
            other => other.is_array(),
        }
    }

    /// The value itself, unless it is a list.
    pub(super) fn as_value(&self) -> Option<ValueRef<'_>> {
        match self {
            Data::Borrowed(value) => Some(*value),
            Data::Owned(value) => Some(value.as_ref()),
            _ => None,
        }
    }

    /// Shows `visit` the items of an array, or the one value.
    #[inline]
    pub(super) fn for_each(&self, mut visit: impl FnMut(usize, Data<'a>) -> Result<(), Halt>) -> Result<(), Halt> {
        match self {
            Data::List(list) => {
                list.items().iter().enumerate().try_for_each(|(place, item)| visit(place, item.clone()))
            }
            Data::Borrowed(value) => match value.as_array() {
                Some(array) => {
                    array.iter().enumerate().try_for_each(|(place, item)| visit(place, Data::Borrowed(item)))
                }
                None => visit(0, self.clone()),
            },
            Data::Owned(value) => match value.as_ref().as_array() {
                Some(array) => {
                    array.iter().enumerate().try_for_each(|(place, item)| visit(place, Data::Owned(item.to_value())))
                }
                None => visit(0, self.clone()),
            },
            _ => visit(0, self.clone()),
        }
    }

    /// Number of items of an array; of anything else one.
    pub(super) fn len(&self) -> usize {
        match self {
            Data::List(list) => list.items.len(),
            other => other.as_value().and_then(ValueRef::as_array).map_or(1, ArrayView::len),
        }
    }

    /// The item of an array; anything else is an array of one.
    pub(super) fn item(&self, index: usize) -> Data<'a> {
        let found = match self {
            Data::List(list) => list.items().get(index).cloned(),
            Data::Borrowed(value) => match value.as_array() {
                Some(array) => array.get(index).map(Data::Borrowed),
                None => (index == 0).then(|| self.clone()),
            },
            Data::Owned(value) => match value.as_ref().as_array() {
                Some(array) => array.get(index).map(|item| Data::Owned(item.to_value())),
                None => (index == 0).then(|| self.clone()),
            },
            _ => (index == 0).then(|| self.clone()),
        };
        found.unwrap_or(Data::Undefined)
    }

    /// Appends the items of an array, or the one value.
    pub(super) fn append_to(self, out: &mut Items<'a>, meter: &mut Meter) -> Result<(), Halt> {
        if !self.is_array() {
            out.push(self);
            return meter.item(out.len());
        }
        let length = self.len();
        meter.charge(length)?;
        meter.item(out.len() + length)?;
        self.for_each(|_, item| {
            out.push(item);
            Ok(())
        })
    }

    /// The member `name` of an object, or of each object in an array.
    #[inline]
    pub(super) fn lookup(&self, name: &str, meter: &mut Meter) -> Result<Data<'a>, Halt> {
        match self {
            Data::Borrowed(value) => match value.as_object() {
                Some(object) => Ok(object.get(name).map_or(Data::Undefined, Data::Borrowed)),
                None if self.is_array() => self.lookup_items(name, meter),
                None => Ok(Data::Undefined),
            },
            Data::Owned(value) => match value.as_ref().as_object() {
                Some(object) => Ok(object.get(name).map_or(Data::Undefined, |member| Data::Owned(member.to_value()))),
                None if self.is_array() => self.lookup_items(name, meter),
                None => Ok(Data::Undefined),
            },
            Data::List(_) => self.lookup_items(name, meter),
            Data::Undefined | Data::Number(_) | Data::Bool(_) => Ok(Data::Undefined),
        }
    }

    /// The recursion is bounded by the depth of data and of the expression.
    #[cold]
    fn lookup_items(&self, name: &str, meter: &mut Meter) -> Result<Data<'a>, Halt> {
        let mut found = Items::default();
        meter.charge(self.len())?;
        self.for_each(|_, item| {
            match item.lookup(name, meter)? {
                Data::Undefined => {}
                member => member.append_to(&mut found, meter)?,
            }
            Ok(())
        })?;
        Ok(Data::sequence(found).collapsed())
    }

    /// What JSONata takes for true; nothing is false.
    pub(super) fn is_true(&self, meter: &mut Meter) -> Result<bool, Halt> {
        Ok(match self.kind() {
            Kind::Undefined | Kind::Null => false,
            Kind::Bool(flag) => flag,
            Kind::Number(number) if number.is_finite() => number != 0.0,
            Kind::Number(_) => return Err(Halt::Base),
            Kind::Text(text) => !text.is_empty(),
            Kind::Object => match self.as_value().map(ValueRef::view) {
                Some(View::Object(object)) => !object.is_empty(),
                _ => false,
            },
            Kind::Array => {
                let mut any = false;
                meter.charge(self.len())?;
                self.for_each(|_, item| {
                    any = any || item.is_true(meter)?;
                    Ok(())
                })?;
                any
            }
        })
    }

    /// Equality by value, numbers as `f64`. The recursion is bounded by the depth of data and of the expression.
    pub(super) fn equals(&self, other: &Data<'a>, meter: &mut Meter) -> Result<bool, Halt> {
        meter.charge(1)?;
        if let (Some(left), Some(right)) = (self.as_value(), other.as_value()) {
            return values_equal(left, right, meter);
        }
        Ok(match (self.kind(), other.kind()) {
            (Kind::Bool(left), Kind::Bool(right)) => left == right,
            (Kind::Number(left), Kind::Number(right)) => left == right,
            (Kind::Array, Kind::Array) => {
                // One of them is a list, whose items are found by their place.
                let (list, items) = if matches!(self, Data::List(_)) { (self, other) } else { (other, self) };
                let mut equal = list.len() == items.len();
                items.for_each(|place, item| {
                    equal = equal && list.item(place).equals(&item, meter)?;
                    Ok(())
                })?;
                equal
            }
            _ => false,
        })
    }

    /// As a value to keep.
    pub(super) fn into_value(self, meter: &mut Meter) -> Result<Value, Halt> {
        let value = match self {
            Data::Undefined => Value::NULL,
            Data::Borrowed(value) => value.to_value(),
            // What becomes of these depends on where they stand.
            Data::Number(number) if !number.is_finite() => return Err(Halt::Base),
            Data::Number(number) => convert::number_value(number),
            Data::Bool(flag) => Value::from(flag),
            Data::Owned(value) => value,
            Data::List(mut list) => {
                meter.charge(list.items.len())?;
                meter.built(list.items.len() * size_of::<Value>())?;
                let mut array = ArrayBuilder::with_capacity(list.items.len());
                match Rc::get_mut(&mut list) {
                    Some(owned) => {
                        for item in &mut owned.items.0 {
                            array.push(std::mem::replace(item, Data::Undefined).into_value(meter)?);
                        }
                    }
                    None => {
                        for item in list.items() {
                            array.push(item.clone().into_value(meter)?);
                        }
                    }
                }
                bounded(array.finish())?
            }
        };
        Ok(value)
    }
}

/// A container that was just built. What is shared in it takes no memory, but whoever walks it walks all of it.
pub(super) fn bounded(container: Value) -> Result<Value, Halt> {
    if container.json_size() > limits::MAX_WALKED_BYTES { Err(Halt::memory()) } else { Ok(container) }
}

pub(super) fn values_equal(left: ValueRef<'_>, right: ValueRef<'_>, meter: &mut Meter) -> Result<bool, Halt> {
    meter.charge(1)?;
    Ok(match (left.view(), right.view()) {
        (View::Number(left), View::Number(right)) => left.as_f64() == right.as_f64(),
        (View::Array(left), View::Array(right)) => {
            let (mut left, mut right) = (left.iter(), right.iter());
            loop {
                match (left.next(), right.next()) {
                    (None, None) => break true,
                    (Some(left), Some(right)) if values_equal(left, right, meter)? => {}
                    _ => break false,
                }
            }
        }
        (View::Object(left), View::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for ((key, value), (same_key, same_place)) in left.iter().zip(right.iter()) {
                let found = if key == same_key { Some(same_place) } else { right.get(key) };
                match found {
                    Some(found) if values_equal(value, found, meter)? => {}
                    _ => return Ok(false),
                }
            }
            true
        }
        (View::Null, View::Null) => true,
        (View::Bool(left), View::Bool(right)) => left == right,
        (View::String(left), View::String(right)) => left == right,
        _ => false,
    })
}
