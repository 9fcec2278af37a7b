//! One of `MockedResponses`: what the invocations of a state come to, by their number.

use super::{
    entry::{Entry, Problem},
    latency::Latency,
    limit::Limit,
    outcome::{Invocation, Outcome},
};
use crate::{
    model::error_name,
    task::{MockedAnswer, TaskError, TaskRequest, TestCaseCall},
};

/// Fields of a response that are no numbers of invocations.
const SETTINGS: [&str; 3] = ["Seed", "LatencyMilliseconds", "LimitPerSecond"];

/// A mocked response.
#[derive(Debug)]
pub(super) struct MockedResponse {
    pointer: String,
    seed: u64,
    latency: Option<Latency>,
    limit: Option<Limit>,
    /// Outcomes with the first and the last invocation that they are for; ordered, without overlaps.
    outcomes: Box<[(Range, Outcome)]>,
    /// `*`: the outcome of all other invocations.
    other: Option<Outcome>,
}

type Range = (u32, u32);

impl MockedResponse {
    /// Reads a response; `seed` is for one that has none.
    pub(super) fn parse(entry: &Entry<'_>, seed: u64) -> Result<Self, Problem> {
        let mut response = Self {
            pointer: entry.pointer.clone(),
            seed: entry.get("Seed").map_or(Ok(seed), |seed| seed.integer())?,
            latency: entry.get("LatencyMilliseconds").map(|latency| Latency::parse(&latency)).transpose()?,
            limit: entry.get("LimitPerSecond").map(|limit| Limit::parse(&limit)).transpose()?,
            outcomes: Box::default(),
            other: None,
        };
        let mut outcomes: Vec<(Range, Outcome)> = Vec::new();
        for (key, field) in entry.fields()? {
            if SETTINGS.contains(&key) {
                continue;
            }
            let range = parse_range(key).ok_or_else(|| {
                field.problem(format!(
                    "'{key}' is no number of an invocation: those are such as \"0\", \"1-2\", \"3-*\" or \"*\"; there are \
                     also {}",
                    SETTINGS.join(", ")
                ))
            })?;
            let outcome = Outcome::parse(&field)?;
            match range {
                None => response.other = Some(outcome),
                Some(range) => {
                    if let Some((other, _)) =
                        outcomes.iter().find(|(other, _)| range.0 <= other.1 && other.0 <= range.1)
                    {
                        return Err(
                            field.problem(format!("invocation {} is also in another field", range.0.max(other.0)))
                        );
                    }
                    outcomes.push((range, outcome));
                }
            }
        }
        if outcomes.is_empty() && response.other.is_none() {
            return Err(
                entry.problem("the response has no outcome: give one for each invocation as \"0\", \"1\", or \"*\"")
            );
        }
        outcomes.sort_by_key(|(range, _)| *range);
        response.outcomes = outcomes.into();
        Ok(response)
    }

    /// The answer to an invocation; `file` is for its complaint about one that there is none for.
    pub(super) fn answer(&self, file: &str, request: &TaskRequest, call: &TestCaseCall, now_us: u64) -> MockedAnswer {
        let at_once = |error| MockedAnswer::After { delay_ms: 0, result: Err(error) };
        if let Some(limit) = self.limit.as_ref().filter(|limit| !limit.admits(now_us)) {
            return at_once(limit.error(&request.resource));
        }
        let number = call.invocation;
        let behind = self.outcomes.partition_point(|((first, _), _)| *first <= number);
        let numbered = self.outcomes[..behind].last().filter(|((_, last), _)| number <= *last);
        let Some(outcome) = numbered.map(|(_, outcome)| outcome).or(self.other.as_ref()) else {
            let state = call.state.as_str();
            let pointer = &self.pointer;
            return at_once(TaskError::new(
                error_name::RUNTIME,
                format!(
                    "{file}: {pointer}: there is no outcome for invocation {number} of the state '{state}' (the first is 0): \
                     add \"{number}\", or \"*\" for all others"
                ),
            ));
        };
        outcome.answer(&Invocation { request, call, seed: self.seed, latency: self.latency.as_ref() })
    }
}

