//! `expressway disassemble`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{EXIT_USAGE, load};

/// Print the instructions that a definition compiles to.
#[derive(Args)]
#[command(after_help = "Example:\n  expressway disassemble examples/orders/order.asl.json")]
pub(super) struct DisassembleArguments {
    /// Amazon States Language, as JSON.
    definition: PathBuf,
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command's output")]
pub(super) fn disassemble(arguments: &DisassembleArguments) -> ExitCode {
    match load::program(&arguments.definition) {
        Ok((program, _)) => {
            print!("{}", program.disassemble());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}
