//! Parameters of the actions that start executions.

use super::answer::{Form, service_error};
use crate::{
    Value,
    model::error_name,
    task::TaskError,
    value::{ValueRef, View},
};

/// What an action was called with.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) machine_arn: String,
    pub(super) name: Option<String>,
    pub(super) input: Value,
    /// The input as text: what the answer repeats.
    pub(super) input_text: String,
}

impl Parameters {
    /// Reads them.
    ///
    /// # Errors
    /// `States.Runtime` for members of the wrong type, `InvalidExecutionInput` for a text that is not JSON.
    pub(super) fn read(parameters: &Value, form: Form) -> Result<Self, TaskError> {
        let unusable = |problem: String| {
            let parameters = parameters.to_json();
            let cause = format!("The Parameters '{parameters}' could not be used to start the Task: [{problem}]");
            TaskError::new(error_name::RUNTIME, cause)
        };
        let text = |name: &str| match parameters.get(name).map(ValueRef::view) {
            Some(View::String(text)) => Ok(Some(text.to_owned())),
            None | Some(View::Null) => Ok(None),
            Some(_) => Err(unusable(format!("The value for the field '{name}' must be a STRING"))),
        };
        let machine_arn = text("StateMachineArn")?;
        let machine_arn =
            machine_arn.ok_or_else(|| unusable("The field 'StateMachineArn' is required but was missing".into()))?;
        let (input, input_text) = match parameters.get("Input").map(|input| (input, input.view())) {
            None | Some((_, View::Null)) => (Value::empty_object(), "{}".to_owned()),
            // A text is the input's JSON, anything else is the input.
            Some((_, View::String(text))) => match Value::parse(text) {
                Ok(input) => (input, text.to_owned()),
                Err(error) => {
                    let message = format!("Invalid State Machine Execution Input: '{error}'");
                    return Err(service_error(form, "InvalidExecutionInput", &message));
                }
            },
            Some((input, _)) => (input.to_value(), input.to_value().to_json()),
        };
        Ok(Self { machine_arn, name: text("Name")?, input, input_text })
    }
}
