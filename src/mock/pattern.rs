//! Names with wildcards: `*` stands for any characters, also none.

/// Whether a name fits a pattern. Linear in most cases; at worst the product of both lengths.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        // Only the part behind the last `*` must stand at the end; those before it match as early as they can.
        if let Some(inner) = last.replace(part) {
            match rest.find(inner) {
                Some(place) => rest = &rest[place + inner.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(last) => rest.ends_with(last),
        None => rest.is_empty(),
    }
}

/// How much a pattern says: of several that fit, the one that says most is meant.
pub(super) fn weight(pattern: &str) -> usize {
    pattern.bytes().filter(|byte| *byte != b'*').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("ab*", "abcd", true),
            ("*cd", "abcd", true),
            ("a*d", "abcd", true),
            ("a*d", "ad", true),
            ("ab*bc", "abc", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
            ("arn:aws:states:::dynamodb:*", "arn:aws:states:::dynamodb:getItem", true),
            ("é*", "éa", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn longer_patterns_say_more() {
        assert!(weight("Charge*") > weight("Ch*e*"));
        assert_eq!(weight("*"), 0);
    }
}
