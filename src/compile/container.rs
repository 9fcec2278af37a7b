//! Parallel and Map: the state itself, and the sub-machines that are compiled behind it.

use super::{Compiler, Scope};
use crate::{
    asl::definition::{Map, Scalar, State, StateMachine},
    program::{Instruction, InstructionId, ItemsPlan, MapId, MapPlan, ParallelId, ParallelPlan},
};

/// A sub-machine that waits to be compiled, and where its entry is to be written.
pub(super) enum Inner<'a> {
    Branch(ParallelId, &'a StateMachine),
    Processor(MapId, &'a StateMachine),
}

impl Compiler {
    pub(super) fn parallel<'a>(&mut self, branches: &'a [StateMachine], scope: &mut Scope<'a>) {
        let parallel = ParallelId::from(self.program.parallels.len());
        self.program.parallels.push(ParallelPlan::default());
        self.emit(Instruction::Parallel(parallel));
        scope.inner.extend(branches.iter().map(|branch| Inner::Branch(parallel, branch)));
    }

    pub(super) fn map<'a>(&mut self, state: &State, map: &'a Map, scope: &mut Scope<'a>) {
        let pointer = state.pointer.as_str();
        if map.distributed {
            self.problem(pointer, "Distributed Map states do not run in Express workflows");
            return;
        }
        let items = map.items.as_ref().and_then(|items| match items {
            Scalar::Path(text) => self.path_unless_whole(pointer, text).map(ItemsPlan::Path),
            Scalar::Literal(value) if value.as_str().is_some() => {
                self.expression(state, "Items", value).map(ItemsPlan::Expression)
            }
            Scalar::Literal(value) => self.template(state, "Items", value).map(ItemsPlan::Template),
        });
        // The older `Parameters` of a Map state are its item selector (ASL, "Map State", deprecated fields).
        let selector = map.item_selector.as_ref().or(state.parameters.as_ref());
        let selector = selector.and_then(|selector| self.template(state, "ItemSelector", selector));
        let mut field = |name: &str, field: &Option<_>| field.as_ref().and_then(|field| self.field(state, name, field));
        let plan = MapPlan {
            items,
            selector,
            processor: InstructionId::default(),
            max_concurrency: field("MaxConcurrency", &map.max_concurrency),
            tolerated_failure_count: field("ToleratedFailureCount", &map.tolerated_failure_count),
            tolerated_failure_percentage: field("ToleratedFailurePercentage", &map.tolerated_failure_percentage),
        };
        let id = MapId::from(self.program.maps.len());
        self.program.maps.push(plan);
        self.emit(Instruction::Map(id));
        scope.inner.push(Inner::Processor(id, &map.item_processor));
    }

    pub(super) fn inner(&mut self, inner: &Inner<'_>, depth: usize) {
        match *inner {
            Inner::Branch(parallel, machine) => {
                let entry = self.machine(machine, depth);
                self.program.parallels[parallel.index()].branches.push(entry);
            }
            Inner::Processor(map, machine) => {
                self.program.maps[map.index()].processor = self.machine(machine, depth);
            }
        }
    }
}
