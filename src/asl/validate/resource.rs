//! `Resource` of Task states: ARNs, and what Express workflows cannot call.

use super::integration;
use crate::{
    asl::{
        code,
        parse::{location::Location, sink::Sink},
    },
    model::machine_type::MachineType,
};

/// Fields of an ARN: `arn:partition:service:region:account:resource`.
const ARN_FIELDS: usize = 6;

/// Whether the resource is an activity.
pub(crate) fn is_activity(resource: &str) -> bool {
    let mut fields = resource.splitn(ARN_FIELDS, ':');
    fields.nth(2) == Some("states") && fields.nth(2).is_some_and(|resource| resource.starts_with("activity:"))
}

/// Checks the resource of a Task state in a workflow of that type.
pub(crate) fn check(resource: &str, machine_type: MachineType, location: &Location<'_>, sink: &mut Sink) {
    let fields: Vec<&str> = resource.splitn(ARN_FIELDS, ':').collect();
    let is_arn = fields.len() == ARN_FIELDS && fields[0] == "arn" && fields[1..3].iter().all(|field| !field.is_empty());
    if !is_arn || fields[5].is_empty() {
        sink.schema("Value is not a valid resource ARN", location);
        return;
    }
    if machine_type == MachineType::Express && refuse_for_express(resource, location, sink) {
        return;
    }
    if let Some((service, action)) = integration::service_and_action(resource) {
        match integration::find(service, action) {
            integration::Found::Yes => {}
            integration::Found::UnknownService => {
                let message = format_args!("'{service}' is no optimized integration that we know");
                sink.add(code::UNKNOWN_INTEGRATION, message, Some(location));
            }
            integration::Found::UnknownAction => sink.schema(
                format_args!(
                    "The resource provided {resource} is not recognized. The value is not a valid resource ARN, or the \
                     resource is not available in this region."
                ),
                location,
            ),
        }
    }
}

/// Express workflows take request-response integrations only (Developer Guide, "Choosing workflow type").
fn refuse_for_express(resource: &str, location: &Location<'_>, sink: &mut Sink) -> bool {
    if is_activity(resource) {
        sink.schema("Express state machine does not support Activity ARN", location);
    } else if resource.ends_with(".sync") || resource.ends_with(".sync:2") {
        sink.schema("Express state machine does not support '.sync' service integration", location);
    } else if resource.ends_with(".waitForTaskToken") {
        // The blank at the end is AWS's.
        sink.schema("Express state machine does not support '.waitForTaskToken' service integration ", location);
    } else {
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activities() {
        assert!(is_activity("arn:aws:states:us-east-1:111122223333:activity:count"));
        assert!(!is_activity("arn:aws:states:::lambda:invoke"));
        assert!(!is_activity("arn:aws:lambda:us-east-1:111122223333:function:activity"));
    }
}
