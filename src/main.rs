//! The `expressway` command (stand-in).
use clap::Parser;
use expressway::cli::serve::{ServeArguments, serve};
#[derive(Parser)]
enum Command {
    Serve(ServeArguments),
}
fn main() -> std::process::ExitCode {
    let Command::Serve(arguments) = Command::parse();
    serve(arguments)
}
