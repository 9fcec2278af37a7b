//! Where the settings of `serve` come from: flags, environment, configuration file, defaults, in this order.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::ServeArguments;
use crate::{
    api::Accept,
    cli::{
        pipe::{IntakeEntry, PipeSettings, pipes_beside_serve},
        services::ServicesFile,
        simulation::{Simulation, SimulationArguments},
    },
    model::{action::Action, arn::Home},
    throttle::{BucketSize, ThrottleTable},
};

/// The port of Step Functions Local.
const DEFAULT_PORT: u16 = 8083;
const DEFAULT_MAX_IN_FLIGHT: usize = 1_000_000;
const DEFAULT_DRAIN_SECONDS: u64 = 30;
const DEFAULT_PROGRESS_SECONDS: u64 = 10;
/// More threads than this are a mistake.
const MAX_SHARDS: usize = 1024;

/// What `serve` runs with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) definitions: Option<PathBuf>,
    pub(super) home: Home,
    pub(super) shards: usize,
    pub(super) lambda_endpoint: Option<String>,
    pub(super) throttle: ThrottleTable,
    pub(super) max_in_flight: usize,
    pub(super) drain_timeout: Duration,
    pub(super) accept: Accept,
    pub(super) services: ServicesFile,
    pub(super) simulation: Simulation,
    /// The address of the stream of starts.
    pub(super) intake: Option<String>,
    /// The pipes that run beside the API, that of the intake among them.
    pub(super) pipes: Vec<PipeSettings>,
    pub(super) progress: Option<Duration>,
}

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    listen: Option<SocketAddr>,
    definitions: Option<PathBuf>,
    account: Option<String>,
    region: Option<String>,
    shards: Option<usize>,
    lambda_endpoint: Option<String>,
    throttle: Option<String>,
    max_in_flight: Option<usize>,
    drain_timeout: Option<u64>,
    accept: Option<String>,
    intake: Option<IntakeEntry>,
    pipe: Option<PathBuf>,
    /// Seconds between lines with the counters of pipes.
    progress: Option<u64>,
    mock: Option<PathBuf>,
    mock_case: Option<String>,
    wait_time_scale: Option<f64>,
    #[serde(default)]
    services: ServicesFile,
}

/// The file of `--throttle`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThrottleFile {
    /// Buckets by the name of their action.
    #[serde(default)]
    actions: BTreeMap<String, BucketEntry>,
    /// The bucket of each state machine.
    state_machine: Option<BucketEntry>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BucketEntry {
    /// Calls that a full bucket lets through at once.
    bucket: u32,
    /// Calls per second that flow back in.
    refill: f64,
}

impl Settings {
    /// Puts the settings together. Flags and environment have been put together by clap already.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) fn resolve(arguments: ServeArguments) -> Result<Self, String> {
        let file = match &arguments.config {
            Some(path) => read_config(path)?,
            None => ConfigFile::default(),
        };
        let accept = match (arguments.accept, file.accept) {
            (Some(accept), _) => accept,
            (None, Some(text)) => text.parse().map_err(|error| format!("accept: {error}"))?,
            (None, None) => Accept::default(),
        };
        let default_home = Home::default();
        let home = Home {
            region: arguments.region.or(file.region).unwrap_or(default_home.region),
            account: arguments.account.or(file.account).unwrap_or(default_home.account),
        };
        check_home(&home)?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let shards = arguments.shards.or(file.shards).unwrap_or_else(cores);
        if !(1..=MAX_SHARDS).contains(&shards) {
            return Err(format!("--shards must be between 1 and {MAX_SHARDS}"));
        }
        let local = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, DEFAULT_PORT));
        let throttle = arguments.throttle.or(file.throttle);
        let drain_seconds = arguments.drain_timeout.or(file.drain_timeout).unwrap_or(DEFAULT_DRAIN_SECONDS);
        let simulation = arguments.simulation.or(SimulationArguments {
            mock: file.mock,
            mock_case: file.mock_case,
            wait_time_scale: file.wait_time_scale,
        });
        let mut intake = file.intake.unwrap_or_default();
        intake.from = arguments.intake.or(intake.from);
        let beside = arguments.pipe.or(file.pipe);
        let mut pipes = beside.map_or(Ok(Vec::new()), |path| pipes_beside_serve(&path))?;
        let intake_address = intake.from.clone();
        if intake.from.is_some() {
            pipes.push(intake.pipe()?);
        }
        pipes.iter_mut().for_each(|pipe| pipe.set_services(&file.services));
        let progress = file.progress.unwrap_or(DEFAULT_PROGRESS_SECONDS);
        Ok(Self {
            intake: intake_address,
            pipes,
            progress: (progress > 0).then(|| Duration::from_secs(progress)),
            simulation: simulation.load()?,
            listen: arguments.listen.or(file.listen).unwrap_or(local),
            definitions: arguments.definitions.or(file.definitions),
            home,
            shards,
            lambda_endpoint: arguments.lambda_endpoint.or(file.lambda_endpoint),
            throttle: throttle.as_deref().map_or(Ok(ThrottleTable::off()), read_throttle)?,
            max_in_flight: arguments.max_in_flight.or(file.max_in_flight).unwrap_or(DEFAULT_MAX_IN_FLIGHT),
            drain_timeout: Duration::from_secs(drain_seconds),
            accept,
            services: file.services,
        })
    }
}

