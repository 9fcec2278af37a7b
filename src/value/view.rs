//! Borrowed ways to look at a value, the same for parsed and for built ones.

use triomphe::Arc;

use super::{Document, NodeKind, Number, Repr, Text, Value, object::Object, text::repr_as_str};

/// A borrowed value. `Copy`; walking with it counts no references.
#[derive(Clone, Copy)]
pub struct ValueRef<'a>(Borrowed<'a>);

#[derive(Clone, Copy)]
enum Borrowed<'a> {
    Built(&'a Value),
    Node(&'a Arc<Document>, u32),
}

/// What a value is.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number<'a>),
    /// A string, without quotes and escapes.
    String(&'a str),
    /// An array.
    Array(ArrayView<'a>),
    /// An object.
    Object(ObjectView<'a>),
}

/// A borrowed array.
#[derive(Clone, Copy)]
pub struct ArrayView<'a>(Borrowed<'a>);

/// A borrowed object.
#[derive(Clone, Copy)]
pub struct ObjectView<'a>(Borrowed<'a>);

impl<'a> ValueRef<'a> {
    #[inline]
    pub(super) fn built(value: &'a Value) -> Self {
        Self(Borrowed::Built(value))
    }

    #[inline]
    pub(super) fn node(document: &'a Arc<Document>, node: u32) -> Self {
        Self(Borrowed::Node(document, node))
    }

    /// What this value is, for matching.
    #[inline]
    #[must_use]
    pub fn view(self) -> View<'a> {
        match self.0 {
            Borrowed::Built(value) => match &value.0 {
                Repr::Null => View::Null,
                Repr::Bool(value) => View::Bool(*value),
                Repr::Int(value) => View::Number(Number::Int(*value)),
                Repr::UInt(value) => View::Number(Number::UInt(*value)),
                Repr::Float(value) => View::Number(Number::Float(*value)),
                Repr::Short(_) | Repr::String(_) => View::String(repr_as_str(&value.0).unwrap_or_default()),
                Repr::Array(_) => View::Array(ArrayView(self.0)),
                Repr::Object(_) => View::Object(ObjectView(self.0)),
                Repr::Node(document, node) => ValueRef::node(document, *node).view(),
            },
            Borrowed::Node(document, place) => match document.kind(place) {
                NodeKind::Null => View::Null,
                NodeKind::False => View::Bool(false),
                NodeKind::True => View::Bool(true),
                NodeKind::Integer => View::Number(Number::from_integer_text(document.raw(place))),
                NodeKind::Decimal => View::Number(Number::from_decimal_text(document.raw(place))),
                NodeKind::String | NodeKind::EscapedString => View::String(document.string(place)),
                NodeKind::Array => View::Array(ArrayView(self.0)),
                NodeKind::Object => View::Object(ObjectView(self.0)),
            },
        }
    }

    /// The value itself, shared.
    #[inline]
    #[must_use]
    pub fn to_value(self) -> Value {
        match self.0 {
            Borrowed::Built(value) => value.clone(),
            Borrowed::Node(document, place) => match document.kind(place) {
                NodeKind::Null => Value::NULL,
                NodeKind::False => Value::from(false),
                NodeKind::True => Value::from(true),
                NodeKind::String => Value(Text::node(document, place).0),
                _ => Value(Repr::Node(Arc::clone(document), place)),
            },
        }
    }

    /// The member `key` of an object; `None` when this is no object or has no such member.
    #[inline]
    #[must_use]
    pub fn get(self, key: &str) -> Option<ValueRef<'a>> {
        self.as_object()?.get(key)
    }

    /// The item at `index` of an array; `None` when this is no array or is shorter.
    #[inline]
    #[must_use]
    pub fn index(self, index: usize) -> Option<ValueRef<'a>> {
        self.as_array()?.get(index)
    }

    /// The text of a string; `None` for anything else.
    #[inline]
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        match self.view() {
            View::String(text) => Some(text),
            _ => None,
        }
    }

    /// The array; `None` for anything else. Unlike [`ValueRef::view`], it reads no number to find that out.
    #[inline]
    #[must_use]
    pub fn as_array(self) -> Option<ArrayView<'a>> {
        let (value, kind) = self.container()?;
        (kind == NodeKind::Array).then_some(ArrayView(value))
    }

    /// The object; `None` for anything else. Unlike [`ValueRef::view`], it reads no number to find that out.
    #[inline]
    #[must_use]
    pub fn as_object(self) -> Option<ObjectView<'a>> {
        let (value, kind) = self.container()?;
        (kind == NodeKind::Object).then_some(ObjectView(value))
    }

    /// An array or object, and which of them.
    #[inline(always)]
    fn container(self) -> Option<(Borrowed<'a>, NodeKind)> {
        match self.0 {
            Borrowed::Built(value) => match &value.0 {
                Repr::Array(_) => Some((self.0, NodeKind::Array)),
                Repr::Object(_) => Some((self.0, NodeKind::Object)),
                Repr::Node(document, node) => Some((Borrowed::Node(document, *node), document.kind(*node))),
                _ => None,
            },
            Borrowed::Node(document, place) => Some((self.0, document.kind(place))),
        }
    }

    /// The boolean; `None` for anything else.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.view() {
            View::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number; `None` for anything else.
    #[must_use]
    pub fn as_number(self) -> Option<Number<'a>> {
        match self.view() {
            View::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The text of a number that is as it came in; `None` for computed ones, and for anything else.
    #[inline]
    pub(crate) fn number_text(self) -> Option<&'a str> {
        let (document, place) = match self.0 {
            Borrowed::Built(Value(Repr::Node(document, place))) => (document, *place),
            Borrowed::Built(_) => return None,
            Borrowed::Node(document, place) => (document, place),
        };
        matches!(document.kind(place), NodeKind::Integer | NodeKind::Decimal).then(|| document.raw(place))
    }

    /// Whether this is `null`.
    #[inline]
    #[must_use]
    pub fn is_null(self) -> bool {
        match self.0 {
            Borrowed::Built(Value(Repr::Node(document, place))) => document.kind(*place) == NodeKind::Null,
            Borrowed::Built(value) => matches!(value.0, Repr::Null),
            Borrowed::Node(document, place) => document.kind(place) == NodeKind::Null,
        }
    }

    /// The value that this is, or the canonical JSON text of a node of a parsed document.
    #[inline]
    pub(super) fn as_built(self) -> Result<&'a Value, &'a [u8]> {
        match self.0 {
            Borrowed::Built(value) => Ok(value),
            Borrowed::Node(document, node) => Err(document.raw_bytes(node)),
        }
    }

    /// The kind of value in JSON's words: `null`, `boolean`, `number`, `string`, `array`, `object`.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self.view() {
            View::Null => "null",
            View::Bool(_) => "boolean",
            View::Number(_) => "number",
            View::String(_) => "string",
            View::Array(_) => "array",
            View::Object(_) => "object",
        }
    }
}

