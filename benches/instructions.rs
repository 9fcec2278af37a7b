//! One stage, a given number of times, for `instructions.py` to count its instructions.
//!
//! ```console
//! $ cargo bench --no-default-features --features mimalloc --bench instructions -- start/W2 1000
//! ```

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]
#![allow(clippy::print_stdout, reason = "its output says what there is")]

#[path = "support/workloads.rs"]
mod workloads;

use std::hint::black_box;

use expressway::{Runtime, Value, asl, compile::compile, model::machine_type::MachineType};

use self::workloads::{WORKLOADS, Workload};

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

/// JSON text to a value.
fn parse(workload: &Workload, count: u64) {
    for _ in 0..count {
        black_box(Value::parse(black_box(workload.input)).unwrap());
    }
}

/// A definition's text to its program.
fn publish(workload: &Workload, count: u64) {
    for _ in 0..count {
        let machine = asl::check(black_box(workload.definition), MachineType::Express).machine.unwrap();
        black_box(compile(&machine).unwrap());
    }
}

/// An execution: JSON text in, JSON text out.
fn start(workload: &Workload, count: u64) {
    let runtime = Runtime::builder().shards(1).task_fn("echo", Ok).build().unwrap();
    let machine = runtime.publish(workload.name, workload.definition).unwrap();
    let mut output = Vec::new();
    for _ in 0..count {
        let input = Value::parse(black_box(workload.input)).unwrap();
        let outcome = runtime.start_sync(&machine, input).unwrap().try_ended().unwrap();
        output.clear();
        outcome.output.unwrap().write_json(&mut output);
        black_box(&output);
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let stages = ["parse", "publish", "start"];
    let [stage, count] = &arguments[..] else {
        // What there is: `cargo bench` runs all benches without arguments.
        for (stage, workload) in stages.iter().flat_map(|stage| WORKLOADS.iter().map(move |workload| (stage, workload)))
        {
            println!("{stage}/{}", workload.name);
        }
        return;
    };
    let (stage, name) = stage.split_once('/').expect("a stage is named like start/W2");
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).expect("one of the names that are listed");
    let count = count.parse().expect("a number of turns");
    match stage {
        "parse" => parse(workload, count),
        "publish" => publish(workload, count),
        "start" => start(workload, count),
        _ => panic!("a stage is one of {stages:?}"),
    }
}
