//! State machines as one thread has them.
//!
//! Each execution counts references to its machine's program, to constants in it and to its identity, and finding the machine
//! counts on the map's lock. Were these the same for all threads, every start would wait for the cache line on which another
//! thread counts. So a thread that starts a machine often gets a copy of its own, compiled once more from the definition, and
//! remembers where it found it.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use foldhash::fast::RandomState;

use super::{Registry, StateMachineRecord, check_definition};
use crate::{
    model::{execution::MachineIdentity, machine_type::MachineType},
    program::Program,
};

/// Starts after which a thread gets its own copy: fewer are not worth a compilation.
const STARTS_BEFORE_COPY: u32 = 64;
/// Machines that a thread remembers; beyond, it forgets them all and begins again.
const MAX_THREAD_MACHINES: usize = 256;

/// What executions are started with.
#[derive(Clone, Debug)]
pub struct ThreadMachine {
    /// The compiled definition.
    pub program: Arc<Program>,
    /// ARN, name and role, as executions know them.
    pub identity: Arc<MachineIdentity>,
}

impl ThreadMachine {
    /// A copy that shares nothing with this one, made from the machine's definition.
    #[must_use]
    pub fn copy(&self, definition: &str) -> Self {
        // What was compiled once is compiled again; were it not, the thread would go on with what all share.
        let program = check_definition(definition, MachineType::Express).ok().and_then(|checked| checked.program);
        Self {
            program: program.unwrap_or_else(|| Arc::clone(&self.program)),
            identity: Arc::new(MachineIdentity::clone(&self.identity)),
        }
    }
}

/// A machine that a thread has started.
struct Known {
    /// Of the record: it is held, so that no other record comes to lie where this one is known by.
    shared: ThreadMachine,
    starts: u32,
    own: Option<ThreadMachine>,
}

thread_local! {
    /// By the address of the record's identity.
    static MACHINES: RefCell<HashMap<usize, Known, RandomState>> = RefCell::default();
    /// By ARN, what a registry has.
    static FOUND: RefCell<HashMap<Box<str>, Found, RandomState>> = RefCell::default();
}

/// A record that a thread has looked up.
struct Found {
    /// That of the registry before the record was read.
    generation: u64,
    shared: Arc<StateMachineRecord>,
    /// The same with the thread's own program and identity, once it has them.
    own: Option<Arc<StateMachineRecord>>,
}

impl Registry {
    /// As [`Registry::get`], for a start on the calling thread: nothing is written that other threads write on, once this
    /// thread has started the machine often.
    #[inline]
    #[must_use]
    pub fn get_on_this_thread(&self, arn: &str) -> Option<Arc<StateMachineRecord>> {
        let generation = self.generation.load(Ordering::Acquire);
        FOUND.with_borrow_mut(|machines| match machines.get_mut(arn) {
            Some(found) if found.generation == generation => Some(found.start()),
            _ => self.look_up(arn, generation, machines),
        })
    }

    #[cold]
    fn look_up(
        &self,
        arn: &str,
        generation: u64,
        machines: &mut HashMap<Box<str>, Found, RandomState>,
    ) -> Option<Arc<StateMachineRecord>> {
        let Some(shared) = self.get(arn) else {
            machines.remove(arn);
            return None;
        };
        if machines.len() >= MAX_THREAD_MACHINES {
            machines.clear();
        }
        let found = match machines.get_mut(arn) {
            // Another machine has changed.
            Some(found) if Arc::ptr_eq(&found.shared, &shared) => {
                found.generation = generation;
                found
            }
            _ => {
                machines.insert(arn.into(), Found { generation, shared, own: None });
                machines.get_mut(arn)?
            }
        };
        Some(found.start())
    }
}

impl Found {
    #[inline]
    fn start(&mut self) -> Arc<StateMachineRecord> {
        match &self.own {
            Some(own) => Arc::clone(own),
            None => self.start_shared(),
        }
    }

    #[cold]
    fn start_shared(&mut self) -> Arc<StateMachineRecord> {
        match self.shared.on_this_thread() {
            Some(ThreadMachine { program, identity }) if !Arc::ptr_eq(&identity, &self.shared.identity) => {
                let shared = StateMachineRecord::clone(&self.shared);
                let own = StateMachineRecord { program: Some(program), identity, ..shared };
                Arc::clone(self.own.insert(Arc::new(own)))
            }
            _ => Arc::clone(&self.shared),
        }
    }
}

