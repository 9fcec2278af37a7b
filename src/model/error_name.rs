//! Names of errors inside an execution (Amazon States Language, appendix A: predefined error codes).

/// Matches any error name but [`RUNTIME`] in `Retry` and `Catch`.
pub const ALL: &str = "States.ALL";
/// A heartbeat that did not come within `HeartbeatSeconds`.
pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
/// A Task that ran longer than `TimeoutSeconds`, or had no heartbeat in time.
pub const TIMEOUT: &str = "States.Timeout";
/// A Task that failed; in `Retry` and `Catch` it matches any error but [`TIMEOUT`].
pub const TASK_FAILED: &str = "States.TaskFailed";
/// Not enough privileges to run what was specified.
pub const PERMISSIONS: &str = "States.Permissions";
/// A result that `ResultPath` cannot place into the input.
pub const RESULT_PATH_MATCH_FAILURE: &str = "States.ResultPathMatchFailure";
/// A path in a payload template that finds nothing.
pub const PARAMETER_PATH_FAILURE: &str = "States.ParameterPathFailure";
/// A branch of a Parallel state that failed.
pub const BRANCH_FAILED: &str = "States.BranchFailed";
/// No rule of a Choice state matched, and it has no `Default`.
pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
/// An intrinsic function that was called with arguments that it does not take.
pub const INTRINSIC_FAILURE: &str = "States.IntrinsicFailure";
/// A Map state with more failed items than tolerated.
pub const EXCEED_TOLERATED_FAILURE_THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";
/// A JSONata expression that failed.
pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
/// Data above the 262,144 bytes that a state's input, result and output may have.
pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
/// An execution that could not go on; never retried, and caught by no name.
pub const RUNTIME: &str = "States.Runtime";
