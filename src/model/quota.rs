//! Quotas of the service (AWS Step Functions Developer Guide, "Service quotas"), and our own bounds.

/// Longest input, output or result of a state, task or execution, in UTF-8 bytes of its JSON.
pub const MAX_PAYLOAD_BYTES: usize = 262_144;
/// Longest definition, in bytes.
pub const MAX_DEFINITION_BYTES: usize = 1_048_576;
/// Longest name of a state machine, execution or state, in characters.
pub const MAX_NAME_CHARACTERS: usize = 80;
/// How long an Express execution may take, in seconds.
pub const MAX_EXPRESS_EXECUTION_SECONDS: u64 = 300;
/// Longest error name of a failed execution, in characters.
pub const MAX_ERROR_CHARACTERS: usize = 256;
/// Longest cause of a failed execution, in characters.
pub const MAX_CAUSE_CHARACTERS: usize = 32_768;
/// Most nodes that one evaluation of a path visits: ours, so that no path holds a shard.
pub const MAX_PATH_NODES: usize = 1_000_000;
/// Deepest nesting of a value that an execution may build: ours, so that no recursion over values ends the stack.
pub const MAX_VALUE_DEPTH: u32 = 1_000;
