//! Where the settings of `pipe` come from: flags for one pipe, or a TOML file for several.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    PipeArguments,
    place::{Given, Places},
};
#[cfg(feature = "sqs")]
use crate::source::sqs::SqsAddress;
use crate::{
    Value,
    cli::{
        services::ServicesFile,
        simulation::{Simulation, SimulationArguments},
    },
    query::{Condition, Path, PayloadTemplate},
    source::{Backoff, BatchSettings, EventRule, FailureRules, LaneSettings, NO_STATE_MACHINE, RateLimit, ResultForm},
};

const DEFAULT_MAX_IN_FLIGHT: usize = 1000;
/// Larger windows are a mistake: as many events are held in memory.
const MOST_IN_FLIGHT: usize = 1_000_000;
const DEFAULT_MAX_DELIVERIES: u64 = 5;
const DEFAULT_ACK_WAIT: Duration = Duration::from_secs(30);
const DEFAULT_DRAIN_SECONDS: u64 = 30;
const DEFAULT_PROGRESS_SECONDS: u64 = 10;
/// Waits before an event is delivered again, unless the file says otherwise.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// Waits after a broker refused something or is down.
const BROKER: Backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// What `pipe` runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) pipes: Vec<PipeSettings>,
    pub(super) shards: Option<usize>,
    pub(super) drain_timeout: Duration,
    pub(super) progress: Option<Duration>,
    pub(super) lambda_endpoint: Option<String>,
    pub(super) definitions: Option<PathBuf>,
    pub(super) simulation: Simulation,
    pub(super) services: ServicesFile,
}

/// Which state machine the executions of a pipe are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Machine {
    /// That of a file.
    File(PathBuf),
    /// That which the event names, or else this one of the runtime's.
    Registry(Option<String>),
    /// Each start that was stored names its own.
    Intake,
}

/// One pipe.
#[derive(Debug)]
pub(in crate::cli) struct PipeSettings {
    pub(super) name: String,
    pub(super) machine: Machine,
    pub(super) max_in_flight: usize,
    pub(super) ack_wait: Duration,
    pub(super) filter_subject: String,
    from: String,
    to: String,
    dead_letter: String,
    event: EventRule,
    failures: FailureRules,
    result: ResultForm,
    order_by: Option<Path>,
    batch: Option<BatchSettings>,
    rate_limit: Option<Arc<RateLimit>>,
    #[cfg(feature = "sqs")]
    services: ServicesFile,
    #[cfg(feature = "kafka")]
    kafka: BTreeMap<String, crate::cli::services::Secret>,
}

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    #[serde(default)]
    pipe: Vec<PipeEntry>,
    shards: Option<usize>,
    drain_timeout: Option<u64>,
    progress: Option<u64>,
    lambda_endpoint: Option<String>,
    /// Directory of state machines that pipes name.
    definitions: Option<PathBuf>,
    mock: Option<PathBuf>,
    mock_case: Option<String>,
    wait_time_scale: Option<f64>,
    /// What tasks reach: the table that `serve` takes.
    #[serde(default)]
    services: ServicesFile,
}

/// A `[[pipe]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PipeEntry {
    name: Option<String>,
    from: String,
    machine: Option<PathBuf>,
    machine_by: Option<String>,
    max_starts_per_second: Option<f64>,
    burst: Option<u32>,
    to: Option<String>,
    dead_letter: Option<String>,
    max_in_flight: Option<usize>,
    max_deliveries: Option<u64>,
    ack_wait: Option<f64>,
    filter_subject: Option<String>,
    result: Option<String>,
    #[serde(default)]
    on_failure: BTreeMap<String, String>,
    retry_wait_ms: Option<u64>,
    max_retry_wait_ms: Option<u64>,
    input: Option<toml::Value>,
    filter: Option<toml::Value>,
    order_by: Option<String>,
    batch: Option<BatchEntry>,
    /// Properties of librdkafka.
    #[cfg(feature = "kafka")]
    #[serde(default)]
    kafka: BTreeMap<String, crate::cli::services::Secret>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchEntry {
    max_items: usize,
    max_wait_ms: u64,
}

