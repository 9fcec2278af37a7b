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
        quota::{MANY_STRANDS, MAX_INLINE_MAP_CONCURRENCY, MAX_STRANDS},
    },
    observe::Recorder,
    program::{Instruction, InstructionId, ItemsPlan, MapId, MapPlan, ParallelId, StateType},
    query::{jsonata::ResultType, path::Found},
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
            announced: 0,
            first_announced_event_id: 0,
            running: 0,
            failed: 0,
            max_concurrency: branches.len(),
            tolerated_failures: 0,
        };
        let strand = self.strand(id);
        strand.fork = Some(Box::new(fork));
        strand.waiting = Waiting::Children;
        let input = std::mem::take(&mut strand.data);
        if branches.is_empty() {
            self.join(id);
            return Ok(Flow::Continue);
        }
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
        let max_concurrency = max_concurrency.clamp(1, MAX_INLINE_MAP_CONCURRENCY);
        // AWS starts as many iterations as may run at once before the first of them does anything. Here an iteration that does
        // not wait ends before the next one needs a strand, so only their events come first.
        let announced = count.min(max_concurrency);
        let first_announced_event_id = self.execution.last_event_id + 1;
        for place in 0..announced {
            self.side_event(id, "MapIterationStarted", |stepper| stepper.iteration_details(id, place));
        }
        let fork = Fork {
            kind: ForkKind::Map(map),
            results: vec![Value::NULL; count],
            items,
            next: 0,
            announced,
            first_announced_event_id,
            running: 0,
            failed: 0,
            max_concurrency,
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
        // An ItemSelector reads the state's whole input, so that stays in `data`.
        let found = match &plan.items {
            None => self.strand(id).data.clone(),
            Some(ItemsPlan::Path(path)) => {
                let view = self.view(id, &self.execution.strands[id.index()].data);
                let found = self.program.paths[path.index()].evaluate_field(&view).map(Found::into_value);
                found.map_err(|error| self.runtime_failure(id, &error))?
            }
            Some(ItemsPlan::Expression(expression)) => self.evaluate_expression(id, expression, ResultType::Array)?,
            Some(ItemsPlan::Template(template)) => self.evaluate_template(id, *template)?,
        };
        match found.view() {
            Shape::Array(items) => Ok(items.iter().map(ValueRef::to_value).collect()),
            _ if self.program.state(self.strand(id).state).is_jsonata => {
                Err(self.evaluation_failed(id, None, &format!("Map state input must be an array but was: {found}")))
            }
            _ => {
                let path = match plan.items {
                    Some(ItemsPlan::Path(path)) => self.program.paths[path.index()].text(),
                    _ => "$",
                };
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
        // A Map without any iteration would wait for ever.
        if fork.running > 0 && self.strands_in_use() >= MANY_STRANDS {
            return Ok(());
        }
        match self.start_iteration(parent) {
            Ok(()) => Ok(()),
            Err(failure) => {
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
        let announced = (place < fork.announced).then(|| fork.first_announced_event_id + place as u64);
        let item = std::mem::take(&mut fork.items[place]);
        let plan = &self.program.maps[map.index()];
        let input = match plan.selector {
            None => item.clone(),
            Some(template) => self.select_item(parent, template, place, &item)?,
        };
        if self.strands_in_use() >= MAX_STRANDS {
            return Err(self.too_many_strands(parent));
        }
        let child = self.child(parent, plan.processor, place, input);
        self.strand(child).item = Some(item);
        match announced {
            Some(event) => self.strand(child).previous_event_id = event,
            None => {
                self.event(child, "MapIterationStarted", |stepper| stepper.iteration_details(parent, place));
            }
        }
        self.execution.ready.push_front(child);
        Ok(())
    }

    fn child(&mut self, parent: StrandId, entry: InstructionId, place: usize, data: Value) -> StrandId {
        let event = self.execution.strands[parent.index()].previous_event_id;
        if let Some(fork) = &mut self.strand(parent).fork {
            fork.running += 1;
        }
        let id = self.execution.free.pop().unwrap_or_else(|| {
            self.execution.strands.push(Strand::new(entry, Value::NULL));
            StrandId(self.execution.strands.len() as u32 - 1)
        });
        let strand = self.strand(id);
        (strand.at, strand.data, strand.waiting) = (entry, data, Waiting::Nothing);
        (strand.parent, strand.place, strand.previous_event_id) = (Some(parent), place as u32, event);
        id
    }

    pub(super) fn child_succeeded(&mut self, id: StrandId, output: Value) -> Result<Flow, Ended> {
        let strand = &self.execution.strands[id.index()];
        let (Some(parent), place) = (strand.parent, strand.place as usize) else { return Ok(Flow::Blocked) };
        let previous = strand.previous_event_id;
        let ended = if strand.item.is_some() {
            self.side_event(id, "MapIterationSucceeded", |stepper| stepper.iteration_details(parent, place))
        } else {
            previous
        };
        self.free(id);
        let strand = self.strand(parent);
        strand.previous_event_id = previous;
        if let Some(fork) = &mut strand.fork {
            fork.results[place] = output;
        }
        self.child_done(parent, ended)?;
        Ok(Flow::Blocked)
    }

    /// A child is gone; `ended` is the event of its end, which a Map or Parallel that is done follows.
    fn child_done(&mut self, parent: StrandId, ended: u64) -> Result<(), Ended> {
        let strand = self.strand(parent);
        let Some(fork) = &mut strand.fork else { return Ok(()) };
        fork.running -= 1;
        if fork.running == 0 && fork.next >= fork.items.len() {
            strand.previous_event_id = ended;
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
        (strand.data, strand.has_result) = (Value::from(fork.results), true);
        let kind = match fork.kind {
            ForkKind::Parallel => "ParallelStateSucceeded",
            ForkKind::Map(_) => "MapStateSucceeded",
        };
        self.side_event(id, kind, |_| Value::NULL);
    }

    /// A child failed: counts the events. `true` when its Map tolerates that.
    pub(super) fn tolerate(&mut self, child: StrandId, parent: StrandId, failure: &Failure) -> Result<bool, Ended> {
        let strand = &self.execution.strands[child.index()];
        let (is_iteration, place, previous) = (strand.item.is_some(), strand.place as usize, strand.previous_event_id);
        let mut ended = previous;
        if is_iteration {
            ended = self.side_event(child, "MapIterationFailed", |stepper| stepper.iteration_details(parent, place));
        }
        let strand = self.strand(parent);
        strand.previous_event_id = previous;
        let Some(fork) = &mut strand.fork else { return Ok(false) };
        fork.failed += 1;
        if is_iteration && fork.failed <= fork.tolerated_failures && !failure.is(error_name::RUNTIME) {
            self.end_strand(child);
            self.child_done(parent, ended)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The event of a Parallel or Map state that failed for good.
    pub(super) fn fork_failed(&mut self, id: StrandId, failure: &Failure) {
        let kind = match self.program.state(self.execution.strands[id.index()].state).kind {
            StateType::Map => "MapStateFailed",
            _ => "ParallelStateFailed",
        };
        self.event(id, kind, |_| failure.details());
    }

    /// Ends all that runs inside a Parallel or Map state, of which `failed` is what makes it end.
    pub(super) fn end_children(&mut self, parent: StrandId, failed: Option<StrandId>) {
        let Some(fork) = self.strand(parent).fork.take() else { return };
        self.strand(parent).waiting = Waiting::Nothing;
        // Children of children are found because a strand that is gone has no parent any more, and one pass ends them all:
        // each ended strand ends its own children first.
        let children: Vec<_> = (0..self.execution.strands.len() as u32)
            .map(StrandId)
            .filter(|child| self.execution.strands[child.index()].parent == Some(parent))
            .collect();
        for child in children {
            self.aborted(parent, child, failed);
            self.end_strand(child);
        }
        for place in fork.next..fork.announced {
            self.side_event(parent, "MapIterationAborted", |stepper| stepper.iteration_details(parent, place));
        }
    }

    /// The events of a strand that is ended: of its iteration, unless that failed, and of the state that it does not leave any
    /// more. They all follow the event of the failure.
    fn aborted(&mut self, parent: StrandId, child: StrandId, failed: Option<StrandId>) {
        let strand = &self.execution.strands[child.index()];
        let (is_iteration, place, state) = (strand.item.is_some(), strand.place as usize, strand.state);
        let ready = failed != Some(child) && strand.waiting == Waiting::Nothing;
        let between_states = ready && matches!(self.program.instruction(strand.at), Instruction::EnterState(_));
        if is_iteration && failed != Some(child) {
            self.side_event(parent, "MapIterationAborted", |stepper| stepper.iteration_details(parent, place));
        }
        let kind = match self.program.state(state).kind {
            _ if between_states => return,
            StateType::Task => "TaskStateAborted",
            StateType::Wait => "WaitStateAborted",
            StateType::Parallel => "ParallelStateAborted",
            StateType::Map => "MapStateAborted",
            StateType::Pass | StateType::Choice | StateType::Succeed | StateType::Fail => return,
        };
        self.side_event(parent, kind, |_| Value::NULL);
    }

    /// Ends a strand and what runs inside it. The recursion is as deep as states are nested in the definition.
    fn end_strand(&mut self, id: StrandId) {
        self.end_children(id, None);
        let strand = self.strand(id);
        if strand.token != 0 {
            let signal = Signal { strand: id, token: strand.token };
            self.effects.push(Effect::Cancel(signal));
        }
        self.execution.ready.remove(id);
        self.free(id);
    }

    fn free(&mut self, id: StrandId) {
        let strand = self.strand(id);
        strand.reset();
        strand.waiting = Waiting::Gone;
        self.execution.free.push(id);
    }

    fn strands_in_use(&self) -> usize {
        self.execution.strands.len() - self.execution.free.len()
    }

    fn too_many_strands(&self, id: StrandId) -> Failure {
        self.runtime(id, &format!("The execution has more than {MAX_STRANDS} branches and iterations at once."))
    }

    fn iteration_details(&self, parent: StrandId, place: usize) -> Value {
        let state = self.execution.strands[parent.index()].state;
        let name = Value::from(self.program.state(state).name.clone());
        details([("name", name), ("index", Value::from(place))])
    }
}
