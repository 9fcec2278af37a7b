//! Variables: which state names which, and which of them some state assigns where they are read (Developer Guide,
//! "Passing data between states with variables").

use std::collections::{BTreeSet, HashSet};

use crate::{
    asl::{checked::VariableReferences, definition::QueryLanguage},
    value::{ObjectView, ValueRef, View},
};

/// What the walk knows of variables, at the state that it reads.
#[derive(Default)]
pub(crate) struct Variables {
    references: VariableReferences,
    /// The machines around the state, the innermost last.
    scopes: Vec<Scope>,
    /// The state's name.
    state: Option<String>,
}

/// The variables of one machine: assigned by any of its states, whichever comes first.
struct Scope {
    names: HashSet<String>,
    /// Whether variables of the machines around it can be read: not so in the child executions of a Distributed Map.
    sees_outer: bool,
}

impl Variables {
    /// Enters a machine, whose `States` are `states`.
    pub(super) fn enter_machine(&mut self, states: &ObjectView<'_>, language: QueryLanguage, sees_outer: bool) {
        self.scopes.push(Scope { names: assigned(states, language), sees_outer });
    }

    pub(super) fn leave_machine(&mut self) {
        self.scopes.pop();
    }

    /// Enters a state; what is returned is for [`Self::leave_state`].
    pub(super) fn enter_state(&mut self, name: &str) -> Option<String> {
        self.state.replace(name.to_owned())
    }

    pub(super) fn leave_state(&mut self, outer: Option<String>) {
        self.state = outer;
    }

    /// Notes that the state names a variable; whether there can be such a variable.
    pub(super) fn refer(&mut self, name: &str) -> bool {
        if let Some(state) = &self.state {
            // Names are few and repeated: look before anything is allocated.
            match self.references.get_mut(state) {
                Some(names) if names.contains(name) => {}
                Some(names) => {
                    names.insert(name.to_owned());
                }
                None => {
                    self.references.insert(state.clone(), BTreeSet::from([name.to_owned()]));
                }
            }
        }
        self.visible().any(|scope| scope.names.contains(name))
    }

    /// Whether a machine around this one has a variable of that name, which states in here may read and not assign.
    pub(super) fn is_outer(&self, name: &str) -> bool {
        self.visible().skip(1).any(|scope| scope.names.contains(name))
    }

    pub(super) fn into_references(self) -> VariableReferences {
        self.references
    }

    /// The machines whose variables can be read, this one first.
    fn visible(&self) -> impl Iterator<Item = &Scope> {
        let mut seen = true;
        self.scopes.iter().rev().take_while(move |scope| std::mem::replace(&mut seen, scope.sees_outer))
    }
}

/// The variables that states assign, in `Assign` of their own and of their rules and catchers.
fn assigned(states: &ObjectView<'_>, language: QueryLanguage) -> HashSet<String> {
    let mut names = HashSet::new();
    for (_, state) in states.iter() {
        let View::Object(fields) = state.view() else { continue };
        let jsonata = match fields.get("QueryLanguage").and_then(ValueRef::as_str) {
            None => language == QueryLanguage::Jsonata,
            Some(language) => language != "JSONPath",
        };
        let mut add = |assign: Option<ValueRef<'_>>| {
            if let Some(View::Object(entries)) = assign.map(ValueRef::view) {
                names.extend(entries.iter().map(|(key, _)| variable_name(key, jsonata).to_owned()));
            }
        };
        add(fields.get("Assign"));
        for list in ["Choices", "Catch"] {
            if let Some(View::Array(items)) = fields.get(list).map(ValueRef::view) {
                for item in items.iter() {
                    if let View::Object(item) = item.view() {
                        add(item.get("Assign"));
                    }
                }
            }
        }
    }
    names
}

/// The variable that a field of `Assign` is about.
pub(crate) fn variable_name(key: &str, jsonata: bool) -> &str {
    if jsonata { key } else { key.strip_suffix(".$").unwrap_or(key) }
}
