//! What some values hold that nobody else holds.
//!
//! The references to each shared thing are counted on a walk over the values. When all that exist are found there, nobody else
//! can use the thing or make one more reference to it, so it may be taken apart.

use triomphe::Arc;

use super::{Document, Repr, Text, Value};

/// Values that one walk visits: more would keep whoever waits for it.
const MAX_VISITED: usize = 4096;
/// Shared things that one walk tells apart: they are searched one by one.
const MAX_SHARES: usize = 64;
/// Walks over the same values.
const MAX_WALKS: usize = 4;
/// Containers in containers that a walk enters, so that none ends the stack.
const MAX_DEPTH: usize = 100;

/// The shared things that some values hold.
#[derive(Default)]
pub(super) struct Own<'a> {
    shares: Vec<Share<'a>>,
    /// Containers that others hold too: what is in them is theirs.
    foreign: Vec<usize>,
    visited: usize,
}

struct Share<'a> {
    address: usize,
    found: usize,
    exist: usize,
    kind: Kind<'a>,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    String,
    Container,
    Document(&'a Arc<Document>),
}

/// Where a shared thing lies.
pub(super) fn address<T>(shared: &Arc<T>) -> usize {
    Arc::as_ptr(shared).addr()
}

impl<'a> Own<'a> {
    /// Walks over values. When they are too many nothing is said to be theirs.
    pub(super) fn of(values: &'a [Value]) -> Self {
        let mut foreign = Vec::new();
        for _ in 0..MAX_WALKS {
            let mut own = Self { foreign, ..Self::default() };
            if values.iter().try_for_each(|value| own.visit(&value.0, 0)).is_none() {
                return Self::default();
            }
            // What a foreign container holds was counted as ours: it is left out of another walk, until no more is found.
            let found =
                own.shares.iter().filter(|share| matches!(share.kind, Kind::Container) && share.found < share.exist);
            let found: Vec<_> =
                found.map(|share| share.address).filter(|address| !own.foreign.contains(address)).collect();
            if found.is_empty() {
                return own;
            }
            foreign = own.foreign;
            foreign.extend(found);
        }
        Self::default()
    }

    /// Whether nobody else holds what lies there.
    pub(super) fn has(&self, address: usize) -> bool {
        self.shares.iter().any(|share| share.address == address && share.found == share.exist)
    }

    /// The documents that nobody else holds, in the order in which they were found.
    pub(super) fn documents(&self) -> impl Iterator<Item = &'a Arc<Document>> {
        self.shares.iter().filter_map(|share| match share.kind {
            Kind::Document(document) if share.found == share.exist => Some(document),
            _ => None,
        })
    }

    fn visit(&mut self, value: &'a Repr, depth: usize) -> Option<()> {
        self.visited += 1;
        if self.visited > MAX_VISITED || depth > MAX_DEPTH {
            return None;
        }
        match value {
            Repr::String(long) => {
                self.count(long.address(), long.references(), Kind::String)?;
            }
            Repr::Node(document, _) => {
                self.count(address(document), Arc::count(document), Kind::Document(document))?;
            }
            Repr::Array(array) => {
                if self.count(address(array), Arc::count(array), Kind::Container)? {
                    array.items().iter().try_for_each(|Value(item)| self.visit(item, depth + 1))?;
                }
            }
            Repr::Object(object) => {
                if self.count(address(object), Arc::count(object), Kind::Container)? {
                    for (Text(key), Value(value)) in object.entries() {
                        self.visit(key, depth + 1)?;
                        self.visit(value, depth + 1)?;
                    }
                }
            }
            Repr::Null | Repr::Bool(_) | Repr::Int(_) | Repr::UInt(_) | Repr::Float(_) | Repr::Short(_) => {}
        }
        Some(())
    }

    /// Counts a reference. Whether what it leads to is ours, as far as is known, and was not entered before.
    fn count(&mut self, address: usize, exist: usize, kind: Kind<'a>) -> Option<bool> {
        if let Some(share) = self.shares.iter_mut().find(|share| share.address == address) {
            share.found += 1;
            return Some(false);
        }
        if self.shares.len() == MAX_SHARES {
            return None;
        }
        self.shares.push(Share { address, found: 1, exist, kind });
        Some(!self.foreign.contains(&address))
    }
}
