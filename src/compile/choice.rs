//! Choice: a decision list, and behind it one block of instructions per rule.

use super::{Compiler, Scope};
use crate::{
    asl::definition::{ChoiceRule, QueryLanguage, State},
    program::{ChoicePlan, Instruction, RulePlan},
    query::Condition,
    value::ValueRef,
};

impl Compiler {
    /// The rule's own `Assign` and `Output` apply where it matches, the state's only on `Default` (AWS.md, "The language", 9).
    pub(super) fn choice<'a>(
        &mut self,
        state: &'a State,
        rules: &'a [ChoiceRule],
        default: Option<&'a str>,
        scope: &mut Scope<'a>,
    ) {
        let choice = self.program.choices.len();
        self.program.choices.push(ChoicePlan { rules: Vec::new(), default: None });
        self.emit(Instruction::Choose(choice.into()));
        for (place, rule) in rules.iter().enumerate() {
            let Some(plan) = self.rule(state, place, rule) else { continue };
            let block = self.here();
            self.program.choices[choice].rules.push((plan, block));
            let field = |name: &str| format!("Choices[{place}]/{name}");
            self.assign(state, &field("Assign"), rule.assign.as_ref());
            self.jsonata_output(state, &field("Output"), rule.output.as_ref());
            if state.query_language == QueryLanguage::JsonPath {
                self.output(state);
            }
            self.next(&rule.next, scope);
        }
        if let Some(default) = default {
            self.program.choices[choice].default = Some(self.here());
            self.assign(state, "Assign", state.assign.as_ref());
            self.output(state);
            self.next(default, scope);
        }
    }

    fn rule(&mut self, state: &State, place: usize, rule: &ChoiceRule) -> Option<RulePlan> {
        if state.query_language == QueryLanguage::Jsonata {
            let condition = rule.condition.get("Condition").map(ValueRef::to_value).unwrap_or_default();
            if let Some(holds) = condition.as_ref().as_bool() {
                return Some(RulePlan::Constant(holds));
            }
            return self
                .expression(state, &format!("Choices[{place}]/Condition"), &condition)
                .map(RulePlan::Expression);
        }
        match Condition::compile(&rule.condition) {
            Ok(condition) => Some(RulePlan::Condition(condition)),
            Err(errors) => {
                for error in errors {
                    self.problem(&format!("{}{}", state.pointer, error.pointer), error.message);
                }
                None
            }
        }
    }
}
