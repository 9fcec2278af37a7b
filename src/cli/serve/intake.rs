//! `--intake`: StartExecution answers once a JetStream stream has stored the start.

use std::{future::Future, pin::Pin, rc::Rc, sync::Arc};

use super::report;
use crate::{
    api::{Intake, MakeIntake, NotStored},
    model::stored_start::StoredStart,
    source::nats::{NatsAddress, NatsConnection, NatsIntake},
};

/// Starts that a shard may wait to have stored at once.
const MOST_WAITING: usize = 65_536;

struct StreamIntake(NatsIntake);

impl Intake for StreamIntake {
    fn store<'a>(&'a self, start: &'a StoredStart) -> Pin<Box<dyn Future<Output = Result<(), NotStored>> + 'a>> {
        Box::pin(async move {
            let stored = self.0.store(&start.id_text(), start.to_json().into()).await;
            stored.map_err(|error| NotStored(error.to_string()))
        })
    }
}

/// The intake of an address: nats://HOST:PORT/STREAM[/CONSUMER].
///
/// # Errors
/// What is wrong with it, for the operator.
pub(super) fn make(address: &str) -> Result<MakeIntake, String> {
    let wrong = || format!("--intake: '{address}' is not nats://HOST:PORT/STREAM");
    if !NatsAddress::is_meant(address) {
        return Err(wrong());
    }
    let NatsAddress { servers, path } = NatsAddress::parse(address)?;
    let stream = path.into_iter().next().ok_or_else(wrong)?;
    let say: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(|message| report(&format!("intake: {message}")));
    Ok(Arc::new(move || {
        let connection = NatsConnection::new(servers.clone(), MOST_WAITING, Arc::clone(&say));
        Rc::new(StreamIntake(NatsIntake::new(Rc::new(connection), stream.clone())))
    }))
}
