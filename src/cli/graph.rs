//! State machines as drawings: Mermaid flowcharts and Graphviz.

use std::{
    collections::HashMap,
    fmt::{self, Write},
};

use crate::{
    Value,
    asl::definition::{State, StateKind, StateMachine, Transition},
    value::View,
};

/// The language of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A Mermaid flowchart.
    Mermaid,
    /// A Graphviz digraph.
    Dot,
}

/// The longest label of an edge, in characters.
const MAX_LABEL_CHARACTERS: usize = 60;

/// Draws a state machine: its states, its transitions with what leads along them, dashed ones for catchers, and branches
/// of Parallel states and item processors of Map states as boxes.
#[must_use]
pub fn graph(machine: &StateMachine, format: Format) -> String {
    let mut drawing = Drawing { format, out: String::new(), next: 0, edges: Vec::new() };
    drawing.out.push_str(match format {
        Format::Mermaid => "flowchart TD\n",
        Format::Dot => "digraph {\n  compound=true;\n  node [shape=box, style=rounded];\n",
    });
    // Writing to a string cannot fail.
    let _ = drawing.machine(machine, 1);
    for edge in std::mem::take(&mut drawing.edges) {
        let _ = drawing.edge(&edge);
    }
    if format == Format::Dot {
        drawing.out.push_str("}\n");
    }
    drawing.out
}

struct Edge {
    from: usize,
    to: usize,
    label: String,
    dashed: bool,
}

struct Drawing {
    format: Format,
    out: String,
    /// The next node's number: names of states are not fit to be identifiers.
    next: usize,
    /// Edges come last, so that they do not pull nodes into the wrong box.
    edges: Vec<Edge>,
}

/// The nodes of one machine.
struct Nodes<'a> {
    states: HashMap<&'a str, usize>,
    end: usize,
}

impl Nodes<'_> {
    /// The node of the state of that name; a machine that passed the checks has all it names.
    fn of(&self, name: &str) -> Option<usize> {
        self.states.get(name).copied()
    }
}

impl Drawing {
    fn indent(&mut self, depth: usize) {
        for _ in 0..depth {
            self.out.push_str("  ");
        }
    }

    /// The recursion is bounded by how deep checked definitions nest machines. Returns the node that stands for its start.
    fn machine(&mut self, machine: &StateMachine, depth: usize) -> Result<usize, fmt::Error> {
        let start = self.next;
        let first = start + 1;
        let states = machine.states.iter().enumerate().map(|(place, state)| (state.name.as_str(), first + place));
        let nodes = Nodes { states: states.collect(), end: first + machine.states.len() };
        self.next = nodes.end + 1;
        self.terminal(start, "Start", depth)?;
        for (place, state) in machine.states.iter().enumerate() {
            self.state(state, first + place, depth)?;
        }
        if machine.states.iter().any(|state| state.transition == Some(Transition::End)) {
            self.terminal(nodes.end, "End", depth)?;
        }
        self.link(start, nodes.of(&machine.start_at), String::new(), false);
        for (place, state) in machine.states.iter().enumerate() {
            self.transitions(state, first + place, &nodes);
        }
        Ok(start)
    }

    fn link(&mut self, from: usize, to: Option<usize>, label: String, dashed: bool) {
        self.edges.extend(to.map(|to| Edge { from, to, label, dashed }));
    }

    fn transitions(&mut self, state: &State, node: usize, nodes: &Nodes<'_>) {
        match &state.transition {
            Some(Transition::Next(next)) => self.link(node, nodes.of(next), String::new(), false),
            Some(Transition::End) => self.link(node, Some(nodes.end), String::new(), false),
            None => {}
        }
        if let StateKind::Choice { rules, default } = &state.kind {
            for rule in rules {
                self.link(node, nodes.of(&rule.next), condition(&rule.condition), false);
            }
            if let Some(default) = default {
                self.link(node, nodes.of(default), "Default".into(), false);
            }
        }
        for catcher in &state.catch {
            self.link(node, nodes.of(&catcher.next), catcher.error_equals.join(", "), true);
        }
    }

    fn terminal(&mut self, node: usize, label: &str, depth: usize) -> fmt::Result {
        self.indent(depth);
        match self.format {
            Format::Mermaid => writeln!(self.out, "n{node}(({label}))"),
            Format::Dot => writeln!(self.out, "n{node} [label=\"{label}\", shape=circle];"),
        }
    }