impl Settings {
    /// Puts the settings together.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) fn resolve(arguments: PipeArguments) -> Result<Self, String> {
        let mut file = match &arguments.config {
            Some(path) => read(path)?,
            None => one_pipe(&arguments),
        };
        let mut pipes = pipes(std::mem::take(&mut file.pipe))?;
        pipes.iter_mut().for_each(|pipe| pipe.set_services(&file.services));
        let definitions = arguments.definitions.or(file.definitions);
        if definitions.is_none()
            && let Some(pipe) = pipes.iter().find(|pipe| !matches!(pipe.machine, Machine::File(_)))
        {
            let name = &pipe.name;
            return Err(format!("pipe {name}: machine is no file, and there are no --definitions to find it in"));
        }
        let simulation = arguments.simulation.or(SimulationArguments {
            mock: file.mock,
            mock_case: file.mock_case,
            wait_time_scale: file.wait_time_scale,
        });
        let drain_seconds = arguments.drain_timeout.or(file.drain_timeout).unwrap_or(DEFAULT_DRAIN_SECONDS);
        let progress = arguments.progress.or(file.progress).unwrap_or(DEFAULT_PROGRESS_SECONDS);
        Ok(Self {
            pipes,
            shards: arguments.shards.map(usize::from).or(file.shards),
            drain_timeout: Duration::from_secs(drain_seconds),
            progress: (progress > 0).then(|| Duration::from_secs(progress)),
            lambda_endpoint: arguments.lambda_endpoint.or(file.lambda_endpoint),
            definitions,
            simulation: simulation.load()?,
            services: file.services,
        })
    }
}

fn read(path: &std::path::Path) -> Result<ConfigFile, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn pipes(entries: Vec<PipeEntry>) -> Result<Vec<PipeSettings>, String> {
    if entries.is_empty() {
        return Err("the file has no [[pipe]]".into());
    }
    entries.into_iter().map(PipeSettings::new).collect()
}

/// The pipes of a file that run beside `serve`. What else the file may have is said to `serve`.
///
/// # Errors
/// What is wrong, for the operator.
pub(in crate::cli) fn pipes_beside_serve(path: &std::path::Path) -> Result<Vec<PipeSettings>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file: PipesFile = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    pipes(file.pipe)
}

/// The file of `serve --pipe`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PipesFile {
    #[serde(default)]
    pipe: Vec<PipeEntry>,
}

/// The table `intake` of the file of `serve`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct IntakeEntry {
    /// The stream of starts.
    pub(in crate::cli) from: Option<String>,
    dead_letter: Option<String>,
    max_in_flight: Option<usize>,
    max_deliveries: Option<u64>,
    ack_wait: Option<f64>,
    max_starts_per_second: Option<f64>,
    burst: Option<u32>,
}

impl IntakeEntry {
    /// The pipe that runs the starts of a stream. An execution that fails has been started, as its caller was told.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(in crate::cli) fn pipe(self) -> Result<PipeSettings, String> {
        /// With waits that double up to a minute: a quarter of an hour for a state machine that is on no node yet.
        const MAX_DELIVERIES: u64 = 20;
        const MAX_IN_FLIGHT: usize = 10_000;
        let actions = [("States.ALL", "ack"), (NO_STATE_MACHINE, "retry"), ("InvalidStart", "dead_letter")];
        let mut pipe = PipeSettings::new(PipeEntry {
            name: Some("intake".into()),
            from: self.from.ok_or("intake: there is no `from`")?,
            machine_by: Some("$".into()),
            dead_letter: self.dead_letter,
            max_in_flight: self.max_in_flight.or(Some(MAX_IN_FLIGHT)),
            max_deliveries: self.max_deliveries.or(Some(MAX_DELIVERIES)),
            ack_wait: self.ack_wait,
            max_starts_per_second: self.max_starts_per_second,
            burst: self.burst,
            on_failure: actions.map(|(error, action)| (error.to_owned(), action.to_owned())).into(),
            ..PipeEntry::default()
        })?;
        pipe.machine = Machine::Intake;
        pipe.event.machine = None;
        pipe.event.is_intake = true;
        Ok(pipe)
    }
}

