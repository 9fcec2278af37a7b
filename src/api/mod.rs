//! The Step Functions API over HTTP: AWS JSON 1.0, bytes in, one operation out, reply bytes back.
//!
//! ```text
//! accept ─→ connection ─→ server ─→ protocol ─→ operation ─→ runtime and registry
//!                           └──── reply bytes ←─ reply, error ←──┘
//! ```
//!
//! Everything here lives on one shard: a request is read, throttled, started and answered on the shard that holds its
//! connection. Nothing behind `operation` knows which HTTP library serves it.

mod accept;
mod connection;
mod error;
mod intake;
mod operation;
mod parameters;
mod protocol;
mod reply;
mod server;
mod stream;

pub use self::{
    accept::Accept,
    intake::{Intake, MakeIntake, NotStored},
    server::{Server, ServerSettings},
};
