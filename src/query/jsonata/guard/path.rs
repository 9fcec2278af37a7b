//! Guards of paths: what their steps expand, and the tuples of those that keep where items came from.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage, StepId};

use super::{Rewriter, boxed, is_literal, variable};

impl Rewriter {
    /// What may be an array of places is looked through for each item, and that without a look at the time.
    fn predicate(&mut self, node: AstNode) -> AstNode {
        let is_one = match &node {
            AstNode::Binary { op, .. } => *op != BinaryOp::ChainPipe,
            AstNode::Unary { .. } => true,
            other => is_literal(other),
        };
        let node = self.node(node);
        if is_one { node } else { self.call("guard:predicate", vec![node]) }
    }

    /// As [`Self::items`], of an array of whose items tuples are made.
    fn tuple_items(&mut self, items: Vec<AstNode>) -> Vec<AstNode> {
        let items = self.items(items).into_iter();
        items.map(|item| if is_literal(&item) { item } else { self.call("guard:tuples", vec![item]) }).collect()
    }

    /// A path that stays one.
    pub(super) fn path(&mut self, steps: Vec<PathStep>) -> AstNode {
        self.steps(steps).0
    }

    /// A path, and what is to be evaluated before it. Names that it binds with `@` and `#` are seen by what follows it.
    pub(super) fn steps(&mut self, steps: Vec<PathStep>) -> (AstNode, Option<AstNode>) {
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
        let is_kept = |step: &PathStep| {
            step.is_tuple || step.focus.is_some() || step.index_var.is_some() || step.ancestor_label.is_some()
        };
        let multiplies = steps.iter().any(|step| is_kept(step) || step.stages.iter().any(binds));
        self.has_tuples |= multiplies || steps.iter().any(|step| step.inner_tuple);
        let mut first_guard = None;
        let mut guarded = Vec::with_capacity(steps.len());
        for (place, (mut step, follower)) in steps.into_iter().zip(followers).enumerate() {
            step.node = match step.node {
                AstNode::Variable(name) if place > 0 && multiplies => {
                    let value = self.value_of(name);
                    AstNode::FunctionApplication(boxed(self.call("guard:tuples", vec![value])))
                }
                node @ (AstNode::Name(_) | AstNode::Wildcard | AstNode::Descendant) if place > 0 && multiplies => {
                    let path = AstNode::Path { steps: vec![PathStep::new(node)] };
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
                AstNode::Array(items) if multiplies => AstNode::Array(self.tuple_items(items)),
                AstNode::ArrayGroup(items) if multiplies => AstNode::ArrayGroup(self.tuple_items(items)),
                node @ (AstNode::Function { .. } | AstNode::Call { .. } | AstNode::Conditional { .. })
                    if place > 0 && multiplies =>
                {
                    let node = self.node(node);
                    self.call("guard:tuples", vec![node])
                }
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
                    let mut guarded = self.call(guard, vec![inner]);
                    if multiplies {
                        guarded = self.call("guard:tuples", vec![guarded]);
                    }
                    AstNode::FunctionApplication(boxed(guarded))
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
                    Stage::Filter(predicate) => Stage::Filter(boxed(self.predicate(*predicate))),
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
            AstNode::Array(items) => AstNode::Array(self.tuple_items(items)),
            AstNode::ArrayGroup(items) => AstNode::ArrayGroup(self.tuple_items(items)),
            node @ (AstNode::Function { .. } | AstNode::Call { .. } | AstNode::Conditional { .. }) => {
                let node = self.node(node);
                self.call("guard:tuples", vec![node])
            }
            other => self.bare(other),
        }
    }
}
