//! Values as bytes, for executions that wait: scalars in place, documents as their text, all in one allocation.
//!
//! A document's tape is left out. Its text is canonical, so parsing it again makes the same tape, and a node is known by its
//! place there. Only what nobody else holds is packed; what is shared with others, such as a constant of a program, is *kept*:
//! held as it is, because a copy of it would be more than the reference. What is held twice within the values is packed once.
//! The bytes never leave the process: they need no version, and reading them is defined only for what was written here.

use triomphe::Arc;

use super::{
    Document, ObjectBuilder, Repr, Text, Value,
    own::{Own, address},
};

/// A longer text is not packed: whoever wakes the execution would wait for its parsing.
const MAX_PACKED_TEXT_BYTES: usize = 32 << 10;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const UINT: u8 = 4;
const FLOAT: u8 = 5;
const STRING: u8 = 6;
const ARRAY: u8 = 7;
const OBJECT: u8 = 8;
/// A string, array or object that was written before.
const AGAIN: u8 = 9;
const KEPT: u8 = 10;
/// A node of the first document; of the others it is one more each.
const NODE: u8 = 11;

/// Writes numbers and values behind each other.
pub(crate) struct Packer<'a>(pub(crate) &'a mut Vec<u8>);

/// Reads what a [`Packer`] wrote, in the same order. Each answer is `None` when the bytes are others.
pub(crate) struct Unpacker<'a>(pub(crate) &'a [u8]);

/// What values refer to while they are packed.
struct References<'a> {
    own: Own<'a>,
    documents: Vec<&'a Arc<Document>>,
    /// Addresses of what was written and may come again.
    written: Vec<usize>,
    kept: &'a mut Vec<Value>,
}

impl Packer<'_> {
    /// A number, the shorter the smaller it is (LEB128).
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Bytes whose number is known to the reader.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Values; those that are better held as they are go to `kept`. Of what they hold, that is packed to which there are no
    /// references but from here.
    pub(crate) fn values(&mut self, values: &[Value], kept: &mut Vec<Value>) {
        let own = Own::of(values);
        let documents: Vec<_> =
            own.documents().filter(|document| document.text().len() <= MAX_PACKED_TEXT_BYTES).collect();
        self.number(documents.len() as u64);
        for document in &documents {
            self.text(document.text());
        }
        let mut references = References { own, documents, written: Vec::new(), kept };
        for value in values {
            self.value(value, &mut references);
        }
    }

    /// A value. The recursion is as deep as [`Own`] has gone.
    fn value(&mut self, value: &Value, references: &mut References<'_>) {
        match &value.0 {
            Repr::Null => self.0.push(NULL),
            Repr::Bool(value) => self.0.push(if *value { TRUE } else { FALSE }),
            Repr::Int(value) => {
                self.0.push(INT);
                // Small negative numbers are to be as short as small positive ones.
                self.number((value << 1 ^ value >> 63) as u64);
            }
            Repr::UInt(value) => {
                self.0.push(UINT);
                self.number(*value);
            }
            Repr::Float(value) => {
                self.0.push(FLOAT);
                self.bytes(&value.to_bits().to_le_bytes());
            }
            Repr::Short(short) => {
                self.0.push(STRING);
                self.text(short.as_str());
            }
            Repr::Node(document, node) => {
                match references.documents.iter().position(|own| Arc::ptr_eq(own, document)) {
                    Some(place) => {
                        self.0.push(NODE + place as u8);
                        self.number(u64::from(*node));
                    }
                    None => self.keep(value, references),
                }
            }
            Repr::String(long) if long.as_str().len() <= MAX_PACKED_TEXT_BYTES => {
                self.once(long.address(), value, references, |packer, _| {
                    packer.0.push(STRING);
                    packer.text(long.as_str());
                });
            }
            Repr::String(_) => self.keep(value, references),
            Repr::Array(array) => self.once(address(array), value, references, |packer, references| {
                packer.0.push(ARRAY);
                packer.number(array.items().len() as u64);
                array.items().iter().for_each(|item| packer.value(item, references));
            }),
            Repr::Object(object) => self.once(address(object), value, references, |packer, references| {
                packer.0.push(OBJECT);
                packer.number(object.entries().len() as u64);
                for (key, value) in object.entries() {
                    packer.value(&Value::from(key.clone()), references);
                    packer.value(value, references);
                }
            }),
        }
    }

    /// Something shared: written where it comes first, if nobody else holds it.
    fn once(
        &mut self,
        address: usize,
        value: &Value,
        references: &mut References<'_>,
        write: impl FnOnce(&mut Self, &mut References<'_>),
    ) {
        if !references.own.has(address) {
            self.keep(value, references);
        } else if let Some(place) = references.written.iter().position(|written| *written == address) {
            self.0.push(AGAIN);
            self.number(place as u64);
        } else {
            write(self, references);
            references.written.push(address);
        }
    }

    fn keep(&mut self, value: &Value, references: &mut References<'_>) {
        self.0.push(KEPT);
        references.kept.push(value.clone());
    }
}

