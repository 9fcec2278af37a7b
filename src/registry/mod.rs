//! State machines by their ARN: create, update, describe, list, delete, tags.
//!
//! Definitions are checked and compiled before anything is locked. A start reads the map once and clones the record's
//! `Arc` out of it; nobody holds a guard of the map longer than that.

mod error;
mod logging;
mod name;
mod page;
mod record;
mod tag;
mod thread_machine;

#[cfg(feature = "server")]
use std::sync::OnceLock;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use dashmap::{DashMap, Entry};

pub use self::{
    error::RegistryError,
    logging::{LogLevel, LoggingConfiguration},
    name::check_name,
    page::Page,
    record::StateMachineRecord,
    tag::Tag,
    thread_machine::ThreadMachine,
};
use crate::{
    asl::{self, Checked, VariableReferences},
    clock::Clock,
    compile::compile,
    model::{
        arn::{Arn, Home},
        execution::{MachineIdentity, uuid_text},
        machine_type::MachineType,
        quota::{DEFAULT_PAGE_ENTRIES, MAX_PAGE_ENTRIES, MAX_STATE_MACHINES},
    },
    program::Program,
};

/// What CreateStateMachine asks for.
#[derive(Clone, Debug, Default)]
pub struct CreateStateMachine {
    /// Its name, also the last part of its ARN.
    pub name: String,
    /// Amazon States Language.
    pub definition: String,
    /// Shown to executions; nothing is checked with it.
    pub role_arn: String,
    /// `STANDARD` or `EXPRESS`.
    pub machine_type: MachineType,
    /// `loggingConfiguration`.
    pub logging: LoggingConfiguration,
    /// `tracingConfiguration.enabled`.
    pub tracing_enabled: bool,
    /// `tags`.
    pub tags: Vec<Tag>,
}

/// A request for a machine that may be created, if its name is free.
pub(crate) struct CheckedRequest {
    request: CreateStateMachine,
    tags: Vec<Tag>,
    checked: CheckedDefinition,
}

impl CreateStateMachine {
    /// Checks all that does not depend on other machines, and compiles the definition: most of the work, which many threads may
    /// do for as many machines.
    ///
    /// # Errors
    /// As [`Registry::create`].
    pub(crate) fn check(self) -> Result<CheckedRequest, RegistryError> {
        check_name(&self.name)?;
        self.logging.check()?;
        let tags = tag::merge(&[], &self.tags)?;
        let checked = check_definition(&self.definition, self.machine_type)?;
        Ok(CheckedRequest { request: self, tags, checked })
    }
}

/// What UpdateStateMachine asks for: what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateStateMachine {
    /// Amazon States Language.
    pub definition: Option<String>,
    /// The role's ARN.
    pub role_arn: Option<String>,
    /// `loggingConfiguration`.
    pub logging: Option<LoggingConfiguration>,
    /// `tracingConfiguration.enabled`.
    pub tracing_enabled: Option<bool>,
}

/// The generations of all registries of the process are different ones: what a thread remembers of one is not taken for another's.
static REGISTRIES: AtomicU64 = AtomicU64::new(0);
/// Room for this many changes, as a power of two, between the generations of two registries.
const CHANGES_BITS: u32 = 40;

/// The state machines of one account and region.
pub struct Registry {
    home: Home,
    clock: Arc<dyn Clock>,
    machines: DashMap<String, Arc<StateMachineRecord>, foldhash::fast::RandomState>,
    /// How many machines were ever created.
    created: AtomicU64,
    /// Grows with every change, after it: what threads remember of the map holds for as long as this stays the same.
    generation: AtomicU64,
    /// Makes revision ids.
    random: Mutex<fastrand::Rng>,
}

