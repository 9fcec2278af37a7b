//! Definitions from files.

use std::{fs, io::IsTerminal, path::Path};

use super::render::render;
use crate::{
    asl::{self, Checked},
    compile::compile,
    model::{machine_type::MachineType, quota::MAX_DEFINITION_BYTES},
    program::Program,
};

/// Reads a definition.
///
/// # Errors
/// What to tell the user: that the file cannot be read, is too large, or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let size = fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?.len();
    if size > MAX_DEFINITION_BYTES as u64 {
        return Err(format!("{shown}: the definition has {size} bytes; AWS takes {MAX_DEFINITION_BYTES} at most"));
    }
    let bytes = fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    String::from_utf8(bytes).map_err(|error| format!("{shown}: not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
}

/// Reads, checks and compiles an Express definition; gives its text as well.
///
/// # Errors
/// What to tell the user: all diagnostics, rendered.
pub(super) fn program(path: &Path) -> Result<(Program, String), String> {
    let text = read(path)?;
    let Checked { machine, diagnostics, .. } = asl::check(&text, MachineType::Express);
    let shown = path.display().to_string();
    let color = std::io::stderr().is_terminal();
    match machine {
        Some(machine) => match compile(&machine) {
            Ok(program) => Ok((program, text)),
            Err(problems) => Err(render(&shown, &text, &problems, color)),
        },
        None => Err(render(&shown, &text, &diagnostics, color)),
    }
}
