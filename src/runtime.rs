//! The embeddable runtime: the one place where everything is wired together.

use std::{
    future::Future,
    io,
    sync::{Arc, Weak},
    thread::available_parallelism,
    time::Duration,
};

use crate::{
    Value,
    clock::{Clock, SystemClock},
    engine::{Engine, EngineOptions},
    model::{
        arn::Home,
        execution::{ExecutionName, ExecutionStart, MachineIdentity},
        machine_type::MachineType,
        quota::DEFAULT_MAX_IN_FLIGHT,
    },
    observe::BoundedRecorder,
    program::Program,
    registry::{CreateStateMachine, Registry, RegistryError, StateMachineRecord, check_name},
    task::{
        Handlers, MockedIntegrations, TaskHandler, TaskResult, TestCaseError,
        in_process::{InProcess, InProcessFunction},
        state_machines::{NestedError, NestedExecution, NestedStart, StateMachines},
    },
    value::Text,
};

pub use crate::engine::{Completion, ExecutionCounts, LocalFuture, Lost, StartError, Started};

/// Runs state machines. Cheap to clone; all clones are one runtime, which stops when the last of them is dropped.
///
/// ```
/// use expressway::{Runtime, Value};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = Runtime::builder()
///     .task("double", async |input: Value| {
///         let number = input.as_ref().as_number().and_then(|number| number.as_i64()).unwrap_or(0);
///         Ok(Value::from(number * 2))
///     })
///     .build()?;
/// let machine = runtime.publish(
///     "doubling",
///     r#"{"StartAt": "Double", "States": {"Double": {
///         "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:double", "End": true}}}"#,
/// )?;
/// let outcome = runtime.start_sync(&machine, Value::from(21))?;
/// # let outcome = tokio::runtime::Builder::new_current_thread().build()?.block_on(outcome)?;
/// // In async code: `let outcome = runtime.start_sync(&machine, Value::from(21))?.await?;`
/// assert_eq!(outcome.output, Some(Value::from(42)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    registry: Registry,
    default_test_case: Option<Arc<str>>,
}

/// Why an execution of a test case was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartTestCaseError {
    /// It cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The test case cannot be run.
    #[error(transparent)]
    TestCase(#[from] TestCaseError),
}

/// Builds a [`Runtime`].
pub struct RuntimeBuilder {
    home: Home,
    shards: usize,
    max_in_flight: usize,
    clock: Option<Arc<dyn Clock>>,
    seed: Option<u64>,
    handlers: Handlers,
    default_test_case: Option<Arc<str>>,
    wait_time_scale: f64,
}

impl RuntimeBuilder {
    /// Account and region of the ARNs; default `123456789012` in `us-east-1`.
    #[must_use]
    pub fn home(mut self, home: Home) -> Self {
        self.home = home;
        self
    }

    /// Number of shards, each a thread; default one for each core. For each there is another thread, which gives way to all
    /// others, for executions that compute for long.
    #[must_use]
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Most executions in flight; default [`DEFAULT_MAX_IN_FLIGHT`]. Further starts are refused at once.
    #[must_use]
    pub fn max_in_flight(mut self, executions: usize) -> Self {
        self.max_in_flight = executions;
        self
    }

    /// Where time comes from; default the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Feeds names of executions, jitter and the random intrinsics; default a random seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Lets an async function answer Task states whose `Resource` is `resource`, or the ARN of a Lambda function of that
    /// name. Definitions have ARNs, as on AWS; the name is what is short to write here.
    ///
    /// The function is called, and runs until it first waits, where the execution is started: in
    /// [`Runtime::start_sync`] on the thread of its caller. What waits goes on on a shard, whose event loop (tokio's, with time
    /// and I/O) is there from the beginning.
    #[must_use]
    pub fn task<F, Answer>(self, resource: &str, function: F) -> Self
    where
        F: Fn(Value) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = TaskResult> + Send + 'static,
    {
        self.task_handler(resource, Arc::new(InProcess::new(function)))
    }

