//! Load generator for Step Functions endpoints: drives a server over HTTP, compares it with a bare hyper server on the
//! same machine, and measures waiting executions and readiness.

mod action;
mod child_server;
mod cli;
mod client;
mod clock;
mod command;
mod connection;
mod driver;
mod endpoint;
mod failure;
mod load;
mod machine;
mod process;
mod reply;
mod report;
mod request;
mod schedule;
mod socket_owner;
mod tally;
mod terminal;
mod workload;

use std::process::ExitCode;

/// The same allocator as the server's binary, so that `baseline` differs from the server in nothing else.
#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

fn main() -> ExitCode {
    cli::main()
}
