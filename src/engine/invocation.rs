//! Which invocation of its state a call is: what test cases count (AWS.md, "Mock configuration").

use std::collections::HashMap;

use super::{StrandId, step::Stepper};
use crate::{observe::Recorder, program::StateId, task::TestCaseCall};

/// How often the states of one execution were invoked.
#[derive(Debug, Default)]
pub(super) struct Invocations {
    /// By state. Few states of an execution are tasks, so the list is searched.
    states: Vec<(StateId, u32)>,
    /// By state and branch, for states inside of Parallel and Map states.
    branches: HashMap<(StateId, u64), u32>,
}

impl Invocations {
    /// Counts an invocation; which one it is of the state, and of the state in the branch.
    fn count(&mut self, state: StateId, branch: u64) -> (u32, u32) {
        let in_state = match self.states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => next(count),
            None => {
                // Very many executions may wait in their first call at once: the list grows by one.
                self.states.reserve_exact(1);
                self.states.push((state, 1));
                0
            }
        };
        let in_branch = if branch == 0 { in_state } else { next(self.branches.entry((state, branch)).or_default()) };
        (in_state, in_branch)
    }
}

fn next(count: &mut u32) -> u32 {
    let before = *count;
    *count = before.saturating_add(1);
    before
}

impl<R: Recorder> Stepper<'_, R> {
    /// Where the task that a strand is about to call stands, when the execution runs a test case.
    #[inline]
    pub(super) fn test_case_call(&mut self, id: StrandId) -> Option<Box<TestCaseCall>> {
        if self.execution.start.test_case.is_none() { None } else { self.counted_call(id) }
    }

    #[cold]
    fn counted_call(&mut self, id: StrandId) -> Option<Box<TestCaseCall>> {
        let branch = self.branch(id);
        let state = self.execution.strands[id.index()].state;
        let (invocation, branch_invocation) = self.execution.invocations.get_or_insert_default().count(state, branch);
        let start = &self.execution.start;
        Some(Box::new(TestCaseCall {
            test_case: start.test_case.clone()?,
            machine: start.machine.clone(),
            execution: start.name.clone(),
            state: self.program.state(state).name.clone(),
            invocation,
            branch,
            branch_invocation,
        }))
    }

    /// A number for the branches and iterations around a strand: 0 when there are none. States of different Parallel and Map
    /// states have different names, so that only places count.
    fn branch(&self, id: StrandId) -> u64 {
        let (mut branch, mut at) = (0_u64, id);
        while let Some(parent) = self.execution.strands[at.index()].parent {
            let place = u64::from(self.execution.strands[at.index()].place);
            branch = (branch ^ (place + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
            at = parent;
        }
        branch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_branches_are_counted() {
        let mut invocations = Invocations::default();
        let (a, b) = (StateId::from(1), StateId::from(2));
        assert_eq!(invocations.count(a, 0), (0, 0));
        assert_eq!(invocations.count(a, 0), (1, 1));
        assert_eq!(invocations.count(b, 7), (0, 0));
        assert_eq!(invocations.count(b, 8), (1, 0));
        assert_eq!(invocations.count(b, 7), (2, 1));
    }
}
