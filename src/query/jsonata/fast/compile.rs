//! Which expressions are of the subset, and their programs.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, UnaryOp};

use super::{
    function::Function,
    node::{Arithmetic, Comparison, Fields, Key, Node, Over, Predicate, Root, Select, Source, Step},
};
use crate::{
    Value,
    query::jsonata::{convert, functions},
    value::{ObjectBuilder, Text},
};

/// Most slots of one program.
const MAX_SLOTS: usize = 256;

/// The program of an expression, and how many slots it has; `None` when it is not of the subset. Its nesting has been
/// checked.
pub(super) fn compile(ast: &AstNode) -> Option<(Node, usize)> {
    let mut compiler = Compiler { scopes: Vec::new(), slots: 0 };
    // At the top a variable may be bound, to no use but its value.
    let node = match ast {
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } if matches!(**lhs, AstNode::Variable(_)) => {
            compiler.node(rhs)?
        }
        ast => compiler.node(ast)?,
    };
    Some((node, compiler.slots))
}

struct Compiler {
    /// Names in sight with their slots, the innermost last.
    scopes: Vec<(String, usize)>,
    slots: usize,
}

impl Compiler {
    fn bind(&mut self, name: &str) -> Option<usize> {
        // `$states` and functions could be bound, but nobody does.
        if name.is_empty() || name == "states" || functions::is_function(name) || self.slots == MAX_SLOTS {
            return None;
        }
        self.scopes.push((name.to_owned(), self.slots));
        self.slots += 1;
        Some(self.slots - 1)
    }

    fn pair(&mut self, left: &AstNode, right: &AstNode) -> Option<Box<[Node; 2]>> {
        Some(Box::new([self.node(left)?, self.node(right)?]))
    }

    fn node(&mut self, node: &AstNode) -> Option<Node> {
        Some(match node {
            AstNode::String(text) => Node::Literal(Value::from(text.as_str())),
            AstNode::Number(number) => Node::Number(*number),
            AstNode::Boolean(flag) => Node::Bool(*flag),
            AstNode::Null => Node::Literal(Value::NULL),
            AstNode::Undefined => Node::Undefined,
            AstNode::Name(_) => return None,
            AstNode::Variable(name) => self.variable(name)?,
            AstNode::ParentVariable(name) if name.is_empty() => Node::Source(Source::Document),
            AstNode::Path { steps } => self.path(steps)?,
            AstNode::Binary { op, lhs, rhs } => return self.binary(*op, lhs, rhs),
            AstNode::Unary { op: UnaryOp::Negate, operand } => match &**operand {
                AstNode::Number(number) => Node::Number(-number),
                operand => Node::Negate(Box::new(self.node(operand)?)),
            },
            AstNode::Conditional { condition, then_branch, else_branch } => Node::Conditional(Box::new([
                self.node(condition)?,
                self.node(then_branch)?,
                match else_branch {
                    Some(branch) => self.node(branch)?,
                    None => Node::Undefined,
                },
            ])),
            AstNode::Array(items) => Node::Array(self.items(items)?),
            AstNode::Object(pairs) => self.object(pairs)?,
            AstNode::Block(items) => self.block(items)?,
            AstNode::FunctionApplication(inner) => self.node(inner)?,
            AstNode::Function { name, args, is_builtin: true } => return self.call(name, None, args),
            _ => return None,
        })
    }

    fn variable(&mut self, name: &str) -> Option<Node> {
        if name.is_empty() {
            return Some(Node::Context);
        }
        if let Some((_, slot)) = self.scopes.iter().rev().find(|(bound, _)| bound == name) {
            return Some(Node::Local(*slot));
        }
        // The whole of `$states` is no value that we have, and functions are no values here.
        if name == "states" || functions::is_function(name) || name.starts_with('$') {
            return None;
        }
        Some(Node::Source(Source::Variable(name.into())))
    }

    fn binary(&mut self, op: BinaryOp, left: &AstNode, right: &AstNode) -> Option<Node> {
        let arithmetic = |op, pair| Some(Node::Arithmetic(op, pair));
        let compare = |op, pair| Some(Node::Compare(op, pair));
        match op {
            BinaryOp::Add => arithmetic(Arithmetic::Add, self.pair(left, right)?),
            BinaryOp::Subtract => arithmetic(Arithmetic::Subtract, self.pair(left, right)?),
            BinaryOp::Multiply => arithmetic(Arithmetic::Multiply, self.pair(left, right)?),
            BinaryOp::Divide => arithmetic(Arithmetic::Divide, self.pair(left, right)?),
            BinaryOp::Modulo => arithmetic(Arithmetic::Modulo, self.pair(left, right)?),
            BinaryOp::LessThan => compare(Comparison::Less, self.pair(left, right)?),
            BinaryOp::LessThanOrEqual => compare(Comparison::LessOrEqual, self.pair(left, right)?),
            BinaryOp::GreaterThan => compare(Comparison::Greater, self.pair(left, right)?),
            BinaryOp::GreaterThanOrEqual => compare(Comparison::GreaterOrEqual, self.pair(left, right)?),
            BinaryOp::Equal => Some(Node::Equal(self.pair(left, right)?)),
            BinaryOp::NotEqual => Some(Node::NotEqual(self.pair(left, right)?)),
            BinaryOp::In => Some(Node::In(self.pair(left, right)?)),
            BinaryOp::And => Some(Node::And(self.pair(left, right)?)),
            BinaryOp::Or => Some(Node::Or(self.pair(left, right)?)),
            BinaryOp::Concatenate => {
                let mut operands = Vec::new();
                self.operands(left, &mut operands)?;
                self.operands(right, &mut operands)?;
                Some(Node::Concatenate(operands.into()))
            }
            BinaryOp::ChainPipe => match right {
                AstNode::Function { name, args, is_builtin: true } => self.call(name, Some(left), args),
                _ => None,
            },
            _ => None,
        }
    }

