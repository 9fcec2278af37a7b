//! The step function alone: an execution from its parsed input to its outcome, without shards, clocks and JSON text.

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

#[path = "support/workloads.rs"]
mod workloads;

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway::{
    Value, asl,
    compile::compile,
    engine::{Effect, Execution, Input, Progress, step},
    model::{
        execution::{ExecutionName, ExecutionStart, MachineIdentity},
        machine_type::MachineType,
        quota::STEP_BUDGET,
    },
    observe::{BoundedRecorder, NoRecorder, Recorder},
    program::Program,
};

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

/// Some moment in 2026.
const NOW_MS: u64 = 1_795_000_000_000;

fn run<R: Recorder>(
    program: &Program,
    start: &ExecutionStart,
    effects: &mut Vec<Effect>,
    recorder: &mut R,
) -> Progress {
    let mut execution = Execution::new(program, start.clone(), 7, NOW_MS);
    step(program, &mut execution, Input::Continue, NOW_MS, effects, STEP_BUDGET, recorder)
}

fn execution(criterion: &mut Criterion) {
    let machine = Arc::new(MachineIdentity {
        arn: "arn:aws:states:us-east-1:123456789012:stateMachine:bench".into(),
        name: "bench".into(),
        role_arn: "arn:aws:iam::123456789012:role/bench".into(),
        execution_arn_prefix: "arn:aws:states:us-east-1:123456789012:express:bench:".into(),
    });
    // W4 waits for a task, which is the shard's part: `benches/start.rs` runs it.
    for workload in workloads::WORKLOADS.iter().filter(|workload| workload.name != "W4") {
        let definition = asl::check(workload.definition, MachineType::Express).machine.unwrap();
        let program = compile(&definition).unwrap();
        let input = Value::parse(workload.input).unwrap();
        let name = ExecutionName { name: None, id: 7 };
        let start = ExecutionStart {
            machine: Arc::clone(&machine),
            name,
            input,
            synchronous: true,
            depth: 0,
            test_case: None,
            start_time_ms: None,
        };
        let mut effects = Vec::new();
        assert!(
            matches!(run(&program, &start, &mut effects, &mut NoRecorder), Progress::Ended(_)),
            "{}",
            workload.name
        );

        let mut group = criterion.benchmark_group(format!("step/{}", workload.name));
        group.throughput(Throughput::Elements(1));
        group.bench_function("unrecorded", |bencher| {
            bencher.iter(|| run(black_box(&program), black_box(&start), &mut effects, &mut NoRecorder));
        });
        group.bench_function("recorded", |bencher| {
            bencher.iter(|| {
                let mut recorder = BoundedRecorder::new(1000);
                (run(black_box(&program), black_box(&start), &mut effects, &mut recorder), recorder.take())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, execution);
criterion_main!(benches);
