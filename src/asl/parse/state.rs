//! States: the fields that several types share, and the dispatch to what each type adds.

use super::{
    Fields, Location, Reader, Scope,
    fields::{Table, Use},
};
use crate::{
    Value,
    asl::{
        definition::{QueryLanguage, Scalar, State, StateKind, Transition},
        validate::{
            assign,
            graph::{Field, Graph},
            lint, path, template,
        },
    },
    value::ValueRef,
};

const ALWAYS: Table = &[("Type", Use::Both), ("Comment", Use::Both), ("QueryLanguage", Use::Both)];
const TRANSITION: Table = &[("Next", Use::Both), ("End", Use::Both)];
const INPUT_OUTPUT: Table = &[("InputPath", Use::JsonPath), ("OutputPath", Use::JsonPath), ("Output", Use::Jsonata)];
const ASSIGN: Table = &[("Assign", Use::Both)];
const PARAMETERS: Table = &[("Parameters", Use::JsonPath), ("ResultPath", Use::JsonPath)];
const ARGUMENTS: Table = &[("Arguments", Use::Jsonata)];
const RESULT_SELECTOR: Table = &[("ResultSelector", Use::JsonPath), ("Retry", Use::Both), ("Catch", Use::Both)];
const PASS: Table = &[("Result", Use::JsonPath)];
const FAIL: Table =
    &[("Error", Use::Both), ("Cause", Use::Both), ("ErrorPath", Use::JsonPath), ("CausePath", Use::JsonPath)];
const PARALLEL: Table = &[("Branches", Use::Both)];

/// The values of `Type`, in the order in which AWS lists them.
const TYPES: [&str; 8] = ["Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map"];

/// The fields that a type of state may have (Amazon States Language, "States": the table of all fields).
fn tables(kind: &str) -> &'static [Table] {
    match kind {
        "Task" => {
            &[ALWAYS, TRANSITION, INPUT_OUTPUT, ASSIGN, PARAMETERS, ARGUMENTS, RESULT_SELECTOR, super::task::TASK]
        }
        "Wait" => &[ALWAYS, TRANSITION, INPUT_OUTPUT, ASSIGN, super::wait::WAIT],
        "Pass" => &[ALWAYS, TRANSITION, INPUT_OUTPUT, ASSIGN, PARAMETERS, PASS],
        "Succeed" => &[ALWAYS, INPUT_OUTPUT],
        "Fail" => &[ALWAYS, FAIL],
        "Choice" => &[ALWAYS, INPUT_OUTPUT, ASSIGN, super::choice::CHOICE],
        "Parallel" => &[ALWAYS, TRANSITION, INPUT_OUTPUT, ASSIGN, PARAMETERS, ARGUMENTS, RESULT_SELECTOR, PARALLEL],
        _ => &[ALWAYS, TRANSITION, INPUT_OUTPUT, ASSIGN, PARAMETERS, RESULT_SELECTOR, super::map::MAP],
    }
}

impl<'a> Reader<'a> {
    /// One state, as [`Self::state_fields`] reads it.
    pub(super) fn state(
        &mut self,
        name: &'a str,
        value: ValueRef<'a>,
        location: Location<'_>,
        scope: Scope,
        graph: &mut Graph<'a>,
    ) -> Option<State> {
        let outer = self.sink.variables.enter_state(name);
        let state = self.state_fields(name, value, location, scope, graph);
        self.sink.variables.leave_state(outer);
        state
    }

    /// One state. `None` when nothing can be read of it; its transitions go into `graph` as far as they are there.
    fn state_fields(
        &mut self,
        name: &'a str,
        value: ValueRef<'a>,
        location: Location<'_>,
        scope: Scope,
        graph: &mut Graph<'a>,
    ) -> Option<State> {
        let mut fields = Fields::read(value, location, self.root_language, &mut self.sink)?;
        if let Some(language) = self.query_language(&fields) {
            if self.root_language == QueryLanguage::Jsonata && language == QueryLanguage::JsonPath {
                self.sink.schema(
                    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
                    &fields.location,
                );
            }
            fields.language = language;
        }
        fields.string("Comment", &mut self.sink);
        let Some(kind_name) = self.kind_name(&fields) else {
            // Without a type nothing can be said about fields, but what it leads to is not to be reported as well.
            if let Some(next) = fields.get("Next").and_then(ValueRef::as_str) {
                graph.add_transition(Field::Next, next);
            }
            graph.mark_terminal();
            return None;
        };
        fields.available.result = matches!(kind_name, "Task" | "Parallel" | "Map");
        fields.allow_tables(tables(kind_name), &mut self.sink);
        let transition = match kind_name {
            "Choice" => None,
            "Succeed" | "Fail" => {
                graph.mark_terminal();
                None
            }
            _ => self.transition(&fields, graph),
        };
        let mut state = State {
            name: name.to_owned(),
            pointer: if self.sink.errors() == 0 { fields.location.to_string() } else { String::new() },
            query_language: fields.language,
            transition,
            input_path: fields.path("InputPath", &mut self.sink),
            parameters: self.template(&fields, "Parameters"),
            result_selector: self.template(&fields, "ResultSelector"),
            result_path: fields.result_path(&mut self.sink),
            output_path: fields.path("OutputPath", &mut self.sink),
            assign: self.assign(&fields),
            arguments: fields.any("Arguments", &mut self.sink),
            output: fields.any("Output", &mut self.sink),
            retry: self.retry(&fields),
            catch: self.catch(&fields, graph),
            kind: StateKind::Succeed,
        };
        state.kind = match kind_name {
            "Task" => self.task(&fields, scope),
            "Wait" => self.wait(&fields, scope),
            "Pass" => self.pass(&fields),
            "Succeed" => StateKind::Succeed,
            "Fail" => self.fail(&fields),
            "Choice" => self.choice(&fields, graph),
            "Parallel" => self.parallel(&fields, scope),
            _ => self.map(&fields, scope)?,
        };
        Some(state)
    }

