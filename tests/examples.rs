//! What examples/ shows is true: every order of its events comes to the end that it was made for.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, sync::Arc};

use expressway::{
    Runtime, Value,
    clock::SystemClock,
    mock::MockConfiguration,
    model::execution::{ExecutionStatus, Outcome},
    value::ValueRef,
};

const ORDER: &str = include_str!("../examples/orders/order.asl.json");
const EVENTS: &str = include_str!("../examples/orders/events.ndjson");
const BUSY_WAREHOUSE: &str = include_str!("../examples/orders/busy-warehouse.ndjson");
const MOCK: &str = include_str!("../examples/orders/mock.json");
const DISCOUNT: &str = include_str!("../examples/discount.asl.json");

/// Runs a definition on each line, with the services of `order` simulated.
fn outcomes(name: &str, definition: &str, lines: &str) -> Vec<Outcome> {
    let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mocked = MockConfiguration::parse("mock.json", MOCK.into(), Arc::new(SystemClock::new())).unwrap();
    let builder = Runtime::builder().shards(1).seed(1).wait_time_scale(0.0);
    let builder = builder.mocked_integrations(Arc::new(mocked)).default_test_case("Everyday");
    let runtime = builder.build().unwrap();
    let machine = runtime.publish(name, definition).unwrap();
    let start = |line| runtime.start_sync(&machine, Value::parse(line).unwrap()).unwrap();
    let completions: Vec<_> = lines.lines().map(start).collect();
    completions.into_iter().map(|completion| waiting.block_on(completion).unwrap()).collect()
}

fn output_text<'a>(outcome: &'a Outcome, field: &str) -> &'a str {
    outcome.output.as_ref().and_then(|output| output.get(field)).and_then(ValueRef::as_str).unwrap_or_default()
}

#[test]
fn every_order_ends_well_whatever_is_wrong_with_it() {
    let mut ends = BTreeMap::<String, u32>::new();
    for outcome in outcomes("order", ORDER, EVENTS) {
        assert_eq!(outcome.status, ExecutionStatus::Succeeded, "{outcome:?}");
        let end = format!("{} {}", output_text(&outcome, "status"), output_text(&outcome, "reason"));
        *ends.entry(end).or_default() += 1;
    }
    let ends: Vec<_> = ends.iter().map(|(end, count)| (end.trim(), *count)).collect();
    assert_eq!(
        ends,
        [
            ("CONFIRMED", 242),
            ("REJECTED Order.CustomerBlocked", 5),
            ("REJECTED Order.CustomerUnreachable", 12),
            ("REJECTED Order.DestinationNotServed", 6),
            ("REJECTED Order.NotCovered", 12),
            ("REJECTED Payment.Declined", 8),
            ("REJECTED Stock.Insufficient", 4),
            ("SET_ASIDE", 11),
        ]
    );
}

#[test]
fn a_warehouse_that_counts_is_asked_again() {
    let outcome = &outcomes("order", ORDER, BUSY_WAREHOUSE)[0];
    assert_eq!((outcome.status, output_text(outcome, "status")), (ExecutionStatus::Succeeded, "CONFIRMED"));
}

#[test]
fn large_orders_get_a_discount() {
    let texts: Vec<_> =
        outcomes("discount", DISCOUNT, "{\"customer\":\"Ada\",\"total\":120}\n{\"customer\":\"Max\",\"total\":12.5}")
            .iter()
            .map(|outcome| output_text(outcome, "text").to_owned())
            .collect();
    assert_eq!(texts, ["Ada, your order of 120 gets 10 % off.", "Max, your order of 12.5 gets 0 % off."]);
}
