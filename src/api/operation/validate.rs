//! ValidateStateMachineDefinition.

use super::state_machine::{MACHINE_TYPES, machine_type};
use crate::{
    api::{
        error::ApiError,
        parameters::{Parameters, Show},
        reply,
    },
    asl::{self, Severity},
    model::quota::{MAX_DEFINITION_BYTES, MAX_VALIDATE_DIAGNOSTICS},
};

/// The API's word for a severity.
fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "ERROR",
        Severity::Warning => "WARNING",
    }
}

/// ValidateStateMachineDefinition: `severity` is the least that is reported, `maxResults` 0 means 100.
pub(super) fn validate(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let definition = parameters.required_string("definition", &(1..=MAX_DEFINITION_BYTES), Show::Nothing)?;
    let kind = parameters.word("type", MACHINE_TYPES)?;
    let least = parameters.word("severity", &["ERROR", "WARNING"])?;
    let max_results = parameters.integer("maxResults", &(0..=MAX_VALIDATE_DIAGNOSTICS as i64))?;
    parameters.finish()?;
    let checked = asl::check(&definition, machine_type(kind.as_deref()));
    let failed = checked.errors().next().is_some();
    let with_warnings = least.as_deref() == Some("WARNING");
    let mut reported = checked.diagnostics;
    reported.retain(|diagnostic| with_warnings || diagnostic.severity == Severity::Error);
    let most = max_results.and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    let most = most.unwrap_or(MAX_VALIDATE_DIAGNOSTICS);
    let truncated = reported.len() > most;
    reported.truncate(most);
    Ok(reply::body(|object| {
        object.objects("diagnostics", &reported, |object, diagnostic| {
            object.string("code", diagnostic.code);
            object.optional_string("location", diagnostic.location.as_deref());
            object.string("message", &diagnostic.message);
            object.string("severity", severity_name(diagnostic.severity));
        });
        object.string("result", if failed { "FAIL" } else { "OK" });
        object.boolean("truncated", truncated);
    }))
}
