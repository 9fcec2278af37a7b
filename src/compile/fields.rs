//! Fields that several state types share: paths, templates, scalars.

use super::Compiler;
use crate::{
    Value,
    asl::definition::{PathField, QueryLanguage, Scalar, State},
    program::{ExpressionPlan, FieldPlan, Instruction, PathId, TemplateId, TemplatePlan},
    query::{
        Intrinsic, Path, PayloadTemplate, ReferencePath, SyntaxError,
        jsonata::{Expression, JsonataTemplate, expression_text},
    },
};

impl Compiler {
    pub(super) fn path(&mut self, pointer: &str, text: &str) -> Option<PathId> {
        match Path::parse(text) {
            Ok(path) => {
                self.program.paths.push(path);
                Some((self.program.paths.len() - 1).into())
            }
            Err(error) => {
                self.problem(pointer, format!("Value is not a valid JSONPath: {text}: {error}"));
                None
            }
        }
    }

    /// A path that changes something: `$` alone does not.
    pub(super) fn path_unless_whole(&mut self, pointer: &str, text: &str) -> Option<PathId> {
        if text == "$" { None } else { self.path(pointer, text) }
    }

    /// A template in the state's language, for the field `field` as causes name it.
    pub(super) fn template(&mut self, state: &State, field: &str, template: &Value) -> Option<TemplateId> {
        let plan = match state.query_language {
            QueryLanguage::JsonPath => match PayloadTemplate::compile(template) {
                Ok(template) => TemplatePlan::JsonPath(template),
                Err(errors) => {
                    for error in errors {
                        self.problem(&state.pointer, error.message);
                    }
                    return None;
                }
            },
            QueryLanguage::Jsonata => match JsonataTemplate::compile(template) {
                Ok(template) => TemplatePlan::Jsonata { field: field.into(), template },
                Err(errors) => {
                    for error in errors {
                        self.syntax_error(&format!("{}/{field}{}", state.pointer, error.pointer), &error.error);
                    }
                    return None;
                }
            },
        };
        self.program.templates.push(plan);
        Some((self.program.templates.len() - 1).into())
    }

    /// The expression that a string of a JSONata state is; `None` for any other value, and for an expression with errors.
    pub(super) fn expression(&mut self, state: &State, field: &str, value: &Value) -> Option<Box<ExpressionPlan>> {
        let text = expression_text(value.as_str()?)?;
        match Expression::parse(text) {
            Ok(expression) => Some(Box::new(ExpressionPlan { field: field.into(), expression })),
            Err(error) => {
                self.syntax_error(&format!("{}/{field}", state.pointer), &error);
                None
            }
        }
    }

    fn syntax_error(&mut self, pointer: &str, error: &SyntaxError) {
        self.problem(
            pointer,
            format!("The JSONata expression is not valid: {error} (at character {})", error.offset + 1),
        );
    }

    /// A field named `name` that is a literal, an expression, a path or an intrinsic call.
    pub(super) fn field(&mut self, state: &State, name: &str, field: &Scalar) -> Option<FieldPlan> {
        let pointer = &state.pointer;
        match field {
            Scalar::Literal(value) if state.query_language == QueryLanguage::Jsonata => {
                match value.as_str().and_then(expression_text) {
                    Some(_) => self.expression(state, name, value).map(FieldPlan::Expression),
                    None => Some(FieldPlan::Literal(value.clone())),
                }
            }
            Scalar::Literal(value) => Some(FieldPlan::Literal(value.clone())),
            Scalar::Path(text) if text.starts_with("States.") => match Intrinsic::parse(text) {
                Ok(intrinsic) => Some(FieldPlan::Intrinsic(Box::new(intrinsic))),
                Err(error) => {
                    self.problem(pointer, format!("Value is not a valid intrinsic function: {text}: {error}"));
                    None
                }
            },
            Scalar::Path(text) => self.path(pointer, text).map(FieldPlan::Path),
        }
    }

    pub(super) fn assign(&mut self, state: &State, field: &str, assign: Option<&Value>) {
        if let Some(template) = assign.and_then(|value| self.template(state, field, value)) {
            self.emit(Instruction::Assign(template));
        }
    }

    /// `Output` of a JSONata state, of one of its rules or catchers.
    pub(super) fn jsonata_output(&mut self, state: &State, field: &str, output: Option<&Value>) {
        if let Some(template) = output.and_then(|value| self.template(state, field, value)) {
            self.emit(Instruction::Output(template));
        }
    }

    pub(super) fn result_path(&mut self, pointer: &str, path: &PathField) {
        match path {
            PathField::Absent => {}
            PathField::Null => {
                self.emit(Instruction::DiscardResult);
            }
            PathField::Path(text) if text == "$" => {}
            PathField::Path(text) => match ReferencePath::parse(text) {
                Ok(path) => {
                    self.program.reference_paths.push(path);
                    let place = (self.program.reference_paths.len() - 1).into();
                    self.emit(Instruction::ResultPath(place));
                }
                Err(error) => self.problem(pointer, format!("Value is not a Reference Path: {text}: {error}")),
            },
        }
    }
}
