//! Tags of state machines (API reference, Tag).

use super::RegistryError;
use crate::model::quota::MAX_TAGS;

/// A key and what it says about the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// At most 128 characters.
    pub key: String,
    /// At most 256 characters.
    pub value: String,
}

/// `tags` with `added` on top: known keys get their new value, the others follow in order.
///
/// # Errors
/// [`RegistryError::TooManyTags`] when more than [`MAX_TAGS`] result, and [`RegistryError::InvalidTag`] for keys that
/// begin with `aws:`, which are AWS's own.
pub(super) fn merge(tags: &[Tag], added: &[Tag]) -> Result<Vec<Tag>, RegistryError> {
    if added.iter().any(|tag| tag.key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))) {
        return Err(RegistryError::InvalidTag("aws: prefixed tag key names are not allowed for external use."));
    }
    let mut merged = tags.to_vec();
    for tag in added {
        match merged.iter().position(|known| known.key == tag.key) {
            Some(place) => merged[place].value.clone_from(&tag.value),
            None if merged.len() == MAX_TAGS => {
                return Err(RegistryError::TooManyTags(format!("Too Many Tags: a resource has at most {MAX_TAGS}")));
            }
            None => merged.push(tag.clone()),
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: key.into(), value: value.into() }
    }

    #[test]
    fn known_keys_are_overwritten_in_place() {
        let merged = merge(&[tag("a", "1"), tag("b", "2")], &[tag("c", "3"), tag("a", "4")]).unwrap();
        assert_eq!(merged, [tag("a", "4"), tag("b", "2"), tag("c", "3")]);
    }

    #[test]
    fn tags_are_counted_and_keys_of_aws_refused() {
        let many: Vec<Tag> = (0..=MAX_TAGS).map(|key| tag(&key.to_string(), "")).collect();
        assert!(matches!(merge(&[], &many), Err(RegistryError::TooManyTags(_))));
        assert_eq!(merge(&many[..MAX_TAGS], &many[..MAX_TAGS]).map(|tags| tags.len()), Ok(MAX_TAGS));
        assert!(matches!(merge(&[], &[tag("AWS:x", "")]), Err(RegistryError::InvalidTag(_))));
    }
}
