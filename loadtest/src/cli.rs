//! The command line.

use crate::command::{
    baseline, compare, http_hang, http_task, in_process, isolation, latency, peers, ready, report, run, simulated,
    soak, waiting,
};
use crate::failure::Failure;
use crate::terminal;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of a measurement that was made and found wanting: errors among the replies, or a ratio past its limit.
const EXIT_FOUND_WANTING: u8 = 1;
/// Exit code of a measurement that could not be made.
const EXIT_FAILED: u8 = 2;

/// Load generator for Step Functions endpoints.
#[derive(Debug, Parser)]
#[command(
    name = "loadtest",
    version,
    about,
    arg_required_else_help = true,
    after_help = "\
Examples:
  loadtest run --endpoint http://127.0.0.1:8083 --workload w1
  loadtest run --endpoint http://127.0.0.1:8083 --workload w2 --action StartSyncExecution --mode open --rate 20000
  loadtest in-process --workload w2 --threads 1
  loadtest compare --workload w1 --pairs 5
  loadtest latency --load 0.5 --max-p99-ratio 3
  loadtest isolation --load 0.3 --max-p99-ratio 3
  loadtest soak --length 600 --max-rss-growth 2
  loadtest report latency-*.json --plot latency.svg
  loadtest peers --peer here=http://127.0.0.1:8083 --peer there=http://127.0.0.1:4566
  loadtest http-task --rate 10000
  loadtest waiting --count 1000000
  loadtest simulated --only waiting --count 200000
  loadtest ready --definitions 100

Exit codes: 0 measured and all well, 1 measured with errors or past a limit, 2 not measured."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    InProcess(in_process::InProcessArguments),
    Baseline(baseline::BaselineArguments),
    Compare(compare::CompareArguments),
    Latency(latency::LatencyArguments),
    Isolation(isolation::IsolationArguments),
    Soak(soak::SoakArguments),
    Peers(peers::PeersArguments),
    Report(report::ReportArguments),
    HttpTask(http_task::HttpTaskArguments),
    HttpHang(http_hang::HttpHangArguments),
    Waiting(waiting::WaitingArguments),
    Simulated(simulated::SimulatedArguments),
    Ready(ready::ReadyArguments),
}

/// How a measurement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// All well.
    Well,
    /// Errors among the replies, or a figure past its limit.
    Wanting,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let finding: Result<Finding, Failure> = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::InProcess(arguments) => in_process::run(&arguments),
        Command::Baseline(arguments) => baseline::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Latency(arguments) => latency::run(&arguments),
        Command::Isolation(arguments) => isolation::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Peers(arguments) => peers::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::HttpTask(arguments) => http_task::run(&arguments),
        Command::HttpHang(arguments) => http_hang::run(&arguments),
        Command::Waiting(arguments) => waiting::run(&arguments),
        Command::Simulated(arguments) => simulated::run(&arguments),
        Command::Ready(arguments) => ready::run(&arguments),
    };
    match finding {
        Ok(Finding::Well) => ExitCode::SUCCESS,
        Ok(Finding::Wanting) => ExitCode::from(EXIT_FOUND_WANTING),
        Err(failure) => {
            terminal::remark(&format!("error: {failure}"));
            ExitCode::from(EXIT_FAILED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