    /// As [`RuntimeBuilder::task`], for a function that waits for nothing and is no `async` one. It is called on the thread
    /// that runs the execution, that of the caller or a shard's, and must not block.
    ///
    /// ```
    /// # use expressway::{Runtime, Value};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let runtime = Runtime::builder().task_fn("echo", Ok).build()?;
    /// let machine = runtime.publish(
    ///     "echoing",
    ///     r#"{"StartAt": "Echo", "States": {"Echo": {
    ///         "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo", "End": true}}}"#,
    /// )?;
    /// let outcome = runtime.start_sync(&machine, Value::from(21))?.try_ended().map_err(|_| "it waits")?;
    /// assert_eq!(outcome.output, Some(Value::from(21)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn task_fn<F>(self, resource: &str, function: F) -> Self
    where
        F: Fn(Value) -> TaskResult + Send + Sync + 'static,
    {
        self.task_handler(resource, Arc::new(InProcessFunction::new(function)))
    }

    /// Lets a handler answer Task states whose `Resource` is `resource`, or an ARN of a Lambda function of that name.
    #[must_use]
    pub fn task_handler(mut self, resource: &str, handler: Arc<dyn TaskHandler>) -> Self {
        self.handlers.insert(resource, handler);
        self
    }

    /// Lets a handler answer every `Resource` that begins with `prefix` and has no handler of its own.
    #[must_use]
    pub fn handler(mut self, prefix: &str, handler: Arc<dyn TaskHandler>) -> Self {
        self.handlers.insert_prefix(prefix, handler);
        self
    }

    /// Lets `mocked`, such as a [mock configuration](crate::mock::MockConfiguration), answer calls of executions that run a
    /// test case. What it does not answer goes to the handlers.
    #[must_use]
    pub fn mocked_integrations(mut self, mocked: Arc<dyn MockedIntegrations>) -> Self {
        self.handlers.set_mocked(mocked);
        self
    }

    /// The test case of executions that are started without one, of those state machines that have it; default none.
    #[must_use]
    pub fn default_test_case(mut self, name: &str) -> Self {
        self.default_test_case = Some(name.into());
        self
    }

    /// What the times of Wait states, the delays of retries, and the latencies and timeouts of mocked calls are multiplied
    /// by; default 1. Timeouts of calls that are really made, of state machines and the five minutes of an execution stay as
    /// they are. Zero and what is no number make for no waiting at all.
    #[must_use]
    pub fn wait_time_scale(mut self, scale: f64) -> Self {
        self.wait_time_scale = scale;
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// When the operating system gives no thread or no event queue.
    pub fn build(self) -> io::Result<Runtime> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let registry = Registry::new(self.home, Arc::clone(&clock), seed);
        let options = EngineOptions {
            shards: self.shards,
            max_in_flight: self.max_in_flight,
            clock,
            handlers: self.handlers,
            seed,
            wait_time_scale: self.wait_time_scale,
        };
        let engine = Engine::new(options)?;
        Ok(Runtime(Arc::new(Inner { engine, registry, default_test_case: self.default_test_case })))
    }
}