fn one_pipe(arguments: &PipeArguments) -> ConfigFile {
    let pipe = PipeEntry {
        from: arguments.from.clone().unwrap_or_default(),
        machine: arguments.machine.clone(),
        max_starts_per_second: arguments.max_starts_per_second,
        to: arguments.to.clone(),
        dead_letter: arguments.dead_letter.clone(),
        max_in_flight: arguments.max_in_flight,
        max_deliveries: arguments.max_deliveries,
        ack_wait: arguments.ack_wait,
        result: arguments.result.clone(),
        ..PipeEntry::default()
    };
    ConfigFile { pipe: vec![pipe], ..ConfigFile::default() }
}

impl PipeSettings {
    fn new(entry: PipeEntry) -> Result<Self, String> {
        let is_file = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json") || path.is_file();
        let machine = match (entry.machine, &entry.machine_by) {
            (None, None) => return Err(format!("the pipe from {} has neither machine nor machine_by", entry.from)),
            (Some(path), Some(_)) if is_file(&path) => {
                return Err("with machine_by, machine names one of the definitions, not a file".into());
            }
            (Some(path), None) if is_file(&path) => Machine::File(path),
            (machine, _) => Machine::Registry(machine.map(|name| name.display().to_string())),
        };
        let name = match (entry.name, &machine) {
            (Some(name), _) => name,
            (None, Machine::File(path)) => machine_name(path),
            (None, Machine::Registry(Some(name))) => name.clone(),
            (None, _) => return Err(format!("the pipe from {} needs a name", entry.from)),
        };
        let named = |error: String| format!("pipe {name}: {error}");
        let max_in_flight = entry.max_in_flight.unwrap_or(DEFAULT_MAX_IN_FLIGHT);
        if !(1..=MOST_IN_FLIGHT).contains(&max_in_flight) {
            return Err(named(format!("max_in_flight must be between 1 and {MOST_IN_FLIGHT}")));
        }
        let ack_wait = match entry.ack_wait {
            None => DEFAULT_ACK_WAIT,
            Some(seconds) if (0.1..=86_400.0).contains(&seconds) => Duration::from_secs_f64(seconds),
            Some(_) => return Err(named("ack_wait must be between 0.1 and 86400 seconds".into())),
        };
        let result = match entry.result.as_deref() {
            None | Some("output") => ResultForm::Output,
            Some("outcome") => ResultForm::Outcome,
            Some(other) => return Err(named(format!("result: '{other}' is neither output nor outcome"))),
        };
        let mut actions = BTreeMap::new();
        for (error, action) in entry.on_failure {
            actions.insert(error, action.parse().map_err(|problem| named(format!("on_failure: {problem}")))?);
        }
        let backoff = Backoff {
            first: entry.retry_wait_ms.map_or(RETRY.first, Duration::from_millis),
            longest: entry.max_retry_wait_ms.map_or(RETRY.longest, Duration::from_millis),
        };
        let batch = match entry.batch {
            Some(batch)
                if batch.max_items == 0
                    || entry.order_by.is_some()
                    || entry.machine_by.is_some()
                    || is_fifo(&entry.from) =>
            {
                let problem =
                    "batch needs max_items of 1 at least, and goes without order_by, machine_by and FIFO queues";
                return Err(named(problem.into()));
            }
            batch => batch.map(|batch| BatchSettings {
                max_items: batch.max_items,
                max_wait: Duration::from_millis(batch.max_wait_ms),
            }),
        };
        let rate_limit = match entry.max_starts_per_second {
            None if entry.burst.is_some() => return Err(named("burst goes with max_starts_per_second".into())),
            None => None,
            Some(rate) => {
                // What comes in a tenth of a second at that rate may come at once. Timers wake up to a millisecond late, which a
                // burst of one could not make up for.
                let burst = entry.burst.unwrap_or((rate / 10.0).clamp(2.0, f64::from(u32::MAX)) as u32);
                let limit =
                    RateLimit::new(rate, burst).map_err(|error| named(format!("max_starts_per_second: {error}")));
                Some(Arc::new(limit?))
            }
        };
        let machine_by = entry.machine_by.as_deref().map(Path::parse).transpose();
        let order_by = entry.order_by.as_deref().map(Path::parse).transpose();
        Ok(Self {
            to: entry.to.unwrap_or_else(|| "none".into()),
            dead_letter: entry.dead_letter.unwrap_or_else(|| format!("file:{name}.dead-letters.ndjson")),
            event: EventRule {
                filter: entry.filter.map(|rule| filter(&rule)).transpose().map_err(named)?,
                input: entry.input.map(|template| input(&template)).transpose().map_err(named)?,
                machine: machine_by.map_err(|error| named(format!("machine_by: {error}")))?,
                is_intake: false,
            },
            order_by: order_by.map_err(|error| named(format!("order_by: {error}")))?,
            failures: FailureRules::new(actions, entry.max_deliveries.unwrap_or(DEFAULT_MAX_DELIVERIES), backoff),
            from: entry.from,
            machine,
            rate_limit,
            filter_subject: entry.filter_subject.unwrap_or_default(),
            name,
            max_in_flight,
            ack_wait,
            result,
            batch,
            #[cfg(feature = "sqs")]
            services: ServicesFile::default(),
            #[cfg(feature = "kafka")]
            kafka: entry.kafka,
        })
    }

