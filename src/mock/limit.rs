//! `LimitPerSecond`: the quota of a callee, and how it refuses calls beyond.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    entry::{Entry, Problem},
    outcome::parse_throw,
};
use crate::task::TaskError;

/// A token bucket, as AWS throttles with: full at first, refilled at the rate. All executions share it.
#[derive(Debug)]
pub(super) struct Limit {
    /// Microseconds that one call takes from the bucket.
    interval_us: f64,
    /// Microseconds that a full bucket holds beyond one call.
    tolerance_us: f64,
    /// When the bucket will be full again, in microseconds of the clock (the generic cell rate algorithm).
    full_at_us: AtomicU64,
    /// What calls beyond come to; none means what the service that is called throws.
    throw: Option<TaskError>,
}

impl Limit {
    /// Reads a number of calls a second, or `{"Rate": …, "Burst": …, "Throw": …}`.
    pub(super) fn parse(entry: &Entry<'_>) -> Result<Self, Problem> {
        /// Less than one call in this many seconds is no rate.
        const LEAST_RATE: f64 = 1e-6;
        if entry.value.as_number().is_some() {
            let rate = entry.number(LEAST_RATE)?;
            return Ok(Self::new(rate, rate.max(1.0), None));
        }
        entry.allow_only(&["Rate", "Burst", "Throw"])?;
        let rate = entry.require("Rate")?.number(LEAST_RATE)?;
        let burst = entry.get("Burst").map_or(Ok(rate.max(1.0)), |burst| burst.number(1.0))?;
        let throw = entry.get("Throw").map(|throw| parse_throw(&throw)).transpose()?;
        Ok(Self::new(rate, burst, throw))
    }

    fn new(rate: f64, burst: f64, throw: Option<TaskError>) -> Self {
        let interval_us = 1e6 / rate;
        Self { interval_us, tolerance_us: interval_us * (burst - 1.0), full_at_us: AtomicU64::new(0), throw }
    }

    /// Whether a call is let through now.
    pub(super) fn admits(&self, now_us: u64) -> bool {
        // The count stands alone, nothing else is read by it: relaxed.
        self.full_at_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at_us| {
                let full_at_us = full_at_us.max(now_us);
                // Times since the clock's start stay far below what an f64 holds exactly.
                ((full_at_us - now_us) as f64 <= self.tolerance_us)
                    .then(|| full_at_us.saturating_add(self.interval_us.round().max(1.0) as u64))
            })
            .is_ok()
    }

    /// What a call beyond the limit comes to.
    pub(super) fn error(&self, resource: &str) -> TaskError {
        self.throw.clone().unwrap_or_else(|| throttled(resource))
    }
}

/// What services throw when they throttle, in the names that Step Functions gives (Developer Guide, "Integrating services").
fn throttled(resource: &str) -> TaskError {
    let integration = resource.split_once(":states:::").map_or("", |(_, integration)| integration);
    if let Some(sdk) = integration.strip_prefix("aws-sdk:") {
        return sdk_throttled(sdk);
    }
    let (error, cause) = match integration.split(':').next().unwrap_or_default() {
        "dynamodb" => (
            "DynamoDB.ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        "sqs" => ("SQS.RequestThrottled", "Request is throttled."),
        "sns" => ("SNS.Throttled", "Rate exceeded"),
        "events" => ("EventBridge.ThrottlingException", "Rate exceeded"),
        "states" => ("StepFunctions.ThrottlingException", "Rate exceeded"),
        "s3" => ("S3.SlowDown", "Please reduce your request rate."),
        "apigateway" => ("ApiGateway.429", "Too Many Requests"),
        "http" => ("States.Http.StatusCode.429", "Too Many Requests"),
        _ => ("Lambda.TooManyRequestsException", "Rate Exceeded."),
    };
    TaskError::new(error, cause)
}

/// The error of an AWS SDK integration: the service's name in Pascal case, and its exception.
fn sdk_throttled(integration: &str) -> TaskError {
    let service = integration.split(':').next().unwrap_or_default();
    match service {
        "dynamodb" => TaskError::new(
            "DynamoDb.ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
        "lambda" => TaskError::new("Lambda.TooManyRequestsException", "Rate Exceeded."),
        _ => {
            let mut letters = service.chars();
            let name: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
            TaskError::new(format!("{name}.ThrottlingException"), "Rate exceeded")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn parse(text: &str) -> Result<Limit, Problem> {
        Limit::parse(&Entry::root(Value::parse(text).unwrap().as_ref()))
    }

    fn admitted(limit: &Limit, now_us: u64, calls: usize) -> usize {
        (0..calls).filter(|_| limit.admits(now_us)).count()
    }

    #[test]
    fn buckets_empty_and_fill_again() {
        let limit = parse("100").unwrap();
        assert_eq!(admitted(&limit, 5_000_000, 1000), 100);
        assert_eq!(admitted(&limit, 5_100_000, 1000), 10);
        assert_eq!(admitted(&limit, 9_000_000, 1000), 100);
        let limit = parse(r#"{"Rate": 10, "Burst": 3}"#).unwrap();
        assert_eq!(admitted(&limit, 0, 10), 3);
        assert_eq!(admitted(&limit, 99_999, 10), 0);
        assert_eq!(admitted(&limit, 100_000, 10), 1);
        let slow = parse("0.5").unwrap();
        assert_eq!((admitted(&slow, 0, 5), admitted(&slow, 1_999_999, 5), admitted(&slow, 2_000_000, 5)), (1, 0, 1));
    }

    #[test]
    fn errors_are_given_or_those_of_the_service() {
        let limit = parse(r#"{"Rate": 1, "Throw": {"Error": "Busy"}}"#).unwrap();
        assert_eq!(limit.error("x"), TaskError::new("Busy", ""));
        let limit = parse("1").unwrap();
        for (resource, error) in [
            ("arn:aws:lambda:us-east-1:123456789012:function:f", "Lambda.TooManyRequestsException"),
            ("arn:aws:states:::lambda:invoke", "Lambda.TooManyRequestsException"),
            ("arn:aws:states:::dynamodb:getItem", "DynamoDB.ProvisionedThroughputExceededException"),
            ("arn:aws:states:::aws-sdk:dynamodb:query", "DynamoDb.ProvisionedThroughputExceededException"),
            ("arn:aws:states:::aws-sdk:kms:encrypt", "Kms.ThrottlingException"),
            ("arn:aws:states:::http:invoke", "States.Http.StatusCode.429"),
        ] {
            assert_eq!(limit.error(resource).error.as_str(), error, "{resource}");
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for (text, pointer) in
            [("0", ""), (r#"{"Burst": 1}"#, ""), (r#"{"Rate": 1, "Burst": 0}"#, "/Burst"), (r#"{"rate": 1}"#, "/rate")]
        {
            assert_eq!(parse(text).unwrap_err().pointer, pointer, "{text}");
        }
    }
}
