//! A value of the mock configuration file with its place in it, so that every complaint says where.

use crate::value::{Number, ObjectView, ValueRef, View};

/// What is wrong with the file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {message}")]
pub(super) struct Problem {
    /// JSON pointer into the file; empty for the whole of it.
    pub(super) pointer: String,
    /// What is wrong, and what to do.
    pub(super) message: String,
}

/// A value of the file.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    pub(super) value: ValueRef<'a>,
    pub(super) pointer: String,
}

impl<'a> Entry<'a> {
    /// The whole file.
    pub(super) fn root(value: ValueRef<'a>) -> Self {
        Self { value, pointer: String::new() }
    }

    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem { pointer: self.pointer.clone(), message: message.into() }
    }

    fn member(&self, key: &str, value: ValueRef<'a>) -> Self {
        Self { value, pointer: format!("{}/{}", self.pointer, key.replace('~', "~0").replace('/', "~1")) }
    }

    /// The field of an object, when it has it.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| self.member(key, value))
    }

    fn object(&self) -> Result<ObjectView<'a>, Problem> {
        match self.value.view() {
            View::Object(object) => Ok(object),
            _ => Err(self.problem(format!("this must be an object, but is a {}", self.value.type_name()))),
        }
    }

    /// The fields of an object, in their order, without comments.
    pub(super) fn fields(&self) -> Result<Vec<(&'a str, Self)>, Problem> {
        let fields = self.object()?.iter().filter(|(key, _)| *key != "Comment");
        Ok(fields.map(|(key, value)| (key, self.member(key, value))).collect())
    }

    /// The items of an array that is not empty.
    pub(super) fn items(&self) -> Result<Vec<Self>, Problem> {
        let View::Array(items) = self.value.view() else {
            return Err(self.problem(format!("this must be an array, but is a {}", self.value.type_name())));
        };
        let items: Vec<_> =
            items.iter().enumerate().map(|(place, item)| self.member(&place.to_string(), item)).collect();
        if items.is_empty() { Err(self.problem("this array must not be empty")) } else { Ok(items) }
    }

    pub(super) fn text(&self) -> Result<&'a str, Problem> {
        let wrong = || self.problem(format!("this must be a string, but is a {}", self.value.type_name()));
        self.value.as_str().ok_or_else(wrong)
    }

    /// A number of at least `least`.
    pub(super) fn number(&self, least: f64) -> Result<f64, Problem> {
        match self.value.as_number() {
            Some(number) if number.as_f64() >= least && number.as_f64().is_finite() => Ok(number.as_f64()),
            _ => Err(self.problem(format!("this must be a number of at least {least}"))),
        }
    }

    /// An integer from 0.
    pub(super) fn integer(&self) -> Result<u64, Problem> {
        let integer = self.value.as_number().and_then(Number::as_i64).and_then(|number| u64::try_from(number).ok());
        integer.ok_or_else(|| self.problem("this must be an integer of at least 0"))
    }

    /// A field that must be there.
    pub(super) fn require(&self, key: &str) -> Result<Self, Problem> {
        self.object()?;
        self.get(key).ok_or_else(|| self.problem(format!("the field '{key}' is missing")))
    }

    /// Refuses fields that are not among the given ones.
    pub(super) fn allow_only(&self, known: &[&str]) -> Result<(), Problem> {
        for (key, field) in self.fields()? {
            if !known.contains(&key) {
                return Err(field.problem(format!("there is no field '{key}' here; there are {}", known.join(", "))));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    #[test]
    fn problems_say_where() {
        let file = Value::parse(r#"{"a/b": {"c": [1, "x"]}, "Comment": "no field"}"#).unwrap();
        let root = Entry::root(file.as_ref());
        let inner = root.get("a/b").unwrap();
        assert_eq!(inner.require("d").err().unwrap().to_string(), "/a~1b: the field 'd' is missing");
        let items = inner.get("c").unwrap().items().unwrap();
        assert_eq!(items[1].number(0.0).unwrap_err().pointer, "/a~1b/c/1");
        assert_eq!(items[0].text().unwrap_err().message, "this must be a string, but is a number");
        assert!(items[0].number(2.0).is_err() && items[0].integer() == Ok(1));
        assert_eq!(root.fields().unwrap().len(), 1);
        assert!(root.allow_only(&["a/b"]).is_ok());
        let unknown = root.allow_only(&["x", "y"]).unwrap_err();
        assert_eq!(unknown.to_string(), "/a~1b: there is no field 'a/b' here; there are x, y");
    }
}
