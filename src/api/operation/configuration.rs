//! `loggingConfiguration`, `tracingConfiguration` and the other structures that create and update share.

use crate::{
    Value,
    api::{
        error::ApiError,
        parameters::{Parameters, Show, boolean_of, list_of, structure_of},
        reply::{ObjectWriter, write_string},
    },
    model::quota::{MAX_ARN_CHARACTERS, MAX_VERSION_DESCRIPTION_CHARACTERS},
    registry::{LogLevel, LoggingConfiguration},
    value::ValueRef,
};

fn present<'a>(structure: &'a Value, name: &str) -> Option<ValueRef<'a>> {
    structure.get(name).filter(|value| !value.is_null())
}

/// `loggingConfiguration`.
pub(super) fn read_logging(parameters: &mut Parameters) -> Result<Option<LoggingConfiguration>, ApiError> {
    let Some(structure) = parameters.structure("loggingConfiguration")? else { return Ok(None) };
    let level = parameters.member_word(structure.get("level"), "loggingConfiguration.level", LogLevel::NAMES)?;
    let include = present(&structure, "includeExecutionData").map(boolean_of).transpose()?;
    let destinations = match present(&structure, "destinations").map(list_of).transpose()? {
        Some(items) => {
            let mut arns = Vec::with_capacity(items.len().min(2));
            for (place, item) in items.iter().enumerate() {
                let destination = structure_of(item.as_ref())?;
                let group = present(&destination, "cloudWatchLogsLogGroup").map(structure_of).transpose()?;
                let place = format!(
                    "loggingConfiguration.destinations.{}.member.cloudWatchLogsLogGroup.logGroupArn",
                    place + 1
                );
                let arn = group.as_ref().and_then(|group| group.get("logGroupArn"));
                arns.push(parameters.optional_member(arn, &place, &(1..=MAX_ARN_CHARACTERS))?.unwrap_or_default());
            }
            Some(arns)
        }
        None => None,
    };
    Ok(Some(LoggingConfiguration {
        level: level.as_deref().and_then(LogLevel::from_name).unwrap_or_default(),
        include_execution_data: include.unwrap_or(false),
        destinations,
    }))
}

/// `tracingConfiguration.enabled`; none when there is no such structure.
pub(super) fn read_tracing(parameters: &Parameters) -> Result<Option<bool>, ApiError> {
    let Some(structure) = parameters.structure("tracingConfiguration")? else { return Ok(None) };
    Ok(Some(present(&structure, "enabled").map(boolean_of).transpose()?.unwrap_or(false)))
}

/// Reads what is not there yet, and refuses what would be lost in silence: versions and keys of one's own.
pub(super) fn read_unsupported(parameters: &mut Parameters) -> Result<Unsupported, ApiError> {
    let publish = parameters.boolean("publish")?.unwrap_or(false);
    let description =
        parameters.string("versionDescription", &(0..=MAX_VERSION_DESCRIPTION_CHARACTERS), Show::Nothing)?;
    let encryption = parameters.structure("encryptionConfiguration")?;
    let key_type = encryption.as_ref().and_then(|structure| structure.get("type"));
    let words = &["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"];
    let key_type = parameters.member_word(key_type, "encryptionConfiguration.type", words)?;
    Ok(Unsupported {
        publish,
        described: description.is_some(),
        own_key: key_type.as_deref() == Some("CUSTOMER_MANAGED_KMS_KEY"),
    })
}

/// What a request asks for that is not there yet.
pub(super) struct Unsupported {
    publish: bool,
    described: bool,
    own_key: bool,
}

impl Unsupported {
    /// Refuses it.
    ///
    /// # Errors
    /// `ValidationException`.
    pub(super) fn refuse(&self) -> Result<(), ApiError> {
        if self.described && !self.publish {
            return Err(ApiError::validation("Version description can only be set when publish is true"));
        }
        if self.publish {
            return Err(ApiError::validation("Versions are not supported by expressway yet: publish must be false"));
        }
        if self.own_key {
            return Err(ApiError::validation(
                "Keys of one's own are not supported by expressway: encryptionConfiguration.type must be AWS_OWNED_KEY",
            ));
        }
        Ok(())
    }
}

/// `loggingConfiguration` of a reply.
pub(super) fn write_logging(object: &mut ObjectWriter<'_>, logging: &LoggingConfiguration) {
    object.object("loggingConfiguration", |object| {
        if let Some(destinations) = &logging.destinations {
            object.objects("destinations", destinations, |object, arn| {
                object.object("cloudWatchLogsLogGroup", |group| write_string(arn, group.key("logGroupArn")));
            });
        }
        object.boolean("includeExecutionData", logging.include_execution_data);
        object.string("level", logging.level.as_str());
    });
}
