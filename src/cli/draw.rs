//! `expressway graph`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    EXIT_USAGE,
    graph::{Format, graph},
    load,
    render::render,
};
use crate::{asl, model::machine_type::MachineType};

/// Draw a definition.
#[derive(Args)]
#[command(after_help = "Example:\n  expressway graph order.asl.json --format dot | dot -Tsvg > order.svg")]
pub(super) struct GraphArguments {
    /// Amazon States Language, as JSON.
    definition: PathBuf,
    /// The language of the drawing.
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's output")]
pub(super) fn draw(arguments: &GraphArguments) -> ExitCode {
    let message = match load::read(&arguments.definition) {
        Err(message) => message,
        Ok(text) => {
            // What only Standard workflows can do is drawn as well.
            let checked = asl::check(&text, MachineType::Standard);
            match &checked.machine {
                Some(machine) => {
                    print!("{}", graph(machine, arguments.format));
                    return ExitCode::SUCCESS;
                }
                None => {
                    let path = arguments.definition.display().to_string();
                    render(&path, &text, &checked.diagnostics, std::io::stderr().is_terminal())
                }
            }
        }
    };
    eprintln!("{message}");
    ExitCode::from(EXIT_USAGE)
}