    /// The operands of nested `&`, in order.
    fn operands(&mut self, node: &AstNode, operands: &mut Vec<Node>) -> Option<()> {
        match node {
            AstNode::Binary { op: BinaryOp::Concatenate, lhs, rhs } => {
                self.operands(lhs, operands)?;
                self.operands(rhs, operands)
            }
            node => {
                operands.push(self.node(node)?);
                Some(())
            }
        }
    }

    fn items(&mut self, items: &[AstNode]) -> Option<Box<[(Node, bool)]>> {
        items.iter().map(|item| Some((self.node(item)?, matches!(item, AstNode::Array(_))))).collect()
    }

    fn object(&mut self, pairs: &[(AstNode, AstNode)]) -> Option<Node> {
        let mut compiled: Vec<(Key, Node)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key = match key {
                AstNode::String(text) => {
                    // Equal keys are an error, whatever their values.
                    let same =
                        |(known, _): &(Key, Node)| matches!(known, Key::Literal(known) if known.as_str() == text);
                    if compiled.iter().any(same) {
                        return None;
                    }
                    Key::Literal(Text::from(text.as_str()))
                }
                key => Key::Computed(self.node(key)?),
            };
            compiled.push((key, self.node(value)?));
        }
        // Read from its text, it is copied as text wherever it is written.
        let constant = constant_object(&compiled).and_then(|object| Value::parse(&object.to_json()).ok());
        Some(constant.map_or_else(|| Node::Object(compiled.into()), Node::Constant))
    }

    /// Variables are bound by the items of blocks only; elsewhere `:=` is not of the subset.
    fn block(&mut self, items: &[AstNode]) -> Option<Node> {
        let around = self.scopes.len();
        let mut compiled = Vec::with_capacity(items.len());
        for item in items {
            compiled.push(match item {
                AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => {
                    let AstNode::Variable(name) = &**lhs else { return None };
                    let value = self.node(rhs)?;
                    Node::Bind(self.bind(name)?, Box::new(value))
                }
                item => self.node(item)?,
            });
        }
        self.scopes.truncate(around);
        Some(Node::Block(compiled.into()))
    }

    /// `$name(args)`, or `piped ~> $name(args)`.
    fn call(&mut self, name: &str, piped: Option<&AstNode>, args: &[AstNode]) -> Option<Node> {
        if self.scopes.iter().any(|(bound, _)| bound == name) {
            return None;
        }
        let args: Vec<&AstNode> = piped.into_iter().chain(args).collect();
        if let ("map" | "filter", [array, function]) = (name, args.as_slice()) {
            return self.over(name == "map", array, function);
        }
        if let ("merge", [AstNode::Array(items)]) = (name, args.as_slice()) {
            return Some(Node::Merge(self.items(items)?));
        }
        let function = Function::named(name, args.len())?;
        Some(Node::Call(function, args.into_iter().map(|arg| self.node(arg)).collect::<Option<_>>()?))
    }

    fn over(&mut self, is_map: bool, array: &AstNode, function: &AstNode) -> Option<Node> {
        let AstNode::Lambda { params, body, signature: None, .. } = function else { return None };
        let repeated = (1..params.len()).any(|place| params[..place].contains(&params[place]));
        if params.len() > 3 || repeated || gives_raw_sequence(body) {
            return None;
        }
        let array = self.node(array)?;
        let around = self.scopes.len();
        let parameters = params.iter().map(|name| self.bind(name)).collect::<Option<_>>()?;
        let body = self.node(body)?;
        self.scopes.truncate(around);
        let over = Box::new(Over { array, parameters, body });
        Some(if is_map { Node::Map(over) } else { Node::Filter(over) })
    }

    fn path(&mut self, steps: &[PathStep]) -> Option<Node> {
        let plain = |step: &PathStep| {
            step.focus.is_none()
                && step.index_var.is_none()
                && step.ancestor_label.is_none()
                && !step.is_tuple
                && !step.inner_tuple
        };
        if !steps.iter().all(plain) {
            return None;
        }
        let mut compiled = Vec::with_capacity(steps.len());
        let mut rest = steps;
        // `$states.input` is one thing to us.
        if let [first, second, behind @ ..] = steps
            && let (AstNode::Variable(states), AstNode::Name(part)) = (&first.node, &second.node)
            && states == "states"
        {
            let source = match part.as_str() {
                "input" => Source::Input,
                "result" => Source::Result,
                "errorOutput" => Source::ErrorOutput,
                "context" => Source::Context,
                _ => return None,
            };
            if !first.stages.is_empty() {
                return None;
            }
            let select = Select::Node(Node::Source(source));
            compiled.push(Step { select, predicates: self.predicates(&second.stages)? });
            rest = behind;
        }
        for step in rest {
            let select = match &step.node {
                AstNode::Name(name) => Select::Name(name.as_str().into()),
                // These keep what they give from being flattened, or take other parts of the path with them.
                AstNode::Array(_) | AstNode::ArrayGroup(_) | AstNode::Path { .. } | AstNode::ObjectTransform { .. } => {
                    return None;
                }
                node => Select::Node(self.node(node)?),
            };
            compiled.push(Step { select, predicates: self.predicates(&step.stages)? });
        }
        if let [Step { select: Select::Node(node), predicates }] = compiled.as_mut_slice()
            && predicates.is_empty()
        {
            return Some(std::mem::replace(node, Node::Undefined));
        }
        Some(fields(compiled))
    }

    fn predicates(&mut self, stages: &[Stage]) -> Option<Box<[Predicate]>> {
        let predicate = |stage: &Stage| match stage {
            Stage::Filter(predicate) => Some(match self.node(predicate)? {
                Node::Number(number) => Predicate::Index(number.floor() as i64),
                node if is_condition(&node) => Predicate::Condition(node),
                node => Predicate::Node(node),
            }),
            Stage::KeepArray | Stage::Index(_) => None,
        };
        stages.iter().map(predicate).collect()
    }
}

