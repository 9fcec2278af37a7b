//! Choice rules as written to [`Condition`]s, with the service's diagnostics.

use super::{
    Comparison, Condition, ConditionError, MAX_CONDITION_DEPTH, Test,
    operator::{self, Family, Operand, Operator},
    pattern::Pattern,
};
use crate::{
    Value,
    query::{Path, Timestamp},
    value::{Number, ObjectView, ValueRef, View},
};

/// The fields that say what kind of condition a rule is, in the order in which the service lists them.
const KINDS: [&str; 5] = ["And", "Or", "Not", "Variable", "Condition"];

impl Condition {
    /// Compiles the condition of a rule as it stands in `Choices` of a JSONPath state, `Next` and its other fields included.
    ///
    /// # Errors
    /// All that is wrong with the condition.
    pub fn compile(rule: &Value) -> Result<Self, Vec<ConditionError>> {
        let mut compiler = Compiler { errors: Vec::new(), pointer: String::new() };
        let test = compiler.rule(rule.as_ref(), 0);
        match test {
            Some(test) if compiler.errors.is_empty() => Ok(Self { test, source: rule.clone() }),
            _ => Err(compiler.errors),
        }
    }
}

/// Collects problems; a `None` from its methods means that at least one was found.
struct Compiler {
    errors: Vec<ConditionError>,
    /// Where in the rule the compiler is.
    pointer: String,
}

impl Compiler {
    fn problem(&mut self, message: impl Into<String>) {
        self.errors.push(ConditionError { pointer: self.pointer.clone(), message: message.into() });
    }

    /// Does `work` one step deeper, at `step`.
    fn at<T>(&mut self, step: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push_str(step);
        let result = work(self);
        self.pointer.truncate(length);
        result
    }

