//! Kafka's watermark under random completion orders, against a list of what is finished: a commit never passes an unfinished
//! offset, everything that is finished without a gap gets committed, and no more than the bound is ever kept.
//!
//! `WATERMARK_ORDERS=1000000 cargo test --release --test watermark` is the big run.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap, as tests do")]

use std::collections::BTreeMap;

use expressway::source::kafka::Watermark;

const DEFAULT_ORDERS: u64 = 20_000;
/// Most offsets of one order.
const MOST_OFFSETS: usize = 60;

/// What became of an order.
#[derive(Default)]
struct Totals {
    offsets: u64,
    commits: u64,
    full: u64,
}

/// One partition from its first offset to its last, with deliveries, completions, lost and late answers to commits in random
/// order.
fn run(seed: u64, totals: &mut Totals) {
    let mut random = fastrand::Rng::with_seed(seed);
    let bound = random.usize(1..=20);
    let count = random.usize(1..=MOST_OFFSETS);
    let mut watermark = Watermark::new(bound);
    // Every offset that was delivered and is not committed, and whether it is finished.
    let mut known: BTreeMap<i64, bool> = BTreeMap::new();
    let mut running: Vec<i64> = Vec::new();
    let mut answers: Vec<i64> = Vec::new();
    let mut next = random.i64(0..1_000_000);
    let (mut asked, mut stored) = (next, next);
    let mut delivered = 0;
    while delivered < count || !known.is_empty() {
        match random.u32(..4) {
            0 | 1 if delivered < count => {
                // One in four offsets is missing, as after compaction.
                next += 1 + i64::from(random.u32(..4) == 0);
                let beyond = known.len();
                assert_eq!(
                    watermark.deliver(next),
                    beyond < bound,
                    "seed {seed}: bound {bound}, {beyond} not committed"
                );
                if beyond < bound {
                    known.insert(next, false);
                    running.push(next);
                    delivered += 1;
                } else {
                    totals.full += 1;
                    next -= 1;
                }
            }
            2 if !running.is_empty() => {
                let offset = running.swap_remove(random.usize(..running.len()));
                assert!(watermark.finish(offset), "seed {seed}");
                assert!(!watermark.finish(offset), "seed {seed}: twice");
                known.insert(offset, true);
            }
            _ => {
                if let Some(commit) = watermark.to_commit() {
                    asked = asked.max(commit);
                    totals.commits += 1;
                    // Some answers are lost, others come late.
                    if random.u32(..5) > 0 {
                        answers.push(commit);
                    }
                }
                if random.bool()
                    && let Some(answer) = answers.pop()
                {
                    watermark.committed(answer);
                    stored = stored.max(answer);
                    known = known.split_off(&stored);
                }
            }
        }
        let unfinished = known.iter().find(|(_, finished)| !**finished).map(|(offset, _)| *offset);
        let contiguous = known.iter().take_while(|(_, finished)| **finished).last().map(|(offset, _)| offset + 1);
        let commit = watermark.to_commit();
        assert!(commit.is_none_or(|commit| unfinished.is_none_or(|offset| commit <= offset)), "seed {seed}: too far");
        assert_eq!(commit, contiguous.filter(|offset| *offset > stored), "seed {seed}: not as far as it could");
        if let Some((commit, behind)) = watermark.position() {
            assert!(unfinished.is_none_or(|offset| commit <= offset), "seed {seed}: too far");
            assert!(behind.eq(known.range(commit..).filter(|(_, finished)| **finished).map(|(offset, _)| *offset)));
        }
        assert!(watermark.len() <= bound, "seed {seed}: more than the bound");
        assert_eq!(watermark.len(), known.len(), "seed {seed}");
    }
    assert!(watermark.is_empty(), "seed {seed}");
    assert_eq!(asked, next + 1, "seed {seed}: all is committed in the end");
    totals.offsets += count as u64;
}

#[test]
fn commits_never_pass_an_unfinished_offset() {
    let orders = std::env::var("WATERMARK_ORDERS").ok().map_or(DEFAULT_ORDERS, |text| text.parse().unwrap());
    let mut totals = Totals::default();
    for seed in 0..orders {
        run(seed, &mut totals);
    }
    let Totals { offsets, commits, full } = totals;
    println!("{orders} orders, {offsets} offsets, {commits} commits, {full} deliveries refused by the bound: 0 wrong");
    assert!(commits > 0 && full > 0);
}