/// `0`, `1-2`, `3-*`, or `*`, which is no range but what is left. None for anything else.
fn parse_range(key: &str) -> Option<Option<Range>> {
    if key == "*" {
        return Some(None);
    }
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let (first, last) = match key.split_once('-') {
        None => (number(key)?, number(key)?),
        Some((first, "*")) => (number(first)?, u32::MAX),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    (first <= last).then_some(Some((first, last)))
}

#[cfg(test)]
mod tests {
    use super::{super::draw::tests::call, *};
    use crate::Value;

    fn parse(text: &str) -> Result<MockedResponse, Problem> {
        MockedResponse::parse(&Entry::root(Value::parse(text).unwrap().as_ref()), 5)
    }

    fn answer(response: &MockedResponse, invocation: u32, now_us: u64) -> Result<String, String> {
        let request = TaskRequest {
            resource: "arn:aws:states:::sqs:sendMessage".into(),
            input: Value::NULL,
            credentials: None,
            deadline_ms: 1000,
            caller: None,
            test_case: None,
        };
        match response.answer("f.json", &request, &call(1, invocation), now_us) {
            MockedAnswer::After { result, .. } => result
                .map(|value| value.to_json())
                .map_err(|error| format!("{}: {}", error.error.as_str(), error.cause.as_str())),
            MockedAnswer::Never => panic!("it hangs"),
        }
    }

    #[test]
    fn the_number_of_the_invocation_counts() {
        let response = parse(r#"{"1-2": {"Return": "b"}, "0": {"Return": "a"}, "5-*": {"Return": "c"}}"#).unwrap();
        let answers: Vec<_> = [0, 1, 2, 5, 90].iter().map(|number| answer(&response, *number, 0).unwrap()).collect();
        assert_eq!(answers, [r#""a""#, r#""b""#, r#""b""#, r#""c""#, r#""c""#]);
        let missing = answer(&response, 4, 0).unwrap_err();
        assert!(missing.starts_with("States.Runtime: f.json: : there is no outcome for invocation 4"), "{missing}");
        let response = parse(r#"{"*": {"Return": 1}, "0": {"Return": 0}}"#).unwrap();
        assert_eq!((answer(&response, 0, 0), answer(&response, 1, 0)), (Ok("0".into()), Ok("1".into())));
    }

    #[test]
    fn calls_beyond_the_limit_are_throttled() {
        let response = parse(r#"{"*": {"Return": 1}, "LimitPerSecond": 2}"#).unwrap();
        let answers: Vec<_> = (0..3).map(|_| answer(&response, 0, 0)).collect();
        assert_eq!(answers[1], Ok("1".into()));
        assert_eq!(answers[2], Err("SQS.RequestThrottled: Request is throttled.".into()));
        assert_eq!(answer(&response, 0, 500_000), Ok("1".into()));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for (text, pointer) in [
            ("[]", ""),
            ("{}", ""),
            (r#"{"Seed": 1}"#, ""),
            (r#"{"0": {"Return": 1}, "0-1": {"Return": 2}}"#, "/0-1"),
            (r#"{"2-1": {"Return": 1}}"#, "/2-1"),
            (r#"{"-1": {"Return": 1}}"#, "/-1"),
            (r#"{"+1": {"Return": 1}}"#, "/+1"),
            (r#"{"a": {"Return": 1}}"#, "/a"),
            (r#"{"0": {"Return": 1}, "Seed": -1}"#, "/Seed"),
            (r#"{"0": {"Return": 1}, "Latency": 1}"#, "/Latency"),
        ] {
            assert_eq!(parse(text).unwrap_err().pointer, pointer, "{text}");
        }
    }
}
