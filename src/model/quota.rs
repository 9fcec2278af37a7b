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
/// Strands (branches and iterations) of one execution above which its Map states run one item at a time: ours.
pub const MANY_STRANDS: usize = 10_000;
/// Most strands that one execution has at once: ours.
pub const MAX_STRANDS: usize = 40_000;
/// Instructions that an execution runs when it begins, before others get their turn: ours.
pub const STEP_BUDGET: u32 = 2_000;
/// Instructions that an execution runs in each of its turns after that, some 20 µs: ours. Who waits for the shard waits that long.
pub const TURN_BUDGET: u32 = 500;
/// Most bytes that the variables of an execution have (Developer Guide, "Variable limits").
pub const MAX_VARIABLES_BYTES: usize = 10 << 20;
/// Most messages that wait for one shard: ours. One more is refused.
pub const MAX_MAILBOX_MESSAGES: usize = 8_192;
/// Most executions that wait for one shard in the background to take them: ours. One more stays where it is.
pub const MAX_LONG_MESSAGES: usize = 1_024;
/// Time in turns after which an execution computes for long, in microseconds: ours. It goes on in the background.
pub const LONG_EXECUTION_US: u64 = 250;
/// Bytes of a request's body above which it is answered in the background: ours. To read as much takes some 100 µs.
pub const LARGE_REQUEST_BYTES: usize = 16_384;
/// Most large requests that wait for the background to answer them: ours. When there is one more, the first of them is answered
/// by the shard where that one came in.
pub const MAX_WAITING_LARGE_REQUESTS: usize = 64;
/// Starts waiting for one shard above which others may take them: ours.
pub const STEAL_THRESHOLD: usize = 64;
/// Most starts waiting for whichever shard is idle: ours. One more is refused.
pub const MAX_STEALABLE_STARTS: usize = 65_536;
/// Executions in flight by default: ours. One more is refused with a throttling error.
pub const DEFAULT_MAX_IN_FLIGHT: usize = 2_000_000;
/// Longest ARN, in characters.
pub const MAX_ARN_CHARACTERS: usize = 256;
/// Most tags of one resource.
pub const MAX_TAGS: usize = 50;
/// Longest key of a tag, in characters.
pub const MAX_TAG_KEY_CHARACTERS: usize = 128;
/// Longest value of a tag, in characters.
pub const MAX_TAG_VALUE_CHARACTERS: usize = 256;
/// Longest `traceHeader`, in characters.
pub const MAX_TRACE_HEADER_CHARACTERS: usize = 256;
/// Longest description of a version, in characters.
pub const MAX_VERSION_DESCRIPTION_CHARACTERS: usize = 256;
/// Longest `nextToken` of lists of state machines, in characters.
pub const MAX_PAGE_TOKEN_CHARACTERS: usize = 1024;
/// Most entries of one page of a list.
pub const MAX_PAGE_ENTRIES: usize = 1000;
/// Entries of one page of a list when nothing else is asked for.
pub const DEFAULT_PAGE_ENTRIES: usize = 100;
/// Most diagnostics in one answer of ValidateStateMachineDefinition.
pub const MAX_VALIDATE_DIAGNOSTICS: usize = 100;
/// Most state machines of an account and region.
pub const MAX_STATE_MACHINES: usize = 100_000;
/// Longest body of a request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 1_048_576;
/// Most connections that a server keeps open at once: ours.
pub const MAX_CONNECTIONS: usize = 16_384;
/// Longest head of a request, in bytes: ours.
pub const MAX_REQUEST_HEAD_BYTES: usize = 32_768;
/// Bytes of a connection that are read at once, and that are read behind a request whose answer has to be waited for: ours.
pub const MAX_READ_AHEAD_BYTES: usize = 65_536;
/// Bytes of replies to requests that came together which are sent before more of these are answered: ours.
pub const MAX_UNSENT_BYTES: usize = 262_144;
/// Bytes of replies that are sent at once, and of a request after whose coming in other connections have their turn: ours.
pub const MAX_PIECE_BYTES: usize = 16_384;
/// Bytes of extensions and trailers in a body that comes in chunks: ours.
pub const MAX_CHUNK_EXTENSION_BYTES: usize = 4096;
/// Bytes behind a request that was refused which are thrown away before the connection is closed, so that the client gets to
/// read why: ours.
pub const MAX_DISCARDED_BYTES: usize = 4 * MAX_REQUEST_BYTES;
/// How long that may take, in seconds: ours.
pub const MAX_LINGER_SECONDS: u64 = 5;
/// Most header fields of a request: ours.
pub const MAX_REQUEST_HEADERS: usize = 64;
/// How long a connection may take for one request head, and how long it may be idle, in seconds: ours.
pub const MAX_REQUEST_HEAD_SECONDS: u64 = 30;
/// How long the body of a request may take to arrive, in seconds: ours.
pub const MAX_REQUEST_BODY_SECONDS: u64 = 20;
/// Connections that wait to be taken over by a shard: ours.
pub const MAX_PENDING_CONNECTIONS: usize = 1024;
/// Longest answer of a Lambda function, in bytes (Lambda Developer Guide, "Lambda quotas").
pub const MAX_LAMBDA_RESPONSE_BYTES: usize = 6_291_556;
/// Most calls to one host and port that one shard has under way, and so most connections to it; more of them wait for their
/// turn: ours.
pub const MAX_CALLS_PER_ORIGIN: usize = 1024;
/// Most calls to one host and port that wait for their turn on one shard; one more fails at once: ours.
pub const MAX_WAITING_CALLS_PER_ORIGIN: usize = 65_536;
/// Most hosts and ports that one shard has connections to at once: ours.
pub const MAX_ORIGINS_PER_SHARD: usize = 1024;
/// Longest head of a response, in bytes: ours.
pub const MAX_RESPONSE_HEAD_BYTES: usize = 65_536;
/// Longest answer of an AWS service or an HTTP API that is read, in bytes: ours. A task's result may have
/// [`MAX_PAYLOAD_BYTES`], so more than its several encodings is never of use.
pub const MAX_SERVICE_RESPONSE_BYTES: usize = 4 << 20;
/// Most executions that are started one inside the other by tasks: ours. A machine that starts itself ends there.
pub const MAX_NESTED_EXECUTIONS: u32 = 32;
