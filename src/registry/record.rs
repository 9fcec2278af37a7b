//! A state machine as the registry holds it: immutable; an update puts another record in its place.

use std::sync::Arc;
#[cfg(feature = "server")]
use std::sync::OnceLock;

use super::{LoggingConfiguration, Tag};
#[cfg(feature = "server")]
use crate::throttle::Bucket;
use crate::{
    asl::VariableReferences,
    model::{execution::MachineIdentity, machine_type::MachineType},
    program::Program,
};

/// A state machine. Executions that run keep what they were started with, whatever happens to the record.
#[derive(Clone)]
pub struct StateMachineRecord {
    /// ARN, name and role, as executions know them.
    pub identity: Arc<MachineIdentity>,
    /// `STANDARD` or `EXPRESS`.
    pub machine_type: MachineType,
    /// The definition, as it was given.
    pub definition: Arc<str>,
    /// The definition compiled; none for machines of type `STANDARD`, which do not run here yet.
    pub program: Option<Arc<Program>>,
    /// `variableReferences`: the variables that its states name.
    pub variable_references: Arc<VariableReferences>,
    /// What is logged, and where.
    pub logging: LoggingConfiguration,
    /// `tracingConfiguration.enabled`.
    pub tracing_enabled: bool,
    /// When it was created, in milliseconds since 1970.
    pub creation_date_ms: u64,
    /// When it was last updated, in milliseconds since 1970; at first when it was created.
    pub update_date_ms: u64,
    /// What tells revisions apart; none until the first update.
    pub revision_id: Option<String>,
    /// Tags, in the order in which their keys were added.
    pub tags: Vec<Tag>,
    /// The how-manyth machine that the registry created: the order of lists.
    pub(super) sequence: u64,
    /// The machine's own token bucket, made when the first start asks for it; it outlives updates.
    #[cfg(feature = "server")]
    pub bucket: Arc<OnceLock<Bucket>>,
}
