//! Fields that several state types share: paths, templates, scalars.

use super::Compiler;
use crate::{
    Value,
    asl::definition::{PathField, Scalar},
    program::{FieldPlan, Instruction, PathId, TemplateId},
    query::{Intrinsic, Path, PayloadTemplate, ReferencePath},
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

    pub(super) fn template(&mut self, pointer: &str, template: &Value) -> Option<TemplateId> {
        match PayloadTemplate::compile(template) {
            Ok(template) => {
                self.program.templates.push(template);
                Some((self.program.templates.len() - 1).into())
            }
            Err(errors) => {
                for error in errors {
                    self.problem(pointer, error.message);
                }
                None
            }
        }
    }

    pub(super) fn field(&mut self, pointer: &str, field: &Scalar) -> Option<FieldPlan> {
        match field {
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

    pub(super) fn assign(&mut self, pointer: &str, assign: Option<&Value>) {
        if let Some(template) = assign.and_then(|value| self.template(pointer, value)) {
            self.emit(Instruction::Assign(template));
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
