//! expressway runs AWS Step Functions Express workflows in memory.

pub mod asl;
pub mod clock;
pub mod model;
pub mod query;
pub mod task;
pub mod value;

pub use value::Value;
