//! One of `TestCases`: which response mocks which state.

use std::{collections::HashMap, sync::Arc};

use super::{
    entry::{Entry, Problem},
    pattern,
    response::MockedResponse,
};

/// What mocks a state; none when its handler is called although a wildcard fits it.
type Mocked = Option<Arc<MockedResponse>>;

/// A test case of a state machine.
#[derive(Debug)]
pub(super) struct TestCase {
    /// By the name of a state, or a resource.
    exact: HashMap<String, Mocked>,
    /// With wildcards, the one that says most first.
    patterns: Vec<(String, Mocked)>,
}

impl TestCase {
    /// Reads a test case; `find` gives the response of a name, `seed` is for responses that are written out in the test case.
    pub(super) fn parse(
        entry: &Entry<'_>,
        seed: u64,
        find: impl Fn(&Entry<'_>, &str) -> Result<Arc<MockedResponse>, Problem>,
    ) -> Result<Self, Problem> {
        let mut test_case = Self { exact: HashMap::new(), patterns: Vec::new() };
        for (key, field) in entry.fields()? {
            let mocked = match field.value.as_str() {
                Some(name) => Some(find(&field, name)?),
                None if field.value.is_null() => None,
                None => Some(Arc::new(MockedResponse::parse(&field, seed)?)),
            };
            if key.contains('*') {
                test_case.patterns.push((key.to_owned(), mocked));
            } else {
                test_case.exact.insert(key.to_owned(), mocked);
            }
        }
        // The sort is stable: of patterns that say equally much the first in the file counts.
        test_case.patterns.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern::weight(pattern)));
        Ok(test_case)
    }

    /// The response for a state: by its name, then by its resource, then by wildcards over either.
    pub(super) fn find(&self, state: &str, resource: &str) -> Option<&MockedResponse> {
        let exact = self.exact.get(state).or_else(|| self.exact.get(resource));
        let mocked = exact.or_else(|| {
            let fits = |pattern: &str| pattern::fits(pattern, state) || pattern::fits(pattern, resource);
            self.patterns.iter().find(|(pattern, _)| fits(pattern)).map(|(_, mocked)| mocked)
        })?;
        mocked.as_deref()
    }
    /// The keys that fit none of the given tasks, each a state's name and its resource: most likely misspelt.
    pub(super) fn keys_for_nothing<'a>(&'a self, tasks: &[(&str, &str)]) -> Vec<&'a str> {
        let fits = |key: &str, name: &str| pattern::fits(key, name) || key == name;
        let is_for_nothing =
            |key: &&str| !tasks.iter().any(|(state, resource)| fits(key, state) || fits(key, resource));
        let keys = self.exact.keys().map(String::as_str).chain(self.patterns.iter().map(|(pattern, _)| &**pattern));
        let mut keys: Vec<_> = keys.filter(is_for_nothing).collect();
        keys.sort_unstable();
        keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn keys_that_mock_nothing_are_found() {
        let text = r#"{"Charge": null, "Chrage": null, "No*": null, "*": null, "arn:*": null, "a*c": null}"#;
        let file = Value::parse(text).unwrap();
        let root = Entry::root(file.as_ref());
        let test_case = TestCase::parse(&root, 0, |at, _| Err(at.problem("no names here"))).unwrap();
        assert_eq!(test_case.keys_for_nothing(&[("Charge", "arn:x"), ("a*c", "y")]), ["Chrage", "No*"]);
        assert_eq!(test_case.keys_for_nothing(&[]).len(), 6);
    }
}
