//! The Step Functions API over HTTP: AWS JSON 1.0, bytes in, one operation out, reply bytes back.
//!
//! ```text
//! server, accept ─→ http ─→ service ─→ protocol ─→ operation ─→ runtime and registry
//!                     └──── reply bytes ←─ reply, error ←──┘
//! ```
//!
//! Everything here lives on one shard: a request is read, throttled, started and answered on the shard that holds its
//! connection; a large one by a shard in the `background`. `http` knows nothing of the API, and what is behind `service` knows nothing of HTTP.

mod accept;
mod background;
mod error;
mod http;
mod intake;
mod operation;
mod parameters;
mod protocol;
mod reply;
mod server;
mod service;

pub use self::{
    accept::Accept,
    intake::{Intake, MakeIntake, NotStored},
    server::{Server, ServerSettings},
};
