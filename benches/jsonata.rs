//! Expressions of the subset as programs of our own, beside the same expressions in `jsonata-core` with the conversion of
//! what they name.

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, criterion_group, criterion_main};
use expressway::{
    Value,
    query::jsonata::{Expression, JsonataEnvironment},
};

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

struct Data(Value);

impl JsonataEnvironment for Data {
    fn input(&self) -> Option<&Value> {
        Some(&self.0)
    }
    fn result(&self) -> Option<&Value> {
        None
    }
    fn error_output(&self) -> Option<&Value> {
        None
    }
    fn context(&self) -> Option<&Value> {
        None
    }
    fn variable(&self, _name: &str) -> Option<&Value> {
        None
    }
    fn random(&self) -> u64 {
        1
    }
    fn now_ms(&self) -> u64 {
        0
    }
}

/// An order of `items` items.
fn order(items: u32) -> Value {
    let mut text = String::from(r#"{"id":"o-17","amount":120.5,"customer":{"name":"Ada","city":"London"},"items":["#);
    for place in 0..items {
        let comma = if place > 0 { "," } else { "" };
        let price = f64::from(place * 7 % 40) + 0.25;
        write!(text, r#"{comma}{{"sku":"sku-{place}","price":{price},"quantity":{},"note":"as ordered"}}"#, place % 5)
            .unwrap();
    }
    text.push_str("]}");
    Value::parse(&text).unwrap()
}

const EXPRESSIONS: &[(&str, &str)] = &[
    ("arithmetic", "$states.input.amount * 1.2"),
    ("sum", "$sum($states.input.items.price)"),
    ("predicate", "$states.input.items[price > 10]"),
    (
        "object",
        "{'id': $states.input.id, 'total': $states.input.amount + 5, 'to': $states.input.customer.name & ', ' & $states.input.customer.city}",
    ),
    ("map", "$map($states.input.items, function($item) { $item.price * $item.quantity })"),
    ("objects", "$states.input.items.{'sku': sku, 'cost': price * quantity}"),
    ("condition", "$states.input.amount > 100 and $states.input.customer.city = 'London'"),
    ("move", "$states.input.items"),
];

fn jsonata(criterion: &mut Criterion) {
    for items in [3, 50] {
        let data = Data(order(items));
        let mut group = criterion.benchmark_group(format!("jsonata/{items} items"));
        for (name, text) in EXPRESSIONS {
            let expression = Expression::parse(text).unwrap();
            assert!(expression.is_fast(), "{text}");
            group.bench_function(format!("{name}/fast"), |bencher| {
                bencher.iter(|| black_box(&expression).evaluate(black_box(&data)).unwrap());
            });
            group.bench_function(format!("{name}/base"), |bencher| {
                bencher.iter(|| black_box(&expression).evaluate_in_base(black_box(&data)).unwrap());
            });
        }
        group.finish();
    }
}

criterion_group!(benches, jsonata);
criterion_main!(benches);
