//! The side tables of a program: everything about a state that is too large for an instruction.

use std::{ops::Range, sync::Arc};

use super::{ExpressionPlan, InstructionId, PathId, TemplateId};
use crate::{
    Value,
    query::{Condition, Intrinsic},
    value::Text,
};

/// What the engine must know of a state beyond its instructions.
#[derive(Clone, Debug)]
pub struct StateInfo {
    /// Its name.
    pub name: Text,
    /// Whether its query language is JSONata.
    pub is_jsonata: bool,
    /// Its type, for the names of events.
    pub kind: StateType,
    /// The instruction behind its `EnterState`, where a retry begins again.
    pub body: InstructionId,
    /// Whether anything asks for its input once its data is another: `ResultPath`, a retrier, a catcher, an expression in JSONata.
    pub keeps_input: bool,
    /// Its retriers.
    pub retriers: Table,
    /// Its catchers.
    pub catchers: Table,
}

/// A row of rows in one of the program's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The first.
    pub start: u32,
    /// Behind the last.
    pub end: u32,
}

impl Table {
    /// The places as a range.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// `Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the eight state types of ASL")]
pub enum StateType {
    Pass,
    Task,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

impl StateType {
    /// ASL's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }
}

/// A field that is a literal, a path or an intrinsic call.
#[derive(Clone, Debug)]
pub enum FieldPlan {
    /// `TimeoutSeconds`, `Error`, …
    Literal(Value),
    /// `TimeoutSecondsPath`, `ErrorPath`, …
    Path(PathId),
    /// `{% … %}`.
    Expression(Box<ExpressionPlan>),
    /// `ErrorPath` and `CausePath` may call an intrinsic function.
    Intrinsic(Box<Intrinsic>),
}

/// A Task.
#[derive(Clone, Debug)]
pub struct TaskPlan {
    /// `Resource`.
    pub resource: Arc<str>,
    /// Which family of events the resource has.
    pub events: TaskEvents,
    /// `TimeoutSeconds` or `TimeoutSecondsPath`.
    pub timeout: Option<FieldPlan>,
    /// `HeartbeatSeconds` or `HeartbeatSecondsPath`.
    pub heartbeat: Option<FieldPlan>,
    /// `Credentials`.
    pub credentials: Option<TemplateId>,
}

impl TaskPlan {
    /// Whether its time limit depends on data: on the state's input as it is before `Parameters`.
    #[must_use]
    pub fn has_time_limit_path(&self) -> bool {
        [&self.timeout, &self.heartbeat].iter().any(|field| matches!(field, Some(FieldPlan::Path(_))))
    }
}

/// Which history events a task has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskEvents {
    /// `LambdaFunctionScheduled` …: a function's ARN as `Resource`.
    LambdaFunction,
    /// `TaskScheduled` …: everything else.
    Task,
}

/// `Choices`: rules in order, each with the place where its instructions begin.
#[derive(Clone, Debug)]
pub struct ChoicePlan {
    /// The rules.
    pub rules: Vec<(RulePlan, InstructionId)>,
    /// Where `Default` begins.
    pub default: Option<InstructionId>,
}

/// What a rule of a Choice state asks.
#[derive(Clone, Debug)]
pub enum RulePlan {
    /// `Variable` with an operator, `And`, `Or`, `Not`.
    Condition(Condition),
    /// `Condition` of a JSONata state.
    Expression(Box<ExpressionPlan>),
    /// A `Condition` that is no expression.
    Constant(bool),
}

/// A Wait.
#[derive(Clone, Debug)]
pub enum WaitPlan {
    /// `Seconds`, in milliseconds.
    Milliseconds(u64),
    /// `SecondsPath`.
    SecondsPath(PathId),
    /// `Timestamp`, in milliseconds since 1970.
    Until(i64),
    /// `TimestampPath`.
    TimestampPath(PathId),
    /// `Seconds` as an expression.
    SecondsExpression(Box<ExpressionPlan>),
    /// `Timestamp` as an expression.
    TimestampExpression(Box<ExpressionPlan>),
}

/// A Fail.
#[derive(Clone, Debug, Default)]
pub struct FailPlan {
    /// `Error` or `ErrorPath`.
    pub error: Option<FieldPlan>,
    /// `Cause` or `CausePath`.
    pub cause: Option<FieldPlan>,
}

/// A Parallel.
#[derive(Clone, Debug, Default)]
pub struct ParallelPlan {
    /// Where each branch begins.
    pub branches: Vec<InstructionId>,
}

/// Where the items of a Map come from.
#[derive(Clone, Debug)]
pub enum ItemsPlan {
    /// `ItemsPath`.
    Path(PathId),
    /// `Items` as an expression.
    Expression(Box<ExpressionPlan>),
    /// `Items` as an array, possibly with expressions in it.
    Template(TemplateId),
}

/// A Map.
#[derive(Clone, Debug)]
pub struct MapPlan {
    /// `ItemsPath` or `Items`; none: the state's input.
    pub items: Option<ItemsPlan>,
    /// `ItemSelector` or the older `Parameters`.
    pub selector: Option<TemplateId>,
    /// Where the item processor begins.
    pub processor: InstructionId,
    /// `MaxConcurrency` or `MaxConcurrencyPath`.
    pub max_concurrency: Option<FieldPlan>,
    /// `ToleratedFailureCount` or `ToleratedFailureCountPath`.
    pub tolerated_failure_count: Option<FieldPlan>,
    /// `ToleratedFailurePercentage` or `ToleratedFailurePercentagePath`.
    pub tolerated_failure_percentage: Option<FieldPlan>,
}

/// One of `Retry`.
#[derive(Clone, Debug)]
pub struct RetrierPlan {
    /// `ErrorEquals`.
    pub error_equals: Vec<Box<str>>,
    /// `IntervalSeconds`, in milliseconds.
    pub interval_ms: f64,
    /// `MaxAttempts`.
    pub max_attempts: u64,
    /// `BackoffRate`.
    pub backoff_rate: f64,
    /// `MaxDelaySeconds`, in milliseconds.
    pub max_delay_ms: Option<f64>,
    /// `JitterStrategy` is `FULL`.
    pub full_jitter: bool,
}

/// One of `Catch`.
#[derive(Clone, Debug)]
pub struct CatcherPlan {
    /// `ErrorEquals`.
    pub error_equals: Vec<Box<str>>,
    /// Where its instructions begin, with the error output in `data`.
    pub handler: InstructionId,
}
