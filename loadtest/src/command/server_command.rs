//! The server that a measurement starts for itself.

use crate::child_server::{ChildServer, split_words};
use crate::failure::{Context, Failure};
use clap::Args;

/// Which server to start.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerCommand {
    /// The server to start, split as a shell splits words; the word PORT in it becomes a free port. It must print a line
    /// with its URL when it is ready [default: the expressway beside this program, serving on a free port].
    #[arg(long, value_name = "COMMAND")]
    server_command: Option<String>,
}

impl ServerCommand {
    /// The words of the command; `own_options` are added only to the default one.
    ///
    /// # Errors
    /// When a quote is not closed or this program's path cannot be read.
    pub(crate) fn words(&self, own_options: &[String]) -> Result<Vec<String>, Failure> {
        if let Some(command) = &self.server_command {
            return split_words(command);
        }
        let own_path = std::env::current_exe().context(|| "finding this program's path".to_owned())?;
        let server = own_path.with_file_name("expressway");
        if !server.exists() {
            return Err(Failure::new(format!(
                "there is no {}: build it with `cargo build --release`, or give --server-command",
                server.display()
            )));
        }
        let mut words = vec![server.to_string_lossy().into_owned()];
        words.extend(["serve", "--listen", "127.0.0.1:0"].map(str::to_owned));
        words.extend_from_slice(own_options);
        Ok(words)
    }

    /// Starts the server.
    ///
    /// # Errors
    /// As [`ServerCommand::words`] and [`ChildServer::start`].
    pub(crate) fn start(&self, own_options: &[String]) -> Result<ChildServer, Failure> {
        ChildServer::start(&self.words(own_options)?)
    }
}
