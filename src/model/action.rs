//! The actions of the Step Functions API (API reference, "Actions").

macro_rules! actions {
    ($($name:ident,)*) => {
        /// An action of the API, as `X-Amz-Target` names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are those of the API reference")]
        pub enum Action {
            $($name,)*
        }

        impl Action {
            /// All actions, each at the place that [`Action::index`] gives.
            pub const ALL: &'static [Action] = &[$(Action::$name,)*];

            /// The name in the API reference.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Action::$name => stringify!($name),)*
                }
            }

            /// The action of that name.
            #[must_use]
            pub fn from_name(name: &[u8]) -> Option<Self> {
                $(
                    if name == stringify!($name).as_bytes() {
                        return Some(Action::$name);
                    }
                )*
                None
            }
        }
    };
}

actions! {
    StartExecution,
    StartSyncExecution,
    DescribeStateMachine,
    CreateStateMachine,
    UpdateStateMachine,
    DeleteStateMachine,
    ListStateMachines,
    ValidateStateMachineDefinition,
    TagResource,
    UntagResource,
    ListTagsForResource,
    DescribeExecution,
    DescribeStateMachineForExecution,
    GetExecutionHistory,
    ListExecutions,
    StopExecution,
    RedriveExecution,
    CreateActivity,
    DeleteActivity,
    DescribeActivity,
    GetActivityTask,
    ListActivities,
    CreateStateMachineAlias,
    DeleteStateMachineAlias,
    DescribeStateMachineAlias,
    ListStateMachineAliases,
    UpdateStateMachineAlias,
    PublishStateMachineVersion,
    DeleteStateMachineVersion,
    ListStateMachineVersions,
    SendTaskFailure,
    SendTaskHeartbeat,
    SendTaskSuccess,
    DescribeMapRun,
    ListMapRuns,
    UpdateMapRun,
    TestState,
}

impl Action {
    /// The place of this action in [`Action::ALL`], to index tables with.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_agree() {
        for (place, action) in Action::ALL.iter().enumerate() {
            assert_eq!(action.index(), place);
            assert_eq!(Action::from_name(action.as_str().as_bytes()), Some(*action));
        }
        assert_eq!(Action::from_name(b"Start"), None);
    }
}
