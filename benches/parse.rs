//! JSON text to values, beside simd-json's tape and serde_json's value on the same documents.
//!
//! Each way copies the text first: `Value::parse` does so by itself, and simd-json writes into the text that it is given.

#![allow(clippy::unwrap_used, reason = "a bench whose inputs are wrong has nothing to measure")]

#[path = "support/documents.rs"]
mod documents;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use expressway::Value;

#[global_allocator]
static ALLOCATOR: expressway::allocator::Allocator = expressway::allocator::Allocator;

const SIZES: [(&str, usize); 4] = [("300 B", 300), ("4 KB", 4 << 10), ("64 KB", 64 << 10), ("256 KB", 256 << 10)];

fn parse(criterion: &mut Criterion) {
    for (name, bytes) in SIZES {
        let text = documents::orders(bytes);
        let mut group = criterion.benchmark_group(format!("parse/{name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("Value::parse", |bencher| bencher.iter(|| Value::parse(black_box(&text)).unwrap()));
        group.bench_function("simd_json::to_tape", |bencher| {
            bencher.iter(|| {
                let mut bytes = black_box(&text).as_bytes().to_vec();
                simd_json::to_tape(&mut bytes).unwrap().0.len()
            });
        });
        // What is left when its buffers are kept for the next document.
        group.bench_function("simd_json::fill_tape", |bencher| {
            let mut buffers = simd_json::Buffers::new(text.len());
            let mut tape = simd_json::Tape::null();
            bencher.iter(|| {
                let mut bytes = black_box(&text).as_bytes().to_vec();
                let mut filled = std::mem::replace(&mut tape, simd_json::Tape::null()).reset();
                simd_json::fill_tape(&mut bytes, &mut buffers, &mut filled).unwrap();
                let nodes = filled.0.len();
                tape = filled.reset();
                nodes
            });
        });
        group.bench_function("serde_json::Value", |bencher| {
            bencher.iter(|| serde_json::from_str::<serde_json::Value>(black_box(&text)).unwrap());
        });
        group.finish();
    }
}

fn write(criterion: &mut Criterion) {
    for (name, bytes) in SIZES {
        let text = documents::orders(bytes);
        let parsed = Value::parse(&text).unwrap();
        let mut group = criterion.benchmark_group(format!("write/{name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("Value::to_json", |bencher| bencher.iter(|| black_box(&parsed).to_json()));
        group.finish();
    }
}

criterion_group!(benches, parse, write);
criterion_main!(benches);
