//! `loadtest report`: what `compare` and `latency` wrote as JSON, as one table and one plot of throughput against latency.

mod plot;

use crate::cli::Finding;
use crate::failure::{Context, Failure};
use crate::report::{duration_text, median};
use crate::terminal;
use clap::Args;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Most files of one report.
const MAX_FILES: usize = 100;
/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// The two sides of each pair, as the files name them.
const SIDES: [&str; 2] = ["hyper", "server"];

/// Put the JSON files of `compare` and `latency` into a table (Markdown) and a plot (SVG).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  for load in 0.1 0.3 0.5 0.7 0.9; do loadtest latency --load $load --pairs 3 --json latency-$load.json; done
  loadtest report latency-*.json --plot latency.svg

Figures are medians over the pairs of a file. The plot has the p50 and the p99 of both sides by requests a second.")]
pub(crate) struct ReportArguments {
    /// Files that `loadtest compare --json` and `loadtest latency --json` wrote.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the plot into this file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// The medians of one side of one file.
struct Figures {
    requests_per_second: f64,
    server_cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
}

/// One file.
struct Measured {
    run: String,
    machine: String,
    /// In the order of [`SIDES`].
    sides: [Figures; 2],
}

/// Runs the subcommand.
///
/// # Errors
/// When a file cannot be read, is no report of pairs, or the plot cannot be written.
pub(crate) fn run(arguments: &ReportArguments) -> Result<Finding, Failure> {
    if arguments.files.len() > MAX_FILES {
        return Err(Failure::new(format!("{MAX_FILES} files at most")));
    }
    let mut measured = arguments.files.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    measured.sort_by(|one, other| one.sides[1].requests_per_second.total_cmp(&other.sides[1].requests_per_second));
    terminal::print(table(&measured).trim_end());
    if let Some(path) = &arguments.plot {
        let points = |side: usize, latency: fn(&Figures) -> f64| {
            let of_file = |file: &Measured| (file.sides[side].requests_per_second, latency(&file.sides[side]));
            measured.iter().map(of_file).collect()
        };
        let mut curves = Vec::new();
        for (side, name) in ["bare hyper", "expressway"].into_iter().enumerate() {
            curves.push(plot::Curve { name: format!("{name}, p50"), points: points(side, |figures| figures.p50_us) });
            curves.push(plot::Curve { name: format!("{name}, p99"), points: points(side, |figures| figures.p99_us) });
        }
        std::fs::write(path, plot::svg(&curves)).context(|| format!("writing {}", path.display()))?;
    }
    Ok(Finding::Well)
}

/// Reads a file.
fn read(path: &Path) -> Result<Measured, Failure> {
    let reading = || format!("reading {}", path.display());
    let bytes = std::fs::metadata(path).context(reading)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(Failure::new(format!("{}: {bytes} bytes, over {MAX_FILE_BYTES}", path.display())));
    }
    let text = std::fs::read_to_string(path).context(reading)?;
    let file: Value = serde_json::from_str(&text).context(reading)?;
    figures(&file).ok_or_else(|| {
        Failure::new(format!("{}: not a report of `loadtest compare` or `loadtest latency`", path.display()))
    })
}

fn figures(file: &Value) -> Option<Measured> {
    let pairs = file["pairs"].as_array()?;
    let side = |name: &str| {
        let median_of = |pointer: &str| {
            let all: Option<Vec<f64>> = pairs.iter().map(|pair| pair[name].pointer(pointer)?.as_f64()).collect();
            median(&all?)
        };
        Some(Figures {
            requests_per_second: median_of("/requests_per_second")?,
            server_cpu_us: median_of("/server_cpu_us_per_request/total")?,
            p50_us: median_of("/latency_us/p50")?,
            p99_us: median_of("/latency_us/p99")?,
        })
    };
    let machine = &file["machine"];
    let word = |name: &str| machine[name].as_str().unwrap_or("?").to_owned();
    Some(Measured {
        run: file["run"].as_str()?.to_owned(),
        machine: format!("{}, {} cores, commit {}", word("cpu"), machine["cores"], word("commit")),
        sides: [side(SIDES[0])?, side(SIDES[1])?],
    })
}

/// The files as a table.
fn table(measured: &[Measured]) -> String {
    let mut text = String::new();
    let mut machines: Vec<&str> = measured.iter().map(|file| file.machine.as_str()).collect();
    machines.dedup();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}\n", machines.join("; "));
    text.push_str("| run | requests/s: hyper | expressway | | CPU: hyper | expressway | | p50: hyper | expressway | p99: hyper | expressway | |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for Measured { run, sides: [hyper, server], .. } in measured {
        let _ = writeln!(
            text,
            "| {run} | {:.0} | {:.0} | {:.2} | {:.2} µs | {:.2} µs | {:.2} | {} | {} | {} | {} | {:.2} |",
            hyper.requests_per_second,
            server.requests_per_second,
            server.requests_per_second / hyper.requests_per_second,
            hyper.server_cpu_us,
            server.server_cpu_us,
            server.server_cpu_us / hyper.server_cpu_us,
            duration_text(hyper.p50_us),
            duration_text(server.p50_us),
            duration_text(hyper.p99_us),
            duration_text(server.p99_us),
            server.p99_us / hyper.p99_us,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn side(rate: f64) -> Value {
        json!({
            "requests_per_second": rate,
            "server_cpu_us_per_request": { "total": 6.0 },
            "latency_us": { "p50": 100.0, "p99": rate },
        })
    }

    #[test]
    fn figures_are_medians_of_the_pairs() {
        let pairs: Vec<Value> =
            [1.0, 9.0, 2.0].iter().map(|rate| json!({ "hyper": side(*rate), "server": side(rate * 2.0) })).collect();
        let file = json!({ "run": "W1", "machine": { "cpu": "C", "cores": 2, "commit": "abc" }, "pairs": pairs });
        let measured = figures(&file).unwrap();
        assert_eq!([2.0, 4.0], [0, 1].map(|side| measured.sides[side].requests_per_second));
        assert!(table(&[measured]).contains("C, 2 cores, commit abc"));
    }

    #[test]
    fn other_files_are_refused() {
        for file in [json!({}), json!({ "run": "W1", "pairs": [{ "hyper": {} }] }), json!({ "run": 1, "pairs": [] })] {
            assert!(figures(&file).is_none(), "{file}");
        }
    }
}
