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

mod hosts;
mod measure;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, StepId};

pub(super) use self::hosts::{ARRAY_BYTES, register};
use super::functions;

/// An expression with guards, and the names of the functions of ours that it calls.
pub(super) struct Guarded {
    pub(super) ast: AstNode,
    pub(super) functions: Vec<Box<str>>,
}

/// Puts guards into an expression, whose nesting has been checked.
pub(super) fn guard(ast: AstNode) -> Guarded {
    let mut rewriter = Rewriter { functions: Vec::new(), scopes: vec![Vec::new()], temporaries: 0 };
    let ast = rewriter.node(ast);
    Guarded { ast, functions: rewriter.functions }
}

struct Rewriter {
    functions: Vec<Box<str>>,
    /// Names that the expression binds, by scope: those hide functions.
    scopes: Vec<Vec<String>>,
    temporaries: usize,
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
            AstNode::Variable(name) => self.value_of(name),
            AstNode::Binary { op, lhs, rhs } => self.binary(op, *lhs, *rhs),
            AstNode::Unary { op, operand } => AstNode::Unary { op, operand: boxed(self.node(*operand)) },
            AstNode::Function { name, args, is_builtin } => self.function(name, args, is_builtin),
            AstNode::Call { procedure, args } => {
                AstNode::Call { procedure: boxed(self.operand(*procedure)), args: self.operands(args) }
            }
            // A function as a value, of which there may be as many as there are items.
            AstNode::Lambda { .. } => {
                let function = self.operand(node);
                AstNode::Block(vec![self.call("guard:closure", Vec::new()), function])
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
            AstNode::Transform { location, update, delete } => AstNode::Transform {
                location: boxed(self.node(*location)),
                update: boxed(self.bare(*update)),
                delete: delete.map(|node| boxed(self.node(*node))),
            },
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
            other => self.node(other),
        }
    }

    fn operands(&mut self, nodes: Vec<AstNode>) -> Vec<AstNode> {
        nodes.into_iter().map(|node| self.operand(node)).collect()
    }

    /// The items of a block. Functions that it binds are charged before it binds them.
    fn block(&mut self, items: Vec<AstNode>) -> Vec<AstNode> {
        let mut guarded = Vec::with_capacity(items.len());
        for item in items {
            if let AstNode::Binary { op: BinaryOp::ColonEqual, rhs, .. } = &item
                && matches!(**rhs, AstNode::Lambda { .. })
            {
                guarded.push(self.call("guard:closure", Vec::new()));
            }
            guarded.push(self.node(item));
        }
        guarded
    }

    /// The terms of a sort. The keys of many are charged; those of few take less than what is sorted.
    fn terms(&mut self, terms: Vec<(AstNode, bool)>) -> Vec<(AstNode, bool)> {
        const FEW_TERMS: usize = 4;
        let is_charged = terms.len() > FEW_TERMS;
        let mut guarded = Vec::with_capacity(terms.len());
        for (term, ascending) in terms {
            let term = self.node(term);
            guarded.push((if is_charged { self.call("guard:key", vec![term]) } else { term }, ascending));
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

    /// As [`Self::items`], of an array of whose items tuples are made.
    fn tuple_items(&mut self, items: Vec<AstNode>) -> Vec<AstNode> {
        let items = self.items(items).into_iter();
        items.map(|item| if is_literal(&item) { item } else { self.call("guard:tuples", vec![item]) }).collect()
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
                let lhs = self.operand(lhs);
                let lhs = self.call("guard:composed", vec![lhs]);
                AstNode::Binary { op: BinaryOp::ChainPipe, lhs: boxed(lhs), rhs: boxed(self.operand(rhs)) }
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

    /// A path that stays one.
    fn path(&mut self, steps: Vec<PathStep>) -> AstNode {
        self.steps(steps).0
    }

    /// A path, and what is to be evaluated before it. Names that it binds with `@` and `#` are seen by what follows it.
    fn steps(&mut self, steps: Vec<PathStep>) -> (AstNode, Option<AstNode>) {
        let expands = |step: Option<&PathStep>| match step.map(|step| &step.node) {
            None => None,
            Some(AstNode::Wildcard | AstNode::Descendant) => Some("guard:print"),
            Some(_) => Some("guard:tree"),
        };
        // Whether `*` or `**` comes anywhere behind a step.
        let last_expansion =
            steps.iter().rposition(|step| matches!(step.node, AstNode::Wildcard | AstNode::Descendant)).unwrap_or(0);
        let followers: Vec<_> = (0..steps.len())
            .map(|place| if place < last_expansion { Some("guard:print") } else { expands(steps.get(place + 1)) })
            .collect();
        // `@` keeps what a step starts from, so that steps multiply, `#` what place it had, and `%` what is around it.
        let binds = |stage: &Stage| matches!(stage, Stage::Index(_));
        let is_kept =
            |step: &PathStep| step.focus.is_some() || step.index_var.is_some() || step.ancestor_label.is_some();
        let multiplies = steps.iter().any(|step| is_kept(step) || step.stages.iter().any(binds));
        let mut first_guard = None;
        let mut guarded = Vec::with_capacity(steps.len());
        for (place, (mut step, follower)) in steps.into_iter().zip(followers).enumerate() {
            step.node = match step.node {
                AstNode::Variable(name) if place > 0 && multiplies => {
                    let value = self.value_of(name);
                    AstNode::FunctionApplication(boxed(self.call("guard:tuples", vec![value])))
                }
                AstNode::Name(name) if place > 0 && multiplies => {
                    let path = AstNode::Path { steps: vec![PathStep::new(AstNode::Name(name))] };
                    AstNode::FunctionApplication(boxed(self.call("guard:tuples", vec![path])))
                }
                AstNode::Variable(name) if place == 0 => {
                    let mut checked = variable(&name);
                    if let (Some(guard), true) = (follower, self.is_bound(&name)) {
                        checked = self.call(guard, vec![checked]);
                    }
                    if multiplies {
                        checked = self.call("guard:tuples", vec![checked]);
                    }
                    if matches!(checked, AstNode::Function { .. }) {
                        first_guard = Some(checked);
                    }
                    self.value_of(name)
                }
                AstNode::Name(name) if place == 0 && multiplies => {
                    let path = AstNode::Path { steps: vec![PathStep::new(AstNode::Name(name.clone()))] };
                    first_guard = Some(self.call("guard:tuples", vec![path]));
                    AstNode::Name(name)
                }
                AstNode::Array(items) if place == 0 && multiplies => AstNode::Array(self.tuple_items(items)),
                AstNode::Block(_) if step.is_tuple || step.inner_tuple => self.tuple_step(step.node),
                AstNode::Block(items) if place == 0 => {
                    let mut items = self.scoped(&[], |rewriter| rewriter.block(items));
                    if let Some(guard) = follower
                        && let Some(last) = items.pop()
                    {
                        items.push(self.call(guard, vec![last]));
                    }
                    if multiplies && let Some(last) = items.pop() {
                        items.push(self.call("guard:tuples", vec![last]));
                    }
                    AstNode::Block(items)
                }
                AstNode::Function { name, args, is_builtin } if place == 0 => {
                    let mut call = self.function(name, args, is_builtin);
                    if let Some(guard) = follower {
                        call = self.call(guard, vec![call]);
                    }
                    if multiplies { self.call("guard:tuples", vec![call]) } else { call }
                }
                AstNode::FunctionApplication(inner) if step.is_tuple || step.inner_tuple => {
                    AstNode::FunctionApplication(boxed(self.tuple_step(*inner)))
                }
                AstNode::FunctionApplication(inner) => {
                    let inner = self.bare(*inner);
                    let guard = if follower.is_some() { "guard:print" } else { "guard:items" };
                    AstNode::FunctionApplication(boxed(self.call(guard, vec![inner])))
                }
                AstNode::Variable(name) if !step.is_tuple && !name.is_empty() => {
                    let value = self.value_of(name);
                    let guard = if follower.is_some() { "guard:print" } else { "guard:items" };
                    AstNode::FunctionApplication(boxed(self.call(guard, vec![value])))
                }
                AstNode::Path { steps } => self.path(steps),
                other => self.node(other),
            };
            for name in step.focus.iter().chain(&step.index_var) {
                self.bind(name);
            }
            step.stages = std::mem::take(&mut step.stages)
                .into_iter()
                .map(|stage| match stage {
                    Stage::Filter(predicate) => Stage::Filter(boxed(self.node(*predicate))),
                    Stage::Index(name) => {
                        self.bind(&name);
                        Stage::Index(name)
                    }
                    Stage::KeepArray => Stage::KeepArray,
                })
                .collect();
            step.id = StepId::default();
            guarded.push(step);
        }
        (AstNode::Path { steps: guarded }, first_guard)
    }

    /// A step whose value is a stream of tuples: what gives the stream must stay a path.
    fn tuple_step(&mut self, node: AstNode) -> AstNode {
        match node {
            AstNode::Block(items) => AstNode::Block(self.scoped(&[], |rewriter| {
                let last = items.len().saturating_sub(1);
                let tuple = |(place, item)| if place == last { rewriter.tuple_step(item) } else { rewriter.node(item) };
                items.into_iter().enumerate().map(tuple).collect()
            })),
            AstNode::FunctionApplication(inner) => AstNode::FunctionApplication(boxed(self.tuple_step(*inner))),
            other => self.bare(other),
        }
    }

    /// A call.
    fn function(&mut self, name: String, args: Vec<AstNode>, is_builtin: bool) -> AstNode {
        if !is_builtin || self.is_bound(&name) {
            return AstNode::Function { name, args: self.operands(args), is_builtin };
        }
        if functions::is_function(&name) {
            self.named(&name);
        }
        if args.iter().any(|arg| matches!(arg, AstNode::Placeholder)) {
            return self.partial(name, args);
        }
        let mut args = self.operands(args);
        let first = match name.as_str() {
            "string" if args.len() > 1 => "guard:pretty",
            "string" | "clone" | "lookup" => "guard:print",
            "boolean" | "not" => "guard:tree",
            "uppercase" | "lowercase" | "trim" | "substring" | "substringBefore" | "substringAfter"
            | "base64encode" | "base64decode" | "encodeUrl" | "encodeUrlComponent" | "decodeUrl"
            | "decodeUrlComponent" => "guard:text",
            "reverse" | "keys" | "map" | "filter" | "each" | "sift" => "guard:items",
            "spread" => "guard:spread",
            "sort" => {
                if let Some(AstNode::Lambda { body, .. }) = args.get_mut(1)
                    && is_simple(body)
                {
                    // The base looks at the time in every step but those that are a mere value.
                    let simple = std::mem::replace(&mut **body, AstNode::Null);
                    **body = AstNode::Block(vec![simple]);
                }
                "guard:items"
            }
            "merge" => "guard:entries",
            "append" => {
                args = args.into_iter().map(|arg| self.call("guard:items", vec![arg])).collect();
                ""
            }
            // Named directly, the base looks for a variable without a name.
            "exists" if matches!(args.as_slice(), [AstNode::Variable(name)] if name.is_empty()) => {
                args = vec![AstNode::Block(args)];
                ""
            }
            "distinct" if args.len() == 1 => return self.call("guard:distinct", args),
            "formatNumber" | "parseInteger" => {
                // With the context as its first argument, the picture is the only one.
                args = args.into_iter().map(|arg| self.call("guard:picture", vec![arg])).collect();
                ""
            }
            "fromMillis" | "toMillis" => {
                args = args.into_iter().map(|arg| self.call("guard:date picture", vec![arg])).collect();
                ""
            }
            "formatInteger" if !args.is_empty() => return self.format_integer(args),
            "now" if !args.is_empty() => {
                self.named("millis");
                args = args.into_iter().map(|arg| self.call("guard:date picture", vec![arg])).collect();
                args.insert(0, AstNode::Function { name: "millis".into(), args: Vec::new(), is_builtin: true });
                return AstNode::Function { name: "fromMillis".into(), args, is_builtin: true };
            }
            "join" | "split" | "match" | "contains" => return self.over_text(name, args),
            "replace" if args.len() > 2 => return self.replace(args),
            _ => "",
        };
        if !first.is_empty() {
            if let Some(arg) = args.first_mut() {
                let guarded = std::mem::replace(arg, AstNode::Null);
                *arg = self.call(first, vec![guarded]);
            } else if name == "string" {
                // Over the context.
                let context = self.call(first, vec![variable("")]);
                return AstNode::Block(vec![context, AstNode::Function { name, args, is_builtin }]);
            }
        }
        AstNode::Function { name, args, is_builtin }
    }

    /// `$f(?, x)`: for guarded functions a function that calls it with its guards, what is given bound beforehand.
    fn partial(&mut self, name: String, args: Vec<AstNode>) -> AstNode {
        if !GUARDED.iter().any(|(guarded, _)| *guarded == name) {
            let args = self.operands(args);
            let partial = AstNode::Function { name, args, is_builtin: true };
            return AstNode::Block(vec![self.call("guard:closure", Vec::new()), partial]);
        }
        let (mut params, mut bindings, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for arg in args {
            let temporary = self.temporary();
            given.push(variable(&temporary));
            if matches!(arg, AstNode::Placeholder) {
                params.push(temporary);
            } else {
                bindings.push((temporary, arg));
            }
        }
        let mut items: Vec<AstNode> = bindings.into_iter().map(|(name, arg)| self.binding(&name, arg, true)).collect();
        let body = boxed(self.function(name, given, true));
        items.push(self.call("guard:closure", Vec::new()));
        items.push(AstNode::Lambda { params, body, signature: None, thunk: true });
        AstNode::Block(items)
    }

    fn binding(&mut self, name: &str, value: AstNode, guard: bool) -> AstNode {
        let value = if guard { self.operand(value) } else { value };
        AstNode::Binary { op: BinaryOp::ColonEqual, lhs: boxed(variable(name)), rhs: boxed(value) }
    }

    /// Binds what is not simple among guarded arguments, so that guards may look at it too.
    fn bound(&mut self, args: Vec<AstNode>) -> (Vec<AstNode>, Vec<AstNode>) {
        let mut items = Vec::new();
        let args = args
            .into_iter()
            .map(|arg| {
                if is_simple(&arg) {
                    return arg;
                }
                let name = self.temporary();
                items.push(self.binding(&name, arg, false));
                variable(&name)
            })
            .collect();
        (items, args)
    }

    /// `$join`, `$split`, `$match` and `$contains`: what they build or search depends on two arguments.
    fn over_text(&mut self, name: String, args: Vec<AstNode>) -> AstNode {
        let (mut items, mut args) = self.bound(args);
        let subject = args.first().cloned().unwrap_or(AstNode::Undefined);
        let guard = format!("guard:{name}");
        let check = match args.get(1) {
            Some(second) => self.call(&guard, vec![subject, second.clone()]),
            // The context takes the place of what is missing.
            None => self.call(&guard, vec![variable(""), subject]),
        };
        if name == "join" && args.len() == 1 {
            let first = args.remove(0);
            args.push(self.call("guard:join", vec![first]));
        } else {
            items.push(check);
        }
        items.push(AstNode::Function { name, args, is_builtin: true });
        if items.len() == 1 { items.remove(0) } else { AstNode::Block(items) }
    }

    /// `$formatInteger(number, picture)`: how long the result is depends on both.
    fn format_integer(&mut self, args: Vec<AstNode>) -> AstNode {
        let (mut items, args) = self.bound(args);
        let both = match args.as_slice() {
            // The context takes the place of what is missing.
            [picture] => vec![variable(""), picture.clone()],
            several => several.to_vec(),
        };
        items.push(self.call("guard:integer", both));
        items.push(AstNode::Function { name: "formatInteger".into(), args, is_builtin: true });
        AstNode::Block(items)
    }

    /// `$replace(text, pattern, replacement, limit)`: what a function gives as a replacement is charged when it does.
    fn replace(&mut self, args: Vec<AstNode>) -> AstNode {
        // Nothing simple here: an argument that is a function must not be rewritten into a call of itself.
        let (mut items, args) = self.bound(args);
        let check = self.call("guard:replace", args.clone());
        items.push(check);
        let plain = AstNode::Function { name: "replace".into(), args: args.clone(), is_builtin: true };
        if matches!(args[2], AstNode::String(_)) {
            items.push(plain);
            return AstNode::Block(items);
        }
        let AstNode::Variable(replacement) = &args[2] else {
            items.push(plain);
            return AstNode::Block(items);
        };
        let found = self.temporary();
        let replaced = AstNode::Function { name: replacement.clone(), args: vec![variable(&found)], is_builtin: true };
        let body = boxed(self.call("guard:text", vec![replaced]));
        let charging = AstNode::Lambda { params: vec![found], body, signature: None, thunk: false };
        let mut with_function = args.clone();
        with_function[2] = charging;
        let is_function = self.call("guard:is function", vec![args[2].clone()]);
        items.push(AstNode::Conditional {
            condition: boxed(is_function),
            then_branch: boxed(AstNode::Function { name: "replace".into(), args: with_function, is_builtin: true }),
            else_branch: Some(boxed(plain)),
        });
        AstNode::Block(items)
    }
}
