//! What an expression names, found out when it is parsed: parts of `$states`, variables, and what may not be named at all.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};

use super::{base, functions, limits};
use crate::query::SyntaxError;

/// What an expression names of its environment. Names that it binds itself are not among these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct References {
    /// Variables, without `$`, in order of appearance. `states` is none of them.
    pub variables: Vec<Box<str>>,
    /// `$states.input`.
    pub input: bool,
    /// `$states.result`.
    pub result: bool,
    /// `$states.errorOutput`.
    pub error_output: bool,
    /// `$states.context`.
    pub context: bool,
    /// Names that are read at the top level, as in `name` or `name.first` without `$states.input.` before it, in order of
    /// appearance. Step Functions refuses these: there is no data there.
    pub top_level_names: Vec<Box<str>>,
    /// Whether `$` is read at the top level. Step Functions refuses that.
    pub top_level_data: bool,
    /// Whether `$$` is read anywhere. Step Functions refuses that.
    pub root_data: bool,
    /// What of `$states` is needed; see [`Access`].
    pub(super) states: Access,
    /// What of each variable is needed, in the order of `variables` and then builtin functions named as values.
    pub(super) variable_access: Vec<(Box<str>, Access)>,
    pub(super) random: bool,
    pub(super) clock: bool,
}

impl References {
    /// The fields of `$states` that are named, as far as they are named one by one.
    pub fn states_fields(&self) -> impl Iterator<Item = &str> {
        self.states.members.iter().map(|(name, _)| &**name)
    }
}

/// The part of a value that an expression can reach: all of it, or only some members (of an object, or of each object in an
/// array). What is not reached is not converted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Access {
    pub(super) whole: bool,
    pub(super) members: Vec<(Box<str>, Access)>,
}

impl Access {
    fn reach<'a>(&mut self, path: impl IntoIterator<Item = &'a str>) {
        let mut at = self;
        for name in path {
            let place = at.members.iter().position(|(member, _)| **member == *name).unwrap_or_else(|| {
                at.members.push((name.into(), Access::default()));
                at.members.len() - 1
            });
            at = &mut at.members[place].1;
        }
        at.whole = true;
    }

    pub(super) fn member(&self, name: &str) -> Option<&Access> {
        self.members.iter().find(|(member, _)| **member == *name).map(|(_, access)| access)
    }
}

/// Finds what `ast` names, and refuses what Step Functions does not have.
///
/// # Errors
/// As [`super::Expression::parse`].
pub(super) fn analyze(ast: &AstNode) -> Result<References, Refusal> {
    let mut walk = Walk { references: References::default(), scopes: vec![Vec::new()], depth: 0, has_parent: false };
    walk.has_parent = has_parent(ast, 0)?;
    walk.node(ast, true)?;
    let mut references = walk.references;
    let all = references.states.whole;
    let named = |name: &str| all || references.states.member(name).is_some();
    (references.input, references.result) = (named("input"), named("result"));
    (references.error_output, references.context) = (named("errorOutput"), named("context"));
    Ok(references)
}

/// Why an expression that parses is refused.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal(pub(super) String);

impl From<Refusal> for SyntaxError {
    fn from(refusal: Refusal) -> Self {
        SyntaxError { message: refusal.0, offset: 0 }
    }
}

struct Walk {
    references: References,
    /// Names that the expression binds, by scope.
    scopes: Vec<Vec<String>>,
    depth: usize,
    /// `%` is somewhere: it reaches what stands around a value, so nothing may be left out.
    has_parent: bool,
}

impl Walk {
    fn is_bound(&self, name: &str) -> bool {
        self.scopes.iter().flatten().any(|bound| bound == name)
    }

    fn bind(&mut self, name: &str) {
        self.scopes.last_mut().expect("there is always the outermost scope").push(name.to_owned());
    }

    fn scoped(
        &mut self,
        names: &[String],
        visit: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.scopes.push(names.to_vec());
        let result = visit(self);
        self.scopes.pop();
        result
    }

