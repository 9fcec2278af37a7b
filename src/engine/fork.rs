//! Parallel and Map: strands inside one execution.

use super::{
    Effect, Signal, StrandId,
    execution::{Fork, ForkKind, Strand, Waiting},
    failure::Failure,
    step::{Ended, Flow, Stepper, details},
};
use crate::{
    Value,
    model::{
        error_name,
        quota::{MAX_INLINE_MAP_CONCURRENCY, MAX_STRANDS},
    },
    observe::Recorder,
    program::{InstructionId, MapId, MapPlan, ParallelId},
    value::{ValueRef, View as Shape},
};

impl<R: Recorder> Stepper<'_, R> {
    pub(super) fn fork_branches(&mut self, id: StrandId, parallel: ParallelId) -> Result<Flow, Failure> {
        let branches = &self.program.parallels[parallel.index()].branches;
        self.event(id, "ParallelStateStarted", |_| Value::NULL);
        if self.strands_in_use() + branches.len() > MAX_STRANDS {
            return Err(self.too_many_strands(id));
        }
        let fork = Fork {
            kind: ForkKind::Parallel,
            results: vec![Value::NULL; branches.len()],
            items: Vec::new(),
            next: branches.len(),
            running: 0,
            failed: 0,
            max_concurrency: branches.len(),
            tolerated_failures: 0,
        };
        let strand = self.strand(id);
        strand.fork = Some(Box::new(fork));
        strand.waiting = Waiting::Children;
        let input = std::mem::take(&mut strand.data);
        for (place, entry) in branches.iter().enumerate() {
            let child = self.child(id, *entry, place, input.clone());
            self.execution.ready.push_back(child);
        }
        Ok(Flow::Blocked)
    }

    pub(super) fn fork_iterations(&mut self, id: StrandId, map: MapId) -> Result<Flow, Failure> {
        let plan = &self.program.maps[map.index()];
        let items = self.items(id, plan)?;
        let (max_concurrency, tolerated_failures) = self.map_limits(id, plan, items.len())?;
        let count = items.len();
        self.event(id, "MapStateStarted", |_| details([("length", Value::from(count))]));
        let fork = Fork {
            kind: ForkKind::Map(map),
            results: vec![Value::NULL; count],
            items,
            next: 0,
            running: 0,
            failed: 0,
            max_concurrency: max_concurrency.clamp(1, MAX_INLINE_MAP_CONCURRENCY),
            tolerated_failures,
        };
        let strand = self.strand(id);
        strand.fork = Some(Box::new(fork));
        strand.waiting = Waiting::Children;
        if count == 0 {
            self.join(id);
            return Ok(Flow::Continue);
        }
        self.start_iteration(id)?;
        Ok(Flow::Blocked)
    }

    fn items(&mut self, id: StrandId, plan: &MapPlan) -> Result<Vec<Value>, Failure> {
        let data = std::mem::take(&mut self.strand(id).data);
        let found = match plan.items {
            Some(path) => {
                let path = &self.program.paths[path.index()];
                let found = path.evaluate_field(&self.view(id, &data)).map(crate::query::path::Found::into_value);
                found.map_err(|error| self.runtime_failure(id, &error))?
            }
            None => data.clone(),
        };
        // An ItemSelector reads the state's whole input as `$`, so that stays.
        self.strand(id).data = data;
        match found.view() {
            Shape::Array(items) => Ok(items.iter().map(ValueRef::to_value).collect()),
            _ => {
                let path = plan.items.map_or("$", |path| self.program.paths[path.index()].text());
                Err(self.runtime(id, &format!("Reference path \"{path}\" must point to array.")))
            }
        }
    }

    /// Starts the next item of a Map whose iteration `id` waits, if there is one and its concurrency allows.
    pub(super) fn start_next_iteration_beside(&mut self, id: StrandId) -> Result<(), Ended> {
        let strand = &self.execution.strands[id.index()];
        if matches!(strand.waiting, Waiting::Nothing | Waiting::Gone) {
            return Ok(());
        }
        match strand.parent {
            Some(parent) => self.start_next_iteration(parent),
            None => Ok(()),
        }
    }

    fn start_next_iteration(&mut self, parent: StrandId) -> Result<(), Ended> {
        let Some(fork) = &self.execution.strands[parent.index()].fork else { return Ok(()) };
        if fork.next >= fork.items.len() || fork.running >= fork.max_concurrency {
            return Ok(());
        }
        if fork.running > 0 && self.strands_in_use() >= MAX_STRANDS {
            return Ok(());
        }
        match self.start_iteration(parent) {
            Ok(()) => Ok(()),
            Err(failure) => {
                self.end_children(parent);
                if self.fail(parent, failure)? == Flow::Continue {
                    self.execution.ready.push_back(parent);
                }
                Ok(())
            }
        }
    }

    fn start_iteration(&mut self, parent: StrandId) -> Result<(), Failure> {
        let Some(fork) = &mut self.execution.strands[parent.index()].fork else { return Ok(()) };
        let ForkKind::Map(map) = fork.kind else { return Ok(()) };
        let place = fork.next;
        fork.next += 1;
        let item = std::mem::take(&mut fork.items[place]);
        let plan = &self.program.maps[map.index()];
        let input = match plan.selector {
            None => item.clone(),
            Some(template) => {
                let view = self.view(parent, &self.execution.strands[parent.index()].data).with_item(place, &item);
                let selected = self.program.templates[template.index()].evaluate(&view);
                selected.map_err(|error| self.runtime_failure(parent, &error))?
            }
        };
        if self.strands_in_use() >= MAX_STRANDS {
            return Err(self.too_many_strands(parent));
        }
        let child = self.child(parent, plan.processor, place, input);
        self.strand(child).item = Some(item);
        self.event(child, "MapIterationStarted", |stepper| stepper.iteration_details(child));
        self.execution.ready.push_front(child);
        Ok(())
    }

    fn child(&mut self, parent: StrandId, entry: InstructionId, place: usize, data: Value) -> StrandId {
        let event = self.execution.strands[parent.index()].previous_event_id;
        let mut strand = Strand::new(entry, data);
        strand.parent = Some(parent);
        strand.place = place as u32;
        strand.previous_event_id = event;
        if let Some(fork) = &mut self.strand(parent).fork {
            fork.running += 1;
        }
        match self.execution.free.pop() {
            Some(id) => {
                self.execution.strands[id.index()] = strand;
                id
            }
            None => {
                self.execution.strands.push(strand);
                StrandId(self.execution.strands.len() as u32 - 1)
            }
        }
    }

    pub(super) fn child_succeeded(&mut self, id: StrandId, output: Value) -> Result<Flow, Ended> {
        let strand = &self.execution.strands[id.index()];
        let (Some(parent), place) = (strand.parent, strand.place as usize) else { return Ok(Flow::Blocked) };
        if strand.item.is_some() {
            self.event(id, "MapIterationSucceeded", |stepper| stepper.iteration_details(id));
        }
        let previous = self.execution.strands[id.index()].previous_event_id;
        self.free(id);
        let strand = self.strand(parent);
        strand.previous_event_id = previous;
        if let Some(fork) = &mut strand.fork {
            fork.results[place] = output;
        }
        self.child_done(parent)?;
        Ok(Flow::Blocked)
    }

    fn child_done(&mut self, parent: StrandId) -> Result<(), Ended> {
        let Some(fork) = &mut self.strand(parent).fork else { return Ok(()) };
        fork.running -= 1;
        if fork.running == 0 && fork.next >= fork.items.len() {
            self.join(parent);
            self.execution.ready.push_front(parent);
            return Ok(());
        }
        self.start_next_iteration(parent)
    }

    /// All children are done: their outputs become the parent's data.
    fn join(&mut self, id: StrandId) {
        let strand = self.strand(id);
        let Some(fork) = strand.fork.take() else { return };
        strand.waiting = Waiting::Nothing;
        strand.data = Value::from(fork.results);
        let kind = match fork.kind {
            ForkKind::Parallel => "ParallelStateSucceeded",
            ForkKind::Map(_) => "MapStateSucceeded",
        };
        self.event(id, kind, |_| Value::NULL);
    }

    /// A child failed: counts the events. `true` when its Map tolerates that.
    pub(super) fn tolerate(&mut self, child: StrandId, parent: StrandId, failure: &Failure) -> Result<bool, Ended> {
        let is_iteration = self.execution.strands[child.index()].item.is_some();
        if is_iteration {
            self.event(child, "MapIterationFailed", |stepper| stepper.iteration_details(child));
        }
        let previous = self.execution.strands[child.index()].previous_event_id;
        let strand = self.strand(parent);
        strand.previous_event_id = previous;
        let Some(fork) = &mut strand.fork else { return Ok(false) };
        fork.failed += 1;
        if is_iteration && fork.failed <= fork.tolerated_failures && !failure.is(error_name::RUNTIME) {
            self.end_strand(child);
            self.child_done(parent)?;
            return Ok(true);
        }
        let kind = if is_iteration { "MapStateFailed" } else { "ParallelStateFailed" };
        self.event(parent, kind, |_| failure.details());
        Ok(false)
    }

    /// Ends all that runs inside a Parallel or Map state.
    pub(super) fn end_children(&mut self, parent: StrandId) {
        if self.strand(parent).fork.take().is_none() {
            return;
        }
        self.strand(parent).waiting = Waiting::Nothing;
        // Children of children are found because a strand that is gone has no parent any more, and one pass ends them all:
        // each ended strand ends its own children first.
        let children: Vec<_> = (0..self.execution.strands.len() as u32)
            .map(StrandId)
            .filter(|child| self.execution.strands[child.index()].parent == Some(parent))
            .collect();
        for child in children {
            self.end_strand(child);
        }
    }

    /// Ends a strand and what runs inside it. The recursion is as deep as states are nested in the definition.
    fn end_strand(&mut self, id: StrandId) {
        self.end_children(id);
        let strand = self.strand(id);
        if strand.token != 0 {
            let signal = Signal { strand: id, token: strand.token };
            self.effects.push(Effect::Cancel(signal));
        }
        self.execution.ready.retain(|ready| *ready != id);
        self.free(id);
    }

    fn free(&mut self, id: StrandId) {
        let mut gone = Strand::new(InstructionId::default(), Value::NULL);
        gone.waiting = Waiting::Gone;
        *self.strand(id) = gone;
        self.execution.free.push(id);
    }

    fn strands_in_use(&self) -> usize {
        self.execution.strands.len() - self.execution.free.len()
    }

    fn too_many_strands(&self, id: StrandId) -> Failure {
        self.runtime(id, &format!("The execution has more than {MAX_STRANDS} branches and iterations at once."))
    }

    fn iteration_details(&self, child: StrandId) -> Value {
        let strand = &self.execution.strands[child.index()];
        let name = strand.parent.map(|parent| {
            let parent = &self.execution.strands[parent.index()];
            Value::from(self.program.state(parent.state).name.clone())
        });
        details([("name", name.unwrap_or_default()), ("index", Value::from(i64::from(strand.place)))])
    }
}
