//! Compiled paths, evaluated on one order (definite ones) and on an array of orders (those that visit many nodes).

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

#[path = "support/documents.rs"]
mod documents;
#[path = "support/view.rs"]
mod view;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway::query::Path;
use view::View;

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

const ON_ONE_ORDER: [&str; 6] = [
    "$.orderId",
    "$.shipping.country",
    "$.items[1].unitPrice",
    "$.items[*].sku",
    "$.items[?(@.quantity > 1)].sku",
    "$.items.length()",
];

const ON_MANY_ORDERS: [&str; 4] =
    ["$[*].orderId", "$[?(@.total > 500 && @.customer.tier == 'gold')].orderId", "$..sku", "$[0:10].items[*].stock"];

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("path/compile");
    group.throughput(Throughput::Elements(1));
    for text in ON_ONE_ORDER.into_iter().chain(ON_MANY_ORDERS) {
        group.bench_function(text, |bencher| bencher.iter(|| Path::parse(black_box(text)).unwrap()));
    }
    group.finish();
}

fn evaluate(criterion: &mut Criterion) {
    for (name, document, paths) in [
        ("293 B", documents::orders(300), &ON_ONE_ORDER[..]),
        ("64 KB", documents::orders(64 << 10), &ON_MANY_ORDERS[..]),
    ] {
        let view = View::of(&document);
        let mut group = criterion.benchmark_group(format!("path/evaluate {name}"));
        group.throughput(Throughput::Elements(1));
        for text in paths {
            let path = Path::parse(text).unwrap();
            group.bench_function(*text, |bencher| {
                bencher.iter(|| path.evaluate(black_box(&view)).unwrap().into_value());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, compile, evaluate);
criterion_main!(benches);