    fn nodes<'a>(&mut self, nodes: impl IntoIterator<Item = &'a AstNode>, top: bool) -> Result<(), Refusal> {
        nodes.into_iter().try_for_each(|node| self.node(node, top))
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)], top: bool) -> Result<(), Refusal> {
        pairs.iter().try_for_each(|(key, value)| {
            self.node(key, top)?;
            self.node(value, top)
        })
    }

    /// `top` says whether `$` is still what the whole expression is evaluated over. The recursion is bounded here.
    fn node(&mut self, node: &AstNode, top: bool) -> Result<(), Refusal> {
        self.depth += 1;
        if self.depth > limits::MAX_EXPRESSION_DEPTH {
            return Err(too_deep());
        }
        let result = self.visit(node, top);
        self.depth -= 1;
        result
    }

    fn visit(&mut self, node: &AstNode, top: bool) -> Result<(), Refusal> {
        match node {
            AstNode::String(_)
            | AstNode::Number(_)
            | AstNode::Boolean(_)
            | AstNode::Null
            | AstNode::Undefined
            | AstNode::Placeholder
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Parent(_) => Ok(()),
            AstNode::Regex { pattern, flags } => base::check_regex(pattern, flags).map_err(Refusal),
            AstNode::Name(name) => {
                if top {
                    self.top_level_name(name);
                }
                Ok(())
            }
            AstNode::Variable(name) => {
                self.variable(name, &[], top);
                self.refuse_eval(name)
            }
            AstNode::ParentVariable(_) => {
                self.references.root_data = true;
                Ok(())
            }
            AstNode::Path { steps } => self.path(steps, top),
            AstNode::Binary { op: BinaryOp::Coalesce, .. } => Err(not_in_level("??")),
            AstNode::Binary { op: BinaryOp::Default, .. } => Err(not_in_level("?:")),
            AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } => {
                // A function may call itself, so its name is bound before its body is looked at.
                let name = match &**lhs {
                    AstNode::Variable(name) => Some(name),
                    _ => None,
                };
                if let (Some(name), AstNode::Lambda { .. }) = (name, &**rhs) {
                    self.bind(name);
                }
                self.node(rhs, top)?;
                match name {
                    Some(name) => self.bind(name),
                    None => self.node(lhs, top)?,
                }
                Ok(())
            }
            AstNode::Binary { lhs, rhs, .. } => {
                self.node(lhs, top)?;
                self.node(rhs, top)
            }
            AstNode::Unary { operand, .. } => self.node(operand, top),
            AstNode::Function { name, args, is_builtin } => {
                if *is_builtin && !self.is_bound(name) {
                    self.refuse_eval(name)?;
                    self.impure(name);
                }
                if !is_builtin && top && !self.is_bound(name) {
                    self.top_level_name(name);
                }
                self.nodes(args, top)
            }
            AstNode::Call { procedure, args } => {
                self.node(procedure, top)?;
                self.nodes(args, top)
            }
            AstNode::Lambda { params, body, .. } => self.scoped(params, |walk| walk.node(body, top)),
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.nodes(items, top),
            AstNode::Object(pairs) => self.pairs(pairs, top),
            AstNode::ObjectTransform { input, pattern } => {
                self.node(input, top)?;
                self.pairs(pattern, false)
            }
            AstNode::Block(items) => self.scoped(&[], |walk| walk.nodes(items, top)),
            AstNode::Conditional { condition, then_branch, else_branch } => {
                self.node(condition, top)?;
                self.node(then_branch, top)?;
                self.nodes(else_branch.as_deref(), top)
            }
            AstNode::FunctionApplication(inner) => self.node(inner, top),
            AstNode::Sort { input, terms } => {
                self.node(input, top)?;
                self.nodes(terms.iter().map(|(term, _)| term), false)
            }
            AstNode::Transform { location, update, delete } => {
                self.node(location, false)?;
                self.node(update, false)?;
                self.nodes(delete.as_deref(), false)
            }
        }
    }

    fn path(&mut self, steps: &[PathStep], top: bool) -> Result<(), Refusal> {
        // Bindings by `@` and `#` reach the steps behind them.
        self.scopes.push(Vec::new());
        let result = self.steps(steps, top);
        let bound = self.scopes.pop().unwrap_or_default();
        // And, in what follows a path, sort terms and groups: these come behind it in the same scope.
        self.scopes.last_mut().expect("there is always the outermost scope").extend(bound);
        result
    }

    fn steps(&mut self, steps: &[PathStep], top: bool) -> Result<(), Refusal> {
        for (place, step) in steps.iter().enumerate() {
            let top = top && place == 0;
            match &step.node {
                AstNode::Variable(name) if place == 0 => {
                    self.variable(name, steps, top);
                    self.refuse_eval(name)?;
                }
                // What stands first may itself be a path or hold one.
                node => self.node(node, top)?,
            }
            for name in step.focus.iter().chain(&step.index_var) {
                self.bind(name);
            }
            for stage in &step.stages {
                match stage {
                    Stage::Filter(predicate) => self.node(predicate, false)?,
                    Stage::Index(name) => self.bind(name),
                    Stage::KeepArray => {}
                }
            }
        }
        Ok(())
    }

    /// `$name`, as the first of `steps` if there are any.
    fn variable(&mut self, name: &str, steps: &[PathStep], top: bool) {
        if name.is_empty() {
            self.references.top_level_data |= top;
            return;
        }
        if self.is_bound(name) {
            return;
        }
        self.impure(name);
        let simple = |step: &PathStep| {
            step.stages.is_empty() && step.focus.is_none() && step.index_var.is_none() && !step.is_tuple
        };
        let mut reached = Vec::new();
        if !self.has_parent && steps.first().is_some_and(simple) {
            for step in &steps[1..] {
                let AstNode::Name(member) = &step.node else { break };
                reached.push(member.as_str());
                if !simple(step) {
                    break;
                }
            }
        }
        if name == "states" {
            self.references.states.reach(reached);
            return;
        }
        if !functions::is_function(name) && !self.references.variables.iter().any(|known| **known == *name) {
            self.references.variables.push(name.into());
        }
        let accesses = &mut self.references.variable_access;
        let place = accesses.iter().position(|(known, _)| **known == *name).unwrap_or_else(|| {
            accesses.push((name.into(), Access::default()));
            accesses.len() - 1
        });
        accesses[place].1.reach(reached);
    }

    fn top_level_name(&mut self, name: &str) {
        if !self.references.top_level_names.iter().any(|known| **known == *name) {
            self.references.top_level_names.push(name.into());
        }
    }

    fn impure(&mut self, name: &str) {
        self.references.random |= matches!(name, "random" | "uuid" | "shuffle");
        self.references.clock |= matches!(name, "now" | "millis");
    }

    fn refuse_eval(&self, name: &str) -> Result<(), Refusal> {
        if name == "eval" && !self.is_bound(name) {
            return Err(Refusal("Function '$eval' is not supported.".into()));
        }
        Ok(())
    }
}

