//! Simulated services: calls of Task states answered from a mock configuration file.
//!
//! The file is that of Step Functions Local (Developer Guide, "Configuration file for mocked service integrations in Step
//! Functions"): a test case says which response mocks which state, a response says what the state's invocations in one
//! execution come to, by their number from 0. An execution runs a test case when it is started with
//! `stateMachineArn#TestCase`, or when the runtime has a default test case. States that a test case does not mock call what
//! they always do.
//!
//! Beyond what Step Functions Local knows:
//!
//! | where | field | meaning |
//! |---|---|---|
//! | test case | `Pattern*` | `*` in a key fits any characters of the state's name or of its `Resource`. The name itself comes first, then the `Resource` itself, then the pattern with most characters |
//! | test case | response or `null` in the place of a name | a response written out; or no mock at all, although a pattern fits |
//! | machines | `"*"` | wildcards fit names of state machines too; a test case of the machine's own name comes first |
//! | response | `"*"`, `"3-*"` | the outcome of all other invocations; of the fourth and all after it |
//! | response, outcome | `LatencyMilliseconds` | how long the call takes: a number, `{"Min", "Max"}` (uniform), `{"P50", "P99"}` (log-normal) or `{"Samples": […]}`; that of the outcome comes first; 0 by default |
//! | response | `LimitPerSecond` | calls a second, by all executions together, or `{"Rate", "Burst", "Throw"}`; calls beyond throw at once what the service throws when it throttles (`Lambda.TooManyRequestsException` for a function), or `Throw` |
//! | response, file | `Seed` | makes what is drawn the same in every run |
//! | outcome | `ReturnTemplate` | a payload template, or one path or intrinsic function, over the task's effective input as `$`. `$$` has `Execution`, `StateMachine`, `State.Name`, `Resource`, `Mock.Invocation` and `Mock.LatencyMilliseconds` |
//! | outcome | `Hang` | `true`: never answers, so that only a timeout ends the call |
//! | outcome | `OneOf` | outcomes, each with a `Weight` (1 by default), of which one is drawn |
//! | anywhere | `Comment` | ignored |
//!
//! What is drawn depends on the seed, the state machine's name, the execution, the state, the branch or iteration that it is in
//! and the number of the invocation in there; never on what else runs. The execution counts with the name that its caller
//! gave it; without one, with its unique number, which is another one in each run unless the runtime is seeded.
//! (`expressway run` numbers its executions by their lines.) Only `LimitPerSecond` depends on time.
//!
//! Latencies pass on the shard's timers, scaled by the runtime's wait time scale. An invocation that there is no outcome for
//! fails its execution with `States.Runtime`.
//!
//! ```
//! use std::sync::Arc;
//! use expressway::{Runtime, Value, clock::SystemClock, mock::MockConfiguration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = r#"{
//!   "StateMachines": {
//!     "order": {
//!       "TestCases": {
//!         "HappyPath": {"Charge card": "CardCharged", "Notify": "MessageSent"},
//!         "CardRetried": {"Charge card": "CardChargedAtThirdTry", "Notify": "MessageSent"},
//!         "LoadTest": {"Charge card": "CardService", "arn:aws:states:::sqs:*": "MessageSent", "*": "AnyFunction"}
//!       }
//!     }
//!   },
//!   "MockedResponses": {
//!     "CardCharged": {"0": {"Return": {"paid": true}}},
//!     "CardChargedAtThirdTry": {
//!       "0-1": {"Throw": {"Error": "Lambda.TimeoutException", "Cause": "The function timed out."}},
//!       "2": {"Return": {"paid": true}}
//!     },
//!     "MessageSent": {"*": {"Return": {"MessageId": "1"}}},
//!     "CardService": {
//!       "Seed": 42,
//!       "LatencyMilliseconds": {"P50": 40, "P99": 400},
//!       "LimitPerSecond": {"Rate": 500, "Burst": 50, "Throw": {"Error": "TooManyCharges"}},
//!       "*": {
//!         "OneOf": [
//!           {"Weight": 96, "ReturnTemplate": {"paid": true, "order.$": "$.id"}},
//!           {"Weight": 3, "Throw": {"Error": "CardDeclined", "Cause": "Insufficient funds"}, "LatencyMilliseconds": 5},
//!           {"Weight": 1, "Hang": true}
//!         ]
//!       }
//!     },
//!     "AnyFunction": {"LatencyMilliseconds": {"Samples": [8, 9, 9, 11, 75]}, "*": {"ReturnTemplate": "$"}}
//!   }
//! }"#;
//! let mocked = MockConfiguration::parse("mock.json", file.into(), Arc::new(SystemClock::new()))?;
//! let runtime = Runtime::builder().mocked_integrations(Arc::new(mocked)).build()?;
//! let machine = runtime.publish(
//!     "order",
//!     r#"{"StartAt": "Charge card", "States": {"Charge card": {
//!         "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge", "End": true}}}"#,
//! )?;
//! let completion = runtime.start_test_case(&machine, "HappyPath", Value::empty_object())?;
//! # let outcome = tokio::runtime::Builder::new_current_thread().build()?.block_on(completion)?;
//! // In async code: `let outcome = completion.await?;`
//! assert_eq!(outcome.output, Some(Value::parse(r#"{"paid": true}"#)?));
//! # Ok(())
//! # }
//! ```

mod configuration;
mod draw;
mod entry;
mod latency;
mod limit;
mod outcome;
mod pattern;
mod response;
mod test_case;

pub use self::configuration::{MockConfiguration, MockConfigurationError};