/// What values refer to while they are unpacked.
struct Unpacked {
    documents: Vec<Arc<Document>>,
    /// What was written and may come again.
    read: Vec<Value>,
    kept: std::vec::IntoIter<Value>,
}

impl<'a> Unpacker<'a> {
    /// The next number.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in 0..u64::BITS.div_ceil(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next number of 32 bits.
    pub(crate) fn short_number(&mut self) -> Option<u32> {
        self.number().and_then(|value| u32::try_from(value).ok())
    }

    /// The next bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `count` values. `kept` is what was kept when they were packed.
    pub(crate) fn values(&mut self, count: usize, kept: Vec<Value>) -> Option<std::vec::IntoIter<Value>> {
        let documents = self.number()?;
        let documents: Option<Vec<_>> = (0..documents).map(|_| self.document()).collect();
        let mut unpacked = Unpacked { documents: documents?, read: Vec::new(), kept: kept.into_iter() };
        let values: Option<Vec<_>> = (0..count).map(|_| self.value(&mut unpacked)).collect();
        Some(values?.into_iter())
    }

    fn document(&mut self) -> Option<Arc<Document>> {
        match Value::parse_bytes(self.text()?.to_vec()).ok()?.0 {
            Repr::Node(document, _) => Some(document),
            _ => None,
        }
    }

