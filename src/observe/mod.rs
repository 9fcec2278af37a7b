//! What can be seen of executions from outside.

mod recorder;

pub use recorder::{BoundedRecorder, NoRecorder, Recorder};
