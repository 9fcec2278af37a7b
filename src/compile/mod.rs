//! Syntax tree to [`Program`]: one lowering per state type.
//!
//! A definition that passed [`asl::check`](crate::asl) compiles; what the checks should have found and did not is a
//! [`Diagnostic`] here, never a panic.

mod choice;
mod container;
mod fields;
mod task;
mod wait;

use std::collections::HashMap;

use crate::{
    asl::{
        Diagnostic, Severity,
        definition::{Catcher, PathField, QueryLanguage, Retrier, State, StateKind, StateMachine, Transition},
    },
    program::{
        CatcherPlan, FailPlan, Instruction, InstructionId, Program, RetrierPlan, StateId, StateInfo, StateType, Table,
    },
    value::Text,
};

/// How deep Map and Parallel states may be nested in each other: ours, so that no recursion here ends the stack.
const MAX_MACHINE_NESTING: usize = 100;

/// Compiles a definition.
///
/// # Errors
/// Diagnostics, for definitions that did not pass `asl::check` and for JSONata expressions that are none.
pub fn compile(machine: &StateMachine) -> Result<Program, Vec<Diagnostic>> {
    let mut compiler = Compiler { program: Program::default(), problems: Vec::new() };
    compiler.program.start = compiler.machine(machine, 0);
    compiler.program.timeout_ms = machine.timeout_seconds.map(|seconds| seconds.saturating_mul(1000));
    if compiler.problems.is_empty() { Ok(compiler.program) } else { Err(compiler.problems) }
}

struct Compiler {
    program: Program,
    problems: Vec<Diagnostic>,
}

/// What belongs to one (sub-)machine while it is compiled: names are only known inside it.
#[derive(Default)]
struct Scope<'a> {
    entries: HashMap<&'a str, InstructionId>,
    /// `Next` instructions whose target is not known yet.
    unresolved: Vec<(InstructionId, &'a str)>,
    /// Sub-machines to be compiled behind this machine's states.
    inner: Vec<container::Inner<'a>>,
}

impl Compiler {
    fn problem(&mut self, pointer: &str, message: impl Into<String>) {
        self.problems.push(Diagnostic {
            code: "SCHEMA_VALIDATION_FAILED",
            severity: Severity::Error,
            message: message.into(),
            location: Some(pointer.to_owned()),
            offset: None,
        });
    }

    fn emit(&mut self, instruction: Instruction) -> InstructionId {
        let place = self.here();
        self.program.instructions.push(instruction);
        place
    }

    fn here(&self) -> InstructionId {
        self.program.instructions.len().into()
    }

    /// Compiles the states of a (sub-)machine, `StartAt` first, and returns where it begins.
    fn machine(&mut self, machine: &StateMachine, depth: usize) -> InstructionId {
        let mut scope = Scope::default();
        let entry = self.here();
        if depth > MAX_MACHINE_NESTING {
            self.problem("/States", format!("Map and Parallel states nest deeper than {MAX_MACHINE_NESTING}"));
            return entry;
        }
        let (first, others): (Vec<_>, Vec<_>) = machine.states.iter().partition(|state| state.name == machine.start_at);
        if first.is_empty() {
            self.problem("/StartAt", format!("StartAt names no state: {}", machine.start_at));
        }
        for state in first.into_iter().chain(others) {
            self.state(state, &mut scope);
        }
        for (place, name) in std::mem::take(&mut scope.unresolved) {
            match scope.entries.get(name) {
                Some(entry) => self.program.instructions[place.index()] = Instruction::Next(*entry),
                None => self.problem("/States", format!("Next names no state: {name}")),
            }
        }
        for inner in scope.inner {
            self.inner(&inner, depth + 1);
        }
        entry
    }

