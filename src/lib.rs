//! expressway runs AWS Step Functions Express workflows in memory.

pub mod value;

pub use value::Value;