impl Runtime {
    /// A builder with the defaults.
    #[must_use]
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder {
            home: Home::default(),
            shards: available_parallelism().map_or(1, std::num::NonZero::get),
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            clock: None,
            seed: None,
            handlers: Handlers::default(),
            default_test_case: None,
            wait_time_scale: 1.0,
        }
    }

    /// Publishes a definition as an Express state machine. The same definition under the same name again is the same
    /// machine.
    ///
    /// # Errors
    /// [`RegistryError`], with all diagnostics when the definition has errors.
    pub fn publish(&self, name: &str, definition: &str) -> Result<Arc<StateMachineRecord>, RegistryError> {
        self.0.registry.create(CreateStateMachine {
            name: name.into(),
            definition: definition.into(),
            machine_type: MachineType::Express,
            ..CreateStateMachine::default()
        })
    }

    /// Starts an execution on any shard and returns at once.
    ///
    /// # Errors
    /// [`StartError`] when it is not started: too many are in flight, the runtime shuts down, or the machine is not Express.
    pub fn start(&self, machine: &StateMachineRecord, input: Value) -> Result<Completion, StartError> {
        let machine = machine.on_this_thread().ok_or(StartError::NotExpress)?;
        self.0.engine.start(machine.program, self.execution(machine.identity, input, false, None))
    }

    /// Starts an execution on the calling thread, which is the fastest: one that never waits has ended when this returns,
    /// and its completion is ready; tasks of this process that have their results at once are no waiting. Once it waits, it goes on
    /// on a shard.
    ///
    /// # Errors
    /// As [`Runtime::start`].
    pub fn start_sync(&self, machine: &StateMachineRecord, input: Value) -> Result<Completion, StartError> {
        let machine = machine.on_this_thread().ok_or(StartError::NotExpress)?;
        self.0.engine.start_here(machine.program, self.execution(machine.identity, input, true, None))
    }

    /// This runtime's state machines as tasks start them; it does not keep the runtime alive.
    #[must_use]
    pub fn local_machines(&self) -> LocalMachines {
        LocalMachines(Arc::downgrade(&self.0))
    }

    /// As [`Runtime::start_sync`], with the calls of the execution answered by a test case.
    ///
    /// # Errors
    /// [`StartTestCaseError`], when it is not started or there is no such test case.
    pub fn start_test_case(
        &self,
        machine: &StateMachineRecord,
        test_case: &str,
        input: Value,
    ) -> Result<Completion, StartTestCaseError> {
        let machine = machine.on_this_thread().ok_or(StartError::NotExpress)?;
        let test_case = self.test_case(&machine.identity.name, test_case)?;
        Ok(self.0.engine.start_here(machine.program, self.execution(machine.identity, input, true, Some(test_case)))?)
    }

    /// A test case of a state machine, checked: what
    /// [`ExecutionStart::test_case`](crate::model::execution::ExecutionStart::test_case) takes.
    ///
    /// # Errors
    /// [`TestCaseError`] when there is none, or it has errors.
    pub fn test_case(&self, machine_name: &str, name: &str) -> Result<Arc<str>, TestCaseError> {
        let mocked = self.0.engine.handlers().mocked().ok_or_else(|| {
            TestCaseError(format!(
                "There is no test case '{name}': no mock configuration was given (--mock FILE or SFN_MOCK_CONFIG)"
            ))
        })?;
        mocked.check_test_case(machine_name, name)?;
        Ok(name.into())
    }

    /// The state machine of an ARN with the test case of executions that are started by it: what stands behind a `#`, as for
    /// Step Functions Local, or the default one. None when there is no such state machine.
    ///
    /// # Errors
    /// [`TestCaseError`] when the ARN names a test case that does not exist or has errors.
    pub fn find(&self, arn: &str) -> Result<Option<FoundStateMachine>, TestCaseError> {
        if let Some(record) = self.registry().get_on_this_thread(arn) {
            let test_case = self.default_test_case(&record.identity.name);
            return Ok(Some((record, test_case)));
        }
        // Names have no `#`, so that only an ARN with a test case does.
        let named = arn.split_once('#').and_then(|(arn, test_case)| Some((self.registry().get(arn)?, test_case)));
        let Some((record, test_case)) = named else { return Ok(None) };
        let test_case = self.test_case(&record.identity.name, test_case)?;
        Ok(Some((record, Some(test_case))))
    }

    /// The test case of executions of a state machine that are started without one; none when the state machine does not have
    /// it. One with errors fails the tasks of its executions with `States.Runtime`.
    #[must_use]
    pub fn default_test_case(&self, machine_name: &str) -> Option<Arc<str>> {
        let name = self.0.default_test_case.as_ref()?;
        self.0.engine.handlers().mocked()?.has_test_case(machine_name, name).then(|| Arc::clone(name))
    }

    fn execution(
        &self,
        machine: Arc<MachineIdentity>,
        input: Value,
        synchronous: bool,
        test_case: Option<Arc<str>>,
    ) -> ExecutionStart {
        let name = ExecutionName { name: None, id: self.0.engine.random() };
        let test_case = test_case.or_else(|| self.default_test_case(&machine.name));
        ExecutionStart { machine, name, input, synchronous, depth: 0, test_case, start_time_ms: None }
    }

    /// The state machines.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Where time comes from.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.0.engine.clock()
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.0.engine.shards()
    }

    /// Executions that have not ended.
    #[must_use]
    pub fn executions_in_flight(&self) -> usize {
        self.0.engine.executions_in_flight()
    }

    /// Counts of all executions so far.
    #[must_use]
    pub fn counts(&self) -> ExecutionCounts {
        self.0.engine.counts()
    }

    /// Runs a service on the thread of every shard, where its future may hold what belongs to that shard. `false` when a
    /// shard is too busy to take it.
    pub fn spawn_on_shards(&self, service: impl Fn(Shard) -> LocalFuture + Send + Sync + 'static) -> bool {
        self.0.engine.spawn_on_shards(self.service(service))
    }

    /// As [`Runtime::spawn_on_shards`], for services that compute for long: on as many shards whose threads give way to all
    /// others, and where executions go on that compute for long.
    pub fn spawn_in_background(&self, service: impl Fn(Shard) -> LocalFuture + Send + Sync + 'static) -> bool {
        self.0.engine.spawn_in_background(self.service(service))
    }

    /// A service of the engine. It holds the runtime weakly until it runs, so that one that was never run does not keep it alive.
    fn service(
        &self,
        service: impl Fn(Shard) -> LocalFuture + Send + Sync + 'static,
    ) -> impl Fn(crate::engine::Shard) -> LocalFuture + Send + Sync + 'static {
        let runtime = Arc::downgrade(&self.0);
        move |shard| match runtime.upgrade() {
            Some(inner) => service(Shard { shard, runtime: Runtime(inner) }),
            None => Box::pin(async {}),
        }
    }

    /// Starts nothing more and waits until what runs has ended, for as long as `timeout`. Whether all has ended.
    pub async fn drain(&self, timeout: Duration) -> bool {
        self.0.engine.drain(timeout).await
    }
}