    fn state<'a>(&mut self, state: &'a State, scope: &mut Scope<'a>) {
        let id = StateId::from(self.program.states.len());
        let entry = self.emit(Instruction::EnterState(id));
        scope.entries.insert(&state.name, entry);
        self.program.states.push(StateInfo {
            name: Text::from(state.name.as_str()),
            is_jsonata: state.query_language == QueryLanguage::Jsonata,
            kind: kind(&state.kind),
            body: self.here(),
            keeps_input: true,
            retriers: Table::default(),
            catchers: Table::default(),
        });
        self.input(state);
        match &state.kind {
            StateKind::Pass { result } => {
                self.parameters(state);
                if let Some(result) = result {
                    self.program.values.push(result.clone());
                    self.emit(Instruction::Result((self.program.values.len() - 1).into()));
                }
                self.result(state);
                self.leave(state, scope);
            }
            StateKind::Succeed => {
                self.output(state);
                self.emit(Instruction::End);
            }
            StateKind::Fail { error, cause } => {
                let plan = FailPlan {
                    error: error.as_ref().and_then(|field| self.field(state, "Error", field)),
                    cause: cause.as_ref().and_then(|field| self.field(state, "Cause", field)),
                };
                self.program.fails.push(plan);
                self.emit(Instruction::Fail((self.program.fails.len() - 1).into()));
            }
            StateKind::Wait(wait) => {
                self.wait(state, wait);
                self.assign(state, "Assign", state.assign.as_ref());
                self.leave(state, scope);
            }
            StateKind::Choice { rules, default } => self.choice(state, rules, default.as_deref(), scope),
            StateKind::Task { resource, timeout, heartbeat, credentials } => {
                self.task(state, resource, timeout.as_ref(), heartbeat.as_ref(), credentials.as_ref());
                self.result(state);
                self.leave(state, scope);
            }
            StateKind::Parallel { branches } => {
                self.parameters(state);
                self.parallel(branches, scope);
                self.result(state);
                self.leave(state, scope);
            }
            StateKind::Map(map) => {
                self.map(state, map, scope);
                self.result(state);
                self.leave(state, scope);
            }
        }
        let retriers = self.retriers(&state.retry);
        let catchers = self.catchers(state, &state.catch, scope);
        let info = &mut self.program.states[id.index()];
        let is_jsonata = info.is_jsonata;
        let asks_for_input = |instruction: &Instruction| match instruction {
            Instruction::ResultPath(_) | Instruction::DiscardResult => true,
            Instruction::Next(_) | Instruction::End => false,
            // Any expression may name `$states.input`.
            _ => is_jsonata,
        };
        info.keeps_input = !state.retry.is_empty()
            || !state.catch.is_empty()
            || self.program.instructions[info.body.index()..].iter().any(asks_for_input);
        (info.retriers, info.catchers) = (retriers, catchers);
    }

    /// Goes where `Next` or `End` says.
    fn transition<'a>(&mut self, transition: &'a Transition, scope: &mut Scope<'a>) {
        match transition {
            Transition::Next(name) => self.next(name, scope),
            Transition::End => {
                self.emit(Instruction::End);
            }
        }
    }

    fn next<'a>(&mut self, name: &'a str, scope: &mut Scope<'a>) {
        let place = self.emit(Instruction::Next(InstructionId::default()));
        scope.unresolved.push((place, name));
    }

    /// `OutputPath` and the transition.
    fn leave<'a>(&mut self, state: &'a State, scope: &mut Scope<'a>) {
        self.output(state);
        match &state.transition {
            Some(transition) => self.transition(transition, scope),
            None => self.problem(&state.pointer, "Next or End is missing"),
        }
    }

    fn retriers(&mut self, retry: &[Retrier]) -> Table {
        let start = self.program.retriers.len() as u32;
        self.program.retriers.extend(retry.iter().map(|retrier| RetrierPlan {
            error_equals: names(&retrier.error_equals),
            interval_ms: retrier.interval_seconds * 1000.0,
            max_attempts: retrier.max_attempts,
            backoff_rate: retrier.backoff_rate,
            max_delay_ms: retrier.max_delay_seconds.map(|seconds| seconds * 1000.0),
            full_jitter: retrier.full_jitter,
        }));
        Table { start, end: self.program.retriers.len() as u32 }
    }

    fn catchers<'a>(&mut self, state: &State, catch: &'a [Catcher], scope: &mut Scope<'a>) -> Table {
        let start = self.program.catchers.len() as u32;
        for (place, catcher) in catch.iter().enumerate() {
            let handler = self.here();
            self.assign(state, &format!("Catch[{place}]/Assign"), catcher.assign.as_ref());
            self.jsonata_output(state, &format!("Catch[{place}]/Output"), catcher.output.as_ref());
            self.result_path(&state.pointer, &catcher.result_path);
            self.next(&catcher.next, scope);
            self.program.catchers.push(CatcherPlan { error_equals: names(&catcher.error_equals), handler });
        }
        Table { start, end: self.program.catchers.len() as u32 }
    }

    fn input(&mut self, state: &State) {
        match &state.input_path {
            PathField::Absent => {}
            PathField::Null => {
                self.emit(Instruction::EmptyInput);
            }
            PathField::Path(path) => {
                if let Some(path) = self.path_unless_whole(&state.pointer, path) {
                    self.emit(Instruction::InputPath(path));
                }
            }
        }
    }

    /// `Output` or `OutputPath`.
    fn output(&mut self, state: &State) {
        self.jsonata_output(state, "Output", state.output.as_ref());
        match &state.output_path {
            PathField::Absent => {}
            PathField::Null => {
                self.emit(Instruction::EmptyOutput);
            }
            PathField::Path(path) => {
                if let Some(path) = self.path_unless_whole(&state.pointer, path) {
                    self.emit(Instruction::OutputPath(path));
                }
            }
        }
    }

    /// `Parameters` or `Arguments`.
    fn parameters(&mut self, state: &State) {
        if let Some(template) = state.parameters.as_ref().and_then(|value| self.template(state, "Parameters", value)) {
            self.emit(Instruction::Parameters(template));
        }
        if let Some(template) = state.arguments.as_ref().and_then(|value| self.template(state, "Arguments", value)) {
            self.emit(Instruction::Arguments(template));
        }
    }

    /// `ResultSelector`, `Assign`, `ResultPath`: what happens to a result.
    fn result(&mut self, state: &State) {
        if let Some(template) =
            state.result_selector.as_ref().and_then(|value| self.template(state, "ResultSelector", value))
        {
            self.emit(Instruction::ResultSelector(template));
        }
        self.assign(state, "Assign", state.assign.as_ref());
        self.result_path(&state.pointer, &state.result_path);
    }
}

fn names(error_equals: &[String]) -> Vec<Box<str>> {
    error_equals.iter().map(|name| name.as_str().into()).collect()
}

fn kind(kind: &StateKind) -> StateType {
    match kind {
        StateKind::Pass { .. } => StateType::Pass,
        StateKind::Task { .. } => StateType::Task,
        StateKind::Choice { .. } => StateType::Choice,
        StateKind::Wait(_) => StateType::Wait,
        StateKind::Succeed => StateType::Succeed,
        StateKind::Fail { .. } => StateType::Fail,
        StateKind::Parallel { .. } => StateType::Parallel,
        StateKind::Map(_) => StateType::Map,
    }
}
