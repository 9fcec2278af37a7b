//! Lines of standard input, or of any reader, as a source.
//!
//! There is nobody who would deliver a line again after the process has gone: what is to be delivered again is kept here.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, BufReader, Read},
    rc::Rc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{Acknowledger, BrokerError, Delivery, Fetched, LocalBoxFuture, Receipt, Settlement, Source};
use crate::model::quota::MAX_PAYLOAD_BYTES;

/// Longest line that is kept whole. Of a longer one as much is kept as shows that it is too long for an event.
const MAX_LINE_BYTES: u64 = 4 * MAX_PAYLOAD_BYTES as u64 + 1;
/// Lines read ahead of what was taken.
const READ_AHEAD: usize = 1024;
const READ_BYTES: usize = 128 << 10;

/// A line and its number, from 1; empty lines count.
type Line = (u64, Vec<u8>);

#[derive(Default)]
struct Shared {
    /// Lines that were given out and are not settled, with how often.
    held: RefCell<HashMap<Receipt, (Bytes, u64)>>,
    /// Those of them that are to be given out again, by when.
    again: RefCell<BTreeMap<(Instant, Receipt), ()>>,
    /// Told when something was settled.
    settled: Notify,
    ended: Cell<bool>,
}

/// Lines that are not empty, each a delivery.
pub struct LineSource {
    shared: Rc<Shared>,
    lines: mpsc::Receiver<io::Result<Line>>,
}

/// Settles lines of a [`LineSource`].
pub struct LineAcknowledger(Rc<Shared>);

impl LineSource {
    /// Lines of a reader, which is read in a thread of its own.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn new(reader: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = mpsc::channel(READ_AHEAD);
        thread::Builder::new().name("lines".into()).spawn(move || read_lines(reader, &sender))?;
        Ok(Self { shared: Rc::default(), lines })
    }

    /// What its deliveries are settled by.
    #[must_use]
    pub fn acknowledger(&self) -> LineAcknowledger {
        LineAcknowledger(Rc::clone(&self.shared))
    }

    fn due(&self, most: usize) -> Vec<Delivery> {
        let now = Instant::now();
        let again = &mut *self.shared.again.borrow_mut();
        let mut due = Vec::new();
        while due.len() < most
            && let Some(first) = again.first_entry()
            && first.key().0 <= now
        {
            let ((_, receipt), ()) = first.remove_entry();
            if let Some((payload, deliveries)) = self.shared.held.borrow_mut().get_mut(&receipt) {
                *deliveries += 1;
                due.push(delivery(receipt, payload.clone(), *deliveries));
            }
        }
        due
    }

    fn take(&self, (number, line): Line) -> Delivery {
        let (receipt, payload) = (Receipt::from(number.to_string()), Bytes::from(line));
        self.shared.held.borrow_mut().insert(receipt.clone(), (payload.clone(), 1));
        delivery(receipt, payload, 1)
    }

    async fn fetch_some(&mut self, most: usize) -> Result<Fetched, BrokerError> {
        loop {
            let mut deliveries = self.due(most);
            while deliveries.len() < most
                && let Ok(line) = self.lines.try_recv()
            {
                deliveries.push(self.take(line.map_err(BrokerError::new)?));
            }
            if !deliveries.is_empty() {
                return Ok(Fetched::Deliveries(deliveries));
            }
            if self.shared.ended.get() && self.shared.held.borrow().is_empty() {
                return Ok(Fetched::Ended);
            }
            let next = self.shared.again.borrow().keys().next().map(|(due, _)| *due);
            let due = async {
                match next {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                line = self.lines.recv(), if !self.shared.ended.get() => match line {
                    Some(line) => {
                        return Ok(Fetched::Deliveries(vec![self.take(line.map_err(BrokerError::new)?)]));
                    }
                    None => self.shared.ended.set(true),
                },
                () = self.shared.settled.notified() => {}
                () = due => {}
            }
        }
    }
}

fn delivery(receipt: Receipt, payload: Bytes, deliveries: u64) -> Delivery {
    Delivery {
        sequence: receipt.to_string(),
        receipt,
        payload,
        headers: Vec::new(),
        subject: "stdin".into(),
        key: None,
        origin: None,
        deliveries,
        lag: None,
    }
}

fn read_lines(reader: impl Read, lines: &mpsc::Sender<io::Result<Line>>) {
    let mut reader = BufReader::with_capacity(READ_BYTES, reader);
    for number in 1.. {
        let mut line = Vec::new();
        let read = (&mut reader).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        let whole = line.last() == Some(&b'\n');
        let message = match read {
            Ok(0) => return,
            Ok(_) => {
                if !whole && line.len() as u64 == MAX_LINE_BYTES && reader.skip_until(b'\n').is_err() {
                    return;
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                line.truncate(line.len() - usize::from(whole));
                Ok((number, line))
            }
            Err(error) => Err(error),
        };
        let failed = message.is_err();
        if lines.blocking_send(message).is_err() || failed {
            return;
        }
    }
}

impl Source for LineSource {
    fn fetch(&mut self, most: usize) -> LocalBoxFuture<'_, Result<Fetched, BrokerError>> {
        Box::pin(self.fetch_some(most))
    }

    fn close(&mut self) -> LocalBoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Acknowledger for LineAcknowledger {
    fn settle<'a>(
        &'a self,
        settlements: &'a [(Rc<Delivery>, Settlement)],
    ) -> LocalBoxFuture<'a, Result<(), BrokerError>> {
        for (delivery, settlement) in settlements {
            let receipt = &delivery.receipt;
            match settlement {
                Settlement::Acknowledge | Settlement::Terminate => {
                    self.0.held.borrow_mut().remove(receipt);
                }
                Settlement::Retry { after } => {
                    self.0.again.borrow_mut().insert((Instant::now() + *after, receipt.clone()), ());
                }
                Settlement::InProgress => {}
            }
        }
        self.0.settled.notify_one();
        Box::pin(std::future::ready(Ok(())))
    }

    fn patience(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_until_all_are_settled() {
        let long = "x".repeat(2 * MAX_LINE_BYTES as usize);
        let mut source = LineSource::new(io::Cursor::new(format!("1\n\n  \n{long}\n2"))).unwrap();
        let acknowledger = source.acknowledger();
        let mut seen = Vec::new();
        for round in 0..10 {
            let deliveries = match source.fetch(10).await.unwrap() {
                Fetched::Ended => break,
                Fetched::Deliveries(deliveries) => deliveries,
            };
            for delivery in deliveries {
                seen.push((delivery.sequence.clone(), delivery.payload.len(), delivery.deliveries));
                let again = delivery.sequence == "5" && delivery.deliveries == 1;
                let settlement =
                    if again { Settlement::Retry { after: Duration::ZERO } } else { Settlement::Acknowledge };
                acknowledger.settle(&[(Rc::new(delivery), settlement)]).await.unwrap();
            }
            assert!(round < 9, "the lines end");
        }
        let expected = [("1", 1, 1), ("4", MAX_LINE_BYTES as usize, 1), ("5", 1, 1), ("5", 1, 2)];
        assert_eq!(seen, expected.map(|(sequence, length, count)| (sequence.to_owned(), length, count)));
    }
}