/// A state machine, and the test case of executions that are started with it.
pub type FoundStateMachine = (Arc<StateMachineRecord>, Option<Arc<str>>);

/// The state machines of a runtime, for handlers that the runtime itself holds.
#[derive(Clone)]
pub struct LocalMachines(Weak<Inner>);

impl StateMachines for LocalMachines {
    fn start(&self, nested: NestedStart) -> Result<NestedExecution, NestedError> {
        let runtime = Runtime(self.0.upgrade().ok_or(NestedError::Refused)?);
        let found = runtime.find(&nested.machine_arn).map_err(|error| NestedError::TestCase(error.0))?;
        let (machine, test_case) = found.ok_or(NestedError::DoesNotExist)?;
        let machine = machine.on_this_thread().ok_or(NestedError::NotExpress)?;
        if let Some(name) = &nested.name {
            check_name(name).map_err(|error| NestedError::InvalidName(error.to_string()))?;
        }
        let name = ExecutionName { name: nested.name.map(Text::from), id: runtime.0.engine.random() };
        let start = ExecutionStart {
            machine: Arc::clone(&machine.identity),
            name: name.clone(),
            input: nested.input,
            synchronous: nested.synchronous,
            depth: nested.depth,
            test_case,
            start_time_ms: None,
        };
        let start_time_ms = runtime.clock().epoch_ms();
        // Whoever waits for it wants it as soon as can be; whoever does not wants to go on.
        let started = if nested.synchronous {
            runtime.0.engine.start_here(machine.program, start)
        } else {
            runtime.0.engine.start(machine.program, start)
        };
        let completion = started.map_err(|_| NestedError::Refused)?;
        Ok(NestedExecution {
            execution_arn: name.arn(&machine.identity),
            name: name.name(),
            start_time_ms,
            outcome: Box::pin(async move { completion.await.ok() }),
        })
    }
}

/// A shard, on its own thread: what services use to start executions without crossing to another thread.
#[derive(Clone)]
pub struct Shard {
    shard: crate::engine::Shard,
    runtime: Runtime,
}

impl Shard {
    /// The runtime that the shard belongs to.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Which shard this is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.shard.index()
    }

    /// A random number from the shard's seeded generator, for names of executions and requests.
    #[must_use]
    pub fn random(&self) -> u128 {
        self.shard.random()
    }

    /// Starts an execution right here and runs it until it first waits. Nobody hears how it ends.
    ///
    /// # Errors
    /// [`StartError`] when it is not started.
    pub fn start(&self, program: Arc<Program>, start: ExecutionStart) -> Result<(), StartError> {
        self.shard.start(program, start)
    }

    /// Starts an execution right here and runs it until it first waits.
    ///
    /// # Errors
    /// [`StartError`] when it is not started.
    pub fn start_sync(&self, program: Arc<Program>, start: ExecutionStart) -> Result<Started, StartError> {
        self.shard.start_sync(program, start, None)
    }

    /// As [`Shard::start_sync`], with its history events recorded.
    ///
    /// # Errors
    /// [`StartError`] when it is not started.
    pub fn start_traced(
        &self,
        program: Arc<Program>,
        start: ExecutionStart,
        recorder: BoundedRecorder,
    ) -> Result<Started, StartError> {
        self.shard.start_sync(program, start, Some(recorder))
    }
}
