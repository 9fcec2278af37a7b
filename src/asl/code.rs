//! The registry of diagnostic codes. A code once given is never given to anything else.

use super::Severity;

/// One kind of problem.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The name that goes into a [`super::Diagnostic`].
    pub name: &'static str,
    /// Whether such a problem keeps a definition from being published.
    pub severity: Severity,
    /// Whether AWS reports it too, under this name.
    pub aws: bool,
    /// What it means.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident, $severity:ident, $aws:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $name: Code =
                Code { name: stringify!($name), severity: Severity::$severity, aws: $aws, meaning: $meaning };
        )*

        /// All codes, AWS's first (API reference, ValidateStateMachineDefinitionDiagnostic).
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    INVALID_JSON_DESCRIPTION, Error, true, "The definition is not JSON.";
    SCHEMA_VALIDATION_FAILED, Error, true, "A field is missing, not supported here, or has a value that it cannot have.";
    MISSING_END_STATE, Error, true, "The workflow has no terminal state.";
    DUPLICATE_STATE_NAME, Error, true, "A state name appears more than once in the workflow.";
    INVALID_STATE_NAME, Error, true, "A state name is too long.";
    DUPLICATE_LABEL_NAME, Error, true, "A label of a Map state appears more than once.";
    INVALID_LABEL_NAME, Error, true, "A label of a Map state is too long or has characters that it cannot have.";
    MISSING_TRANSITION_TARGET, Error, true, "A transition leads nowhere, or no transition leads to a state.";
    TOO_DEEPLY_NESTED, Error, true, "Map and Parallel states are nested too deeply.";
    INVALID_VARIABLE_NAME, Error, true, "A variable is assigned whose name is not valid.";
    RESERVED_VARIABLE_NAME, Error, true, "A variable is assigned whose name is reserved.";
    DUPLICATE_VARIABLE_NAME, Error, true, "A variable is assigned whose name is that of a variable of a machine around.";
    INVALID_JSONATA_EXPRESSION, Error, true, "A JSONata expression cannot be parsed.";
    UNSUPPORTED_JSONATA_EXPRESSION, Error, true, "A JSONata expression names what there is not in its place.";
    NO_DOLLAR, Warning, true, "A value looks like a path or an intrinsic function, but its field does not end in '.$'.";
    NO_PATH, Warning, true, "A value looks like a path, but its field does not end in 'Path'.";
    PASS_RESULT_IS_STATIC, Warning, true, "A path in the Result of a Pass state, which is taken literally.";
    POSSIBLY_UNDEFINED_VARIABLE, Warning, false, "A variable is read that no state assigns where it could be read.";
    CONFLICTING_FIELDS, Warning, false, "A payload template has a field both with and without '.$'.";
    DUPLICATE_KEY, Warning, false, "A key appears more than once in one object; the last one counts.";
    UNREACHABLE_STATE, Warning, false, "Only states that are not reachable themselves lead to a state.";
    NESTED_WITHOUT_END_STATE, Warning, false, "A branch or an item processor has no terminal state, so it never ends.";
    UNKNOWN_INTEGRATION, Warning, false, "A resource names a service that we know no integration of.";
    UNKNOWN_ERROR_NAME, Warning, false, "An error name begins with 'States.', which is reserved, and is none of the predefined ones.";
    UNCATCHABLE_ERROR, Warning, false, "A retrier or catcher names an error that is never retried or caught.";
    HEARTBEAT_NOT_BELOW_TIMEOUT, Warning, false, "HeartbeatSeconds is not below TimeoutSeconds, so that it never matters.";
    BEYOND_EXPRESS_LIMIT, Warning, false, "A time is longer than an Express execution may last.";
    TOO_MANY_DIAGNOSTICS, Warning, false, "There are more problems than are reported.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn what_aws_does_not_report_is_only_a_warning() {
        assert!(ALL.iter().all(|code| code.aws || code.severity == Severity::Warning));
    }
}
