//! expressway runs AWS Step Functions Express workflows in memory.

#[cfg(feature = "mimalloc")]
pub mod allocator;
#[cfg(feature = "server")]
pub mod api;
pub mod asl;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod clock;
pub mod compile;
pub mod engine;
pub mod mock;
pub mod model;
pub mod observe;
pub mod program;
pub mod query;
pub mod registry;
pub mod runtime;
#[cfg(feature = "source")]
pub mod source;
pub mod task;
#[cfg(feature = "server")]
pub mod throttle;
pub mod value;

pub use runtime::Runtime;
pub use value::Value;
