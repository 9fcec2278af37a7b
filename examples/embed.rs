//! The library inside a program: tasks are async functions of that program, and an execution is a function call.
//!
//! Run it with `cargo run --example embed --no-default-features`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, time::Duration};

use expressway::{
    Runtime, Value,
    model::execution::ExecutionStatus,
    task::{TaskError, TaskResult},
    value::{Number, ValueRef},
};

const CHECKOUT: &str = r#"{
  "StartAt": "Charge",
  "States": {
    "Charge": {
      "Type": "Task",
      "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge",
      "TimeoutSeconds": 5,
      "ResultPath": "$.charge",
      "Retry": [{ "ErrorEquals": ["Gateway.Busy"], "IntervalSeconds": 1, "MaxAttempts": 2, "JitterStrategy": "FULL" }],
      "Catch": [{ "ErrorEquals": ["Card.Declined"], "ResultPath": "$.problem", "Next": "Tell the customer" }],
      "Next": "Thank the customer"
    },
    "Thank the customer": {
      "Type": "Task",
      "Resource": "arn:aws:lambda:us-east-1:123456789012:function:notify",
      "Parameters": { "to.$": "$.customer", "text.$": "States.Format('Charged {}, {}.', $.total, $.charge.reference)" },
      "End": true
    },
    "Tell the customer": {
      "Type": "Task",
      "Resource": "arn:aws:lambda:us-east-1:123456789012:function:notify",
      "Parameters": { "to.$": "$.customer", "text.$": "$.problem.Cause" },
      "End": true
    }
  }
}"#;

const CHARGE_ONLY: &str = r#"{
  "StartAt": "Charge",
  "States": {
    "Charge": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge", "End": true }
  }
}"#;

/// Charges a card, or says why not. An error's name is what `Retry` and `Catch` match.
async fn charge(order: Value) -> TaskResult {
    // Tasks may wait: the shard that polls this goes on with other executions.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let total = order.get("total").and_then(ValueRef::as_number).map_or(0.0, Number::as_f64);
    if total > 1000.0 {
        return Err(TaskError::new("Card.Declined", "The card takes 1000 at most."));
    }
    Ok(Value::object([("reference", "ch-4711"), ("provider", "example")]))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A name answers the ARNs of the Lambda function of that name: definitions from AWS run as they are.
    let runtime = Runtime::builder()
        .task("charge", charge)
        .task("notify", async |message: Value| {
            println!("to {}: {}", text(&message, "to"), text(&message, "text"));
            Ok(Value::object([("sent", true)]))
        })
        .build()?;
    let checkout = runtime.publish("checkout", CHECKOUT)?;

    for order in
        [r#"{"customer": "ada@example.com", "total": 86.25}"#, r#"{"customer": "max@example.com", "total": 2400}"#]
    {
        let outcome = runtime.start_sync(&checkout, Value::parse(order)?)?.await?;
        println!("{}: {}", outcome.status, outcome.output.unwrap_or_default().to_json());
    }

    // `start` queues an execution for any shard and returns at once: these wait for their charges side by side.
    let charging = runtime.publish("charging", CHARGE_ONLY)?;
    let completions = (1..=1000)
        .map(|number| runtime.start(&charging, Value::object([("total", Value::from(number * 2))])))
        .collect::<Result<Vec<_>, _>>()?;
    let mut charged = 0;
    for completion in completions {
        charged += u32::from(completion.await?.status == ExecutionStatus::Succeeded);
    }
    println!("{charged} of 1000 charged, the others declined");
    Ok(())
}

fn text<'a>(message: &'a Value, field: &str) -> &'a str {
    message.get(field).and_then(ValueRef::as_str).unwrap_or_default()
}