    /// `order` for `machines/order.asl.json`; for events that name their state machines the name of the pipe.
    pub(super) fn machine_name(&self) -> String {
        match &self.machine {
            Machine::File(path) => machine_name(path),
            Machine::Registry(Some(name)) => name.clone(),
            Machine::Registry(None) | Machine::Intake => self.name.clone(),
        }
    }

    /// How many lanes the pipe has: one for each shard, as long as the window goes round. Order is kept within one lane.
    pub(super) fn lanes(&self, shards: usize) -> usize {
        if self.order_by.is_some() || self.from == "-" { 1 } else { shards.min(self.max_in_flight) }
    }

    /// The window of one lane.
    pub(super) fn window(&self, lanes: usize) -> usize {
        (self.max_in_flight / lanes).max(1)
    }

    /// Tells the pipe where services of AWS are.
    #[cfg_attr(not(feature = "sqs"), allow(unused_variables, clippy::unused_self, reason = "only queues ask for it"))]
    pub(in crate::cli) fn set_services(&mut self, services: &ServicesFile) {
        #[cfg(feature = "sqs")]
        self.services.clone_from(services);
    }

    pub(super) fn places(&self) -> Result<Places, String> {
        let given = Given {
            #[cfg(feature = "sqs")]
            services: &self.services,
            #[cfg(feature = "kafka")]
            kafka: &self.kafka,
            #[cfg(not(any(feature = "sqs", feature = "kafka")))]
            nothing: std::marker::PhantomData,
        };
        Places::new(&self.from, &self.to, &self.dead_letter, &given)
            .map_err(|error| format!("pipe {}: {error}", self.name))
    }

    /// The groups of a FIFO queue. The queue gives no lane messages of a group that another has some of, so their order needs
    /// no lane of its own.
    fn order_of_groups(&self) -> Option<Path> {
        is_fifo(&self.from).then(|| Path::parse("$.key").expect("this is a path"))
    }

    pub(super) fn lane_settings(&self, lanes: usize, drain_timeout: Duration) -> LaneSettings {
        LaneSettings {
            max_in_flight: self.window(lanes),
            event: self.event.clone(),
            failures: self.failures.clone(),
            result: self.result,
            order_by: self.order_by.clone().or_else(|| self.order_of_groups()),
            batch: self.batch,
            drain_timeout,
            broker_backoff: BROKER,
            rate_limit: self.rate_limit.clone(),
        }
    }
}

/// Whether a source keeps the order of equal keys.
fn is_fifo(from: &str) -> bool {
    #[cfg(feature = "sqs")]
    return SqsAddress::parse(from).is_ok_and(|queue| queue.is_fifo());
    #[cfg(not(feature = "sqs"))]
    return from.is_empty();
}

fn machine_name(path: &std::path::Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.trim_end_matches(".json").trim_end_matches(".asl").to_owned()
}

fn filter(rule: &toml::Value) -> Result<Condition, String> {
    Condition::compile(&value(rule)).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(|error| format!("filter{}: {}", error.pointer, error.message)).collect();
        errors.join("; ")
    })
}

