//! What JetStream is asked about streams and consumers (JetStream wire API).

use super::{client::Client, connection::Losses};
use crate::{
    Value,
    source::BrokerError,
    value::{Number, ObjectBuilder, ValueRef},
};

/// Why JetStream did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is no such stream or consumer.
    NotFound(BrokerError),
    /// Something else.
    Otherwise(BrokerError),
}

impl From<Refused> for BrokerError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound(error) | Refused::Otherwise(error) => error,
        }
    }
}

/// Asks JetStream: `what` is `STREAM.INFO.NAME` and the like.
pub(super) async fn ask(
    client: &Client,
    losses: &mut Losses,
    what: &str,
    body: ObjectBuilder,
) -> Result<Value, Refused> {
    /// Codes of the API for a stream and for a consumer that are not there (nats-server, `errors.json`).
    const NOT_FOUND: [i64; 2] = [10_059, 10_014];
    let subject = format!("$JS.API.{what}");
    let body = body.finish().to_json();
    let answer = client.request(losses, &subject, body.as_bytes()).await.map_err(Refused::Otherwise)?;
    let answer = Value::parse_bytes(answer.payload.to_vec())
        .map_err(|error| Refused::Otherwise(BrokerError::new(format!("JetStream answers what is no JSON: {error}"))))?;
    let Some(error) = answer.get("error") else { return Ok(answer) };
    let description = error.get("description").and_then(ValueRef::as_str).unwrap_or("JetStream refuses");
    let description = BrokerError::new(description);
    let code = error.get("err_code").and_then(ValueRef::as_number).and_then(Number::as_i64);
    Err(match code {
        Some(code) if NOT_FOUND.contains(&code) => Refused::NotFound(description),
        _ => Refused::Otherwise(description),
    })
}

/// An object of texts, numbers and so on.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> ObjectBuilder {
    let mut object = ObjectBuilder::with_capacity(N);
    for (name, value) in fields {
        object.push(name.into(), value);
    }
    object
}
