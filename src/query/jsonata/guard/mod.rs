//! Holds back what can run away in `jsonata-core`, by rewriting an expression before it is run there.
//!
//! The base checks time, depth and the length of some sequences between its steps. A single step of it can still build
//! without bound: `&` doubles strings, `[$a, $a]` arrays, `$join` multiplies, `**` expands what is shared. So each such step
//! is given a guard: a function of ours, called in the expression, that charges what the step is about to build, and that
//! otherwise hands on its first argument. The guards' names cannot be written in JSONata.
//!
//! What is charged is never given back, so [`limits::MAX_BUILT_BYTES`](super::limits::MAX_BUILT_BYTES) bounds the memory
//! whatever an expression does. What no guard charges costs the base at least about 100 ns for each 40 bytes, and so is
//! bounded by time.

mod call;
mod hosts;
mod measure;
mod path;

use jsonata_core::ast::{AstNode, BinaryOp};

pub(super) use self::hosts::{ARRAY_BYTES, register};
use super::functions;

/// An expression with guards, and the names of the functions of ours that it calls.
pub(super) struct Guarded {
    pub(super) ast: AstNode,
    pub(super) functions: Vec<Box<str>>,
}

/// Puts guards into an expression, whose nesting has been checked.
pub(super) fn guard(ast: AstNode) -> Guarded {
    let mut rewriter = Rewriter { functions: Vec::new(), scopes: vec![Vec::new()], temporaries: 0, has_tuples: false };
    let mut ast = rewriter.node(ast);
    if rewriter.has_tuples {
        // Once there were tuples, the base makes all of the result anew, and what is shared in it as often as it stands there.
        ast = rewriter.call("guard:print", vec![ast]);
    }
    Guarded { ast, functions: rewriter.functions }
}

struct Rewriter {
    functions: Vec<Box<str>>,
    /// Names that the expression binds, by scope: those hide functions.
    scopes: Vec<Vec<String>>,
    temporaries: usize,
    /// Whether a path keeps where its items came from.
    has_tuples: bool,
}

/// Functions that need a guard, and how many parameters they have as the callback of another function.
const GUARDED: &[(&str, usize)] = &[
    ("append", 2),
    ("base64decode", 1),
    ("base64encode", 1),
    ("boolean", 1),
    ("clone", 1),
    ("contains", 2),
    ("decodeUrl", 1),
    ("decodeUrlComponent", 1),
    ("distinct", 1),
    ("each", 2),
    ("encodeUrl", 1),
    ("encodeUrlComponent", 1),
    ("filter", 2),
    ("formatInteger", 2),
    ("formatNumber", 3),
    ("fromMillis", 3),
    ("join", 2),
    ("keys", 1),
    ("lookup", 2),
    ("lowercase", 1),
    ("map", 2),
    ("match", 3),
    ("merge", 1),
    ("not", 1),
    ("pad", 3),
    ("parseInteger", 2),
    ("replace", 4),
    ("reverse", 1),
    ("sift", 2),
    ("sort", 2),
    ("split", 3),
    ("spread", 1),
    ("string", 1),
    ("substring", 3),
    ("substringAfter", 2),
    ("substringBefore", 2),
    ("toMillis", 2),
    ("trim", 1),
    ("uppercase", 1),
];

fn variable(name: &str) -> AstNode {
    AstNode::Variable(name.to_owned())
}

fn boxed(node: AstNode) -> Box<AstNode> {
    Box::new(node)
}

/// Whether evaluating it twice costs nothing and does nothing.
fn is_simple(node: &AstNode) -> bool {
    is_literal(node) || matches!(node, AstNode::Regex { .. } | AstNode::Variable(_))
}

fn is_literal(node: &AstNode) -> bool {
    matches!(node, AstNode::String(_) | AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null)
}

/// Memory of a function that is a value: what it has besides its text, and its text as the base keeps it, of which what is
/// written to debug it gives an idea.
fn closure_bytes(function: &AstNode) -> usize {
    const FUNCTION_BYTES: usize = 700;
    const BYTES_PER_CHARACTER: usize = 8;
    FUNCTION_BYTES + BYTES_PER_CHARACTER * format!("{function:?}").len()
}

