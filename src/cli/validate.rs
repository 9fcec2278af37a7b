//! `expressway validate`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};

use super::{EXIT_SOME_FAILED, load, render};
use crate::{
    asl::{self, Severity},
    model::machine_type::MachineType,
};

/// Report every problem of definitions, with its place in the source.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  expressway validate order.asl.json\n  expressway validate --format json *.asl.json"
)]
pub(super) struct ValidateArguments {
    /// Definitions: Amazon States Language, as JSON.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// What the definitions are for.
    #[arg(long = "type", value_enum, default_value_t = Kind::Express)]
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the source line, underlined.
    Text,
    /// One JSON object a file.
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Express workflows.
    Express,
    /// Standard workflows.
    Standard,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's output")]
pub(super) fn validate(arguments: &ValidateArguments) -> ExitCode {
    let machine_type = match arguments.kind {
        Kind::Express => MachineType::Express,
        Kind::Standard => MachineType::Standard,
    };
    let color = std::io::stdout().is_terminal();
    let mut failed = false;
    for file in &arguments.files {
        let text = match load::read(file) {
            Ok(text) => text,
            Err(message) => {
                eprintln!("{message}");
                failed = true;
                continue;
            }
        };
        let path = file.display().to_string();
        let diagnostics = asl::check(&text, machine_type).diagnostics;
        failed |= diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        match arguments.format {
            Format::Json => println!("{}", render::render_json(&path, &text, &diagnostics)),
            Format::Text if diagnostics.is_empty() => println!("{path}: valid"),
            Format::Text => println!("{}", render::render(&path, &text, &diagnostics, color)),
        }
    }
    if failed { ExitCode::from(EXIT_SOME_FAILED) } else { ExitCode::SUCCESS }
}
