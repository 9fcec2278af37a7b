//! Whole executions through the library on the calling thread: JSON text in, JSON text out.

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

#[path = "support/workloads.rs"]
mod workloads;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway::{Runtime, Value};

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

fn start_sync(criterion: &mut Criterion) {
    let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let runtime = Runtime::builder().shards(1).task("echo", async |input: Value| Ok(input)).build().unwrap();
    let mut group = criterion.benchmark_group("start");
    group.throughput(Throughput::Elements(1));
    for workload in &workloads::WORKLOADS {
        let machine = runtime.publish(workload.name, workload.definition).unwrap();
        let run = || {
            let input = Value::parse(black_box(workload.input)).unwrap();
            let completion = runtime.start_sync(&machine, input).unwrap();
            // An execution that never waits has ended already; W4 crosses to the shard that calls its task.
            let outcome = match completion.try_ended() {
                Ok(outcome) => outcome,
                Err(completion) => waiting.block_on(completion).unwrap(),
            };
            outcome.output.unwrap().to_json()
        };
        run();
        group.bench_function(workload.name, |bencher| bencher.iter(run));
    }
    group.finish();
}

criterion_group!(benches, start_sync);
criterion_main!(benches);