impl Rewriter {
    fn is_bound(&self, name: &str) -> bool {
        self.scopes.iter().flatten().any(|bound| bound == name)
    }

    fn bind(&mut self, name: &str) {
        self.scopes.last_mut().expect("there is always the outermost scope").push(name.to_owned());
    }

    fn scoped<T>(&mut self, names: &[String], visit: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes.push(names.to_vec());
        let result = visit(self);
        self.scopes.pop();
        result
    }

    /// A call of one of our functions.
    fn call(&mut self, name: &str, args: Vec<AstNode>) -> AstNode {
        self.named(name);
        AstNode::Function { name: name.to_owned(), args, is_builtin: true }
    }

    fn named(&mut self, name: &str) {
        if !self.functions.iter().any(|known| **known == *name) {
            self.functions.push(name.into());
        }
    }

    fn temporary(&mut self) -> String {
        self.temporaries += 1;
        format!("guard:{}", self.temporaries)
    }

    /// Guards a node. The recursion is bounded by [`super::limits::MAX_EXPRESSION_DEPTH`].
    fn node(&mut self, node: AstNode) -> AstNode {
        match node {
            AstNode::Path { steps } => {
                let fresh = steps.len() > 1 || steps.iter().any(|step| !step.stages.is_empty());
                let (path, first_guard) = self.steps(steps);
                let path = match first_guard {
                    Some(guard) => AstNode::Block(vec![guard, path]),
                    None => path,
                };
                if fresh { self.call("guard:fresh", vec![path]) } else { path }
            }
            AstNode::Variable(name) => match self.value_of(name) {
                function @ AstNode::Lambda { .. } => self.charged(function),
                other => other,
            },
            AstNode::Binary { op, lhs, rhs } => self.binary(op, *lhs, *rhs),
            AstNode::Unary { op, operand } => AstNode::Unary { op, operand: boxed(self.node(*operand)) },
            AstNode::Function { name, args, is_builtin } => self.function(name, args, is_builtin),
            AstNode::Call { procedure, args } => {
                AstNode::Call { procedure: boxed(self.operand(*procedure)), args: self.nodes(args) }
            }
            // A function as a value, of which there may be as many as there are items.
            AstNode::Lambda { .. } => {
                let function = self.operand(node);
                self.charged(function)
            }
            AstNode::Array(items) => AstNode::Array(self.items(items)),
            AstNode::ArrayGroup(items) => AstNode::ArrayGroup(self.items(items)),
            AstNode::Object(pairs) => AstNode::Object(self.pairs(pairs)),
            AstNode::ObjectTransform { input, pattern } => {
                let input = boxed(self.bare(*input));
                AstNode::ObjectTransform { input, pattern: self.pairs(pattern) }
            }
            AstNode::Block(items) => AstNode::Block(self.scoped(&[], |rewriter| rewriter.block(items))),
            AstNode::Conditional { condition, then_branch, else_branch } => AstNode::Conditional {
                condition: boxed(self.condition(*condition)),
                then_branch: boxed(self.node(*then_branch)),
                else_branch: else_branch.map(|node| boxed(self.node(*node))),
            },
            AstNode::FunctionApplication(inner) => AstNode::FunctionApplication(boxed(self.node(*inner))),
            AstNode::Sort { input, terms } => {
                AstNode::Sort { input: boxed(self.bare(*input)), terms: self.terms(terms) }
            }
            AstNode::Transform { location, update, delete } => {
                let location = self.node(*location);
                AstNode::Transform {
                    location: boxed(self.call("guard:located", vec![location])),
                    update: boxed(self.bare(*update)),
                    delete: delete.map(|node| boxed(self.node(*node))),
                }
            }
            other => other,
        }
    }

    /// A node in a place where a function must stay one: arguments and what is called.
    fn operand(&mut self, node: AstNode) -> AstNode {
        match node {
            AstNode::Lambda { params, body, signature, thunk } => {
                let body = self.scoped(&params, |rewriter| boxed(rewriter.node(*body)));
                AstNode::Lambda { params, body, signature, thunk }
            }
            AstNode::Variable(name) => self.value_of(name),
            other => self.node(other),
        }
    }