    /// A value. The recursion is as deep as it was when it was packed.
    fn value(&mut self, unpacked: &mut Unpacked) -> Option<Value> {
        let [tag] = self.bytes()?;
        let shared = match tag {
            NULL => return Some(Value::NULL),
            FALSE => return Some(Value::from(false)),
            TRUE => return Some(Value::from(true)),
            INT => {
                let value = self.number()?;
                return Some(Value(Repr::Int((value >> 1) as i64 ^ -((value & 1) as i64))));
            }
            UINT => return Some(Value(Repr::UInt(self.number()?))),
            FLOAT => return Some(Value(Repr::Float(f64::from_bits(u64::from_le_bytes(self.bytes()?))))),
            AGAIN => return unpacked.read.get(usize::try_from(self.number()?).ok()?).cloned(),
            KEPT => return unpacked.kept.next(),
            STRING => {
                let text = Value(Text::from(std::str::from_utf8(self.text()?).ok()?).0);
                if let Repr::Short(_) = text.0 {
                    return Some(text);
                }
                text
            }
            ARRAY => {
                let count = self.number()?;
                let items: Option<Vec<_>> = (0..count).map(|_| self.value(unpacked)).collect();
                Value::from(items?)
            }
            OBJECT => {
                let mut object = ObjectBuilder::default();
                for _ in 0..self.number()? {
                    let key = Text::try_from(self.value(unpacked)?).ok()?;
                    object.push(key, self.value(unpacked)?);
                }
                object.finish()
            }
            node => {
                let document = unpacked.documents.get(usize::from(node - NODE))?;
                return Some(Value(Repr::Node(Arc::clone(document), self.short_number()?)));
            }
        };
        unpacked.read.push(shared.clone());
        Some(shared)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::{ValueRef, View};

    /// Text of a random value, in a form that is not canonical: white space, escapes of all kinds, keys that come twice.
    fn untidy(random: &mut fastrand::Rng, depth: u32, out: &mut String) {
        const NUMBERS: [&str; 9] =
            ["0", "-0", "12", "-9007199254740993", "18446744073709551616", "1E5", "0.10", "1e400", "-2.5e-3"];
        const STRINGS: [&str; 8] = [
            "",
            "a",
            r"\u0061b",
            r"\ud800",
            r"\n\/\u0000",
            r"😀\ud83d\ude00",
            r#"\"\\"#,
            "a longer string than fits in place",
        ];
        let space =
            |random: &mut fastrand::Rng, out: &mut String| out.push_str(random.choice(["", "", " ", "\n\t"]).unwrap());
        let string = |random: &mut fastrand::Rng, out: &mut String| {
            out.push('"');
            out.push_str(random.choice(STRINGS).unwrap());
            out.push('"');
        };
        space(random, out);
        match random.u8(..if depth == 0 { 5 } else { 9 }) {
            0 => out.push_str(random.choice(["null", "true", "false"]).unwrap()),
            1 | 2 => out.push_str(random.choice(NUMBERS).unwrap()),
            3 | 4 => string(random, out),
            kind => {
                let is_object = kind > 6;
                out.push(if is_object { '{' } else { '[' });
                for place in 0..random.usize(..5) {
                    out.push_str(if place > 0 { "," } else { "" });
                    space(random, out);
                    if is_object {
                        string(random, out);
                        space(random, out);
                        out.push(':');
                    }
                    untidy(random, depth - 1, out);
                }
                out.push(if is_object { '}' } else { ']' });
            }
        }
        space(random, out);
    }

    /// A value and all that is in it.
    fn nodes(value: ValueRef<'_>, found: &mut Vec<Value>) {
        found.push(value.to_value());
        match value.view() {
            View::Array(items) => items.iter().for_each(|item| nodes(item, found)),
            View::Object(entries) => entries.entries().for_each(|(key, value)| {
                found.push(Value::from(key));
                nodes(value, found);
            }),
            _ => {}
        }
    }

    /// An array or object of some of the values.
    fn built(random: &mut fastrand::Rng, values: &[Value]) -> Value {
        let mut some = (0..random.usize(..5)).map(|_| random.choice(values).unwrap().clone()).collect::<Vec<_>>();
        if random.bool() {
            return Value::from(some);
        }
        let keys = values.iter().filter_map(|value| Text::try_from(value.clone()).ok());
        let mut object = ObjectBuilder::default();
        keys.zip(some.drain(..)).for_each(|(key, value)| object.insert(key, value));
        object.insert("a key that has no room in place".into(), Value::from(random.i32(..)));
        (0..random.usize(..40)).for_each(|key| object.insert(format!("k{key}").into(), Value::NULL));
        object.finish()
    }

    fn random_values(random: &mut fastrand::Rng, shared: &Value) -> Vec<Value> {
        let mut values = Vec::new();
        for _ in 0..random.usize(1..4) {
            let mut text = String::new();
            untidy(random, 4, &mut text);
            let mut found = Vec::new();
            nodes(Value::parse(&text).unwrap().as_ref(), &mut found);
            random.shuffle(&mut found);
            found.truncate(random.usize(1..4));
            values.extend(found);
        }
        let scalars = [
            Value::NULL,
            Value::from(true),
            Value::from(i64::MIN),
            Value::from(-1),
            Value::from(u64::MAX),
            Value::from(-0.0),
            Value::from(1e300),
            Value::from("short"),
            Value::from("a string that has no room in place, \n with an escape"),
            shared.clone(),
        ];
        values.extend((0..random.usize(..6)).map(|_| random.choice(&scalars).unwrap().clone()));
        for _ in 0..random.usize(..6) {
            let built = built(random, &values);
            values.push(built);
        }
        random.shuffle(&mut values);
        // What is left out may still be held by a container.
        values.truncate(random.usize(1..10));
        values
    }

    /// Whether two values are held in the same way, down to the tape.
    fn are_alike(one: &Value, other: &Value) -> bool {
        let measures = |value: &Value| (value.to_json(), value.json_size(), value.depth());
        measures(one) == measures(other)
            && match (&one.0, &other.0) {
                (Repr::Node(document, node), Repr::Node(other, other_node)) => node == other_node && document == other,
                (Repr::Float(one), Repr::Float(other)) => one.to_bits() == other.to_bits(),
                (Repr::Array(one), Repr::Array(other)) => {
                    one.items().iter().zip(other.items()).all(|(one, other)| are_alike(one, other))
                }
                (Repr::Object(one), Repr::Object(other)) => {
                    let mut entries = one.entries().iter().zip(other.entries());
                    entries.all(|((key, one), (other_key, other))| {
                        are_alike(&key.clone().into(), &other_key.clone().into()) && are_alike(one, other)
                    }) && one.entries().iter().all(|(key, value)| other.get(key.as_str()) == Some(value))
                }
                (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
            }
    }

    /// How many references exist to what each of the values leads to.
    fn references(values: &[Value]) -> Vec<usize> {
        values
            .iter()
            .map(|value| match &value.0 {
                Repr::String(long) => long.references(),
                Repr::Array(shared) => Arc::count(shared),
                Repr::Object(shared) => Arc::count(shared),
                Repr::Node(shared, _) => Arc::count(shared),
                _ => 0,
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_packed_comes_back_as_it_was(seed: u64) {
            let mut random = fastrand::Rng::with_seed(seed);
            let shared = Value::parse(r#"{"shared": "with a program"}"#).unwrap();
            let values = random_values(&mut random, &shared);
            // The same again, from texts of its own.
            let expected = random_values(&mut fastrand::Rng::with_seed(seed), &shared);
            let (mut bytes, mut kept) = (vec![7], Vec::new());
            Packer(&mut bytes).values(&values, &mut kept);
            let count = values.len();
            drop(values);
            let mut unpacker = Unpacker(&bytes[1..]);
            let unpacked: Vec<_> = unpacker.values(count, kept).unwrap().collect();
            prop_assert!(unpacker.0.is_empty());
            prop_assert_eq!(unpacked.len(), expected.len());
            prop_assert_eq!(references(&unpacked), references(&expected), "what was shared is shared");
            for (unpacked, expected) in unpacked.iter().zip(&expected) {
                prop_assert!(are_alike(unpacked, expected), "{} {}", unpacked.to_json(), expected.to_json());
            }
        }

        #[test]
        fn numbers_come_back(numbers: Vec<u64>, bytes: [u8; 9]) {
            let mut packed = Vec::new();
            for number in &numbers {
                Packer(&mut packed).number(*number);
            }
            Packer(&mut packed).bytes(&bytes);
            let mut unpacker = Unpacker(&packed);
            for number in numbers {
                prop_assert_eq!(unpacker.number(), Some(number));
            }
            prop_assert_eq!(unpacker.bytes(), Some(bytes));
            prop_assert_eq!(unpacker.number(), None);
        }

        #[test]
        fn other_bytes_never_panic(bytes: Vec<u8>, count in 0..4_usize) {
            let _ = Unpacker(&bytes).values(count, Vec::new());
        }
    }

    #[test]
    fn only_what_nobody_else_holds_is_packed() {
        let document = || Value::parse(r#"{"a": ["b", 1.50]}"#).unwrap();
        let packed = |values: &[Value]| {
            let (mut bytes, mut kept) = (Vec::new(), Vec::new());
            Packer(&mut bytes).values(values, &mut kept);
            (bytes.len(), kept.len())
        };
        let node = |value: &Value| value.get("a").unwrap().to_value();
        let own = document();
        assert_eq!(packed(&[node(&own), own]), (r#"{"a":["b",1.50]}"#.len() + 6, 0));
        let shared = document();
        let elsewhere = node(&shared);
        assert_eq!(packed(&[shared]).1, 1, "there is a node of it elsewhere");
        drop(elsewhere);
        let long = Value::parse(&format!("[\"{}\"]", "a".repeat(MAX_PACKED_TEXT_BYTES))).unwrap();
        assert_eq!(packed(&[long]), (2, 1));
        // What a container of others holds is theirs too, however many references are found on the way to it.
        let inner = Value::array([Value::from("a string that is longer than fits in place"), document()]);
        let outer = Value::array([inner.clone(), Value::from(1)]);
        assert_eq!(packed(&[outer.clone(), inner.clone()]).1, 2);
        drop(outer);
        assert_eq!(packed(&[inner]).1, 0);
        // Too much for one walk.
        let deep = (0..200).fold(Value::empty_object(), |inner, _| Value::array([inner]));
        assert_eq!(packed(&[deep]), (2, 1));
        assert_eq!(packed(&[Value::from(vec![Value::NULL; 5000])]), (2, 1));
        assert_eq!(packed(&(0..100).map(|_| document()).collect::<Vec<_>>()).1, 100);
    }
}
