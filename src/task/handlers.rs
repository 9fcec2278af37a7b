//! Which handler answers which resource.

use std::{collections::HashMap, sync::Arc};

use super::{MockedIntegrations, TaskAnswer, TaskHandler, TaskRequest};

/// Handlers by resource. Built once, then only read.
#[derive(Clone, Default)]
pub struct Handlers {
    exact: HashMap<Box<str>, Arc<dyn TaskHandler>>,
    by_prefix: Vec<(Box<str>, Arc<dyn TaskHandler>)>,
    mocked: Option<Arc<dyn MockedIntegrations>>,
    /// Whether any handler begins anywhere, so that nobody looks for one in vain.
    begin_anywhere: bool,
}

impl Handlers {
    /// Lets `handler` answer a `Resource`, or a function by its name: `charge` also answers
    /// `arn:aws:lambda:…:function:charge`. A later handler of the same name takes the earlier one's place.
    pub fn insert(&mut self, resource: &str, handler: Arc<dyn TaskHandler>) {
        self.begin_anywhere |= handler.begins_anywhere();
        self.exact.insert(resource.into(), handler);
    }

    /// Lets `handler` answer every resource that begins with `prefix` and has no handler of its own.
    pub fn insert_prefix(&mut self, prefix: &str, handler: Arc<dyn TaskHandler>) {
        self.begin_anywhere |= handler.begins_anywhere();
        self.by_prefix.push((prefix.into(), handler));
    }

    /// Lets `mocked` answer calls of executions that run a test case, before any handler is asked.
    pub fn set_mocked(&mut self, mocked: Arc<dyn MockedIntegrations>) {
        self.mocked = Some(mocked);
    }

    /// What answers calls of executions that run a test case.
    #[must_use]
    pub fn mocked(&self) -> Option<&Arc<dyn MockedIntegrations>> {
        self.mocked.as_ref()
    }

    /// The handler of a resource.
    #[must_use]
    pub fn find(&self, resource: &str) -> Option<&Arc<dyn TaskHandler>> {
        self.exact.get(resource).or_else(|| self.exact.get(function_name(resource)?)).or_else(|| {
            self.by_prefix.iter().find(|(prefix, _)| resource.starts_with(&**prefix)).map(|(_, handler)| handler)
        })
    }

    /// The handler of a resource, when it [begins anywhere](TaskHandler::begins_anywhere).
    #[must_use]
    pub fn find_beginning_anywhere(&self, resource: &str) -> Option<&Arc<dyn TaskHandler>> {
        if self.begin_anywhere { self.find(resource).filter(|handler| handler.begins_anywhere()) } else { None }
    }

    /// Begins a call. None when nobody answers the resource.
    #[must_use]
    pub fn begin(&self, request: TaskRequest) -> Option<TaskAnswer> {
        if let (Some(mocked), Some(call)) = (&self.mocked, &request.test_case)
            && let Some(answer) = mocked.answer(&request, call)
        {
            return Some(TaskAnswer::Mocked(answer));
        }
        Some(begin(&**self.find(&request.resource)?, request))
    }
}

/// Begins a call of a handler.
pub(crate) fn begin(handler: &dyn TaskHandler, request: TaskRequest) -> TaskAnswer {
    match handler.function() {
        Some(function) => TaskAnswer::Now(function(request.input)),
        None => TaskAnswer::Later(handler.invoke(request)),
    }
}

/// The name in a Lambda function's ARN.
fn function_name(resource: &str) -> Option<&str> {
    resource
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":lambda:")?.1.split_once(":function:"))
        .map(|(_, name)| name.split(':').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_names() {
        assert_eq!(function_name("arn:aws:lambda:us-east-1:123456789012:function:charge:3"), Some("charge"));
        assert_eq!(function_name("arn:aws:states:::lambda:invoke"), None);
        assert_eq!(function_name("charge"), None);
    }
}