    /// The charge for a function that becomes a value: the base copies its text into each.
    fn closure_charge(&mut self, function: &AstNode) -> AstNode {
        let bytes = AstNode::Number(closure_bytes(function) as f64);
        self.call("guard:closure", vec![bytes])
    }

    /// A guarded function, charged.
    fn charged(&mut self, function: AstNode) -> AstNode {
        AstNode::Block(vec![self.closure_charge(&function), function])
    }

    fn nodes(&mut self, nodes: Vec<AstNode>) -> Vec<AstNode> {
        nodes.into_iter().map(|node| self.node(node)).collect()
    }

    fn operands(&mut self, nodes: Vec<AstNode>) -> Vec<AstNode> {
        nodes.into_iter().map(|node| self.operand(node)).collect()
    }

    /// The items of a block. Functions that it binds are charged before it binds them.
    fn block(&mut self, items: Vec<AstNode>) -> Vec<AstNode> {
        let mut guarded = Vec::with_capacity(items.len());
        for item in items {
            let item = self.node(item);
            if let AstNode::Binary { op: BinaryOp::ColonEqual, rhs, .. } = &item
                && matches!(**rhs, AstNode::Lambda { .. })
            {
                guarded.push(self.closure_charge(rhs));
            }
            guarded.push(item);
        }
        guarded
    }

    /// The terms of a sort. With the first is charged what is sorted; the keys of many are charged themselves, those of few
    /// take less than that.
    fn terms(&mut self, terms: Vec<(AstNode, bool)>) -> Vec<(AstNode, bool)> {
        const FEW_TERMS: usize = 4;
        let are_many = terms.len() > FEW_TERMS;
        let mut guarded = Vec::with_capacity(terms.len());
        for (place, (term, ascending)) in terms.into_iter().enumerate() {
            let term = self.node(term);
            let term = match place {
                0 => self.call("guard:sorted", vec![term]),
                _ if are_many => self.call("guard:key", vec![term]),
                _ => term,
            };
            guarded.push((term, ascending));
        }
        guarded
    }

    /// A node in a place where a path must stay one.
    fn bare(&mut self, node: AstNode) -> AstNode {
        match node {
            AstNode::Path { steps } => self.path(steps),
            other => self.node(other),
        }
    }

    /// What is taken for true or false: arrays are looked through for something true.
    fn condition(&mut self, node: AstNode) -> AstNode {
        let is_plain = matches!(&node, AstNode::Binary { op, .. } if *op != BinaryOp::ChainPipe);
        let node = self.node(node);
        if is_plain || is_literal(&node) { node } else { self.call("guard:tree", vec![node]) }
    }

    /// The items of an array constructor, which are copied into it.
    fn items(&mut self, items: Vec<AstNode>) -> Vec<AstNode> {
        items
            .into_iter()
            .map(|item| match item {
                AstNode::Array(inner) => AstNode::Array(self.items(inner)),
                literal if is_literal(&literal) => literal,
                AstNode::Binary { op: BinaryOp::Range, .. } => self.node(item),
                other => {
                    let node = self.bare(other);
                    self.call("guard:items", vec![node])
                }
            })
            .collect()
    }

    fn pairs(&mut self, pairs: Vec<(AstNode, AstNode)>) -> Vec<(AstNode, AstNode)> {
        pairs
            .into_iter()
            .map(|(key, value)| {
                let key = self.node(key);
                (self.call("guard:entry", vec![key]), self.node(value))
            })
            .collect()
    }

