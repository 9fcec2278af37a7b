//! Choice states.

use super::{
    Fields, Reader,
    fields::{Table, Use},
};
use crate::asl::{
    definition::{ChoiceRule, StateKind},
    validate::{
        choice_rule,
        graph::{Field, Graph},
    },
};

pub(super) const CHOICE: Table = &[("Choices", Use::Both), ("Default", Use::Both)];

impl<'a> Reader<'a> {
    pub(super) fn choice(&mut self, fields: &Fields<'a, '_>, graph: &mut Graph<'a>) -> StateKind {
        fields.require(&["Choices"], &mut self.sink);
        let choices = fields.location.field("Choices");
        let items = fields.array("Choices", false, &mut self.sink);
        let mut rules = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let location = choices.item(index);
            let Some(rule) = Fields::read(item, location, fields.language, &mut self.sink) else { continue };
            rule.require(&["Next"], &mut self.sink);
            let next = rule.string("Next", &mut self.sink);
            if let Some(next) = next {
                graph.add_transition(Field::Choice(index), next);
            }
            choice_rule::check(&rule, item, &mut self.sink);
            rules.push(ChoiceRule {
                condition: item.to_value(),
                next: next.unwrap_or_default().to_owned(),
                assign: self.assign(&rule),
                output: rule.any("Output", &mut self.sink),
            });
        }
        let default = fields.string("Default", &mut self.sink);
        if let Some(default) = default {
            graph.add_transition(Field::Default, default);
        }
        StateKind::Choice { rules, default: default.map(str::to_owned) }
    }
}