impl Registry {
    /// An empty registry. `seed` is that of its revision ids.
    #[must_use]
    pub fn new(home: Home, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            home,
            clock,
            machines: DashMap::default(),
            created: AtomicU64::new(0),
            generation: AtomicU64::new(REGISTRIES.fetch_add(1 << CHANGES_BITS, Ordering::Relaxed)),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// The account and region that the machines belong to.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The machine of an ARN, without a look at the ARN's form: what a start needs, one read of the map.
    #[inline]
    #[must_use]
    pub fn get(&self, arn: &str) -> Option<Arc<StateMachineRecord>> {
        self.machines.get(arn).map(|record| Arc::clone(&record))
    }

    /// The machine of an ARN.
    ///
    /// # Errors
    /// [`RegistryError::InvalidArn`], [`RegistryError::StateMachineDoesNotExist`].
    pub fn describe(&self, arn: &str) -> Result<Arc<StateMachineRecord>, RegistryError> {
        match self.get(arn) {
            Some(record) => Ok(record),
            None => {
                Arn::parse_state_machine(arn)?;
                Err(RegistryError::StateMachineDoesNotExist(arn.to_owned()))
            }
        }
    }

    /// Creates a machine. The same request again answers with the machine that is there (API reference,
    /// CreateStateMachine: role and tags are not compared).
    ///
    /// # Errors
    /// Names, definitions, logging configurations and tags that AWS would refuse;
    /// [`RegistryError::StateMachineAlreadyExists`] when the name is another machine's.
    pub fn create(&self, request: CreateStateMachine) -> Result<Arc<StateMachineRecord>, RegistryError> {
        self.create_checked(request.check()?)
    }

    /// Creates a machine whose request is fine so far: what is left of [`Registry::create`].
    ///
    /// # Errors
    /// [`RegistryError::StateMachineAlreadyExists`], and when there are too many machines.
    pub(crate) fn create_checked(&self, checked: CheckedRequest) -> Result<Arc<StateMachineRecord>, RegistryError> {
        let CheckedRequest { request, tags, checked } = checked;
        if self.machines.len() >= MAX_STATE_MACHINES {
            return Err(RegistryError::StateMachineLimitExceeded(MAX_STATE_MACHINES));
        }
        let arn = self.home.state_machine_arn(&request.name);
        let now_ms = self.clock.epoch_ms();
        match self.machines.entry(arn.clone()) {
            Entry::Occupied(there) => {
                let record = there.get();
                let same = *record.definition == *request.definition
                    && record.machine_type == request.machine_type
                    && record.logging == request.logging
                    && record.tracing_enabled == request.tracing_enabled;
                if same { Ok(Arc::clone(record)) } else { Err(RegistryError::StateMachineAlreadyExists(arn)) }
            }
            Entry::Vacant(place) => {
                let record = Arc::new(StateMachineRecord {
                    identity: Arc::new(MachineIdentity {
                        execution_arn_prefix: self.home.express_execution_arn_prefix(&request.name),
                        arn,
                        name: request.name,
                        role_arn: request.role_arn,
                    }),
                    machine_type: request.machine_type,
                    definition: request.definition.into(),
                    program: checked.program,
                    variable_references: checked.variable_references,
                    logging: request.logging,
                    tracing_enabled: request.tracing_enabled,
                    creation_date_ms: now_ms,
                    update_date_ms: now_ms,
                    revision_id: None,
                    tags,
                    sequence: self.created.fetch_add(1, Ordering::Relaxed),
                    #[cfg(feature = "server")]
                    bucket: Arc::new(OnceLock::new()),
                });
                place.insert(Arc::clone(&record));
                Ok(record)
            }
        }
    }

    /// Changes a machine: executions that run go on with the old definition. The revision changes only when the
    /// definition, the role or a configuration does.
    ///
    /// # Errors
    /// As [`Registry::create`], [`RegistryError::StateMachineDoesNotExist`], and
    /// [`RegistryError::MissingRequiredParameter`] for a request that says nothing.
    pub fn update(&self, arn: &str, request: UpdateStateMachine) -> Result<Arc<StateMachineRecord>, RegistryError> {
        let UpdateStateMachine { definition, role_arn, logging, tracing_enabled } = request;
        let machine_type = self.describe(arn)?.machine_type;
        if definition.is_none() && role_arn.is_none() && logging.is_none() && tracing_enabled.is_none() {
            return Err(RegistryError::MissingRequiredParameter);
        }
        if let Some(logging) = &logging {
            logging.check()?;
        }
        let definition = match definition {
            Some(text) => {
                let checked = check_definition(&text, machine_type)?;
                Some((text, checked))
            }
            None => None,
        };
        self.replace(arn, |record| {
            let mut changed = record.revision_id.is_none();
            if let Some((text, checked)) = definition {
                changed |= *record.definition != *text;
                (record.definition, record.program) = (text.into(), checked.program);
                record.variable_references = checked.variable_references;
            }
            if let Some(role_arn) = role_arn.filter(|role_arn| *role_arn != record.identity.role_arn) {
                changed = true;
                let MachineIdentity { arn, name, execution_arn_prefix, .. } = &*record.identity;
                record.identity = Arc::new(MachineIdentity {
                    arn: arn.clone(),
                    name: name.clone(),
                    role_arn,
                    execution_arn_prefix: execution_arn_prefix.clone(),
                });
            }
            if let Some(logging) = logging {
                changed |= record.logging != logging;
                record.logging = logging;
            }
            if let Some(enabled) = tracing_enabled {
                changed |= record.tracing_enabled != enabled;
                record.tracing_enabled = enabled;
            }
            if changed {
                let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
                record.revision_id = Some(uuid_text(random.u128(..)));
            }
            record.update_date_ms = self.clock.epoch_ms();
            Ok(())
        })
    }

    /// Deletes a machine; executions that run go on. There being none is no error.
    ///
    /// # Errors
    /// [`RegistryError::InvalidArn`].
    pub fn delete(&self, arn: &str) -> Result<(), RegistryError> {
        Arn::parse_state_machine(arn)?;
        self.machines.remove(arn);
        self.changed();
        Ok(())
    }

    /// Some of the machines, in the order in which they were created. `max_results` 0 means 100.
    ///
    /// # Errors
    /// [`RegistryError::InvalidToken`].
    pub fn list(
        &self,
        max_results: usize,
        next_token: Option<&str>,
    ) -> Result<Page<Arc<StateMachineRecord>>, RegistryError> {
        let from = next_token.map_or(Ok(0), page::position)?;
        let most = if max_results == 0 { DEFAULT_PAGE_ENTRIES } else { max_results.min(MAX_PAGE_ENTRIES) };
        let mut entries: Vec<Arc<StateMachineRecord>> =
            self.machines.iter().filter(|record| record.sequence >= from).map(|record| Arc::clone(&record)).collect();
        entries.sort_unstable_by_key(|record| record.sequence);
        let next_token = entries.get(most).map(|record| page::token(record.sequence));
        entries.truncate(most);
        Ok(Page { entries, next_token })
    }

    /// Number of machines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether there are no machines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    /// Adds tags to a machine, or changes the values of those that it has.
    ///
    /// # Errors
    /// [`RegistryError::InvalidArn`], [`RegistryError::ResourceNotFound`], [`RegistryError::TooManyTags`].
    pub fn tag(&self, arn: &str, tags: &[Tag]) -> Result<(), RegistryError> {
        self.tagged(arn)?;
        self.replace(arn, |record| {
            record.tags = tag::merge(&record.tags, tags)?;
            Ok(())
        })?;
        Ok(())
    }

    /// Takes tags from a machine; keys that it does not have are no error.
    ///
    /// # Errors
    /// [`RegistryError::InvalidArn`], [`RegistryError::ResourceNotFound`].
    pub fn untag(&self, arn: &str, keys: &[String]) -> Result<(), RegistryError> {
        self.tagged(arn)?;
        self.replace(arn, |record| {
            record.tags.retain(|tag| !keys.contains(&tag.key));
            Ok(())
        })?;
        Ok(())
    }

    /// The machine whose tags are asked for.
    ///
    /// # Errors
    /// [`RegistryError::InvalidArn`], [`RegistryError::ResourceNotFound`].
    pub fn tagged(&self, arn: &str) -> Result<Arc<StateMachineRecord>, RegistryError> {
        match self.get(arn) {
            Some(record) => Ok(record),
            None => {
                Arn::parse(arn)?.must_be(&["stateMachine", "activity"])?;
                Err(RegistryError::ResourceNotFound(arn.to_owned()))
            }
        }
    }

    /// Puts a changed copy of a record in its place.
    fn replace(
        &self,
        arn: &str,
        change: impl FnOnce(&mut StateMachineRecord) -> Result<(), RegistryError>,
    ) -> Result<Arc<StateMachineRecord>, RegistryError> {
        let Some(mut place) = self.machines.get_mut(arn) else {
            return Err(RegistryError::StateMachineDoesNotExist(arn.to_owned()));
        };
        let mut record = StateMachineRecord::clone(&place);
        change(&mut record)?;
        *place = Arc::new(record);
        let record = Arc::clone(&place);
        drop(place);
        self.changed();
        Ok(record)
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// What a record keeps of a definition beside its text.
struct CheckedDefinition {
    program: Option<Arc<Program>>,
    variable_references: Arc<VariableReferences>,
}

/// Checks a definition and, for a machine that can run here, compiles it.
fn check_definition(text: &str, machine_type: MachineType) -> Result<CheckedDefinition, RegistryError> {
    let checked = asl::check(text, machine_type);
    if let Some(message) = checked.invalid_definition_message() {
        return Err(RegistryError::InvalidDefinition { message, diagnostics: checked.diagnostics });
    }
    let variable_references = Arc::new(checked.variable_references);
    let machine = match checked.machine {
        Some(machine) if machine_type == MachineType::Express => machine,
        _ => return Ok(CheckedDefinition { program: None, variable_references }),
    };
    match compile(&machine) {
        Ok(program) => Ok(CheckedDefinition { program: Some(Arc::new(program)), variable_references }),
        Err(diagnostics) => {
            let refused = Checked { diagnostics, ..Checked::default() };
            let message = refused.invalid_definition_message().unwrap_or_default();
            Err(RegistryError::InvalidDefinition { message, diagnostics: refused.diagnostics })
        }
    }
}

#[cfg(test)]
mod tests;