fn too_deep() -> Refusal {
    Refusal(format!("The expression nests deeper than {} levels", limits::MAX_EXPRESSION_DEPTH))
}

fn not_in_level(operator: &str) -> Refusal {
    Refusal(format!("S0201: Syntax error: \"{operator}\" is not in JSONata 2.0.6"))
}

/// Whether `%` is anywhere in `node`, which nests at most [`limits::MAX_EXPRESSION_DEPTH`] deep.
fn has_parent(node: &AstNode, depth: usize) -> Result<bool, Refusal> {
    if depth > limits::MAX_EXPRESSION_DEPTH {
        return Err(too_deep());
    }
    let mut found = matches!(node, AstNode::Parent(_));
    let mut failed = None;
    for_each_child(node, &mut |child| match has_parent(child, depth + 1) {
        Ok(has) => found |= has,
        Err(refusal) => failed = Some(refusal),
    });
    failed.map_or(Ok(found), Err)
}

/// Shows `visit` each node that stands directly in `node`.
pub(super) fn for_each_child(node: &AstNode, visit: &mut dyn FnMut(&AstNode)) {
    match node {
        AstNode::Path { steps } => {
            for step in steps {
                visit(&step.node);
                for stage in &step.stages {
                    if let Stage::Filter(predicate) = stage {
                        visit(predicate);
                    }
                }
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand: inner, .. } | AstNode::FunctionApplication(inner) => visit(inner),
        AstNode::Lambda { body, .. } => visit(body),
        AstNode::Function { args: items, .. }
        | AstNode::Array(items)
        | AstNode::ArrayGroup(items)
        | AstNode::Block(items) => items.iter().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter().for_each(visit);
        }
        AstNode::Object(pairs) => pairs.iter().for_each(|(key, value)| {
            visit(key);
            visit(value);
        }),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            for (key, value) in pattern {
                visit(key);
                visit(value);
            }
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            else_branch.iter().for_each(|node| visit(node));
        }
        AstNode::Sort { input, terms } => {
            visit(input);
            terms.iter().for_each(|(term, _)| visit(term));
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            delete.iter().for_each(|node| visit(node));
        }
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
    }
}