/// The object of an object constructor with nothing but literals.
fn constant_object(pairs: &[(Key, Node)]) -> Option<Value> {
    let mut object = ObjectBuilder::with_capacity(pairs.len());
    for (key, value) in pairs {
        let Key::Literal(key) = key else { return None };
        object.push(
            key.clone(),
            match value {
                Node::Literal(value) | Node::Constant(value) => value.clone(),
                Node::Bool(flag) => Value::from(*flag),
                Node::Number(number) if number.is_finite() => convert::number_value(*number),
                _ => return None,
            },
        );
    }
    Some(object.finish())
}

/// Whether an expression gives a truth value, or nothing.
fn is_condition(node: &Node) -> bool {
    match node {
        Node::Bool(_) | Node::Compare(..) | Node::Equal(_) | Node::NotEqual(_) => true,
        Node::In(_) | Node::And(_) | Node::Or(_) => true,
        Node::Call(function, _) => {
            matches!(function, Function::Not | Function::Boolean | Function::Exists | Function::Contains)
        }
        _ => false,
    }
}

/// A path, as one of names only if it is.
fn fields(steps: Vec<Step>) -> Node {
    let (root, rest) = match &steps[0].select {
        Select::Name(_) => (Some(Root::Context), steps.as_slice()),
        Select::Node(Node::Context) => (Some(Root::Context), &steps[1..]),
        Select::Node(Node::Source(source)) => (Some(Root::Source(source.clone())), &steps[1..]),
        Select::Node(Node::Local(slot)) => (Some(Root::Local(*slot)), &steps[1..]),
        Select::Node(_) => (None, steps.as_slice()),
    };
    let name = |step: &Step| match &step.select {
        Select::Name(name) => Some(name.clone()),
        Select::Node(_) => None,
    };
    let names: Option<Box<[_]>> = rest.iter().map(name).collect();
    match (root, names) {
        (Some(root), Some(names)) if steps.iter().all(|step| step.predicates.is_empty()) => {
            Node::Fields(Box::new(Fields { root, names, steps: steps.into() }))
        }
        _ => Node::Path(steps.into()),
    }
}

/// Whether a function with this body gives a sequence that is left as it is, because it comes from a call in tail position:
/// a sequence of one inside of others.
fn gives_raw_sequence(body: &AstNode) -> bool {
    match body {
        AstNode::Function { name, .. } => !Function::gives_no_sequence(name),
        AstNode::Conditional { then_branch, else_branch, .. } => {
            gives_raw_sequence(then_branch) || else_branch.as_deref().is_some_and(gives_raw_sequence)
        }
        AstNode::Block(items) => items.last().is_some_and(gives_raw_sequence),
        AstNode::Binary { op: BinaryOp::ChainPipe, .. } => true,
        _ => false,
    }
}
