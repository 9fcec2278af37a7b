//! The forms of a value.

#![allow(unsafe_code, reason = "a copy of sixteen bytes at once")]

use std::mem::forget;

use triomphe::Arc;

use super::{Document, array::Array, long::Long, object::Object, short::Short};

pub(super) enum Repr {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Short(Short),
    String(Long),
    Array(Arc<Array>),
    Object(Arc<Object>),
    /// A node of a parsed document.
    Node(Arc<Document>, u32),
}

impl Clone for Repr {
    /// Counts the reference, then copies all forms alike. Field by field, as the compiler would do it, takes three times as
    /// long, and what reads the sixteen bytes then waits for stores of one, two, four and eight.
    #[inline]
    fn clone(&self) -> Self {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::UInt(_) | Self::Float(_) | Self::Short(_) => {}
            Self::String(long) => forget(long.clone()),
            Self::Array(array) => forget(Arc::clone(array)),
            Self::Object(object) => forget(Arc::clone(object)),
            Self::Node(document, _) => forget(Arc::clone(document)),
        }
        // SAFETY: `self` is valid to be read. The copy owns what it leads to: scalars and short strings lead to nothing, and for
        // each form that holds a counted reference, one more was counted above and not given back.
        unsafe { std::ptr::read(self) }
    }
}
