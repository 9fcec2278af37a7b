//! What expressions of a strand can see: its data, its variables, the context object.

use std::cell::OnceCell;

use super::execution::{Execution, Strand, StrandId};
use crate::{
    Value,
    model::time::iso8601_ms,
    program::{Program, StateType},
    query::{Environment, jsonata::JsonataEnvironment},
    value::{ObjectBuilder, Text},
};

/// The view of one strand while an expression is evaluated.
pub(super) struct View<'a> {
    pub(super) program: &'a Program,
    pub(super) execution: &'a Execution,
    pub(super) strand: StrandId,
    /// `$`.
    pub(super) input: &'a Value,
    /// `$$.Map.Item`, while an `ItemSelector` is evaluated for it.
    pub(super) item: Option<(usize, &'a Value)>,
    context: OnceCell<Value>,
}

impl<'a> View<'a> {
    pub(super) fn new(program: &'a Program, execution: &'a Execution, strand: StrandId, input: &'a Value) -> Self {
        Self { program, execution, strand, input, item: None, context: OnceCell::new() }
    }

    pub(super) fn with_item(mut self, index: usize, value: &'a Value) -> Self {
        self.item = Some((index, value));
        self
    }

    /// Calls `visit` with the strand and those around it, from the inside out, until it has an answer.
    fn outward<T>(&self, mut visit: impl FnMut(&'a Strand) -> Option<T>) -> Option<T> {
        let mut at = Some(self.strand);
        while let Some(id) = at {
            let strand = &self.execution.strands[id.index()];
            if let Some(found) = visit(strand) {
                return Some(found);
            }
            at = strand.parent;
        }
        None
    }

    /// The context object (Developer Guide, "Accessing execution data from the Context object").
    fn make_context(&self) -> Value {
        let start = &self.execution.start;
        let strand = &self.execution.strands[self.strand.index()];
        let mut execution = ObjectBuilder::with_capacity(6);
        execution.push("Id".into(), start.name.arn(&start.machine).into());
        execution.push("Input".into(), start.input.clone());
        execution.push("Name".into(), start.name.name().into());
        execution.push("RoleArn".into(), start.machine.role_arn.as_str().into());
        execution.push("StartTime".into(), iso8601_ms(self.execution.start_time_ms).into());
        if !start.synchronous {
            execution.push("RedriveCount".into(), Value::from(0));
        }
        let mut state = ObjectBuilder::with_capacity(3);
        state.push("Name".into(), self.program.state(strand.state).name.clone().into());
        state.push("EnteredTime".into(), iso8601_ms(strand.entered_time_ms).into());
        if matches!(self.program.state(strand.state).kind, StateType::Task | StateType::Parallel | StateType::Map) {
            state.push("RetryCount".into(), Value::from(strand.attempts.iter().sum::<u64>()));
        }
        let machine = Value::object([
            ("Id", Value::from(start.machine.arn.as_str())),
            ("Name", Value::from(start.machine.name.as_str())),
        ]);
        let mut context = ObjectBuilder::with_capacity(4);
        context.push("Execution".into(), execution.finish());
        context.push("StateMachine".into(), machine);
        context.push("State".into(), state.finish());
        let around = || self.outward(|strand| strand.item.as_ref().map(|item| (strand.place as usize, item)));
        if let Some((index, value)) = self.item.or_else(around) {
            let item = Value::object([("Index", Value::from(index)), ("Value", value.clone())]);
            context.push("Map".into(), Value::object([("Item", item)]));
        }
        context.finish()
    }
}

impl Environment for View<'_> {
    fn input(&self) -> &Value {
        self.input
    }

    fn context(&self) -> &Value {
        self.context.get_or_init(|| self.make_context())
    }

    /// Inner scopes read the variables of outer ones (Developer Guide, "Passing data between states with variables").
    fn variable(&self, name: &str) -> Option<&Value> {
        self.outward(|strand| strand.variables.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value))
    }

    fn random(&self) -> u64 {
        self.execution.next_random()
    }
}

impl View<'_> {
    fn of_strand(&self) -> &Strand {
        &self.execution.strands[self.strand.index()]
    }
}

impl JsonataEnvironment for View<'_> {
    fn input(&self) -> Option<&Value> {
        Some(&self.of_strand().input)
    }

    /// There is one behind the work of a Task, Parallel or Map state, until a catcher has its turn.
    fn result(&self) -> Option<&Value> {
        let strand = self.of_strand();
        (strand.has_result && !strand.caught).then_some(self.input)
    }

    fn error_output(&self) -> Option<&Value> {
        self.of_strand().caught.then_some(self.input)
    }

    fn context(&self) -> Option<&Value> {
        Some(Environment::context(self))
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        Environment::variable(self, name)
    }

    fn random(&self) -> u64 {
        self.execution.next_random()
    }

    fn now_ms(&self) -> u64 {
        self.execution.now_ms
    }
}

/// Sets variables of a strand: the members of an object.
pub(super) fn assign(variables: &mut Vec<(Text, Value)>, values: &Value) {
    let crate::value::View::Object(values) = values.view() else { return };
    for (name, value) in values.iter() {
        match variables.iter_mut().find(|(key, _)| key.as_str() == name) {
            Some((_, old)) => *old = value.to_value(),
            None => variables.push((Text::from(name), value.to_value())),
        }
    }
}
