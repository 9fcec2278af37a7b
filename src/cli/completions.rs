//! `expressway completions`.

use std::{io, process::ExitCode};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell.
#[derive(Args)]
#[command(
    after_help = "Example:\n  expressway completions bash > ~/.local/share/bash-completion/completions/expressway"
)]
pub(super) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

pub(super) fn print<C: CommandFactory>(arguments: &CompletionsArguments) -> ExitCode {
    clap_complete::generate(arguments.shell, &mut C::command(), "expressway", &mut io::stdout());
    ExitCode::SUCCESS
}
