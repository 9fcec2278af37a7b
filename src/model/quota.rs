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
/// Most iterations of one inline Map state that run at once (Developer Guide, "Inline mode").
pub const MAX_INLINE_MAP_CONCURRENCY: usize = 40;
/// Most strands (branches and iterations) that one execution has at once: ours.
pub const MAX_STRANDS: usize = 10_000;
/// Instructions that one execution runs before others get their turn: ours.
pub const STEP_BUDGET: u32 = 2_000;
/// Most bytes that the variables of an execution have (Developer Guide, "Variable limits").
pub const MAX_VARIABLES_BYTES: usize = 10 << 20;
/// Most messages that wait for one shard: ours. One more is refused.
pub const MAX_MAILBOX_MESSAGES: usize = 8_192;
/// Starts waiting for one shard above which others may take them: ours.
pub const STEAL_THRESHOLD: usize = 64;
/// Most starts waiting for whichever shard is idle: ours. One more is refused.
pub const MAX_STEALABLE_STARTS: usize = 65_536;
/// Executions in flight by default: ours. One more is refused with a throttling error.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 2_000_000;