    fn kind_name(&mut self, fields: &Fields<'a, '_>) -> Option<&'a str> {
        fields.require(&["Type"], &mut self.sink);
        let name = fields.string("Type", &mut self.sink)?;
        if TYPES.contains(&name) {
            return Some(name);
        }
        let types = TYPES.join(", ");
        let message = format_args!("The field 'Type' should have one of these values: [{types}]");
        self.sink.schema(message, &fields.location.field("Type"));
        None
    }

    /// `Next` or `End`. `"End": false` is as good as no `End`.
    fn transition(&mut self, fields: &Fields<'a, '_>, graph: &mut Graph<'a>) -> Option<Transition> {
        let next = fields.string("Next", &mut self.sink);
        let end = match fields.get("End") {
            None => false,
            // A value of the wrong type is reported as that, not as an `End` that is missing.
            Some(_) => fields.boolean("End", &mut self.sink).unwrap_or(!fields.has("Next")),
        };
        if end {
            graph.mark_terminal();
        }
        if end && fields.has("Next") {
            fields.at_most_one(&["Next", "End"], &mut self.sink);
        } else if !end && !fields.has("Next") {
            self.sink.schema("This object should have only one of the following fields: [Next, End]", &fields.location);
        }
        if let Some(next) = next {
            graph.add_transition(Field::Next, next);
        }
        if end { Some(Transition::End) } else { next.map(|next| Transition::Next(next.to_owned())) }
    }

    /// A payload template of a JSONPath state.
    pub(super) fn template(&mut self, fields: &Fields<'a, '_>, name: &'static str) -> Option<Value> {
        let value = fields.get(name)?;
        if !fields.is_jsonata() {
            template::check(value, &fields.location.field(name), &mut self.sink);
        }
        Some(value.to_value())
    }

    /// `Assign`.
    pub(super) fn assign(&mut self, fields: &Fields<'a, '_>) -> Option<Value> {
        let value = fields.get("Assign")?;
        assign::check(value, fields.language, fields.available, &fields.location.field("Assign"), &mut self.sink);
        Some(value.to_value())
    }

    fn pass(&mut self, fields: &Fields<'a, '_>) -> StateKind {
        let result = fields.get("Result");
        if let Some(result) = result {
            lint::static_result(result, &fields.location.field("Result"), &mut self.sink);
        }
        StateKind::Pass { result: result.map(ValueRef::to_value) }
    }

    fn fail(&mut self, fields: &Fields<'a, '_>) -> StateKind {
        StateKind::Fail {
            error: self.fail_text(fields, "Error", "ErrorPath"),
            cause: self.fail_text(fields, "Cause", "CausePath"),
        }
    }

    /// `Error` or `Cause`, or its path, which may be an intrinsic function too.
    fn fail_text(&mut self, fields: &Fields<'a, '_>, name: &'static str, path_name: &'static str) -> Option<Scalar> {
        fields.at_most_one(&[name, path_name], &mut self.sink);
        if fields.has(name) {
            let text = fields.string(name, &mut self.sink)?;
            let location = fields.location.field(name);
            if fields.is_jsonata() {
                fields.any(name, &mut self.sink);
            } else {
                lint::looks_like_path(name, text, &location, &mut self.sink);
            }
            return Some(Scalar::Literal(Value::from(text)));
        }
        let text = fields.string(path_name, &mut self.sink)?;
        if !fields.is_jsonata() {
            let location = fields.location.field(path_name);
            path::check_reference_or_intrinsic(path_name, text, &location, &mut self.sink);
        }
        Some(Scalar::Path(text.to_owned()))
    }

    fn parallel(&mut self, fields: &Fields<'a, '_>, scope: Scope) -> StateKind {
        fields.require(&["Branches"], &mut self.sink);
        let scope = Scope { depth: scope.depth + 1, sees_outer: true, ..scope };
        let mut branches = Vec::new();
        for (index, branch) in fields.array("Branches", false, &mut self.sink).into_iter().enumerate() {
            let location = fields.location.field("Branches");
            branches.extend(self.branch(branch, location.item(index), scope));
        }
        StateKind::Parallel { branches }
    }
}
