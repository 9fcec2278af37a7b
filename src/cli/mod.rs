//! The command line.

pub mod graph;
pub mod render;