/// Account and region become part of every ARN: they must not hold what ends a part.
fn check_home(home: &Home) -> Result<(), String> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if !plain(&home.region) {
        return Err(format!("'{}' is no region", home.region));
    }
    if home.account.len() != 12 || !home.account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("'{}' is no account: it has twelve digits", home.account));
    }
    Ok(())
}

/// The table `services` of a configuration file.
///
/// # Errors
/// A file that cannot be read, or holds something else.
pub(in crate::cli) fn read_services(path: &Path) -> Result<ServicesFile, String> {
    Ok(read_config(path)?.services)
}

fn read_config(path: &Path) -> Result<ConfigFile, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The table of `--throttle`: `off`, `aws`, or a file.
fn read_throttle(source: &str) -> Result<ThrottleTable, String> {
    match source {
        "off" => Ok(ThrottleTable::off()),
        "aws" => Ok(ThrottleTable::aws()),
        path => {
            let text = fs::read_to_string(path).map_err(|error| format!("--throttle {path}: {error}"))?;
            parse_throttle(&text).map_err(|error| format!("--throttle {path}: {error}"))
        }
    }
}

fn parse_throttle(text: &str) -> Result<ThrottleTable, String> {
    let file: ThrottleFile = toml::from_str(text).map_err(|error| error.to_string())?;
    let size = |name: &str, entry: BucketEntry| {
        BucketSize::new(entry.bucket, entry.refill).map_err(|error| format!("{name}: {error}"))
    };
    let mut table = ThrottleTable::off();
    for (name, entry) in &file.actions {
        let action = Action::from_name(name.as_bytes()).ok_or_else(|| format!("{name}: there is no such action"))?;
        table.set(action, size(name, *entry)?);
    }
    table.state_machine = file.state_machine.map(|entry| size("state_machine", entry)).transpose()?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_step_functions_local() {
        let settings = Settings::resolve(ServeArguments::default()).unwrap();
        assert_eq!(settings.listen, "127.0.0.1:8083".parse().unwrap());
        assert_eq!(settings.home, Home::default());
        assert_eq!(settings.throttle, ThrottleTable::off());
        assert_eq!(settings.drain_timeout, Duration::from_secs(30));
    }

    #[test]
    fn flags_win_over_the_file() {
        let path = std::env::temp_dir().join(format!("expressway-settings-{}.toml", std::process::id()));
        fs::write(&path, "region = \"eu-central-1\"\nshards = 3\naccept = \"reuseport\"\nthrottle = \"aws\"\n")
            .unwrap();
        let arguments = ServeArguments { config: Some(path.clone()), shards: Some(2), ..ServeArguments::default() };
        let settings = Settings::resolve(arguments).unwrap();
        assert_eq!((settings.home.region.as_str(), settings.shards), ("eu-central-1", 2));
        assert_eq!((settings.accept, settings.throttle), (Accept::ReusePort, ThrottleTable::aws()));
        fs::write(&path, "shard = 3\n").unwrap();
        let arguments = ServeArguments { config: Some(path.clone()), ..ServeArguments::default() };
        assert!(Settings::resolve(arguments).unwrap_err().contains("unknown field `shard`"));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn accounts_and_regions_are_checked() {
        for (account, region) in [("1", "us-east-1"), ("12345678901x", "us-east-1"), ("123456789012", "a:b")] {
            let arguments = ServeArguments {
                account: Some(account.into()),
                region: Some(region.into()),
                ..ServeArguments::default()
            };
            assert!(Settings::resolve(arguments).is_err(), "{account} {region}");
        }
    }

    #[test]
    fn throttle_files_name_actions() {
        let table = parse_throttle(
            "[actions.StartExecution]\nbucket = 5\nrefill = 0.5\n[state_machine]\nbucket = 2\nrefill = 1\n",
        )
        .unwrap();
        assert_eq!(table.get(Action::StartExecution), BucketSize::new(5, 0.5).ok());
        assert_eq!(table.state_machine, BucketSize::new(2, 1.0).ok());
        for bad in ["[actions.Start]\nbucket=1\nrefill=1", "[actions.TestState]\nbucket=0\nrefill=1", "x = 1"] {
            assert!(parse_throttle(bad).is_err(), "{bad}");
        }
    }
}
