//! Choice: a decision list, and behind it one block of instructions per rule.

use super::{Compiler, Scope};
use crate::{
    Value,
    asl::definition::{ChoiceRule, State},
    program::{ChoicePlan, Instruction},
    query::Condition,
};

impl Compiler {
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
        for rule in rules {
            match Condition::compile(&rule.condition) {
                Ok(condition) => {
                    let block = self.here();
                    self.program.choices[choice].rules.push((condition, block));
                    self.choice_exit(state, rule.assign.as_ref(), &rule.next, scope);
                }
                Err(errors) => {
                    for error in errors {
                        self.problem(&format!("{}{}", state.pointer, error.pointer), error.message);
                    }
                }
            }
        }
        if let Some(default) = default {
            self.program.choices[choice].default = Some(self.here());
            self.choice_exit(state, state.assign.as_ref(), default, scope);
        }
    }

    /// The rule's own `Assign` applies where it matches, the state's only on `Default` (AWS.md, "The language", 9).
    fn choice_exit<'a>(&mut self, state: &'a State, assign: Option<&Value>, next: &'a str, scope: &mut Scope<'a>) {
        self.assign(&state.pointer, assign);
        self.output(state);
        self.next(next, scope);
    }
}
