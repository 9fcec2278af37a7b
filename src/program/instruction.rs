//! The instruction set: named after the fields of ASL, in the order in which ASL processes them.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// The place in its table.
            #[inline]
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<usize> for $name {
            /// A definition is at most [`MAX_DEFINITION_BYTES`](crate::model::quota::MAX_DEFINITION_BYTES) long, and
            /// every row of a table has at least a byte of it.
            fn from(index: usize) -> Self {
                Self(u32::try_from(index).expect("tables are shorter than the longest definition"))
            }
        }
    )*};
}

ids! {
    /// A place in [`Program::instructions`](super::Program::instructions).
    InstructionId
    /// A row of [`Program::states`](super::Program::states).
    StateId
    /// A row of [`Program::values`](super::Program::values).
    ValueId
    /// A row of [`Program::paths`](super::Program::paths).
    PathId
    /// A row of [`Program::reference_paths`](super::Program::reference_paths).
    ReferencePathId
    /// A row of [`Program::templates`](super::Program::templates).
    TemplateId
    /// A row of [`Program::choices`](super::Program::choices).
    ChoiceId
    /// A row of [`Program::tasks`](super::Program::tasks).
    TaskId
    /// A row of [`Program::waits`](super::Program::waits).
    WaitId
    /// A row of [`Program::fails`](super::Program::fails).
    FailId
    /// A row of [`Program::parallels`](super::Program::parallels).
    ParallelId
    /// A row of [`Program::maps`](super::Program::maps).
    MapId
}

/// One step of a strand. A strand has two registers: `input`, the state's input as it came, and `data`, what the state
/// has made of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Enters a state: counts the event, notes the time, keeps `data` as `input` where anything asks for it.
    EnterState(StateId),
    /// `InputPath`: `data` becomes what the path finds.
    InputPath(PathId),
    /// `"InputPath": null`: `data` becomes `{}`.
    EmptyInput,
    /// `TimeoutSecondsPath` and `HeartbeatSecondsPath` of a task: reads its time limit from `data`.
    TimeLimit(TaskId),
    /// `Parameters` (or `ItemSelector`'s older form): `data` becomes what the template makes.
    Parameters(TemplateId),
    /// `Arguments` of a JSONata state: `data` becomes what the template makes.
    Arguments(TemplateId),
    /// `Result` of a Pass state: `data` becomes the literal.
    Result(ValueId),
    /// Calls the resource with `data` and waits; `data` becomes the result.
    Task(TaskId),
    /// Waits.
    Wait(WaitId),
    /// Goes on at the first rule that matches, or at the default.
    Choose(ChoiceId),
    /// Runs the branches with `data` and waits; `data` becomes the array of their outputs.
    Parallel(ParallelId),
    /// Runs the item processor for each item and waits; `data` becomes the array of their outputs.
    Map(MapId),
    /// Fails the strand.
    Fail(FailId),
    /// `ResultSelector`: `data` becomes what the template makes.
    ResultSelector(TemplateId),
    /// `Assign`: evaluates the template over `data`; the variables are set when the state is left.
    Assign(TemplateId),
    /// `ResultPath`: `data` becomes `input` with `data` placed into it.
    ResultPath(ReferencePathId),
    /// `"ResultPath": null`: `data` becomes `input`.
    DiscardResult,
    /// `Output` of a JSONata state or catcher: `data` becomes what the template makes.
    Output(TemplateId),
    /// `OutputPath`: `data` becomes what the path finds.
    OutputPath(PathId),
    /// `"OutputPath": null`: `data` becomes `{}`.
    EmptyOutput,
    /// Leaves the state and goes on elsewhere.
    Next(InstructionId),
    /// Leaves the state and ends the strand; `data` is its output.
    End,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_small() {
        assert!(size_of::<Instruction>() <= 8, "issue and DESIGN ask for 16 at most; ours are 8");
    }
}
