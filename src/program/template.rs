//! A template in either query language.

use std::fmt;

use crate::query::{
    PayloadTemplate,
    jsonata::{Expression, JsonataTemplate},
};

/// What `Parameters`, `Arguments`, `Assign`, `Output` and the like make a value of.
#[derive(Clone, Debug)]
pub enum TemplatePlan {
    /// A payload template of a JSONPath state.
    JsonPath(PayloadTemplate),
    /// A value with `{% … %}` in it, of a JSONata state.
    Jsonata {
        /// The field as causes name it: `Output`, `Choices[0]/Assign`.
        field: Box<str>,
        /// The value.
        template: JsonataTemplate,
    },
}

impl fmt::Display for TemplatePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JsonPath(template) => template.fmt(formatter),
            Self::Jsonata { template, .. } => template.fmt(formatter),
        }
    }
}

/// An expression of a JSONata state that stands for one field.
#[derive(Clone, Debug)]
pub struct ExpressionPlan {
    /// The field as causes name it: `Items`, `Choices[0]/Condition`.
    pub field: Box<str>,
    /// The expression.
    pub expression: Expression,
}

impl fmt::Display for ExpressionPlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.fmt(formatter)
    }
}