    /// A function that is named as a value becomes one of ours that calls it with its guards.
    fn value_of(&mut self, name: String) -> AstNode {
        let arity = GUARDED.iter().find(|(guarded, _)| *guarded == name).map(|(_, arity)| *arity);
        match arity {
            Some(arity) if !self.is_bound(&name) => {
                let params: Vec<String> = (0..arity).map(|place| format!("guard:{name} {place}")).collect();
                let args = params.iter().map(|param| variable(param)).collect();
                let body = boxed(self.function(name, args, true));
                AstNode::Lambda { params, body, signature: None, thunk: true }
            }
            _ => {
                if !self.is_bound(&name) && functions::is_function(&name) {
                    self.named(&name);
                }
                AstNode::Variable(name)
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, lhs: AstNode, rhs: AstNode) -> AstNode {
        match op {
            BinaryOp::Concatenate => {
                let args = vec![self.node(lhs), self.node(rhs)];
                self.call("guard:concatenate", args)
            }
            BinaryOp::Range => {
                let args = vec![self.node(lhs), self.node(rhs)];
                self.call("guard:range", args)
            }
            BinaryOp::Equal | BinaryOp::NotEqual if !is_literal(&lhs) && !is_literal(&rhs) => {
                let (lhs, rhs) = (self.node(lhs), self.node(rhs));
                let lhs = self.call("guard:tree", vec![lhs]);
                let rhs = self.call("guard:tree", vec![rhs]);
                AstNode::Binary { op, lhs: boxed(lhs), rhs: boxed(rhs) }
            }
            BinaryOp::And | BinaryOp::Or => {
                AstNode::Binary { op, lhs: boxed(self.condition(lhs)), rhs: boxed(self.condition(rhs)) }
            }
            BinaryOp::ColonEqual => {
                let name = match &lhs {
                    AstNode::Variable(name) => Some(name.clone()),
                    _ => None,
                };
                if let (Some(name), AstNode::Lambda { .. }) = (&name, &rhs) {
                    self.bind(name);
                }
                let rhs = boxed(self.operand(rhs));
                if let Some(name) = &name {
                    self.bind(name);
                }
                AstNode::Binary { op, lhs: boxed(lhs), rhs }
            }
            BinaryOp::ChainPipe => self.chain(lhs, rhs),
            _ => AstNode::Binary { op, lhs: boxed(self.node(lhs)), rhs: boxed(self.node(rhs)) },
        }
    }

    /// `lhs ~> rhs`. A guarded function's call gets its first argument, so that it can be guarded.
    fn chain(&mut self, lhs: AstNode, rhs: AstNode) -> AstNode {
        let is_guarded = self.is_guarded_call(&rhs);
        match rhs {
            AstNode::Function { name, mut args, is_builtin } if is_guarded => {
                args.insert(0, lhs);
                self.function(name, args, is_builtin)
            }
            AstNode::Transform { .. } => {
                let lhs = self.node(lhs);
                let lhs = self.call("guard:print", vec![lhs]);
                AstNode::Binary { op: BinaryOp::ChainPipe, lhs: boxed(lhs), rhs: boxed(self.node(rhs)) }
            }
            // `x ~> $f(a)[0]` is `$f(x, a)[0]`.
            AstNode::Path { mut steps } if steps.len() == 1 && self.is_guarded_call(&steps[0].node) => {
                if let AstNode::Function { args, .. } = &mut steps[0].node {
                    args.insert(0, lhs);
                }
                self.path(steps)
            }
            // A function before it makes one of both.
            AstNode::Lambda { .. } | AstNode::Variable(_) => {
                let (lhs, rhs) = (self.operand(lhs), self.operand(rhs));
                let bytes = AstNode::Number((closure_bytes(&lhs) + closure_bytes(&rhs)) as f64);
                let lhs = self.call("guard:composed", vec![lhs, bytes]);
                AstNode::Binary { op: BinaryOp::ChainPipe, lhs: boxed(lhs), rhs: boxed(rhs) }
            }
            _ => AstNode::Binary { op: BinaryOp::ChainPipe, lhs: boxed(self.operand(lhs)), rhs: boxed(self.bare(rhs)) },
        }
    }

    /// Whether a node is a call of a function that needs a guard, with all its arguments.
    fn is_guarded_call(&self, node: &AstNode) -> bool {
        matches!(node, AstNode::Function { name, args, is_builtin: true }
            if GUARDED.iter().any(|(guarded, _)| guarded == name)
                && !self.is_bound(name)
                && !args.iter().any(|arg| matches!(arg, AstNode::Placeholder)))
    }
}
