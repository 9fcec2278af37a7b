//! expressway runs AWS Step Functions Express workflows in memory.

pub mod asl;
pub mod clock;
pub mod compile;
pub mod engine;
pub mod model;
pub mod observe;
pub mod program;
pub mod query;
pub mod task;
pub mod value;

pub use value::Value;
