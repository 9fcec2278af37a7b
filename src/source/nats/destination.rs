//! A subject that a JetStream stream listens to.

use std::rc::Rc;

use tokio::sync::OnceCell;

use super::{
    Headers, MESSAGE_ID, NatsConnection,
    answers::{Answers, Outgoing},
};
use crate::source::{Body, BrokerError, Destination, LocalBoxFuture, Publication};

/// Longest error or cause in a header, in characters.
const MAX_HEADER_CHARACTERS: usize = 1024;

/// Publishes to a subject. A publication is accepted once a stream has stored it; a subject without a stream refuses it.
///
/// Each has a `Nats-Msg-Id`, by which the stream drops what it has stored within its duplicate window. Dead letters are the
/// original message, with headers that say what happened.
pub struct NatsDestination {
    connection: Rc<NatsConnection>,
    subject: Rc<str>,
    answers: OnceCell<Answers>,
}

impl NatsDestination {
    /// A destination that connects at its first publication.
    #[must_use]
    pub fn new(connection: Rc<NatsConnection>, subject: String) -> Self {
        Self { connection, subject: subject.into(), answers: OnceCell::new() }
    }

    async fn publish_all(&self, publications: &[Publication]) -> Vec<Result<(), BrokerError>> {
        let ready = async {
            let (client, losses) = self.connection.client().await?;
            let answers = self.answers.get_or_init(async || Answers::new(client, self.connection.capacity())).await;
            Ok((client, losses, answers))
        };
        match ready.await {
            Ok((client, mut losses, answers)) => {
                let outgoing = publications.iter().map(|publication| self.outgoing(publication));
                answers.publish(client, &mut losses, outgoing).await
            }
            Err(error) => vec![Err(error); publications.len()],
        }
    }

    fn outgoing(&self, publication: &Publication) -> Outgoing {
        let mut headers = Headers::default();
        if let Some(id) = publication.id() {
            headers.add(MESSAGE_ID, &id);
        }
        let payload = match &publication.body {
            Body::Result(result) => result.clone(),
            Body::DeadLetter { error, cause } => {
                add_dead_letter_headers(publication, error, cause, &mut headers);
                publication.original().0
            }
        };
        Outgoing { subject: Rc::clone(&self.subject), headers, payload }
    }
}

impl Destination for NatsDestination {
    fn publish<'a>(&'a self, publications: &'a [Publication]) -> LocalBoxFuture<'a, Vec<Result<(), BrokerError>>> {
        Box::pin(self.publish_all(publications))
    }
}

fn add_dead_letter_headers(publication: &Publication, error: &str, cause: &str, headers: &mut Headers) {
    let delivery = &publication.delivery;
    if publication.has_headers() {
        for (name, value) in &delivery.headers {
            // The stream's own, such as the first one's Nats-Msg-Id, mean something else here.
            if !name.starts_with("Nats-") {
                headers.add(name, &header(value));
            }
        }
        headers.add("Expressway-Cause", &header(cause));
    }
    headers.add("Expressway-Error", &header(error));
    headers.add("Expressway-Subject", &header(&delivery.subject));
    headers.add("Expressway-Sequence", &header(&delivery.sequence));
    headers.add("Expressway-Deliveries", &delivery.deliveries.to_string());
    if !publication.original().1 {
        headers.add("Expressway-Original-Bytes", &delivery.payload.len().to_string());
    }
}

/// What a header can hold of a text: one line of bounded length.
fn header(text: &str) -> String {
    text.chars().take(MAX_HEADER_CHARACTERS).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
