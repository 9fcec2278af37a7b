//! Transitions: where they lead, what they reach, and whether a workflow can end.

use std::{
    collections::HashMap,
    fmt::{self, Display},
};

use crate::asl::{
    code,
    parse::{location::Location, sink::Sink},
};

/// The field that a transition stands in.
#[derive(Clone, Copy)]
pub(crate) enum Field {
    /// `StartAt` of the machine.
    StartAt,
    /// `Next` of the state.
    Next,
    /// `Default` of the Choice state.
    Default,
    /// `Next` of a rule in `Choices`.
    Choice(usize),
    /// `Next` of a catcher.
    Catch(usize),
}

/// The states of one machine and the transitions between them.
pub(crate) struct Graph<'a> {
    /// How many machines it is inside of; 0 for the whole definition.
    depth: usize,
    /// Where it stands; empty for the whole definition.
    location: String,
    states: Vec<&'a str>,
    /// From which state (`None` for `StartAt`) in which field to which name.
    transitions: Vec<(Option<usize>, Field, &'a str)>,
    has_terminal: bool,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(depth: usize, location: &Location<'_>) -> Self {
        let location = if depth == 0 { String::new() } else { location.to_string() };
        Self { depth, location, states: Vec::new(), transitions: Vec::new(), has_terminal: false }
    }

    /// Adds a state; transitions added from now on start from it.
    pub(crate) fn add_state(&mut self, name: &'a str) {
        self.states.push(name);
    }

    pub(crate) fn add_transition(&mut self, field: Field, target: &'a str) {
        let from = match field {
            Field::StartAt => None,
            _ => self.states.len().checked_sub(1),
        };
        match from {
            // Where a machine starts is reported first.
            None => self.transitions.insert(0, (None, field, target)),
            Some(_) => self.transitions.push((from, field, target)),
        }
    }

    /// Says that the state added last ends the machine.
    pub(crate) fn mark_terminal(&mut self) {
        self.has_terminal = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    fn place(&self, state: Option<usize>, field: Option<Field>) -> Place<'_> {
        Place { machine: &self.location, state: state.map(|state| self.states[state]), field }
    }
}

/// The location of a state or of a transition, written only when it is reported.
struct Place<'a> {
    machine: &'a str,
    state: Option<&'a str>,
    field: Option<Field>,
}

impl Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.machine)?;
        if let Some(state) = self.state {
            write!(out, "/States/{state}")?;
        }
        match self.field {
            None => Ok(()),
            Some(Field::StartAt) => out.write_str("/StartAt"),
            Some(Field::Next) => out.write_str("/Next"),
            Some(Field::Default) => out.write_str("/Default"),
            Some(Field::Choice(index)) => write!(out, "/Choices[{index}]/Next"),
            Some(Field::Catch(index)) => write!(out, "/Catch[{index}]/Next"),
        }
    }
}

/// Checks the graphs of all machines of a definition. Targets that are missing are always reported. What follows from
/// the transitions as a whole is reported only when all else is well: a state that could not be read has transitions
/// that are not known.
pub(crate) fn check(graphs: &[Graph<'_>], sink: &mut Sink) {
    let is_whole = sink.errors() == 0;
    // Inner machines are read first, and the outermost is to be reported first.
    for graph in graphs.iter().rev() {
        check_graph(graph, is_whole, sink);
    }
}

fn check_graph(graph: &Graph<'_>, is_whole: bool, sink: &mut Sink) {
    if graph.is_empty() {
        return;
    }
    let places: HashMap<&str, usize> = graph.states.iter().enumerate().map(|(place, name)| (*name, place)).collect();
    let mut start = None;
    let mut is_complete = true;
    let mut targeted = vec![false; graph.states.len()];
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); graph.states.len()];
    for (from, field, target) in &graph.transitions {
        let Some(to) = places.get(target).copied() else {
            is_complete = false;
            let message = format_args!("Missing 'Next' target: {target}");
            sink.add(code::MISSING_TRANSITION_TARGET, message, Some(&graph.place(*from, Some(*field))));
            continue;
        };
        match from {
            None => start = Some(to),
            Some(from) => next[*from].push(to),
        }
        // That a state leads to itself makes it no more reachable.
        targeted[to] |= *from != Some(to);
    }
    if !is_whole {
        return;
    }
    if !graph.has_terminal {
        if graph.depth == 0 {
            sink.add(code::MISSING_END_STATE, "Workflow has no terminal state", None);
            return;
        }
        if is_complete {
            let message = "No state of this machine ends it";
            sink.add(code::NESTED_WITHOUT_END_STATE, message, Some(&graph.location));
        }
    }
    let mut reached = vec![false; graph.states.len()];
    let mut pending: Vec<usize> = start.into_iter().collect();
    // Each state is taken up once, so this ends.
    while let Some(state) = pending.pop() {
        if !std::mem::replace(&mut reached[state], true) {
            pending.extend(next[state].iter().copied().filter(|to| !reached[*to]));
        }
    }
    for (state, name) in graph.states.iter().enumerate() {
        let place = graph.place(Some(state), None);
        if !targeted[state] {
            let message = format_args!("State \"{name}\" is not reachable.");
            sink.add(code::MISSING_TRANSITION_TARGET, message, Some(&place));
        } else if !reached[state] && start.is_some() {
            let message = format_args!("State \"{name}\" can only be reached from states that are not reachable");
            sink.add(code::UNREACHABLE_STATE, message, Some(&place));
        }
    }
}
