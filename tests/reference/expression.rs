//! The expressions that the generator writes: definite paths, templates with two functions, a few comparisons.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{Failure, failure, runtime};

pub(super) struct Scope<'a> {
    pub(super) input: &'a Json,
    pub(super) context: Json,
    pub(super) variables: &'a BTreeMap<String, Json>,
}

/// Why a path finds nothing.
enum Nothing {
    Missing,
    /// An array is shorter: templates take `null` for that.
    Behind,
}

/// `.name` and `[0]`, as a list of steps.
fn steps(text: &str) -> Vec<String> {
    text.replace('[', ".").replace(']', "").split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect()
}

fn find(path: &str, scope: &Scope<'_>) -> Result<Json, Nothing> {
    let rest = path.strip_prefix('$').expect("paths begin with $");
    let (root, rest) = if let Some(rest) = rest.strip_prefix('$') {
        (&scope.context, rest.to_owned())
    } else if rest.starts_with(|first: char| first.is_alphabetic()) {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        (scope.variables.get(&rest[..end]).ok_or(Nothing::Missing)?, rest[end..].to_owned())
    } else {
        (scope.input, rest.to_owned())
    };
    let mut value = root;
    for step in steps(&rest) {
        value = match (value, step.parse::<usize>()) {
            (Json::Array(items), Ok(index)) => items.get(index).ok_or(Nothing::Behind)?,
            (Json::Object(members), _) => members.get(&step).ok_or(Nothing::Missing)?,
            _ => return Err(Nothing::Missing),
        };
    }
    Ok(value.clone())
}

/// InputPath, OutputPath, ItemsPath and other fields that hold a path.
pub(super) fn field_path(path: &str, scope: &Scope<'_>) -> Result<Json, Failure> {
    find(path, scope).map_err(|_| runtime())
}

/// Parameters, ResultSelector, ItemSelector, Assign.
pub(super) fn template(template: &Json, scope: &Scope<'_>) -> Result<Json, Failure> {
    match template {
        Json::Object(members) => {
            let mut made = Map::new();
            for (key, value) in members {
                match key.strip_suffix(".$") {
                    Some(name) => {
                        let text = value.as_str().expect("the generator writes text there");
                        made.insert(name.into(), expression(text, scope)?);
                    }
                    None => {
                        made.insert(key.clone(), self::template(value, scope)?);
                    }
                }
            }
            Ok(Json::Object(made))
        }
        Json::Array(items) => items.iter().map(|item| self::template(item, scope)).collect(),
        other => Ok(other.clone()),
    }
}

fn expression(text: &str, scope: &Scope<'_>) -> Result<Json, Failure> {
    if let Some(arguments) = text.strip_prefix("States.MathAdd(").and_then(|rest| rest.strip_suffix(')')) {
        let (left, right) = arguments.split_once(", ").expect("the generator writes two arguments");
        let left = find(left, scope).map_err(|_| runtime())?;
        let right: i64 = right.parse().expect("the generator writes a number");
        return left.as_i64().map(|left| Json::from(left + right)).ok_or_else(runtime);
    }
    if let Some(argument) = text.strip_prefix("States.ArrayLength(").and_then(|rest| rest.strip_suffix(')')) {
        let array = find(argument, scope).map_err(|_| runtime())?;
        return array.as_array().map(|items| Json::from(items.len())).ok_or_else(runtime);
    }
    let of_input = !text.starts_with("$$") && !text[1..].starts_with(|first: char| first.is_alphabetic());
    if of_input && scope.input.is_null() {
        return Err(runtime());
    }
    match find(text, scope) {
        Ok(value) => Ok(value),
        Err(Nothing::Behind) => Ok(Json::Null),
        Err(Nothing::Missing) => Err(runtime()),
    }
}

/// Puts a result into an input, making objects on the way.
pub(super) fn place(path: &str, input: Json, result: Json) -> Result<Json, Failure> {
    fn put(into: Option<Json>, steps: &[String], result: Json) -> Result<Json, Failure> {
        let Some((step, rest)) = steps.split_first() else { return Ok(result) };
        let mut members = match into {
            Some(Json::Object(members)) => members,
            None => Map::new(),
            Some(_) => return Err(failure("States.ResultPathMatchFailure")),
        };
        let old = members.get(step).cloned();
        members.insert(step.clone(), put(old, rest, result)?);
        Ok(Json::Object(members))
    }
    put(Some(input), &steps(&path[1..]), result)
}

/// A rule of a Choice state.
pub(super) fn condition(rule: &Json, scope: &Scope<'_>) -> Result<bool, Failure> {
    if let Some(rules) = rule["And"].as_array() {
        for rule in rules {
            if !condition(rule, scope)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let Some(rules) = rule["Or"].as_array() {
        for rule in rules {
            if condition(rule, scope)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    if rule["Not"].is_object() {
        return Ok(!condition(&rule["Not"], scope)?);
    }
    let variable = rule["Variable"].as_str().expect("rules have a variable");
    let found = find(variable, scope);
    if let Some(expected) = rule["IsPresent"].as_bool() {
        return Ok(found.is_ok() == expected);
    }
    let value = found.map_err(|_| runtime())?;
    if let Some(expected) = rule["IsNull"].as_bool() {
        return Ok(value.is_null() == expected);
    }
    if let Some(expected) = rule["StringEquals"].as_str() {
        return Ok(value.as_str() == Some(expected));
    }
    if let Some(expected) = rule["BooleanEquals"].as_bool() {
        return Ok(value.as_bool() == Some(expected));
    }
    let compare = |name: &str, holds: fn(i64, i64) -> bool| {
        rule[name].as_i64().map(|expected| value.as_i64().is_some_and(|value| holds(value, expected)))
    };
    let numeric = compare("NumericEquals", |value, expected| value == expected)
        .or_else(|| compare("NumericLessThan", |value, expected| value < expected))
        .or_else(|| compare("NumericGreaterThanEquals", |value, expected| value >= expected));
    Ok(numeric.expect("the generator writes no other operator"))
}
