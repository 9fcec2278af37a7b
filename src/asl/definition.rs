//! The syntax tree of a definition: states with their fields as they were written, checked but not compiled.

use crate::Value;

/// A state machine, or the inside of a Map state or of a branch of a Parallel state.
#[derive(Clone, Debug, Default)]
pub struct StateMachine {
    /// `Comment`.
    pub comment: Option<String>,
    /// `QueryLanguage` of the states that have none of their own.
    pub query_language: QueryLanguage,
    /// `TimeoutSeconds` of the whole execution; only at the top.
    pub timeout_seconds: Option<u64>,
    /// `StartAt`.
    pub start_at: String,
    /// `States`, in the order of the definition.
    pub states: Vec<State>,
}

/// `QueryLanguage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueryLanguage {
    /// Paths, payload templates and intrinsic functions.
    #[default]
    JsonPath,
    /// `{% … %}` expressions.
    Jsonata,
}

/// One state: the fields that several types share, and those of its type.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name, the key in `States`.
    pub name: String,
    /// JSON pointer to it, such as `/States/Order`.
    pub pointer: String,
    /// Its own or the machine's `QueryLanguage`.
    pub query_language: QueryLanguage,
    /// `Next` or `End`; `None` for Choice, Succeed and Fail.
    pub transition: Option<Transition>,
    /// `InputPath`.
    pub input_path: PathField,
    /// `Parameters` (for a Map state with no `ItemSelector`: what older definitions write instead of it).
    pub parameters: Option<Value>,
    /// `ResultSelector`.
    pub result_selector: Option<Value>,
    /// `ResultPath`.
    pub result_path: PathField,
    /// `OutputPath`.
    pub output_path: PathField,
    /// `Assign`.
    pub assign: Option<Value>,
    /// `Arguments` (JSONata).
    pub arguments: Option<Value>,
    /// `Output` (JSONata).
    pub output: Option<Value>,
    /// `Retry`, in order.
    pub retry: Vec<Retrier>,
    /// `Catch`, in order.
    pub catch: Vec<Catcher>,
    /// What its type adds.
    pub kind: StateKind,
}

/// Where a state goes when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// `Next`.
    Next(String),
    /// `"End": true`.
    End,
}

/// `InputPath`, `OutputPath` and `ResultPath` tell apart a path, `null` and nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PathField {
    /// Not given: the same as `$`.
    #[default]
    Absent,
    /// `null`: `{}` for InputPath and OutputPath, no result for ResultPath.
    Null,
    /// A path.
    Path(String),
}

/// What a state's type adds to its common fields.
#[derive(Clone, Debug)]
pub enum StateKind {
    /// Hands on its input or a fixed result.
    Pass {
        /// `Result`, literal.
        result: Option<Value>,
    },
    /// Calls something.
    Task {
        /// `Resource`.
        resource: String,
        /// `TimeoutSeconds` or `TimeoutSecondsPath`.
        timeout: Option<Scalar>,
        /// `HeartbeatSeconds` or `HeartbeatSecondsPath`.
        heartbeat: Option<Scalar>,
        /// `Credentials`.
        credentials: Option<Value>,
    },
    /// Goes where the first rule that matches says.
    Choice {
        /// `Choices`, in order.
        rules: Vec<ChoiceRule>,
        /// `Default`.
        default: Option<String>,
    },
    /// Waits.
    Wait(Wait),
    /// Ends the branch or the execution well.
    Succeed,
    /// Ends the execution as failed.
    Fail {
        /// `Error` or `ErrorPath`.
        error: Option<Scalar>,
        /// `Cause` or `CausePath`.
        cause: Option<Scalar>,
    },
    /// Runs branches side by side.
    Parallel {
        /// `Branches`.
        branches: Vec<StateMachine>,
    },
    /// Runs one sub-machine for each item.
    Map(Box<Map>),
}

/// A field that is given as itself (`TimeoutSeconds`) or by a path (`TimeoutSecondsPath`).
#[derive(Clone, Debug)]
pub enum Scalar {
    /// A literal; in JSONata states possibly an expression string.
    Literal(Value),
    /// A path, or for `ErrorPath` and `CausePath` possibly an intrinsic function.
    Path(String),
}

/// The four forms of a Wait state.
#[derive(Clone, Debug)]
pub enum Wait {
    /// `Seconds` or `SecondsPath`.
    Seconds(Scalar),
    /// `Timestamp` or `TimestampPath`.
    Timestamp(Scalar),
}

/// One of `Choices`.
#[derive(Clone, Debug)]
pub struct ChoiceRule {
    /// The rule as written: `Variable` with an operator, `And`, `Or`, `Not`, or `Condition` (JSONata). It may hold the
    /// other fields of the rule too, which are not part of the condition.
    pub condition: Value,
    /// `Next`.
    pub next: String,
    /// `Assign`.
    pub assign: Option<Value>,
    /// `Output` (JSONata).
    pub output: Option<Value>,
}

/// One of `Retry`.
#[derive(Clone, Debug)]
pub struct Retrier {
    /// `ErrorEquals`.
    pub error_equals: Vec<String>,
    /// `IntervalSeconds`, default 1.
    pub interval_seconds: f64,
    /// `MaxAttempts`, default 3; 0 means never.
    pub max_attempts: u64,
    /// `BackoffRate`, default 2.0, at least 1.0.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`.
    pub max_delay_seconds: Option<f64>,
    /// `JitterStrategy` is `FULL`.
    pub full_jitter: bool,
}

/// One of `Catch`.
#[derive(Clone, Debug)]
pub struct Catcher {
    /// `ErrorEquals`.
    pub error_equals: Vec<String>,
    /// `Next`.
    pub next: String,
    /// `ResultPath`.
    pub result_path: PathField,
    /// `Assign`.
    pub assign: Option<Value>,
    /// `Output` (JSONata).
    pub output: Option<Value>,
}

/// What a Map state adds.
#[derive(Clone, Debug)]
pub struct Map {
    /// `ItemProcessor`, or the older `Iterator`.
    pub item_processor: StateMachine,
    /// Whether `ProcessorConfig.Mode` is `DISTRIBUTED`.
    pub distributed: bool,
    /// `ItemsPath`, or `Items` (JSONata: an array or an expression).
    pub items: Option<Scalar>,
    /// `ItemSelector`, or the older `Parameters`.
    pub item_selector: Option<Value>,
    /// `MaxConcurrency` or `MaxConcurrencyPath`; 0 or absent: no limit.
    pub max_concurrency: Option<Scalar>,
    /// `ToleratedFailureCount` or `ToleratedFailureCountPath`.
    pub tolerated_failure_count: Option<Scalar>,
    /// `ToleratedFailurePercentage` or `ToleratedFailurePercentagePath`.
    pub tolerated_failure_percentage: Option<Scalar>,
}
