//! What becomes of the event of an execution that failed.

use std::{collections::BTreeMap, str::FromStr};

use super::Backoff;

/// What becomes of the event of an execution that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// It is done all the same.
    Acknowledge,
    /// It is delivered again, after a wait, until it has been delivered `max_deliveries` times; then it is a dead letter.
    Retry,
    /// It is a dead letter at once.
    DeadLetter,
}

impl FromStr for FailureAction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ack" => Ok(Self::Acknowledge),
            "retry" => Ok(Self::Retry),
            "dead_letter" => Ok(Self::DeadLetter),
            _ => Err(format!("'{text}' is none of ack, retry and dead_letter")),
        }
    }
}

/// `on_failure`: actions by error name.
#[derive(Clone, Debug)]
pub struct FailureRules {
    actions: BTreeMap<String, FailureAction>,
    /// What `States.ALL` says; retry when it says nothing.
    otherwise: FailureAction,
    /// After so many deliveries a failure is final. At least 1.
    pub max_deliveries: u64,
    /// The wait before an event is delivered again.
    pub backoff: Backoff,
}

impl FailureRules {
    /// Rules of the given actions by error name; `States.ALL` is for all others.
    #[must_use]
    pub fn new(mut actions: BTreeMap<String, FailureAction>, max_deliveries: u64, backoff: Backoff) -> Self {
        let otherwise = actions.remove("States.ALL").unwrap_or(FailureAction::Retry);
        Self { actions, otherwise, max_deliveries: max_deliveries.max(1), backoff }
    }

    /// What becomes of an event that was delivered `deliveries` times and whose execution failed with `error`.
    #[must_use]
    pub fn action(&self, error: &str, deliveries: u64) -> FailureAction {
        match self.actions.get(error).copied().unwrap_or(self.otherwise) {
            FailureAction::Retry if deliveries >= self.max_deliveries => FailureAction::DeadLetter,
            action => action,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_have_their_actions_and_retries_end() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(2) };
        let actions = [("Bad".to_owned(), FailureAction::DeadLetter), ("Fine".to_owned(), FailureAction::Acknowledge)];
        let rules = FailureRules::new(actions.clone().into(), 3, backoff);
        assert_eq!(rules.action("Bad", 1), FailureAction::DeadLetter);
        assert_eq!(rules.action("Fine", 9), FailureAction::Acknowledge);
        assert_eq!(rules.action("States.Timeout", 2), FailureAction::Retry);
        assert_eq!(rules.action("States.Timeout", 3), FailureAction::DeadLetter);
        let all = actions.into_iter().chain([("States.ALL".to_owned(), FailureAction::Acknowledge)]).collect();
        assert_eq!(FailureRules::new(all, 3, backoff).action("States.Timeout", 1), FailureAction::Acknowledge);
        assert_eq!("ack".parse(), Ok(FailureAction::Acknowledge));
        assert!("drop".parse::<FailureAction>().is_err());
    }
}