    /// The recursion is bounded by [`MAX_CONDITION_DEPTH`].
    fn rule(&mut self, rule: ValueRef<'_>, depth: usize) -> Option<Test> {
        let View::Object(fields) = rule.view() else {
            self.problem("Expected value of type Object");
            return None;
        };
        if depth > MAX_CONDITION_DEPTH {
            self.problem(format!("Conditions must not be nested deeper than {MAX_CONDITION_DEPTH} levels"));
            return None;
        }
        let mut kinds = KINDS.into_iter().filter(|kind| fields.get(kind).is_some());
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            self.problem(format!("The object must have only one of the following fields, [{}]", KINDS.join(", ")));
            return None;
        };
        let operand = fields.get(kind)?;
        self.unknown_fields(fields, kind, depth);
        match kind {
            "And" => self.rules(kind, operand, depth).map(Test::All),
            "Or" => self.rules(kind, operand, depth).map(Test::Any),
            "Not" => self.at("/Not", |this| this.rule(operand, depth + 1)).map(|test| Test::Not(Box::new(test))),
            "Variable" => self.comparison(fields, operand).map(|comparison| Test::Comparison(Box::new(comparison))),
            _ => {
                self.at("/Condition", |this| {
                    this.problem("The field 'Condition' is only supported for the 'JSONata' QueryLanguage");
                });
                None
            }
        }
    }

    /// The operands of `And` and `Or`.
    fn rules(&mut self, kind: &str, operand: ValueRef<'_>, depth: usize) -> Option<Box<[Test]>> {
        let View::Array(rules) = operand.view() else {
            self.at(&format!("/{kind}"), |this| this.problem("Expected value of type Array"));
            return None;
        };
        if rules.is_empty() {
            self.at(&format!("/{kind}"), |this| this.problem("Value cannot be empty"));
            return None;
        }
        let mut tests = Some(Vec::new());
        for (place, rule) in rules.iter().enumerate() {
            let test = self.at(&format!("/{kind}[{place}]"), |this| this.rule(rule, depth + 1));
            match (test, &mut tests) {
                (Some(test), Some(tests)) => tests.push(test),
                (_, tests) => *tests = None,
            }
        }
        tests.map(Vec::into_boxed_slice)
    }

    /// Reports the fields that a condition of this kind does not have. What the whole rule has beside its condition is not
    /// the condition's business, but only the rule itself has it, not the conditions inside.
    fn unknown_fields(&mut self, fields: ObjectView<'_>, kind: &str, depth: usize) {
        for (name, _) in fields.iter() {
            let known = name == kind
                || name == "Comment"
                || (depth == 0 && matches!(name, "Next" | "Assign" | "Output" | "QueryLanguage"))
                || (kind == "Variable" && operator::find(name).is_some());
            if !known {
                // The service gives the place of the object, not of the field.
                self.problem(format!("Field '{name}' is not supported"));
            }
        }
    }

    /// A `Variable` with its operator.
    fn comparison(&mut self, fields: ObjectView<'_>, variable: ValueRef<'_>) -> Option<Comparison> {
        let variable = self.at("/Variable", |this| this.reference_path(variable));
        let mut operators = Vec::new();
        for (name, operand) in fields.iter() {
            if let Some((family, is_path)) = operator::find(name) {
                operators.push((name, family, is_path, operand));
            }
        }
        match operators[..] {
            [(name, family, is_path, operand)] => {
                let operator = self.at(&format!("/{name}"), |this| this.operator(family, is_path, operand));
                Some(Comparison { variable: variable?, operator: operator? })
            }
            [] => {
                self.problem("A comparison operator is required beside the field 'Variable'");
                None
            }
            _ => {
                let names: Vec<_> = operators.iter().map(|(name, ..)| *name).collect();
                self.problem(format!("There should only be one of the following fields: [{}]", names.join(", ")));
                None
            }
        }
    }

    fn operator(&mut self, family: Family, is_path: bool, operand: ValueRef<'_>) -> Option<Operator> {
        Some(match family {
            Family::String(relation) => Operator::String(relation, self.operand(is_path, operand, Self::text)?),
            Family::Numeric(relation) => Operator::Numeric(relation, self.operand(is_path, operand, Self::number)?),
            Family::Boolean => Operator::Boolean(self.operand(is_path, operand, Self::boolean)?),
            Family::Timestamp(relation) => {
                Operator::Timestamp(relation, self.operand(is_path, operand, Self::timestamp)?)
            }
            Family::StringMatches => Operator::StringMatches(Pattern::compile(&self.text(operand)?)),
            Family::IsType(kind) => Operator::IsType(kind, self.boolean(operand)?),
            Family::IsPresent => Operator::IsPresent(self.boolean(operand)?),
        })
    }

    fn operand<T>(
        &mut self,
        is_path: bool,
        operand: ValueRef<'_>,
        constant: impl FnOnce(&mut Self, ValueRef<'_>) -> Option<T>,
    ) -> Option<Operand<T>> {
        if is_path {
            self.reference_path(operand).map(Operand::Path)
        } else {
            constant(self, operand).map(Operand::Constant)
        }
    }

    /// A path that finds one value at most (Amazon States Language, "Reference Paths").
    fn reference_path(&mut self, value: ValueRef<'_>) -> Option<Path> {
        let text = self.text(value)?;
        if !text.starts_with('$') {
            self.problem("Value is not a Reference Path: Reference path didn't start with '$'");
            return None;
        }
        match Path::parse(&text) {
            Ok(path) if path.is_definite() => Some(path),
            Ok(_) => {
                self.problem("Value is not a Reference Path: it can find more than one value");
                None
            }
            Err(error) => {
                self.problem(format!("Value is not a Reference Path: {}", error.message));
                None
            }
        }
    }

    fn text(&mut self, value: ValueRef<'_>) -> Option<Box<str>> {
        if value.as_str().is_none() {
            self.problem("Expected value of type String");
        }
        value.as_str().map(Into::into)
    }

    /// A number in a form that is compared without reading its text again, where there is one.
    fn number(&mut self, value: ValueRef<'_>) -> Option<Value> {
        match value.as_number() {
            Some(Number::Int(number)) => Some(Value::from(number)),
            Some(Number::UInt(number)) => Some(Value::from(number)),
            Some(Number::Float(number)) => Some(Value::from(number)),
            Some(Number::Text(_)) => Some(value.to_value()),
            None => {
                self.problem("Expected value of type Number");
                None
            }
        }
    }

    fn boolean(&mut self, value: ValueRef<'_>) -> Option<bool> {
        if value.as_bool().is_none() {
            self.problem("Expected value of type Boolean");
        }
        value.as_bool()
    }

    fn timestamp(&mut self, value: ValueRef<'_>) -> Option<Timestamp> {
        let text = self.text(value)?;
        let timestamp = Timestamp::parse(&text);
        if timestamp.is_none() {
            self.problem("String does not match RFC3339 timestamp");
        }
        timestamp
    }
}