    fn state(&mut self, state: &State, node: usize, depth: usize) -> fmt::Result {
        let (kind, brackets, shape) = match &state.kind {
            StateKind::Choice { .. } => ("Choice", ("{", "}"), "diamond"),
            StateKind::Succeed => ("Succeed", ("([", "])"), "box"),
            StateKind::Fail { .. } => ("Fail", ("([", "])"), "box"),
            StateKind::Wait(_) => ("Wait", ("[", "]"), "box"),
            StateKind::Pass { .. } => ("Pass", ("[", "]"), "box"),
            StateKind::Task { .. } => ("Task", ("[", "]"), "box"),
            StateKind::Parallel { .. } => ("Parallel", ("[[", "]]"), "box"),
            StateKind::Map(_) => ("Map", ("[[", "]]"), "box"),
        };
        let name = self.escape(&state.name);
        self.indent(depth);
        match self.format {
            Format::Mermaid => writeln!(self.out, "n{node}{}\"{name}<br/>{kind}\"{}", brackets.0, brackets.1)?,
            Format::Dot if shape == "box" => writeln!(self.out, "n{node} [label=\"{name}\\n{kind}\"];")?,
            Format::Dot => writeln!(self.out, "n{node} [label=\"{name}\\n{kind}\", shape={shape}, style=solid];")?,
        }
        match &state.kind {
            StateKind::Parallel { branches } => {
                for (index, branch) in branches.iter().enumerate() {
                    self.inner(branch, &format!("{} branch {}", state.name, index + 1), node, depth)?;
                }
            }
            StateKind::Map(map) => {
                self.inner(&map.item_processor, &format!("{} item processor", state.name), node, depth)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// A machine inside a state, as a box that the state leads to.
    fn inner(&mut self, machine: &StateMachine, title: &str, node: usize, depth: usize) -> fmt::Result {
        let title = self.escape(title);
        let number = self.next;
        self.indent(depth);
        match self.format {
            Format::Mermaid => writeln!(self.out, "subgraph s{number}[\"{title}\"]")?,
            Format::Dot => {
                writeln!(self.out, "subgraph cluster_{number} {{")?;
                self.indent(depth + 1);
                writeln!(self.out, "label=\"{title}\";")?;
            }
        }
        let start = self.machine(machine, depth + 1)?;
        self.indent(depth);
        self.out.push_str(match self.format {
            Format::Mermaid => "end\n",
            Format::Dot => "}\n",
        });
        self.link(node, Some(start), String::new(), false);
        Ok(())
    }

    fn edge(&mut self, edge: &Edge) -> fmt::Result {
        let Edge { from, to, label, dashed } = edge;
        let label = self.escape(label);
        self.indent(1);
        match self.format {
            Format::Mermaid => {
                let arrow = if *dashed { "-.->" } else { "-->" };
                let label = if label.is_empty() { String::new() } else { format!("|\"{label}\"|") };
                writeln!(self.out, "n{from} {arrow}{label} n{to}")
            }
            Format::Dot => {
                let mut attributes = Vec::new();
                if !label.is_empty() {
                    attributes.push(format!("label=\"{label}\""));
                }
                if *dashed {
                    attributes.push("style=dashed".to_owned());
                }
                let attributes =
                    if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
                writeln!(self.out, "n{from} -> n{to}{attributes};")
            }
        }
    }

    /// A text as it stands between double quotes. Control characters become blanks; Mermaid knows entities only.
    fn escape(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for character in text.chars() {
            match (self.format, character) {
                (_, character) if character.is_control() => out.push(' '),
                (Format::Dot, '"' | '\\') => out.extend(['\\', character]),
                (Format::Mermaid, '"' | '#' | '&' | '<' | '>' | ';' | '`' | '\\' | '|') => {
                    let _ = write!(out, "#{};", u32::from(character));
                }
                _ => out.push(character),
            }
        }
        out
    }
}

/// The condition of a rule as one line: `$.total > 100`, `(… and …)`, cut where it gets long.
fn condition(rule: &Value) -> String {
    let mut text = String::new();
    write_condition(rule, &mut text);
    if text.chars().count() > MAX_LABEL_CHARACTERS {
        text = text.chars().take(MAX_LABEL_CHARACTERS - 1).chain(['…']).collect();
    }
    text
}

/// Depth is bounded by the nesting of conditions in checked definitions.
fn write_condition(rule: &Value, out: &mut String) {
    let View::Object(fields) = rule.view() else { return };
    if let Some(expression) = fields.get("Condition") {
        out.push_str(&expression.as_str().map_or_else(|| expression.to_json(), str::to_owned));
        return;
    }
    for (name, joined) in [("And", " and "), ("Or", " or ")] {
        if let Some(View::Array(rules)) = fields.get(name).map(crate::value::ValueRef::view) {
            out.push('(');
            for (place, rule) in rules.iter().enumerate() {
                if place > 0 {
                    out.push_str(joined);
                }
                write_condition(&rule.to_value(), out);
            }
            out.push(')');
            return;
        }
    }
    if let Some(rule) = fields.get("Not") {
        out.push_str("not ");
        write_condition(&rule.to_value(), out);
        return;
    }
    let variable = fields.get("Variable").and_then(crate::value::ValueRef::as_str).unwrap_or_default();
    let operator =
        fields.iter().find(|(name, _)| !matches!(*name, "Variable" | "Next" | "Comment" | "Assign" | "Output"));
    let Some((operator, operand)) = operator else { return };
    let operand = match operand.as_str() {
        Some(path) if operator.ends_with("Path") => path.to_owned(),
        _ => operand.to_json(),
    };
    let base = operator.strip_suffix("Path").unwrap_or(operator);
    let types = ["String", "Numeric", "Boolean", "Timestamp"];
    let relation = types.iter().find_map(|kind| base.strip_prefix(kind)).and_then(|relation| match relation {
        "Equals" => Some("="),
        "LessThan" => Some("<"),
        "LessThanEquals" => Some("<="),
        "GreaterThan" => Some(">"),
        "GreaterThanEquals" => Some(">="),
        "Matches" => Some("matches"),
        _ => None,
    });
    match relation {
        Some(relation) => out.push_str(&format!("{variable} {relation} {operand}")),
        None => out.push_str(&format!("{variable} {operator} {operand}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITION: &str = r#"{
        "StartAt": "Check \"it\"",
        "States": {
            "Check \"it\"": {
                "Type": "Choice",
                "Choices": [
                    {"And": [{"Variable": "$.n", "NumericGreaterThan": 5}, {"Not": {"Variable": "$.s", "IsPresent": true}}], "Next": "Each"},
                    {"Variable": "$.a", "StringEqualsPath": "$.b", "Next": "Done"}
                ],
                "Default": "Done"
            },
            "Each": {
                "Type": "Map",
                "ItemProcessor": {"StartAt": "Work", "States": {"Work": {"Type": "Pass", "End": true}}},
                "Catch": [{"ErrorEquals": ["States.Timeout", "Mine"], "Next": "Done"}],
                "End": true
            },
            "Done": {"Type": "Succeed"}
        }
    }"#;

    fn draw(format: Format) -> String {
        let checked = crate::asl::check(DEFINITION, Default::default());
        graph(&checked.machine.expect("it is valid"), format)
    }

    #[test]
    fn mermaid() {
        assert_eq!(
            draw(Format::Mermaid),
            r#"flowchart TD
  n0((Start))
  n1{"Check #34;it#34;<br/>Choice"}
  n2[["Each<br/>Map"]]
  subgraph s5["Each item processor"]
    n5((Start))
    n6["Work<br/>Pass"]
    n7((End))
  end
  n3(["Done<br/>Succeed"])
  n4((End))
  n5 --> n6
  n6 --> n7
  n2 --> n5
  n0 --> n1
  n1 -->|"($.n #62; 5 and not $.s IsPresent true)"| n2
  n1 -->|"$.a = $.b"| n3
  n1 -->|"Default"| n3
  n2 --> n4
  n2 -.->|"States.Timeout, Mine"| n3
"#
        );
    }

    #[test]
    fn dot() {
        let drawn = draw(Format::Dot);
        assert!(drawn.contains(r#"n1 [label="Check \"it\"\nChoice", shape=diamond, style=solid];"#), "{drawn}");
        assert!(drawn.contains("subgraph cluster_5 {\n    label=\"Each item processor\";"), "{drawn}");
        assert!(drawn.contains(r#"n2 -> n3 [label="States.Timeout, Mine", style=dashed];"#), "{drawn}");
        assert!(drawn.ends_with("}\n"), "{drawn}");
    }
}
