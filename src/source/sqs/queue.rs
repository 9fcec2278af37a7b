//! The operations of a queue (SQS API Reference).

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::{sync::OnceCell, time::timeout};

use super::SqsAddress;
use crate::{
    Value,
    source::BrokerError,
    task::aws::Aws,
    value::{ArrayView, ObjectBuilder, ValueRef},
};

/// Most messages of one request (SQS Developer Guide, "Message quotas").
pub(super) const MOST_OF_A_BATCH: usize = 10;
/// Longest time that a message may be invisible, in seconds (same page).
pub(super) const MAX_VISIBILITY_SECONDS: u64 = 43_200;
/// How long an answer may take, beyond the time that a receive waits for messages.
const ANSWER: Duration = Duration::from_secs(10);
/// Requests of one batch operation that are under way at once.
pub(super) const MOST_REQUESTS: usize = 32;
/// Longest answer: ten messages of 1 MiB, each character of which may be escaped.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A queue. Its URL is asked for when it is needed first.
pub struct SqsQueue {
    aws: Aws,
    address: SqsAddress,
    url: OnceCell<String>,
}

/// Why an entry of a batch was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// It will be refused again, whenever it is sent.
    pub(super) is_final: bool,
    pub(super) reason: String,
}

impl SqsQueue {
    /// A queue that `aws` reaches.
    #[must_use]
    pub fn new(aws: Aws, address: SqsAddress) -> Self {
        let url = OnceCell::new_with(address.url.clone());
        Self { aws, address, url }
    }

    /// What it is called.
    pub(super) fn address(&self) -> &SqsAddress {
        &self.address
    }

    /// Its URL.
    pub(super) async fn url(&self) -> Result<&str, BrokerError> {
        let ask = || async {
            let mut parameters = ObjectBuilder::with_capacity(2);
            parameters.push("QueueName".into(), self.address.name.as_str().into());
            if let Some(account) = &self.address.account {
                parameters.push("QueueOwnerAWSAccountId".into(), account.as_str().into());
            }
            let answer = self.ask("getQueueUrl", &parameters.finish(), ANSWER).await?;
            let url = answer.get("QueueUrl").and_then(ValueRef::as_str);
            url.map(str::to_owned).ok_or_else(|| BrokerError::new("GetQueueUrl: the answer has no QueueUrl"))
        };
        self.url.get_or_try_init(ask).await.map(String::as_str)
    }

    async fn ask(&self, action: &str, parameters: &Value, patience: Duration) -> Result<Value, BrokerError> {
        match timeout(patience, self.aws.call("sqs", action, parameters, MAX_ANSWER_BYTES)).await {
            Ok(answer) => answer.map_err(BrokerError::new),
            Err(_) => Err(BrokerError::new(format!("{action}: no answer within {} s", patience.as_secs()))),
        }
    }

    /// Calls an operation of the queue; `waits` is how long it may wait for messages.
    pub(super) async fn call<const N: usize>(
        &self,
        action: &str,
        parameters: [(&str, Value); N],
        waits: Duration,
    ) -> Result<Value, BrokerError> {
        let url = self.url().await?;
        let mut all = ObjectBuilder::with_capacity(N + 1);
        all.push("QueueUrl".into(), url.into());
        for (name, value) in parameters {
            all.push(name.into(), value);
        }
        self.ask(action, &all.finish(), waits + ANSWER).await
    }

    /// Calls a batch operation with entries, which get their `Id` here, and says for each, in their order, what became of it.
    ///
    /// # Errors
    /// When the whole request was refused or not answered.
    pub(super) async fn batch(
        &self,
        action: &str,
        entries: Vec<ObjectBuilder>,
    ) -> Result<Vec<Result<(), Refusal>>, BrokerError> {
        let mut results = vec![Err(Refusal { is_final: false, reason: "not answered".into() }); entries.len()];
        let numbered = entries.into_iter().enumerate().map(|(place, mut entry)| {
            entry.insert("Id".into(), place.to_string().into());
            entry.finish()
        });
        let answer = self.call(action, [("Entries", Value::array(numbered))], Duration::ZERO).await?;
        for (place, _) in listed(&answer, "Successful") {
            if let Some(result) = results.get_mut(place) {
                *result = Ok(());
            }
        }
        for (place, entry) in listed(&answer, "Failed") {
            let text = |name: &str| entry.get(name).and_then(ValueRef::as_str).unwrap_or_default();
            let reason = format!("{}: {}", text("Code"), text("Message"));
            let is_final = entry.get("SenderFault").and_then(ValueRef::as_bool).unwrap_or(false);
            if let Some(result) = results.get_mut(place) {
                *result = Err(Refusal { is_final, reason });
            }
        }
        Ok(results)
    }

    /// Calls a batch operation for any number of entries, some requests at once.
    pub(super) async fn batches(&self, action: &str, mut entries: Vec<ObjectBuilder>) -> Vec<Result<(), Refusal>> {
        let mut chunks = Vec::with_capacity(entries.len().div_ceil(MOST_OF_A_BATCH));
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(MOST_OF_A_BATCH));
            chunks.push(std::mem::replace(&mut entries, rest));
        }
        let asked = stream::iter(chunks).map(|chunk| async {
            let count = chunk.len();
            match self.batch(action, chunk).await {
                Ok(results) => results,
                Err(error) => vec![Err(Refusal { is_final: false, reason: error.to_string() }); count],
            }
        });
        asked.buffered(MOST_REQUESTS).concat().await
    }
}

/// The entries of a list in the answer to a batch, with their places in the request.
fn listed<'a>(answer: &'a Value, list: &str) -> impl Iterator<Item = (usize, ValueRef<'a>)> {
    let entries = answer.get(list).and_then(ValueRef::as_array);
    entries.into_iter().flat_map(ArrayView::iter).filter_map(|entry| {
        let place = entry.get("Id").and_then(ValueRef::as_str)?.parse().ok()?;
        Some((place, entry))
    })
}

/// Whole seconds of a wait, rounded up, as visibility timeouts are given.
pub(super) fn visibility_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).min(MAX_VISIBILITY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visibility_is_in_whole_seconds() {
        let seconds = |ms| visibility_seconds(Duration::from_millis(ms));
        assert_eq!([seconds(0), seconds(1), seconds(1000), seconds(1001)], [0, 1, 1, 2]);
        assert_eq!(visibility_seconds(Duration::MAX), MAX_VISIBILITY_SECONDS);
    }

    #[test]
    fn answers_to_batches_name_their_entries() {
        let answer = Value::parse(r#"{"Successful":[{"Id":"1"},{"Id":"x"},{}],"Failed":[{"Id":"0"}]}"#).unwrap();
        let places = |list| listed(&answer, list).map(|(place, _)| place).collect::<Vec<_>>();
        assert_eq!((places("Successful"), places("Failed"), places("Other")), (vec![1], vec![0], vec![]));
    }
}
