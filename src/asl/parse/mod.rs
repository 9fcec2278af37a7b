//! The text of a definition to its syntax tree, with all problems at once.
//!
//! One walk over the parsed JSON reads each field with its type, and hands paths, templates, resources and the like to
//! [`super::validate`]. It never stops at a problem. What the walk needs besides is bounded: recursion by the nesting
//! limit of the JSON parser and [`MAX_NESTED_MACHINES`], diagnostics by [`MAX_DIAGNOSTICS`].

mod choice;
mod error_handling;
pub(crate) mod fields;
pub(crate) mod location;
mod machine;
mod map;
pub(crate) mod sink;
mod state;
mod task;
pub(crate) mod variables;
mod wait;

use std::collections::HashSet;

use self::{fields::Fields, location::Location, sink::Sink};
pub use self::{machine::MAX_NESTED_MACHINES, sink::MAX_DIAGNOSTICS};
use super::{
    Checked, Diagnostic, StateMachine, code,
    definition::QueryLanguage,
    duplicate_key,
    validate::graph::{self, Graph},
};
use crate::{Value, model::machine_type::MachineType, value::View};

/// Parses and validates a definition as CreateStateMachine does for a machine of that type. Never fails: whatever is
/// wrong is in the outcome's diagnostics.
#[must_use]
pub fn check(text: &str, machine_type: MachineType) -> Checked {
    let mut sink = Sink::default();
    let definition = if text.trim_ascii().is_empty() { Ok(Value::NULL) } else { Value::parse(text) };
    let definition = match definition {
        Ok(definition) => definition,
        Err(error) => {
            let location = error.location(text);
            sink.add(code::INVALID_JSON_DESCRIPTION, error.full_message(text), Some(&location));
            return refused(sink);
        }
    };
    if !matches!(definition.view(), View::Object(_)) {
        sink.add(code::SCHEMA_VALIDATION_FAILED, "Definition must be a valid JSON object", None);
        return refused(sink);
    }
    duplicate_key::check(text, &mut sink);
    let mut reader = Reader {
        root_language: QueryLanguage::JsonPath,
        names: HashSet::new(),
        labels: HashSet::new(),
        graphs: Vec::new(),
        sink,
    };
    let machine = reader.top(definition.as_ref(), machine_type);
    graph::check(&reader.graphs, &mut reader.sink);
    let machine = machine.filter(|_| reader.sink.errors() == 0);
    let (diagnostics, variable_references) = reader.sink.finish();
    Checked { machine, diagnostics, variable_references }
}

fn refused(sink: Sink) -> Checked {
    Checked { diagnostics: sink.finish().0, ..Checked::default() }
}

/// Parses and validates a definition for a Standard workflow: [`check`] without its type.
#[must_use]
pub fn parse(text: &str) -> (Option<StateMachine>, Vec<Diagnostic>) {
    let Checked { machine, diagnostics, .. } = check(text, MachineType::Standard);
    (machine, diagnostics)
}

/// What the walk knows of the whole definition.
struct Reader<'a> {
    /// The language of states that have none of their own, at any depth.
    root_language: QueryLanguage,
    /// All state names so far: they are unique in the whole definition.
    names: HashSet<&'a str>,
    /// All labels of Map states so far.
    labels: HashSet<&'a str>,
    /// The transitions of each machine, for the checks that need all of them.
    graphs: Vec<Graph<'a>>,
    sink: Sink,
}

/// Where a machine stands.
#[derive(Clone, Copy)]
struct Scope {
    /// The type of workflow that runs it: the child executions of a Distributed Map have their own.
    machine_type: MachineType,
    /// How many machines it is inside of.
    depth: usize,
    /// Whether variables of the machines around can be read in it.
    sees_outer: bool,
}
