//! One file for each subcommand.

pub(crate) mod baseline;
pub(crate) mod compare;
pub(crate) mod http_hang;
pub(crate) mod http_task;
pub(crate) mod in_process;
pub(crate) mod in_turns;
pub(crate) mod isolation;
pub(crate) mod latency;
pub(crate) mod load_options;
pub(crate) mod peers;
pub(crate) mod ready;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod server_command;
pub(crate) mod sides;
pub(crate) mod simulated;
pub(crate) mod soak;
pub(crate) mod speedup;
pub(crate) mod waiting;