fn input(template: &toml::Value) -> Result<PayloadTemplate, String> {
    PayloadTemplate::compile(&value(template)).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(|error| format!("input{}: {}", error.pointer, error.message)).collect();
        errors.join("; ")
    })
}

/// The JSON of a TOML value; dates become text. The recursion is bounded by that of the parser of TOML.
fn value(toml: &toml::Value) -> Value {
    match toml {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(boolean) => (*boolean).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => Value::array(items.iter().map(value)),
        toml::Value::Table(table) => Value::object(table.iter().map(|(key, item)| (key.as_str(), value(item)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(text: &str) -> Result<PipeSettings, String> {
        let text = format!("from = 'nats://127.0.0.1/S'\nmachine = 'dir/order.asl.json'\n{text}");
        toml::from_str(&text).map_err(|error| error.to_string()).and_then(PipeSettings::new)
    }

    #[test]
    fn a_pipe_has_defaults() {
        let pipe = pipe("").unwrap();
        assert_eq!((pipe.name.as_str(), pipe.max_in_flight), ("order", DEFAULT_MAX_IN_FLIGHT));
        assert_eq!(pipe.dead_letter, "file:order.dead-letters.ndjson");
        assert_eq!((pipe.lanes(4), pipe.window(4)), (4, 250));
    }

    #[test]
    fn pipes_are_checked() {
        for (bad, word) in [
            ("max_in_flight = 0", "max_in_flight"),
            ("result = 'all'", "result"),
            ("on_failure = { E = 'drop' }", "on_failure"),
            ("input = { 'a.$' = 'b' }", "input"),
            ("filter = { Variable = '$.a' }", "filter"),
            ("order_by = '$.'", "order_by"),
            ("batch = { max_items = 0, max_wait_ms = 1 }", "batch"),
            ("form = 'x'", "unknown field"),
            ("burst = 3", "burst"),
            ("max_starts_per_second = 0.0", "max_starts_per_second"),
            ("machine_by = '$.payload.kind'", "machine_by"),
        ] {
            let error = pipe(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
        let good = "input = { 'a.$' = '$.payload' }\nfilter = { Variable = '$.payload.a', IsPresent = true }\n\
                    order_by = '$.payload.a'\non_failure = { 'States.ALL' = 'dead_letter' }";
        assert_eq!(pipe(good).unwrap().lanes(4), 1);
    }

    #[cfg(feature = "sqs")]
    #[test]
    fn fifo_queues_have_an_order_by_themselves() {
        let entry = |batch: &str| format!("from = 'sqs://orders.fifo'\nmachine = 'order.asl.json'\n{batch}");
        let read = |text: &str| PipeSettings::new(toml::from_str(text).unwrap());
        let pipe = read(&entry("")).unwrap();
        assert!(pipe.lane_settings(4, Duration::ZERO).order_by.is_some());
        assert_eq!(pipe.lanes(4), 4);
        assert!(read(&entry("batch = { max_items = 2, max_wait_ms = 1 }")).is_err());
    }

    #[test]
    fn machines_are_files_or_names_or_said_by_events() {
        let machine = |text: &str| {
            let text = format!("name = 'p'\nfrom = 'nats://127.0.0.1/S'\n{text}");
            toml::from_str(&text)
                .map_err(|error| error.to_string())
                .and_then(PipeSettings::new)
                .map(|pipe| pipe.machine)
        };
        assert_eq!(machine("machine = 'a/b.asl.json'"), Ok(Machine::File("a/b.asl.json".into())));
        assert_eq!(machine("machine = 'b'"), Ok(Machine::Registry(Some("b".into()))));
        assert_eq!(machine("machine_by = '$.payload.kind'"), Ok(Machine::Registry(None)));
        assert!(machine("").unwrap_err().contains("machine"));
        let entry = IntakeEntry { from: Some("nats://127.0.0.1/STARTS".into()), ..IntakeEntry::default() };
        let intake = entry.pipe().unwrap();
        assert_eq!((intake.machine, intake.max_in_flight, intake.name.as_str()), (Machine::Intake, 10_000, "intake"));
    }
}
