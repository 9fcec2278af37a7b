//! Definitions to programs: checking the text, and lowering the syntax tree.

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

#[path = "support/workloads.rs"]
mod workloads;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway::{asl, compile::compile, model::machine_type::MachineType};

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

const ORDER_PIPELINE: &str = include_str!("../examples/orders/order.asl.json");

fn publish(criterion: &mut Criterion) {
    let workloads = workloads::WORKLOADS.map(|workload| (workload.name, workload.definition));
    for (name, definition) in workloads.into_iter().chain([("order pipeline", ORDER_PIPELINE)]) {
        let mut group = criterion.benchmark_group(format!("compile/{name}"));
        group.throughput(Throughput::Bytes(definition.len() as u64));
        group.bench_function("asl::check", |bencher| {
            bencher.iter(|| asl::check(black_box(definition), MachineType::Express));
        });
        let machine = asl::check(definition, MachineType::Express).machine.unwrap();
        group.bench_function("compile", |bencher| bencher.iter(|| compile(black_box(&machine)).unwrap()));
        group.finish();
    }
}

criterion_group!(benches, publish);
criterion_main!(benches);
