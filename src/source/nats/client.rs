//! What is said over a connection: publications, subscriptions, requests. Nothing here waits for the network: what is said is
//! appended to a buffer that the connection's task writes, and what comes is put into the inboxes of its subscriptions.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    task::Waker,
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{Headers, Message, connection::Losses, message::Status};
use crate::source::BrokerError;

/// Bytes that may wait to be written before whoever has more waits.
const MOST_WAITING_BYTES: usize = 4 << 20;
/// Messages of a request's inbox: one answer is awaited.
const MOST_ANSWERS: usize = 16;
/// How long an answer to a request may take.
const REQUEST_DEADLINE: Duration = Duration::from_secs(5);

/// One connection to NATS, as seen by who uses it. Outlives losses of the connection; what was said and not written by then is
/// lost with it.
#[derive(Clone, Default)]
pub(super) struct Client(Rc<Shared>);

#[derive(Default)]
struct Shared {
    /// What is to be written.
    outgoing: RefCell<Vec<u8>>,
    /// The task that writes.
    writer: RefCell<Option<Waker>>,
    /// Told when everything was handed to the network.
    written: Notify,
    inboxes: RefCell<HashMap<u64, Rc<Inbox>>>,
    last_subscription: Cell<u64>,
    /// The largest message that the server takes, with its headers.
    max_payload: Cell<usize>,
}

struct Inbox {
    subject: String,
    /// Most messages that it holds.
    capacity: usize,
    messages: RefCell<VecDeque<Message>>,
    arrived: Notify,
}

/// Messages of a subject.
pub(super) struct Subscription {
    client: Client,
    number: u64,
    inbox: Rc<Inbox>,
}

/// A message is larger than its server takes.
#[derive(Debug, thiserror::Error)]
#[error("the message has {bytes} bytes with its headers, and the server takes {most}")]
pub(super) struct TooLarge {
    bytes: usize,
    most: usize,
}

