//! Which handler answers which resource.

use std::{collections::HashMap, sync::Arc};

use super::TaskHandler;

/// Handlers by resource. Built once, then only read.
#[derive(Clone, Default)]
pub struct Handlers {
    exact: HashMap<Box<str>, Arc<dyn TaskHandler>>,
    by_prefix: Vec<(Box<str>, Arc<dyn TaskHandler>)>,
}

impl Handlers {
    /// Lets `handler` answer a `Resource`, or a function by its name: `charge` also answers
    /// `arn:aws:lambda:…:function:charge`. A later handler of the same name takes the earlier one's place.
    pub fn insert(&mut self, resource: &str, handler: Arc<dyn TaskHandler>) {
        self.exact.insert(resource.into(), handler);
    }

    /// Lets `handler` answer every resource that begins with `prefix` and has no handler of its own.
    pub fn insert_prefix(&mut self, prefix: &str, handler: Arc<dyn TaskHandler>) {
        self.by_prefix.push((prefix.into(), handler));
    }

    /// The handler of a resource.
    #[must_use]
    pub fn find(&self, resource: &str) -> Option<&Arc<dyn TaskHandler>> {
        self.exact.get(resource).or_else(|| self.exact.get(function_name(resource)?)).or_else(|| {
            self.by_prefix.iter().find(|(prefix, _)| resource.starts_with(&**prefix)).map(|(_, handler)| handler)
        })
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