impl<'a> ArrayView<'a> {
    /// Number of items. Linear for parsed arrays, whose items are counted.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            Borrowed::Built(Value(Repr::Array(array))) => array.items().len(),
            _ => self.iter().count(),
        }
    }

    /// Whether there are no items.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The item at `index`. Linear for parsed arrays: to visit all items, use [`ArrayView::iter`].
    #[must_use]
    pub fn get(self, index: usize) -> Option<ValueRef<'a>> {
        match self.0 {
            Borrowed::Built(Value(Repr::Array(array))) => array.items().get(index).map(Value::as_ref),
            _ => self.iter().nth(index),
        }
    }

    /// The items in order.
    pub fn iter(self) -> impl Iterator<Item = ValueRef<'a>> {
        match self.0 {
            Borrowed::Built(value) => match &value.0 {
                Repr::Array(array) => Items::Built(array.items().iter()),
                _ => Items::Built([].iter()),
            },
            Borrowed::Node(document, place) => {
                let (place, end) = document.inside(place);
                Items::Node { document, place, end }
            }
        }
    }
}

enum Items<'a> {
    Built(std::slice::Iter<'a, Value>),
    Node { document: &'a Arc<Document>, place: u32, end: u32 },
}

impl<'a> Iterator for Items<'a> {
    type Item = ValueRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<ValueRef<'a>> {
        match self {
            Items::Built(items) => items.next().map(Value::as_ref),
            Items::Node { document, place, end } => {
                if *place >= *end {
                    return None;
                }
                let item = ValueRef::node(document, *place);
                *place = document.next(*place);
                Some(item)
            }
        }
    }
}

impl<'a> ObjectView<'a> {
    /// Number of entries. Linear for parsed objects, whose entries are counted.
    #[must_use]
    pub fn len(self) -> usize {
        match self.0 {
            Borrowed::Built(Value(Repr::Object(object))) => object.entries().len(),
            _ => self.iter().count(),
        }
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The value of `key`. Linear for parsed objects.
    #[inline]
    #[must_use]
    pub fn get(self, key: &str) -> Option<ValueRef<'a>> {
        match self.0 {
            Borrowed::Built(value) => match &value.0 {
                Repr::Object(object) => object.get(key).map(Value::as_ref),
                _ => None,
            },
            Borrowed::Node(document, place) => document.find(place, key).map(|value| ValueRef::node(document, value)),
        }
    }

    /// Keys and values in order.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> {
        self.walk().map(|entry| match entry {
            Entry::Built((key, value)) => (key.as_str(), value.as_ref()),
            Entry::Node(document, place) => (document.string(place), ValueRef::node(document, document.next(place))),
        })
    }

    /// The built object that this is; `None` for a parsed one.
    #[inline]
    pub(super) fn as_built(self) -> Option<&'a Object> {
        match self.0 {
            Borrowed::Built(Value(Repr::Object(object))) => Some(object),
            _ => None,
        }
    }

    /// Keys, shared, and values in order.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Text, ValueRef<'a>)> {
        self.walk().map(|entry| match entry {
            Entry::Built((key, value)) => (key.clone(), value.as_ref()),
            Entry::Node(document, place) => {
                (Text::node(document, place), ValueRef::node(document, document.next(place)))
            }
        })
    }

    fn walk(self) -> Walk<'a> {
        match self.0 {
            Borrowed::Built(value) => match &value.0 {
                Repr::Object(object) => Walk::Built(object.entries().iter()),
                _ => Walk::Built([].iter()),
            },
            Borrowed::Node(document, place) => {
                let (place, end) = document.inside(place);
                Walk::Node { document, place, end }
            }
        }
    }
}

enum Entry<'a> {
    Built(&'a (Text, Value)),
    Node(&'a Arc<Document>, u32),
}

enum Walk<'a> {
    Built(std::slice::Iter<'a, (Text, Value)>),
    Node { document: &'a Arc<Document>, place: u32, end: u32 },
}

impl<'a> Iterator for Walk<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            Walk::Built(entries) => entries.next().map(Entry::Built),
            Walk::Node { document, place, end } => {
                if *place >= *end {
                    return None;
                }
                let key = *place;
                *place = document.next(document.next(key));
                Some(Entry::Node(document, key))
            }
        }
    }
}
