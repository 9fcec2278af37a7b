//! The common subset of JSONata as programs of our own on our own values, which are not converted.
//!
//! Whether an expression is of the subset is decided when it is parsed ([`compile`]). What it gives is what the base gives;
//! `tests/jsonata_fast.rs` runs both on random expressions and data. An expression that fails here is run again in the
//! base, so that errors have one wording.
//!
//! The subset: paths of names with predicates, object constructors and `(…)`; literals, arithmetic, comparison, `and`, `or`,
//! `in`, `&`, conditionals; array and object constructors; blocks with variables; the functions in [`function::Function`],
//! and `$map` and `$filter` with a function written in place.

mod compile;
mod data;
mod evaluate;
mod function;
mod node;
mod path;
mod text;

use jsonata_core::ast::AstNode;

use self::{evaluate::Evaluator, node::Node};
use super::{Evaluated, JsonataEnvironment, JsonataError, limits};

/// An expression of the subset.
#[derive(Debug)]
pub(super) struct Program {
    node: Node,
    /// How many variables and parameters it binds.
    slots: usize,
}

/// Why a part of a program stopped. As small as it can be: every part returns one, or a value.
#[derive(Debug)]
enum Halt {
    /// It failed, or met what it does not handle: the base has the answer.
    Base,
    /// It went beyond the limits.
    Limit(Box<JsonataError>),
}

/// Why a program stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The base has the answer.
    Base {
        /// The time that is gone of what the expression may take, in milliseconds.
        spent_ms: u64,
    },
    /// It went beyond the limits.
    Limit(Box<JsonataError>),
}

impl Halt {
    #[cold]
    fn memory() -> Self {
        Self::Limit(Box::new(limits::memory()))
    }

    #[cold]
    fn timeout() -> Self {
        Self::Limit(Box::new(limits::timeout()))
    }
}

impl Program {
    /// Compiles an expression; `None` when it is not of the subset.
    pub(super) fn compile(ast: &AstNode) -> Option<Self> {
        let (node, slots) = compile::compile(ast)?;
        Some(Self { node, slots })
    }

    /// Evaluates it.
    #[inline]
    pub(super) fn evaluate<E: JsonataEnvironment>(&self, environment: &E) -> Result<Evaluated, Stop> {
        // What templates hold most of: a path through objects, in which there is nothing to count or to keep.
        if let Node::Fields(fields) = &self.node
            && let Some(result) = fields.of_source(environment)
        {
            return Ok(result);
        }
        Evaluator::new(environment, self.slots).run(&self.node)
    }
}
