//! Limits of what tasks call: how many calls of one function, queue, table, host … are under way, and how many begin in a
//! second, so that a burst of executions does not crush what it calls.
//!
//! A call that has to wait does so in the order of arrival; its waiting counts against the task's timeout, and no more
//! than a bounded number of calls wait.

mod limiter;
mod name;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

pub use self::limiter::{InvalidLimit, Limit};
use self::{limiter::Limiter, name::name_of};
use super::{TaskError, TaskFuture, TaskHandler, TaskRequest};
use crate::{model::error_name, value::ValueRef};

/// Most names that a pattern such as `http:*` makes limiters for; names beyond share the last one's.
const MAX_LIMITERS: usize = 10_000;

/// Limits by name. A name is what is called with its service before it: `lambda:FUNCTION`, `sqs:QUEUE`, `sns:TOPIC`,
/// `dynamodb:TABLE`, `events:BUS`, `s3:BUCKET`, `states:MACHINE`, `http:HOST`, `apigateway:HOST`, and `SERVICE:ACTION` for
/// all other services. `sqs:*` limits every queue that has no limit of its own, each for itself.
#[derive(Default)]
pub struct Limits {
    exact: BTreeMap<String, Arc<Limiter>>,
    /// By service.
    patterns: BTreeMap<String, Limit>,
    /// Limiters that patterns have made, by name.
    made: Mutex<BTreeMap<String, Arc<Limiter>>>,
}

impl Limits {
    /// Limits calls of that name, or of all names of a service.
    pub fn insert(&mut self, name: &str, limit: Limit) {
        match name.strip_suffix(":*") {
            Some(service) => {
                self.patterns.insert(service.to_owned(), limit);
            }
            None => {
                self.exact.insert(name.to_owned(), Arc::new(Limiter::new(&limit)));
            }
        }
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// The limiter of a name.
    fn find(&self, name: &str) -> Option<Arc<Limiter>> {
        if let Some(limiter) = self.exact.get(name) {
            return Some(Arc::clone(limiter));
        }
        let limit = self.patterns.get(name.split(':').next()?)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limiter) = made.get(name) {
            return Some(Arc::clone(limiter));
        }
        if made.len() >= MAX_LIMITERS {
            return made.last_key_value().map(|(_, limiter)| Arc::clone(limiter));
        }
        let limiter = Arc::new(Limiter::new(limit));
        made.insert(name.to_owned(), Arc::clone(&limiter));
        Some(limiter)
    }
}

/// A handler whose calls are limited.
pub struct Limited {
    handler: Arc<dyn TaskHandler>,
    limits: Arc<Limits>,
}

impl Limited {
    /// Limits the calls of a handler.
    #[must_use]
    pub fn new(handler: Arc<dyn TaskHandler>, limits: Arc<Limits>) -> Self {
        Self { handler, limits }
    }
}

impl TaskHandler for Limited {
    fn invoke(&self, request: TaskRequest) -> TaskFuture {
        let name = name_of(&request.resource, request.input.as_ref());
        let Some(limiter) = self.limits.find(&name) else { return self.handler.invoke(request) };
        let handler = Arc::clone(&self.handler);
        Box::pin(async move {
            // Held until the call has ended, or is dropped because its task timed out.
            let _pass = limiter.enter().await.map_err(|()| refused(&name))?;
            handler.invoke(request).await
        })
    }
}

/// Too many calls wait already.
fn refused(name: &str) -> TaskError {
    let cause = format!("Too many calls of '{name}' wait for their turn");
    let error = match name.split(':').next().unwrap_or_default() {
        "lambda" => "Lambda.TooManyRequestsException",
        "http" => "States.Http.Socket",
        "sqs" => "SQS.SdkClientException",
        "sns" => "SNS.SdkClientException",
        "dynamodb" => "DynamoDB.SdkClientException",
        "events" => "EventBridge.SdkClientException",
        "s3" => "S3.SdkClientException",
        "states" => "StepFunctions.SdkClientException",
        "apigateway" => "ApiGateway.SdkClientException",
        _ => error_name::TASK_FAILED,
    };
    TaskError::new(error, cause)
}

/// The text of a member.
fn text<'a>(input: ValueRef<'a>, name: &str) -> Option<&'a str> {
    input.get(name).and_then(ValueRef::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_own_limiters() {
        let mut limits = Limits::default();
        let limit = Limit::new(Some(1), None, None, 1).unwrap();
        limits.insert("sqs:*", limit.clone());
        limits.insert("sqs:own", limit);
        let (a, b, own) =
            (limits.find("sqs:a").unwrap(), limits.find("sqs:b").unwrap(), limits.find("sqs:own").unwrap());
        assert!(Arc::ptr_eq(&a, &limits.find("sqs:a").unwrap()));
        assert!(!Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &own));
        assert!(limits.find("sns:a").is_none());
    }
}
