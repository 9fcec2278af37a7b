//! Built objects: entries in insertion order, with a hash index once there are many.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use triomphe::Arc;

use super::{ObjectView, Repr, Text, Value};

/// Objects with more entries than this get a hash index; smaller ones are searched in order, which is faster.
const INDEX_THRESHOLD: usize = 24;

/// The entries of a built object with its written size and depth, both known when it is built.
pub(super) struct Object {
    entries: Entries,
    size: usize,
    depth: u32,
}

#[derive(Default)]
struct Entries {
    list: Vec<(Text, Value)>,
    /// Places in `list` by the hash of the key; empty up to [`INDEX_THRESHOLD`] entries.
    index: Option<Box<HashTable<u32>>>,
}

fn hash(key: &str) -> u64 {
    FixedState::default().hash_one(key)
}

impl Entries {
    #[inline]
    fn new(list: Vec<(Text, Value)>) -> Self {
        let mut entries = Self { list, index: None };
        if entries.list.len() > INDEX_THRESHOLD {
            entries.reindex();
        }
        entries
    }

    fn find(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.list.iter().position(|(name, _)| name.is(key)),
            Some(index) => {
                index.find(hash(key), |place| self.list[*place as usize].0.as_str() == key).map(|place| *place as usize)
            }
        }
    }

    fn push(&mut self, key: Text, value: Value) {
        let place = self.list.len();
        self.list.push((key, value));
        let list = &self.list;
        if let Some(index) = &mut self.index {
            let place = u32::try_from(place).expect("an object has fewer entries than its text has bytes");
            index.insert_unique(hash(list[place as usize].0.as_str()), place, |place| {
                hash(list[*place as usize].0.as_str())
            });
        } else if place >= INDEX_THRESHOLD {
            self.reindex();
        }
    }

    fn reindex(&mut self) {
        let list = &self.list;
        let mut index = HashTable::with_capacity(list.len() * 2);
        for (place, (key, _)) in list.iter().enumerate() {
            index.insert_unique(hash(key.as_str()), place as u32, |place: &u32| hash(list[*place as usize].0.as_str()));
        }
        self.index = Some(Box::new(index));
    }

    fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.find(key)?;
        let (_, value) = self.list.remove(place);
        self.index = None;
        if self.list.len() > INDEX_THRESHOLD {
            self.reindex();
        }
        Some(value)
    }
}

/// How many bytes an object's JSON has beside its values: of its keys, its brackets, colons and commas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeysSize(usize);

impl KeysSize {
    /// That of an object with these keys.
    pub(crate) fn of<'a>(keys: impl Iterator<Item = &'a Text>) -> Self {
        let size = keys.fold(1, |size, key| size + key.json_size() + 2);
        Self(size.max(2))
    }
}

impl Value {
    /// An object of entries whose keys are known to differ, and to be of that size.
    pub(crate) fn of_entries(list: Vec<(Text, Value)>, keys: KeysSize) -> Value {
        Value(Repr::Object(Arc::new(Object::new(Entries::new(list), keys))))
    }
}

impl Object {
    #[inline]
    fn new(entries: Entries, keys: KeysSize) -> Self {
        let (mut size, mut depth) = (keys.0, 0);
        for (_, value) in &entries.list {
            size += value.json_size();
            depth = depth.max(value.depth());
        }
        Self { entries, size, depth: depth + 1 }
    }

    pub(super) fn entries(&self) -> &[(Text, Value)] {
        &self.entries.list
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.entries.find(key).map(|place| &self.entries.list[place].1)
    }

    fn measures(&self) -> Measures {
        Measures { size: self.size, depth: self.depth }
    }

    #[inline]
    pub(super) fn size(&self) -> usize {
        self.size
    }

    #[inline]
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }
}

/// Collects entries into an object value.
#[derive(Default)]
pub struct ObjectBuilder {
    entries: Entries,
    /// Written size and depth of the entries so far, for as long as they are known without looking at all of them.
    known: Option<Measures>,
    /// Where the entries come from and go back to, when nobody else held it.
    shell: Option<Arc<Object>>,
}

#[derive(Clone, Copy)]
struct Measures {
    size: usize,
    depth: u32,
}

impl Measures {
    /// Counts an entry in; `count` is how many there are with it.
    fn add(&mut self, key: &Text, value: &Value, count: usize) {
        self.size += key.json_size() + 1 + value.json_size() + usize::from(count > 1);
        self.depth = self.depth.max(value.depth() + 1);
    }

