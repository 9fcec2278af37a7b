//! The compiled form of a definition: a flat array of instructions and the tables they index.
//!
//! This floor stands below the compiler and the engine alike: the one writes programs, the other runs them.

mod disassemble;
mod instruction;
mod plan;
mod template;

use crate::{
    Value,
    query::{Path, ReferencePath},
};

pub use self::{
    instruction::{
        ChoiceId, FailId, Instruction, InstructionId, MapId, ParallelId, PathId, ReferencePathId, StateId, TaskId,
        TemplateId, ValueId, WaitId,
    },
    plan::{
        CatcherPlan, ChoicePlan, FailPlan, FieldPlan, ItemsPlan, MapPlan, ParallelPlan, RetrierPlan, RulePlan,
        StateInfo, StateType, Table, TaskEvents, TaskPlan, WaitPlan,
    },
    template::{ExpressionPlan, TemplatePlan},
};

/// A compiled definition. Immutable; shared by all its executions.
#[derive(Debug, Default)]
pub struct Program {
    /// What executions run; the first instruction of `StartAt` comes first.
    pub instructions: Vec<Instruction>,
    /// Every state of the definition, inner ones included.
    pub states: Vec<StateInfo>,
    /// Literal values.
    pub values: Vec<Value>,
    /// Paths.
    pub paths: Vec<Path>,
    /// Reference paths of `ResultPath`.
    pub reference_paths: Vec<ReferencePath>,
    /// Templates, of either query language.
    pub templates: Vec<TemplatePlan>,
    /// `Choices`.
    pub choices: Vec<ChoicePlan>,
    /// Tasks.
    pub tasks: Vec<TaskPlan>,
    /// Waits.
    pub waits: Vec<WaitPlan>,
    /// Fails.
    pub fails: Vec<FailPlan>,
    /// Parallels.
    pub parallels: Vec<ParallelPlan>,
    /// Maps.
    pub maps: Vec<MapPlan>,
    /// Retriers of all states, each state's in a row.
    pub retriers: Vec<RetrierPlan>,
    /// Catchers of all states, each state's in a row.
    pub catchers: Vec<CatcherPlan>,
    /// Where the execution begins.
    pub start: InstructionId,
    /// `TimeoutSeconds` of the machine, in milliseconds.
    pub timeout_ms: Option<u64>,
}

impl Program {
    /// The instruction at a place.
    #[inline]
    #[must_use]
    pub fn instruction(&self, at: InstructionId) -> Instruction {
        self.instructions[at.index()]
    }

    /// The Task states, each with its name and its resource.
    pub fn task_states(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut name = "";
        self.instructions.iter().filter_map(move |instruction| match instruction {
            Instruction::EnterState(state) => {
                name = self.state(*state).name.as_str();
                None
            }
            Instruction::Task(task) => Some((name, &*self.tasks[task.index()].resource)),
            _ => None,
        })
    }

    /// A state by its number.
    #[inline]
    #[must_use]
    pub fn state(&self, state: StateId) -> &StateInfo {
        &self.states[state.index()]
    }
}
