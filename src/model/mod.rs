//! Plain values named in the AWS API or in the Amazon States Language.

pub mod action;
pub mod arn;
pub mod error_name;
pub mod execution;
pub mod history_event;
pub mod machine_type;
pub mod quota;
pub mod stored_start;
pub mod time;