    /// Counts a value in place of another one. `None` when the depth may have been that of the old one.
    fn replace(mut self, old: &Value, new: &Value) -> Option<Self> {
        self.size = self.size - old.json_size() + new.json_size();
        let was_deepest = old.depth() + 1 == self.depth && old.depth() > 0;
        self.depth = self.depth.max(new.depth() + 1);
        (!was_deepest).then_some(self)
    }
}

impl ObjectBuilder {
    /// A builder with room for `capacity` entries.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Entries { list: Vec::with_capacity(capacity), index: None }, known: None, shell: None }
    }

    /// A copy of an object, with room for so many more entries.
    pub(crate) fn copy_of(object: ObjectView<'_>, more: usize) -> Self {
        match object.as_built() {
            Some(shared) => Self::copy_of_built(shared, more),
            None => {
                let mut list = Vec::with_capacity(8 + more);
                list.extend(object.entries().map(|(key, value)| (key, value.to_value())));
                Self { entries: Entries::new(list), known: None, shell: None }
            }
        }
    }

    fn copy_of_built(shared: &Object, more: usize) -> Self {
        let mut list = Vec::with_capacity(shared.entries.list.len() + more);
        list.extend(shared.entries.list.iter().cloned());
        let entries = Entries { list, index: shared.entries.index.clone() };
        Self { entries, known: Some(shared.measures()), shell: None }
    }

    /// Takes over the entries of `object`: without copying when nobody else holds it. `None` when it is no object.
    #[must_use]
    pub fn from_value(object: Value) -> Option<Self> {
        if let Repr::Object(mut shared) = object.0 {
            let known = Some(shared.measures());
            return Some(match Arc::get_mut(&mut shared) {
                Some(own) => Self { entries: std::mem::take(&mut own.entries), known, shell: Some(shared) },
                None => Self::copy_of_built(&shared, 1),
            });
        }
        object.as_object().map(|entries| Self::copy_of(entries, 1))
    }

    /// Sets `key`, in its old place if it is there already, else behind the others.
    pub fn insert(&mut self, key: Text, value: Value) {
        match self.entries.find(key.as_str()) {
            Some(place) => drop(self.replace(place, value)),
            None => self.append(key, value),
        }
    }

    /// Appends an entry whose key is known not to be there yet.
    #[inline]
    pub fn push(&mut self, key: Text, value: Value) {
        debug_assert!(self.entries.find(key.as_str()).is_none(), "push takes new keys only");
        self.append(key, value);
    }

    #[inline]
    fn append(&mut self, key: Text, value: Value) {
        if let Some(known) = &mut self.known {
            known.add(&key, &value, self.entries.list.len() + 1);
        }
        self.entries.push(key, value);
    }

    fn replace(&mut self, place: usize, value: Value) -> Value {
        let held = &mut self.entries.list[place].1;
        self.known = self.known.and_then(|known| known.replace(held, &value));
        std::mem::replace(held, value)
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries.find(key).map(|place| &self.entries.list[place].1)
    }

    /// Sets `key` to what `change` makes of its value, or of nothing when it is not there. The value is handed over, so that
    /// what nobody else holds can be changed without a copy.
    pub fn update(&mut self, key: &Text, change: impl FnOnce(Option<Value>) -> Value) {
        match self.entries.find(key.as_str()) {
            Some(place) => {
                let held = self.replace(place, Value::NULL);
                drop(self.replace(place, change(Some(held))));
            }
            None => self.append(key.clone(), change(None)),
        }
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.known = None;
        self.entries.remove(key)
    }

    /// Number of entries so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.list.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.list.is_empty()
    }

    /// The object.
    #[must_use]
    pub fn finish(self) -> Value {
        let object = match self.known {
            Some(Measures { size, depth }) => Object { entries: self.entries, size, depth },
            None => {
                let keys = KeysSize::of(self.entries.list.iter().map(|(key, _)| key));
                Object::new(self.entries, keys)
            }
        };
        let Some(mut shared) = self.shell else { return Value(Repr::Object(Arc::new(object))) };
        match Arc::get_mut(&mut shared) {
            Some(empty) => *empty = object,
            None => shared = Arc::new(object),
        }
        Value(Repr::Object(shared))
    }
}
