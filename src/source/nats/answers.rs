//! Publications to JetStream whose acknowledgements are awaited together.
//!
//! Each publication names a subject of one inbox for its answer: the number of its group and its place in there. So a group
//! of a thousand costs one entry in a table, one deadline and one wake-up.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{
    Headers, Message,
    client::{Client, new_inbox},
    connection::Losses,
    message::Status,
};
use crate::{Value, source::BrokerError, value::ValueRef};

/// How long a stream may take to acknowledge a group of publications, from the first on. Then what was not acknowledged is
/// published again: its `Nats-Msg-Id` tells the stream what it has stored already.
pub(super) const PUBLICATION_DEADLINE: Duration = Duration::from_secs(5);

/// Something to be published.
pub(super) struct Outgoing {
    pub(super) subject: Rc<str>,
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
}

type Answer = Result<(), BrokerError>;

/// Publications whose answers are awaited together.
struct Group {
    answers: RefCell<Vec<Option<Answer>>>,
    left: Cell<usize>,
    complete: Notify,
}

impl Group {
    fn answer(&self, place: usize, answer: Answer) {
        if let Some(slot) = self.answers.borrow_mut().get_mut(place)
            && slot.is_none()
        {
            *slot = Some(answer);
            self.left.set(self.left.get() - 1);
            if self.left.get() == 0 {
                self.complete.notify_one();
            }
        }
    }
}

#[derive(Default)]
struct Waiting {
    groups: HashMap<u64, Rc<Group>>,
    last: u64,
}

/// The inbox of answers of one connection.
pub(super) struct Answers {
    inbox: String,
    waiting: Rc<RefCell<Waiting>>,
    reader: AbortHandle,
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Answers {
    /// Subscribes to an inbox, which holds as many answers as said. Must be called on a `LocalSet`.
    pub(super) fn new(client: &Client, capacity: usize) -> Self {
        let inbox = new_inbox();
        let mut answers = client.subscribe(format!("{inbox}.>"), capacity);
        let waiting: Rc<RefCell<Waiting>> = Rc::default();
        let (table, prefix) = (Rc::clone(&waiting), inbox.len() + 1);
        let reader = tokio::task::spawn_local(async move {
            loop {
                let message = answers.next().await;
                let Some((group, place)) = message.subject.get(prefix..).and_then(place_of) else { continue };
                // One that came too late belongs to nobody any more.
                let group = table.borrow().groups.get(&group).cloned();
                if let Some(group) = group {
                    group.answer(place, answer(&message));
                }
            }
        });
        Self { inbox, waiting, reader: reader.abort_handle() }
    }

    /// Publishes, and gives an answer for each within [`PUBLICATION_DEADLINE`], at once when the connection is lost.
    pub(super) async fn publish(
        &self,
        client: &Client,
        losses: &mut Losses,
        outgoing: impl ExactSizeIterator<Item = Outgoing>,
    ) -> Vec<Answer> {
        let deadline = Instant::now() + PUBLICATION_DEADLINE;
        let count = outgoing.len();
        let answers = RefCell::new(vec![None; count]);
        let group = Rc::new(Group { answers, left: count.into(), complete: Notify::new() });
        let number = {
            let waiting = &mut *self.waiting.borrow_mut();
            waiting.last += 1;
            waiting.groups.insert(waiting.last, Rc::clone(&group));
            waiting.last
        };
        let forget = Forget(&self.waiting, number);
        let all = async {
            for (place, Outgoing { subject, headers, payload }) in outgoing.enumerate() {
                client.room().await;
                let reply = format!("{}.{number}.{place}", self.inbox);
                if let Err(error) = client.publish(&subject, &reply, &headers, &payload) {
                    group.answer(place, Err(BrokerError::too_large(error)));
                }
            }
            while group.left.get() > 0 {
                group.complete.notified().await;
            }
        };
        let why = tokio::select! {
            () = all => "",
            () = losses.next() => "NATS is gone",
            () = sleep_until(deadline) => "the stream did not answer in time",
        };
        drop(forget);
        let answers = group.answers.take();
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| Err(BrokerError::new(why)))).collect()
    }
}

/// Takes a group out of the table, also when whoever waits for it is dropped.
struct Forget<'a>(&'a Rc<RefCell<Waiting>>, u64);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().groups.remove(&self.1);
    }
}

/// Group and place of `7.123`.
fn place_of(text: &str) -> Option<(u64, usize)> {
    let (group, place) = text.split_once('.')?;
    Some((group.parse().ok()?, place.parse().ok()?))
}

/// What a stream says of a publication (JetStream wire API, "PubAck").
fn answer(message: &Message) -> Answer {
    if message.status().is_some_and(|status| status.code == Status::NO_RESPONDERS) {
        return Err(BrokerError::new("no stream listens to the subject"));
    }
    answer_of(&message.payload)
}

fn answer_of(payload: &[u8]) -> Answer {
    /// A message is longer than its stream takes (nats-server, `JSStreamMessageExceedsMaximumErr`).
    const MESSAGE_EXCEEDS_MAXIMUM: &str = "10054";
    let answer = Value::parse_bytes(payload.to_vec()).unwrap_or_default();
    if let Some(error) = answer.get("error") {
        let text = |name| error.get(name).map(|value| value.to_value().to_json()).unwrap_or_default();
        let description = error.get("description").and_then(ValueRef::as_str).unwrap_or_default().to_owned();
        let too_large = text("err_code") == MESSAGE_EXCEEDS_MAXIMUM;
        return Err(if too_large { BrokerError::too_large(description) } else { BrokerError::new(description) });
    }
    match answer.get("seq") {
        Some(_) => Ok(()),
        None => Err(BrokerError::new("what answers at the subject is no stream")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(answer_of(br#"{"stream":"DONE","seq":7,"duplicate":true}"#), Ok(()));
        assert!(answer_of(b"hello").is_err());
        let error = br#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"},"stream":"D","seq":0}"#;
        assert!(answer_of(error).unwrap_err().is_too_large());
        let error = br#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"D","seq":0}"#;
        let error = answer_of(error).unwrap_err();
        assert_eq!((error.is_too_large(), error.to_string().as_str()), (false, "maximum messages exceeded"));
        assert_eq!(place_of("7.123"), Some((7, 123)));
        assert_eq!(place_of("x"), None);
    }
}
