//! TagResource, UntagResource and ListTagsForResource.

use super::empty;
use crate::{
    Value,
    api::{
        error::ApiError,
        parameters::{Parameters, structure_of},
        reply,
    },
    model::quota::{MAX_TAG_KEY_CHARACTERS, MAX_TAG_VALUE_CHARACTERS},
    registry::{Registry, Tag},
};

/// A list of tags.
pub(super) fn read_tags(parameters: &mut Parameters, items: &[Value]) -> Result<Vec<Tag>, ApiError> {
    let mut tags = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let tag = structure_of(item.as_ref())?;
        let place = |field: &str| format!("tags.{}.member.{field}", place + 1);
        let key = parameters.optional_member(tag.get("key"), &place("key"), &(1..=MAX_TAG_KEY_CHARACTERS))?;
        let value = parameters.optional_member(tag.get("value"), &place("value"), &(0..=MAX_TAG_VALUE_CHARACTERS))?;
        // The API's model requires neither: what is not there is empty.
        tags.push(Tag { key: key.unwrap_or_default(), value: value.unwrap_or_default() });
    }
    Ok(tags)
}

/// TagResource.
pub(super) fn tag(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("resourceArn")?;
    let items = parameters.required_list("tags")?;
    let tags = read_tags(&mut parameters, &items)?;
    parameters.finish()?;
    registry.tag(&arn, &tags)?;
    Ok(empty())
}

/// UntagResource.
pub(super) fn untag(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("resourceArn")?;
    let items = parameters.required_list("tagKeys")?;
    let mut keys = Vec::with_capacity(items.len());
    for (place, item) in items.iter().enumerate() {
        let place = format!("tagKeys.{}.member", place + 1);
        keys.push(parameters.member(Some(item.as_ref()), &place, &(1..=MAX_TAG_KEY_CHARACTERS))?);
    }
    parameters.finish()?;
    registry.untag(&arn, &keys)?;
    Ok(empty())
}

/// ListTagsForResource.
pub(super) fn list(registry: &Registry, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let mut parameters = Parameters::parse(body)?;
    let arn = parameters.required_arn("resourceArn")?;
    parameters.finish()?;
    let record = registry.tagged(&arn)?;
    Ok(reply::body(|object| {
        object.objects("tags", &record.tags, |object, tag| {
            object.string("key", &tag.key);
            object.string("value", &tag.value);
        });
    }))
}
