//! Paths and reference paths in fields (Amazon States Language, "Paths" and "Reference Paths").

use crate::{
    asl::parse::{location::Location, sink::Sink},
    query::{Intrinsic, Path, ReferencePath, path::Root},
};

/// What a reference path may start from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Only the input: `ResultPath`.
    Input,
    /// The input or a variable: the numbers of a Map state.
    InputOrVariable,
    /// The context object too.
    Any,
}

impl Roots {
    /// What the reference path in a field of that name may start from. AWS refuses the context object for the numbers
    /// of a Map state.
    pub(crate) fn of_field(name: &str) -> Self {
        match name {
            "MaxConcurrencyPath"
            | "ToleratedFailureCountPath"
            | "ToleratedFailurePercentagePath"
            | "MaxItemsPath"
            | "MaxItemsPerBatchPath"
            | "MaxInputBytesPerBatchPath" => Roots::InputOrVariable,
            _ => Roots::Any,
        }
    }
}

/// Checks a path of any kind.
pub(crate) fn check(text: &str, location: &Location<'_>, sink: &mut Sink) {
    match Path::parse(text) {
        Ok(path) => note_variable(&path, location, sink),
        Err(_) => sink.schema("Value must be a valid JSONPath.", location),
    }
}

/// Checks a path that must name a single place.
pub(crate) fn check_reference(text: &str, roots: Roots, location: &Location<'_>, sink: &mut Sink) {
    if !text.starts_with('$') {
        sink.schema("Value is not a Reference Path: Reference path didn't start with '$'", location);
        return;
    }
    let fits = match roots {
        Roots::Input => ReferencePath::parse(text).is_ok(),
        _ => Path::parse(text).is_ok_and(|path| {
            note_variable(&path, location, sink);
            path.is_definite() && (roots == Roots::Any || *path.root() != Root::Context)
        }),
    };
    if !fits {
        sink.schema("Value is not a Reference Path", location);
    }
}

/// Whether a text is what a `.$` field takes.
pub(crate) fn is_path_or_intrinsic(text: &str) -> bool {
    if text.trim_start().starts_with('$') { Path::parse(text).is_ok() } else { Intrinsic::parse(text).is_ok() }
}

/// Whether a text is what a `.$` field takes; its variables are noted.
pub(crate) fn check_path_or_intrinsic(text: &str, location: &Location<'_>, sink: &mut Sink) -> bool {
    if text.trim_start().starts_with('$') {
        Path::parse(text).is_ok_and(|path| {
            note_variable(&path, location, sink);
            true
        })
    } else {
        check_intrinsic(text, location, sink)
    }
}

fn check_intrinsic(text: &str, location: &Location<'_>, sink: &mut Sink) -> bool {
    Intrinsic::parse(text).is_ok_and(|intrinsic| {
        intrinsic.for_each_path(&mut |path| note_variable(path, location, sink));
        true
    })
}

/// Notes the variable that a path starts from.
pub(crate) fn note_variable(path: &Path, location: &Location<'_>, sink: &mut Sink) {
    if let Root::Variable(name) = path.root() {
        sink.variable(name, location);
    }
}

/// What AWS says of a field that takes a path or an intrinsic function call, and has neither.
pub(crate) fn not_path_or_intrinsic(name: &str) -> String {
    format!("The value for the field '{name}' must be a valid JSONPath or a valid intrinsic function call")
}

/// Checks `ErrorPath` and `CausePath`: a reference path, or an intrinsic function call that gives the text.
pub(crate) fn check_reference_or_intrinsic(name: &str, text: &str, location: &Location<'_>, sink: &mut Sink) {
    if text.starts_with("States.") {
        if !check_intrinsic(text, location, sink) {
            sink.schema(not_path_or_intrinsic(name), location);
        }
    } else {
        check_reference(text, Roots::Any, location, sink);
    }
}