impl StateMachineRecord {
    /// The machine as the calling thread has it; `None` for one of type `STANDARD`, which does not run here.
    #[must_use]
    pub fn on_this_thread(&self) -> Option<ThreadMachine> {
        let program = self.program.as_ref()?;
        let key = Arc::as_ptr(&self.identity) as usize;
        MACHINES.with_borrow_mut(|machines| {
            if let Some(known) = machines.get_mut(&key)
                && Arc::ptr_eq(&known.shared.program, program)
            {
                return Some(known.start(self));
            }
            if machines.len() >= MAX_THREAD_MACHINES {
                machines.clear();
            }
            let shared = ThreadMachine { program: Arc::clone(program), identity: Arc::clone(&self.identity) };
            machines.insert(key, Known { shared: shared.clone(), starts: 1, own: None });
            Some(shared)
        })
    }
}

impl Known {
    #[inline]
    fn start(&mut self, record: &StateMachineRecord) -> ThreadMachine {
        match &self.own {
            Some(own) => own.clone(),
            None => self.start_shared(record),
        }
    }

    #[cold]
    fn start_shared(&mut self, record: &StateMachineRecord) -> ThreadMachine {
        self.starts += 1;
        if self.starts < STARTS_BEFORE_COPY {
            return self.shared.clone();
        }
        self.own.insert(self.shared.copy(&record.definition)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;

    const PASS: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;

    #[test]
    fn a_thread_that_starts_a_machine_often_has_its_own_copy() {
        let runtime = Runtime::builder().shards(1).build().unwrap();
        let record = runtime.publish("m", PASS).unwrap();
        let shared = record.program.as_ref().unwrap();
        for _ in 1..STARTS_BEFORE_COPY {
            assert!(Arc::ptr_eq(&record.on_this_thread().unwrap().program, shared));
        }
        let own = record.on_this_thread().unwrap();
        assert!(!Arc::ptr_eq(&own.program, shared) && !Arc::ptr_eq(&own.identity, &record.identity));
        assert_eq!((&own.identity.arn, own.program.disassemble()), (&record.identity.arn, shared.disassemble()));
        assert!(Arc::ptr_eq(&record.on_this_thread().unwrap().program, &own.program));
        let elsewhere = std::thread::spawn(move || record.on_this_thread().unwrap().program).join().unwrap();
        assert!(!Arc::ptr_eq(&elsewhere, &own.program));
    }

    #[test]
    fn what_is_found_is_what_the_registry_has() {
        let runtime = Runtime::builder().shards(1).build().unwrap();
        let (record, registry) = (runtime.publish("m", PASS).unwrap(), runtime.registry());
        let arn = &record.identity.arn;
        for _ in 0..STARTS_BEFORE_COPY {
            assert!(registry.get_on_this_thread(arn).is_some());
        }
        let own = registry.get_on_this_thread(arn).unwrap();
        assert!(!Arc::ptr_eq(&own, &record));
        runtime.publish("n", PASS).unwrap();
        assert!(Arc::ptr_eq(&registry.get_on_this_thread(arn).unwrap(), &own));
        registry.delete(arn).unwrap();
        assert!(registry.get_on_this_thread(arn).is_none());
        // Another registry has a machine of the same ARN.
        let other = Runtime::builder().shards(1).build().unwrap();
        let published = other.publish("m", PASS).unwrap();
        assert!(Arc::ptr_eq(&other.registry().get_on_this_thread(arn).unwrap(), &published));
    }

    #[test]
    fn an_update_is_seen_at_once() {
        let runtime = Runtime::builder().shards(1).build().unwrap();
        let record = runtime.publish("m", PASS).unwrap();
        for _ in 0..=STARTS_BEFORE_COPY {
            assert!(record.on_this_thread().is_some());
        }
        let update = super::super::UpdateStateMachine {
            definition: Some(PASS.replace("\"A\"", "\"B\"")),
            ..super::super::UpdateStateMachine::default()
        };
        let updated = runtime.registry().update(&record.identity.arn, update).unwrap();
        assert!(Arc::ptr_eq(&updated.on_this_thread().unwrap().program, updated.program.as_ref().unwrap()));
    }
}