impl Client {
    /// Publishes. `headers` may be empty.
    pub(super) fn publish(
        &self,
        subject: &str,
        reply: &str,
        headers: &Headers,
        payload: &[u8],
    ) -> Result<(), TooLarge> {
        let header_bytes = headers.block().len();
        let (bytes, most) = (header_bytes + payload.len(), self.0.max_payload.get());
        if bytes > most {
            return Err(TooLarge { bytes, most });
        }
        let out = &mut *self.0.outgoing.borrow_mut();
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(if header_bytes > 0 { b"HPUB " } else { b"PUB " });
        out.extend_from_slice(subject.as_bytes());
        out.push(b' ');
        if !reply.is_empty() {
            out.extend_from_slice(reply.as_bytes());
            out.push(b' ');
        }
        if header_bytes > 0 {
            out.extend_from_slice(digits.format(header_bytes).as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(digits.format(bytes).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(headers.block());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
        self.wake();
        Ok(())
    }

    /// Waits until no more is waiting to be written than may be.
    pub(super) async fn room(&self) {
        while self.0.outgoing.borrow().len() > MOST_WAITING_BYTES {
            self.0.written.notified().await;
        }
    }

    /// Subscribes to a subject, also on connections that take the place of this one.
    pub(super) fn subscribe(&self, subject: String, capacity: usize) -> Subscription {
        let number = self.0.last_subscription.get() + 1;
        self.0.last_subscription.set(number);
        self.say(&format!("SUB {subject} {number}\r\n"));
        let inbox = Rc::new(Inbox { subject, capacity, messages: RefCell::default(), arrived: Notify::new() });
        self.0.inboxes.borrow_mut().insert(number, Rc::clone(&inbox));
        Subscription { client: self.clone(), number, inbox }
    }

    /// Publishes and waits for an answer.
    pub(super) async fn request(
        &self,
        losses: &mut Losses,
        subject: &str,
        payload: &[u8],
    ) -> Result<Message, BrokerError> {
        let inbox = new_inbox();
        let mut answers = self.subscribe(inbox.clone(), MOST_ANSWERS);
        self.publish(subject, &inbox, &Headers::default(), payload).map_err(BrokerError::new)?;
        tokio::select! {
            answer = timeout(REQUEST_DEADLINE, answers.next()) => match answer {
                Ok(answer) if answer.status().is_some_and(|status| status.code == Status::NO_RESPONDERS) => {
                    Err(BrokerError::new("the server has no JetStream"))
                }
                Ok(answer) => Ok(answer),
                Err(_) => Err(BrokerError::new("NATS does not answer")),
            },
            () = losses.next() => Err(BrokerError::new("NATS is gone")),
        }
    }

    /// Says a line of the protocol.
    pub(super) fn say(&self, line: &str) {
        self.0.outgoing.borrow_mut().extend_from_slice(line.as_bytes());
        self.wake();
    }

    fn wake(&self) {
        if let Some(writer) = self.0.writer.borrow_mut().take() {
            writer.wake();
        }
    }

    /// A connection begins: what was not written on the one before is forgotten, and all subscriptions are made again.
    pub(super) fn begin(&self, max_payload: usize) {
        self.0.max_payload.set(max_payload);
        self.0.outgoing.borrow_mut().clear();
        self.0.written.notify_waiters();
        for (number, inbox) in &*self.0.inboxes.borrow() {
            self.say(&format!("SUB {} {number}\r\n", inbox.subject));
        }
    }

    /// Takes what is to be written, in exchange for an empty buffer. With none to take, `writer` is woken when there is.
    pub(super) fn take_outgoing(&self, empty: &mut Vec<u8>, writer: &Waker) -> bool {
        let outgoing = &mut *self.0.outgoing.borrow_mut();
        self.0.written.notify_waiters();
        if outgoing.is_empty() {
            *self.0.writer.borrow_mut() = Some(writer.clone());
            return false;
        }
        std::mem::swap(outgoing, empty);
        true
    }

    /// Puts a message into the inbox of its subscription; `false` when that is full.
    pub(super) fn deliver(&self, subscription: u64, message: Message) -> bool {
        // One that has ended meanwhile wants it no more.
        let inboxes = self.0.inboxes.borrow();
        let Some(inbox) = inboxes.get(&subscription) else { return true };
        let messages = &mut *inbox.messages.borrow_mut();
        if messages.len() >= inbox.capacity {
            return false;
        }
        if messages.is_empty() {
            inbox.arrived.notify_one();
        }
        messages.push_back(message);
        true
    }
}

impl Subscription {
    /// The next message. It may be dropped while it waits, and loses none.
    pub(super) async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.try_next() {
                return message;
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// A message that has come.
    pub(super) fn try_next(&mut self) -> Option<Message> {
        self.inbox.messages.borrow_mut().pop_front()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.0.inboxes.borrow_mut().remove(&self.number);
        self.client.say(&format!("UNSUB {}\r\n", self.number));
    }
}

/// A subject that nobody else has.
pub(super) fn new_inbox() -> String {
    format!("_INBOX.{:032x}", fastrand::u128(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(client: &Client) -> String {
        let mut taken = Vec::new();
        let any = client.take_outgoing(&mut taken, Waker::noop());
        assert_eq!(any, !taken.is_empty());
        String::from_utf8(taken).unwrap()
    }

    fn message(payload: &'static [u8]) -> Message {
        Message { subject: "a".into(), reply: None, headers: None, payload: payload.into() }
    }

    #[test]
    fn publications_are_said_in_the_words_of_the_protocol() {
        let client = Client::default();
        client.begin(30);
        let (none, mut headers) = (Headers::default(), Headers::default());
        headers.add("A", "1");
        client.publish("a.b", "", &none, b"hello").unwrap();
        client.publish("a", "r", &headers, b"x").unwrap();
        assert_eq!(said(&client), "PUB a.b 5\r\nhello\r\nHPUB a r 18 19\r\nNATS/1.0\r\nA: 1\r\n\r\nx\r\n");
        assert!(client.publish("a", "", &none, &[0; 31]).is_err(), "larger than the server takes");
        assert!(client.publish("a", "", &headers, &[0; 13]).is_err(), "headers count");
        assert_eq!(said(&client), "");
    }

    #[test]
    fn subscriptions_outlive_connections() {
        let client = Client::default();
        let (mut kept, dropped) = (client.subscribe("a".into(), 2), client.subscribe("b".into(), 1));
        assert_eq!(said(&client), "SUB a 1\r\nSUB b 2\r\n");
        drop(dropped);
        assert_eq!(said(&client), "UNSUB 2\r\n");
        client.say("PING\r\n");
        client.begin(30);
        assert_eq!(said(&client), "SUB a 1\r\n", "what was not written is forgotten");
        assert!(
            client.deliver(1, message(b"1")) && client.deliver(1, message(b"2")) && client.deliver(2, message(b""))
        );
        assert!(!client.deliver(1, message(b"3")), "it is full");
        let taken: Vec<_> = std::iter::from_fn(|| kept.try_next()).map(|message| message.payload).collect();
        assert_eq!(taken, [&b"1"[..], b"2"]);
    }
}
