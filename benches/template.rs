//! Payload templates, compiled and filled in, and the same with the result written out as JSON.

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

#[path = "support/view.rs"]
mod view;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway::{Value, query::PayloadTemplate};
use view::View;

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

const INPUT: &str = include_str!("definitions/w2.input.json");

/// Name and text.
const TEMPLATES: [(&str, &str); 4] = [
    ("constant", r#"{"warehouse": "BER-2", "priority": "standard", "reviewed": false}"#),
    (
        "six paths",
        r#"{"a.$": "$.orderId", "b.$": "$.customerId", "c.$": "$.items", "d.$": "$.total",
        "e.$": "$.shipping.country", "f": {"g.$": "$.items[0].sku"}}"#,
    ),
    (
        "format",
        r#"{"summary.$": "States.Format('Order {} of {}: {} {}', $.orderId, $.customerId, $.total, $.currency)"}"#,
    ),
    (
        "nested intrinsics",
        r#"{"hash.$": "States.Hash(States.JsonToString(States.ArrayUnique($.items[*].sku)), 'SHA-256')"}"#,
    ),
];

fn template(criterion: &mut Criterion) {
    let view = View::of(INPUT);
    for (name, text) in TEMPLATES {
        let source = Value::parse(text).unwrap();
        let compiled = PayloadTemplate::compile(&source).unwrap();
        let mut group = criterion.benchmark_group(format!("template/{name}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("compile", |bencher| {
            bencher.iter(|| PayloadTemplate::compile(black_box(&source)).unwrap());
        });
        group.bench_function("evaluate", |bencher| bencher.iter(|| compiled.evaluate(black_box(&view)).unwrap()));
        group.bench_function("evaluate and write", |bencher| {
            bencher.iter(|| compiled.evaluate(black_box(&view)).unwrap().to_json());
        });
        group.finish();
    }
}

criterion_group!(benches, template);
criterion_main!(benches);
