//! Actions on executions: Express workflows have none of them (API reference: "not supported by EXPRESS").

use super::unsupported;
use crate::{
    api::{error::ApiError, parameters::Parameters},
    model::{action::Action, arn::Arn, machine_type::MachineType},
    registry::Registry,
};

/// Refuses an action on one execution: an Express execution as AWS does, others because there are none here.
pub(super) fn refuse(action: Action, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("executionArn")?;
    parameters.finish()?;
    Arn::parse(&arn)?.must_be(&["execution"])?;
    Err(unsupported(action))
}

/// ListExecutions.
pub(super) fn list(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("stateMachineArn")?;
    parameters.finish()?;
    match registry.describe(&arn)?.machine_type {
        MachineType::Express => {
            Err(ApiError::type_not_supported("This operation is not supported by this type of state machine"))
        }
        MachineType::Standard => Err(unsupported(Action::ListExecutions)),
    }
}
