//! expressway runs AWS Step Functions Express workflows in memory.

pub mod asl;
pub mod model;
pub mod query;
pub mod value;

pub use value::Value;
