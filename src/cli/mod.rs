//! The `expressway` command line.

mod completions;
mod disassemble;
mod draw;
pub mod graph;
mod load;
mod pipe;
pub mod render;
mod run;
pub mod serve;
mod services;
mod simulation;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code of a command that did all it was asked to, with some of it failing.
pub const EXIT_SOME_FAILED: u8 = 1;
/// Exit code for a bad definition or bad usage; clap uses it too.
pub const EXIT_USAGE: u8 = 2;

#[derive(Parser)]
#[command(
    name = "expressway",
    version,
    about = "AWS Step Functions Express workflows, in memory, at the speed of the hardware",
    after_help = "Examples:\n  expressway run examples/orders/order.asl.json --input examples/orders/events.ndjson \
                  --mock examples/orders/mock.json\n  \
                  expressway serve --definitions examples/orders --mock examples/orders/mock.json\n  \
                  expressway validate examples/orders/*.asl.json"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::RunArguments),
    Pipe(pipe::PipeArguments),
    Serve(serve::ServeArguments),
    Validate(validate::ValidateArguments),
    Disassemble(disassemble::DisassembleArguments),
    Graph(draw::GraphArguments),
    Completions(completions::CompletionsArguments),
}

/// Runs the command that the process was called with.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Pipe(arguments) => pipe::pipe(arguments),
        Command::Serve(arguments) => serve::serve(arguments),
        Command::Validate(arguments) => validate::validate(&arguments),
        Command::Disassemble(arguments) => disassemble::disassemble(&arguments),
        Command::Graph(arguments) => draw::draw(&arguments),
        Command::Completions(arguments) => completions::print::<Arguments>(&arguments),
    }
}
