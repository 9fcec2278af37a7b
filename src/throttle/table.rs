//! How large the buckets are: AWS's published table, or the operator's.

use std::time::Duration;

use crate::model::action::Action;

/// Size and refill of one token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketSize {
    /// Calls that a full bucket lets through at once.
    pub bucket: u32,
    /// Calls per second that flow back in.
    pub refill_per_second: f64,
}

/// A bucket that would let nothing through, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bucket needs a size of at least 1 and a refill above 0 a second")]
pub struct InvalidBucket;

impl BucketSize {
    /// A bucket of the given size.
    ///
    /// # Errors
    /// [`InvalidBucket`] when the size is 0, or the refill is not above 0 or beyond what can be timed.
    pub fn new(bucket: u32, refill_per_second: f64) -> Result<Self, InvalidBucket> {
        let size = Self { bucket, refill_per_second };
        if bucket > 0 && refill_per_second > 0.0 && size.period().is_some() { Ok(size) } else { Err(InvalidBucket) }
    }

    /// Time between two tokens.
    pub(super) fn period(self) -> Option<Duration> {
        Duration::try_from_secs_f64(1.0 / self.refill_per_second).ok().filter(|period| !period.is_zero())
    }
}

/// Which actions are throttled, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ThrottleTable {
    actions: Vec<Option<BucketSize>>,
    /// The bucket that each state machine has for its starts, beside that of the action.
    pub state_machine: Option<BucketSize>,
}

/// AWS's buckets (Developer Guide, "Quotas related to API action throttling", the default of most regions).
/// StartExecution has the figures of Express workflows; StartSyncExecution has none published.
const AWS: &[(Action, u32, u32)] = &[
    (Action::StartExecution, 6000, 6000),
    (Action::CreateStateMachine, 100, 1),
    (Action::UpdateStateMachine, 100, 1),
    (Action::DeleteStateMachine, 100, 1),
    (Action::ValidateStateMachineDefinition, 100, 1),
    (Action::CreateStateMachineAlias, 100, 1),
    (Action::UpdateStateMachineAlias, 100, 1),
    (Action::DeleteStateMachineAlias, 100, 1),
    (Action::ListStateMachineAliases, 100, 1),
    (Action::PublishStateMachineVersion, 100, 1),
    (Action::DeleteStateMachineVersion, 100, 1),
    (Action::ListStateMachineVersions, 100, 1),
    (Action::CreateActivity, 100, 1),
    (Action::DeleteActivity, 100, 1),
    (Action::ListActivities, 100, 1),
    (Action::ListTagsForResource, 100, 1),
    (Action::DescribeStateMachine, 200, 20),
    (Action::ListStateMachines, 100, 5),
    (Action::TestState, 50, 10),
    (Action::DescribeActivity, 200, 1),
    (Action::DescribeStateMachineAlias, 200, 1),
    (Action::DescribeStateMachineForExecution, 200, 1),
    (Action::DescribeMapRun, 200, 1),
    (Action::TagResource, 200, 1),
    (Action::UntagResource, 200, 1),
    (Action::DescribeExecution, 300, 15),
    (Action::GetExecutionHistory, 400, 20),
    (Action::ListExecutions, 200, 5),
    (Action::StopExecution, 1000, 200),
    (Action::SendTaskSuccess, 3000, 500),
    (Action::SendTaskFailure, 3000, 500),
    (Action::SendTaskHeartbeat, 3000, 500),
    (Action::GetActivityTask, 3000, 500),
];

impl ThrottleTable {
    /// Nothing is throttled.
    #[must_use]
    pub fn off() -> Self {
        Self { actions: vec![None; Action::ALL.len()], state_machine: None }
    }

    /// What AWS publishes.
    #[must_use]
    pub fn aws() -> Self {
        let mut table = Self::off();
        for (action, bucket, refill) in AWS {
            table.set(*action, BucketSize { bucket: *bucket, refill_per_second: f64::from(*refill) });
        }
        table
    }

    /// Gives an action a bucket.
    pub fn set(&mut self, action: Action, size: BucketSize) {
        self.actions[action.index()] = Some(size);
    }

    /// The bucket of an action, if it has one.
    #[must_use]
    pub fn get(&self, action: Action) -> Option<BucketSize> {
        self.actions[action.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_aws_names_each_action_once() {
        let table = ThrottleTable::aws();
        let named = Action::ALL.iter().filter(|action| table.get(**action).is_some()).count();
        assert_eq!(named, AWS.len());
        assert_eq!(table.get(Action::StartSyncExecution), None);
        assert_eq!(table.get(Action::StartExecution), BucketSize::new(6000, 6000.0).ok());
    }

    #[test]
    fn buckets_that_never_let_anything_through_are_refused() {
        for (bucket, refill) in [(0, 1.0), (1, 0.0), (1, -1.0), (1, f64::NAN), (1, 1e12), (1, 1e-300)] {
            assert_eq!(BucketSize::new(bucket, refill), Err(InvalidBucket), "{bucket} {refill}");
        }
        assert!(BucketSize::new(1, 0.5).is_ok());
    }
}
