//! CreateStateMachine, UpdateStateMachine, DescribeStateMachine, ListStateMachines and DeleteStateMachine.

use super::{
    configuration::{read_logging, read_tracing, read_unsupported, write_logging},
    empty,
    tag::read_tags,
};
use crate::{
    Value,
    api::{
        error::ApiError,
        parameters::{Parameters, Show},
        protocol::{INCLUDED_DATA, METADATA_ONLY},
        reply::{self, ObjectWriter},
    },
    asl::VariableReferences,
    model::{
        machine_type::MachineType,
        quota::{
            MAX_ARN_CHARACTERS, MAX_DEFINITION_BYTES, MAX_NAME_CHARACTERS, MAX_PAGE_ENTRIES, MAX_PAGE_TOKEN_CHARACTERS,
        },
    },
    registry::{CreateStateMachine, Registry, UpdateStateMachine},
};

/// The words of `type`.
pub(super) const MACHINE_TYPES: &[&str] = &["STANDARD", "EXPRESS"];

/// The type that a request names; `STANDARD` when it names none.
pub(super) fn machine_type(name: Option<&str>) -> MachineType {
    name.and_then(MachineType::from_name).unwrap_or_default()
}

/// CreateStateMachine.
pub(super) fn create(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let name = parameters.required_string("name", &(1..=MAX_NAME_CHARACTERS), Show::Value)?;
    let definition = parameters.required_string("definition", &(1..=MAX_DEFINITION_BYTES), Show::Nothing)?;
    let role_arn = parameters.required_arn("roleArn")?;
    let kind = parameters.word("type", MACHINE_TYPES)?;
    let logging = read_logging(&mut parameters)?.unwrap_or_default();
    let tags = parameters.list("tags")?;
    let tags = tags.map(|tags| read_tags(&mut parameters, &tags)).transpose()?.unwrap_or_default();
    let tracing_enabled = read_tracing(&parameters)?.unwrap_or(false);
    let unsupported = read_unsupported(&mut parameters)?;
    parameters.finish()?;
    unsupported.refuse()?;
    let machine_type = machine_type(kind.as_deref());
    let request = CreateStateMachine { name, definition, role_arn, machine_type, logging, tracing_enabled, tags };
    let record = registry.create(request)?;
    Ok(reply::body(|object| {
        object.timestamp("creationDate", record.creation_date_ms);
        object.string("stateMachineArn", &record.identity.arn);
    }))
}

/// UpdateStateMachine.
pub(super) fn update(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("stateMachineArn")?;
    let definition = parameters.string("definition", &(1..=MAX_DEFINITION_BYTES), Show::Nothing)?;
    let role_arn = parameters.string("roleArn", &(1..=MAX_ARN_CHARACTERS), Show::Value)?;
    let logging = read_logging(&mut parameters)?;
    let tracing_enabled = read_tracing(&parameters)?;
    let unsupported = read_unsupported(&mut parameters)?;
    parameters.finish()?;
    unsupported.refuse()?;
    let record = registry.update(&arn, UpdateStateMachine { definition, role_arn, logging, tracing_enabled })?;
    Ok(reply::body(|object| {
        object.optional_string("revisionId", record.revision_id.as_deref());
        object.timestamp("updateDate", record.update_date_ms);
    }))
}

/// DescribeStateMachine.
pub(super) fn describe(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("stateMachineArn")?;
    let included_data = parameters.word("includedData", INCLUDED_DATA)?;
    parameters.finish()?;
    let record = registry.describe(&arn)?;
    let metadata_only = included_data.as_deref() == Some(METADATA_ONLY);
    Ok(reply::body(|object| {
        object.timestamp("creationDate", record.creation_date_ms);
        if !metadata_only {
            object.string("definition", &record.definition);
        }
        object.object("encryptionConfiguration", |object| object.string("type", "AWS_OWNED_KEY"));
        write_logging(object, &record.logging);
        object.string("name", &record.identity.name);
        object.optional_string("revisionId", record.revision_id.as_deref());
        object.string("roleArn", &record.identity.role_arn);
        object.string("stateMachineArn", &record.identity.arn);
        object.string("status", "ACTIVE");
        object.object("tracingConfiguration", |object| object.boolean("enabled", record.tracing_enabled));
        object.string("type", record.machine_type.name());
        if !metadata_only {
            write_variable_references(object, &record.variable_references);
        }
    }))
}

/// `variableReferences`, which AWS leaves out where no state names a variable.
pub(super) fn write_variable_references(object: &mut ObjectWriter<'_>, references: &VariableReferences) {
    if references.is_empty() {
        return;
    }
    let states = references
        .iter()
        .map(|(state, names)| (state.as_str(), Value::array(names.iter().map(String::as_str).map(Value::from))));
    object.key("variableReferences").extend_from_slice(Value::object(states).to_json().as_bytes());
}

/// ListStateMachines.
pub(super) fn list(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let max_results = parameters.integer("maxResults", &(0..=MAX_PAGE_ENTRIES as i64))?;
    let next_token = parameters.string("nextToken", &(1..=MAX_PAGE_TOKEN_CHARACTERS), Show::Value)?;
    parameters.finish()?;
    let max_results = max_results.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let page = registry.list(max_results, next_token.as_deref())?;
    Ok(reply::body(|object| {
        object.optional_string("nextToken", page.next_token.as_deref());
        object.objects("stateMachines", &page.entries, |object, record| {
            object.timestamp("creationDate", record.creation_date_ms);
            object.string("name", &record.identity.name);
            object.string("stateMachineArn", &record.identity.arn);
            object.string("type", record.machine_type.name());
        });
    }))
}

/// DeleteStateMachine.
pub(super) fn delete(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("stateMachineArn")?;
    parameters.finish()?;
    registry.delete(&arn)?;
    Ok(empty())
}
