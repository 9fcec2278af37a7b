//! Programs: trees whose names are resolved.

use super::function::Function;
use crate::{Value, query::jsonata::JsonataEnvironment, value::Text};

/// An expression.
#[derive(Debug)]
pub(super) enum Node {
    /// A string or `null`.
    Literal(Value),
    /// An object constructor with nothing in it but literals.
    Constant(Value),
    Number(f64),
    Bool(bool),
    /// `$`.
    Context,
    /// What the environment gives.
    Source(Source),
    /// A variable or parameter that the expression binds.
    Local(usize),
    Path(Box<[Step]>),
    /// A path of names only.
    Fields(Box<Fields>),
    Arithmetic(Arithmetic, Box<[Node; 2]>),
    Negate(Box<Node>),
    Compare(Comparison, Box<[Node; 2]>),
    Equal(Box<[Node; 2]>),
    NotEqual(Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// `a & b & …`.
    Concatenate(Box<[Node]>),
    Conditional(Box<[Node; 3]>),
    Undefined,
    /// Items, with whether one is itself an array constructor and so stays in one piece.
    Array(Box<[(Node, bool)]>),
    Object(Box<[(Key, Node)]>),
    Block(Box<[Node]>),
    Bind(usize, Box<Node>),
    Call(Function, Box<[Node]>),
    /// `$merge([…])`, with the items as those of an array constructor.
    Merge(Box<[(Node, bool)]>),
    /// `$map(array, function(…) { … })`.
    Map(Box<Over>),
    /// `$filter(array, function(…) { … })`.
    Filter(Box<Over>),
}

/// A path of names only, which mostly meets no arrays on its way.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) root: Root,
    pub(super) names: Box<[Box<str>]>,
    /// The same as any path.
    pub(super) steps: Box<[Step]>,
}

/// What a path of names starts from.
#[derive(Debug)]
pub(super) enum Root {
    Context,
    Source(Source),
    Local(usize),
}

/// A function over the items of an array.
#[derive(Debug)]
pub(super) struct Over {
    pub(super) array: Node,
    /// Where item, index and array go, as far as the function has parameters.
    pub(super) parameters: Box<[usize]>,
    pub(super) body: Node,
}

/// What the environment gives.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// `$$`.
    Document,
    /// `$states.input`.
    Input,
    /// `$states.result`.
    Result,
    /// `$states.errorOutput`.
    ErrorOutput,
    /// `$states.context`.
    Context,
    Variable(Box<str>),
}

impl Source {
    /// The value, where there is one.
    #[inline]
    pub(super) fn of<'a, E: JsonataEnvironment>(&self, environment: &'a E) -> Option<&'a Value> {
        match self {
            Source::Document => environment.document(),
            Source::Input => environment.input(),
            Source::Result => environment.result(),
            Source::ErrorOutput => environment.error_output(),
            Source::Context => environment.context(),
            Source::Variable(name) => environment.variable(name),
        }
    }
}

/// The key of a pair of an object constructor.
#[derive(Debug)]
pub(super) enum Key {
    Literal(Text),
    Computed(Node),
}

/// A step of a path.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) select: Select,
    pub(super) predicates: Box<[Predicate]>,
}

/// What a step takes of each item.
#[derive(Debug)]
pub(super) enum Select {
    Name(Box<str>),
    /// The value of an expression over the item.
    Node(Node),
}

/// `[…]` behind a step.
#[derive(Debug)]
pub(super) enum Predicate {
    /// A number as it is written, rounded down.
    Index(i64),
    /// An expression that gives nothing but truth values.
    Condition(Node),
    Node(Node),
}

/// `+ - * / %`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// `< <= > >=`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}
