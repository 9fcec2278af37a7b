//! State machines: the whole definition, branches of a Parallel state, item processors of a Map state.

use super::{
    Fields, Location, Reader, Scope,
    fields::{Range, Table, Use, expected},
};
use crate::{
    asl::{
        code,
        definition::{QueryLanguage, StateMachine},
        validate::graph::{Field, Graph},
    },
    model::machine_type::MachineType,
    value::{ValueRef, View},
};

/// How deep machines may stand inside machines. AWS has a limit (`TOO_DEEPLY_NESTED`) and does not say which.
pub const MAX_NESTED_MACHINES: usize = 32;

const TOP: Table = &[
    ("Comment", Use::Both),
    ("QueryLanguage", Use::Both),
    ("StartAt", Use::Both),
    ("States", Use::Both),
    ("TimeoutSeconds", Use::Both),
    ("Version", Use::Both),
];
const BRANCH: Table = &[("Comment", Use::Both), ("StartAt", Use::Both), ("States", Use::Both)];
const ITEM_PROCESSOR: Table = &[("ProcessorConfig", Use::Both)];

/// Seconds that a machine may take. AWS takes 0 here, and only here.
const TIMEOUT_SECONDS: Range = Range::new(0, 99_999_999);

impl<'a> Reader<'a> {
    /// The whole definition.
    pub(super) fn top(&mut self, value: ValueRef<'a>, machine_type: MachineType) -> Option<StateMachine> {
        let mut fields = Fields::read(value, Location::ROOT, QueryLanguage::JsonPath, &mut self.sink)?;
        fields.allow_tables(&[TOP], &mut self.sink);
        fields.one_of("Version", &["1.0"], &mut self.sink);
        let timeout = fields.integer("TimeoutSeconds", TIMEOUT_SECONDS, &mut self.sink);
        if let Some(language) = self.query_language(&fields) {
            self.root_language = language;
        }
        fields.language = self.root_language;
        let mut machine = self.states(&fields, Scope { machine_type, depth: 0, sees_outer: false });
        machine.timeout_seconds = timeout.and_then(|seconds| u64::try_from(seconds).ok());
        Some(machine)
    }

    /// A branch of a Parallel state.
    pub(super) fn branch(&mut self, value: ValueRef<'a>, location: Location<'_>, scope: Scope) -> Option<StateMachine> {
        let fields = Fields::read(value, location, self.root_language, &mut self.sink)?;
        fields.allow_tables(&[BRANCH], &mut self.sink);
        self.nested(&fields, scope)
    }

    /// `ItemProcessor` or `Iterator`, read already by the Map state for its `ProcessorConfig`.
    pub(super) fn item_processor(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> Option<StateMachine> {
        fields.allow_tables(&[BRANCH, ITEM_PROCESSOR], &mut self.sink);
        self.nested(fields, scope)
    }

    fn nested(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> Option<StateMachine> {
        if scope.depth > MAX_NESTED_MACHINES {
            let message = format!("States are nested more than {MAX_NESTED_MACHINES} levels deep");
            self.sink.add(code::TOO_DEEPLY_NESTED, message, Some(&fields.location));
            return None;
        }
        Some(self.states(fields, scope))
    }

    /// What all machines have: `Comment`, `StartAt` and `States`.
    fn states(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> StateMachine {
        fields.require(&["StartAt", "States"], &mut self.sink);
        let comment = fields.string("Comment", &mut self.sink).map(str::to_owned);
        let start_at = fields.string("StartAt", &mut self.sink);
        let mut graph = Graph::new(scope.depth, &fields.location);
        let mut states = Vec::new();
        let states_location = fields.location.field("States");
        match fields.get("States").map(ValueRef::view) {
            Some(View::Object(entries)) => {
                self.sink.variables.enter_machine(&entries, self.root_language, scope.sees_outer);
                for (name, state) in entries.iter() {
                    self.state_name(name, &states_location.field(name));
                    graph.add_state(name);
                    states.extend(self.state(name, state, states_location.field(name), scope, &mut graph));
                }
                self.sink.variables.leave_machine();
                if graph.is_empty() {
                    self.sink.schema("Value cannot be empty", &states_location);
                }
            }
            Some(_) => expected("Object", states_location, &mut self.sink),
            None => {}
        }
        if let Some(start_at) = start_at {
            graph.add_transition(Field::StartAt, start_at);
        }
        // Inner machines are read first; the outermost is to be reported first.
        self.graphs.push(graph);
        StateMachine {
            comment,
            query_language: self.root_language,
            timeout_seconds: None,
            start_at: start_at.unwrap_or_default().to_owned(),
            states,
        }
    }

    fn state_name(&mut self, name: &'a str, location: &Location<'_>) {
        if name.chars().count() > crate::model::quota::MAX_NAME_CHARACTERS {
            let message =
                format_args!("Invalid State name: {name} exceeds the 80-character limit allowed by the service");
            self.sink.add(code::INVALID_STATE_NAME, message, Some(location));
        }
        if !self.names.insert(name) {
            self.sink.add(code::DUPLICATE_STATE_NAME, format_args!("Duplicate State name: {name}"), Some(location));
        }
    }

    /// `QueryLanguage`. What is not exactly `JSONPath` counts as JSONata, as on AWS, whatever else is said about it.
    pub(super) fn query_language(&mut self, fields: &Fields<'a, '_>) -> Option<QueryLanguage> {
        fields.get("QueryLanguage")?;
        Some(match fields.one_of("QueryLanguage", &["JSONPath", "JSONata"], &mut self.sink) {
            Some("JSONPath") => QueryLanguage::JsonPath,
            _ => QueryLanguage::Jsonata,
        })
    }
}
